//! `writ.rules`: what a role's rules say that Graph has no word for. How fresh a proof of MFA must be, how many people
//! must approve, how long a request may wait, and how an activation ends on hosts. Writ's own, beside a policy's
//! seventeen rules, so that no client which knows those meets an eighteenth.
//!
//! Always: a change is judged with all others, by the core; what a PATCH leaves out stays as it is.

use super::ask::{Answer, Ask, Route, Written};
use super::body::Fields;
use super::policies::{change_rules, named};
use crate::http::problem::{Problem, shown};
use serde_json::{Value as Json, json};
use writ_core::may::Query;
use writ_core::rules::{Ending, RuleChange, Rules, Tier};
use writ_core::time::Span;

const PATH: &str = "policies/roleManagementPolicies/{id}/writ.rules";

/// What is offered.
pub const ROUTES: &[Route] = &[Route::get(PATH, read), Route::patch(PATH, |ask| Box::pin(change(ask)))];

/// What may be set.
const NAMES: [&str; 5] = ["mfaMaximumAge", "approvalsNeeded", "pendingDuration", "endsSessions", "endingGrace"];

fn told(rules: &Rules) -> Json {
    let (activation, ending) = (&rules.activation, &rules.ending);
    json!({
        "tier": match rules.tier {
            Tier::Critical => "critical",
            Tier::High => "high",
            Tier::Routine => "routine",
            Tier::Entra => "entra",
        },
        "mfaMaximumAge": activation.mfa_age_max,
        "approvalsNeeded": activation.approval.stages.iter().map(|stage| stage.needed).collect::<Vec<_>>(),
        "pendingDuration": activation.pending_max,
        "endsSessions": ending.kill,
        "endingGrace": ending.grace,
    })
}

fn read(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Rules)?;
    let policy = named(ask, ask.at("id"))?;
    let rules = ask.moment.state.rules.get(&policy.role()).ok_or_else(|| ask.missing("id"))?;
    let mut json = told(rules);
    json["@odata.context"] = json!(ask.context_url("writ.rules"));
    Ok(Answer::Found(json))
}

async fn change(ask: &Ask) -> Written {
    let body = ask.body()?;
    let role = named(ask, ask.at("id"))?.role();
    change_rules(ask, role, |rules| changes(&body.fields(), rules)).await?;
    Ok(Answer::Nothing)
}

/// What a body changes.
fn changes(fields: &Fields<'_>, rules: &Rules) -> Result<Vec<RuleChange>, Problem> {
    let known = |name: &str| name.contains('@') || NAMES.iter().any(|n| n.eq_ignore_ascii_case(name));
    if let Some(odd) = fields.names().find(|name| !known(name)) {
        let odd = shown(odd);
        return Err(Problem::bad_request(format!("'{odd}' cannot be set here; {} can.", NAMES.join(", "))));
    }
    let mut changes = Vec::new();
    if let Some(mfa_age_max) = fields.span("mfaMaximumAge")? {
        changes.push(RuleChange::Freshness { mfa_age_max });
    }
    if let Some(needed) = fields.list("approvalsNeeded")? {
        changes.push(approvals(needed, rules)?);
    }
    if let Some(pending_max) = fields.span("pendingDuration")? {
        changes.push(RuleChange::Pending { pending_max });
    }
    let (kill, grace): (Option<bool>, Option<Span>) = (fields.bool("endsSessions")?, fields.span("endingGrace")?);
    if kill.is_some() || grace.is_some() {
        let was = &rules.ending;
        changes.push(RuleChange::Ending(Ending { kill: kill.unwrap_or(was.kill), grace: grace.unwrap_or(was.grace) }));
    }
    if changes.is_empty() {
        return Err(Problem::bad_request(format!("Give at least one of {}.", NAMES.join(", "))));
    }
    Ok(changes)
}

/// How many distinct people must approve in each of the stages that the approval rule has.
fn approvals(needed: &[Json], rules: &Rules) -> Result<RuleChange, Problem> {
    let mut approval = rules.activation.approval.clone();
    let wrong = || {
        let stages = approval.stages.len();
        Problem::bad_request(format!(
            "'approvalsNeeded' needs a whole number between 1 and 10 for each of the {stages} stages that \
             Approval_EndUser_Assignment has."
        ))
    };
    let numbers: Option<Vec<u8>> = needed.iter().map(|n| u8::try_from(n.as_u64()?).ok()).collect();
    let fits =
        |numbers: &Vec<u8>| numbers.len() == approval.stages.len() && numbers.iter().all(|n| (1..=10).contains(n));
    let numbers = numbers.filter(fits).ok_or_else(wrong)?;
    for (stage, needed) in approval.stages.iter_mut().zip(numbers) {
        stage.needed = needed;
    }
    Ok(RuleChange::Approval(approval))
}
