//! The form in which a log leaves the server: JSON lines that anybody can check without it.
//! It never judges what it reads; `verify` does.
//!
//! Always: a line has one spelling. Reading it and writing it again gives the same bytes, or it is refused.
//!
//! The first line is the header; then come entries in order, each with its leaf hash and, unless the copy is
//! redacted, its private part; signed checkpoints may stand between them, each after the last entry that it
//! covers, and one is the last line. The entry's bytes stand in its line exactly as they were hashed.

use super::checkpoint::{LogKey, origin};
use super::entry::Entry;
use crate::ids::TenantId;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version of the form; another one is refused.
pub const FORM: u32 = 1;

/// The longest line that is read, in bytes. Entries are far smaller, since requests are at most 256 KiB.
pub const LINE_MAX: usize = 4 * 1024 * 1024;

const WRITES: &str = "a header has only string keys";

/// The first line: whose log this is, and the key that it says it is signed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    writ_log: u32,
    /// The tenant.
    pub tenant: TenantId,
    /// The log's name, as its checkpoints say it.
    pub origin: String,
    /// The log's public key, as it says itself.
    pub key: String,
    /// True when private parts were left out on purpose.
    #[serde(default, skip_serializing_if = "is_false")]
    pub redacted: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

impl Header {
    /// The header of a tenant's log.
    pub fn new(tenant: TenantId, key: &LogKey, redacted: bool) -> Self {
        Self { writ_log: FORM, tenant, origin: origin(tenant), key: key.to_string(), redacted }
    }

    /// The header's line, with its end.
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect(WRITES);
        line.push(b'\n');
        line
    }

    /// Reads a header's line, without its end.
    pub(super) fn read(line: &str) -> Result<Self, LineError> {
        let header: Self = serde_json::from_str(line).map_err(LineError::not_json)?;
        if header.writ_log != FORM {
            return Err(LineError("it is of another form than 1; a newer `writ` may read it".to_owned()));
        }
        one_spelling(serde_json::to_string(&header).is_ok_and(|again| again == line)).map(|()| header)
    }
}

/// An entry's line, with its end.
///
/// The stored bytes are copied as they are: should they have been tampered with, the copy shows it.
pub fn entry_line(entry: &Entry, redacted: bool) -> Vec<u8> {
    let private = entry.private.as_ref().filter(|_| !redacted);
    let mut line = Vec::with_capacity(entry.bytes.len() + private.map_or(0, Vec::len) + 110);
    line.extend_from_slice(b"{\"entry\":");
    line.extend_from_slice(&entry.bytes);
    line.extend_from_slice(b",\"leaf\":\"");
    line.extend_from_slice(hex::encode(entry.leaf()).as_bytes());
    line.push(b'"');
    if let Some(private) = private {
        line.extend_from_slice(b",\"private\":");
        line.extend_from_slice(private);
    }
    line.extend_from_slice(b"}\n");
    line
}

/// A signed checkpoint's line, with its end.
pub fn checkpoint_line(note: &str) -> Vec<u8> {
    let mut line = serde_json::to_vec(&CheckpointLine { checkpoint: note.to_owned() }).expect(WRITES);
    line.push(b'\n');
    line
}

/// An entry's line, read: the bytes where they stand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryLine<'a> {
    #[serde(borrow)]
    pub(super) entry: &'a RawValue,
    pub(super) leaf: &'a str,
    #[serde(borrow, default)]
    pub(super) private: Option<&'a RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: String,
}

/// A line after the header, read.
pub(super) enum Line<'a> {
    Entry(EntryLine<'a>),
    Checkpoint(String),
}

impl<'a> Line<'a> {
    /// Reads a line, without its end.
    pub(super) fn read(line: &'a str) -> Result<Self, LineError> {
        if line.starts_with("{\"checkpoint\":") {
            let read: CheckpointLine = serde_json::from_str(line).map_err(LineError::not_json)?;
            one_spelling(serde_json::to_string(&read).is_ok_and(|again| again == line))?;
            return Ok(Self::Checkpoint(read.checkpoint));
        }
        let read: EntryLine<'a> = serde_json::from_str(line).map_err(LineError::not_json)?;
        let again = [
            "{\"entry\":",
            read.entry.get(),
            ",\"leaf\":\"",
            read.leaf,
            if read.private.is_some() { "\",\"private\":" } else { "\"" },
            read.private.map_or("", RawValue::get),
            "}",
        ];
        let rest = again.iter().try_fold(line, |rest, part| rest.strip_prefix(part));
        one_spelling(rest == Some("")).map(|()| Self::Entry(read))
    }
}

fn one_spelling(same: bool) -> Result<(), LineError> {
    if same { Ok(()) } else { Err(LineError("it is not spelt the way an export spells it".to_owned())) }
}

/// Why a line is not one of an export's.
pub(super) struct LineError(pub(super) String);

impl LineError {
    #[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
    fn not_json(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}
