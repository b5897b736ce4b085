//! Role assignments made and taken away without a request, at Graph's two older doors: plain role assignments, and the
//! members of directory roles. What is made here is a standing assignment like any other, and shows up as a schedule.

use super::ask::{Answer, Ask, Route, Written};
use super::instances::{self, ASSIGNMENT};
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

/// The role that the path names: by id, or by its template, which is the same.
fn role(ask: &Ask) -> Result<RoleId, Problem> {
    let name = if ask.at("roleTemplateId").is_empty() { "id" } else { "roleTemplateId" };
    let text = ask.at(name);
    let text = match text.split_once('=') {
        Some((key, value)) if key.eq_ignore_ascii_case("roleTemplateId") => value.trim_matches('\''),
        _ => text,
    };
    let id = text.parse().map_err(|_| ask.missing(name))?;
    let known = ask.moment.state.roles.get(&id).is_some_and(|role| role.built_in && role.assignable);
    if known { Ok(id) } else { Err(ask.missing(name)) }
}

async fn add_member(ask: &Ask) -> Written {
    let target = Target::role(role(ask)?, Scope::Tenant);
    let principal = PrincipalId(ask.body()?.fields().reference()?);
    ask.submit_as(Command::AssignPlainly { principal, target }, Part::Directory).await?;
    Ok(Answer::Nothing)
}

/// Takes the role from a member: what stands before what was activated, as there may be both.
async fn remove_member(ask: &Ask) -> Written {
    let view = ask.reads(Query::Grants)?;
    let target = Target::role(role(ask)?, Scope::Tenant);
    let member: PrincipalId = ask.id_at("member")?;
    let held = ask.moment.state.held_by(member).assignments.iter().filter(|a| a.target == target);
    let held = held.filter(|a| a.in_window(ask.moment.now) && ask.sees_held(a.principal, view));
    let assignment = held.min_by_key(|a| a.activated()).ok_or_else(|| ask.missing("member"))?.id;
    ask.submit_as(Command::TakePlainly { assignment }, Part::Directory).await?;
    Ok(Answer::Nothing)
}
