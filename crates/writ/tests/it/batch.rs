//! Batches: each request in one is judged as if it had come alone.

use crate::house::{ANA, DANA, EVE, House, SCOPES, SECURITY};
use serde_json::{Value as Json, json};

fn statuses(answer: &Json) -> Vec<u64> {
    answer["responses"].as_array().expect("responses").iter().map(|r| r["status"].as_u64().expect("a status")).collect()
}

#[tokio::test]
async fn permissions_and_roles_are_judged_for_each_request() {
    let house = House::new().await;
    let batch = json!({"requests": [
        {"id": "a", "method": "GET", "url": "/me"},
        {"id": "b", "method": "GET", "url": "/groups"},
        {"id": "c", "method": "POST", "url": "/groups", "body": {"displayName": "New"}},
        {"id": "d", "method": "GET", "url": "/groups", "dependsOn": ["c"]},
        {"id": "e", "method": "GET", "url": "/me", "dependsOn": ["a"]},
        {"id": "f", "method": "GET", "url": "/me", "dependsOn": ["d"]},
    ]});
    let head = house.engine.head();
    let narrow = house.signed_in_with(DANA, &["User.Read"], true).await;
    let told = narrow.post("/v1.0/$batch", batch.clone()).await.is(200);
    assert_eq!(statuses(&told), [200, 403, 403, 424, 200, 424]);
    let said = told["responses"][1]["body"]["error"]["message"].as_str().expect("a message");
    assert!(said.contains("GroupMember.Read.All") && said.contains("User.Read"), "{said}");
    assert_eq!(told["responses"][3]["body"]["error"]["code"], "FailedDependency");
    let eve = house.signed_in_with(EVE, SCOPES, true).await;
    assert_eq!(statuses(&eve.post("/v1.0/$batch", batch.clone()).await.is(200)), [200, 200, 403, 424, 200, 424]);
    assert_eq!(house.engine.head(), head, "nothing was written");
    let dana = house.signed_in(DANA).await;
    assert_eq!(statuses(&dana.post("/v1.0/$batch", batch).await.is(200)), [200, 200, 201, 200, 200, 200]);
}

#[tokio::test]
async fn what_is_written_in_a_batch_is_read_by_what_depends_on_it() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let reference = json!({"@odata.id": format!("http://localhost/v1.0/directoryObjects/{ANA}")});
    let told = dana
        .post(
            "/v1.0/$batch",
            json!({"requests": [
                {"id": "1", "method": "POST", "url": format!("/groups/{SECURITY}/members/$ref"), "body": reference},
                {"id": "2", "method": "GET", "url": format!("/groups/{SECURITY}/members"), "dependsOn": ["1"]},
            ]}),
        )
        .await
        .is(200);
    let members = told["responses"][1]["body"]["value"].as_array().expect("members");
    assert!(members.iter().any(|m| m["id"] == json!(ANA)), "{told}");
}

#[tokio::test]
async fn a_batch_holds_no_batch_and_no_more_than_twenty() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let inner = json!({"requests": [{"id": "1", "method": "GET", "url": "/me"}]});
    for url in ["/$batch", "$batch", "/v1.0/$batch", "https://x.example/v1.0/$batch", "/%24batch", "//$BATCH/"] {
        let batch = json!({"requests": [{"id": "1", "method": "POST", "url": url, "body": inner}]});
        assert_eq!(statuses(&dana.post("/v1.0/$batch", batch).await.is(200)), [400], "{url}");
    }
    let many = |n: usize| {
        let each = (0..n).map(|n| json!({"id": n.to_string(), "method": "GET", "url": "/me"}));
        json!({"requests": each.collect::<Vec<_>>()})
    };
    assert_eq!(dana.post("/v1.0/$batch", many(20)).await.status, 200);
    for bad in [
        many(0),
        many(21),
        json!({"requests": [{"id": "1", "method": "GET"}]}),
        json!({"requests": [{"id": "1", "method": "GET", "url": "/me", "dependsOn": ["1"]}]}),
        json!({"requests": [{"id": "1", "method": "GET", "url": "/me", "dependsOn": ["2"]}, {"id": "2", "method": "GET", "url": "/me"}]}),
        json!({"requests": [{"id": "1", "method": "GET", "url": "/me"}, {"id": "1", "method": "GET", "url": "/me"}]}),
    ] {
        assert!(dana.post("/v1.0/$batch", bad.clone()).await.refused().starts_with("400 BadRequest: "), "{bad}");
    }
}

#[tokio::test]
async fn a_batch_whose_answers_grow_too_large_leaves_the_rest_unasked() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let large = "/roleManagement/directory/roleDefinitions?$top=999&$expand=inheritsPermissionsFrom";
    let mut requests: Vec<Json> =
        (0..19).map(|n| json!({"id": n.to_string(), "method": "GET", "url": large})).collect();
    let group = json!({"displayName": "Never made"});
    requests.push(json!({"id": "last", "method": "POST", "url": "/groups", "body": group}));
    let head = house.engine.head();
    let answer = dana.post("/v1.0/$batch", json!({"requests": requests})).await;
    assert!(answer.text.len() < 8 << 20, "{} bytes", answer.text.len());
    let told = statuses(&answer.is(200));
    assert_eq!((told[0], told[18], told[19]), (200, 413, 413), "{told:?}");
    assert_eq!(house.engine.head(), head, "what is not answered is not done");
}
