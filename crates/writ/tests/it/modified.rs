//! What audit records say was modified, change by change.

use crate::house::{Client, DANA, EVE, House, ROOT, TENANT};
use serde_json::{Value as Json, json};

/// What the newest record of an activity says was modified in its target at `at`: name, old, new.
async fn modified(dana: &Client, activity: &str, at: usize) -> Vec<String> {
    let path = format!("/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq '{activity}'");
    let records = dana.get(&path).await.list();
    let found = records.first().unwrap_or_else(|| panic!("no record of {activity}"));
    let text = |value: &Json| value.as_str().unwrap_or("-").to_owned();
    let properties = found["targetResources"][at]["modifiedProperties"].as_array().expect("a list");
    properties
        .iter()
        .map(|p| format!("{}: {} > {}", text(&p["displayName"]), text(&p["oldValue"]), text(&p["newValue"])))
        .collect()
}

#[tokio::test]
async fn every_change_has_its_own_modified_properties() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let policies = "/v1.0/policies/roleManagementPolicies";
    let roles = "/v1.0/roleManagement/directory";
    let unit = dana.post("/v1.0/directory/administrativeUnits", json!({"displayName": "North"})).await.is(201);
    let unit = unit["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1.0/directory/administrativeUnits/{unit}");
    dana.patch(&path, json!({"description": "the north"})).await.is(204);
    let eve = json!({"@odata.id": format!("http://localhost/v1.0/users/{EVE}")});
    dana.post(&format!("{path}/members/$ref"), eve).await.is(204);
    let body = json!({"roleId": "fe930be7-5e62-47db-91af-98c3a49a38b1", "roleMemberInfo": {"id": EVE}});
    dana.post(&format!("{path}/scopedRoleMembers"), body).await.is(201);
    let body = json!({
        "action": "adminAssign", "principalId": EVE, "roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
        "directoryScopeId": "/", "justification": "for the table",
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT1H"}},
    });
    dana.post(&format!("{roles}/roleAssignmentScheduleRequests"), body).await.is(201);
    let custom = json!({"displayName": "Readers of users", "isEnabled": true, "rolePermissions": [{"allowedResourceActions": ["microsoft.directory/users/standard/read"]}]});
    let custom = dana.post(&format!("{roles}/roleDefinitions"), custom).await.is(201);
    let custom = format!("{roles}/roleDefinitions/{}", custom["id"].as_str().expect("an id"));
    dana.patch(&custom, json!({"displayName": "Readers"})).await.is(204);
    let rule = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule", "maximumDuration": "PT30M",
    });
    let policy = format!("{policies}/DirectoryRole_{TENANT}_{ROOT}/rules/Expiration_EndUser_Assignment");
    assert!(dana.patch(&policy, rule).await.status.is_success());

    let mut told = String::new();
    for (activity, at) in [
        ("Add administrative unit", 0),
        ("Update administrative unit", 0),
        ("Add member to administrative unit", 0),
        ("Add scoped member to role", 0),
        ("Add member to role", 0),
        ("Add member to role in PIM completed (timebound)", 0),
        ("Update role definition", 0),
        ("Update role setting in PIM", 0),
    ] {
        told.push_str(&format!("{activity}\n"));
        for line in modified(&dana, activity, at).await {
            told.push_str(&format!("  {}\n", line.replace(&unit, "(unit)")));
        }
    }
    insta::assert_snapshot!(told, @r#"
    Add administrative unit
      DisplayName: [] > ["North"]
      Included Updated Properties: - > "DisplayName"
    Update administrative unit
      Description: [] > ["the north"]
      Included Updated Properties: - > "Description"
    Add member to administrative unit
      AdministrativeUnit.ObjectID: - > "(unit)"
      AdministrativeUnit.DisplayName: - > "North"
    Add scoped member to role
      Role.ObjectID: - > "fe930be7-5e62-47db-91af-98c3a49a38b1"
      Role.DisplayName: - > "User Administrator"
      Role.TemplateId: - > "fe930be7-5e62-47db-91af-98c3a49a38b1"
      Role.WellKnownObjectName: - > "UserAccountAdmins"
    Add member to role
      Role.ObjectID: - > "62e90394-69f5-4237-9190-012177145e10"
      Role.DisplayName: - > "Global Administrator"
      Role.TemplateId: - > "62e90394-69f5-4237-9190-012177145e10"
      Role.WellKnownObjectName: - > "TenantAdmins"
    Add member to role in PIM completed (timebound)
      RoleDefinitionOriginId: "" > "62e90394-69f5-4237-9190-012177145e10"
      RoleDefinitionOriginType: "" > "BuiltInRole"
      TemplateId: "" > "62e90394-69f5-4237-9190-012177145e10"
    Update role definition
      DisplayName: ["Readers of users"] > ["Readers"]
      Included Updated Properties: - > "DisplayName"
    Update role setting in PIM
      Expiration_EndUser_Assignment: {"isExpirationRequired":true,"maximumDuration":"PT2H"} > {"isExpirationRequired":true,"maximumDuration":"PT30M"}
    "#);
    // Through PIM, PIM acts in the directory: an alarm on roles given outside of it stays silent.
    let list = "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Add member to role'";
    assert_eq!(dana.get(list).await.list()[0]["initiatedBy"]["app"]["displayName"], "MS-PIM");
    let list = "/v1.0/auditLogs/directoryAudits?$filter=activityDisplayName eq 'Add scoped member to role'";
    assert_eq!(dana.get(list).await.list()[0]["initiatedBy"]["user"]["id"], json!(DANA));
}
