//! Sign-in sessions, as the vault keeps them.
//! It never decides who somebody is: a session is made by whoever has checked the proofs.
//!
//! Known attacks and the defence: a stolen cookie or token after sign-out (the row is looked up every time); a stolen refresh
//! token (see `session/refresh.rs`).
//!
//! Always: no session outlives its end, however often it is refreshed, and its proof of MFA moves only when somebody
//! really proves it again.

mod refresh;

pub use refresh::Refresh;

use super::random::{self, NoRandomness};
use crate::vault::{Expected, Key, Kind, Row, Vault, VaultError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;
use writ_core::command::{Method, Proof};
use writ_core::ids::{CredentialId, PrincipalId, SessionId, Uuid};
use writ_core::time::{Span, Time};
use zeroize::Zeroizing;

/// How long a session lasts, refreshed or not: a working day.
pub const SESSION_SPAN: Span = Span::from_hours(12);
/// How long a session of an emergency account lasts. It cannot be refreshed.
pub const EMERGENCY_SPAN: Span = Span::from_hours(1);
/// How many sessions one principal may have; the next one ends the one that would have ended first.
pub const SESSIONS_MAX: u32 = 50;
/// How often a lost race for a row is run again.
const RACES_MAX: u32 = 16;
/// How much of a browser's description of itself is kept, in characters.
const AGENT_MAX: usize = 160;

/// Through which door a session came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// A browser, with a cookie.
    Page,
    /// A program, with tokens.
    Token,
}

/// A sign-in session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who is signed in.
    pub principal: PrincipalId,
    /// How.
    pub door: Door,
    /// When they signed in.
    pub signed_in: Time,
    /// When they last proved a second factor.
    pub mfa: Option<Time>,
    /// When it ends.
    pub ends: Time,
    /// What they proved who they are with.
    pub methods: Vec<Method>,
    /// The credentials they proved it with; when one of them is gone, so is the session.
    pub credentials: Vec<CredentialId>,
    /// Delegated permissions of its tokens.
    pub scopes: Vec<String>,
    /// For which API its tokens are.
    pub audience: String,
    /// From where.
    pub address: Option<String>,
    /// What the program called itself.
    pub agent: String,
    /// The application id of the program that signed in, if it has one.
    #[serde(default)]
    pub app: Option<Uuid>,
    /// SHA-256 of the cookie's secret, or of nothing anybody has for a session without a cookie.
    cookie: String,
}

/// What a new session is made of.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who.
    pub principal: PrincipalId,
    /// Through which door.
    pub door: Door,
    /// What they proved who they are with.
    pub proved: Vec<(Method, CredentialId)>,
    /// Delegated permissions of its tokens.
    pub scopes: Vec<String>,
    /// For which API its tokens are.
    pub audience: String,
    /// From where.
    pub address: Option<String>,
    /// What the program called itself.
    pub agent: String,
    /// The application id of the program, if it has one.
    pub app: Option<Uuid>,
}

/// Why there is no such session.
#[derive(Debug)]
pub enum NoSession {
    /// It ended, or never was.
    Over,
    /// A refresh token that was used before came back; the session was ended.
    Reused(Box<Session>),
    /// The vault failed.
    Vault(VaultError),
}

impl From<VaultError> for NoSession {
    fn from(error: VaultError) -> Self {
        NoSession::Vault(error)
    }
}

impl From<NoRandomness> for NoSession {
    fn from(_: NoRandomness) -> Self {
        NoSession::Vault(VaultError::Fault("the system gave no randomness".into()))
    }
}

/// What a browser keeps: who, which session, and a secret. Wiped when dropped, never printed.
pub struct Cookie(Zeroizing<String>);

impl Cookie {
    /// The value to set.
    pub fn value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(…)")
    }
}

impl Session {
    /// What it proves to a decision.
    pub fn proof(&self) -> Proof {
        let emergency = self.methods.contains(&Method::EmergencySecret);
        Proof { signed_in: Some(self.signed_in), mfa: self.mfa, emergency, contexts: Vec::new() }
    }
}

/// The sessions in a vault. Clones share them.
#[derive(Clone)]
pub struct Sessions(Vault);

impl Sessions {
    /// The sessions in this vault.
    pub fn new(vault: Vault) -> Self {
        Self(vault)
    }

    /// Begins a program's session for somebody who is signed in on a page: with what they proved there, when they proved
    /// it, and until that session ends.
    pub async fn open_from(&self, page: &Session, opening: Opening, now: Time) -> Result<Session, VaultError> {
        let (session, _) = Self::fresh(opening, now)?;
        let session = Session {
            principal: page.principal,
            signed_in: page.signed_in,
            mfa: page.mfa,
            ends: page.ends,
            methods: page.methods.clone(),
            credentials: page.credentials.clone(),
            ..session
        };
        self.make_room(session.principal, Some(page.id)).await?;
        self.write(&session, Expected::Absent).await?;
        Ok(session)
    }

    /// Begins a session. The cookie is `None` for a door that uses none.
    pub async fn open(&self, opening: Opening, now: Time) -> Result<(Session, Option<Cookie>), VaultError> {
        let (session, secret) = Self::fresh(opening, now)?;
        self.make_room(session.principal, None).await?;
        self.write(&session, Expected::Absent).await?;
        let cookie = (session.door == Door::Page).then(|| {
            let (who, which) = (session.principal.0, session.id.0);
            let parts = Zeroizing::new([who.as_bytes(), which.as_bytes(), &secret[..]].concat());
            Cookie(Zeroizing::new(B64.encode(&*parts)))
        });
        Ok((session, cookie))
    }

    fn fresh(opening: Opening, now: Time) -> Result<(Session, Zeroizing<[u8; 32]>), VaultError> {
        let fault = |_: NoRandomness| VaultError::Fault("the system gave no randomness".into());
        let id = SessionId(random::id().map_err(fault)?);
        let secret = random::bytes::<32>().map_err(fault)?;
        let emergency = opening.proved.iter().any(|(method, _)| *method == Method::EmergencySecret);
        let second = opening.proved.iter().any(|(method, _)| *method == Method::Totp);
        let session = Session {
            id,
            principal: opening.principal,
            door: opening.door,
            signed_in: now,
            mfa: second.then_some(now),
            ends: now + if emergency { EMERGENCY_SPAN } else { SESSION_SPAN },
            methods: opening.proved.iter().map(|(method, _)| *method).collect(),
            credentials: opening.proved.iter().map(|(_, credential)| *credential).collect(),
            scopes: opening.scopes,
            audience: opening.audience,
            address: opening.address,
            agent: opening.agent.chars().filter(|c| !c.is_control()).take(AGENT_MAX).collect(),
            app: opening.app,
            cookie: hex::encode(Sha256::digest(*secret)),
        };
        Ok((session, secret))
    }

    /// The session, if it is there and not over.
    pub async fn get(&self, principal: PrincipalId, id: SessionId, now: Time) -> Result<Session, NoSession> {
        Ok(self.read(principal, id, now).await?.0)
    }

    /// The session that a cookie opens.
    pub async fn of_cookie(&self, cookie: &str, now: Time) -> Result<Session, NoSession> {
        let parts =
            Zeroizing::new(if cookie.len() < 128 { B64.decode(cookie).unwrap_or_default() } else { Vec::new() });
        let Some((principal, id, secret)) = split(&parts).filter(|(.., secret)| secret.len() == 32) else {
            return Err(NoSession::Over);
        };
        let (session, _) = self.read(PrincipalId(principal), SessionId(id), now).await?;
        let same = hex::encode(Sha256::digest(secret)).as_bytes().ct_eq(session.cookie.as_bytes());
        if session.door == Door::Page && bool::from(same) { Ok(session) } else { Err(NoSession::Over) }
    }

    /// Notes that a second factor was really proved again, just now, with a credential.
    pub async fn proved_again(
        &self,
        principal: PrincipalId,
        id: SessionId,
        credential: CredentialId,
        now: Time,
    ) -> Result<Session, NoSession> {
        for _ in 0..RACES_MAX {
            let (mut session, row) = self.read(principal, id, now).await?;
            session.mfa = session.mfa.max(Some(now));
            if !session.methods.contains(&Method::Totp) {
                session.methods.push(Method::Totp);
            }
            if !session.credentials.contains(&credential) {
                session.credentials.push(credential);
            }
            match self.write(&session, Expected::Version(row.version)).await {
                Ok(_) => return Ok(session),
                Err(VaultError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(NoSession::Over)
    }

    /// Ends a session; whether there was one. Its tokens and its cookie are worth nothing from now on.
    pub async fn end(&self, principal: PrincipalId, id: SessionId) -> Result<bool, VaultError> {
        let family = self.remove(&refresh::family_at(principal, id)).await;
        let ended = self.remove(&session_at(principal, id)).await?;
        family?;
        Ok(ended)
    }

    /// Ends all sessions of a principal but one; how many.
    pub async fn end_all(&self, principal: PrincipalId, but: Option<SessionId>) -> Result<u32, VaultError> {
        let mut ended = 0;
        for (key, _) in self.0.list(Kind::Session, Some(&principal.to_string()), crate::vault::LIST_MAX).await? {
            if let Ok(id) = key.id.parse::<SessionId>()
                && Some(id) != but
            {
                ended += u32::from(self.end(principal, id).await?);
            }
        }
        Ok(ended)
    }

    /// The sessions of a principal that are not over, the newest first.
    pub async fn of(&self, principal: PrincipalId, now: Time) -> Result<Vec<Session>, VaultError> {
        let mut found = Vec::new();
        for (key, _) in self.0.list(Kind::Session, Some(&principal.to_string()), 2 * SESSIONS_MAX).await? {
            match key.id.parse().map(|id| self.get(principal, id, now)) {
                Ok(session) => match session.await {
                    Ok(session) => found.push(session),
                    Err(NoSession::Vault(error)) => return Err(error),
                    Err(_) => {}
                },
                Err(_) => continue,
            }
        }
        found.sort_by(|a, b| b.signed_in.cmp(&a.signed_in).then(b.id.cmp(&a.id)));
        Ok(found)
    }

    /// Ends what would have ended first, but for the one that the new one comes from: they all end with it.
    async fn make_room(&self, principal: PrincipalId, but: Option<SessionId>) -> Result<(), VaultError> {
        let rows = self.0.list(Kind::Session, Some(&principal.to_string()), 2 * SESSIONS_MAX).await?;
        if rows.len() < SESSIONS_MAX as usize {
            return Ok(());
        }
        let mut ends = Vec::new();
        for (key, _) in rows {
            let end = self.0.get(&key).await?.and_then(|row| row.expires).unwrap_or_default();
            ends.push((end, key));
        }
        ends.sort();
        let over = ends.len() + 1 - SESSIONS_MAX as usize;
        let others = ends.iter().filter_map(|(_, key)| key.id.parse().ok()).filter(|id| Some(*id) != but);
        for id in others.take(over) {
            self.end(principal, id).await?;
        }
        Ok(())
    }

    async fn read(&self, principal: PrincipalId, id: SessionId, now: Time) -> Result<(Session, Row), NoSession> {
        let row = self.0.get(&session_at(principal, id)).await?.ok_or(NoSession::Over)?;
        let session: Session = serde_json::from_slice(&row.secret).map_err(|_| NoSession::Over)?;
        if now < session.ends { Ok((session, row)) } else { Err(NoSession::Over) }
    }

    async fn write(&self, session: &Session, expected: Expected) -> Result<u64, VaultError> {
        let row = Zeroizing::new(serde_json::to_vec(session).map_err(|e| VaultError::Fault(e.to_string()))?);
        self.0.put(&session_at(session.principal, session.id), expected, &row, Some(session.ends)).await
    }

    async fn remove(&self, at: &Key) -> Result<bool, VaultError> {
        for _ in 0..RACES_MAX {
            let Some(row) = self.0.get(at).await? else { return Ok(false) };
            match self.0.delete(at, row.version).await {
                Err(VaultError::Conflict { .. }) => {}
                done => return done.map(|()| true),
            }
        }
        Err(VaultError::Fault("too many writers at once; try again in a moment".into()))
    }
}

fn split(parts: &[u8]) -> Option<(Uuid, Uuid, &[u8])> {
    let (who, rest) = parts.split_first_chunk::<16>()?;
    let (which, rest) = rest.split_first_chunk::<16>()?;
    Some((Uuid::from_bytes(*who), Uuid::from_bytes(*which), rest))
}

fn session_at(principal: PrincipalId, id: SessionId) -> Key {
    Key::new(Kind::Session, principal.to_string(), id.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use writ_core::ids::TenantId;

    pub(super) const ANA: PrincipalId = PrincipalId::from_u128(1);

    pub(super) fn sessions() -> Sessions {
        Sessions::new(Vault::memory(TenantId::from_u128(7), [1; 32]))
    }

    pub(super) fn at(minutes: u32) -> Time {
        Time::from_millis(1_800_000_000_000) + Span::from_minutes(minutes)
    }

    pub(super) fn opening(door: Door) -> Opening {
        Opening {
            principal: ANA,
            door,
            proved: vec![(Method::Password, CredentialId::from_u128(1)), (Method::Totp, CredentialId::from_u128(2))],
            scopes: vec!["User.Read".into()],
            audience: "https://graph.microsoft.com".into(),
            address: Some("10.0.0.1".into()),
            app: None,
            agent: "a browser\r\nX: y".into(),
        }
    }

    pub(super) async fn over<T>(answer: Result<T, NoSession>) -> bool {
        matches!(answer, Err(NoSession::Over))
    }

    #[tokio::test]
    async fn a_cookie_opens_its_session_until_it_ends() {
        let sessions = sessions();
        let (session, cookie) = sessions.open(opening(Door::Page), at(0)).await.unwrap();
        let cookie = cookie.unwrap();
        assert_eq!(sessions.of_cookie(cookie.value(), at(1)).await.unwrap(), session);
        assert!(!session.agent.contains('\n'));
        assert!(over(sessions.of_cookie(cookie.value(), session.ends).await).await);
        sessions.end(ANA, session.id).await.unwrap();
        assert!(over(sessions.of_cookie(cookie.value(), at(2)).await).await, "a stolen cookie after sign-out");
    }

    #[tokio::test]
    async fn no_changed_or_made_up_cookie_opens_anything() {
        let sessions = sessions();
        let (session, cookie) = sessions.open(opening(Door::Page), at(0)).await.unwrap();
        let cookie = cookie.unwrap().value().to_owned();
        for place in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(over(sessions.of_cookie(&changed, at(1)).await).await, "{place}");
        }
        for odd in ["", "=", "é", &"A".repeat(86), &"A".repeat(1_000_000), &cookie[..cookie.len() - 1]] {
            assert!(over(sessions.of_cookie(odd, at(1)).await).await);
        }
        // A session without a cookie is not opened by one, even if its ids are known.
        let (token, none) = sessions.open(opening(Door::Token), at(0)).await.unwrap();
        assert!(none.is_none());
        let guess = [ANA.0.as_bytes(), token.id.0.as_bytes(), &[0u8; 32][..]].concat();
        assert!(over(sessions.of_cookie(&B64.encode(guess), at(1)).await).await);
        assert!(sessions.get(ANA, session.id, at(1)).await.is_ok());
    }

    #[tokio::test]
    async fn a_new_proof_counts_from_the_moment_it_is_given() {
        let sessions = sessions();
        let (session, _) = sessions.open(opening(Door::Token), at(0)).await.unwrap();
        let totp = CredentialId::from_u128(2);
        let raised = sessions.proved_again(ANA, session.id, totp, at(30)).await.unwrap();
        assert_eq!((raised.mfa, raised.signed_in, raised.ends), (Some(at(30)), at(0), session.ends));
        assert!(over(sessions.proved_again(ANA, session.id, totp, session.ends).await).await);
    }

    #[tokio::test]
    async fn an_emergency_session_is_short_and_cannot_be_refreshed() {
        let sessions = sessions();
        let proved = vec![(Method::EmergencySecret, CredentialId::from_u128(3))];
        let opening = Opening { proved, ..opening(Door::Token) };
        let (session, _) = sessions.open(opening, at(0)).await.unwrap();
        assert_eq!(session.ends, at(60));
        assert!(session.proof().emergency && session.mfa.is_none());
        assert!(sessions.first_refresh(&session, at(0)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_programs_are_given_from_a_browsers_session_does_not_end_that() {
        let sessions = sessions();
        let (page, cookie) = sessions.open(opening(Door::Page), at(0)).await.unwrap();
        for n in 0..4 * SESSIONS_MAX {
            let nothing = Opening { proved: Vec::new(), ..opening(Door::Token) };
            let given = sessions.open_from(&page, nothing, at(1)).await.unwrap();
            assert_eq!((given.signed_in, given.mfa, given.ends), (page.signed_in, page.mfa, page.ends));
            assert_eq!((&given.methods, &given.credentials), (&page.methods, &page.credentials));
            assert!(sessions.of_cookie(cookie.as_ref().unwrap().value(), at(1)).await.is_ok(), "{n}");
        }
        assert_eq!(sessions.of(ANA, at(1)).await.unwrap().len(), SESSIONS_MAX as usize);
    }

    #[tokio::test]
    async fn the_number_of_sessions_is_bounded_and_the_oldest_goes() {
        let sessions = sessions();
        let (first, _) = sessions.open(opening(Door::Page), at(0)).await.unwrap();
        for n in 1..=SESSIONS_MAX {
            sessions.open(opening(Door::Page), at(n)).await.unwrap();
        }
        let left = sessions.of(ANA, at(SESSIONS_MAX)).await.unwrap();
        assert_eq!(left.len(), SESSIONS_MAX as usize);
        assert!(left.iter().all(|s| s.id != first.id));
        assert_eq!(left[0].signed_in, at(SESSIONS_MAX), "the newest first");
        let kept = left[0].id;
        assert_eq!(sessions.end_all(ANA, Some(kept)).await.unwrap(), SESSIONS_MAX - 1);
        assert_eq!(sessions.of(ANA, at(60)).await.unwrap().len(), 1);
    }
}
