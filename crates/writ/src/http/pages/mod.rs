//! Pages for people: signing in, setting up a sign-in, and who they are. Plain HTML that works without scripts.
//! No access rule is written here.
//!
//! Always: a page runs no script (but for the one line in `http/oauth/authorize.rs`), loads nothing from elsewhere, cannot be framed and is not kept by the browser.

pub mod account;
pub mod enrol;
pub mod files;
pub mod signin;
#[cfg(test)]
pub(crate) mod tests;

use super::router::App;
use crate::identity::Denied;
use askama::Template;
use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

/// What a page may load: its own style and picture. Forms go to this server only.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// All pages.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/account") }))
        .merge(account::routes())
        .merge(enrol::routes())
        .merge(files::routes())
        .merge(signin::routes())
}

/// A page as an answer.
pub(super) fn shown(status: StatusCode, template: &impl Template) -> Response {
    shown_under(HeaderValue::from_static(POLICY), status, template)
}

/// A page that may do what this policy says.
pub(super) fn shown_under(policy: HeaderValue, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(CONTENT_SECURITY_POLICY, policy);
            // With `no-referrer` browsers send `Origin: null` with our own forms, which are then taken for another
            // site's. Other sites learn nothing by this policy either.
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
            (status, headers, text).into_response()
        }
        Err(error) => {
            tracing::error!("a page could not be written: {error}");
            super::problem::Problem::internal().into_response()
        }
    }
}

/// A page that tells why something was not done, with the status that belongs to it.
pub(super) fn shown_denied(denied: &Denied, template: &impl Template) -> Response {
    shown_denied_under(HeaderValue::from_static(POLICY), denied, template)
}

/// The same, on a page that may do what this policy says.
pub(super) fn shown_denied_under(policy: HeaderValue, denied: &Denied, template: &impl Template) -> Response {
    let (status, wait) = match denied {
        Denied::Wrong | Denied::Disabled | Denied::Token(_) => (StatusCode::UNAUTHORIZED, None),
        Denied::Wait(seconds) => (StatusCode::TOO_MANY_REQUESTS, Some(*seconds)),
        Denied::Busy => (StatusCode::SERVICE_UNAVAILABLE, Some(5)),
        Denied::Refused(_) => (StatusCode::FORBIDDEN, None),
        Denied::Unfit(_)
        | Denied::Code
        | Denied::NotHandedOver
        | Denied::NoDevice
        | Denied::Elsewhere(_)
        | Denied::NoDevices
        | Denied::OtherProgram
        | Denied::BeyondSignIn
        | Denied::NotConfirmed => (StatusCode::UNPROCESSABLE_ENTITY, None),
        Denied::Fault(fault) => {
            tracing::error!("a page could not do what was asked: {fault}");
            (StatusCode::SERVICE_UNAVAILABLE, Some(5))
        }
    };
    let mut response = shown_under(policy, status, template);
    if let Some(seconds) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The organisation's name, for the head of a page.
pub(super) fn organisation(app: &App) -> String {
    app.engine.state().settings.as_ref().map_or_else(String::new, |s| s.name.clone())
}
