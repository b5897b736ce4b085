//! Who is asking: an access token becomes the caller of a command or a query.
//! It says who somebody is and how freshly they have proved it, never what they may do.
//!
//! Always: the session behind a token is looked up every time, so a token dies with its session.

use super::problem::Problem;
use super::router::App;
use crate::engine::fresh_id;
use crate::identity::session::NoSession;
use crate::identity::token::Unaccepted;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use writ_core::command::{Caller, Via};

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => return Err(Problem::unauthenticated("Access token is empty.")),
        };
        let now = app.engine.now();
        let said = |why: Unaccepted| Problem::unauthenticated(why.to_string());
        let claims = app.tokens.verify(token, &app.terms, now).map_err(said)?;
        let session = app.sessions.get(claims.sub, claims.sid, now).await.map_err(|why| match why {
            NoSession::Over | NoSession::Reused(_) => said(Unaccepted::SignedOut),
            NoSession::Vault(error) => {
                tracing::error!(?error, "a session could not be looked up");
                Problem::unavailable("Sign-in sessions cannot be read right now; ask again.", 5)
            }
        })?;
        let scopes: Vec<String> = claims.scp.split_whitespace().map(str::to_owned).collect();
        let mut proof = session.proof();
        // A token is no fresher than it says, however fresh the session has become since.
        let said = claims.mfa_time.map(|s| writ_core::time::Time::from_millis(s.saturating_mul(1000)));
        proof.mfa = proof.mfa.and_then(|mfa| said.map(|said| mfa.min(said)));
        let mut caller = Caller::signed_in(fresh_id(), claims.sub, Via::Api, proof);
        caller.session = Some(claims.sid);
        caller.scopes = Some(scopes.into());
        Ok(caller)
    }
}
