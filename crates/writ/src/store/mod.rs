//! Where a tenant's log lives: SQLite in a file, or memory for tests and simulations.
//! It never decides, and never changes an entry; erasing drops private parts only.
//!
//! Always: entries are durable once `append` returns Ok, and an append succeeds only on the head that is newest.

#[cfg(test)]
mod contract;
pub mod memory;
pub mod place;
pub mod sqlite;

use std::fmt;
use writ_core::ids::{PrincipalId, Seq};
use writ_core::log::{Entry, Head};

/// The most entries that one read returns.
pub const READ_MAX: u32 = 4096;

/// Checkpoints are kept one for each block of this many entries, besides the newest, so that a verifier can
/// name the interval in which a log was changed.
pub const CHECKPOINT_BLOCK: u64 = 1024;

/// The world failed: a disk, a file, another process. One sentence for the operator; holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl Fault {
    /// A fault with its sentence.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("SQLite: {error}"))
    }
}

/// Why an append did not answer Ok.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The head is not the newest: somebody else appended. Nothing was written.
    Conflict {
        /// The newest head.
        found: Head,
    },
    /// The answer was lost: the entries are all there or all absent. The caller reads the log before it answers.
    Unknown(Fault),
    /// Nothing was written.
    Fault(Fault),
    /// The disk did not sync. What a read shows now may be gone after a crash, and a second sync may lie, so the
    /// caller must stop the process and let the next start read what is really there.
    Unsynced(Fault),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Conflict { found } => write!(f, "somebody else appended: the log has {found:?}"),
            AppendError::Unknown(why) => write!(f, "whether it was written is not known: {why}"),
            AppendError::Fault(why) => write!(f, "nothing was written: {why}"),
            AppendError::Unsynced(why) => write!(f, "the disk did not sync: {why}"),
        }
    }
}

impl std::error::Error for AppendError {}

/// A tenant's log. Clones share it.
#[derive(Clone)]
pub enum Store {
    /// In the tenant's SQLite file.
    Sqlite(sqlite::Log),
    /// In memory, with faults on demand.
    Memory(memory::Log),
}

impl Store {
    /// Appends the entries, which continue the log of size `head.size`, and the checkpoint that is signed over
    /// the new head. All of them or none, durable before it returns Ok. Blocks its thread for one commit.
    pub fn append(&self, head: Head, next: Head, entries: &[Entry], checkpoint: &str) -> Result<Head, AppendError> {
        let continues = entries.iter().zip(head.size + 1..).all(|(entry, seq)| entry.seq == seq);
        assert!(
            continues && next.size == head.size + entries.len() as u64,
            "entries are numbered without a gap from the head that they continue"
        );
        match self {
            Store::Sqlite(log) => log.append(head, next, entries, checkpoint),
            Store::Memory(log) => log.append(head, next, entries, checkpoint),
        }
    }

    /// The entries after `after`, in order; at most `limit` and never more than [`READ_MAX`].
    pub async fn read(&self, after: Seq, limit: u32) -> Result<Vec<Entry>, Fault> {
        let limit = limit.min(READ_MAX);
        match self {
            Store::Sqlite(log) => log.read(after, limit).await,
            Store::Memory(log) => log.read(after, limit),
        }
    }

    /// The newest durable head.
    pub async fn head(&self) -> Result<Head, Fault> {
        match self {
            Store::Sqlite(log) => log.head().await,
            Store::Memory(log) => log.head(),
        }
    }

    /// After a lost answer: syncs whatever was written, then reads the newest head. What it finds is durable.
    pub async fn settle(&self) -> Result<Head, Fault> {
        match self {
            Store::Sqlite(log) => log.settle(),
            Store::Memory(log) => log.head(),
        }
    }

    /// The newest checkpoint; none before the first entry.
    pub async fn checkpoint(&self) -> Result<Option<String>, Fault> {
        Ok(self.checkpoints().await?.pop().map(|(_, note)| note))
    }

    /// The checkpoints that were kept, with the size each was signed over, in order; the newest is last.
    pub async fn checkpoints(&self) -> Result<Vec<(u64, String)>, Fault> {
        match self {
            Store::Sqlite(log) => log.checkpoints().await,
            Store::Memory(log) => Ok(log.checkpoints()),
        }
    }

    /// The entries of kind `erased` whose erasure was not yet carried out to its end.
    pub async fn erasures_due(&self) -> Result<Vec<Entry>, Fault> {
        match self {
            Store::Sqlite(log) => log.erasures_due().await,
            Store::Memory(log) => Ok(log.erasures_due()),
        }
    }

    /// Drops the private texts about a principal in the entries up to and with `erased`, the entry that put the
    /// erasure on record, and notes that it was carried out. May be repeated; the public bytes stay.
    pub async fn erase(&self, about: PrincipalId, erased: Seq) -> Result<u64, Fault> {
        match self {
            Store::Sqlite(log) => log.erase(about, erased).await,
            Store::Memory(log) => Ok(log.erase(about, erased)),
        }
    }

    /// Does what is better done while nobody waits: moves what was appended into the main file.
    pub async fn rest(&self) -> Result<(), Fault> {
        match self {
            Store::Sqlite(log) => log.rest().await,
            Store::Memory(_) => Ok(()),
        }
    }
}
