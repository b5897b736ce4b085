//! Turns a row into the JSON that was asked for: selected properties, expanded links, `@odata.type` where a list may
//! hold several types. It decides nothing about who may see the row.

use super::eval::order;
use super::options::{By, Expansion, Query};
use super::{Linked, Row};
use serde_json::{Map, Value as Json};
use std::cmp::Ordering;

/// The row as JSON. `typed` adds its `@odata.type`.
pub fn render(row: &dyn Row, query: &Query, typed: bool) -> Map<String, Json> {
    let entity = row.entity();
    let mut out = Map::new();
    if typed || !std::ptr::eq(entity, query.entity) {
        out.insert("@odata.type".to_owned(), Json::String(format!("#microsoft.graph.{}", entity.name)));
    }
    for property in entity.properties {
        let wanted = match &query.select {
            Some(names) => names.contains(&property.name),
            None => !property.asked,
        };
        if wanted {
            out.insert(property.name.to_owned(), row.get(property.name));
        }
    }
    for expansion in &query.expand {
        if entity.links.iter().any(|l| l.name == expansion.link.name) {
            out.insert(expansion.link.name.to_owned(), follow(row, expansion));
        }
    }
    out
}

/// What an expanded link shows.
fn follow(row: &dyn Row, expansion: &Expansion) -> Json {
    let (query, mixed) = (&expansion.query, expansion.link.mixed);
    match row.link(expansion.link.name) {
        Linked::One(None) => Json::Null,
        Linked::One(Some(target)) => Json::Object(render(&*target, query, mixed)),
        Linked::Many(mut targets) => {
            targets.retain(|t| query.filter.as_ref().is_none_or(|f| f.holds(&**t)));
            if !query.order.is_empty() {
                targets.sort_by(|a, b| compare(&**a, &**b, &query.order));
            }
            let shown = targets.iter().skip(query.skip as usize).take(query.top.map_or(usize::MAX, |n| n as usize));
            Json::Array(shown.map(|t| Json::Object(render(&**t, query, mixed))).collect())
        }
    }
}

/// Which of two rows comes first by these keys.
pub fn compare(a: &dyn Row, b: &dyn Row, keys: &[By]) -> Ordering {
    keys.iter()
        .map(|key| {
            let ordering = order(&key.kind, &a.get(key.property), &b.get(key.property));
            if key.descending { ordering.reverse() } else { ordering }
        })
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}
