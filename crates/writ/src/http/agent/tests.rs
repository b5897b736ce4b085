//! The agents' door from outside: who gets in, and who does not.

use super::*;
use crate::connectors::Connector as _;
use crate::connectors::hosts::tests::{MORNING, enrolled, house};
use axum::body::Body;
use axum::http::Request;
use ed25519_dalek::SigningKey;
use tower::ServiceExt as _;
use writ_core::order::{NONCE_BYTES, SignedOrder};

struct Asking {
    host: DeviceId,
    key: SigningKey,
    at: Time,
    nonce: [u8; NONCE_BYTES],
}

impl Asking {
    fn request(&self, method: &str, path: &str, body: &str, sent: &str) -> Request<Body> {
        let facts =
            RequestFacts { host: self.host, method, path, body: body.as_bytes(), at: self.at, nonce: Hex(self.nonce) };
        Request::builder()
            .method(method)
            .uri(path)
            .header(HEADER_HOST, self.host.to_string())
            .header(HEADER_TIME, self.at.to_string())
            .header(HEADER_NONCE, Hex(self.nonce).to_string())
            .header(HEADER_SIGNATURE, facts.sign(&self.key).to_string())
            .body(Body::from(sent.to_owned()))
            .expect("a request")
    }
}

async fn status(app: &Router, request: Request<Body>) -> u16 {
    app.clone().oneshot(request).await.expect("infallible").status().as_u16()
}

#[tokio::test]
async fn only_the_enrolled_key_gets_in_once_per_request_and_only_now() {
    let (engine, vault, _, clock) = house().await;
    let hosts = Hosts::start(engine.clone(), vault).await.expect("started");
    let host = enrolled(&hosts, 9).await;
    hosts.set(&[]).await.expect("set");
    let app = routes(hosts.clone());
    let key = SigningKey::from_bytes(&[9; 32]);
    let path = "/agent/v1/orders?epoch=0&seq=0&wait=0";
    let ask = |nonce: u8, at| Asking { host, key: key.clone(), at, nonce: [nonce; NONCE_BYTES] };

    let answer = app.clone().oneshot(ask(1, MORNING).request("GET", path, "", "")).await.expect("infallible");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[HEADER_TIME], MORNING.to_string().as_str());
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("body");
    let order: SignedOrder = serde_json::from_slice(&body).expect("an order");
    assert!(order.open(&hosts.order_key()).is_ok());
    assert_eq!(status(&app, ask(1, MORNING).request("GET", path, "", "")).await, 401, "the same request again");

    let held = "/agent/v1/orders?epoch=1&seq=1&wait=0";
    assert_eq!(status(&app, ask(2, MORNING).request("GET", held, "", "")).await, 204, "no news");
    let mut other = ask(3, MORNING);
    other.key = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(status(&app, other.request("GET", path, "", "")).await, 401, "another key");
    let mut foreign = ask(4, MORNING);
    foreign.host = DeviceId::from_u128(4);
    assert_eq!(status(&app, foreign.request("GET", path, "", "")).await, 401, "another host");
    assert_eq!(status(&app, Request::get(path).body(Body::empty()).expect("request")).await, 401, "nobody");
    let late = MORNING.before(Span::from_minutes(6));
    assert_eq!(status(&app, ask(5, late).request("GET", path, "", "")).await, 401, "an old request");
    let ahead = MORNING + Span::from_minutes(6);
    assert_eq!(status(&app, ask(5, ahead).request("GET", path, "", "")).await, 401, "one made for later");
    assert_eq!(
        status(&app, ask(6, MORNING.before(Span::from_seconds(1))).request("GET", path, "", "")).await,
        401,
        "from before the start, when its nonce may have been used"
    );
    assert_eq!(status(&app, ask(7, MORNING).request("POST", REPORTS_PATH, "{}", "{\"a\":1}")).await, 401, "altered");
    assert_eq!(status(&app, ask(8, MORNING).request("POST", REPORTS_PATH, "{}", "{}")).await, 400, "no report");

    clock.advance(Span::from_minutes(6));
    let kept = ask(10, MORNING).request("GET", path, "", "");
    assert_eq!(status(&app, kept).await, 401, "kept back, never sent before, and too old now");
    assert_eq!(status(&app, ask(10, engine.now()).request("GET", path, "", "")).await, 200, "made now it is good");

    let remove = writ_core::command::Command::RemoveHost { host };
    engine.submit(remove, crate::connectors::hosts::tests::dana(&engine)).await.expect("removed");
    clock.advance(Span::from_seconds(1));
    assert_eq!(status(&app, ask(9, engine.now()).request("GET", path, "", "")).await, 401, "a removed host");
}

/// Anybody can make a key and sign an enrolment with it. A flood of those fills nothing that enrolled hosts need.
#[tokio::test]
async fn strangers_who_enrol_without_end_keep_no_host_out() {
    let (engine, vault, _, _) = house().await;
    let hosts = Hosts::start(engine.clone(), vault).await.expect("started");
    let host = enrolled(&hosts, 9).await;
    hosts.set(&[]).await.expect("set");
    let door = Door { hosts: hosts.clone(), nonces: Arc::default(), started: MORNING };
    let app = Router::new()
        .route(ENROL_PATH, post(enrol))
        .route(ORDERS_PATH, get(orders))
        .route(REPORTS_PATH, post(report))
        .with_state(door.clone());
    let stranger = SigningKey::from_bytes(&[3; 32]);
    let body = serde_json::to_string(&EnrolAsk {
        secret: Hex([0; 16]),
        device_key: Hex(stranger.verifying_key().to_bytes()),
        name: "evil".into(),
        system: String::new(),
    });
    let body = body.expect("JSON");
    for n in 0..20 {
        let nobody = DeviceId::from_u128(0);
        let ask = Asking { host: nobody, key: stranger.clone(), at: MORNING, nonce: [n; NONCE_BYTES] };
        assert_eq!(status(&app, ask.request("POST", ENROL_PATH, &body, &body)).await, 403, "no such code");
    }
    assert!(door.nonces.is_empty(), "nothing is remembered of them");
    // A host that has used up its share is told to wait; it is not mistaken for one that repeats itself.
    let path = "/agent/v1/orders?epoch=0&seq=0&wait=0";
    for n in 0..nonces::OF_A_HOST_MAX as u128 {
        let until = MORNING + Span::from_minutes(10);
        door.nonces.take(host, n.to_be_bytes(), until, MORNING).expect("a fresh one");
    }
    let key = SigningKey::from_bytes(&[9; 32]);
    let ask = Asking { host, key, at: MORNING, nonce: [0xff; NONCE_BYTES] };
    assert_eq!(status(&app, ask.request("GET", path, "", "")).await, 429);
}
