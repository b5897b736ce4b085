//! The query part of a URL as a typed query: `$filter`, `$select`, `$expand`, `$orderby`, `$top`, `$skip`, `$count`,
//! `$search`, `$skiptoken`, in whichever encoding the client chose.
//! It reads no rows.
//!
//! Always: an option that is not known is refused by name, never ignored; ignoring a misspelt filter would answer
//! with everything.

use super::filter::Filter;
use super::parse::unknown;
use super::value::Value;
use super::{Entity, Kind, Link, Property, Row};
use crate::http::graph::declared::Declared;
use crate::http::problem::{Problem, shown};
use percent_encoding::percent_decode_str;

/// The largest page anybody may ask for, as in Graph.
pub const PAGE_MAX: u32 = 999;
/// The largest page of audit records and sign-ins, as in Graph.
pub const RECORDS_PAGE_MAX: u32 = 1000;
/// How deep expansions may nest.
pub const EXPAND_DEPTH_MAX: usize = 4;
/// How many expansions one level may have.
pub const EXPAND_MAX: usize = 20;
/// What a filter may weigh without making a row dearer.
const WEIGHT_USUAL: u64 = 8;
/// The longest query part of a URL, in bytes.
pub const QUERY_MAX: usize = 16 * 1024;

/// A query on one kind of resource.
#[derive(Debug)]
pub struct Query {
    /// What is asked for.
    pub entity: &'static Entity,
    /// Which rows.
    pub filter: Option<Filter>,
    /// Which properties, by their names in the table; all usual ones when absent.
    pub select: Option<Vec<&'static str>>,
    /// Which properties besides that Graph has and nothing is kept of here: null, or an empty list.
    pub empty: Vec<&'static Declared>,
    /// What comes along.
    pub expand: Vec<Expansion>,
    /// In which order; by id when empty.
    pub order: Vec<By>,
    /// How many rows on a page.
    pub top: Option<u32>,
    /// How many rows to leave out at the beginning.
    pub skip: u32,
    /// Whether to say how many there are.
    pub count: bool,
    /// The token of the page wanted, as the server gave it.
    pub skiptoken: Option<String>,
    /// Whether each row says its type, as the rows of a function do.
    pub typed: bool,
}

/// A link to follow, and what is asked for at its end.
#[derive(Debug)]
pub struct Expansion {
    /// The link.
    pub link: &'static Link,
    /// What is asked for there.
    pub query: Query,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct By {
    /// The property.
    pub property: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether the last comes first.
    pub descending: bool,
}

/// Whether one resource or a list of them is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// One resource: only `$select` and `$expand` make sense.
    One,
    /// A list.
    Many,
}

impl Query {
    /// A query that asks for everything there usually is.
    pub fn plain(entity: &'static Entity) -> Self {
        Self {
            entity,
            filter: None,
            select: None,
            empty: Vec::new(),
            expand: Vec::new(),
            order: Vec::new(),
            top: None,
            skip: 0,
            count: false,
            skiptoken: None,
            typed: false,
        }
    }

    /// Reads the query part of a URL.
    pub fn parse(raw: &str, entity: &'static Entity, of: Of) -> Result<Self, Problem> {
        Self::of(&pairs_of(raw)?, entity, of)
    }

    /// Reads the names and values in one.
    pub fn of(pairs: &[(String, String)], entity: &'static Entity, of: Of) -> Result<Self, Problem> {
        Self::from_pairs(pairs, entity, of, 0)
    }

    fn from_pairs(pairs: &[(String, String)], entity: &'static Entity, of: Of, depth: usize) -> Result<Self, Problem> {
        let mut query = Query::plain(entity);
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in pairs {
            let option = name.strip_prefix('$').unwrap_or(name).to_ascii_lowercase();
            if seen.contains(&option) {
                return Err(Problem::bad_request(format!("Query option '${option}' was given more than once.")));
            }
            if of == Of::One && !matches!(option.as_str(), "select" | "expand" | "count" | "format") && known(&option) {
                return Err(Problem::bad_request(format!(
                    "Query option '${option}' is not allowed here: it applies to lists."
                )));
            }
            match option.as_str() {
                // What is left of a condition that a page had none for. Graph takes it for none.
                "filter" if value.trim().is_empty() => {}
                "filter" => {
                    let filter = Filter::parse(value, entity)?;
                    query.filter = Some(match query.filter.take() {
                        Some(found) => Filter::And(vec![found, filter]),
                        None => filter,
                    });
                }
                "search" => {
                    let found = super::search::parse(value, entity)?;
                    query.filter = Some(match query.filter.take() {
                        Some(filter) => Filter::And(vec![filter, found]),
                        None => found,
                    });
                }
                "select" => (query.select, query.empty) = select(value, entity)?,
                "expand" => query.expand = expand(value, entity, depth)?,
                "orderby" => query.order = order(value, entity)?,
                "top" => query.top = Some(page_size(value, entity)?),
                "skip" => {
                    query.skip = value.trim().parse().map_err(|_| {
                        Problem::bad_request(format!("Invalid value for $skip: '{}'. It counts rows.", shown(value)))
                    })?;
                }
                "count" => {
                    query.count = match value.trim().to_ascii_lowercase().as_str() {
                        // Graph wants it for an expansion of several levels; there is nothing to count in one resource.
                        "true" => of == Of::Many,
                        "false" => false,
                        _ => {
                            return Err(Problem::bad_request(format!(
                                "Invalid value for $count: '{}'. It is true or false.",
                                shown(value)
                            )));
                        }
                    };
                }
                "skiptoken" if depth == 0 => query.skiptoken = Some(value.clone()),
                // What PowerShell leaves of a `$filter` in double quotes. It cannot be a misspelt option, and Graph ignores it.
                "" => continue,
                "format" if value.to_ascii_lowercase().contains("json") => {}
                // Graph's words on the directory, with what there is after them.
                _ => {
                    let told = format!(
                        "Unrecognized query argument specified: '{}'. Supported: $filter, $select, $expand, $orderby, $top, \
                         $skip, $count, $search.",
                        shown(name)
                    );
                    return Err(Problem::new(http::StatusCode::BAD_REQUEST, "Request_BadRequest", told));
                }
            }
            seen.push(option);
        }
        Ok(query)
    }

    /// The same query where these properties are the same for every row.
    pub fn given(self, known: &[(&str, Value<'_>)]) -> Self {
        let filter = self.filter.and_then(|filter| filter.given(known));
        Self { filter, ..self }
    }

    /// Whether a row shows what it usually shows, and nothing comes along.
    pub fn chooses_nothing(&self) -> bool {
        self.select.is_none() && self.empty.is_empty() && self.expand.is_empty()
    }

    /// Whether the filter lets no row through.
    pub fn never(&self) -> bool {
        matches!(&self.filter, Some(Filter::Or(parts)) if parts.is_empty())
    }

    /// Whether the filter lets a row through.
    pub fn lets(&self, row: &dyn Row) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.holds(row))
    }

    /// What looking at a row costs, in rows of which nothing or little is asked.
    pub fn row_cost(&self) -> u64 {
        1 + self.filter.as_ref().map_or(0, Filter::weight) / WEIGHT_USUAL
    }

    /// Whether a row with these values can pass the filter.
    pub fn may_hold(&self, known: &[(&str, Value<'_>)]) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.may_hold(known))
    }

    /// The value of a pin in the filter; see `Filter::pins`.
    pub fn pins(&self, property: &str) -> Option<Vec<&str>> {
        self.filter.as_ref().and_then(|f| f.pins(property))
    }
}

fn known(option: &str) -> bool {
    ["filter", "search", "orderby", "top", "skip", "count", "skiptoken"].contains(&option)
}

/// Cuts the query part at `&` and decodes names and values: `%24filter`, `+`, `%20`, or nothing encoded at all.
pub fn pairs_of(raw: &str) -> Result<Vec<(String, String)>, Problem> {
    if raw.len() > QUERY_MAX {
        return Err(Problem::bad_request(format!("The query part of the URL may have at most {QUERY_MAX} bytes.")));
    }
    raw.split('&')
        .filter(|p| !p.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

fn decoded(text: &str) -> Result<String, Problem> {
    if !text.bytes().any(|c| matches!(c, b'+' | b'%')) {
        return Ok(text.to_owned());
    }
    let spaced = text.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::bad_request("The query part of the URL is not UTF-8.")),
    }
}

fn page_size(value: &str, entity: &Entity) -> Result<u32, Problem> {
    let max = if matches!(entity.name, "directoryAudit" | "signIn") { RECORDS_PAGE_MAX } else { PAGE_MAX };
    match value.trim().parse::<u32>() {
        Ok(n) if (1..=max).contains(&n) => Ok(n),
        _ => Err(Problem::unsupported_query(format!(
            "Invalid page size specified: '{}'. Must be between 1 and {max} inclusive.",
            shown(value)
        ))),
    }
}

/// The properties chosen, and those chosen of which nothing is kept. A link that is not kept is chosen in vain, as any
/// link is that is not expanded.
fn select(value: &str, entity: &'static Entity) -> Result<Selected, Problem> {
    let (mut names, mut empty): (Vec<&'static str>, Vec<&'static Declared>) = (Vec::new(), Vec::new());
    let mut any = false;
    for name in value.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        if name == "*" {
            return Ok((None, Vec::new()));
        }
        any = true;
        let property = entity.property(name).map(|p| p.name).or_else(|| entity.link(name).map(|l| l.name));
        match (property, entity.declared(name)) {
            (Some(property), _) if names.contains(&property) => {}
            (Some(property), _) => names.push(property),
            (None, Some(found)) if found.link || empty.contains(&found) => {}
            (None, Some(found)) => empty.push(found),
            (None, None) => {
                return Err(Problem::bad_request(format!(
                    "Parsing OData Select and Expand failed: {}",
                    unknown(entity, name).message()
                )));
            }
        }
    }
    Ok((any.then_some(names), empty))
}

type Selected = (Option<Vec<&'static str>>, Vec<&'static Declared>);

fn order(value: &str, entity: &'static Entity) -> Result<Vec<By>, Problem> {
    let mut keys: Vec<By> = Vec::new();
    for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let mut words = part.split_whitespace();
        let name = words.next().unwrap_or_default();
        let descending = match words.next().map(str::to_ascii_lowercase).as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(other) => {
                return Err(Problem::bad_request(format!(
                    "Invalid $orderby: '{}' is neither asc nor desc.",
                    shown(other)
                )));
            }
        };
        let property = entity.property(name).ok_or_else(|| match entity.declared(name) {
            Some(found) => unsorted(entity, found.name),
            None => unknown(entity, name),
        })?;
        if !property.order {
            return Err(unsorted(entity, property.name));
        }
        if words.next().is_some() {
            return Err(Problem::bad_request(format!("Invalid $orderby: '{}'.", shown(part))));
        }
        if !keys.iter().any(|k| k.property == property.name) {
            keys.push(By { property: property.name, kind: property.kind.clone(), descending });
        }
    }
    Ok(keys)
}

/// Graph's words for a property that it has and that no list is sorted by.
pub fn unsorted(entity: &Entity, property: &str) -> Problem {
    Problem::unsupported_query(format!("Unsupported sort property '{property}' for '{}'.", entity.told()))
}

/// Reads `principal,policy($expand=rules;$select=id)`.
fn expand(value: &str, entity: &'static Entity, depth: usize) -> Result<Vec<Expansion>, Problem> {
    let wrong = |why: &str| Problem::bad_request(format!("Parsing OData Select and Expand failed: {why}"));
    if depth == EXPAND_DEPTH_MAX {
        return Err(wrong(&format!("expansions may nest at most {EXPAND_DEPTH_MAX} levels deep.")));
    }
    let mut out: Vec<Expansion> = Vec::new();
    let mut add = |link: &'static Link, query: Query| {
        if out.iter().any(|e| e.link.name == link.name) {
            return Err(wrong(&format!("'{}' is expanded more than once.", link.name)));
        }
        out.push(Expansion { link, query });
        if out.len() > EXPAND_MAX {
            return Err(wrong(&format!("at most {EXPAND_MAX} expansions may be asked for at once.")));
        }
        Ok(())
    };
    for part in split(value, b',').map_err(wrong)? {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        if part == "*" {
            entity.links.iter().try_for_each(|link| add(link, Query::plain(link.to)))?;
            continue;
        }
        let (name, inner) = match part.find('(') {
            Some(at) if part.ends_with(')') => (part[..at].trim(), Some(&part[at + 1..part.len() - 1])),
            Some(_) => return Err(wrong("text after a closing parenthesis.")),
            None => (part, None),
        };
        let Some(link) = entity.link(name) else {
            return Err(match entity.declared(name) {
                Some(found) if found.link => Problem::unsupported_query(format!(
                    "Expanding '{}' is not supported for resource '{}'.",
                    found.name,
                    entity.told()
                )),
                None if entity.property(name).is_none() => wrong(unknown(entity, name).message()),
                _ => wrong(&format!(
                    "Property '{}' on type 'microsoft.graph.{}' is not a navigation property or complex property. Only \
                     navigation properties can be expanded.",
                    shown(name),
                    entity.name
                )),
            });
        };
        let query = match inner {
            None => Query::plain(link.to),
            Some(inner) => {
                let mut pairs = Vec::new();
                for option in split(inner, b';').map_err(wrong)? {
                    if option.trim().is_empty() {
                        continue;
                    }
                    let (name, value) = option
                        .split_once('=')
                        .ok_or_else(|| wrong("an option inside an expansion reads like $select=id."))?;
                    if link.levels && name.trim().eq_ignore_ascii_case("$levels") {
                        if !value.trim().eq_ignore_ascii_case("max") && value.trim().parse().unwrap_or(0u32) == 0 {
                            return Err(wrong("$levels is a number from 1 on, or max."));
                        }
                        continue;
                    }
                    pairs.push((name.trim().to_owned(), value.to_owned()));
                }
                Query::from_pairs(&pairs, link.to, if link.many { Of::Many } else { Of::One }, depth + 1)?
            }
        };
        add(link, query)?;
    }
    Ok(out)
}

/// Cuts at a mark that is neither inside parentheses nor inside quotes.
fn split(text: &str, mark: u8) -> Result<Vec<&str>, &'static str> {
    let (mut parts, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0usize, false);
    for (at, c) in text.bytes().enumerate() {
        match c {
            b'\'' => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1).ok_or("a closing parenthesis without an opening one.")?,
            c if c == mark && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 || quoted {
        return Err("a parenthesis or a quote is not closed.");
    }
    parts.push(&text[from..]);
    Ok(parts)
}

impl By {
    /// The key by which rows are always told apart in the end.
    pub fn id() -> Self {
        By { property: "id", kind: Kind::Id, descending: false }
    }

    /// A key for a property that may be sorted by.
    pub fn property(property: &Property, descending: bool) -> Self {
        By { property: property.name, kind: property.kind.clone(), descending }
    }
}
