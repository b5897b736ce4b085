//! Changing users over Graph's API: what a PATCH keeps, what it ends, what it refuses, and who may send it.

use crate::elevation::activation;
use crate::errors::with;
use crate::house::{ANA, BEN, DANA, EVE, GLASS, House};
use serde_json::{Value as Json, json};

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const MINE: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')";
/// Reports Reader: a role with everyday rules.
const READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";

#[tokio::test]
async fn a_patch_of_a_user_keeps_what_it_can_and_refuses_the_rest_by_name() {
    let house = House::new().await;
    let (dana, eve) = (house.signed_in(DANA).await, house.signed_in(EVE).await);
    let path = format!("/v1.0/users/{EVE}");
    dana.patch(&path, json!({"displayName": "Eve Adams"})).await.is(204);
    dana.patch("/v1.0/users/EVE@northwind.example", json!({"UserPrincipalName": "eve.adams@northwind.example"}))
        .await
        .is(204);
    let now = dana.get("/v1.0/users/eve.adams@northwind.example").await.is(200);
    assert_eq!(
        (&now["id"], &now["displayName"], &now["mail"]),
        (&json!(EVE), &json!("Eve Adams"), &json!("eve.adams@northwind.example"))
    );
    let before = house.rights();
    for (body, wanted) in [
        (
            json!({"userPrincipalName": "ana@northwind.example"}),
            "400 Request_BadRequest: Another object with the same value for property",
        ),
        (json!({"displayName": ""}), "400 "),
        (json!({"displayName": 7}), "400 "),
        (json!({"accountEnabled": 7}), "400 "),
        (json!({"dispalyName": "Eve"}), "400 Request_BadRequest: Invalid property 'dispalyName'."),
        (json!({"passwordProfile": {"password": "hunter2"}}), "400 "),
        (json!([]), "400 "),
    ] {
        let said = dana.patch(&path, body.clone()).await.refused();
        assert!(said.starts_with(wanted), "{body}: {said}");
        assert!(!said.contains("hunter2"), "a secret never comes back: {said}");
    }
    assert!(
        dana.patch("/v1.0/users/nobody@northwind.example", json!({"displayName": "x"}))
            .await
            .refused()
            .starts_with("404 ")
    );
    // Nobody renames themselves, or somebody else, without a role for it.
    for other in [EVE, ANA] {
        let said = eve.patch(&format!("/v1.0/users/{other}"), json!({"displayName": "Queen"})).await.refused();
        assert!(said.starts_with("403 Authorization_RequestDenied: "), "{said}");
    }
    let narrow = house.signed_in_with(DANA, &["User.Read.All"], true).await;
    assert!(narrow.patch(&path, json!({"displayName": "x"})).await.refused().starts_with("403 "));
    assert!(house.rights() == before);
}

#[tokio::test]
async fn disabling_ends_what_runs_suspends_what_stands_and_revives_nothing() {
    let house = House::new().await;
    house.eligible(ANA, READER.parse().expect("an id")).await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let reads = with(activation("PT1H"), json!({"roleDefinitionId": READER}));
    ana.post(REQUESTS, reads.clone()).await.is(201);
    let asked = ana.post(REQUESTS, activation("PT1H")).await.is(201);
    assert_eq!(ana.get(MINE).await.list().len(), 1);
    let path = format!("/v1.0/users/{ANA}");
    dana.patch(&path, json!({"accountEnabled": false})).await.is(204);
    assert!(ana.get(MINE).await.refused().starts_with("401 "), "her token opens nothing any more");
    let of_ana = format!("$filter=principalId eq '{ANA}'");
    let list = |collection: &str| format!("/v1.0/roleManagement/directory/{collection}?{of_ana}");
    assert!(dana.get(&list("roleAssignmentScheduleInstances")).await.list().is_empty());
    assert!(dana.get(&list("roleEligibilityScheduleInstances")).await.list().is_empty(), "nothing she could use");
    assert_eq!(dana.get(&list("roleEligibilitySchedules")).await.list().len(), 2, "and hers when she is back");
    let request = dana.get(&format!("{REQUESTS}/{}", asked["id"].as_str().expect("an id"))).await.is(200);
    assert_eq!(request["status"], "Canceled", "nobody approves for somebody who is disabled");
    dana.patch(&path, json!({"accountEnabled": true})).await.is(204);
    let ana = house.signed_in(ANA).await;
    assert!(ana.get(MINE).await.list().is_empty(), "what ended stays ended");
    ana.post(REQUESTS, reads).await.is(201);
}

#[tokio::test]
async fn the_last_way_in_is_not_disabled_and_a_stranger_disables_nobody() {
    let house = House::new().await;
    let (dana, ben) = (house.signed_in(DANA).await, house.signed_in(BEN).await);
    let off: Json = json!({"accountEnabled": false});
    for who in [EVE, GLASS, DANA] {
        let said = ben.patch(&format!("/v1.0/users/{who}"), off.clone()).await.refused();
        assert!(said.starts_with("403 "), "{said}");
    }
    dana.patch("/v1.0/users/glass1@northwind.example", off.clone()).await.is(204);
    let last = dana.patch("/v1.0/users/glass2@northwind.example", off).await.refused();
    assert!(last.starts_with("400 Request_BadRequest: This would leave no enabled emergency account"), "{last}");
}
