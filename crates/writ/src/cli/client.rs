//! The command line's side of the conversation with a server: one bearer token, refreshed when it is about to end,
//! and raised with a one-time code when the server needs a fresh second factor.
//! It never decides anything and never prints.
//!
//! Always: tokens go to the server they came from and nowhere else; redirects are not followed.

use super::session::{self, Session};
use super::stop::{Problem, Stop};
use crate::clock::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http;
use writ_core::time::{Span, Time};

/// The most that is read of an answer: lists are paged, so none is longer.
const BODY_MAX: u64 = 32 << 20;
/// How long one call may take; a long poll waits at most 30 s on the server.
const CALL_MAX: Duration = Duration::from_secs(60);

/// A conversation with one server.
pub struct Client {
    agent: ureq::Agent,
    server: String,
    auth: Auth,
    clock: Clock,
}

/// What the requests carry.
enum Auth {
    /// Nothing: before signing in.
    Nobody,
    /// A token given from outside; it cannot be refreshed here.
    Given(String),
    /// A session. With a place to keep it, or in memory only.
    Session { session: Box<Session>, kept: Option<PathBuf> },
}

/// The answer of the token endpoint.
#[derive(serde::Deserialize)]
struct Tokens {
    access_token: String,
    expires_in: u32,
    refresh_token: Option<String>,
}

/// How somebody shows who they are.
pub enum SignIn<'a> {
    /// Password and one-time code.
    Password {
        /// As typed: a user principal name, or its local part.
        account: &'a str,
        /// The password.
        password: &'a str,
        /// The code.
        otp: &'a str,
    },
    /// An emergency account's secret, which suffices alone.
    Emergency {
        /// The account.
        account: &'a str,
        /// The secret.
        secret: &'a str,
    },
}

impl Client {
    /// A conversation without a sign-in.
    ///
    /// # Errors
    /// When the authority's file cannot be used.
    pub fn stranger(server: &str, ca: Option<&Path>, clock: Clock) -> Result<Self, Stop> {
        Ok(Self { agent: agent(ca)?, server: server.to_owned(), auth: Auth::Nobody, clock })
    }

    /// A conversation with a token from outside.
    ///
    /// # Errors
    /// As [`Client::stranger`].
    pub fn with_token(server: &str, ca: Option<&Path>, token: String, clock: Clock) -> Result<Self, Stop> {
        Ok(Self { auth: Auth::Given(token), ..Self::stranger(server, ca, clock)? })
    }

    /// A conversation with a kept session.
    ///
    /// # Errors
    /// As [`Client::stranger`].
    pub fn resume(session: Session, kept: PathBuf, clock: Clock) -> Result<Self, Stop> {
        let base = Self::stranger(&session.server, session.ca.as_deref(), clock)?;
        Ok(Self { auth: Auth::Session { session: Box::new(session), kept: Some(kept) }, ..base })
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The session, if this conversation has one.
    pub fn session(&self) -> Option<&Session> {
        match &self.auth {
            Auth::Session { session, .. } => Some(session),
            _ => None,
        }
    }

    /// Signs in; the session stays in memory unless `kept` says where.
    ///
    /// # Errors
    /// A refusal when the proofs do not suffice.
    pub fn sign_in(
        &mut self,
        tenant: &str,
        how: &SignIn<'_>,
        kept: Option<&Path>,
        ca: Option<&Path>,
    ) -> Result<(), Stop> {
        let (account, form) = match how {
            SignIn::Password { account, password, otp } => (
                *account,
                vec![("grant_type", "password"), ("username", *account), ("password", *password), ("otp", *otp)],
            ),
            SignIn::Emergency { account, secret } => (
                *account,
                vec![("grant_type", "urn:writ:params:grant:emergency"), ("username", *account), ("secret", *secret)],
            ),
        };
        let tokens = self.token(tenant, &form)?;
        let session = Session {
            server: self.server.clone(),
            tenant: tenant.to_owned(),
            account: account.to_owned(),
            expires: self.clock.now() + Span::from_seconds(tokens.expires_in),
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            ca: ca.map(Path::to_owned),
        };
        if let Some(dir) = kept {
            session::save(dir, &session)?;
        }
        self.auth = Auth::Session { session: Box::new(session), kept: kept.map(Path::to_owned) };
        Ok(())
    }

    /// Proves the second factor again, now.
    ///
    /// # Errors
    /// A refusal when the code is wrong or was used before.
    pub fn step_up(&mut self, otp: &str) -> Result<(), Stop> {
        self.step_up_for(otp, None)
    }

    /// The same, for an authentication context that a role asks for.
    ///
    /// # Errors
    /// As [`Client::step_up`].
    pub fn step_up_for(&mut self, otp: &str, context: Option<&str>) -> Result<(), Stop> {
        self.freshen()?;
        let Auth::Session { session, .. } = &self.auth else {
            return Err(Stop::Usage(
                "a token given with WRIT_TOKEN cannot be raised; give one with a fresh proof".into(),
            ));
        };
        let (tenant, token) = (session.tenant.clone(), session.access_token.clone());
        let claims = context
            .map(|name| serde_json::json!({"access_token": {"acrs": {"essential": true, "value": name}}}).to_string());
        let mut form = vec![("grant_type", "urn:writ:params:grant:step-up"), ("access_token", &*token), ("otp", otp)];
        form.extend(claims.as_deref().map(|claims| ("claims", claims)));
        let tokens = self.token(&tenant, &form)?;
        self.adopt(tokens)
    }

    /// The access token to send now, refreshed if it is about to end.
    ///
    /// # Errors
    /// When nobody is signed in or the session is over.
    pub fn access_token(&mut self) -> Result<String, Stop> {
        self.freshen()?;
        match &self.auth {
            Auth::Nobody => Err(Stop::SignedOut("Nobody is signed in here. Sign in with: writ login".into())),
            Auth::Given(token) => Ok(token.clone()),
            Auth::Session { session, .. } => Ok(session.access_token.clone()),
        }
    }

    /// Reads something.
    ///
    /// # Errors
    /// A refusal or a fault, told.
    pub fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Stop> {
        let body = self.call(http::Method::GET, path, None)?;
        read(&body, path)
    }

    /// Reads something as it stands.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_text(&mut self, path: &str) -> Result<String, Stop> {
        let body = self.call(http::Method::GET, path, None)?;
        String::from_utf8(body)
            .map_err(|_| Stop::Fault(format!("{}{path} answered with something unreadable", self.server)))
    }

    /// Sends something and reads the answer.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, Stop> {
        let sent = serde_json::to_vec(body).map_err(|e| Stop::Fault(e.to_string()))?;
        let body = self.call(http::Method::POST, path, Some(sent))?;
        read(&body, path)
    }

    /// Sends something with another method; the answer may be empty.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn send(&mut self, method: http::Method, path: &str, body: Option<&serde_json::Value>) -> Result<(), Stop> {
        let body = body.map(serde_json::to_vec).transpose().map_err(|e| Stop::Fault(e.to_string()))?;
        self.call(method, path, body).map(|_| ())
    }

    fn call(&mut self, method: http::Method, path: &str, body: Option<Vec<u8>>) -> Result<Vec<u8>, Stop> {
        let token = match &self.auth {
            Auth::Nobody => None,
            _ => Some(self.access_token()?),
        };
        let (status, answer) = self.exchange(&method, path, token.as_deref(), body.as_deref(), "application/json")?;
        if (200..300).contains(&status) { Ok(answer) } else { Err(told(status, &answer, &self.server)) }
    }

    fn token(&self, tenant: &str, form: &[(&str, &str)]) -> Result<Tokens, Stop> {
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let path = format!("/{tenant}/oauth2/v2.0/token");
        let form = "application/x-www-form-urlencoded";
        let (status, answer) =
            self.exchange(&http::Method::POST, &path, None, Some(body.join("&").as_bytes()), form)?;
        if status == 200 { read(&answer, &path) } else { Err(told(status, &answer, &self.server)) }
    }

    /// One request and its answer.
    fn exchange(
        &self,
        method: &http::Method,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
        content: &str,
    ) -> Result<(u16, Vec<u8>), Stop> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("Accept", "application/json")
            .header("User-Agent", concat!("writ/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let answer = match body {
            Some(body) => {
                let request = request.header("Content-Type", content).body(body);
                self.agent.run(request.map_err(|e| Stop::Fault(e.to_string()))?)
            }
            None => self.agent.run(request.body(()).map_err(|e| Stop::Fault(e.to_string()))?),
        };
        let mut answer = answer.map_err(|error| unreachable(&self.server, &error))?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(BODY_MAX).read_to_vec();
        Ok((status, body.map_err(|error| unreachable(&self.server, &error))?))
    }

    /// Refreshes the token when it has less than half a minute left.
    fn freshen(&mut self) -> Result<(), Stop> {
        let soon = self.clock.now() + Span::from_seconds(30);
        let kept = match &self.auth {
            Auth::Session { session, kept } if session.expires <= soon => kept.clone(),
            _ => return Ok(()),
        };
        let _lock = kept.as_deref().map(session::lock).transpose()?;
        // Another command may have refreshed it while this one waited.
        if let Some(newer) = kept.as_deref().map(session::load).transpose()?.flatten()
            && newer.expires > soon
            && newer.server == self.server
        {
            self.auth = Auth::Session { session: Box::new(newer), kept };
            return Ok(());
        }
        let Auth::Session { session, .. } = &self.auth else { return Ok(()) };
        let over = || Stop::SignedOut("Your sign-in is over. Sign in again with: writ login".into());
        let refresh = session.refresh_token.clone().ok_or_else(over)?;
        let tenant = session.tenant.clone();
        let tokens = self.token(&tenant, &[("grant_type", "refresh_token"), ("refresh_token", &refresh)]);
        match tokens {
            Ok(tokens) => self.adopt(tokens),
            Err(Stop::Refused(_) | Stop::SignedOut(_)) => Err(over()),
            Err(other) => Err(other),
        }
    }

    fn adopt(&mut self, tokens: Tokens) -> Result<(), Stop> {
        let now = self.clock.now();
        if let Auth::Session { session, kept } = &mut self.auth {
            session.access_token = tokens.access_token;
            session.expires = now + Span::from_seconds(tokens.expires_in);
            if tokens.refresh_token.is_some() {
                session.refresh_token = tokens.refresh_token;
            }
            if let Some(dir) = kept {
                session::save(dir, session)?;
            }
        }
        Ok(())
    }

    /// What time it is for this command.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
}

fn agent(ca: Option<&Path>) -> Result<ureq::Agent, Stop> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_global(Some(CALL_MAX));
    writ_agent::trust::agent(config.build(), ca).map_err(Stop::Usage)
}

fn read<T: DeserializeOwned>(body: &[u8], path: &str) -> Result<T, Stop> {
    serde_json::from_slice(body).map_err(|e| {
        Stop::Fault(format!(
            "the server's answer to {path} is not understood ({e}); is it the same version as this writ?"
        ))
    })
}

/// The server's error envelope, or the token endpoint's, as a stop.
fn told(status: u16, body: &[u8], server: &str) -> Stop {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().map(super::table::clean);
    let error = &value["error"];
    let problem = Problem {
        status,
        code: text(&error["code"]).or_else(|| text(error)).unwrap_or_default(),
        message: text(&error["message"]).or_else(|| text(&value["error_description"])).unwrap_or_default(),
        request_id: text(&error["innerError"]["request-id"]).or_else(|| text(&value["correlation_id"])),
    };
    let problem = Problem { message: without_graphs_words(&problem.message).to_owned(), ..problem };
    if problem.message.is_empty() {
        return Stop::Fault(format!("{server} answered {status} without a reason; is it a Writ server?"));
    }
    let id = problem.request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default();
    match status {
        401 if problem.code != "invalid_grant" => {
            Stop::SignedOut(format!("{} Sign in with: writ login", problem.message))
        }
        429 => Stop::Refused(problem),
        500.. => Stop::Fault(format!("the server is in trouble: {}{id}", problem.message)),
        _ => Stop::Refused(problem),
    }
}

/// Graph's own sentences stand first in messages, for programs that look for them; people need only what follows.
fn without_graphs_words(message: &str) -> &str {
    const SENTENCES: [&str; 6] = [
        "Insufficient privileges to complete the operation. ",
        "User is not in the allowed roles. ",
        "The Role assignment already exists. ",
        "There is already an existing pending Role assignment request. ",
        "The Role assignment does not exist. ",
        "Another object with the same value for property already exists. ",
    ];
    SENTENCES.iter().find_map(|graphs| message.strip_prefix(graphs)).filter(|rest| !rest.is_empty()).unwrap_or(message)
}

fn untrusted(why: &dyn std::fmt::Display) -> String {
    format!("its certificate is not trusted ({why}); for a certificate or an authority of your own add --ca FILE")
}

fn no_tls(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidMessage(_)))
}

fn speaks_no_tls() -> String {
    "what answers there speaks no TLS; if it is on this machine, its address may begin with http://".to_owned()
}

/// A connection that did not come about, with what to look at.
fn unreachable(server: &str, error: &ureq::Error) -> Stop {
    let why = match error {
        ureq::Error::Timeout(_) => "it does not answer in time".into(),
        ureq::Error::HostNotFound => "its name is not known here".into(),
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
        ureq::Error::Rustls(rustls::Error::InvalidMessage(_)) => speaks_no_tls(),
        ureq::Error::Io(e) if no_tls(e) => speaks_no_tls(),
        ureq::Error::Rustls(e) => untrusted(e),
        ureq::Error::Io(e) if e.get_ref().is_some_and(|e| e.is::<rustls::Error>()) => untrusted(e),
        other => other.to_string(),
    };
    Stop::Fault(format!("{server} cannot be reached: {why}. Another server: --server URL or WRIT_SERVER."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_keep_the_servers_sentence_and_faults_name_the_request() {
        let body = br#"{"error":{"code":"RoleAssignmentExists","message":"Already active until 16:05.","innerError":{"request-id":"r1"}}}"#;
        let stop = told(400, body, "s");
        assert!(matches!(&stop, Stop::Refused(p) if p.code == "RoleAssignmentExists"));
        assert_eq!(stop.to_string(), "Already active until 16:05.");
        let body = br#"{"error":{"code":"x","message":"The disk is full.","innerError":{"request-id":"r1"}}}"#;
        assert_eq!(told(503, body, "s").to_string(), "the server is in trouble: The disk is full. (request r1)");
        let body = br#"{"error":"invalid_grant","error_description":"The code is wrong."}"#;
        assert_eq!(told(400, body, "s").to_string(), "The code is wrong.");
        assert!(told(502, b"<html>", "http://s").to_string().contains("is it a Writ server?"));
    }
}
