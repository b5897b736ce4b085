//! Service principals: programs and AI agents.

use super::ask::{Answer, Ask, Route};
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::{Entity, Link, Property};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use writ_core::directory::{Principal, Service};
use writ_core::ids::PrincipalId;
use writ_core::may::Query;

/// A program.
pub static SERVICE_PRINCIPAL: Entity = Entity {
    name: "servicePrincipal",
    properties: &[
        Property::id("id"),
        Property::bool("accountEnabled"),
        Property::id("appId"),
        Property::text("appDisplayName"),
        Property::text("displayName"),
        Property::text("servicePrincipalType"),
    ],
    links: &[
        Link::many("memberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("transitiveMemberOf", &DIRECTORY_OBJECT).mixed(),
    ],
    special: &[],
    or: true,
};

/// A property of a program.
pub fn property(p: &Principal, service: &Service, name: &str) -> Json {
    match name {
        "id" => json!(p.id),
        "accountEnabled" => json!(p.enabled),
        "appId" => json!(service.app),
        "appDisplayName" | "displayName" => json!(p.name.shown()),
        "servicePrincipalType" => json!("Application"),
        _ => Json::Null,
    }
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("servicePrincipals", list),
    Route::get("servicePrincipals/{id}", one),
    Route::get("servicePrincipals/{id}/{link}", one),
];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    super::named::list(ask, &SERVICE_PRINCIPAL, "servicePrincipals", &ask.moment.state.names.programs)
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    let found = ask.id_at::<PrincipalId>("id")?;
    let is_service = ask.moment.state.principals.get(&found).is_some_and(|p| p.user().is_none() && p.group().is_none());
    let row = Object::principal(&ask.moment, found).filter(|_| is_service).ok_or_else(|| ask.missing("id"))?;
    ask.one(&SERVICE_PRINCIPAL, "servicePrincipals/$entity", &row)
}
