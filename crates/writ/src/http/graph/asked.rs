//! Which requests a list has to look at: everything the filter can let through, found by an index where there is one.
//! It decides nothing about what is shown: the filter and `may` are asked about every row that comes from here.
//!
//! Always: in the order of their ids, whichever way they were found. Those that were closed are looked up in the
//! history, once it shows the moment that is asked about: an index of them in the state would cost every activation.

use super::ask::{Ask, Whose};
use super::held::{self, Found, Seen, pinned};
use super::odata::options::Query;
use super::page::Shape;
use super::schedule_requests::{STATUSES, action_name, action_named, shown_status};
use crate::http::problem::Problem;
use std::time::Duration;
use uuid::Uuid;
use writ_core::command::Sort;
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId, RequestId, RoleId};
use writ_core::state::{Request, State, Status, Unusual};

/// How long the history is waited for; it is a few milliseconds behind at most.
const PATIENCE: Duration = Duration::from_millis(200);

/// How many principals' closed requests are looked up; for more, every request that is kept is looked at.
const SUBJECTS_MAX: usize = 20;

/// The requests that a list looks at.
pub async fn requests<'a>(ask: &'a Ask, sort: Sort, query: &Query, seen: Seen) -> Result<Found<'a, Request>, Problem> {
    let state = &*ask.moment.state;
    let shape = Shape::by_id().sorted();
    if let Some(mut ids) = few(ask, sort, query, seen).await {
        ids.sort_unstable();
        ids.dedup();
        let rows = ids.into_iter().filter_map(|id| state.requests.get(&id).map(|r| &**r));
        return Ok(Found::few(shape, rows));
    }
    let at = ask.seeks(query, &shape)?;
    let from = RequestId(at.and_then(|at| at.first()?.guid()).unwrap_or_default());
    // What the filter pins is compared before it is made into what Graph shows.
    let roles = pinned::<RoleId>(query, "roleDefinitionId");
    let scopes = held::scopes(query);
    let words = |property| query.pins(property).map(|all| all.into_iter().map(str::to_owned).collect::<Vec<String>>());
    let (actions, statuses) = (words("action"), words("status"));
    let maker = ask.moment.me.filter(|_| seen.whose == Whose::CreatedBy);
    let named = |all: &[String], name: &str| all.iter().any(|one| one.eq_ignore_ascii_case(name));
    let fits = move |r: &&Request| {
        maker.is_none_or(|me| r.ask.by == Some(me))
            && roles.as_ref().is_none_or(|roles| roles.contains(&r.ask.target.role_id()))
            && scopes.as_ref().is_none_or(|scopes| scopes.contains(&r.ask.target.scope()))
            && actions.as_ref().is_none_or(|all| named(all, action_name(r.ask.action)))
            && statuses.as_ref().is_none_or(|all| named(all, shown_status(&ask.moment, r)))
    };
    Ok(Found::fitting(ask, shape, state.requests.range(from..).map(|(_, r)| &**r), fits))
}

/// The requests that are all that the list can show, if an index says so.
async fn few(ask: &Ask, sort: Sort, query: &Query, seen: Seen) -> Option<Vec<RequestId>> {
    let state = &ask.moment.state;
    if let Some(ids) = pinned(query, "id") {
        return Some(ids);
    }
    // Whoever may decide may do so only as long as it is open.
    let pending = query.pins("status").is_some_and(|all| all.iter().all(|status| status.starts_with("pending")));
    if pending || seen.whose == Whose::Approver {
        return Some(state.open.iter().map(|(_, id)| *id).collect());
    }
    let mut found = Vec::new();
    let subjects: Vec<PrincipalId> = match (seen.whose, ask.moment.me, pinned(query, "principalId")) {
        (Whose::Principal, Some(me), _) => vec![me],
        (_, _, Some(pinned)) => pinned,
        // What somebody asked for themselves is among what was asked about them.
        (Whose::CreatedBy, Some(me), None) if let Some(others) = made_for_others(state, me) => {
            found = others;
            vec![me]
        }
        _ => match pinned(query, "targetScheduleId") {
            Some(schedules) => holders(ask, schedules).await?,
            None => return lately_made(state, query).or_else(|| unusual(state, sort, query)),
        },
    };
    if subjects.len() > SUBJECTS_MAX {
        return None;
    }
    // Without the history every request that is kept is looked at, which is dearer and no less right.
    let history = &ask.app.history;
    if !matches!(tokio::time::timeout(PATIENCE, history.wait_for(state.seq)).await, Ok(Ok(()))) {
        return None;
    }
    for subject in subjects {
        let Ok(Some(closed)) = history.requests_about(subject).await else { return None };
        found.extend(closed);
        found.extend(state.open_of(subject).map(|r| r.ask.request));
    }
    Some(found)
}

/// The requests that somebody made for others, if they are few.
fn made_for_others(state: &State, me: PrincipalId) -> Option<Vec<RequestId>> {
    held::few(state.made_for_others(me).map(Some))
}

/// The requests that were made as lately as the filter says, if they are few: those still open, and those closed since,
/// because nothing is closed before it is made.
fn lately_made(state: &State, query: &Query) -> Option<Vec<RequestId>> {
    let since = query.filter.as_ref()?.since("createdDateTime")?;
    let closed = state.closed.range((since, RequestId(Uuid::nil()))..).map(|(_, id)| *id);
    held::few(closed.chain(state.open.iter().map(|(_, id)| *id)).map(Some))
}

/// The requests that ended as the filter says, or asked for what it says, if few do. A word that is no status and no
/// action finds none.
fn unusual(state: &State, sort: Sort, query: &Query) -> Option<Vec<RequestId>> {
    const ENDS: [(&str, Status); 5] = [
        ("Denied", Status::Denied),
        ("AdminDenied", Status::Denied),
        ("Canceled", Status::Canceled),
        ("TimedOut", Status::TimedOut),
        ("Failed", Status::Failed),
    ];
    // The inner option is for words that name nothing, the outer one for those that many requests have.
    let ended = |word: &str| match ENDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        Some((_, status)) => Unusual::ended(*status).map(Some),
        None => (!STATUSES.iter().any(|name| name.eq_ignore_ascii_case(word))).then_some(None),
    };
    let asked = |word: &str| match action_named(word) {
        Some(action) => Unusual::asked(sort, action).map(Some),
        None => Some(None),
    };
    let statuses = query.pins("status").and_then(|all| all.into_iter().map(ended).collect::<Option<Vec<_>>>());
    let actions = || query.pins("action").and_then(|all| all.into_iter().map(asked).collect::<Option<Vec<_>>>());
    let kinds = statuses.or_else(actions)?;
    let of = |kind: Unusual| {
        let all = state.unusual.range((kind, RequestId(Uuid::nil()))..).take_while(move |(what, _)| *what == kind);
        all.map(|(_, id)| Some(*id))
    };
    held::few(kinds.into_iter().flatten().flat_map(of))
}

/// Who holds or held these schedules; `None` if that of one is not known any more.
async fn holders(ask: &Ask, schedules: Vec<Uuid>) -> Option<Vec<PrincipalId>> {
    let state = &ask.moment.state;
    let mut found = Vec::new();
    for id in schedules {
        let eligibility = state.eligibilities.get(&EligibilityId(id)).map(|e| e.principal);
        let assignment = || state.assignments.get(&AssignmentId(id)).map(|a| a.principal);
        let request = || state.requests.get(&RequestId(id)).map(|r| r.ask.subject);
        let holder = match eligibility.or_else(assignment).or_else(request) {
            Some(holder) => holder,
            // What is gone was made by a request of that id, if by any.
            None => ask.app.history.request(RequestId(id)).await.ok()??.ask.subject,
        };
        found.push(holder);
    }
    Some(found)
}
