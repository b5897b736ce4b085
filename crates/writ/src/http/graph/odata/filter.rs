//! A `$filter` as a typed tree: parsed once by `parse.rs`, checked against the properties of what is listed, then only
//! evaluated. It reads no rows; `eval.rs` does.
//!
//! Always: every path in a tree names a property that may be filtered, and every literal already has the
//! property's type.
//!
//! Logic is two-valued: a comparison with a property that is null is false, except `eq null` and `ne`.

use super::Kind;
use super::value::{Value, order_caseless};
use serde_json::Value as Json;
use std::cmp::Ordering;
use uuid::Uuid;
use writ_core::time::{Span, Time};

/// A condition on a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them hold.
    And(Vec<Filter>),
    /// One of them holds; of none, none does.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A property compared with a value.
    Compare(Path, Op, Literal),
    /// A property equals one of these.
    In(Path, Vec<Literal>),
    /// A text property begins with, ends with or contains a text (already in lower case).
    Like(Path, Like, String),
    /// The row, or what a link of it leads to, is of the type with this name: `isof`.
    Is(Option<&'static str>, &'static str),
    /// At least one item of a list satisfies the condition; without one, the list is not empty.
    Any(Path, Option<Box<Filter>>),
    /// Every item of a list satisfies the condition.
    All(Path, Box<Filter>),
}

/// A path to a value, each step with the property it names. In a lambda, an empty path is the item itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The link to at most one other resource that it follows first, if it does: `principal/displayName`. With
    /// [`COUNT`] behind it, one to several.
    pub link: Option<&'static str>,
    /// The names, outermost first, as the property table spells them.
    pub steps: Vec<&'static str>,
    /// What is found there.
    pub kind: Kind,
}

/// What stands behind a list, or a link to several, for how many there are.
pub const COUNT: &str = "$count";

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// equal
    Eq,
    /// not equal
    Ne,
    /// greater, or later
    Gt,
    /// greater or equal
    Ge,
    /// less, or earlier
    Lt,
    /// less or equal
    Le,
}

/// How a text is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Like {
    /// `startswith`
    Starts,
    /// `endswith`
    Ends,
    /// `contains`
    Contains,
    /// One of its words begins with it: `$search`.
    Word,
}

/// A value in a filter, of its property's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// null
    Null,
    /// true or false
    Bool(bool),
    /// a number
    Number(f64),
    /// a text in lower case: directory texts are compared without case
    Text(String),
    /// an identifier: a GUID in lower case, anything else exactly
    Id(String),
    /// a moment
    Time(Time),
    /// a length of time
    Span(Span),
}

impl Filter {
    /// The values that a property must have for the filter to hold, when the filter says so at its top: what an
    /// index can be asked for instead of reading every row. Texts are in lower case.
    pub fn pins(&self, property: &str) -> Option<Vec<&str>> {
        match self {
            Filter::Compare(path, Op::Eq, literal) if path.is(property) => Some(vec![literal.text()?]),
            Filter::In(path, values) if path.is(property) => values.iter().map(Literal::text).collect(),
            Filter::And(parts) => parts.iter().find_map(|p| p.pins(property)),
            Filter::Or(parts) => {
                let each: Option<Vec<Vec<&str>>> = parts.iter().map(|p| p.pins(property)).collect();
                each.map(|each| each.concat())
            }
            _ => None,
        }
    }

    /// The earliest moment that a property may have for the filter to hold, when the filter says so at its top.
    pub fn since(&self, property: &str) -> Option<Time> {
        match self {
            Filter::Compare(path, Op::Ge | Op::Gt | Op::Eq, Literal::Time(at)) if path.is(property) => Some(*at),
            Filter::And(parts) => parts.iter().filter_map(|p| p.since(property)).max(),
            _ => None,
        }
    }

    /// The latest moment that a property may have for the filter to hold, in the same way.
    pub fn until(&self, property: &str) -> Option<Time> {
        match self {
            Filter::Compare(path, Op::Le | Op::Lt | Op::Eq, Literal::Time(at)) if path.is(property) => Some(*at),
            Filter::And(parts) => parts.iter().filter_map(|p| p.until(property)).min(),
            _ => None,
        }
    }

    /// What a text property must begin with for the filter to hold, in lower case, when the filter says so at its top.
    pub fn begins(&self, property: &str) -> Option<&str> {
        match self {
            Filter::Compare(path, Op::Eq, Literal::Text(text)) if path.is(property) => Some(text),
            Filter::Like(path, Like::Starts, text) if path.is(property) => Some(text),
            Filter::And(parts) => parts.iter().find_map(|p| p.begins(property)),
            _ => None,
        }
    }

    /// What one of the words of a text property must begin with, in the same way.
    pub fn word_begins(&self, property: &str) -> Option<&str> {
        match self {
            Filter::Like(path, Like::Word, text) if path.is(property) => Some(text),
            Filter::And(parts) => parts.iter().find_map(|p| p.word_begins(property)),
            _ => None,
        }
    }

    /// How many values are looked at, about, before it is known whether it holds: what an object or a list says is dearer
    /// than a text, and comparing one value with many costs less than many values.
    pub fn weight(&self) -> u64 {
        let of = |path: &Path| if path.link.is_some() || path.steps.len() > 1 { 4 } else { 1 };
        match self {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().map(Filter::weight).sum(),
            Filter::Not(inner) => inner.weight(),
            Filter::Compare(path, ..) | Filter::Like(path, ..) => of(path),
            Filter::In(path, values) => of(path) + values.len() as u64 / 16,
            Filter::Is(..) => 1,
            Filter::Any(path, None) => 4 * of(path),
            // How many items there are is not known; few, where these lists are.
            Filter::Any(path, Some(inner)) | Filter::All(path, inner) => 4 * (of(path) + inner.weight()),
        }
    }

    /// Whether it asks about what some link leads to, of those that this picks.
    pub fn follows(&self, picks: &mut dyn FnMut(&'static str) -> bool) -> bool {
        match self {
            Filter::And(parts) | Filter::Or(parts) => parts.iter().any(|part| part.follows(picks)),
            Filter::Not(inner) => inner.follows(picks),
            Filter::Compare(path, ..) | Filter::In(path, _) | Filter::Like(path, ..) => path.link.is_some_and(picks),
            Filter::Is(link, _) => link.is_some_and(picks),
            // What a list says is the row's own.
            Filter::Any(..) | Filter::All(..) => false,
        }
    }

    /// The conditions that must all hold for this one to hold.
    pub fn conjuncts(&self) -> Vec<&Filter> {
        match self {
            Filter::And(parts) => parts.iter().flat_map(Filter::conjuncts).collect(),
            one => vec![one],
        }
    }
}

impl Path {
    /// A path to one property of a row.
    pub fn to(property: &'static str, kind: Kind) -> Self {
        Self { link: None, steps: vec![property], kind }
    }

    /// Whether it leads to this property of the row itself.
    pub fn is(&self, property: &str) -> bool {
        self.link.is_none() && self.steps == [property]
    }

    /// As it was written, but for case.
    pub(super) fn told(&self) -> String {
        self.link.iter().chain(&self.steps).copied().collect::<Vec<_>>().join("/")
    }
}

impl Literal {
    /// The text of a text or an identifier.
    fn text(&self) -> Option<&str> {
        match self {
            Literal::Id(text) | Literal::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Compares a row's value with this one; `None` when either is null or they cannot be compared.
    pub fn order(&self, value: &Value<'_>) -> Option<Ordering> {
        match (self, value) {
            (Literal::Bool(b), Value::Bool(v)) => Some(v.cmp(b)),
            (Literal::Number(n), Value::Int(v)) => (*v as f64).partial_cmp(n),
            (Literal::Text(t), Value::Text(v)) => Some(order_caseless(v, t)),
            (Literal::Id(t), Value::Text(v)) => Some(v.as_ref().cmp(t)),
            (Literal::Id(t) | Literal::Text(t), Value::Guid(v)) => {
                Some((*v.hyphenated().encode_lower(&mut Uuid::encode_buffer())).cmp(t.as_str()))
            }
            (Literal::Time(t), Value::Time(v)) => Some(v.cmp(t)),
            (Literal::Span(s), Value::Span(v)) => Some(v.cmp(s)),
            (literal, Value::Json(v)) => literal.order_json(v),
            _ => None,
        }
    }

    fn order_json(&self, value: &Json) -> Option<Ordering> {
        match (self, value) {
            (Literal::Bool(b), Json::Bool(v)) => Some(v.cmp(b)),
            (Literal::Number(n), Json::Number(v)) => v.as_f64()?.partial_cmp(n),
            (Literal::Text(t), Json::String(v)) => Some(order_caseless(v, t)),
            (Literal::Id(t), Json::String(v)) => Some(v.as_str().cmp(t)),
            (Literal::Time(t), Json::String(v)) => Some(v.parse::<Time>().ok()?.cmp(t)),
            (Literal::Span(s), Json::String(v)) => Some(v.parse::<Span>().ok()?.cmp(s)),
            _ => None,
        }
    }
}
