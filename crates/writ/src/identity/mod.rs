//! Who somebody is: passwords, one-time codes, emergency secrets, sign-in sessions and access tokens.
//! It never says what somebody may do, and knows nothing of HTTP.
//!
//! Always: an answer to a failed sign-in does not tell a name that exists from one that does not; a secret is written to
//! the vault before the log names it, and a secret that the log does not name proves nothing.

pub mod contexts;
pub mod credentials;
pub mod enrol;
pub mod founding;
pub mod handover;
pub mod issue;
mod key;
mod notes;
pub mod password;
pub mod random;
pub mod scopes;
pub mod secret;
pub mod session;
pub mod sign_in;
#[cfg(test)]
pub(crate) mod tests;
pub mod throttle;
pub mod token;
pub mod totp;

use crate::engine::{Engine, Wrong};
use crate::store::Fault;
use crate::vault::{Vault, VaultError};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use writ_core::command::{Caller, Proof, Via};
use writ_core::holds;
use writ_core::ids::{PrincipalId, SessionId, TenantId, Uuid};
use writ_core::refusal::Refusal;
use writ_core::state::State;
use writ_core::time::Time;

use session::{Door, NoSession, Session, Sessions};
use token::{Claims, NoKey, Terms, Tokens, Unaccepted};

/// The audience that Graph's clients ask tokens for.
pub const GRAPH: &str = "https://graph.microsoft.com";

/// Everything that has to do with who somebody is. Clones share it.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    engine: Engine,
    vault: Vault,
    url: String,
    terms: Terms,
    tokens: Tokens,
    passwords: password::Passwords,
    throttle: throttle::Throttle,
    sessions: Sessions,
    notes: notes::Notes,
    handovers: handover::Handovers,
}

/// Where an attempt or a request comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address, if it is known.
    pub address: Option<IpAddr>,
    /// What the program calls itself.
    pub agent: String,
    /// The way in.
    pub via: Via,
    /// What ties the commands of one action together, if the caller said.
    pub correlation: Option<Uuid>,
}

/// Why somebody is not signed in, or what they asked of their sign-in was not done.
#[derive(Debug)]
pub enum Denied {
    /// The name, the password, the code or the secret is wrong; which one is not said.
    Wrong,
    /// Too many attempts failed; wait this many seconds.
    Wait(u32),
    /// Too many sign-ins are being checked; try again in a few seconds.
    Busy,
    /// The proofs were right, and the account is disabled.
    Disabled,
    /// The token or session is not accepted.
    Token(Unaccepted),
    /// A rule does not allow it.
    Refused(Box<Refusal>),
    /// The password is not good enough.
    Unfit(password::Unfit),
    /// The single-use code is wrong, was used, or has expired.
    Code,
    /// The authorization code or device code is wrong, was used, or has expired, or belongs to something else.
    NotHandedOver,
    /// No device waits under this user code.
    NoDevice,
    /// The program that shows this user code is somewhere else.
    Elsewhere(Option<IpAddr>),
    /// Device codes are switched off here.
    NoDevices,
    /// The refresh token was given to another program.
    OtherProgram,
    /// More permissions than the sign-in was for.
    BeyondSignIn,
    /// The one-time code does not match the secret that was shown.
    NotConfirmed,
    /// The world failed.
    Fault(Fault),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Wrong => f.write_str(
                "The user name, password or code is not right. A code works once: if you just used it, wait for the next one.",
            ),
            Denied::Wait(seconds) => write!(
                f,
                "Too many attempts have failed here lately. Try again in {}.",
                writ_core::time::Span::from_seconds(*seconds).told()
            ),
            Denied::Busy => f.write_str("Many people are signing in at this moment. Try again in a few seconds."),
            Denied::Disabled => f.write_str("This account is disabled. An administrator can enable it again."),
            Denied::Token(why) => why.fmt(f),
            Denied::Refused(refusal) => f.write_str(&refusal.told()),
            Denied::Unfit(why) => why.fmt(f),
            Denied::Code => f.write_str(
                "This code is not right, was used before, or has expired. An administrator can give you a new one.",
            ),
            Denied::NotHandedOver => f.write_str(
                "This code is not right, was used before, has expired, or was made for another program or address. Sign in \
                 again.",
            ),
            Denied::NoDevice => f.write_str(
                "No program waits under this code. Codes last fifteen minutes and work once: compare it with what the \
                 program shows, or start its sign-in again.",
            ),
            Denied::Elsewhere(there) => {
                let there = there.map_or_else(|| "an unknown address".to_owned(), |ip| ip.to_string());
                write!(
                    f,
                    "The program that shows this code runs at {there}, and this browser is in another network. If somebody \
                     sent you the code, do not go on: they would be signed in as you. If the program is yours, open this page \
                     from its own network, or sign in there with `writ login`; operators can allow other networks."
                )
            }
            Denied::NoDevices => f.write_str(
                "Signing in with device codes is switched off here. Sign in with a browser on the same machine, or hand the \
                 program a token from `writ token`.",
            ),
            Denied::OtherProgram => {
                f.write_str("This refresh token was given to another program. Sign in again with this one.")
            }
            Denied::BeyondSignIn => {
                f.write_str("The sign-in was for fewer permissions than these. Sign in again and ask for them.")
            }
            Denied::NotConfirmed => f.write_str(
                "The six digits do not match. Check that the app has the secret shown now and that its clock is right, \
                 then type the digits it shows.",
            ),
            Denied::Fault(_) => f.write_str("The server cannot do this at the moment. Try again in a few seconds."),
        }
    }
}

impl From<VaultError> for Denied {
    fn from(error: VaultError) -> Self {
        Denied::Fault(Fault::new(error.to_string()))
    }
}

impl From<random::NoRandomness> for Denied {
    fn from(_: random::NoRandomness) -> Self {
        Denied::Fault(Fault::new("the system gave no randomness"))
    }
}

impl From<Wrong> for Denied {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Refused(refusal) => Denied::Refused(refusal),
            Wrong::Fault(fault) => Denied::Fault(fault),
        }
    }
}

impl From<NoSession> for Denied {
    fn from(no: NoSession) -> Self {
        match no {
            NoSession::Over | NoSession::Reused(_) => Denied::Token(Unaccepted::SignedOut),
            NoSession::Vault(error) => error.into(),
        }
    }
}

impl From<throttle::NotYet> for Denied {
    fn from(not_yet: throttle::NotYet) -> Self {
        match not_yet {
            throttle::NotYet::Wait(seconds) => Denied::Wait(seconds),
            throttle::NotYet::Vault(error) => error.into(),
        }
    }
}

impl From<password::NotHashed> for Denied {
    fn from(not: password::NotHashed) -> Self {
        match not {
            password::NotHashed::Busy => Denied::Busy,
            password::NotHashed::Failed => Denied::Fault(Fault::new("a password could not be hashed")),
        }
    }
}

impl Identity {
    /// Opens what the vault holds for this tenant, making its keys at the first start, and collects secrets that no
    /// entry names. `url` is the server's own address, as clients write it; `audiences` are further names of this API.
    /// To be called before requests are served: a secret whose entry is still being written must not be collected.
    pub async fn open(engine: Engine, vault: Vault, url: &str, audiences: &[String]) -> Result<Self, Fault> {
        let tenant = engine.state().tenant;
        let url = url.trim_end_matches('/').to_owned();
        let mut accepted = vec![GRAPH.to_owned(), url.clone()];
        accepted.extend(audiences.iter().map(|a| a.trim_end_matches('/').to_owned()));
        let terms = Terms { issuer: format!("{url}/{tenant}/v2.0"), audiences: accepted, tenant };
        let fault = |error: VaultError| Fault::new(error.to_string());
        let inner = Inner {
            terms,
            tokens: Tokens::open(&vault).await.map_err(|error: NoKey| Fault::new(error.to_string()))?,
            passwords: password::Passwords::new().map_err(|_| Fault::new("passwords cannot be hashed here"))?,
            throttle: throttle::Throttle::open(&vault).await.map_err(fault)?,
            sessions: Sessions::new(vault.clone()),
            notes: notes::Notes::default(),
            handovers: handover::Handovers::default(),
            engine,
            vault,
            url,
        };
        let identity = Self(Arc::new(inner));
        identity.collect_orphans().await.map_err(fault)?;
        Ok(identity)
    }

    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.0.terms.tenant
    }

    /// The server's own address, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The issuer that stands in tokens.
    pub fn issuer(&self) -> &str {
        &self.0.terms.issuer
    }

    /// Writ's time.
    pub fn now(&self) -> Time {
        self.0.engine.now()
    }

    /// The newest state.
    pub fn state(&self) -> Arc<State> {
        self.0.engine.state()
    }

    /// The public key set that access tokens are verified with (RFC 7517).
    pub fn key_set(&self) -> serde_json::Value {
        self.0.tokens.key_set()
    }

    /// Who asks, by an access token: accepted only while its session lives and its account is enabled.
    pub async fn caller(&self, token: &str, origin: &Origin) -> Result<Caller, Denied> {
        let (claims, session) = self.verified(token).await?;
        // A program never acts as a person does, nor a person as a program.
        let app_only = claims.idtyp.is_some();
        let state = self.state();
        let program = state.principals.get(&session.principal).is_some_and(|p| p.user().is_none());
        if app_only != program {
            return Err(Denied::Token(Unaccepted::Forged));
        }
        if app_only {
            let scopes = Some(claims.roles.iter().cloned().collect());
            let proof = Proof { signed_in: session.proof().signed_in, ..Proof::default() };
            return Ok(Caller { scopes, proof, app_only, ..self.calling(&session, origin) });
        }
        let mut proof = session.proof();
        let at = |seconds: i64| Time::from_millis(seconds.saturating_mul(1000));
        proof.signed_in = Some(at(claims.auth_time));
        proof.mfa = claims.mfa_time.map(at);
        proof.contexts.clone_from(&claims.acrs);
        let scopes = claims.scp.split(' ').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        Ok(Caller { scopes: Some(scopes), proof, ..self.calling(&session, origin) })
    }

    /// Who asks, by the cookie of a signed-in browser.
    pub async fn page_caller(&self, cookie: &str, origin: &Origin) -> Result<(Caller, Session), Denied> {
        let session = self.0.sessions.of_cookie(cookie, self.now()).await?;
        self.alive(&session)?;
        Ok((self.calling(&session, origin), session))
    }

    /// A caller who is signed in with this session, through Writ's own door.
    fn calling(&self, session: &Session, origin: &Origin) -> Caller {
        let command = crate::engine::fresh_id();
        Caller {
            session: Some(session.id),
            address: origin.address.map(|ip| ip.to_canonical().to_string()),
            correlation: origin.correlation.unwrap_or(command),
            ..Caller::signed_in(command, session.principal, origin.via, session.proof())
        }
    }

    async fn verified(&self, token: &str) -> Result<(Arc<Claims>, Session), Denied> {
        let now = self.now();
        let claims = self.0.tokens.verify(token, &self.0.terms, now).map_err(Denied::Token)?;
        let session = self.0.sessions.get(claims.sub, claims.sid, now).await?;
        if session.door != Door::Token {
            return Err(Denied::Token(Unaccepted::SignedOut));
        }
        self.alive(&session)?;
        Ok((claims, session))
    }

    /// Whether the account is enabled and still has everything the session was proved with.
    fn alive(&self, session: &Session) -> Result<(), Denied> {
        let state = self.state();
        let bound = |id| state.credentials.get(id).is_some_and(|c| c.principal == session.principal);
        if holds::enabled(&state, session.principal) && session.credentials.iter().all(bound) {
            Ok(())
        } else {
            Err(Denied::Token(Unaccepted::SignedOut))
        }
    }

    /// The sessions of a principal, the newest first.
    pub async fn sessions_of(&self, principal: PrincipalId) -> Result<Vec<Session>, Denied> {
        let mut sessions = self.0.sessions.of(principal, self.now()).await?;
        sessions.retain(|session| self.alive(session).is_ok());
        Ok(sessions)
    }

    /// Ends one of a principal's sessions; whether there was one.
    pub async fn sign_out(&self, principal: PrincipalId, id: SessionId, origin: &Origin) -> Result<bool, Denied> {
        // The session ends first: if the note cannot be made, it has ended all the same.
        let ended = self.0.sessions.end(principal, id).await?;
        if ended {
            self.note_own(principal, Some(id), None, writ_core::command::SignIn::SignedOut, &[], origin).await?;
        }
        Ok(ended)
    }

    /// Ends all sessions of a principal, as `caller` may.
    pub async fn end_sessions(&self, caller: Caller, principal: PrincipalId) -> Result<(), Denied> {
        // It is on record first: if the vault fails then, the same request ends them when it is sent again.
        self.0.engine.submit(writ_core::command::Command::EndSessions { principal }, caller).await?;
        self.0.sessions.end_all(principal, None).await?;
        Ok(())
    }

    /// What has to be done now and then, about once a minute: collects what has expired in the vault, and puts failed
    /// sign-ins that were counted meanwhile on record.
    pub async fn tend(&self) -> Result<(), Denied> {
        let now = self.now();
        for note in self.0.notes.due(now) {
            self.note_failed(note).await?;
        }
        self.end_unfetched().await?;
        self.0.vault.sweep(now).await?;
        Ok(())
    }
}
