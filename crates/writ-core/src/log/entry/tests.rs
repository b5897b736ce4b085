//! What an entry is, shown on examples and held for any value.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn ana() -> PrincipalId {
    PrincipalId::from_u128(0xa)
}
fn ben() -> PrincipalId {
    PrincipalId::from_u128(0xb)
}
fn personal(about: PrincipalId, text: &str) -> Value {
    serde_json::to_value(Personal::new(about, text)).unwrap()
}

fn envelope(event: Value, address: Option<Personal>) -> Envelope {
    Envelope {
        v: 1,
        kind: "activation_began".to_owned(),
        seq: 17,
        at: Time::from_millis(1_795_269_920_656),
        actor: Actor { principal: Some(ana()), via: Via::Api, session: None, address },
        cause: Cause { command: Uuid::from_u128(1), correlation: Uuid::from_u128(2), parent: None },
        event,
    }
}

/// Salts that are all different, and the same in every run.
fn salts() -> impl FnMut() -> [u8; 16] {
    let mut n = 0u128;
    move || {
        n += 1;
        n.to_be_bytes()
    }
}

fn example() -> Envelope {
    let event = json!({"role": "r", "reason": personal(ana(), "replace disk"), "told": [personal(ben(), "Ben")]});
    envelope(event, Some(Personal::new(ana(), "192.0.2.7")))
}

#[test]
fn an_entry_has_this_form() {
    let entry = seal(example(), &mut salts());
    // Shown broken into lines; the bytes have none.
    let expected = r#"{"v":1,"kind":"activation_began","seq":17,"at":"2026-11-21T14:05:20.656Z",
"actor":{"principal":"00000000-0000-0000-0000-00000000000a","via":"api","session":null,"address":{"~private":0}},
"cause":{"command":"00000000-0000-0000-0000-000000000001","correlation":"00000000-0000-0000-0000-000000000002","parent":null},
"event":{"reason":{"~private":1},"role":"r","told":[{"~private":2}]},
"private":[{"about":"00000000-0000-0000-0000-00000000000a","commit":"a837ab185d9348d0f77e85494c3b1998d3b8853104671092cfeab548dbcbc642"},
{"about":"00000000-0000-0000-0000-00000000000a","commit":"f90d82d24b6a5faede659847ce900dc460c0408143a3c5bc2d9928fac9c2afe3"},
{"about":"00000000-0000-0000-0000-00000000000b","commit":"4747d6bc60d59e04425c101e29ed545d7b5796d3952601dcc2ba4759637355ad"}]}"#;
    assert_eq!(str::from_utf8(&entry.bytes).unwrap(), expected.replace('\n', ""));
    let private = r#"[{"salt":"00000000000000000000000000000001","text":"192.0.2.7"},
{"salt":"00000000000000000000000000000002","text":"replace disk"},
{"salt":"00000000000000000000000000000003","text":"Ben"}]"#;
    assert_eq!(str::from_utf8(entry.private.as_ref().unwrap()).unwrap(), private.replace('\n', ""));
    assert_eq!(open(&entry), Ok(example()));
}

#[test]
fn an_entry_without_texts_has_no_private_part() {
    let plain = envelope(json!({"role": "r"}), None);
    let entry = seal(plain.clone(), &mut || panic!("nothing to salt"));
    assert_eq!(entry.private, None);
    assert!(!str::from_utf8(&entry.bytes).unwrap().contains("private"));
    assert_eq!(open(&entry), Ok(plain));
}

#[test]
fn erasing_somebody_keeps_the_leaf_and_the_others() {
    let entry = seal(example(), &mut salts());
    let erased = entry.erase(ana()).unwrap();
    assert_eq!(erased.leaf(), entry.leaf());
    let read = open(&erased).unwrap();
    assert_eq!(read.actor.address, Some(Personal::erased(ana())));
    assert_eq!(read.event["reason"], serde_json::to_value(Personal::erased(ana())).unwrap());
    assert_eq!(read.event["told"][0], personal(ben(), "Ben"));
    assert!(!str::from_utf8(erased.private.as_ref().unwrap()).unwrap().contains("disk"));
    assert_eq!(erased.erase(ana()), None, "nothing left to forget");
    assert_eq!(entry.erase(PrincipalId::from_u128(0xc)), None);
}

#[test]
fn a_redacted_copy_still_opens() {
    let read = open(&seal(example(), &mut salts()).redacted()).unwrap();
    assert_eq!(read.event["told"][0], serde_json::to_value(Personal::erased(ben())).unwrap());
}

#[test]
fn a_changed_private_text_is_found() {
    let mut entry = seal(example(), &mut salts());
    let private = str::from_utf8(entry.private.as_ref().unwrap()).unwrap();
    entry.private = Some(private.replace("replace disk", "replace risk").into_bytes());
    assert_eq!(open(&entry), Err(EntryError::Altered { index: 1, about: ana() }));
    entry.private = Some(b"[null,null]".to_vec());
    assert!(matches!(open(&entry), Err(EntryError::NotPrivateTexts { .. })));
}

#[test]
fn a_column_that_differs_from_the_bytes_is_found() {
    let entry = seal(example(), &mut salts());
    for (changed, column) in [
        (Entry { seq: 18, ..entry.clone() }, "seq"),
        (Entry { at: Time::from_millis(0), ..entry.clone() }, "at"),
        (Entry { kind: "activation_ended".to_owned(), ..entry.clone() }, "kind"),
    ] {
        assert_eq!(open(&changed), Err(EntryError::Column { column }));
    }
}

/// Any value, with personal texts and with field names that try to pass for them.
fn values() -> impl Strategy<Value = Value> {
    let id = prop_oneof![Just(ana().to_string()), Just("00000000-0000-0000-0000-00000000000A".to_owned()), ".{0,5}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        (any::<u8>(), ".{0,8}").prop_map(|(who, text)| personal(PrincipalId::from_u128(who.into()), &text)),
        Just(serde_json::to_value(Personal::erased(ben())).unwrap()),
        (id, ".{0,5}").prop_map(|(id, text)| json!({"~about": id, "~text": text})),
        (0u64..3).prop_map(|n| json!({"~private": n})),
    ];
    let names = prop_oneof![Just("~private"), Just("~about"), Just("~text"), Just("~~text"), Just("role"), Just("to")];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The event as it stands in the public bytes, and the texts that left it: sealing in the plainest way.
fn plainly_sealed(event: &Value, hidden: &mut Vec<(PrincipalId, String)>) -> Value {
    match event {
        Value::Array(items) => items.iter().map(|item| plainly_sealed(item, hidden)).collect(),
        Value::Object(fields) => match (personal_about(fields), fields.get(TEXT)) {
            (Some(about), Some(Value::String(text))) => {
                hidden.push((about, text.clone()));
                json!({"~private": hidden.len() - 1})
            }
            (Some(_), _) => event.clone(),
            (None, _) => {
                let marked = |name: &str| if name.starts_with(MARK) { format!("~{name}") } else { name.to_owned() };
                fields.iter().map(|(name, field)| (marked(name), plainly_sealed(field, hidden))).collect()
            }
        },
        other => other.clone(),
    }
}

/// Everything that serde can tell of a type.
#[derive(Serialize)]
struct Everything {
    z: (i8, u64, f64, f32),
    a: char,
    unit: (),
    word: Variants,
    one: Variants,
    two: Variants,
    fields: Variants,
    none: Option<u8>,
    map: alloc::collections::BTreeMap<i32, bool>,
    personal: Option<Personal>,
    escaped: &'static str,
}

#[derive(Serialize)]
enum Variants {
    Word,
    One(u8),
    Two(u8, Personal),
    Fields { b: u8, a: Option<Personal> },
}

#[test]
fn a_type_is_sealed_as_its_json_value() {
    let everything = Everything {
        z: (-1, u64::MAX, 0.1, 0.1),
        a: '"',
        unit: (),
        word: Variants::Word,
        one: Variants::One(1),
        two: Variants::Two(2, Personal::new(ben(), "two\u{1}\u{8}\u{c}\r\t")),
        fields: Variants::Fields { b: 3, a: Some(Personal::erased(ana())) },
        none: None,
        map: [(-3, true), (7, false)].into(),
        personal: Some(Personal::new(ana(), "a\\b \"c\"\n")),
        escaped: "\u{1}\u{1f}\u{7f}/é\u{2028}\\ \"",
    };
    let envelope = |event| Envelope { event, ..envelope(Value::Null, None) };
    let value = envelope(serde_json::to_value(&everything).unwrap());
    let Envelope { v, kind, seq, at, actor, cause, .. } = value.clone();
    let typed = Envelope { v, kind, seq, at, actor, cause, event: &everything };
    let entry = seal(typed, &mut salts());
    assert_eq!(seal(value.clone(), &mut salts()), entry);
    assert_eq!(open(&entry), Ok(value));
}

proptest! {
    #[test]
    fn the_bytes_are_those_of_the_plainest_way(event in values()) {
        let mut hidden = Vec::new();
        let public = plainly_sealed(&event, &mut hidden);
        let entry = seal(envelope(event, None), &mut salts());
        let bytes = str::from_utf8(&entry.bytes).unwrap();
        let from = bytes.find(",\"event\":").unwrap() + ",\"event\":".len();
        let public = serde_json::to_string(&public).unwrap();
        prop_assert!(bytes[from..].starts_with(&public), "{} instead of {public}", &bytes[from..]);
        let mut salts = salts();
        let secrets: Vec<_> = hidden.iter().map(|(_, text)| Secret { salt: salts(), text: text.clone() }).collect();
        let promises: Vec<_> = hidden.iter().zip(&secrets).map(|((about, _), secret)| {
            json!({"about": about, "commit": hex::encode(secret.commitment())}).to_string()
        }).collect();
        let last = if hidden.is_empty() { "}".to_owned() } else { format!(",\"private\":[{}]}}", promises.join(",")) };
        prop_assert_eq!(&bytes[from + public.len()..], last);
        let secrets: Vec<_> = secrets.into_iter().map(Some).collect();
        prop_assert_eq!(entry.private, (!secrets.is_empty()).then(|| write_secrets(&secrets)));
    }

    #[test]
    fn opening_gives_back_what_was_sealed(event in values(), address in prop::option::of(".{0,9}")) {
        let envelope = envelope(event, address.map(|text| Personal::new(ben(), text)));
        let entry = seal(envelope.clone(), &mut salts());
        prop_assert!(!entry.bytes.contains(&b'\n'));
        prop_assert_eq!(&seal(envelope.clone(), &mut salts()), &entry, "sealing is deterministic");
        prop_assert_eq!(open(&entry), Ok(envelope));
    }

    #[test]
    fn no_bytes_make_opening_panic(bytes: Vec<u8>, private in prop::option::of(any::<Vec<u8>>())) {
        let entry = Entry { seq: 1, at: Time::default(), kind: "x".to_owned(), bytes, private };
        prop_assert!(open(&entry).is_err());
        prop_assert_eq!(entry.erase(ana()), None);
    }

    #[test]
    fn a_changed_byte_never_goes_unseen(event in values(), at: prop::sample::Index, flip in 1u8..) {
        let entry = seal(envelope(event, None), &mut salts());
        let mut changed = entry.clone();
        let place = at.index(changed.bytes.len());
        changed.bytes[place] ^= flip;
        prop_assert_ne!(changed.leaf(), entry.leaf());
        let _ = open(&changed);
        let _ = changed.erase(ana());
    }
}
