//! Decides requests: who may, and what follows.
//!
//! Always: nobody decides their own request, not by another principal of the same person, not through a group;
//! deciders are distinct persons, entitled at the moment they decide.

use super::row::Row;
use super::*;
use crate::event::Why;
use crate::rules::{Approver, Stage};
use crate::state::{Request, StageState};
use alloc::collections::BTreeSet;

/// The principals to be asked for these stages now, other than those of the persons named: the stage's approvers, and
/// the fallback approvers too when fewer of them are available than must decide.
pub fn who_could_approve(state: &State, stages: &[Stage], not: &[PrincipalId], now: Time) -> Vec<PrincipalId> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let stages_or_default: Vec<(&[Approver], usize)> = if stages.is_empty() {
        vec![(&[], 1)]
    } else {
        stages.iter().map(|s| (s.approvers.as_slice(), usize::from(s.needed))).collect()
    };
    for (named, needed) in stages_or_default {
        found.extend(able(state, named, needed, not, now).into_iter().filter(|p| seen.insert(*p)));
    }
    // An emergency account may decide when nobody else is there; it is nobody to be waited for otherwise.
    let emergency = |p: &PrincipalId| state.principals.get(p).is_some_and(|p| p.emergency());
    if !found.iter().all(emergency) {
        found.retain(|p| !emergency(p));
    }
    found
}

/// Who can give this many decisions: those who are named and available; if they are too few persons, the fallback
/// approvers as well, so that nobody waits for a decision that nobody may give.
fn able(state: &State, named: &[Approver], needed: usize, not: &[PrincipalId], now: Time) -> Vec<PrincipalId> {
    let fits = |id: &PrincipalId| fits(state, not, *id);
    if named.contains(&Approver::Administrators) {
        // An administrator's decision is an administrator's act: the role must be in force, and nobody stands in.
        let now_may = |id: &PrincipalId| holds::duties(state, *id, now).has(Duty::ManageRoles);
        return holds::could(state, Duty::ManageRoles, now).into_iter().filter(fits).filter(now_may).collect();
    }
    let mut found: Vec<PrincipalId> = named_people(state, named).into_iter().filter(fits).collect();
    if too_few(state, &found, needed) {
        let fallback: Vec<PrincipalId> = holds::could(state, Duty::ManageRoles, now)
            .into_iter()
            .filter(fits)
            .filter(|p| !found.contains(p))
            .collect();
        found.extend(fallback);
    }
    found
}

/// Whether somebody is one of those that [`able`] names. It is asked about every request in a list, so it does not look
/// at everybody who stands in.
fn is_able(state: &State, who: PrincipalId, named: &[Approver], needed: usize, not: &[PrincipalId], now: Time) -> bool {
    if !fits(state, not, who) {
        return false;
    }
    if named.contains(&Approver::Administrators) {
        return holds::could_be(state, who, Duty::ManageRoles, now)
            && holds::duties(state, who, now).has(Duty::ManageRoles);
    }
    let mut found = named_people(state, named);
    found.retain(|id| fits(state, not, *id));
    found.contains(&who) || (too_few(state, &found, needed) && holds::could_be(state, who, Duty::ManageRoles, now))
}

/// Whether somebody could decide at all: an enabled user, and nobody of the same person as these.
fn fits(state: &State, not: &[PrincipalId], id: PrincipalId) -> bool {
    state.principals.get(&id).is_some_and(|p| p.enabled && p.user().is_some())
        && !not.iter().any(|n| state.same_person(*n, id))
}

/// Whether these are fewer persons than must decide.
fn too_few(state: &State, found: &[PrincipalId], needed: usize) -> bool {
    let needed = needed.max(1);
    one_each(state, found.iter().copied()).take(needed).count() < needed
}

/// The first account of each person among these. A group of approvers may be everybody, so each is looked at once.
fn one_each(state: &State, ids: impl Iterator<Item = PrincipalId>) -> impl Iterator<Item = PrincipalId> {
    let mut seen = BTreeSet::new();
    ids.filter(move |id| state.person_of(*id).is_some_and(|person| seen.insert(person)))
}

fn named_people(state: &State, named: &[Approver]) -> Vec<PrincipalId> {
    let mut people = Vec::new();
    for approver in named {
        match approver {
            Approver::User(id) => people.push(*id),
            Approver::Group(id) => people.extend(state.everybody_in(*id)),
            Approver::Administrators => {}
        }
    }
    people
}

/// The principals that could decide a request's open stage now.
pub fn approvers_of(state: &State, request: &Request, now: Time) -> Vec<PrincipalId> {
    let Some((named, needed, not)) = open_question(request) else { return Vec::new() };
    able(state, named, needed, &not, now)
}

/// What a request's open stage waits for: decisions by these, so many more, and by none of those.
fn open_question(request: &Request) -> Option<(&[Approver], usize, Vec<PrincipalId>)> {
    let StageState { stage, decided } = &request.stages[request.open_stage()?];
    // Whoever has decided already decides nothing else of it.
    let mut not = parties(request);
    not.extend(deciders(request));
    Some((&stage.approvers, usize::from(stage.needed).saturating_sub(decided.len()), not))
}

/// Those who have decided a stage of a request.
fn deciders(request: &Request) -> impl Iterator<Item = PrincipalId> + '_ {
    request.stages.iter().flat_map(|s| &s.decided).map(|v| v.by)
}

/// Those who may not decide: who asked, and for whom.
fn parties(request: &Request) -> Vec<PrincipalId> {
    let mut parties = vec![request.ask.subject];
    parties.extend(request.ask.by);
    parties
}

/// Whether this principal may decide a request's open stage now.
pub fn may_decide(state: &State, request: &Request, principal: PrincipalId, now: Time) -> bool {
    open_question(request).is_some_and(|(named, needed, not)| is_able(state, principal, named, needed, &not, now))
}

/// Whether this principal is among those who decide this request, at whatever stage and whether or not it is open still.
pub fn is_approver(state: &State, request: &Request, principal: PrincipalId, now: Time) -> bool {
    let not = parties(request);
    let asked = |s: &StageState| is_able(state, principal, &s.stage.approvers, usize::from(s.stage.needed), &not, now);
    request.stages.iter().any(asked)
}

pub(super) fn decide_request(
    state: &State,
    cx: &Context,
    request: RequestId,
    number: u8,
    approve: bool,
    reason: Option<&str>,
) -> Judged {
    long("justification", reason)?;
    let r =
        state.requests.get(&request).ok_or_else(|| Refusal::NoSuch { what: What::Request, id: request.to_string() })?;
    if cx.caller.app_only {
        return Err(Refusal::PeopleOnly { act: "approve a request" });
    }
    let by = cx.asker(state)?;
    if state.principals.get(&by).is_none_or(|p| p.user().is_none()) {
        return Err(Refusal::PeopleOnly { act: "approve a request" });
    }
    if let Some(party) = parties(r).into_iter().find(|p| state.same_person(*p, by)) {
        let how = if party == by {
            "you asked for it".into()
        } else {
            alloc::format!("{} is the same person", state.name_of(party))
        };
        return Err(Refusal::OwnRequest { how });
    }
    // Whoever was not among the approvers learns nothing about where the request stands.
    let before = deciders(r).any(|d| state.same_person(d, by));
    if !before && !is_approver(state, r, by, cx.now) && !may_decide(state, r, by, cx.now) {
        return Err(Refusal::NotApprover { approvers: Vec::new() });
    }
    let decided_by = |r: &Request| r.stages.iter().flat_map(|s| &s.decided).last().map(|v| state.name_of(v.by));
    let waits = r.status == Status::PendingApproval && r.until.is_none_or(|until| cx.now < until);
    let (true, Some(open)) = (waits, r.open_stage()) else {
        let status = if r.status == Status::PendingApproval { Status::TimedOut } else { r.status };
        return Err(Refusal::NotOpen { status, by: decided_by(r) });
    };
    // Only the stage that was looked at is decided, never whichever happens to be open by now.
    let stage = usize::from(number);
    if stage >= r.stages.len() {
        return Err(Refusal::NoSuch { what: What::Stage, id: (stage + 1).to_string() });
    }
    if stage != open {
        let by = r.stages[stage].decided.last().map(|v| state.name_of(v.by));
        return Err(Refusal::OtherStage { asked: stage, open, of: r.stages.len(), by });
    }
    if before {
        return Err(Refusal::DecidedBefore);
    }
    if !may_decide(state, r, by, cx.now) {
        let approvers = approvers_of(state, r, cx.now).into_iter().take(5).map(|p| state.name_of(p)).collect();
        return Err(Refusal::NotApprover { approvers });
    }
    if r.stages[stage].stage.reason && reason.is_none_or(|t| t.trim().is_empty()) {
        return Err(Refusal::Malformed {
            field: "justification",
            want: "say why you approve or deny; this role asks for it".into(),
        });
    }
    let reason = personal(by, reason);
    if approve && r.stages[stage].stage.administrators() {
        prolonging::decider_meets_rules(state, cx, r)?;
    }
    if !approve {
        let events = vec![Event::RequestDenied { request, stage: number, by, reason }];
        return Ok((events, Answer::Decided { request, status: Status::Denied }));
    }
    cx.clock_sound()?;
    let mut events = vec![Event::RequestApproved { request, stage: number, by, reason }];
    let next = after(state, &events, cx);
    let all = next.requests.get(&request).is_some_and(|r| r.stages.iter().all(StageState::approved));
    let status = if all {
        let (more, status) = match r.ask.action {
            Action::SelfExtend | Action::SelfRenew => prolonging::carry_out(&next, cx, request),
            _ => activation::go_ahead(&next, cx, request),
        };
        events.extend(more);
        status
    } else {
        Status::PendingApproval
    };
    Ok((events, Answer::Decided { request, status }))
}

pub(super) fn cancel(state: &State, cx: &Context, request: RequestId) -> Judged {
    let r =
        state.requests.get(&request).ok_or_else(|| Refusal::NoSuch { what: What::Request, id: request.to_string() })?;
    let by = cx.asker(state)?;
    let own = r.ask.subject == by || r.ask.by == Some(by);
    if !own {
        cx.with_duty(state, Duty::ManageRoles)?;
    }
    // A grant by an administrator whose start is still ahead can be taken back like an open request. Its start may have
    // been moved since it was asked for, so it is the grant that is looked at.
    let given = if r.status == Status::Provisioned { r.schedule.and_then(|id| Row::with_id(state, id)) } else { None };
    if let Some(row) = given.filter(|row| row.starts() > cx.now) {
        cx.with_duty(state, Duty::ManageRoles)?;
        let mut events = vec![Event::RequestCanceled { request, why: None }, row.ended(Why::Removed)];
        prolonging::cancel_for(state, &mut events, row.id(), r.ask.subject, Why::Removed);
        if let Row::Eligible(_) = row {
            // Somebody may have asked already for a start that lies within it.
            let reached = ending::reached_by(state, r.ask.subject);
            ending::settle(state, &mut events, cx, reached, Why::EligibilityGone);
        }
        return Ok((events, Answer::Decided { request, status: Status::Canceled }));
    }
    if !r.status.open() {
        return Err(Refusal::NotOpen { status: r.status, by: None });
    }
    Ok((vec![Event::RequestCanceled { request, why: None }], Answer::Decided { request, status: Status::Canceled }))
}

/// Time: an ask has waited too long.
pub(super) fn expire(state: &State, cx: &Context, request: RequestId) -> Judged {
    cx.by_itself("letting a request time out by hand")?;
    let due = state
        .requests
        .get(&request)
        .is_some_and(|r| r.status == Status::PendingApproval && r.until.is_some_and(|until| until <= cx.now));
    let events = if due { vec![Event::RequestTimedOut { request }] } else { Vec::new() };
    Ok((events, Answer::Done))
}

/// The distinct persons who could approve under these stages, the fallback approvers counted in.
pub(super) fn people_for(state: &State, stages: &[Stage], now: Time) -> Vec<PrincipalId> {
    let named = stages.iter().flat_map(|s| named_people(state, &s.approvers));
    let all = named.chain(holds::could(state, Duty::ManageRoles, now));
    one_each(state, all.filter(|id| fits(state, &[], *id))).collect()
}

/// The alert that privileged roles became impossible to approve, or possible again.
pub(super) fn unsatisfiable_now(before: &State, next: &State, now: Time) -> Option<Event> {
    let could = holds::could(next, Duty::ManageRoles, now).into_iter();
    let enough = one_each(next, could).nth(1).is_some();
    let mut roles = Vec::new();
    for (id, rules) in &next.rules {
        let approval = &rules.activation.approval;
        let held = next.holders_of(*id).next().is_some();
        if !approval.required || !held || next.roles.get(id).is_none_or(|r| !r.privileged()) || enough {
            continue;
        }
        if people_for(next, &approval.stages, now).len() < 2 {
            roles.push(*id);
        }
    }
    let same = roles.len() == before.unsatisfiable.len() && roles.iter().all(|r| before.unsatisfiable.contains(r));
    (!same).then_some(Event::ApprovalUnsatisfiable { roles })
}
