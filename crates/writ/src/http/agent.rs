//! The door for host agents: enrol, fetch the newest order, report.
//! It knows no person and no token; a host is who signed the request with the device key that was enrolled.
//!
//! Known attacks and the defence: a request sent again (a host's nonce is taken once; an enrolment needs none, since its
//! code is used up); filling the memory of nonces to keep other hosts out (a stranger's requests leave nothing there, and
//! each host has a share of its own); filling the log (what one host may put on record is bounded, see `Reports`).
//!
//! Always: method, path, body, moment and nonce are under the signature, and a nonce is taken once.

mod nonces;
#[cfg(test)]
mod tests;

use super::problem::Problem;
use crate::connectors::hosts::Hosts;
use crate::engine::Wrong;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ed25519_dalek::VerifyingKey;
use nonces::{Nonces, NotTaken};
use std::sync::Arc;
use std::time::Duration;
use writ_core::ids::DeviceId;
use writ_core::order::{
    ENROL_PATH, EnrolAsk, HEADER_HOST, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIME, Hex, NONCE_BYTES, ORDERS_PATH,
    REPORT_BYTES_MAX, REPORTS_PATH, Report, RequestFacts,
};
use writ_core::time::{Span, Time};

/// How far a host's clock may be off before its requests are refused. Rights are held to a tighter bound on the host.
const SKEW_MAX: Span = Span::from_minutes(5);
/// The longest a host may wait for news in one request.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// How long a host waits that has asked too often, in seconds.
const TOO_MANY_WAIT: u32 = 60;

/// A request whose signature fits.
struct Signed {
    host: DeviceId,
    nonce: [u8; NONCE_BYTES],
    at: Time,
}

#[derive(Clone)]
struct Door {
    hosts: Hosts,
    nonces: Arc<Nonces>,
    /// Requests from before this start are refused: their nonces are not known any more.
    started: Time,
}

/// The routes of host agents.
pub fn routes(hosts: Hosts) -> Router {
    let started = hosts.engine().now();
    let door = Door { hosts, nonces: Arc::default(), started };
    Router::new()
        .route(ENROL_PATH, post(enrol))
        .route(ORDERS_PATH, get(orders))
        .route(REPORTS_PATH, post(report))
        .with_state(door)
}

async fn enrol(State(door): State<Door>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let ask: EnrolAsk = match serde_json::from_slice(&body) {
        Ok(ask) => ask,
        Err(error) => return Problem::bad_request(format!("This is no enrolment: {error}")).into_response(),
    };
    // The device key is its own witness here: whoever holds the code and signs with the key owns both.
    let key = VerifyingKey::from_bytes(&ask.device_key.0);
    let Ok(key) = key else { return Problem::bad_request("device_key is no Ed25519 public key.").into_response() };
    // Anybody can make a key and sign with it, so nothing is remembered of this request; its code works once.
    if let Err(problem) = door.signed(&method, &uri, &headers, &body, |_| Some(key)) {
        return door.stamped(problem.into_response());
    }
    let answer = match door.hosts.enrol(&ask).await {
        Ok(enrolled) => Json(enrolled).into_response(),
        Err(wrong) => problem(wrong).into_response(),
    };
    door.stamped(answer)
}

async fn orders(State(door): State<Door>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let answer = match door.host(&method, &uri, &headers, &[]) {
        Ok(host) => newest(&door, host, uri.query().unwrap_or("")).await,
        Err(problem) => problem.into_response(),
    };
    door.stamped(answer)
}

/// The newest order, as soon as it is another one than the host holds; 204 when there is no news in time.
async fn newest(door: &Door, host: DeviceId, query: &str) -> Response {
    let number = |name: &str| {
        let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name);
        found.map_or(Ok(0), |(_, value)| value.parse::<u64>())
    };
    let (Ok(epoch), Ok(seq), Ok(wait)) = (number("epoch"), number("seq"), number("wait")) else {
        return Problem::bad_request("epoch, seq and wait are whole numbers.").into_response();
    };
    let mut changes = door.hosts.changes();
    let wait = tokio::time::sleep(Duration::from_secs(wait).min(WAIT_MAX));
    tokio::pin!(wait);
    loop {
        changes.borrow_and_update();
        if let Some((order, held)) = door.hosts.newest(host)
            && held != (epoch, seq)
        {
            return Json(order).into_response();
        }
        tokio::select! {
            () = &mut wait => return StatusCode::NO_CONTENT.into_response(),
            changed = changes.changed() => if changed.is_err() { return StatusCode::NO_CONTENT.into_response() },
        }
        // A host that was removed meanwhile waits for nothing.
        if !door.hosts.engine().state().hosts.contains_key(&host) {
            return unknown().into_response();
        }
    }
}

async fn report(State(door): State<Door>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let host = match door.host(&method, &uri, &headers, &body) {
        Ok(host) => host,
        Err(problem) => return door.stamped(problem.into_response()),
    };
    if body.len() > REPORT_BYTES_MAX {
        return door.stamped(Problem::too_large(REPORT_BYTES_MAX).into_response());
    }
    let answer = match serde_json::from_slice::<Report>(&body) {
        Err(error) => Problem::bad_request(format!("This is no report: {error}")).into_response(),
        Ok(report) => match door.hosts.reports().take(host, report).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(wrong) => problem(wrong).into_response(),
        },
    };
    door.stamped(answer)
}

fn unknown() -> Problem {
    Problem::unauthenticated("This host is not enrolled here, or was removed; enrol it with a new code.")
}

fn problem(wrong: Wrong) -> Problem {
    match wrong {
        Wrong::Refused(refusal) => Problem::denied(refusal.told()),
        Wrong::Fault(fault) => {
            tracing::error!(%fault, "a host could not be served");
            Problem::unavailable("The server cannot do this right now; try again.", 2)
        }
    }
}

impl Door {
    fn device_key(&self, host: DeviceId) -> Option<VerifyingKey> {
        let key: Hex<32> = self.hosts.engine().state().hosts.get(&host)?.key.parse().ok()?;
        VerifyingKey::from_bytes(&key.0).ok()
    }

    /// The enrolled host that signed this request, now, and for the first time.
    fn host(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<DeviceId, Problem> {
        let Signed { host, nonce, at } = self.signed(method, uri, headers, body, |host| self.device_key(host))?;
        match self.nonces.take(host, nonce, at + SKEW_MAX + SKEW_MAX, self.hosts.engine().now()) {
            Ok(()) => Ok(host),
            Err(NotTaken::Used) => {
                Err(Problem::unauthenticated("This request was sent before; send it anew with a fresh nonce."))
            }
            Err(NotTaken::TooMany) => Err(Problem::throttled(TOO_MANY_WAIT)),
        }
    }

    /// What a signed request says about itself: by whom, when, and its nonce. It may have been sent before.
    fn signed(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        key: impl FnOnce(DeviceId) -> Option<VerifyingKey>,
    ) -> Result<Signed, Problem> {
        let said = |name| headers.get(name).and_then(|v: &header::HeaderValue| v.to_str().ok());
        let missing = |name: &str| Problem::unauthenticated(format!("The header {name} is missing or malformed."));
        let host: DeviceId = said(HEADER_HOST).and_then(|v| v.parse().ok()).ok_or_else(|| missing(HEADER_HOST))?;
        let at: Time = said(HEADER_TIME).and_then(|v| v.parse().ok()).ok_or_else(|| missing(HEADER_TIME))?;
        let nonce: Hex<NONCE_BYTES> =
            said(HEADER_NONCE).and_then(|v| v.parse().ok()).ok_or_else(|| missing(HEADER_NONCE))?;
        let signature: Hex<64> =
            said(HEADER_SIGNATURE).and_then(|v| v.parse().ok()).ok_or_else(|| missing(HEADER_SIGNATURE))?;
        let path = uri.path_and_query().map_or(uri.path(), |p| p.as_str());
        let facts = RequestFacts { host, method: method.as_str(), path, body, at, nonce };
        let known = key(host).is_some_and(|key| facts.is_signed_by(&key, &signature));
        if !known {
            return Err(unknown());
        }
        let now = self.hosts.engine().now();
        if at < now.before(SKEW_MAX) || at > now + SKEW_MAX {
            let why = format!("The host's clock says {at}, the server's {now}: set the host's clock right.");
            return Err(Problem::unauthenticated(why));
        }
        if at < self.started {
            return Err(Problem::unauthenticated("The server has just started; send the request anew."));
        }
        Ok(Signed { host, nonce: nonce.0, at })
    }

    /// Every answer says the server's time, which agents compare with their own.
    fn stamped(&self, mut answer: Response) -> Response {
        if let Ok(now) = header::HeaderValue::from_str(&self.hosts.engine().now().to_string()) {
            answer.headers_mut().insert(HeaderName::from_static(HEADER_TIME), now);
        }
        answer
    }
}
