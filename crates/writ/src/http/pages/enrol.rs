//! Setting up a sign-in: a single-use code, then a password, then an authenticator app that has shown that it works.
//! Nothing counts before the last step.
//!
//! Always: the code travels in forms only, never in an address.

use super::signin;
use super::{organisation, shown, shown_denied};
use crate::http::router::App;
use crate::http::session::FromOurPage;
use crate::identity::enrol::{Invited, Offered};
use crate::identity::{Denied, Identity};
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use qrcodegen::{QrCode, QrCodeEcc};
use serde::Deserialize;
use std::fmt::Write as _;
use zeroize::Zeroizing;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/enrol", get(ask).post(go_on))
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct Page {
    organisation: String,
    told: String,
    step: Step,
}

enum Step {
    Code,
    Password { code: Zeroizing<String>, invited: Invited },
    Confirm { code: Zeroizing<String>, seed: Zeroizing<String>, link: Zeroizing<String>, qr: Zeroizing<String> },
}

impl Step {
    fn number(&self) -> u8 {
        match self {
            Step::Code => 1,
            Step::Password { .. } => 2,
            Step::Confirm { .. } => 3,
        }
    }

    fn confirm(code: Zeroizing<String>, offered: Offered) -> Self {
        let qr = Zeroizing::new(drawn(&offered.link));
        Step::Confirm { code, seed: offered.seed, link: offered.link, qr }
    }
}

/// What the form holds: a code, and beside it what its step asks for.
#[derive(Deserialize)]
struct Typed {
    #[serde(default)]
    code: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
    #[serde(default)]
    otp: String,
    #[serde(default)]
    seed: String,
}

async fn ask(State(app): State<App>) -> Response {
    shown(StatusCode::OK, &Page { organisation: organisation(&app), told: String::new(), step: Step::Code })
}

async fn go_on(
    State(app): State<App>,
    State(identity): State<Identity>,
    FromOurPage(origin): FromOurPage,
    Form(typed): Form<Typed>,
) -> Response {
    let Typed { code, password, again, otp, seed } = typed;
    let (code, password, again) = (Zeroizing::new(code), Zeroizing::new(password), Zeroizing::new(again));
    let seed = Zeroizing::new(seed);
    let organisation = organisation(&app);
    let page = |step, told: &str| Page { organisation: organisation.clone(), told: told.to_owned(), step };
    // Whatever comes, the code is looked at first: with a wrong one everything begins again.
    let invited = match identity.invited(&code, &origin).await {
        Ok(invited) => invited,
        Err(denied) => return shown_denied(&denied, &page(Step::Code, &denied.to_string())),
    };
    if !otp.is_empty() {
        return match identity.confirm(&code, &otp, &origin).await {
            Ok(_) => {
                let told = "All set. Wait for the next code in your app, then sign in with it.";
                signin::Page::after(&app, invited.upn, told)
            }
            Err(denied @ Denied::NotConfirmed) => {
                let step = match identity.offered_again(&invited, &seed) {
                    Some(offered) => Step::confirm(code, offered),
                    None => Step::Password { code, invited },
                };
                shown_denied(&denied, &page(step, &denied.to_string()))
            }
            Err(denied) => shown_denied(&denied, &page(Step::Code, &denied.to_string())),
        };
    }
    if password.is_empty() {
        return shown(StatusCode::OK, &page(Step::Password { code, invited }, ""));
    }
    if *password != *again {
        let told = "The two passwords are not the same. Type them again.";
        return shown(StatusCode::UNPROCESSABLE_ENTITY, &page(Step::Password { code, invited }, told));
    }
    match identity.choose(&code, password, &origin).await {
        Ok(offered) => shown(StatusCode::OK, &page(Step::confirm(code, offered), "")),
        Err(denied @ Denied::Code) => shown_denied(&denied, &page(Step::Code, &denied.to_string())),
        Err(denied) => shown_denied(&denied, &page(Step::Password { code, invited }, &denied.to_string())),
    }
}

/// A text as a QR code in SVG, black on white whatever the page's colours; empty if it does not fit in one.
fn drawn(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return String::new() };
    let (size, quiet) = (code.size(), 2);
    let whole = size + 2 * quiet;
    let mut path = String::new();
    for y in 0..size {
        for x in (0..size).filter(|x| code.get_module(*x, y)) {
            // Writing to a text cannot fail.
            let _ = write!(path, "M{} {}h1v1h-1z", x + quiet, y + quiet);
        }
    }
    format!(
        "<svg viewBox=\"0 0 {whole} {whole}\" role=\"img\" \
         aria-label=\"QR code for an authenticator app\" shape-rendering=\"crispEdges\">\
         <rect width=\"{whole}\" height=\"{whole}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    )
}
