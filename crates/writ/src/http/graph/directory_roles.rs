//! Directory roles and their templates: the older face of the built-in roles. They are only read here; whoever is a
//! member was assigned or activated elsewhere.

use super::ask::{Answer, Ask, Moment, Route};
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::{Entity, Link, Linked, Property, Row};
use super::page::Shape;
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use writ_core::holds;
use writ_core::ids::{PrincipalId, RoleId};
use writ_core::may::{Query, View};
use writ_core::role::Role;
use writ_core::scope::Scope;

/// `directoryRole`
pub static DIRECTORY_ROLE: Entity = Entity {
    name: "directoryRole",
    properties: &[
        Property::id("id"),
        Property::time("deletedDateTime").shown(),
        Property::text("description"),
        Property::text("displayName"),
        Property::id("roleTemplateId"),
    ],
    links: &[Link::many("members", &DIRECTORY_OBJECT).mixed()],
    special: &[],
    or: true,
};

/// `directoryRoleTemplate`
pub static TEMPLATE: Entity = Entity {
    name: "directoryRoleTemplate",
    properties: &[
        Property::id("id"),
        Property::time("deletedDateTime").shown(),
        Property::text("description"),
        Property::text("displayName"),
    ],
    links: &[],
    special: &[],
    or: true,
};

struct DirectoryRole<'a> {
    moment: &'a Moment,
    role: &'a Role,
    /// How many of its members may be seen; `None` for a template, which has none.
    view: Option<View>,
}

impl Row for DirectoryRole<'_> {
    fn entity(&self) -> &'static Entity {
        if self.view.is_some() { &DIRECTORY_ROLE } else { &TEMPLATE }
    }
    fn get(&self, property: &str) -> Json {
        match property {
            "id" | "roleTemplateId" => json!(self.role.id),
            "displayName" => json!(self.role.name),
            "description" if self.role.description.is_empty() => Json::Null,
            "description" => json!(self.role.description),
            _ => Json::Null,
        }
    }
    fn link(&self, _name: &str) -> Linked<'_> {
        let (state, now) = (&self.moment.state, self.moment.now);
        let held = |p: &PrincipalId| {
            let mut all = state.held_by(*p).assignments.iter();
            all.any(|a| a.target.role_id() == self.role.id && a.target.scope() == Scope::Tenant && a.in_window(now))
        };
        let seen = |p: &PrincipalId| self.view.is_some_and(|view| writ_core::may::may_see_held(state, *p, view));
        let holders: BTreeSet<PrincipalId> =
            state.holders_of(self.role.id).filter(held).filter(seen).filter(|p| holds::enabled(state, *p)).collect();
        Linked::Many(holders.into_iter().filter_map(|p| Object::principal(self.moment, p)).map(Object::boxed).collect())
    }
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("directoryRoles", |ask| list(ask, false)),
    Route::get("directoryRoles/{id}", role),
    Route::get("directoryRoles(roleTemplateId)", role),
    Route::get("directoryRoles/{id}/members", members),
    Route::get("directoryRoles(roleTemplateId)/members", members),
    Route::get("directoryRoleTemplates", |ask| list(ask, true)),
    Route::get("directoryRoleTemplates/{id}", template),
];

fn list(ask: &Ask, templates: bool) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    let view = if templates { None } else { Some(ask.reads(Query::Grants)?) };
    let (entity, path) = match templates {
        true => (&TEMPLATE, "directoryRoleTemplates"),
        false => (&DIRECTORY_ROLE, "directoryRoles"),
    };
    // Graph answers with all of them at once.
    ask.list_as(entity, path, Shape::by_id().sorted().usual(999), |_, from| {
        let all = ask.moment.state.roles.range(RoleId(from)..).map(|(_, role)| &**role);
        all.filter(|r| r.built_in && r.assignable).map(move |role| DirectoryRole { moment: &ask.moment, role, view })
    })
}

/// The role that the path names: by id, or by its template in either of the two forms of an alternate key.
fn named(ask: &Ask, view: Option<View>) -> Result<DirectoryRole<'_>, Problem> {
    let name = if ask.at("roleTemplateId").is_empty() { "id" } else { "roleTemplateId" };
    let text = ask.at(name);
    let text = match text.split_once('=') {
        Some((key, value)) if key.eq_ignore_ascii_case("roleTemplateId") => value.trim_matches('\''),
        _ => text,
    };
    let role = text.parse::<RoleId>().ok().and_then(|id| ask.moment.state.roles.get(&id));
    let role = role.filter(|r| r.built_in && r.assignable).ok_or_else(|| ask.missing(name))?;
    Ok(DirectoryRole { moment: &ask.moment, role, view })
}

fn role(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    let view = ask.reads(Query::Grants)?;
    ask.one(&DIRECTORY_ROLE, "directoryRoles/$entity", &named(ask, Some(view))?)
}

fn members(ask: &Ask) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    ask.links(&named(ask, Some(view))?, "members")
}

fn template(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    ask.one(&TEMPLATE, "directoryRoleTemplates/$entity", &named(ask, None)?)
}
