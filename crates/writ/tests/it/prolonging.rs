//! More time over Graph's API: the four actions for extensions and renewals, and running activations that end later.

use crate::elevation::activation;
use crate::errors::with;
use crate::house::{ANA, BEN, Client, DANA, GLASS, House, ROOT, SCOPES};
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
    let step = step_of(&asked);
    dana.patch(&step, json!({"reviewResult": "Deny", "justification": "left the team"})).await.is(204);
    assert_eq!(ana.get(&format!("{ELIGIBLE}/{}", id(&asked))).await.is(200)["status"], "AdminDenied");
    let asked = ana.post(ELIGIBLE, ask("selfExtend", "2027-01-01T00:00:00Z")).await.is(201);
    ana.send("POST", &format!("{ELIGIBLE}/{}/cancel", id(&asked)), "").await.is(204);
    assert_eq!(ana.get(&format!("{ELIGIBLE}/{}", id(&asked))).await.is(200)["status"], "Canceled");
    assert!(house.rights() == before);
}

/// Where the only step of a request is decided.
fn step_of(request: &Json) -> String {
    format!("/beta/roleManagement/directory/roleAssignmentApprovals/{0}/steps/{0}", id(request))
}

/// Ana's request, which Ben approved; and how he says yes.
async fn active_for_an_hour(ana: &Client, ben: &Client) -> (Json, Json) {
    let asked = ana.post(REQUESTS, activation("PT1H")).await.is(201);
    let yes = json!({"reviewResult": "Approve", "justification": "yes"});
    ben.patch(&step_of(&asked), yes.clone()).await.is(204);
    (asked, yes)
}

#[tokio::test]
async fn a_running_activation_is_extended_only_by_who_says_so() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let (asked, yes) = active_for_an_hour(&ana, &ben).await;

    let mut longer = activation("PT1H");
    longer["action"] = json!("selfExtend");
    longer["scheduleInfo"]["startDateTime"] = json!("2026-11-21T10:00:00Z");
    let as_graph = ana.post(REQUESTS, longer.clone()).await.refused();
    assert!(as_graph.starts_with("400 RoleAssignmentDoesNotExist: "), "as in Graph: {as_graph}");
    longer["@writ.activation"] = json!(true);
    let more = ana.post(REQUESTS, longer.clone()).await.is(201);
    assert_eq!((&more["status"], &more["targetScheduleId"]), (&json!("PendingApproval"), &asked["id"]));
    assert!(ana.patch(&step_of(&more), yes.clone()).await.refused().starts_with("403 "));
    ben.patch(&step_of(&more), yes).await.is(204);
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

/// Reports Reader: a role with everyday rules, eight hours at most, that nobody is asked to approve.
const READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";

/// More time for what Ana has switched on, until this moment today.
fn longer(role: &str, until: &str) -> Json {
    let end = json!({"expiration": {"type": "afterDateTime", "endDateTime": format!("2026-11-21T{until}Z")}});
    let more = json!({"action": "selfExtend", "@writ.activation": true, "roleDefinitionId": role, "scheduleInfo": end});
    with(activation("PT1H"), more)
}

/// Ana is eligible until noon today, or for long, and has switched it on for an hour.
async fn reading(house: &House, until: Option<&str>) -> Client {
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let expiration = match until {
        Some(end) => json!({"type": "afterDateTime", "endDateTime": end}),
        None => json!({"type": "noExpiration"}),
    };
    let give = json!({"action": "adminAssign", "roleDefinitionId": READER, "scheduleInfo": {"expiration": expiration}});
    dana.post(ELIGIBLE, with(activation("PT1H"), give)).await.is(201);
    ana.post(REQUESTS, with(activation("PT1H"), json!({"roleDefinitionId": READER}))).await.is(201);
    ana
}

async fn end(client: &Client) -> Json {
    let held = client.get(MINE).await.list();
    assert_eq!(held.len(), 1, "one activation, whatever its end");
    held[0]["endDateTime"].clone()
}

#[tokio::test]
async fn the_longest_span_counts_from_where_the_activation_began() {
    let house = House::new().await;
    let ana = reading(&house, None).await;
    house.clock.advance(Span::from_minutes(30));
    let ana = {
        drop(ana);
        house.signed_in(ANA).await
    };
    let over = ana.post(REQUESTS, longer(READER, "17:00:01")).await.refused();
    let rule = "400 RoleAssignmentRequestPolicyValidationFailed: The following policy rules failed: ExpirationRule - The duration in the request is greater than maximum allowed duration";
    assert!(over.starts_with(rule), "{over}");
    assert_eq!(end(&ana).await, "2026-11-21T10:00:00.000Z");
    let rehearsed =
        ana.post(REQUESTS, with(longer(READER, "17:00:00"), json!({"isValidationOnly": true}))).await.is(201);
    assert_eq!((&rehearsed["status"], &rehearsed["isValidationOnly"]), (&json!("Provisioned"), &json!(true)));
    assert_eq!(end(&ana).await, "2026-11-21T10:00:00.000Z", "only rehearsed");
    let more = ana.post(REQUESTS, longer(READER, "17:00:00")).await.is(201);
    assert_eq!((&more["status"], &more["action"]), (&json!("Provisioned"), &json!("selfExtend")));
    assert_eq!(end(&ana).await, "2026-11-21T17:00:00.000Z", "eight hours from nine");
    // The same again: there is nothing more to give, and nothing changes.
    let before = house.rights();
    let again = ana.post(REQUESTS, longer(READER, "17:00:00")).await.refused();
    assert!(again.starts_with("400 InvalidRoleAssignmentRequestSchedule: "), "{again}");
    assert!(house.rights() == before);
}

#[tokio::test]
async fn an_extension_never_outlives_the_eligibility() {
    let house = House::new().await;
    let ana = reading(&house, Some("2026-11-21T12:00:00Z")).await;
    let more = ana.post(REQUESTS, longer(READER, "13:00:00")).await.is(201);
    assert_eq!(more["scheduleInfo"]["expiration"]["endDateTime"], "2026-11-21T13:00:00.000Z", "as it was asked");
    assert_eq!(end(&ana).await, "2026-11-21T12:00:00.000Z", "and as far as it goes");
    let further = ana.post(REQUESTS, longer(READER, "14:00:00")).await.refused();
    assert!(further.starts_with("400 Request_BadRequest: ") && further.contains("ends then too"), "{further}");
    house.clock.advance(Span::from_hours(3));
    let ana = house.signed_in(ANA).await;
    let over = ana.post(REQUESTS, longer(READER, "14:00:00")).await.refused();
    assert!(over.starts_with("400 RoleAssignmentDoesNotExist: "), "{over}");
}

#[tokio::test]
async fn an_extension_asks_every_rule_again_of_the_holder_and_of_nobody_else() {
    let house = House::new().await;
    let ana = reading(&house, None).await;
    let ben = house.signed_in(BEN).await;
    let other = ben.post(REQUESTS, longer(READER, "12:00:00")).await.refused();
    assert!(other.starts_with("403 Authorization_RequestDenied: "), "{other}");
    let weak = house.signed_in_with(ANA, SCOPES, false).await;
    let silent = with(longer(READER, "12:00:00"), json!({"justification": " "}));
    let said = weak.post(REQUESTS, silent).await.refused();
    assert!(said.contains("JustificationRule - ") && said.contains("MfaRule - "), "{said}");
    house.clock.advance(Span::from_minutes(6));
    let stale = ana.post(REQUESTS, longer(READER, "12:00:00")).await.refused();
    assert!(stale.contains("MfaRule - "), "the proof has to be fresh for this ask: {stale}");
    for gap in ["10:30:00", "11:00:00"] {
        let fresh = house.signed_in(ANA).await;
        let mut body = longer(READER, "12:00:00");
        body["scheduleInfo"]["startDateTime"] = json!(format!("2026-11-21T{gap}Z"));
        let said = fresh.post(REQUESTS, body).await.refused();
        assert!(said.starts_with("400 InvalidRoleAssignmentRequestSchedule: "), "no gap: {said}");
    }
    assert_eq!(end(&house.signed_in(ANA).await).await, "2026-11-21T10:00:00.000Z");
}

#[tokio::test]
async fn of_two_extensions_at_once_one_is_heard() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let (_, yes) = active_for_an_hour(&ana, &ben).await;
    let root = ROOT.to_string();
    let (one, other) =
        tokio::join!(ana.post(REQUESTS, longer(&root, "10:30:00")), ana.post(REQUESTS, longer(&root, "10:45:00")));
    let (heard, refused) = if one.status.is_success() { (one, other) } else { (other, one) };
    let heard = heard.is(201);
    assert_eq!(heard["status"], "PendingApproval", "who approves the role approves more of it");
    let refused = refused.refused();
    assert!(refused.starts_with("400 PendingRoleAssignmentRequest: "), "{refused}");
    // Giving the role up takes the ask for more of it back.
    ana.post(REQUESTS, with(activation("PT1H"), json!({"action": "selfDeactivate"}))).await.is(201);
    assert_eq!(ana.get(&format!("{REQUESTS}/{}", id(&heard))).await.is(200)["status"], "Canceled");
    let late = ben.patch(&step_of(&heard), yes).await.refused();
    assert!(late.starts_with("409 "), "{late}");
    assert!(ana.get(MINE).await.list().is_empty());
}
