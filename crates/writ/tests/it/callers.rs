//! Every route, asked by every kind of caller: what each gets is written down once, here.
//!
//! Always: a route that is not in the table fails the test, so a new one cannot be forgotten.

use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, FINANCE, House, ROOT, SCOPES, SECURITY, TENANT};
use serde_json::json;
use std::collections::BTreeMap;
use writ::http::graph::applications::COMMAND_LINE;
use writ::http::graph::dispatch::ALL;
use writ::http::graph::ids;
use writ::http::graph::route::{Route, Verb, Versions};

/// What each kind of caller gets: nobody, somebody whose token carries no permission, a member, an administrator.
/// A route that writes is asked with a body that makes sense, of things that are there.
const TABLE: &str = include_str!("callers.txt");

/// No record has this id, which is in the right form.
const AUDIT: &str = "PIM_00000000-0000-0000-0000-00000000dead_1_0";

/// A path of this pattern about things that are there: Ana's eligibility and her open ask, Dana's assignment.
pub(crate) fn path(house: &House, ask: &str, pattern: &str) -> String {
    let state = house.engine.state();
    let policy = format!("DirectoryRole_{TENANT}_{ROOT}");
    let (mine, hers) = (&state.held_by(ANA).eligibilities[0], &state.held_by(DANA).assignments[0]);
    let id = match pattern.split('/').find(|s| !["roleManagement", "directory", "policies"].contains(s)) {
        Some("users") => EVE.to_string(),
        Some("groups") => SECURITY.to_string(),
        Some("administrativeUnits") => FINANCE.to_string(),
        Some("organization") => TENANT.to_string(),
        Some("applications") => COMMAND_LINE.app.to_string(),
        Some("roleDefinitions") => ROOT.to_string(),
        Some("roleManagementPolicyAssignments") => format!("{policy}_{ROOT}"),
        Some("roleManagementPolicies") => policy,
        Some("roleEligibilitySchedules" | "roleEligibilityScheduleRequests") => mine.id.to_string(),
        Some("roleEligibilityScheduleInstances") => ids::eligibility(ANA, mine.target),
        Some("roleAssignmentSchedules") => hers.id.to_string(),
        Some("roleAssignmentScheduleInstances" | "roleAssignments") => ids::assignment(DANA, hers.target, false),
        Some("roleAssignmentScheduleRequests" | "roleAssignmentApprovals") => ask.to_owned(),
        Some("directoryObjects") => EVE.to_string(),
        Some("directoryRoles" | "directoryRoleTemplates") => ROOT.to_string(),
        Some("auditLogs") => AUDIT.to_owned(),
        _ => "00000000-0000-0000-0000-00000000dead".to_owned(),
    };
    let link = match pattern {
        _ if pattern.contains("roleDefinitions") => "inheritsPermissionsFrom",
        _ if pattern.contains("roleManagementPolicyAssignments") => "policy",
        _ if pattern.contains("roleManagementPolicies") => "rules",
        _ if pattern.contains("Approvals") => "steps",
        _ if pattern.contains("Schedule") || pattern.contains("roleAssignments") => "principal",
        _ => "memberOf",
    };
    let path = pattern
        .replace("{id}", &id)
        .replace("{link}", link)
        .replace("{rule}", "Enablement_EndUser_Assignment")
        .replace("{member}", &CARLA.to_string())
        .replace("{owner}", &DANA.to_string())
        .replace("{step}", ask)
        .replace("{membership}", "none")
        .replace("{item}", &SECURITY.to_string())
        .replace("(appId)", &format!("(appId='{}')", COMMAND_LINE.app))
        .replace("(deviceId)", "(deviceId='00000000-0000-0000-0000-00000000dead')")
        .replace("(on)", "(on='principal')")
        .replace("(roleTemplateId)", &format!("(roleTemplateId='{ROOT}')"));
    let filter = "?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'";
    match pattern {
        "policies/roleManagementPolicies" | "policies/roleManagementPolicyAssignments" => format!("{path}{filter}"),
        "roleManagement/directory/roleAssignmentApprovals/filterByCurrentUser(on)" => {
            path.replace("principal", "target")
        }
        _ => path,
    }
}

pub(crate) fn body(verb: Verb, pattern: &str) -> String {
    let reference = json!({"@odata.id": format!("http://localhost/v1.0/directoryObjects/{ANA}")});
    let request = |action: &str| {
        json!({
            "action": action, "principalId": BEN, "roleDefinitionId": "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
            "directoryScopeId": "/", "justification": "table", "isValidationOnly": true,
            "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT1H"}},
        })
    };
    let json = match (verb, pattern) {
        (Verb::Get | Verb::Delete, _) => return String::new(),
        (_, p) if p.ends_with("$ref") => reference,
        (_, p) if p.ends_with("/cancel") => return String::new(),
        (_, p) if p.contains("checkMemberGroups") => json!({"groupIds": [SECURITY]}),
        (_, p) if p.contains("checkMemberObjects") => json!({"ids": [SECURITY]}),
        (_, p) if p.contains("getMember") => json!({"securityEnabledOnly": false}),
        (_, "users") => json!({"displayName": "New One", "userPrincipalName": "new@northwind.example"}),
        (_, "directoryObjects/getByIds") => json!({"ids": [ANA, SECURITY], "types": ["user"]}),
        (_, "$batch") => json!({"requests": [{"id": "1", "method": "GET", "url": "/me"}]}),
        (_, p) if p.ends_with("/writ.together") => json!({"isValidationOnly": true, "requests": [
            {"action": "adminAssign", "principalId": BEN, "roleDefinitionId": "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
             "directoryScopeId": "/", "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT1H"}},
             "justification": "table"},
        ]}),
        (_, p) if p.ends_with("/writ.rules") => json!({"pendingDuration": "PT12H"}),
        (_, p) if p.contains("ScheduleRequests") => request("adminAssign"),
        (_, p) if p.contains("steps") => json!({"reviewResult": "Deny", "justification": "table"}),
        (_, p) if p.contains("/rules/") => json!({
            "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyEnablementRule",
            "enabledRules": ["MultiFactorAuthentication", "Justification", "Ticketing"],
        }),
        (_, p) if p.contains("roleManagementPolicies") => json!({"rules": [{
            "id": "Expiration_EndUser_Assignment", "maximumDuration": "PT1H",
            "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule",
        }]}),
        (_, "directoryRoles") => json!({"roleTemplateId": ROOT}),
        (_, p) if p.ends_with("scopedRoleMembers") => json!({"roleId": ROOT, "roleMemberInfo": {"id": EVE}}),
        (_, "roleManagement/directory/roleAssignments") => {
            json!({"principalId": EVE, "roleDefinitionId": ROOT, "directoryScopeId": "/"})
        }
        (_, p) if p.contains("roleDefinitions") => {
            json!({"displayName": "Custom", "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/users/standard/read"]}]})
        }
        _ => json!({"displayName": "Table"}),
    };
    json.to_string()
}

pub(crate) async fn asked(client: &Client, route: &Route, path: &str) -> String {
    let version = if route.versions == Versions::Beta { "beta" } else { "v1.0" };
    let reply = client.send(method(route.verb), &format!("/{version}/{path}"), body(route.verb, route.path)).await;
    assert!(!reply.status.is_server_error(), "{}: {}", reply.asked, reply.text);
    if reply.status.is_client_error() {
        reply.refused();
    }
    reply.status.as_u16().to_string()
}

/// A house in which Ana has asked, with one caller of every kind.
pub(crate) async fn house() -> (House, [Client; 4], String) {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    let path = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
    let ask =
        ana.post(path, crate::elevation::activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let callers = [
        house.client(None),
        house.signed_in_with(EVE, &["Nothing.At.All"], true).await,
        house.signed_in_with(EVE, SCOPES, true).await,
        house.signed_in_with(DANA, SCOPES, true).await,
    ];
    (house, callers, ask)
}

pub(crate) fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::Post => "POST",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
    }
}

/// The same, as the only request of a batch.
async fn asked_in_a_batch(client: &Client, route: &Route, path: &str) -> String {
    let version = if route.versions == Versions::Beta { "beta" } else { "v1.0" };
    let mut request = json!({"id": "1", "method": method(route.verb), "url": format!("/{path}")});
    if let Ok(body) = serde_json::from_str::<serde_json::Value>(&body(route.verb, route.path)) {
        request["body"] = body;
    }
    let reply = client.post(&format!("/{version}/$batch"), json!({"requests": [request]})).await;
    if reply.status.is_client_error() {
        reply.refused();
        return reply.status.as_u16().to_string();
    }
    let response = &reply.is(200)["responses"][0];
    let status = response["status"].as_u64().expect("a status");
    assert!(status < 500, "{path}: {response}");
    assert!(status < 400 || response["body"]["error"]["message"].is_string(), "{path}: {response}");
    status.to_string()
}

/// What every kind of caller gets from every route, one row each, sorted.
async fn answers(batched: bool) -> String {
    let mut found = BTreeMap::new();
    let mut at = house().await;
    for route in ALL.iter().copied().flatten() {
        let (house, callers, ask) = &at;
        let path = path(house, ask, route.path);
        let before = house.rights();
        let mut told = Vec::new();
        for (n, client) in callers.iter().enumerate() {
            told.push(match batched {
                true => asked_in_a_batch(client, route, &path).await,
                false => asked(client, route, &path).await,
            });
            let wrote = house.rights() != before;
            assert!(!wrote || (n == 3 && route.verb != Verb::Get), "{} changed something", route.path);
        }
        found.insert(format!("{:6} {}", method(route.verb), route.path), told.join(" "));
        // Whoever ended sessions has none left to ask with.
        if house.rights() != before || route.path.contains("revokeSignInSessions") {
            at = crate::callers::house().await;
        }
    }
    let told: Vec<String> = found.iter().map(|(route, told)| format!("{told}  {route}")).collect();
    told.join("\n")
}

#[tokio::test]
async fn every_route_answers_every_kind_of_caller_as_the_table_says() {
    let told = answers(false).await;
    let wanted = TABLE.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(told, wanted, "the table and the routes differ; found:\n{told}");
}

#[tokio::test]
async fn in_a_batch_every_route_answers_every_kind_of_caller_as_it_does_alone() {
    let told = answers(true).await;
    let wanted = TABLE.lines().filter(|l| !l.starts_with('#')).map(|row| match row {
        // A batch holds no batch, whoever sends it.
        row if row.ends_with("$batch") => "401 400 400 400  POST   $batch",
        row => row,
    });
    assert_eq!(told, wanted.collect::<Vec<_>>().join("\n"), "a batch answers otherwise than a request alone");
}

/// Writ's own routes, as the router has them: their verbs and paths stand in the one place where they are made.
const OWN: &str = include_str!("../../src/http/api/routes.rs");
/// What each kind of caller gets there.
const OWN_TABLE: &str = include_str!("callers_own.txt");

/// `(verb, path)` of every route in that file.
fn own_routes() -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for line in OWN.lines().filter_map(|l| l.trim().strip_prefix(".route(\"")) {
        let (path, rest) = line.split_once("\", ").expect("a path and its handlers on one line");
        // Its answer has no end; who gets it is in `additions`.
        if path == "/writ/v1/changes" {
            continue;
        }
        let verbs = [("get(", "GET"), ("post(", "POST"), ("patch(", "PATCH"), ("put(", "PUT"), ("delete(", "DELETE")];
        let mut here: Vec<_> = verbs.iter().filter(|(call, _)| rest.contains(call)).map(|(_, v)| (*v, path)).collect();
        assert!(!here.is_empty(), "no verb is known in: {line}");
        found.append(&mut here);
    }
    found.sort_unstable_by_key(|(verb, path)| (*path, *verb));
    found
}

/// What is asked of one of them: about things that are there where that changes the answer, and with a body that makes
/// sense.
fn own(verb: &str, pattern: &str, ask: &str) -> (String, String) {
    let path = match pattern {
        "/writ/v1/names" => format!("{pattern}?kind=user&typed=ana"),
        "/writ/v1/requests/{id}" => pattern.replace("{id}", ask),
        "/writ/v1/users/{id}/erase" => pattern.replace("{id}", "00000000-0000-0000-0000-00000000dead"),
        _ => pattern.replace("{id}", &CARLA.to_string()),
    };
    let body = match (verb, pattern) {
        ("GET" | "DELETE", _) => return (path, String::new()),
        (_, "/writ/v1/explain") => json!({"principal": CARLA, "role": ROOT, "scope": "/"}),
        (_, "/writ/v1/settings") => json!({"name": "Northwind Traders"}),
        (_, "/writ/v1/accounts") => json!({"principal": CARLA, "account": "carlota"}),
        (_, "/writ/v1/accounts/rules") => json!({"unit": FINANCE, "rule": "adm-{local}"}),
        (_, "/writ/v1/enrol") => json!({"code": "AAAA-AAAA"}),
        _ => json!({}),
    };
    (path, body.to_string())
}

#[tokio::test]
async fn every_route_of_writs_own_answers_every_kind_of_caller_as_the_table_says() {
    let mut told = Vec::new();
    for (verb, pattern) in own_routes() {
        let (house, callers, ask) = house().await;
        let (path, body) = own(verb, pattern, &ask);
        let (before, log) = (house.rights(), house.engine.head().size);
        let mut got = Vec::new();
        for (n, client) in callers.iter().enumerate() {
            let reply = client.send(verb, &path, body.clone()).await;
            assert!(!reply.status.is_server_error(), "{}: {}", reply.asked, reply.text);
            if reply.status.is_client_error() {
                reply.refused();
            }
            got.push(reply.status.as_u16().to_string());
            let wrote = house.rights() != before || (house.engine.head().size != log && !pattern.ends_with("signout"));
            assert!(!wrote || (n == 3 && verb != "GET"), "{verb} {pattern} changed something");
        }
        told.push(format!("{}  {verb:6} {pattern}", got.join(" ")));
    }
    let told = told.join("\n");
    let wanted = OWN_TABLE.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(told, wanted, "the table and the routes differ; found:\n{told}");
}
