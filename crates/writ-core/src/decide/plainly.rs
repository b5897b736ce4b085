//! Assignments made and taken away without a request: what Graph's older doors do beside privileged identity management.
//!
//! Always: such a door is no way around what the role asks of administrators, except for the reason, which these doors
//! have no place for; what came through them is marked so.

use super::assignment::{known_role, known_scope, receivable, side, standing, too_long};
use super::*;
use crate::event::Why;

pub(super) fn assign(state: &State, cx: &Context, principal: PrincipalId, target: Target) -> Judged {
    let role = known_role(state, target)?;
    let subject = super::principal(state, principal)?;
    known_scope(state, target)?;
    cx.with_duty(state, Duty::ManageRoles)?;
    receivable(role, subject, target.scope(), Sort::Assignment)?;
    if let Some(a) = standing(state, principal, target) {
        return Err(Refusal::AlreadyThere { what: "assignment", role: role.told().into(), until: a.ends });
    }
    cx.clock_sound()?;
    let rules = side(activation::rules_of(state, role.id)?, Sort::Assignment);
    let mut broken = too_long(rules, cx.now, None);
    if rules.ticket {
        broken.push(Broken::NoTicket);
    }
    if rules.mfa {
        broken.extend(mfa_missing(&cx.caller.proof, assignment::MFA_AGE_MAX, cx.now));
    }
    if !broken.is_empty() {
        return Err(Refusal::Rules { broken, role: role.told().into() });
    }
    let assignment = AssignmentId(cx.ids[0]);
    Ok((vec![Event::AssignmentMade { assignment, principal, target }], Answer::Made(assignment.0)))
}

pub(super) fn take(state: &State, cx: &Context, id: AssignmentId) -> Judged {
    cx.with_duty(state, Duty::ManageRoles)?;
    let a = state.assignments.get(&id).ok_or_else(|| Refusal::NoSuch { what: What::Object, id: id.to_string() })?;
    let mut events = vec![Event::AssignmentEnded { assignment: id, why: Why::Removed, ask: None }];
    prolonging::cancel_for(state, &mut events, id.0, a.principal, Why::Removed);
    ending::close_idle(state, &mut events, cx);
    Ok((events, Answer::Done))
}
