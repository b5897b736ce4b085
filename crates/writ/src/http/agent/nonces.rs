//! Nonces that were used: each host's are taken once, and forgotten when a request that carried one would be too old.
//!
//! Always: bounded, for each host and in all; when a share is full, that host waits rather than old nonces being
//! forgotten early, and no host can use up another's share.

use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use writ_core::ids::DeviceId;
use writ_core::order::NONCE_BYTES;
use writ_core::time::Time;

/// How many nonces of one host are remembered: ten requests a second for ten minutes. An agent sends far fewer.
pub(super) const OF_A_HOST_MAX: usize = 6_000;
/// How many are remembered in all: a thousand hosts, each asking three times a second for ten minutes.
const NONCES_MAX: usize = 2_000_000;

type Nonce = [u8; NONCE_BYTES];

/// Why a nonce was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It was used before.
    Used,
    /// The host has used too many in a short time.
    TooMany,
}

#[derive(Default)]
pub(super) struct Nonces(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    of_hosts: HashMap<DeviceId, BTreeSet<Nonce>>,
    ends: BTreeSet<(Time, DeviceId, Nonce)>,
}

impl Nonces {
    /// Takes a nonce that this host has not used, and remembers it until `until`.
    pub(super) fn take(&self, host: DeviceId, nonce: Nonce, until: Time, now: Time) -> Result<(), NotTaken> {
        let mut seen = self.0.lock();
        while let Some((end, whose, old)) = seen.ends.first().copied().filter(|(end, ..)| *end <= now) {
            seen.ends.remove(&(end, whose, old));
            let left = seen.of_hosts.get_mut(&whose).map(|own| {
                own.remove(&old);
                own.len()
            });
            if left == Some(0) {
                seen.of_hosts.remove(&whose);
            }
        }
        let full = seen.ends.len() >= NONCES_MAX;
        let own = seen.of_hosts.entry(host).or_default();
        if own.contains(&nonce) {
            return Err(NotTaken::Used);
        }
        if full || own.len() >= OF_A_HOST_MAX {
            return Err(NotTaken::TooMany);
        }
        own.insert(nonce);
        seen.ends.insert((until, host, nonce));
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().ends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::time::Span;

    const NOW: Time = Time::from_millis(1_000_000);
    const HOST: DeviceId = DeviceId::from_u128(1);

    fn number(n: usize) -> Nonce {
        (n as u128).to_be_bytes()
    }

    #[test]
    fn a_nonce_is_taken_once_until_it_is_too_old_to_matter() {
        let nonces = Nonces::default();
        let until = NOW + Span::from_minutes(10);
        assert_eq!(nonces.take(HOST, [1; 16], until, NOW), Ok(()));
        assert_eq!(nonces.take(HOST, [1; 16], until, NOW), Err(NotTaken::Used));
        assert_eq!(nonces.take(HOST, [2; 16], until, NOW), Ok(()));
        let later = nonces.take(HOST, [1; 16], until + Span::from_minutes(10), until);
        assert_eq!(later, Ok(()), "its first use would be refused for its age");
    }

    #[test]
    fn a_host_that_asks_without_end_waits_and_no_other_does() {
        let nonces = Nonces::default();
        let until = NOW + Span::from_minutes(10);
        let taken = (0..2 * OF_A_HOST_MAX).filter(|n| nonces.take(HOST, number(*n), until, NOW).is_ok()).count();
        assert_eq!(taken, OF_A_HOST_MAX);
        assert_eq!(nonces.take(HOST, number(0), until, NOW), Err(NotTaken::Used), "and forgets none of them early");
        assert_eq!(nonces.take(DeviceId::from_u128(2), number(0), until, NOW), Ok(()));
        assert_eq!(nonces.take(HOST, number(0), until + Span::from_minutes(10), until), Ok(()));
        let seen = nonces.0.lock();
        assert_eq!((seen.ends.len(), seen.of_hosts.len()), (1, 1), "what is too old leaves nothing behind");
    }
}
