//! What requests, schedules and instances have in common: who, which role, where, and the links to them.

use super::ask::Moment;
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::value::Value;
use super::odata::{Entity, Link, Linked, Property, Row};
use super::role_definitions::{ROLE, RoleRow};
use writ_core::command::Expiration;
use writ_core::ids::PrincipalId;
use writ_core::scope::{Scope, Target};
use writ_core::time::{Span, Time};

/// What an app scope would lead to; Writ has none, and the link is always null.
pub static APP_SCOPE: Entity = Entity {
    name: "appScope",
    properties: &[Property::id("id"), Property::text("displayName"), Property::text("type")],
    links: &[],
    special: &[],
    or: true,
};

/// `expirationPattern`
const EXPIRATION: &[Property] = &[Property::time("endDateTime"), Property::span("duration"), Property::text("type")];
/// `requestSchedule`
pub const SCHEDULE: &[Property] = &[Property::time("startDateTime"), Property::object("expiration", EXPIRATION)];

/// The link to the role.
pub const TO_ROLE: Link = Link::one("roleDefinition", &ROLE);
/// The link to the principal.
pub const TO_PRINCIPAL: Link = Link::one("principal", &DIRECTORY_OBJECT).mixed();
/// The link to the object that is the scope.
pub const TO_SCOPE: Link = Link::one("directoryScope", &DIRECTORY_OBJECT).mixed();
/// The link to an app scope.
pub const TO_APP_SCOPE: Link = Link::one("appScope", &APP_SCOPE);

/// The properties of something held, schedule or instance: what all of them have, then what this one has besides.
macro_rules! held {
    ($($own:expr),+ $(,)?) => {
        &[
            Property::id("id"),
            Property::id("principalId"),
            Property::id("roleDefinitionId"),
            Property::id("directoryScopeId"),
            Property::id("appScopeId"),
            $($own),+
        ]
    };
}
pub(super) use held;

/// The links that everything held, and every request for it, has; then what this one has besides.
macro_rules! held_links {
    ($($own:expr),* $(,)?) => {
        &[
            $crate::http::graph::targets::TO_ROLE,
            $crate::http::graph::targets::TO_PRINCIPAL,
            $crate::http::graph::targets::TO_SCOPE,
            $crate::http::graph::targets::TO_APP_SCOPE,
            $($own),*
        ]
    };
}
pub(super) use held_links;

/// One of the properties every such row has.
pub fn property(principal: PrincipalId, target: Target, name: &str) -> Value<'static> {
    match name {
        "principalId" => principal.into(),
        "roleDefinitionId" => target.role_id().into(),
        "directoryScopeId" => target.scope().into(),
        _ => Value::Null,
    }
}

/// One of the links every such row has.
pub fn link<'a>(moment: &'a Moment, principal: PrincipalId, target: Target, name: &str) -> Linked<'a> {
    let object: Option<Box<dyn Row + 'a>> = match name {
        "principal" => Object::principal(moment, principal).map(Object::boxed),
        "roleDefinition" => RoleRow::of(moment, target.role_id()).map(RoleRow::boxed),
        "directoryScope" => match target.scope() {
            Scope::Tenant => None,
            Scope::Unit(unit) => Object::unit(moment, unit).map(Object::boxed),
            Scope::Object(object) => Object::any(moment, object).map(Object::boxed),
        },
        _ => None,
    };
    Linked::One(object)
}

/// `scheduleInfo` of something asked for: the expiration as it was asked.
pub fn asked(start: Option<Time>, expiration: Expiration) -> Value<'static> {
    match expiration {
        Expiration::Never => schedule(start, "noExpiration", None, None),
        Expiration::At(end) => schedule(start, "afterDateTime", Some(end), None),
        Expiration::For(span) => schedule(start, "afterDuration", None, Some(span)),
        Expiration::Unspecified => schedule(start, "notSpecified", None, None),
    }
}

/// `scheduleInfo` of something that is there.
pub fn window(starts: Time, ends: Option<Time>) -> Value<'static> {
    let kind = if ends.is_some() { "afterDateTime" } else { "noExpiration" };
    schedule(Some(starts), kind, ends, None)
}

fn schedule(start: Option<Time>, kind: &'static str, end: Option<Time>, duration: Option<Span>) -> Value<'static> {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(br#"{"expiration":{"duration":"#);
    Value::from(duration).write(&mut out);
    out.extend_from_slice(br#","endDateTime":"#);
    Value::from(end).write(&mut out);
    out.extend_from_slice(br#","type":"#);
    Value::from(kind).write(&mut out);
    out.extend_from_slice(br#"},"recurrence":null,"startDateTime":"#);
    Value::from(start).write(&mut out);
    out.push(b'}');
    Value::written(out)
}
