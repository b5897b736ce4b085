//! How far an answer may look. Rows are counted as they are looked at, whether they are shown or not: a few are
//! looked at where requests are answered, more on a thread of its own so that nobody else waits, and too many not at
//! all. It knows no resource and judges no right.
//!
//! Always: an answer that was cut short is never shown. Long walks take at most half of the machine, each for a bounded
//! time and only as long as somebody waits for its answer; at most 256 wait for their turn, for a bounded time, and
//! whoever asks for many waits behind themselves.

use super::ask::{Answer, Ask};
use super::odata::Entity;
use super::route::{Handler, Route};
use crate::http::problem::Problem;
use http::StatusCode;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use writ_core::ids::PrincipalId;

/// Rows that are looked at where requests are answered: a millisecond or two, and more than an index that finds few
/// finds. Here a row of which much is asked counts as several.
const NEAR: u64 = 2_000;
/// Rows that one answer may look at: about two seconds.
const FAR: u64 = 10_000_000;
/// Long walks that wait for their turn.
const WAITING_MAX: usize = 256;
/// Long walks of one caller, under way or waiting for their turn.
const OWN_WAITING_MAX: usize = 32;
/// How long one waits for its turn.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one lasts: five times what the dearest usual one takes, and less than others wait for their turn.
const LASTS_MAX: Duration = Duration::from_secs(10);

/// How many more rows one request may look at. One thread at a time counts.
#[derive(Debug)]
pub struct Reach {
    left: AtomicU64,
    /// What one row takes of it.
    each: AtomicU64,
    over: AtomicBool,
    /// Set from outside when it has taken too long.
    stop: Arc<AtomicBool>,
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
        let (left, each) = (AtomicU64::new(rows), AtomicU64::new(1));
        Self { left, each, over: AtomicBool::new(false), stop: Arc::default() }
    }

    /// Counts one row; false when it may not be looked at any more.
    #[inline]
    pub fn step(&self) -> bool {
        let (left, each) = (self.left.load(Ordering::Relaxed), self.each.load(Ordering::Relaxed));
        if left < each || self.stop.load(Ordering::Relaxed) {
            self.over.store(true, Ordering::Relaxed);
            return false;
        }
        self.left.store(left - each, Ordering::Relaxed);
        true
    }

    /// From here on each row costs so much, where requests are answered. On a thread of its own it is time that bounds.
    pub fn weigh(&self, cost: u64) {
        if self.left.load(Ordering::Relaxed) <= NEAR {
            self.each.store(cost, Ordering::Relaxed);
        }
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
        let allows = self.left.load(Ordering::Relaxed) >= rows as u64 && !self.stop.load(Ordering::Relaxed);
        self.over.fetch_or(!allows, Ordering::Relaxed);
        allows
    }

    /// Whether rows were left out, so that whatever was made of the others is not the answer.
    pub fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn begin(&self, rows: u64) {
        self.left.store(rows, Ordering::Relaxed);
        self.each.store(1, Ordering::Relaxed);
        self.over.store(false, Ordering::Relaxed);
    }
}

/// The long walks of one server.
#[derive(Debug)]
pub struct Walks {
    turns: Arc<Semaphore>,
    /// How many of them one caller may take at once.
    own: usize,
    callers: Mutex<HashMap<PrincipalId, Own>>,
    patience: Duration,
}

/// The long walks of one caller.
#[derive(Debug)]
struct Own {
    turns: Arc<Semaphore>,
    /// Under way or waiting.
    here: usize,
}

impl Default for Walks {
    fn default() -> Self {
        // One for every two cores: the rest of the machine is for everybody else. Half of them for one caller.
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let turns = (cores / 2).max(1);
        Self {
            turns: Arc::new(Semaphore::new(turns)),
            own: turns.div_ceil(2),
            callers: Mutex::default(),
            patience: PATIENCE,
        }
    }
}

impl Walks {
    /// A turn, which ends when it is dropped. Of one caller only as many as may walk at once stand in the line that is
    /// everybody's.
    async fn turn(self: &Arc<Self>, caller: PrincipalId) -> Option<Turn> {
        let place = Place::of(self, caller)?;
        let own = place.turns.clone();
        let both = async { Some((own.acquire_owned().await.ok()?, self.turns.clone().acquire_owned().await.ok()?)) };
        let turns = tokio::time::timeout(self.patience, both).await.ok()??;
        Some(Turn { _turns: turns, _place: place })
    }
}

/// A long walk's turn.
struct Turn {
    _turns: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    _place: Place,
}

/// Somebody's place among those who walk or wait, given up even if they leave.
struct Place {
    walks: Arc<Walks>,
    caller: PrincipalId,
    turns: Arc<Semaphore>,
}

impl Place {
    fn of(walks: &Arc<Walks>, caller: PrincipalId) -> Option<Place> {
        let mut callers = walks.callers.lock();
        if callers.values().map(|own| own.here).sum::<usize>() >= WAITING_MAX {
            return None;
        }
        let made = || Own { turns: Arc::new(Semaphore::new(walks.own)), here: 0 };
        let own = callers.entry(caller).or_insert_with(made);
        if own.here == OWN_WAITING_MAX {
            return None;
        }
        own.here += 1;
        Some(Place { walks: walks.clone(), caller, turns: own.turns.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut callers = self.walks.callers.lock();
        if let Some(own) = callers.get_mut(&self.caller) {
            own.here -= 1;
            if own.here == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

/// Lets a route answer: here if it need not look far, otherwise on a thread of its own.
///
/// # Errors
/// What the route answers; 503 when too many long walks wait already, 400 when even a long one would not do.
pub async fn answered(route: &'static Route, ask: Box<Ask>) -> Result<Answer, Problem> {
    let near = match route.handler {
        Handler::Now(read) => read(&ask),
        Handler::Later(wait) => wait(&ask).await,
    };
    if !ask.reach.over() {
        return near;
    }
    let entity = ask.listed();
    let Some(turn) = ask.app.walks.turn(ask.asker()).await else { return Err(busy(entity)) };
    ask.reach.begin(FAR);
    let (runtime, stop) = (Handle::current(), ask.reach.stop.clone());
    let walk = move || {
        let far = match route.handler {
            Handler::Now(read) => read(&ask),
            Handler::Later(wait) => runtime.block_on(wait(&ask)),
        };
        drop(turn);
        (far, ask.reach.over())
    };
    match until(LASTS_MAX, stop, walk).await {
        Ok((far, false)) => far,
        Ok((_, true)) => Err(too_far(entity)),
        Err(fault) => {
            tracing::error!(%fault, "a list could not be read");
            Err(Problem::internal())
        }
    }
}

/// Does some work on a thread of its own, and tells it to stop when it takes too long or nobody waits for it any more.
async fn until<T: Send + 'static>(
    lasts: Duration,
    stop: Arc<AtomicBool>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let stop = Stop(stop);
    let mut work = tokio::task::spawn_blocking(work);
    if let Ok(done) = tokio::time::timeout(lasts, &mut work).await {
        return done;
    }
    drop(stop);
    // It looks at every row whether it is to stop.
    work.await
}

/// Tells a walk to stop when it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
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
            "This query would look through more than {FAR} rows one by one, or for longer than {} seconds. Filter by one \
             of these as well, with eq, in or and: {}.",
            LASTS_MAX.as_secs(),
            quick(entity)
        ),
    )
}

#[cfg(test)]
mod tests;
