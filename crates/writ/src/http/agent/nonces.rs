//! Nonces that were used: each is taken once, and forgotten when a request that carried it would be too old.
//!
//! Always: bounded; when it is full, new requests wait rather than old nonces being forgotten early.

use parking_lot::Mutex;
use std::collections::{BTreeSet, HashSet};
use writ_core::order::NONCE_BYTES;
use writ_core::time::Time;

/// How many nonces are remembered: a thousand hosts, each asking three times a second for ten minutes.
const NONCES_MAX: usize = 2_000_000;

type Nonce = [u8; NONCE_BYTES];

#[derive(Default)]
pub(super) struct Nonces(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    nonces: HashSet<Nonce>,
    ends: BTreeSet<(Time, Nonce)>,
}

impl Nonces {
    /// Takes a nonce that nobody has used, and remembers it until `until`.
    pub(super) fn take(&self, nonce: Nonce, until: Time, now: Time) -> bool {
        let mut seen = self.0.lock();
        while let Some((end, old)) = seen.ends.first().copied().filter(|(end, _)| *end <= now) {
            seen.ends.remove(&(end, old));
            seen.nonces.remove(&old);
        }
        if seen.nonces.len() >= NONCES_MAX || !seen.nonces.insert(nonce) {
            return false;
        }
        seen.ends.insert((until, nonce));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::time::Span;

    #[test]
    fn a_nonce_is_taken_once_until_it_is_too_old_to_matter() {
        let nonces = Nonces::default();
        let now = Time::from_millis(1_000_000);
        let until = now + Span::from_minutes(10);
        assert!(nonces.take([1; 16], until, now));
        assert!(!nonces.take([1; 16], until, now));
        assert!(nonces.take([2; 16], until, now));
        assert!(
            nonces.take([1; 16], until + Span::from_minutes(10), until),
            "its first use would be refused for its age"
        );
    }
}
