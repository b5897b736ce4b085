//! Role definitions: the built-in ones, with the names Graph's data gives them, and custom ones.

use super::ask::{Answer, Ask, Moment, Route, Written};
use super::body::Fields;
use super::dispatch::Version;
use super::odata::value::{Value, write_text};
use super::odata::{Entity, Kind, Link, Linked, Property, Row};
use super::page::Shape;
use crate::engine::fresh_id;
use crate::http::problem::Problem;
use serde_json::Value as Json;
use writ_core::command::Command;
use writ_core::ids::RoleId;
use writ_core::may::Query;
use writ_core::role::Role;

/// What a role allows.
const PERMISSION: &[Property] = &[
    Property::list("allowedResourceActions", &Kind::Text),
    Property::text("condition"),
    Property::list("excludedResourceActions", &Kind::Text),
];

/// A role definition.
pub static ROLE: Entity = Entity {
    name: "unifiedRoleDefinition",
    properties: &[
        Property::id("id"),
        Property::text("description"),
        Property::text("displayName"),
        Property::bool("isBuiltIn"),
        Property::bool("isEnabled"),
        Property::list("resourceScopes", &Kind::Text).shown(),
        Property::id("templateId"),
        Property::text("version").shown(),
        Property::list("rolePermissions", &Kind::Object(PERMISSION)).shown(),
        Property::bool("isPrivileged").asked(),
    ],
    links: &[Link::many("inheritsPermissionsFrom", &ROLE)],
    special: &[],
    or: false,
};

/// A role definition as beta shows it: whether it is privileged and who may hold it come along.
pub static ROLE_BETA: Entity = Entity {
    name: "unifiedRoleDefinition",
    properties: &[
        Property::id("id"),
        Property::text("allowedPrincipalTypes"),
        Property::text("description"),
        Property::text("displayName"),
        Property::bool("isBuiltIn"),
        Property::bool("isEnabled"),
        Property::bool("isPrivileged"),
        Property::list("resourceScopes", &Kind::Text).shown(),
        Property::id("templateId"),
        Property::text("version").shown(),
        Property::list("rolePermissions", &Kind::Object(PERMISSION)).shown(),
    ],
    links: &[Link::many("inheritsPermissionsFrom", &ROLE_BETA)],
    special: &[],
    or: false,
};

/// A role definition as a row.
pub struct RoleRow<'a> {
    /// The moment it is seen at.
    pub moment: &'a Moment,
    /// The role.
    pub role: &'a Role,
    /// Which version's properties it has.
    entity: &'static Entity,
}

impl<'a> RoleRow<'a> {
    /// The role with this id.
    pub fn of(moment: &'a Moment, id: RoleId) -> Option<Self> {
        moment.state.roles.get(&id).map(|role| Self { moment, role, entity: &ROLE })
    }
    /// The same as this version of Graph shows it.
    fn in_version(self, version: Version) -> Self {
        Self { entity: entity(version), ..self }
    }
    /// The same as a boxed row.
    pub fn boxed(self) -> Box<dyn Row + 'a> {
        Box::new(self)
    }
}

fn entity(version: Version) -> &'static Entity {
    if version == Version::Beta { &ROLE_BETA } else { &ROLE }
}

impl Row for RoleRow<'_> {
    fn entity(&self) -> &'static Entity {
        self.entity
    }
    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }
    fn value(&self, property: &str) -> Value<'_> {
        let role = self.role;
        match property {
            "id" | "templateId" => role.id.into(),
            "description" if role.description.is_empty() => Value::Null,
            "description" => role.description.as_str().into(),
            "displayName" => role.name.as_str().into(),
            "isBuiltIn" => role.built_in.into(),
            "isEnabled" => role.enabled.into(),
            "isPrivileged" => role.privileged().into(),
            // Users, programs and role-assignable groups may hold any role that can be assigned at all.
            "allowedPrincipalTypes" if role.assignable => "user,servicePrincipal,group".into(),
            "resourceScopes" => Value::always(r#"["/"]"#),
            "version" if role.built_in => "1".into(),
            "version" => role.version.as_deref().into(),
            "rolePermissions" => permissions(&role.actions),
            _ => Value::Null,
        }
    }
    fn link(&self, name: &str) -> Linked<'_> {
        match name {
            "inheritsPermissionsFrom" => Linked::Many(
                self.role
                    .inherits
                    .iter()
                    .filter_map(|id| RoleRow::of(self.moment, *id))
                    .map(|row| RoleRow { entity: self.entity, ..row }.boxed())
                    .collect(),
            ),
            _ => Linked::One(None),
        }
    }
}

/// What a role allows, as its JSON.
fn permissions(actions: &[String]) -> Value<'static> {
    let mut out = br#"[{"allowedResourceActions":["#.to_vec();
    for (n, action) in actions.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_text(action, &mut out);
    }
    out.extend_from_slice(br#"],"condition":null}]"#);
    Value::written(out)
}

const PATH: &str = "roleManagement/directory/roleDefinitions";
const ENTITY: &str = "roleManagement/directory/roleDefinitions/$entity";

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::get(PATH, list),
    Route::post(PATH, |ask| Box::pin(create(ask))),
    Route::get("roleManagement/directory/roleDefinitions/{id}", one),
    Route::patch("roleManagement/directory/roleDefinitions/{id}", |ask| Box::pin(update(ask))),
    Route::delete("roleManagement/directory/roleDefinitions/{id}", |ask| Box::pin(delete(ask))),
    Route::get("roleManagement/directory/roleDefinitions/{id}/{link}", one),
    Route::get("roleManagement/directory/roleDefinitions/{id}/{link}/{item}", one),
];

fn list(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    // Graph answers with all of them at once.
    ask.list_as(entity(ask.version), PATH, Shape::by_id().sorted().usual(999), |_, from| {
        let all = ask.moment.state.roles.range(RoleId(from)..);
        all.filter_map(|(id, _)| Some(RoleRow::of(&ask.moment, *id)?.in_version(ask.version)))
    })
}

fn one(ask: &Ask) -> Result<Answer, Problem> {
    ask.reads(Query::Roles)?;
    let row = RoleRow::of(&ask.moment, ask.id_at("id")?).ok_or_else(|| ask.missing("id"))?;
    ask.one(entity(ask.version), ENTITY, &row.in_version(ask.version))
}

/// All actions in `rolePermissions`.
fn actions(fields: &Fields<'_>) -> Result<Option<Vec<String>>, Problem> {
    let Some(permissions) = fields.objects("rolePermissions")? else { return Ok(None) };
    let mut all = Vec::new();
    for permission in permissions {
        if permission.value("condition").is_some()
            || permission.list("excludedResourceActions")?.is_some_and(|l| !l.is_empty())
        {
            return Err(Problem::bad_request("Custom roles have neither conditions nor excluded actions."));
        }
        all.extend(permission.texts("allowedResourceActions")?.unwrap_or_default().into_iter().map(str::to_owned));
    }
    Ok(Some(all))
}

async fn create(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    // Graph lets the caller choose the template's id; a role's own id is the same here, as for built-in ones.
    // Terraform writes an empty one when nobody chose.
    let chosen = if fields.text("templateId")? == Some("") { None } else { fields.id("templateId")? };
    let role = chosen.unwrap_or_else(|| RoleId(fresh_id()));
    let command = Command::CreateRole {
        role,
        name: fields.required("displayName")?.to_owned(),
        description: fields.text("description")?.unwrap_or_default().to_owned(),
        actions: actions(&fields)?.unwrap_or_default(),
        enabled: fields.bool("isEnabled")?.unwrap_or(true),
        version: fields.text("version")?.map(str::to_owned),
    };
    let moment = ask.submit(command).await?;
    let row = RoleRow::of(&moment, role).map(|row| row.in_version(ask.version));
    ask.created(entity(ask.version), ENTITY, row.as_ref())
}

async fn update(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    let command = Command::UpdateRole {
        role: ask.id_at("id")?,
        name: fields.text("displayName")?.map(str::to_owned),
        description: fields.text("description")?.map(str::to_owned),
        actions: actions(&fields)?,
        enabled: fields.bool("isEnabled")?,
        version: fields.text("version")?.map(str::to_owned),
    };
    ask.submit(command).await?;
    Ok(Answer::Nothing)
}

async fn delete(ask: &Ask) -> Written {
    ask.submit(Command::DeleteRole { role: ask.id_at("id")? }).await?;
    Ok(Answer::Nothing)
}
