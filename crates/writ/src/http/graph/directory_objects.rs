//! What is in the directory, as one mixed kind of resource: users, groups, programs, hosts and units, each answering
//! with its own type; and finding several of them by their ids.

use super::ask::{Answer, Ask, Moment, Route, Written};
use super::odata::value::Value;
use super::odata::{Entity, Linked, Property, Row, Rows};
use super::page::Shape;
use super::{applications, devices, directory_roles, groups, service_principals, units, users};
use crate::http::problem::{Problem, shown};
use http::StatusCode;
use serde_json::Value as Json;
use uuid::Uuid;
use writ_core::directory::{Host, Kind, Principal, Unit};
use writ_core::ids::{DeviceId, PrincipalId, UnitId};
use writ_core::may::Query;

/// What everything in the directory has.
pub static DIRECTORY_OBJECT: Entity = Entity {
    name: "directoryObject",
    properties: &[Property::id("id"), Property::time("deletedDateTime").shown()],
    links: &[],
    special: &[
        &users::USER,
        &groups::GROUP,
        &service_principals::SERVICE_PRINCIPAL,
        &devices::DEVICE,
        &units::UNIT,
        &directory_roles::DIRECTORY_ROLE,
    ],
    or: true,
};

/// Whether a kind of resource is in the directory itself, where Graph answers some queries only with a header.
pub fn in_directory(entity: &'static Entity) -> bool {
    let is = |other: &'static Entity| std::ptr::eq(entity, other);
    let older = is(&directory_roles::DIRECTORY_ROLE);
    !older
        && (is(&DIRECTORY_OBJECT) || is(&applications::APPLICATION) || DIRECTORY_OBJECT.special.iter().any(|s| is(s)))
}

/// What Graph calls all resources of a kind.
pub fn collection(entity: &'static Entity) -> &'static str {
    match entity.name {
        "user" => "users",
        "group" => "groups",
        "servicePrincipal" => "servicePrincipals",
        "device" => "devices",
        "administrativeUnit" => "administrativeUnits",
        "directoryRole" => "directoryRoles",
        _ => "directoryObjects",
    }
}

/// Something in the directory.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    /// The moment it is seen at.
    pub moment: &'a Moment,
    /// What it is.
    pub what: What<'a>,
}

/// What an object is.
#[derive(Clone, Copy)]
pub enum What<'a> {
    /// A user, a group or a program.
    Principal(&'a Principal),
    /// A host.
    Host(&'a Host),
    /// An administrative unit.
    Unit(&'a Unit),
}

impl<'a> Object<'a> {
    /// The principal with this id.
    pub fn principal(moment: &'a Moment, id: PrincipalId) -> Option<Self> {
        moment.state.principals.get(&id).map(|p| Self { moment, what: What::Principal(p) })
    }
    /// This principal.
    pub fn of(moment: &'a Moment, p: &'a Principal) -> Self {
        Self { moment, what: What::Principal(p) }
    }
    /// The host with this id.
    pub fn host(moment: &'a Moment, id: DeviceId) -> Option<Self> {
        moment.state.hosts.get(&id).map(|h| Self { moment, what: What::Host(h) })
    }
    /// The unit with this id.
    pub fn unit(moment: &'a Moment, id: UnitId) -> Option<Self> {
        moment.state.units.get(&id).map(|u| Self { moment, what: What::Unit(u) })
    }
    /// Whatever has this id.
    pub fn any(moment: &'a Moment, id: Uuid) -> Option<Self> {
        Self::principal(moment, PrincipalId(id))
            .or_else(|| Self::host(moment, DeviceId(id)))
            .or_else(|| Self::unit(moment, UnitId(id)))
    }
    /// Its id.
    pub fn id(&self) -> Uuid {
        match self.what {
            What::Principal(p) => p.id.0,
            What::Host(h) => h.id.0,
            What::Unit(u) => u.id.0,
        }
    }
    /// The same as a boxed row.
    pub fn boxed(self) -> Box<dyn Row + 'a> {
        Box::new(self)
    }
}

impl Row for Object<'_> {
    fn entity(&self) -> &'static Entity {
        match &self.what {
            What::Principal(p) => match &p.kind {
                Kind::User(_) => &users::USER,
                Kind::Group(_) => &groups::GROUP,
                Kind::Service(_) => &service_principals::SERVICE_PRINCIPAL,
            },
            What::Host(_) => &devices::DEVICE,
            What::Unit(_) => &units::UNIT,
        }
    }

    fn get(&self, property: &str) -> Json {
        match &self.what {
            What::Principal(p) => match &p.kind {
                Kind::User(user) => users::property(p, user, property),
                Kind::Group(group) => groups::property(p, group, property),
                Kind::Service(service) => service_principals::property(p, service, property),
            },
            What::Host(host) => devices::property(host, property),
            What::Unit(unit) => units::property(unit, property),
        }
    }

    fn value(&self, property: &str) -> Value<'_> {
        match (&self.what, property) {
            (What::Principal(p), "id") => p.id.into(),
            (What::Principal(p), "displayName") => p.name.shown().into(),
            (What::Principal(Principal { kind: Kind::User(user), .. }), "userPrincipalName") => user.upn.shown().into(),
            (What::Principal(Principal { kind: Kind::User(user), .. }), "mail") => user.upn.text().into(),
            (What::Principal(p @ Principal { kind: Kind::User(_), .. }), "accountEnabled") => p.enabled.into(),
            _ => Value::Json(self.get(property)),
        }
    }

    fn link(&self, name: &str) -> Linked<'_> {
        match (&self.what, name) {
            (What::Principal(p), "memberOf") => Linked::Many(groups::containing(self.moment, p.id, false)),
            (What::Principal(p), "transitiveMemberOf") => Linked::Many(groups::containing(self.moment, p.id, true)),
            (What::Principal(p), "ownedObjects") => Linked::Many(groups::owned(self.moment, p.id)),
            // Nobody is kept as anybody's manager, and nothing as anybody's but groups.
            (What::Principal(_), "manager") => Linked::One(None),
            (What::Principal(p), _) => match p.group() {
                Some(group) => groups::link(self.moment, group, name),
                None => Linked::Many(Vec::new()),
            },
            (What::Unit(unit), "members") => Linked::Many(units::members(self.moment, unit)),
            (What::Host(_), "registeredOwners" | "registeredUsers") => Linked::Many(Vec::new()),
            (What::Host(host), _) => Linked::Many(units::of_object(self.moment, host.id.0)),
            _ => Linked::One(None),
        }
    }

    fn many_from(&self, name: &str, from: Uuid) -> Option<Rows<'_>> {
        let members = match &self.what {
            What::Principal(p) => &p.group()?.members,
            What::Unit(unit) if unit.hosts.is_empty() => &unit.members,
            _ => return None,
        };
        let members = members.range(PrincipalId(from)..).filter_map(|id| Object::principal(self.moment, *id));
        (name == "members").then(|| Box::new(members.map(Object::boxed)) as Rows<'_>)
    }

    fn width(&self, name: &str) -> usize {
        match (&self.what, name) {
            (What::Principal(_), "ownedObjects") => self.moment.state.principals.len(),
            (What::Principal(p), "members" | "transitiveMembers") => p.group().map_or(0, |g| g.members.len()),
            (What::Unit(unit), "members") => unit.members.len(),
            _ => 0,
        }
    }
}

/// How many ids can be asked for at once, as in Graph.
const IDS_MAX: usize = 1000;

/// What is offered.
pub const ROUTES: &[Route] =
    &[Route::get("directoryObjects/{id}", one), Route::post("directoryObjects/getByIds", |ask| Box::pin(by_ids(ask)))];

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    let id = [ask.id_at("id")?];
    let row = anything(ask, &id).next().ok_or_else(|| ask.missing("id"))?;
    ask.one(&DIRECTORY_OBJECT, "directoryObjects/$entity", &*row)
}

/// Whatever in the directory has one of these ids, which are sorted: objects, roles as `directoryRoles` shows them, and
/// applications.
fn anything<'a>(ask: &'a Ask, ids: &'a [Uuid]) -> impl Iterator<Item = Box<dyn Row + 'a>> {
    let roles = ask.reads(Query::Roles).is_ok() && ask.reads(Query::Grants).is_ok();
    let one = move |id: &Uuid| {
        let object = Object::any(&ask.moment, *id).map(Object::boxed);
        object.or_else(|| if roles { directory_roles::with_id(&ask.moment, *id) } else { None })
    };
    ids.iter().filter_map(one).chain(applications::among(&ask.moment, ids))
}

/// Ids in a body, which must be ids: one that is misspelt must not look like one that is not there.
pub fn ids_in(ids: &[&str], property: &str) -> Result<Vec<Uuid>, Problem> {
    let each = ids.iter().map(|id| Uuid::try_parse(id)).collect::<Result<Vec<Uuid>, _>>();
    each.map_err(|_| {
        let why = format!("Invalid value specified for property '{property}' of resource 'DirectoryObject'.");
        Problem::new(StatusCode::BAD_REQUEST, "Request_BadRequest", why)
    })
}

async fn by_ids(ask: &Ask) -> Written {
    ask.reads(Query::Directory)?;
    let body = ask.body()?;
    let ids = body.fields().texts("ids")?;
    let ids = ids.ok_or_else(|| Problem::bad_request("A value is required for property 'ids'."))?;
    let types = body.fields().texts("types")?.unwrap_or_default();
    if ids.len() > IDS_MAX {
        return Err(Problem::bad_request(format!("At most {IDS_MAX} ids can be asked for at once.")));
    }
    // Every kind that Graph has passes; of some there are none here.
    let known = |name: &str| DIRECTORY_OBJECT.name.eq_ignore_ascii_case(name) || super::dispatch::kind(name).is_some();
    if let Some(strange) = types.iter().find(|name| !known(name)) {
        let why = format!("Invalid resource type '{}' in property 'types'.", shown(strange));
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Request_BadRequest", why));
    }
    let mut wanted = ids_in(&ids, "ids")?;
    wanted.sort_unstable();
    wanted.dedup();
    let all = types.is_empty() || types.iter().any(|t| t.eq_ignore_ascii_case(DIRECTORY_OBJECT.name));
    let fits = |row: &dyn Row| all || types.iter().any(|t| t.eq_ignore_ascii_case(row.entity().name));
    ask.list_as(&DIRECTORY_OBJECT, "directoryObjects", Shape::by_id().usual(999).typed(), |_, _| {
        anything(ask, &wanted).filter(|row| fits(&**row))
    })
}
