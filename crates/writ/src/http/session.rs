//! Who is asking: an access token, or the cookie of a signed-in page, becomes the caller of a command or a query.
//! It says who somebody is and how freshly they have proved it, never what they may do.
//!
//! Always: the session behind a token or cookie is looked up every time; a cookie opens pages and never the API, so no
//! other site can make a browser call the API for somebody.

use super::graph::throttle::{Cost, Kind};
use super::problem::Problem;
use super::router::App;
use crate::identity::session::Session;
use crate::identity::{Denied, Identity, Origin};
use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::Method;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, ORIGIN, USER_AGENT};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq;
use writ_core::command::{Caller, Via};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl FromRef<App> for Identity {
    fn from_ref(app: &App) -> Identity {
        app.identity.clone()
    }
}

/// Whoever takes a caller charges them one unit, and one change unless they only look.
impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = known(parts, app).await?;
        let kind = match parts.method {
            Method::GET | Method::HEAD => Kind::Read,
            Method::DELETE => Kind::Relief,
            _ => Kind::Write,
        };
        match app.charge(&caller, kind, Cost { units: 1, changes: 1 }).wait {
            Some((seconds, _)) => Err(Problem::throttled(seconds)),
            None => Ok(caller),
        }
    }
}

/// The caller by their token, not charged for what they ask: for whoever charges it in another way, or not at all.
pub(super) async fn known(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    let token = bearer(&parts.headers).ok_or_else(|| Problem::unauthenticated("Access token is empty."))?;
    app.identity.caller(token, &origin(parts)).await.map_err(|denied| problem(&denied))
}

/// The token in `Authorization: Bearer …`, if there is exactly one.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (one, none) = (all.next()?, all.next());
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    (none.is_none() && scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// Whether a proxy in front says where requests come from; the router leaves it with every request.
#[derive(Clone, Copy, Debug)]
pub struct Proxied(pub bool);

/// The address a request comes from: the one that the proxy in front has seen, if there is one, else the peer's.
fn address(parts: &Parts) -> Option<IpAddr> {
    let proxied = parts.extensions.get::<Proxied>().is_some_and(|Proxied(proxied)| *proxied);
    // The proxy adds what it has seen at the end; whatever stands before is the caller's own word.
    let last = parts.headers.get_all(FORWARDED_FOR).iter().next_back().and_then(|v| v.to_str().ok());
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    match last.filter(|_| proxied) {
        // If it cannot be read, nobody is where the proxy is: they would all be in one place.
        Some(all) => all.rsplit(',').next().and_then(|one| written(one.trim())),
        None => peer,
    }
}

/// An address as proxies write it: some put IPv6 in brackets, some add the port.
fn written(text: &str) -> Option<IpAddr> {
    let alone = text.trim_matches(['[', ']']).parse().ok();
    alone.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

/// Where a request comes from.
pub fn origin(parts: &Parts) -> Origin {
    let agent = parts.headers.get(USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let correlation = parts.headers.get(CLIENT_REQUEST_ID).and_then(|v| v.to_str().ok()?.parse().ok());
    Origin {
        address: address(parts),
        agent: agent.to_owned(),
        via: if agent.starts_with("writ/") { Via::Cli } else { Via::Api },
        correlation,
    }
}

/// What an API caller is told about a sign-in that is not accepted.
pub fn problem(denied: &Denied) -> Problem {
    match denied {
        Denied::Token(_) | Denied::Wrong | Denied::Disabled => Problem::unauthenticated(denied.to_string()),
        Denied::Wait(seconds) => Problem::throttled(*seconds),
        Denied::Busy => Problem::unavailable(denied.to_string(), 5),
        Denied::Refused(refusal) => Problem::from(&**refusal),
        Denied::Unfit(_)
        | Denied::Code
        | Denied::NotHandedOver
        | Denied::NoDevice
        | Denied::Elsewhere(_)
        | Denied::NoDevices
        | Denied::OtherProgram
        | Denied::BeyondSignIn
        | Denied::NotConfirmed => Problem::bad_request(denied.to_string()),
        Denied::Fault(fault) => {
            tracing::error!("sign-in failed: {fault}");
            Problem::unavailable(denied.to_string(), 5)
        }
    }
}

/// The cookie's name. With TLS it has the prefix that makes browsers refuse it from anywhere but this very host.
pub fn cookie_name(tls: bool) -> &'static str {
    if tls { "__Host-writ" } else { "writ" }
}

/// `Set-Cookie` for a signed-in browser. It lasts until the browser closes, or the session ends if that is earlier.
pub fn cookie_set(value: &str, tls: bool) -> String {
    let secure = if tls { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{secure}", cookie_name(tls))
}

/// `Set-Cookie` that takes it back.
pub fn cookie_gone(tls: bool) -> String {
    format!("{}; Max-Age=0", cookie_set("", tls))
}

/// Whether browsers reach this server by TLS, here or at a proxy in front.
pub fn secure(app: &App) -> bool {
    app.tls || app.identity.url().starts_with("https://")
}

/// Somebody signed in with a browser.
pub struct Visitor {
    /// As the author of a command.
    pub caller: Caller,
    /// Their session.
    pub session: Session,
    /// What a form must send back to be taken as theirs: a hash of the cookie, which no other site can read.
    pub form_key: String,
}

impl Visitor {
    /// Whether a form was sent from one of our own pages in this session.
    pub fn sent(&self, form_key: &str) -> bool {
        bool::from(self.form_key.as_bytes().ct_eq(form_key.as_bytes()))
    }
}

/// Why a page is not shown: the answer to send instead.
pub struct Elsewhere(pub Box<Response>);

impl IntoResponse for Elsewhere {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Elsewhere;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Elsewhere> {
        let to_sign_in = || Elsewhere(Box::new(Redirect::to("/signin").into_response()));
        let cookie = cookie(&parts.headers, cookie_name(secure(app))).ok_or_else(to_sign_in)?;
        let origin = Origin { via: Via::Page, ..origin(parts) };
        match app.identity.page_caller(cookie, &origin).await {
            Ok((caller, session)) => {
                let form_key = B64.encode(Sha256::digest([b"form:", cookie.as_bytes()].concat()));
                Ok(Visitor { caller, session, form_key })
            }
            Err(Denied::Fault(fault)) => {
                tracing::error!("a session could not be looked up: {fault}");
                let problem = Problem::unavailable("Sign-in sessions cannot be read right now; ask again.", 5);
                Err(Elsewhere(Box::new(problem.into_response())))
            }
            Err(_) => Err(to_sign_in()),
        }
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let mut found = all.filter_map(|pair| pair.trim().split_once('=')).filter(|(n, _)| *n == name).map(|(_, v)| v);
    let (one, none) = (found.next()?, found.next());
    // Two of one name: somebody beside us set one, and which is ours cannot be told.
    none.is_none().then_some(one)
}

/// A form that a browser sent from one of our own pages, as far as the browser says. It guards the forms that are sent
/// before anybody is signed in; the others carry a key as well.
pub struct FromOurPage(pub Origin);

impl FromRequestParts<App> for FromOurPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = |name| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let own = |text: &str| {
            let host = header(axum::http::header::HOST).unwrap_or_default();
            let told = text.split_once("://").map(|(_, host)| host);
            text == app.identity.url() || (told.is_some() && told == Some(host))
        };
        let foreign = header(FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"))
            || header(ORIGIN).is_some_and(|text| !own(text));
        if foreign {
            return Err(Problem::denied("This form was sent from another site; open the page here and try again."));
        }
        Ok(FromOurPage(Origin { via: Via::Page, ..origin(parts) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn seen(proxied: bool, forwarded: &[&str]) -> Option<String> {
        let mut request = Request::builder();
        for one in forwarded {
            request = request.header("x-forwarded-for", *one);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 5))));
        parts.extensions.insert(Proxied(proxied));
        address(&parts).map(|ip| ip.to_string())
    }

    #[test]
    fn only_the_proxy_in_front_is_believed_and_only_its_own_word() {
        let seen = |proxied, forwarded: &[&str]| seen(proxied, forwarded).unwrap_or_else(|| "nowhere".into());
        assert_eq!(seen(false, &["203.0.113.9"]), "10.0.0.1", "nobody else says where they come from");
        assert_eq!(seen(true, &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen(true, &["1.1.1.1, 203.0.113.9"]), "203.0.113.9", "what the caller made up stands before");
        assert_eq!(seen(true, &["1.1.1.1", "203.0.113.9"]), "203.0.113.9");
        for v6 in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"] {
            assert_eq!(seen(true, &[v6]), "2001:db8::1");
        }
        assert_eq!(seen(true, &["1.1.1.1:1, 203.0.113.9:50123"]), "203.0.113.9");
        for odd in ["", "unknown", "203.0.113.9,", "203.0.113.9:80:80"] {
            assert_eq!(seen(true, &[odd]), "nowhere", "{odd}");
        }
        assert_eq!(seen(true, &[]), "10.0.0.1", "the proxy itself, or whoever came past it");
    }
}
