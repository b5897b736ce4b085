//! Decides more time: for what somebody is eligible for or holds (extension, renewal), and for a role that is switched
//! on. An administrator gives it; its holder asks an administrator; more time on a running activation passes every
//! rule again.
//!
//! Always: a new end lies after the old one, and within what the rules, the eligibility and the longest span allow when
//! it is given; nobody decides about their own.

use super::assignment::{checked, known_role, known_scope, on_record, ticket_readable};
use super::row::{Row, told};
use super::*;
use crate::command::{Expiration, More, Terms};
use crate::event::{Ask, Failure, Why};
use crate::rules::{Rules, Stage};
use crate::state::{REQUEST_KEPT, Request};

/// How long before the end its holder can ask for more.
const EXTENSION_WINDOW: Span = Span::from_days(14);

pub(super) const fn admin_action(more: More) -> Action {
    match more {
        More::Extension => Action::AdminExtend,
        More::Renewal => Action::AdminRenew,
    }
}

pub(super) const fn self_action(more: More) -> Action {
    match more {
        More::Extension => Action::SelfExtend,
        More::Renewal => Action::SelfRenew,
    }
}

/// Until when something of this sort can be renewed, if it ran out lately.
fn renewable_until(state: &State, sort: Sort, principal: PrincipalId, target: Target, now: Time) -> Option<Time> {
    let recorded = state.expired.get(&(principal, sort, target)).copied();
    let lapsed = Row::of(state, sort, principal, target).and_then(|row| row.ends()).filter(|end| *end <= now);
    recorded.or(lapsed).map(|ended| ended + REQUEST_KEPT).filter(|until| now < *until)
}

/// An end that is said, and later than the one there is.
fn later(expiration: Expiration, ends: Option<Time>, old: Time) -> Result<(), Refusal> {
    const FIELD: &str = "scheduleInfo.expiration";
    if expiration == Expiration::Unspecified {
        let want = "say until when: type afterDateTime with an end, or afterDuration with a duration such as P30D";
        return Err(Refusal::Malformed { field: FIELD, want: want.into() });
    }
    match ends {
        Some(end) if end <= old => Err(Refusal::Schedule {
            field: FIELD,
            want: alloc::format!("it lasts until {old} already, and an extension ends later; to shorten it, change it"),
        }),
        _ => Ok(()),
    }
}

/// `adminExtend` and `adminRenew`.
pub(super) fn by_administrator(state: &State, cx: &Context, more: More, sort: Sort, terms: &Terms) -> Judged {
    let role = || state.role_name(terms.target.role_id());
    let row = Row::of(state, sort, terms.principal, terms.target);
    let until = renewable_until(state, sort, terms.principal, terms.target, cx.now);
    let fits = || match (more, &row) {
        (More::Extension, None) => Err(Refusal::NothingThere { what: told(sort), role: role() }),
        (More::Extension, Some(row)) => {
            let old = row.end_to_move(sort, role(), cx.now)?;
            let (_, ends) = assignment::window(state, cx.now, terms.start, terms.expiration)?;
            later(terms.expiration, ends, old)
        }
        (More::Renewal, Some(row)) if row.ends().is_none_or(|end| cx.now < end) => {
            Err(Refusal::AlreadyThere { what: told(sort), role: role(), until: row.ends() })
        }
        (More::Renewal, _) if until.is_none() => Err(Refusal::NothingThere { what: told(sort), role: role() }),
        (More::Renewal, _) => Ok(()),
    };
    let (ask, starts, ends) = checked(state, cx, sort, terms, admin_action(more), fits)?;
    match (more, row) {
        (More::Extension, Some(row)) => {
            let answer = assignment::granted(&ask, cx.now, row.starts(), ends);
            Ok((vec![row.moved(ask, row.starts(), ends)], answer))
        }
        (_, row) => {
            let answer = assignment::granted(&ask, cx.now, starts, ends);
            let mut events = row.map(|row| row.over(state, cx)).unwrap_or_default();
            events.push(assignment::given(sort, ask, starts, ends));
            Ok((events, answer))
        }
    }
}

/// `selfExtend` and `selfRenew`: an administrator decides.
pub(super) fn ask(state: &State, cx: &Context, more: More, sort: Sort, terms: &Terms) -> Judged {
    long("justification", terms.reason.as_deref())?;
    ticket_readable(&terms.ticket)?;
    let (_, ends) = assignment::window(state, cx.now, terms.start, terms.expiration)?;
    let role = known_role(state, terms.target)?;
    super::principal(state, terms.principal)?;
    known_scope(state, terms.target)?;
    if cx.caller.app_only {
        return Err(Refusal::PeopleOnly { act: "ask for more time" });
    }
    let asker = cx.asker(state)?;
    if asker != terms.principal {
        return Err(Refusal::SelfOnly { act: "ask for more time on what they hold" });
    }
    let action = self_action(more);
    waits_already(state, asker, |r| r.sort == sort && r.ask.target == terms.target)?;
    let row = Row::of(state, sort, asker, terms.target);
    let nothing = || Refusal::NothingThere { what: told(sort), role: role.told().into() };
    let (of, until) = match (more, row) {
        (More::Extension, None) => return Err(nothing()),
        (More::Extension, Some(row)) => {
            let old = row.end_to_move(sort, role.told().into(), cx.now)?;
            if old.since(cx.now) > EXTENSION_WINDOW {
                let from = old.before(EXTENSION_WINDOW);
                let (what, role) = (told(sort), role.told().into());
                return Err(Refusal::TooEarly { what, role, ends: old, from });
            }
            later(terms.expiration, ends, old)?;
            (Some(row.id()), old)
        }
        (More::Renewal, Some(row)) if row.ends().is_none_or(|end| cx.now < end) => {
            return Err(Refusal::AlreadyThere { what: told(sort), role: role.told().into(), until: row.ends() });
        }
        (More::Renewal, _) => {
            let until = renewable_until(state, sort, asker, terms.target, cx.now).ok_or_else(nothing)?;
            later(terms.expiration, ends, cx.now)?;
            (None, until)
        }
    };
    cx.clock_sound()?;
    let rules = activation::rules_of(state, role.id)?;
    let starts = if more == More::Extension { cx.now } else { terms.start.unwrap_or(cx.now).max(cx.now) };
    let side = assignment::side(rules, sort);
    let mut broken = assignment::too_long(side, starts, ends);
    if rules.activation.approval.asker_reason && !terms.says_why() {
        broken.push(Broken::NoReason);
    }
    if !broken.is_empty() {
        return Err(Refusal::Rules { broken, role: role.told().into() });
    }
    let ask = Ask { start: terms.start.filter(|s| *s > cx.now), ..on_record(cx, asker, action, terms) };
    let mut stages = match rules.activation.approval.required_for_extension {
        true => rules.activation.approval.stages.clone(),
        false => Vec::new(),
    };
    stages.push(Stage::by_administrator());
    let answer = waiting(&ask);
    Ok((vec![Event::MoreAsked { ask, sort, of, stages, until }], answer))
}

/// More time on a role that is switched on: every rule is asked again, and the longest span counts from its beginning.
pub(super) fn activation(state: &State, cx: &Context, terms: &Terms) -> Judged {
    long("justification", terms.reason.as_deref())?;
    ticket_readable(&terms.ticket)?;
    let role = known_role(state, terms.target)?;
    super::principal(state, terms.principal)?;
    known_scope(state, terms.target)?;
    if cx.caller.app_only {
        return Err(Refusal::PeopleOnly { act: "extend an activation" });
    }
    let asker = cx.asker(state)?;
    if asker != terms.principal {
        return Err(Refusal::SelfOnly { act: "extend a role they activated" });
    }
    let running = assignment::activated(state, asker, terms.target).filter(|a| a.in_window(cx.now));
    let running = running.and_then(|a| Some((a.ends?, a.from?, a)));
    let Some((old, from, a)) = running else {
        return Err(Refusal::NothingThere { what: "running activation", role: role.told().into() });
    };
    let end = end_asked(terms, cx.now, old)?;
    waits_already(state, asker, |r| r.schedule == Some(a.id.0))?;
    let eligibility = state.eligibilities.get(&from).filter(|e| !e.closing && e.in_window(cx.now));
    let Some(eligibility) = eligibility.filter(|e| ending::supported(state, asker, e.id, terms.target)) else {
        return Err(Refusal::NotEligible { role: role.told().into(), scope: state.scope_name(terms.target.scope()) });
    };
    let ends = eligibility.ends.map_or(end, |last| last.min(end));
    if ends <= old {
        return Err(Refusal::Conflict {
            why: alloc::format!("The eligibility for {} ends then too; that has to be extended first.", role.told()),
        });
    }
    cx.clock_sound()?;
    let rules = activation::rules_of(state, role.id)?;
    let broken = activation::broken(state, cx, rules, terms, ends.since(a.starts));
    if !broken.is_empty() {
        return Err(Refusal::Rules { broken, role: role.told().into() });
    }
    let ask = Ask {
        start: None,
        // Said as a moment, so that waiting for approval moves nothing.
        expiration: Expiration::At(end),
        eligibility: Some(eligibility.id),
        ..on_record(cx, asker, Action::SelfExtend, terms)
    };
    let approval = &rules.activation.approval;
    if approval.required || approval.required_for_extension {
        // After its end there would be nothing to extend without a gap.
        let until = old.min(cx.now + rules.activation.pending_max);
        let (sort, of, stages) = (Sort::Assignment, Some(a.id.0), approval.stages.clone());
        let answer = waiting(&ask);
        return Ok((vec![Event::MoreAsked { ask, sort, of, stages, until }], answer));
    }
    let answer = Answer::Asked(Asked {
        request: ask.request,
        status: Status::Provisioned,
        starts: None,
        ends: Some(ends),
        stops: Vec::new(),
    });
    Ok((vec![Event::ActivationExtended { ask, assignment: a.id, ends }], answer))
}

/// The end that is asked for. A duration counts from the start that is given, or from now.
fn end_asked(terms: &Terms, now: Time, old: Time) -> Result<Time, Refusal> {
    const FIELD: &str = "scheduleInfo.expiration";
    let starts = terms.start.unwrap_or(now).max(now);
    if starts > old {
        return Err(Refusal::Schedule {
            field: "scheduleInfo.startDateTime",
            want: alloc::format!("an extension leaves no gap: begin at the end there is ({old}), or earlier"),
        });
    }
    let end = match terms.expiration {
        Expiration::For(span) => starts + span,
        Expiration::At(end) => end,
        Expiration::Never | Expiration::Unspecified => {
            return Err(Refusal::Malformed {
                field: FIELD,
                want: "an activation needs an end: type afterDateTime with an end, or afterDuration such as PT1H"
                    .into(),
            });
        }
    };
    if end <= old {
        let want = alloc::format!("it lasts until {old} already, and an extension ends later");
        return Err(Refusal::Schedule { field: FIELD, want });
    }
    Ok(end)
}

/// Refuses a second ask for the same, and too many open ones.
fn waits_already(state: &State, asker: PrincipalId, same: impl Fn(&Request) -> bool) -> Result<(), Refusal> {
    let mut open = 0;
    for r in state.open_of(asker) {
        open += 1;
        if matches!(r.ask.action, Action::SelfExtend | Action::SelfRenew) && same(r) {
            return Err(Refusal::AlreadyAsked { request: r.ask.request, since: r.made });
        }
    }
    if open >= OPEN_MAX { Err(Refusal::TooMany { what: "open requests", max: OPEN_MAX }) } else { Ok(()) }
}

/// What to tell somebody whose ask for more time waits for others.
fn waiting(ask: &Ask) -> Answer {
    Answer::Asked(Asked {
        request: ask.request,
        status: Status::PendingApproval,
        starts: None,
        ends: None,
        stops: Vec::new(),
    })
}

/// Whether the administrator who says yes meets what the role asks of administrators who give it directly.
pub(super) fn decider_meets_rules(state: &State, cx: &Context, request: &Request) -> Result<(), Refusal> {
    let rules = activation::rules_of(state, request.ask.target.role_id())?;
    let side = assignment::side(rules, request.sort);
    let missing = side.mfa.then(|| mfa_missing(&cx.caller.proof, assignment::MFA_AGE_MAX, cx.now)).flatten();
    match missing {
        None => Ok(()),
        Some(broken) => {
            Err(Refusal::Rules { broken: vec![broken], role: state.role_name(request.ask.target.role_id()) })
        }
    }
}

/// What happens when everybody who had to has said yes. What the rules have become since is met by clamping.
pub(super) fn carry_out(state: &State, cx: &Context, request: RequestId) -> (Vec<Event>, Status) {
    let fail = |why| (vec![Event::RequestFailed { request, why }], Status::Failed);
    let Some(r) = state.requests.get(&request) else { return (Vec::new(), Status::Failed) };
    let ask = &r.ask;
    if !holds::enabled(state, ask.subject) {
        return fail(Failure::Disabled);
    }
    let Some(role) = state.roles.get(&ask.target.role_id()).filter(|r| r.enabled && r.assignable) else {
        return fail(Failure::RoleGone);
    };
    let Ok(rules) = activation::rules_of(state, role.id) else { return fail(Failure::RoleGone) };
    if let Some(from) = ask.eligibility {
        return extend_running(state, cx, r, rules, from);
    }
    let starts = ask.start.unwrap_or(cx.now).max(cx.now);
    let side = assignment::side(rules, r.sort);
    let asked = match ask.expiration {
        Expiration::For(span) => Some(starts + span),
        Expiration::At(end) => Some(end),
        Expiration::Never | Expiration::Unspecified => None,
    };
    let from = if ask.action == Action::SelfExtend { cx.now } else { starts };
    let longest = side.expiration_required.then(|| from + side.span_max);
    let ends = [asked, longest].into_iter().flatten().min();
    let row = Row::of(state, r.sort, ask.subject, ask.target);
    let event = match (ask.action, row) {
        (Action::SelfExtend, Some(row)) if r.schedule == Some(row.id()) => {
            match row.end_to_move(r.sort, String::new(), cx.now) {
                Ok(old) if ends.is_none_or(|end| end > old) => row.moved(ask.clone(), row.starts(), ends),
                Ok(_) => return fail(Failure::EndsLater),
                Err(_) => return fail(Failure::Over),
            }
        }
        (Action::SelfRenew, None)
            if renewable_until(state, r.sort, ask.subject, ask.target, cx.now).is_some()
                && ends.is_none_or(|end| end > starts) =>
        {
            assignment::given(r.sort, ask.clone(), starts, ends)
        }
        (Action::SelfRenew, Some(_)) => return fail(Failure::ThereAlready),
        (Action::SelfRenew, None) => return fail(Failure::TooLate),
        _ => return fail(Failure::NothingToExtend),
    };
    (vec![event], Status::Provisioned)
}

/// A running activation gets the end that was asked for, within the rules as they are now.
fn extend_running(
    state: &State,
    cx: &Context,
    r: &Request,
    rules: &Rules,
    from: EligibilityId,
) -> (Vec<Event>, Status) {
    let (request, ask) = (r.ask.request, &r.ask);
    let fail = |why| (vec![Event::RequestFailed { request, why }], Status::Failed);
    let running = r.schedule.and_then(|id| state.assignments.get(&AssignmentId(id))).filter(|a| a.in_window(cx.now));
    let Some((a, old)) = running.and_then(|a| Some((a, a.ends?))) else { return fail(Failure::Over) };
    let eligibility = state.eligibilities.get(&from).filter(|e| !e.closing && e.in_window(cx.now));
    let Some(eligibility) = eligibility.filter(|e| ending::supported(state, ask.subject, e.id, ask.target)) else {
        return fail(Failure::EligibilityGone);
    };
    let by_rules = a.starts + rules.activation.span_max;
    let ends = match ask.expiration {
        Expiration::At(end) => end.min(by_rules),
        _ => by_rules,
    };
    let ends = eligibility.ends.map_or(ends, |last| last.min(ends));
    if ends <= old {
        return fail(Failure::NoLaterEnd);
    }
    (vec![Event::ActivationExtended { ask: ask.clone(), assignment: a.id, ends }], Status::Provisioned)
}

/// Takes back what waits for more time on something that has ended.
pub(super) fn cancel_for(state: &State, events: &mut Vec<Event>, of: Uuid, subject: PrincipalId, why: Why) {
    let waits = state.open_of(subject).filter(|r| matches!(r.ask.action, Action::SelfExtend) && r.schedule == Some(of));
    events.extend(waits.map(|r| Event::RequestCanceled { request: r.ask.request, why: Some(why) }));
}
