//! A property's value as a row gives it: typed where it can be, so that filters and orders compare it and answers show
//! it without building JSON first.
//!
//! Always: two values of one property compare here as their JSON forms would; what is shown is the same either way.

use super::Kind;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::io::Write as _;
use uuid::Uuid;
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId, RequestId, RoleId, UnitId};
use writ_core::scope::Scope;
use writ_core::time::{Span, Time};

/// A property's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// true or false
    Bool(bool),
    /// A number.
    Int(i64),
    /// A moment.
    Time(Time),
    /// A length of time.
    Span(Span),
    /// A GUID.
    Guid(Uuid),
    /// A text, or an identifier that is no GUID.
    Text(Cow<'a, str>),
    /// Anything else: objects, lists.
    Json(Json),
    /// The same, as the bytes of its JSON.
    Raw(Cow<'a, [u8]>),
}

macro_rules! from {
    ($($from:ty => |$v:ident| $value:expr),+ $(,)?) => {$(
        impl From<$from> for Value<'_> {
            fn from($v: $from) -> Self {
                $value
            }
        }
    )+};
}

from! {
    bool => |v| Value::Bool(v),
    Time => |v| Value::Time(v),
    Span => |v| Value::Span(v),
    Uuid => |v| Value::Guid(v),
    PrincipalId => |v| Value::Guid(v.0),
    RoleId => |v| Value::Guid(v.0),
    UnitId => |v| Value::Guid(v.0),
    EligibilityId => |v| Value::Guid(v.0),
    AssignmentId => |v| Value::Guid(v.0),
    RequestId => |v| Value::Guid(v.0),
    String => |v| Value::Text(Cow::Owned(v)),
    Json => |v| Value::Json(v),
    Scope => |v| match v {
        Scope::Tenant => Value::Text(Cow::Borrowed("/")),
        narrower => Value::Text(Cow::Owned(narrower.to_string())),
    },
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl Value<'static> {
    /// What is always the same, as its JSON.
    pub const fn always(json: &'static str) -> Self {
        Value::Raw(Cow::Borrowed(json.as_bytes()))
    }

    /// What was written as JSON already.
    pub const fn written(json: Vec<u8>) -> Self {
        Value::Raw(Cow::Owned(json))
    }
}

impl Value<'_> {
    /// Whether there is none.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null | Value::Json(Json::Null))
    }

    /// As JSON.
    pub fn into_json(self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(b),
            Value::Int(n) => Json::from(n),
            Value::Time(t) => Json::String(t.to_string()),
            Value::Span(s) => Json::String(s.to_string()),
            Value::Guid(id) => Json::String(id.to_string()),
            Value::Text(text) => Json::String(text.into_owned()),
            Value::Json(json) => json,
            Value::Raw(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    /// The text, if it is one that is compared as a text.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Guid(id) => Some(Cow::Owned(id.to_string())),
            Value::Json(Json::String(text)) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    /// Writes it as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Value::Guid(id) => {
                out.push(b'"');
                out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
                out.push(b'"');
            }
            Value::Text(text) => write_text(text, out),
            // Neither has anything in it that JSON escapes.
            Value::Time(t) => told(format_args!("\"{t}\""), out),
            Value::Span(s) => told(format_args!("\"{s}\""), out),
            Value::Int(n) => told(format_args!("{n}"), out),
            Value::Json(json) => write_json(json, out),
            Value::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// Writes what can be shown as it is shown.
fn told(what: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(what);
}

/// Writes a text as JSON.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    if plain(text.as_bytes()) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        write_json(&Json::from(text), out);
    }
}

/// Writes JSON.
fn write_json(json: &Json, out: &mut Vec<u8>) {
    // Writing to memory does not fail, and every key is a text.
    let _ = serde_json::to_writer(out, json);
}

/// Whether a text has nothing in it that JSON escapes. Eight bytes are looked at as one number: most of what is answered
/// is text.
fn plain(text: &[u8]) -> bool {
    const EACH: u64 = u64::MAX / 255;
    // Whether one of the bytes is less than this; exact for limits up to 128.
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word & (EACH * 128) != 0;
    let odd = |word: u64| {
        below(word, 0x20) | below(word ^ (EACH * u64::from(b'"')), 1) | below(word ^ (EACH * u64::from(b'\\')), 1)
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    !words.iter().any(|word| odd(u64::from_ne_bytes(*word))) && !odd(u64::from_ne_bytes(last))
}

/// Which comes first: this text, or one that is in lower case already, case aside.
pub fn order_caseless(text: &str, lower: &str) -> Ordering {
    if text.is_ascii() {
        text.bytes().map(|c| c.to_ascii_lowercase()).cmp(lower.bytes())
    } else {
        text.to_lowercase().as_str().cmp(lower)
    }
}

/// A value as one of the keys that rows are sorted by. Nulls come before everything; texts compare without case.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// No value.
    Null,
    /// true or false
    Bool(bool),
    /// A number.
    Number(f64),
    /// A moment.
    Time(Time),
    /// A length of time.
    Span(Span),
    /// A GUID.
    Guid(Uuid),
    /// A text, in lower case unless it is an identifier.
    Text(String),
}

impl Key {
    /// The key that a value of this kind is sorted by.
    pub fn of(kind: &Kind, value: &Value<'_>) -> Key {
        match (kind, value) {
            (_, Value::Null | Value::Json(Json::Null)) => Key::Null,
            (_, Value::Bool(b)) => Key::Bool(*b),
            (_, Value::Int(n)) => Key::Number(*n as f64),
            (_, Value::Time(t)) => Key::Time(*t),
            (_, Value::Span(s)) => Key::Span(*s),
            (_, Value::Guid(id)) => Key::Guid(*id),
            (Kind::Text, Value::Text(text)) => Key::Text(text.to_lowercase()),
            (_, Value::Text(text)) => Key::Text(text.clone().into_owned()),
            (kind, Value::Json(json)) => Key::read(kind, json),
            (kind, Value::Raw(bytes)) => Key::read(kind, &serde_json::from_slice(bytes).unwrap_or_default()),
        }
    }

    /// The key that a value of this kind in its JSON form is sorted by.
    fn read(kind: &Kind, json: &Json) -> Key {
        let text = json.as_str();
        match kind {
            _ if json.is_null() => Key::Null,
            Kind::Bool => Key::Bool(json.as_bool().unwrap_or_default()),
            Kind::Int => Key::Number(json.as_f64().unwrap_or_default()),
            Kind::Time => text.and_then(|t| t.parse().ok()).map_or(Key::Null, Key::Time),
            Kind::Span => text.and_then(|t| t.parse().ok()).map_or(Key::Null, Key::Span),
            Kind::Text => Key::Text(text.unwrap_or_default().to_lowercase()),
            Kind::Id | Kind::Object(_) | Kind::List(_) => {
                let text = text.unwrap_or_default();
                match Uuid::try_parse(text) {
                    Ok(id) if text.len() == 36 => Key::Guid(id),
                    _ => Key::Text(text.to_owned()),
                }
            }
        }
    }

    /// Which of two keys of one property comes first.
    pub fn order(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Bool(a), Key::Bool(b)) => a.cmp(b),
            (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
            (Key::Time(a), Key::Time(b)) => a.cmp(b),
            (Key::Span(a), Key::Span(b)) => a.cmp(b),
            // As texts they would compare the same: both are in lower case, with hyphens at the same places.
            (Key::Guid(a), Key::Guid(b)) => a.cmp(b),
            (Key::Text(a), Key::Text(b)) => a.cmp(b),
            (Key::Guid(a), Key::Text(b)) => a.to_string().as_str().cmp(b),
            (Key::Text(a), Key::Guid(b)) => a.as_str().cmp(&b.to_string()),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Key::Null => 0,
            Key::Bool(_) => 1,
            Key::Number(_) => 2,
            Key::Time(_) => 3,
            Key::Span(_) => 4,
            Key::Guid(_) | Key::Text(_) => 5,
        }
    }

    /// The GUID, if it is one.
    pub fn guid(&self) -> Option<Uuid> {
        match self {
            Key::Guid(id) => Some(*id),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Key::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_json_escapes_is_found_at_every_place() {
        for byte in 0..=255u8 {
            let escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
            for length in 1..20 {
                for at in 0..length {
                    // What stands beside it must not hide it: neither the smallest byte that is plain nor the largest.
                    for beside in [b' ', 0x7f, 0xff] {
                        let mut text = vec![beside; length];
                        text[at] = byte;
                        assert_eq!(plain(&text), !escaped, "{byte} at {at} of {length} beside {beside}");
                    }
                }
            }
        }
    }

    #[test]
    fn values_are_written_as_their_json() {
        let id = Uuid::from_u128(7);
        for value in [
            Value::Null,
            true.into(),
            Value::Int(-3),
            Time::from_millis(1_795_251_600_250).into(),
            Span::from_minutes(90).into(),
            id.into(),
            "a \"quoted\"\n\u{1}text".into(),
            "plain é".into(),
            Json::from(vec![1, 2]).into(),
            Value::always(r#"{"a":["b"]}"#),
            Scope::Tenant.into(),
            Scope::Object(id).into(),
        ] {
            let mut out = Vec::new();
            value.write(&mut out);
            assert_eq!(serde_json::from_slice::<Json>(&out).unwrap(), value.into_json());
        }
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_its_json(before in "[ -~]{0,20}", odd in any::<char>(), after in ".{0,20}") {
            for text in [before.clone(), format!("{before}{odd}"), format!("{before}{odd}{after}")] {
                let mut out = Vec::new();
                write_text(&text, &mut out);
                prop_assert_eq!(String::from_utf8(out).unwrap(), Json::from(text).to_string());
            }
        }

        #[test]
        fn case_aside_is_the_order_of_lower_case(a in ".{0,6}", b in ".{0,6}") {
            let b = b.to_lowercase();
            prop_assert_eq!(order_caseless(&a, &b), a.to_lowercase().cmp(&b));
        }

        #[test]
        fn a_key_is_the_same_however_a_row_gives_its_value(text in ".{0,12}", n in any::<i32>(), ms in 0i64..1_000_000_000, guid in any::<u128>()) {
            for (kind, value) in [
                (Kind::Text, Value::from(text.as_str())),
                (Kind::Id, Value::from(text.as_str())),
                (Kind::Int, Value::Int(n.into())),
                (Kind::Time, Time::from_millis(ms).into()),
                (Kind::Span, Span::from_millis(ms).into()),
                (Kind::Id, Uuid::from_u128(guid).into()),
                (Kind::Bool, (n > 0).into()),
                (Kind::Text, Value::Null),
            ] {
                let key = Key::of(&kind, &value);
                // Whether a row gives a value typed or as JSON makes no difference.
                prop_assert_eq!(Key::of(&kind, &Value::Json(value.into_json())).order(&key), Ordering::Equal);
            }
        }
    }
}
