//! The sort keys of a row as the bytes of a page's token, and back. They are short: a token stands in every link, and is
//! read before anything of a page is.
//!
//! Always: what is read is what was written; of other bytes nothing is read.

use crate::http::graph::odata::value::Key;
use uuid::Uuid;
use writ_core::time::{Span, Time};

// What the next key is.
const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const TIME: u8 = 4;
const SPAN: u8 = 5;
const GUID: u8 = 6;
const TEXT: u8 = 7;

/// These keys as bytes.
pub(super) fn write(keys: &[Key]) -> Vec<u8> {
    // Most are ids.
    let mut out = Vec::with_capacity(17 * keys.len() + 16);
    let mut put = |sort: u8, bytes: &[u8]| {
        // A text's length stands before it; the others' are known.
        out.push(sort);
        if sort == TEXT {
            out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        }
        out.extend_from_slice(bytes);
    };
    for key in keys {
        match key {
            Key::Null => put(NULL, &[]),
            Key::Bool(false) => put(FALSE, &[]),
            Key::Bool(true) => put(TRUE, &[]),
            Key::Number(number) => put(NUMBER, &number.to_be_bytes()),
            Key::Time(time) => put(TIME, &time.millis().to_be_bytes()),
            Key::Span(span) => put(SPAN, &span.millis().to_be_bytes()),
            Key::Guid(id) => put(GUID, id.as_bytes()),
            Key::Text(text) => put(TEXT, text.as_bytes()),
        }
    }
    out
}

/// The keys in these bytes; `None` unless they are nothing but keys.
pub(super) fn read(mut bytes: &[u8]) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    while let Some((sort, rest)) = bytes.split_first() {
        bytes = rest;
        keys.push(match *sort {
            NULL => Key::Null,
            FALSE => Key::Bool(false),
            TRUE => Key::Bool(true),
            NUMBER => Key::Number(f64::from_be_bytes(take(&mut bytes)?)),
            TIME => Key::Time(Time::from_millis(i64::from_be_bytes(take(&mut bytes)?))),
            SPAN => Key::Span(Span::from_millis(i64::from_be_bytes(take(&mut bytes)?))),
            GUID => Key::Guid(Uuid::from_bytes(take(&mut bytes)?)),
            TEXT => {
                let length = usize::try_from(u64::from_be_bytes(take(&mut bytes)?)).ok()?;
                let (text, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Key::Text(str::from_utf8(text).ok()?.to_owned())
            }
            _ => return None,
        });
    }
    Some(keys)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            Just(Key::Null),
            any::<bool>().prop_map(Key::Bool),
            (-1e300..1e300).prop_map(Key::Number),
            (0i64..1_000_000_000_000_000).prop_map(|ms| Key::Time(Time::from_millis(ms))),
            (0i64..1_000_000_000_000).prop_map(|ms| Key::Span(Span::from_millis(ms))),
            any::<u128>().prop_map(|id| Key::Guid(Uuid::from_u128(id))),
            ".{0,12}".prop_map(Key::Text),
        ]
    }

    proptest! {
        #[test]
        fn keys_survive_a_token(keys in proptest::collection::vec(key(), 0..5)) {
            let bytes = write(&keys);
            prop_assert_eq!(read(&bytes), Some(keys.clone()));
            // Cut anywhere, fewer keys are read or none: never another one.
            for end in 0..bytes.len() {
                prop_assert!(read(&bytes[..end]).is_none_or(|fewer| fewer.len() < keys.len() && keys.starts_with(&fewer)));
            }
        }

        #[test]
        fn other_bytes_are_read_as_what_they_say_or_not_at_all(bytes in proptest::collection::vec(0u8..10, 0..40)) {
            if let Some(keys) = read(&bytes) {
                prop_assert_eq!(write(&keys), bytes);
            }
        }
    }
}
