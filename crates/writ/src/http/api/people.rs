//! Single-use codes, what people do with them, and signing out.
//!
//! Always: a code and a secret are in an answer once, and never in a message or an address.

use super::routes::{Told, body};
use super::shape::Code;
use crate::http::problem::Problem;
use crate::http::router::App;
use crate::http::session::{known, origin, problem};
use crate::identity::Denied;
use crate::identity::enrol::CODE_SPAN;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use writ_core::command::Caller;
use writ_core::refusal::{Refusal, What};
use zeroize::{Zeroize, Zeroizing};

/// `POST /writ/v1/users/{id}/code`.
pub(super) async fn code(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Told<Code> {
    let none = || Problem::from(&Refusal::NoSuch { what: What::Principal, id: id.clone() });
    let principal = id.parse().map_err(|_| none())?;
    let issued = app.identity.issue_code(caller, principal, CODE_SPAN).await.map_err(said)?;
    let url = format!("{}/enrol", app.identity.url());
    Ok(Json(Code { code: issued.code.shown().to_owned(), expires: issued.expires, url }))
}

/// `POST /writ/v1/enrol`: with a code alone, whose it is; with a password, a secret for one-time codes; with a one-time
/// code made from it, both are bound.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Enrolment {
    code: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    otp: Option<String>,
}

impl Drop for Enrolment {
    fn drop(&mut self) {
        self.code.zeroize();
        self.password.zeroize();
        self.otp.zeroize();
    }
}

/// What comes of an enrolment, step by step.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Step {
    /// Whose code it is.
    Invited {
        /// Their name.
        name: String,
        /// Their account.
        account: String,
        /// The organisation.
        organisation: String,
    },
    /// A secret for an authenticator.
    Offered {
        /// In base32.
        seed: String,
        /// As a link that authenticators read.
        link: String,
    },
    /// Both are bound.
    Bound {
        /// Whose they are.
        principal: String,
    },
}

pub(super) async fn enrol(State(app): State<App>, parts: Parts, bytes: Bytes) -> Told<Step> {
    let origin = origin(&parts);
    let mut asked: Enrolment = body(&bytes)?;
    let step = match (asked.password.take(), asked.otp.take()) {
        (Some(password), None) => {
            let offered = app.identity.choose(&asked.code, Zeroizing::new(password), &origin).await.map_err(said)?;
            Step::Offered { seed: offered.seed.to_string(), link: offered.link.to_string() }
        }
        (None, Some(otp)) => {
            let principal = app.identity.confirm(&asked.code, &otp, &origin).await.map_err(said)?;
            Step::Bound { principal: principal.to_string() }
        }
        (None, None) => {
            let invited = app.identity.invited(&asked.code, &origin).await.map_err(said)?;
            Step::Invited { name: invited.name, account: invited.upn, organisation: invited.organisation }
        }
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request(
                "First a password, then, in a second request, the code it was answered with.",
            ));
        }
    };
    Ok(Json(step))
}

/// `POST /writ/v1/signout`: the session behind the token ends, and every token of it.
/// Nobody is told to wait before they may leave.
pub(super) async fn sign_out(State(app): State<App>, parts: Parts) -> Result<StatusCode, Problem> {
    let caller = known(&parts, &app).await?;
    let origin = origin(&parts);
    if let (Some(principal), Some(session)) = (caller.principal, caller.session) {
        app.identity.sign_out(principal, session, &origin).await.map_err(said)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn said(denied: Denied) -> Problem {
    problem(&denied)
}
