//! What ends when something it depended on ends, in the same append.
//!
//! Always: an activation whose eligibility no longer reaches its holder does not survive the entry that cut it off.

use super::*;
use crate::event::Why;
use crate::role::GLOBAL_ADMINISTRATOR;
use alloc::collections::BTreeSet;

/// How many enabled emergency accounts hold standing Global Administrator in the whole tenant.
pub(super) fn ways_in(state: &State, now: Time) -> usize {
    state
        .holders_of(GLOBAL_ADMINISTRATOR)
        .filter(|id| state.principals.get(id).is_some_and(|p| p.enabled && p.emergency()))
        .filter(|id| {
            state.assignments_of(*id).any(|a| {
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
    let mut seen = BTreeSet::new();
    for id in principals.into_iter().filter(|id| seen.insert(*id)) {
        for a in next.assignments_of(id) {
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
    let closing: BTreeSet<EligibilityId> = events.iter().filter_map(from).filter(waited).collect();
    if closing.is_empty() {
        return;
    }
    // All of them in one look ahead: thousands of activations may have come from one eligibility.
    let next = after(state, events, cx);
    let mut let_go = Vec::new();
    for id in closing {
        let Some(e) = next.eligibilities.get(&id) else { continue };
        let reached = reached_by(&next, e.principal);
        if !reached.iter().any(|p| next.assignments_of(*p).any(|a| a.from == Some(id))) {
            events.push(Event::EligibilityEnded { eligibility: id, why: Why::Removed, ask: None });
            let_go.extend(reached);
        }
    }
    if !let_go.is_empty() {
        // Somebody may have asked before it was closed, and still waits.
        settle(state, events, cx, let_go, Why::EligibilityGone);
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
    let (held, eligible) = (state.assignments_of(principal), state.eligibilities_of(principal).iter());
    events.extend(held.map(|a| Event::AssignmentEnded { assignment: a.id, why, ask: None }));
    events.extend(eligible.map(|e| Event::EligibilityEnded { eligibility: e.id, why, ask: None }));
    events.extend(state.open_of(principal).map(|r| Event::RequestCanceled { request: r.ask.request, why: Some(why) }));
}

/// What a target was made of, and is no more.
#[derive(Clone, Copy)]
pub(super) enum Gone {
    Role(RoleId),
    Scope(Scope),
}

/// Ends everything that was held of a role or at a scope which goes away, for good.
pub(super) fn end_targets(state: &State, events: &mut Vec<Event>, why: Why, gone: Gone) {
    let fits = |target: Target| match gone {
        Gone::Role(role) => target.role_id() == role,
        Gone::Scope(scope) => target.scope() == scope,
    };
    for a in state.assignments.values().filter(|a| fits(a.target)) {
        events.push(Event::AssignmentEnded { assignment: a.id, why, ask: None });
    }
    // There may be a million eligibilities, and this is asked whenever somebody is deleted: they are found by place.
    let first = EligibilityId::from_u128(0);
    let from = |role, scope| state.placed.range((role, scope, first)..);
    let ended = |id: &EligibilityId| Event::EligibilityEnded { eligibility: *id, why, ask: None };
    match gone {
        Gone::Role(role) => {
            let there = from(role, Scope::Tenant).take_while(|((r, _, _), _)| *r == role);
            events.extend(there.map(|((_, _, id), _)| ended(id)));
        }
        Gone::Scope(scope) => {
            for role in state.roles.keys().copied() {
                let there = from(role, scope).take_while(|((r, s, _), _)| (*r, *s) == (role, scope));
                events.extend(there.map(|((_, _, id), _)| ended(id)));
            }
        }
    }
    for (_, id) in &state.open {
        if state.requests.get(id).is_some_and(|r| fits(r.ask.target)) {
            events.push(Event::RequestCanceled { request: *id, why: Some(why) });
        }
    }
}
