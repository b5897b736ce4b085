//! Stories about exported logs: somebody changes one, and it is found and its place named.
#![expect(clippy::unwrap_used, reason = "what a test made itself is well formed, or the test fails")]

use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use writ_core::ids::{PrincipalId, TenantId, Uuid};
use writ_core::log::checkpoint::SigningKey;
use writ_core::log::export::{Header, checkpoint_line, entry_line};
use writ_core::log::verify::{Place, Wrong};
use writ_core::log::{
    Actor, Cause, Checkpoint, Entry, Envelope, Finding, Frontier, LogKey, Signed, Verifier, Via, Whole, seal,
};
use writ_core::personal::Personal;
use writ_core::time::Time;

const ANA: PrincipalId = PrincipalId::from_u128(0xa);
const BEN: PrincipalId = PrincipalId::from_u128(0xb);

fn tenant() -> TenantId {
    TenantId::from_u128(0x7e)
}
fn signing() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}
fn log_key() -> LogKey {
    LogKey::new(tenant(), signing().verifying_key())
}

/// A log that grows by one entry a second.
#[derive(Clone, Default)]
struct Log {
    entries: Vec<Entry>,
    redacted: bool,
}

impl Log {
    fn of(size: u64) -> Self {
        let mut log = Self::default();
        for n in 0..size {
            let reason = Personal::new(if n % 2 == 0 { ANA } else { BEN }, format!("reason {n} \"é\""));
            log.add("activation_began", json!({"role": "r", "reason": reason}));
        }
        log
    }

    fn add(&mut self, kind: &str, event: Value) {
        let seq = self.entries.len() as u64 + 1;
        self.put(seq, seq, kind, event);
    }

    fn put(&mut self, seq: u64, second: u64, kind: &str, event: Value) {
        let actor = Actor {
            principal: Some(ANA),
            via: Via::Cli,
            session: None,
            address: Some(Personal::new(ANA, "192.0.2.7")),
        };
        let cause = Cause { command: Uuid::from_u128(seq.into()), correlation: Uuid::nil(), parent: None };
        let at = Time::from_millis(1_795_269_920_000 + 1000 * second as i64);
        let mut salt = u128::from(seq) << 8;
        let envelope = Envelope { v: 1, kind: kind.to_owned(), seq, at, actor, cause, event };
        self.entries.push(seal(envelope, &mut || {
            salt += 1;
            salt.to_be_bytes()
        }));
    }

    /// Puts an erasure on record and carries it out.
    fn erase(&mut self, about: PrincipalId) {
        self.add("erased", json!({"principal": about}));
        self.forget(about);
    }

    fn forget(&mut self, about: PrincipalId) {
        for entry in &mut self.entries {
            *entry = entry.erase(about).unwrap_or_else(|| entry.clone());
        }
    }

    /// The checkpoint that was signed when the log had this many entries.
    fn checkpoint(&self, size: u64) -> String {
        let mut frontier = Frontier::new();
        self.entries[..size as usize].iter().for_each(|entry| frontier.append(entry.leaf()));
        Checkpoint::new(tenant(), frontier.head()).sign(&signing())
    }

    /// The lines of an export, with a checkpoint after each of these sizes.
    fn lines(&self, checkpoints: &[u64]) -> Vec<Vec<u8>> {
        let mut lines = vec![Header::new(tenant(), &log_key(), self.redacted).line()];
        for size in 0..=self.entries.len() as u64 {
            if size > 0 {
                lines.push(entry_line(&self.entries[size as usize - 1], self.redacted));
            }
            if checkpoints.contains(&size) {
                lines.push(checkpoint_line(&self.checkpoint(size)));
            }
        }
        lines
    }

    /// The lines of an ordinary export: one checkpoint, at the end.
    fn export(&self) -> Vec<Vec<u8>> {
        self.lines(&[self.entries.len() as u64])
    }
}

fn verify(lines: &[Vec<u8>], seen: &[String]) -> Result<Whole, Finding> {
    let seen = seen.iter().map(|note| note.parse::<Signed>().unwrap()).collect();
    let mut verifier = Verifier::new(Some(log_key()), seen);
    for line in lines {
        verifier.feed(line)?;
    }
    verifier.finish()
}

/// Feeds bytes as a reader of a file would: line by line, the last perhaps without its end.
fn verify_bytes(bytes: &[u8], key: Option<LogKey>) -> Result<Whole, Finding> {
    let mut verifier = Verifier::new(key, Vec::new());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        verifier.feed(line)?;
    }
    verifier.finish()
}

fn told(result: Result<Whole, Finding>) -> String {
    result.map_or_else(|found| found.to_string(), |whole| format!("whole, {} entries", whole.head.size))
}

fn replace(line: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(line.clone()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    *line = text.replace(from, to).into_bytes();
}

#[test]
fn a_log_that_nobody_touched_is_whole() {
    for size in [0, 1, 2, 23] {
        let log = Log::of(size);
        let whole = verify(&log.export(), &[]).unwrap();
        assert_eq!((whole.head.size, whole.checkpoints, whole.erased), (size, 1, 0));
        assert_eq!(whole.checkpoint, log.checkpoint(size));
    }
    let whole = verify(&Log::of(23).lines(&[0, 8, 16, 23]), &[Log::of(23).checkpoint(9)]).unwrap();
    assert_eq!(whole.checkpoints, 4);
    let at = Time::from_millis(1_795_269_920_000 + 9000);
    assert_eq!(whole.continues, [(9, Some(at))]);
}

#[test]
fn a_changed_entry_is_named() {
    let mut lines = Log::of(23).export();
    replace(&mut lines[17], r#""role":"r""#, r#""role":"s""#);
    insta::assert_snapshot!(told(verify(&lines, &[])), @"entry 17 (line 18): it was changed: its bytes do not give the hash beside them");
}

#[test]
fn a_changed_entry_whose_hash_was_changed_too_is_somewhere_since_the_last_checkpoint() {
    let (log, mut forged) = (Log::of(23), Log::default());
    for n in 1..=23u64 {
        let role = if n == 17 { "s" } else { "r" };
        let reason = Personal::new(if n % 2 == 1 { ANA } else { BEN }, format!("reason {} \"é\"", n - 1));
        forged.add("activation_began", json!({"role": role, "reason": reason}));
    }
    assert_eq!(log.entries[15], forged.entries[15]);
    assert_ne!(log.entries[16], forged.entries[16]);
    let mut lines = log.lines(&[8, 16, 23]);
    let place = lines.iter().position(|line| *line == entry_line(&log.entries[16], false)).unwrap();
    lines[place] = entry_line(&forged.entries[16], false);
    insta::assert_snapshot!(told(verify(&lines, &[])), @"entries 17 to 23 (line 27): something here was changed: the root is not the one that was signed");
}

#[test]
fn a_removed_entry_is_named() {
    let mut lines = Log::of(23).export();
    lines.remove(17);
    insta::assert_snapshot!(told(verify(&lines, &[])), @"entry 17 (line 18): entry 18 stands in its place: entries were removed, moved or added");
    let mut lines = Log::of(23).export();
    lines.remove(1);
    assert_eq!(verify(&lines, &[]).unwrap_err().place, Place::Entry(1));
}

#[test]
fn swapped_and_repeated_entries_are_named() {
    let mut lines = Log::of(23).export();
    lines.swap(17, 18);
    insta::assert_snapshot!(told(verify(&lines, &[])), @"entry 17 (line 18): entry 18 stands in its place: entries were removed, moved or added");
    let mut lines = Log::of(23).export();
    lines.insert(17, lines[17].clone());
    insta::assert_snapshot!(told(verify(&lines, &[])), @"entry 18 (line 19): entry 17 stands in its place: entries were removed, moved or added");
}

#[test]
fn a_tail_cut_off_is_found() {
    let lines = Log::of(23).lines(&[8, 16, 23]);
    insta::assert_snapshot!(told(verify(&lines[..22], &[])), @"entries 17 to 19: no signed checkpoint follows: the end was cut off, or the export did not finish");
    insta::assert_snapshot!(told(verify(&lines[..1], &[])), @"after the header: no signed checkpoint follows: the end was cut off, or the export did not finish");
    insta::assert_snapshot!(told(verify(&lines[..0], &[])), @"header: there is none; is this an exported log?");
    let mut lines = Log::of(23).export();
    let half = lines[17].len() / 2;
    lines[17].truncate(half);
    lines.truncate(18);
    insta::assert_snapshot!(told(verify(&lines, &[])), @"after entry 16 (line 18): the line has no end: the file was cut off here");
}

#[test]
fn an_older_copy_is_found_by_a_checkpoint_that_was_kept() {
    let (log, older) = (Log::of(23), Log::of(20));
    assert!(verify(&older.export(), &[]).is_ok(), "an older copy fits together");
    insta::assert_snapshot!(told(verify(&older.export(), &[log.checkpoint(23)])), @"your checkpoint of 23 entries: this log has only 20: it is an older copy, or its end was dropped and signed anew");
    insta::assert_snapshot!(told(verify(&log.export(), &[older.checkpoint(20)])), @"whole, 23 entries");
}

#[test]
fn a_fork_is_found_by_a_checkpoint_that_was_kept() {
    let log = Log::of(23);
    let mut fork = Log::of(16);
    for _ in 16..23 {
        fork.add("activation_ended", json!({"role": "r"}));
    }
    assert!(verify(&fork.export(), &[]).is_ok(), "whoever holds the key can sign another log");
    let seen = [log.checkpoint(16), log.checkpoint(20)];
    insta::assert_snapshot!(told(verify(&fork.export(), &seen)), @"entries 17 to 20 (line 21): something here is not what your checkpoint of 20 entries was signed over: the log was rewritten, or has split in two");
}

#[test]
fn a_kept_checkpoint_counts_only_when_the_log_s_key_signed_it() {
    let log = Log::of(5);
    let stranger = Checkpoint::new(tenant(), log.checkpoint(5).parse::<Signed>().unwrap().unproved().head);
    let seen = [stranger.sign(&SigningKey::from_bytes(&[8; 32]))];
    insta::assert_snapshot!(told(verify(&log.export(), &seen)), @"your checkpoint of 5 entries: the checkpoint is not signed by this key");
}

#[test]
fn an_altered_checkpoint_is_found() {
    let log = Log::of(5);
    for (from, to) in [("\\n5\\n", "\\n4\\n"), ("7e\\n5", "7f\\n5"), ("writ/0", "writ/1")] {
        let mut lines = log.export();
        replace(&mut lines[6], from, to);
        let found = verify(&lines, &[]).unwrap_err();
        assert!(matches!(found.place, Place::Checkpoint(5)), "{found}");
    }
    // One more signature, of whoever likes: the log's own still fits, and the line is not the one that Writ wrote.
    let stranger = Checkpoint::new(tenant(), Frontier::new().head()).sign(&SigningKey::from_bytes(&[9; 32]));
    let more = format!("{}{}\n", log.checkpoint(5), stranger.lines().last().unwrap());
    let mut lines = log.export();
    lines[6] = checkpoint_line(&more);
    assert_eq!(verify(&lines, &[]).unwrap_err().wrong, Wrong::CheckpointExtra);
    // A good checkpoint, in the wrong place or given twice.
    let mut lines = log.lines(&[3, 5]);
    lines.swap(3, 4);
    assert_eq!(verify(&lines, &[]).unwrap_err().wrong, Wrong::CheckpointPlace);
    let mut lines = log.export();
    lines.push(lines[6].clone());
    assert_eq!(verify(&lines, &[]).unwrap_err().wrong, Wrong::CheckpointPlace);
}

#[test]
fn an_altered_private_text_is_found_and_no_leaf_needs_to_change() {
    let mut lines = Log::of(23).export();
    replace(&mut lines[17], "reason 16", "reason 61");
    insta::assert_snapshot!(told(verify(&lines, &[])), @"entry 17 (line 18): private text 1 (about 00000000-0000-0000-0000-00000000000a) is not the one that was recorded");
    let mut lines = Log::of(23).export();
    replace(&mut lines[17], "é", "\\u00e9");
    insta::assert_snapshot!(told(verify(&lines, &[])), @"entry 17 (line 18): its private part was changed: Writ spells it another way");
}

#[test]
fn erasures_on_record_leave_a_whole_log_and_others_are_found() {
    let mut log = Log::of(6);
    let seen = log.checkpoint(6);
    log.erase(BEN);
    log.add("activation_began", json!({"role": "r", "reason": Personal::new(BEN, "back again")}));
    let whole = verify(&log.export(), &[seen]).unwrap();
    assert_eq!((whole.erased, whole.texts_gone), (1, 3));

    log.forget(BEN);
    insta::assert_snapshot!(told(verify(&log.export(), &[])), @"entry 8: a private text about 00000000-0000-0000-0000-00000000000b is missing, and no later entry records that it was erased");
    let mut log = Log::of(6);
    log.forget(BEN);
    assert_eq!(verify(&log.export(), &[]).unwrap_err().wrong, Wrong::TextGone(BEN));
}

#[test]
fn a_redacted_copy_is_whole_and_says_so() {
    let log = Log { redacted: true, ..Log::of(6) };
    let lines = log.export();
    let whole = verify(&lines, &[]).unwrap();
    assert!(whole.redacted && whole.texts_gone == 12);
    let text = String::from_utf8(lines.concat()).unwrap();
    assert!(!text.contains("reason 1") && !text.contains("192.0.2.7") && !text.contains("\"salt"));

    let mut lines = lines;
    lines[3] = entry_line(&log.entries[2], false);
    assert_eq!(verify(&lines, &[]).unwrap_err().wrong, Wrong::NotRedacted);
}

#[test]
fn only_the_key_that_was_given_counts() {
    let log = Log::of(3);
    let stranger = LogKey::new(tenant(), SigningKey::from_bytes(&[8; 32]).verifying_key());
    let bytes = log.export().concat();
    assert_eq!(verify_bytes(&bytes, Some(stranger.clone())).unwrap_err().wrong, Wrong::OtherKey);
    assert!(!verify_bytes(&bytes, None).unwrap().key_given);
    // A header that names another key than the one that signed.
    let mut lines = log.export();
    lines[0] = Header::new(tenant(), &stranger, false).line();
    assert!(matches!(verify_bytes(&lines.concat(), None).unwrap_err().place, Place::Checkpoint(3)));
}

#[test]
fn an_honest_signature_over_a_log_that_breaks_its_own_rules_does_not_make_it_whole() {
    let rule = |put: fn(&mut Log)| {
        let mut log = Log::of(2);
        put(&mut log);
        verify(&log.export(), &[]).unwrap_err()
    };
    assert_eq!(rule(|log| log.put(4, 4, "a", json!({}))).wrong, Wrong::OutOfPlace { found: 4 });
    assert_eq!(rule(|log| log.put(3, 1, "a", json!({}))).wrong, Wrong::TimeBackwards);
    assert_eq!(rule(|log| log.put(3, 3, "Not A Kind", json!({}))).wrong, Wrong::NotAKind);
}

#[test]
fn what_was_found_stays_found() {
    let lines = Log::of(3).export();
    let mut verifier = Verifier::new(None, Vec::new());
    verifier.feed(&lines[0]).unwrap();
    let found = verifier.feed(&lines[2]).unwrap_err();
    assert_eq!(verifier.feed(&lines[1]).as_ref(), Err(&found));
    assert_eq!(verifier.finish(), Err(found));
}

/// Every byte of a small export, and every bit of it: none can change unseen, with or without a given key.
#[test]
fn no_single_bit_can_change_unseen() {
    let mut log = Log::of(2);
    log.erase(BEN);
    let bytes = log.lines(&[1, 3]).concat();
    assert!(verify_bytes(&bytes, None).is_ok());
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let found = verify_bytes(&changed, None);
            assert!(found.is_err(), "bit {bit} of byte {place}");
        }
    }
    let mut places = BTreeSet::new();
    for cut in 0..bytes.len() {
        let found = verify_bytes(&bytes[..cut], None);
        // The first checkpoint's end is where an older copy would end; only a kept checkpoint can tell.
        let older = log.lines(&[1, 3])[..3].concat().len();
        assert_eq!(found.is_ok(), cut == older, "cut at {cut}");
        places.extend(found.err().map(|found| found.place.to_string()));
    }
    assert!(places.len() >= 5, "{places:?}");
}

#[derive(Clone, Debug)]
enum Tampering {
    Byte(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    CutLine(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Repeat(prop::sample::Index),
}

fn tampering() -> impl Strategy<Value = Tampering> {
    use Tampering::{Byte, CutLine, Insert, Remove, Repeat, Swap};
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), 1u8..).prop_map(|(at, flip)| Byte(at, flip)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Insert(at, byte)),
        index().prop_map(Remove),
        index().prop_map(CutLine),
        (index(), index()).prop_map(|(one, two)| Swap(one, two)),
        index().prop_map(Repeat),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn tampering_is_found(size in 1u64..20, change in tampering()) {
        let log = Log::of(size);
        let lines = log.export();
        let mut bytes = lines.concat();
        let mut changed = lines.clone();
        let by_lines = |lines: Vec<Vec<u8>>| lines.concat();
        let tampered = match change {
            Tampering::Byte(at, flip) => { let at = at.index(bytes.len()); bytes[at] ^= flip; bytes }
            Tampering::Insert(at, byte) => { let at = at.index(bytes.len() + 1); bytes.insert(at, byte); bytes }
            Tampering::Remove(at) => { let at = at.index(bytes.len()); bytes.remove(at); bytes }
            Tampering::CutLine(at) => { changed.remove(at.index(lines.len())); by_lines(changed) }
            Tampering::Swap(one, two) => { changed.swap(one.index(lines.len()), two.index(lines.len())); by_lines(changed) }
            Tampering::Repeat(at) => { let at = at.index(lines.len()); changed.insert(at, lines[at].clone()); by_lines(changed) }
        };
        let same = tampered == lines.concat();
        prop_assert_eq!(verify_bytes(&tampered, None).is_ok(), same);
    }

    #[test]
    fn no_bytes_make_the_verifier_panic(bytes: Vec<u8>, after: prop::sample::Index) {
        let mut lines = Log::of(3).lines(&[2, 3]);
        lines.truncate(after.index(lines.len() + 1));
        let mut start = lines.concat();
        start.extend(bytes);
        let _ = verify_bytes(&start, None);
    }

    /// Lines that look like lines, so that the parsers' depths are reached too.
    #[test]
    fn no_likely_lines_make_the_verifier_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\n", "null", "1", "\"entry\"", "\"leaf\"", "\"private\"", "\"checkpoint\"",
            "\"~private\"", "\"event\"", "\"v\"", "{\"entry\":", "{\"checkpoint\":\"", "\\n", "\"", "\u{2014} ", "0",
        ]), 0..40)
    ) {
        let mut start = Header::new(tenant(), &log_key(), false).line();
        start.extend(parts.concat().into_bytes());
        let _ = verify_bytes(&start, None);
    }
}

#[test]
fn a_checkpoint_can_be_compared_with_once_the_key_is_known() {
    let (log, older) = (Log::of(23), Log::of(20));
    let check = |lines: &[Vec<u8>], kept: &str| {
        let mut verifier = Verifier::new(None, Vec::new());
        verifier.feed(&lines[0])?;
        assert_eq!(verifier.key(), Some(&log_key()));
        verifier.compare_with(kept.parse().unwrap())?;
        lines[1..].iter().try_for_each(|line| verifier.feed(line))?;
        verifier.finish()
    };
    assert_eq!(check(&log.export(), &older.checkpoint(20)).unwrap().continues.len(), 1);
    assert_eq!(check(&older.export(), &log.checkpoint(23)).unwrap_err().wrong, Wrong::RolledBack { entries: 20 });
}
