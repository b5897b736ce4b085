//! Decides whether a row satisfies a filter.
//! It parses nothing and fails on nothing: what it is given was checked when it was read.

use super::filter::{COUNT, Filter, Like, Literal, Op, Path};
use super::value::{Value, order_caseless};
use super::{Linked, Row};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cmp::Ordering;
use writ_core::state::lookup::words;

/// Where a path starts: at a row, or at an item of a list inside a lambda.
#[derive(Clone, Copy)]
enum From<'a> {
    Row(&'a dyn Row),
    Item(&'a Json),
}

impl Filter {
    /// Whether the row satisfies the filter.
    pub fn holds(&self, row: &dyn Row) -> bool {
        test(self, From::Row(row))
    }
}

/// A condition once it is known what every row says.
enum Settled {
    /// It holds for every row.
    Always,
    /// It holds for none.
    Never,
    /// It depends on the row.
    Open(Filter),
}

impl Filter {
    /// The same condition where some properties are the same for every row: what is only about them is decided here,
    /// once. `None` when it holds for every row; when for none, an `Or` of nothing.
    pub fn given(self, known: &[(&str, Value<'_>)]) -> Option<Filter> {
        match settle(self, known) {
            Settled::Always => None,
            Settled::Never => Some(Filter::Or(Vec::new())),
            Settled::Open(filter) => Some(filter),
        }
    }

    /// Whether it can hold for a row with these values.
    pub fn may_hold(&self, known: &[(&str, Value<'_>)]) -> bool {
        !matches!(settle(self.clone(), known), Settled::Never)
    }
}

fn settle(filter: Filter, known: &[(&str, Value<'_>)]) -> Settled {
    let decided = |holds: bool| if holds { Settled::Always } else { Settled::Never };
    let value = |path: &Path| known.iter().find(|(name, _)| path.is(name)).map(|(_, value)| value);
    match filter {
        Filter::And(parts) => match several(parts, known, false) {
            None => Settled::Never,
            Some(mut open) if open.len() < 2 => open.pop().map_or(Settled::Always, Settled::Open),
            Some(open) => Settled::Open(Filter::And(open)),
        },
        Filter::Or(parts) => match several(parts, known, true) {
            None => Settled::Always,
            Some(mut open) if open.len() < 2 => open.pop().map_or(Settled::Never, Settled::Open),
            Some(open) => Settled::Open(Filter::Or(open)),
        },
        Filter::Not(inner) => match settle(*inner, known) {
            Settled::Always => Settled::Never,
            Settled::Never => Settled::Always,
            Settled::Open(inner) => Settled::Open(Filter::Not(Box::new(inner))),
        },
        Filter::Compare(path, op, literal) => match value(&path) {
            Some(value) => decided(compare(value, op, &literal)),
            None => Settled::Open(Filter::Compare(path, op, literal)),
        },
        Filter::In(path, literals) => match value(&path) {
            Some(value) => decided(literals.iter().any(|literal| compare(value, Op::Eq, literal))),
            None => Settled::Open(Filter::In(path, literals)),
        },
        Filter::Like(path, like, text) => match value(&path) {
            Some(value) => decided(value.text().is_some_and(|value| alike(&value, like, &text))),
            None => Settled::Open(Filter::Like(path, like, text)),
        },
        other => Settled::Open(other),
    }
}

/// The conditions that depend on the row; `None` when one of them settles all: in an `or` one that always holds, in an
/// `and` one that never does.
fn several(parts: Vec<Filter>, known: &[(&str, Value<'_>)], or: bool) -> Option<Vec<Filter>> {
    let mut open = Vec::new();
    for part in parts {
        match settle(part, known) {
            Settled::Open(part) => open.push(part),
            Settled::Always if or => return None,
            Settled::Never if !or => return None,
            Settled::Always | Settled::Never => {}
        }
    }
    Some(open)
}

fn test(filter: &Filter, from: From<'_>) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|p| test(p, from)),
        Filter::Or(parts) => parts.iter().any(|p| test(p, from)),
        Filter::Not(inner) => !test(inner, from),
        Filter::Compare(path, op, literal) => at(path, from, |value| compare(value, *op, literal)),
        Filter::In(path, literals) => {
            at(path, from, |value| literals.iter().any(|literal| compare(value, Op::Eq, literal)))
        }
        Filter::Like(path, like, text) => {
            at(path, from, |value| value.text().is_some_and(|value| alike(&value, *like, text)))
        }
        Filter::Is(link, of) => match (from, link) {
            (From::Row(row), None) => row.entity().name == *of,
            (From::Row(row), Some(link)) => {
                matches!(row.link(link), Linked::One(Some(target)) if target.entity().name == *of)
            }
            (From::Item(_), _) => false,
        },
        Filter::Any(path, inner) => at(path, from, |value| match (value, inner) {
            (Value::Json(Json::Array(items)), Some(inner)) => items.iter().any(|i| test(inner, From::Item(i))),
            (Value::Json(Json::Array(items)), None) => !items.is_empty(),
            _ => false,
        }),
        Filter::All(path, inner) => at(path, from, |value| match value {
            Value::Json(Json::Array(items)) => items.iter().all(|i| test(inner, From::Item(i))),
            _ => true,
        }),
    }
}

fn compare(value: &Value<'_>, op: Op, literal: &Literal) -> bool {
    let ordering = literal.order(value);
    match op {
        Op::Eq if *literal == Literal::Null => value.is_null(),
        Op::Ne if *literal == Literal::Null => !value.is_null(),
        Op::Eq => ordering == Some(Ordering::Equal),
        Op::Ne => ordering != Some(Ordering::Equal),
        Op::Gt => ordering == Some(Ordering::Greater),
        Op::Ge => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        Op::Lt => ordering == Some(Ordering::Less),
        Op::Le => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
    }
}

/// Whether a value is like a text that is in lower case already.
fn alike(value: &str, like: Like, text: &str) -> bool {
    match like {
        // The usual case without copying: what is ASCII and equal but for case.
        Like::Starts if value.is_ascii() => {
            value.get(..text.len()).is_some_and(|start| order_caseless(start, text).is_eq())
        }
        Like::Starts => value.to_lowercase().starts_with(text),
        Like::Ends if value.is_ascii() => {
            let at = value.len().checked_sub(text.len());
            at.and_then(|at| value.get(at..)).is_some_and(|end| order_caseless(end, text).is_eq())
        }
        Like::Ends => value.to_lowercase().ends_with(text),
        Like::Contains => value.to_lowercase().contains(text),
        Like::Word => words(&value.to_lowercase()).any(|rest| rest.starts_with(text)),
    }
}

/// Asks about what a path leads to; null where something on the way is missing.
fn at(path: &Path, from: From<'_>, ask: impl FnOnce(&Value<'_>) -> bool) -> bool {
    match from {
        From::Item(item) => ask(&Value::Json(inside(Cow::Borrowed(item), &path.steps).into_owned())),
        From::Row(row) => match path.link {
            None => in_row(row, path, ask),
            Some(link) => match row.link(link) {
                Linked::One(Some(target)) => in_row(&*target, path, ask),
                Linked::One(None) => ask(&Value::Null),
                Linked::Many(targets) => ask(&Value::Int(i64::try_from(targets.len()).unwrap_or(i64::MAX))),
            },
        },
    }
}

fn in_row(row: &dyn Row, path: &Path, ask: impl FnOnce(&Value<'_>) -> bool) -> bool {
    let Some((first, rest)) = path.steps.split_first() else { return ask(&Value::Null) };
    let value = match row.value(first) {
        Value::Raw(text) => Value::Json(Value::Raw(text).into_json()),
        value => value,
    };
    if rest.is_empty() {
        return ask(&value);
    }
    ask(&Value::Json(inside(Cow::Owned(value.into_json()), rest).into_owned()))
}

fn inside<'a>(mut at: Cow<'a, Json>, steps: &[&'static str]) -> Cow<'a, Json> {
    for step in steps {
        if *step == COUNT {
            return Cow::Owned(Json::from(at.as_array().map_or(0, Vec::len)));
        }
        at = match at {
            Cow::Borrowed(v) => v.get(step).map_or(Cow::Owned(Json::Null), Cow::Borrowed),
            Cow::Owned(mut v) => Cow::Owned(v.get_mut(step).map(Json::take).unwrap_or(Json::Null)),
        };
    }
    at
}
