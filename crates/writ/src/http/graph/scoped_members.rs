//! Who holds a role in an administrative unit, as Graph's older resource shows it: with the unit, or with the user. It is
//! the same assignments as everywhere else, as far as they are in force now.

use super::ask::{Answer, Ask, Moment, Route};
use super::instances::assignment_id;
use super::odata::{Entity, Kind, Property, Row};
use super::page::Shape;
use super::{directory_roles, users};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use writ_core::holds;
use writ_core::ids::{PrincipalId, UnitId};
use writ_core::may::Query;
use writ_core::scope::Scope;
use writ_core::state::Assignment;

const IDENTITY: Kind = Kind::Object(&[Property::id("id"), Property::text("displayName")]);

/// `scopedRoleMembership`
pub static MEMBERSHIP: Entity = Entity {
    name: "scopedRoleMembership",
    properties: &[
        Property::id("id"),
        Property::id("administrativeUnitId"),
        Property::id("roleId"),
        Property { name: "roleMemberInfo", kind: IDENTITY, filter: false, order: false, asked: false },
    ],
    links: &[],
    special: &[],
    or: true,
};

/// One such assignment.
pub struct Membership<'a> {
    moment: &'a Moment,
    held: &'a Assignment,
    unit: UnitId,
}

impl Row for Membership<'_> {
    fn entity(&self) -> &'static Entity {
        &MEMBERSHIP
    }
    fn get(&self, property: &str) -> Json {
        let a = self.held;
        match property {
            "id" => json!(assignment_id(self.moment, a)),
            "administrativeUnitId" => json!(self.unit),
            "roleId" => json!(a.target.role_id()),
            "roleMemberInfo" => {
                json!({"id": a.principal, "displayName": self.moment.state.name_of(a.principal)})
            }
            _ => Json::Null,
        }
    }
}

/// The assignment as such a membership, whether or not it is in force.
pub fn made<'a>(moment: &'a Moment, held: &'a Assignment) -> Option<Membership<'a>> {
    let Scope::Unit(unit) = held.target.scope() else { return None };
    Some(Membership { moment, held, unit })
}

/// The assignment as such a membership, if it is one now and the looker may see it.
pub fn of<'a>(moment: &'a Moment, held: &'a Assignment) -> Option<Membership<'a>> {
    let state = &moment.state;
    let role = state.roles.get(&held.target.role_id()).is_some_and(|r| r.enabled);
    let in_force = held.in_window(moment.now) && holds::enabled(state, held.principal) && role;
    made(moment, held).filter(|_| in_force && moment.sees_roles_of(held.principal))
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("directory/administrativeUnits/{id}/scopedRoleMembers", in_unit),
    Route::get("directory/administrativeUnits/{id}/scopedRoleMembers/{membership}", one),
    Route::get("directoryRoles/{id}/scopedMembers", of_role),
    Route::get("directoryRoles/{id}/scopedMembers/{membership}", one_of_role),
    Route::get("directoryRoles(roleTemplateId)/scopedMembers", of_role),
    Route::get("users/{id}/scopedRoleMemberOf", of_user),
    Route::get("me/scopedRoleMemberOf", of_me),
];

fn list<'a>(ask: &'a Ask, rows: impl Iterator<Item = Membership<'a>>) -> Result<Answer, Problem> {
    ask.list_as(&MEMBERSHIP, "scopedRoleMemberships", Shape::by_id(), |_, _| rows)
}

/// All of them, each assignment counted that is looked at for it.
fn all(ask: &Ask) -> impl Iterator<Item = Membership<'_>> {
    ask.reach.count(ask.moment.state.assignments.values()).filter_map(|a| of(&ask.moment, a))
}

/// The unit that the path names.
pub fn unit(ask: &Ask) -> Result<UnitId, Problem> {
    let unit: UnitId = ask.id_at("id")?;
    if ask.moment.state.units.contains_key(&unit) { Ok(unit) } else { Err(ask.missing("id")) }
}

fn in_unit(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Grants)?;
    let unit = unit(ask)?;
    list(ask, all(ask).filter(move |m| m.unit == unit))
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Grants)?;
    let (unit, id) = (unit(ask)?, ask.at("membership"));
    let found = all(ask).find(|m| m.unit == unit && assignment_id(&ask.moment, m.held) == id);
    ask.one(&MEMBERSHIP, "scopedRoleMemberships/$entity", &found.ok_or_else(|| ask.missing("membership"))?)
}

fn of_role(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Grants)?;
    let role = directory_roles::role_named(ask)?;
    list(ask, all(ask).filter(move |m| m.held.target.role_id() == role))
}

fn one_of_role(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Grants)?;
    let (role, id) = (directory_roles::role_named(ask)?, ask.at("membership"));
    let is = |m: &Membership| m.held.target.role_id() == role && assignment_id(&ask.moment, m.held) == id;
    let found = all(ask).find(is).ok_or_else(|| ask.missing("membership"))?;
    ask.one(&MEMBERSHIP, "scopedRoleMemberships/$entity", &found)
}

fn of_user(ask: &Ask) -> Result<Answer, Problem> {
    let user = users::readable(ask)?;
    list(ask, all_of(&ask.moment, user))
}

fn of_me(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Me)?;
    list(ask, all_of(&ask.moment, ask.me()?))
}

fn all_of(moment: &Moment, principal: PrincipalId) -> impl Iterator<Item = Membership<'_>> {
    moment.state.assignments_of(principal).filter_map(|a| of(moment, a))
}
