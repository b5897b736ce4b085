//! `GET /writ/v1/audit`: what happened, in sentences, newest first. Moments in them are in UTC, for the reader's side
//! to tell in its own zone.

use super::routes::Told;
use super::shape::{self, TellEntry};
use super::status;
use crate::history::LineQuery;
use crate::http::problem::Problem;
use crate::http::router::App;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use writ_core::command::Caller;
use writ_core::ids::{Seq, Uuid};
use writ_core::may::{self, may};
use writ_core::time::Time;

/// How many entries are told at most, and when nobody says.
const ENTRIES_MAX: u32 = 1000;
const ENTRIES: u32 = 50;

/// Which entries are wanted; everything that is given must fit.
#[derive(Deserialize)]
pub(super) struct Wanted {
    since: Option<Time>,
    until: Option<Time>,
    about: Option<Uuid>,
    role: Option<Uuid>,
    before: Option<Seq>,
    limit: Option<u32>,
}

pub(super) async fn audit(
    State(app): State<App>,
    caller: Caller,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Told<shape::Told> {
    let Query(wanted) =
        wanted.map_err(|why| Problem::bad_request(format!("The query is not as it should be: {why}")))?;
    let refused = |refusal| Problem::from(&refusal);
    may(&app.engine.state(), may::Query::Audit, &app.engine.context(&caller)).map_err(refused)?;
    let limit = wanted.limit.unwrap_or(ENTRIES).clamp(1, ENTRIES_MAX);
    let (about, also_about) = match (wanted.about, wanted.role) {
        (None, role) => (role, None),
        both => both,
    };
    let query = LineQuery {
        since: wanted.since,
        until: wanted.until,
        about,
        also_about,
        before: wanted.before,
        limit,
        ..LineQuery::default()
    };
    // What the caller has just done is told too.
    let fault = |fault: crate::store::Fault| {
        tracing::error!("the history cannot be read: {fault}");
        Problem::unavailable("The history cannot be read right now; ask again.", 5)
    };
    app.history.wait_for(app.engine.head().size).await.map_err(fault)?;
    let lines = app.history.lines(query).await.map_err(fault)?;
    let full = lines.len() == limit as usize;
    let before = lines.last().filter(|line| full && line.seq > 1).map(|line| line.seq);
    let entries =
        lines.into_iter().map(|line| TellEntry { seq: line.seq, at: line.at, kind: line.kind, told: line.told });
    let emergencies = status::emergencies(&app.engine.state(), app.engine.now());
    Ok(Json(shape::Told { entries: entries.collect(), before, emergencies }))
}
