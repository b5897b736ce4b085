//! Devices: the enrolled hosts, as Graph shows machines. Enrolling and removing them is Writ's own and not here.

use super::ask::{Answer, Ask, Route};
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::{Entity, Kind, Link, Property};
use crate::http::problem::Problem;
use serde_json::{Value as Json, json};
use writ_core::directory::Host;
use writ_core::ids::DeviceId;
use writ_core::may::Query;

/// A machine.
pub static DEVICE: Entity = Entity {
    name: "device",
    properties: &[
        Property::id("id"),
        Property::bool("accountEnabled"),
        Property::time("approximateLastSignInDateTime"),
        Property::list("alternativeSecurityIds", &Kind::Object(&[])).shown(),
        Property::time("deletedDateTime").shown(),
        Property::id("deviceId"),
        Property::text("displayName"),
        Property::bool("isCompliant"),
        Property::bool("isManaged"),
        Property::text("manufacturer"),
        Property::text("model"),
        Property::bool("onPremisesSyncEnabled"),
        Property::text("operatingSystem"),
        Property::text("operatingSystemVersion"),
        Property::list("physicalIds", &Kind::Text).shown(),
        Property::text("profileType"),
        Property::time("registrationDateTime"),
        Property::list("systemLabels", &Kind::Text).shown(),
        Property::text("trustType"),
    ],
    links: &[
        Link::many("memberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("transitiveMemberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("registeredOwners", &DIRECTORY_OBJECT).mixed(),
        Link::many("registeredUsers", &DIRECTORY_OBJECT).mixed(),
    ],
    special: &[],
    or: true,
};

/// A property of a host.
pub fn property(host: &Host, name: &str) -> Json {
    match name {
        "id" | "deviceId" => json!(host.id),
        "accountEnabled" => json!(true),
        "approximateLastSignInDateTime" => json!(host.reported),
        "displayName" => json!(host.name),
        "operatingSystem" => json!("Linux"),
        "profileType" => json!("RegisteredDevice"),
        // Who uses a host, and what it is made of, is not asked when it is enrolled.
        "alternativeSecurityIds" | "physicalIds" | "systemLabels" => json!([]),
        // A host agent makes the host as it should be.
        "isManaged" => json!(true),
        "registrationDateTime" => json!(host.enrolled),
        _ => Json::Null,
    }
}

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("devices", list),
    Route::get("devices/{id}", one),
    Route::get("devices(deviceId)", one),
    Route::get("devices(deviceId)/{link}", one),
    Route::get("devices/{id}/{link}", one),
    Route::get("devices/{id}/{link}/{item}", one),
];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    ask.list(&DEVICE, "devices", |_, from| {
        let hosts = ask.moment.state.hosts.range(DeviceId(from)..);
        hosts.filter_map(|(id, _)| Object::host(&ask.moment, *id))
    })
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    // Both of Graph's ids are the same here.
    let name = if ask.at("id").is_empty() { "deviceId" } else { "id" };
    let id: DeviceId = ask.id_at(name)?;
    let row = Object::host(&ask.moment, id).ok_or_else(|| ask.missing(name))?;
    ask.one(&DEVICE, "devices/$entity", &row)
}
