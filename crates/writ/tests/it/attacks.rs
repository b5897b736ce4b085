//! Bad input and attacks at the door: each gets the API's error shape and changes no right.

use crate::elevation::activation;
use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, House, ROOT, SCOPES, SECURITY, user};
use serde_json::{Value as Json, json};
use writ_core::command::Command;
use writ_core::ids::PrincipalId;
use writ_core::rules::{Approval, Approver, RuleChange, Stage};
use writ_core::time::Span;

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const ELIGIBILITIES: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
const APPROVALS: &str = "/beta/roleManagement/directory/roleAssignmentApprovals";

/// A good body with one property changed; the path is cut at dots.
fn with(path: &str, value: Json) -> Json {
    let mut body = activation("PT1H");
    let mut at = &mut body;
    for step in path.split('.') {
        at = &mut at[step];
    }
    *at = value;
    body
}

async fn approve(client: &Client, id: &str) -> String {
    let review = json!({"reviewResult": "Approve", "justification": "it is me"});
    let reply = client.patch(&format!("{APPROVALS}/{id}/steps/{id}"), review).await;
    if reply.status == 204 { "done".into() } else { reply.refused() }
}

async fn asks(client: &Client) -> String {
    client.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_refused_by_the_name_of_what_is_wrong() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    let (before, head) = (house.rights(), house.engine.head());
    let huge = "x".repeat(5000);
    for (path, value, names) in [
        ("action", json!("selfPromote"), "action"),
        ("action", json!(3), "action"),
        ("action", Json::Null, "action"),
        ("principalId", json!("ana"), "principalId"),
        ("principalId", json!(["a"]), "principalId"),
        ("roleDefinitionId", json!({}), "roleDefinitionId"),
        ("directoryScopeId", json!("everywhere"), "directoryScopeId"),
        ("directoryScopeId", json!("/administrativeUnits/x"), "directoryScopeId"),
        ("directoryScopeId", Json::Null, "directoryScopeId"),
        ("appScopeId", json!("/app"), "appScopeId"),
        ("justification", json!(7), "justification"),
        ("justification", json!(huge), "justification"),
        ("justification", json!("nul \u{0} inside"), "justification"),
        ("isValidationOnly", json!("yes"), "isValidationOnly"),
        ("ticketInfo", json!("INC-1"), "ticketInfo"),
        ("ticketInfo.ticketNumber", json!(417), "ticketInfo/ticketNumber"),
        ("scheduleInfo", json!([]), "scheduleInfo"),
        ("scheduleInfo.startDateTime", json!("tomorrow"), "scheduleInfo/startDateTime"),
        ("scheduleInfo.startDateTime", json!("2026-11-21T10:00:00"), "scheduleInfo/startDateTime"),
        ("scheduleInfo.startDateTime", json!("99999-01-01T00:00:00Z"), "scheduleInfo/startDateTime"),
        ("scheduleInfo.recurrence", json!({"pattern": {}}), "recurrence"),
        ("scheduleInfo.expiration.type", json!("never"), "scheduleInfo/expiration/type"),
        ("scheduleInfo.expiration.type", json!("noExpiration"), "noExpiration"),
        ("scheduleInfo.expiration.type", json!("afterDateTime"), "endDateTime"),
        ("scheduleInfo.expiration.duration", json!("P1Y"), "years and months"),
        ("scheduleInfo.expiration.duration", json!("P6M"), "years and months"),
        ("scheduleInfo.expiration.duration", json!("1:00:00"), "ISO 8601"),
        ("scheduleInfo.expiration.duration", json!("PT-1H"), "ISO 8601"),
        ("scheduleInfo.expiration.duration", json!("PT99999999999999999999H"), "ISO 8601"),
        ("scheduleInfo.expiration.duration", json!(3600), "scheduleInfo/expiration/duration"),
    ] {
        let said = ana.post(REQUESTS, with(path, value.clone())).await.refused();
        assert!(said.starts_with("400 ") && said.contains(names), "{path} = {value}: {said}");
    }
    for (path, value, code) in [
        ("principalId", json!("00000000-0000-0000-0000-00000000dead"), "SubjectNotFound"),
        ("roleDefinitionId", json!("00000000-0000-0000-0000-00000000dead"), "RoleNotFound"),
        ("directoryScopeId", json!("/administrativeUnits/00000000-0000-0000-0000-00000000dead"), "InvalidScope"),
        ("principalId", json!(BEN), "403 Authorization_RequestDenied"),
    ] {
        let said = ana.post(REQUESTS, with(path, value)).await.refused();
        assert!(said.contains(code), "{path}: {said}");
    }
    let past = json!({"type": "afterDateTime", "endDateTime": "2020-01-01T00:00:00Z"});
    assert!(ana.post(REQUESTS, with("scheduleInfo.expiration", past)).await.refused().starts_with("400 "));
    assert!(house.rights() == before && house.engine.head() == head, "malformed input leaves no record at all");
    // These can be read; the rules refuse them, and the log may say who asked.
    for (path, value) in [
        ("scheduleInfo.startDateTime", json!("9998-01-01T00:00:00Z")),
        ("scheduleInfo.expiration.duration", json!("PT0S")),
        ("scheduleInfo.expiration.duration", json!("P36000D")),
    ] {
        assert!(ana.post(REQUESTS, with(path, value)).await.refused().starts_with("400 "));
    }
    assert!(house.rights() == before);
}

#[tokio::test]
async fn bodies_that_are_not_one_plain_json_object_are_refused() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let head = house.engine.head();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(300), "}".repeat(300));
    let twice = activation("PT1H").to_string().replacen('{', r#"{"Action":"selfDeactivate","#, 1);
    for body in ["", "{", "null", "[]", "7", "\"x\"", "{}x", "{'a':1}", "{\"a\":\u{7}}", &deep, &twice] {
        let said = ana.send("POST", REQUESTS, body).await.refused();
        assert!(said.starts_with("400 "), "{body:.40}: {said}");
    }
    assert!(ana.send("POST", REQUESTS, vec![0xff, 0xfe, 0x00]).await.refused().starts_with("400 "));
    let huge = format!(r#"{{"displayName":"{}"}}"#, "x".repeat(300 * 1024));
    assert!(dana.send("POST", "/v1.0/groups", huge).await.refused().starts_with("413 "));
    assert_eq!(house.engine.head(), head);
}

#[tokio::test]
async fn queries_that_cannot_be_read_are_refused_and_say_why() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    for (path, says) in [
        ("/users?$filter=displayName eqq 1", "Syntax error at position"),
        ("/users?$filter=displayname eq 'x", "Syntax error"),
        ("/users?$filter=nope eq 'x'", "Could not find a property named 'nope' on type 'microsoft.graph.user'"),
        ("/users?$filter=surname eq 'x'", "Unsupported or invalid query filter clause"),
        ("/users?$fliter=id eq 'x'", "$fliter"),
        ("/users?$top=0", "Invalid page size"),
        ("/users?$top=1000000", "Invalid page size"),
        ("/users?$skiptoken=WyJhIl0", "$skiptoken"),
        ("/users?$expand=calendar", "Expanding 'calendar' is not supported for resource 'User'."),
        ("/users?$expand=city", "Property 'city' on type 'microsoft.graph.user' is not a navigation property"),
        ("/users?$select=cityy", "Could not find a property named 'cityy' on type 'microsoft.graph.user'"),
        ("/users?$filter=city eq 'Oslo'", "specified for property 'city' of resource 'User'."),
        (
            "/users?$filter=assignedLicenses/$count eq 0",
            "specified for property 'assignedLicenses' of resource 'User'.",
        ),
        ("/users?$orderby=city", "Unsupported sort property 'city' for 'User'."),
        ("/users/ana@northwind.example/nothing", "Resource not found for the segment 'nothing'."),
        ("/users/ana@northwind.example/appRoleAssignments/graph.user", "Resource not found for the segment"),
        ("/users?$orderby=businessPhones", "Unsupported sort property 'businessPhones' for 'User'."),
        (
            "/roleManagement/directory/roleDefinitions?$filter=displayName eq 'a' or displayName eq 'b'",
            "Or operator not supported",
        ),
        ("/policies/roleManagementPolicies", "The provider is missing."),
        ("/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/'", "MissingProvider"),
        ("/policies/roleManagementPolicies/nonsense", "MissingProvider"),
        (
            "/roleManagement/directory/roleAssignmentApproval",
            "Resource not found for the segment 'roleAssignmentApproval'.",
        ),
        (
            "/roleManagement/directory/roleAssignmentScheduleRequests/filterByCurrentUser(on='everybody')",
            "'on' must be one of",
        ),
        ("/users/%ff", "Resource not found for the segment"),
        ("/me/$count", "$count"),
    ] {
        let said = dana.get(&format!("/v1.0{path}")).await.refused();
        assert!(said.starts_with("400 ") && said.contains(says), "{path}: {said}");
    }
    let nested = format!("/v1.0/users?$filter={}accountEnabled{}", "(".repeat(2000), ")".repeat(2000));
    assert!(dana.get(&nested).await.refused().contains("levels deep"));
    assert!(dana.send("PUT", "/v1.0/users", "{}").await.refused().starts_with("405 "));
    assert!(dana.delete("/v1.0/organization").await.refused().starts_with("405 "));
    assert!(
        dana.get("/v1.0/users/00000000-0000-0000-0000-00000000dead")
            .await
            .refused()
            .starts_with("404 Request_ResourceNotFound")
    );
}

#[tokio::test]
async fn only_a_good_token_of_this_tenant_opens_anything() {
    let house = House::new().await;
    let good = house.signed_in(DANA).await;
    good.get("/v1.0/me").await.is(200);
    let token = good.token.clone().expect("a token");
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    let (_, claims) = signed.split_once('.').expect("three parts");
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let session = writ_core::ids::SessionId::from_u128(1);
    let sign = |change: &dyn Fn(&mut writ::identity::token::Claims)| {
        let mut claims = house.claims(DANA, session, SCOPES, true);
        change(&mut claims);
        house.tokens.sign(&claims).expect("a signed token")
    };
    let mut last = token.clone();
    let flipped = if last.pop() == Some('A') { 'B' } else { 'A' };
    last.insert(last.len() - 10, flipped);
    let bad = [
        ("alg=none", format!("{none}.{claims}.")),
        ("alg=none with a signature", format!("{none}.{claims}.AAAA")),
        ("a changed signature", last),
        ("cut short", signed.to_owned()),
        ("not a token", "letmein".to_owned()),
        ("huge", "x".repeat(20_000)),
        ("another tenant's", sign(&|c| c.tid = writ_core::ids::TenantId::from_u128(9))),
        ("another issuer's", sign(&|c| c.iss = "http://elsewhere/v2.0".into())),
        ("another audience's", sign(&|c| c.aud = "https://example.com".into())),
        ("expired", sign(&|c| (c.exp, c.nbf) = (c.iat - 1, c.iat - 3600))),
        ("not good yet", sign(&|c| c.nbf += 600)),
        ("of a session that never was", sign(&|_| ())),
    ];
    for (what, token) in bad {
        for path in ["/v1.0/me", "/v1.0/nowhere", "/beta/users"] {
            let said = house.client(Some(token.clone())).get(path).await.refused();
            assert!(said.starts_with("401 InvalidAuthenticationToken: "), "{what}: {said}");
            assert!(!said.contains(&token), "the token is not quoted back");
        }
    }
    assert!(house.client(None).get("/v1.0/me").await.refused().starts_with("401 InvalidAuthenticationToken: "));
    house.clock.advance(Span::from_minutes(61));
    assert!(good.get("/v1.0/me").await.refused().starts_with("401 "), "an hour is an hour");
}

#[tokio::test]
async fn a_token_gives_no_more_than_its_permissions_and_a_403_lists_them() {
    let house = House::new().await;
    let dana = house.signed_in_with(DANA, &["User.Read"], true).await;
    dana.get("/v1.0/me").await.is(200);
    let said = dana.get("/v1.0/roleManagement/directory/roleAssignmentSchedules").await.refused();
    assert!(
        said.contains("PermissionScopeNotGranted")
            && said.contains("RoleManagement.Read.Directory")
            && said.contains("User.Read"),
        "{said}"
    );
    let (before, head) = (house.rights(), house.engine.head());
    let said = dana.post("/v1.0/groups", json!({"displayName": "Mine", "mailEnabled": false})).await.refused();
    assert!(said.starts_with("403 Authorization_RequestDenied: ") && said.contains("Group.ReadWrite.All"), "{said}");
    assert!(house.rights() == before && house.engine.head() == head);
}

#[tokio::test]
async fn nobody_approves_their_own_request_by_any_path() {
    let house = House::new().await;
    // A second account of Ana's, which is an approver through a nested group.
    let second = PrincipalId::from_u128(0xa2);
    let mut account = user(second, "Ana Admin", "adm-ana@northwind.example");
    account.person = user(ANA, "", "").person;
    house.does(DANA, Command::CreateUser(account)).await;
    let inner = PrincipalId::from_u128(0x51);
    let (name, description) = ("Inner".to_owned(), String::new());
    let group = Command::CreateGroup {
        group: inner,
        name,
        description,
        role_assignable: false,
        owners: vec![],
        members: vec![second],
    };
    house.does(DANA, group).await;
    house.does(DANA, Command::AddMember { group: SECURITY, member: inner }).await;
    let ana = house.signed_in(ANA).await;
    let id = asks(&ana).await;
    let before = house.rights();
    for (who, client) in [("herself", ana.clone()), ("her other account", house.signed_in(second).await)] {
        let said = approve(&client, &id).await;
        assert!(said.starts_with("403 ") && said.contains("own request"), "{who}: {said}");
    }
    let eve = house.signed_in(EVE).await;
    assert!(approve(&eve, &id).await.starts_with("403 "));
    assert!(
        eve.get(&format!("{REQUESTS}/{id}")).await.refused().starts_with("404 "),
        "and strangers do not even see it"
    );
    assert!(house.rights() == before);
    assert_eq!(approve(&house.signed_in(BEN).await, &id).await, "done");
}

#[tokio::test]
async fn two_approvers_at_once_and_deciding_twice_decide_once() {
    let house = House::new().await;
    let (ana, ben, carla) = (house.signed_in(ANA).await, house.signed_in(BEN).await, house.signed_in(CARLA).await);
    let id = asks(&ana).await;
    let (a, b) = tokio::join!(approve(&ben, &id), approve(&carla, &id));
    let done = [&a, &b].iter().filter(|s| **s == "done").count();
    assert_eq!(done, 1, "{a} / {b}");
    assert!(a.starts_with("409 ") || b.starts_with("409 "), "{a} / {b}");
    let before = house.rights();
    for client in [&ben, &carla] {
        assert!(approve(client, &id).await.starts_with("409 "));
    }
    assert!(house.rights() == before);
    assert_eq!(house.engine.state().assignments_of(ANA).count(), 1);
}

#[tokio::test]
async fn a_late_decision_on_the_first_step_never_counts_for_the_second() {
    let house = House::new().await;
    let stages = vec![
        Stage::one_of(vec![Approver::Group(SECURITY)]),
        Stage::one_of(vec![Approver::User(CARLA), Approver::User(EVE)]),
    ];
    let approval = Approval { required: true, required_for_extension: false, asker_reason: true, stages };
    house
        .does(DANA, Command::ChangeRules { role: ROOT, changes: vec![RuleChange::Approval(approval)], seen: None })
        .await;
    let (ana, ben, carla) = (house.signed_in(ANA).await, house.signed_in(BEN).await, house.signed_in(CARLA).await);
    let id = asks(&ana).await;
    let (a, b) = tokio::join!(approve(&ben, &id), approve(&carla, &id));
    assert_eq!([&a, &b].iter().filter(|s| **s == "done").count(), 1, "{a} / {b}");
    let late = if a == "done" { &b } else { &a };
    assert!(late.starts_with("409 ") && late.contains("Step 1 of 2 was decided already"), "{late}");
    assert!(house.engine.state().assignments_of(ANA).next().is_none(), "one person decided, twice was needed");

    let steps = format!("{APPROVALS}/{id}/steps");
    let eve = house.signed_in(EVE).await;
    let waits: Vec<_> = eve.get(&steps).await.list().into_iter().filter(|s| s["assignedToMe"] == true).collect();
    assert_eq!((waits.len(), &waits[0]["status"]), (1, &json!("InProgress")));
    let step = format!("{steps}/{}", waits[0]["id"].as_str().expect("an id"));
    eve.patch(&step, json!({"reviewResult": "Approve", "justification": "yes"})).await.is(204);
    assert_eq!(house.engine.state().assignments_of(ANA).count(), 1);
}

#[tokio::test]
async fn activating_twice_at_once_activates_once() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    let (a, b) = tokio::join!(ana.post(REQUESTS, activation("PT1H")), ana.post(REQUESTS, activation("PT1H")));
    let mut said = [a.status.as_u16(), b.status.as_u16()];
    said.sort_unstable();
    assert_eq!(said, [201, 400]);
    assert_eq!(house.engine.state().open_of(ANA).count(), 1);
}

#[tokio::test]
async fn activating_while_the_eligibility_is_taken_away_leaves_nothing() {
    let house = House::new().await;
    let (ana, dana, ben) = (house.signed_in(ANA).await, house.signed_in(DANA).await, house.signed_in(BEN).await);
    let take = json!({"action": "adminRemove", "principalId": ANA, "roleDefinitionId": ROOT, "directoryScopeId": "/"});
    let (asked, taken) = tokio::join!(ana.post(REQUESTS, activation("PT1H")), dana.post(ELIGIBILITIES, take));
    taken.is(201);
    if asked.status == 201 {
        let id = asked.json()["id"].as_str().expect("an id").to_owned();
        assert!(approve(&ben, &id).await.starts_with("4"), "the ask ended with the eligibility");
    }
    let state = house.engine.state();
    assert!(state.assignments_of(ANA).next().is_none() && state.open_of(ANA).count() == 0);
}

#[tokio::test]
async fn groups_never_contain_themselves() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let made = dana.post(
        "/v1.0/groups",
        json!({"displayName": "Outer", "mailEnabled": false, "securityEnabled": true, "mailNickname": "o"}),
    );
    let outer = made.await.is(201)["id"].as_str().expect("an id").to_owned();
    let refer = |id: &str| json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{id}")});
    dana.post(&format!("/v1.0/groups/{outer}/members/$ref"), refer(&SECURITY.to_string())).await.is(204);
    let before = house.rights();
    let said = dana.post(&format!("/v1.0/groups/{SECURITY}/members/$ref"), refer(&outer)).await.refused();
    assert!(said.starts_with("400 "), "{said}");
    let said = dana.post(&format!("/v1.0/groups/{outer}/members/$ref"), refer(&outer)).await.refused();
    assert!(said.starts_with("400 "), "{said}");
    assert!(house.rights() == before);
    let members = dana.get(&format!("/v1.0/groups/{outer}/members?$select=id,displayName")).await.list();
    assert_eq!(members[0]["@odata.type"], "#microsoft.graph.group");
}

#[tokio::test]
async fn climbing_by_the_approvers_group_or_by_loosening_ones_own_rules_is_refused() {
    let house = House::new().await;
    let user_administrator = "fe930be7-5e62-47db-91af-98c3a49a38b1".parse().expect("a role");
    house.eligible(EVE, user_administrator).await;
    let policy = format!("/v1.0/policies/roleManagementPolicies/DirectoryRole_{}_{ROOT}", crate::house::TENANT);
    let loosen = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule", "id": "Approval_EndUser_Assignment",
        "setting": {"isApprovalRequired": false},
    });
    let join = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/users/{EVE}")});
    let before = house.rights();
    for who in [EVE, ANA, BEN] {
        let client = house.signed_in(who).await;
        let said = client.post(&format!("/v1.0/groups/{SECURITY}/members/$ref"), join.clone()).await.refused();
        assert!(said.starts_with("403 "), "{said}");
        let said = client.patch(&format!("{policy}/rules/Approval_EndUser_Assignment"), loosen.clone()).await.refused();
        assert!(said.starts_with("403 "), "{said}");
    }
    assert!(house.rights() == before);
    // Dana becomes eligible for the role herself: from then on somebody else must loosen its rules.
    house.eligible(DANA, ROOT).await;
    let before = house.rights();
    let dana = house.signed_in(DANA).await;
    let said = dana.patch(&format!("{policy}/rules/Approval_EndUser_Assignment"), loosen).await.refused();
    assert!(said.starts_with("403 ") && said.contains("another administrator"), "{said}");
    assert!(house.rights() == before);
}

#[tokio::test]
async fn the_last_way_in_cannot_be_taken_away() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let glass = |n: u128| format!("/v1.0/users/{}", PrincipalId::from_u128(n));
    dana.patch(&glass(0x91), json!({"accountEnabled": false})).await.is(204);
    let before = house.rights();
    let said = dana.patch(&glass(0x92), json!({"accountEnabled": false})).await.refused();
    assert!(said.contains("emergency account"), "{said}");
    assert!(dana.delete(&glass(0x92)).await.refused().contains("emergency account"));
    assert!(house.rights() == before);
}

#[tokio::test]
async fn a_batch_is_no_way_around_anything() {
    let house = House::new().await;
    let eve = house.signed_in(EVE).await;
    let before = house.rights();
    let body = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/me"},
        {"id": "2", "method": "POST", "url": "/v1.0/groups", "body": {"displayName": "Mine", "mailEnabled": false}, "headers": {"content-type": "application/json"}},
        {"id": "3", "method": "GET", "url": "http://localhost/v1.0/users/00000000-0000-0000-0000-00000000dead"},
        {"id": "4", "method": "GET", "url": "/me", "dependsOn": ["2"]},
        {"id": "5", "method": "POST", "url": "/$batch", "body": {"requests": []}},
        {"id": "6", "method": "GET", "url": "/beta/me"},
    ]});
    let answers = eve.post("/v1.0/$batch", body).await.is(200);
    let statuses: Vec<u64> = answers["responses"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|r| r["status"].as_u64().expect("a status"))
        .collect();
    assert_eq!(statuses, [200, 403, 404, 424, 400, 400]);
    assert!(house.rights() == before);
    let many: Vec<Json> = (0..21).map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/me"})).collect();
    assert!(eve.post("/v1.0/$batch", json!({"requests": many})).await.refused().contains("20"));
}

#[tokio::test]
async fn lists_show_strangers_nothing_about_others() {
    let house = House::new().await;
    asks(&house.signed_in(ANA).await).await;
    let (eve, dana) = (house.signed_in(EVE).await, house.signed_in(DANA).await);
    for list in [
        "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests",
        "/v1.0/roleManagement/directory/roleEligibilitySchedules",
        "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances",
        REQUESTS,
        "/v1.0/roleManagement/directory/roleAssignmentSchedules",
        "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances",
        "/v1.0/roleManagement/directory/roleAssignments",
        APPROVALS,
    ] {
        assert!(!dana.get(list).await.list().is_empty(), "{list}");
        for query in ["", &format!("?$filter=principalId eq '{ANA}'")] {
            if query.is_empty() || list != APPROVALS {
                assert!(eve.get(&format!("{list}{query}")).await.list().is_empty(), "{list}{query}");
            }
        }
        assert_eq!(eve.get(&format!("{list}/$count")).await.text, "0", "{list}");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_gives_no_extra_minute_and_no_new_power() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let id = asks(&ana).await;
    assert_eq!(approve(&ben, &id).await, "done");
    let start = house.engine.now();
    house.clock.jump(writ_core::time::Time::from_millis(start.millis() - 2 * 3_600_000));
    assert!(house.engine.now() >= start);
    let reply = house.signed_in(CARLA).await.post(REQUESTS, with("principalId", json!(CARLA))).await;
    assert!(reply.status.as_u16() >= 400);
    house.clock.advance(Span::from_minutes(61));
    let mine = format!("{}/filterByCurrentUser(on='principal')", REQUESTS.replace("Requests", "Instances"));
    assert!(house.signed_in(ANA).await.get(&mine).await.list().is_empty());
    // Asking now would give new power; the answer says what an operator does about the clock.
    let reply = house.signed_in(ANA).await.post(REQUESTS, activation("PT1H")).await;
    assert_eq!(reply.status, 503, "{}", reply.text);
    assert!(reply.headers.contains_key("retry-after") && reply.text.contains("writ recover clock"), "{}", reply.text);
}

#[tokio::test]
async fn members_of_a_role_are_seen_by_those_who_may_see_assignments() {
    let house = House::new().await;
    let (dana, eve) = (house.signed_in(DANA).await, house.signed_in(EVE).await);
    let administrator = writ_core::role::GLOBAL_ADMINISTRATOR;
    for path in [
        format!("/v1.0/directoryRoles/{administrator}/members"),
        format!("/v1.0/directoryRoles/roleTemplateId={administrator}/members"),
        format!("/v1.0/directoryRoles(roleTemplateId='{administrator}')/members"),
    ] {
        let members = dana.get(&path).await.list();
        assert_eq!(members.len(), 3, "Dana and two emergency accounts");
        assert!(members.iter().all(|m| m["@odata.type"] == "#microsoft.graph.user"));
        assert!(eve.get(&path).await.list().is_empty());
        let all = "/v1.0/directoryRoles?$expand=members&$filter=displayName eq 'Global Administrator'";
        assert_eq!(eve.get(all).await.list()[0]["members"], json!([]));
    }
    let found = eve.post("/v1.0/directoryObjects/getByIds", json!({"ids": [SECURITY, ANA], "types": ["group"]}));
    assert_eq!(found.await.list()[0]["displayName"], "Security");
}

#[tokio::test]
async fn what_somebody_asked_for_shows_them_nothing_of_others_once_their_role_is_gone() {
    let house = House::new().await;
    let requests = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
    let made = format!("{requests}?$filter=principalId eq '{ANA}'&$expand=targetSchedule");
    let dana = house.signed_in(DANA).await;
    let one = dana.get(&made).await.list().remove(0);
    assert_eq!(one["targetSchedule"]["principalId"], json!(ANA), "she may see everybody's");
    // Her working day ends, and her role with it; what she asked for, and by what, stays hers to see.
    house.clock.advance(Span::from_hours(9));
    let dana = house.signed_in(DANA).await;
    let schedules = "/v1.0/roleManagement/directory/roleEligibilitySchedules";
    let schedule = one["targetScheduleId"].as_str().expect("an id");
    dana.get(&format!("{schedules}/{schedule}")).await.is(404);
    let later = dana.get(&made).await.list().remove(0);
    assert_eq!((&later["id"], &later["targetSchedule"]), (&one["id"], &json!(null)));
    dana.get(&format!("{requests}/{schedule}/targetSchedule")).await.is(404);
    // Ana sees her own.
    let ana = house.signed_in(ANA).await.get(&made).await.list().remove(0);
    assert_eq!(ana["targetSchedule"]["id"], json!(schedule));
}
