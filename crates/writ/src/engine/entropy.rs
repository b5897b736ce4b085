//! Fresh ids and salts from the system's random source, fetched in pages so that a commit of hundreds of entries
//! asks the system a few times only.
//! It never derives one value from another, and wipes what it gives out.
//!
//! Always: each byte is given out once.

use sha2::{Digest, Sha256};
use writ_core::ids::Uuid;
use writ_core::time::Time;
use zeroize::Zeroizing;

const PAGE: usize = 4096;
const SEEDED: &str = "the system's random source does not fail once it is seeded, and it was before any process began";

/// A fresh version 4 id.
pub fn fresh_id() -> Uuid {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect(SEEDED);
    from_random(bytes)
}

fn from_random(mut bytes: [u8; 16]) -> Uuid {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

/// A store of random bytes.
pub(super) struct Entropy {
    page: Zeroizing<[u8; PAGE]>,
    used: usize,
    /// For simulations: the seed, and how many pages it gave.
    repeating: Option<(u64, u64)>,
}

impl Entropy {
    pub(super) fn new() -> Self {
        Self { page: Zeroizing::new([0; PAGE]), used: PAGE, repeating: None }
    }

    /// Bytes that follow from a seed: the same seed gives the same bytes.
    pub(super) fn repeating(seed: u64) -> Self {
        Self { repeating: Some((seed, 0)), ..Self::new() }
    }

    fn refill(&mut self) {
        match &mut self.repeating {
            None => getrandom::fill(&mut *self.page).expect(SEEDED),
            Some((seed, pages)) => {
                for (n, part) in self.page.chunks_mut(32).enumerate() {
                    let count = *pages * (PAGE as u64) + n as u64;
                    let block = [seed.to_be_bytes(), count.to_be_bytes()].concat();
                    part.copy_from_slice(&Sha256::digest(block));
                }
                *pages += 1;
            }
        }
        self.used = 0;
    }

    /// Sixteen fresh bytes.
    pub(super) fn salt(&mut self) -> [u8; 16] {
        if self.used == PAGE {
            self.refill();
        }
        let given = &mut self.page[self.used..self.used + 16];
        self.used += 16;
        let mut bytes = [0; 16];
        bytes.swap_with_slice(given);
        bytes
    }

    /// A fresh version 4 id.
    pub(super) fn id(&mut self) -> Uuid {
        from_random(self.salt())
    }

    /// Fresh version 7 ids: the time, then 74 random bits. What is made together lies together in ordered
    /// collections, so a batch of commands copies few of their nodes.
    pub(super) fn ids(&mut self, now: Time) -> [Uuid; 4] {
        std::array::from_fn(|_| {
            let mut bytes = self.salt();
            bytes[..6].copy_from_slice(&now.millis().to_be_bytes()[2..]);
            bytes[6] = bytes[6] & 0x0f | 0x70;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            Uuid::from_bytes(bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_repeats_and_another_one_does_not() {
        let ids = |seed| {
            let mut entropy = Entropy::repeating(seed);
            (0..600).map(|_| entropy.id()).collect::<Vec<_>>()
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
        assert_eq!(ids(1).into_iter().collect::<BTreeSet<_>>().len(), 600);
    }

    #[test]
    fn no_value_is_given_twice_and_ids_are_version_4() {
        let mut entropy = Entropy::new();
        let ids: BTreeSet<Uuid> = (0..2000).map(|_| entropy.id()).chain((0..1000).map(|_| fresh_id())).collect();
        assert_eq!(ids.len(), 3000);
        let repeated: Vec<Uuid> = (0..600).map(|_| entropy.id()).collect();
        assert!(repeated.iter().all(|id| !ids.contains(id)));
        assert!(ids.iter().all(|id| id.get_version_num() == 4 && id.get_variant() == uuid::Variant::RFC4122));
    }

    #[test]
    fn ids_that_a_command_makes_are_version_7_and_in_the_order_of_time() {
        let mut entropy = Entropy::new();
        let mut at = |millis| entropy.ids(Time::from_millis(millis));
        let (first, second) = (at(1_795_000_000_000), at(1_795_000_000_001));
        let all: BTreeSet<Uuid> = first.into_iter().chain(second).collect();
        assert_eq!(all.len(), 8);
        assert!(first.iter().max() < second.iter().min());
        assert!(all.iter().all(|id| id.get_version_num() == 7 && id.get_variant() == uuid::Variant::RFC4122));
    }
}
