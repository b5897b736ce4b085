//! The log in memory, for tests and simulations, with a disk's bad days on demand.
//! It never writes anything anywhere.
//!
//! Always: behaves as the SQLite log does; one contract suite runs against both. A planned [`Mishap`] happens once.

use super::{AppendError, CHECKPOINT_BLOCK, Fault};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use writ_core::ids::{PrincipalId, Seq};
use writ_core::log::{Entry, Frontier, Head};

/// What goes wrong in one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It fails before anything is written.
    Before,
    /// Written and durable, but the answer is lost.
    LostAnswer,
    /// Not written, and the answer is lost.
    LostAsk,
    /// Written and acknowledged to nobody: the sync fails.
    Unsynced,
    /// The next read of head or entries fails as well, after the answer was lost; the entries are there.
    LostAnswerAndReads(u32),
    /// Nothing: the append goes well. For planning a mishap later in a row.
    None,
}

/// The log in memory. Clones share it.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    durable: Disk,
    /// What is written but not synced; a crash forgets it.
    written: Option<Disk>,
    mishaps: VecDeque<Mishap>,
    failing_reads: u32,
    appends: u64,
}

#[derive(Clone, Default)]
struct Disk {
    entries: Vec<Entry>,
    head: Option<Head>,
    checkpoints: BTreeMap<u64, String>,
    scrubbed: Seq,
}

impl Log {
    /// An empty log.
    pub fn new() -> Log {
        Log::default()
    }

    /// Plans what goes wrong in the appends to come, one each, in order.
    pub fn plan(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.0.lock().mishaps.extend(mishaps);
    }

    /// Forgets what was planned and has not happened.
    pub fn calm(&self) {
        let mut inner = self.0.lock();
        inner.mishaps.clear();
        inner.failing_reads = 0;
    }

    /// A crash of the machine: what was not synced is forgotten, and so are planned mishaps.
    pub fn crash(&self) {
        let mut inner = self.0.lock();
        inner.written = None;
        inner.mishaps.clear();
        inner.failing_reads = 0;
    }

    /// Lets every append and read wait until the guard is dropped.
    pub fn pause(&self) -> impl Drop + '_ {
        self.0.lock()
    }

    /// Changes an entry's public bytes, as somebody with the disk in their hands could.
    pub fn tamper(&self, seq: Seq, change: impl FnOnce(&mut Entry)) {
        let index = usize::try_from(seq - 1).unwrap_or(usize::MAX);
        if let Some(entry) = self.0.lock().durable.entries.get_mut(index) {
            change(entry);
        }
    }

    /// Adds an entry and makes the head fit, as somebody with the disk in their hands could; they cannot sign.
    pub fn forge(&self, entry: Entry) {
        let disk = &mut self.0.lock().durable;
        disk.entries.push(entry);
        let mut frontier = Frontier::new();
        disk.entries.iter().for_each(|entry| frontier.append(entry.leaf()));
        disk.head = Some(frontier.head());
    }

    /// How many appends became durable.
    pub fn appends(&self) -> u64 {
        self.0.lock().appends
    }

    pub(super) fn append(
        &self,
        head: Head,
        next: Head,
        entries: &[Entry],
        checkpoint: &str,
    ) -> Result<Head, AppendError> {
        let planned = |why: &str| Fault::new(format!("planned: {why}"));
        let mut inner = self.0.lock();
        let found = inner.seen().head.unwrap_or(Head::empty());
        if found != head {
            return Err(AppendError::Conflict { found });
        }
        match inner.mishaps.pop_front().unwrap_or(Mishap::None) {
            Mishap::Before => Err(AppendError::Fault(planned("failed before writing"))),
            Mishap::LostAsk => Err(AppendError::Unknown(planned("the ask was lost"))),
            Mishap::Unsynced => {
                let mut cached = inner.seen().clone();
                cached.extend(head, next, entries, checkpoint);
                inner.written = Some(cached);
                Err(AppendError::Unsynced(planned("the sync failed")))
            }
            mishap => {
                inner.durable.extend(head, next, entries, checkpoint);
                inner.appends += 1;
                match mishap {
                    Mishap::LostAnswer => Err(AppendError::Unknown(planned("the answer was lost"))),
                    Mishap::LostAnswerAndReads(reads) => {
                        inner.failing_reads = reads;
                        Err(AppendError::Unknown(planned("the answer was lost")))
                    }
                    _ => Ok(next),
                }
            }
        }
    }

    pub(super) fn read(&self, after: Seq, limit: u32) -> Result<Vec<Entry>, Fault> {
        let mut inner = self.0.lock();
        inner.fail_if_planned()?;
        let from = usize::try_from(after).unwrap_or(usize::MAX).min(inner.seen().entries.len());
        Ok(inner.seen().entries[from..].iter().take(limit as usize).cloned().collect())
    }

    pub(super) fn head(&self) -> Result<Head, Fault> {
        let mut inner = self.0.lock();
        inner.fail_if_planned()?;
        Ok(inner.seen().head.unwrap_or(Head::empty()))
    }

    pub(super) fn checkpoints(&self) -> Vec<(u64, String)> {
        self.0.lock().seen().checkpoints.iter().map(|(size, note)| (*size, note.clone())).collect()
    }

    pub(super) fn erasures_due(&self) -> Vec<Entry> {
        let inner = self.0.lock();
        let disk = inner.seen();
        disk.entries.iter().filter(|e| e.kind == "erased" && e.seq > disk.scrubbed).cloned().collect()
    }

    pub(super) fn erase(&self, about: PrincipalId, erased: Seq) -> u64 {
        let mut inner = self.0.lock();
        let disk = &mut inner.durable;
        let mut found = 0;
        for entry in disk.entries.iter_mut().take_while(|entry| entry.seq <= erased) {
            if let Some(scrubbed) = entry.erase(about) {
                *entry = scrubbed;
                found += 1;
            }
        }
        disk.scrubbed = disk.scrubbed.max(erased);
        found
    }
}

impl Disk {
    fn extend(&mut self, head: Head, next: Head, entries: &[Entry], checkpoint: &str) {
        self.entries.extend_from_slice(entries);
        self.head = Some(next);
        if head.size / CHECKPOINT_BLOCK == next.size / CHECKPOINT_BLOCK {
            self.checkpoints.remove(&head.size);
        }
        self.checkpoints.insert(next.size, checkpoint.to_owned());
    }
}

impl Inner {
    /// What a read sees: the page cache, before the disk.
    fn seen(&self) -> &Disk {
        self.written.as_ref().unwrap_or(&self.durable)
    }

    fn fail_if_planned(&mut self) -> Result<(), Fault> {
        match self.failing_reads.checked_sub(1) {
            Some(left) => {
                self.failing_reads = left;
                Err(Fault::new("planned: the read failed"))
            }
            None => Ok(()),
        }
    }
}
