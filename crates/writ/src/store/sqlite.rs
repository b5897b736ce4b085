//! The log in the tenant's SQLite file: one row per entry, one row for the head, the checkpoints that were kept.
//! It never rewrites an entry's public bytes.
//!
//! Always: an append is one transaction that first compares the stored head, and one sync of the write-ahead log
//! (`synchronous=FULL`); reads have a connection of their own and see whole commits only.

use super::place::{self, Place};
use super::{AppendError, CHECKPOINT_BLOCK, Fault, READ_MAX};
use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, TransactionBehavior, params};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use writ_core::ids::{PrincipalId, Seq, TenantId};
use writ_core::log::{Entry, Head};
use writ_core::time::Time;

/// How many readers may wait before further ones are told that the store is busy.
const WAITING_MAX: usize = 1024;

/// How many entries one transaction of an erasure looks at, so that appends wait for milliseconds only.
const ERASE_STEP: u64 = 2000;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS log (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, bytes BLOB NOT NULL, private BLOB
    ) STRICT;
    CREATE INDEX IF NOT EXISTS log_erased ON log (seq) WHERE kind = 'erased';
    CREATE TABLE IF NOT EXISTS checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
    -- One row: the newest head, and up to which entry erasures were carried out.
    CREATE TABLE IF NOT EXISTS head (
        one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, root BLOB NOT NULL, scrubbed INTEGER NOT NULL
    ) STRICT;";

const COLUMNS: &str = "seq, at, kind, bytes, private";

/// The log in a tenant's file. Clones share it.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    /// None when the log was opened beside a running server, only to be read.
    writer: Option<(Place, Mutex<Connection>)>,
    reader: Mutex<Connection>,
    waiting: Semaphore,
    turn: Semaphore,
}

impl Log {
    /// The log in a folder that this process holds.
    pub fn open(place: &Place) -> Result<Log, Fault> {
        let connection = place.connect()?;
        {
            let _turn = place.writing();
            connection.execute_batch(TABLES)?;
            connection.execute(
                "INSERT OR IGNORE INTO head (one, size, root, scrubbed) VALUES (1, 0, ?1, 0)",
                [Head::empty().root],
            )?;
        }
        let reader = place::connect_to_read(place.data(), place.tenant())?;
        Ok(Log::of(Some((place.clone(), Mutex::new(connection))), reader))
    }

    /// The log of a tenant, only to be read, whether or not a server is running on it.
    pub fn open_to_read(data: &Path, tenant: TenantId) -> Result<Log, Fault> {
        Ok(Log::of(None, place::connect_to_read(data, tenant)?))
    }

    fn of(writer: Option<(Place, Mutex<Connection>)>, reader: Connection) -> Log {
        let (waiting, turn) = (Semaphore::new(WAITING_MAX), Semaphore::new(1));
        Log(Arc::new(Inner { writer, reader: Mutex::new(reader), waiting, turn }))
    }

    pub(super) fn append(
        &self,
        head: Head,
        next: Head,
        entries: &[Entry],
        checkpoint: &str,
    ) -> Result<Head, AppendError> {
        let before = |e: rusqlite::Error| AppendError::Fault(e.into());
        let (place, connection) = self.writer().map_err(AppendError::Fault)?;
        let _turn = place.writing();
        let mut connection = connection.lock();
        // Dropped before its commit, the transaction is rolled back: until then an error means nothing was written.
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(before)?;
        let found = head_of(&tx).map_err(before)?;
        if found != head {
            return Err(AppendError::Conflict { found });
        }
        {
            let mut insert = tx
                .prepare_cached("INSERT INTO log (seq, at, kind, bytes, private) VALUES (?1, ?2, ?3, ?4, ?5)")
                .map_err(before)?;
            for e in entries {
                insert
                    .execute(params![e.seq.cast_signed(), e.at.millis(), e.kind, e.bytes, e.private])
                    .map_err(before)?;
            }
            // The previous checkpoint stays only as the last one of its block.
            if head.size / CHECKPOINT_BLOCK == next.size / CHECKPOINT_BLOCK {
                tx.prepare_cached("DELETE FROM checkpoints WHERE size = ?1")
                    .and_then(|mut statement| statement.execute([head.size.cast_signed()]))
                    .map_err(before)?;
            }
            tx.prepare_cached("REPLACE INTO checkpoints (size, note) VALUES (?1, ?2)")
                .and_then(|mut statement| statement.execute(params![next.size.cast_signed(), checkpoint]))
                .map_err(before)?;
            tx.prepare_cached("UPDATE head SET size = ?1, root = ?2")
                .and_then(|mut statement| statement.execute(params![next.size.cast_signed(), next.root]))
                .map_err(before)?;
        }
        tx.commit().map_err(during_commit)?;
        Ok(next)
    }

    fn writer(&self) -> Result<&(Place, Mutex<Connection>), Fault> {
        self.0.writer.as_ref().ok_or_else(|| Fault::new("this log was opened only to be read"))
    }

    /// Runs `work` on the reading connection, away from the async threads.
    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let _place = self.0.waiting.try_acquire().map_err(|_| Fault::new("too many wait to read the log"))?;
        let _turn = self.0.turn.acquire().await.map_err(|_| Fault::new("the log is closed"))?;
        let inner = self.0.clone();
        blocking(move || work(&inner.reader.lock())).await
    }

    pub(super) async fn read(&self, after: Seq, limit: u32) -> Result<Vec<Entry>, Fault> {
        self.reading(move |connection| Ok(entries_after(connection, after, limit)?)).await
    }

    pub(super) async fn head(&self) -> Result<Head, Fault> {
        self.reading(|connection| Ok(head_of(connection)?)).await
    }

    pub(super) fn settle(&self) -> Result<Head, Fault> {
        let (place, connection) = self.writer()?;
        let _turn = place.writing();
        let connection = connection.lock();
        // A commit that changes nothing else syncs the write-ahead log, and with it whatever came before.
        connection.execute("UPDATE head SET scrubbed = scrubbed", [])?;
        Ok(head_of(&connection)?)
    }

    pub(super) async fn checkpoints(&self) -> Result<Vec<(u64, String)>, Fault> {
        self.reading(|connection| {
            let mut query = connection.prepare_cached("SELECT size, note FROM checkpoints ORDER BY size")?;
            let rows = query.query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(super) async fn erasures_due(&self) -> Result<Vec<Entry>, Fault> {
        self.reading(|connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM log
                 WHERE kind = 'erased' AND seq > (SELECT scrubbed FROM head) ORDER BY seq LIMIT {READ_MAX}"
            );
            let mut query = connection.prepare_cached(&sql)?;
            let rows = query.query_map([], entry)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(super) async fn erase(&self, about: PrincipalId, erased: Seq) -> Result<u64, Fault> {
        let (mut found, mut after) = (0, 0);
        while after < erased {
            let log = self.clone();
            let upto = erased.min(after + ERASE_STEP);
            found += blocking(move || log.erase_between(about, after, upto)).await?;
            after = upto;
        }
        let log = self.clone();
        blocking(move || {
            let (place, connection) = log.writer()?;
            let _turn = place.writing();
            let connection = connection.lock();
            connection.execute("UPDATE head SET scrubbed = max(scrubbed, ?1)", [erased.cast_signed()])?;
            // Old pages linger in the write-ahead log until it is emptied; a text that was erased may not.
            let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy != 0 {
                tracing::warn!("a reader kept the write-ahead log from being emptied after an erasure");
            }
            Ok(found)
        })
        .await
    }

    fn erase_between(&self, about: PrincipalId, after: Seq, upto: Seq) -> Result<u64, Fault> {
        let (place, connection) = self.writer()?;
        let _turn = place.writing();
        let mut connection = connection.lock();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut found = 0;
        {
            let sql = format!("SELECT {COLUMNS} FROM log WHERE seq > ?1 AND seq <= ?2 AND private IS NOT NULL");
            let mut query = tx.prepare_cached(&sql)?;
            let mut update = tx.prepare_cached("UPDATE log SET private = ?2 WHERE seq = ?1")?;
            let mut rows = query.query([after.cast_signed(), upto.cast_signed()])?;
            while let Some(row) = rows.next()? {
                let Some(scrubbed) = entry(row)?.erase(about) else { continue };
                update.execute(params![scrubbed.seq.cast_signed(), scrubbed.private])?;
                found += 1;
            }
        }
        tx.commit()?;
        Ok(found)
    }

    pub(super) async fn rest(&self) -> Result<(), Fault> {
        let log = self.clone();
        blocking(move || {
            let (_, connection) = log.writer()?;
            // Passive: waits for nobody and makes nobody wait but the next append.
            connection.lock().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            Ok(())
        })
        .await
    }
}

/// What a failed commit means. SQLite reports a failed sync by a code of its own; after any other error the
/// commit may or may not have reached the file.
fn during_commit(error: rusqlite::Error) -> AppendError {
    const FAILED_SYNCS: [i32; 2] = [rusqlite::ffi::SQLITE_IOERR_FSYNC, rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC];
    match error.sqlite_error() {
        Some(e) if FAILED_SYNCS.contains(&e.extended_code) => AppendError::Unsynced(error.into()),
        Some(e) if e.code == ErrorCode::DatabaseBusy => AppendError::Fault(error.into()),
        _ => AppendError::Unknown(error.into()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Fault(format!("the store's work stopped: {e}")))?
}

fn head_of(connection: &Connection) -> Result<Head, rusqlite::Error> {
    connection
        .prepare_cached("SELECT size, root FROM head")?
        .query_row([], |row| Ok(Head { size: row.get::<_, i64>(0)?.cast_unsigned(), root: row.get(1)? }))
        .optional()
        .map(|head| head.unwrap_or(Head::empty()))
}

fn entries_after(connection: &Connection, after: Seq, limit: u32) -> Result<Vec<Entry>, rusqlite::Error> {
    let sql = format!("SELECT {COLUMNS} FROM log WHERE seq > ?1 ORDER BY seq LIMIT ?2");
    let mut query = connection.prepare_cached(&sql)?;
    query.query_map(params![after.cast_signed(), limit], entry)?.collect()
}

fn entry(row: &Row<'_>) -> Result<Entry, rusqlite::Error> {
    Ok(Entry {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        at: Time::from_millis(row.get(1)?),
        kind: row.get(2)?,
        bytes: row.get(3)?,
        private: row.get(4)?,
    })
}

#[cfg(test)]
impl Log {
    /// Lets the file grow to this many pages only, as a full disk would.
    pub(super) fn limit_pages(&self, pages: Option<u32>) {
        let connection = self.0.writer.as_ref().unwrap().1.lock();
        let pages = pages.unwrap_or(1_000_000_000);
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn a_failed_sync_is_told_apart_from_a_lost_answer() {
        let failed = |code| during_commit(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(failed(ffi::SQLITE_IOERR_FSYNC), AppendError::Unsynced(_)));
        assert!(matches!(failed(ffi::SQLITE_IOERR_DIR_FSYNC), AppendError::Unsynced(_)));
        assert!(matches!(failed(ffi::SQLITE_IOERR_WRITE), AppendError::Unknown(_)));
        assert!(matches!(failed(ffi::SQLITE_BUSY), AppendError::Fault(_)));
    }
}
