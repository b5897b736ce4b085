//! What every request passes through, whatever it asks for: ids, bounds on body and time, panics caught, security
//! headers, and Graph's error shape for everything that goes wrong.
//! It knows no resource and judges no right.
//!
//! Always: every answer carries `request-id` and `client-request-id`; no error leaves in another shape; no answer is
//! cached or framed unless a page says otherwise.

use super::api::changes::Streams;
use super::arriving::{self, ARRIVAL_MAX};
use super::graph::page::PageKey;
use super::graph::throttle::{Charge, Cost, Kind, Limits, Throttle};
use super::graph::walk::Walks;
use super::problem::{CLIENT_REQUEST_ID, Ids, Problem, REQUEST_ID, left_in};
use crate::connectors::hosts::Hosts;
use crate::engine::Engine;
use crate::history::History;
use crate::identity::Identity;
use crate::identity::handover::DevicePolicy;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use writ_core::command::Caller;
use writ_core::ids::PrincipalId;
use writ_core::time::Time;

/// The largest request body, in bytes.
pub const BODY_MAX: usize = 256 * 1024;
/// The longest any answer may take; longer than the longest poll of a host agent (30 s).
pub const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Everything the routes work with. `server.rs` puts it together.
#[derive(Clone)]
pub struct App {
    /// Commands in, states out.
    pub engine: Engine,
    /// Who somebody is.
    pub identity: Identity,
    /// What was, folded from the log.
    pub history: History,
    /// Orders and enrolment codes of hosts.
    pub hosts: Hosts,
    /// Signs page tokens.
    pub pages: PageKey,
    /// The address people and programs reach the server by, without a path; by default the one each caller used.
    pub public: Option<Arc<str>>,
    /// Whether the server itself speaks TLS.
    pub tls: bool,
    /// Whether a proxy in front says where requests come from. Without one, nobody is believed who says so.
    pub behind_proxy: bool,
    /// How much one caller may ask, of Graph's routes and Writ's own.
    pub throttle: Arc<Throttle>,
    /// From where programs without a browser may be signed in for.
    pub devices: DevicePolicy,
    /// Streams of changes that are open.
    pub streams: Arc<Streams>,
    /// Lists that are looked through row by row.
    pub walks: Arc<Walks>,
}

impl App {
    /// Charges a request to its caller.
    pub fn charge(&self, caller: &Caller, kind: Kind, cost: Cost) -> Charge {
        let state = self.engine.state();
        let me = caller.principal.unwrap_or(PrincipalId::from_u128(0));
        let emergency = state.principals.get(&me).is_some_and(|p| p.emergency());
        let limits = Limits::graph(state.principals.len());
        self.throttle.charge(me, kind, cost, limits, emergency, self.engine.now())
    }
}

/// All routes, in what every request passes through.
pub fn router(app: App) -> Router {
    let (engine, hosts, behind_proxy) = (app.engine.clone(), app.hosts.clone(), app.behind_proxy);
    let now: Now = Arc::new(move || engine.now());
    // These take bearer tokens and nothing else, so no page can use a visitor's own sign-in on them.
    let from_anywhere =
        Router::new().merge(super::graph::routes()).merge(super::api::routes::stream()).with_state(app.clone());
    let own = Router::new()
        .merge(super::api::routes::routes())
        .merge(super::oauth::routes())
        .merge(super::pages::routes())
        .with_state(app)
        .merge(super::agent::routes(hosts));
    let from_anywhere = super::cors::from_anywhere(bounded(from_anywhere, now.clone()));
    // The second one's fallback is kept, so a path that nothing has is no page's of another site.
    let routes = from_anywhere.merge(bounded(own, now.clone()));
    named(routes.layer(Extension(super::session::Proxied(behind_proxy))), now)
}

/// Where the moment in an error comes from.
pub type Now = Arc<dyn Fn() -> Time + Send + Sync>;

/// Wraps routes in what every request passes through.
pub fn shell(routes: Router, now: Now) -> Router {
    named(bounded(routes, now.clone()), now)
}

/// Bounds what a request may send and how long its answer may take, and gives every error its shape.
fn bounded(routes: Router, now: Now) -> Router {
    routes
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| Problem::internal().into_response()))
        .layer(from_fn_with_state(now, shaped))
}

/// Gives every request its ids and every answer its headers, and writes down what became of it. It is outermost.
fn named(routes: Router, now: Now) -> Router {
    routes.layer(from_fn_with_state(now, around))
}

/// The ids of this request; handlers find them among the request's extensions.
fn ids(request: &Request) -> Ids {
    let usable = |v: &&str| (1..=64).contains(&v.len()) && v.bytes().all(|c| c.is_ascii_graphic());
    let own = request.headers().get(&CLIENT_REQUEST_ID).and_then(|v| v.to_str().ok());
    Ids::fresh(own.filter(usable))
}

async fn around(State(now): State<Now>, mut request: Request, next: Next) -> Response {
    let ids = ids(&request);
    request.extensions_mut().insert(ids.clone());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    if response.status().is_server_error() {
        tracing::error!(request_id = ids.request, %method, path, status = response.status().as_u16(), "request failed");
    } else {
        tracing::debug!(request_id = ids.request, %method, path, status = response.status().as_u16(), "request answered");
    }
    headers(&mut response, &ids, now());
    response
}

async fn shaped(State(now): State<Now>, Extension(ids): Extension<Ids>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    let (request, arrival) = arriving::within(ARRIVAL_MAX, request);
    let mut response = if length.is_some_and(|n| n > BODY_MAX as u64) {
        Problem::too_large(BODY_MAX).into_response()
    } else {
        match tokio::time::timeout(ANSWER_MAX, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::unavailable("The answer took too long; ask again.", 5).into_response(),
        }
    };
    let left = left_in(response.extensions_mut());
    let problem = arrival.problem().or(left).or_else(|| unshaped(&response, &method));
    if let Some(problem) = problem {
        let mut answer = problem.answer(now(), &ids);
        // What a handler set beside its problem stays, such as a cookie taken back.
        for (name, value) in response.headers() {
            if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        response = answer;
    }
    response
}

/// The problem behind an error answer that no handler shaped: an unknown path, a method that is not offered, a body
/// that an extractor refused. Pages are left as they are.
fn unshaped(response: &Response, method: &axum::http::Method) -> Option<Problem> {
    let status = response.status();
    let shaped = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|t| t.as_bytes().starts_with(b"application/json") || t.as_bytes().starts_with(b"text/html"));
    if shaped || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status {
        StatusCode::NOT_FOUND => Problem::new(status, "ResourceNotFound", "There is nothing at this path."),
        StatusCode::METHOD_NOT_ALLOWED => Problem::method_not_allowed(method),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BODY_MAX),
        StatusCode::UNAUTHORIZED => Problem::unauthenticated("Access token is empty or not accepted."),
        StatusCode::FORBIDDEN => Problem::denied("Insufficient privileges to complete the operation."),
        s if s.is_client_error() => Problem::new(s, "BadRequest", "The request cannot be read as it stands."),
        _ => Problem::internal(),
    })
}

/// Headers that make browsers careful with answers; a page may set its own first.
const CAREFUL: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

fn headers(response: &mut Response, ids: &Ids, now: Time) {
    let headers = response.headers_mut();
    headers.reserve(CAREFUL.len() + 3);
    if let Some(date) = http_date(now) {
        headers.entry(header::DATE).or_insert(date);
    }
    for (name, id) in [(REQUEST_ID, &ids.request), (CLIENT_REQUEST_ID, &ids.client)] {
        if let Ok(value) = HeaderValue::from_str(id) {
            headers.insert(name, value);
        }
    }
    for (name, value) in CAREFUL {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// A moment as RFC 9110 (section 5.6.7) writes it in headers.
fn http_date(at: Time) -> Option<HeaderValue> {
    let at = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::arriving::tests::Dripping;
    use axum::body::{Body, Bytes, to_bytes};
    use axum::routing::{get, post};
    use tower::ServiceExt as _;

    fn app() -> Router {
        let routes = Router::new()
            .route("/fine", get(|| async { "fine" }))
            .route(
                "/panics",
                get(|| async {
                    if true {
                        panic!("on purpose")
                    }
                }),
            )
            .route("/takes", post(|_: Bytes| async { "taken" }))
            .route(
                "/reads",
                post(|request: Request| async {
                    to_bytes(request.into_body(), BODY_MAX).await.map_err(|_| Problem::too_large(BODY_MAX))
                }),
            )
            .route("/refuses", get(|| async { Problem::throttled(7) }));
        shell(routes, Arc::new(|| Time::from_millis(1_788_962_478_000)))
    }

    async fn ask(method: &str, path: &str, body: Body) -> (StatusCode, axum::http::HeaderMap, serde_json::Value) {
        let request =
            Request::builder().method(method).uri(path).header("client-request-id", "mine").body(body).unwrap();
        let response = app().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, BODY_MAX).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    #[tokio::test]
    async fn every_error_has_graphs_shape_and_both_ids() {
        for (method, path, body, status, code) in [
            ("GET", "/panics", Body::empty(), 500, "InternalServerError"),
            ("GET", "/nowhere", Body::empty(), 404, "ResourceNotFound"),
            ("DELETE", "/fine", Body::empty(), 405, "Request_BadRequest"),
            ("POST", "/takes", Body::from(vec![b'x'; BODY_MAX + 1]), 413, "RequestEntityTooLarge"),
            ("GET", "/refuses", Body::empty(), 429, "TooManyRequests"),
        ] {
            let (found, headers, json) = ask(method, path, body).await;
            assert_eq!(found.as_u16(), status, "{path}");
            assert_eq!(json["error"]["code"], code, "{path}");
            assert_eq!(json["error"]["innerError"]["client-request-id"], "mine");
            assert_eq!(json["error"]["innerError"]["request-id"], headers["request-id"].to_str().unwrap());
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["date"], "Wed, 09 Sep 2026 14:01:18 GMT");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_as_that() {
        let broken = || Body::new(Dripping { breaks: true, said: false });
        let (status, _, json) = ask("POST", "/takes", broken()).await;
        assert_eq!(
            (status.as_u16(), &json["error"]["message"]),
            (400, &"The request's body broke off before its end.".into())
        );
        // Also where the reader takes every failure for a body that is too large.
        let (status, _, _) = ask("POST", "/reads", broken()).await;
        assert_eq!(status, 400);
    }

    #[tokio::test]
    async fn an_answer_that_is_fine_passes_unchanged_but_for_its_headers() {
        let (status, headers, _) = ask("GET", "/fine", Body::empty()).await;
        assert_eq!(status, 200);
        assert_eq!(headers["client-request-id"], "mine");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(ask("GET", "/refuses", Body::empty()).await.1["retry-after"], "7");
    }
}
