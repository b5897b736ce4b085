//! Service principals: programs and AI agents.

use super::ask::{Answer, Ask, Route};
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::{self, Entity, Link, Property};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use uuid::Uuid;
use writ_core::directory::{Kind, Principal, Service};
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
        Property::id("appOwnerOrganizationId"),
        Property::bool("appRoleAssignmentRequired"),
        Property::time("deletedDateTime").shown(),
        Property::text("displayName"),
        Property::list("servicePrincipalNames", &odata::Kind::Text),
        Property::text("servicePrincipalType"),
        Property::text("signInAudience"),
    ],
    links: &[
        Link::many("memberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("transitiveMemberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("owners", &DIRECTORY_OBJECT).mixed().counted(),
        Link::many("ownedObjects", &DIRECTORY_OBJECT).mixed(),
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
        "appRoleAssignmentRequired" => json!(false),
        "servicePrincipalNames" => json!([service.app]),
        "servicePrincipalType" => json!("Application"),
        "signInAudience" => json!("AzureADMyOrg"),
        _ => Json::Null,
    }
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("servicePrincipals", list),
    Route::get("servicePrincipals/{id}", one),
    Route::get("servicePrincipals(appId)", one),
    Route::get("servicePrincipals/{id}/{link}", one),
    Route::get("servicePrincipals(appId)/{link}", one),
    Route::get("servicePrincipals/{id}/{link}/{item}", one),
    Route::get("servicePrincipals(appId)/{link}/{item}", one),
];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    super::named::list(ask, &SERVICE_PRINCIPAL, "servicePrincipals", &ask.moment.state.names.programs)
}

/// The program that the path names by its own id or by its application's.
fn named(ask: &Ask) -> Result<Object<'_>, Problem> {
    let state = &ask.moment.state;
    let service = |p: &&Arc<Principal>| matches!(p.kind, Kind::Service(_));
    let (name, found) = if ask.at("id").is_empty() {
        let app: Uuid = ask.id_at("appId")?;
        let of = |p: &&Arc<Principal>| matches!(&p.kind, Kind::Service(s) if s.app == app);
        ("appId", state.principals.values().find(of))
    } else {
        ("id", state.principals.get(&ask.id_at::<PrincipalId>("id")?).filter(service))
    };
    found.and_then(|p| Object::principal(&ask.moment, p.id)).ok_or_else(|| ask.missing(name))
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    ask.one(&SERVICE_PRINCIPAL, "servicePrincipals/$entity", &named(ask)?)
}
