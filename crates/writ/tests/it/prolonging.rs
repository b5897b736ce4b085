//! More time over Graph's API: the four actions for extensions and renewals, and running activations that end later.

use crate::elevation::activation;
use crate::house::{ANA, BEN, DANA, GLASS, House, ROOT};
use serde_json::{Value as Json, json};
use writ_core::time::Span;

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const MINE: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')";
const ELIGIBLE: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
const SCHEDULES: &str = "/v1.0/roleManagement/directory/roleEligibilitySchedules";

fn ask(action: &str, end: &str) -> Json {
    json!({
        "action": action, "principalId": ANA, "roleDefinitionId": ROOT, "directoryScopeId": "/", "appScopeId": null,
        "justification": "still needed",
        "scheduleInfo": {"startDateTime": null, "recurrence": null, "expiration": {"type": "afterDateTime", "endDateTime": end}},
    })
}

/// Ana's eligibility ends in a week.
async fn for_a_week(house: &House) {
    let dana = house.signed_in(DANA).await;
    dana.post(ELIGIBLE, ask("adminUpdate", "2026-11-28T09:00:00Z")).await.is(201);
}

fn id(row: &Json) -> &str {
    row["id"].as_str().expect("an id")
}

#[tokio::test]
async fn an_administrator_extends_and_renews() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let nothing = dana.post(ELIGIBLE, ask("adminRenew", "2027-01-01T00:00:00Z")).await.refused();
    assert!(nothing.starts_with("400 RoleAssignmentExists: The Role assignment already exists."), "{nothing}");
    for_a_week(&house).await;
    let extended = dana.post(ELIGIBLE, ask("adminExtend", "2026-12-05T09:00:00Z")).await.is(201);
    assert_eq!((&extended["status"], &extended["action"]), (&json!("Provisioned"), &json!("adminExtend")));
    let schedule = dana.get(&format!("{SCHEDULES}?$filter=principalId eq '{ANA}'")).await.list().remove(0);
    assert_eq!(extended["targetScheduleId"], schedule["id"], "the schedule that was there goes on");
    assert_eq!(schedule["scheduleInfo"]["expiration"]["endDateTime"], "2026-12-05T09:00:00.000Z");
    let shorter = dana.post(ELIGIBLE, ask("adminExtend", "2026-12-01T09:00:00Z")).await.refused();
    assert!(shorter.starts_with("400 InvalidRoleAssignmentRequestSchedule: "), "{shorter}");

    house.clock.advance(Span::from_days(15));
    let emergency = house.signed_in(GLASS).await;
    let gone = emergency.post(ELIGIBLE, ask("adminExtend", "2027-01-01T09:00:00Z")).await.refused();
    assert!(gone.starts_with("400 RoleAssignmentDoesNotExist: The Role assignment does not exist."), "{gone}");
    let renewed = emergency.post(ELIGIBLE, ask("adminRenew", "2027-01-01T09:00:00Z")).await.is(201);
    assert_eq!(renewed["targetScheduleId"], renewed["id"]);
}

#[tokio::test]
async fn its_holder_asks_and_an_administrator_decides() {
    let house = House::new().await;
    let (ana, ben, dana) = (house.signed_in(ANA).await, house.signed_in(BEN).await, house.signed_in(DANA).await);
    let early = ana.post(ELIGIBLE, ask("selfExtend", "2027-01-01T00:00:00Z")).await.refused();
    assert!(early.starts_with("400 InvalidRoleAssignmentRequest: The role assignment request is invalid."), "{early}");
    assert!(early.contains("from 2026-12-07"), "the last fourteen days: {early}");
    for_a_week(&house).await;
    let asked = ana.post(ELIGIBLE, ask("selfExtend", "2027-01-01T00:00:00Z")).await.is(201);
    assert_eq!((&asked["status"], &asked["action"]), (&json!("PendingAdminDecision"), &json!("selfExtend")));
    assert_eq!(asked["approvalId"], asked["id"]);
    let twice = ana.post(ELIGIBLE, ask("selfExtend", "2027-01-01T00:00:00Z")).await.refused();
    assert!(twice.starts_with("400 PendingRoleAssignmentRequest: "), "{twice}");

    let steps = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{}/steps", id(&asked));
    let step = format!("{steps}/{}", id(&asked));
    let yes = json!({"reviewResult": "Approve", "justification": "stays on the team"});
    assert!(ben.patch(&step, yes.clone()).await.refused().starts_with("403 "), "an approver is no administrator");
    assert!(ana.patch(&step, yes.clone()).await.refused().starts_with("403 "));
    let waiting = format!("{ELIGIBLE}/filterByCurrentUser(on='approver')?$filter=status eq 'PendingAdminDecision'");
    assert_eq!(dana.get(&waiting).await.list().len(), 1);
    dana.patch(&step, yes.clone()).await.is(204);
    assert!(dana.patch(&step, yes).await.refused().starts_with("409 "));
    let done = ana.get(&format!("{ELIGIBLE}/{}?$expand=targetSchedule", id(&asked))).await.is(200);
    assert_eq!(done["status"], "Provisioned");
    assert_eq!(done["targetSchedule"]["scheduleInfo"]["expiration"]["endDateTime"], "2027-01-01T00:00:00.000Z");
    let records = dana.get("/v1.0/auditLogs/directoryAudits?$top=50").await.list();
    let activities: Vec<_> = records.iter().map(|r| r["activityDisplayName"].as_str().unwrap()).collect();
    for activity in [
        "Update eligible member in PIM requested (extend)",
        "Approve request - direct role assignment",
        "Update eligible member in PIM approved by admin (extend/renew)",
    ] {
        assert!(activities.contains(&activity), "{activity} is not among {activities:?}");
    }
}

#[tokio::test]
async fn what_an_administrator_denies_or_its_holder_takes_back_leads_to_nothing() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    for_a_week(&house).await;
    let before = house.rights();
    let asked = ana.post(ELIGIBLE, ask("selfExtend", "2027-01-01T00:00:00Z")).await.is(201);
    let step = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{0}/steps/{0}", id(&asked));
    dana.patch(&step, json!({"reviewResult": "Deny", "justification": "left the team"})).await.is(204);
    assert_eq!(ana.get(&format!("{ELIGIBLE}/{}", id(&asked))).await.is(200)["status"], "AdminDenied");
    let asked = ana.post(ELIGIBLE, ask("selfExtend", "2027-01-01T00:00:00Z")).await.is(201);
    ana.send("POST", &format!("{ELIGIBLE}/{}/cancel", id(&asked)), "").await.is(204);
    assert_eq!(ana.get(&format!("{ELIGIBLE}/{}", id(&asked))).await.is(200)["status"], "Canceled");
    assert!(house.rights() == before);
}

#[tokio::test]
async fn a_running_activation_is_extended_only_by_who_says_so() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let asked = ana.post(REQUESTS, activation("PT1H")).await.is(201);
    let steps = "/beta/roleManagement/directory/roleAssignmentApprovals";
    let yes = json!({"reviewResult": "Approve", "justification": "yes"});
    ben.patch(&format!("{steps}/{0}/steps/{0}", id(&asked)), yes.clone()).await.is(204);

    let mut longer = activation("PT1H");
    longer["action"] = json!("selfExtend");
    longer["scheduleInfo"]["startDateTime"] = json!("2026-11-21T10:00:00Z");
    let as_graph = ana.post(REQUESTS, longer.clone()).await.refused();
    assert!(as_graph.starts_with("400 RoleAssignmentDoesNotExist: "), "as in Graph: {as_graph}");
    longer["@writ.activation"] = json!(true);
    let more = ana.post(REQUESTS, longer.clone()).await.is(201);
    assert_eq!((&more["status"], &more["targetScheduleId"]), (&json!("PendingApproval"), &asked["id"]));
    assert!(ana.patch(&format!("{steps}/{0}/steps/{0}", id(&more)), yes.clone()).await.refused().starts_with("403 "));
    ben.patch(&format!("{steps}/{0}/steps/{0}", id(&more)), yes).await.is(204);
    let held = ana.get(MINE).await.list();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["endDateTime"], "2026-11-21T11:00:00.000Z");
    assert_eq!(held[0]["roleAssignmentScheduleId"], asked["id"], "the same activation, with a later end");
    let too_long = ana.post(REQUESTS, longer).await.refused();
    assert!(
        too_long.contains("InvalidRoleAssignmentRequestSchedule") || too_long.contains("ExpirationRule"),
        "{too_long}"
    );
}
