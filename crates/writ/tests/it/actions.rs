//! The nine actions over Graph's API: what comes back, when each may be asked, and what follows. What their bodies look
//! like is in `bodies`.

use crate::elevation::activation;
use crate::errors::with;
use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, FINANCE, House, SECURITY};
use serde_json::{Value as Json, json};
use writ_core::command::Command;
use writ_core::ids::PrincipalId;
use writ_core::time::Span;

pub(crate) const E: &str = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
pub(crate) const A: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const ELIGIBLE: &str = "/v1.0/roleManagement/directory/roleEligibilitySchedules";
const SCHEDULES: &str = "/v1.0/roleManagement/directory/roleAssignmentSchedules";
const INSTANCES: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances";
/// Reports Reader: a role with everyday rules, that nobody is asked to approve.
pub(crate) const READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";
/// User Administrator, Global Administrator, Application Administrator.
const USERS: &str = "fe930be7-5e62-47db-91af-98c3a49a38b1";
const GLOBAL: &str = "62e90394-69f5-4237-9190-012177145e10";
const APPLICATIONS: &str = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3";

/// What an administrator gives Eve.
pub(crate) fn gives(expiration: Json) -> Json {
    json!({
        "action": "adminAssign", "principalId": EVE, "roleDefinitionId": READER, "directoryScopeId": "/",
        "justification": "on call", "scheduleInfo": {"expiration": expiration},
    })
}

pub(crate) fn days(n: u32) -> Json {
    json!({"type": "afterDuration", "duration": format!("P{n}D")})
}

/// What Ana does with the role that nobody is asked to approve.
fn reads(action: &str) -> Json {
    with(activation("PT1H"), json!({"action": action, "roleDefinitionId": READER}))
}

fn id(row: &Json) -> String {
    row["id"].as_str().expect("an id").to_owned()
}

pub(crate) async fn asked(client: &Client, path: &str, body: Json) -> String {
    let reply = client.post(path, body).await;
    if reply.status.is_success() {
        let made = reply.json();
        return format!("{} {}", reply.status.as_u16(), made["status"].as_str().expect("a status"));
    }
    reply.refused()
}

/// Whether an answer begins so.
#[track_caller]
pub(crate) fn begins(what: &str, said: &str, wanted: &str) {
    assert!(said.starts_with(wanted), "{what}: wanted {wanted}\n   got {said}");
}

#[tokio::test]
async fn what_comes_back_is_what_was_asked_and_one_id_goes_through_all_of_it() {
    let house = House::new().await;
    house.eligible(ANA, READER.parse().expect("an id")).await;
    let ana = house.signed_in(ANA).await;
    let made = ana.post(A, reads("selfActivate")).await.is(201);
    for name in ["createdDateTime", "completedDateTime"] {
        assert_eq!(made[name], "2026-11-21T09:00:00.0000000Z", "seven digits in the answer that makes it");
    }
    let info = json!({
        "startDateTime": "2026-11-21T09:00:00.0000000Z", "recurrence": null,
        "expiration": {"type": "afterDuration", "duration": "PT1H", "endDateTime": null},
    });
    assert_eq!(made["scheduleInfo"], info);
    assert_eq!(made["ticketInfo"], json!({"ticketNumber": "INC-417", "ticketSystem": "desk"}));
    assert_eq!((&made["approvalId"], &made["isValidationOnly"]), (&Json::Null, &json!(false)));
    assert_eq!(made["createdBy"]["user"], json!({"displayName": null, "id": ANA}));
    let later = ana.get(&format!("{A}/{}", id(&made))).await.is(200);
    assert_eq!(later["createdDateTime"], "2026-11-21T09:00:00.000Z", "three in every later one");

    let mine = format!("{INSTANCES}/filterByCurrentUser(on='principal')?$expand=activatedUsing");
    let held = ana.get(&mine).await.list().remove(0);
    let schedule = ana.get(&format!("{SCHEDULES}/{}?$expand=activatedUsing", id(&made))).await.is(200);
    assert_eq!(made["targetScheduleId"], made["id"]);
    assert_eq!((&schedule["id"], &schedule["createdUsing"]), (&made["id"], &made["id"]));
    assert_eq!(held["roleAssignmentScheduleId"], made["id"]);
    assert_eq!(held["endDateTime"], "2026-11-21T10:00:00.000Z", "the computed end is on the instance");
    assert_eq!((&held["assignmentType"], &schedule["assignmentType"]), (&json!("Activated"), &json!("Activated")));
    assert_eq!(held["activatedUsing"]["roleEligibilityScheduleId"], schedule["activatedUsing"]["id"]);
    let plain = ana.get("/v1.0/roleManagement/directory/roleAssignments").await.list();
    assert!(plain.iter().any(|row| row["id"] == held["roleAssignmentOriginId"]), "an activation is a plain row too");

    let up = ana.post(A, reads("selfDeactivate")).await.is(201);
    assert_eq!(
        (&up["status"], &up["targetScheduleId"], &up["scheduleInfo"], &up["completedDateTime"]),
        (&json!("Revoked"), &Json::Null, &Json::Null, &Json::Null)
    );
    assert_eq!(ana.get(&format!("{A}/{}", id(&made))).await.is(200)["status"], "Provisioned", "it was, and stays so");
    assert!(ana.get(&mine).await.list().is_empty());
    assert!(ana.get(&format!("{SCHEDULES}/{}", id(&made))).await.refused().starts_with("404 "));
}

#[tokio::test]
async fn an_activation_that_begins_later_has_a_schedule_and_no_instance_until_then() {
    let house = House::new().await;
    house.eligible(ANA, READER.parse().expect("an id")).await;
    let (ana, eve) = (house.signed_in(ANA).await, house.signed_in(EVE).await);
    let info =
        json!({"startDateTime": "2026-11-21T12:00:00Z", "expiration": {"type": "afterDuration", "duration": "PT1H"}});
    let body = with(reads("selfActivate"), json!({"scheduleInfo": info}));
    let made = ana.post(A, body.clone()).await.is(201);
    assert_eq!((&made["status"], &made["approvalId"]), (&json!("Granted"), &Json::Null));
    assert_eq!(made["completedDateTime"], "2026-11-21T12:00:00.000Z", "the start");
    let one = format!("{SCHEDULES}/{}", id(&made));
    let schedule = ana.get(&one).await.is(200);
    assert_eq!((&schedule["assignmentType"], &schedule["createdUsing"]), (&json!("Activated"), &made["id"]));
    assert_eq!(schedule["scheduleInfo"]["expiration"]["endDateTime"], "2026-11-21T13:00:00.000Z");
    for list in [
        format!("{SCHEDULES}?$filter=id eq '{}'", id(&made)),
        format!("{SCHEDULES}?$filter=roleDefinitionId eq '{READER}'"),
        format!("{SCHEDULES}/filterByCurrentUser(on='principal')"),
    ] {
        assert_eq!(ana.get(&list).await.list().iter().filter(|row| row["id"] == made["id"]).count(), 1, "{list}");
        assert!(eve.get(&list).await.list().is_empty(), "not hers to see: {list}");
    }
    let row = ana.get(&format!("{A}/{}?$expand=targetSchedule", id(&made))).await.is(200);
    assert_eq!(row["targetSchedule"]["id"], made["id"]);
    let mine = format!("{INSTANCES}/filterByCurrentUser(on='principal')");
    assert!(ana.get(&mine).await.list().is_empty());
    begins("twice", &asked(&ana, A, body.clone()).await, "400 PendingRoleAssignmentRequest: ");

    // Page by page it comes once, in its place.
    let dana = house.signed_in(DANA).await;
    let (mut seen, mut next) = (Vec::new(), Some(format!("{SCHEDULES}?$top=1")));
    while let Some(path) = next {
        let page = dana.get(path.trim_start_matches("http://localhost")).await.is(200);
        seen.extend(page["value"].as_array().expect("a list").iter().map(id));
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    let whole: Vec<String> = dana.get(SCHEDULES).await.list().iter().map(id).collect();
    assert_eq!(seen, whole);
    assert!(whole.contains(&id(&made)) && whole.is_sorted());

    // Taken back, the schedule goes with it.
    ana.send("POST", &format!("{A}/{}/cancel", id(&made)), "").await.is(204);
    let gone = ana.get(&format!("{A}/{}", id(&made))).await.is(200);
    assert_eq!((&gone["status"], &gone["completedDateTime"]), (&json!("Canceled"), &json!("2026-11-21T09:00:00.000Z")));
    assert!(ana.get(&one).await.refused().starts_with("404 "));

    // Not taken back, it begins by itself, under the same id.
    let made = ana.post(A, body).await.is(201);
    let mut commits = house.engine.watch();
    house.clock.advance(Span::from_hours(3));
    while house
        .engine
        .state()
        .assignments
        .get(&id(&made).parse::<writ_core::ids::AssignmentId>().expect("an id"))
        .is_none()
    {
        tokio::time::timeout(std::time::Duration::from_secs(20), commits.changed()).await.expect("it begins").ok();
    }
    let ana = house.signed_in(ANA).await;
    let held = ana.get(&mine).await.list().remove(0);
    assert_eq!(
        (&held["roleAssignmentScheduleId"], &held["startDateTime"]),
        (&made["id"], &json!("2026-11-21T12:00:00.000Z"))
    );
    let request = ana.get(&format!("{A}/{}", id(&made))).await.is(200);
    assert_eq!(
        (&request["status"], &request["completedDateTime"]),
        (&json!("Provisioned"), &json!("2026-11-21T12:00:00.000Z"))
    );
}

#[tokio::test]
async fn a_grant_for_later_is_cancelled_by_an_administrator_and_by_nobody_else() {
    let house = House::new().await;
    let (dana, eve, ben) = (house.signed_in(DANA).await, house.signed_in(EVE).await, house.signed_in(BEN).await);
    for (requests, schedules) in [(E, ELIGIBLE), (A, SCHEDULES)] {
        let info = json!({"startDateTime": "2027-01-01T00:00:00Z", "expiration": days(9)});
        let made = dana.post(requests, with(gives(days(9)), json!({"scheduleInfo": info}))).await.is(201);
        assert_eq!(
            (&made["status"], &made["completedDateTime"]),
            (&json!("Granted"), &json!("2027-01-01T00:00:00.000Z"))
        );
        let (cancel, schedule) = (format!("{requests}/{}/cancel", id(&made)), format!("{schedules}/{}", id(&made)));
        dana.get(&schedule).await.is(200);
        assert!(ben.send("POST", &cancel, "").await.refused().starts_with("404 "), "he may not know of it");
        assert!(eve.send("POST", &cancel, "").await.refused().starts_with("403 "), "she did not ask for it");
        dana.send("POST", &cancel, "").await.is(204);
        assert!(dana.get(&schedule).await.refused().starts_with("404 "), "the schedule goes with it");
        assert!(dana.send("POST", &cancel, "").await.refused().starts_with("400 "), "only what is still open");
        let there = dana.post(requests, gives(days(9))).await.is(201);
        let again = dana.send("POST", &format!("{requests}/{}/cancel", id(&there)), "").await.refused();
        assert!(again.starts_with("400 "), "what has begun is removed, not cancelled: {again}");
    }
}

#[tokio::test]
async fn an_update_replaces_the_schedule_and_keeps_its_id() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    for (requests, schedules) in [(E, ELIGIBLE), (A, SCHEDULES)] {
        let made = dana.post(requests, gives(days(9))).await.is(201);
        let update = with(gives(json!({"type": "noExpiration"})), json!({"action": "adminUpdate"}));
        let updated = dana.post(requests, update).await.is(201);
        assert_eq!((&updated["status"], &updated["targetScheduleId"]), (&json!("Provisioned"), &made["id"]));
        assert_ne!(updated["id"], made["id"]);
        let schedule = dana.get(&format!("{schedules}/{}", id(&made))).await.is(200);
        assert_eq!(schedule["scheduleInfo"]["expiration"]["type"], "noExpiration");
        assert_eq!(
            (&schedule["createdUsing"], &schedule["modifiedDateTime"]),
            (&made["id"], &json!("2026-11-21T09:00:00.000Z"))
        );
        // Shortened as well: to what is asked, counted from now.
        let shorter = with(gives(days(2)), json!({"action": "AdminUpdate"}));
        dana.post(requests, shorter).await.is(201);
        let schedule = dana.get(&format!("{schedules}/{}", id(&made))).await.is(200);
        assert_eq!(schedule["scheduleInfo"]["expiration"]["endDateTime"], "2026-11-23T09:00:00.000Z");
    }
}

#[tokio::test]
async fn an_activation_and_an_assignment_of_the_same_stand_side_by_side() {
    let house = House::new().await;
    house.eligible(ANA, READER.parse().expect("an id")).await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    ana.post(A, reads("selfActivate")).await.is(201);
    dana.post(A, with(gives(days(1)), json!({"principalId": ANA}))).await.is(201);
    let mine = format!("{INSTANCES}/filterByCurrentUser(on='principal')");
    // The list has no order that was promised.
    let types = |rows: Vec<Json>| {
        let mut types: Vec<_> = rows.iter().map(|r| r["assignmentType"].to_string()).collect();
        types.sort();
        types.join(" ")
    };
    assert_eq!(types(ana.get(&mine).await.list()), r#""Activated" "Assigned""#);
    ana.post(A, reads("selfDeactivate")).await.is(201);
    assert_eq!(types(ana.get(&mine).await.list()), r#""Assigned""#);
    begins("assigned", &asked(&ana, A, reads("selfDeactivate")).await, "400 RoleAssignmentDoesNotExist: ");
}

#[tokio::test]
async fn what_a_group_is_eligible_for_its_members_activate_for_themselves() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let crew = json!({"displayName": "Crew", "isAssignableToRole": true, "members@odata.bind": [format!("http://localhost/v1.0/users/{ANA}")]});
    let crew = id(&dana.post("/v1.0/groups", crew).await.is(201));
    dana.post(E, with(gives(days(9)), json!({"principalId": crew}))).await.is(201);
    let mine = format!("{ELIGIBLE}/filterByCurrentUser(on='principal')?$filter=roleDefinitionId eq '{READER}'");
    let row = ana.get(&mine).await.list().remove(0);
    assert_eq!((&row["memberType"], &row["principalId"]), (&json!("Group"), &json!(crew)));
    let of_requests = format!("{E}/filterByCurrentUser(on='principal')?$filter=roleDefinitionId eq '{READER}'");
    assert!(ana.get(&of_requests).await.list().is_empty(), "requests are about who is named in them");
    let longer = with(reads("selfExtend"), json!({"scheduleInfo": {"expiration": days(30)}}));
    begins("the group's row", &asked(&ana, E, longer).await, "400 RoleAssignmentDoesNotExist: ");

    let made = ana.post(A, reads("selfActivate")).await.is(201);
    assert_eq!(made["principalId"], json!(ANA));
    let instances = format!("{INSTANCES}/filterByCurrentUser(on='principal')?$expand=activatedUsing");
    let held = ana.get(&instances).await.list().remove(0);
    assert_eq!((&held["memberType"], &held["principalId"]), (&json!("Direct"), &json!(ANA)));
    assert_eq!(
        (&held["activatedUsing"]["principalId"], &held["activatedUsing"]["id"]),
        (&json!(crew), &json!(format!("{}-e", id_of(&crew))))
    );
    // What the group is assigned its members hold, in rows of the group's.
    dana.post(A, with(gives(days(1)), json!({"principalId": crew, "roleDefinitionId": USERS}))).await.is(201);
    let rows = ana.get(&instances).await.list();
    let of_group = rows.iter().find(|r| r["principalId"] == json!(crew)).expect("the group's row");
    assert_eq!((&of_group["memberType"], &of_group["assignmentType"]), (&json!("Group"), &json!("Assigned")));
    // Whoever leaves loses both in the same moment.
    dana.delete(&format!("/v1.0/groups/{crew}/members/{ANA}/$ref")).await.is(204);
    assert!(ana.get(&instances).await.list().is_empty());
    let plain = with(gives(days(1)), json!({"principalId": SECURITY}));
    begins("an ordinary group", &asked(&dana, E, plain).await, "400 Request_BadRequest: ");
}

/// The id of a tenant-wide assignment of Reports Reader to this principal.
fn id_of(principal: &str) -> String {
    use writ_core::scope::{Scope, Target};
    let target = Target::role(READER.parse().expect("an id"), Scope::Tenant);
    writ::http::graph::ids::assignment(principal.parse::<PrincipalId>().expect("an id"), target, false)
}

#[tokio::test]
async fn a_role_is_given_only_where_it_can_hold() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let app = json!({"displayName": "Payroll", "appId": "00000000-0000-0000-0000-0000000000aa"});
    house
        .does(
            DANA,
            Command::CreateService {
                service: PrincipalId::from_u128(0xaa),
                name: "Payroll".into(),
                app: app["appId"].as_str().expect("an id").parse().expect("an id"),
            },
        )
        .await;
    let (unit, one) = (format!("/administrativeUnits/{FINANCE}"), format!("/{}", PrincipalId::from_u128(0xaa)));
    let no =
        "400 Request_BadRequest: The given built-in role is not supported to be assigned to a single resource scope.";
    for (role, scope, wanted) in [
        (USERS, unit.as_str(), "201 Provisioned"),
        (USERS, one.as_str(), no),
        (GLOBAL, &unit, no),
        (GLOBAL, &one, no),
        (APPLICATIONS, &one, "201 Provisioned"),
        (APPLICATIONS, &unit, no),
        (READER, "/", "201 Provisioned"),
        (READER, &unit, no),
        (READER, "/administrativeUnits/00000000-0000-0000-0000-00000000dead", "400 InvalidScope: "),
        (READER, "/00000000-0000-0000-0000-00000000dead", "400 InvalidScope: "),
    ] {
        for requests in [E, A] {
            let body = with(gives(days(1)), json!({"roleDefinitionId": role, "directoryScopeId": scope}));
            begins(&format!("{role} {scope}"), &asked(&dana, requests, body).await, wanted);
        }
    }
    let plain = json!({"principalId": BEN, "roleDefinitionId": GLOBAL, "directoryScopeId": unit});
    let plain = dana.post("/v1.0/roleManagement/directory/roleAssignments", plain).await.refused();
    begins("the older door", &plain, no);
    let eve = house.signed_in(EVE).await;
    let rows =
        eve.get(&format!("{INSTANCES}?$filter=roleDefinitionId eq '{USERS}'&$expand=directoryScope")).await.list();
    assert_eq!((&rows[0]["directoryScopeId"], &rows[0]["directoryScope"]["id"]), (&json!(unit), &json!(FINANCE)));
}

#[tokio::test]
async fn with_entras_switch_nothing_is_given_up_or_removed_in_its_first_five_minutes() {
    let house = House::new().await;
    house.eligible(ANA, READER.parse().expect("an id")).await;
    let old = Command::ChangeSettings { name: None, span_min: None, age_min: Some(Span::from_minutes(5)) };
    house.does(DANA, old).await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let sentence = "400 ActiveDurationTooShort: The Active duration is too short. Miniumum Required is 5 minutes.";
    ana.post(A, reads("selfActivate")).await.is(201);
    dana.post(E, gives(days(1))).await.is(201);
    dana.post(A, gives(days(1))).await.is(201);
    house.clock.advance(Span::from_seconds(299));
    let remove = with(gives(days(1)), json!({"action": "adminRemove", "scheduleInfo": null}));
    begins("given up", &asked(&ana, A, reads("selfDeactivate")).await, sentence);
    begins("eligibility", &asked(&dana, E, remove.clone()).await, sentence);
    begins("assignment", &asked(&dana, A, remove.clone()).await, sentence);
    house.clock.advance(Span::from_seconds(1));
    assert_eq!(asked(&ana, A, reads("selfDeactivate")).await, "201 Revoked");
    assert_eq!(asked(&dana, E, remove.clone()).await, "201 Revoked");
    assert_eq!(asked(&dana, A, remove).await, "201 Revoked");
}

#[tokio::test]
async fn the_windows_of_extension_renewal_and_approval_open_and_close_to_the_moment() {
    let house = House::new().await;
    let (dana, eve) = (house.signed_in(DANA).await, house.signed_in(EVE).await);
    dana.post(E, gives(days(14))).await.is(201);
    let ask = |action: &str| with(gives(days(60)), json!({"action": action}));
    let rehearsed = |action: &str| with(ask(action), json!({"isValidationOnly": true}));
    // Fourteen days before the end, and not a moment more.
    assert_eq!(asked(&eve, E, rehearsed("selfExtend")).await, "201 PendingAdminDecision");
    dana.post(
        E,
        with(
            gives(json!({"type": "afterDateTime", "endDateTime": "2026-12-05T09:00:00.001Z"})),
            json!({"action": "adminUpdate"}),
        ),
    )
    .await
    .is(201);
    begins(
        "early",
        &asked(&eve, E, rehearsed("selfExtend")).await,
        "400 InvalidRoleAssignmentRequest: The role assignment request is invalid.",
    );
    house.clock.advance(Span::from_millis(1));
    assert_eq!(asked(&eve, E, rehearsed("selfExtend")).await, "201 PendingAdminDecision");
    begins("not over", &asked(&eve, E, rehearsed("selfRenew")).await, "400 RoleAssignmentExists: ");

    // Thirty days after it, and not a moment more.
    house.clock.advance(Span::from_days(14));
    let glass = house.signed_in(crate::house::GLASS).await;
    let eve = house.signed_in(EVE).await;
    begins("over", &asked(&eve, E, rehearsed("selfExtend")).await, "400 RoleAssignmentDoesNotExist: ");
    assert_eq!(asked(&eve, E, rehearsed("selfRenew")).await, "201 PendingAdminDecision");
    assert_eq!(asked(&glass, E, rehearsed("adminRenew")).await, "201 Provisioned");
    house.clock.advance(Span::from_millis(30 * 86_400_000 - 1));
    let (glass, eve) = (house.signed_in(crate::house::GLASS).await, house.signed_in(EVE).await);
    assert_eq!(asked(&eve, E, rehearsed("selfRenew")).await, "201 PendingAdminDecision");
    assert_eq!(asked(&glass, E, rehearsed("adminRenew")).await, "201 Provisioned");
    house.clock.advance(Span::from_millis(1));
    let glass = house.signed_in(crate::house::GLASS).await;
    begins(
        "too late",
        &asked(&house.signed_in(EVE).await, E, rehearsed("selfRenew")).await,
        "400 RoleAssignmentDoesNotExist: ",
    );
    begins("too late", &asked(&glass, E, rehearsed("adminRenew")).await, "400 RoleAssignmentDoesNotExist: ");
}

#[tokio::test]
async fn an_ask_that_nobody_decides_is_over_after_twenty_four_hours() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    let made = ana.post(A, activation("PT1H")).await.is(201);
    let step = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{0}/steps/{0}", id(&made));
    let yes = json!({"reviewResult": "Approve", "justification": "late"});
    house.clock.advance(Span::from_hours(24));
    let (ana, carla) = (house.signed_in(ANA).await, house.signed_in(CARLA).await);
    let late = carla.patch(&step, yes).await.refused();
    assert!(late.starts_with("409 Conflict: The request is timed out"), "{late}");
    let known: writ_core::ids::RequestId = id(&made).parse().expect("an id");
    let mut commits = house.engine.watch();
    while house.engine.state().requests[&known].status.open() {
        tokio::time::timeout(std::time::Duration::from_secs(20), commits.changed()).await.expect("it ends").ok();
    }
    assert_eq!(ana.get(&format!("{A}/{}", id(&made))).await.is(200)["status"], "TimedOut");
    assert!(ana.send("POST", &format!("{A}/{}/cancel", id(&made)), "").await.refused().starts_with("400 "));
    assert_eq!(asked(&ana, A, activation("PT1H")).await, "201 PendingApproval", "and may be asked again");
}

/// In Graph's recorded answers a function's rows say their type, and its context names it; a list's do neither.
#[tokio::test]
async fn what_a_function_finds_says_of_which_type_it_is() {
    let house = House::new().await;
    house.eligible(ANA, READER.parse().expect("an id")).await;
    let ana = house.signed_in(ANA).await;
    ana.post(A, reads("selfActivate")).await.is(201);
    let root = "/v1.0/roleManagement/directory/";
    for (list, kind) in [
        ("roleEligibilityScheduleInstances", "unifiedRoleEligibilityScheduleInstance"),
        ("roleEligibilitySchedules", "unifiedRoleEligibilitySchedule"),
        ("roleAssignmentScheduleInstances", "unifiedRoleAssignmentScheduleInstance"),
        ("roleAssignmentSchedules", "unifiedRoleAssignmentSchedule"),
        ("roleAssignmentScheduleRequests", "unifiedRoleAssignmentScheduleRequest"),
    ] {
        let found = ana.get(&format!("{root}{list}/filterByCurrentUser(on='principal')?$select=id")).await.is(200);
        assert_eq!(found["@odata.context"], format!("http://localhost/v1.0/$metadata#Collection({kind})"));
        assert_eq!(found["value"][0]["@odata.type"], format!("#microsoft.graph.{kind}"), "{found}");
        let plain = ana.get(&format!("{root}{list}?$select=id")).await.is(200);
        assert_eq!(plain["@odata.context"], format!("http://localhost/v1.0/$metadata#roleManagement/directory/{list}"));
        assert_eq!(plain["value"][0]["@odata.type"], Json::Null, "{plain}");
    }
}
