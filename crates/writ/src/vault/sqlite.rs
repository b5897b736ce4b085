//! The vault's rows in the tenant's SQLite file, beside the log, over a connection of their own.
//! It never sees an opened secret longer than it takes to seal it.
//!
//! Always: a write is durable before it is answered; one write at a time, at most [`WAITING_MAX`] waiting.

use super::{Expected, Key, Kind, Sealed, VaultError, seal::Sealer};
use crate::store::Fault;
use crate::store::place::Place;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::sync::Arc;
use tokio::sync::Semaphore;
use writ_core::time::Time;
use zeroize::Zeroizing;

/// How many callers may wait for the connection before further ones are told that the vault is busy.
pub(super) const WAITING_MAX: usize = 1024;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS vault (
        kind TEXT NOT NULL, owner TEXT NOT NULL, id TEXT NOT NULL,
        version INTEGER NOT NULL, sealed BLOB NOT NULL, expires INTEGER,
        PRIMARY KEY (kind, owner, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS vault_expires ON vault (expires) WHERE expires IS NOT NULL;
    -- One row: a sealed sample that tells a wrong seal key at once, and the highest version ever deleted.
    CREATE TABLE IF NOT EXISTS vault_facts (
        one INTEGER PRIMARY KEY CHECK (one = 1), sample BLOB NOT NULL, gone INTEGER NOT NULL
    ) STRICT;";

#[derive(Clone)]
pub(super) struct Rows(Arc<Inner>);

struct Inner {
    place: Place,
    connection: Mutex<Connection>,
    waiting: Semaphore,
    turn: Semaphore,
}

impl From<Fault> for VaultError {
    fn from(fault: Fault) -> Self {
        VaultError::Fault(fault.to_string())
    }
}

impl From<rusqlite::Error> for VaultError {
    fn from(error: rusqlite::Error) -> Self {
        VaultError::Fault(Fault::from(error).to_string())
    }
}

impl Rows {
    pub(super) fn open(place: &Place, sealer: &Sealer) -> Result<Self, VaultError> {
        let mut connection = place.connect()?;
        let sample_at = Key::new(Kind::ServerKey, "", "sample of the seal");
        {
            let _turn = place.writing();
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tx.execute_batch(TABLES)?;
            let sample: Option<Vec<u8>> =
                tx.query_row("SELECT sample FROM vault_facts", [], |row| row.get(0)).optional()?;
            match sample {
                Some(sealed) => {
                    sealer.open(&sample_at, Sealed { version: 0, sealed, expires: None }).map_err(|_| {
                        VaultError::Fault(
                            "this vault was sealed with another key; start with the seal key it was made with".into(),
                        )
                    })?;
                }
                None => {
                    let sample = sealer.seal(&sample_at, 0, None, b"writ")?;
                    tx.execute("INSERT INTO vault_facts (one, sample, gone) VALUES (1, ?1, 0)", [sample])?;
                }
            }
            tx.commit()?;
        }
        Ok(Self(Arc::new(Inner {
            place: place.clone(),
            connection: Mutex::new(connection),
            waiting: Semaphore::new(WAITING_MAX),
            turn: Semaphore::new(1),
        })))
    }

    /// Runs `work` on the connection, away from the async threads. The work itself is never cut off half-way:
    /// a caller that goes away leaves it to finish.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Place) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let closed = |_| VaultError::Fault("the vault is closed".into());
        let _place = self.0.waiting.try_acquire().map_err(|_| VaultError::Fault("too many are waiting".into()))?;
        let _turn = self.0.turn.acquire().await.map_err(closed)?;
        let inner = self.0.clone();
        tokio::task::spawn_blocking(move || work(&mut inner.connection.lock(), &inner.place))
            .await
            .map_err(|e| VaultError::Fault(format!("the vault's work stopped: {e}")))?
    }

    /// As [`Rows::run`], in a transaction that may write.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        self.run(move |connection, place| {
            let _turn = place.writing();
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        })
        .await
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Sealed>, VaultError> {
        let key = key.clone();
        self.run(move |connection, _| {
            let mut query = connection.prepare_cached(
                "SELECT version, sealed, expires FROM vault WHERE kind = ?1 AND owner = ?2 AND id = ?3",
            )?;
            let row = query.query_row(params![key.kind.name(), key.owner, key.id], |row| {
                Ok(Sealed {
                    version: row.get::<_, i64>(0)?.cast_unsigned(),
                    sealed: row.get(1)?,
                    expires: row.get::<_, Option<i64>>(2)?.map(Time::from_millis),
                })
            });
            Ok(row.optional()?)
        })
        .await
    }

    pub(super) async fn put(
        &self,
        sealer: &Arc<Sealer>,
        key: &Key,
        expected: Expected,
        secret: &[u8],
        expires: Option<Time>,
    ) -> Result<u64, VaultError> {
        let (sealer, key, secret) = (sealer.clone(), key.clone(), Zeroizing::new(secret.to_vec()));
        self.write(move |tx| {
            let found = version_of(tx, &key)?;
            let version = match (expected, found) {
                (Expected::Absent, None) => {
                    let gone: i64 = tx.query_row("SELECT gone FROM vault_facts", [], |row| row.get(0))?;
                    gone.cast_unsigned() + 1
                }
                (Expected::Version(version), Some(found)) if version == found => found + 1,
                _ => return Err(VaultError::Conflict { found }),
            };
            let sealed = sealer.seal(&key, version, expires, &secret)?;
            tx.prepare_cached(
                "REPLACE INTO vault (kind, owner, id, version, sealed, expires) VALUES (?1,?2,?3,?4,?5,?6)",
            )?
            .execute(params![
                key.kind.name(),
                key.owner,
                key.id,
                version.cast_signed(),
                sealed,
                expires.map(Time::millis)
            ])?;
            Ok(version)
        })
        .await
    }

    pub(super) async fn delete(&self, key: &Key, version: u64) -> Result<(), VaultError> {
        let key = key.clone();
        self.write(move |tx| {
            let found = version_of(tx, &key)?;
            if found != Some(version) {
                return Err(VaultError::Conflict { found });
            }
            tx.prepare_cached("DELETE FROM vault WHERE kind = ?1 AND owner = ?2 AND id = ?3")?.execute(params![
                key.kind.name(),
                key.owner,
                key.id
            ])?;
            tx.execute("UPDATE vault_facts SET gone = max(gone, ?1)", [version.cast_signed()])?;
            Ok(())
        })
        .await
    }

    pub(super) async fn list(
        &self,
        kind: Kind,
        owner: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(Key, u64)>, VaultError> {
        let owner = owner.map(str::to_owned);
        self.run(move |connection, _| {
            let mut query = connection.prepare_cached(
                "SELECT owner, id, version FROM vault WHERE kind = ?1 AND (?2 IS NULL OR owner = ?2)
                 ORDER BY owner, id LIMIT ?3",
            )?;
            let rows = query.query_map(params![kind.name(), owner, limit], |row| {
                let key = Key { kind, owner: row.get(0)?, id: row.get(1)? };
                Ok((key, row.get::<_, i64>(2)?.cast_unsigned()))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(super) async fn sweep(&self, now: Time) -> Result<u64, VaultError> {
        self.write(move |tx| {
            tx.execute(
                "UPDATE vault_facts SET gone =
                    max(gone, (SELECT coalesce(max(version), 0) FROM vault WHERE expires <= ?1))",
                [now.millis()],
            )?;
            Ok(tx.execute("DELETE FROM vault WHERE expires <= ?1", [now.millis()])? as u64)
        })
        .await
    }

    /// Runs SQL as somebody with the file in their hands could.
    #[cfg(test)]
    pub(super) fn tamper(&self, sql: &str) {
        self.0.connection.lock().execute_batch(sql).unwrap();
    }
}

fn version_of(tx: &Transaction<'_>, key: &Key) -> Result<Option<u64>, rusqlite::Error> {
    tx.prepare_cached("SELECT version FROM vault WHERE kind = ?1 AND owner = ?2 AND id = ?3")?
        .query_row(params![key.kind.name(), key.owner, key.id], |row| row.get::<_, i64>(0))
        .optional()
        .map(|found| found.map(i64::cast_unsigned))
}
