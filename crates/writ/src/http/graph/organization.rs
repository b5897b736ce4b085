//! The organisation: one tenant, with its name and the domains its users' names are in.

use super::ask::{Answer, Ask, Moment, Route};
use super::odata::{Entity, Kind, Property, Row};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use writ_core::may::Query;

/// A tenant.
pub static ORGANIZATION: Entity = Entity {
    name: "organization",
    properties: &[
        Property::id("id"),
        Property::text("displayName"),
        Property::text("tenantType"),
        Property::list(
            "verifiedDomains",
            &Kind::Object(&[
                Property::text("capabilities"),
                Property::bool("isDefault"),
                Property::bool("isInitial"),
                Property::text("name"),
                Property::text("type"),
            ]),
        ),
    ],
    links: &[],
    special: &[],
    or: true,
};

struct Organization<'a>(&'a Moment);

impl Row for Organization<'_> {
    fn entity(&self) -> &'static Entity {
        &ORGANIZATION
    }
    fn get(&self, property: &str) -> Json {
        let state = &self.0.state;
        match property {
            "id" => json!(state.tenant),
            "displayName" => json!(state.settings.as_ref().map(|s| &s.name)),
            "tenantType" => json!("AAD"),
            "verifiedDomains" => {
                let each = state.domains.keys().enumerate().map(|(i, name)| {
                    json!({"capabilities": "", "isDefault": i == 0, "isInitial": i == 0, "name": name, "type": "Managed"})
                });
                Json::Array(each.collect())
            }
            _ => Json::Null,
        }
    }
}

/// What is offered.
pub const ROUTES: &[Route] = &[Route::get("organization", list), Route::get("organization/{id}", one)];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Organization)?;
    ask.list(&ORGANIZATION, "organization", |_, _| std::iter::once(Organization(&ask.moment)))
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Organization)?;
    let own = ask.id_at::<writ_core::ids::TenantId>("id")? == ask.moment.state.tenant;
    if !own {
        return Err(ask.missing("id"));
    }
    ask.one(&ORGANIZATION, "organization/$entity", &Organization(&ask.moment))
}
