//! Who you are: your name, since when and with what you are signed in, where else, and the way out.
//!
//! Always: it shows nobody but the visitor, and every form on it carries the visitor's own key.

use super::{organisation, shown};
use crate::http::graph::applications::name_of;
use crate::http::problem::Problem;
use crate::http::router::App;
use crate::http::session::{FromOurPage, Visitor, cookie_gone, problem, secure};
use crate::identity::session::{Door, Session};
use crate::when::Reader;
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use writ_core::command::Method;
use writ_core::state::State as Now;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/account", get(account))
        .route("/account/sessions", post(end_session))
        .route("/signout", post(sign_out))
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    organisation: String,
    key: String,
    name: String,
    upn: String,
    emergency: bool,
    since: String,
    ends: String,
    proved: String,
    sessions: Vec<Line>,
    proofs: Vec<Line>,
}

struct Line {
    id: String,
    what: String,
    told: String,
    here: bool,
}

async fn account(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    let state = app.engine.state();
    let who = visitor.session.principal;
    let person = state.principals.get(&who).ok_or_else(|| Problem::unauthenticated("The account is gone."))?;
    let reader = Reader::new(jiff::tz::TimeZone::UTC, app.engine.now());
    let sessions = app.identity.sessions_of(who).await.map_err(|denied| problem(&denied))?;
    let proofs = app.identity.credentials_of(who).await.map_err(|denied| problem(&denied))?;
    let session = &visitor.session;
    let page = Page {
        organisation: organisation(&app),
        key: visitor.form_key.clone(),
        name: person.name.shown().to_owned(),
        upn: person.user().map(|u| u.upn.shown().to_owned()).unwrap_or_default(),
        emergency: person.emergency(),
        since: format!("{} ({})", reader.ago(session.signed_in), reader.moment(session.signed_in)),
        ends: reader.moment(session.ends),
        proved: with(&session.methods),
        sessions: sessions.iter().map(|one| line(&state, one, session, &reader)).collect(),
        proofs: proofs
            .iter()
            .map(|proof| Line {
                id: proof.id.to_string(),
                what: with(&[proof.method]),
                told: format!("Set up {}", reader.ago(proof.bound)),
                here: false,
            })
            .collect(),
    };
    Ok(shown(StatusCode::OK, &page))
}

#[derive(Deserialize)]
struct Sent {
    #[serde(default)]
    key: String,
    #[serde(default)]
    session: String,
}

async fn end_session(
    State(app): State<App>,
    visitor: Visitor,
    FromOurPage(origin): FromOurPage,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    checked(&visitor, &sent)?;
    let id = sent.session.parse().map_err(|_| Problem::bad_request("There is no such session."))?;
    app.identity.sign_out(visitor.session.principal, id, &origin).await.map_err(|denied| problem(&denied))?;
    Ok(Redirect::to("/account").into_response())
}

async fn sign_out(
    State(app): State<App>,
    visitor: Visitor,
    FromOurPage(origin): FromOurPage,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    checked(&visitor, &sent)?;
    let session = &visitor.session;
    app.identity.sign_out(session.principal, session.id, &origin).await.map_err(|denied| problem(&denied))?;
    let gone = HeaderValue::from_str(&cookie_gone(secure(&app))).map_err(|_| Problem::internal())?;
    Ok(([(SET_COOKIE, gone)], Redirect::to("/signin")).into_response())
}

fn checked(visitor: &Visitor, sent: &Sent) -> Result<(), Problem> {
    if visitor.sent(&sent.key) {
        Ok(())
    } else {
        Err(Problem::denied("This form is not from your session; open the page again and repeat it there."))
    }
}

fn line(state: &Now, one: &Session, here: &Session, reader: &Reader) -> Line {
    let from = one.address.as_deref().map(|address| format!(" from {address}")).unwrap_or_default();
    let told = format!("Signed in {}{from}; ends {}", reader.ago(one.signed_in), reader.moment(one.ends));
    Line { id: one.id.to_string(), what: program(state, one), told, here: one.id == here.id }
}

/// What a session's program is, in few words; browsers say far more about themselves than helps.
fn program(state: &Now, session: &Session) -> String {
    if let Some(app) = session.app {
        let known = name_of(state, app);
        return known.map_or_else(|| format!("A program ({app})"), str::to_owned);
    }
    let agent = &session.agent;
    let has = |word: &str| agent.contains(word);
    let browser =
        [("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    let system = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let named = |known: &[(&str, &'static str)]| known.iter().find(|(word, _)| has(word)).map(|(_, name)| *name);
    match (session.door, named(&browser), named(&system)) {
        _ if agent.starts_with("writ/") => "Command line".into(),
        (Door::Page, Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Door::Page, ..) => "A browser".into(),
        (Door::Token, ..) => match agent.split(['/', ' ']).next().filter(|word| !word.is_empty()) {
            Some(word) => format!("A program ({word})"),
            None => "A program".into(),
        },
    }
}

fn with(methods: &[Method]) -> String {
    let told: Vec<&str> = methods
        .iter()
        .map(|method| match method {
            Method::Password => "Password",
            Method::Totp => "One-time code",
            Method::EmergencySecret => "Emergency secret",
            Method::Code => "Single-use code",
        })
        .collect();
    match told.split_first() {
        None => "Nothing".into(),
        Some((first, rest)) => {
            rest.iter().fold((*first).to_owned(), |all, next| format!("{all} and {}", next.to_lowercase()))
        }
    }
}
