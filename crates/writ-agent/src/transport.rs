//! Talks to the server: enrols, asks for the newest order, reports. Each request is signed with the device key.
//! It believes nothing that it is told: orders carry their own signature, and the code names who may sign them.
//!
//! Always: every wait is bounded, and every answer too.

use crate::{clock, trust};
use ed25519_dalek::SigningKey;
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use writ_core::ids::DeviceId;
use writ_core::order::{
    Code, ENROL_PATH, EnrolAnswer, EnrolAsk, HEADER_HOST, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIME, Hex,
    ORDER_BYTES_MAX, ORDERS_PATH, REPORT_BYTES_MAX, REPORTS_PATH, Report, RequestFacts, SignedEnrolment, SignedOrder,
};
use writ_core::time::Time;

/// How long the server may keep a question for orders open.
pub const POLL_MAX: Duration = Duration::from_secs(25);

/// The longest answer: an order in base64 with room around it.
const ANSWER_MAX: u64 = 2 * ORDER_BYTES_MAX as u64;

/// The way to one server.
#[derive(Clone)]
pub struct Transport {
    agent: Agent,
    server: String,
    key: SigningKey,
}

/// What the server answered, and what time it was there.
pub struct Answer<T> {
    /// What it said.
    pub told: T,
    /// The server's clock, where it said it.
    pub server_time: Option<Time>,
}

impl Transport {
    /// A way to this address, `https://…`, trusting these certificates instead of the public ones where given.
    pub fn new(server: &str, authority: Option<&Path>, key: SigningKey) -> Result<Self, String> {
        let server = server.trim_end_matches('/').to_owned();
        if !server.starts_with("https://") && !server.starts_with("http://") {
            return Err(format!("{server} is not an address; it begins with https://"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(POLL_MAX + Duration::from_secs(15)))
            .timeout_connect(Some(Duration::from_secs(10)))
            .build();
        let agent = trust::agent(config, authority)?;
        Ok(Self { agent, server, key })
    }

    /// Enrols with a code. The answer counts only if the key that the code names signed it.
    pub fn enrol(&self, code: &Code, name: &str, system: &str) -> Result<EnrolAnswer, String> {
        let ask = EnrolAsk {
            secret: code.secret,
            device_key: Hex(self.key.verifying_key().to_bytes()),
            name: name.into(),
            system: system.into(),
        };
        let body = serde_json::to_vec(&ask).map_err(|e| e.to_string())?;
        // The host has no id yet; the server checks the signature against the key in the body.
        let answer = self.send("POST", ENROL_PATH, &body, DeviceId::from_u128(0))?;
        let text = answer.told.ok_or("the server answered nothing")?;
        let signed: SignedEnrolment =
            serde_json::from_str(&text).map_err(|e| format!("the server's answer cannot be read: {e}"))?;
        signed.open(code, &self.key.verifying_key())
    }

    /// The newest order, if it is newer than what the host holds; the server waits a while for one.
    pub fn order(&self, host: DeviceId, held: (u64, u64), wait: bool) -> Result<Answer<Option<SignedOrder>>, String> {
        let seconds = if wait { POLL_MAX.as_secs() } else { 0 };
        let path = format!("{ORDERS_PATH}?epoch={}&seq={}&wait={seconds}", held.0, held.1);
        let Answer { told, server_time } = self.send("GET", &path, b"", host)?;
        let read = |text: String| serde_json::from_str(&text).map_err(|e| format!("the order cannot be read: {e}"));
        Ok(Answer { told: told.map(read).transpose()?, server_time })
    }

    /// Reports.
    pub fn report(&self, host: DeviceId, report: &Report) -> Result<Answer<()>, String> {
        let mut body = serde_json::to_vec(report).map_err(|e| e.to_string())?;
        if body.len() > REPORT_BYTES_MAX {
            body = serde_json::to_vec(&shortened(report)).map_err(|e| e.to_string())?;
        }
        let Answer { server_time, .. } = self.send("POST", REPORTS_PATH, &body, host)?;
        Ok(Answer { told: (), server_time })
    }

    fn send(&self, method: &str, path: &str, body: &[u8], host: DeviceId) -> Result<Answer<Option<String>>, String> {
        let mut nonce = [0u8; 16];
        getrandom::fill(&mut nonce).map_err(|e| format!("no randomness from the system: {e}"))?;
        let facts = RequestFacts { host, method, path, body, at: clock::now().wall, nonce: Hex(nonce) };
        let signature = facts.sign(&self.key);
        let headers = [
            (HEADER_HOST, host.to_string()),
            (HEADER_TIME, facts.at.to_string()),
            (HEADER_NONCE, facts.nonce.to_string()),
            (HEADER_SIGNATURE, signature.to_string()),
        ];
        let url = format!("{}{path}", self.server);
        let answer = if method == "GET" {
            headers.iter().fold(self.agent.get(&url), |request, (name, value)| request.header(*name, value)).call()
        } else {
            headers
                .iter()
                .fold(self.agent.post(&url), |request, (name, value)| request.header(*name, value))
                .header("content-type", "application/json")
                .send(body)
        };
        let mut answer = answer.map_err(|e| format!("{} cannot be reached: {e}", self.server))?;
        let server_time = answer.headers().get(HEADER_TIME).and_then(|time| time.to_str().ok()?.parse().ok());
        let status = answer.status().as_u16();
        let text = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_MAX)
            .read_to_string()
            .map_err(|e| format!("the server's answer broke off: {e}"))?;
        match status {
            200 => Ok(Answer { told: Some(text), server_time }),
            204 => Ok(Answer { told: None, server_time }),
            _ => Err(format!("the server refused ({status}): {}", why(&text))),
        }
    }
}

/// What a report cannot do without. A host with thousands of local accounts and hundreds of administrators at once says
/// less about each, and names fewer accounts, rather than nothing at all.
fn shortened(report: &Report) -> Report {
    let mut short = report.clone();
    short.accounts.truncate(1_500);
    short.drift.truncate(20);
    for grant in &mut short.grants {
        grant.told = grant.told.chars().take(40).collect();
    }
    short
}

/// The sentence in an error's body.
fn why(text: &str) -> String {
    let body: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let message = body.as_ref().and_then(|body| body.get("error")?.get("message")?.as_str());
    writ_core::order::told_max(message.unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::directory::{Account, Drift};
    use writ_core::ids::{AssignmentId, PrincipalId};
    use writ_core::order::{Containment, GRANTS_MAX, GrantKey, GrantReport, Notice, Standing};

    #[test]
    fn the_longest_report_fits() {
        let grant = |n: usize| GrantReport {
            grant: GrantKey {
                activation: AssignmentId::from_u128(n as u128),
                principal: PrincipalId::from_u128(n as u128),
            },
            standing: Standing::Ended { at: Time::from_millis(0), stopped: u32::MAX, left: u32::MAX },
            told: "x".repeat(300),
        };
        let report = Report {
            at: Time::from_millis(0),
            epoch: u64::MAX,
            seq: u64::MAX,
            agent: "a".into(),
            containment: Containment::ProcessTree,
            grants: (0..GRANTS_MAX).map(grant).collect(),
            accounts: (0..60_000).map(|uid| Account { name: "x".repeat(32), uid }).collect(),
            drift: (0..100).map(|_| Drift { place: "x".repeat(300), text: "x".repeat(300) }).collect(),
            notices: (0..50).map(|_| Notice { kind: "left_behind".into(), told: "x".repeat(300) }).collect(),
        };
        assert!(serde_json::to_vec(&shortened(&report)).unwrap().len() <= REPORT_BYTES_MAX);
    }
}
