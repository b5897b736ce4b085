//! Writing an entry: the event goes from its type to the public bytes without becoming a JSON value in between, and the
//! texts that can be forgotten go to the private part on the way. This runs for every event of every commit.
//! It knows no kind of event, only personal data.
//!
//! Always: the bytes are those that the event's JSON value would give: fields in the order of their names, whatever
//! order the type declares them in. Texts are numbered in the order in which they stand in the bytes.

use super::tree::{Part, Tree};
use super::{ABOUT, Entry, Envelope, PRIVATE, TEXT, Via, WRITES, commitment};
use crate::ids::{PrincipalId, Uuid};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use serde::Serialize;

/// Rather more bytes than most entries have, so that few of them move while they grow.
const BYTES: usize = 1536;
/// The same of private parts.
const PRIVATE_BYTES: usize = 384;

/// Turns an envelope into the entry that is stored: texts that can be forgotten move to the private part, each
/// with a fresh salt from `salts`.
pub fn seal<E: Serialize>(envelope: Envelope<E>, salts: &mut dyn FnMut() -> [u8; 16]) -> Entry {
    Sealer::default().seal(envelope, salts)
}

/// Seals one entry after the other in the same memory: what it writes on the way to an entry is larger than the entry.
#[derive(Default)]
pub struct Sealer {
    tree: Tree,
    promises: Text,
}

impl Sealer {
    /// As [`seal`].
    pub fn seal<E: Serialize>(&mut self, envelope: Envelope<E>, salts: &mut dyn FnMut() -> [u8; 16]) -> Entry {
        self.tree.clear();
        self.promises.0.clear();
        sealed(envelope, salts, &mut self.tree, &mut self.promises)
    }
}

fn sealed<E: Serialize>(
    envelope: Envelope<E>,
    salts: &mut dyn FnMut() -> [u8; 16],
    tree: &mut Tree,
    promises: &mut Text,
) -> Entry {
    let Envelope { v, kind, seq, at, actor, cause, event } = envelope;
    let event = event.serialize(&mut *tree).expect(WRITES);
    let public = Text(Vec::with_capacity(BYTES));
    let mut sealing = Sealing { salts, hidden: 0, promises, secrets: Text::default(), public };

    // The order of the fields is the format; `Public` reads it.
    sealing.public.shown(format_args!("{{\"v\":{v},\"kind\":"));
    sealing.public.quoted(&kind);
    sealing.public.shown(format_args!(",\"seq\":{seq},\"at\":\"{at}\",\"actor\":{{\"principal\":"));
    sealing.public.id_or_null(actor.principal.map(|id| id.0));
    sealing.public.put(",\"via\":");
    sealing.public.quoted(actor.via.word());
    sealing.public.put(",\"session\":");
    sealing.public.id_or_null(actor.session.map(|id| id.0));
    if let Some(address) = &actor.address {
        sealing.public.put(",\"address\":");
        sealing.personal(address.about(), address.text());
    }
    sealing.public.put("},\"cause\":{\"command\":");
    sealing.public.id(cause.command);
    sealing.public.put(",\"correlation\":");
    sealing.public.id(cause.correlation);
    match cause.parent {
        Some(parent) => sealing.public.shown(format_args!(",\"parent\":{parent}")),
        None => sealing.public.put(",\"parent\":null"),
    }
    sealing.public.put("},\"event\":");
    sealing.part(tree, &event);
    let Sealing { mut public, promises, mut secrets, .. } = sealing;
    if !promises.0.is_empty() {
        public.put(",\"private\":");
        public.0.extend_from_slice(&promises.0);
        public.put("]");
        secrets.put("]");
    }
    public.put("}");
    Entry { seq, at, kind, bytes: public.0, private: (!secrets.0.is_empty()).then_some(secrets.0) }
}

impl Via {
    /// As it is written.
    const fn word(self) -> &'static str {
        match self {
            Via::Api => "api",
            Via::Page => "page",
            Via::Cli => "cli",
            Via::Host => "host",
            Via::Timer => "timer",
            Via::Console => "console",
        }
    }
}

/// The two parts of an entry as they grow. The promises are the public part's last field.
struct Sealing<'a> {
    salts: &'a mut dyn FnMut() -> [u8; 16],
    /// How many texts have moved to the private part.
    hidden: usize,
    public: Text,
    promises: &'a mut Text,
    secrets: Text,
}

impl Sealing<'_> {
    fn part(&mut self, tree: &Tree, part: &Part) {
        match part {
            Part::Word(word) => self.public.put(word),
            Part::Number(digits) => self.public.put(tree.text(digits)),
            Part::Text(text) => self.public.quoted(tree.text(text)),
            Part::Array(items) => {
                self.public.put("[");
                for (n, (_, item)) in tree.parts(items).iter().enumerate() {
                    self.public.put(if n == 0 { "" } else { "," });
                    self.part(tree, item);
                }
                self.public.put("]");
            }
            Part::Object(fields) => {
                self.public.put("{");
                for (n, (name, field)) in tree.parts(fields).iter().enumerate() {
                    self.public.put(if n == 0 { "" } else { "," });
                    self.public.quoted(tree.name(name));
                    self.public.put(":");
                    self.part(tree, field);
                }
                self.public.put("}");
            }
            Part::Personal(about, text) => self.personal(*about, text.as_ref().map(|text| tree.text(text))),
        }
    }

    /// Moves a text to the private part; what stands in its place is its position there. An erased text stands in
    /// the open: there is nothing in it to hide.
    fn personal(&mut self, about: PrincipalId, text: Option<&str>) {
        let Some(text) = text else {
            self.public.shown(format_args!("{{\"{ABOUT}\":\"{about}\",\"{TEXT}\":null}}"));
            return;
        };
        self.public.shown(format_args!("{{\"{PRIVATE}\":{}}}", self.hidden));
        let salt = (self.salts)();
        if self.hidden == 0 {
            self.secrets.0.reserve(PRIVATE_BYTES);
        }
        let before = if self.hidden == 0 { "[" } else { "," };
        self.hidden += 1;
        self.promises.put(before);
        self.promises.put("{\"about\":");
        self.promises.id(about.0);
        self.promises.put(",\"commit\":");
        self.promises.hex(&commitment(&salt, text));
        self.promises.put("}");
        self.secrets.put(before);
        self.secrets.put("{\"salt\":");
        self.secrets.hex(&salt);
        self.secrets.put(",\"text\":");
        self.secrets.quoted(text);
        self.secrets.put("}");
    }
}

/// JSON as it grows.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn put(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    fn shown(&mut self, json: fmt::Arguments<'_>) {
        self.write_fmt(json).expect("memory takes every text, and what is shown here never fails");
    }

    fn id(&mut self, id: Uuid) {
        self.put("\"");
        self.put(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        self.put("\"");
    }

    fn id_or_null(&mut self, id: Option<Uuid>) {
        match id {
            Some(id) => self.id(id),
            None => self.put("null"),
        }
    }

    /// Hashes and salts: at most 32 bytes.
    fn hex(&mut self, bytes: &[u8]) {
        let mut digits = [0; 64];
        let digits = &mut digits[..2 * bytes.len()];
        hex::encode_to_slice(bytes, digits).expect("two digits for each byte");
        self.put("\"");
        self.0.extend_from_slice(digits);
        self.put("\"");
    }

    /// A text in quotes, with the escapes that JSON asks for and no others.
    fn quoted(&mut self, text: &str) {
        self.put("\"");
        if plain(text.as_bytes()) {
            self.put(text);
            self.put("\"");
            return;
        }
        let mut rest = text;
        // What must be escaped is one byte long, so that both sides of it are whole texts.
        while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
            let (before, from) = rest.split_at(at);
            let (escaped, after) = from.split_at(1);
            self.put(before);
            match escaped {
                "\"" => self.put("\\\""),
                "\\" => self.put("\\\\"),
                "\u{8}" => self.put("\\b"),
                "\t" => self.put("\\t"),
                "\n" => self.put("\\n"),
                "\u{c}" => self.put("\\f"),
                "\r" => self.put("\\r"),
                other => other.bytes().for_each(|byte| self.shown(format_args!("\\u{byte:04x}"))),
            }
            rest = after;
        }
        self.put(rest);
        self.put("\"");
    }
}

/// Whether there is nothing in a text that JSON escapes. Nearly no text has any of it, so eight bytes are looked at at
/// once: each test sets the highest bit of some byte if, and only if, there is such a byte.
fn plain(text: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    let low = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let found = |bytes: [u8; 8]| {
        let word = u64::from_le_bytes(bytes);
        let (quote, slash) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
        (low(word, 0x20) | low(quote, 1) | low(slash, 1)) & (ONES * 0x80) != 0
    };
    let (whole, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    !whole.iter().any(|bytes| found(*bytes)) && !found(last)
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_is_plain_if_json_escapes_nothing_of_it(
            mut text in proptest::collection::vec(any::<u8>(), 0..40),
            odd in proptest::option::of((0usize..40, prop_oneof![Just(b'"'), Just(b'\\'), 0u8..0x22])),
        ) {
            // Most bytes are escaped by nobody; one that may be stands anywhere.
            text.iter_mut().for_each(|byte| *byte = if *byte < 0x20 || b"\"\\".contains(byte) { *byte | 0x80 } else { *byte });
            if let Some((at, byte)) = odd
                && let Some(there) = text.get_mut(at)
            {
                *there = byte;
            }
            let escaped = text.iter().any(|byte| *byte < 0x20 || b"\"\\".contains(byte));
            prop_assert_eq!(plain(&text), !escaped);
        }
    }
}
