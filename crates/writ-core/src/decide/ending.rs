//! What ends when something it depended on ends, in the same append.
//!
//! Always: an activation whose eligibility no longer reaches its holder does not survive the entry that cut it off.

use super::*;
use crate::event::Why;
use crate::role::GLOBAL_ADMINISTRATOR;

/// How many enabled emergency accounts hold standing Global Administrator in the whole tenant.
pub(super) fn ways_in(state: &State, now: Time) -> usize {
    state
        .holders_of(GLOBAL_ADMINISTRATOR)
        .filter(|id| state.principals.get(id).is_some_and(|p| p.enabled && p.emergency()))
        .filter(|id| {
            state.held_by(*id).assignments.iter().any(|a| {
                !a.activated()
                    && a.ends.is_none()
                    && a.in_window(now)
                    && a.target == Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant)
            })
        })
        .count()
}

/// A principal and, if it is a group, its direct members: those whom its grants reach.
pub(super) fn reached_by(state: &State, principal: PrincipalId) -> Vec<PrincipalId> {
    let mut reached = vec![principal];
    if let Some(g) = state.principals.get(&principal).and_then(|p| p.group()) {
        reached.extend(g.members.iter().copied());
    }
    reached
}

/// Ends the activations and open requests of these principals that nothing supports any more, looking at the state
/// as it is after `events`, and adds what follows to them.
pub(super) fn settle(state: &State, events: &mut Vec<Event>, cx: &Context, principals: Vec<PrincipalId>, why: Why) {
    let next = after(state, events, cx);
    for id in principals {
        for a in &next.held_by(id).assignments {
            if let Some(from) = a.from
                && !supported(&next, id, from, a.target)
            {
                events.push(Event::AssignmentEnded { assignment: a.id, why, ask: None });
            }
        }
        for r in next.open_of(id) {
            if let Some(from) = r.ask.eligibility
                && !supported(&next, id, from, r.ask.target)
            {
                events.push(Event::RequestCanceled { request: r.ask.request, why: Some(why) });
            }
        }
    }
    close_idle(state, events, cx);
}

/// Whether an eligibility is still there and reaches this principal for this target.
pub(super) fn supported(state: &State, principal: PrincipalId, from: EligibilityId, target: Target) -> bool {
    let Some(e) = state.eligibilities.get(&from) else { return false };
    let reaches = e.principal == principal || holds::eligible_ever(state, principal).any(|x| x.id == from);
    reaches
        && holds::enabled(state, principal)
        && state.roles.get(&target.role_id()).is_some_and(|r| r.enabled)
        && holds::contains(state, e.target.scope(), target.scope())
}

/// Ends the eligibilities that were only waiting for the activations which these events end, whichever way those end.
pub(super) fn close_idle(state: &State, events: &mut Vec<Event>, cx: &Context) {
    let from = |event: &Event| match event {
        Event::AssignmentEnded { assignment, .. } => state.assignments.get(assignment)?.from,
        _ => None,
    };
    let waited = |id: &EligibilityId| state.eligibilities.get(id).is_some_and(|e| e.closing);
    let closing: Vec<EligibilityId> = events.iter().filter_map(from).filter(waited).collect();
    for id in closing {
        let next = after(state, events, cx);
        let Some(e) = next.eligibilities.get(&id) else { continue };
        let reached = reached_by(&next, e.principal);
        if !reached.iter().any(|p| next.held_by(*p).assignments.iter().any(|a| a.from == Some(id))) {
            events.push(Event::EligibilityEnded { eligibility: id, why: Why::Removed, ask: None });
            // Somebody may have asked before it was closed, and still waits.
            settle(state, events, cx, reached, Why::EligibilityGone);
        }
    }
}

/// Time: an assignment is over.
pub(super) fn end_assignment(state: &State, cx: &Context, id: AssignmentId) -> Judged {
    cx.by_itself("ending an assignment by hand")?;
    let mut events = Vec::new();
    if state.assignments.get(&id).is_some_and(|a| a.ends.is_some_and(|end| end <= cx.now)) {
        events.push(Event::AssignmentEnded { assignment: id, why: Why::TimeIsUp, ask: None });
        close_idle(state, &mut events, cx);
    }
    Ok((events, Answer::Done))
}

/// Time: an eligibility is over. Activations were clamped to it, so they end in the same moment.
pub(super) fn end_eligibility(state: &State, cx: &Context, id: EligibilityId) -> Judged {
    cx.by_itself("ending an eligibility by hand")?;
    let mut events = Vec::new();
    if let Some(e) = state.eligibilities.get(&id).filter(|e| e.ends.is_some_and(|end| end <= cx.now)) {
        events.push(Event::EligibilityEnded { eligibility: id, why: Why::TimeIsUp, ask: None });
        settle(state, &mut events, cx, reached_by(state, e.principal), Why::EligibilityGone);
    }
    Ok((events, Answer::Done))
}

/// Time: requests that ended long ago leave the live state.
pub(super) fn forget(cx: &Context, before: Time) -> Judged {
    cx.by_itself("forgetting requests by hand")?;
    if before + crate::state::REQUEST_KEPT > cx.now {
        return Err(Refusal::NotSupported { what: "forgetting requests that ended less than 30 days ago".into() });
    }
    Ok((vec![Event::RequestsForgotten { before }], Answer::Done))
}

/// Ends everything a principal is eligible for and holds, for good, and its open requests.
pub(super) fn end_all_of(state: &State, events: &mut Vec<Event>, principal: PrincipalId, why: Why) {
    let held = state.held_by(principal);
    events.extend(held.assignments.iter().map(|a| Event::AssignmentEnded { assignment: a.id, why, ask: None }));
    events.extend(held.eligibilities.iter().map(|e| Event::EligibilityEnded { eligibility: e.id, why, ask: None }));
    events.extend(state.open_of(principal).map(|r| Event::RequestCanceled { request: r.ask.request, why: Some(why) }));
}

/// Ends everything whose target fits, for good: a role or a scope that goes away.
pub(super) fn end_targets(state: &State, events: &mut Vec<Event>, why: Why, fits: impl Fn(Target) -> bool) {
    for a in state.assignments.values().filter(|a| fits(a.target)) {
        events.push(Event::AssignmentEnded { assignment: a.id, why, ask: None });
    }
    for e in state.eligibilities.values().filter(|e| fits(e.target)) {
        events.push(Event::EligibilityEnded { eligibility: e.id, why, ask: None });
    }
    for (_, id) in &state.open {
        if state.requests.get(id).is_some_and(|r| fits(r.ask.target)) {
            events.push(Event::RequestCanceled { request: *id, why: Some(why) });
        }
    }
}
