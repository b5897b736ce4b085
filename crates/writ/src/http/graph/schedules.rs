//! Schedules: eligibilities and assignments as they stand, future ones included.
//! They are read here and made by requests.

use super::ask::{Answer, Ask, Moment, Route, Whose};
use super::held::{self, Found, Seen};
use super::instances::{self, ROW, assignment_id};
use super::odata::value::Value;
use super::odata::{Entity, Link, Linked, Property, Row};
use super::targets::{self, SCHEDULE};
use crate::http::problem::Problem;
use serde_json::Value as Json;
use std::borrow::Cow;
use writ_core::decide::scheduled;
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId, RequestId};
use writ_core::may::{Query, View};
use writ_core::state::{Assignment, Eligibility};

/// `unifiedRoleEligibilitySchedule`
pub static ELIGIBILITY_SCHEDULE: Entity = Entity {
    name: "unifiedRoleEligibilitySchedule",
    properties: targets::held![
        Property::id("createdUsing"),
        Property::time("createdDateTime"),
        Property::time("modifiedDateTime"),
        Property::text("status"),
        Property::text("memberType"),
        Property::object("scheduleInfo", SCHEDULE),
    ],
    links: targets::held_links![],
    special: &[],
    or: true,
};

/// `unifiedRoleAssignmentSchedule`
pub static ASSIGNMENT_SCHEDULE: Entity = Entity {
    name: "unifiedRoleAssignmentSchedule",
    properties: targets::held![
        Property::id("createdUsing"),
        Property::time("createdDateTime"),
        Property::time("modifiedDateTime"),
        Property::text("status"),
        Property::text("assignmentType"),
        Property::text("memberType"),
        Property::object("scheduleInfo", SCHEDULE),
    ],
    links: targets::held_links![Link::one("activatedUsing", &ELIGIBILITY_SCHEDULE)],
    special: &[],
    or: true,
};

/// An eligibility.
pub struct EligibilityRow<'a> {
    /// The moment it is seen at.
    pub moment: &'a Moment,
    /// The eligibility.
    pub held: &'a Eligibility,
    /// For whom the list is: rows held by another principal are held through a group.
    pub seen_by: Option<PrincipalId>,
}

/// An assignment.
pub struct AssignmentRow<'a> {
    /// The moment it is seen at.
    pub moment: &'a Moment,
    /// The assignment.
    pub held: Cow<'a, Assignment>,
    /// For whom the list is: rows held by another principal are held through a group.
    pub seen_by: Option<PrincipalId>,
}

/// `Direct`, or `Group` when somebody sees a row that a group of theirs holds.
pub fn member_type(holder: PrincipalId, seen_by: Option<PrincipalId>) -> Value<'static> {
    Value::from(if seen_by.is_some_and(|me| me != holder) { "Group" } else { "Direct" })
}

/// What an assignment's schedule is called: by the request that made it, or, without one, as the plain assignment is.
pub fn schedule_id<'a>(moment: &Moment, a: &Assignment) -> Value<'a> {
    if a.plain { assignment_id(moment, a).into() } else { a.id.into() }
}

/// `Activated` or `Assigned`.
pub fn assignment_type(a: &Assignment) -> Value<'static> {
    Value::from(if a.activated() { "Activated" } else { "Assigned" })
}

impl<'a> AssignmentRow<'a> {
    /// The assignment with this id, or the activation that will have it once it begins.
    pub fn of(moment: &'a Moment, id: AssignmentId) -> Option<Self> {
        let there = moment.state.assignments.get(&id).map(|a| Cow::Borrowed(&**a));
        let later = || scheduled(&moment.state, moment.state.requests.get(&RequestId(id.0))?).map(Cow::Owned);
        there.or_else(later).map(|held| Self { moment, held, seen_by: None })
    }
    /// The same as a boxed row.
    pub fn boxed(self) -> Box<dyn Row + 'a> {
        Box::new(self)
    }
}

impl<'a> EligibilityRow<'a> {
    /// The eligibility with this id.
    pub fn of(moment: &'a Moment, id: EligibilityId) -> Option<Self> {
        moment.state.eligibilities.get(&id).map(|held| Self { moment, held, seen_by: None })
    }
    /// The same as a boxed row.
    pub fn boxed(self) -> Box<dyn Row + 'a> {
        Box::new(self)
    }
}

impl Row for EligibilityRow<'_> {
    fn entity(&self) -> &'static Entity {
        &ELIGIBILITY_SCHEDULE
    }
    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }
    fn value(&self, property: &str) -> Value<'_> {
        let e = self.held;
        match property {
            "id" | "createdUsing" => e.id.into(),
            "createdDateTime" => e.made.into(),
            "modifiedDateTime" => e.changed.into(),
            "status" => STATUS.into(),
            "memberType" => member_type(e.principal, self.seen_by),
            "scheduleInfo" => targets::window(e.starts, e.ends),
            other => targets::property(e.principal, e.target, other),
        }
    }
    fn link(&self, name: &str) -> Linked<'_> {
        targets::link(self.moment, self.held.principal, self.held.target, name)
    }
}

impl Row for AssignmentRow<'_> {
    fn entity(&self) -> &'static Entity {
        &ASSIGNMENT_SCHEDULE
    }
    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }
    fn value(&self, property: &str) -> Value<'_> {
        let a = &*self.held;
        match property {
            "id" => schedule_id(self.moment, a),
            // What was made without a request has nothing that made it, and Graph says no more of it.
            "createdUsing" | "createdDateTime" | "modifiedDateTime" if a.plain => Value::Null,
            ROW | "createdUsing" => a.id.into(),
            "createdDateTime" => a.made.into(),
            "modifiedDateTime" => a.changed.into(),
            "status" => STATUS.into(),
            "assignmentType" => assignment_type(a),
            "memberType" => member_type(a.principal, self.seen_by),
            "scheduleInfo" => targets::window(a.starts, a.ends),
            other => targets::property(a.principal, a.target, other),
        }
    }
    fn link(&self, name: &str) -> Linked<'_> {
        match name {
            "activatedUsing" => {
                Linked::One(self.held.from.and_then(|e| EligibilityRow::of(self.moment, e)).map(EligibilityRow::boxed))
            }
            _ => targets::link(self.moment, self.held.principal, self.held.target, name),
        }
    }
}

/// The status that every schedule has.
const STATUS: Option<&str> = Some("Provisioned");

const ELIGIBILITIES: &str = "roleManagement/directory/roleEligibilitySchedules";
const ASSIGNMENTS: &str = "roleManagement/directory/roleAssignmentSchedules";

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get(ELIGIBILITIES, |ask| eligibilities(ask, Whose::Everybody)),
    Route::get("roleManagement/directory/roleEligibilitySchedules/filterByCurrentUser(on)", |ask| {
        eligibilities(ask, ask.current_user(&["principal"])?)
    }),
    Route::get("roleManagement/directory/roleEligibilitySchedules/{id}", eligibility),
    Route::get("roleManagement/directory/roleEligibilitySchedules/{id}/{link}", eligibility),
    Route::get(ASSIGNMENTS, |ask| assignments(ask, Whose::Everybody)),
    Route::get("roleManagement/directory/roleAssignmentSchedules/filterByCurrentUser(on)", |ask| {
        assignments(ask, ask.current_user(&["principal"])?)
    }),
    Route::get("roleManagement/directory/roleAssignmentSchedules/{id}", assignment),
    Route::get("roleManagement/directory/roleAssignmentSchedules/{id}/{link}", assignment),
];

fn eligibilities(ask: &Ask, whose: Whose) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let (moment, seen_by) = (&ask.moment, ask.seen_by(whose));
    let query = ask.query(&ELIGIBILITY_SCHEDULE)?.given(&held::same(seen_by, STATUS));
    let seen = Seen { whose, view };
    let Found { mut shape, rows } = held::eligibilities(ask, &query, seen, "id")?;
    if ask.all(seen) {
        shape = shape.of_total(moment.state.eligibilities.len());
    }
    let rows = rows.filter(|e| ask.sees_held(e.principal, view));
    ask.page_of(&query, ELIGIBILITIES, &shape, rows.map(|held| EligibilityRow { moment, held, seen_by }))
}

fn eligibility(ask: &Ask) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let row = EligibilityRow::of(&ask.moment, ask.id_at("id")?);
    let row = row.filter(|r| ask.sees_held(r.held.principal, view)).ok_or_else(|| ask.missing("id"))?;
    ask.one(&ELIGIBILITY_SCHEDULE, "roleManagement/directory/roleEligibilitySchedules/$entity", &row)
}

fn assignments(ask: &Ask, whose: Whose) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let (moment, seen_by) = (&ask.moment, ask.seen_by(whose));
    let query = ask.query(&ASSIGNMENT_SCHEDULE)?.given(&held::same(seen_by, STATUS));
    let Found { shape, rows } = held::assignments(ask, &query, Seen { whose, view }, "id")?;
    // Activations whose start is still ahead are requests so far; Graph has schedules of them.
    let state = &*moment.state;
    let only = if whose == Whose::Everybody { seen_only(view) } else { moment.me };
    let mut later: Vec<Assignment> = match only {
        Some(me) => state.open_of(me).filter_map(|r| scheduled(state, r)).collect(),
        None => {
            let open = state.open.iter().filter_map(|(_, id)| state.requests.get(id));
            open.filter_map(|r| scheduled(state, r)).collect()
        }
    };
    later.sort_unstable_by_key(|a| a.id);
    let rows = merged(rows.map(Cow::Borrowed), later.into_iter().map(Cow::Owned));
    let rows = rows.map(|held| AssignmentRow { moment, held, seen_by });
    let lasts = |row: &AssignmentRow| row.held.ends.is_none_or(|end| moment.now < end);
    let shown = |row: &AssignmentRow| lasts(row) && ask.sees_held(row.held.principal, view);
    ask.page_of_shown(&query, ASSIGNMENTS, &shape, rows, shown)
}

/// The only principal whose rows may be seen, if it is only one's own.
fn seen_only(view: View) -> Option<PrincipalId> {
    match view {
        View::All => None,
        View::Own(me) => Some(me),
    }
}

/// Two lists in the order of their ids as one.
fn merged<'a>(
    one: impl Iterator<Item = Cow<'a, Assignment>>,
    other: impl Iterator<Item = Cow<'a, Assignment>>,
) -> impl Iterator<Item = Cow<'a, Assignment>> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(a), Some(b)) if b.id < a.id => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}

fn assignment(ask: &Ask) -> Result<Answer, Problem> {
    let view = ask.reads(Query::Grants)?;
    let row = match ask.at("id").parse::<AssignmentId>() {
        Ok(id) => AssignmentRow::of(&ask.moment, id).filter(|row| !row.held.plain),
        Err(_) => {
            let made = instances::named(&ask.moment, ask.at("id")).filter(|a| a.plain);
            made.map(|held| AssignmentRow { moment: &ask.moment, held: Cow::Borrowed(held), seen_by: None })
        }
    };
    let row = row.filter(|row| ask.sees_held(row.held.principal, view)).ok_or_else(|| ask.missing("id"))?;
    ask.one(&ASSIGNMENT_SCHEDULE, "roleManagement/directory/roleAssignmentSchedules/$entity", &row)
}
