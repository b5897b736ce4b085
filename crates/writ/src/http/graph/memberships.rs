//! Which groups, units and directory roles somebody is in, asked as Graph's four functions ask it, through other groups
//! too. Whoever may not see who holds which role is not told of roles.

use super::ask::{Answer, Ask, Route, Written};
use super::directory_objects::{Object, ids_in};
use super::odata::{Linked, Row as _};
use super::users;
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use uuid::Uuid;
use writ_core::ids::PrincipalId;
use writ_core::may::Query;

/// How many ids can be checked at once, as in Graph.
const CHECKED_MAX: usize = 20;

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::post("me/checkMemberGroups()", |ask| Box::pin(check(ask, Of::Me, "groupIds"))),
    Route::post("me/checkMemberObjects()", |ask| Box::pin(check(ask, Of::Me, "ids"))),
    Route::post("me/getMemberGroups()", |ask| Box::pin(get(ask, Of::Me, false))),
    Route::post("me/getMemberObjects()", |ask| Box::pin(get(ask, Of::Me, true))),
    Route::post("users/{id}/checkMemberGroups()", |ask| Box::pin(check(ask, Of::User, "groupIds"))),
    Route::post("users/{id}/checkMemberObjects()", |ask| Box::pin(check(ask, Of::User, "ids"))),
    Route::post("users/{id}/getMemberGroups()", |ask| Box::pin(get(ask, Of::User, false))),
    Route::post("users/{id}/getMemberObjects()", |ask| Box::pin(get(ask, Of::User, true))),
    Route::post("groups/{id}/checkMemberGroups()", |ask| Box::pin(check(ask, Of::Any, "groupIds"))),
    Route::post("groups/{id}/checkMemberObjects()", |ask| Box::pin(check(ask, Of::Any, "ids"))),
    Route::post("groups/{id}/getMemberGroups()", |ask| Box::pin(get(ask, Of::Any, false))),
    Route::post("groups/{id}/getMemberObjects()", |ask| Box::pin(get(ask, Of::Any, true))),
    Route::post("servicePrincipals/{id}/checkMemberGroups()", |ask| Box::pin(check(ask, Of::Any, "groupIds"))),
    Route::post("servicePrincipals/{id}/checkMemberObjects()", |ask| Box::pin(check(ask, Of::Any, "ids"))),
    Route::post("servicePrincipals/{id}/getMemberGroups()", |ask| Box::pin(get(ask, Of::Any, false))),
    Route::post("servicePrincipals/{id}/getMemberObjects()", |ask| Box::pin(get(ask, Of::Any, true))),
    Route::post("directoryObjects/{id}/checkMemberGroups()", |ask| Box::pin(check(ask, Of::Any, "groupIds"))),
    Route::post("directoryObjects/{id}/checkMemberObjects()", |ask| Box::pin(check(ask, Of::Any, "ids"))),
    Route::post("directoryObjects/{id}/getMemberGroups()", |ask| Box::pin(get(ask, Of::Any, false))),
    Route::post("directoryObjects/{id}/getMemberObjects()", |ask| Box::pin(get(ask, Of::Any, true))),
];

/// Whom the path names.
#[derive(Clone, Copy)]
enum Of {
    Me,
    User,
    Any,
}

fn subject(ask: &Ask, of: Of) -> Result<Object<'_>, Problem> {
    let found = match of {
        Of::Me => {
            ask.reads(Query::Me)?;
            Object::principal(&ask.moment, ask.me()?)
        }
        Of::User => Object::principal(&ask.moment, users::readable(ask)?),
        Of::Any => {
            ask.reads(Query::Directory)?;
            Object::any(&ask.moment, ask.id_at("id")?)
        }
    };
    found.ok_or_else(|| ask.missing("id"))
}

/// Everything that a subject is in: groups, and with `all` units and roles as well.
fn containing(ask: &Ask, subject: &Object<'_>, all: bool) -> BTreeSet<Uuid> {
    if !all {
        return ask.moment.state.groups_above(PrincipalId(subject.id())).iter().map(|group| group.0).collect();
    }
    match subject.link("transitiveMemberOf") {
        Linked::Many(rows) => rows.iter().filter_map(|row| Uuid::try_parse(row.get("id").as_str()?).ok()).collect(),
        Linked::One(_) => BTreeSet::new(),
    }
}

fn told(ask: &Ask, ids: impl Iterator<Item = Uuid>) -> Answer {
    let ids: Vec<Json> = ids.map(|id| json!(id)).collect();
    Answer::Found(json!({"@odata.context": ask.context_url("Collection(Edm.String)"), "value": ids}))
}

async fn check(ask: &Ask, of: Of, property: &'static str) -> Written {
    let subject = subject(ask, of)?;
    let body = ask.body()?;
    let ids = body.fields().texts(property)?;
    let ids = ids.ok_or_else(|| Problem::bad_request(format!("A value is required for property '{property}'.")))?;
    if ids.len() > CHECKED_MAX {
        return Err(Problem::bad_request(format!("At most {CHECKED_MAX} ids can be checked at once.")));
    }
    let found = containing(ask, &subject, property == "ids");
    let asked = ids_in(&ids, property)?.into_iter().filter(|id| found.contains(id));
    Ok(told(ask, asked.collect::<BTreeSet<_>>().into_iter()))
}

async fn get(ask: &Ask, of: Of, all: bool) -> Written {
    let subject = subject(ask, of)?;
    let body = ask.body()?;
    // Every group here is a security group, so the answer is the same either way; Graph insists on the property.
    if body.fields().bool("securityEnabledOnly")?.is_none() {
        return Err(Problem::bad_request("A value is required for property 'securityEnabledOnly'."));
    }
    Ok(told(ask, containing(ask, &subject, all).into_iter()))
}
