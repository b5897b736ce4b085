//! The sign-in page: user name, password and one-time code; or an emergency account's secret.
//! It judges nothing; whoever is let in gets a cookie.
//!
//! Always: what was typed is never shown again, the user name excepted.

use super::{organisation, shown, shown_denied};
use crate::http::router::App;
use crate::http::session::{FromOurPage, cookie_set, secure};
use crate::identity::sign_in::For;
use crate::identity::{Denied, Identity};
use askama::Template;
use axum::extract::{Form, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Router, http::HeaderValue};
use serde::Deserialize;
use zeroize::Zeroizing;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/signin", get(ask).post(sign_in))
}

#[derive(Template)]
#[template(path = "signin.html")]
pub(super) struct Page {
    pub(super) organisation: String,
    pub(super) emergency: bool,
    pub(super) username: String,
    pub(super) told: String,
    pub(super) good: bool,
}

impl Page {
    fn new(app: &App, emergency: bool) -> Self {
        let organisation = organisation(app);
        Self { organisation, emergency, username: String::new(), told: String::new(), good: false }
    }

    /// The page with something to tell: that it went well, and how to go on.
    pub(super) fn after(app: &App, username: String, told: &str) -> Response {
        let page = Self { username, told: told.to_owned(), good: true, ..Self::new(app, false) };
        shown(StatusCode::OK, &page)
    }
}

/// What the form holds; fields of the other form are empty.
#[derive(Deserialize)]
struct Typed {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    secret: String,
}

async fn ask(State(app): State<App>, RawQuery(query): RawQuery) -> Response {
    shown(StatusCode::OK, &Page::new(&app, is_emergency(query.as_deref())))
}

async fn sign_in(
    State(app): State<App>,
    State(identity): State<Identity>,
    RawQuery(query): RawQuery,
    FromOurPage(origin): FromOurPage,
    Form(typed): Form<Typed>,
) -> Response {
    let emergency = is_emergency(query.as_deref());
    let Typed { username, password, code, secret } = typed;
    let (password, secret) = (Zeroizing::new(password), Zeroizing::new(secret));
    let signed_in = if emergency {
        identity.with_emergency_secret(&username, &secret, For::Page, &origin).await
    } else {
        identity.with_password(&username, password, &code, For::Page, &origin).await
    };
    let denied = match signed_in {
        Ok(signed_in) => {
            let cookie = signed_in.cookie.map(|cookie| cookie_set(cookie.value(), secure(&app)));
            match cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
                Some(cookie) => return ([(SET_COOKIE, cookie)], Redirect::to("/account")).into_response(),
                None => Denied::Busy,
            }
        }
        Err(denied) => denied,
    };
    let told = match &denied {
        Denied::Wrong if emergency => "The user name or the secret is not right.".to_owned(),
        denied => denied.to_string(),
    };
    let username = if username.len() <= 320 { username } else { String::new() };
    shown_denied(&denied, &Page { username, told, ..Page::new(&app, emergency) })
}

fn is_emergency(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part.trim_end_matches('=') == "emergency"))
}
