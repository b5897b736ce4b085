//! OData as Graph's clients use it: each resource says once, in a table, which properties it has and what may be
//! done with them; filters, selections, expansions, orders and answers all follow from that table.
//! Nothing here knows a particular resource, and no option is ever matched as text.
//!
//! Always: a query that was accepted cannot fail afterwards; what is not offered is refused with a reason.

pub mod eval;
pub mod filter;
pub mod lex;
pub mod options;
pub mod parse;
pub mod render;
pub mod search;
pub mod value;

use super::declared::{Declared, declared};
use serde_json::Value as Json;
use uuid::Uuid;
use value::Value;

/// A kind of resource: its name in Graph, its properties, and what it links to.
#[derive(Debug)]
pub struct Entity {
    /// Graph's type name without the namespace: `user`.
    pub name: &'static str,
    /// Its properties, in the order in which they are answered.
    pub properties: &'static [Property],
    /// What `$expand` can follow.
    pub links: &'static [Link],
    /// More special types that rows may have, each answered with its `@odata.type`.
    pub special: &'static [&'static Entity],
    /// Whether `or` may be used in a filter. Graph refuses it for role definitions.
    pub or: bool,
}

/// One property of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// As Graph spells it.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether `$filter` may name it.
    pub filter: bool,
    /// Whether `$orderby` may name it.
    pub order: bool,
    /// Whether it is answered only when `$select` names it.
    pub asked: bool,
}

/// What a property holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A text, compared without case.
    Text,
    /// An identifier: a GUID in any case, or an exact text.
    Id,
    /// A moment.
    Time,
    /// A length of time.
    Span,
    /// true or false
    Bool,
    /// A number.
    Int,
    /// An object with these properties.
    Object(&'static [Property]),
    /// A list of these.
    List(&'static Kind),
}

/// A way from one resource to another.
#[derive(Debug)]
pub struct Link {
    /// As Graph spells it.
    pub name: &'static str,
    /// What is at its end.
    pub to: &'static Entity,
    /// Whether there may be several.
    pub many: bool,
    /// Whether what is at its end may be of several types, so that each row says its own.
    pub mixed: bool,
    /// Whether the same link may be followed on from what is at its end, as far as `$levels` says.
    pub levels: bool,
    /// Whether a filter may ask how many there are: `owners/$count eq 0`.
    pub counted: bool,
}

/// A resource that can be asked for its properties.
pub trait Row {
    /// Which kind of resource it is; for mixed lists, the special kind.
    fn entity(&self) -> &'static Entity;
    /// A property by the name in the table, as JSON; null when it has none.
    fn get(&self, property: &str) -> Json;
    /// The same, typed. What is read by the thousand gives it without JSON, and `get` from it.
    fn value(&self, property: &str) -> Value<'_> {
        Value::Json(self.get(property))
    }
    /// The whole row with its type as JSON, if it is one of those that are written once for all that say the same.
    fn whole(&self) -> Option<&[u8]> {
        None
    }
    /// What a link leads to.
    fn link(&self, _name: &str) -> Linked<'_> {
        Linked::One(None)
    }
    /// What a link to very many leads to, in the order of their ids and from this one on, where it can be read so.
    fn many_from(&self, _name: &str, _from: Uuid) -> Option<Rows<'_>> {
        None
    }
    /// How many rows have to be looked at, about, before it is known what a link leads to.
    fn width(&self, _name: &str) -> usize {
        0
    }
}

/// Rows, one after the other.
pub type Rows<'a> = Box<dyn Iterator<Item = Box<dyn Row + 'a>> + 'a>;

/// What a link leads to.
pub enum Linked<'a> {
    /// At most one resource.
    One(Option<Box<dyn Row + 'a>>),
    /// Any number of resources.
    Many(Vec<Box<dyn Row + 'a>>),
}

impl Row for Box<dyn Row + '_> {
    fn entity(&self) -> &'static Entity {
        (**self).entity()
    }
    fn get(&self, property: &str) -> Json {
        (**self).get(property)
    }
    fn value(&self, property: &str) -> Value<'_> {
        (**self).value(property)
    }
    fn whole(&self) -> Option<&[u8]> {
        (**self).whole()
    }
    fn link(&self, name: &str) -> Linked<'_> {
        (**self).link(name)
    }
    fn many_from(&self, name: &str, from: Uuid) -> Option<Rows<'_>> {
        (**self).many_from(name, from)
    }
    fn width(&self, name: &str) -> usize {
        (**self).width(name)
    }
}

impl Entity {
    /// A property by name, in any case; of the special types too.
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        let own = self.properties.iter().find(|p| p.name.eq_ignore_ascii_case(name));
        own.or_else(|| self.special.iter().find_map(|s| s.property(name)))
    }

    /// A property that Graph has, by name in any case, whether or not it is kept here; of the special types too.
    pub fn declared(&self, name: &str) -> Option<&'static Declared> {
        declared(self.name, name).or_else(|| self.special.iter().find_map(|s| s.declared(name)))
    }

    /// The name that stands in Graph's sentences about a query: `User`.
    pub fn told(&self) -> String {
        let mut letters = self.name.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
    }

    /// A link by name, in any case; of the special types too.
    pub fn link(&self, name: &str) -> Option<&'static Link> {
        let own = self.links.iter().find(|l| l.name.eq_ignore_ascii_case(name));
        own.or_else(|| self.special.iter().find_map(|s| s.link(name)))
    }
}

impl Property {
    const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, filter: true, order: true, asked: false }
    }
    /// A text.
    pub const fn text(name: &'static str) -> Self {
        Self::of(name, Kind::Text)
    }
    /// An identifier.
    pub const fn id(name: &'static str) -> Self {
        Self::of(name, Kind::Id)
    }
    /// A moment.
    pub const fn time(name: &'static str) -> Self {
        Self::of(name, Kind::Time)
    }
    /// true or false
    pub const fn bool(name: &'static str) -> Self {
        Self::of(name, Kind::Bool)
    }
    /// A number.
    pub const fn int(name: &'static str) -> Self {
        Self::of(name, Kind::Int)
    }
    /// A length of time.
    pub const fn span(name: &'static str) -> Self {
        Self::of(name, Kind::Span)
    }
    /// An object; its own properties say what may be filtered.
    pub const fn object(name: &'static str, fields: &'static [Property]) -> Self {
        Self { order: false, ..Self::of(name, Kind::Object(fields)) }
    }
    /// A list.
    pub const fn list(name: &'static str, of: &'static Kind) -> Self {
        Self { order: false, ..Self::of(name, Kind::List(of)) }
    }
    /// The same, only to be read.
    pub const fn shown(self) -> Self {
        Self { filter: false, order: false, ..self }
    }
    /// The same, answered only when selected.
    pub const fn asked(self) -> Self {
        Self { asked: true, ..self }
    }
}

impl Link {
    /// A link to at most one resource.
    pub const fn one(name: &'static str, to: &'static Entity) -> Self {
        Self { name, to, many: false, mixed: false, levels: false, counted: false }
    }
    /// A link to any number of resources.
    pub const fn many(name: &'static str, to: &'static Entity) -> Self {
        Self { name, to, many: true, mixed: false, levels: false, counted: false }
    }
    /// The same, to resources of several types.
    pub const fn mixed(self) -> Self {
        Self { mixed: true, ..self }
    }
    /// The same, of which `$levels` may be asked. Nothing is at its end, so there is no second level.
    pub const fn levels(self) -> Self {
        Self { levels: true, ..self }
    }
    /// The same, whose number a filter may ask for; for what is never long.
    pub const fn counted(self) -> Self {
        Self { counted: true, ..self }
    }
}

/// An identifier in the form in which identifiers are compared: every GUID in it in lower case, the rest as it is.
pub fn id_form(text: &str) -> String {
    let mut out = text.to_owned();
    let mut at = 0;
    while let Some(part) = out.get(at..at + 36) {
        if Uuid::try_parse(part).is_ok() {
            let lower = part.to_ascii_lowercase();
            out.replace_range(at..at + 36, &lower);
            at += 36;
        } else {
            at += out[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests;
