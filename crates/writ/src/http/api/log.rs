//! The log itself: its newest signed checkpoint, and the erasing of personal data.
//! Whole copies are made where the log is, with `writ log export`, and need no server.

use super::routes::{Told, problem, submit};
use super::shape::Newest;
use crate::engine::Wrong;
use crate::http::problem::Problem;
use crate::http::router::App;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use writ_core::command::{Caller, Command};
use writ_core::refusal::{Refusal, What};

#[derive(Deserialize)]
pub(super) struct Since {
    #[serde(default)]
    since: u64,
}

/// Anybody who is signed in may keep checkpoints: they hold no personal data, and every kept one is a witness.
pub(super) async fn checkpoint(State(app): State<App>, _caller: Caller, Query(query): Query<Since>) -> Told<Newest> {
    let proved = app.engine.proved_since(query.since).await;
    let (checkpoint, proof) = proved.map_err(|fault| problem(&Wrong::Fault(fault)))?;
    Ok(Json(Newest {
        checkpoint,
        key: app.engine.log_key().to_string(),
        epoch: app.engine.state().epoch,
        proof: proof.map(|parts| parts.iter().map(hex::encode).collect()),
    }))
}

pub(super) async fn erase(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let none = || Problem::from(&Refusal::NoSuch { what: What::Principal, id: id.clone() });
    let principal = id.parse().map_err(|_| none())?;
    submit(&app, caller, Command::ErasePrincipal { principal }).await
}
