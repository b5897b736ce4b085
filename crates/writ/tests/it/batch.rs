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
    for url in [
        "/$batch",
        "$batch",
        "/v1.0/$batch",
        "http://localhost/v1.0/$batch",
        "/%24batch",
        "//$BATCH/",
        "/myorganization/$batch",
    ] {
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

/// What a batch with one request answers to it.
async fn alone(client: &crate::house::Client, request: Json) -> Json {
    client.post("/v1.0/$batch", json!({"requests": [request]})).await.is(200)["responses"][0].clone()
}

#[tokio::test]
async fn a_url_is_absolute_here_rooted_at_the_version_or_relative_and_never_leads_elsewhere() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    for (url, status) in [
        ("/me", 200),
        ("me", 200),
        ("/v1.0/me", 200),
        ("v1.0/me?$select=id", 200),
        ("http://localhost/v1.0/me", 200),
        ("HTTP://LOCALHOST:80/v1.0/me", 200),
        ("/users?$filter=displayName eq 'Eve'", 200),
        ("/users?%24filter=displayName%20eq%20%27Eve%27", 200),
        ("https://graph.microsoft.com/v1.0/me", 400),
        ("http://localhost.example/v1.0/me", 400),
        ("http://localhost@evil.example/v1.0/me", 400),
        ("http://evil.example:80@localhost/v1.0/me", 400),
        ("http://localhost:8080/v1.0/me", 400),
        ("file://localhost/v1.0/me", 400),
        ("http://localhost", 400),
        ("//evil.example/v1.0/me", 400),
        ("/../v1.0/me", 400),
        ("/beta/me", 400),
        ("?$top=1", 400),
    ] {
        let told = alone(&dana, json!({"id": "1", "method": "GET", "url": url})).await;
        assert_eq!(told["status"], status, "{url}: {told}");
    }
}

#[tokio::test]
async fn what_depends_on_a_failure_is_not_asked_and_ids_are_texts_whatever_their_case() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let get = |id: Json, url: &str, after: &[&str]| json!({"id": id, "method": "GET", "url": url, "dependsOn": after});
    let batch = json!({"requests": [
        get(json!("A"), "/nothing", &[]), get(json!(2), "/me", &["a"]), get(json!("c"), "/me", &["2"]),
        get(json!("d"), "/me", &[]), get(json!("e"), "/me", &["D"]), get(json!("f"), "/me", &["d", "A"]),
    ]});
    let told = dana.post("/v1.0/$batch", batch).await.is(200);
    assert_eq!(statuses(&told), [400, 424, 424, 200, 200, 424]);
    assert_eq!(told["responses"][1]["id"], "2");
    for (requests, says) in [
        (json!([get(json!("a"), "/me", &[]), get(json!("A"), "/me", &[])]), "has to be unique in a batch"),
        (json!([get(json!("a"), "/me", &["nobody"])]), "Invalid dependency for request Id 'a'"),
        (
            json!([get(json!("a"), "/me", &["b"]), get(json!("b"), "/me", &["a"])]),
            "Invalid dependency for request Id 'a'",
        ),
        (json!((0..21).map(|n| get(json!(n), "/me", &[])).collect::<Vec<_>>()), "exceeds the limit"),
    ] {
        let said = dana.post("/v1.0/$batch", json!({"requests": requests})).await.refused();
        assert!(said.contains(says), "{said}");
    }
}

#[tokio::test]
async fn a_body_is_json_or_a_text_of_it_and_headers_mean_what_they_mean_alone() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let group = json!({"displayName": "In a batch?"});
    let post = |body: Json, headers: Json| json!({"id": "1", "method": "POST", "url": "/groups", "body": body, "headers": headers});
    let typed = || json!({"Content-Type": "application/json"});
    for (body, headers, status) in [
        (group.clone(), typed(), 201),
        (group.clone(), json!({}), 201),
        (json!(group.to_string()), typed(), 201),
        (json!(STANDARD.encode(group.to_string())), typed(), 201),
        (json!(URL_SAFE_NO_PAD.encode(group.to_string())), typed(), 201),
        (group.clone(), json!({"content-type": "text/plain"}), 400),
        (group.clone(), json!({"Accept": "text/xml"}), 406),
        (json!([group]), typed(), 400),
        (json!(7), typed(), 400),
        (json!("no JSON"), typed(), 400),
        (Json::Null, typed(), 400),
    ] {
        let told = alone(&dana, post(body.clone(), headers)).await;
        assert_eq!(told["status"], status, "{body}: {told}");
    }
    let count = |headers: Json| json!({"id": "1", "method": "GET", "url": "/users/$count", "headers": headers});
    assert_eq!(alone(&dana, count(json!({}))).await["status"], 400);
    let told = alone(&dana, count(json!({"ConsistencyLevel": "eventual", "Accept": "text/plain"}))).await;
    assert!(told["body"].is_u64() && told["headers"]["Content-Type"] == "text/plain", "{told}");
    // Who asks is who sent the batch, whatever a request in it says.
    let eve = house.signed_in(EVE).await;
    let as_dana =
        json!({"id": "1", "method": "GET", "url": "/me", "headers": {"Authorization": "Bearer x", "Host": "y"}});
    assert_eq!(alone(&eve, as_dana).await["body"]["id"], EVE.to_string());
}

#[tokio::test]
async fn each_request_of_a_batch_has_an_id_of_its_own_and_the_name_the_caller_gave_the_batch() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    let get = |id: &str, url: &str| json!({"id": id, "method": "GET", "url": url});
    let batch = json!({"requests": [get("1", "/nothing"), get("2", "/users/nobody"), get("3", "/$batch"), get("4", "http://elsewhere/me")]});
    let reply = dana.send_with(&[("client-request-id", "my-name")], "POST", "/v1.0/$batch", batch.to_string()).await;
    let whole = reply.headers["request-id"].to_str().expect("ASCII").to_owned();
    let told = reply.is(200);
    let mut ids = vec![whole];
    for response in told["responses"].as_array().expect("responses") {
        let inner = &response["body"]["error"]["innerError"];
        assert_eq!(inner["client-request-id"], "my-name", "{response}");
        ids.push(inner["request-id"].as_str().expect("an id").to_owned());
    }
    assert!(ids.iter().all(|id| id.parse::<uuid::Uuid>().is_ok()), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "{told}");
}
