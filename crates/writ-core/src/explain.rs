//! Explains, rule by rule, why somebody can or cannot activate a role now.
//! It decides nothing of its own: each line asks the same functions that `decide` asks.
//!
//! Always: when every line that can be judged now is right, an ask with what the other lines name succeeds.

use crate::decide::{eligibility_for, known_scope, mfa_missing, who_could_approve};
use crate::event::Action;
use crate::holds;
use crate::ids::*;
use crate::plan;
use crate::scope::{Scope, Target};
use crate::state::State;
use crate::time::{Span, Time};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Right.
    Met,
    /// In the way.
    Unmet,
    /// Will be asked for.
    Asked,
}

/// One line of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// How it stands.
    pub mark: Mark,
    /// What it is about, in a word or two.
    pub about: String,
    /// How it is, with the next step if it is in the way.
    pub text: String,
}

/// An explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Whether an ask could succeed now, given what will be asked for.
    pub can: bool,
    /// Rule by rule.
    pub lines: Vec<Line>,
}

/// Explains one principal's chances for a target. `mfa` is when they last proved a second factor, if that is known.
pub fn explain(state: &State, principal: PrincipalId, target: Target, mfa: Option<Time>, now: Time) -> Explanation {
    let mut lines: Vec<Line> = Vec::new();
    let mut say = |mark, about: &str, text: String| lines.push(Line { mark, about: about.to_string(), text });
    let role_id = target.role_id();
    let role = state.role_name(role_id);

    match state.principals.get(&principal) {
        Some(p) if p.enabled => say(Mark::Met, "account", "enabled".into()),
        Some(_) => say(Mark::Unmet, "account", "disabled; an administrator can enable it".into()),
        None => say(Mark::Unmet, "account", "there is no such account".into()),
    }
    if known_scope(state, target).is_err() {
        let none = format!("there is nothing at {}; look the place up and ask for it by its id", target.scope());
        say(Mark::Unmet, "place", none);
    }
    match eligibility_for(state, principal, target, now) {
        Some(e) => {
            let through = if e.principal == principal {
                String::new()
            } else {
                format!("through group {}, ", state.name_of(e.principal))
            };
            let until = e.ends.map_or("without end".to_string(), |t| format!("until {t}"));
            say(Mark::Met, "eligible", format!("{through}{until}"));
        }
        None => {
            let later =
                holds::eligible_ever(state, principal).find(|e| e.target.role_id() == role_id && e.starts > now);
            let elsewhere = holds::eligible(state, principal, now).find(|e| e.target.role_id() == role_id);
            let text = match (later, elsewhere) {
                (_, Some(e)) if e.closing => "the eligibility is being removed".into(),
                (_, Some(e)) => format!("only on {}; ask for it there", state.scope_name(e.target.scope())),
                (Some(e), None) => format!("from {} on", e.starts),
                (None, None) => format!("not eligible for {role}; whoever manages role assignments can change that"),
            };
            say(Mark::Unmet, "eligible", text);
        }
    }
    let active = state.assignments_of(principal).find(|a| a.target == target && a.activated() && a.in_window(now));
    if let Some(a) = active {
        let until = a.ends.map_or(String::new(), |t| format!(" until {t}"));
        say(
            Mark::Unmet,
            "already active",
            format!("{role} is active{until}; for more time: writ extend; to give it back: writ deactivate"),
        );
    }
    if let Some(r) = state.open_of(principal).find(|r| r.ask.target == target && r.ask.action == Action::SelfActivate) {
        let id = r.ask.request;
        say(
            Mark::Unmet,
            "already asked",
            format!("request {id} has been waiting since {}; cancel it with: writ cancel {id}", r.made),
        );
    }
    if state.roles.get(&role_id).is_some_and(|r| !r.enabled) {
        say(Mark::Unmet, "role", "disabled; an administrator can enable it".into());
    }
    if let Some(rules) = state.rules.get(&role_id) {
        let a = &rules.activation;
        say(Mark::Asked, "duration", format!("between {} and {}", state.span_min().told(), a.span_max.told()));
        if a.asks_reason() {
            say(Mark::Asked, "reason", "needed".into());
        }
        if a.ticket {
            say(Mark::Asked, "ticket", "needed".into());
        }
        if a.mfa {
            let proof = crate::command::Proof { mfa, ..Default::default() };
            match mfa_missing(&proof, a.mfa_age_max, now) {
                None => say(
                    Mark::Met,
                    "MFA",
                    format!(
                        "proved {} ago ({} at most)",
                        mfa.map_or(Span::ZERO, |t| now.since(t)).told(),
                        a.mfa_age_max.told()
                    ),
                ),
                Some(_) => say(Mark::Asked, "MFA", format!("will be asked ({} old at most)", a.mfa_age_max.told())),
            }
        }
        if a.context.enabled {
            say(
                Mark::Asked,
                "sign-in",
                format!("with authentication context {}", a.context.claim.as_deref().unwrap_or("")),
            );
        }
        if a.approval.required {
            let who = who_could_approve(state, &a.approval.stages, &[principal], now);
            let mut names: Vec<String> = Vec::new();
            for id in &who {
                names.push(state.name_of(*id));
            }
            if names.is_empty() {
                say(
                    Mark::Unmet,
                    "approval",
                    "nobody who is available could approve; an administrator can name approvers".into(),
                );
            } else {
                names.sort();
                names.truncate(8);
                say(Mark::Asked, "approval", format!("by {}", names.join(" or ")));
            }
            for other in state
                .person_of(principal)
                .and_then(|p| state.persons.get(&p))
                .into_iter()
                .flatten()
                .filter(|o| **o != principal)
            {
                say(Mark::Asked, "approval", format!("not by {}: the same person", state.name_of(*other)));
            }
        }
    }
    for line in gives(state, principal, target) {
        lines.push(line);
    }
    let can = lines.iter().all(|l| l.mark != Mark::Unmet);
    Explanation { can, lines }
}

/// What an activation would give outside, per system.
fn gives(state: &State, principal: PrincipalId, target: Target) -> Vec<Line> {
    let line = |mark, text: String| Line { mark, about: "gives".into(), text };
    let Some(role) = state.roles.get(&target.role_id()) else { return Vec::new() };
    if !role.gives_root() {
        let own = role.duties != crate::role::Duties::NONE && target.scope() == Scope::Tenant;
        let text = if own {
            "power in Writ itself; nothing on hosts"
        } else {
            "nothing anywhere yet: this role is bound to no system"
        };
        return alloc::vec![line(Mark::Met, text.into())];
    }
    let hosts = plan::hosts_in(state, target.scope());
    if hosts.is_empty() {
        return alloc::vec![line(Mark::Met, "nothing yet: no host is enrolled there".into())];
    }
    let mut lines = Vec::new();
    let mut good: Vec<String> = Vec::new();
    let mut bad = Vec::new();
    for host in hosts {
        let name = state.hosts.get(&host).map_or_else(|| host.to_string(), |h| h.name.clone());
        match plan::account_on(state, principal, host) {
            Ok(account) => good.push(format!("{name} (as {account})")),
            Err(why) => bad.push(format!("not on {name}: {}", why.told())),
        }
    }
    if !good.is_empty() {
        let more = good.len().saturating_sub(8);
        good.truncate(8);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(line(Mark::Met, format!("root on {}{more}", good.join(", "))));
    }
    bad.truncate(8);
    let none = good.is_empty();
    lines.extend(bad.into_iter().map(|text| line(if none { Mark::Unmet } else { Mark::Asked }, text)));
    lines
}
