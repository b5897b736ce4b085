//! Where a role holds, and what can be elevated to.
//! A scope says nothing about who is in it; that is the directory's to know.
//!
//! Always: a scope prints as Graph's `directoryScopeId` and reads back the same.

use crate::ids::{RoleId, UnitId, Uuid};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where a role holds. Room is left for trees of resources.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// The whole tenant, `/`.
    Tenant,
    /// The members of one administrative unit, `/administrativeUnits/{id}`.
    Unit(UnitId),
    /// One object, `/{id}`.
    Object(Uuid),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Tenant => f.write_str("/"),
            Scope::Unit(id) => write!(f, "/administrativeUnits/{id}"),
            Scope::Object(id) => write!(f, "/{id}"),
        }
    }
}

/// A text that is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAScope;

impl fmt::Display for NotAScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scope is / (the tenant), /administrativeUnits/{id} or /{object id}")
    }
}

impl FromStr for Scope {
    type Err = NotAScope;
    fn from_str(text: &str) -> Result<Self, NotAScope> {
        if text == "/" {
            return Ok(Scope::Tenant);
        }
        let rest = text.strip_prefix('/').ok_or(NotAScope)?;
        match rest.split_once('/') {
            Some((segment, id)) if segment.eq_ignore_ascii_case("administrativeUnits") => {
                id.parse().map(Scope::Unit).map_err(|_| NotAScope)
            }
            Some(_) => Err(NotAScope),
            None => Uuid::try_parse(rest).map(Scope::Object).map_err(|_| NotAScope),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Scope;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scope")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Scope, E> {
                v.parse().map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

/// What can be elevated to. Membership and ownership of groups will be further variants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A role at a scope.
    Role {
        /// Which role.
        role: RoleId,
        /// Where.
        scope: Scope,
    },
}

impl Target {
    /// A role at a scope.
    pub const fn role(role: RoleId, scope: Scope) -> Self {
        Target::Role { role, scope }
    }
    /// The role to be held.
    pub const fn role_id(&self) -> RoleId {
        let Target::Role { role, .. } = self;
        *role
    }
    /// The scope where it is to be held.
    pub const fn scope(&self) -> Scope {
        let Target::Role { scope, .. } = self;
        *scope
    }
}
