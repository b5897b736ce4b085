//! Budgets over HTTP: one caller's spray is told to wait and slows nobody else; giving up, taking away and emergency
//! accounts never wait.

use crate::elevation::activation;
use crate::house::{ANA, Client, DANA, EVE, House, ROOT, Reply};
use serde_json::json;
use writ_core::ids::PrincipalId;
use writ_core::time::Span;

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const CHEAP: &str = "/v1.0/organization";

/// Asks until told to wait; how often it was answered, and what was said then.
async fn spray(client: &Client) -> (u32, Reply) {
    for n in 0..10_000 {
        let reply = client.get(CHEAP).await;
        if reply.status == 429 {
            return (n, reply);
        }
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    panic!("nobody was told to wait");
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn one_callers_spray_slows_nobody_else_and_ends_when_told() {
    let house = House::new().await;
    let (eve, dana) = (house.signed_in(EVE).await, house.signed_in(DANA).await);
    assert_eq!(header(&eve.get(CHEAP).await, "x-ms-resource-unit"), "1");
    assert_eq!(header(&eve.get(&format!("{REQUESTS}?$expand=principal")).await, "x-ms-resource-unit"), "2");
    let (times, told) = spray(&eve).await;
    assert_eq!(times, 3_500 - 3, "Graph's budget for a small tenant");
    assert_eq!(header(&told, "x-ms-throttle-information"), "ResourceUnitLimitExceeded");
    assert!(header(&told, "x-ms-throttle-scope").starts_with(&format!("Tenant_Application/ReadWrite/{EVE}/")));
    assert_eq!(header(&told, "x-ms-throttle-limit-percentage"), "1.00");
    assert_eq!(header(&told, "retry-after"), "1");
    assert!(told.refused().starts_with("429 TooManyRequests: "));
    assert!(eve.get("/v1.0/nothing/there").await.refused().starts_with("429 "), "wrong paths are charged too");

    let other = dana.get(CHEAP).await;
    assert_eq!((other.status.as_u16(), header(&other, "x-ms-throttle-limit-percentage")), (200, ""));

    house.clock.advance(Span::from_seconds(1));
    assert_eq!(eve.get(CHEAP).await.status, 200, "waiting as told is enough");
}

#[tokio::test]
async fn a_caller_who_has_to_wait_can_still_give_up_and_take_away() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let (_, _) = (spray(&ana).await, spray(&dana).await);
    assert!(ana.post(REQUESTS, activation("PT1H")).await.refused().starts_with("429 "), "no new power meanwhile");
    ana.send("POST", &format!("{REQUESTS}/{id}/cancel"), "").await.is(204);
    let mut body = activation("PT1H");
    body["action"] = json!("selfDeactivate");
    let said = ana.post(REQUESTS, body).await.refused();
    assert!(said.starts_with("400 RoleAssignmentDoesNotExist: "), "judged, not told to wait: {said}");
    let removal =
        json!({"action": "AdminRemove", "principalId": ANA, "roleDefinitionId": ROOT, "directoryScopeId": "/"});
    let eligibilities = "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests";
    assert_eq!(dana.post(eligibilities, removal).await.is(201)["status"], "Revoked");
}

#[tokio::test]
async fn an_emergency_account_never_waits() {
    let house = House::new().await;
    let glass = house.signed_in(PrincipalId::from_u128(0x91)).await;
    for _ in 0..4_000 {
        assert_eq!(glass.get(CHEAP).await.status, 200);
    }
}

#[tokio::test]
async fn in_a_batch_each_request_is_charged_and_told_by_itself() {
    let house = House::new().await;
    let eve = house.signed_in(EVE).await;
    spray(&eve).await;
    house.clock.advance(Span::from_millis(10));
    let requests = json!({"requests": [
        {"id": "1", "method": "GET", "url": "/organization"},
        {"id": "2", "method": "GET", "url": "/organization", "dependsOn": ["1"]},
        {"id": "3", "method": "GET", "url": "/organization"},
        {"id": "4", "method": "GET", "url": "/organization"},
        {"id": "5", "method": "GET", "url": "/organization", "dependsOn": ["4"]},
    ]});
    let json = eve.post("/v1.0/$batch", requests).await.is(200);
    let told = |n: usize| &json["responses"][n];
    let statuses: Vec<&serde_json::Value> = (0..5).map(|n| &told(n)["status"]).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 424], "10 ms fill three and a half units: {json}");
    assert_eq!(told(3)["headers"]["Retry-After"], "1");
    assert_eq!(told(3)["body"]["error"]["code"], "TooManyRequests");
    assert_eq!(told(0)["headers"]["x-ms-resource-unit"], "1");
}

#[tokio::test]
async fn writs_own_routes_spend_the_same_budget_and_emergency_accounts_do_not_wait_there_either() {
    let house = House::new().await;
    let (eve, dana) = (house.signed_in(EVE).await, house.signed_in(DANA).await);
    let (_, told) = spray(&eve).await;
    assert_eq!(told.status, 429);
    let search = "/writ/v1/names?kind=principal&typed=a";
    let reply = eve.get(search).await;
    assert_eq!(header(&reply, "retry-after"), "1");
    assert!(reply.refused().starts_with("429 TooManyRequests: "));
    assert!(eve.post("/writ/v1/explain", json!({"role": ROOT})).await.refused().starts_with("429 "));
    assert_eq!(dana.get(search).await.status, 200, "another caller's own");
    // Leaving, and knowing whom one speaks to, costs nothing.
    assert_eq!(eve.get("/writ/v1/about").await.status, 200);
    assert_eq!(eve.send("POST", "/writ/v1/signout", "").await.status, 204);
    let glass = house.signed_in(PrincipalId::from_u128(0x91)).await;
    for _ in 0..4_000 {
        assert_eq!(glass.get("/writ/v1/status").await.status, 200);
    }
}
