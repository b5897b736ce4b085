//! Writes a row as the JSON that was asked for: selected properties, expanded links, `@odata.type` where a list may
//! hold several types. It decides nothing about who may see the row.
//!
//! Always: properties come in the order of their table; what comes along is counted and measured while it is written.

use super::options::{By, Query};
use super::value::{Key, write_text};
use super::{Linked, Row};
use crate::http::graph::declared::declared;
use serde_json::{Map, Value as Json};
use std::cmp::Ordering;

/// How far one answer may grow. What comes along with a row may bring more along, each time as much as a whole list.
pub struct Room<'a> {
    /// Told how many more rows are looked at; false when no more may be.
    pub looks: &'a dyn Fn(usize) -> bool,
    /// How many bytes there may be altogether.
    pub bytes_max: usize,
}

/// Why an answer was not written to its end. What there is of it is not to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// More rows would have to be looked at.
    Rows,
    /// It would be larger.
    Bytes,
}

impl Room<'_> {
    /// For what brings nothing along.
    pub const PLAIN: Room<'static> = Room { looks: &|_| true, bytes_max: usize::MAX };

    /// What a link leads to, every row of which counts.
    fn behind<'r>(&self, row: &'r dyn Row, link: &str) -> Result<Linked<'r>, Full> {
        let width = row.width(link);
        let counted = |rows: usize| if (self.looks)(rows) { Ok(()) } else { Err(Full::Rows) };
        counted(width)?;
        let found = row.link(link);
        if let Linked::Many(rows) = &found {
            counted(rows.len().saturating_sub(width))?;
        }
        Ok(found)
    }

    fn holds(&self, out: &[u8]) -> Result<(), Full> {
        if out.len() > self.bytes_max { Err(Full::Bytes) } else { Ok(()) }
    }
}

/// The row as JSON. `typed` adds its `@odata.type`. For queries that bring nothing along.
pub fn render(row: &dyn Row, query: &Query, typed: bool) -> Map<String, Json> {
    let mut out = Vec::new();
    match write(row, query, typed, "", &mut out, &Room::PLAIN).map(|()| serde_json::from_slice(&out)) {
        Ok(Ok(Json::Object(map))) => map,
        _ => Map::new(),
    }
}

/// Writes the row as a JSON object. `context`, if any, comes first as its `@odata.context`.
///
/// # Errors
/// When there is no room for all of it.
pub fn write(
    row: &dyn Row,
    query: &Query,
    typed: bool,
    context: &str,
    out: &mut Vec<u8>,
    room: &Room<'_>,
) -> Result<(), Full> {
    let typed = typed || query.typed || !std::ptr::eq(row.entity(), query.entity);
    if typed
        && context.is_empty()
        && query.chooses_nothing()
        && let Some(whole) = row.whole()
    {
        out.extend_from_slice(whole);
        return room.holds(out);
    }
    write_each(row, query, typed, context, out, room)
}

/// The row as JSON with its type, as a query that chooses nothing shows it: for rows that keep it.
pub fn whole(row: &dyn Row) -> Vec<u8> {
    let mut out = Vec::new();
    // Nothing comes along, so there is room for all of it.
    let _ = write_each(row, &Query::plain(row.entity()), true, "", &mut out, &Room::PLAIN);
    out
}

fn write_each(
    row: &dyn Row,
    query: &Query,
    typed: bool,
    context: &str,
    out: &mut Vec<u8>,
    room: &Room<'_>,
) -> Result<(), Full> {
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
    if typed {
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
    for expansion in query.expand.iter().filter(|e| entity.links.iter().any(|l| l.name == e.link.name)) {
        let (link, inner, mixed) = (expansion.link.name, &expansion.query, expansion.link.mixed);
        match room.behind(row, link)? {
            Linked::One(target) => {
                name(link, out);
                match target {
                    Some(target) => write(&*target, inner, mixed, "", out, room)?,
                    None => out.extend_from_slice(b"null"),
                }
            }
            Linked::Many(mut targets) => {
                targets.retain(|target| inner.lets(&**target));
                if !inner.order.is_empty() {
                    targets.sort_by(|a, b| compare(&**a, &**b, &inner.order));
                }
                // How many the filter lets through, whatever is shown of them.
                if inner.count {
                    name(&format!("{link}@odata.count"), out);
                    out.extend_from_slice(targets.len().to_string().as_bytes());
                }
                name(link, out);
                out.push(b'[');
                let shown = targets.iter().skip(inner.skip as usize).take(inner.top.map_or(usize::MAX, |n| n as usize));
                for (n, target) in shown.enumerate() {
                    if n > 0 {
                        out.push(b',');
                    }
                    write(&**target, inner, mixed, "", out, room)?;
                }
                out.push(b']');
            }
        }
    }
    out.push(b'}');
    room.holds(out)
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
