//! Proofs that an older log is a prefix of the present one, for those who kept a checkpoint.
//! It reads the log and writes nothing; what it keeps in memory can be lost at any time.
//!
//! Always: one proof reads at most a few thousand entries, however long the log is. The roots over whole blocks are
//! worked out once, some at each call; until all are there, the answer is that there is no proof yet.

use crate::store::{Fault, Store};
use arc_swap::ArcSwap;
use std::ops::Range;
use tokio::sync::Semaphore;
use writ_core::log::merkle::consistency_parts;
use writ_core::log::{Frontier, Hash};

/// How many leaves a block has, as a power of two. A million entries are a thousand hashes in memory.
const LEVEL: u32 = 10;
/// The same as a number.
const BLOCK: u64 = 1 << LEVEL;
/// How many blocks are worked out in one call: some tenths of a second of reading.
const BLOCKS_AT_ONCE: usize = 64;

/// The roots over the log's whole blocks, as far as they are known.
pub(super) struct Proofs {
    store: Store,
    blocks: ArcSwap<Vec<Hash>>,
    /// One caller at a time works out more blocks; the others come again.
    filling: Semaphore,
}

impl Proofs {
    pub(super) fn over(store: Store) -> Self {
        Self { store, blocks: ArcSwap::default(), filling: Semaphore::new(1) }
    }

    /// The proof that the log's first `old` entries are a prefix of its first `new`, which must be durable.
    pub(super) async fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>, Fault> {
        let Some(parts) = consistency_parts(old, new) else { return Ok(None) };
        // Whoever is up to date, or has seen nothing, costs no reading.
        if parts.is_empty() {
            return Ok(Some(Vec::new()));
        }
        if !self.fill(new).await? {
            return Ok(None);
        }
        let mut proof = Vec::with_capacity(parts.len());
        for part in parts {
            proof.push(self.root(part).await?);
        }
        Ok(Some(proof))
    }

    /// Works out blocks up to `size`; whether all are there now.
    async fn fill(&self, size: u64) -> Result<bool, Fault> {
        let wanted = usize::try_from(size >> LEVEL).unwrap_or(usize::MAX);
        if self.blocks.load().len() >= wanted {
            return Ok(true);
        }
        let Ok(_alone) = self.filling.try_acquire() else { return Ok(false) };
        let mut blocks = Vec::clone(&self.blocks.load());
        let goal = wanted.min(blocks.len() + BLOCKS_AT_ONCE);
        while blocks.len() < goal {
            let begin = blocks.len() as u64 * BLOCK;
            let mut frontier = Frontier::new();
            self.leaves(begin..begin + BLOCK).await?.into_iter().for_each(|leaf| frontier.append(leaf));
            blocks.push(frontier.root());
        }
        let all = blocks.len() >= wanted;
        self.blocks.store(blocks.into());
        Ok(all)
    }

    /// The root over a part of the log that begins at the edge of whole trees of its size.
    async fn root(&self, part: Range<u64>) -> Result<Hash, Fault> {
        let mut frontier = Frontier::new();
        let mut begin = part.start;
        if part.end - part.start >= BLOCK {
            let blocks = self.blocks.load_full();
            let known = blocks.iter().skip(usize::try_from(begin >> LEVEL).unwrap_or(usize::MAX));
            for block in known.take(usize::try_from((part.end - part.start) >> LEVEL).unwrap_or(usize::MAX)) {
                frontier.append_whole(*block, LEVEL);
                begin += BLOCK;
            }
        }
        self.leaves(begin..part.end).await?.into_iter().for_each(|leaf| frontier.append(leaf));
        Ok(frontier.root())
    }

    /// The leaf hashes of at most one block, counted from 0.
    async fn leaves(&self, range: Range<u64>) -> Result<Vec<Hash>, Fault> {
        let count = range.end - range.start;
        if count == 0 {
            return Ok(Vec::new());
        }
        let limit = u32::try_from(count).unwrap_or(u32::MAX);
        let entries = self.store.read(range.start, limit).await?;
        if entries.len() as u64 != count {
            return Err(Fault::new(format!("the log has no entries {} to {}", range.start + 1, range.end)));
        }
        Ok(entries.iter().map(writ_core::log::Entry::leaf).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory;
    use writ_core::log::merkle::continues;
    use writ_core::log::{Entry, Head};

    /// A log of so many entries, and its heads after each.
    async fn log(size: u64) -> (Store, Vec<Head>) {
        let (store, mut frontier) = (Store::Memory(memory::Log::new()), Frontier::new());
        let mut heads = vec![frontier.head()];
        for first in (1..=size).step_by(1000) {
            let before = frontier.head();
            let entries: Vec<Entry> = (first..=size.min(first + 999))
                .map(|seq| Entry {
                    seq,
                    at: writ_core::time::Time::from_millis(0),
                    kind: "told".into(),
                    bytes: seq.to_string().into_bytes(),
                    private: None,
                })
                .collect();
            for entry in &entries {
                frontier.append(entry.leaf());
                heads.push(frontier.head());
            }
            store.append(before, frontier.head(), &entries, "note").unwrap();
        }
        (store, heads)
    }

    #[tokio::test]
    async fn every_older_log_is_proved_and_no_other_one() {
        let (store, heads) = log(5 * BLOCK + 77).await;
        let proofs = Proofs::over(store);
        let newest = heads.last().unwrap();
        for old in [0, 1, 2, 76, 1023, 1024, 1025, 2048, 3000, 4096, 4097, 5000, 5120, 5121, 5196, 5197] {
            let seen = heads[old];
            let proof = proofs.consistency(seen.size, newest.size).await.unwrap().unwrap();
            assert!(continues(&seen, newest, &proof), "{old}");
            let forked = Head { root: [7; 32], ..seen };
            assert!(!continues(&forked, newest, &proof), "{old}");
        }
        assert_eq!(proofs.consistency(newest.size + 1, newest.size).await.unwrap(), None, "the log is shorter");
    }

    #[tokio::test]
    async fn a_long_log_is_worked_out_over_several_calls() {
        let size = (BLOCKS_AT_ONCE as u64 + 2) * BLOCK;
        let (store, heads) = log(size).await;
        let proofs = Proofs::over(store);
        let (seen, newest) = (heads[3], heads[usize::try_from(size).unwrap()]);
        assert_eq!(proofs.consistency(3, size).await.unwrap(), None, "not yet");
        let proof = proofs.consistency(3, size).await.unwrap().unwrap();
        assert!(continues(&seen, &newest, &proof));
    }
}
