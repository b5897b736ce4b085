//! Eligibilities and assignments: given, changed, over.
//!
//! Always: what runs out by itself is remembered, for it can be renewed; what was taken away is not.

use super::*;
use crate::command::Removal;
use crate::event::Why;

impl State {
    pub(super) fn eligibility_granted(&mut self, ask: &Ask, starts: Time, ends: Option<Time>) {
        self.expired.remove(&(ask.subject, Sort::Eligibility, ask.target));
        self.put_eligibility(Eligibility {
            id: EligibilityId(ask.request.0),
            principal: ask.subject,
            target: ask.target,
            starts,
            ends,
            made: self.at,
            changed: None,
            by: ask.by,
            closing: false,
        });
        self.done(ask, Sort::Eligibility, Status::Provisioned, Some(starts), Some(ask.request.0));
    }

    /// A new window also takes back that it was closing.
    pub(super) fn eligibility_changed(&mut self, ask: &Ask, id: EligibilityId, starts: Time, ends: Option<Time>) {
        let changed = Some(self.at);
        if let Some(e) = self.eligibilities.get(&id).cloned() {
            self.put_eligibility(Eligibility { starts, ends, changed, closing: false, ..Eligibility::clone(&e) });
        }
        self.done(ask, Sort::Eligibility, Status::Provisioned, Some(starts), Some(id.0));
    }

    pub(super) fn eligibility_closed(&mut self, ask: &Ask, id: EligibilityId, when: Removal) {
        let closing = when == Removal::WhenRunningEnd;
        if let Some(e) = self.eligibilities.get(&id).cloned() {
            self.put_eligibility(Eligibility { closing, ..Eligibility::clone(&e) });
        }
        self.done(ask, Sort::Eligibility, Status::Revoked, None, None);
    }

    pub(super) fn eligibility_ended(&mut self, id: EligibilityId, why: Why, ask: Option<&Ask>) {
        if let Some(e) = self.drop_eligibility(id)
            && why == Why::TimeIsUp
        {
            // From its own end: it may have been noticed late, by a server that was down.
            self.expired.insert((e.principal, Sort::Eligibility, e.target), e.ends.unwrap_or(self.at));
        }
        if let Some(ask) = ask {
            self.done(ask, Sort::Eligibility, Status::Revoked, None, None);
        }
    }

    pub(super) fn assignment_granted(&mut self, ask: &Ask, starts: Time, ends: Option<Time>) {
        let id = AssignmentId(ask.request.0);
        self.stands(Assignment { starts, ends, by: ask.by, ..self.standing(id, ask.subject, ask.target) });
        self.done(ask, Sort::Assignment, Status::Provisioned, Some(starts), Some(ask.request.0));
    }

    /// Without a request.
    pub(super) fn assignment_made(
        &mut self,
        id: AssignmentId,
        principal: PrincipalId,
        target: Target,
        by: Option<PrincipalId>,
    ) {
        self.stands(Assignment { by, plain: true, ..self.standing(id, principal, target) });
    }

    /// A standing assignment from now on, without an end.
    fn standing(&self, id: AssignmentId, principal: PrincipalId, target: Target) -> Assignment {
        let (starts, made) = (self.at, self.at);
        let (ends, changed, by, from, plain) = (None, None, None, None, false);
        Assignment { id, principal, target, starts, ends, made, changed, by, from, plain }
    }

    fn stands(&mut self, a: Assignment) {
        self.expired.remove(&(a.principal, Sort::Assignment, a.target));
        self.put_assignment(a);
    }

    pub(super) fn assignment_changed(&mut self, ask: &Ask, id: AssignmentId, starts: Time, ends: Option<Time>) {
        let changed = Some(self.at);
        if let Some(a) = self.assignments.get(&id).cloned() {
            self.put_assignment(Assignment { starts, ends, changed, ..Assignment::clone(&a) });
        }
        self.done(ask, Sort::Assignment, Status::Provisioned, Some(starts), Some(id.0));
    }

    /// An activation ends sooner, or later, than it was to.
    pub(super) fn end_moved(&mut self, id: AssignmentId, ends: Time) {
        let (ends, changed) = (Some(ends), Some(self.at));
        if let Some(a) = self.assignments.get(&id).cloned() {
            self.put_assignment(Assignment { ends, changed, ..Assignment::clone(&a) });
        }
    }

    pub(super) fn activation_extended(&mut self, ask: &Ask, id: AssignmentId, ends: Time) {
        self.end_moved(id, ends);
        let starts = self.assignments.get(&id).map(|a| a.starts);
        self.done(ask, Sort::Assignment, Status::Provisioned, starts, Some(id.0));
    }

    pub(super) fn activation_began(&mut self, ask: Option<&Ask>, request: RequestId, ends: Time) {
        let Some(r) = self.request_began(ask, request) else { return };
        let a = Assignment {
            ends: Some(ends),
            by: r.ask.by,
            from: r.ask.eligibility,
            ..self.standing(AssignmentId(request.0), r.ask.subject, r.ask.target)
        };
        self.put_request(r);
        self.put_assignment(a);
    }

    pub(super) fn assignment_ended(&mut self, id: AssignmentId, why: Why, ask: Option<&Ask>) {
        if let Some(a) = self.drop_assignment(id)
            && why == Why::TimeIsUp
            && !a.activated()
        {
            self.expired.insert((a.principal, Sort::Assignment, a.target), a.ends.unwrap_or(self.at));
        }
        if let Some(ask) = ask {
            self.done(ask, Sort::Assignment, Status::Revoked, None, None);
        }
    }
}
