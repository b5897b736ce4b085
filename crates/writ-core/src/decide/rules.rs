//! Changing a role's rules.
//!
//! Always: nobody loosens the rules of a role that they themselves could use; a privileged role's approval can be
//! given by at least two people when it is saved.

use super::*;
use crate::rules::{Approver, RuleChange, Rules, SPAN_MAX_LIMIT};

const CHANGES_MAX: usize = 40;
/// How many notification rules a role has, as in Graph.
const NOTIFICATIONS_MAX: usize = 9;
/// How many addresses one notification rule may name, as in Graph.
const RECIPIENTS_MAX: usize = 1000;

pub(super) fn change(state: &State, cx: &Context, id: RoleId, changes: &[RuleChange], seen: Option<&Rules>) -> Judged {
    let role = state.roles.get(&id).ok_or_else(|| Refusal::NoSuch { what: What::Role, id: id.to_string() })?;
    let old = activation::rules_of(state, id)?;
    if changes.is_empty() || changes.len() > CHANGES_MAX {
        return Err(Refusal::Malformed { field: "rules", want: "give between 1 and 40 rules".into() });
    }
    for change in changes {
        well_formed(state, change)?;
    }
    let by = cx.with_duty(state, Duty::ManageRoles)?;
    if seen.is_some_and(|seen| seen != old) {
        return Err(Refusal::Changed { what: "rules" });
    }
    let mut new = old.clone();
    for change in changes {
        new.change(change);
    }
    if new.notifications.len() > NOTIFICATIONS_MAX {
        return Err(Refusal::TooMany { what: "notification rules of a role", max: NOTIFICATIONS_MAX });
    }
    let looser = new.looser_than(old);
    if !looser.is_empty() && own_role(state, by, id) {
        return Err(Refusal::Climb {
            why: alloc::format!(
                "You hold or are eligible for {}: another administrator must allow {}.",
                role.told(),
                looser.join(", ")
            ),
        });
    }
    if role.privileged() && new.activation.approval.required && new.activation.approval != old.activation.approval {
        let people = approval::people_for(state, &new.activation.approval.stages, cx.now);
        // Each decision takes another person, in whichever stage, and none of them is who asks.
        let needed: usize = new.activation.approval.stages.iter().map(|s| usize::from(s.needed.max(1))).sum();
        if people.len() < 1 + needed {
            return Err(Refusal::Unsatisfiable { people: people.into_iter().map(|p| state.name_of(p)).collect() });
        }
    }
    Ok((vec![Event::RulesChanged { role: id, changes: changes.to_vec() }], Answer::Done))
}

/// Whether somebody's person holds or is eligible for a role through any of their principals.
fn own_role(state: &State, by: PrincipalId, role: RoleId) -> bool {
    let mine: Vec<PrincipalId> = match state.person_of(by) {
        Some(person) => state.persons.get(&person).into_iter().flatten().copied().collect(),
        None => vec![by],
    };
    mine.into_iter().any(|p| {
        // A standing assignment gains nothing from rules about activation; eligibility does.
        holds::eligible_ever(state, p).any(|e| e.target.role_id() == role)
    })
}

/// Whether a text has the form of an e-mail address: something on either side of one `@`, within what mail carries
/// (RFC 5321, section 4.5.3.1.3).
fn is_address(text: &str) -> bool {
    let plain = text.len() <= 254 && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    plain
        && text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

fn well_formed(state: &State, change: &RuleChange) -> Result<(), Refusal> {
    let malformed = |field, want: &str| Err(Refusal::Malformed { field, want: want.into() });
    let span_ok = |span: Span| span >= state.span_min();
    match change {
        RuleChange::AdminExpiration { span_max, .. } => {
            if !span_ok(*span_max) {
                return malformed(
                    "maximumDuration",
                    "an assignment lasts at least as long as the tenant's shortest span",
                );
            }
        }
        RuleChange::ActivationExpiration { span_max } => {
            if !span_ok(*span_max) || *span_max > SPAN_MAX_LIMIT {
                return malformed(
                    "maximumDuration",
                    "an activation lasts between the tenant's shortest span (PT5M unless changed) and a day (PT24H)",
                );
            }
        }
        RuleChange::Approval(approval) => {
            if approval.stages.len() > 5 || (approval.asked() && approval.stages.is_empty()) {
                return malformed("setting.approvalStages", "give between one and five stages");
            }
            for stage in &approval.stages {
                if stage.approvers.len() > 100 || stage.needed == 0 || stage.needed > 10 {
                    return malformed(
                        "setting.approvalStages.primaryApprovers",
                        "name at most 100 approvers; between 1 and 10 must approve",
                    );
                }
                for approver in &stage.approvers {
                    let (id, fits) = match approver {
                        Approver::User(id) => (id, state.principals.get(id).is_some_and(|p| p.user().is_some())),
                        Approver::Group(id) => (id, state.principals.get(id).is_some_and(|p| p.group().is_some())),
                        Approver::Administrators => {
                            return malformed("setting.approvalStages.primaryApprovers", "name users and groups");
                        }
                    };
                    if !fits {
                        return Err(Refusal::NoSuch { what: What::Principal, id: id.to_string() });
                    }
                }
            }
        }
        RuleChange::Context(context) => {
            let ok = context.claim.as_deref().is_none_or(|c| {
                let number = c.strip_prefix('c').and_then(|n| n.parse::<u8>().ok()).filter(|n| (1..=99).contains(n));
                number.is_some_and(|n| c == alloc::format!("c{n}"))
            });
            if !ok || (context.enabled && context.claim.is_none()) {
                return malformed("claimValue", "an authentication context is one of c1 to c99");
            }
        }
        RuleChange::Freshness { mfa_age_max } => {
            if *mfa_age_max < Span::from_seconds(10) || *mfa_age_max > Span::from_hours(24) {
                return malformed("mfaMaximumAge", "a proof of MFA may be between ten seconds and a day old");
            }
        }
        RuleChange::Pending { pending_max } => {
            if *pending_max < Span::from_seconds(10) || *pending_max > Span::from_days(30) {
                return malformed("pendingDuration", "an ask may wait between ten seconds and 30 days");
            }
        }
        RuleChange::Ending(ending) => {
            if ending.grace > Span::from_minutes(15) {
                return malformed("endingGrace", "the grace at the end is fifteen minutes at most");
            }
        }
        RuleChange::Notification(n) => {
            short("id", &n.rule)?;
            if !matches!(n.level.as_str(), "None" | "Critical" | "All") {
                return malformed("notificationLevel", "the level is None, Critical or All");
            }
            if n.recipients.len() > RECIPIENTS_MAX || n.recipients.iter().any(|r| !is_address(r.shown())) {
                return malformed(
                    "notificationRecipients",
                    "give at most 1000 e-mail addresses, each of at most 254 bytes, such as soc@example.org",
                );
            }
        }
        RuleChange::AdminEnablement { .. } | RuleChange::ActivationEnablement { .. } => {}
    }
    Ok(())
}
