//! What Writ adds to Graph: an explanation, several requests in one, how long a request may wait, and a stream of
//! changes. All of it opt-in, at paths that Graph does not have.

use crate::accounts::{FIN, with_a_host};
use crate::elevation::activation;
use crate::house::{ANA, BEN, CARLA, Client, DANA, EVE, House, ROOT, SCOPES, SECURITY};
use axum::body::{Body, HttpBody};
use serde_json::{Value as Json, json};
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;
use writ::engine::fresh_id;
use writ_core::command::{Caller, Command, Intent};
use writ_core::decide::Answer;
use writ_core::ids::{AssignmentId, RoleId};
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

const REQUESTS: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests";
const EXPLAIN: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/writ.explain";
const TOGETHER: &str = "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/writ.together";
/// Reports Reader and Message Center Reader: roles with everyday rules.
const REPORTS_READER: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";
const GLOBAL_READER: &str = "f2ef992c-3afb-46b9-b7cf-a126ee74c451";
const MESSAGE_READER: &str = "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b";

fn rule<'a>(told: &'a Json, name: &str) -> &'a Json {
    let all = told["rules"].as_array().expect("rules");
    all.iter().find(|r| r["rule"] == name).unwrap_or_else(|| panic!("no rule {name}: {told}"))
}

#[tokio::test]
async fn an_explanation_goes_rule_by_rule_and_leaves_no_trace() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let (head, before) = (house.engine.head(), house.rights());
    let bare = json!({"roleDefinitionId": ROOT, "directoryScopeId": "/"});
    let told = ana.post(EXPLAIN, bare.clone()).await.is(200);
    assert_eq!(
        (&told["can"], &told["principalId"], &told["directoryScopeId"]),
        (&json!(true), &json!(ANA), &json!("/"))
    );
    assert_eq!(rule(&told, "eligible")["mark"], "met");
    assert_eq!(rule(&told, "reason")["mark"], "asked");
    assert_eq!(rule(&told, "approval")["told"], "by Ben Okafor or Carla Ruiz");

    // The body of the request itself: then what is missing counts.
    let mut poor = activation("PT20H");
    poor["justification"] = json!("");
    let told = ana.post(EXPLAIN, poor).await.is(200);
    assert_eq!(told["can"], false);
    assert_eq!((&rule(&told, "duration")["mark"], &rule(&told, "reason")["mark"]), (&json!("unmet"), &json!("unmet")));
    assert_eq!(ana.post(EXPLAIN, activation("PT1H")).await.is(200)["can"], true);

    // About others only with a role that reads them.
    let about = json!({"roleDefinitionId": ROOT, "directoryScopeId": "/", "principalId": EVE});
    let told = dana.post(EXPLAIN, about.clone()).await.is(200);
    assert_eq!((&told["can"], &rule(&told, "eligible")["mark"]), (&json!(false), &json!("unmet")));
    assert!(ana.post(EXPLAIN, about).await.refused().starts_with("403 Authorization_RequestDenied: "));
    let narrow = house.signed_in_with(ANA, &["User.Read"], true).await;
    assert!(narrow.post(EXPLAIN, bare).await.refused().starts_with("403 UnknownError: "));
    // Where nothing is, nothing can be activated, although the eligibility is for everywhere.
    for nowhere in
        ["/administrativeUnits/00000000-0000-0000-0000-00000000dead", "/00000000-0000-0000-0000-00000000dead"]
    {
        let told = ana.post(EXPLAIN, json!({"roleDefinitionId": ROOT, "directoryScopeId": nowhere})).await.is(200);
        assert_eq!((&told["can"], &rule(&told, "place")["mark"]), (&json!(false), &json!("unmet")), "{told}");
    }
    let misspelt = json!({"roleDefinitionId": ROOT, "scope": "/"});
    assert!(ana.post(EXPLAIN, misspelt).await.refused().contains("'scope' does not exist on type"));
    assert!(house.engine.head() == head && house.rights() == before);
}

async fn eligible_for_three(house: &House) {
    for role in [REPORTS_READER, MESSAGE_READER] {
        house.eligible(ANA, role.parse::<RoleId>().expect("an id")).await;
    }
}

fn three() -> Vec<Json> {
    [json!(ROOT), json!(REPORTS_READER), json!(MESSAGE_READER)]
        .into_iter()
        .map(|role| {
            let mut body = activation("PT1H");
            body["roleDefinitionId"] = role;
            body
        })
        .collect()
}

#[tokio::test]
async fn several_are_asked_together_and_each_is_a_request_of_its_own() {
    let house = House::new().await;
    eligible_for_three(&house).await;
    let ana = house.signed_in(ANA).await;
    let head = house.engine.head();
    let rehearsed = json!({"isValidationOnly": true, "requests": three()});
    let told = ana.post(TOGETHER, rehearsed).await.is(200);
    assert!(told["value"].as_array().expect("three").iter().all(|v| v["status"] == 201), "{told}");
    assert_eq!(house.engine.head(), head, "a rehearsal keeps nothing");

    let told = ana.post(TOGETHER, json!({"requests": three()})).await.is(200);
    let each = told["value"].as_array().expect("three");
    let statuses: Vec<&Json> = each.iter().map(|v| &v["body"]["status"]).collect();
    assert_eq!(statuses, ["PendingApproval", "Provisioned", "Provisioned"], "{told}");
    for one in each {
        let id = one["body"]["id"].as_str().expect("an id");
        assert_eq!(ana.get(&format!("{REQUESTS}/{id}")).await.is(200)["id"], id);
    }
    assert!(house.engine.head().size >= head.size + 3);
}

#[tokio::test]
async fn the_same_bundle_twice_at_once_is_made_once_and_whole() {
    let house = House::new().await;
    eligible_for_three(&house).await;
    let ana = house.signed_in(ANA).await;
    let bundle = json!({"requests": three()});
    let (one, other) = tokio::join!(ana.post(TOGETHER, bundle.clone()), ana.post(TOGETHER, bundle));
    let mut made: Vec<usize> = [one.is(200), other.is(200)]
        .iter()
        .map(|told| told["value"].as_array().expect("three").iter().filter(|v| v["status"] == 201).count())
        .collect();
    made.sort_unstable();
    assert_eq!(made, [0, 3]);
}

#[tokio::test]
async fn when_one_of_them_would_be_refused_none_is_made() {
    let house = House::new().await;
    eligible_for_three(&house).await;
    let ana = house.signed_in(ANA).await;
    let before = house.rights();
    let mut requests = three();
    requests[1]["scheduleInfo"]["expiration"]["duration"] = json!("PT300H");
    let told = ana.post(TOGETHER, json!({"requests": requests})).await.is(200);
    let told: Vec<(u64, &str)> = told["value"]
        .as_array()
        .expect("three")
        .iter()
        .map(|v| (v["status"].as_u64().expect("a status"), v["body"]["error"]["code"].as_str().expect("a code")))
        .collect();
    assert_eq!(
        told,
        [(424, "FailedDependency"), (400, "RoleAssignmentRequestPolicyValidationFailed"), (424, "FailedDependency")]
    );
    assert!(house.rights() == before);
    let twice = vec![activation("PT1H"), activation("PT1H")];
    let many: Vec<Json> = (0..21).map(|_| activation("PT1H")).collect();
    for bad in [json!({}), json!({"requests": []}), json!({"requests": twice}), json!({"requests": many})] {
        assert!(ana.post(TOGETHER, bad).await.refused().starts_with("400 BadRequest: "));
    }
    let misspelt = json!({"requests": [{"acton": "selfActivate"}]});
    assert!(ana.post(TOGETHER, misspelt).await.refused().contains("'acton' does not exist on type"));
    assert!(house.rights() == before);
}

#[tokio::test]
async fn how_long_a_request_may_wait_is_a_rule_of_the_role() {
    let house = House::new().await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let list = format!(
        "/v1.0/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '{ROOT}'"
    );
    let policy = dana.get(&list).await.list()[0]["policyId"].as_str().expect("an id").to_owned();
    let path = format!("/v1.0/policies/roleManagementPolicies/{policy}/writ.rules");
    assert_eq!(ana.get(&path).await.is(200)["pendingDuration"], "P1D");
    assert!(ana.patch(&path, json!({"pendingDuration": "PT2H"})).await.refused().starts_with("403 "));
    for bad in [json!({}), json!({"pendingDuration": "soon"}), json!({"pendingDuration": "PT0S"})] {
        assert!(dana.patch(&path, bad.clone()).await.refused().starts_with("400 "), "{bad}");
    }
    dana.patch(&path, json!({"pendingDuration": "PT2H"})).await.is(204);
    assert_eq!(ana.get(&path).await.is(200)["pendingDuration"], "PT2H");
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let until = ana.get(&format!("/writ/v1/requests/{id}")).await.is(200)["until"].clone();
    assert_eq!(until, json!(house.engine.now() + Span::from_hours(2)));
    // Graph's seventeen rules stay seventeen.
    let rules = dana.get(&format!("/v1.0/policies/roleManagementPolicies/{policy}/rules")).await.list();
    assert_eq!(rules.len(), 17);
}

/// A stream of changes that somebody reads.
struct Reader {
    body: Body,
    buffer: String,
}

/// One event: its name, its id and its data.
#[derive(Debug)]
struct Told {
    event: String,
    id: String,
    data: Json,
}

impl Reader {
    async fn open(client: &Client, after: Option<&str>) -> Reader {
        let headers: Vec<(&str, &str)> = after.into_iter().map(|id| ("last-event-id", id)).collect();
        let response = client.open(&headers, "/writ/v1/changes").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Reader { body: response.into_body(), buffer: String::new() }
    }

    /// The next event; none when the stream is over, or nothing came within a moment.
    async fn next(&mut self) -> Option<Told> {
        loop {
            while let Some((piece, rest)) = self.buffer.clone().split_once("\n\n") {
                self.buffer = rest.to_owned();
                let field = |name: &str| {
                    let found = piece.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                    found.unwrap_or_default().to_owned()
                };
                if let Ok(data) = serde_json::from_str(&field("data")) {
                    return Some(Told { event: field("event"), id: field("id"), data });
                }
            }
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx));
            let frame = tokio::time::timeout(Duration::from_millis(1500), frame).await.ok()??;
            let bytes = frame.expect("no error").into_data().expect("data");
            self.buffer.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    async fn events(&mut self, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.next().await.expect("an event").event);
        }
        all
    }
}

async fn approve(client: &Client, id: &str) {
    let step = format!("/v1.0/roleManagement/directory/roleAssignmentApprovals/{id}/steps/{id}");
    client.patch(&step, json!({"reviewResult": "Approve", "justification": "go on"})).await.is(204);
}

#[tokio::test]
async fn everybody_is_told_of_what_they_may_see_and_of_nothing_else() {
    let house = House::new().await;
    let [ana, ben, carla, dana, eve] = [
        house.signed_in(ANA).await,
        house.signed_in(BEN).await,
        house.signed_in(CARLA).await,
        house.signed_in(DANA).await,
        house.signed_in(EVE).await,
    ];
    let mut readers = Vec::new();
    for client in [&ana, &ben, &carla, &dana, &eve] {
        readers.push(Reader::open(client, None).await);
    }
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    let asked = readers[0].next().await.expect("an event");
    assert_eq!((asked.event.as_str(), &asked.data["kind"]), ("approval_asked", &json!("approval_asked")));
    assert!(asked.data["about"].as_array().expect("ids").contains(&json!(id)), "{asked:?}");
    assert_eq!(asked.id, asked.data["seq"].to_string());
    for reader in &mut readers[1..4] {
        assert_eq!(reader.events(1).await, ["approval_asked"]);
    }
    // What happens in the directory is not among it.
    dana.post("/v1.0/groups", json!({"displayName": "New"})).await.is(201);
    approve(&ben, &id).await;
    for reader in &mut readers[..4] {
        let told = reader.events(2).await;
        assert_eq!(told, ["request_approved", "activation_began"], "Carla too, who could have decided it");
    }
    assert!(readers[4].next().await.is_none(), "Eve has nothing to do with any of it");

    // Somebody who lost the stream goes on where they were.
    let mut again = Reader::open(&ana, Some(&asked.id)).await;
    assert_eq!(again.events(2).await, ["request_approved", "activation_began"]);
}

#[tokio::test]
async fn who_may_no_longer_see_a_request_hears_no_more_of_it() {
    let house = House::new().await;
    let dana = house.signed_in(DANA).await;
    // Eve reads everybody's roles for a while, and Carla is among the approvers.
    let reader = json!({"principalId": EVE, "roleDefinitionId": GLOBAL_READER, "directoryScopeId": "/"});
    let plain = "/v1.0/roleManagement/directory/roleAssignments";
    let held = dana.post(plain, reader).await.is(201)["id"].as_str().expect("an id").to_owned();
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in(BEN).await);
    let mut of_eve = Reader::open(&house.signed_in(EVE).await, None).await;
    let mut of_carla = Reader::open(&house.signed_in(CARLA).await, None).await;
    let id = ana.post(REQUESTS, activation("PT1H")).await.is(201)["id"].as_str().expect("an id").to_owned();
    assert_eq!(of_eve.events(1).await, ["approval_asked"]);
    let asked = of_carla.next().await.expect("an event");
    dana.delete(&format!("{plain}/{held}")).await.is(204);
    dana.delete(&format!("/v1.0/groups/{SECURITY}/members/{CARLA}/$ref")).await.is(204);
    approve(&ben, &id).await;
    assert_eq!(of_eve.events(1).await, ["assignment_ended"], "what she held herself is hers to know");
    assert!(of_eve.next().await.is_none(), "and Ana's request is not");
    assert!(of_carla.next().await.is_none(), "nor Carla's, who is no approver any more");
    // Whoever still is hears of the end too, also after the stream was lost in between.
    let mut of_ben = Reader::open(&ben, Some(&asked.id)).await;
    assert_eq!(of_ben.events(2).await, ["request_approved", "activation_began"]);
}

#[tokio::test]
async fn of_rights_that_are_made_together_each_is_told_of_their_own() {
    let house = with_a_host(&["ana", "ben"]).await;
    let (ana, dana) = (house.signed_in(ANA).await, house.signed_in(DANA).await);
    let mut intents = Vec::new();
    for principal in [ANA, BEN] {
        let standing = Command::AssignPlainly { principal, target: Target::role(ROOT, Scope::Tenant) };
        let Answer::Made(assignment) = house.does(DANA, standing).await else { panic!("an assignment") };
        intents.push(Intent { assignment: AssignmentId(assignment), principal, host: FIN, absent_before: true });
    }
    let (mut of_ana, mut of_dana) = (Reader::open(&ana, None).await, Reader::open(&dana, None).await);
    let together = Command::IntendGrants { grants: intents.clone() };
    house.engine.submit(together, Caller::timer(fresh_id())).await.expect("announced");
    let told = of_ana.next().await.expect("an event");
    assert_eq!(told.event, "grant_intended");
    let (mut about, mut own) = (told.data["about"].clone(), vec![json!(ANA), json!(intents[0].assignment)]);
    let about = about.as_array_mut().expect("ids");
    about.sort_by_key(Json::to_string);
    own.sort_by_key(Json::to_string);
    assert_eq!(*about, own, "nobody else's, and no host that may be somebody else's");
    let all = of_dana.next().await.expect("an event").data["about"].clone();
    assert_eq!(all.as_array().expect("ids").len(), 5, "{all}");
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_needs_one() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    assert!(house.client(None).get("/writ/v1/changes").await.refused().starts_with("401 "));
    let narrow = house.signed_in_with(ANA, &["User.Read"], true).await;
    assert!(narrow.get("/writ/v1/changes").await.refused().starts_with("403 "));
    for odd in ["x", "-1", "99999999"] {
        let reply = ana.send_with(&[("last-event-id", odd)], "GET", "/writ/v1/changes", "").await;
        assert!(reply.refused().starts_with("400 "), "{odd}");
    }
    let mut reader = Reader::open(&ana, None).await;
    ana.post(REQUESTS, activation("PT1H")).await.is(201);
    assert_eq!(reader.events(1).await, ["approval_asked"]);
    house.clock.advance(Span::from_minutes(61));
    // The next thing that happens anywhere, and the token is looked at again.
    house.eligible(EVE, ROOT).await;
    assert_eq!(reader.next().await.expect("a farewell").event, "end");
    assert!(reader.next().await.is_none());
}

#[tokio::test]
async fn streams_end_when_the_server_does() {
    let house = House::new().await;
    let ana = house.signed_in(ANA).await;
    let mut reader = Reader::open(&ana, None).await;
    house.app.streams.close();
    assert!(reader.next().await.is_none());
    assert!(reader.body.is_end_stream() || reader.next().await.is_none());
    assert!(Reader::open(&ana, None).await.next().await.is_none(), "none begins any more");
}

#[tokio::test]
async fn one_caller_has_so_many_streams_and_no_more() {
    let house = House::new().await;
    let (ana, ben) = (house.signed_in(ANA).await, house.signed_in_with(BEN, SCOPES, true).await);
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(Reader::open(&ana, None).await);
    }
    let reply = ana.get("/writ/v1/changes").await;
    assert_eq!(reply.headers["retry-after"], "30");
    assert!(reply.refused().starts_with("429 "));
    drop(Reader::open(&ben, None).await);
    open.pop();
    // The server notices that a reader is gone as soon as it looks.
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if ana.open(&[], "/writ/v1/changes").await.status() == 200 {
            return;
        }
    }
    panic!("a reader who is gone still counts");
}
