//! Role assignments made and taken away without a request, at Graph's older doors: plain role assignments, the members of
//! directory roles, and the members of a role in an administrative unit. What is made here is a standing assignment like any other, and shows up as a schedule.

use super::ask::{Answer, Ask, Route, Written};
use super::directory_roles;
use super::instances::{self, ASSIGNMENT};
use super::scoped_members::{self, MEMBERSHIP, unit};
use crate::http::problem::Problem;
use crate::http::refused::Part;
use writ_core::command::Command;
use writ_core::ids::{AssignmentId, PrincipalId, RoleId};
use writ_core::may::Query;
use writ_core::scope::{Scope, Target};

/// What is offered.
pub const ROUTES: &[Route] = &[
    Route::post("roleManagement/directory/roleAssignments", |ask| Box::pin(create(ask))),
    Route::delete("roleManagement/directory/roleAssignments/{id}", |ask| Box::pin(remove(ask))),
    Route::post("directoryRoles/{id}/members/$ref", |ask| Box::pin(add_member(ask))),
    Route::post("directoryRoles(roleTemplateId)/members/$ref", |ask| Box::pin(add_member(ask))),
    Route::delete("directoryRoles/{id}/members/{member}/$ref", |ask| Box::pin(remove_member(ask))),
    Route::delete("directoryRoles(roleTemplateId)/members/{member}/$ref", |ask| Box::pin(remove_member(ask))),
    Route::post("directoryRoles", |ask| Box::pin(activate_template(ask))),
    Route::post("directory/administrativeUnits/{id}/scopedRoleMembers", |ask| Box::pin(add_scoped(ask))),
    Route::delete("directory/administrativeUnits/{id}/scopedRoleMembers/{membership}", |ask| {
        Box::pin(remove_scoped(ask))
    }),
];

async fn create(ask: &Ask) -> Written {
    let body = ask.body()?;
    let fields = body.fields();
    if fields.text("appScopeId")?.is_some_and(|s| !s.is_empty() && s != "/") {
        return Err(Problem::bad_request("'appScopeId' is not offered; give a 'directoryScopeId'."));
    }
    let principal: PrincipalId = fields.required_id("principalId")?;
    let role: RoleId = fields.required_id("roleDefinitionId")?;
    let wanted = "'/', '/administrativeUnits/{id}' or '/{object id}'";
    let scope: Option<Scope> = fields.read("directoryScopeId", wanted)?;
    let target = Target::role(role, scope.unwrap_or(Scope::Tenant));
    let (moment, answer) = ask.submit_as(Command::AssignPlainly { principal, target }, Part::Directory).await?;
    let writ_core::decide::Answer::Made(id) = answer else { return Err(Problem::internal()) };
    let held = moment.state.assignments.get(&AssignmentId(id)).ok_or_else(Problem::internal)?;
    let row = instances::plain(&moment, held);
    ask.created(&ASSIGNMENT, "roleManagement/directory/roleAssignments/$entity", Some(&row))
}

/// Takes an assignment away, standing or activated, if the caller may see it.
async fn remove(ask: &Ask) -> Written {
    let view = ask.reads(Query::Grants)?;
    let held = instances::named(&ask.moment, ask.at("id")).filter(|a| ask.sees_held(a.principal, view));
    let assignment = held.ok_or_else(|| ask.missing("id"))?.id;
    ask.submit_as(Command::TakePlainly { assignment }, Part::Directory).await?;
    Ok(Answer::Nothing)
}

async fn add_member(ask: &Ask) -> Written {
    let target = Target::role(directory_roles::role_named(ask)?, Scope::Tenant);
    let principal = PrincipalId(ask.body()?.fields().reference()?);
    ask.submit_as(Command::AssignPlainly { principal, target }, Part::Directory).await?;
    Ok(Answer::Nothing)
}

/// Takes the role from a member: what stands before what was activated, as there may be both.
async fn remove_member(ask: &Ask) -> Written {
    let view = ask.reads(Query::Grants)?;
    let target = Target::role(directory_roles::role_named(ask)?, Scope::Tenant);
    let member: PrincipalId = ask.id_at("member")?;
    let held = ask.moment.state.assignments_of(member).filter(|a| a.target == target);
    let held = held.filter(|a| a.in_window(ask.moment.now) && ask.sees_held(a.principal, view));
    let assignment = held.min_by_key(|a| a.activated()).ok_or_else(|| ask.missing("member"))?.id;
    ask.submit_as(Command::TakePlainly { assignment }, Part::Directory).await?;
    Ok(Answer::Nothing)
}

/// Makes a directory role of a template. Here every one of them is there from the start, which is a conflict in Graph too.
async fn activate_template(ask: &Ask) -> Written {
    ask.reads(Query::Roles)?;
    let template: RoleId = ask.body()?.fields().required_id("roleTemplateId")?;
    if !ask.moment.state.roles.get(&template).is_some_and(|role| role.built_in && role.assignable) {
        return Err(Problem::not_found(&template.to_string()));
    }
    Err(Problem::new(
        http::StatusCode::BAD_REQUEST,
        "Request_BadRequest",
        format!(
            "A conflicting object with one or more of the specified property values is present in the directory. \
             Every directory role is active here: directoryRoles(roleTemplateId='{template}')."
        ),
    ))
}

async fn add_scoped(ask: &Ask) -> Written {
    let unit = unit(ask)?;
    let body = ask.body()?;
    let fields = body.fields();
    let role: RoleId = fields.required_id("roleId")?;
    let member = fields.object("roleMemberInfo")?;
    let member = member
        .ok_or_else(|| Problem::bad_request("'roleMemberInfo' is missing; give the 'id' of a principal in it."))?;
    let (principal, target) = (member.required_id("id")?, Target::role(role, Scope::Unit(unit)));
    let (moment, answer) = ask.submit_as(Command::AssignPlainly { principal, target }, Part::Directory).await?;
    let writ_core::decide::Answer::Made(id) = answer else { return Err(Problem::internal()) };
    let held = moment.state.assignments.get(&AssignmentId(id)).ok_or_else(Problem::internal)?;
    let row = scoped_members::made(&moment, held);
    ask.created(&MEMBERSHIP, "scopedRoleMemberships/$entity", row.as_ref())
}

/// Takes it away, standing or activated, if the caller may see it.
async fn remove_scoped(ask: &Ask) -> Written {
    let view = ask.reads(Query::Grants)?;
    let (unit, id) = (unit(ask)?, ask.at("membership"));
    let held = instances::named(&ask.moment, id).filter(|a| a.target.scope() == Scope::Unit(unit));
    let assignment = held.filter(|a| ask.sees_held(a.principal, view)).ok_or_else(|| ask.missing("membership"))?.id;
    ask.submit_as(Command::TakePlainly { assignment }, Part::Directory).await?;
    Ok(Answer::Nothing)
}
