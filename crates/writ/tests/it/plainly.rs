//! Assignments made without a request, at Graph's two older doors, and how the others show them.

use crate::house::{ANA, CARLA, DANA, EVE, FINANCE, House, ROOT, TENANT};
use serde_json::json;

const PLAIN: &str = "/v1.0/roleManagement/directory/roleAssignments";
const SCHEDULES: &str = "/v1.0/roleManagement/directory/roleAssignmentSchedules";
const INSTANCES: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances";
const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";

#[tokio::test]
async fn a_plain_assignment_is_a_schedule_that_no_request_made() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let body = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
        "principalId": EVE, "roleDefinitionId": ROOT, "directoryScopeId": "/",
    });
    assert!(ana.post(PLAIN, body.clone()).await.refused().starts_with("403 Authorization_RequestDenied: "));
    let made = dana.post(PLAIN, body.clone()).await.is(201);
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.ends_with("-1"), "{id}");
    assert!(dana.post(PLAIN, body.clone()).await.refused().starts_with("400 RoleAssignmentExists: "));

    let of_eve = format!("$filter=principalId eq '{EVE}'");
    let schedule = dana.get(&format!("{SCHEDULES}?{of_eve}")).await.list().remove(0);
    assert_eq!(schedule["id"], json!(id));
    assert_eq!((&schedule["createdUsing"], &schedule["createdDateTime"]), (&json!(null), &json!(null)));
    assert_eq!((&schedule["assignmentType"], &schedule["memberType"]), (&json!("Assigned"), &json!("Direct")));
    assert_eq!(schedule["scheduleInfo"]["expiration"]["type"], "noExpiration");
    assert_eq!(dana.get(&format!("{SCHEDULES}/{id}")).await.is(200)["id"], json!(id));
    let instance = dana.get(&format!("{INSTANCES}?{of_eve}")).await.list().remove(0);
    assert_eq!((&instance["startDateTime"], &instance["endDateTime"]), (&json!(null), &json!(null)));
    assert_eq!((&instance["roleAssignmentScheduleId"], &instance["roleAssignmentOriginId"]), (&json!(id), &json!(id)));
    assert!(dana.get(&format!("{REQUESTS}?{of_eve}")).await.list().is_empty(), "nobody asked");
    let told = "$filter=activityDisplayName eq 'Add member to role outside of PIM (permanent)'";
    assert_eq!(dana.get(&format!("/v1.0/auditLogs/directoryAudits?{told}")).await.list().len(), 1);

    // Page by page, rows without a request come once, as the others do.
    let mut next = Some(format!("{SCHEDULES}?$top=1"));
    let mut seen = Vec::new();
    while let Some(path) = next {
        let page = dana.get(path.trim_start_matches("http://localhost")).await.is(200);
        seen.extend(page["value"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), seen.contains(&id)), (all, true));
    assert_eq!(all, house.engine.state().assignments.len());

    assert!(ana.delete(&format!("{PLAIN}/{id}")).await.refused().starts_with("404 "), "not hers to see");
    dana.delete(&format!("{PLAIN}/{id}")).await.is(204);
    assert!(dana.delete(&format!("{PLAIN}/{id}")).await.refused().starts_with("404 "));
    assert!(dana.get(&format!("{SCHEDULES}?{of_eve}")).await.list().is_empty());
    let again = dana.post(PLAIN, body).await.is(201);
    let remove =
        json!({"action": "adminRemove", "principalId": EVE, "roleDefinitionId": ROOT, "directoryScopeId": "/"});
    assert_eq!(dana.post(REQUESTS, remove).await.is(201)["status"], "Revoked");
    assert!(dana.delete(&format!("{PLAIN}/{}", again["id"].as_str().unwrap())).await.refused().starts_with("404 "));
}

#[tokio::test]
async fn the_older_doors_are_no_way_around_the_rules_for_administrators() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let rule = format!(
        "/v1.0/policies/roleManagementPolicies/DirectoryRole_{TENANT}_{ROOT}/rules/Expiration_Admin_Assignment"
    );
    let kind = "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule";
    dana.patch(&rule, json!({"@odata.type": kind, "isExpirationRequired": true})).await.is(204);
    let body = json!({"principalId": EVE, "roleDefinitionId": ROOT, "directoryScopeId": "/"});
    let refused = dana.post(PLAIN, body).await.refused();
    assert!(refused.contains("ExpirationRule - The policy does not allow permanent assignment"), "{refused}");
    assert!(house.engine.state().assignments_of(EVE).next().is_none());
}

#[tokio::test]
async fn members_of_a_directory_role_come_and_go_by_reference() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let members = format!("/v1.0/directoryRoles/{ROOT}/members");
    let reference = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{CARLA}")});
    dana.post(&format!("{members}/$ref"), reference.clone()).await.is(204);
    assert!(dana.get(&members).await.list().iter().any(|m| m["id"] == json!(CARLA)));
    assert!(dana.post(&format!("{members}/$ref"), reference).await.refused().starts_with("400 "));
    dana.delete(&format!("{members}/{CARLA}/$ref")).await.is(204);
    assert!(dana.get(&members).await.list().is_empty());
    assert!(dana.delete(&format!("{members}/{CARLA}/$ref")).await.refused().starts_with("404 "));
}

#[tokio::test]
async fn members_of_a_role_in_a_unit_come_and_go() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let members = format!("/v1.0/directory/administrativeUnits/{FINANCE}/scopedRoleMembers");
    let body = json!({"roleId": ROOT, "roleMemberInfo": {"id": CARLA}});
    assert!(ana.post(&members, body.clone()).await.refused().starts_with("403 Authorization_RequestDenied: "));
    assert!(dana.post(&members, json!({"roleId": ROOT})).await.refused().contains("roleMemberInfo"));
    let made = dana.post(&members, body.clone()).await.is(201);
    assert_eq!((&made["administrativeUnitId"], &made["roleMemberInfo"]["id"]), (&json!(FINANCE), &json!(CARLA)));
    assert!(dana.post(&members, body).await.refused().starts_with("400 RoleAssignmentExists: "));
    let one = format!("{members}/{}", made["id"].as_str().unwrap());
    assert_eq!(dana.get(&one).await.is(200)["id"], made["id"]);
    assert!(ana.delete(&one).await.refused().starts_with("404 "), "not hers to see");
    dana.delete(&one).await.is(204);
    assert!(dana.get(&members).await.list().is_empty());
    assert!(house.engine.state().assignments_of(CARLA).next().is_none());
}

#[tokio::test]
async fn every_directory_role_is_active_from_the_start() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let refused = dana.post("/v1.0/directoryRoles", json!({"roleTemplateId": ROOT})).await.refused();
    assert!(refused.starts_with("400 Request_BadRequest: ") && refused.contains("conflicting object"), "{refused}");
    let unknown = json!({"roleTemplateId": TENANT});
    assert!(dana.post("/v1.0/directoryRoles", unknown).await.refused().starts_with("404 "));
}

#[tokio::test]
async fn somebody_who_is_disabled_can_be_given_a_role_in_a_unit_and_that_is_answered() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    dana.patch(&format!("/v1.0/users/{EVE}"), json!({"accountEnabled": false})).await.is(204);
    let members = format!("/v1.0/directory/administrativeUnits/{FINANCE}/scopedRoleMembers");
    let made = dana.post(&members, json!({"roleId": ROOT, "roleMemberInfo": {"id": EVE}})).await.is(201);
    assert_eq!((&made["roleId"], &made["roleMemberInfo"]["id"]), (&json!(ROOT), &json!(EVE)));
    assert!(dana.get(&members).await.list().is_empty(), "it is not in force while the account is disabled");
    dana.patch(&format!("/v1.0/users/{EVE}"), json!({"accountEnabled": true})).await.is(204);
    assert_eq!(dana.get(&members).await.list()[0]["id"], made["id"]);
}
