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
use writ_core::may::Query;
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

/// A built-in role as a directory role, or as the template of one.
pub struct DirectoryRole<'a> {
    moment: &'a Moment,
    role: &'a Role,
    template: bool,
}

/// The directory roles that somebody holds now in the whole tenant, as far as the looker may know; with `groups` those
/// that their groups pass on as well.
pub fn held_by(moment: &Moment, principal: PrincipalId, groups: bool) -> Vec<Box<dyn Row + '_>> {
    let state = &moment.state;
    let held = holds::held(state, principal, moment.now).filter(|a| groups || a.principal == principal);
    let in_force = held.filter(|a| a.target.scope() == Scope::Tenant && moment.sees_roles_of(a.principal));
    let roles: BTreeSet<RoleId> = in_force.map(|a| a.target.role_id()).collect();
    let shown = roles.iter().filter_map(|id| state.roles.get(id)).filter(|r| r.built_in);
    shown.map(|role| Box::new(DirectoryRole { moment, role, template: false }) as Box<dyn Row>).collect()
}

impl Row for DirectoryRole<'_> {
    fn entity(&self) -> &'static Entity {
        if self.template { &TEMPLATE } else { &DIRECTORY_ROLE }
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
            let mut all = state.assignments_of(*p);
            all.any(|a| a.target.role_id() == self.role.id && a.target.scope() == Scope::Tenant && a.in_window(now))
        };
        let seen = |p: &PrincipalId| !self.template && self.moment.sees_roles_of(*p);
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
    Route::get("directoryRoles/{id}/members/{item}", members),
    Route::get("directoryRoleTemplates", |ask| list(ask, true)),
    Route::get("directoryRoleTemplates/{id}", template),
];

fn list(ask: &Ask, templates: bool) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    if !templates {
        ask.reads(Query::Grants)?;
    }
    let (entity, path) = match templates {
        true => (&TEMPLATE, "directoryRoleTemplates"),
        false => (&DIRECTORY_ROLE, "directoryRoles"),
    };
    // Graph answers with all of them at once.
    ask.list_as(entity, path, Shape::by_id().sorted().usual(999), |_, from| {
        let all = ask.moment.state.roles.range(RoleId(from)..).map(|(_, role)| &**role);
        all.filter(|r| r.built_in && r.assignable).map(move |role| DirectoryRole {
            moment: &ask.moment,
            role,
            template: templates,
        })
    })
}

/// The role that the path names: by id, or by its template in either of the two forms of an alternate key.
fn named(ask: &Ask, template: bool) -> Result<DirectoryRole<'_>, Problem> {
    let name = if ask.at("roleTemplateId").is_empty() { "id" } else { "roleTemplateId" };
    let text = ask.at(name);
    let text = match text.split_once('=') {
        Some((key, value)) if key.eq_ignore_ascii_case("roleTemplateId") => value.trim_matches('\''),
        _ => text,
    };
    let role = text.parse::<RoleId>().ok().and_then(|id| ask.moment.state.roles.get(&id));
    let role = role.filter(|r| r.built_in && r.assignable).ok_or_else(|| ask.missing(name))?;
    Ok(DirectoryRole { moment: &ask.moment, role, template })
}

/// The role with this id, as Graph's directory shows it.
pub fn with_id(moment: &Moment, id: uuid::Uuid) -> Option<Box<dyn Row + '_>> {
    let role = moment.state.roles.get(&RoleId(id)).filter(|r| r.built_in && r.assignable)?;
    Some(Box::new(DirectoryRole { moment, role, template: false }))
}

/// The id of the role that the path names.
pub fn role_named(ask: &Ask) -> Result<RoleId, Problem> {
    named(ask, false).map(|found| found.role.id)
}

fn role(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    ask.reads(Query::Grants)?;
    ask.one(&DIRECTORY_ROLE, "directoryRoles/$entity", &named(ask, false)?)
}

fn members(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Grants)?;
    ask.links(&named(ask, false)?, "members")
}

fn template(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    ask.one(&TEMPLATE, "directoryRoleTemplates/$entity", &named(ask, true)?)
}
