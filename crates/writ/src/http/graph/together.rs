//! `writ.together`: several requests in one, so that one proof serves all of them. Writ's own, at the two collections
//! of requests. Each becomes a request of its own, with its own entry in the log and its own approval.
//!
//! Always: all are made in one commit, each judged on what the ones before it lead to; if one is refused, none is made,
//! and each is told why or why not.

use super::ask::{Answer, Ask, Route, Written};
use super::body::Fields;
use super::schedule_requests::{Wish, shown, wish};
use crate::http::problem::Problem;
use crate::http::refused::{Part, problem};
use http::StatusCode;
use serde_json::json;
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
    let commands = wishes.into_iter().map(|wish| wish.command).collect();
    let (moment, answers) = ask.together(commands, rehearsal).await?;
    let made = answers.iter().all(Result::is_ok);
    let value = answers.into_iter().map(|answer| {
        let request = match answer {
            Ok(answer) if made => shown(ask, sort, &moment, &answer, rehearsal),
            Ok(_) => Err(Problem::new(
                StatusCode::FAILED_DEPENDENCY,
                "FailedDependency",
                "This request could have been made; another one that was asked together with it could not.",
            )),
            Err(refusal) => Err(problem(&refusal, Part::Requests)),
        };
        match request {
            Ok(body) => json!({"status": 201, "body": body}),
            Err(why) => json!({"status": why.status().as_u16(), "body": why.body(ask.moment.now, &ask.ids)}),
        }
    });
    Ok(Answer::Found(json!({
        "@odata.context": format!("{}/$metadata#Collection(writ.outcome)", ask.base),
        "value": value.collect::<Vec<_>>(),
    })))
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
