//! History: what the live state forgets, as SQL tables that are folded from the log. Closed requests, audit
//! records with the names as they were then, and the timeline in sentences.
//! It never decides anything and is never asked who may do what; it can be deleted at any time and comes back.
//!
//! Always: it has a position in the log, and shows exactly the entries up to it; a reader can wait for a position.
//! Once an erasure is carried out, the erased texts are not in it: it is folded anew from the log without them.

pub mod audit;
mod fold;
pub mod latest;
mod questions;
pub mod sign_ins;
mod tables;
#[cfg(test)]
mod tests;

use crate::engine::Engine;
use crate::store::{Fault, Store};
use audit::Record;
use latest::{Latest, LatestQuery};
use serde::{Deserialize, Serialize};
use sign_ins::{SignInQuery, SignedIn};
use std::path::Path;
use std::time::Duration;
use tables::Tables;
use tokio::sync::watch;
use writ_core::command::Sort;
use writ_core::event::Action;
use writ_core::ids::{PrincipalId, RequestId, RoleId, Seq, TenantId, Uuid};
use writ_core::state::{Request, Status};
use writ_core::time::Time;

/// The most rows that one question is answered with.
pub const ROWS_MAX: u32 = 1000;

/// The most requests about one principal that are looked up by their ids.
pub const REQUESTS_MAX: u32 = 20_000;

/// How long a reader waits for a position at most.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// One tenant's history. Clones share it; it follows the engine's commits until the engine stops.
#[derive(Clone)]
pub struct History {
    tables: Tables,
    position: watch::Receiver<Seq>,
}

/// Where an audit record stands: the entry it comes from, and which of that entry's records it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The entry.
    pub seq: Seq,
    /// From 0.
    pub k: u32,
}

/// Which audit records are wanted. Everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Not earlier.
    pub since: Option<Time>,
    /// Not later.
    pub until: Option<Time>,
    /// The activity's display name.
    pub activity: Option<String>,
    /// What the activity's display name begins with.
    pub activity_begins: Option<String>,
    /// `RoleManagement`, `UserManagement`, …
    pub category: Option<String>,
    /// `PIM`, `Core Directory` or `Writ`.
    pub service: Option<String>,
    /// Whether it succeeded.
    pub succeeded: Option<bool>,
    /// Who did it.
    pub initiator: Option<PrincipalId>,
    /// What it was done to: a role, a request, a principal, a unit, a host.
    pub target: Option<Uuid>,
    /// What ties the records of one piece of work together.
    pub correlation: Option<Uuid>,
    /// Only what follows this place in the order asked for: the last record of the page before.
    pub after: Option<Place>,
    /// Oldest first; otherwise newest first.
    pub oldest_first: bool,
    /// At most so many; never more than [`ROWS_MAX`].
    pub limit: u32,
}

/// One entry, told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The entry.
    pub seq: Seq,
    /// When.
    pub at: Time,
    /// The kind of event.
    pub kind: String,
    /// Who did it; none for time, a host or the console.
    pub actor: Option<PrincipalId>,
    /// What ties lines of one piece of work together.
    pub correlation: Uuid,
    /// The sentence. Times in it are RFC 3339 in UTC, for the reader's side to write in its own zone.
    pub told: String,
}

/// That something changed: where to look, and nothing of what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The entry.
    pub seq: Seq,
    /// When.
    pub at: Time,
    /// The kind of event.
    pub kind: String,
    /// Every id that it is about.
    pub about: Vec<Uuid>,
}

/// Which lines are wanted, newest first. Everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct LineQuery {
    /// Not earlier.
    pub since: Option<Time>,
    /// Not later.
    pub until: Option<Time>,
    /// Who did it or had it done to them, or the role, request, unit or host it was about.
    pub about: Option<Uuid>,
    /// A second one it must also be about.
    pub also_about: Option<Uuid>,
    /// Only these kinds of event; all when empty.
    pub kinds: Vec<String>,
    /// Only entries before this one: the last line of the page before.
    pub before: Option<Seq>,
    /// At most so many; never more than [`ROWS_MAX`].
    pub limit: u32,
}

/// Which closed requests are wanted, newest first. Everything that is given must fit.
#[derive(Clone, Debug, Default)]
pub struct RequestQuery {
    /// About an eligibility or an assignment.
    pub sort: Option<Sort>,
    /// For whom.
    pub subject: Option<PrincipalId>,
    /// Of what role.
    pub role: Option<RoleId>,
    /// How it ended.
    pub status: Option<Status>,
    /// What it asked for.
    pub action: Option<Action>,
    /// Only what follows this one: the last request of the page before, with the time it was made.
    pub after: Option<(Time, RequestId)>,
    /// At most so many; never more than [`ROWS_MAX`].
    pub limit: u32,
}

impl History {
    /// Opens the tables in a file and begins to follow the engine. A file that does not fit the log is folded anew.
    pub async fn start(file: &Path, tenant: TenantId, store: Store, engine: &Engine) -> Result<History, Fault> {
        History::follow(Tables::open(file)?, tenant, store, engine).await
    }

    /// The same in memory; for tests and for a demonstration that leaves nothing behind.
    pub async fn in_memory(tenant: TenantId, store: Store, engine: &Engine) -> Result<History, Fault> {
        History::follow(Tables::in_memory()?, tenant, store, engine).await
    }

    async fn follow(tables: Tables, tenant: TenantId, store: Store, engine: &Engine) -> Result<History, Fault> {
        let (at, position) = watch::channel(0);
        let folder = fold::Folder::new(tables.clone(), tenant, store, engine, at);
        tokio::spawn(folder.run());
        Ok(History { tables, position })
    }

    /// Up to which entry it shows.
    pub fn position(&self) -> Seq {
        *self.position.borrow()
    }

    /// Waits until it shows the entry `seq`, ten seconds at most.
    pub async fn wait_for(&self, seq: Seq) -> Result<(), Fault> {
        let mut position = self.position.clone();
        let arrives = position.wait_for(|at| *at >= seq);
        match tokio::time::timeout(WAIT_MAX, arrives).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault(format!("the history has not reached entry {seq} yet; try again in a moment"))),
        }
    }

    /// Audit records, a page of them.
    pub async fn audit(&self, query: AuditQuery) -> Result<Vec<Record>, Fault> {
        self.tables.read(move |connection| questions::audit(connection, &query)).await
    }

    /// The audit record with this id.
    pub async fn audit_record(&self, id: &str) -> Result<Option<Record>, Fault> {
        let Some(place) = audit::place_of(id) else { return Ok(None) };
        let found = self.tables.read(move |connection| questions::audit_at(connection, place)).await?;
        Ok(found.filter(|record| record.id == id))
    }

    /// What last changed in the directory and where in the log, a page of it.
    pub async fn latest(&self, query: LatestQuery) -> Result<Vec<Latest>, Fault> {
        self.tables.read(move |connection| questions::latest(connection, &query)).await
    }

    /// Sign-ins, a page of them.
    pub async fn sign_ins(&self, query: SignInQuery) -> Result<Vec<SignedIn>, Fault> {
        self.tables.read(move |connection| questions::sign_ins(connection, &query)).await
    }

    /// The timeline, a page of it.
    pub async fn lines(&self, query: LineQuery) -> Result<Vec<Line>, Fault> {
        self.tables.read(move |connection| questions::lines(connection, &query)).await
    }

    /// What changed after an entry, the oldest first.
    pub async fn changes(&self, after: Seq, limit: u32) -> Result<Vec<Change>, Fault> {
        self.tables.read(move |connection| questions::changes(connection, after, limit)).await
    }

    /// A request that was closed, however long ago.
    pub async fn request(&self, id: RequestId) -> Result<Option<Request>, Fault> {
        self.tables.read(move |connection| questions::request(connection, id)).await
    }

    /// The closed requests about somebody, the newest first; `None` when there are more than a list should look up.
    pub async fn requests_about(&self, subject: PrincipalId) -> Result<Option<Vec<RequestId>>, Fault> {
        let limit = REQUESTS_MAX;
        let found =
            self.tables.read(move |connection| questions::requests_about(connection, subject, limit + 1)).await?;
        Ok(Some(found).filter(|found| found.len() <= limit as usize))
    }

    /// Closed requests, a page of them.
    pub async fn requests(&self, query: RequestQuery) -> Result<Vec<Request>, Fault> {
        self.tables.read(move |connection| questions::requests(connection, &query)).await
    }
}
