//! What an administrator gives and lengthens, whichever of the two it is: an eligibility, or a standing assignment.
//!
//! Always: it is looked at as it is in the state; what it becomes is an event.

use super::*;
use crate::event::{Ask, Why};
use crate::state::{Assignment, Eligibility};
use alloc::sync::Arc;

/// An eligibility or a standing assignment.
pub(super) enum Row {
    Eligible(Arc<Eligibility>),
    Standing(Arc<Assignment>),
}

impl Row {
    /// The one that somebody has of a target, if there is one.
    pub(super) fn of(state: &State, sort: Sort, principal: PrincipalId, target: Target) -> Option<Row> {
        match sort {
            Sort::Eligibility => assignment::eligibility(state, principal, target).map(Row::Eligible),
            Sort::Assignment => assignment::standing(state, principal, target).map(Row::Standing),
        }
    }

    /// The one that has this id.
    pub(super) fn with_id(state: &State, id: Uuid) -> Option<Row> {
        let standing = || state.assignments.get(&AssignmentId(id)).filter(|a| !a.activated()).cloned();
        let eligible = state.eligibilities.get(&EligibilityId(id)).cloned().map(Row::Eligible);
        eligible.or_else(|| standing().map(Row::Standing))
    }

    /// Its id, whichever it is.
    pub(super) fn id(&self) -> Uuid {
        match self {
            Row::Eligible(e) => e.id.0,
            Row::Standing(a) => a.id.0,
        }
    }

    pub(super) fn starts(&self) -> Time {
        match self {
            Row::Eligible(e) => e.starts,
            Row::Standing(a) => a.starts,
        }
    }

    pub(super) fn ends(&self) -> Option<Time> {
        match self {
            Row::Eligible(e) => e.ends,
            Row::Standing(a) => a.ends,
        }
    }

    /// Its end, if it can be moved: it is not over, and not being taken away.
    pub(super) fn end_to_move(&self, sort: Sort, role: String, now: Time) -> Result<Time, Refusal> {
        let closing = matches!(self, Row::Eligible(e) if e.closing);
        match self.ends() {
            None => Err(Refusal::Conflict {
                why: alloc::format!("The {} for {role} has no end, so there is nothing to extend.", told(sort)),
            }),
            Some(end) if end <= now || closing => Err(Refusal::NothingThere { what: told(sort), role }),
            Some(end) => Ok(end),
        }
    }

    /// The event that gives it another window.
    pub(super) fn moved(&self, ask: Ask, starts: Time, ends: Option<Time>) -> Event {
        match self {
            Row::Eligible(e) => Event::EligibilityChanged { ask, eligibility: e.id, starts, ends },
            Row::Standing(a) => Event::AssignmentChanged { ask, assignment: a.id, starts, ends },
        }
    }

    /// The event that ends it.
    pub(super) fn ended(&self, why: Why) -> Event {
        match self {
            Row::Eligible(e) => Event::EligibilityEnded { eligibility: e.id, why, ask: None },
            Row::Standing(a) => Event::AssignmentEnded { assignment: a.id, why, ask: None },
        }
    }

    /// What follows when its end has passed and time has not said so yet.
    pub(super) fn over(&self, state: &State, cx: &Context) -> Vec<Event> {
        let mut events = vec![self.ended(Why::TimeIsUp)];
        if let Row::Eligible(e) = self {
            ending::settle(state, &mut events, cx, ending::reached_by(state, e.principal), Why::EligibilityGone);
        }
        events
    }
}

/// What a refusal calls it.
pub(super) const fn told(sort: Sort) -> &'static str {
    match sort {
        Sort::Eligibility => "eligibility",
        Sort::Assignment => "assignment",
    }
}
