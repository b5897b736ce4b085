//! What an administrator gives and takes: eligibility and direct assignment.
//! No approval is asked here; a direct assignment is always visible.
//!
//! Always: there is at most one eligibility and one standing assignment per principal, role and scope.

use super::row::{Row, told};
use super::*;
use crate::command::{Expiration, Removal, Terms, TicketGiven};
use crate::event::{Ask, Ticket, Why};
use crate::rules::AdminSide;
use crate::state::{Assignment, Eligibility};
use alloc::sync::Arc;

/// How old the proof of MFA may be where a role asks it of administrators.
pub(super) const MFA_AGE_MAX: Span = Span::from_hours(12);

pub(super) fn assign(state: &State, cx: &Context, sort: Sort, terms: &Terms) -> Judged {
    let free = || match Row::of(state, sort, terms.principal, terms.target) {
        None => Ok(()),
        Some(row) => {
            let role = state.role_name(terms.target.role_id());
            Err(Refusal::AlreadyThere { what: told(sort), role, until: row.ends() })
        }
    };
    let (ask, starts, ends) = checked(state, cx, sort, terms, Action::AdminAssign, free)?;
    let answer = granted(&ask, cx.now, starts, ends);
    Ok((vec![given(sort, ask, starts, ends)], answer))
}

/// The event that makes an eligibility or a standing assignment.
pub(super) fn given(sort: Sort, ask: Ask, starts: Time, ends: Option<Time>) -> Event {
    match sort {
        Sort::Eligibility => Event::EligibilityGranted { ask, starts, ends },
        Sort::Assignment => Event::AssignmentGranted { ask, starts, ends },
    }
}

pub(super) fn reassign(state: &State, cx: &Context, sort: Sort, terms: &Terms) -> Judged {
    let row = Row::of(state, sort, terms.principal, terms.target);
    let nothing = || Refusal::NothingThere { what: told(sort), role: state.role_name(terms.target.role_id()) };
    let there = || if row.is_some() { Ok(()) } else { Err(nothing()) };
    let (ask, starts, ends) = checked(state, cx, sort, terms, Action::AdminUpdate, there)?;
    let row = row.as_ref().ok_or_else(nothing)?;
    let answer = granted(&ask, cx.now, starts, ends);
    // What has begun keeps its beginning; only a window still ahead can be moved.
    let starts = if row.starts() <= cx.now { row.starts() } else { starts };
    let mut events = vec![row.moved(ask, starts, ends)];
    if let (Row::Eligible(e), Some(end)) = (row, ends) {
        // What runs from it must not outlive it, nor wait for the day to find out.
        let reached = ending::reached_by(state, terms.principal);
        let running = reached.into_iter().flat_map(|p| state.assignments_of(p));
        for a in running.filter(|a| a.from == Some(e.id) && a.ends.is_none_or(|x| x > end)) {
            events.push(Event::ActivationShortened { assignment: a.id, ends: end });
        }
    }
    Ok((events, answer))
}

/// What is to be taken away, from whom, when and why.
pub(super) struct Taking<'a> {
    pub(super) sort: Sort,
    pub(super) principal: PrincipalId,
    pub(super) target: Target,
    pub(super) when: Removal,
    pub(super) reason: Option<&'a str>,
}

pub(super) fn remove(state: &State, cx: &Context, taking: &Taking<'_>) -> Judged {
    let Taking { sort, principal, target, when, reason } = *taking;
    long("justification", reason)?;
    known_role(state, target)?;
    super::principal(state, principal)?;
    known_scope(state, target)?;
    let by = cx.with_duty(state, Duty::ManageRoles)?;
    let role = state.role_name(target.role_id());
    let ask = Ask {
        request: cx.request(),
        by: Some(by),
        subject: principal,
        action: Action::AdminRemove,
        target,
        start: None,
        expiration: Expiration::Unspecified,
        reason: personal(by, reason),
        ticket: None,
        eligibility: None,
        mfa: cx.caller.proof.mfa,
    };
    let stops = stopped_by_removal(state, sort, principal, target);
    let mut events = Vec::new();
    match sort {
        Sort::Eligibility => {
            let e = eligibility(state, principal, target).ok_or(Refusal::NothingThere { what: "eligibility", role })?;
            old_enough(state, cx, e.made)?;
            let eligibility = e.id;
            if when == Removal::WhenRunningEnd && !stops.is_empty() {
                events.push(Event::EligibilityClosed { ask, eligibility, when });
            } else {
                events.push(Event::EligibilityEnded { eligibility, why: Why::Removed, ask: Some(ask) });
                prolonging::cancel_for(state, &mut events, eligibility.0, principal, Why::Removed);
                ending::settle(state, &mut events, cx, ending::reached_by(state, principal), Why::EligibilityGone);
            }
        }
        Sort::Assignment => {
            // What an administrator sees as "active" may also be an activation: it is taken away just as well.
            let a = standing(state, principal, target)
                .or_else(|| activated(state, principal, target))
                .ok_or(Refusal::NothingThere { what: "assignment", role })?;
            old_enough(state, cx, a.made)?;
            events.push(Event::AssignmentEnded { assignment: a.id, why: Why::Removed, ask: Some(ask) });
            prolonging::cancel_for(state, &mut events, a.id.0, principal, Why::Removed);
            ending::close_idle(state, &mut events, cx);
        }
    }
    let stops = if when == Removal::WhenRunningEnd { Vec::new() } else { stops };
    let answer = Asked { request: cx.request(), status: Status::Revoked, starts: None, ends: None, stops };
    Ok((events, Answer::Asked(answer)))
}

/// Whose running activations a removal would stop now.
pub fn stopped_by_removal(state: &State, sort: Sort, principal: PrincipalId, target: Target) -> Vec<Stopped> {
    let told =
        |a: &Arc<Assignment>| Stopped { assignment: a.id, principal: a.principal, target: a.target, ends: a.ends };
    match sort {
        Sort::Assignment => standing(state, principal, target)
            .or_else(|| activated(state, principal, target))
            .iter()
            .map(told)
            .collect(),
        Sort::Eligibility => {
            let Some(e) = eligibility(state, principal, target) else { return Vec::new() };
            ending::reached_by(state, principal)
                .into_iter()
                .flat_map(|p| state.assignments_of(p))
                .filter(|a| a.from == Some(e.id))
                .map(told)
                .collect()
        }
    }
}

pub(super) fn old_enough(state: &State, cx: &Context, made: Time) -> Result<(), Refusal> {
    let min = state.settings.as_ref().map_or(Span::ZERO, |s| s.age_min);
    if cx.now.since(made) < min { Err(Refusal::TooYoung { min, from: made + min }) } else { Ok(()) }
}

pub(super) fn eligibility(state: &State, principal: PrincipalId, target: Target) -> Option<Arc<Eligibility>> {
    state.eligibilities_of(principal).iter().find(|e| e.target == target).cloned()
}
pub(super) fn standing(state: &State, principal: PrincipalId, target: Target) -> Option<Arc<Assignment>> {
    state.assignments_of(principal).find(|a| a.target == target && !a.activated()).cloned()
}
/// The activation that lasts longest: one whose end has passed and is not on record yet does not hide the one after it.
pub(super) fn activated(state: &State, principal: PrincipalId, target: Target) -> Option<Arc<Assignment>> {
    let mine = state.assignments_of(principal).filter(|a| a.target == target && a.activated());
    mine.max_by_key(|a| a.ends).cloned()
}

pub(super) fn granted(ask: &Ask, now: Time, starts: Time, ends: Option<Time>) -> Answer {
    Answer::Asked(Asked {
        request: ask.request,
        status: if starts > now { Status::Granted } else { Status::Provisioned },
        starts: (starts > now).then_some(starts),
        ends,
        stops: Vec::new(),
    })
}

/// The rules for administrators who give this.
pub(super) fn side(rules: &crate::rules::Rules, sort: Sort) -> &AdminSide {
    match sort {
        Sort::Eligibility => &rules.eligibility,
        Sort::Assignment => &rules.assignment,
    }
}

/// Whether this role can be given to this principal there at all.
pub(super) fn receivable(
    role: &crate::role::Role,
    subject: &crate::directory::Principal,
    scope: Scope,
    sort: Sort,
) -> Result<(), Refusal> {
    if !role.holds_at(scope) {
        return Err(Refusal::NotAtScope { role: role.told().into() });
    }
    if !role.assignable || !role.enabled {
        return Err(Refusal::Conflict {
            why: alloc::format!("{} cannot be assigned; choose an enabled role that can.", role.told()),
        });
    }
    match &subject.kind {
        crate::directory::Kind::Group(g) if !g.role_assignable => {
            return Err(Refusal::Conflict {
                why: "Only a role-assignable group can be given a role; create one with isAssignableToRole.".into(),
            });
        }
        crate::directory::Kind::Service(_) if sort == Sort::Eligibility => {
            return Err(Refusal::Conflict {
                why:
                    "A program cannot be eligible, since nobody could prove who asks; assign it directly, with an end."
                        .into(),
            });
        }
        _ => {}
    }
    Ok(())
}

/// Everything that must hold whichever way an administrator gives something, in the order in which Graph says it:
/// shape, existence, duty, what is there already (`fits`), rules.
pub(super) fn checked(
    state: &State,
    cx: &Context,
    sort: Sort,
    terms: &Terms,
    action: Action,
    fits: impl FnOnce() -> Result<(), Refusal>,
) -> Result<(Ask, Time, Option<Time>), Refusal> {
    long("justification", terms.reason.as_deref())?;
    ticket_readable(&terms.ticket)?;
    let (starts, ends) = window(state, cx.now, terms.start, terms.expiration)?;
    let role = known_role(state, terms.target)?;
    let subject = super::principal(state, terms.principal)?;
    known_scope(state, terms.target)?;
    let by = cx.with_duty(state, Duty::ManageRoles)?;
    receivable(role, subject, terms.target.scope(), sort)?;
    fits()?;
    cx.clock_sound()?;
    let rules = activation::rules_of(state, role.id)?;
    // What goes on from before is measured from now: no start that is given makes it longer.
    let from = if action == Action::AdminExtend { cx.now } else { starts };
    let broken = broken(side(rules, sort), terms, cx, from, ends);
    if !broken.is_empty() {
        return Err(Refusal::Rules { broken, role: role.told().into() });
    }
    Ok((on_record(cx, by, action, terms), starts, ends))
}

/// How a window breaks the rule about expiration, if it does.
pub(super) fn too_long(side: &AdminSide, starts: Time, ends: Option<Time>) -> Vec<Broken> {
    let mut broken = Vec::new();
    if side.expiration_required {
        match ends {
            None => broken.push(Broken::NoEnd { max: side.span_max }),
            Some(end) if end.since(starts) > side.span_max => {
                broken.push(Broken::TooLong { asked: end.since(starts), max: side.span_max });
            }
            Some(_) => {}
        }
    }
    broken
}

fn broken(side: &AdminSide, terms: &Terms, cx: &Context, starts: Time, ends: Option<Time>) -> Vec<Broken> {
    let mut broken = too_long(side, starts, ends);
    if side.reason && !terms.says_why() {
        broken.push(Broken::NoReason);
    }
    if side.ticket && !terms.names_ticket() {
        broken.push(Broken::NoTicket);
    }
    if side.mfa {
        broken.extend(mfa_missing(&cx.caller.proof, MFA_AGE_MAX, cx.now));
    }
    broken
}

/// How far ahead anything may begin: ten years.
pub(super) const FAR: Span = Span::from_days(3653);

/// The window that a start and an expiration describe. A past start counts as now.
pub(super) fn window(
    state: &State,
    now: Time,
    start: Option<Time>,
    expiration: Expiration,
) -> Result<(Time, Option<Time>), Refusal> {
    let starts = start.unwrap_or(now).max(now);
    if starts > now + FAR {
        return Err(Refusal::Schedule { field: "scheduleInfo.startDateTime", want: "begin within ten years".into() });
    }
    let ends = match expiration {
        Expiration::Never | Expiration::Unspecified => None,
        Expiration::For(span) => Some(starts + span),
        Expiration::At(end) => Some(end),
    };
    if let Some(end) = ends {
        if end <= starts {
            let want = alloc::format!("the end must lie after the start ({starts})");
            return Err(Refusal::Schedule { field: "scheduleInfo.expiration", want });
        }
        if end > starts + crate::time::SPAN_MAX {
            return Err(Refusal::Schedule {
                field: "scheduleInfo.expiration",
                want: "end within a hundred years".into(),
            });
        }
        let min = state.span_min();
        if end.since(starts) < min {
            let want = alloc::format!("{} is too short; {} at least", end.since(starts).told(), min.told());
            return Err(Refusal::Schedule { field: "scheduleInfo.expiration", want });
        }
    }
    Ok((starts, ends))
}

/// Whether a usable ticket was given; refuses one that is malformed.
/// Refuses a ticket that is malformed.
pub(super) fn ticket_readable(ticket: &TicketGiven) -> Result<(), Refusal> {
    for (field, text) in [("ticketInfo.ticketNumber", &ticket.number), ("ticketInfo.ticketSystem", &ticket.system)] {
        let text = text.as_deref().unwrap_or("");
        if text.len() > NAME_MAX || text.chars().any(char::is_control) {
            return Err(Refusal::Malformed {
                field,
                want: "give at most 256 bytes of text without control characters".into(),
            });
        }
    }
    Ok(())
}

/// What stays of an ask on record, as it was made.
pub(super) fn on_record(cx: &Context, by: PrincipalId, action: Action, terms: &Terms) -> Ask {
    let TicketGiven { number, system } = &terms.ticket;
    let ticket = Ticket { number: personal(by, number.as_deref()), system: personal(by, system.as_deref()) };
    Ask {
        request: cx.request(),
        by: Some(by),
        subject: terms.principal,
        action,
        target: terms.target,
        start: terms.start,
        expiration: terms.expiration,
        reason: personal(by, terms.reason.as_deref()),
        ticket: (number.is_some() || system.is_some()).then_some(ticket),
        eligibility: None,
        mfa: cx.caller.proof.mfa,
    }
}

pub(super) fn known_role(state: &State, target: Target) -> Result<&crate::role::Role, Refusal> {
    let id = target.role_id();
    state.roles.get(&id).map(|r| &**r).ok_or_else(|| Refusal::NoSuch { what: What::Role, id: id.to_string() })
}

pub(crate) fn known_scope(state: &State, target: Target) -> Result<(), Refusal> {
    let known = match target.scope() {
        Scope::Tenant => true,
        Scope::Unit(id) => state.units.contains_key(&id),
        Scope::Object(id) => state.principals.contains_key(&PrincipalId(id)) || state.hosts.contains_key(&DeviceId(id)),
    };
    if known { Ok(()) } else { Err(Refusal::NoSuch { what: What::Scope, id: target.scope().to_string() }) }
}
