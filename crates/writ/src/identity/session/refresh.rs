//! Refresh tokens: what gets a session's next access token.
//! They renew nothing but access tokens: neither the session's end nor what was proved.
//!
//! Known attacks and the defence: a stolen refresh token (each is good for one use, and a program's for half a minute more;
//! when a used one comes back later, the session ends, because one of the two who hold it is a thief); ending
//! somebody's session with a made-up token (a used token is recognised by its own keyed hash, so nobody ends a session
//! with a guess).
//!
//! Always: whoever brings a token that was never given out changes nothing.

use super::{NoSession, RACES_MAX, Session, Sessions, random, split};
use crate::vault::{Expected, Key, Kind, VaultError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use ring::hmac;
use std::fmt;
use subtle::ConstantTimeEq;
use writ_core::ids::{PrincipalId, SessionId};
use writ_core::time::{Span, Time};
use zeroize::Zeroizing;

/// How long a program's used refresh token is still answered, from the first use on: its processes share one token, and
/// two of them may bring it at once.
const BURST: Span = Span::from_seconds(30);

/// A token that gets the next access token, once. Wiped when dropped, never printed.
pub struct Refresh(Zeroizing<String>);

impl Refresh {
    /// The value to send.
    pub fn value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refresh(…)")
    }
}

/// The family of a session's refresh tokens. Each one is a keyed hash of its number, so all that were ever given out
/// can be told from made-up ones without keeping them.
struct Family {
    /// The number of the token that is good now.
    number: u32,
    /// The first token that was used in the newest burst, and until when it and those after it are answered.
    burst: u32,
    until: Time,
    key: Zeroizing<[u8; 32]>,
}

/// A refresh token that was given out once: its family, its own number, and its session.
struct Found {
    at: Key,
    version: u64,
    family: Family,
    number: u32,
    session: Session,
}

impl Sessions {
    /// The first refresh token of a session. An emergency account's session has none.
    pub async fn first_refresh(&self, session: &Session, now: Time) -> Result<Option<Refresh>, VaultError> {
        if session.proof().emergency {
            return Ok(None);
        }
        let key = random::bytes::<32>().map_err(|_| VaultError::Fault("the system gave no randomness".into()))?;
        let family = Family { number: 1, burst: 1, until: now, key };
        let row = family.to_row();
        self.0.put(&family_at(session.principal, session.id), Expected::Absent, &row, Some(session.ends)).await?;
        Ok(Some(family.token(session.principal, session.id, 1)))
    }

    /// The session that a refresh token belongs to, and whether the token is spent. It is not used up by asking.
    pub async fn of_refresh(&self, token: &str, now: Time) -> Result<(Session, bool), NoSession> {
        let found = self.look(token, now).await?;
        let spent = found.family.spent(found.number, &found.session, now);
        Ok((found.session, spent))
    }

    /// Uses a refresh token up: the session it belongs to and the next token. In a burst the next token is the same for
    /// all who ask.
    pub async fn refresh(&self, token: &str, now: Time) -> Result<(Session, Refresh), NoSession> {
        for _ in 0..RACES_MAX {
            let Found { at, version, mut family, number, session } = self.look(token, now).await?;
            let (principal, id) = (session.principal, session.id);
            if family.spent(number, &session, now) {
                self.end(principal, id).await?;
                return Err(NoSession::Reused(Box::new(session)));
            }
            if number < family.number {
                let next = family.token(principal, id, family.number);
                return Ok((session, next));
            }
            if now >= family.until {
                (family.burst, family.until) = (number, now + BURST);
            }
            family.number = family.number.saturating_add(1);
            let next = family.token(principal, id, family.number);
            match self.0.put(&at, Expected::Version(version), &family.to_row(), Some(session.ends)).await {
                Ok(_) => return Ok((session, next)),
                // Somebody used it first. The next look shows that, and what follows from it.
                Err(VaultError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(NoSession::Over)
    }

    /// What a refresh token is of, if it is one that was ever given out and its session is not over.
    async fn look(&self, token: &str, now: Time) -> Result<Found, NoSession> {
        let parts = Zeroizing::new(if token.len() < 160 { B64.decode(token).unwrap_or_default() } else { Vec::new() });
        let split = split(&parts).and_then(|(who, which, rest)| Some((who, which, rest.split_first_chunk::<4>()?)));
        let Some((who, which, (number, _))) = split else { return Err(NoSession::Over) };
        let (principal, id, number) = (PrincipalId(who), SessionId(which), u32::from_be_bytes(*number));
        let at = family_at(principal, id);
        let row = self.0.get(&at).await?.ok_or(NoSession::Over)?;
        let family = Family::from_row(&row.secret).ok_or(NoSession::Over)?;
        let ours = family.token(principal, id, number);
        if !bool::from(ours.0.as_bytes().ct_eq(token.as_bytes())) || number == 0 || number > family.number {
            return Err(NoSession::Over);
        }
        let session = self.get(principal, id, now).await?;
        Ok(Found { at, version: row.version, family, number, session })
    }
}

impl Family {
    fn token(&self, principal: PrincipalId, id: SessionId, number: u32) -> Refresh {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.key);
        let (who, which, number) = (principal.0, id.0, number.to_be_bytes());
        let mut parts = Zeroizing::new([who.as_bytes(), which.as_bytes(), &number[..]].concat());
        let tag = hmac::sign(&key, &parts);
        parts.extend_from_slice(tag.as_ref());
        Refresh(Zeroizing::new(B64.encode(&*parts)))
    }

    /// Whether a token was used before, and not just now by a program's other process.
    fn spent(&self, number: u32, session: &Session, now: Time) -> bool {
        let in_burst = session.app.is_some() && number >= self.burst && now < self.until;
        number < self.number && !in_burst
    }

    fn to_row(&self) -> Zeroizing<Vec<u8>> {
        let (number, burst, until) = (self.number, self.burst, self.until.millis());
        let parts = [&number.to_be_bytes()[..], &burst.to_be_bytes(), &until.to_be_bytes(), &self.key[..]];
        Zeroizing::new(parts.concat())
    }

    fn from_row(row: &[u8]) -> Option<Self> {
        let (number, rest) = row.split_first_chunk::<4>()?;
        let (burst, rest) = rest.split_first_chunk::<4>()?;
        let (until, key) = rest.split_first_chunk::<8>()?;
        let (number, burst) = (u32::from_be_bytes(*number), u32::from_be_bytes(*burst));
        let until = Time::from_millis(i64::from_be_bytes(*until));
        Some(Self { number, burst, until, key: Zeroizing::new(key.try_into().ok()?) })
    }
}

pub(super) fn family_at(principal: PrincipalId, id: SessionId) -> Key {
    Key::new(Kind::RefreshFamily, principal.to_string(), id.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ANA, at, opening, over, sessions};
    use super::super::{Door, Opening};
    use super::*;
    use writ_core::ids::Uuid;

    #[tokio::test]
    async fn refreshing_moves_neither_the_end_nor_the_proof() {
        let sessions = sessions();
        let (session, _) = sessions.open(opening(Door::Token), at(0)).await.unwrap();
        let mut token = sessions.first_refresh(&session, at(0)).await.unwrap().unwrap();
        for hour in 1..12 {
            let (same, next) = sessions.refresh(token.value(), at(60 * hour)).await.unwrap();
            assert_eq!((same.ends, same.mfa), (at(12 * 60), Some(at(0))));
            token = next;
        }
        assert!(over(sessions.refresh(token.value(), at(12 * 60)).await).await);
    }

    #[tokio::test]
    async fn a_used_refresh_token_that_comes_back_ends_the_session() {
        let sessions = sessions();
        let (session, _) = sessions.open(opening(Door::Token), at(0)).await.unwrap();
        let stolen = sessions.first_refresh(&session, at(0)).await.unwrap().unwrap();
        let (_, owners) = sessions.refresh(stolen.value(), at(1)).await.unwrap();
        assert!(matches!(sessions.refresh(stolen.value(), at(2)).await, Err(NoSession::Reused(_))));
        assert!(over(sessions.refresh(owners.value(), at(3)).await).await, "for both of them");
        assert!(over(sessions.get(ANA, session.id, at(3)).await).await);
    }

    #[tokio::test]
    async fn a_programs_processes_share_one_token_for_half_a_minute_and_no_longer() {
        let sessions = sessions();
        let app = Some(Uuid::from_u128(14));
        let (session, _) = sessions.open(Opening { app, ..opening(Door::Token) }, at(0)).await.unwrap();
        let first = sessions.first_refresh(&session, at(0)).await.unwrap().unwrap();
        let within = at(1) + Span::from_seconds(29);
        let (a, b) = tokio::join!(sessions.refresh(first.value(), at(1)), sessions.refresh(first.value(), at(1)));
        let (second, same) = (a.unwrap().1, b.unwrap().1);
        assert_eq!(second.value(), same.value(), "whoever comes last does not leave the others with a spent one");
        let (_, third) = sessions.refresh(second.value(), within).await.unwrap();
        assert_ne!(third.value(), second.value());
        for earlier in [&first, &second] {
            let (_, next) = sessions.refresh(earlier.value(), within).await.unwrap();
            assert_eq!(next.value(), third.value());
        }
        assert!(!sessions.of_refresh(first.value(), within).await.unwrap().1);
        assert!(sessions.of_refresh(first.value(), at(1) + BURST).await.unwrap().1);
        // Used once more in the next half minute: what is older than that does not come to life again.
        let (_, fourth) = sessions.refresh(third.value(), at(2)).await.unwrap();
        assert!(matches!(sessions.refresh(second.value(), at(2)).await, Err(NoSession::Reused(_))));
        assert!(over(sessions.refresh(fourth.value(), at(2)).await).await, "for both of them");
    }

    #[tokio::test]
    async fn two_who_refresh_with_one_token_at_once_do_not_both_go_on() {
        let sessions = sessions();
        let (session, _) = sessions.open(opening(Door::Token), at(0)).await.unwrap();
        let token = sessions.first_refresh(&session, at(0)).await.unwrap().unwrap();
        let (a, b) = tokio::join!(sessions.refresh(token.value(), at(1)), sessions.refresh(token.value(), at(1)));
        assert_eq!([&a, &b].iter().filter(|r| r.is_ok()).count(), 1);
        assert!(over(sessions.get(ANA, session.id, at(1)).await).await);
    }

    #[tokio::test]
    async fn a_made_up_refresh_token_ends_nothing() {
        let sessions = sessions();
        let (session, _) = sessions.open(opening(Door::Token), at(0)).await.unwrap();
        let first = sessions.first_refresh(&session, at(0)).await.unwrap().unwrap();
        let (_, good) = sessions.refresh(first.value(), at(1)).await.unwrap();
        // Principal and session stand in every access token; a forger has them, and the numbers are 1, 2, 3 …
        for number in [0u32, 1, 2, 3, u32::MAX] {
            let forged = [ANA.0.as_bytes(), session.id.0.as_bytes(), &number.to_be_bytes()[..], &[7; 32]].concat();
            assert!(over(sessions.refresh(&B64.encode(forged), at(2)).await).await);
        }
        for odd in ["", "x", &"A".repeat(91), &"é".repeat(1_000_000)] {
            assert!(over(sessions.refresh(odd, at(2)).await).await);
        }
        assert!(sessions.refresh(good.value(), at(3)).await.is_ok());
    }
}
