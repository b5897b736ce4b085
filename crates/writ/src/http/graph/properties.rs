//! Whether a body names only what Graph's types have: a misspelt property must not be silently without effect.
//! It knows names and nothing of values; a property that Graph has and Writ does not keep passes here.
//!
//! Always: annotations (`…@odata.bind`), extensions, and Writ's own additions (`writ.…`) pass as well.

use super::declared::{declared, type_named, types_named};
use super::route::{Route, Verb};
use crate::http::problem::{Problem, shown};
use http::StatusCode;
use serde_json::{Map, Value as Json};
const REQUEST: &[&str] = &["unifiedRoleAssignmentScheduleRequest", "unifiedRoleEligibilityScheduleRequest"];

/// Several of them in one body: Writ's own, so their names are not in Graph's description.
const TOGETHER: &[&str] = &["writ.together.assignments", "writ.together.eligibilities"];

/// The type that a route's body is of; none where Graph has an action or a reference.
fn body_of(route: &Route) -> Option<&'static str> {
    if !matches!(route.verb, Verb::Post | Verb::Patch) {
        return None;
    }
    let path = route.path.strip_suffix("/{id}").unwrap_or(route.path);
    Some(match path {
        "me" | "users" => "user",
        "groups" => "group",
        "directory/administrativeUnits" => "administrativeUnit",
        "applications" => "application",
        "servicePrincipals" => "servicePrincipal",
        "devices" => "device",
        "roleManagement/directory/roleDefinitions" => "unifiedRoleDefinition",
        "roleManagement/directory/roleAssignments" => "unifiedRoleAssignment",
        "roleManagement/directory/roleAssignmentScheduleRequests" => REQUEST[0],
        "roleManagement/directory/roleEligibilityScheduleRequests" => REQUEST[1],
        "roleManagement/directory/roleAssignmentScheduleRequests/writ.explain" => REQUEST[0],
        "roleManagement/directory/roleAssignmentScheduleRequests/writ.together" => TOGETHER[0],
        "roleManagement/directory/roleEligibilityScheduleRequests/writ.together" => TOGETHER[1],
        "roleManagement/directory/roleAssignmentApprovals/{id}/steps/{step}" => "approvalStage",
        "policies/roleManagementPolicies" => "unifiedRoleManagementPolicy",
        "policies/roleManagementPolicies/{id}/rules/{rule}" => "unifiedRoleManagementPolicyRule",
        _ => return None,
    })
}

/// The type of what stands inside a property, where its names are looked at too.
fn inside(of: &str, property: &str) -> Option<&'static str> {
    Some(match (of, property.to_ascii_lowercase().as_str()) {
        (of, "scheduleinfo") if REQUEST.contains(&of) => "requestSchedule",
        (of, "requests") if of == TOGETHER[0] => REQUEST[0],
        (of, "requests") if of == TOGETHER[1] => REQUEST[1],
        (of, "ticketinfo") if REQUEST.contains(&of) => "ticketInfo",
        ("requestSchedule", "expiration") => "expirationPattern",
        ("unifiedRoleDefinition", "rolepermissions") => "unifiedRolePermission",
        ("unifiedRoleManagementPolicy", "rules") => "unifiedRoleManagementPolicyRule",
        _ => return None,
    })
}

/// Refuses a body that names what its type does not have.
///
/// # Errors
/// In Graph's words for that part of it, with the name and the type. A body that cannot be read is left to its handler.
pub fn known(route: &Route, body: &[u8]) -> Result<(), Problem> {
    let Some(of) = body_of(route) else { return Ok(()) };
    let Ok(Json::Object(object)) = super::body::parse(body) else { return Ok(()) };
    look(of, &object).map_err(|(of, name)| unknown(of, &shown(&name)))
}

fn look(of: &'static str, object: &Map<String, Json>) -> Result<(), (&'static str, String)> {
    let of = derived(of, object);
    let known = type_named(of).is_some();
    for (name, value) in object {
        let lower = name.to_ascii_lowercase();
        let passes = name.contains('@') || ["extension_", "ext", "writ.", "#"].iter().any(|p| lower.starts_with(p));
        if !passes && known && declared(of, &lower).is_none() {
            return Err((of, name.clone()));
        }
        let Some(inner) = inside(of, name) else { continue };
        match value {
            Json::Object(one) => look(inner, one)?,
            Json::Array(many) => many.iter().filter_map(Json::as_object).try_for_each(|one| look(inner, one))?,
            _ => {}
        }
    }
    Ok(())
}

/// The type that a body says it is, where that is a narrower one: a kind of rule. A rule that does not say is any of them.
fn derived(of: &'static str, object: &Map<String, Json>) -> &'static str {
    if of != "unifiedRoleManagementPolicyRule" {
        return of;
    }
    let said = object.get("@odata.type").and_then(Json::as_str).unwrap_or_default();
    let said = said.trim_start_matches('#').trim_start_matches("microsoft.graph.");
    types_named("unifiedRoleManagementPolicy").find(|name| name.eq_ignore_ascii_case(said)).unwrap_or_default()
}

fn unknown(of: &str, name: &str) -> Problem {
    let open = format!(
        "The property '{name}' does not exist on type 'microsoft.graph.{of}'. Make sure to only use property names \
         that are defined by the type or mark the type as open type."
    );
    let bad = |code, message| Problem::new(StatusCode::BAD_REQUEST, code, message);
    match of {
        "user" | "group" | "administrativeUnit" | "application" | "servicePrincipal" | "device" => {
            bad("Request_BadRequest", format!("Invalid property '{name}'. {open}"))
        }
        "requestSchedule" | "expirationPattern" | "ticketInfo" => {
            bad("InvalidRoleAssignmentRequest", format!("The role assignment request is invalid. {open}"))
        }
        of if REQUEST.contains(&of) => {
            bad("InvalidRoleAssignmentRequest", format!("The role assignment request is invalid. {open}"))
        }
        _ => bad("BadRequest", open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::graph::ask::Answer;

    fn judged(path: &'static str, body: &str) -> String {
        let route = Route::post(path, |_| Box::pin(async { Ok(Answer::Nothing) }));
        match known(&route, body.as_bytes()) {
            Ok(()) => "passes".to_owned(),
            Err(problem) => format!("{} {}", problem.code(), problem.message()),
        }
    }

    #[test]
    fn misspelt_names_are_found_at_any_depth_and_known_ones_pass_in_any_case() {
        let requests = "roleManagement/directory/roleAssignmentScheduleRequests";
        for (path, body, says) in [
            (requests, r#"{"Action":"x","principalid":"y","@odata.type":"z","writ.note":1}"#, "passes"),
            (
                requests,
                r#"{"justfication":"x"}"#,
                "The property 'justfication' does not exist on type 'microsoft.graph.unifiedRoleAssignmentScheduleRequest'.",
            ),
            (
                requests,
                r#"{"scheduleInfo":{"expiration":{"durration":"PT1H"}}}"#,
                "'durration' does not exist on type 'microsoft.graph.expirationPattern'.",
            ),
            (
                requests,
                r#"{"ticketInfo":{"number":"1"}}"#,
                "'number' does not exist on type 'microsoft.graph.ticketInfo'.",
            ),
            ("users", r#"{"displayName":"x","jobTitle":"y","extension_1_a":1,"manager@odata.bind":"z"}"#, "passes"),
            ("users", r#"{"dispalyName":"x"}"#, "Request_BadRequest Invalid property 'dispalyName'."),
            ("groups/{id}/members/$ref", r#"{"anything":1}"#, "passes"),
            ("users", "{", "passes"),
            (
                "policies/roleManagementPolicies/{id}/rules/{rule}",
                r##"{"@odata.type":"#microsoft.graph.unifiedRoleManagementPolicyExpirationRule","enabledRules":[]}"##,
                "'enabledRules' does not exist on type 'microsoft.graph.unifiedRoleManagementPolicyExpirationRule'.",
            ),
            ("policies/roleManagementPolicies/{id}/rules/{rule}", r#"{"enabledRules":[]}"#, "passes"),
        ] {
            let said = judged(path, body);
            assert!(said.contains(says), "{path} {body}: {said}");
        }
    }
}
