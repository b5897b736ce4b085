//! Slows guessing down: a budget of failed attempts per account, per address, and for each place that an account is
//! known to sign in from. It never disables anything; it only says how long to wait.
//!
//! Known attacks and the defence: many guesses at once (an attempt is charged before it is checked, by compare-and-set);
//! one account sprayed from many addresses to keep its owner out (a place where the owner lately succeeded has a
//! budget of its own, which strangers cannot spend); an own account used to clear an address's count between guesses
//! (success gives back its own charge and no more); filling the vault with counters (addresses and unknown names share
//! a fixed number of counters, picked with a key that nobody outside knows).
//!
//! Always: a name that exists and one that does not are treated the same.

use super::key;
use super::random;
use crate::vault::{Expected, Key, Kind, Vault, VaultError};
use ring::hmac;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use writ_core::ids::{PrincipalId, SessionId};
use writ_core::time::{Span, Time};

/// Counters for addresses and for unknown names; more of them than one network has people.
const ADDRESSES: u32 = 65_536;
const UNKNOWN_NAMES: u32 = 1024;
/// The id that belongs to nobody.
const NOBODY: PrincipalId = PrincipalId::from_u128(0);
/// The longest wait, in seconds.
pub const WAIT_MAX: u32 = 15 * 60;
/// A counter that nobody added to for this long starts from nothing.
const FORGOTTEN_AFTER: Span = Span::from_hours(24);
/// How long a place stays known after a success.
const KNOWN_FOR: Span = Span::from_days(30);
/// How often a lost race for a counter is run again. Whoever still loses is one of very many, and waits.
const RACES_MAX: u32 = 16;

/// Failed attempts that cost nothing before waiting begins.
const FREE_ACCOUNT: u32 = 5;
const FREE_KNOWN_PLACE: u32 = 10;
const FREE_ADDRESS: u32 = 30;

/// Whose budgets an attempt is charged to.
#[derive(Clone, Copy, Debug)]
pub enum Aim<'a> {
    /// Signing in to an account that exists.
    Account(PrincipalId),
    /// Signing in to a name that no account has.
    UnknownName(&'a str),
    /// Proving a second factor again in a session.
    StepUp(SessionId),
    /// Using a single-use code, which nobody can guess; only the work is bounded.
    Code,
}

/// Why an attempt was not begun.
#[derive(Debug)]
pub enum NotYet {
    /// Wait this many seconds.
    Wait(u32),
    /// The vault failed.
    Vault(VaultError),
}

/// An attempt that was begun, and charged as if it had failed.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    charges: Vec<Charge>,
    /// The place to remember if it succeeds, or to clear.
    place: Option<Key>,
}

#[derive(Debug)]
struct Charge {
    key: Key,
    before: Budget,
    version: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Budget {
    failures: u32,
    /// No attempt before this moment.
    until: Time,
}

/// The counters. Clones share them.
#[derive(Clone)]
pub struct Throttle {
    vault: Vault,
    pick: hmac::Key,
}

impl Throttle {
    /// With the counters in this vault.
    pub async fn open(vault: &Vault) -> Result<Self, VaultError> {
        let make = || random::bytes::<32>().map(|key| zeroize::Zeroizing::new(key.to_vec()));
        let key = key::kept_or(vault, "throttle", make).await?;
        let key = key.map_err(|_| VaultError::Fault("the system gave no randomness".into()))?;
        Ok(Self { vault: vault.clone(), pick: hmac::Key::new(hmac::HMAC_SHA256, &key) })
    }

    /// Begins an attempt from an address, or says how long to wait. Nothing may be checked before it has begun.
    pub async fn begin(&self, aim: Aim<'_>, from: Option<IpAddr>, now: Time) -> Result<Attempt, NotYet> {
        let from = network(from);
        let address = Key::new(Kind::Throttle, "address", self.number(&from, ADDRESSES));
        let mut budgets = Vec::new();
        let mut place = None;
        match aim {
            Aim::Account(who) => {
                let known = Key::new(Kind::Throttle, format!("place:{who}"), from);
                let is_known = self.vault.get(&known).await.map_err(NotYet::Vault)?;
                if is_known.is_some_and(|row| row.expires.is_none_or(|end| now < end)) {
                    budgets.push((known.clone(), FREE_KNOWN_PLACE));
                } else {
                    budgets.push((address, FREE_ADDRESS));
                    budgets.push((Key::new(Kind::Throttle, "account", who.to_string()), FREE_ACCOUNT));
                }
                place = Some(known);
            }
            Aim::UnknownName(name) => {
                // Looked for as well, so that a name that exists takes no longer to be told to wait.
                let nowhere = Key::new(Kind::Throttle, format!("place:{NOBODY}"), from);
                self.vault.get(&nowhere).await.map_err(NotYet::Vault)?;
                budgets.push((address, FREE_ADDRESS));
                let shared = self.number(&name.to_lowercase(), UNKNOWN_NAMES);
                budgets.push((Key::new(Kind::Throttle, "unknown name", shared), FREE_ACCOUNT));
            }
            Aim::StepUp(session) => {
                budgets.push((Key::new(Kind::Throttle, "step-up", session.to_string()), FREE_ACCOUNT));
            }
            Aim::Code => budgets.push((address, FREE_ADDRESS)),
        }
        let mut attempt = Attempt { charges: Vec::new(), place };
        for (key, free) in budgets {
            match self.charge(key, free, now).await {
                Ok(charge) => attempt.charges.push(charge),
                Err(not_yet) => {
                    // What was charged before the one that refused is given back: nothing was tried.
                    self.abandoned(attempt, now).await.map_err(NotYet::Vault)?;
                    return Err(not_yet);
                }
            }
        }
        Ok(attempt)
    }

    /// The attempt succeeded: its charges are given back, and the place is known from now on.
    pub async fn succeeded(&self, attempt: Attempt, now: Time) -> Result<(), VaultError> {
        self.give_back(&attempt, now).await
    }

    /// Nothing was checked in the end: the charges are given back, and nothing is known by it.
    pub async fn abandoned(&self, mut attempt: Attempt, now: Time) -> Result<(), VaultError> {
        attempt.place = None;
        self.give_back(&attempt, now).await
    }

    async fn give_back(&self, attempt: &Attempt, now: Time) -> Result<(), VaultError> {
        for charge in attempt.charges.iter().filter(|charge| Some(&charge.key) != attempt.place.as_ref()) {
            self.refund(charge, now).await?;
        }
        let Some(place) = &attempt.place else { return Ok(()) };
        for _ in 0..RACES_MAX {
            let expected = match self.vault.get(place).await? {
                Some(row) => Expected::Version(row.version),
                None => Expected::Absent,
            };
            match self.write(place, expected, Budget::default(), now + KNOWN_FOR).await {
                Err(VaultError::Conflict { .. }) => {}
                done => return done.map(|_| ()),
            }
        }
        Ok(())
    }

    async fn charge(&self, key: Key, free: u32, now: Time) -> Result<Charge, NotYet> {
        for _ in 0..RACES_MAX {
            let row = self.vault.get(&key).await.map_err(NotYet::Vault)?;
            let (expected, mut before, expires) = match &row {
                Some(row) => (Expected::Version(row.version), read(&row.secret), row.expires),
                None => (Expected::Absent, Budget::default(), None),
            };
            if now.since(before.until) > FORGOTTEN_AFTER {
                before = Budget::default();
            }
            if now < before.until {
                let seconds = (before.until.since(now).millis() + 999) / 1000;
                return Err(NotYet::Wait(u32::try_from(seconds).unwrap_or(WAIT_MAX).clamp(1, WAIT_MAX)));
            }
            let failures = before.failures.saturating_add(1);
            let after = Budget { failures, until: now + wait(failures, free) };
            let keep = (after.until + FORGOTTEN_AFTER).max(expires.unwrap_or(now));
            match self.write(&key, expected, after, keep).await {
                Ok(version) => return Ok(Charge { key, before, version }),
                Err(VaultError::Conflict { .. }) => {}
                Err(error) => return Err(NotYet::Vault(error)),
            }
        }
        Err(NotYet::Wait(1))
    }

    async fn refund(&self, charge: &Charge, now: Time) -> Result<(), VaultError> {
        for _ in 0..RACES_MAX {
            let Some(row) = self.vault.get(&charge.key).await? else { return Ok(()) };
            let found = read(&row.secret);
            let after = if row.version == charge.version {
                charge.before
            } else {
                Budget { failures: found.failures.saturating_sub(1), until: found.until }
            };
            let keep = row.expires.unwrap_or(now).max(now + FORGOTTEN_AFTER);
            match self.write(&charge.key, Expected::Version(row.version), after, keep).await {
                Err(VaultError::Conflict { .. }) => {}
                done => return done.map(|_| ()),
            }
        }
        Ok(())
    }

    async fn write(&self, key: &Key, expected: Expected, budget: Budget, keep: Time) -> Result<u64, VaultError> {
        let text = serde_json::to_vec(&budget).map_err(|e| VaultError::Fault(e.to_string()))?;
        self.vault.put(key, expected, &text, Some(keep)).await
    }

    /// Which of `of` counters a text shares.
    fn number(&self, text: &str, of: u32) -> String {
        let tag = hmac::sign(&self.pick, text.as_bytes());
        let word = tag.as_ref().iter().take(4).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        (word % of).to_string()
    }
}

fn read(secret: &[u8]) -> Budget {
    serde_json::from_slice(secret).unwrap_or_default()
}

/// Nothing while attempts are free, then 1, 2, 4, … seconds up to [`WAIT_MAX`].
fn wait(failures: u32, free: u32) -> Span {
    match failures.checked_sub(free) {
        None => Span::ZERO,
        Some(over) => Span::from_seconds(1u32.checked_shl(over).unwrap_or(WAIT_MAX).min(WAIT_MAX)),
    }
}

/// An address as it is counted: IPv4 as it is, IPv6 by its /64, since that much belongs to one customer.
pub(super) fn network(from: Option<IpAddr>) -> String {
    match from.map(|ip| ip.to_canonical()) {
        None => "none".into(),
        Some(IpAddr::V4(ip)) => ip.to_string(),
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::ids::TenantId;

    const ANA: Aim<'static> = Aim::Account(PrincipalId::from_u128(1));

    async fn throttle() -> Throttle {
        Throttle::open(&Vault::memory(TenantId::from_u128(7), [1; 32])).await.unwrap()
    }

    fn ip(n: u32) -> Option<IpAddr> {
        Some(IpAddr::V4((0x0a00_0000 + n).into()))
    }

    fn at(seconds: i64) -> Time {
        Time::from_millis(1_800_000_000_000 + seconds * 1000)
    }

    async fn fails(throttle: &Throttle, aim: Aim<'_>, from: Option<IpAddr>, now: Time) -> Result<(), u32> {
        match throttle.begin(aim, from, now).await {
            Ok(_charged) => Ok(()),
            Err(NotYet::Wait(seconds)) => Err(seconds),
            Err(NotYet::Vault(error)) => panic!("{error}"),
        }
    }

    async fn succeeds(throttle: &Throttle, aim: Aim<'_>, from: Option<IpAddr>, now: Time) -> bool {
        match throttle.begin(aim, from, now).await {
            Ok(attempt) => throttle.succeeded(attempt, now).await.is_ok(),
            Err(_) => false,
        }
    }

    #[tokio::test]
    async fn guessing_gets_slower_and_slower_but_never_stops_for_good() {
        let throttle = throttle().await;
        let (mut now, mut waits) = (0, Vec::new());
        for _ in 0..20 {
            while let Err(seconds) = fails(&throttle, ANA, ip(1), at(now)).await {
                waits.push(seconds);
                now += i64::from(seconds);
            }
        }
        assert_eq!(waits[..6], [1, 2, 4, 8, 16, 32]);
        assert_eq!(*waits.last().unwrap(), WAIT_MAX);
        assert!(waits.iter().all(|s| *s <= WAIT_MAX));
        assert!(succeeds(&throttle, ANA, ip(1), at(now + i64::from(WAIT_MAX))).await);
        assert!(fails(&throttle, ANA, ip(2), at(now + 3 * 86_400)).await.is_ok(), "forgotten after a day's rest");
    }

    #[tokio::test]
    async fn spraying_an_account_from_everywhere_does_not_lock_its_owner_out() {
        let throttle = throttle().await;
        assert!(succeeds(&throttle, ANA, ip(0), at(0)).await);
        let mut refused = 0;
        for n in 1..500 {
            refused += u32::from(fails(&throttle, ANA, ip(n), at(1)).await.is_err());
        }
        assert!(refused > 490, "strangers wait");
        assert!(succeeds(&throttle, ANA, ip(0), at(1)).await, "the owner does not, where she is known");
        assert!(!succeeds(&throttle, ANA, ip(501), at(1)).await, "an unknown place waits with the strangers");
    }

    #[tokio::test]
    async fn many_guesses_at_once_are_all_charged() {
        let throttle = throttle().await;
        let mut guesses = tokio::task::JoinSet::new();
        for n in 0..200 {
            let throttle = throttle.clone();
            guesses.spawn(async move { fails(&throttle, ANA, ip(n), at(0)).await.is_ok() });
        }
        let mut begun = 0;
        while let Some(guess) = guesses.join_next().await {
            begun += u32::from(guess.unwrap());
        }
        assert_eq!(begun, FREE_ACCOUNT, "no more than the free ones were even looked at");
    }

    #[tokio::test]
    async fn an_own_account_does_not_clear_the_count_of_an_address() {
        let throttle = throttle().await;
        let own = Aim::Account(PrincipalId::from_u128(666));
        let mut begun = 0;
        for victim in 0..200u128 {
            begun +=
                u32::from(fails(&throttle, Aim::Account(PrincipalId::from_u128(victim)), ip(1), at(0)).await.is_ok());
            succeeds(&throttle, own, ip(1), at(0)).await;
        }
        assert!(begun <= FREE_ADDRESS, "{begun} accounts were tried from one address at once");
    }

    #[tokio::test]
    async fn an_unknown_name_is_slowed_like_a_known_one() {
        let throttle = throttle().await;
        for n in 0..12 {
            let known = fails(&throttle, ANA, ip(2 * n), at(0)).await;
            let unknown = fails(&throttle, Aim::UnknownName("nobody@northwind.example"), ip(2 * n + 1), at(0)).await;
            assert_eq!(known, unknown);
        }
        let any_case = Aim::UnknownName("NOBODY@Northwind.example");
        assert!(fails(&throttle, any_case, ip(99), at(0)).await.is_err());
    }

    #[tokio::test]
    async fn the_number_of_counters_is_bounded_whatever_is_tried() {
        let throttle = throttle().await;
        for n in 0..3000u32 {
            let name = format!("name{n}@northwind.example");
            let from = IpAddr::V6(std::net::Ipv6Addr::from(u128::from(n)));
            let _ = fails(&throttle, Aim::UnknownName(&name), Some(from), at(i64::from(n) * 2000)).await;
        }
        let rows = throttle.vault.list(Kind::Throttle, None, 10_000).await.unwrap();
        assert!(rows.len() <= UNKNOWN_NAMES as usize + 1, "{} rows; one address for a whole /64", rows.len());
        throttle.vault.sweep(at(10_000_000)).await.unwrap();
        assert!(throttle.vault.list(Kind::Throttle, None, 10_000).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn guessing_codes_in_a_session_is_slowed_for_that_session_only() {
        let throttle = throttle().await;
        let (mine, other) = (Aim::StepUp(SessionId::from_u128(1)), Aim::StepUp(SessionId::from_u128(2)));
        let mut begun = 0;
        for _ in 0..50 {
            begun += u32::from(fails(&throttle, mine, ip(1), at(0)).await.is_ok());
        }
        assert_eq!(begun, FREE_ACCOUNT);
        assert!(succeeds(&throttle, other, ip(1), at(0)).await);
        assert!(succeeds(&throttle, mine, ip(1), at(1)).await);
    }
}
