//! Walking through pages while rows come and go.

use super::*;
use crate::http::graph::odata::options::{Of, pairs_of};
use crate::http::graph::odata::tests::{THING, Thing};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const URL: &str = "http://localhost:8443/v1.0/things";

fn key() -> PageKey {
    PageKey::new(&[7; 32])
}

fn caller(n: u128) -> PrincipalId {
    PrincipalId::from_u128(n)
}

fn rows(of: &BTreeMap<String, i64>) -> Vec<Thing> {
    of.iter().map(|(id, size)| Thing(json!({"id": id, "size": size}))).collect()
}

fn ask(of: &BTreeMap<String, i64>, raw: &str, shape: &Shape, who: u128, url: &str) -> Result<Page, Problem> {
    let query = Query::parse(raw, &THING, Of::Many)?;
    let place = Place::of(&key(), caller(who), url, &pairs_of(raw)?);
    let at = query.skiptoken.as_deref().map(|token| place.resumed(token)).transpose()?;
    let after = at.as_deref().map(|at| fitting(at, &query, shape)).transpose()?;
    page(rows(of).into_iter(), |_| true, &query, shape, after, || Ok(&place), &Room::PLAIN)
}

/// The rows of a page.
fn shown(page: &Page) -> Vec<Json> {
    serde_json::from_slice(&[b"[", &page.rows[..], b"]"].concat()).expect("rows are JSON")
}

fn query_of(next: &str) -> &str {
    next.strip_prefix(URL).and_then(|r| r.strip_prefix('?')).expect("an absolute link to the same path")
}

fn some() -> BTreeMap<String, i64> {
    (0..7).map(|n| (format!("r{n}"), n % 3)).collect()
}

#[test]
fn a_next_link_is_absolute_keeps_the_options_and_ends() {
    let mut raw = "$top=3&%24filter=size+ge+0&$orderby=size%20desc&$count=true".to_owned();
    let mut seen = Vec::new();
    let mut links = 0;
    loop {
        let page = ask(&some(), &raw, &Shape::by_id(), 1, URL).unwrap();
        assert_eq!(page.count, Some(7));
        seen.extend(shown(&page).iter().map(|r| r["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.next else { break };
        raw = query_of(&next).to_owned();
        links += 1;
    }
    assert_eq!((links, seen.join(" ").as_str()), (2, "r2 r5 r1 r4 r0 r3 r6"));
}

#[test]
fn a_token_works_for_its_caller_its_path_and_its_query_only() {
    let next = ask(&some(), "$top=3", &Shape::by_id(), 1, URL).unwrap().next.unwrap();
    let raw = query_of(&next);
    assert!(ask(&some(), raw, &Shape::by_id(), 1, URL).is_ok());
    assert!(ask(&some(), raw, &Shape::by_id(), 2, URL).is_err());
    assert!(ask(&some(), raw, &Shape::by_id(), 1, "http://localhost:8443/v1.0/others").is_err());
    assert!(ask(&some(), &raw.replace("=3", "=4"), &Shape::by_id(), 1, URL).is_err());
    assert!(ask(&some(), &format!("$filter=size eq 1&{raw}"), &Shape::by_id(), 1, URL).is_err());
    for n in 0..raw.len() {
        let mut forged = raw.as_bytes().to_vec();
        forged[n] ^= 1;
        let Ok(forged) = String::from_utf8(forged) else { continue };
        // The last character of base64 has spare bits; a changed spare bit is refused by the decoder.
        assert!(ask(&some(), &forged, &Shape::by_id(), 1, URL).is_err(), "byte {n}: {forged}");
    }
}

#[test]
fn skipping_counts_from_the_first_page_only() {
    let page = ask(&some(), "$skip=2&$top=2", &Shape::by_id().sorted(), 1, URL).unwrap();
    assert_eq!(shown(&page)[0]["id"], "r2");
    let next = ask(&some(), query_of(&page.next.unwrap()), &Shape::by_id().sorted(), 1, URL).unwrap();
    assert_eq!(shown(&next)[0]["id"], "r4");
}

#[test]
fn skipping_is_the_same_in_order_and_sorted_and_what_has_to_be_kept_for_it_is_bounded() {
    for (raw, wanted) in [
        ("$skip=5&$top=2", "r5 r6"),
        ("$skip=6", "r6"),
        ("$skip=7", ""),
        ("$skip=4294967295&$count=true", ""),
        ("$skip=1&$top=3&$filter=size ne 0", "r2 r4 r5"),
    ] {
        let pages = [Shape::by_id().sorted(), Shape::by_id()].map(|shape| ask(&some(), raw, &shape, 1, URL));
        let [sorted, unsorted] = pages.map(|page| {
            page.map(|page| {
                shown(&page).iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
            })
        });
        assert_eq!(sorted.as_deref(), Ok(wanted), "{raw}");
        match unsorted {
            Ok(unsorted) => assert_eq!(unsorted, wanted, "{raw}"),
            Err(refused) => assert!(raw.contains("4294967295") && refused.message().contains("nextLink"), "{raw}"),
        }
    }
}

proptest! {
    #[test]
    fn rows_present_throughout_appear_exactly_once(
        start in proptest::collection::btree_map("[a-f]{1,3}", -2i64..3, 0..40),
        changes in proptest::collection::vec(("[a-f]{1,3}", proptest::option::of(-2i64..3)), 0..60),
        size in 1u32..7,
        order in prop_oneof![Just(""), Just("&$orderby=size"), Just("&$orderby=size desc,id desc")],
        sorted in any::<bool>(),
    ) {
        let mut now = start.clone();
        let mut untouched = start;
        let mut seen: Vec<String> = Vec::new();
        let mut changes = changes.into_iter();
        let shape = if sorted { Shape::by_id().sorted() } else { Shape::by_id() };
        let mut raw = format!("$top={size}{order}");
        loop {
            let page = ask(&now, &raw, &shape, 1, URL).map_err(|e| TestCaseError::fail(e.message().to_owned()))?;
            prop_assert!(shown(&page).len() <= size as usize);
            seen.extend(shown(&page).iter().map(|r| r["id"].as_str().unwrap_or_default().to_owned()));
            let Some(next) = page.next else { break };
            prop_assert!(seen.len() < 1000);
            raw = query_of(&next).to_owned();
            for (id, size) in changes.by_ref().take(3) {
                untouched.remove(&id);
                match size {
                    Some(size) => now.insert(id, size),
                    None => now.remove(&id),
                };
            }
        }
        for id in untouched.keys() {
            prop_assert_eq!(seen.iter().filter(|s| *s == id).count(), 1, "{}", id);
        }
    }
}
