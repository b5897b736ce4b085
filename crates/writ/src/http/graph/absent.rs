//! Kinds of resources that Graph has and of which there are none here: nobody is given a part in a program, nobody has
//! a manager, nothing lies in a bin. A script that looks gets an empty list, with everything a list can be asked.
//!
//! Always: an answer from here is true. What is kept in another form than Graph's is not here but refused by name.

use super::ask::{Answer, Ask, Route};
use super::directory_objects::DIRECTORY_OBJECT;
use super::odata::{Entity, Property};
use super::page::Shape;
use crate::http::problem::Problem;
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

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("directory/deletedItems", bin),
    Route::get("directory/deletedItems/{id}", gone),
    Route::post("directory/deletedItems/{id}/restore()", |ask| Box::pin(async { gone(ask) })),
    Route::delete("directory/deletedItems/{id}", |ask| Box::pin(async { gone(ask) })),
];

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
