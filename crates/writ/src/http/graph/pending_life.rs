//! `writ.pending`: how long a role's requests may wait for a decision. Writ's own, beside a policy's seventeen rules, so
//! that no client which knows those meets an eighteenth.

use super::ask::{Answer, Ask, Route, Written};
use super::policies::named;
use crate::http::problem::Problem;
use serde_json::json;
use writ_core::command::Command;
use writ_core::may::Query;
use writ_core::rules::RuleChange;

const PATH: &str = "policies/roleManagementPolicies/{id}/writ.pending";

/// What is offered.
pub const ROUTES: &[Route] = &[Route::get(PATH, read), Route::patch(PATH, |ask| Box::pin(change(ask)))];

fn read(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Rules)?;
    let policy = named(ask, ask.at("id"))?;
    let rules = ask.moment.state.rules.get(&policy.role()).ok_or_else(|| ask.missing("id"))?;
    Ok(Answer::Found(json!({
        "@odata.context": format!("{}/$metadata#writ.pending", ask.base),
        "pendingDuration": rules.activation.pending_max,
    })))
}

async fn change(ask: &Ask) -> Written {
    let body = ask.body()?;
    let policy = named(ask, ask.at("id"))?;
    let span = body.fields().span("pendingDuration")?;
    let pending_max =
        span.ok_or_else(|| Problem::bad_request("A value is required for property 'pendingDuration'."))?;
    let changes = vec![RuleChange::Pending { pending_max }];
    ask.submit(Command::ChangeRules { role: policy.role(), changes }).await?;
    Ok(Answer::Nothing)
}
