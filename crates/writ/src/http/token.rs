//! The token endpoint, its keys and its description: OAuth 2.0 (RFC 6749) as far as sign-in needs it, where Graph's
//! clients look for it.
//! It judges no proof; it reads a form and tells the outcome.
//!
//! Always: secrets come in the body and never in the address; answers are not stored by anybody on the way.

use super::router::App;
use super::session::origin;
use crate::identity::contexts;
use crate::identity::scopes::{Wish, wish};
use crate::identity::sign_in::{For, Issued};
use crate::identity::token::Unaccepted;
use crate::identity::{Denied, Identity};
use axum::Json;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::json;
use std::collections::BTreeMap;
use writ_core::refusal::Refusal;
use zeroize::{Zeroize, Zeroizing};

/// The largest form, in bytes: a password, a code, a token.
const FORM_MAX: usize = 16 * 1024;

/// Grants of our own, beside `password` and `refresh_token`.
const STEP_UP: &str = "urn:writ:params:grant:step-up";
const EMERGENCY: &str = "urn:writ:params:grant:emergency";

/// The token endpoint and what describes it.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token))
        .route("/{tenant}/discovery/v2.0/keys", get(keys))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(configuration))
}

async fn keys(State(identity): State<Identity>, Path(tenant): Path<String>) -> Result<Response, Wrong> {
    own(&identity, &tenant)?;
    Ok(public(identity.key_set()))
}

async fn configuration(State(identity): State<Identity>, Path(tenant): Path<String>) -> Result<Response, Wrong> {
    own(&identity, &tenant)?;
    let (url, tenant) = (identity.url(), identity.tenant());
    Ok(public(json!({
        "issuer": identity.issuer(),
        "token_endpoint": format!("{url}/{tenant}/oauth2/v2.0/token"),
        "jwks_uri": format!("{url}/{tenant}/discovery/v2.0/keys"),
        "grant_types_supported": ["password", "refresh_token", STEP_UP, EMERGENCY],
        "token_endpoint_auth_methods_supported": ["none"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "claims_parameter_supported": true,
        "scopes_supported": crate::identity::scopes::ALL,
        "claims_supported": [
            "iss", "aud", "sub", "oid", "tid", "scp", "amr", "auth_time", "mfa_time", "acrs", "sid", "jti", "iat", "nbf", "exp"
        ],
    })))
}

/// What anybody may know and keep for a while.
fn public(value: serde_json::Value) -> Response {
    let mut response = Json(value).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

/// A fresh access token for one of the four grants.
async fn token(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Wrong> {
    let (parts, body) = request.into_parts();
    own(&identity, &tenant)?;
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(Wrong::request("Send the parameters as application/x-www-form-urlencoded in the body."));
    }
    let body = axum::body::to_bytes(body, FORM_MAX).await;
    let body = body.map_err(|_| Wrong::request("The form is too long or was cut off."))?;
    let form = Form::read(&body)?;
    let origin = origin(&parts);
    let contexts = contexts::asked(form.get("claims").unwrap_or_default());
    let contexts =
        contexts.map_err(|_| Wrong::request("The parameter claims is not what a claims challenge asked for."))?;
    let wished = || {
        let wished = wish(form.get("scope").unwrap_or_default());
        let all = "Ask for scopes of one API that this server knows; none at all, or /.default, means all of them.";
        let wished = wished.map_err(|_| Wrong::new("invalid_scope", all))?;
        Ok::<_, Wrong>(For::Tokens(Wish { contexts: contexts.clone(), ..wished }))
    };
    let secret = |name| form.need(name).map(|text| Zeroizing::new(text.to_owned()));
    let issued = match form.need("grant_type")? {
        "password" => {
            let (name, password, code) = (form.need("username")?, secret("password")?, form.need("otp")?);
            identity.with_password(name, password, code, wished()?, &origin).await.map(|signed_in| signed_in.tokens)
        }
        EMERGENCY => {
            let (name, typed) = (form.need("username")?, form.need("secret")?);
            identity.with_emergency_secret(name, typed, wished()?, &origin).await.map(|signed_in| signed_in.tokens)
        }
        // Nobody has proved anything in this moment; the token is not used up by asking.
        "refresh_token" if !contexts.is_empty() => {
            let told = "The second factor has to be proved for this: sign in or step up with the same claims.";
            return Err(Wrong::new("interaction_required", told));
        }
        "refresh_token" => identity.with_refresh_token(form.need("refresh_token")?, &origin).await.map(Some),
        STEP_UP => {
            let (token, code) = (form.need("access_token")?, form.need("otp")?);
            identity.step_up_for(token, code, &contexts, &origin).await.map(Some)
        }
        _ => {
            let known = format!("This server knows the grants password, refresh_token, {STEP_UP} and {EMERGENCY}.");
            return Err(Wrong::new("unsupported_grant_type", known));
        }
    };
    match issued {
        Ok(Some(issued)) => Ok(answer(&identity, &issued)),
        Ok(None) => Err(Wrong::unavailable("No token was made. Try again in a few seconds.")),
        Err(denied) => Err(denied.into()),
    }
}

fn answer(identity: &Identity, issued: &Issued) -> Response {
    // Clients build the name of the account in their cache from this.
    let client_info = json!({"uid": issued.principal, "utid": identity.tenant()}).to_string();
    let mut body = json!({
        "token_type": "Bearer",
        "access_token": issued.access.as_str(),
        "expires_in": issued.seconds,
        "ext_expires_in": issued.seconds,
        "scope": issued.scope,
        "client_info": B64.encode(client_info),
    });
    if let Some(refresh) = &issued.refresh {
        body["refresh_token"] = refresh.value().into();
    }
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
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

/// A form's fields; wiped when dropped, since passwords are among them.
struct Form(BTreeMap<String, String>);

impl Drop for Form {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl Form {
    fn read(body: &[u8]) -> Result<Self, Wrong> {
        let text = std::str::from_utf8(body).map_err(|_| Wrong::request("The form is not text."))?;
        let mut fields = Form(BTreeMap::new());
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                let spaced = Zeroizing::new(text.replace('+', " "));
                percent_encoding::percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned())
            };
            let (Ok(name), Ok(value)) = (decode(name), decode(value)) else {
                return Err(Wrong::request("The form is not text."));
            };
            // RFC 6749 section 3.2: parameters must not be included more than once.
            if fields.0.insert(name, value).is_some() {
                return Err(Wrong::request("A parameter is there twice."));
            }
        }
        Ok(fields)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn need(&self, name: &'static str) -> Result<&str, Wrong> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Wrong::request(format!("The parameter {name} is missing.")))
    }
}

/// What is told when there is no token (RFC 6749, section 5.2).
struct Wrong {
    status: StatusCode,
    code: &'static str,
    told: String,
    wait: Option<u32>,
}

impl Wrong {
    fn new(code: &'static str, told: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, told: told.into(), wait: None }
    }

    fn request(told: impl Into<String>) -> Self {
        Self::new("invalid_request", told)
    }

    fn unavailable(told: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self { status, wait: Some(5), ..Self::new("temporarily_unavailable", told) }
    }
}

impl From<Denied> for Wrong {
    fn from(denied: Denied) -> Self {
        let told = denied.to_string();
        match denied {
            Denied::Wait(seconds) => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                Self { status, wait: Some(seconds), ..Self::new("slow_down", told) }
            }
            Denied::Busy => Self::unavailable(told),
            Denied::Fault(fault) => {
                tracing::error!("no token was made: {fault}");
                Self::unavailable(told)
            }
            Denied::Token(Unaccepted::Audience) => Self::new("invalid_target", told),
            Denied::Refused(refusal) if matches!(*refusal, Refusal::Malformed { .. }) => Self::request(told),
            _ => Self::new("invalid_grant", told),
        }
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, Json(json!({"error": self.code, "error_description": self.told}))).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(HeaderName::from_static("pragma"), HeaderValue::from_static("no-cache"));
        if let Some(seconds) = self.wait {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
