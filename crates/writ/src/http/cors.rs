//! What browsers are told about calls from pages of other sites (CORS, WHATWG Fetch section 3.3): those may call
//! Graph's routes and read the answers, as they may Microsoft's.
//! It is put around routes that know a caller by a bearer token alone, and around no others.
//!
//! Known attacks and the defence: a page that calls on the visitor's behalf (a browser adds no token by itself, a
//! cookie opens nothing here, and `Access-Control-Allow-Credentials` is never sent, so such a page is a stranger);
//! preflights in great number or size (they ask nobody who they are and look nothing up, a browser remembers the answer,
//! and it repeats no more than was sent).
//!
//! Always: a preflight's answer is the same for every path, so that it says nothing about what is there.

use axum::Router;
use axum::http::{HeaderName, Method, header};
use std::time::Duration;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

/// How long a browser may remember a preflight's answer: the longest that any of them does.
const REMEMBERED: Duration = Duration::from_hours(2);

/// What a page may read of an answer besides its body: Graph's list, and what tells a caller of their budget.
const READABLE: [HeaderName; 15] = [
    header::ETAG,
    header::LOCATION,
    header::DATE,
    header::CONTENT_RANGE,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("client-request-id"),
    HeaderName::from_static("readwriteconsistencytoken"),
    HeaderName::from_static("sdkversion"),
    HeaderName::from_static("x-ms-resource-unit"),
    HeaderName::from_static("x-ms-throttle-limit-percentage"),
    HeaderName::from_static("x-ms-throttle-scope"),
    HeaderName::from_static("x-ms-throttle-information"),
];

/// Lets pages of any site call these routes. They must be routes that look at nothing but a bearer token.
pub(super) fn from_anywhere(routes: Router) -> Router {
    // PUT is offered nowhere; a page that tries is told so instead of seeing its browser refuse.
    let methods = [Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE];
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(methods)
        // A `*` does not stand for Authorization, and clients send headers of their own making.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(READABLE)
        .max_age(REMEMBERED)
        // The origin is not looked at, and no answer to OPTIONS is kept in a cache.
        .vary([]);
    routes.layer(cors)
}
