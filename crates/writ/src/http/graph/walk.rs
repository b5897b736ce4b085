//! How far an answer may look. Rows are counted as they are looked at, whether they are shown or not: a few are
//! looked at where requests are answered, more on a thread of its own so that nobody else waits, and too many not at
//! all. It knows no resource and judges no right.
//!
//! Always: an answer that was cut short is never shown. Long walks take at most half of the machine, and
//! at most 256 wait for their turn, for a bounded time.

use super::ask::{Answer, Ask};
use super::odata::Entity;
use super::route::{Handler, Route};
use crate::http::problem::Problem;
use http::StatusCode;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Rows that are looked at where requests are answered: a millisecond or two, and more than an index that finds few
/// finds.
const NEAR: u64 = 2_000;
/// Rows that one answer may look at: about two seconds.
const FAR: u64 = 10_000_000;
/// Long walks that wait for their turn.
const WAITING_MAX: usize = 256;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many more rows one request may look at. One thread at a time counts.
#[derive(Debug)]
pub struct Reach {
    left: AtomicU64,
    over: AtomicBool,
}

impl Reach {
    /// For a request that only looks.
    pub fn near() -> Self {
        Self::of(NEAR)
    }

    /// For a request that changes something: what it looks at is bounded by its body.
    pub fn unbounded() -> Self {
        Self::of(u64::MAX)
    }

    fn of(rows: u64) -> Self {
        Self { left: AtomicU64::new(rows), over: AtomicBool::new(false) }
    }

    /// Counts one row; false when it may not be looked at any more.
    #[inline]
    fn step(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            self.over.store(true, Ordering::Relaxed);
            return false;
        }
        self.left.store(left - 1, Ordering::Relaxed);
        true
    }

    /// These rows, as far as they may be looked at.
    pub fn count<'r, I: Iterator + 'r>(&'r self, rows: I) -> impl Iterator<Item = I::Item> + 'r {
        rows.take_while(|_| self.step())
    }

    /// Counts so many rows at once; false when they may not be looked at any more.
    pub fn spend(&self, rows: usize) -> bool {
        let allows = self.allows(rows);
        if allows {
            self.left.fetch_sub(rows as u64, Ordering::Relaxed);
        }
        allows
    }

    /// Whether so many may still be looked at; if not, the answer is not to be shown.
    pub fn allows(&self, rows: usize) -> bool {
        let allows = self.left.load(Ordering::Relaxed) >= rows as u64;
        self.over.fetch_or(!allows, Ordering::Relaxed);
        allows
    }

    /// Whether rows were left out, so that whatever was made of the others is not the answer.
    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn begin(&self, rows: u64) {
        self.left.store(rows, Ordering::Relaxed);
        self.over.store(false, Ordering::Relaxed);
    }
}

/// The long walks of one server.
#[derive(Debug)]
pub struct Walks {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    patience: Duration,
}

impl Default for Walks {
    fn default() -> Self {
        // One for every two cores: the rest of the machine is for everybody else.
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { turns: Arc::new(Semaphore::new((cores / 2).max(1))), waiting: AtomicUsize::new(0), patience: PATIENCE }
    }
}

impl Walks {
    /// A turn, which ends when it is dropped.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let full = |n| (n < WAITING_MAX).then_some(n + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, full).ok()?;
        let waiting = Waiting(&self.waiting);
        let turn = tokio::time::timeout(self.patience, self.turns.clone().acquire_owned()).await;
        drop(waiting);
        turn.ok()?.ok()
    }
}

/// Somebody's place among those who wait, given up even if they leave.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a route answer: here if it need not look far, otherwise on a thread of its own.
///
/// # Errors
/// What the route answers; 503 when too many long walks wait already, 400 when even a long one would not do.
pub async fn answered(route: &'static Route, ask: Ask) -> Result<Answer, Problem> {
    let near = match route.handler {
        Handler::Now(read) => read(&ask),
        Handler::Later(wait) => wait(&ask).await,
    };
    if !ask.reach.over() {
        return near;
    }
    let entity = ask.listed();
    let Some(turn) = ask.app.walks.turn().await else { return Err(busy(entity)) };
    ask.reach.begin(FAR);
    let runtime = Handle::current();
    let walk = move || {
        let far = match route.handler {
            Handler::Now(read) => read(&ask),
            Handler::Later(wait) => runtime.block_on(wait(&ask)),
        };
        drop(turn);
        (far, ask.reach.over())
    };
    match tokio::task::spawn_blocking(walk).await {
        Ok((far, false)) => far,
        Ok((_, true)) => Err(too_far(entity)),
        Err(fault) => {
            tracing::error!(%fault, "a list could not be read");
            Err(Problem::internal())
        }
    }
}

/// What a list of these is found by without looking at every row.
fn quick(entity: Option<&Entity>) -> &'static str {
    match entity.map_or("", |entity| entity.name) {
        "unifiedRoleEligibilitySchedule" => "id, principalId, roleDefinitionId, directoryScopeId, createdDateTime",
        "unifiedRoleEligibilityScheduleInstance" => {
            "id, principalId, roleDefinitionId, directoryScopeId, roleEligibilityScheduleId"
        }
        "unifiedRoleAssignmentSchedule" => "id, principalId",
        "unifiedRoleAssignmentScheduleInstance" => "id, principalId, roleAssignmentScheduleId, roleAssignmentOriginId",
        "unifiedRoleAssignment" => "id, principalId",
        "unifiedRoleAssignmentScheduleRequest" | "unifiedRoleEligibilityScheduleRequest" => {
            "id, principalId, targetScheduleId, createdDateTime, status eq 'PendingApproval'"
        }
        "user" => "id, userPrincipalName, startswith(displayName, …)",
        _ => "id, startswith(displayName, …)",
    }
}

fn busy(entity: Option<&'static Entity>) -> Problem {
    Problem::unavailable(
        format!(
            "Too many lists that have to be looked through row by row are being read; ask again, or filter by one of \
             these, which is quick: {}.",
            quick(entity)
        ),
        5,
    )
}

fn too_far(entity: Option<&'static Entity>) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "Request_UnsupportedQuery",
        format!(
            "This query would look through more than {FAR} rows one by one. Filter by one of these as well, with eq, in \
             or and: {}.",
            quick(entity)
        ),
    )
}

#[cfg(test)]
mod tests;
