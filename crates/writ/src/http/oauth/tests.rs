//! Signing in for programs, as programs, browsers and attackers do it: everything goes through the router.

use crate::http::pages::tests::{Door, Reply, form, with_ana};
use crate::identity::tests::{ANA, PASSWORD, TENANT};
use crate::store::Store;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use writ_core::command::SignIn;
use writ_core::event::Event;
use writ_core::ids::Uuid;
use writ_core::log::open;
use writ_core::time::Span;

mod codes;
mod devices;

/// Graph's command line tools, which everybody knows; and a program that nobody does.
const TOOLS: &str = "14d82eec-204b-4c2f-b7e8-296a70dab67e";
const STRANGER: &str = "0f2b3a4c-1111-4222-8333-444455556666";
const GRAPH: &str = "https://graph.microsoft.com/.default offline_access openid profile";

/// What a token says.
fn claims(token: &Json) -> Json {
    let body = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&B64.decode(body).unwrap()).unwrap()
}

impl Door {
    /// Which sign-ins are on record, and for which programs.
    async fn noted(&self) -> Vec<(SignIn, Option<Uuid>)> {
        let entries = Store::Memory(self.house.log.clone()).read(0, 1000).await.unwrap();
        let events = entries.iter().map(|entry| open(entry).unwrap());
        let events = events.map(|found| Event::from_value(&found.kind, found.v, found.event).unwrap());
        let noted = events.filter_map(|event| match event {
            Event::SignInNoted { outcome, app, .. } => Some((outcome, app)),
            _ => None,
        });
        noted.collect()
    }

    /// What a token opens.
    async fn me(&self, token: &Json) -> Reply {
        let header = format!("Bearer {}", token.as_str().unwrap());
        self.send("GET", "/v1.0/me", &[("authorization", &header)], String::new()).await
    }

    async fn refreshes(&self, token: &Json, more: &[(&str, &str)]) -> Reply {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str().unwrap())];
        self.token(&[&fields, more].concat()).await
    }
}

fn error(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.text);
    assert!(reply.json()["error_description"].as_str().is_some_and(|told| told.len() > 20));
    assert!(reply.json().get("access_token").is_none());
    reply.json()["error"].as_str().unwrap().to_owned()
}

/// Every route here, as the router has them: their verbs and paths stand in the one place where they are made.
fn routes() -> Vec<(String, Vec<&'static str>)> {
    let lines = include_str!("mod.rs").lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
    let routes = lines.map(|line| line.split_once("\", ").expect("a path and its handlers on one line"));
    let verbs = |calls: &str| {
        let known = [("get(", "GET"), ("post(", "POST")];
        known.iter().filter(|(call, _)| calls.contains(call)).map(|(_, verb)| *verb).collect()
    };
    routes.map(|(path, calls)| (path.to_owned(), verbs(calls))).collect()
}

#[tokio::test]
async fn no_route_here_takes_a_token_or_a_cookie_for_a_proof_or_answers_other_sites_pages() {
    let (door, phone) = with_ana().await;
    let cookie = door.signs_in(&phone).await.cookie();
    let code = door.fresh_code(&phone);
    let fields = [("grant_type", "password"), ("username", "ana"), ("password", PASSWORD), ("otp", &*code)];
    let token = format!("Bearer {}", door.token(&fields).await.json()["access_token"].as_str().unwrap());
    let (log, sessions) = (door.noted().await, door.house.identity.sessions_of(ANA).await.unwrap().len());
    let routes = routes();
    assert_eq!(routes.len(), 7);
    for (pattern, verbs) in routes {
        let path = pattern.replace("{tenant}", &TENANT.to_string());
        for verb in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let mut told = Vec::new();
            for who in [&[][..], &[("authorization", &*token)], &[("cookie", &*cookie)]] {
                let reply = door.send(verb, &path, who, String::new()).await;
                assert!(reply.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{verb} {path}");
                assert!(reply.headers.get("set-cookie").is_none() && reply.headers.get("location").is_none());
                told.push(reply.status.as_u16());
            }
            assert!(told.iter().all(|status| *status == told[0] && *status < 500), "{verb} {path}: {told:?}");
            let offered = verbs.contains(&verb) || (verb == "HEAD" && verbs.contains(&"GET"));
            assert_eq!(told[0] != 405, offered, "{verb} {path}");
        }
        // The tenant has to be this one.
        if pattern.contains("{tenant}") {
            for tenant in ["00000000-0000-0000-0000-000000000001", "consumers", "%FF", ".."] {
                let path = pattern.replace("{tenant}", tenant);
                let asked = [("grant_type", "password"), ("client_id", TOOLS)];
                let reply = door.send(verbs[0], &path, &[], form(&asked)).await;
                assert!(matches!(reply.status.as_u16(), 400 | 404), "{path} {}", reply.status);
                assert!(
                    !reply.text.contains("unsupported_grant_type") && !reply.text.contains("device_code"),
                    "{path}"
                );
            }
        }
    }
    assert_eq!((door.noted().await, door.house.identity.sessions_of(ANA).await.unwrap().len()), (log, sessions));
}

#[tokio::test]
async fn parameters_come_as_a_form_in_the_body_and_once() {
    let (door, phone) = with_ana().await;
    let code = door.fresh_code(&phone);
    let right = form(&[("grant_type", "password"), ("username", "ana"), ("password", PASSWORD), ("otp", &code)]);
    let token = format!("/{TENANT}/oauth2/v2.0/token");
    let send = |path: String, kind: &'static str, body: String| {
        let request = axum::http::Request::post(path).header("content-type", kind);
        let request = request.body(axum::body::Body::from(body)).unwrap();
        let router = door.router.clone();
        async move { tower::ServiceExt::oneshot(router, request).await.unwrap().status() }
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    let long = format!("{right}&more={}", "a".repeat(16 * 1024));
    for (path, kind, body) in [
        (token.clone(), "text/plain", right.clone()),
        (token.clone(), "application/json", json!({"grant_type": "password"}).to_string()),
        (token.clone(), "multipart/form-data", right.clone()),
        (format!("{token}?{right}"), FORM, String::new()),
        (token.clone(), FORM, format!("{right}&username=dana")),
        (token.clone(), FORM, format!("{right}&%75sername=dana")),
        (token.clone(), FORM, format!("{right}&x=%FF")),
        (token.clone(), FORM, long),
    ] {
        assert_eq!(send(path, kind, body.clone()).await, StatusCode::BAD_REQUEST, "{kind} {body:.200}");
    }
    assert_eq!(send(token, "Application/X-WWW-form-urlencoded; charset=utf-8", right).await, StatusCode::OK);
}
