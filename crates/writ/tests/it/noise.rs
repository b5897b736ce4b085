//! Noise at every door that takes a body or a query: whatever arrives, no answer is a 5xx, and every error has the
//! API's shape.

use crate::callers::{asked, body, house, method, path};
use crate::house::House;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use writ::http::graph::dispatch::ALL;
use writ::http::graph::route::{Route, Verb, Versions};

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

#[test]
fn random_bodies_never_break_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (house, callers, ask): (House, _, String) = runtime.block_on(house());
    let [.., dana] = callers;
    let routes = taking_bodies();
    assert!(routes.len() > 10);
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(at in 0..routes.len(), n in any::<prop::sample::Index>(), with in anything(), whole in any::<bool>())| {
        let route = routes[at];
        let good: Json = serde_json::from_str(&body(route.verb, route.path)).unwrap_or(json!({}));
        let sent = if whole { with } else { replaced(&good, &mut n.index(size(&good)), &with) };
        let version = if route.versions == Versions::Beta { "beta" } else { "v1.0" };
        let path = format!("/{version}/{}", path(&house, &ask, route.path));
        let reply = runtime.block_on(dana.send(method(route.verb), &path, sent.to_string()));
        prop_assert!(!reply.status.is_server_error(), "{} {} {}: {}", reply.asked, sent, reply.status, reply.text);
        if reply.status.is_client_error() {
            reply.refused();
        }
    });
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
