//! Which permission each route asks for: what a path is about, and whether it is looked at or changed. The lists of
//! permissions, and the judgement, are the core's.
//!
//! Always: a path that is not known here asks for the most there is, so a new route is closed until it is named.

use super::route::{Route, Verb};
use writ_core::permission::{Act, Thing};

/// Functions and actions that are called with POST and change nothing.
const LOOKING: &[&str] =
    &["getByIds", "checkMemberGroups", "checkMemberObjects", "getMemberGroups", "getMemberObjects", "writ.explain"];

/// Whether a route changes nothing, so that it may be answered twice.
pub fn looks(route: &Route) -> bool {
    let last = route.path.rsplit('/').next().unwrap_or_default();
    route.verb == Verb::Get || LOOKING.contains(&last.trim_end_matches("()"))
}

/// What a route asks for, `link` being what its `{link}` is and `own` telling whether its `{id}` is the caller; `None`
/// for a batch, whose requests ask one by one.
pub fn needed(route: &Route, link: &str, own: bool) -> Option<(Thing, Act)> {
    if route.path == "$batch" {
        return None;
    }
    let act = match (looks(route), route.path) {
        (true, _) => Act::Read,
        (_, "users" | "groups") => Act::Create,
        (_, "users/{id}" | "groups/{id}") if route.verb == Verb::Delete => Act::Remove,
        _ => Act::Write,
    };
    Some(match thing(route.path, link) {
        // A new state of an account may be all there is in the body, which a permission of its own opens.
        Some(Thing::Users) if act == Act::Write => (if own { Thing::Profile } else { Thing::Enabled }, act),
        Some(Thing::Users) if own && act == Act::Read => (Thing::Profile, act),
        Some(Thing::Memberships) if own => (Thing::OwnMemberships, act),
        Some(Thing::Owned) if own => (Thing::OwnOwned, act),
        Some(thing) => (thing, act),
        None => (Thing::Objects, Act::Write),
    })
}

/// What this body asks for at that route, where the route takes bodies that different permissions open: a permission for
/// part of it is named only to those whom it would help. `takes` tells whether the body takes something away.
pub fn narrowed(thing: Thing, act: Act, takes: bool, body: &[u8]) -> Thing {
    match (thing, act) {
        (Thing::EligibilityRequests, Act::Write) if !takes => Thing::Eligibilities,
        (Thing::AssignmentRequests, Act::Write) if !takes => Thing::Assignments,
        (Thing::Enabled, Act::Write) if renames(body) => Thing::Users,
        _ => thing,
    }
}

/// Whether a change of a user is about more than whether they may sign in.
fn renames(body: &[u8]) -> bool {
    let named = |name: &String| ["displayName", "userPrincipalName"].iter().any(|own| own.eq_ignore_ascii_case(name));
    super::body::parse(body).is_ok_and(|body| body.as_object().is_some_and(|fields| fields.keys().any(named)))
}

/// What expanding this link of a resource of this type asks for beside the route: who is in what is not told to a token
/// that may only see names. `own` tells whether the resource is the caller. Behind what may be anything in the directory
/// it is what `directoryObjects` asks for, as the route told nothing of it.
pub fn needed_to_expand(of: &str, link: &str, own: bool) -> Option<Thing> {
    let thing = match of {
        "directoryObject" => Thing::Objects,
        "user" if link == "scopedRoleMemberOf" => Thing::Memberships,
        "user" => of_a_user(link, ""),
        "group" => of_a_group(link, ""),
        _ => return None,
    };
    Some(match thing {
        Thing::Memberships if own => Thing::OwnMemberships,
        Thing::Owned if own => Thing::OwnOwned,
        Thing::Users | Thing::Groups => return None,
        thing => thing,
    })
}

/// What a path is about.
fn thing(path: &str, link: &str) -> Option<Thing> {
    let mut parts = path.split('/');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    // A function's name stands before its parameters: `directoryRoles(roleTemplateId)`.
    Some(match (first.split('(').next().unwrap_or_default(), second.unwrap_or_default()) {
        ("me", link_or_function) => match of_a_user(link_or_function, link) {
            Thing::Users => Thing::Profile,
            Thing::Memberships => Thing::OwnMemberships,
            Thing::Owned => Thing::OwnOwned,
            other => other,
        },
        ("users", _) => of_a_user(third.unwrap_or_default(), link),
        ("groups", _) => of_a_group(third.unwrap_or_default(), link),
        ("directory", "administrativeUnits") if path.contains("scopedRoleMembers") => Thing::Roles,
        ("directory", "administrativeUnits") if path.contains("members") => Thing::UnitMembers,
        ("directory", "administrativeUnits") => Thing::Units,
        ("devices", _) => Thing::Devices,
        ("organization", _) => Thing::Organization,
        ("servicePrincipals" | "applications" | "oauth2PermissionGrants", _) => Thing::Programs,
        ("directoryRoles" | "directoryRoleTemplates", _) => Thing::Roles,
        // Calling a request off takes nothing away, so a permission to take away does not open it.
        ("roleManagement", "directory") if path.ends_with("/cancel") => {
            roles(third.unwrap_or_default().trim_end_matches("Requests"))
        }
        ("roleManagement", "directory") => roles(third.unwrap_or_default()),
        ("policies", "roleManagementPolicies" | "roleManagementPolicyAssignments") => Thing::Rules,
        ("auditLogs", _) => Thing::Audit,
        ("directoryObjects", _) | ("directory", "deletedItems") => Thing::Objects,
        ("identityGovernance", "privilegedAccess") => Thing::Groups,
        _ => return None,
    })
}

/// What stands after a user in a path.
fn of_a_user(part: &str, link: &str) -> Thing {
    let part = if part == "{link}" { link } else { part };
    match part {
        "revokeSignInSessions()" => Thing::Sessions,
        "scopedRoleMemberOf" => Thing::Memberships,
        _ if in_what(part) => Thing::Memberships,
        _ if part.eq_ignore_ascii_case("ownedObjects") => Thing::Owned,
        _ => Thing::Users,
    }
}

/// What stands after a group in a path.
fn of_a_group(part: &str, link: &str) -> Thing {
    let part = if part == "{link}" { link } else { part };
    let who = ["members", "transitiveMembers"].iter().any(|name| part.eq_ignore_ascii_case(name));
    if who || in_what(part) { Thing::Members } else { Thing::Groups }
}

/// Whether a link or function tells what something is in. A link stands as the caller wrote it, in any case.
fn in_what(part: &str) -> bool {
    ["memberOf", "transitiveMemberOf"].iter().any(|name| part.eq_ignore_ascii_case(name))
        || ["checkMember", "getMember"].iter().any(|begins| part.starts_with(begins))
}

fn roles(collection: &str) -> Thing {
    match collection {
        "roleAssignmentApprovals" => Thing::Approvals,
        "roleEligibilityScheduleRequests" => Thing::EligibilityRequests,
        "roleAssignmentScheduleRequests" => Thing::AssignmentRequests,
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
            assert!(thing(route.path, "").is_some(), "say in this file what {} is about", route.path);
        }
    }

    #[test]
    fn a_path_that_is_not_named_asks_for_the_most() {
        let route = Route::get("somewhere/new", |_| Err(crate::http::problem::Problem::internal()));
        assert_eq!(needed(&route, "", false), Some((Thing::Objects, Act::Write)));
    }
}
