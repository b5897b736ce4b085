//! Every route, asked by every kind of caller: what each gets is written down once, here.
//!
//! Always: a route that is not in the table fails the test, so a new one cannot be forgotten.

use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, FINANCE, GLASS, House, ROOT, SCOPES, SECURITY, TENANT, user};
use serde_json::json;
use std::collections::BTreeMap;
use writ::http::graph::applications::COMMAND_LINE;
use writ::http::graph::dispatch::ALL;
use writ::http::graph::ids;
use writ::http::graph::route::{Route, Verb, Versions};
use writ::identity::token::Claims;
use writ_core::command::{Command, Expiration, Sort, Terms};
use writ_core::ids::{PrincipalId, SessionId, TenantId};
use writ_core::role;
use writ_core::scope::{Scope, Target};

/// What each kind of caller gets; its first lines name the columns. `unaccepted` has those who get nothing anywhere.
/// A route that writes is asked with a body that makes sense, of things that are there.
const TABLE: &str = include_str!("callers.txt");

/// No record has this id, which is in the right form.
const AUDIT: &str = "PIM_00000000-0000-0000-0000-00000000dead_1_0";

/// A path of this pattern about things that are there: Ana's eligibility and her open ask, Dana's assignment.
pub(crate) fn path(house: &House, ask: &str, pattern: &str) -> String {
    let state = house.engine.state();
    let policy = format!("DirectoryRole_{TENANT}_{ROOT}");
    let mine = &state.eligibilities_of(ANA)[0];
    let hers = state.assignments_of(DANA).next().expect("she holds a role");
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
        .replace("{size}", "48x48")
        .replace("{item}", &SECURITY.to_string())
        .replace("(appId)", &format!("(appId='{}')", COMMAND_LINE.app))
        .replace("(deviceId)", "(deviceId='00000000-0000-0000-0000-00000000dead')")
        .replace("(on)", "(on='principal')")
        .replace("(roleTemplateId)", &format!("(roleTemplateId='{ROOT}')"));
    let filter = "?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole'";
    match pattern {
        "policies/roleManagementPolicies" | "policies/roleManagementPolicyAssignments" => format!("{path}{filter}"),
        _ if pattern.ends_with("Approvals/filterByCurrentUser(on)") => path.replace("principal", "target"),
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

/// Reads all that others hold: Global Reader.
const READER: PrincipalId = PrincipalId::from_u128(0x71);
/// Manages roles and nothing else: Privileged Role Administrator.
const ROLES: PrincipalId = PrincipalId::from_u128(0x72);
/// A program that holds no role, and one that manages them.
const PROGRAM: PrincipalId = PrincipalId::from_u128(0x73);
const ROBOT: PrincipalId = PrincipalId::from_u128(0x74);

/// The same house with everybody there is, in the order of the table's columns.
async fn everybody() -> (House, Vec<Client>, String) {
    let (house, four, ask) = house().await;
    for (id, name) in [(READER, "reader"), (ROLES, "roles")] {
        house.does(DANA, Command::CreateUser(user(id, name, &format!("{name}@northwind.example")))).await;
    }
    for service in [PROGRAM, ROBOT] {
        house.does(DANA, Command::CreateService { service, name: service.to_string(), app: service.0 }).await;
    }
    let named = |name: &str| role::built_in().iter().find(|role| role.is_called(name)).expect("a role").id;
    let manages = named("Privileged Role Administrator");
    for (who, role) in [(READER, named("Global Reader")), (ROLES, manages), (ROBOT, manages)] {
        let terms = Terms::of(who, Target::role(role, Scope::Tenant), Expiration::Never);
        let terms = Terms { reason: Some("table".into()), ..terms };
        house.does(DANA, Command::Assign { sort: Sort::Assignment, terms }).await;
    }
    let [nobody, poor, member, administrator] = four;
    let all = vec![
        nobody,
        poor,
        member,
        house.signed_in(BEN).await,
        house.signed_in(READER).await,
        house.signed_in(ROLES).await,
        administrator,
        house.signed_in(GLASS).await,
        house.speaks_for_itself(PROGRAM, SCOPES).await,
        house.speaks_for_itself(ROBOT, SCOPES).await,
    ];
    (house, all, ask)
}

/// What every kind of caller gets from every route, one row each, sorted.
async fn answers(batched: bool) -> String {
    let mut found = BTreeMap::new();
    let mut at = everybody().await;
    for route in ALL.iter().copied().flatten() {
        let mut told = Vec::new();
        for n in 0..at.1.len() {
            let (house, callers, ask) = &at;
            let path = path(house, ask, route.path);
            let before = house.rights();
            let status = match batched {
                true => asked_in_a_batch(&callers[n], route, &path).await,
                false => asked(&callers[n], route, &path).await,
            };
            let changed = house.rights() != before;
            assert!(!changed || route.verb != Verb::Get, "{} is read", route.path);
            assert!(!changed || status.starts_with('2'), "{} was refused and changed something", route.path);
            told.push(status);
            // Whoever ended sessions has none left to ask with.
            if changed || route.path.contains("revokeSignInSessions") {
                at = everybody().await;
            }
        }
        found.insert(format!("{:6} {}", method(route.verb), route.path), told.join(" "));
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
        row if row.ends_with("$batch") => "401 400 400 400 400 400 400 400 400 400  POST   $batch",
        row => row,
    });
    assert_eq!(told, wanted.collect::<Vec<_>>().join("\n"), "a batch answers otherwise than a request alone");
}

/// Tokens that are not accepted: for another API, over, not good yet, of another tenant or server, of a session that was
/// ended or never was, of somebody who is disabled; and one that nobody here signed.
async fn unaccepted(house: &House) -> Vec<(&'static str, Client)> {
    let good = house.claims_of(&house.signed_in(EVE).await);
    let now = house.engine.now().seconds();
    let mut all = vec![
        ("another API", house.with_claims(&Claims { aud: "https://vault.azure.net".into(), ..good.clone() })),
        ("expired", house.with_claims(&Claims { exp: now, ..good.clone() })),
        ("early", house.with_claims(&Claims { nbf: now + 60, ..good.clone() })),
        ("another tenant", house.with_claims(&Claims { tid: TenantId::from_u128(9), ..good.clone() })),
        ("another server", house.with_claims(&Claims { iss: "https://elsewhere.example".into(), ..good.clone() })),
        ("no session", house.with_claims(&Claims { sid: SessionId::from_u128(9), ..good.clone() })),
        ("somebody else's session", house.with_claims(&Claims { sub: DANA, oid: DANA, ..good.clone() })),
        (
            "a person as a program",
            house.with_claims(&Claims {
                scp: String::new(),
                roles: vec!["RoleManagement.ReadWrite.Directory".into()],
                idtyp: Some("app".into()),
                mfa_time: None,
                ..good.clone()
            }),
        ),
        ("nobody's signature", house.client(Some(format!("{}x", house.with_claims(&good).token.expect("a token"))))),
    ];
    let disabled = house.signed_in(CARLA).await;
    let off = Command::UpdateUser { user: CARLA, name: None, upn: None, enabled: Some(false), person: None };
    house.does(DANA, off).await;
    all.push(("disabled", disabled));
    let program = house.speaks_for_itself(ROBOT, SCOPES).await;
    let as_person = Claims { roles: Vec::new(), idtyp: None, scp: SCOPES.join(" "), ..house.claims_of(&program) };
    all.push(("a program as a person", house.with_claims(&as_person)));
    all
}

#[tokio::test]
async fn a_token_that_is_not_accepted_opens_no_route() {
    let (house, _, ask) = everybody().await;
    let strangers = unaccepted(&house).await;
    let (before, log) = (house.rights(), house.engine.head());
    for route in ALL.iter().copied().flatten() {
        let path = path(&house, &ask, route.path);
        for (kind, client) in &strangers {
            assert_eq!(asked(client, route, &path).await, "401", "{kind}: {}", route.path);
        }
    }
    for (verb, pattern) in own_routes().into_iter().filter(|(_, p)| !["/writ/v1/about", "/writ/v1/enrol"].contains(p)) {
        let (path, body) = own(verb, pattern, &ask);
        for (kind, client) in &strangers {
            assert_eq!(client.send(verb, &path, body.clone()).await.status, 401, "{kind}: {verb} {pattern}");
        }
    }
    assert!(house.rights() == before && house.engine.head() == log, "nothing is left behind");
}

/// What is offered, for people.
const PAGE: &str = include_str!("../../../../docs/graph.md");

#[test]
fn every_route_is_in_the_table_for_people() {
    let (_, routes) = PAGE.split_once("## Routes").expect("a table of routes");
    let (routes, _) = routes.split_once("Every list takes").expect("its end");
    for route in ALL.iter().copied().flatten() {
        // Lists that are all empty are named by what is before them.
        let path = route.path.split_once("privilegedAccess/group/").map_or(route.path, |(before, _)| before);
        let segments = path.split(['/', '(']).filter(|s| !s.starts_with('{') && !s.ends_with(')'));
        for segment in segments {
            assert!(routes.contains(segment), "docs/graph.md does not name {segment}, of {}", route.path);
        }
    }
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
        let mut got = Vec::new();
        let mut at = everybody().await;
        for n in 0..at.1.len() {
            let (house, callers, ask) = &at;
            let (path, body) = own(verb, pattern, ask);
            let (before, log) = (house.rights(), house.engine.head().size);
            let reply = callers[n].send(verb, &path, body).await;
            assert!(!reply.status.is_server_error(), "{}: {}", reply.asked, reply.text);
            if reply.status.is_client_error() {
                reply.refused();
            }
            got.push(reply.status.as_u16().to_string());
            let wrote = house.rights() != before || house.engine.head().size != log;
            assert!(!wrote || (reply.status.is_success() && verb != "GET"), "{verb} {pattern} changed something");
            if wrote {
                at = everybody().await;
            }
        }
        told.push(format!("{}  {verb:6} {pattern}", got.join(" ")));
    }
    let told = told.join("\n");
    let wanted = OWN_TABLE.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(told, wanted, "the table and the routes differ; found:\n{told}");
}
