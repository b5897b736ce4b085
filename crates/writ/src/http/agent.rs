//! The door for host agents: enrol, fetch the newest order, report.
//! It knows no person and no token; a host is who signed the request with the device key that was enrolled.
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
use nonces::Nonces;
use std::sync::Arc;
use std::time::Duration;
use writ_core::ids::DeviceId;
use writ_core::order::{
    ENROL_PATH, EnrolAsk, HEADER_HOST, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIME, Hex, ORDERS_PATH, REPORT_BYTES_MAX,
    REPORTS_PATH, Report, RequestFacts,
};
use writ_core::time::{Span, Time};

/// How far a host's clock may be off before its requests are refused. Rights are held to a tighter bound on the host.
const SKEW_MAX: Span = Span::from_minutes(5);
/// The longest a host may wait for news in one request.
const WAIT_MAX: Duration = Duration::from_secs(30);

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
    let answer = match door.signed(&method, &uri, &headers, &[], |host| door.device_key(host)) {
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
    let host = match door.signed(&method, &uri, &headers, &body, |host| door.device_key(host)) {
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

    /// The host that signed this request, now, and for the first time.
    fn signed(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
        key: impl FnOnce(DeviceId) -> Option<VerifyingKey>,
    ) -> Result<DeviceId, Problem> {
        let said = |name| headers.get(name).and_then(|v: &header::HeaderValue| v.to_str().ok());
        let missing = |name: &str| Problem::unauthenticated(format!("The header {name} is missing or malformed."));
        let host: DeviceId = said(HEADER_HOST).and_then(|v| v.parse().ok()).ok_or_else(|| missing(HEADER_HOST))?;
        let at: Time = said(HEADER_TIME).and_then(|v| v.parse().ok()).ok_or_else(|| missing(HEADER_TIME))?;
        let nonce = said(HEADER_NONCE).and_then(|v| v.parse().ok()).ok_or_else(|| missing(HEADER_NONCE))?;
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
        // Only a request whose signature was good costs memory.
        if self.nonces.take(nonce.0, at + SKEW_MAX + SKEW_MAX, now) {
            Ok(host)
        } else {
            Err(Problem::unauthenticated("This request was sent before; send it anew with a fresh nonce."))
        }
    }

    /// Every answer says the server's time, which agents compare with their own.
    fn stamped(&self, mut answer: Response) -> Response {
        if let Ok(now) = header::HeaderValue::from_str(&self.hosts.engine().now().to_string()) {
            answer.headers_mut().insert(HeaderName::from_static(HEADER_TIME), now);
        }
        answer
    }
}
