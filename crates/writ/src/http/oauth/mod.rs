//! Signing in for programs, where Graph's clients look for it: OAuth 2.0 (RFC 6749) for public clients with PKCE
//! (RFC 7636) on this machine (RFC 8252), the device grant (RFC 8628), and what OpenID Connect describes them with.
//! It judges no proof; it reads what was sent, shows pages, and tells the outcome.
//!
//! Known attacks and the defence: an address that leads elsewhere (answers go to this machine's own loopback and nowhere
//! else, and an address that is not one is told on a page, never followed); a page of another site that signs somebody in
//! (forms are taken from our own pages alone); a page in a frame (no page can be framed).
//!
//! Always: nobody is let in who has not proved who they are here, in this browser, whatever the program asks; no program has
//! a secret here. Decision 37 says what is offered, and why no more.

mod authorize;
mod device;
mod form;
#[cfg(test)]
mod tests;
mod token;

use super::router::App;
use crate::identity::Identity;
use axum::Json;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use form::Wrong;
use serde_json::json;

/// The endpoints, their pages, and what describes them.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/authorize", get(authorize::ask).post(authorize::sign_in))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device::begin))
        .route("/{tenant}/oauth2/v2.0/token", post(token::token))
        .route("/{tenant}/discovery/v2.0/keys", get(keys))
        .route("/{tenant}/discovery/instance", get(instance))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(configuration))
        .route("/device", get(device::ask).post(device::typed))
}

async fn keys(State(identity): State<Identity>, Path(tenant): Path<String>) -> Result<Response, Wrong> {
    own(&identity, &tenant)?;
    Ok(public(identity.key_set()))
}

/// OpenID Connect Discovery, section 3.
async fn configuration(State(identity): State<Identity>, Path(tenant): Path<String>) -> Result<Response, Wrong> {
    own(&identity, &tenant)?;
    let (url, tenant) = (identity.url(), identity.tenant());
    Ok(public(json!({
        "issuer": identity.issuer(),
        "authorization_endpoint": format!("{url}/{tenant}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{url}/{tenant}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{url}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{url}/{tenant}/discovery/v2.0/keys"),
        "grant_types_supported": token::GRANTS,
        "token_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claims_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "scopes_supported": crate::identity::scopes::ALL,
        "claims_supported": [
            "iss", "aud", "sub", "oid", "tid", "scp", "amr", "auth_time", "mfa_time", "appid", "acrs", "sid", "jti", "iat",
            "nbf", "exp", "nonce", "name", "preferred_username"
        ],
    })))
}

/// Clients that take Writ for Microsoft's own sign-in service ask it which names stand for each other, and some go no
/// further without an answer. None do; the tenant is described where it always is.
async fn instance(State(identity): State<Identity>, Path(tenant): Path<String>) -> Result<Response, Wrong> {
    own(&identity, &tenant)?;
    let described = format!("{}/{}/v2.0/.well-known/openid-configuration", identity.url(), identity.tenant());
    Ok(public(json!({"api-version": "1.1", "tenant_discovery_endpoint": described, "metadata": []})))
}

/// What anybody may know and keep for a while.
fn public(value: serde_json::Value) -> Response {
    let mut response = Json(value).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// The tenant may be named by its id, or as clients name it that know only one.
fn own(identity: &Identity, tenant: &str) -> Result<(), Wrong> {
    let named = tenant.parse().is_ok_and(|id: writ_core::ids::TenantId| id == identity.tenant());
    if named || matches!(tenant, "organizations" | "common") {
        Ok(())
    } else {
        let known = format!("This server serves the tenant {}.", identity.tenant());
        Err(Wrong { status: StatusCode::NOT_FOUND, ..Wrong::request(known) })
    }
}
