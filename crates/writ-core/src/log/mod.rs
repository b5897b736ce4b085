//! The log: what an entry is, how entries form one tree, and how anybody can check that nothing was changed.
//! It never stores anything and never asks what time it is; the key that signs is given to it.
//!
//! Always: the bytes that are stored are the bytes that were hashed; what a person may ask us to forget is not
//! among them, only a salted commitment to it.

pub mod checkpoint;
pub mod entry;
pub mod export;
pub mod merkle;
pub mod verify;

pub use checkpoint::{Checkpoint, CheckpointError, LogKey, Signed};
pub use entry::{Actor, Cause, Entry, EntryError, Envelope, Sealer, Via, open, seal};
pub use merkle::{Frontier, Hash, Head};
pub use verify::{Finding, Verifier, Whole};

/// Reads hex digits, lower-case only: a hash has one spelling, so that no changed byte reads the same.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let one_spelling = text.len() == 2 * N && !text.bytes().any(|digit| digit.is_ascii_uppercase());
    (one_spelling && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// Bytes of fixed length as lower-case hex, for serde's `with`.
mod as_hex {
    use alloc::string::String;
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    pub(super) fn serialize<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
        // On the stack: this runs for every text of every entry. Hashes and salts are at most 32 bytes.
        let mut digits = [0; 64];
        let digits = digits.get_mut(..2 * N).ok_or_else(|| ser::Error::custom("too long for a hash"))?;
        hex::encode_to_slice(bytes, digits).map_err(ser::Error::custom)?;
        serializer.serialize_str(core::str::from_utf8(digits).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        super::unhex(&text).ok_or_else(|| de::Error::custom("these bytes need lower-case hex digits, all of them"))
    }
}
