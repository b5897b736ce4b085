//! Programs that speak for themselves: what application permissions open together with a directory role, and what only a
//! person may do.

use crate::elevation::activation;
use crate::errors::with;
use crate::house::{ANA, Client, DANA, EVE, House, SCOPES, TENANT};
use serde_json::{Value as Json, json};
use writ_core::command::{Command, Expiration, Sort, Terms};
use writ_core::ids::PrincipalId;
use writ_core::role;
use writ_core::scope::{Scope, Target};

const A: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const E: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
const ROBOT: PrincipalId = PrincipalId::from_u128(0x74);
/// Reports Reader: a role with everyday rules.
const READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";

/// A program that holds Privileged Role Administrator.
async fn robot(house: &House) -> Client {
    let made = Command::CreateService { service: ROBOT, name: "Joiners and leavers".into(), app: ROBOT.0 };
    house.does(DANA, made).await;
    let manages = role::built_in().iter().find(|r| r.is_called("Privileged Role Administrator")).expect("a role").id;
    let terms = Terms::of(ROBOT, Target::role(manages, Scope::Tenant), Expiration::Never);
    let terms = Terms { reason: Some("runs joiners and leavers".into()), ..terms };
    house.does(DANA, Command::Assign { sort: Sort::Assignment, terms }).await;
    house.speaks_for_itself(ROBOT, SCOPES).await
}

fn gives() -> Json {
    json!({
        "action": "adminAssign", "principalId": EVE, "roleDefinitionId": READER, "directoryScopeId": "/",
        "justification": "joins", "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P9D"}},
    })
}

#[tokio::test]
async fn a_program_with_the_permission_and_a_role_administers() {
    let house = House::new().await;
    let robot = robot(&house).await;
    for path in [E, A] {
        let made = robot.post(path, gives()).await.is(201);
        assert_eq!(made["status"], "Provisioned");
        assert_eq!(made["createdBy"]["application"]["id"], json!(ROBOT), "{made}");
        assert_eq!(made["createdBy"]["user"], Json::Null);
        let update = json!({"action": "adminUpdate", "scheduleInfo": {"expiration": {"type": "noExpiration"}}});
        robot.post(path, with(gives(), update)).await.is(201);
        robot.post(path, with(gives(), json!({"action": "adminRemove", "scheduleInfo": null}))).await.is(201);
    }
    let dana = house.signed_in(DANA).await;
    let audits = dana.get("/v1.0/auditLogs/directoryAudits?$top=1").await.list();
    assert_eq!(audits[0]["initiatedBy"]["app"]["servicePrincipalId"], json!(ROBOT), "{}", audits[0]);
    assert_eq!(audits[0]["initiatedBy"]["user"], Json::Null);
    // Anybody's pending request can be taken back.
    let asked = house.signed_in(ANA).await.post(A, activation("PT1H")).await.is(201);
    robot.send("POST", &format!("{A}/{}/cancel", asked["id"].as_str().expect("an id")), "").await.is(204);
    let rule = format!(
        "/v1.0/policies/roleManagementPolicies/DirectoryRole_{TENANT}_{READER}/rules/Enablement_Admin_Assignment"
    );
    let kind = "#microsoft.graph.unifiedRoleManagementPolicyEnablementRule";
    let with_mfa = json!({"@odata.type": kind, "enabledRules": ["MultiFactorAuthentication"]});
    robot.patch(&rule, with_mfa).await.is(204);
    // It can never prove a second factor: the rule it has just set locks it out.
    let locked = robot.post(A, gives()).await.refused();
    let wanted = "400 RoleAssignmentRequestPolicyValidationFailed: The following policy rules failed: MfaRule - Multi-factor authentication is required";
    assert!(locked.starts_with(wanted), "{locked}");
}

#[tokio::test]
async fn what_only_a_person_may_do() {
    let house = House::new().await;
    let robot = robot(&house).await;
    let asked = house.signed_in(ANA).await.post(A, activation("PT1H")).await.is(201);
    let id = asked["id"].as_str().expect("an id");
    let before = house.rights();
    // Approvals are open to nobody but people, whatever the token carries.
    let approvals = "/beta/roleManagement/directory/roleAssignmentApprovals";
    let yes = json!({"reviewResult": "Approve", "justification": "robots say yes"});
    for reply in [
        robot.get(approvals).await,
        robot.get(&format!("{approvals}/{id}")).await,
        robot.patch(&format!("{approvals}/{id}/steps/{id}"), yes).await,
    ] {
        let said = reply.refused();
        assert!(
            said.starts_with("403 : Valid permissions not present.") && said.contains("a person must sign in"),
            "{said}"
        );
    }
    // Nothing is asked for oneself: not its own, not somebody's.
    for who in [ROBOT, ANA] {
        for action in ["selfActivate", "selfExtend", "selfRenew"] {
            let body = with(activation("PT1H"), json!({"action": action, "principalId": who}));
            let said = robot.post(A, body).await.refused();
            assert!(
                said.starts_with("403 Authorization_RequestDenied: ") && said.contains("A program cannot"),
                "{said}"
            );
        }
    }
    let more =
        with(activation("PT1H"), json!({"action": "selfExtend", "principalId": ROBOT, "@writ.activation": true}));
    assert!(robot.post(A, more).await.refused().contains("A program cannot"));
    let up = with(activation("PT1H"), json!({"action": "selfDeactivate", "principalId": ROBOT}));
    assert!(robot.post(A, up).await.refused().starts_with("400 RoleAssignmentDoesNotExist: "));
    assert!(robot.get("/v1.0/me").await.refused().starts_with("403 "));
    assert!(house.rights() == before);
    // Nor is it ever eligible; it holds what it is assigned.
    let eligible = house.signed_in(DANA).await.post(E, with(gives(), json!({"principalId": ROBOT}))).await.refused();
    assert!(eligible.starts_with("400 Request_BadRequest: A program cannot be eligible"), "{eligible}");
    house.signed_in(DANA).await.post(A, with(gives(), json!({"principalId": ROBOT}))).await.is(201);
}

#[tokio::test]
async fn a_permission_alone_or_a_role_alone_is_not_enough() {
    let house = House::new().await;
    let robot = robot(&house).await;
    let narrow = house.speaks_for_itself(ROBOT, &["RoleEligibilitySchedule.ReadWrite.Directory"]).await;
    narrow.post(E, gives()).await.is(201);
    let said = narrow.post(A, gives()).await.refused();
    assert!(said.starts_with("403 UnknownError: ") && said.contains("PermissionScopeNotGranted"), "{said}");
    // The same permission without the role, and a token from before the program was disabled.
    let taken = json!({"action": "adminRemove", "principalId": ROBOT, "roleDefinitionId": "e8611ab8-c189-46e8-94e1-60213ab1f814", "directoryScopeId": "/"});
    house.signed_in(DANA).await.post(A, taken).await.is(201);
    let said = robot.post(A, gives()).await.refused();
    assert!(said.starts_with("403 Authorization_RequestDenied: "), "{said}");
    house.does(DANA, Command::EnableService { service: ROBOT, enabled: false }).await;
    assert!(robot.get(A).await.refused().starts_with("401 InvalidAuthenticationToken: "));
}
