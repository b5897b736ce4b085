//! Graph's errors, one by one: status, code and sentence as Graph has them, in its envelope, with its headers. What
//! Graph can answer and Writ never does is at the end.

use crate::elevation::activation;
use crate::house::{ANA, BEN, CARLA, DANA, EVE, House, ROOT, SCOPES, SECURITY};
use serde_json::{Value as Json, json};
use writ_core::command::Command;
use writ_core::rules::{RuleChange, Side};
use writ_core::time::Span;

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const ELIGIBILITIES: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";
/// Reports Reader: a role with everyday rules, that nobody is asked to approve.
const REPORTS_READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";

/// A body with some properties changed; `null` takes one out.
pub(crate) fn with(mut body: Json, changes: Json) -> Json {
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Json::Null => drop(body.as_object_mut().expect("an object").remove(name)),
            value => body[name] = value.clone(),
        }
    }
    body
}

fn assigns(action: &str) -> Json {
    json!({
        "action": action, "principalId": EVE, "roleDefinitionId": ROOT, "directoryScopeId": "/",
        "justification": "on call", "ticketInfo": {"ticketNumber": "INC-1", "ticketSystem": "desk"},
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P1D"}},
    })
}

/// Whether an error says this, the code first.
#[track_caller]
fn says(said: &str, status_code: &str, sentence: &str) {
    assert!(said.starts_with(&format!("{status_code}: {sentence}")), "wanted {status_code}: {sentence}\n   got {said}");
}

#[tokio::test]
async fn every_rule_that_fails_is_told_in_graphs_words() {
    let house = House::new().await;
    let ana = house.signed_in_with(ANA, SCOPES, false).await;
    let poor = with(activation("PT20H"), json!({"justification": " ", "ticketInfo": {}}));
    let said = ana.post(REQUESTS, poor).await.refused();
    says(&said, "400 RoleAssignmentRequestPolicyValidationFailed", "The following policy rules failed: ");
    for rule in [
        "ExpirationRule - The duration in the request is greater than maximum allowed duration",
        "JustificationRule - Justification is required",
        "TicketingRule - Ticket information is required",
        "MfaRule - Multi-factor authentication is required",
    ] {
        assert!(said.contains(rule), "{rule}: {said}");
    }
    let eve = house.signed_in(EVE).await;
    let said = eve.post(REQUESTS, with(activation("PT1H"), json!({"principalId": EVE}))).await.refused();
    says(
        &said,
        "400 RoleAssignmentRequestPolicyValidationFailed",
        "The following policy rules failed: EligibilityRule - ",
    );
    let dana = house.signed_in(DANA).await;
    let rule = RuleChange::AdminExpiration { side: Side::Assignment, required: true, span_max: Span::from_days(30) };
    let role = ROOT;
    house.does(DANA, Command::ChangeRules { role, changes: vec![rule], seen: None }).await;
    let forever = with(assigns("adminAssign"), json!({"scheduleInfo": {"expiration": {"type": "noExpiration"}}}));
    let said = dana.post(REQUESTS, forever).await.refused();
    says(
        &said,
        "400 RoleAssignmentRequestPolicyValidationFailed",
        "The following policy rules failed: ExpirationRule - The policy does not allow permanent assignment",
    );
}

#[tokio::test]
async fn a_missing_authentication_context_is_graphs_challenge_and_nothing_else() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let list = format!(
        "/v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '{ROOT}'"
    );
    let policy = dana.get(&list).await.list()[0]["policyId"].as_str().expect("an id").to_owned();
    let rule = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyAuthenticationContextRule",
        "isEnabled": true, "claimValue": "c1",
    });
    let path = format!("/v1.0/policies/roleManagementPolicies/{policy}/rules/AuthenticationContext_EndUser_Assignment");
    assert!(dana.patch(&path, rule).await.status.is_success());
    let said = ana.post(REQUESTS, activation("PT1H")).await.refused();
    assert_eq!(
        said,
        "400 RoleAssignmentRequestAcrsValidationFailed: &claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22essential%22%3Atrue%2C%20%22value%22%3A%22c1%22%7D%7D%7D"
    );
}

#[tokio::test]
async fn what_is_there_what_is_not_and_what_waits() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    dana.post(ELIGIBILITIES, assigns("adminAssign")).await.is(201);
    let said = dana.post(ELIGIBILITIES, assigns("adminAssign")).await.refused();
    says(&said, "400 RoleAssignmentExists", "The Role assignment already exists.");
    for action in ["adminUpdate", "adminRemove"] {
        let said = dana.post(REQUESTS, assigns(action)).await.refused();
        says(&said, "400 RoleAssignmentDoesNotExist", "The Role assignment does not exist.");
    }
    let said = ana.post(REQUESTS, with(activation("PT1H"), json!({"action": "selfDeactivate"}))).await.refused();
    says(&said, "400 RoleAssignmentDoesNotExist", "The Role assignment does not exist.");
    ana.post(REQUESTS, activation("PT1H")).await.is(201);
    let said = ana.post(REQUESTS, activation("PT1H")).await.refused();
    says(&said, "400 PendingRoleAssignmentRequest", "There is already an existing pending Role assignment request.");
    // The compatibility switch.
    house
        .does(DANA, Command::ChangeSettings { name: None, span_min: None, age_min: Some(Span::from_minutes(5)) })
        .await;
    let said = dana.post(ELIGIBILITIES, assigns("adminRemove")).await.refused();
    says(&said, "400 ActiveDurationTooShort", "The Active duration is too short. Miniumum Required is 5 minutes.");
    // Entra's record of it was seen: this activity, and the code as its reason.
    let refused = "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Process role removal request'";
    let records = dana.get(refused).await.list();
    let told: Vec<_> = records.iter().map(|r| (&r["result"], &r["resultReason"])).collect();
    assert_eq!(told, [(&json!("failure"), &json!("ActiveDurationTooShort"))]);
    house.clock.advance(Span::from_minutes(5));
    dana.post(ELIGIBILITIES, assigns("adminRemove")).await.is(201);
}

#[tokio::test]
async fn requests_that_cannot_be_read_or_point_at_nothing() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let unit = format!("/administrativeUnits/{NOBODY}");
    let over = json!({"startDateTime": "2026-12-01T00:00:00Z", "expiration": {"type": "afterDateTime", "endDateTime": "2026-11-30T00:00:00Z"}});
    for (change, status_code, sentence) in [
        (
            json!({"directoryScopeId": null}),
            "400 InvalidRoleAssignmentRequest",
            "The role assignment request is invalid. ",
        ),
        (
            json!({"scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "1:00"}}}),
            "400 InvalidRoleAssignmentRequest",
            "The role assignment request is invalid. ",
        ),
        (
            json!({"reason": "x"}),
            "400 InvalidRoleAssignmentRequest",
            "The role assignment request is invalid. The property 'reason' does not exist on type 'microsoft.graph.unifiedRoleEligibilityScheduleRequest'. Make sure to only use property names that are defined by the type or mark the type as open type.",
        ),
        (json!({"scheduleInfo": over}), "400 InvalidRoleAssignmentRequestSchedule", ""),
        (json!({"principalId": NOBODY}), "400 SubjectNotFound", ""),
        (json!({"roleDefinitionId": NOBODY}), "400 RoleNotFound", ""),
        (json!({"directoryScopeId": unit}), "400 InvalidScope", ""),
    ] {
        let said = dana.post(ELIGIBILITIES, with(assigns("adminAssign"), change)).await.refused();
        says(&said, status_code, sentence);
    }
}

#[tokio::test]
async fn queries_and_paths_that_graph_does_not_have() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let missing = dana.get("/v1.0/policies/roleManagementPolicies").await.refused();
    assert_eq!(
        missing,
        r#"400 UnknownError: {"errorCode":"MissingProvider","instanceAnnotations":[],"message":"The provider is missing."}"#
    );
    let or = "/v1.0/roleManagement/directory/roleDefinitions?$filter=displayName eq 'a' or displayName eq 'b'";
    says(
        &dana.get(or).await.refused(),
        "400 Request_UnsupportedQuery",
        "Or operator not supported for this entity set.",
    );
    assert_eq!(
        dana.get("/v1.0/nothing").await.refused(),
        "400 BadRequest: Resource not found for the segment 'nothing'."
    );
    says(&dana.get(&format!("/v1.0/users/{NOBODY}")).await.refused(), "404 Request_ResourceNotFound", "Resource '");
    says(&dana.get("/nowhere").await.refused(), "404 ResourceNotFound", "");
    says(
        &dana.send("PUT", "/v1.0/users", "{}").await.refused(),
        "405 Request_BadRequest",
        "Specified HTTP method is not",
    );
}

#[tokio::test]
async fn the_directorys_own_refusals() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let reference = json!({"@odata.id": format!("http://localhost/v1.0/directoryObjects/{CARLA}")});
    let said = dana.post(&format!("/v1.0/groups/{SECURITY}/members/$ref"), reference).await.refused();
    says(
        &said,
        "400 Request_BadRequest",
        "One or more added object references already exist for the following modified properties: 'members'.",
    );
    let said = dana.patch(&format!("/v1.0/groups/{SECURITY}"), json!({"isAssignableToRole": true})).await.refused();
    says(&said, "400 Request_BadRequest", "Property 'isAssignableToRole' is read-only");
    let said = dana.patch(&format!("/v1.0/users/{EVE}"), json!({"dispalyName": "Eve"})).await.refused();
    says(&said, "400 Request_BadRequest", "Invalid property 'dispalyName'.");
}

#[tokio::test]
async fn who_may_not() {
    let house = House::new().await;
    says(
        &house.client(None).get("/v1.0/me").await.refused(),
        "401 InvalidAuthenticationToken",
        "Access token is empty.",
    );
    let narrow = house.signed_in_with(DANA, &["User.Read"], true).await;
    let said = narrow.get(REQUESTS).await.refused();
    says(
        &said,
        "403 UnknownError",
        r#"{"errorCode":"PermissionScopeNotGranted","instanceAnnotations":[],"message":"Authorization failed due to missing permission scope RoleAssignmentSchedule.Read.Directory,"#,
    );
    let said = narrow.get("/beta/roleManagement/directory/roleAssignmentApprovals").await.refused();
    says(
        &said,
        "403 ",
        "Valid permissions not present. User needs one of the following permissions for this action : ",
    );
    let eve = house.signed_in(EVE).await;
    let said = eve.post(ELIGIBILITIES, assigns("adminAssign")).await.refused();
    says(&said, "403 Authorization_RequestDenied", "Insufficient privileges to complete the operation.");
    let said = eve.get("/v1.0/auditLogs/directoryAudits").await.refused();
    says(&said, "403 Authentication_RequestFromUnsupportedUserRole", "User is not in the allowed roles");
}

#[tokio::test]
async fn a_stage_that_is_decided_stays_so() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let step = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}/steps/{id}");
    let review = json!({"reviewResult": "Approve", "justification": "go on"});
    ben.patch(&step, review.clone()).await.is(204);
    says(&ben.patch(&step, review.clone()).await.refused(), "409 Conflict", "");
    let unknown = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{NOBODY}/steps/{NOBODY}");
    says(&ben.patch(&unknown, review).await.refused(), "404 Request_ResourceNotFound", "");
}

#[tokio::test]
async fn a_clock_in_doubt_is_a_503_with_a_time_to_come_back() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    house.clock.jump(house.engine.now().before(Span::from_days(2)));
    let reply = ana.post(REQUESTS, activation("PT1H")).await;
    assert_eq!((reply.status.as_u16(), reply.headers["retry-after"].to_str().expect("ASCII")), (503, "60"));
    assert_eq!(reply.json()["error"]["code"], "ServiceUnavailable");
}

#[tokio::test]
async fn forms_that_are_not_offered_and_bodies_that_are_too_large() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let group = json!({"displayName": "Table"}).to_string();
    for kind in ["text/xml", "application/x-www-form-urlencoded", "nonsense", ""] {
        let said = dana.send_with(&[("content-type", kind)], "POST", "/v1.0/groups", group.clone()).await.refused();
        says(&said, "400 BadRequest", "Entity only allows writes with a JSON Content-Type header.");
    }
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;odata.metadata=minimal"] {
        assert_eq!(dana.send_with(&[("content-type", kind)], "POST", "/v1.0/groups", group.clone()).await.status, 201);
    }
    for (accept, status) in [
        ("application/json", 200),
        ("*/*", 200),
        ("application/json;odata.metadata=none", 200),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
        ("application/xml", 406),
        ("text/html, application/json;q=0", 406),
        ("text/plain", 406),
    ] {
        let reply = dana.send_with(&[("accept", accept)], "GET", "/v1.0/groups", "").await;
        assert_eq!(reply.status, status, "{accept}");
    }
    assert_eq!(
        dana.send_with(
            &[("accept", "text/plain;q=0.9"), ("consistencylevel", "eventual")],
            "GET",
            "/v1.0/users/$count",
            ""
        )
        .await
        .status,
        200
    );
    let said = dana.send_with(&[("accept", "application/xml")], "GET", "/v1.0/groups", "").await.refused();
    says(&said, "406 BadRequest", "A supported MIME type could not be found that matches the acceptable MIME types");
    let said = dana.send("POST", "/v1.0/groups", vec![b' '; 300 * 1024]).await.refused();
    says(&said, "413 RequestEntityTooLarge", "");
    let said = dana.send("POST", "/v1.0/groups", "{").await.refused();
    says(&said, "400 BadRequest", "Unable to read JSON request payload.");
    for nothing in ["", " \n"] {
        let said = dana.send("POST", "/v1.0/groups", nothing).await.refused();
        assert_eq!(said, "400 BadRequest: Empty Payload. JSON content expected.");
    }
}

#[tokio::test]
async fn pages_batches_and_headers_in_graphs_own_words() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    for (path, max, beyond) in
        [("users", 999, 1000), ("auditLogs/directoryAudits", 1000, 1001), ("auditLogs/signIns", 1000, 1001)]
    {
        assert_eq!(dana.get(&format!("/v1.0/{path}?$top={max}")).await.status, 200, "{path}");
        for wrong in ["0".to_owned(), "-1".to_owned(), beyond.to_string()] {
            let said = dana.get(&format!("/v1.0/{path}?$top={wrong}")).await.refused();
            let sentence = format!("Invalid page size specified: '{wrong}'. Must be between 1 and {max} inclusive.");
            assert_eq!(said, format!("400 Request_UnsupportedQuery: {sentence}"));
        }
    }
    let batch = |ids: &[&str]| {
        let requests: Vec<Json> = ids.iter().map(|id| json!({"id": id, "method": "GET", "url": "/me"})).collect();
        json!({"requests": requests})
    };
    let ids: Vec<String> = (0..21).map(|n| n.to_string()).collect();
    let many: Vec<&str> = ids.iter().map(String::as_str).collect();
    let said = dana.post("/v1.0/$batch", batch(&many)).await.refused();
    says(&said, "400 BadRequest", "Number of requests inside batch exceeds the limit.");
    for twice in [["a", "a"], ["a", "A"]] {
        let said = dana.post("/v1.0/$batch", batch(&twice)).await.refused();
        assert_eq!(said, format!("400 BadRequest: Request Id {} has to be unique in a batch.", twice[1]));
    }
    says(&dana.post("/v1.0/$batch", batch(&[])).await.refused(), "400 BadRequest", "Invalid batch payload format.");
    let said = dana.get("/v1.0/users?$search=%22displayName:a%22").await.refused();
    assert_eq!(
        said,
        "400 Request_UnsupportedQuery: Request with $search query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'"
    );
    let said = dana.get("/v1.0/users?$select=shoeSize").await.refused();
    assert_eq!(
        said,
        "400 BadRequest: Parsing OData Select and Expand failed: Could not find a property named 'shoeSize' on type 'microsoft.graph.user'."
    );
    says(&dana.get("/v1.0/users?$filter=displayName eq").await.refused(), "400 BadRequest", "Invalid filter clause");
    let said = dana.get("/v1.0/users?$fliter=displayName eq 'a'").await.refused();
    says(&said, "400 Request_BadRequest", "Unrecognized query argument specified: '$fliter'.");
    for (token, sentence) in
        [("", "Access token is empty."), ("not.a.token", "CompactToken parsing failed with error code: 80049217")]
    {
        let bearer = format!("Bearer {token}");
        let reply = house.client(None).send_with(&[("authorization", &bearer)], "GET", "/v1.0/me", "").await;
        says(&reply.refused(), "401 InvalidAuthenticationToken", sentence);
    }
}

#[tokio::test]
async fn answers_carry_graphs_headers_and_only_a_plain_name_comes_back() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    for (path, json) in [("/v1.0/me", "application/json;odata.metadata=minimal"), ("/v1.0/nothing", "application/json")]
    {
        let reply = dana.send_with(&[("client-request-id", "7f3a-mine")], "GET", path, "").await;
        let header = |name: &str| reply.headers[name].to_str().expect("ASCII").to_owned();
        assert_eq!(header("client-request-id"), "7f3a-mine");
        assert_eq!(header("date"), "Sat, 21 Nov 2026 09:00:00 GMT");
        assert!(header("content-type").starts_with(json));
        assert!(uuid_like(&header("request-id")), "{}", header("request-id"));
        if !reply.status.is_success() {
            let inner = &reply.json()["error"]["innerError"];
            assert_eq!(inner["client-request-id"], "7f3a-mine");
            assert_eq!(inner["date"], "2026-11-21T09:00:00");
        }
    }
    let long = "x".repeat(65);
    for odd in ["two words", "{\"a\":1} ", long.as_str(), ""] {
        let reply = dana.send_with(&[("client-request-id", odd)], "GET", "/v1.0/me", "").await;
        assert_eq!(reply.headers["client-request-id"], reply.headers["request-id"], "{odd:?} does not come back");
    }
}

fn uuid_like(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-')
}

#[tokio::test]
async fn an_activation_of_a_role_that_is_active_already_exists() {
    let house = House::new().await;
    house.eligible(EVE, REPORTS_READER.parse().expect("an id")).await;
    let eve = house.signed_in(EVE).await;
    let body = with(activation("PT1H"), json!({"principalId": EVE, "roleDefinitionId": REPORTS_READER}));
    eve.post(REQUESTS, body.clone()).await.is(201);
    for rehearsed in [false, true] {
        let again = with(body.clone(), json!({"isValidationOnly": rehearsed}));
        let said = eve.post(REQUESTS, again).await.refused();
        says(&said, "400 RoleAssignmentExists", "The Role assignment already exists.");
    }
}

// Never answered: `ResourceIsLocked` (nothing here is locked), `AadPremiumLicenseRequired` (there are no licences), and
// the codes that only other programs' tables have. 429 is in `throttling.rs`; 500 in the router's own tests.

#[tokio::test]
async fn a_method_that_is_not_offered_is_told_with_those_that_are() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let manager = format!("/v1.0/users/{EVE}/manager/$ref");
    for (method, path, allowed) in [
        ("PUT", manager.as_str(), "GET"),
        ("POST", &manager, "GET"),
        ("DELETE", &manager, "GET"),
        ("PUT", "/v1.0/users", "GET, POST"),
        ("HEAD", "/v1.0/me", "GET"),
        ("PUT", &format!("/v1.0/groups/{SECURITY}"), "GET, PATCH, DELETE"),
        ("GET", "/v1.0/$batch", "POST"),
    ] {
        let reply = dana.send(method, path, "{}").await;
        assert_eq!(
            (reply.status.as_u16(), &reply.headers["allow"]),
            (405, &allowed.parse().expect("a header")),
            "{path}"
        );
    }
    dana.get(&manager).await.is(404);
    assert!(dana.send("PUT", "/v1.0/nothing/$ref", "{}").await.refused().contains("segment 'nothing'"));
}
