//! `GET /writ/v1/status`: where the caller stands now: what they hold, wait for, can decide and can ask for.

use super::shape::{Active, Called, Deciding, Effect, Eligible, EmergencyUse, HostEffect, Status, Waiting};
use crate::http::graph::ids;
use writ_core::command::{self, Expiration};
use writ_core::decide::{Context, approvers_of, may_decide};
use writ_core::holds;
use writ_core::ids::{PrincipalId, RoleId};
use writ_core::may::{Query, View, may};
use writ_core::plan;
use writ_core::refusal::Refusal;
use writ_core::role::{Duties, Duty};
use writ_core::rules::Rules;
use writ_core::scope::{Scope, Target};
use writ_core::state::{Assignment, Request, State, Status as Stands};
use writ_core::time::{Span, Time};

/// How many of each list are told at most; a person has few, an approver of many teams may have more.
const LIST_MAX: usize = 200;

/// Where the caller stands.
///
/// # Errors
/// When the caller may not even see their own.
pub fn status(state: &State, cx: &Context) -> Result<Status, Refusal> {
    let View::Own(who) = may(state, Query::Me, cx)? else { return Err(Refusal::AccountDisabled) };
    let now = cx.now;
    let mut active: Vec<Active> =
        holds::held(state, who, now).take(LIST_MAX).map(|a| active_told(state, who, a, now)).collect();
    active.sort_by_key(|a| (a.ends.is_none(), a.ends));
    let waiting = state.open_of(who);
    let mut eligible: Vec<Eligible> = holds::eligible(state, who, now)
        .filter(|e| !e.closing)
        .take(LIST_MAX)
        .map(|e| {
            let role = e.target.role_id();
            let rules = state.rules.get(&role);
            Eligible {
                role: role_called(state, role),
                scope: scope_called(state, e.target.scope()),
                through: (e.principal != who).then(|| principal_called(state, e.principal)),
                ends: e.ends,
                span_max: rules.map_or(Span::ZERO, |r| r.activation.span_max),
                needs: rules.map(|r| needs(r)).unwrap_or_default(),
                gives: gives(state, who, e.target),
            }
        })
        .collect();
    eligible.sort_by(|a, b| a.role.name.cmp(&b.role.name));
    eligible.dedup_by(|a, b| a.role == b.role && a.scope == b.scope);
    Ok(Status {
        who: principal_called(state, who),
        at: now,
        active,
        waiting: waiting.take(LIST_MAX).map(|r| waiting_told(state, r, now)).collect(),
        deciding: deciding(state, who, now),
        eligible,
        emergencies: if holds::duties(state, who, now).has(Duty::ReadAudit) {
            emergencies(state, now)
        } else {
            Vec::new()
        },
    })
}

/// How long the use of an emergency account is told to whoever looks.
const EMERGENCY_TOLD: Span = Span::from_days(30);

/// The emergency accounts that were used lately, the last one first.
pub fn emergencies(state: &State, now: Time) -> Vec<EmergencyUse> {
    let mut used: Vec<EmergencyUse> = state
        .emergency_used
        .iter()
        .filter(|(_, at)| now.since(**at) < EMERGENCY_TOLD)
        .map(|(id, at)| EmergencyUse { account: principal_called(state, *id), at: *at })
        .collect();
    used.sort_by_key(|one| std::cmp::Reverse(one.at));
    used.truncate(LIST_MAX);
    used
}

fn active_told(state: &State, who: PrincipalId, a: &std::sync::Arc<Assignment>, now: Time) -> Active {
    Active {
        assignment: a.id.to_string(),
        role: role_called(state, a.target.role_id()),
        scope: scope_called(state, a.target.scope()),
        activated: a.activated(),
        began: a.starts,
        ends: a.ends,
        effect: effect(state, who, a, now),
    }
}

/// Where an assignment is real for one principal, host by host.
pub fn effect(state: &State, who: PrincipalId, a: &std::sync::Arc<Assignment>, now: Time) -> Effect {
    let mut hosts = Vec::new();
    for host in plan::hosts_in(state, a.target.scope()).into_iter().filter(|_| gives_root(state, a.target.role_id())) {
        let name = state.hosts.get(&host).map_or_else(|| host.to_string(), |h| h.name.clone());
        let (condition, why) = match state.effects.get(&(a.id, who, host)) {
            Some(command::Effect::Effective) => ("effective", None),
            Some(command::Effect::Refused(why)) => ("refused", Some(why.shown().to_owned())),
            Some(command::Effect::Gone) => ("gone", None),
            Some(command::Effect::Intended) => ("ordered", None),
            None => match plan::account_on(state, who, host) {
                Ok(_) => ("ordered", None),
                Err(why) => ("refused", Some(why.told())),
            },
        };
        hosts.push(HostEffect { host: name, state: condition.to_owned(), why });
    }
    let of = hosts.len();
    let effective = hosts.iter().filter(|h| h.state == "effective" && a.in_window(now)).count();
    hosts.truncate(LIST_MAX);
    Effect { effective, of, hosts, in_writ: in_writ(state, a.target) }
}

fn waiting_told(state: &State, r: &Request, now: Time) -> Waiting {
    Waiting {
        request: r.ask.request.to_string(),
        role: role_called(state, r.ask.target.role_id()),
        scope: scope_called(state, r.ask.target.scope()),
        asked: r.made,
        until: r.until,
        starts: r.starts.or(r.ask.start).filter(|at| *at > now),
        deciders: deciders(state, r, now),
    }
}

/// Who can decide a request now, by name; the first twenty.
pub fn deciders(state: &State, r: &Request, now: Time) -> Vec<Called> {
    let mut all: Vec<Called> = approvers_of(state, r, now).into_iter().map(|p| principal_called(state, p)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.truncate(20);
    all
}

fn deciding(state: &State, who: PrincipalId, now: Time) -> Vec<Deciding> {
    let open = state.open.iter().filter_map(|(_, id)| state.requests.get(id));
    let mine = open.filter(|r| r.status == Stands::PendingApproval && may_decide(state, r, who, now));
    let mut told: Vec<Deciding> = mine
        .take(LIST_MAX)
        .map(|r| Deciding {
            request: r.ask.request.to_string(),
            step: ids::step(r.ask.request, r.open_stage().unwrap_or(0)).to_string(),
            who: principal_called(state, r.ask.subject),
            role: role_called(state, r.ask.target.role_id()),
            scope: scope_called(state, r.ask.target.scope()),
            asked: r.made,
            span: span_of(r.ask.expiration, r.made),
            reason: r.ask.reason.as_ref().map(|text| text.shown().to_owned()),
            ticket: r.ask.ticket.as_ref().and_then(|t| t.number.as_ref()).map(|text| text.shown().to_owned()),
            until: r.until,
        })
        .collect();
    told.sort_by_key(|one| one.asked);
    told
}

/// For how long something was asked.
pub fn span_of(expiration: Expiration, from: Time) -> Option<Span> {
    match expiration {
        Expiration::For(span) => Some(span),
        Expiration::At(end) => Some(end.since(from)),
        Expiration::Never | Expiration::Unspecified => None,
    }
}

/// What an activation needs, in one word each.
pub fn needs(rules: &Rules) -> Vec<String> {
    let a = &rules.activation;
    [(a.mfa, "MFA"), (a.reason, "reason"), (a.ticket, "ticket"), (a.approval.required, "approval")]
        .into_iter()
        .filter(|(needed, _)| *needed)
        .map(|(_, word)| word.to_owned())
        .collect()
}

fn gives_root(state: &State, role: RoleId) -> bool {
    state.roles.get(&role).is_some_and(|r| r.gives_root())
}

/// What a role gives in Writ itself at a scope, in words.
pub fn in_writ(state: &State, target: Target) -> Vec<String> {
    let duties = state.roles.get(&target.role_id()).map_or(Duties::NONE, |r| r.duties);
    Duty::ALL.iter().filter(|duty| duties.has(**duty)).map(|duty| duty.told().to_owned()).collect()
}

/// What holding a target gives somebody, in words; empty when nothing is bound to it.
pub fn gives(state: &State, who: PrincipalId, target: Target) -> Vec<String> {
    let mut told = Vec::new();
    if gives_root(state, target.role_id()) {
        let hosts = plan::hosts_in(state, target.scope());
        let usable = hosts.iter().filter(|host| plan::account_on(state, who, **host).is_ok()).count();
        if usable > 0 {
            told.push(format!("root on {usable} of {} hosts", hosts.len()));
        }
    }
    if !in_writ(state, target).is_empty() {
        told.push("power in Writ itself".to_owned());
    }
    told
}

/// A principal with its name.
pub fn principal_called(state: &State, id: PrincipalId) -> Called {
    Called { id: id.to_string(), name: state.name_of(id) }
}

/// A role with the name people know it by.
pub fn role_called(state: &State, id: RoleId) -> Called {
    Called { id: id.to_string(), name: state.role_name(id) }
}

/// A scope with its name.
pub fn scope_called(state: &State, scope: Scope) -> Called {
    Called { id: scope.to_string(), name: state.scope_name(scope) }
}
