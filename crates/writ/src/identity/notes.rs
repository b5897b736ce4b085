//! Sign-ins on record. A failed one can be caused by anybody, so repeats are counted and noted together: one entry at
//! once, then one for each [`WINDOW`] with the number of those that followed and the first few addresses they came from.
//! It never ends or disables anything, and never keeps a name that nobody has: people type passwords there.

use super::{Denied, Identity, Origin};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use writ_core::command::{Caller, Command, Method, SignIn, SignInNote, Via, Wrong};
use writ_core::decide::ADDRESSES_MAX;
use writ_core::ids::{PrincipalId, SessionId, Uuid};
use writ_core::time::{Span, Time};

/// How long repeats are counted before they are noted together.
pub(super) const WINDOW: Span = Span::from_minutes(10);
/// How many sorts of failure of how many accounts are counted apart. Beyond that they are counted as of unknown names.
const COUNTERS_MAX: usize = 10_000;

/// Whose failures, and how they failed.
type About = (Option<PrincipalId>, Outcome, Option<Wrong>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Failed,
    Throttled,
}

/// Failures since the one that was noted at once.
struct Tally {
    since: Time,
    count: u32,
    from: Vec<(String, u32)>,
}

#[derive(Default)]
pub(super) struct Notes(Mutex<BTreeMap<About, Tally>>);

impl Notes {
    /// Counts a failure; what is to be noted now if it is the first one of its window.
    fn first(
        &self,
        about: Option<PrincipalId>,
        outcome: SignIn,
        wrong: Option<Wrong>,
        address: Option<String>,
        now: Time,
    ) -> Option<SignInNote> {
        let outcome = if outcome == SignIn::Throttled { Outcome::Throttled } else { Outcome::Failed };
        let mut counted = self.0.lock();
        let room = counted.len() < COUNTERS_MAX;
        let about = about.filter(|a| room || counted.contains_key(&(Some(*a), outcome, wrong)));
        let Some(tally) = counted.get_mut(&(about, outcome, wrong)) else {
            counted.insert((about, outcome, wrong), Tally { since: now, count: 0, from: Vec::new() });
            return Some(note((about, outcome, wrong), 1, address.map(|address| (address, 1)).into_iter().collect()));
        };
        tally.count = tally.count.saturating_add(1);
        let known = tally.from.iter().position(|(there, _)| Some(there) == address.as_ref());
        match (known, address) {
            (Some(known), _) => tally.from[known].1 = tally.from[known].1.saturating_add(1),
            (None, Some(address)) if tally.from.len() < ADDRESSES_MAX => tally.from.push((address, 1)),
            _ => {}
        }
        None
    }

    /// What was counted in windows that are over.
    pub(super) fn due(&self, now: Time) -> Vec<SignInNote> {
        let mut counted = self.0.lock();
        let mut due = Vec::new();
        counted.retain(|about, tally| {
            let over = now.since(tally.since) >= WINDOW;
            if over && tally.count > 0 {
                due.push(note(*about, tally.count, std::mem::take(&mut tally.from)));
            }
            !over
        });
        due
    }
}

fn note((principal, outcome, wrong): About, count: u32, from: Vec<(String, u32)>) -> SignInNote {
    let outcome = if outcome == Outcome::Throttled { SignIn::Throttled } else { SignIn::Failed };
    SignInNote { principal, outcome, wrong, methods: Vec::new(), count, client: None, app: None, from }
}

impl Identity {
    /// Counts an attempt that failed, and notes it if it is the first in a while. The answer does not wait for the
    /// entry: the time that an append takes would tell an account's first failure from one of an unknown name, whose
    /// failures are counted together.
    pub(super) fn failed(&self, about: Option<PrincipalId>, outcome: SignIn, wrong: Option<Wrong>, origin: &Origin) {
        let address = origin.address.map(|ip| ip.to_canonical().to_string());
        let Some(note) = self.0.notes.first(about, outcome, wrong, address, self.now()) else { return };
        // No more of these than there are failures that are counted apart, once in a window.
        let identity = self.clone();
        tokio::spawn(async move {
            if let Err(denied) = identity.note_failed(note).await {
                // The attempt failed anyway, and is refused anyway: the record is the only thing missing.
                tracing::warn!("a failed sign-in could not be put on record: {denied:?}");
            }
        });
    }

    /// Puts failures on record. The server says so itself: whoever failed is nobody.
    pub(super) async fn note_failed(&self, note: SignInNote) -> Result<(), Denied> {
        self.0.engine.submit(Command::NoteSignIn(note), Caller::timer(crate::engine::fresh_id())).await?;
        Ok(())
    }

    /// Puts on record what somebody did with their own sign-in.
    pub(super) async fn note_own(
        &self,
        principal: PrincipalId,
        session: Option<SessionId>,
        app: Option<Uuid>,
        outcome: SignIn,
        methods: &[Method],
        origin: &Origin,
    ) -> Result<(), Denied> {
        let note = SignInNote {
            principal: Some(principal),
            outcome,
            wrong: None,
            methods: methods.to_vec(),
            count: 1,
            client: Some(origin.agent.clone()),
            app,
            from: Vec::new(),
        };
        let command = crate::engine::fresh_id();
        let via = if origin.via == Via::Timer { Via::Api } else { origin.via };
        let caller = Caller {
            session,
            address: origin.address.map(|ip| ip.to_canonical().to_string()),
            correlation: origin.correlation.unwrap_or(command),
            ..Caller::signed_in(command, principal, via, Default::default())
        };
        self.0.engine.submit(Command::NoteSignIn(note), caller).await?;
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

    fn fails(notes: &Notes, who: Option<PrincipalId>, from: u32, now: Time) -> Option<SignInNote> {
        notes.first(who, SignIn::Failed, Some(Wrong::Password), Some(format!("192.0.2.{from}")), now)
    }

    #[test]
    fn a_thousand_failures_become_two_entries_that_say_where_from() {
        let notes = Notes::default();
        let at_once: Vec<SignInNote> = (0..1000).filter_map(|n| fails(&notes, ANA, n % 100, at(0))).collect();
        assert_eq!(at_once.len(), 1);
        assert_eq!((at_once[0].count, &at_once[0].from[..]), (1, &[("192.0.2.0".to_owned(), 1)][..]));
        assert!(notes.due(at(9)).is_empty());
        let due = notes.due(at(10));
        assert_eq!((due.len(), due[0].principal, due[0].count), (1, ANA, 999));
        assert_eq!(due[0].from.len(), ADDRESSES_MAX, "a botnet does not make an entry grow");
        assert_eq!(due[0].from[0], ("192.0.2.1".to_owned(), 10));
        assert!(notes.due(at(30)).is_empty());
        assert!(fails(&notes, ANA, 1, at(30)).is_some());
    }

    #[test]
    fn a_right_password_with_a_wrong_code_is_not_lost_among_wrong_passwords() {
        let notes = Notes::default();
        assert!(fails(&notes, ANA, 1, at(0)).is_some());
        assert!(fails(&notes, ANA, 1, at(0)).is_none());
        let told = notes.first(ANA, SignIn::Failed, Some(Wrong::Code), Some("192.0.2.66".into()), at(0));
        assert_eq!(told.map(|note| note.wrong), Some(Some(Wrong::Code)));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let notes = Notes::default();
        let somebody = |n| Some(PrincipalId::from_u128(n));
        let noted = (0..3 * COUNTERS_MAX as u128).filter(|n| fails(&notes, somebody(*n), 1, at(0)).is_some()).count();
        assert!(noted <= COUNTERS_MAX + 1 && notes.0.lock().len() <= COUNTERS_MAX + 1);
    }
}
