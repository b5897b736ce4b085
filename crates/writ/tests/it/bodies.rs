//! Bodies of requests, as clients write them, well or badly; and the order in which they are judged.

use crate::actions::{A, E, READER, asked, begins, days, gives};
use crate::errors::with;
use crate::house::{BEN, DANA, EVE, House};
use serde_json::{Value as Json, json};

const NOBODY: &str = "00000000-0000-0000-0000-00000000dead";

#[tokio::test]
async fn bodies_as_clients_write_them_well_or_badly() {
    let house = House::unmetered().await;
    let dana = house.signed_in(DANA).await;
    let (ok, invalid, schedule) = (
        "201 Provisioned",
        "400 InvalidRoleAssignmentRequest: The role assignment request is invalid. ",
        "400 InvalidRoleAssignmentRequestSchedule: ",
    );
    for (action, wanted) in [
        (json!("AdminAssign"), ok),
        (json!("ADMINASSIGN"), ok),
        (json!("adminassign"), ok),
        (json!("AdminRemove"), "400 RoleAssignmentDoesNotExist: The Role assignment does not exist."),
        (json!("assign"), invalid),
        (json!("unknownFutureValue"), invalid),
        (json!(1), invalid),
        (json!(""), invalid),
        (Json::Null, invalid),
    ] {
        let body = with(gives(days(1)), json!({"action": action, "isValidationOnly": true}));
        begins(&action.to_string(), &asked(&dana, E, body).await, wanted);
    }
    for (duration, wanted) in [
        ("PT5M", ok),
        ("PT4M59S", schedule),
        ("PT60M", ok),
        ("P1DT1H", ok),
        ("P2W", ok),
        ("PT90.5M", invalid),
        ("PT0S", schedule),
        ("-PT1H", invalid),
        ("PT-1H", invalid),
        ("P1Y", invalid),
        ("P6M", invalid),
        ("1:00", invalid),
        ("P", invalid),
        ("P99999999D", invalid),
    ] {
        let body = gives(json!({"type": "afterDuration", "duration": duration}));
        let body = with(body, json!({"isValidationOnly": true}));
        begins(duration, &asked(&dana, E, body).await, wanted);
    }
    for (end, wanted) in [
        ("2026-12-01T00:00:00Z", ok),
        ("2026-12-01T00:00:00+00:00", ok),
        ("2026-12-01T00:00:00.1234567Z", ok),
        ("2026-12-01T05:30:00+05:30", ok),
        ("2026-12-01T00:00:00", invalid),
        ("2026-12-01", invalid),
        ("2026-13-01T00:00:00Z", invalid),
        ("2026-11-20T00:00:00Z", schedule),
        ("0001-01-01T00:00:00Z", schedule),
        ("9999-12-31T23:59:59.9999999Z", schedule),
        ("10000-01-01T00:00:00Z", invalid),
    ] {
        let body = gives(json!({"type": "afterDateTime", "endDateTime": end}));
        begins(end, &asked(&dana, E, with(body, json!({"isValidationOnly": true}))).await, wanted);
    }
    for (start, wanted) in [
        (json!("2022-04-10T00:00:00Z"), ok),
        (json!("0001-01-01T00:00:00Z"), ok),
        (json!("2027-01-01T00:00:00Z"), "201 Granted"),
        (json!("9999-12-31T23:59:59Z"), schedule),
        (json!("2027-01-01T00:00:00"), invalid),
        (json!(""), invalid),
    ] {
        let info = json!({"startDateTime": start, "expiration": days(1)});
        let body = with(gives(days(1)), json!({"scheduleInfo": info, "isValidationOnly": true}));
        begins(&start.to_string(), &asked(&dana, E, body).await, wanted);
    }
    let ends_first = json!({"startDateTime": "2026-12-02T00:00:00Z", "expiration": {"type": "afterDateTime", "endDateTime": "2026-12-01T00:00:00Z"}});
    for (change, wanted) in [
        (json!({"scheduleInfo": null}), ok),
        (json!({"scheduleInfo": {}}), ok),
        (json!({"scheduleInfo": {"expiration": {"type": "NoExpiration"}}}), ok),
        (json!({"scheduleInfo": {"expiration": {"type": "notSpecified"}}}), ok),
        (json!({"scheduleInfo": {"expiration": {"duration": "PT1H"}}}), ok),
        (json!({"scheduleInfo": {"recurrence": null, "expiration": {"type": "noExpiration", "duration": null}}}), ok),
        (json!({"scheduleInfo": {"recurrence": {"pattern": {"type": "daily"}}}}), invalid),
        (json!({"scheduleInfo": {"expiration": {"type": "noExpiration", "duration": "PT1H"}}}), invalid),
        (json!({"scheduleInfo": {"expiration": {"type": "afterDuration"}}}), invalid),
        (json!({"scheduleInfo": {"expiration": {"type": "afterDateTime", "duration": "PT1H"}}}), invalid),
        (json!({"scheduleInfo": {"expiration": {"type": "sometime"}}}), invalid),
        (json!({"scheduleInfo": ends_first}), schedule),
        (json!({"scheduleInfo": []}), invalid),
        (json!({"ticketInfo": {}}), ok),
        (json!({"ticketInfo": {"ticketNumber": "", "ticketSystem": null}}), ok),
        (json!({"ticketInfo": []}), invalid),
        (json!({"@odata.type": "#microsoft.graph.unifiedRoleEligibilityScheduleRequest"}), ok),
        (json!({"principalId": EVE.to_string().to_uppercase()}), ok),
        (json!({"principalId": "eve@northwind.example"}), invalid),
        (json!({"principalId": null}), invalid),
        (json!({"roleDefinitionId": null}), invalid),
        (json!({"directoryScopeId": null}), invalid),
        (json!({"directoryScopeId": "/subscriptions/7"}), invalid),
        (json!({"appScopeId": "/"}), invalid),
        (json!({"justification": "x".repeat(5000)}), invalid),
        (json!({"justification": 7}), invalid),
        (json!({"isValidationOnly": "true"}), ok),
        (json!({"isValidationOnly": "yes"}), invalid),
        (json!({"targetScheduleId": NOBODY, "status": "Provisioned", "customData": "x"}), ok),
    ] {
        let mut body = with(gives(days(1)), json!({"isValidationOnly": true}));
        body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        begins(&change.to_string(), &asked(&dana, E, body).await, wanted);
    }
}

#[tokio::test]
async fn it_is_judged_in_graphs_order_and_each_step_hides_the_ones_after_it() {
    let house = House::new().await;
    let (dana, eve) = (house.signed_in(DANA).await, house.signed_in(EVE).await);
    let narrow = house.signed_in_with(EVE, &["User.Read"], true).await;
    let unit = format!("/administrativeUnits/{NOBODY}");
    // Wrong in every way; then one mistake after the other is mended.
    let mut body = json!({
        "action": "assign", "principalId": NOBODY, "roleDefinitionId": NOBODY, "directoryScopeId": unit,
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "P400D"}},
    });
    begins("permission", &asked(&narrow, A, body.clone()).await, "403 UnknownError: ");
    begins("shape", &asked(&eve, A, body.clone()).await, "400 InvalidRoleAssignmentRequest: ");
    for (change, wanted) in [
        (json!({"action": "adminAssign"}), "400 RoleNotFound: "),
        (json!({"roleDefinitionId": READER}), "400 SubjectNotFound: "),
        (json!({"principalId": BEN}), "400 InvalidScope: "),
        (json!({"directoryScopeId": "/"}), "403 Authorization_RequestDenied: "),
    ] {
        body = with(body, change);
        begins("existence, then authority", &asked(&eve, A, body.clone()).await, wanted);
    }
    let rule = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleManagementPolicyExpirationRule",
        "isExpirationRequired": true, "maximumDuration": "P180D",
    });
    let tenant = crate::house::TENANT;
    let path = format!(
        "/v1.0/policies/roleManagementPolicies/DirectoryRole_{tenant}_{READER}/rules/Expiration_Admin_Assignment"
    );
    dana.patch(&path, rule).await.is(204);
    begins(
        "rules, all of them",
        &asked(&dana, A, body.clone()).await,
        "400 RoleAssignmentRequestPolicyValidationFailed: The following policy rules failed: ExpirationRule - The duration in the request is greater than maximum allowed duration, JustificationRule - Justification is required",
    );
    let good = with(body.clone(), json!({"scheduleInfo": {"expiration": days(1)}, "justification": "x"}));
    dana.post(A, good).await.is(201);
    begins("conflict, before the rules", &asked(&dana, A, body).await, "400 RoleAssignmentExists: ");
}
