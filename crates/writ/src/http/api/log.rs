//! The log itself: its newest signed checkpoint, and the erasing of personal data.
//! Whole copies are made where the log is, with `writ log export`, and need no server.

use super::routes::submit;
use crate::http::problem::Problem;
use crate::http::router::App;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use writ_core::command::{Caller, Command};
use writ_core::refusal::{Refusal, What};

/// How large the log is, and the signed note that says so.
#[derive(Serialize)]
pub(super) struct Newest {
    size: u64,
    checkpoint: String,
}

/// Anybody who is signed in may keep checkpoints: they hold no personal data, and every kept one is a witness.
pub(super) async fn checkpoint(State(app): State<App>, _caller: Caller) -> Json<Newest> {
    Json(Newest { size: app.engine.head().size, checkpoint: app.engine.checkpoint() })
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
