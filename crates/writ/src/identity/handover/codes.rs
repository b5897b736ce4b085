//! Authorization codes that were given out, by their hashes.
//! It begins and ends no session; it says which one a code stands for.
//!
//! Always: a code answers with what it stands for once; afterwards it is only known as used, until it is forgotten.

use super::Held;
use crate::identity::{Denied, random};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use subtle::ConstantTimeEq;
use writ_core::ids::{PrincipalId, SessionId, Uuid};
use writ_core::time::{Span, Time};
use zeroize::Zeroizing;

/// How long a code waits to be fetched; RFC 6749 (section 4.1.2) recommends ten minutes at most. The program is on the same
/// machine as the browser and has been waiting for it.
const CODE_SPAN: Span = Span::from_minutes(1);
/// How long a used code is recognised.
const USED_SPAN: Span = Span::from_hours(1);
/// How many are kept at most, used ones included.
const CODES_MAX: usize = 20_000;
/// How many of one principal wait at most: as many as they can have sessions. Somebody who is signed in with a browser
/// gets one with each press.
const CODES_MAX_OF_ONE: usize = crate::identity::session::SESSIONS_MAX as usize;

/// An authorization code: what a program fetches its tokens with, once. Wiped when dropped, never printed.
pub struct Code(Zeroizing<String>);

impl Code {
    /// The value to hand on.
    pub fn value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

/// What a code stands for.
#[derive(Debug)]
pub(super) enum Taken {
    /// This, and everything that was shown with it is right.
    Right(Held),
    /// This, and something that was shown with it is wrong, or came too late. The code is used up.
    Wrong(Held),
    /// It was used before, and began this session, for this program.
    Used { principal: PrincipalId, session: SessionId, app: Option<Uuid> },
    /// Nothing.
    Unknown,
}

#[derive(Default)]
pub(super) struct Codes(Mutex<HashMap<[u8; 32], Kept>>);

struct Kept {
    /// Until when it is good; once used, until when it is known.
    until: Time,
    principal: PrincipalId,
    session: SessionId,
    app: Option<Uuid>,
    /// What is to be fetched; nothing once it was.
    waits: Option<Waits>,
}

struct Waits {
    held: Held,
    redirect: String,
    challenge: [u8; 32],
}

impl Codes {
    /// A new code.
    pub(super) fn keep(&self, held: Held, redirect: String, challenge: [u8; 32], now: Time) -> Result<Code, Denied> {
        let code = Code(Zeroizing::new(B64.encode(*random::bytes::<32>()?)));
        let mut kept = self.0.lock();
        let theirs = kept.values().filter(|kept| kept.waits.is_some() && kept.principal == held.principal);
        if theirs.count() >= CODES_MAX_OF_ONE {
            return Err(Denied::Busy);
        }
        if kept.len() >= CODES_MAX {
            // Used ones are the first to go: they only tell of a thief.
            kept.retain(|_, kept| kept.waits.is_some());
            if kept.len() >= CODES_MAX {
                return Err(Denied::Busy);
            }
        }
        let (principal, session, app) = (held.principal, held.session, held.wish.client);
        let waits = Some(Waits { held, redirect, challenge });
        kept.insert(hash(code.value()), Kept { until: now + CODE_SPAN, principal, session, app, waits });
        Ok(code)
    }

    /// What a code stands for; it is used up by this.
    pub(super) fn take(&self, code: &str, client: Uuid, redirect: &str, verifier: &str, now: Time) -> Taken {
        let mut kept = self.0.lock();
        let Some(found) = kept.get_mut(&hash(code)) else { return Taken::Unknown };
        let Some(Waits { held, redirect: sent_to, challenge }) = found.waits.take() else {
            return Taken::Used { principal: found.principal, session: found.session, app: found.app };
        };
        let in_time = now < found.until;
        found.until = now + USED_SPAN;
        let shown: [u8; 32] = Sha256::digest(verifier).into();
        let proved = is_verifier(verifier) && bool::from(shown.ct_eq(&challenge));
        if in_time && proved && held.wish.client == Some(client) && sent_to == redirect {
            Taken::Right(held)
        } else {
            Taken::Wrong(held)
        }
    }

    /// Takes out what nobody fetched in time, and forgets what was used long ago.
    pub(super) fn over(&self, now: Time) -> Vec<Held> {
        let mut over = Vec::new();
        self.0.lock().retain(|_, kept| {
            let keep = now < kept.until;
            if !keep && let Some(waits) = kept.waits.take() {
                over.push(waits.held);
            }
            keep
        });
        over
    }
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code).into()
}

/// Whether this can be a verifier: 43 to 128 unreserved characters (RFC 7636, section 4.1). Shorter ones can be guessed.
fn is_verifier(text: &str) -> bool {
    let unreserved = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::scopes::Wish;

    #[test]
    fn what_waits_is_bounded_for_each_and_for_all_and_used_ones_are_the_first_to_go() {
        let (codes, now) = (Codes::default(), Time::from_millis(1_800_000_000_000));
        let (session, client) = (SessionId::from_u128(1), Uuid::from_u128(7));
        let keep = |who: usize| {
            let principal = PrincipalId::from_u128(who as u128);
            let held = Held { principal, session, wish: Wish { client: Some(client), ..Wish::default() } };
            codes.keep(held, String::new(), [0; 32], now)
        };
        // Each of 400 has as many as one can have.
        let first = keep(1).unwrap();
        for n in 1..CODES_MAX {
            keep(1 + n / CODES_MAX_OF_ONE).unwrap();
            if n == CODES_MAX_OF_ONE {
                assert!(matches!(keep(1), Err(Denied::Busy)), "and no more");
            }
        }
        assert!(matches!(keep(401), Err(Denied::Busy)));
        let take = |code: &Code| codes.take(code.value(), client, "", "wrong", now);
        assert!(matches!(take(&first), Taken::Wrong(_)));
        assert!(matches!(take(&first), Taken::Used { app, .. } if app == Some(client)));
        assert!(keep(1).is_ok() && keep(401).is_err());
        assert!(matches!(take(&first), Taken::Unknown));
        assert_eq!(codes.over(now + CODE_SPAN).len(), CODES_MAX);
        assert!(codes.0.lock().is_empty());
    }
}
