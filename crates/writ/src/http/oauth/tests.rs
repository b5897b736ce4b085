//! Signing in for programs, as programs, browsers and attackers do it: everything goes through the router.

use crate::http::pages::tests::{Door, Reply, form, with_ana};
use crate::identity::tests::{ANA, PASSWORD, TENANT};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
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
