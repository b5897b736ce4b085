//! The main story over Graph's API: eligible, asked, refused with all reasons, approved, held, given up, over.

use crate::house::{ANA, BEN, CARLA, DANA, House, ROOT};
use serde_json::{Value as Json, json};
use writ_core::time::Span;

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const INSTANCES: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances";
const MINE: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')";

pub(crate) fn activation(duration: &str) -> Json {
    json!({
        "action": "selfActivate", "principalId": ANA, "roleDefinitionId": ROOT, "directoryScopeId": "/",
        "justification": "disk full on fin-01", "ticketInfo": {"ticketNumber": "INC-417", "ticketSystem": "desk"},
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": duration}},
    })
}

/// The same fields of a row, in one line.
fn told(row: &Json, fields: &[&str]) -> String {
    fields.iter().map(|f| format!("{f}={}", row[f])).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_colleague_approves_and_time_takes_it_away() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);

    let asked = ana.post(REQUESTS, activation("PT1H")).await.is(201);
    assert_eq!(
        told(&asked, &["action", "status", "completedDateTime", "isValidationOnly"]),
        r#"action="selfActivate" status="PendingApproval" completedDateTime=null isValidationOnly=false"#
    );
    assert_eq!(asked["approvalId"], asked["id"]);
    assert_eq!(asked["targetScheduleId"], asked["id"]);
    assert_eq!(asked["createdBy"]["user"]["id"], json!(ANA));
    assert_eq!(asked["scheduleInfo"]["expiration"]["duration"], "PT1H");
    assert!(ana.get(MINE).await.list().is_empty());

    house.clock.advance(Span::from_minutes(10));
    let id = asked["id"].as_str().unwrap();
    let waiting = format!("{REQUESTS}/filterByCurrentUser(on='approver')?$filter=status eq 'PendingApproval'");
    assert_eq!(ben.get(&waiting).await.list().len(), 1);
    let steps = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}/steps");
    let step = ben.get(&steps).await.list().remove(0);
    assert_eq!(
        told(&step, &["assignedToMe", "status", "reviewResult", "reviewedBy"]),
        r#"assignedToMe=true status="InProgress" reviewResult="NotReviewed" reviewedBy=null"#
    );
    let review = json!({"reviewResult": "approve", "justification": "go on"});
    ben.patch(&format!("{steps}/{id}"), review).await.is(204);

    let held = ana.get(&format!("{MINE}?$expand=roleDefinition($select=displayName),activatedUsing")).await.list();
    assert_eq!(
        told(&held[0], &["assignmentType", "memberType", "startDateTime", "endDateTime"]),
        r#"assignmentType="Activated" memberType="Direct" startDateTime="2026-11-21T09:10:00.000Z" endDateTime="2026-11-21T10:10:00.000Z""#,
        "the hour counts from the approval"
    );
    assert_eq!(held[0]["roleAssignmentScheduleId"], asked["id"]);
    assert_eq!(held[0]["roleDefinition"], json!({"displayName": "Azure AD Joined Device Local Administrator"}));
    assert_eq!(held[0]["activatedUsing"]["principalId"], json!(ANA));
    let one = format!("{INSTANCES}/{}", held[0]["id"].as_str().unwrap());
    assert_eq!(ana.get(&one).await.is(200)["id"], held[0]["id"]);

    house.clock.advance(Span::from_minutes(60));
    let ana = house.signed_in(ANA).await;
    assert!(ana.get(MINE).await.list().is_empty(), "when the time has passed, the power is gone");
    assert!(ana.get(&one).await.refused().starts_with("404 "));
    assert_eq!(ana.get(&format!("{REQUESTS}/{id}")).await.is(200)["status"], "Provisioned");
}

#[tokio::test]
async fn every_rule_that_fails_is_named_and_nothing_is_left_behind() {
    let house = House::new().await;
    let ana = house.signed_in_with(ANA, crate::house::SCOPES, false).await;
    let before = house.rights();
    let mut body = activation("PT20H");
    body["justification"] = json!("  ");
    body["ticketInfo"] = json!({});
    let said = ana.post(REQUESTS, body).await.refused();
    for rule in ["ExpirationRule", "MfaRule", "JustificationRule", "TicketingRule"] {
        assert!(said.contains(rule), "{said}");
    }
    assert!(said.starts_with("400 RoleAssignmentRequestPolicyValidationFailed: The following policy rules failed: "));
    assert!(house.rights() == before);
    assert!(ana.get(REQUESTS).await.list().is_empty());
}

#[tokio::test]
async fn a_rehearsal_is_the_same_judgement_and_keeps_nothing() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    let (before, head) = (house.rights(), house.engine.head());
    let mut body = activation("PT1H");
    body["IsValidationOnly"] = json!(true);
    let shown = ana.post(REQUESTS, body.clone()).await.is(201);
    assert_eq!((shown["status"].as_str(), shown["isValidationOnly"].as_bool()), (Some("PendingApproval"), Some(true)));
    body["ticketInfo"] = Json::Null;
    assert!(ana.post(REQUESTS, body).await.refused().contains("TicketingRule"));
    assert!(house.rights() == before && house.engine.head() == head);
}

#[tokio::test]
async fn giving_up_works_at_once_and_cancelling_takes_an_ask_back() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().unwrap().to_owned();
    let again = ana.post(REQUESTS, activation("PT1H")).await.refused();
    assert!(again.starts_with("400 PendingRoleAssignmentRequest: "), "{again}");
    ana.send("POST", &format!("{REQUESTS}/{id}/cancel"), "").await.is(204);
    assert_eq!(ana.get(&format!("{REQUESTS}/{id}")).await.is(200)["status"], "Canceled");
    assert!(ana.send("POST", &format!("{REQUESTS}/{id}/cancel"), "").await.refused().starts_with("400 "));

    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().unwrap().to_owned();
    let step = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}/steps/{id}");
    ben.patch(&step, json!({"reviewResult": "Approve", "justification": "yes"})).await.is(204);
    let again = ana.post(REQUESTS, activation("PT1H")).await.refused();
    assert!(again.starts_with("400 RoleAssignmentExists: The Role assignment already exists."), "{again}");
    let up = json!({"action": "SelfDeactivate", "principalId": ANA, "roleDefinitionId": ROOT, "directoryScopeId": "/"});
    let gone = ana.post(REQUESTS, up).await.is(201);
    assert_eq!(
        told(&gone, &["status", "scheduleInfo", "targetScheduleId"]),
        r#"status="Revoked" scheduleInfo=null targetScheduleId=null"#
    );
    assert!(ana.get(MINE).await.list().is_empty());
}

#[tokio::test]
async fn an_administrator_gives_and_takes_eligibility() {
    let house = House::new().await;
    let (dana, carla) = (house.signed_in(DANA).await, house.signed_in(CARLA).await);
    let path = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
    let body = json!({
        "Action": "AdminAssign", "PrincipalId": CARLA, "RoleDefinitionId": ROOT, "DirectoryScopeId": "/", "Justification": "joins",
        "ScheduleInfo": {"StartDateTime": "2026-11-22T09:00:00Z", "Expiration": {"Type": "AfterDateTime", "EndDateTime": "2026-12-24T00:00:00+01:00"}},
    });
    let given = dana.post(path, body.clone()).await.is(201);
    assert_eq!(
        told(&given, &["status", "completedDateTime"]),
        r#"status="Granted" completedDateTime="2026-11-22T09:00:00.000Z""#,
        "a grant that is still ahead"
    );
    assert!(dana.post(path, body.clone()).await.refused().starts_with("400 RoleAssignmentExists: "));
    let schedules = "/v1.0/roleManagement/directory/roleEligibilitySchedules/filterByCurrentUser(on='principal')";
    let instances =
        "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances/filterByCurrentUser(on='principal')";
    assert_eq!(carla.get(schedules).await.list().len(), 1);
    assert!(carla.get(instances).await.list().is_empty(), "not before it begins");
    house.clock.advance(Span::from_hours(24));
    assert_eq!(house.signed_in(CARLA).await.get(instances).await.list()[0]["endDateTime"], "2026-12-23T23:00:00.000Z");
}

#[tokio::test]
async fn the_audit_tells_the_story_as_pim_does() {
    let house = House::new().await;
    let (ana, ben, dana) = (house.signed_in(ANA).await, house.signed_in(BEN).await, house.signed_in(DANA).await);
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let step = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}/steps/{id}");
    ben.patch(&step, json!({"reviewResult": "Approve", "justification": "yes"})).await.is(204);
    let audits = "/v1.0/auditLogs/directoryAudits";
    let of_request = format!("{audits}?$filter=targetResources/any(t:t/id eq '{id}') and loggedByService eq 'PIM'");
    let told: Vec<String> = dana
        .get(&format!("{of_request}&$orderby=activityDateTime asc"))
        .await
        .list()
        .iter()
        .map(|r| {
            let by = &r["initiatedBy"]["user"]["displayName"];
            format!("{}: {}", by.as_str().unwrap_or("-"), r["activityDisplayName"].as_str().unwrap_or("-"))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    Ana Silva: Add member to role requested (PIM activation)
    Ana Silva: Add member to role approval requested (PIM activation)
    Ben Okafor: Add member to role request approved (PIM activation)
    Ben Okafor: Add member to role completed (PIM activation)
    ");
    let newest = dana.get(&format!("{of_request}&$top=1")).await.is(200);
    let next = newest["@odata.nextLink"].as_str().expect("more").strip_prefix("http://localhost").expect("absolute");
    assert_ne!(dana.get(next).await.list()[0]["id"], newest["value"][0]["id"]);

    // Every page, and one page of everything, tell the same.
    let (mut seen, mut next) = (Vec::new(), format!("{audits}?$top=3&$count=true"));
    let whole = dana.get(&format!("{audits}?$top=999")).await.list();
    loop {
        let page = dana.get(&next).await.is(200);
        assert_eq!(page["@odata.count"], whole.len());
        seen.extend(page["value"].as_array().expect("a list").clone());
        let Some(link) = page["@odata.nextLink"].as_str() else { break };
        next = link.strip_prefix("http://localhost").expect("absolute").to_owned();
    }
    assert_eq!(seen, whole);
    assert!(whole.len() > 10);
    let one = dana.get(&format!("{audits}/{}", whole[0]["id"].as_str().expect("an id"))).await.is(200);
    assert_eq!(one["activityDisplayName"], whole[0]["activityDisplayName"]);
    let since = "2030-01-01T00:00:00Z";
    assert!(dana.get(&format!("{audits}?$filter=activityDateTime ge {since}")).await.list().is_empty());
    let refused = ben.get(audits).await.refused();
    assert!(
        refused.starts_with("403 Authentication_RequestFromUnsupportedUserRole: User is not in the allowed roles"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_request_that_was_closed_long_ago_is_still_found_by_its_id() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    ana.send("POST", &format!("{REQUESTS}/{id}/cancel"), "").await.is(204);
    let known: writ_core::ids::RequestId = id.parse().expect("an id");
    let mut commits = house.engine.watch();
    house.clock.advance(Span::from_days(31));
    let forgotten = async {
        while house.engine.state().requests.contains_key(&known) {
            commits.changed().await.expect("the engine runs");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), forgotten).await.expect("the live state forgets it");
    let ana = house.signed_in(ANA).await;
    assert_eq!(ana.get(&format!("{REQUESTS}/{id}")).await.is(200)["status"], "Canceled");
    let eve = house.signed_in(crate::house::EVE).await;
    assert!(eve.get(&format!("{REQUESTS}/{id}")).await.refused().starts_with("404 "));
}

#[tokio::test]
async fn links_name_the_host_that_was_asked_whichever_way_it_was_named() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    // HTTP/1.1 has a Host header; HTTP/2 has the host in the request's target.
    for (asked, named) in [
        ("/v1.0/users?$top=1", "http://localhost/v1.0/users?$top=1&$skiptoken="),
        ("http://writ.example:8443/v1.0/users?$top=1", "http://writ.example:8443/v1.0/users?$top=1&$skiptoken="),
    ] {
        let page = dana.get(asked).await.is(200);
        let next = page["@odata.nextLink"].as_str().expect("more than one user");
        assert!(next.starts_with(named), "{next}");
        let context = page["@odata.context"].as_str().expect("a context");
        assert!(context.starts_with(named.split("/users").next().expect("a base")), "{context}");
    }
    assert!(dana.get("http://user@writ.example/v1.0/users").await.refused().starts_with("400 "));
}

#[tokio::test]
async fn approvals_are_the_same_in_both_of_graphs_versions() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().unwrap().to_owned();
    for below in [
        "filterByCurrentUser(on='approver')?$expand=steps".to_owned(),
        format!("{id}?$expand=steps"),
        format!("{id}/steps"),
        format!("{id}/steps/{id}"),
    ] {
        let path = format!("roleManagement/directory/roleAssignmentApprovals/{below}");
        let (v1, beta) = (ben.get(&format!("/v1.0/{path}")).await, ben.get(&format!("/beta/{path}")).await);
        assert_eq!((v1.status.as_u16(), beta.status.as_u16()), (200, 200), "{path}");
        assert_eq!(v1.text.replace("/v1.0/", "/beta/"), beta.text);
    }
    let step = format!("/v1.0/roleManagement/directory/roleAssignmentApprovals/{id}/steps/{id}");
    ben.patch(&step, json!({"reviewResult": "Approve", "justification": "go on"})).await.is(204);
    let said = ben.patch(&step, json!({"reviewResult": "Approve", "justification": "again"})).await.refused();
    assert!(said.starts_with("409 "), "{said}");
}
