//! Decides whether a row satisfies a filter, and which of two rows comes first.
//! It parses nothing and fails on nothing: what it is given was checked when it was read.

use super::filter::{Filter, Like, Op, Path};
use super::{Kind, Row};
use serde_json::Value as Json;
use std::borrow::Cow;
use std::cmp::Ordering;
use writ_core::time::{Span, Time};

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

fn test(filter: &Filter, from: From<'_>) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|p| test(p, from)),
        Filter::Or(parts) => parts.iter().any(|p| test(p, from)),
        Filter::Not(inner) => !test(inner, from),
        Filter::Compare(path, op, literal) => {
            let value = value(path, from);
            let ordering = literal.order(&value);
            match op {
                Op::Eq if *literal == super::filter::Literal::Null => value.is_null(),
                Op::Ne if *literal == super::filter::Literal::Null => !value.is_null(),
                Op::Eq => ordering == Some(Ordering::Equal),
                Op::Ne => ordering != Some(Ordering::Equal),
                Op::Gt => ordering == Some(Ordering::Greater),
                Op::Ge => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
                Op::Lt => ordering == Some(Ordering::Less),
                Op::Le => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            }
        }
        Filter::In(path, literals) => {
            let value = value(path, from);
            literals.iter().any(|l| match l {
                super::filter::Literal::Null => value.is_null(),
                l => l.order(&value) == Some(Ordering::Equal),
            })
        }
        Filter::Like(path, like, text) => {
            value(path, from).as_str().map(str::to_lowercase).is_some_and(|v| match like {
                Like::Starts => v.starts_with(text),
                Like::Ends => v.ends_with(text),
                Like::Contains => v.contains(text),
            })
        }
        Filter::Any(path, inner) => match value(path, from).as_array() {
            Some(items) => match inner {
                Some(inner) => items.iter().any(|i| test(inner, From::Item(i))),
                None => !items.is_empty(),
            },
            None => false,
        },
        Filter::All(path, inner) => {
            value(path, from).as_array().is_none_or(|items| items.iter().all(|i| test(inner, From::Item(i))))
        }
    }
}

/// What a path leads to; null where something on the way is missing.
fn value<'a>(path: &Path, from: From<'a>) -> Cow<'a, Json> {
    let (mut at, rest) = match (from, path.steps.split_first()) {
        (From::Row(row), Some((first, rest))) => (Cow::Owned(row.get(first)), rest),
        (From::Row(_), None) => return Cow::Owned(Json::Null),
        (From::Item(item), _) => (Cow::Borrowed(item), &path.steps[..]),
    };
    for step in rest {
        at = match at {
            Cow::Borrowed(v) => v.get(step).map_or(Cow::Owned(Json::Null), Cow::Borrowed),
            Cow::Owned(mut v) => Cow::Owned(v.get_mut(step).map(Json::take).unwrap_or(Json::Null)),
        };
    }
    at
}

/// Which of two values of a property comes first; nulls before everything.
pub fn order(kind: &Kind, a: &Json, b: &Json) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        _ => {}
    }
    match kind {
        Kind::Bool => a.as_bool().cmp(&b.as_bool()),
        Kind::Int => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        Kind::Time => parsed::<Time>(a).cmp(&parsed::<Time>(b)),
        Kind::Span => parsed::<Span>(a).cmp(&parsed::<Span>(b)),
        Kind::Text => {
            let (x, y) = (a.as_str().unwrap_or_default(), b.as_str().unwrap_or_default());
            x.to_lowercase().cmp(&y.to_lowercase()).then_with(|| x.cmp(y))
        }
        Kind::Id | Kind::Object(_) | Kind::List(_) => a.as_str().cmp(&b.as_str()),
    }
}

fn parsed<T: std::str::FromStr>(value: &Json) -> Option<T> {
    value.as_str().and_then(|v| v.parse().ok())
}
