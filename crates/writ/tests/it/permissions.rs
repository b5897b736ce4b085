//! Permissions, route by route: without one of those a route asks for, it is refused and names them; with any one of
//! them, the least too, it is not refused for want of a permission.

use crate::callers::{body, house, method, path};
use crate::house::{BEN, Client, DANA, House, Reply};
use std::collections::BTreeSet;
use writ::http::graph::dispatch::ALL;
use writ::http::graph::permissions::{narrowed, needed};
use writ::http::graph::route::Route;
use writ_core::permission::{THINGS, permissions};

/// What a 403 for want of a permission says, in each part's own words.
const WANTING: [&str; 4] = [
    "missing permission scope",
    "Valid permissions not present. User needs one of the following permissions for this action : ",
    "does not have required MSGraph permissions",
    "The token lacks the permission: one of ",
];

fn wanting(reply: &Reply) -> bool {
    reply.status == 403 && WANTING.iter().any(|words| reply.text.contains(words))
}

async fn asks(client: &Client, route: &Route, path: &str) -> Reply {
    let version = if route.versions == writ::http::graph::route::Versions::Beta { "beta" } else { "v1.0" };
    client.send(method(route.verb), &format!("/{version}/{path}"), body(route.verb, route.path)).await
}

/// Whoever may do the most at this route: an approver at approvals, else the administrator.
async fn able(house: &House, route: &Route, scopes: &[&str]) -> Client {
    let who = if route.path.contains("Approvals") { BEN } else { DANA };
    house.signed_in_with(who, scopes, true).await
}

fn routes() -> impl Iterator<Item = &'static Route> {
    ALL.iter().copied().flatten().filter(|r| needed(r, "memberOf", false).is_some())
}

#[tokio::test]
async fn a_route_without_its_permission_names_all_that_would_do_and_those_there_are() {
    let (house, _, ask) = house().await;
    let every: BTreeSet<&str> =
        THINGS.iter().flat_map(|t| permissions(*t, writ_core::permission::Act::Read).delegated).copied().collect();
    for route in routes() {
        let (thing, act) = needed(route, "memberOf", false).expect("filtered");
        // The bodies sent here take nothing away.
        let would = permissions(narrowed(thing, act, false, body(route.verb, route.path).as_bytes()), act).delegated;
        // Everything that is only for looking at something else.
        let others: Vec<&str> = every.iter().filter(|name| !would.contains(name)).copied().collect();
        for has in [&others[..], &[]] {
            let client = able(&house, route, has).await;
            let before = house.rights();
            let reply = asks(&client, route, &path(&house, &ask, route.path)).await;
            assert!(wanting(&reply), "{} with {has:?}: {} {}", reply.asked, reply.status, reply.text);
            let said = reply.refused();
            for name in would {
                assert!(said.contains(name), "{} does not name {name}: {said}", route.path);
            }
            let told = if has.is_empty() { "The token has: none." } else { "The token has: " };
            assert!(said.contains(told), "{said}");
            assert!(house.rights() == before, "{} changed something", route.path);
        }
    }
}

/// The body for a permission that opens only part of what a route takes: a removal, a new state of an account.
fn within(permission: &str, path: &str, body: String) -> String {
    if permission.contains(".Remove.") {
        return body.replace("adminAssign", "adminRemove");
    }
    let narrow = permission.starts_with("User.EnableDisableAccount.All") && path.starts_with("users/");
    if narrow { serde_json::json!({"accountEnabled": true}).to_string() } else { body }
}

#[tokio::test]
async fn any_one_permission_of_a_route_is_enough_the_least_one_too() {
    let (mut house, _, mut ask) = house().await;
    for route in routes() {
        let (thing, act) = needed(route, "memberOf", false).expect("filtered");
        for name in permissions(thing, act).delegated {
            let before = house.rights();
            let names: Vec<&str> = name.split(" and ").collect();
            let client = able(&house, route, &names).await;
            let path = path(&house, &ask, route.path);
            let version = if route.versions == writ::http::graph::route::Versions::Beta { "beta" } else { "v1.0" };
            let sent = within(name, &path, body(route.verb, route.path));
            let reply = client.send(method(route.verb), &format!("/{version}/{path}"), sent).await;
            assert!(!wanting(&reply), "{} with {name}: {}", reply.asked, reply.text);
            assert!(reply.status != 401 && !reply.status.is_server_error(), "{}: {}", reply.asked, reply.text);
            if house.rights() != before {
                (house, _, ask) = crate::callers::house().await;
            }
        }
    }
}

#[tokio::test]
async fn the_least_permission_shows_ones_own_account_by_id_or_name_and_nobody_elses() {
    let (house, _, _) = house().await;
    let ana = house.signed_in_with(crate::house::ANA, &["User.Read"], true).await;
    for own in [crate::house::ANA.to_string(), "ana@northwind.example".into(), "Ana@Northwind.example".into()] {
        assert_eq!(ana.get(&format!("/v1.0/users/{own}")).await.status, 200, "{own}");
    }
    for other in [BEN.to_string(), "ben@northwind.example".into(), "nobody@northwind.example".into()] {
        let said = ana.get(&format!("/v1.0/users/{other}")).await.refused();
        assert!(said.starts_with("403 Authorization_RequestDenied: ") && said.contains("User.ReadBasic.All"), "{said}");
    }
    let own = format!("/v1.0/users/{}", crate::house::ANA);
    assert!(ana.patch(&own, serde_json::json!({"displayName": "A"})).await.refused().starts_with("403 "));
}

#[tokio::test]
async fn with_the_permission_and_without_a_role_lists_show_ones_own() {
    let (house, _, _) = house().await;
    let (name, list) =
        ("RoleEligibilitySchedule.Read.Directory", "/v1.0/roleManagement/directory/roleEligibilitySchedules");
    let ana = house.signed_in_with(crate::house::ANA, &[name], true).await;
    let rows = ana.get(list).await.list();
    assert!(rows.len() == 1 && rows[0]["principalId"] == serde_json::json!(crate::house::ANA), "{rows:?}");
    // The same permission opens nothing of assignments.
    let other = "/v1.0/roleManagement/directory/roleAssignmentSchedules";
    assert!(ana.get(other).await.refused().starts_with("403 UnknownError: "));
    let eve = house.signed_in_with(crate::house::EVE, &[name], true).await;
    assert!(eve.get(list).await.list().is_empty());
}

#[tokio::test]
async fn a_permission_for_part_of_a_route_opens_that_part_only() {
    let (house, _, _) = house().await;
    let with = async |names: &[&str]| house.signed_in_with(DANA, names, true).await;
    let requests = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
    let body = |action: &str| {
        serde_json::json!({
            "action": action, "principalId": BEN, "roleDefinitionId": "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
            "directoryScopeId": "/", "justification": "part",
        })
    };
    // It is named to whoever takes away, and to nobody else: it would not help them.
    let none = with(&["User.Read"]).await;
    for (action, named) in [("adminAssign", false), ("adminRemove", true), ("selfDeactivate", true)] {
        let refused = none.post(requests, body(action)).await;
        assert!(wanting(&refused) && refused.text.contains(".Remove.Directory") == named, "{action}: {}", refused.text);
    }
    let takes = with(&["RoleAssignmentSchedule.Remove.Directory"]).await;
    let refused = takes.post(requests, body("adminAssign")).await;
    assert!(wanting(&refused) && !refused.text.contains(".Remove.Directory,"), "{}", refused.text);
    assert!(takes.post(requests, body("adminRemove")).await.refused().contains("RoleAssignmentDoesNotExist"));

    let user = format!("/v1.0/users/{}", crate::house::EVE);
    for (change, named) in [("displayName", false), ("accountEnabled", true)] {
        let refused = none.patch(&user, serde_json::json!({change: null})).await;
        assert!(wanting(&refused) && refused.text.contains("EnableDisable") == named, "{change}: {}", refused.text);
    }
    let switches = with(&["User.EnableDisableAccount.All", "User.Read.All"]).await;
    assert!(wanting(&switches.patch(&user, serde_json::json!({"displayName": "E"})).await));
    assert_eq!(switches.patch(&user, serde_json::json!({"accountEnabled": true})).await.status, 204);

    // `Directory.ReadWrite.All` deletes neither users nor groups.
    let writes = with(&["Directory.ReadWrite.All"]).await;
    assert_eq!(writes.patch(&user, serde_json::json!({"displayName": "E"})).await.status, 204);
    for one in [user.clone(), format!("/v1.0/groups/{}", crate::house::SECURITY)] {
        assert!(wanting(&writes.delete(&one).await), "{one}");
    }
    assert_eq!(with(&["User.DeleteRestore.All"]).await.delete(&user).await.status, 204);
}

#[tokio::test]
async fn what_somebody_is_in_and_owns_is_asked_for_by_name() {
    let (house, _, _) = house().await;
    let ana = crate::house::ANA;
    let basic = house.signed_in_with(ana, &["User.ReadBasic.All"], true).await;
    let plain = house.signed_in_with(ana, &["User.Read"], true).await;
    let groups = house.signed_in_with(ana, &["GroupMember.Read.All"], true).await;
    // Segments match in any case, so what they ask for does too.
    for link in
        ["memberOf", "MEMBEROF", "transitivememberof", "transitiveMemberOf", "scopedRoleMemberOf", "OwnedObjects"]
    {
        let (own, other) = (format!("/v1.0/me/{link}"), format!("/v1.0/users/{BEN}/{link}"));
        assert!(wanting(&basic.get(&other).await), "{other}");
        assert_eq!(plain.get(&own).await.status, 200, "{own}");
        assert!(wanting(&plain.get(&other).await), "{other}");
        assert_eq!(groups.get(&other).await.status == 200, link != "OwnedObjects", "{other}");
    }
    let members = house.signed_in_with(ana, &["GroupMember.ReadBasic.All"], true).await;
    let group = format!("/v1.0/groups/{}", crate::house::SECURITY);
    for link in ["members", "Members", "transitiveMembers", "memberof"] {
        assert_eq!(members.get(&format!("{group}/{link}")).await.status, 200, "{link}");
    }
    assert!(wanting(&members.get(&format!("{group}/displayName")).await));
    assert!(wanting(&members.get(&group).await) && wanting(&members.get(&format!("{group}/owners")).await));
}

#[tokio::test]
async fn what_is_expanded_asks_for_what_its_own_path_asks_for() {
    let house = House::new().await;
    for (scopes, expand, allowed) in [
        (&["User.ReadBasic.All"][..], "users?$expand=memberOf", false),
        (&["User.ReadBasic.All"], "users?$expand=ownedObjects", false),
        (&["User.ReadBasic.All"], "users/{ben}?$expand=transitiveMemberOf($select=id)", false),
        (&["User.Read"], "users/{dana}?$expand=memberOf", true),
        (&["User.Read"], "me?$expand=memberOf", true),
        (&["User.ReadBasic.All", "GroupMember.Read.All"], "users?$expand=memberOf", true),
        (&["Group.Read.All"], "groups?$expand=members", true),
        (&["RoleManagement.Read.Directory"], "roleManagement/directory/roleAssignments?$expand=principal", true),
        // What lies behind what comes along may be anything in the directory.
        (&["User.Read"], "me?$expand=memberOf($expand=members)", false),
        (&["User.Read"], "me/memberOf?$expand=members", false),
        (&["User.Read"], "me/transitiveMemberOf?$expand=owners", false),
        (&["User.Read"], "users/{dana}/ownedObjects?$expand=transitiveMembers", false),
        (
            &["RoleManagement.Read.Directory"],
            "roleManagement/directory/roleAssignments?$expand=principal($expand=memberOf)",
            false,
        ),
        (&["User.Read"], "me/memberOf?$filter=owners/$count eq 0", false),
        (&["User.Read"], "me/memberOf?$filter=startswith(displayName,'S') or not (owners/$count in (1,2))", false),
        (&["User.Read", "Directory.Read.All"], "me/memberOf?$expand=members,owners", true),
        (&["User.Read", "Directory.Read.All"], "me/memberOf?$filter=owners/$count eq 0", true),
        (&["GroupMember.Read.All"], "groups?$filter=owners/$count eq 1", true),
    ] {
        let client = house.signed_in_with(DANA, scopes, true).await;
        let path = expand.replace("{ben}", &BEN.to_string()).replace("{dana}", &DANA.to_string());
        let reply = client.get(&format!("/v1.0/{path}")).await;
        assert_eq!(
            (reply.status == 200, wanting(&reply)),
            (allowed, !allowed),
            "{path} with {scopes:?}: {}",
            reply.text
        );
    }
}
