//! Every rule of a policy does something: set over Graph's API, and met or refused over it.

use crate::elevation::activation;
use crate::house::{ANA, CARLA, Client, DANA, House, ROOT, SCOPES, TENANT};
use serde_json::{Value as Json, json};

const ASSIGNMENTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const ELIGIBILITIES: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";

/// Changes one rule of the role that means root on hosts.
async fn set(who: &Client, rule: &str, body: Json) {
    let kind = rule.split('_').next().expect("a kind");
    let mut all = json!({"id": rule, "@odata.type": format!("#microsoft.graph.unifiedRoleManagementPolicy{kind}Rule")});
    all.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
    let path = format!("/v1.0/policies/roleManagementPolicies/DirectoryRole_{TENANT}_{ROOT}/rules/{rule}");
    who.patch(&path, all).await.is(204);
}

fn given(expiration: Json) -> Json {
    json!({
        "action": "adminAssign", "principalId": CARLA, "roleDefinitionId": ROOT, "directoryScopeId": "/",
        "justification": "joins", "scheduleInfo": {"expiration": expiration},
    })
}

#[tokio::test]
async fn an_authentication_context_is_asked_for_by_a_claims_challenge() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    set(&dana, "AuthenticationContext_EndUser_Assignment", json!({"isEnabled": true, "claimValue": "c1"})).await;
    let reply = ana.post(ASSIGNMENTS, activation("PT1H")).await;
    assert!(reply.headers.get("www-authenticate").is_none());
    assert_eq!(
        reply.refused(),
        "400 RoleAssignmentRequestAcrsValidationFailed: &claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22essential%22%3Atrue%2C%20%22value%22%3A%22c1%22%7D%7D%7D"
    );
    let mut other = activation("PT1H");
    other["justification"] = Json::Null;
    let with_more = ana.post(ASSIGNMENTS, other).await.refused();
    assert!(
        with_more.starts_with("400 RoleAssignmentRequestPolicyValidationFailed: "),
        "rules come first: {with_more}"
    );
    let claims = house.claims_of(&ana);
    for (acrs, status) in [(vec!["c2".to_owned()], 400), (vec!["c2".to_owned(), "c1".to_owned()], 201)] {
        let raised = house.with_claims(&writ::identity::token::Claims { acrs, ..claims.clone() });
        assert_eq!(raised.post(ASSIGNMENTS, activation("PT1H")).await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn what_administrators_give_meets_the_rules_for_administrators() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    set(&dana, "Expiration_Admin_Eligibility", json!({"isExpirationRequired": true, "maximumDuration": "P30D"})).await;
    let permanent = dana.post(ELIGIBILITIES, given(json!({"type": "noExpiration"}))).await.refused();
    assert!(permanent.contains("ExpirationRule - The policy does not allow permanent assignment"), "{permanent}");
    let long = given(json!({"type": "afterDuration", "duration": "P31D"}));
    let long = dana.post(ELIGIBILITIES, long).await.refused();
    let text = "ExpirationRule - The duration in the request is greater than maximum allowed duration";
    assert!(long.contains(text), "{long}");

    let rules = json!({"enabledRules": ["MultiFactorAuthentication", "Justification", "Ticketing"]});
    set(&dana, "Enablement_Admin_Assignment", rules).await;
    let weak = house.signed_in_with(DANA, SCOPES, false).await;
    let mut bare = given(json!({"type": "afterDuration", "duration": "PT4H"}));
    bare["justification"] = Json::Null;
    let refused = weak.post(ASSIGNMENTS, bare.clone()).await.refused();
    for rule in ["MfaRule - Multi-factor authentication is required", "JustificationRule", "TicketingRule"] {
        assert!(refused.contains(rule), "{refused}");
    }
    assert!(!house.engine.state().assignments_of(CARLA).any(|a| a.target.role_id() == ROOT));
    bare["justification"] = json!("on call");
    bare["ticketInfo"] = json!({"ticketNumber": "CHG-1"});
    let made = dana.post(ASSIGNMENTS, bare).await.is(201);
    assert_eq!(made["status"], "Provisioned");
}

#[tokio::test]
async fn notification_rules_are_served_back_as_they_were_set() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let rule = "Notification_Approver_EndUser_Assignment";
    let body = json!({
        "notificationType": "Email", "recipientType": "Approver", "notificationLevel": "Critical",
        "isDefaultRecipientsEnabled": false, "notificationRecipients": ["soc@northwind.example"],
    });
    set(&dana, rule, body.clone()).await;
    let path = format!("/v1.0/policies/roleManagementPolicies/DirectoryRole_{TENANT}_{ROOT}/rules/{rule}");
    let mut served = dana.get(&path).await.is(200);
    served.as_object_mut().unwrap().retain(|name, _| body.get(name).is_some());
    assert_eq!(served, body);
}

#[tokio::test]
async fn approval_by_nobody_in_particular_is_decided_by_those_who_manage_roles() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let none = json!({"setting": {"isApprovalRequired": true, "approvalMode": "SingleStage", "approvalStages": []}});
    set(&dana, "Approval_EndUser_Assignment", none).await;
    let asked = ana.post(ASSIGNMENTS, activation("PT1H")).await.is(201);
    assert_eq!(asked["status"], "PendingApproval");
    let approvals = "/beta/roleManagement/directory/roleAssignmentApprovals";
    let waiting = |list: Vec<Json>| list.iter().any(|one| one["id"] == asked["id"]);
    assert!(waiting(dana.get(&format!("{approvals}/filterByCurrentUser(on='approver')")).await.list()));
    assert!(!waiting(ana.get(&format!("{approvals}/filterByCurrentUser(on='approver')")).await.list()), "not her own");
    let id = asked["id"].as_str().expect("an id");
    let approve = json!({"reviewResult": "Approve", "justification": "planned"});
    dana.patch(&format!("{approvals}/{id}/steps/{id}"), approve).await.is(204);
    assert_eq!(ana.get(&format!("{ASSIGNMENTS}/{id}")).await.is(200)["status"], "Provisioned");
}

#[tokio::test]
async fn how_stages_are_decided_is_said_and_never_guessed() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let rule = "Approval_EndUser_Assignment";
    let path = format!("/v1.0/policies/roleManagementPolicies/DirectoryRole_{TENANT}_{ROOT}/rules/{rule}");
    let stage = |who| json!({"primaryApprovers": [{"@odata.type": "#microsoft.graph.singleUser", "userId": who}]});
    let ask = |mode: &str, stages: Vec<Json>| {
        json!({
            "id": rule, "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
            "setting": {"isApprovalRequired": true, "approvalMode": mode, "approvalStages": stages},
        })
    };
    let before = dana.get(&path).await.is(200);
    for (mode, stages, why) in [
        ("Parallel", vec![stage(CARLA), stage(ANA)], "one after the other"),
        ("SingleStage", vec![stage(CARLA), stage(ANA)], "several are 'Serial'"),
        ("NoApproval", vec![stage(CARLA)], "does not go with 'isApprovalRequired' true"),
    ] {
        let refused = dana.patch(&path, ask(mode, stages)).await.refused();
        assert!(refused.starts_with("400 BadRequest: ") && refused.contains(why), "{refused}");
    }
    assert_eq!(dana.get(&path).await.is(200), before);
    set(&dana, rule, ask("Serial", vec![stage(CARLA), stage(ANA)])).await;
    assert_eq!(dana.get(&path).await.is(200)["setting"]["approvalMode"], "Serial");
}
