//! Groups, their members and their owners.

use super::absent::APP_ROLE_ASSIGNMENT;
use super::ask::{Answer, Ask, Moment, Route, Written};
use super::body::Fields;
use super::directory_objects::{DIRECTORY_OBJECT, Object};
use super::odata::{Entity, Kind, Link, Linked, Property, Row};
use crate::engine::fresh_id;
use crate::http::problem::Problem;
use crate::http::refused::{Part, problem};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use writ_core::command::Command;
use writ_core::directory::{Group, Principal};
use writ_core::ids::PrincipalId;
use writ_core::may::Query;

/// A group.
pub static GROUP: Entity = Entity {
    name: "group",
    properties: &[
        Property::id("id"),
        Property::time("deletedDateTime").shown(),
        Property::time("createdDateTime"),
        Property::text("description"),
        Property::text("displayName"),
        Property::list("groupTypes", &Kind::Text),
        Property::bool("isAssignableToRole"),
        // No security group has one, at Graph either; pages look for groups by it.
        Property::text("mail"),
        Property::bool("mailEnabled"),
        Property::text("mailNickname"),
        Property::bool("onPremisesSyncEnabled"),
        Property::bool("securityEnabled"),
        Property::text("visibility").shown(),
    ],
    links: &[
        Link::many("members", &DIRECTORY_OBJECT).mixed(),
        Link::many("transitiveMembers", &DIRECTORY_OBJECT).mixed(),
        Link::many("owners", &DIRECTORY_OBJECT).mixed().counted(),
        Link::many("memberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("transitiveMemberOf", &DIRECTORY_OBJECT).mixed(),
        Link::many("appRoleAssignments", &APP_ROLE_ASSIGNMENT),
    ],
    special: &[],
    or: true,
};

/// A property of a group.
pub fn property(p: &Principal, group: &Group, name: &str) -> Json {
    match name {
        "id" => json!(p.id),
        "createdDateTime" => json!(p.created),
        "description" if group.description.is_empty() => Json::Null,
        "description" => json!(group.description),
        "displayName" => json!(p.name.shown()),
        "groupTypes" => json!([]),
        "isAssignableToRole" => json!(group.role_assignable),
        "mailEnabled" => json!(false),
        "mailNickname" => json!(nickname(p.name.shown())),
        "securityEnabled" => json!(true),
        _ => Json::Null,
    }
}

/// Graph asks for a nickname when a group is created and never uses it for security groups; it is made from the name.
fn nickname(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

fn principals<'a>(moment: &'a Moment, ids: impl Iterator<Item = PrincipalId>) -> Vec<Box<dyn Row + 'a>> {
    ids.filter_map(|id| Object::principal(moment, id)).map(Object::boxed).collect()
}

/// What a principal is in: groups, administrative units, directory roles. With `through` also the groups that its groups
/// are in, and the roles its groups pass on; a group in a unit does not bring its members along.
pub fn containing(moment: &Moment, principal: PrincipalId, through: bool) -> Vec<Box<dyn Row + '_>> {
    let mut all = if through {
        principals(moment, moment.state.groups_above(principal).into_iter())
    } else {
        principals(moment, moment.state.groups_of.get(&principal).into_iter().flatten().copied())
    };
    all.extend(super::units::of_object(moment, principal.0));
    all.extend(super::directory_roles::held_by(moment, principal, through));
    all
}

/// The groups that somebody owns.
pub fn owned(moment: &Moment, owner: PrincipalId) -> Vec<Box<dyn Row + '_>> {
    let owns = |p: &&Arc<Principal>| p.group().is_some_and(|g| g.owners.contains(&owner));
    let groups = moment.state.principals.values().filter(owns).map(|p| p.id);
    principals(moment, groups)
}

/// Everything in a group, through the groups in it too, those groups included.
fn everything_in(moment: &Moment, group: &Group) -> BTreeSet<PrincipalId> {
    let mut found = BTreeSet::new();
    let mut todo: Vec<&Group> = vec![group];
    while let Some(next) = todo.pop() {
        for member in &next.members {
            if found.insert(*member) {
                todo.extend(moment.state.principals.get(member).and_then(|p| p.group()));
            }
        }
    }
    found
}

/// What a group links to.
pub fn link<'a>(moment: &'a Moment, group: &'a Group, name: &str) -> Linked<'a> {
    match name {
        "members" => Linked::Many(principals(moment, group.members.iter().copied())),
        "owners" => Linked::Many(principals(moment, group.owners.iter().copied())),
        "transitiveMembers" => Linked::Many(principals(moment, everything_in(moment, group).into_iter())),
        _ => Linked::Many(Vec::new()),
    }
}

/// How many members, and how many owners, a PATCH may add, as in Graph.
const BOUND_MAX: usize = 20;

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get("groups", list),
    Route::post("groups", |ask| Box::pin(create(ask))),
    Route::get("groups/{id}", one),
    Route::patch("groups/{id}", |ask| Box::pin(update(ask))),
    Route::delete("groups/{id}", |ask| Box::pin(delete(ask))),
    Route::get("groups/{id}/{link}", one),
    Route::get("groups/{id}/{link}/{item}", one),
    Route::post("groups/{id}/members/$ref", |ask| Box::pin(add_member(ask))),
    Route::delete("groups/{id}/members/{member}/$ref", |ask| Box::pin(remove_member(ask))),
    Route::post("groups/{id}/owners/$ref", |ask| Box::pin(add_owner(ask))),
    Route::delete("groups/{id}/owners/{owner}/$ref", |ask| Box::pin(remove_owner(ask))),
];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Directory)?;
    super::named::list(ask, &GROUP, "groups", &ask.moment.state.names.groups)
}

/// The group that the path names.
fn named(ask: &Ask) -> Result<PrincipalId, Problem> {
    let id: PrincipalId = ask.id_at("id")?;
    let is_group = ask.moment.state.principals.get(&id).is_some_and(|p| p.group().is_some());
    if is_group { Ok(id) } else { Err(ask.missing("id")) }
}

/// The group that the path names, if the caller may read about it.
pub(super) fn readable(ask: &Ask) -> Result<PrincipalId, Problem> {
    ask.reads(Query::Directory)?;
    named(ask)
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    let row = Object::principal(&ask.moment, readable(ask)?).ok_or_else(|| ask.missing("id"))?;
    ask.one(&GROUP, "groups/$entity", &row)
}

/// Ids in `members@odata.bind` and `owners@odata.bind`.
fn bound(fields: &Fields<'_>, name: &str) -> Result<Vec<PrincipalId>, Problem> {
    let urls = fields.texts(name)?.unwrap_or_default();
    urls.into_iter().map(|url| super::body::id_in_reference(url).map(PrincipalId)).collect()
}

async fn create(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    if fields.texts("groupTypes")?.is_some_and(|types| !types.is_empty()) || fields.bool("mailEnabled")? == Some(true) {
        return Err(Problem::bad_request(
            "Only security groups are offered: groupTypes must be empty and mailEnabled false.",
        ));
    }
    let group = PrincipalId(fresh_id());
    let command = Command::CreateGroup {
        group,
        name: fields.required("displayName")?.to_owned(),
        description: fields.text("description")?.unwrap_or_default().to_owned(),
        role_assignable: fields.bool("isAssignableToRole")?.unwrap_or(false),
        owners: bound(&fields, "owners@odata.bind")?,
        members: bound(&fields, "members@odata.bind")?,
    };
    let moment = ask.submit(command).await?;
    ask.created(&GROUP, "groups/$entity", Object::principal(&moment, group).as_ref())
}

async fn update(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    if fields.has("isAssignableToRole") {
        return Err(Problem::new(
            http::StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            "Property 'isAssignableToRole' is read-only: it is fixed when a group is created.",
        ));
    }
    fields.changes_what_is_kept(&["displayName", "description", "members@odata.bind", "owners@odata.bind"])?;
    let group = named(ask)?;
    let (name, description) = (fields.text("displayName")?, fields.text("description")?);
    let members = bound(&fields, "members@odata.bind")?;
    let owners = bound(&fields, "owners@odata.bind")?;
    let adding = !members.is_empty() || !owners.is_empty();
    if members.len().max(owners.len()) > BOUND_MAX {
        return Err(Problem::bad_request(format!("At most {BOUND_MAX} members or owners can be added at once.")));
    }
    let mut commands = Vec::new();
    if name.is_some() || description.is_some() || !adding {
        let (name, description) = (name.map(str::to_owned), description.map(str::to_owned));
        commands.push(Command::UpdateGroup { group, name, description });
    }
    commands.extend(members.into_iter().map(|member| Command::AddMember { group, member }));
    commands.extend(owners.into_iter().map(|owner| Command::AddOwner { group, owner }));
    // Each is an entry of its own in the log; all are made, or none.
    let (_, answers) = ask.together(commands, false).await?;
    if let Some(refusal) = answers.into_iter().find_map(Result::err) {
        return Err(problem(&refusal, Part::Directory));
    }
    Ok(Answer::Nothing)
}

async fn delete(ask: &Ask) -> Written {
    ask.submit(Command::DeletePrincipal { principal: named(ask)? }).await?;
    Ok(Answer::Nothing)
}

async fn add_member(ask: &Ask) -> Written {
    let member = PrincipalId(ask.body()?.fields().reference()?);
    ask.submit(Command::AddMember { group: named(ask)?, member }).await?;
    Ok(Answer::Nothing)
}

async fn remove_member(ask: &Ask) -> Written {
    ask.submit(Command::RemoveMember { group: named(ask)?, member: ask.id_at("member")? }).await?;
    Ok(Answer::Nothing)
}

async fn add_owner(ask: &Ask) -> Written {
    let owner = PrincipalId(ask.body()?.fields().reference()?);
    ask.submit(Command::AddOwner { group: named(ask)?, owner }).await?;
    Ok(Answer::Nothing)
}

async fn remove_owner(ask: &Ask) -> Written {
    ask.submit(Command::RemoveOwner { group: named(ask)?, owner: ask.id_at("owner")? }).await?;
    Ok(Answer::Nothing)
}
