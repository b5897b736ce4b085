//! What a caller is told when a request fails: Graph's error envelope, its codes and its headers.
//! It never decides that something is refused; it only says so in the shape that Graph's clients read.
//!
//! Always: the body is `{"error":{"code","message","innerError":{"date","request-id","client-request-id"}}}`, for
//! every path, status and cause, panics and timeouts included; the message holds no secret.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Extensions, StatusCode};
use serde_json::json;
use writ_core::time::Time;

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    wrapped: bool,
    retry_after: Option<u32>,
    challenge: Option<&'static str>,
    allow: Vec<&'static str>,
}

/// The ids of one request, as both sides write them in their logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Made here, unique for each request.
    pub request: String,
    /// The caller's own id if it sent a usable one, else the same as `request`.
    pub client: String,
}

impl Ids {
    /// Of a request that begins, under its caller's own name for it if there is one.
    pub fn fresh(client: Option<&str>) -> Self {
        let mut random = [0u8; 16];
        // Without randomness the id is all zero: worse to search for, never a reason to fail.
        let _ = getrandom::fill(&mut random);
        let request = uuid::Builder::from_random_bytes(random).into_uuid().to_string();
        Self { client: client.unwrap_or(&request).to_owned(), request }
    }
}

/// The header in which the server names the request.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// The header in which the caller names the request, and gets its name back.
pub const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

impl Problem {
    /// A problem with one of Graph's codes.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            wrapped: false,
            retry_after: None,
            challenge: None,
            allow: Vec::new(),
        }
    }

    /// 400 `BadRequest`: the request cannot be read as it stands.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 400 for a path that names nothing, in Graph's words.
    pub fn unknown_segment(segment: &str) -> Self {
        Self::bad_request(format!("Resource not found for the segment '{}'.", shown(segment)))
    }

    /// 400 `Request_UnsupportedQuery`: a query that is well formed and not offered here.
    pub fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// 401: no token, or one that is not accepted; `why` says which without quoting the token.
    pub fn unauthenticated(why: impl Into<String>) -> Self {
        let mut p = Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", why);
        p.challenge = Some("Bearer");
        p
    }

    /// 403: the caller is known and lacks the right.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    /// 404 for a directory object, a role, a request, … that is not there or not visible to the caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!(
                "Resource '{}' does not exist or one of its queried reference-property objects are not present.",
                shown(what)
            ),
        )
    }

    /// 405 with the method that is not offered at this path.
    pub fn method_not_allowed(method: &http::Method) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            format!("Specified HTTP method is not allowed for the request target: {method}."),
        )
    }

    /// 406: the caller accepts no form that an answer can have.
    pub fn not_acceptable(accepted: &str) -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "BadRequest",
            format!(
                "A supported MIME type could not be found that matches the acceptable MIME types for the request. The \
                 supported type(s) 'application/json' do not match any of the acceptable MIME types '{}'.",
                shown(accepted)
            ),
        )
    }

    /// 400, as Graph answers a body in another form than JSON; 415 it does not use.
    pub fn not_json(sent: &str) -> Self {
        Self::bad_request(format!(
            "Entity only allows writes with a JSON Content-Type header. The Content-Type is '{}'; it must be \
             application/json.",
            shown(sent)
        ))
    }

    /// 413: the body is larger than the bound.
    pub fn too_large(bytes_max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("The request body may have at most {bytes_max} bytes."),
        )
    }

    /// 429 with the seconds to wait.
    pub fn throttled(seconds: u32) -> Self {
        let told = "Too many requests. Please try again later; Retry-After says in how many seconds.";
        let mut p = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", told);
        p.retry_after = Some(seconds);
        p
    }

    /// 500: our mistake; the cause is in the server's log under the same request id.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "The server failed; nothing is known to have changed. The operator finds the cause under this request id.",
        )
    }

    /// 503: the world failed or the queue is full; the same request may be sent again.
    pub fn unavailable(message: impl Into<String>, seconds: u32) -> Self {
        let mut p = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
        p.retry_after = Some(seconds);
        p
    }

    /// The same problem in Graph's second form: the code becomes `UnknownError` and the message is JSON text that
    /// holds the real code. Graph's PIM endpoints answer missing permissions and providers so.
    #[must_use]
    pub fn wrapped(mut self) -> Self {
        self.wrapped = true;
        self
    }

    /// The same problem with a challenge in `WWW-Authenticate`.
    #[must_use]
    pub fn with_challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// The same problem with the methods that are offered, in `Allow` (RFC 9110, section 15.5.6).
    #[must_use]
    pub fn allowing(mut self, methods: Vec<&'static str>) -> Self {
        self.allow = methods;
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The seconds to wait before asking again, if waiting helps.
    pub fn retry_after(&self) -> Option<u32> {
        self.retry_after
    }

    /// Graph's code, not wrapped.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people, not wrapped.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The body of the answer.
    pub fn body(&self, at: Time, ids: &Ids) -> serde_json::Value {
        let (code, message) = if self.wrapped {
            let inner = json!({"errorCode": self.code, "message": self.message, "instanceAnnotations": []});
            ("UnknownError", inner.to_string())
        } else {
            (self.code, self.message.clone())
        };
        let mut date = at.to_string();
        date.truncate("2026-11-21T13:05:00".len());
        json!({"error": {"code": code, "message": message, "innerError": {
            "date": date, "request-id": ids.request, "client-request-id": ids.client,
        }}})
    }

    /// The whole answer, headers included.
    pub fn answer(&self, at: Time, ids: &Ids) -> Response {
        let mut response = Response::new(Body::from(self.body(at, ids).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Ok(allow) = HeaderValue::from_str(&self.allow.join(", "))
            && !self.allow.is_empty()
        {
            headers.insert(ALLOW, allow);
        }
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Leaves the problem with the response; the outermost layer writes the body, since only it knows the ids.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// The problem a handler left with its response, if any.
pub fn left_in(extensions: &mut Extensions) -> Option<Problem> {
    extensions.remove::<Problem>()
}

/// What came from outside, fit for a message: short, and without control characters.
pub fn shown(text: &str) -> String {
    let mut out: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
    if out.len() < text.len() && text.chars().count() > 120 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Ids {
        Ids { request: "r".into(), client: "c".into() }
    }

    #[test]
    fn the_envelope_is_graphs() {
        insta::assert_snapshot!(
            Problem::unknown_segment("roleAssignmentApprovals").body(Time::from_millis(1_788_962_478_123), &ids()),
            @r#"{"error":{"code":"BadRequest","innerError":{"client-request-id":"c","date":"2026-09-09T14:01:18","request-id":"r"},"message":"Resource not found for the segment 'roleAssignmentApprovals'."}}"#
        );
    }

    #[test]
    fn the_wrapped_form_hides_the_code_in_the_message() {
        let p = Problem::new(StatusCode::BAD_REQUEST, "MissingProvider", "The provider is missing.").wrapped();
        let body = p.body(Time::from_millis(0), &ids());
        assert_eq!(body["error"]["code"], "UnknownError");
        let inner: serde_json::Value = serde_json::from_str(body["error"]["message"].as_str().unwrap()).unwrap();
        assert_eq!(inner["errorCode"], "MissingProvider");
    }

    #[test]
    fn what_is_quoted_back_is_short_and_printable() {
        let p = Problem::unknown_segment(&"a\r\n".repeat(10_000));
        assert!(p.message().len() < 300 && !p.message().contains('\n'));
    }
}
