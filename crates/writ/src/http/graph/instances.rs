//! Instances: what is in force at this moment, of schedules; and the plain role assignments Graph shows beside them.

use super::ask::{Answer, Ask, Moment, Route, Whose};
use super::held::{self, Found, Seen};
use super::ids;
use super::odata::value::Value;
use super::odata::{Entity, Link, Linked, Property, Row};
use super::schedules::{assignment_type, member_type, schedule_id};
use super::targets;
use crate::http::problem::Problem;
use serde_json::Value as Json;
use writ_core::ids::{EligibilityId, PrincipalId};
use writ_core::may::Query;
use writ_core::state::{Assignment, Eligibility};

/// `unifiedRoleEligibilityScheduleInstance`
pub static ELIGIBILITY_INSTANCE: Entity = Entity {
    name: "unifiedRoleEligibilityScheduleInstance",
    properties: targets::held![
        Property::time("startDateTime"),
        Property::time("endDateTime"),
        Property::text("memberType"),
        Property::id("roleEligibilityScheduleId"),
    ],
    links: targets::held_links![],
    special: &[],
    or: true,
};

/// `unifiedRoleAssignmentScheduleInstance`
pub static ASSIGNMENT_INSTANCE: Entity = Entity {
    name: "unifiedRoleAssignmentScheduleInstance",
    properties: targets::held![
        Property::time("startDateTime"),
        Property::time("endDateTime"),
        Property::text("assignmentType"),
        Property::text("memberType"),
        Property::id("roleAssignmentOriginId"),
        Property::id("roleAssignmentScheduleId"),
    ],
    links: targets::held_links![Link::one("activatedUsing", &ELIGIBILITY_INSTANCE)],
    special: &[],
    or: true,
};

/// `unifiedRoleAssignment`
pub static ASSIGNMENT: Entity = Entity {
    name: "unifiedRoleAssignment",
    properties: targets::held![
        Property::text("condition").shown(),
        Property::id("principalOrganizationId").asked(),
        // What directoryScopeId is called in beta besides.
        Property::id("resourceScope").asked(),
    ],
    links: targets::held_links![],
    special: &[],
    or: true,
};

struct EligibilityInstance<'a> {
    moment: &'a Moment,
    held: &'a Eligibility,
    seen_by: Option<PrincipalId>,
}

/// An assignment in force in its plain form.
pub fn plain<'a>(moment: &'a Moment, held: &'a Assignment) -> impl Row + 'a {
    AssignmentInstance { moment, held, seen_by: None, plain: true }
}

struct AssignmentInstance<'a> {
    moment: &'a Moment,
    held: &'a Assignment,
    seen_by: Option<PrincipalId>,
    /// Whether it is shown as a plain role assignment.
    plain: bool,
}

/// The id of an assignment in force.
pub fn assignment_id(moment: &Moment, a: &Assignment) -> String {
    let beside = |other: &Assignment| other.target == a.target && !other.activated() && other.in_window(moment.now);
    let second = a.activated() && moment.state.assignments_of(a.principal).any(|o| beside(o));
    ids::assignment(a.principal, a.target, second)
}

/// Whether an eligibility can be used now. Whoever holds one is there; they may be disabled.
fn usable(moment: &Moment, e: &Eligibility) -> bool {
    e.in_window(moment.now)
        && !moment.state.disabled.contains(&e.principal)
        && moment.state.roles.get(&e.target.role_id()).is_some_and(|r| r.enabled)
}

/// Whether an assignment is in force now.
fn in_force(moment: &Moment, a: &Assignment) -> bool {
    a.in_window(moment.now)
        && !moment.state.disabled.contains(&a.principal)
        && moment.state.roles.get(&a.target.role_id()).is_some_and(|r| r.enabled)
}

impl Row for EligibilityInstance<'_> {
    fn entity(&self) -> &'static Entity {
        &ELIGIBILITY_INSTANCE
    }
    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }
    fn value(&self, property: &str) -> Value<'_> {
        let e = self.held;
        match property {
            "id" => ids::eligibility(e.principal, e.target).into(),
            "startDateTime" => e.starts.into(),
            "endDateTime" => e.ends.into(),
            "memberType" => member_type(e.principal, self.seen_by),
            "roleEligibilityScheduleId" => e.id.into(),
            other => targets::property(e.principal, e.target, other),
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
        self.value(property).into_json()
    }
    fn value(&self, property: &str) -> Value<'_> {
        let a = self.held;
        match property {
            "id" | "roleAssignmentOriginId" => assignment_id(self.moment, a).into(),
            "startDateTime" | "endDateTime" if a.plain => Value::Null,
            "startDateTime" => a.starts.into(),
            "endDateTime" => a.ends.into(),
            "assignmentType" => assignment_type(a),
            "memberType" => member_type(a.principal, self.seen_by),
            "roleAssignmentScheduleId" => schedule_id(self.moment, a),
            ROW => a.id.into(),
            "resourceScope" => targets::property(a.principal, a.target, "directoryScopeId"),
            "principalOrganizationId" => Value::Guid(self.moment.state.tenant.0),
            other => targets::property(a.principal, a.target, other),
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

/// The id that the state keeps an assignment by; never shown. What was made without a request is called otherwise, and
/// pages go through all of them in one order.
pub const ROW: &str = "writ.row";

/// The assignment in force that Graph calls by this id.
pub fn named<'a>(moment: &'a Moment, id: &str) -> Option<&'a Assignment> {
    let (principal, _) = ids::holder(id)?;
    let mut all = moment.state.assignments_of(principal);
    all.find(|a| in_force(moment, a) && assignment_id(moment, a) == id).map(|a| &**a)
}

fn eligibilities(ask: &Ask, whose: Whose) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let (moment, seen_by) = (&ask.moment, ask.seen_by(whose));
    let query = ask.query(&ELIGIBILITY_INSTANCE)?.given(&held::same(seen_by, None));
    let seen = Seen { whose, view };
    let Found { mut shape, rows } = held::eligibilities(ask, &query, seen, "roleEligibilityScheduleId")?;
    if ask.all(seen) && (query.count || ask.counting) {
        shape = shape.of_total(moment.state.usable_eligibilities(moment.now));
    }
    let rows = rows.map(|held| EligibilityInstance { moment, held, seen_by });
    let shown = |row: &EligibilityInstance| usable(moment, row.held) && ask.sees_held(row.held.principal, view);
    ask.page_of_shown(&query, ELIGIBILITIES, &shape, rows, shown)
}

fn eligibility(ask: &Ask) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let id = ask.at("id");
    let held = ids::holder(id).and_then(|(principal, _)| {
        let mut all = ask.moment.state.eligibilities_of(principal).iter();
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
    let query = ask.query(entity)?.given(&held::same(seen_by, None));
    let Found { shape, rows } = held::assignments(ask, &query, Seen { whose, view }, "roleAssignmentScheduleId")?;
    let rows = rows.map(|held| AssignmentInstance { moment, held, seen_by, plain });
    let shown = |row: &AssignmentInstance| in_force(moment, row.held) && ask.sees_held(row.held.principal, view);
    ask.page_of_shown(&query, path, &shape, rows, shown)
}

fn assignment(ask: &Ask, plain: bool) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let id = ask.at("id");
    let held = named(&ask.moment, id);
    let held = held.filter(|a| ask.sees_held(a.principal, view)).ok_or_else(|| ask.missing("id"))?;
    let row = AssignmentInstance { moment: &ask.moment, held, seen_by: None, plain };
    let (entity, path) = if plain {
        (&ASSIGNMENT, "roleManagement/directory/roleAssignments/$entity")
    } else {
        (&ASSIGNMENT_INSTANCE, "roleManagement/directory/roleAssignmentScheduleInstances/$entity")
    };
    ask.one(entity, path, &row)
}
