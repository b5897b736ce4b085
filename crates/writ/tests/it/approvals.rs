//! Approval in several stages over Graph's API: one after the other, each by another person, entitled when they decide.

use crate::elevation::activation;
use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, House, ROOT, SECURITY, TENANT};
use serde_json::{Value as Json, json};
use writ_core::ids::PrincipalId;

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const APPROVALS: &str = "/beta/roleManagement/directory/roleAssignmentApprovals";

fn user(id: PrincipalId) -> Json {
    json!({"@odata.type": "#microsoft.graph.singleUser", "userId": id})
}

fn security() -> Json {
    json!({"@odata.type": "#microsoft.graph.groupMembers", "groupId": SECURITY})
}

/// The role that means root is approved by these, one stage after the other; Ana has asked.
async fn asked(house: &House, stages: &[Vec<Json>]) -> String {
    let stages: Vec<Json> = stages.iter().map(|approvers| json!({"primaryApprovers": approvers})).collect();
    let body = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyApprovalRule",
        "setting": {"isApprovalRequired": true, "approvalMode": "Serial", "approvalStages": stages},
    });
    let rule = format!(
        "/v1.0/policies/roleManagementPolicies/DirectoryRole_{TENANT}_{ROOT}/rules/Approval_EndUser_Assignment"
    );
    house.signed_in(DANA).await.patch(&rule, body).await.is(204);
    let made = house.signed_in(ANA).await.post(REQUESTS, activation("PT1H")).await.is(201);
    made["id"].as_str().expect("an id").to_owned()
}

async fn steps(who: &Client, id: &str) -> Vec<Json> {
    who.get(&format!("{APPROVALS}/{id}/steps")).await.list()
}

/// Decides the nth step: the status, or the refusal.
async fn decides(who: &Client, id: &str, step: &Json, result: &str) -> String {
    let step = step["id"].as_str().expect("an id");
    let body = json!({"reviewResult": result, "justification": "looked at it"});
    let reply = who.patch(&format!("{APPROVALS}/{id}/steps/{step}"), body).await;
    if reply.status == 204 { "204".into() } else { reply.refused() }
}

fn told(steps: &[Json]) -> Vec<String> {
    let text = |v: &Json| v.as_str().unwrap_or("-").to_owned();
    steps
        .iter()
        .map(|s| {
            format!("{} {} {}", text(&s["status"]), text(&s["reviewResult"]), text(&s["reviewedBy"]["displayName"]))
        })
        .collect()
}

#[tokio::test]
async fn one_stage_after_the_other_and_a_late_decision_lands_on_neither() {
    let house = House::unmetered().await;
    let id = asked(&house, &[vec![security()], vec![user(EVE), user(CARLA)]]).await;
    let [ana, ben, carla, eve] = [
        house.signed_in(ANA).await,
        house.signed_in(BEN).await,
        house.signed_in(CARLA).await,
        house.signed_in(EVE).await,
    ];
    let [first, second] = <[Json; 2]>::try_from(steps(&ben, &id).await).expect("two steps");
    assert_eq!(first["id"], json!(id), "the first is called as the request is");
    assert_eq!(told(&[first.clone(), second.clone()]), ["InProgress NotReviewed -", "Initializing NotReviewed -"]);
    assert_eq!((&first["assignedToMe"], &second["assignedToMe"]), (&json!(true), &json!(false)));
    // Eve decides the second stage only; until then she neither sees the request nor can do anything to it.
    let waiting = format!("{APPROVALS}/filterByCurrentUser(on='approver')");
    assert!(eve.get(&waiting).await.list().is_empty());
    assert!(eve.get(&format!("{APPROVALS}/{id}")).await.refused().starts_with("404 "));
    let early = decides(&eve, &id, &second, "Approve").await;
    assert!(early.starts_with("409 Conflict: Step 2 of 2 is not open yet"), "{early}");

    assert_eq!(decides(&ben, &id, &first, "Approve").await, "204");
    assert_eq!(ana.get(&format!("{REQUESTS}/{id}")).await.is(200)["status"], "PendingApproval");
    assert_eq!(eve.get(&waiting).await.list().len(), 1, "now it is hers");
    let both = carla.get(&format!("{APPROVALS}/{id}?$expand=completedSteps,pendingSteps")).await.is(200);
    assert_eq!((&both["completedSteps"][0]["id"], &both["pendingSteps"][0]["id"]), (&first["id"], &second["id"]));
    let reviewer = json!({"id": BEN, "displayName": "Ben Okafor", "userPrincipalName": "ben@northwind.example", "mail": "ben@northwind.example"});
    assert_eq!(both["completedSteps"][0]["reviewedBy"], reviewer);

    // Carla still looks at the first step. She could decide the second one too, and does not by this.
    let late = decides(&carla, &id, &first, "Approve").await;
    assert!(late.starts_with("409 Conflict: Step 1 of 2 was decided already (by Ben Okafor)"), "{late}");
    let late = decides(&carla, &id, &first, "Deny").await;
    assert!(late.starts_with("409 Conflict: "), "{late}");
    assert_eq!(told(&steps(&carla, &id).await), ["Completed Approve Ben Okafor", "InProgress NotReviewed -"]);
    assert!(house.engine.state().assignments_of(ANA).next().is_none());
    // Ben has decided, and each decision takes another person.
    let again = decides(&ben, &id, &second, "Approve").await;
    assert!(again.starts_with("409 Conflict: You have decided this request already"), "{again}");
    let own = decides(&ana, &id, &second, "Approve").await;
    assert!(own.starts_with("403 Authorization_RequestDenied: "), "{own}");

    assert_eq!(decides(&eve, &id, &second, "Approve").await, "204");
    assert_eq!(told(&steps(&ana, &id).await), ["Completed Approve Ben Okafor", "Completed Approve Eve Stranger"]);
    assert_eq!(ana.get(&format!("{REQUESTS}/{id}")).await.is(200)["status"], "Provisioned");
    assert_eq!(house.engine.state().assignments_of(ANA).count(), 1);
    let after = decides(&carla, &id, &second, "Deny").await;
    assert!(after.starts_with("409 Conflict: "), "{after}");
}

#[tokio::test]
async fn whoever_is_named_in_two_stages_decides_one_and_nobody_is_stuck() {
    let house = House::unmetered().await;
    let id = asked(&house, &[vec![user(BEN), user(CARLA)], vec![user(BEN)]]).await;
    let (ben, dana) = (house.signed_in(BEN).await, house.signed_in(DANA).await);
    let both = steps(&ben, &id).await;
    assert_eq!(decides(&ben, &id, &both[0], "Approve").await, "204");
    let again = decides(&ben, &id, &both[1], "Approve").await;
    assert!(again.starts_with("409 Conflict: You have decided this request already"), "{again}");
    // Nobody else is named there: whoever manages roles stands in.
    let waiting = dana.get(&format!("{APPROVALS}/filterByCurrentUser(on='approver')")).await.list();
    assert_eq!(waiting[0]["id"], json!(id));
    assert_eq!(decides(&dana, &id, &both[1], "Approve").await, "204");
    assert_eq!(house.engine.state().assignments_of(ANA).count(), 1);
}

#[tokio::test]
async fn who_is_in_a_group_counts_when_they_decide() {
    let house = House::unmetered().await;
    let id = asked(&house, &[vec![user(BEN)], vec![security()]]).await;
    let (ben, carla, dana, eve) = (
        house.signed_in(BEN).await,
        house.signed_in(CARLA).await,
        house.signed_in(DANA).await,
        house.signed_in(EVE).await,
    );
    let both = steps(&ben, &id).await;
    assert_eq!(decides(&ben, &id, &both[0], "Approve").await, "204");
    // Between the stages Carla leaves the group and Eve joins it.
    let members = format!("/v1.0/groups/{SECURITY}/members");
    dana.delete(&format!("{members}/{CARLA}/$ref")).await.is(204);
    let reference = json!({"@odata.id": format!("http://localhost/v1.0/directoryObjects/{EVE}")});
    dana.post(&format!("{members}/$ref"), reference).await.is(204);
    let left = decides(&carla, &id, &both[1], "Approve").await;
    assert!(left.starts_with("403 Authorization_RequestDenied: "), "{left}");
    assert_eq!(decides(&eve, &id, &both[1], "Approve").await, "204");
    assert_eq!(house.engine.state().assignments_of(ANA).count(), 1);
}

#[tokio::test]
async fn a_no_in_the_last_stage_is_a_no() {
    let house = House::unmetered().await;
    let id = asked(&house, &[vec![user(BEN)], vec![user(CARLA)]]).await;
    let (ana, ben, carla) = (house.signed_in(ANA).await, house.signed_in(BEN).await, house.signed_in(CARLA).await);
    let both = steps(&ben, &id).await;
    assert_eq!(decides(&ben, &id, &both[0], "Approve").await, "204");
    assert_eq!(decides(&carla, &id, &both[1], "Deny").await, "204");
    assert_eq!(told(&steps(&ana, &id).await), ["Completed Approve Ben Okafor", "Completed Deny Carla Ruiz"]);
    let request = ana.get(&format!("{REQUESTS}/{id}")).await.is(200);
    assert_eq!(
        (&request["status"], &request["completedDateTime"]),
        (&json!("Denied"), &json!("2026-11-21T09:00:00.000Z"))
    );
    assert!(house.engine.state().assignments_of(ANA).next().is_none());
    let empty = ana.get(&format!("{APPROVALS}/{id}/pendingSteps")).await.list();
    assert!(empty.is_empty(), "nothing waits any more");
}
