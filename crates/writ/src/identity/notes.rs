//! Sign-ins on record. A failed one can be caused by anybody, so repeats are counted and noted together: one entry at
//! once, then one for each [`WINDOW`] with the number of those that followed.
//! It never ends or disables anything.

use super::{Denied, Identity, Origin};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use writ_core::command::{Caller, Command, Method, SignIn, Via};
use writ_core::ids::{PrincipalId, SessionId};
use writ_core::time::{Span, Time};

/// How long repeats are counted before they are noted together.
pub(super) const WINDOW: Span = Span::from_minutes(10);
/// How many accounts are counted apart. Beyond that their failures are counted as of unknown names.
const ACCOUNTS_MAX: usize = 10_000;

type About = (Option<PrincipalId>, Outcome);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Failed,
    Throttled,
}

#[derive(Default)]
pub(super) struct Notes(Mutex<BTreeMap<About, (Time, u32)>>);

impl Notes {
    /// Counts a failure; true if it is to be noted now, as the first one of its window.
    fn first(&self, about: Option<PrincipalId>, outcome: SignIn, now: Time) -> bool {
        let outcome = if outcome == SignIn::Throttled { Outcome::Throttled } else { Outcome::Failed };
        let mut counted = self.0.lock();
        let room = counted.len() < ACCOUNTS_MAX;
        let about = about.filter(|a| room || counted.contains_key(&(Some(*a), outcome)));
        match counted.get_mut(&(about, outcome)) {
            Some((_, count)) => {
                *count = count.saturating_add(1);
                false
            }
            None => {
                counted.insert((about, outcome), (now, 0));
                true
            }
        }
    }

    /// What was counted in windows that are over.
    pub(super) fn due(&self, now: Time) -> Vec<(Option<PrincipalId>, SignIn, u32)> {
        let mut counted = self.0.lock();
        let mut due = Vec::new();
        counted.retain(|(about, outcome), (since, count)| {
            let over = now.since(*since) >= WINDOW;
            if over && *count > 0 {
                let outcome = if *outcome == Outcome::Throttled { SignIn::Throttled } else { SignIn::Failed };
                due.push((*about, outcome, *count));
            }
            !over
        });
        due
    }
}

impl Identity {
    /// Counts an attempt that failed, and notes it if it is the first in a while. The answer does not wait for the
    /// entry: the time that an append takes would tell an account's first failure from one of an unknown name, whose
    /// failures are counted together.
    pub(super) fn failed(&self, about: Option<PrincipalId>, outcome: SignIn) {
        if !self.0.notes.first(about, outcome, self.now()) {
            return;
        }
        // No more of these than there are accounts that are counted apart, once in a window.
        let identity = self.clone();
        tokio::spawn(async move {
            if let Err(denied) = identity.note_failed(about, outcome, 1).await {
                // The attempt failed anyway, and is refused anyway: the record is the only thing missing.
                tracing::warn!("a failed sign-in could not be put on record: {denied:?}");
            }
        });
    }

    /// Puts failures on record. The server says so itself: whoever failed is nobody.
    pub(super) async fn note_failed(
        &self,
        principal: Option<PrincipalId>,
        outcome: SignIn,
        count: u32,
    ) -> Result<(), Denied> {
        let note = Command::NoteSignIn { principal, outcome, methods: Vec::new(), count };
        self.0.engine.submit(note, Caller::timer(crate::engine::fresh_id())).await?;
        Ok(())
    }

    /// Puts on record what somebody did with their own sign-in.
    pub(super) async fn note_own(
        &self,
        principal: PrincipalId,
        session: Option<SessionId>,
        outcome: SignIn,
        methods: &[Method],
        origin: &Origin,
    ) -> Result<(), Denied> {
        let note = Command::NoteSignIn { principal: Some(principal), outcome, methods: methods.to_vec(), count: 1 };
        let command = crate::engine::fresh_id();
        let via = if origin.via == Via::Timer { Via::Api } else { origin.via };
        let caller = Caller {
            session,
            address: origin.address.map(|ip| ip.to_canonical().to_string()),
            correlation: origin.correlation.unwrap_or(command),
            ..Caller::signed_in(command, principal, via, Default::default())
        };
        self.0.engine.submit(note, caller).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Option<PrincipalId> = Some(PrincipalId::from_u128(1));

    fn at(minutes: u32) -> Time {
        Time::from_millis(1_800_000_000_000) + Span::from_minutes(minutes)
    }

    #[test]
    fn a_thousand_failures_become_two_entries() {
        let notes = Notes::default();
        let at_once = (0..1000).filter(|_| notes.first(ANA, SignIn::Failed, at(0))).count();
        assert_eq!(at_once, 1);
        assert!(notes.due(at(9)).is_empty());
        assert_eq!(notes.due(at(10)), [(ANA, SignIn::Failed, 999)]);
        assert!(notes.due(at(30)).is_empty());
        assert!(notes.first(ANA, SignIn::Failed, at(30)));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let notes = Notes::default();
        let noted = (0..3 * ACCOUNTS_MAX as u128)
            .filter(|n| notes.first(Some(PrincipalId::from_u128(*n)), SignIn::Failed, at(0)))
            .count();
        assert!(noted <= ACCOUNTS_MAX + 1 && notes.0.lock().len() <= ACCOUNTS_MAX + 1);
    }
}
