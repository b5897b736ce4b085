//! `writ.explain`: rule by rule, why a request for an activation would or would not be granted, asked with the body of
//! that very request. Writ's own, at the collection that the request would go to. Nothing is asked by asking this.

use super::ask::{Answer, Ask, Route, Written};
use super::body::Fields;
use crate::http::api::explain::answer;
use crate::http::api::shape::{Mark, Question};
use crate::http::problem::Problem;
use crate::http::refused::{Part, problem};
use serde_json::{Value as Json, json};
use writ_core::ids::{PrincipalId, RoleId};
use writ_core::time::Span;

/// What is offered.
pub const ROUTES: &[Route] =
    &[Route::post("roleManagement/directory/roleAssignmentScheduleRequests/writ.explain", |ask| {
        Box::pin(explain(ask))
    })];

async fn explain(ask: &Ask) -> Written {
    let body = ask.body()?;
    let question = question(ask, &body.fields())?;
    let told = answer(&ask.moment.state, &question, &ask.app.engine.context(&ask.caller))
        .map_err(|refusal| problem(&refusal, Part::Requests))?;
    let mark = |mark: Mark| match mark {
        Mark::Yes => "met",
        Mark::No => "unmet",
        Mark::Later => "asked",
    };
    let rules: Vec<Json> =
        told.rows.iter().map(|row| json!({"mark": mark(row.mark), "rule": row.rule, "told": row.told})).collect();
    Ok(Answer::Found(json!({
        "@odata.context": format!("{}/$metadata#writ.explanation", ask.base),
        "principalId": told.who.id,
        "roleDefinitionId": told.role.id,
        "directoryScopeId": told.scope.id,
        "can": told.can,
        "told": told.told,
        "maximumDuration": told.span_max,
        "rules": rules,
    })))
}

/// The question that a request's body asks. One that says why, for how long or with which ticket is ready to be made:
/// then what is missing counts; else it is told as what will be asked for.
fn question(ask: &Ask, fields: &Fields<'_>) -> Result<Question, Problem> {
    let principal: Option<PrincipalId> = fields.id("principalId")?;
    let role: RoleId = fields.required_id("roleDefinitionId")?;
    let schedule = fields.object("scheduleInfo")?;
    let (start, span) = match &schedule {
        None => (None, None),
        Some(schedule) => {
            let start = schedule.time("startDateTime")?;
            (start, schedule.object("expiration")?.map(|e| span(ask, start, &e)).transpose()?.flatten())
        }
    };
    let ticket = fields.object("ticketInfo")?;
    let ticket = ticket.map(|t| t.text("ticketNumber").map(|n| n.map(str::to_owned))).transpose()?.flatten();
    let reason = fields.text("justification")?.map(str::to_owned);
    Ok(Question {
        principal: principal.map(|p| p.to_string()),
        role: role.to_string(),
        scope: fields.text("directoryScopeId")?.map(str::to_owned),
        ready: schedule.is_some() || ticket.is_some() || reason.is_some(),
        start,
        span,
        reason,
        ticket,
    })
}

/// How long the request asks for, whichever way it says so.
fn span(ask: &Ask, start: Option<writ_core::time::Time>, fields: &Fields<'_>) -> Result<Option<Span>, Problem> {
    if let Some(span) = fields.span("duration")? {
        return Ok(Some(span));
    }
    Ok(fields.time("endDateTime")?.map(|ends| ends.since(start.unwrap_or(ask.moment.now))))
}
