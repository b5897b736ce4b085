//! `GET /writ/v1/requests/{id}`: how far a request has come, up to the hosts on which the power is real.
//! With `?wait=…&seen=…` the answer comes when something has changed, or when the wait is over.

use super::shape::{Decided, Effect, Progress, Stage};
use super::status::{deciders, effect, principal_called, role_called, scope_called};
use writ_core::decide::Context;
use writ_core::ids::{AssignmentId, RequestId};
use writ_core::may::{Query, may, may_see_request};
use writ_core::refusal::{Refusal, What};
use writ_core::state::{Request, State, Status};
use writ_core::time::Time;

/// The longest wait, in seconds; shorter than any proxy's patience.
pub const WAIT_MAX: u64 = 25;

/// How far the request has come.
///
/// # Errors
/// When there is no such request, or it is none of the caller's business; both read the same.
pub fn progress(state: &State, id: RequestId, cx: &Context) -> Result<Progress, Refusal> {
    let view = may(state, Query::Grants, cx)?;
    let known = state.requests.get(&id).filter(|r| may_see_request(state, r, view, cx));
    let r = known.ok_or_else(|| Refusal::NoSuch { what: What::Request, id: id.to_string() })?;
    // An extension is about an assignment that was there before.
    let assignment = state.assignments.get(&AssignmentId(r.schedule.unwrap_or(id.0)));
    let held = assignment.filter(|a| a.in_window(cx.now));
    let effect = assignment.map_or_else(Effect::default, |a| effect(state, r.ask.subject, a, cx.now));
    let stage = stage(r, held.is_some(), cx.now);
    let verdict = r.stages.iter().flat_map(|s| &s.decided).last();
    let decision = verdict.map(|v| Decided {
        by: principal_called(state, v.by),
        at: v.at,
        reason: v.reason.as_ref().map(|text| text.shown().to_owned()),
    });
    let mark = format!("{stage:?}-{}-{}", decision.is_some(), mark_of(&effect));
    Ok(Progress {
        request: id.to_string(),
        who: principal_called(state, r.ask.subject),
        role: role_called(state, r.ask.target.role_id()),
        scope: scope_called(state, r.ask.target.scope()),
        stage,
        asked: r.made,
        deciders: deciders(state, r, cx.now),
        until: r.until,
        decision,
        ends: assignment.and_then(|a| a.ends),
        effect,
        mark,
    })
}

fn stage(r: &Request, held: bool, now: Time) -> Stage {
    match r.status {
        // An ask whose time has passed waits no more, whether or not that has been recorded yet.
        Status::PendingApproval if r.until.is_some_and(|until| until <= now) => Stage::TimedOut,
        Status::PendingApproval => Stage::Approval,
        Status::Granted => Stage::Scheduled,
        Status::Provisioned if held => Stage::Active,
        Status::Provisioned if r.starts.is_some_and(|starts| starts > now) => Stage::Scheduled,
        Status::Provisioned | Status::Revoked => Stage::Ended,
        Status::Denied => Stage::Denied,
        Status::Canceled => Stage::Canceled,
        Status::TimedOut => Stage::TimedOut,
        Status::Failed => Stage::Failed,
    }
}

/// A short mark that differs when the effect does.
fn mark_of(effect: &Effect) -> String {
    let refused = effect.hosts.iter().filter(|host| host.state == "refused").count();
    let gone = effect.hosts.iter().filter(|host| host.state == "gone").count();
    format!("{}.{}.{refused}.{gone}", effect.effective, effect.of)
}
