//! Checks an exported log without the server that made it: was anything changed, removed, moved or cut off?
//! It reads line by line and keeps no more than the right edge of the tree and whom erasures were about.
//!
//! Always: a log that is said to be whole has every entry from the first to the last that a signed checkpoint
//! covers, each with the bytes that were signed; a verifier that found something never says so.

use super::checkpoint::{Checkpoint, CheckpointError, LogKey, Signed, origin};
use super::entry::{EntryError, Opened, is_plainly_written, open_parts};
use super::export::{EntryLine, Header, LINE_MAX, Line};
use super::merkle::{self, Frontier, Head};
use crate::ids::{PrincipalId, Seq, TenantId};
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The kind of the entry that puts an erasure on record, and the field that says whom it was about.
const ERASED: &str = "erased";
const ERASED_WHOM: &str = "principal";

/// Checks the lines of one export, fed one after another.
pub struct Verifier {
    given: Option<LogKey>,
    seen: Vec<Seen>,
    header: Option<(Header, LogKey)>,
    /// Lines fed so far.
    line: u64,
    frontier: Frontier,
    first: Option<Time>,
    last: Option<Time>,
    /// The size that the newest good checkpoint covers, and its note.
    proved: u64,
    newest: Option<String>,
    checkpoints: u64,
    /// For whom texts are gone, and in which entry last.
    gone: BTreeMap<PrincipalId, Seq>,
    texts_gone: u64,
    /// For whom an erasure is on record, and in which entry last.
    erased: BTreeMap<PrincipalId, Seq>,
    found: Option<Finding>,
}

/// A checkpoint that somebody kept.
struct Seen {
    signed: Signed,
    /// Set once the log's root at that size was found to be the same.
    proved: bool,
    /// When the last entry that it covers happened.
    at: Option<Time>,
}

/// A log in which nothing was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Whose log it is.
    pub tenant: TenantId,
    /// The key that signed it.
    pub key: LogKey,
    /// True when the key was given by whoever asked; otherwise the file named it itself, which shows only that
    /// the file fits together, not who wrote it.
    pub key_given: bool,
    /// Its size and root hash.
    pub head: Head,
    /// The signed checkpoint that covers all of it.
    pub checkpoint: String,
    /// How many checkpoints were in the file.
    pub checkpoints: u64,
    /// When its first entry happened.
    pub first: Option<Time>,
    /// When its last entry happened.
    pub last: Option<Time>,
    /// Sizes of the kept checkpoints that it continues, in the order given, each with the time of its last entry.
    pub continues: Vec<(u64, Option<Time>)>,
    /// Number of principals for whom an erasure is on record.
    pub erased: u64,
    /// Number of private texts that are not in the file.
    pub texts_gone: u64,
    /// True when the file says that private parts were left out.
    pub redacted: bool,
}

/// What was found first, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line in the file, from 1; none when it is about no single line.
    pub line: Option<u64>,
    /// The place in the log.
    pub place: Place,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// A place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The header.
    Header,
    /// Right after the entry with this number; 0 for right after the header.
    After(Seq),
    /// This entry.
    Entry(Seq),
    /// Somewhere among these entries, the first and the last included.
    Entries(Seq, Seq),
    /// The checkpoint of this size in the file.
    Checkpoint(u64),
    /// The checkpoint of this size that was given to compare with.
    Seen(u64),
}

/// What is wrong with an exported log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is no header.
    Empty,
    /// The line is longer than any that an export has.
    TooLong,
    /// The line has no end: the file was cut off within it.
    CutOff,
    /// The line is none of an export's.
    NotALine(String),
    /// The header names another log than its own tenant's.
    OtherOrigin,
    /// The header names another key than the one that was given.
    OtherKey,
    /// The entry's bytes do not give the hash beside them.
    Changed,
    /// The entry cannot be read, or its private texts are not those that were recorded.
    Entry(EntryError),
    /// The entry's kind is not a kind's name, or its version is 0.
    NotAKind,
    /// Another entry stands where this one belongs.
    OutOfPlace {
        /// The number of the entry that stands there.
        found: Seq,
    },
    /// It happened before the entry in front of it.
    TimeBackwards,
    /// A private text in a spelling that Writ does not write.
    TextSpelling,
    /// Private texts in a copy that says it has none.
    NotRedacted,
    /// A private text about this principal is gone, and no erasure is on record for it.
    TextGone(PrincipalId),
    /// The checkpoint is no good.
    Checkpoint(CheckpointError),
    /// The checkpoint has something in it that Writ does not write there.
    CheckpointExtra,
    /// The checkpoint does not stand after the last entry that it covers, or stands there twice.
    CheckpointPlace,
    /// The root over the entries is not the one that was signed.
    Root,
    /// No checkpoint in the file covers these entries.
    NotCovered,
    /// The entries are not those that the kept checkpoint was signed over.
    Forked {
        /// The size of the kept checkpoint.
        size: u64,
    },
    /// The log is shorter than it once was.
    RolledBack {
        /// The number of entries in the file.
        entries: u64,
    },
}

impl Verifier {
    /// A verifier of a log that should be signed by this key (or by the one it names itself), and should continue
    /// the logs that these kept checkpoints were signed over.
    pub fn new(key: Option<LogKey>, seen: Vec<Signed>) -> Self {
        Self {
            given: key,
            seen: seen.into_iter().map(|signed| Seen { signed, proved: false, at: None }).collect(),
            header: None,
            line: 0,
            frontier: Frontier::new(),
            first: None,
            last: None,
            proved: 0,
            newest: None,
            checkpoints: 0,
            gone: BTreeMap::new(),
            texts_gone: 0,
            erased: BTreeMap::new(),
            found: None,
        }
    }

    /// Checks the next line, which is given with its end.
    pub fn feed(&mut self, line: &[u8]) -> Result<(), Finding> {
        if let Some(found) = &self.found {
            return Err(found.clone());
        }
        self.line += 1;
        self.check(line).inspect_err(|found| self.found = Some(found.clone()))
    }

    /// The key that the file names, once its header was fed.
    pub fn key(&self) -> Option<&LogKey> {
        self.header.as_ref().map(|(_, key)| key)
    }

    /// Compares with one more kept checkpoint. Only between the header and the first entry: later the entries
    /// that it covers may have gone by.
    pub fn compare_with(&mut self, kept: Signed) -> Result<(), Finding> {
        assert_eq!(self.line, 1, "a kept checkpoint is given before the first entry");
        let checked = self.key().map_or(Ok(()), |key| check_seen(&kept, key));
        self.seen.push(Seen { signed: kept, proved: false, at: None });
        checked.and_then(|()| self.compare_seen()).inspect_err(|found| self.found = Some(found.clone()))
    }

    /// What is known once there are no more lines.
    pub fn finish(self) -> Result<Whole, Finding> {
        if let Some(found) = self.found {
            return Err(found);
        }
        let at = |place, wrong| Finding { line: None, place, wrong };
        let Some((header, key)) = self.header else {
            return Err(at(Place::Header, Wrong::Empty));
        };
        let head = self.frontier.head();
        let Some(checkpoint) = self.newest.filter(|_| self.proved == head.size) else {
            let place = if head.size == 0 { Place::After(0) } else { Place::Entries(self.proved + 1, head.size) };
            return Err(at(place, Wrong::NotCovered));
        };
        if let Some(seen) = self.seen.iter().find(|seen| !seen.proved) {
            let size = seen.signed.unproved().head.size;
            return Err(at(Place::Seen(size), Wrong::RolledBack { entries: head.size }));
        }
        // A text may go only once its erasure is on record; and the record comes after the text.
        let unrecorded = |(about, seq): &(&PrincipalId, &Seq)| self.erased.get(about).is_none_or(|erased| erased < seq);
        if let Some((about, seq)) = self.gone.iter().filter(|_| !header.redacted).find(unrecorded) {
            return Err(at(Place::Entry(*seq), Wrong::TextGone(*about)));
        }
        Ok(Whole {
            tenant: header.tenant,
            key,
            key_given: self.given.is_some(),
            head,
            checkpoint,
            checkpoints: self.checkpoints,
            first: self.first,
            last: self.last,
            continues: self.seen.iter().map(|seen| (seen.signed.unproved().head.size, seen.at)).collect(),
            erased: self.erased.len() as u64,
            texts_gone: self.texts_gone,
            redacted: header.redacted,
        })
    }

    fn at(&self, place: Place, wrong: Wrong) -> Finding {
        Finding { line: Some(self.line), place, wrong }
    }

    fn check(&mut self, line: &[u8]) -> Result<(), Finding> {
        let size = self.frontier.size();
        let here = if self.header.is_none() { Place::Header } else { Place::After(size) };
        if line.len() > LINE_MAX {
            return Err(self.at(here, Wrong::TooLong));
        }
        let Some(line) = line.strip_suffix(b"\n") else {
            return Err(self.at(here, Wrong::CutOff));
        };
        let line =
            core::str::from_utf8(line).map_err(|_| self.at(here.clone(), Wrong::NotALine("it is not UTF-8".into())))?;
        let Some(redacted) = self.header.as_ref().map(|(header, _)| header.redacted) else {
            let header = Header::read(line).map_err(|why| self.at(here, Wrong::NotALine(why.0)))?;
            return self.header(header);
        };
        match Line::read(line).map_err(|why| self.at(here, Wrong::NotALine(why.0)))? {
            Line::Entry(entry) => self.entry(&entry, redacted),
            Line::Checkpoint(note) => self.checkpoint(note),
        }
    }

    fn header(&mut self, header: Header) -> Result<(), Finding> {
        let wrong = |wrong| self.at(Place::Header, wrong);
        let named: LogKey = header.key.parse().map_err(|why| wrong(Wrong::Checkpoint(why)))?;
        if header.origin != origin(header.tenant) || named.name() != header.origin {
            return Err(wrong(Wrong::OtherOrigin));
        }
        if self.given.as_ref().is_some_and(|given| *given != named) {
            return Err(wrong(Wrong::OtherKey));
        }
        self.seen.iter().try_for_each(|seen| check_seen(&seen.signed, &named))?;
        self.header = Some((header, named));
        self.compare_seen()
    }

    fn entry(&mut self, line: &EntryLine<'_>, redacted: bool) -> Result<(), Finding> {
        let seq = self.frontier.size() + 1;
        let wrong = |wrong| self.at(Place::Entry(seq), wrong);
        let bytes = line.entry.get().as_bytes();
        let leaf = merkle::leaf(bytes);
        if super::unhex(line.leaf) != Some(leaf) {
            return Err(wrong(Wrong::Changed));
        }
        let private = line.private.map(|private| private.get().as_bytes());
        let Opened { envelope, gone } = open_parts(bytes, private).map_err(|why| wrong(Wrong::Entry(why)))?;
        if envelope.seq != seq {
            return Err(wrong(Wrong::OutOfPlace { found: envelope.seq }));
        }
        if self.last.is_some_and(|last| envelope.at < last) {
            return Err(wrong(Wrong::TimeBackwards));
        }
        if !is_kind(&envelope.kind) || envelope.v == 0 {
            return Err(wrong(Wrong::NotAKind));
        }
        if private.is_some() && redacted {
            return Err(wrong(Wrong::NotRedacted));
        }
        if !private.is_none_or(is_plainly_written) {
            return Err(wrong(Wrong::TextSpelling));
        }
        self.texts_gone += gone.len() as u64;
        self.gone.extend(gone.into_iter().map(|about| (about, seq)));
        if envelope.kind == ERASED
            && let Some(about) = envelope.event.get(ERASED_WHOM).and_then(|id| id.as_str()?.parse().ok())
        {
            self.erased.insert(about, seq);
        }
        self.first.get_or_insert(envelope.at);
        self.last = Some(envelope.at);
        self.frontier.append(leaf);
        self.compare_seen()
    }

    fn checkpoint(&mut self, note: String) -> Result<(), Finding> {
        let head = self.frontier.head();
        let wrong = |wrong| self.at(Place::Checkpoint(head.size), wrong);
        let Some((_, key)) = &self.header else {
            return Err(self.at(Place::Header, Wrong::Empty));
        };
        let signed: Signed = note.parse().map_err(|why| wrong(Wrong::Checkpoint(why)))?;
        let Checkpoint { head: stated, .. } = signed.by(key).map_err(|why| wrong(Wrong::Checkpoint(why)))?;
        if !signed.is_plain() {
            return Err(wrong(Wrong::CheckpointExtra));
        }
        if stated.size != head.size || (self.newest.is_some() && self.proved == head.size) {
            return Err(wrong(Wrong::CheckpointPlace));
        }
        if stated.root != head.root {
            return Err(self.at(self.since_proved(), Wrong::Root));
        }
        self.proved = head.size;
        self.newest = Some(note);
        self.checkpoints += 1;
        Ok(())
    }

    /// Compares with the kept checkpoints that were signed over as many entries as were read by now.
    fn compare_seen(&mut self) -> Result<(), Finding> {
        let size = self.frontier.size();
        let last = self.last;
        let mut forked = false;
        for seen in self.seen.iter_mut().filter(|seen| seen.signed.unproved().head.size == size) {
            seen.proved = seen.signed.unproved().head == self.frontier.head();
            seen.at = last;
            forked |= !seen.proved;
        }
        if forked { Err(self.at(self.since_proved(), Wrong::Forked { size })) } else { Ok(()) }
    }

    /// The entries that no good checkpoint covers yet.
    fn since_proved(&self) -> Place {
        let kept = self.seen.iter().filter(|seen| seen.proved).map(|seen| seen.signed.unproved().head.size);
        let proved = kept.fold(self.proved, Seq::max);
        match self.frontier.size() {
            0 => Place::Header,
            size => Place::Entries(proved.min(size - 1) + 1, size),
        }
    }
}

/// A kept checkpoint counts only when the log's own key signed it.
fn check_seen(kept: &Signed, key: &LogKey) -> Result<(), Finding> {
    let place = Place::Seen(kept.unproved().head.size);
    kept.by(key).map(|_| ()).map_err(|why| Finding { line: None, place, wrong: Wrong::Checkpoint(why) })
}

/// A kind's name: small letters, digits and underscores, a letter first.
fn is_kind(kind: &str) -> bool {
    kind.starts_with(|c: char| c.is_ascii_lowercase())
        && kind.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        write!(f, ": {}", self.wrong)
    }
}
impl core::error::Error for Finding {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::After(0) => f.write_str("after the header"),
            Self::After(seq) => write!(f, "after entry {seq}"),
            Self::Entry(seq) => write!(f, "entry {seq}"),
            Self::Entries(from, to) if from == to => write!(f, "entry {from}"),
            Self::Entries(from, to) => write!(f, "entries {from} to {to}"),
            Self::Checkpoint(size) => write!(f, "checkpoint of {size} entries"),
            Self::Seen(size) => write!(f, "your checkpoint of {size} entries"),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is none; is this an exported log?"),
            Self::TooLong => f.write_str("the line is longer than any in an exported log"),
            Self::CutOff => f.write_str("the line has no end: the file was cut off here"),
            Self::NotALine(why) => write!(f, "the line was changed, it is none of an exported log: {why}"),
            Self::OtherOrigin => f.write_str("tenant, name and key do not belong together: one of them was changed"),
            Self::OtherKey => f.write_str("it names another key than the one you gave"),
            Self::Changed => f.write_str("it was changed: its bytes do not give the hash beside them"),
            Self::Entry(why) => write!(f, "{why}"),
            Self::NotAKind => f.write_str("its kind is not a kind's name, or has no version"),
            Self::OutOfPlace { found } => {
                write!(f, "entry {found} stands in its place: entries were removed, moved or added")
            }
            Self::TimeBackwards => f.write_str("it happened before the entry in front of it"),
            Self::TextSpelling => f.write_str("its private part was changed: Writ spells it another way"),
            Self::NotRedacted => f.write_str("it has private texts, and the header says that there are none"),
            Self::TextGone(about) => {
                write!(f, "a private text about {about} is missing, and no later entry records that it was erased")
            }
            Self::Checkpoint(why) => write!(f, "{why}"),
            Self::CheckpointExtra => f.write_str("it has more in it than size, root and the log's signature"),
            Self::CheckpointPlace => f.write_str(
                "a checkpoint of another size stands here, or the same one twice: entries or checkpoints were removed, \
                 moved or added",
            ),
            Self::Root => f.write_str("something here was changed: the root is not the one that was signed"),
            Self::NotCovered => {
                f.write_str("no signed checkpoint follows: the end was cut off, or the export did not finish")
            }
            Self::Forked { size } => write!(
                f,
                "something here is not what your checkpoint of {size} entries was signed over: the log was rewritten, \
                 or has split in two"
            ),
            Self::RolledBack { entries } => {
                write!(f, "this log has only {entries}: it is an older copy, or its end was dropped and signed anew")
            }
        }
    }
}
