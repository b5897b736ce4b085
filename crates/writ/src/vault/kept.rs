//! Sign-in sessions that were lately read, opened: every request looks its session up, and the database would be asked
//! for nothing else all day.
//! No other kind of row is kept: those are read rarely, or are secrets.
//!
//! Always: once a write has been answered, no reader finds what was there before. This process is the only one that
//! has the vault open; whatever it writes passes here, and a caller who goes away does not stop that.

use super::{Key, Kind, Row};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How many rows are kept, at most twice this many for a moment.
const KEPT_MAX: usize = 4096;

/// Rows that were read. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Rows>>);

/// Two generations: when the newer is full it becomes the older, and the older is forgotten.
#[derive(Default)]
struct Rows {
    newer: HashMap<Key, Arc<Row>>,
    older: HashMap<Key, Arc<Row>>,
    /// Grows with every write, so that a reader who began before it keeps nothing.
    writes: u64,
}

impl Kept {
    /// Whether rows of this kind are kept at all.
    pub(super) fn takes(kind: Kind) -> bool {
        kind == Kind::Session
    }

    /// The row, if it is kept; otherwise what to hand to [`Kept::keep`] after reading it.
    pub(super) fn get(&self, key: &Key) -> Result<Row, u64> {
        let rows = self.0.lock();
        let found = rows.newer.get(key).or_else(|| rows.older.get(key));
        found.map(|row| copy(row)).ok_or(rows.writes)
    }

    /// Keeps a row that was read, unless something was written since the reader began.
    pub(super) fn keep(&self, began: u64, key: &Key, row: &Row) {
        let mut rows = self.0.lock();
        if rows.writes != began {
            return;
        }
        if rows.newer.len() >= KEPT_MAX {
            rows.older = std::mem::take(&mut rows.newer);
        }
        rows.newer.insert(key.clone(), Arc::new(copy(row)));
    }

    /// Forgets a row that was written, or all of them.
    pub(super) fn forget(&self, key: Option<&Key>) {
        let mut rows = self.0.lock();
        rows.writes += 1;
        match key {
            Some(key) => {
                rows.newer.remove(key);
                rows.older.remove(key);
            }
            None => {
                rows.newer.clear();
                rows.older.clear();
            }
        }
    }
}

fn copy(row: &Row) -> Row {
    Row { version: row.version, secret: Zeroizing::new(row.secret.to_vec()), expires: row.expires }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::new(Kind::Session, "ana", n.to_string())
    }

    fn row(version: u64) -> Row {
        Row { version, secret: Zeroizing::new(vec![7]), expires: None }
    }

    #[test]
    fn what_was_read_before_a_write_is_not_kept_after_it() {
        let kept = Kept::default();
        let began = kept.get(&key(1)).unwrap_err();
        kept.forget(Some(&key(1)));
        kept.keep(began, &key(1), &row(1));
        let began = kept.get(&key(1)).expect_err("the row is older than the write");
        kept.keep(began, &key(1), &row(2));
        assert_eq!(kept.get(&key(1)).unwrap().version, 2);
        kept.forget(None);
        assert!(kept.get(&key(1)).is_err());
    }

    #[test]
    fn only_so_many_are_kept() {
        let kept = Kept::default();
        for n in 0..KEPT_MAX * 3 {
            let began = kept.get(&key(n)).unwrap_err();
            kept.keep(began, &key(n), &row(1));
        }
        let rows = kept.0.lock();
        assert!(rows.newer.len() + rows.older.len() <= KEPT_MAX * 2);
    }
}
