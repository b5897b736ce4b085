//! Which requests a list has to look at: everything the filter can let through, found by an index where there is one.
//! It decides nothing about what is shown: the filter and `may` are asked about every row that comes from here.
//!
//! Always: in the order of their ids, whichever way they were found. Those that were closed are looked up in the
//! history, once it shows the moment that is asked about: an index of them in the state would cost every activation.

use super::ask::{Ask, Whose};
use super::held::{Found, Seen, pinned};
use super::odata::options::Query;
use super::page::Shape;
use crate::http::problem::Problem;
use std::time::Duration;
use writ_core::ids::{PrincipalId, RequestId};
use writ_core::state::Request;

/// How long the history is waited for; it is a few milliseconds behind at most.
const PATIENCE: Duration = Duration::from_millis(200);

/// The requests that a list looks at.
pub async fn requests<'a>(ask: &'a Ask, query: &Query, seen: Seen) -> Result<Found<'a, Request>, Problem> {
    let state = &*ask.moment.state;
    let shape = Shape::by_id().sorted();
    if let Some(mut ids) = few(ask, query, seen).await {
        ids.sort_unstable();
        ids.dedup();
        let rows = ids.into_iter().filter_map(|id| state.requests.get(&id).map(|r| &**r));
        return Ok(Found::of(shape, rows));
    }
    let at = ask.seeks(query, &shape)?;
    let from = at.and_then(|at| at.first()?.as_str()?.parse().ok()).unwrap_or(RequestId::from_u128(0));
    Ok(Found::of(shape, state.requests.range(from..).map(|(_, r)| &**r)))
}

/// The requests that are all that the list can show, if an index says so.
async fn few(ask: &Ask, query: &Query, seen: Seen) -> Option<Vec<RequestId>> {
    let state = &ask.moment.state;
    if let Some(ids) = pinned(query, "id") {
        return Some(ids);
    }
    // Whoever may decide may do so only as long as it is open.
    let pending = query.pins("status").is_some_and(|all| all.iter().all(|status| status.starts_with("pending")));
    if pending || seen.whose == Whose::Approver {
        return Some(state.open.iter().map(|(_, id)| *id).collect());
    }
    let subjects: Vec<PrincipalId> = match (seen.whose, ask.moment.me, pinned(query, "principalId")) {
        (Whose::Principal, Some(me), _) => vec![me],
        (_, _, Some(pinned)) => pinned,
        _ => return None,
    };
    // Without the history every request that is kept is looked at, which is dearer and no less right.
    let history = &ask.app.history;
    if !matches!(tokio::time::timeout(PATIENCE, history.wait_for(state.seq)).await, Ok(Ok(()))) {
        return None;
    }
    let mut found = Vec::new();
    for subject in subjects {
        let Ok(Some(closed)) = history.requests_about(subject).await else { return None };
        found.extend(closed);
        found.extend(state.open_of(subject).map(|r| r.ask.request));
    }
    Some(found)
}
