//! Lists of users, groups and programs, in the order of their names.
//! What is found by id, by name or by the beginning of a name or a word is found by an index.
//!
//! Always: the order follows from the query alone, so every page of a list goes the same way through it.

use super::ask::{Answer, Ask};
use super::directory_objects::Object;
use super::odata::options::{By, Query};
use super::odata::{Entity, Kind, Row};
use super::page::Shape;
use crate::http::problem::Problem;
use std::collections::BTreeSet;
use writ_core::ids::PrincipalId;
use writ_core::state::lookup::NameIndex;

/// How many rows that a search lets through are sorted; of more, so many match that walking in order finds a page soon.
const SORTED_MAX: usize = 2_000;

/// A list of principals of one sort.
pub fn list<'a>(ask: &'a Ask, entity: &'static Entity, context: &str, index: &'a NameIndex) -> Result<Answer, Problem> {
    let query = ask.query(entity)?;
    let by_name = By { property: "displayName", kind: Kind::Text, descending: false };
    let shape = Shape::by_id().ordered(vec![by_name, By::id()]).of_total(index.len());
    if let Some(few) = few(ask, &query, index) {
        let rows = few.into_iter().filter_map(|id| Object::principal(&ask.moment, id));
        return ask.page_of(&query, context, &shape, rows.filter(|row| std::ptr::eq(row.entity(), entity)));
    }
    let shape = shape.sorted();
    if !shape.as_wanted(&query) {
        let all = ask.moment.state.principals.values().map(|p| Object::of(&ask.moment, p));
        return ask.page_of(&query, context, &shape, all.filter(|row| std::ptr::eq(row.entity(), entity)));
    }
    let at = ask.seeks(&query, &shape)?;
    let after = at.and_then(|at| Some((at.first()?.text()?, PrincipalId(at.get(1)?.guid()?))));
    let begins = query.filter.as_ref().and_then(|f| f.begins("displayName")).unwrap_or_default();
    let ids = index.after(begins, after);
    ask.page_of(&query, context, &shape, ids.filter_map(|id| Object::principal(&ask.moment, id)))
}

/// The principals that are all that the filter can let through, if an index says so and they are few.
fn few(ask: &Ask, query: &Query, index: &NameIndex) -> Option<BTreeSet<PrincipalId>> {
    if let Some(ids) = query.pins("id") {
        return Some(ids.iter().filter_map(|id| id.parse().ok()).collect());
    }
    for name in ["userPrincipalName", "mail"] {
        if let Some(names) = query.pins(name) {
            return Some(names.iter().filter_map(|name| ask.moment.state.upns.get(*name).copied()).collect());
        }
    }
    let word = query.filter.as_ref()?.word_begins("displayName")?;
    let mut found = BTreeSet::new();
    for id in index.word_begins(word) {
        found.insert(id);
        if found.len() > SORTED_MAX {
            return None;
        }
    }
    Some(found)
}
