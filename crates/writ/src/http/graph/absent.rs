//! Kinds of resources that Graph has and of which there are none here: nobody is given a part in a program, nobody has
//! a manager or a photo, nothing lies in a bin. A script that looks gets an empty list, with everything a list can be asked.
//!
//! Always: an answer from here is true. What is kept in another form than Graph's is not here but refused by name.

use super::approvals::STEP;
use super::ask::{Answer, Ask, Route};
use super::directory_objects::DIRECTORY_OBJECT;
use super::groups::GROUP;
use super::odata::{Entity, Link, Property};
use super::page::Shape;
use crate::http::problem::Problem;
use axum::http::StatusCode;
use writ_core::may::Query;

/// `appRoleAssignment`: the part that a user or a group has in a program.
pub static APP_ROLE_ASSIGNMENT: Entity = Entity {
    name: "appRoleAssignment",
    properties: &[
        Property::id("id"),
        Property::time("deletedDateTime").shown(),
        Property::id("appRoleId"),
        Property::time("createdDateTime"),
        Property::text("principalDisplayName"),
        Property::id("principalId"),
        Property::text("principalType"),
        Property::text("resourceDisplayName"),
        Property::id("resourceId"),
    ],
    links: &[],
    special: &[],
    or: true,
};

/// `endpoint`: what a service offers a group or a user.
pub static ENDPOINT: Entity = Entity {
    name: "endpoint",
    properties: &[
        Property::id("id"),
        Property::time("deletedDateTime").shown(),
        Property::text("capability"),
        Property::text("providerId"),
        Property::text("providerName"),
        Property::text("providerResourceId"),
        Property::text("uri"),
    ],
    links: &[],
    special: &[],
    or: true,
};

/// `orgContact`: somebody outside.
pub static ORG_CONTACT: Entity = Entity {
    name: "orgContact",
    properties: &[
        Property::id("id"),
        Property::time("deletedDateTime").shown(),
        Property::text("displayName"),
        Property::text("mail"),
    ],
    links: &[],
    special: &[],
    or: true,
};

/// What privileged access to groups has: schedules of who may become a member or an owner, their instances, and requests
/// for them. Nobody is made eligible for a group here; tools that show roles and groups together ask for both.
pub static GROUP_ACCESS: Entity = Entity {
    name: "privilegedAccessGroupSchedule",
    properties: &[
        Property::id("id"),
        Property::text("accessId"),
        Property::id("groupId"),
        Property::id("principalId"),
        Property::text("memberType"),
        Property::text("assignmentType"),
        Property::text("status"),
        Property::text("action"),
        Property::text("justification"),
        Property::id("approvalId"),
        Property::id("targetScheduleId"),
        Property::id("eligibilityScheduleId"),
        Property::id("assignmentScheduleId"),
        Property::time("createdDateTime"),
        Property::time("startDateTime"),
        Property::time("endDateTime"),
    ],
    links: &[Link::one("group", &GROUP), Link::one("principal", &DIRECTORY_OBJECT).mixed()],
    special: &[],
    or: true,
};

/// `approval`, of a request for a group: its stages are what beta calls steps.
pub static GROUP_APPROVAL: Entity = Entity {
    name: "approval",
    properties: &[Property::id("id")],
    links: &[Link::many("stages", &STEP), Link::many("steps", &STEP)],
    special: &[],
    or: true,
};

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("identityGovernance/privilegedAccess/group/eligibilitySchedules", nobody),
    Route::get("identityGovernance/privilegedAccess/group/eligibilitySchedules/filterByCurrentUser(on)", nobody),
    Route::get("identityGovernance/privilegedAccess/group/eligibilityScheduleInstances", nobody),
    Route::get(
        "identityGovernance/privilegedAccess/group/eligibilityScheduleInstances/filterByCurrentUser(on)",
        nobody,
    ),
    Route::get("identityGovernance/privilegedAccess/group/eligibilityScheduleRequests", nobody),
    Route::get("identityGovernance/privilegedAccess/group/eligibilityScheduleRequests/filterByCurrentUser(on)", nobody),
    Route::get("identityGovernance/privilegedAccess/group/assignmentSchedules", nobody),
    Route::get("identityGovernance/privilegedAccess/group/assignmentSchedules/filterByCurrentUser(on)", nobody),
    Route::get("identityGovernance/privilegedAccess/group/assignmentScheduleInstances", nobody),
    Route::get("identityGovernance/privilegedAccess/group/assignmentScheduleInstances/filterByCurrentUser(on)", nobody),
    Route::get("identityGovernance/privilegedAccess/group/assignmentScheduleRequests", nobody),
    Route::get("identityGovernance/privilegedAccess/group/assignmentScheduleRequests/filterByCurrentUser(on)", nobody),
    Route::get("identityGovernance/privilegedAccess/group/assignmentApprovals", no_approvals),
    Route::get("identityGovernance/privilegedAccess/group/assignmentApprovals/filterByCurrentUser(on)", no_approvals),
    Route::post("identityGovernance/privilegedAccess/group/eligibilityScheduleRequests", |ask| {
        Box::pin(async { not_for_groups(ask) })
    }),
    Route::post("identityGovernance/privilegedAccess/group/assignmentScheduleRequests", |ask| {
        Box::pin(async { not_for_groups(ask) })
    }),
    Route::get("me/photo", no_picture_of_me),
    Route::get("me/photo/$value", no_picture_of_me),
    Route::get("me/photos", no_picture_of_me),
    Route::get("me/photos/{size}", no_picture_of_me),
    Route::get("me/photos/{size}/$value", no_picture_of_me),
    Route::get("users/{id}/photo", no_picture_of_user),
    Route::get("users/{id}/photo/$value", no_picture_of_user),
    Route::get("users/{id}/photos", no_picture_of_user),
    Route::get("users/{id}/photos/{size}", no_picture_of_user),
    Route::get("users/{id}/photos/{size}/$value", no_picture_of_user),
    Route::get("groups/{id}/photo", no_picture_of_group),
    Route::get("groups/{id}/photo/$value", no_picture_of_group),
    Route::get("groups/{id}/photos", no_picture_of_group),
    Route::get("groups/{id}/photos/{size}", no_picture_of_group),
    Route::get("groups/{id}/photos/{size}/$value", no_picture_of_group),
    Route::get("directory/deletedItems", bin),
    Route::get("directory/deletedItems/{id}", gone),
    Route::post("directory/deletedItems/{id}/restore()", |ask| Box::pin(async { gone(ask) })),
    Route::delete("directory/deletedItems/{id}", |ask| Box::pin(async { gone(ask) })),
];

/// Who may become a member or an owner of a group for a while: nobody.
fn nobody(ask: &Ask) -> Result<Answer, Problem> {
    for_groups(ask, &GROUP_ACCESS, &["principal", "createdBy", "approver"])
}

/// What waits for a decision about such requests: nothing.
fn no_approvals(ask: &Ask) -> Result<Answer, Problem> {
    for_groups(ask, &GROUP_APPROVAL, &["approver", "target", "createdBy"])
}

fn for_groups(ask: &Ask, entity: &'static Entity, on: &[&str]) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    if !ask.at("on").is_empty() {
        ask.current_user(on)?;
    }
    let none = |_: &_, _| std::iter::empty::<Box<dyn super::odata::Row>>();
    ask.list_as(entity, "identityGovernance/privilegedAccess/group", Shape::by_id(), none)
}

fn not_for_groups(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    Err(Problem::bad_request(
        "Membership of a group is not given for a while here. Make the group, or its members, eligible for a role: \
         roleManagement/directory/roleEligibilityScheduleRequests.",
    ))
}

/// Nobody has a photo. Pages ask for one as soon as somebody has signed in, and draw initials when there is none, which
/// Graph says with a code of its own, also where there would be a list of sizes.
fn no_picture() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "ImageNotFound", "The photo wasn't found.")
}

fn no_picture_of_me(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Me)?;
    ask.me()?;
    Err(no_picture())
}

fn no_picture_of_user(ask: &Ask) -> Result<Answer, Problem> {
    super::users::readable(ask)?;
    Err(no_picture())
}

fn no_picture_of_group(ask: &Ask) -> Result<Answer, Problem> {
    super::groups::readable(ask)?;
    Err(no_picture())
}

/// Graph keeps what is deleted for thirty days; here it is gone at once.
fn bin(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    let entity = ask.cast.unwrap_or(&DIRECTORY_OBJECT);
    ask.list_as(entity, "directoryObjects", Shape::by_id(), |_, _| std::iter::empty::<Box<dyn super::odata::Row>>())
}

fn gone(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    Err(ask.missing("id"))
}
