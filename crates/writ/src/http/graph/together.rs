//! `writ.together`: several requests in one, so that one proof serves all of them. Writ's own, at the two collections
//! of requests. Each becomes a request of its own, with its own entry in the log and its own approval.
//!
//! Always: all are judged before any is made; if one would be refused, none is made, and each is told why or why not.

use super::ask::{Answer, Ask, Route, Written};
use super::body::Fields;
use super::schedule_requests::{Wish, asked, wish};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use writ_core::command::Sort;

/// How many requests may be asked together.
pub const REQUESTS_MAX: usize = 20;

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::post("roleManagement/directory/roleAssignmentScheduleRequests/writ.together", |ask| {
        Box::pin(together(ask, Sort::Assignment))
    }),
    Route::post("roleManagement/directory/roleEligibilityScheduleRequests/writ.together", |ask| {
        Box::pin(together(ask, Sort::Eligibility))
    }),
];

async fn together(ask: &Ask, sort: Sort) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    let rehearsal = fields.bool("isValidationOnly")?.unwrap_or(false);
    let wishes = fields.objects("requests")?;
    let wishes = wishes.ok_or_else(|| Problem::bad_request("A value is required for property 'requests'."))?;
    if wishes.is_empty() || wishes.len() > REQUESTS_MAX {
        return Err(Problem::bad_request(format!("Between 1 and {REQUESTS_MAX} requests can be asked together.")));
    }
    let wishes = read(&wishes, sort)?;
    let mut judged = Vec::new();
    for wish in &wishes {
        judged.push(asked(ask, sort, &Wish { rehearse: true, ..wish.clone() }).await);
    }
    if rehearsal || judged.iter().any(Result::is_err) {
        return Ok(told(ask, false, judged, rehearsal));
    }
    let mut made = Vec::new();
    for wish in &wishes {
        made.push(asked(ask, sort, wish).await);
    }
    Ok(told(ask, true, made, false))
}

/// What each asks for. The same target twice is refused here: alone, the second would only meet the first.
fn read(all: &[Fields<'_>], sort: Sort) -> Result<Vec<Wish>, Problem> {
    let mut wishes: Vec<Wish> = Vec::new();
    for fields in all {
        if fields.has("isValidationOnly") {
            return Err(Problem::bad_request("'isValidationOnly' is said once for all requests, beside 'requests'."));
        }
        let wish = wish(fields, sort)?;
        if wishes.iter().any(|w| w.about == wish.about) {
            return Err(Problem::bad_request("Two of the requests are about the same principal, role and scope."));
        }
        wishes.push(wish);
    }
    Ok(wishes)
}

/// Each request's answer as a batch would give it. Where none was made, those that could have been say so.
fn told(ask: &Ask, made: bool, each: Vec<Result<Json, Problem>>, rehearsal: bool) -> Answer {
    let value = each.into_iter().map(|result| match result {
        Ok(request) if made || rehearsal => json!({"status": 201, "body": request}),
        Ok(_) => {
            let why = Problem::new(
                http::StatusCode::FAILED_DEPENDENCY,
                "FailedDependency",
                "This request could have been made; another one that was asked together with it could not.",
            );
            json!({"status": 424, "body": why.body(ask.moment.now, &ask.ids)})
        }
        Err(problem) => json!({"status": problem.status().as_u16(), "body": problem.body(ask.moment.now, &ask.ids)}),
    });
    Answer::Found(json!({
        "@odata.context": format!("{}/$metadata#Collection(writ.outcome)", ask.base),
        "value": value.collect::<Vec<_>>(),
    }))
}
