//! Which permission each route asks for: what a path is about, and whether it is looked at or changed. The lists of
//! permissions, and the judgement, are the core's.
//!
//! Always: a path that is not known here asks for the most there is, so a new route is closed until it is named.

use super::route::{Route, Verb};
use writ_core::permission::{Act, Thing};

/// Functions and actions that are called with POST and change nothing.
const LOOKING: &[&str] =
    &["getByIds", "checkMemberGroups", "checkMemberObjects", "getMemberGroups", "getMemberObjects", "writ.explain"];

/// What a route asks for, `own` telling whether its `{id}` is the caller; `None` for a batch, whose requests ask one
/// by one.
pub fn needed(route: &Route, own: bool) -> Option<(Thing, Act)> {
    let last = route.path.rsplit('/').next().unwrap_or_default();
    let act =
        if route.verb == Verb::Get || LOOKING.contains(&last.trim_end_matches("()")) { Act::Read } else { Act::Write };
    match thing(route.path) {
        _ if route.path == "$batch" => None,
        Some(Thing::Users) if own && act == Act::Read => Some((Thing::Profile, act)),
        Some(thing) => Some((thing, act)),
        None => Some((Thing::Objects, Act::Write)),
    }
}

/// What a path is about.
fn thing(path: &str) -> Option<Thing> {
    let mut parts = path.split('/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    // A function's name stands before its parameters: `directoryRoles(roleTemplateId)`.
    Some(match (first.split('(').next().unwrap_or_default(), second.unwrap_or_default()) {
        ("me", _) => Thing::Profile,
        ("users", _) => Thing::Users,
        ("groups", _) if third == Some("members") => Thing::Members,
        ("groups", _) => Thing::Groups,
        ("directory", "administrativeUnits") if path.contains("scopedRoleMembers") => Thing::Roles,
        ("directory", "administrativeUnits") => Thing::Units,
        ("devices", _) => Thing::Devices,
        ("organization", _) => Thing::Organization,
        ("servicePrincipals" | "applications" | "oauth2PermissionGrants", _) => Thing::Programs,
        ("directoryRoles" | "directoryRoleTemplates", _) => Thing::Roles,
        ("roleManagement", "directory") => roles(third.unwrap_or_default()),
        ("policies", "roleManagementPolicies" | "roleManagementPolicyAssignments") => Thing::Rules,
        ("auditLogs", _) => Thing::Audit,
        ("directoryObjects", _) | ("directory", "deletedItems") => Thing::Objects,
        _ => return None,
    })
}

fn roles(collection: &str) -> Thing {
    match collection {
        "roleAssignmentApprovals" => Thing::Approvals,
        _ if collection.starts_with("roleEligibilitySchedule") => Thing::Eligibilities,
        _ if collection.starts_with("roleAssignmentSchedule") => Thing::Assignments,
        // Definitions, plain assignments, transitive ones.
        _ => Thing::Roles,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::graph::dispatch::ALL;

    #[test]
    fn every_route_is_named_here() {
        for route in ALL.iter().copied().flatten().filter(|route| route.path != "$batch") {
            assert!(thing(route.path).is_some(), "say in this file what {} is about", route.path);
        }
    }

    #[test]
    fn a_path_that_is_not_named_asks_for_the_most() {
        let route = Route::get("somewhere/new", |_| Err(crate::http::problem::Problem::internal()));
        assert_eq!(needed(&route, false), Some((Thing::Objects, Act::Write)));
    }
}
