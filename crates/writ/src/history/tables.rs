//! The history's tables in SQLite: a file of their own, or memory.
//! It never knows what the rows mean beyond the columns that questions filter by.
//!
//! Always: one writer; readers see whole transactions. What is deleted is overwritten (`secure_delete`).

use super::audit::Record;
use super::latest::{Left, Side};
use super::sign_ins::SignedIn;
use crate::store::Fault;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use writ_core::ids::{PrincipalId, Seq, Uuid};
use writ_core::log::Hash;
use writ_core::state::Request;
use writ_core::time::Time;

/// The tables of this version; a file with others is emptied and folded anew.
const LAYOUT: i64 = 5;

/// How many readers may wait before further ones are told that the history is busy.
const WAITING_MAX: usize = 1024;

pub(super) const TABLES: &str = "
    CREATE TABLE position (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, leaf BLOB NOT NULL) STRICT;
    CREATE TABLE line (
        seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, actor BLOB, correlation BLOB NOT NULL,
        told TEXT NOT NULL, about BLOB NOT NULL
    ) STRICT;
    CREATE INDEX line_at ON line (at);
    CREATE TABLE about (what BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (what, seq)) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        seq INTEGER NOT NULL, k INTEGER NOT NULL, at INTEGER NOT NULL, activity TEXT NOT NULL, category TEXT NOT NULL,
        service TEXT NOT NULL, succeeded INTEGER NOT NULL, initiator BLOB, correlation BLOB NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (seq, k)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX audit_at ON audit (at);
    CREATE INDEX audit_activity ON audit (activity COLLATE NOCASE, seq, k);
    CREATE INDEX audit_initiator ON audit (initiator, seq, k);
    CREATE INDEX audit_correlation ON audit (correlation);
    CREATE TABLE audit_target (
        what BLOB NOT NULL, seq INTEGER NOT NULL, k INTEGER NOT NULL, PRIMARY KEY (what, seq, k)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE request (
        id BLOB PRIMARY KEY, made INTEGER NOT NULL, sort TEXT NOT NULL, subject BLOB NOT NULL, role BLOB NOT NULL,
        status TEXT NOT NULL, action TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX request_made ON request (made, id);
    CREATE INDEX request_subject ON request (subject, made, id);
    CREATE TABLE sign_in (
        seq INTEGER PRIMARY KEY, id BLOB NOT NULL, at INTEGER NOT NULL, principal BLOB, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX sign_in_id ON sign_in (id);
    CREATE INDEX sign_in_at ON sign_in (at);
    CREATE INDEX sign_in_principal ON sign_in (principal, seq);
    CREATE TABLE latest (
        what BLOB NOT NULL, side INTEGER NOT NULL, other BLOB NOT NULL, sort TEXT NOT NULL, seq INTEGER NOT NULL,
        gone INTEGER NOT NULL, PRIMARY KEY (what, side, other)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX latest_seq ON latest (sort, seq, what, side, other);";

const NAMES: [&str; 8] = ["position", "line", "about", "audit", "audit_target", "request", "latest", "sign_in"];

/// What one entry leaves.
pub(super) struct Row {
    pub(super) seq: Seq,
    pub(super) at: Time,
    pub(super) kind: String,
    pub(super) actor: Option<PrincipalId>,
    pub(super) correlation: Uuid,
    pub(super) told: String,
    /// Every id it is about.
    pub(super) about: Vec<Uuid>,
    pub(super) records: Vec<Record>,
    /// Requests that it closed.
    pub(super) requests: Vec<Request>,
    /// What it changed in the directory.
    pub(super) latest: Vec<Left>,
    /// The sign-in that it records.
    pub(super) sign_in: Option<SignedIn>,
}

#[derive(Clone)]
pub(super) struct Tables(Arc<Inner>);

struct Inner {
    writer: Arc<Mutex<Connection>>,
    reader: Arc<Mutex<Connection>>,
    waiting: Semaphore,
    turn: Semaphore,
}

/// The writing side.
pub(super) struct Writing<'a>(&'a mut Connection);

impl Tables {
    pub(super) fn open(file: &Path) -> Result<Tables, Fault> {
        let connect = || -> Result<Connection, Fault> {
            // Made here, so that nobody else can read it whatever the process's umask is.
            std::os::unix::fs::OpenOptionsExt::mode(std::fs::OpenOptions::new().create(true).append(true), 0o600)
                .open(file)
                .map_err(|e| Fault(format!("cannot open {}: {e}", file.display())))?;
            let connection = Connection::open(file)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            // Nothing is lost that the log does not have: after a power cut the tables are an older whole.
            for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "NORMAL"), ("secure_delete", "ON")] {
                connection.pragma_update(None, pragma, value)?;
            }
            Ok(connection)
        };
        let mut writer = connect()?;
        lay_out(&mut writer)?;
        Ok(Tables::of(Arc::new(Mutex::new(writer)), Arc::new(Mutex::new(connect()?))))
    }

    pub(super) fn in_memory() -> Result<Tables, Fault> {
        let mut connection = Connection::open_in_memory()?;
        lay_out(&mut connection)?;
        let shared = Arc::new(Mutex::new(connection));
        Ok(Tables::of(shared.clone(), shared))
    }

    fn of(writer: Arc<Mutex<Connection>>, reader: Arc<Mutex<Connection>>) -> Tables {
        let (waiting, turn) = (Semaphore::new(WAITING_MAX), Semaphore::new(1));
        Tables(Arc::new(Inner { writer, reader, waiting, turn }))
    }

    /// Runs a question away from the async threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let _place = self.0.waiting.try_acquire().map_err(|_| Fault::new("too many wait to read the history"))?;
        let _turn = self.0.turn.acquire().await.map_err(|_| Fault::new("the history is closed"))?;
        let reader = self.0.reader.clone();
        blocking(move || question(&reader.lock())).await
    }

    /// Runs a change away from the async threads.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Writing<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let writer = self.0.writer.clone();
        blocking(move || change(&mut Writing(&mut writer.lock()))).await
    }

    /// Up to which entry the tables show, with that entry's leaf hash.
    pub(super) async fn position(&self) -> Result<Option<(Seq, Hash)>, Fault> {
        self.change(|tables| {
            Ok(tables
                .0
                .query_row("SELECT seq, leaf FROM position", [], |row| {
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))
                })
                .optional()?)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Fault(format!("the history's work stopped: {e}")))?
}

fn lay_out(connection: &mut Connection) -> Result<(), Fault> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found != LAYOUT {
        for name in NAMES {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS {name}"))?;
        }
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "user_version", LAYOUT)?;
    }
    Ok(())
}

impl Writing<'_> {
    /// Adds what some entries leave, and the position after them: together, unless a fold anew is under way.
    pub(super) fn add(&mut self, rows: &[Row], position: (Seq, Hash)) -> Result<(), Fault> {
        let anew = !self.0.is_autocommit();
        if !anew {
            self.0.execute_batch("BEGIN IMMEDIATE")?;
        }
        let added = rows.iter().try_for_each(|row| self.add_one(row)).and_then(|()| {
            self.0
                .prepare_cached("REPLACE INTO position (one, seq, leaf) VALUES (1, ?1, ?2)")?
                .execute(params![position.0.cast_signed(), position.1])?;
            Ok(())
        });
        if !anew {
            self.0.execute_batch(if added.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        }
        added
    }

    fn add_one(&self, row: &Row) -> Result<(), Fault> {
        let seq = row.seq.cast_signed();
        self.0
            .prepare_cached(
                "INSERT INTO line (seq, at, kind, actor, correlation, told, about) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                seq,
                row.at.millis(),
                row.kind,
                row.actor.map(|a| *a.0.as_bytes()),
                row.correlation.as_bytes(),
                row.told,
                row.about.iter().flat_map(|id| *id.as_bytes()).collect::<Vec<u8>>()
            ])?;
        let mut about = self.0.prepare_cached("INSERT OR IGNORE INTO about (what, seq) VALUES (?1, ?2)")?;
        for what in &row.about {
            about.execute(params![what.as_bytes(), seq])?;
        }
        let mut audit = self.0.prepare_cached(
            "INSERT INTO audit (seq, k, at, activity, category, service, succeeded, initiator, correlation, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?;
        let mut target =
            self.0.prepare_cached("INSERT OR IGNORE INTO audit_target (what, seq, k) VALUES (?1, ?2, ?3)")?;
        for record in &row.records {
            let k = record.place.k;
            audit.execute(params![
                seq,
                k,
                record.at.millis(),
                record.activity,
                record.category,
                record.service,
                record.succeeded,
                record.initiator.principal().map(|id| *id.0.as_bytes()),
                record.correlation.as_bytes(),
                json(record)?
            ])?;
            for what in record.targets.iter().filter_map(|t| t.id) {
                target.execute(params![what.as_bytes(), seq, k])?;
            }
        }
        let mut request = self.0.prepare_cached(
            "REPLACE INTO request (id, made, sort, subject, role, status, action, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for r in &row.requests {
            request.execute(params![
                r.ask.request.0.as_bytes(),
                r.made.millis(),
                word(&r.sort)?,
                r.ask.subject.0.as_bytes(),
                r.ask.target.role_id().0.as_bytes(),
                word(&r.status)?,
                word(&r.ask.action)?,
                json(r)?
            ])?;
        }
        if let Some(s) = &row.sign_in {
            self.0
                .prepare_cached("INSERT INTO sign_in (seq, id, at, principal, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    seq,
                    s.id.as_bytes(),
                    s.at.millis(),
                    s.principal.map(|id| *id.0.as_bytes()),
                    json(s)?
                ])?;
        }
        for left in &row.latest {
            if left.gone && left.side == Side::Own {
                // Whoever is told that a group is gone needs no word about its members.
                self.0.prepare_cached("DELETE FROM latest WHERE what = ?1")?.execute([left.what.as_bytes()])?;
            }
            self.0
                .prepare_cached(
                    "REPLACE INTO latest (what, side, other, sort, seq, gone) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    left.what.as_bytes(),
                    number(left.side),
                    left.other.as_bytes(),
                    word(&left.sort)?,
                    seq,
                    left.gone
                ])?;
        }
        Ok(())
    }

    pub(super) fn empty(&mut self) -> Result<(), Fault> {
        for name in NAMES {
            self.0.execute_batch(&format!("DELETE FROM {name}"))?;
        }
        Ok(())
    }

    /// Begins the one transaction in which everything is folded anew.
    pub(super) fn begin_anew(&mut self) -> Result<(), Fault> {
        self.0.execute_batch("BEGIN IMMEDIATE")?;
        self.empty()
    }

    pub(super) fn end_anew(&mut self) -> Result<(), Fault> {
        self.0.execute_batch("COMMIT")?;
        // The old pages, with the texts that are to be gone, linger in the write-ahead log until it is emptied.
        self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    pub(super) fn drop_anew(&mut self) -> Result<(), Fault> {
        if !self.0.is_autocommit() {
            self.0.execute_batch("ROLLBACK")?;
        }
        Ok(())
    }
}

pub(super) fn bytes(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

pub(super) fn json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|e| Fault(format!("the history cannot write a row: {e}")))
}

/// An enum's name as serde writes it.
pub(super) fn word(value: &impl Serialize) -> Result<String, Fault> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

/// A side as the tables keep it.
pub(super) const fn number(side: Side) -> i64 {
    match side {
        Side::Own => 0,
        Side::Member => 1,
        Side::Owner => 2,
    }
}
