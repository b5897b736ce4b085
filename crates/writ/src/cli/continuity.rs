//! Whether the server's log still continues what this user has seen of it. A server that was set back to an older copy, or
//! that shows different people different logs, is noticed by whoever talks to it next.
//! It never takes the server's word: what joins the two logs is a proof, and what speaks for a log is its signature.
//!
//! Always: nothing is asked of a server whose log went back; what was seen is forgotten only when somebody accepts that.

use super::client::Client;
use super::remembered::{Memory, Remembered};
use super::stop::Stop;
use super::terminal::Terminal;
use crate::http::api::shape::{About, Newest};
use writ_core::ids::TenantId;
use writ_core::log::checkpoint::origin;
use writ_core::log::merkle::continues;
use writ_core::log::{Hash, Head, LogKey, Signed};
use writ_core::time::Span;

/// How long a look is good for: a server asked every time would be asked twice for everything.
const GOOD_FOR: Span = Span::from_minutes(1);

/// How the log that a server shows stands to the one that was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It continues it; or nothing was seen before.
    Continues,
    /// It says so, and the proof is still to come.
    NotProvedYet,
    /// It ends before it.
    WentBack,
    /// It is another log from some entry on.
    Forked,
    /// Another key signs it.
    OtherKey,
}

/// Looks, unless somebody has just looked. The first look believes what it is shown, and the next ones compare with it.
pub(super) fn look(client: &mut Client, terminal: &Terminal) -> Result<(), Stop> {
    // Without a home there is nothing to remember in; everything else works all the same.
    let Ok(dir) = terminal.env.state_dir() else { return Ok(()) };
    let remembered = Remembered::at(&dir);
    let tenant = tenant(client)?;
    let seen = remembered.of(tenant)?;
    let now = terminal.clock.now();
    let fresh = seen.as_ref().and_then(|seen| seen.looked).is_some_and(|at| at <= now && now.since(at) < GOOD_FOR);
    if fresh {
        return Ok(());
    }
    let shown = ask(client, tenant, seen.as_ref())?;
    match shown.standing(seen.as_ref()) {
        Standing::Continues => {
            if let Err(why) = remembered.keep(&shown.key, &shown.newest.checkpoint, Some((shown.newest.epoch, now))) {
                terminal.complain(&format!("The newest checkpoint could not be remembered: {why}"));
            }
            Ok(())
        }
        Standing::NotProvedYet => Ok(()),
        wrong => Err(Stop::NotWhole(told(&wrong, &shown, seen.as_ref(), client.server()))),
    }
}

/// The tenant whose log it is.
pub(super) fn tenant(client: &mut Client) -> Result<TenantId, Stop> {
    let id = match client.session() {
        Some(session) => session.tenant.clone(),
        None => client.get::<About>("/writ/v1/about")?.tenant.id,
    };
    id.parse().map_err(|_| Stop::Fault(format!("{} names no tenant", client.server())))
}

/// What a server shows of its log.
pub(super) struct Shown {
    pub(super) newest: Newest,
    pub(super) key: LogKey,
    pub(super) head: Head,
    proof: Option<Vec<Hash>>,
}

/// Asks the server for its newest checkpoint and the proof from what was seen.
///
/// # Errors
/// When the answer is not a checkpoint of this tenant's log that its key signed.
pub(super) fn ask(client: &mut Client, tenant: TenantId, seen: Option<&Memory>) -> Result<Shown, Stop> {
    let since = seen.map_or(0, Memory::size);
    let newest: Newest = client.get(&format!("/writ/v1/log/checkpoint?since={since}"))?;
    Shown::of(newest, tenant)
        .map_err(|why| Stop::NotWhole(format!("{} shows a checkpoint that is none: {why}", client.server())))
}

impl Shown {
    fn of(newest: Newest, tenant: TenantId) -> Result<Self, String> {
        let key: LogKey = newest.key.parse().map_err(|why| format!("{why}"))?;
        if key.name() != origin(tenant) {
            return Err(format!("its key is for {}, not for {}", key.name(), origin(tenant)));
        }
        let signed: Signed = newest.checkpoint.parse().map_err(|why| format!("{why}"))?;
        let head = signed.by(&key).map_err(|why| why.to_string())?.head;
        let part = |text: &String| hex::decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        let proof = newest.proof.as_ref().map(|parts| parts.iter().take(65).map(part).collect::<Option<Vec<_>>>());
        let proof = proof.map(|parts| parts.ok_or("its proof is not made of hashes")).transpose()?;
        Ok(Self { newest, key, head, proof })
    }

    /// How it stands to what was seen.
    pub(super) fn standing(&self, seen: Option<&Memory>) -> Standing {
        let Some(seen) = seen else { return Standing::Continues };
        let before = seen.signed.unproved().head;
        // What was remembered counts only with the signature of the key it was remembered under.
        if seen.key != self.key.hash() || seen.signed.by(&self.key).is_err() {
            return Standing::OtherKey;
        }
        if self.head.size < before.size {
            return Standing::WentBack;
        }
        match &self.proof {
            Some(proof) if continues(&before, &self.head, proof) => Standing::Continues,
            None if self.head.size > before.size => Standing::NotProvedYet,
            _ => Standing::Forked,
        }
    }
}

fn told(standing: &Standing, shown: &Shown, seen: Option<&Memory>, server: &str) -> String {
    let (before, now) = (seen.map_or(0, Memory::size), shown.head.size);
    let what = match standing {
        Standing::WentBack => {
            format!("The log of {server} went back: it has {now} entries, and you have seen {before}.")
        }
        Standing::OtherKey => {
            format!("The log of {server} is signed by another key ({}) than the one you know.", shown.key.hash())
        }
        _ => format!(
            "The log of {server} is another one than you have seen: it differs within its first {before} entries."
        ),
    };
    format!(
        "{what}\nEither its data were restored from an older copy, or somebody hides what happened since. Nothing was done. \
         Ask who runs it; if it was restored, they put that on record (writ recover epoch), and then you accept it with: \
         writ log accept"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::log::checkpoint::SigningKey;
    use writ_core::log::merkle::{consistency_parts, leaf, root};
    use writ_core::log::{Checkpoint, Frontier};

    const TENANT: TenantId = TenantId::from_u128(7);

    fn signing(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    /// The leaves of a log; from `fork` on they are other ones.
    fn leaves(size: u64, fork: u64) -> Vec<Hash> {
        (0..size).map(|n| leaf(format!("{n} {}", n >= fork).as_bytes())).collect()
    }

    fn note(leaves: &[Hash], seed: u8) -> String {
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.append(*leaf));
        Checkpoint::new(TENANT, frontier.head()).sign(&signing(seed))
    }

    fn memory(leaves: &[Hash], seed: u8) -> Memory {
        let note = note(leaves, seed);
        let key = LogKey::new(TENANT, signing(seed).verifying_key()).hash();
        Memory { signed: note.parse().unwrap(), key, epoch: Some(0), looked: None }
    }

    fn shown(leaves: &[Hash], since: u64, seed: u8) -> Shown {
        let parts = consistency_parts(since, leaves.len() as u64);
        let part = |part: std::ops::Range<u64>| {
            hex::encode(root(&leaves[usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap()]))
        };
        let proof = parts.map(|parts| parts.into_iter().map(part).collect());
        let key = LogKey::new(TENANT, signing(seed).verifying_key()).to_string();
        Shown::of(Newest { checkpoint: note(leaves, seed), key, epoch: 0, proof }, TENANT).unwrap()
    }

    #[test]
    fn a_log_that_grew_continues_and_one_that_was_set_back_or_rewritten_does_not() {
        let (whole, forked) = (leaves(20, 99), leaves(20, 5));
        let standing = |log: &[Hash], seen: u64, seed| {
            let memory = memory(&whole[..usize::try_from(seen).unwrap()], 1);
            shown(log, seen, seed).standing(Some(&memory))
        };
        assert_eq!(shown(&whole, 0, 1).standing(None), Standing::Continues, "nothing was seen before");
        assert_eq!(standing(&whole, 13, 1), Standing::Continues);
        assert_eq!(standing(&whole, 20, 1), Standing::Continues, "nothing happened since");
        assert_eq!(standing(&whole[..12], 13, 1), Standing::WentBack);
        assert_eq!(standing(&forked, 13, 1), Standing::Forked, "set back, and grown past it since");
        assert_eq!(standing(&forked, 20, 1), Standing::Forked);
        assert_eq!(standing(&forked, 5, 1), Standing::Continues, "what was seen is the same");
        assert_eq!(standing(&whole, 13, 2), Standing::OtherKey);
    }

    #[test]
    fn a_proof_that_is_not_ready_accuses_nobody_and_a_missing_one_of_the_same_size_does() {
        let whole = leaves(20, 99);
        let without = |seen: &[Hash]| Shown { proof: None, ..shown(&whole, 3, 1) }.standing(Some(&memory(seen, 1)));
        assert_eq!(without(&whole[..3]), Standing::NotProvedYet);
        assert_eq!(without(&leaves(20, 5)), Standing::Forked);
    }

    #[test]
    fn a_checkpoint_of_another_tenant_or_without_a_good_signature_is_none() {
        let good = shown(&leaves(3, 9), 0, 1).newest;
        assert!(Shown::of(good.clone(), TenantId::from_u128(8)).is_err());
        let other = LogKey::new(TENANT, signing(2).verifying_key()).to_string();
        assert!(Shown::of(Newest { key: other, ..good.clone() }, TENANT).is_err());
        assert!(Shown::of(Newest { proof: Some(vec!["zz".into()]), ..good }, TENANT).is_err());
    }
}
