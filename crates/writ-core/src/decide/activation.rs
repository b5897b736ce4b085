//! Decides what an activation request becomes: the event that follows, or the refusal to show.
//! It never stores, waits, or asks what time it is.
//!
//! Always: an activation never outlives the eligibility it came from, and is never longer than the rules allow.

use super::assignment::{known_role, known_scope, on_record, ticket_readable};
use super::*;
use crate::command::{Expiration, Terms};
use crate::event::{Ask, Failure, Why};
use crate::rules::Rules;
use crate::state::{Assignment, Eligibility, Request};
use alloc::sync::Arc;

pub(super) fn request(state: &State, cx: &Context, terms: &Terms) -> Judged {
    long("justification", terms.reason.as_deref())?;
    ticket_readable(&terms.ticket)?;
    let starts = terms.start.unwrap_or(cx.now).max(cx.now);
    let span = span_asked(terms, starts, cx.now)?;
    let role = known_role(state, terms.target)?;
    super::principal(state, terms.principal)?;
    known_scope(state, terms.target)?;

    if cx.caller.app_only {
        return Err(Refusal::PeopleOnly { act: "activate a role" });
    }
    let asker = cx.asker(state)?;
    if asker != terms.principal {
        return Err(Refusal::SelfOnly { act: "activate a role they are eligible for" });
    }
    let Some(eligibility) = eligibility_for(state, asker, terms.target, starts) else {
        return Err(Refusal::NotEligible { role: role.told().into(), scope: state.scope_name(terms.target.scope()) });
    };
    conflicts(state, asker, terms.target, cx.now)?;
    cx.clock_sound()?;

    let rules = rules_of(state, role.id)?;
    let broken = broken(state, cx, rules, terms, span);
    if !broken.is_empty() {
        return Err(Refusal::Rules { broken, role: role.told().into() });
    }

    let ask = Ask {
        start: terms.start.filter(|s| *s > cx.now),
        eligibility: Some(eligibility.id),
        ..on_record(cx, asker, Action::SelfActivate, terms)
    };
    let request = ask.request;
    let asked = |status, starts, ends| Answer::Asked(Asked { request, status, starts, ends, stops: Vec::new() });

    if rules.activation.approval.required {
        let until = cx.now + rules.activation.pending_max;
        let stages = rules.activation.approval.stages.clone();
        let answer = asked(Status::PendingApproval, None, None);
        return Ok((vec![Event::ApprovalAsked { ask, stages, until }], answer));
    }
    if starts > cx.now {
        let answer = asked(Status::Granted, Some(starts), Some(starts + span));
        return Ok((vec![Event::ActivationScheduled { ask: Some(ask), request, starts }], answer));
    }
    let ends = end_of(cx.now, span, rules, &eligibility);
    let answer = asked(Status::Provisioned, None, Some(ends));
    Ok((vec![Event::ActivationBegan { ask: Some(ask), request, ends }], answer))
}

/// Every rule of the role that the ask does not meet, in the order people read them.
pub(super) fn broken(state: &State, cx: &Context, rules: &Rules, terms: &Terms, span: Span) -> Vec<Broken> {
    let mut broken = Vec::new();
    let a = &rules.activation;
    if terms.expiration == Expiration::Never {
        broken.push(Broken::NoEnd { max: a.span_max });
    } else if span > a.span_max {
        broken.push(Broken::TooLong { asked: span, max: a.span_max });
    } else if span < state.span_min() {
        broken.push(Broken::TooShort { asked: span, min: state.span_min() });
    }
    if a.asks_reason() && !terms.says_why() {
        broken.push(Broken::NoReason);
    }
    if a.ticket && !terms.names_ticket() {
        broken.push(Broken::NoTicket);
    }
    if a.mfa {
        broken.extend(mfa_missing(&cx.caller.proof, a.mfa_age_max, cx.now));
    }
    if a.context.enabled
        && let Some(claim) = &a.context.claim
        && !cx.caller.proof.emergency
        && !cx.caller.proof.contexts.contains(claim)
    {
        broken.push(Broken::NoContext { claim: claim.clone() });
    }
    broken
}

/// How long is asked for. An activation always has an end: that "never" is none is for the rules to say.
fn span_asked(terms: &Terms, starts: Time, now: Time) -> Result<Span, Refusal> {
    const FIELD: &str = "scheduleInfo.expiration";
    if starts > now + assignment::FAR {
        return Err(Refusal::Schedule { field: "scheduleInfo.startDateTime", want: "begin within ten years".into() });
    }
    match terms.expiration {
        Expiration::For(span) if span > Span::ZERO => Ok(span),
        Expiration::For(_) => {
            Err(Refusal::Schedule { field: FIELD, want: "give a duration above zero, such as PT1H".into() })
        }
        Expiration::At(end) if end > starts => Ok(end.since(starts)),
        Expiration::At(_) => {
            Err(Refusal::Schedule { field: FIELD, want: alloc::format!("the end must lie after the start ({starts})") })
        }
        Expiration::Never => Ok(Span::ZERO),
        Expiration::Unspecified => Err(Refusal::Malformed {
            field: FIELD,
            want: "an activation needs an end: type afterDuration with a duration such as PT1H".into(),
        }),
    }
}

pub(super) fn rules_of(state: &State, role: RoleId) -> Result<&Rules, Refusal> {
    state.rules.get(&role).map(|r| &**r).ok_or_else(|| Refusal::NoSuch { what: What::Policy, id: role.to_string() })
}

/// The eligibility that would let this principal activate the target at that moment: the one that lasts longest.
pub(crate) fn eligibility_for(
    state: &State,
    principal: PrincipalId,
    target: Target,
    at: Time,
) -> Option<Arc<Eligibility>> {
    holds::eligible(state, principal, at)
        .filter(|e| !e.closing && e.target.role_id() == target.role_id())
        .filter(|e| holds::contains(state, e.target.scope(), target.scope()))
        .max_by_key(|e| e.ends.map_or(i64::MAX, Time::millis))
        .cloned()
}

fn conflicts(state: &State, principal: PrincipalId, target: Target, now: Time) -> Result<(), Refusal> {
    let mut open = 0;
    for r in state.open_of(principal) {
        open += 1;
        if r.ask.target == target && r.ask.action == Action::SelfActivate {
            return Err(Refusal::AlreadyAsked { request: r.ask.request, since: r.made });
        }
    }
    if open >= OPEN_MAX {
        return Err(Refusal::TooMany { what: "open requests", max: OPEN_MAX });
    }
    let running = state.assignments_of(principal).filter(|a| a.activated() && a.in_window(now));
    if running.count() >= ACTIVE_MAX {
        // A role may be switched on for each object apart, and there is no end of objects.
        return Err(Refusal::TooMany { what: "activations at once", max: ACTIVE_MAX });
    }
    if let Some(a) = assignment::activated(state, principal, target).filter(|a| a.in_window(now)) {
        return Err(Refusal::AlreadyActive { role: state.role_name(target.role_id()), until: a.ends });
    }
    Ok(())
}

/// When an activation that begins now ends: as asked, but within the rules and the eligibility as they are now.
fn end_of(now: Time, span: Span, rules: &Rules, eligibility: &Eligibility) -> Time {
    let by_rules = now + span.min(rules.activation.span_max);
    eligibility.ends.map_or(by_rules, |end| by_rules.min(end))
}

/// When the activation that a request asks for ends, if it begins then: the length that was asked for counts from there.
fn end_asked(r: &Request, begins: Time, rules: &Rules, eligibility: &Eligibility) -> Time {
    let ask = &r.ask;
    let span = match ask.expiration {
        Expiration::For(span) => span,
        Expiration::At(end) => end.since(ask.start.unwrap_or(r.made).max(r.made)),
        Expiration::Never | Expiration::Unspecified => rules.activation.span_max,
    };
    let ends = end_of(begins, span, rules, eligibility);
    match ask.expiration {
        Expiration::At(end) => ends.min(end),
        _ => ends,
    }
}

/// The activation that is granted and still ahead, as it will be if nothing changes until it begins: what a list of
/// schedules shows before there is anything to hold.
pub fn scheduled(state: &State, r: &Request) -> Option<Assignment> {
    let starts = r.starts.filter(|_| r.status == Status::Granted && r.ask.action == Action::SelfActivate)?;
    let eligibility = state.eligibilities.get(&r.ask.eligibility?)?;
    let rules = rules_of(state, r.ask.target.role_id()).ok()?;
    Some(Assignment {
        id: AssignmentId(r.ask.request.0),
        principal: r.ask.subject,
        target: r.ask.target,
        starts,
        ends: Some(end_asked(r, starts, rules, eligibility)),
        made: r.made,
        changed: None,
        by: r.ask.by,
        from: Some(eligibility.id),
        plain: false,
    })
}

/// What happens when nothing stands in the way any more: begin now, wait for the start, or say why it cannot be.
pub(super) fn go_ahead(state: &State, cx: &Context, request: RequestId) -> (Vec<Event>, Status) {
    let fail = |why| (vec![Event::RequestFailed { request, why }], Status::Failed);
    let Some(r) = state.requests.get(&request) else { return (Vec::new(), Status::Failed) };
    let ask = &r.ask;
    let starts = ask.start.unwrap_or(cx.now).max(cx.now);
    if !holds::enabled(state, ask.subject) {
        return fail(Failure::Disabled);
    }
    let from =
        ask.eligibility.and_then(|id| state.eligibilities.get(&id)).filter(|e| !e.closing && e.in_window(starts));
    let Some(eligibility) = from.filter(|e| ending::supported(state, ask.subject, e.id, ask.target)).cloned() else {
        return fail(Failure::EligibilityGone);
    };
    let Ok(rules) = rules_of(state, ask.target.role_id()) else { return fail(Failure::RoleGone) };
    if starts > cx.now {
        return (vec![Event::ActivationScheduled { ask: None, request, starts }], Status::Granted);
    }
    if assignment::activated(state, ask.subject, ask.target).is_some_and(|a| a.in_window(cx.now)) {
        return fail(Failure::ActiveAlready);
    }
    let ends = end_asked(r, cx.now, rules, &eligibility);
    if ends <= cx.now {
        return fail(Failure::EndPassed);
    }
    (vec![Event::ActivationBegan { ask: None, request, ends }], Status::Provisioned)
}

/// Time: the start of a scheduled activation has come.
pub(super) fn begin(state: &State, cx: &Context, request: RequestId) -> Judged {
    cx.by_itself("beginning an activation by hand")?;
    let due = state
        .requests
        .get(&request)
        .is_some_and(|r| r.status == Status::Granted && r.starts.is_some_and(|s| s <= cx.now));
    if !due {
        return Ok((Vec::new(), Answer::Done));
    }
    cx.clock_sound()?;
    let (events, status) = go_ahead(state, cx, request);
    Ok((events, Answer::Decided { request, status }))
}

pub(super) fn deactivate(
    state: &State,
    cx: &Context,
    principal: PrincipalId,
    target: Target,
    reason: Option<&str>,
) -> Judged {
    long("justification", reason)?;
    known_role(state, target)?;
    super::principal(state, principal)?;
    known_scope(state, target)?;
    let asker = cx.asker(state)?;
    if asker != principal {
        return Err(Refusal::SelfOnly { act: "give up a role they activated" });
    }
    let Some(a) = assignment::activated(state, asker, target) else {
        let role = state.role_name(target.role_id());
        return Err(Refusal::NothingThere { what: "activation", role });
    };
    assignment::old_enough(state, cx, a.starts)?;
    let request = cx.request();
    let ask = Ask {
        request,
        by: Some(asker),
        subject: asker,
        action: Action::SelfDeactivate,
        target,
        start: None,
        expiration: Expiration::Unspecified,
        reason: personal(asker, reason),
        ticket: None,
        eligibility: None,
        mfa: None,
    };
    let mut events = vec![Event::AssignmentEnded { assignment: a.id, why: Why::GivenUp, ask: Some(ask) }];
    prolonging::cancel_for(state, &mut events, a.id.0, asker, Why::GivenUp);
    ending::close_idle(state, &mut events, cx);
    let answer = Asked { request, status: Status::Revoked, starts: None, ends: None, stops: Vec::new() };
    Ok((events, Answer::Asked(answer)))
}
