//! Noise at every door that takes a body or a query: whatever arrives, no answer is a 5xx, and every error has the
//! API's shape.

use crate::callers::{asked, body, house, method, path};
use crate::house::{Client, EVE, House, ROOT};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use writ::http::graph::dispatch::ALL;
use writ::http::graph::route::{Route, Verb, Versions};
use writ_core::time::Span;

/// JSON that nobody asked for.
fn anything() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,20}".prop_map(Json::from),
        Just(json!("00000000-0000-0000-0000-00000000000a")),
        Just(json!("2026-11-21T09:00:00Z")),
        Just(json!("PT1H")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[a-zA-Z@.$]{0,12}", inner, 0..4)
                .prop_map(|m| Json::Object(m.into_iter().collect())),
        ]
    })
}

/// How many values there are in a body, itself included.
fn size(json: &Json) -> usize {
    1 + match json {
        Json::Object(map) => map.values().map(size).sum(),
        Json::Array(items) => items.iter().map(size).sum(),
        _ => 0,
    }
}

/// The body with its `n`th value replaced.
fn replaced(json: &Json, n: &mut usize, with: &Json) -> Json {
    if *n == 0 {
        *n = usize::MAX;
        return with.clone();
    }
    *n = n.saturating_sub(usize::from(*n != usize::MAX));
    match json {
        Json::Object(map) => {
            let each = map.iter().map(|(k, v)| (k.clone(), replaced(v, n, with)));
            Json::Object(each.collect::<Map<_, _>>())
        }
        Json::Array(items) => items.iter().map(|v| replaced(v, n, with)).collect(),
        other => other.clone(),
    }
}

fn taking_bodies() -> Vec<&'static Route> {
    ALL.iter().copied().flatten().filter(|r| matches!(r.verb, Verb::Post | Verb::Patch)).collect()
}

/// What is sent to a door: a good body with something wrong in it, something else altogether, or no JSON at all.
fn sent(good: Json) -> impl Strategy<Value = Vec<u8>> {
    let wrong = (any::<prop::sample::Index>(), anything()).prop_map({
        let good = good.clone();
        move |(n, with)| replaced(&good, &mut n.index(size(&good)), &with).to_string().into_bytes()
    });
    let more = ("[a-zA-Z@.$]{1,12}", anything()).prop_map(move |(name, with)| {
        let mut more = good.clone();
        if let Json::Object(map) = &mut more {
            map.insert(name, with);
        }
        more.to_string().into_bytes()
    });
    prop_oneof![
        4 => wrong,
        2 => more,
        2 => anything().prop_map(|json| json.to_string().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

/// Knocks at one door with many bodies.
fn knocks(runtime: &tokio::runtime::Runtime, client: &Client, (method, path): (&str, &str), good: Json, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(body in sent(good))| {
        let told = String::from_utf8_lossy(&body).into_owned();
        let reply = runtime.block_on(client.send(method, path, body));
        prop_assert!(!reply.status.is_server_error(), "{} {}: {} {}", reply.asked, told, reply.status, reply.text);
        prop_assert!(reply.status != 429, "{}: the noise is more than one caller may make", reply.asked);
        if reply.status.is_client_error() {
            reply.refused();
        }
    });
}

#[test]
fn random_bodies_never_break_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (house, callers, ask): (House, _, String) = runtime.block_on(house());
    let [.., dana] = callers;
    let routes = taking_bodies();
    assert!(routes.len() > 10);
    for route in routes {
        let good: Json = serde_json::from_str(&body(route.verb, route.path)).unwrap_or(json!({}));
        let version = if route.versions == Versions::Beta { "beta" } else { "v1.0" };
        let path = format!("/{version}/{}", path(&house, &ask, route.path));
        knocks(&runtime, &dana, (method(route.verb), &path), good, 30);
        // A budget is for one caller and so long; what is tried here is bodies.
        house.clock.advance(Span::from_seconds(2));
    }
}

/// Every route of Writ's own that takes a body, read from where they are made, so that a new one is here by itself.
fn own_routes() -> Vec<(&'static str, String)> {
    let source = include_str!("../../src/http/api/routes.rs");
    let made = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once('"'));
    let mut all = Vec::new();
    for (path, handlers) in made {
        let path = path.replace("{id}", &EVE.to_string());
        for (method, called) in [("POST", "post("), ("PATCH", "patch(")] {
            if handlers.contains(called) {
                all.push((method, path.clone()));
            }
        }
    }
    all
}

#[test]
fn random_bodies_never_break_writs_own_routes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_, callers, _): (House, _, String) = runtime.block_on(house());
    let [.., dana] = callers;
    let routes = own_routes();
    assert!(routes.contains(&("PATCH", "/writ/v1/settings".to_owned())) && routes.len() > 6, "{routes:?}");
    let good = json!({
        "role": ROOT, "principal": EVE, "scope": "/", "reason": "noise", "name": "Northwind", "span_min": "PT5M",
        "person": EVE, "place": "everywhere", "account": "eve", "unit": null, "code": "x", "password": "y",
    });
    for (method, path) in routes {
        knocks(&runtime, &dana, (method, &path), good.clone(), 60);
    }
}

#[test]
fn random_headers_never_break_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (house, callers, ask): (House, _, String) = runtime.block_on(house());
    let [.., dana] = callers;
    let ends = |r: &&Route| r.verb == Verb::Delete || r.path.contains("revokeSignInSessions");
    let routes: Vec<&Route> = ALL.iter().copied().flatten().filter(|r| !ends(r)).collect();
    let name = prop_oneof![
        Just("accept"),
        Just("content-type"),
        Just("consistencylevel"),
        Just("client-request-id"),
        Just("prefer"),
        Just("if-match"),
        Just("range"),
        Just("accept-language"),
        Just("content-encoding"),
        Just("expect"),
        Just("x-http-method-override"),
        Just("x-forwarded-host"),
        Just("host"),
        Just("authorization"),
        Just("sdkversion"),
    ];
    let value = prop_oneof![
        "[ -~]{0,40}",
        "[a-z*]{1,12}/[a-z*+]{1,12}(;q=[0-9.]{0,3})?",
        Just("eventual".to_owned()),
        Just("application/json".to_owned()),
        Just("\u{e9}\u{df}\u{2713}".to_owned()),
    ];
    let headers = proptest::collection::vec((name, value), 1..5);
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(at in 0..routes.len(), headers in headers, query in prop_oneof![Just(""), Just("?$top=1"), Just("?$select=id")])| {
        let route = routes[at];
        let version = if route.versions == Versions::Beta { "beta" } else { "v1.0" };
        let path = path(&house, &ask, route.path);
        let path = format!("/{version}/{}{query}", path.split('?').next().unwrap_or_default());
        let given: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.trim())).collect();
        // Dry or refused: what a body would change is no matter here.
        let reply = runtime.block_on(dana.send_with(&given, method(route.verb), &path, if route.verb == Verb::Get { "" } else { "[]" }));
        house.clock.advance(Span::from_millis(100));
        prop_assert!(!reply.status.is_server_error(), "{} {:?}: {} {}", reply.asked, given, reply.status, reply.text);
        if reply.status.is_client_error() {
            reply.refused();
        }
    });
    assert!(runtime.block_on(asked(&dana, routes[0], "me")) == "200");
}

#[test]
fn random_queries_and_paths_never_break_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (house, callers, ask): (House, _, String) = runtime.block_on(house());
    let [.., dana] = callers;
    let routes: Vec<&Route> = ALL.iter().copied().flatten().filter(|r| r.verb == Verb::Get).collect();
    let option = prop_oneof![
        Just("$filter"),
        Just("$select"),
        Just("$expand"),
        Just("$orderby"),
        Just("$top"),
        Just("$skip"),
        Just("$count"),
        Just("$search"),
        Just("$skiptoken"),
        Just("%24filter"),
        Just("nope"),
    ];
    let value = prop_oneof![
        "[a-zA-Z0-9'()/,:$=.+ -]{0,30}",
        "(id|displayName|status|principalId|createdDateTime) (eq|ne|gt|le|in) ('[a-z0-9-]{0,8}'|null|true|[0-9]{1,3}|\\('a','b'\\))",
        "(principal|roleDefinition|policy|rules|members|steps)(\\(\\$select=id\\))?",
        "(id|displayName|createdDateTime)( desc)?",
        "[0-9]{1,4}",
        "true|false",
    ];
    let options = proptest::collection::vec((option, value), 0..4);
    let config = ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(at in 0..routes.len(), options in options, counting in any::<bool>(), odd in proptest::option::of("[a-z%0-9$'()=]{0,12}"))| {
        let route = routes[at];
        let mut path = path(&house, &ask, route.path).split('?').next().unwrap_or_default().to_owned();
        if let Some(odd) = odd {
            path.push('/');
            path.push_str(&odd);
        }
        if counting {
            path.push_str("/$count");
        }
        let query: Vec<String> = options.iter().map(|(k, v)| format!("{k}={}", v.replace(' ', "%20"))).collect();
        let version = if route.versions == Versions::Beta { "beta" } else { "v1.0" };
        let reply = runtime.block_on(dana.send("GET", &format!("/{version}/{path}?{}", query.join("&")), ""));
        prop_assert!(!reply.status.is_server_error(), "{}: {} {}", reply.asked, reply.status, reply.text);
        if reply.status.is_client_error() {
            reply.refused();
        }
    });
    assert!(runtime.block_on(asked(&dana, routes[0], "me")) == "200");
}
