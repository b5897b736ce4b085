//! Writes a row as the JSON that was asked for: selected properties, expanded links, `@odata.type` where a list may
//! hold several types. It decides nothing about who may see the row.
//!
//! Always: properties come in the order of their table.

use super::options::{By, Expansion, Query};
use super::value::{Key, write_text};
use super::{Linked, Row};
use crate::http::graph::declared::declared;
use serde_json::{Map, Value as Json};
use std::cmp::Ordering;

/// The row as JSON. `typed` adds its `@odata.type`.
pub fn render(row: &dyn Row, query: &Query, typed: bool) -> Map<String, Json> {
    let mut out = Vec::new();
    write(row, query, typed, "", &mut out);
    match serde_json::from_slice(&out) {
        Ok(Json::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Writes the row as a JSON object. `context`, if any, comes first as its `@odata.context`.
pub fn write(row: &dyn Row, query: &Query, typed: bool, context: &str, out: &mut Vec<u8>) {
    let entity = row.entity();
    let mut begun = false;
    let mut name = |name: &str, out: &mut Vec<u8>| {
        if std::mem::replace(&mut begun, true) {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    };
    out.push(b'{');
    if !context.is_empty() {
        name("@odata.context", out);
        write_text(context, out);
    }
    if typed || !std::ptr::eq(entity, query.entity) {
        name("@odata.type", out);
        out.extend_from_slice(b"\"#microsoft.graph.");
        out.extend_from_slice(entity.name.as_bytes());
        out.push(b'"');
    }
    for property in entity.properties {
        let wanted = match &query.select {
            Some(names) => names.contains(&property.name),
            None => !property.asked,
        };
        if wanted {
            name(property.name, out);
            row.value(property.name).write(out);
        }
    }
    for empty in query.empty.iter().filter(|empty| declared(entity.name, empty.name).is_some()) {
        name(empty.name, out);
        out.extend_from_slice(if empty.many { b"[]" } else { b"null" });
    }
    for expansion in &query.expand {
        if entity.links.iter().any(|l| l.name == expansion.link.name) {
            let (mut expanded, link) = (Vec::new(), expansion.link.name);
            if let Some(count) = follow(row, expansion, &mut expanded).filter(|_| expansion.query.count) {
                name(&format!("{link}@odata.count"), out);
                out.extend_from_slice(count.to_string().as_bytes());
            }
            name(link, out);
            out.append(&mut expanded);
        }
    }
    out.push(b'}');
}

/// Writes what an expanded link shows; says how many the filter lets through, of what is a list.
fn follow(row: &dyn Row, expansion: &Expansion, out: &mut Vec<u8>) -> Option<usize> {
    let (query, mixed) = (&expansion.query, expansion.link.mixed);
    match row.link(expansion.link.name) {
        Linked::One(None) => {
            out.extend_from_slice(b"null");
            None
        }
        Linked::One(Some(target)) => {
            write(&*target, query, mixed, "", out);
            None
        }
        Linked::Many(mut targets) => {
            targets.retain(|t| query.filter.as_ref().is_none_or(|f| f.holds(&**t)));
            if !query.order.is_empty() {
                targets.sort_by(|a, b| compare(&**a, &**b, &query.order));
            }
            out.push(b'[');
            let shown = targets.iter().skip(query.skip as usize).take(query.top.map_or(usize::MAX, |n| n as usize));
            for (n, target) in shown.enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(&**target, query, mixed, "", out);
            }
            out.push(b']');
            Some(targets.len())
        }
    }
}

/// Which of two rows comes first by these keys.
pub fn compare(a: &dyn Row, b: &dyn Row, keys: &[By]) -> Ordering {
    keys.iter()
        .map(|key| {
            let of = |row: &dyn Row| Key::of(&key.kind, &row.value(key.property));
            let ordering = of(a).order(&of(b));
            if key.descending { ordering.reverse() } else { ordering }
        })
        .find(|o| o.is_ne())
        .unwrap_or(Ordering::Equal)
}
