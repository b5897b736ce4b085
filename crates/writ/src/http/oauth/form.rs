//! Forms that programs send to the endpoints for signing in, and what they are told when there is nothing for them
//! (RFC 6749, section 5.2).
//!
//! Always: a parameter is there once or not at all, and what was sent is wiped when it has been read.

use crate::identity::Denied;
use crate::identity::scopes::{NotAScope, Wish, any_wish, wish};
use crate::identity::{contexts, token::Unaccepted};
use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;
use writ_core::refusal::Refusal;
use zeroize::{Zeroize, Zeroizing};

/// The largest form, in bytes: a password, a code, a token.
const FORM_MAX: usize = 16 * 1024;

/// A form's fields; wiped when dropped, since passwords are among them.
pub(super) struct Form(BTreeMap<String, String>);

impl Drop for Form {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

impl Form {
    /// The form that a request brings.
    pub(super) async fn of(request: Request) -> Result<(Parts, Self), Wrong> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return Err(Wrong::request("Send the parameters as application/x-www-form-urlencoded in the body."));
        }
        let body = axum::body::to_bytes(body, FORM_MAX).await;
        let body = body.map_err(|_| Wrong::request("The form is too long or was cut off."))?;
        let text = std::str::from_utf8(&body).map_err(|_| Wrong::request("The form is not text."))?;
        Ok((parts, Self::read(text)?))
    }

    /// The fields of a body, or the parameters of an address.
    pub(super) fn read(text: &str) -> Result<Self, Wrong> {
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

    /// A parameter; absent when empty (RFC 6749, section 3.1).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn need(&self, name: &'static str) -> Result<&str, Wrong> {
        self.get(name).ok_or_else(|| Wrong::request(format!("The parameter {name} is missing.")))
    }

    /// A secret parameter, wiped when dropped.
    pub(super) fn secret(&self, name: &'static str) -> Result<Zeroizing<String>, Wrong> {
        self.need(name).map(|text| Zeroizing::new(text.to_owned()))
    }

    /// The program that asks, by its application id.
    pub(super) fn client(&self) -> Result<Uuid, Wrong> {
        let text = self.need("client_id")?;
        let id = Uuid::try_parse(text).ok().filter(|id| !id.is_nil() && text.len() == 36);
        id.ok_or_else(|| Wrong::request("The parameter client_id is no application id, a UUID of 36 characters."))
    }

    /// The program that asks, if it says so.
    pub(super) fn own_client(&self) -> Result<Option<Uuid>, Wrong> {
        self.get("client_id").map(|_| self.client()).transpose()
    }

    /// What tokens are wished for, in words that this server knows.
    pub(super) fn wish(&self) -> Result<Wish, Wrong> {
        self.wished(wish(self.get("scope").unwrap_or_default()))
    }

    /// What tokens are wished for by a program that was made for Graph: whatever else it asks for is left out.
    pub(super) fn any_wish(&self) -> Result<Wish, Wrong> {
        self.wished(any_wish(self.get("scope").unwrap_or_default()))
    }

    fn wished(&self, wished: Result<Wish, NotAScope>) -> Result<Wish, Wrong> {
        let all = "Ask for scopes of one API that this server knows; none at all, or /.default, means all of them.";
        let wished = wished.map_err(|_| Wrong::new("invalid_scope", all))?;
        let contexts = contexts::asked(self.get("claims").unwrap_or_default());
        let contexts =
            contexts.map_err(|_| Wrong::request("The parameter claims is not what a claims challenge asked for."))?;
        Ok(Wish { contexts, ..wished })
    }
}

/// What is told when there is no token (RFC 6749, section 5.2).
pub(super) struct Wrong {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) told: String,
    pub(super) wait: Option<u32>,
}

impl Wrong {
    pub(super) fn new(code: &'static str, told: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, told: told.into(), wait: None }
    }

    pub(super) fn request(told: impl Into<String>) -> Self {
        Self::new("invalid_request", told)
    }

    pub(super) fn unavailable(told: impl Into<String>) -> Self {
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
            // Clients then ask the person again, and keep what they have.
            Denied::NoDevices => Self::new("unauthorized_client", told),
            Denied::BeyondSignIn => Self::new("interaction_required", told),
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
