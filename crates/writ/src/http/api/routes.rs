//! Which path leads to which answer. Each handler looks at one frozen moment or submits one command.

use super::shape::{
    About, AccountRule, Called, Code, Explained, HostTold, Meanings, Progress, Question, RoleTold, Status,
    TenantSettings,
};
use super::{audit, changes, explain, hosts, log, names, people, progress, roles, settings, status};
use crate::engine::Wrong;
use crate::http::problem::Problem;
use crate::http::router::App;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use writ_core::command::{Caller, Command};
use writ_core::ids::RequestId;
use writ_core::refusal::{Refusal, What};

/// All routes under `/writ/v1` but the stream's.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/writ/v1/about", get(about))
        .route("/writ/v1/status", get(where_one_stands))
        .route("/writ/v1/names", get(what_is_meant))
        .route("/writ/v1/roles", get(all_roles))
        .route("/writ/v1/explain", post(why))
        .route("/writ/v1/requests/{id}", get(how_far))
        .route("/writ/v1/settings", get(read_settings).patch(change_settings))
        .route("/writ/v1/hosts", get(all_hosts))
        .route("/writ/v1/hosts/{id}", delete(remove_host))
        .route("/writ/v1/hosts/codes", post(host_code))
        .route("/writ/v1/accounts", post(map_account))
        .route("/writ/v1/accounts/rules", get(account_rules).post(name_accounts))
        .route("/writ/v1/users/{id}/code", post(people::code))
        .route("/writ/v1/users/{id}/erase", post(log::erase))
        .route("/writ/v1/enrol", post(people::enrol))
        .route("/writ/v1/signout", post(people::sign_out))
        .route("/writ/v1/audit", get(audit::audit))
        .route("/writ/v1/log/checkpoint", get(log::checkpoint))
}

/// The stream of changes, which pages of other sites may read as they may Graph's routes.
pub fn stream() -> Router<App> {
    Router::new().route("/writ/v1/changes", get(changes::changes))
}

/// An answer, or what is wrong in Graph's shape.
pub(super) type Told<T> = Result<Json<T>, Problem>;

async fn about(State(app): State<App>) -> Json<About> {
    let state = app.engine.state();
    let name = state.settings.as_ref().map_or_else(String::new, |s| s.name.clone());
    Json(About {
        tenant: Called { id: state.tenant.to_string(), name },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: app.engine.now(),
        log_key: Some(app.engine.log_key().to_string()),
    })
}

async fn where_one_stands(State(app): State<App>, caller: Caller) -> Told<Status> {
    refused(status::status(&app.engine.state(), &app.engine.context(&caller)))
}

#[derive(Deserialize)]
struct Typed {
    kind: String,
    typed: String,
}

async fn what_is_meant(State(app): State<App>, caller: Caller, Query(query): Query<Typed>) -> Told<Meanings> {
    refused(names::names(&app.engine.state(), &query.kind, &query.typed, &app.engine.context(&caller)))
}

async fn all_roles(State(app): State<App>, caller: Caller) -> Told<Vec<RoleTold>> {
    refused(roles::roles(&app.engine.state(), &app.engine.context(&caller)))
}

async fn why(State(app): State<App>, caller: Caller, bytes: Bytes) -> Told<Explained> {
    let question: Question = body(&bytes)?;
    refused(explain::answer(&app.engine.state(), &question, &app.engine.context(&caller)))
}

#[derive(Deserialize)]
struct Patience {
    #[serde(default)]
    wait: u64,
    #[serde(default)]
    seen: String,
}

async fn how_far(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(patience): Query<Patience>,
) -> Told<Progress> {
    let request: RequestId =
        id.parse().map_err(|_| Problem::from(&Refusal::NoSuch { what: What::Request, id: id.clone() }))?;
    let mut commits = app.engine.watch();
    let wait = Duration::from_secs(patience.wait.min(progress::WAIT_MAX));
    let changed = async {
        loop {
            commits.borrow_and_update();
            let told = progress::progress(&app.engine.state(), request, &app.engine.context(&caller));
            match &told {
                Ok(progress) if progress.mark == patience.seen => {}
                _ => return told,
            }
            // An end that has come is a commit too: time's own commands go through the engine.
            if commits.changed().await.is_err() {
                return told;
            }
        }
    };
    match tokio::time::timeout(wait, changed).await {
        Ok(told) => refused(told),
        Err(_) => refused(progress::progress(&app.engine.state(), request, &app.engine.context(&caller))),
    }
}

async fn read_settings(State(app): State<App>, caller: Caller) -> Told<TenantSettings> {
    refused(settings::settings(&app.engine.state(), &app.engine.context(&caller)))
}

async fn change_settings(State(app): State<App>, caller: Caller, bytes: Bytes) -> Result<StatusCode, Problem> {
    let TenantSettings { name, span_min, age_min } = body(&bytes)?;
    submit(&app, caller, Command::ChangeSettings { name, span_min, age_min }).await
}

async fn all_hosts(State(app): State<App>, caller: Caller) -> Told<Vec<HostTold>> {
    refused(hosts::hosts(&app.engine.state(), &app.engine.context(&caller)))
}

async fn remove_host(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let host = id.parse().map_err(|_| Problem::from(&Refusal::NoSuch { what: What::Host, id: id.clone() }))?;
    submit(&app, caller, Command::RemoveHost { host }).await
}

async fn map_account(State(app): State<App>, caller: Caller, bytes: Bytes) -> Result<StatusCode, Problem> {
    let mapping: hosts::Mapping = body(&bytes)?;
    let command = hosts::map(&app.engine.state(), mapping).map_err(|refusal| Problem::from(&refusal))?;
    submit(&app, caller, command).await
}

async fn account_rules(State(app): State<App>, caller: Caller) -> Told<Vec<AccountRule>> {
    refused(hosts::account_rules(&app.engine.state(), &app.engine.context(&caller)))
}

async fn name_accounts(State(app): State<App>, caller: Caller, bytes: Bytes) -> Result<StatusCode, Problem> {
    let command = hosts::naming(body(&bytes)?).map_err(|refusal| Problem::from(&refusal))?;
    submit(&app, caller, command).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForUnit {
    #[serde(default)]
    unit: Option<String>,
}

async fn host_code(State(app): State<App>, caller: Caller, bytes: Bytes) -> Told<Code> {
    let ForUnit { unit } = body(&bytes)?;
    let none = |id: &str| Problem::from(&Refusal::NoSuch { what: What::Unit, id: id.to_owned() });
    let unit = unit.map(|id| id.parse().map_err(|_| none(&id))).transpose()?;
    let issued = app.hosts.issue_code(unit, caller).await.map_err(|wrong| problem(&wrong))?;
    Ok(Json(Code { code: issued.code.reveal(), expires: issued.expires, url: app.identity.url().to_owned() }))
}

/// Submits a command whose answer is only that it is done.
pub(super) async fn submit(app: &App, caller: Caller, command: Command) -> Result<StatusCode, Problem> {
    match app.engine.submit(command, caller).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(wrong) => Err(problem(&wrong)),
    }
}

/// What is wrong, in Graph's shape.
pub(super) fn problem(wrong: &Wrong) -> Problem {
    match wrong {
        Wrong::Refused(refusal) => Problem::from(&**refusal),
        Wrong::Fault(fault) => {
            tracing::error!("a command could not be carried out: {fault}");
            Problem::unavailable("The server cannot write its log right now; the same request may be sent again.", 5)
        }
    }
}

pub(super) fn refused<T>(told: Result<T, Refusal>) -> Told<T> {
    told.map(Json).map_err(|refusal| Problem::from(&refusal))
}

/// A body as JSON, or a sentence that says what is wrong with it.
pub(super) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|e| Problem::bad_request(format!("The body is not as it should be: {e}.")))
}
