//! Instances: what is in force at this moment, of schedules; and the plain role assignments Graph shows beside them.

use super::ask::{Answer, Ask, Moment, Route, Whose};
use super::ids;
use super::odata::options::By;
use super::odata::{Entity, Kind, Link, Linked, Property, Row};
use super::page::Shape;
use super::schedules::{assignment_type, member_type};
use super::targets::{self, TO_APP_SCOPE, TO_PRINCIPAL, TO_ROLE, TO_SCOPE};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use writ_core::holds;
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId};
use writ_core::may::Query;
use writ_core::state::{Assignment, Eligibility};

/// `unifiedRoleEligibilityScheduleInstance`
pub static ELIGIBILITY_INSTANCE: Entity = Entity {
    name: "unifiedRoleEligibilityScheduleInstance",
    properties: &[
        Property::id("id"),
        Property::id("principalId"),
        Property::id("roleDefinitionId"),
        Property::id("directoryScopeId"),
        Property::id("appScopeId"),
        Property::time("startDateTime"),
        Property::time("endDateTime"),
        Property::text("memberType"),
        Property::id("roleEligibilityScheduleId"),
    ],
    links: &[TO_ROLE, TO_PRINCIPAL, TO_SCOPE, TO_APP_SCOPE],
    special: &[],
    or: true,
};

/// `unifiedRoleAssignmentScheduleInstance`
pub static ASSIGNMENT_INSTANCE: Entity = Entity {
    name: "unifiedRoleAssignmentScheduleInstance",
    properties: &[
        Property::id("id"),
        Property::id("principalId"),
        Property::id("roleDefinitionId"),
        Property::id("directoryScopeId"),
        Property::id("appScopeId"),
        Property::time("startDateTime"),
        Property::time("endDateTime"),
        Property::text("assignmentType"),
        Property::text("memberType"),
        Property::id("roleAssignmentOriginId"),
        Property::id("roleAssignmentScheduleId"),
    ],
    links: &[TO_ROLE, TO_PRINCIPAL, TO_SCOPE, TO_APP_SCOPE, Link::one("activatedUsing", &ELIGIBILITY_INSTANCE)],
    special: &[],
    or: true,
};

/// `unifiedRoleAssignment`
pub static ASSIGNMENT: Entity = Entity {
    name: "unifiedRoleAssignment",
    properties: &[
        Property::id("id"),
        Property::id("principalId"),
        Property::id("roleDefinitionId"),
        Property::id("directoryScopeId"),
        Property::id("appScopeId"),
        Property::text("condition").shown(),
        Property::id("principalOrganizationId").asked(),
    ],
    links: &[TO_ROLE, TO_PRINCIPAL, TO_SCOPE, TO_APP_SCOPE],
    special: &[],
    or: true,
};

struct EligibilityInstance<'a> {
    moment: &'a Moment,
    held: &'a Eligibility,
    seen_by: Option<PrincipalId>,
}

struct AssignmentInstance<'a> {
    moment: &'a Moment,
    held: &'a Assignment,
    seen_by: Option<PrincipalId>,
    /// Whether it is shown as a plain role assignment.
    plain: bool,
}

/// The id of an assignment in force.
fn assignment_id(moment: &Moment, a: &Assignment) -> String {
    let beside = |other: &Assignment| other.target == a.target && !other.activated() && other.in_window(moment.now);
    let second = a.activated() && moment.state.held_by(a.principal).assignments.iter().any(|o| beside(o));
    ids::assignment(a.principal, a.target, second)
}

/// Whether an eligibility can be used now.
fn usable(moment: &Moment, e: &Eligibility) -> bool {
    e.in_window(moment.now)
        && holds::enabled(&moment.state, e.principal)
        && moment.state.roles.get(&e.target.role_id()).is_some_and(|r| r.enabled)
}

/// Whether an assignment is in force now.
fn in_force(moment: &Moment, a: &Assignment) -> bool {
    a.in_window(moment.now)
        && holds::enabled(&moment.state, a.principal)
        && moment.state.roles.get(&a.target.role_id()).is_some_and(|r| r.enabled)
}

impl Row for EligibilityInstance<'_> {
    fn entity(&self) -> &'static Entity {
        &ELIGIBILITY_INSTANCE
    }
    fn get(&self, property: &str) -> Json {
        let e = self.held;
        match property {
            "id" => json!(ids::eligibility(e.principal, e.target)),
            "startDateTime" => json!(e.starts),
            "endDateTime" => json!(e.ends),
            "memberType" => member_type(e.principal, self.seen_by),
            "roleEligibilityScheduleId" => json!(e.id),
            other => targets::property(e.principal, e.target, other).unwrap_or(Json::Null),
        }
    }
    fn link(&self, name: &str) -> Linked<'_> {
        targets::link(self.moment, self.held.principal, self.held.target, name)
    }
}

impl Row for AssignmentInstance<'_> {
    fn entity(&self) -> &'static Entity {
        if self.plain { &ASSIGNMENT } else { &ASSIGNMENT_INSTANCE }
    }
    fn get(&self, property: &str) -> Json {
        let a = self.held;
        match property {
            "id" | "roleAssignmentOriginId" => json!(assignment_id(self.moment, a)),
            "startDateTime" => json!(a.starts),
            "endDateTime" => json!(a.ends),
            "assignmentType" => assignment_type(a),
            "memberType" => member_type(a.principal, self.seen_by),
            "roleAssignmentScheduleId" => json!(a.id),
            "principalOrganizationId" => json!(self.moment.state.tenant),
            other => targets::property(a.principal, a.target, other).unwrap_or(Json::Null),
        }
    }
    fn link(&self, name: &str) -> Linked<'_> {
        let used = |id: EligibilityId| {
            let held = self.moment.state.eligibilities.get(&id)?;
            Some(Box::new(EligibilityInstance { moment: self.moment, held, seen_by: self.seen_by }) as Box<dyn Row>)
        };
        match name {
            "activatedUsing" => Linked::One(self.held.from.and_then(used)),
            _ => targets::link(self.moment, self.held.principal, self.held.target, name),
        }
    }
}

const ELIGIBILITIES: &str = "roleManagement/directory/roleEligibilityScheduleInstances";
const ASSIGNMENTS: &str = "roleManagement/directory/roleAssignmentScheduleInstances";
const PLAIN: &str = "roleManagement/directory/roleAssignments";

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get(ELIGIBILITIES, |ask| eligibilities(ask, Whose::Everybody)),
    Route::get("roleManagement/directory/roleEligibilityScheduleInstances/filterByCurrentUser(on)", |ask| {
        eligibilities(ask, ask.current_user(&["principal"])?)
    }),
    Route::get("roleManagement/directory/roleEligibilityScheduleInstances/{id}", eligibility),
    Route::get("roleManagement/directory/roleEligibilityScheduleInstances/{id}/{link}", eligibility),
    Route::get(ASSIGNMENTS, |ask| assignments(ask, Whose::Everybody, false)),
    Route::get("roleManagement/directory/roleAssignmentScheduleInstances/filterByCurrentUser(on)", |ask| {
        assignments(ask, ask.current_user(&["principal"])?, false)
    }),
    Route::get("roleManagement/directory/roleAssignmentScheduleInstances/{id}", |ask| assignment(ask, false)),
    Route::get("roleManagement/directory/roleAssignmentScheduleInstances/{id}/{link}", |ask| assignment(ask, false)),
    Route::get(PLAIN, |ask| assignments(ask, Whose::Everybody, true)),
    Route::get("roleManagement/directory/roleAssignments/{id}", |ask| assignment(ask, true)),
    Route::get("roleManagement/directory/roleAssignments/{id}/{link}", |ask| assignment(ask, true)),
];

/// In the order of the schedules' ids, in which the state keeps them; an instance's own id says nothing of order.
fn by_schedule(property: &'static str) -> Shape {
    Shape { order: vec![By { property, kind: Kind::Id, descending: false }], ..Shape::by_id().sorted() }
}

fn eligibilities(ask: &Ask, whose: Whose) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let (moment, seen_by) = (&ask.moment, ask.seen_by(whose));
    ask.list_as(&ELIGIBILITY_INSTANCE, ELIGIBILITIES, by_schedule("roleEligibilityScheduleId"), |query, from| {
        let pinned = ask.held(query, whose, |h| &h.eligibilities, |e| e.id);
        let all = pinned.is_none().then(|| moment.state.eligibilities.range(EligibilityId(from)..).map(|(_, e)| &**e));
        let rows = pinned.into_iter().flatten().chain(all.into_iter().flatten());
        rows.filter(move |e| usable(moment, e) && ask.sees_held(e.principal, view))
            .map(move |held| EligibilityInstance { moment, held, seen_by })
    })
}

fn eligibility(ask: &Ask) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let id = ask.at("id");
    let held = ids::holder(id).and_then(|(principal, _)| {
        let mut all = ask.moment.state.held_by(principal).eligibilities.iter();
        all.find(|e| usable(&ask.moment, e) && ids::eligibility(e.principal, e.target) == id)
    });
    let held = held.filter(|e| ask.sees_held(e.principal, view)).ok_or_else(|| ask.missing("id"))?;
    let row = EligibilityInstance { moment: &ask.moment, held, seen_by: None };
    ask.one(&ELIGIBILITY_INSTANCE, "roleManagement/directory/roleEligibilityScheduleInstances/$entity", &row)
}

fn assignments(ask: &Ask, whose: Whose, plain: bool) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let (moment, seen_by) = (&ask.moment, ask.seen_by(whose));
    let (entity, path) = if plain { (&ASSIGNMENT, PLAIN) } else { (&ASSIGNMENT_INSTANCE, ASSIGNMENTS) };
    ask.list_as(entity, path, by_schedule("roleAssignmentScheduleId"), |query, from| {
        let pinned = ask.held(query, whose, |h| &h.assignments, |a| a.id);
        let all = pinned.is_none().then(|| moment.state.assignments.range(AssignmentId(from)..).map(|(_, a)| &**a));
        let rows = pinned.into_iter().flatten().chain(all.into_iter().flatten());
        rows.filter(move |a| in_force(moment, a) && ask.sees_held(a.principal, view))
            .map(move |held| AssignmentInstance { moment, held, seen_by, plain })
    })
}

fn assignment(ask: &Ask, plain: bool) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let id = ask.at("id");
    let held = ids::holder(id).and_then(|(principal, _)| {
        let mut all = ask.moment.state.held_by(principal).assignments.iter();
        all.find(|a| in_force(&ask.moment, a) && assignment_id(&ask.moment, a) == id)
    });
    let held = held.filter(|a| ask.sees_held(a.principal, view)).ok_or_else(|| ask.missing("id"))?;
    let row = AssignmentInstance { moment: &ask.moment, held, seen_by: None, plain };
    let (entity, path) = if plain {
        (&ASSIGNMENT, "roleManagement/directory/roleAssignments/$entity")
    } else {
        (&ASSIGNMENT_INSTANCE, "roleManagement/directory/roleAssignmentScheduleInstances/$entity")
    };
    ask.one(entity, path, &row)
}
