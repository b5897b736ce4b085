//! Administrative units: groups of users, groups and hosts that a role can be limited to.

use super::ask::{Answer, Ask, Moment, Route, Written};
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::{Entity, Link, Property, Row};
use crate::engine::fresh_id;
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use uuid::Uuid;
use writ_core::command::Command;
use writ_core::directory::Unit;
use writ_core::ids::UnitId;
use writ_core::may::Query;

/// An administrative unit.
pub static UNIT: Entity = Entity {
    name: "administrativeUnit",
    properties: &[
        Property::id("id"),
        Property::time("deletedDateTime").shown(),
        Property::text("description"),
        Property::text("displayName"),
        Property::bool("isMemberManagementRestricted").shown(),
        Property::text("membershipType").shown(),
        Property::text("visibility").shown(),
    ],
    links: &[Link::many("members", &DIRECTORY_OBJECT).mixed()],
    special: &[],
    or: true,
};

/// A property of a unit.
pub fn property(unit: &Unit, name: &str) -> Json {
    match name {
        "id" => json!(unit.id),
        "description" if unit.description.is_empty() => Json::Null,
        "description" => json!(unit.description),
        "displayName" => json!(unit.name),
        "isMemberManagementRestricted" => json!(false),
        _ => Json::Null,
    }
}

/// What is in a unit.
pub fn members<'a>(moment: &'a Moment, unit: &Unit) -> Vec<Box<dyn Row + 'a>> {
    let principals = unit.members.iter().filter_map(|id| Object::principal(moment, *id));
    principals.chain(unit.hosts.iter().filter_map(|id| Object::host(moment, *id))).map(Object::boxed).collect()
}

/// The units an object is in.
pub fn of_object(moment: &Moment, object: Uuid) -> Vec<Box<dyn Row + '_>> {
    let units = moment.state.units_of.get(&object).into_iter().flatten();
    units.filter_map(|id| Object::unit(moment, *id)).map(Object::boxed).collect()
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("directory/administrativeUnits", list),
    Route::post("directory/administrativeUnits", |ask| Box::pin(create(ask))),
    Route::get("directory/administrativeUnits/{id}", one),
    Route::patch("directory/administrativeUnits/{id}", |ask| Box::pin(update(ask))),
    Route::delete("directory/administrativeUnits/{id}", |ask| Box::pin(delete(ask))),
    Route::get("directory/administrativeUnits/{id}/members", list_members),
    Route::get("directory/administrativeUnits/{id}/members/{item}", list_members),
    Route::post("directory/administrativeUnits/{id}/members/$ref", |ask| Box::pin(add(ask))),
    Route::delete("directory/administrativeUnits/{id}/members/{member}/$ref", |ask| Box::pin(take_out(ask))),
];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    ask.list(&UNIT, "directory/administrativeUnits", |_, from| {
        ask.moment.state.units.range(UnitId(from)..).filter_map(|(id, _)| Object::unit(&ask.moment, *id))
    })
}

fn found<'a>(ask: &'a Ask) -> Result<Object<'a>, Problem> {
    Object::unit(&ask.moment, ask.id_at("id")?).ok_or_else(|| ask.missing("id"))
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    ask.one(&UNIT, "directory/administrativeUnits/$entity", &found(ask)?)
}

fn list_members(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    let unit = found(ask)?;
    ask.links(&unit, "members")
}

async fn create(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    let unit = UnitId(fresh_id());
    let name = fields.required("displayName")?.to_owned();
    let description = fields.text("description")?.unwrap_or_default().to_owned();
    let moment = ask.submit(Command::CreateUnit { unit, name, description }).await?;
    ask.created(&UNIT, "directory/administrativeUnits/$entity", Object::unit(&moment, unit).as_ref())
}

async fn update(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    fields.changes_what_is_kept(&["displayName", "description"])?;
    let name = fields.text("displayName")?.map(str::to_owned);
    let description = fields.text("description")?.map(str::to_owned);
    ask.submit(Command::UpdateUnit { unit: ask.id_at("id")?, name, description }).await?;
    Ok(Answer::Nothing)
}

async fn delete(ask: &Ask) -> Written {
    ask.submit(Command::DeleteUnit { unit: ask.id_at("id")? }).await?;
    Ok(Answer::Nothing)
}

async fn add(ask: &Ask) -> Written {
    let object = ask.body()?.fields().reference()?;
    ask.submit(Command::AddToUnit { unit: ask.id_at("id")?, object }).await?;
    Ok(Answer::Nothing)
}

async fn take_out(ask: &Ask) -> Written {
    ask.submit(Command::RemoveFromUnit { unit: ask.id_at("id")?, object: ask.id_at("member")? }).await?;
    Ok(Answer::Nothing)
}
