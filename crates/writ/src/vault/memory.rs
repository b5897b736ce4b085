//! The vault's rows in memory, for tests and simulations.
//! It never writes anything anywhere.
//!
//! Always: behaves as the SQLite rows do; one contract suite runs against both.

use super::{Expected, Key, Kind, Sealed, VaultError, seal::Sealer};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use writ_core::time::Time;

type Stored = (u64, Vec<u8>, Option<Time>);

#[derive(Clone, Default)]
pub(super) struct Rows(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    rows: BTreeMap<Key, Stored>,
    /// No row that was ever deleted had a version above this.
    gone: u64,
}

impl Rows {
    pub(super) fn get(&self, key: &Key) -> Option<Sealed> {
        self.0.lock().rows.get(key).map(|(version, sealed, expires)| Sealed {
            version: *version,
            sealed: sealed.clone(),
            expires: *expires,
        })
    }

    pub(super) fn put(
        &self,
        sealer: &Sealer,
        key: &Key,
        expected: Expected,
        secret: &[u8],
        expires: Option<Time>,
    ) -> Result<u64, VaultError> {
        let mut inner = self.0.lock();
        let found = inner.rows.get(key).map(|row| row.0);
        let version = match (expected, found) {
            (Expected::Absent, None) => inner.gone + 1,
            (Expected::Version(version), Some(found)) if version == found => found + 1,
            _ => return Err(VaultError::Conflict { found }),
        };
        let sealed = sealer.seal(key, version, expires, secret)?;
        inner.rows.insert(key.clone(), (version, sealed, expires));
        Ok(version)
    }

    pub(super) fn delete(&self, key: &Key, version: u64) -> Result<(), VaultError> {
        let mut inner = self.0.lock();
        match inner.rows.get(key).map(|row| row.0) {
            Some(found) if found == version => {
                inner.rows.remove(key);
                inner.gone = inner.gone.max(version);
                Ok(())
            }
            found => Err(VaultError::Conflict { found }),
        }
    }

    pub(super) fn list(&self, kind: Kind, owner: Option<&str>, limit: u32) -> Vec<(Key, u64)> {
        let inner = self.0.lock();
        let mut keys: Vec<_> = inner
            .rows
            .iter()
            .filter(|(key, _)| key.kind == kind && owner.is_none_or(|owner| key.owner == owner))
            .map(|(key, row)| (key.clone(), row.0))
            .collect();
        keys.truncate(limit as usize);
        keys
    }

    pub(super) fn sweep(&self, now: Time) -> u64 {
        let mut inner = self.0.lock();
        let before = inner.rows.len();
        let mut gone = inner.gone;
        inner.rows.retain(|_, (version, _, expires)| {
            let stays = expires.is_none_or(|end| end > now);
            if !stays {
                gone = gone.max(*version);
            }
            stays
        });
        inner.gone = gone;
        (before - inner.rows.len()) as u64
    }

    /// Copies one stored row over another address, as somebody with the file in their hands could.
    #[cfg(test)]
    pub(super) fn swap_in(&self, from: &Key, to: &Key) {
        let mut inner = self.0.lock();
        let row = inner.rows[from].clone();
        inner.rows.insert(to.clone(), row);
    }

    /// Rewrites what is stored at an address, as somebody with the file in their hands could.
    #[cfg(test)]
    pub(super) fn tamper(&self, key: &Key, change: impl FnOnce(&mut u64, &mut Vec<u8>, &mut Option<Time>)) {
        let mut inner = self.0.lock();
        let row = inner.rows.get_mut(key).unwrap();
        change(&mut row.0, &mut row.1, &mut row.2);
    }
}
