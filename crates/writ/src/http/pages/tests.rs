//! Pages and the token endpoint, as browsers, programs and attackers use them: everything goes through the router.

use crate::clock::Clock;
use crate::connectors::hosts::Hosts;
use crate::history::History;
use crate::http::graph::page::PageKey;
use crate::http::graph::throttle::Throttle;
use crate::http::router::{App, router};
use crate::identity::handover::DevicePolicy;
use crate::identity::tests::{ANA, App as Phone, House, PASSWORD, TENANT};
use crate::identity::totp::Totp;
use crate::store::Store;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use base64::Engine as _;
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::sync::Arc;
use tower::ServiceExt as _;
use writ_core::time::Span;

pub(crate) struct Door {
    pub(crate) house: House,
    pub(crate) router: Router,
    pub(crate) clock: Clock,
    pub(crate) throttle: Arc<Throttle>,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The cookie it set, as the browser sends it back.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The value of a field in the page's form.
    pub(crate) fn field(&self, name: &str) -> String {
        let from = format!("name=\"{name}\" value=\"");
        let at = self.text.find(&from).unwrap_or_else(|| panic!("no field {name}: {}", self.text)) + from.len();
        self.text[at..].split('"').next().unwrap().to_owned()
    }
}

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let quoted =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    fields.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect::<Vec<_>>().join("&")
}

impl Door {
    pub(crate) async fn of(house: House) -> Door {
        Door::with(house, DevicePolicy::default(), false).await
    }

    pub(crate) async fn with(house: House, devices: DevicePolicy, behind_proxy: bool) -> Door {
        let engine = house.engine();
        let store = Store::Memory(house.log.clone());
        let throttle = Arc::<Throttle>::default();
        let app = App {
            engine: engine.clone(),
            identity: house.identity.clone(),
            hosts: Hosts::start(engine.clone(), house.vault.clone()).await.unwrap(),
            history: History::in_memory(TENANT, store, &engine).await.unwrap(),
            pages: PageKey::new(&[9; 32]),
            public: None,
            tls: false,
            behind_proxy,
            devices,
            throttle: throttle.clone(),
            streams: std::sync::Arc::default(),
            walks: std::sync::Arc::default(),
        };
        let clock = house.clock.clone();
        Door { house, router: router(app), clock, throttle }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("host", "writ.example");
        if method == "POST" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = match *name {
                // Not a header: where the connection comes from.
                "peer" => request.extension(ConnectInfo(SocketAddr::new(value.parse().unwrap(), 9))),
                name => request.header(name, *value),
            };
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) async fn get(&self, path: &str, cookie: &str) -> Reply {
        self.send("GET", path, &[("cookie", cookie)], String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Reply {
        let headers = [("cookie", cookie), ("sec-fetch-site", "same-origin"), ("origin", "https://writ.example")];
        self.send("POST", path, &headers, form(fields)).await
    }

    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Reply {
        self.send("POST", &format!("/{TENANT}/oauth2/v2.0/token"), &[], form(fields)).await
    }

    pub(crate) fn fresh_code(&self, phone: &Phone) -> String {
        self.clock.advance(Span::from_seconds(30));
        phone.code(self.house.now())
    }

    pub(crate) async fn signs_in(&self, phone: &Phone) -> Reply {
        let code = self.fresh_code(phone);
        self.post("/signin", "", &[("username", "ana"), ("password", PASSWORD), ("code", &code)]).await
    }
}

pub(crate) async fn with_ana() -> (Door, Phone) {
    let (house, phone) = House::with_ana().await;
    (Door::of(house).await, phone)
}

/// What holds for every page: no script, nothing from elsewhere, no framing, not kept.
fn is_careful(page: &Reply) {
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe") && !policy.contains("script"));
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
    // Under `no-referrer` browsers send `Origin: null` with a page's own form, and nobody could sign in.
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(!page.text.contains("<script") && !page.text.contains(" style=") && !page.text.contains("http://"));
}

#[tokio::test]
async fn somebody_signs_in_sees_who_they_are_and_signs_out() {
    let (door, phone) = with_ana().await;
    assert_eq!(door.get("/", "").await.header("location"), "/account");
    let stranger = door.get("/account", "").await;
    assert_eq!((stranger.status.as_u16(), stranger.header("location")), (303, "/signin"));
    is_careful(&door.get("/signin", "").await);

    let entered = door.signs_in(&phone).await;
    assert_eq!((entered.status.as_u16(), entered.header("location")), (303, "/account"));
    let set = entered.header("set-cookie");
    assert!(set.starts_with("__Host-writ=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{set}");
    let cookie = entered.cookie();
    let page = door.get("/account", &cookie).await;
    is_careful(&page);
    assert!(page.text.contains("Ana@Northwind.example") && page.text.contains("this one"));

    let out = door.post("/signout", &cookie, &[("key", &page.field("key"))]).await;
    assert_eq!((out.status.as_u16(), out.header("location")), (303, "/signin"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(door.get("/account", &cookie).await.header("location"), "/signin", "a stolen cookie after sign-out");
}

#[tokio::test]
async fn what_was_typed_wrong_is_told_kindly_and_shown_to_nobody() {
    let (door, _phone) = with_ana().await;
    let typed = [("username", "<b>\"ana\"</b>"), ("password", "my secret password"), ("code", "123456")];
    let page = door.post("/signin", "", &typed).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    is_careful(&page);
    assert!(page.text.contains("is not right") && page.text.contains("role=\"alert\""));
    assert!(!page.text.contains("my secret password") && !page.text.contains("123456"));
    assert!(page.text.contains("&#60;b&#62;&#34;ana&#34;") && !page.text.contains("<b>"), "{}", page.text);
    assert!(page.headers.get("set-cookie").is_none());
    for _ in 0..10 {
        door.post("/signin", "", &[("username", "ana"), ("password", "x"), ("code", "1")]).await;
    }
    let page = door.post("/signin", "", &[("username", "ana"), ("password", "x"), ("code", "1")]).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.header("retry-after").parse::<u32>().unwrap() >= 1);
    is_careful(&page);
}

#[tokio::test]
async fn no_other_site_signs_anybody_in_or_out() {
    let (door, phone) = with_ana().await;
    let cookie = door.signs_in(&phone).await.cookie();
    let key = door.get("/account", &cookie).await.field("key");
    let code = door.fresh_code(&phone);
    let sign_in = form(&[("username", "ana"), ("password", PASSWORD), ("code", &code)]);
    for foreign in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "https://writ.example.evil.example"),
    ] {
        let entered = door.send("POST", "/signin", &[foreign], sign_in.clone()).await;
        assert_eq!(entered.status, StatusCode::FORBIDDEN, "{foreign:?}");
        let out = door.send("POST", "/signout", &[("cookie", &cookie), foreign], form(&[("key", &key)])).await;
        assert_eq!(out.status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    for wrong in ["", "AAAA", &key[1..]] {
        assert_eq!(door.post("/signout", &cookie, &[("key", wrong)]).await.status, StatusCode::FORBIDDEN);
        let end = [("key", wrong), ("session", "00000000-0000-0000-0000-000000000001")];
        assert_eq!(door.post("/account/sessions", &cookie, &end).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(door.get("/signout", &cookie).await.status, StatusCode::METHOD_NOT_ALLOWED, "no link signs anybody out");
    assert_eq!(door.get("/account", &cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_cookie_opens_pages_and_never_the_api() {
    let (door, phone) = with_ana().await;
    let cookie = door.signs_in(&phone).await.cookie();
    for path in ["/v1.0/me", "/writ/v1/status", "/beta/users"] {
        let reply = door.get(path, &cookie).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(reply.json()["error"]["code"], "InvalidAuthenticationToken");
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
        let as_token = [("authorization", &*format!("Bearer {}", cookie.split_once('=').unwrap().1))];
        assert_eq!(door.send("GET", path, &as_token, String::new()).await.status, StatusCode::UNAUTHORIZED);
    }
    for odd in ["__Host-writ=", "writ=x", "__Host-writ=a; __Host-writ=b", &format!("{cookie}; {cookie}"), "=;=;"] {
        assert_eq!(door.get("/account", odd).await.header("location"), "/signin", "{odd}");
    }
}

#[tokio::test]
async fn a_session_elsewhere_is_ended_from_the_account_page_and_nobody_elses_is() {
    let (door, phone) = with_ana().await;
    let here = door.signs_in(&phone).await.cookie();
    let there = door.signs_in(&phone).await.cookie();
    let page = door.get("/account", &here).await;
    let (key, session) = (page.field("key"), page.field("session"));
    let stranger = "00000000-0000-0000-0000-000000000001";
    let nobodys = door.post("/account/sessions", &here, &[("key", &key), ("session", stranger)]).await;
    assert_eq!(nobodys.status.as_u16(), 303);
    assert_eq!(door.get("/account", &there).await.status, StatusCode::OK);
    door.post("/account/sessions", &here, &[("key", &key), ("session", &session)]).await;
    assert_eq!(door.get("/account", &there).await.header("location"), "/signin");
    assert_eq!(door.get("/account", &here).await.status, StatusCode::OK);
}

#[tokio::test]
async fn somebody_sets_up_their_sign_in_step_by_step() {
    let house = House::founded().await;
    house.create(ANA, "ana@northwind.example").await;
    let code = house.code_for(ANA).await;
    let door = Door::of(house).await;
    let shown = code.code.shown();
    is_careful(&door.get("/enrol", "").await);
    let wrong = door.post("/enrol", "", &[("code", "AAAA-AAAA-AAAA-AAAA-AAAA")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("not right, was used before, or has expired"));

    let second = door.post("/enrol", "", &[("code", &shown.to_lowercase())]).await;
    is_careful(&second);
    assert!(second.text.contains("ana@northwind.example"));
    let choose = |password: &'static str, again: &'static str| {
        let fields = [("code", shown.to_owned()), ("password", password.to_owned()), ("again", again.to_owned())];
        let door = &door;
        async move {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
            door.post("/enrol", "", &fields).await
        }
    };
    assert!(choose(PASSWORD, "something else entirely").await.text.contains("not the same"));
    let short = choose("short", "short").await;
    assert!(short.status == StatusCode::UNPROCESSABLE_ENTITY && short.text.contains("at least 12 characters"));
    let third = choose(PASSWORD, PASSWORD).await;
    assert!(third.text.contains("<svg") && third.text.contains("otpauth://totp/Northwind:ana%40northwind%2Eexample"));
    assert!(!third.text.contains(PASSWORD));
    let seed = third.field("seed");
    let again = door.post("/enrol", "", &[("code", shown), ("seed", &seed), ("otp", "000000")]).await;
    assert_eq!((again.status.as_u16(), again.field("seed")), (422, seed.clone()), "the same secret, once more");
    is_careful(&again);
    let forged = "<script>".to_owned() + &seed[8..];
    let forged = door.post("/enrol", "", &[("code", shown), ("seed", &forged), ("otp", "000000")]).await;
    assert!(forged.status.as_u16() == 422 && !forged.text.contains("<script"));

    let phone = Totp::with_seed(&seed).unwrap();
    let otp = phone.code(door.house.now()).unwrap();
    let done = door.post("/enrol", "", &[("code", shown), ("seed", &seed), ("otp", &otp)]).await;
    assert!(done.status.is_success() && done.text.contains("All set"));
    assert_eq!(door.post("/enrol", "", &[("code", shown)]).await.status.as_u16(), 422, "used");
    door.clock.advance(Span::from_seconds(30));
    let otp = phone.code(door.house.now()).unwrap();
    let fields = [("username", "ana"), ("password", PASSWORD), ("code", &otp)];
    assert_eq!(door.post("/signin", "", &fields).await.status.as_u16(), 303);
}

#[tokio::test]
async fn an_emergency_account_signs_in_with_its_secret_alone_and_is_warned() {
    let (door, _phone) = with_ana().await;
    let glass = &door.house.founded.emergency[0];
    let fields = [("username", &*glass.upn), ("secret", glass.secret.shown())];
    let entered = door.post("/signin?emergency", "", &fields).await;
    assert_eq!(entered.status.as_u16(), 303);
    let page = door.get("/account", &entered.cookie()).await;
    assert!(page.text.contains("This is an emergency account") && page.text.contains("Emergency secret"));
    let wrong = door.post("/signin?emergency", "", &[("username", "ana"), ("secret", glass.secret.shown())]).await;
    assert!(wrong.status == StatusCode::UNAUTHORIZED && !wrong.text.contains(glass.secret.shown()));
}

#[tokio::test]
async fn a_program_gets_tokens_with_each_of_the_four_grants() {
    let (door, phone) = with_ana().await;
    let code = door.fresh_code(&phone);
    let scope = ("scope", "https://graph.microsoft.com/.default openid offline_access");
    let fields = [("grant_type", "password"), ("username", "ana"), ("password", PASSWORD), ("otp", &code), scope];
    let first = door.token(&fields).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert_eq!(first.header("cache-control"), "no-store");
    let json = first.json();
    assert_eq!((&json["token_type"], &json["expires_in"]), (&"Bearer".into(), &3600.into()));
    let info = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(json["client_info"].as_str().unwrap()).unwrap();
    let info: Json = serde_json::from_slice(&info).unwrap();
    assert_eq!((&info["uid"], &info["utid"]), (&ANA.to_string().into(), &TENANT.to_string().into()));
    let me = |token: &Json| {
        let header = format!("Bearer {}", token.as_str().unwrap());
        let door = &door;
        async move { door.send("GET", "/v1.0/me", &[("authorization", &header)], String::new()).await }
    };
    assert_eq!(me(&json["access_token"]).await.json()["id"], ANA.to_string());

    let refresh = json["refresh_token"].as_str().unwrap();
    let next = door.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await.json();
    assert_eq!(me(&next["access_token"]).await.status, StatusCode::OK);
    assert_ne!(next["refresh_token"], json["refresh_token"]);

    let code = door.fresh_code(&phone);
    let token = next["access_token"].as_str().unwrap();
    let step_up = [("grant_type", "urn:writ:params:grant:step-up"), ("access_token", token), ("otp", &code)];
    let raised = door.token(&step_up).await;
    assert_eq!(raised.status, StatusCode::OK, "{}", raised.text);
    assert!(raised.json().get("refresh_token").is_none());
    assert_eq!(me(&raised.json()["access_token"]).await.status, StatusCode::OK);
    assert_eq!(door.token(&step_up).await.json()["error"], "invalid_grant", "the code was used");

    let glass = &door.house.founded.emergency[0];
    let emergency = "urn:writ:params:grant:emergency";
    let fields = [("grant_type", emergency), ("username", &*glass.upn), ("secret", glass.secret.shown())];
    let json = door.token(&fields).await.json();
    assert_eq!(me(&json["access_token"]).await.json()["id"], glass.principal.to_string());
    assert!(json.get("refresh_token").is_none());

    let again = door.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!((again.status.as_u16(), again.json()["error"].as_str()), (400, Some("invalid_grant")));
    assert_eq!(me(&next["access_token"]).await.status, StatusCode::UNAUTHORIZED, "the family has ended");
}

/// What an access token says.
fn claims_of(token: &Json) -> Json {
    let body = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

#[tokio::test]
async fn a_claims_challenge_is_answered_with_a_proof_and_only_with_one() {
    let (door, phone) = with_ana().await;
    let asked = r#"{"access_token":{"acrs":{"essential":true, "value":"c1"},"xms_cc":{"values":["cp1"]}}}"#;
    let code = door.fresh_code(&phone);
    let fields =
        [("grant_type", "password"), ("username", "ana"), ("password", PASSWORD), ("otp", &code), ("claims", asked)];
    let first = door.token(&fields).await.json();
    assert_eq!(claims_of(&first["access_token"])["acrs"], serde_json::json!(["c1"]));

    let refresh = first["refresh_token"].as_str().unwrap();
    let silent = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("claims", asked)];
    assert_eq!(door.token(&silent).await.json()["error"], "interaction_required");
    let next = door.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await.json();
    assert_eq!(
        claims_of(&next["access_token"])["acrs"],
        Json::Null,
        "the refresh token was not used up; no proof came with it"
    );

    let code = door.fresh_code(&phone);
    let (token, c2) = (next["access_token"].as_str().unwrap(), asked.replace("c1", "c2"));
    let grant = ("grant_type", "urn:writ:params:grant:step-up");
    let raised = door.token(&[grant, ("access_token", token), ("otp", &code), ("claims", &c2)]).await.json();
    assert_eq!(claims_of(&raised["access_token"])["acrs"], serde_json::json!(["c2"]));
    let odd = door.token(&[grant, ("access_token", token), ("otp", "123456"), ("claims", "c1")]).await.json();
    assert_eq!(odd["error"], "invalid_request");
}

#[tokio::test]
async fn odd_token_requests_are_told_apart_and_change_nothing() {
    let (door, phone) = with_ana().await;
    let path = format!("/{TENANT}/oauth2/v2.0/token");
    let sent = |body: String| {
        let (door, path) = (&door, path.clone());
        async move { door.send("POST", &path, &[], body).await }
    };
    let huge = format!("grant_type=password&username={}", "a".repeat(20_000));
    for (body, error) in [
        (String::new(), "invalid_request"),
        ("grant_type=".into(), "invalid_request"),
        ("grant_type=password".into(), "invalid_request"),
        ("grant_type=password&username=ana&password=x".into(), "invalid_request"),
        ("grant_type=password&grant_type=password&username=ana&password=x&otp=1".into(), "invalid_request"),
        ("grant_type=password&username=%ff&password=x&otp=1".into(), "invalid_request"),
        ("{\"grant_type\":\"password\"}".into(), "invalid_request"),
        (huge, "invalid_request"),
        ("grant_type=client_credentials&client_id=x&client_secret=y".into(), "unsupported_grant_type"),
        ("grant_type=password&username=ana&password=x&otp=1&scope=Mail.Send".into(), "invalid_scope"),
        (
            "grant_type=password&username=ana&password=x&otp=1&scope=https://vault.azure.net/.default".into(),
            "invalid_target",
        ),
        ("grant_type=password&username=ana&password=x&otp=1".into(), "invalid_grant"),
        ("grant_type=password&username=nobody&password=x&otp=1".into(), "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=AAAA".into(), "invalid_grant"),
        ("grant_type=urn:writ:params:grant:step-up&access_token=a.b.c&otp=123456".into(), "invalid_grant"),
        ("grant_type=urn:writ:params:grant:emergency&username=glass1&secret=guess".into(), "invalid_grant"),
    ] {
        let reply = sent(body.clone()).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{shown}");
        assert_eq!(reply.json()["error"], error, "{shown}");
        assert!(reply.json()["error_description"].as_str().is_some_and(|told| told.len() > 20), "{shown}");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    let wait = loop {
        let reply = sent("grant_type=password&username=ana&password=x&otp=1".into()).await;
        if reply.status != StatusCode::BAD_REQUEST {
            break reply;
        }
    };
    assert_eq!((wait.status.as_u16(), wait.json()["error"].as_str()), (429, Some("slow_down")));
    assert!(wait.header("retry-after").parse::<u32>().unwrap() >= 1);
    let json = [("content-type", "application/json")];
    let reply =
        door.router.clone().oneshot(Request::post(&path).header(json[0].0, json[0].1).body(Body::from("{}")).unwrap());
    assert_eq!(reply.await.unwrap().status(), StatusCode::BAD_REQUEST);
    let elsewhere = door.send("POST", "/00000000-0000-0000-0000-000000000001/oauth2/v2.0/token", &[], String::new());
    assert_eq!(elsewhere.await.status, StatusCode::NOT_FOUND);
    // The address never carries a secret: what stands there is not read.
    let code = door.fresh_code(&phone);
    let query = form(&[("grant_type", "password"), ("username", "ana"), ("password", PASSWORD), ("otp", &code)]);
    let reply = door.send("POST", &format!("{path}?{query}"), &[], String::new()).await;
    assert_eq!(reply.json()["error"], "invalid_request");
}

#[tokio::test]
async fn keys_and_description_are_there_for_anybody() {
    let (door, _phone) = with_ana().await;
    let description = door.get(&format!("/{TENANT}/v2.0/.well-known/openid-configuration"), "").await.json();
    assert_eq!(description["issuer"], format!("https://writ.example/{TENANT}/v2.0"));
    for (name, path) in [("token_endpoint", "oauth2/v2.0/token"), ("jwks_uri", "discovery/v2.0/keys")] {
        assert_eq!(description[name], format!("https://writ.example/{TENANT}/{path}"));
    }
    let path =
        "/common/discovery/instance?api-version=1.1&authorization_endpoint=https://a.example/common/oauth2/authorize";
    let instance = door.get(path, "").await.json();
    let described = instance["tenant_discovery_endpoint"].as_str().unwrap();
    let path = described.strip_prefix("https://writ.example").unwrap();
    assert_eq!(door.get(path, "").await.json(), description, "{described}");
    assert_eq!(instance["metadata"].as_array().map(Vec::len), Some(0));
    let keys = door.get("/common/discovery/v2.0/keys", "").await.json();
    assert_eq!((&keys["keys"][0]["alg"], &keys["keys"][0]["kty"]), (&"ES256".into(), &"EC".into()));
    assert_eq!(door.get("/nowhere/discovery/v2.0/keys", "").await.status, StatusCode::NOT_FOUND);
    let style = door.get("/static/writ.css", "").await;
    assert!(style.header("content-type").starts_with("text/css") && style.text.contains("prefers-color-scheme"));
}

#[tokio::test]
async fn two_authorizations_or_another_scheme_are_no_token() {
    let (door, phone) = with_ana().await;
    let code = door.fresh_code(&phone);
    let fields = [("grant_type", "password"), ("username", "ana"), ("password", PASSWORD), ("otp", &code)];
    let token = door.token(&fields).await.json()["access_token"].as_str().unwrap().to_owned();
    let (good, basic) = (format!("bearer {token}"), format!("Basic {token}"));
    let me = |headers: Vec<(&'static str, String)>| {
        let door = &door;
        async move {
            let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            door.send("GET", "/v1.0/me", &headers, String::new()).await.status.as_u16()
        }
    };
    let name = header::AUTHORIZATION.as_str();
    assert_eq!(me(vec![("authorization", good.clone())]).await, 200, "{name}: the scheme in any case");
    assert_eq!(me(vec![("authorization", good.clone()), ("authorization", good.clone())]).await, 401);
    for wrong in [basic, format!("Bearer{token}"), "Bearer ".into(), format!("Bearer {token} x"), token] {
        assert_eq!(me(vec![("authorization", wrong)]).await, 401);
    }
}
