//! A tenant's folder on disk, `DATA_DIR/<tenant>`, with the one database file in it that holds log and vault.
//! It never reads or writes rows itself.
//!
//! Always: nobody but this process's own user can read or change what is in it; one process at a time serves a folder;
//! every connection that it opens syncs each commit (`synchronous=FULL`) and overwrites what is deleted
//! (`secure_delete`), as read back from the live connection.

use super::Fault;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use writ_core::ids::TenantId;

/// How long a connection waits for another one that writes. In one process writers queue on a lock instead, so
/// this is only ever met beside a foreign tool such as `sqlite3`.
const BUSY: Duration = Duration::from_secs(5);

/// The database of this version of Writ, as SQLite's `user_version`.
const LAYOUT: i64 = 1;

/// SQLite's `application_id`: "Writ".
const APPLICATION: i64 = 0x5772_6974;

/// A tenant's folder, held by this process. Clones share the hold; the last one gives it up.
#[derive(Clone)]
pub struct Place(Arc<Held>);

struct Held {
    data: PathBuf,
    dir: PathBuf,
    tenant: TenantId,
    writing: Mutex<()>,
    /// The lock goes with the file when it is closed.
    _lock: File,
}

impl Place {
    /// Takes hold of `data/<tenant>`, making it when it is missing. Fails when another process holds it.
    pub fn hold(data: &Path, tenant: TenantId) -> Result<Place, Fault> {
        let dir = data.join(tenant.to_string());
        let failed = |e: std::io::Error| Fault(format!("cannot use {}: {e}", dir.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(failed)?;
        owned(data, &dir)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(dir.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Fault(format!(
                    "{} is already served by another process; stop that one first, or give another --data folder",
                    dir.display()
                )));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        Ok(Place(Arc::new(Held { data: data.to_owned(), dir, tenant, writing: Mutex::new(()), _lock: lock })))
    }

    /// The tenant whose folder this is.
    pub fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    /// The folder of all tenants, which this one is in.
    pub fn data(&self) -> &Path {
        &self.0.data
    }

    /// The tenant's own folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The database file with log and vault.
    pub fn database(&self) -> PathBuf {
        self.0.dir.join("writ.db")
    }

    /// Opens a connection and checks on the live connection that commits will be durable.
    pub fn connect(&self) -> Result<Connection, Fault> {
        // SQLite would make the file with the process's umask; the vault is in it, so it is made here instead.
        let _made = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.database())
            .map_err(|e| Fault(format!("cannot open {}: {e}", self.database().display())))?;
        let connection = Connection::open_with_flags(
            self.database(),
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        let _turn = self.writing();
        for (pragma, value) in [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("secure_delete", "ON"),
            ("trusted_schema", "OFF"),
            ("cell_size_check", "ON"),
            // Checkpoints run when the writer is idle; this is only the bound for one that never is.
            ("wal_autocheckpoint", "16000"),
        ] {
            connection.pragma_update(None, pragma, value)?;
        }
        assert_durable(&connection)?;
        lay_out(&connection)?;
        Ok(connection)
    }

    /// The right to write to the database. SQLite lets one connection write at a time and makes others sleep in
    /// growing steps; queueing here costs microseconds instead.
    pub fn writing(&self) -> MutexGuard<'_, ()> {
        self.0.writing.lock()
    }
}

/// Opens a tenant's database to read it beside a running server, as `writ log export` does.
pub fn connect_to_read(data: &Path, tenant: TenantId) -> Result<Connection, Fault> {
    let path = data.join(tenant.to_string()).join("writ.db");
    let connection =
        Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|e| Fault(format!("cannot read {}: {e}", path.display())))?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Whether nobody else can put files of their own in the place of ours: with another seal key or another log, they would
/// decide who may do what.
fn owned(data: &Path, dir: &Path) -> Result<(), Fault> {
    let facts = |at: &Path| at.metadata().map_err(|e| Fault(format!("cannot use {}: {e}", at.display())));
    let (data_facts, dir_facts) = (facts(data)?, facts(dir)?);
    let open = |at: &Path, to: &str| {
        let at = at.display();
        Err(Fault(format!("others could change what is in {at}; run: chown \"$(id -u)\" {at}; chmod {to} {at}")))
    };
    let sticky = data_facts.mode() & 0o1000 != 0;
    if data_facts.mode() & 0o002 != 0 && !sticky {
        return open(data, "o-w");
    }
    if dir_facts.uid() != rustix::process::geteuid().as_raw() || dir_facts.mode() & 0o022 != 0 {
        return open(dir, "700");
    }
    Ok(())
}

/// Reads back what the connection really does: a pragma that was not understood is silently ignored by SQLite.
fn assert_durable(connection: &Connection) -> Result<(), Fault> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    let secure_delete: i64 = connection.pragma_query_value(None, "secure_delete", |row| row.get(0))?;
    if mode != "wal" || synchronous != 2 || secure_delete != 1 {
        return Err(Fault(format!(
            "the database would not be durable here (journal_mode {mode}, synchronous {synchronous}, \
             secure_delete {secure_delete}); use a local disk, not a network file system"
        )));
    }
    Ok(())
}

fn lay_out(connection: &Connection) -> Result<(), Fault> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match (application, layout) {
        (APPLICATION, LAYOUT) => Ok(()),
        (0, 0) => {
            connection.pragma_update(None, "application_id", APPLICATION)?;
            connection.pragma_update(None, "user_version", LAYOUT)?;
            Ok(())
        }
        (APPLICATION, newer) => Err(Fault(format!(
            "the database has layout {newer}, this version of Writ knows {LAYOUT}; use the version that wrote it"
        ))),
        _ => Err(Fault::new("the database file belongs to another program")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantId = TenantId::from_u128(7);

    #[test]
    fn a_folder_is_served_by_one_holder_at_a_time() {
        let data = tempfile::tempdir().unwrap();
        let first = Place::hold(data.path(), TENANT).unwrap();
        let second = Place::hold(data.path(), TENANT).map(|_| ()).unwrap_err();
        assert!(second.0.contains("already served"), "{second}");
        assert!(Place::hold(data.path(), TenantId::from_u128(8)).is_ok(), "another tenant is another folder");
        drop(first);
        assert!(Place::hold(data.path(), TENANT).is_ok());
    }

    #[test]
    fn nobody_else_reads_or_changes_what_is_in_it() {
        use std::os::unix::fs::PermissionsExt;
        let data = tempfile::tempdir().unwrap();
        let place = Place::hold(data.path(), TENANT).unwrap();
        let connection = place.connect().unwrap();
        connection.execute_batch("CREATE TABLE x (y); INSERT INTO x VALUES (1)").unwrap();
        let mode = |at: &Path| at.metadata().unwrap().mode() & 0o777;
        assert_eq!(mode(place.dir()), 0o700);
        let files: Vec<PathBuf> = std::fs::read_dir(place.dir()).unwrap().map(|f| f.unwrap().path()).collect();
        assert!(files.len() >= 4, "lock, database, its log and its index: {files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
        drop((connection, place));
        let dir = data.path().join(TENANT.to_string());
        for (at, bad, good) in
            [(dir.as_path(), 0o770, 0o700), (dir.as_path(), 0o707, 0o750), (data.path(), 0o777, 0o755)]
        {
            let set = |mode| std::fs::set_permissions(at, std::fs::Permissions::from_mode(mode)).unwrap();
            set(bad);
            let why = Place::hold(data.path(), TENANT).map(|_| ()).unwrap_err().0;
            assert!(why.contains("others could change") && why.contains("chmod"), "{why}");
            set(good);
            assert!(Place::hold(data.path(), TENANT).is_ok());
        }
    }

    #[test]
    fn a_connection_that_would_not_sync_is_not_used() {
        let data = tempfile::tempdir().unwrap();
        let place = Place::hold(data.path(), TENANT).unwrap();
        let connection = place.connect().unwrap();
        assert_eq!(assert_durable(&connection), Ok(()));
        for (pragma, bad) in [("synchronous", "NORMAL"), ("synchronous", "OFF"), ("secure_delete", "OFF")] {
            let connection = place.connect().unwrap();
            connection.pragma_update(None, pragma, bad).unwrap();
            assert!(assert_durable(&connection).is_err(), "{pragma}={bad}");
        }
    }

    #[test]
    fn a_database_of_a_newer_writ_or_of_another_program_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let place = Place::hold(data.path(), TENANT).unwrap();
        place.connect().unwrap().pragma_update(None, "user_version", 2).unwrap();
        assert!(place.connect().map(|_| ()).unwrap_err().0.contains("layout 2"));
        let place = Place::hold(data.path(), TenantId::from_u128(9)).unwrap();
        Connection::open(place.database()).unwrap().pragma_update(None, "application_id", 99).unwrap();
        assert!(place.connect().map(|_| ()).unwrap_err().0.contains("another program"));
    }
}
