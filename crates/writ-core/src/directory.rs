//! The directory: persons, their principals, groups, administrative units, hosts.
//! It says who and what there is, never who may do what.
//!
//! Always: a user belongs to exactly one person; a group never contains itself, however deep.

use crate::ids::{DeviceId, PersonId, PrincipalId, UnitId};
use crate::personal::{Passage, Personal};
use crate::time::Time;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A user, a group or a service principal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Principal {
    /// Its object id.
    pub id: PrincipalId,
    /// Its display name.
    pub name: Personal,
    /// A disabled principal can do nothing and holds nothing.
    pub enabled: bool,
    /// When it was created.
    pub created: Time,
    /// What sort it is.
    pub kind: Kind,
}

/// What sort of principal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An account of a person.
    User(User),
    /// A set of principals.
    Group(Group),
    /// A program or an AI agent.
    Service(Service),
}

/// An account of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The human behind it.
    pub person: PersonId,
    /// The user principal name, `ana@northwind.example`.
    pub upn: Personal,
    /// An emergency account: its secret suffices alone, and nothing can stand in its way.
    pub emergency: bool,
}

/// A set of principals.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Group {
    /// What it is for.
    pub description: String,
    /// Whether it can be given roles; fixed at creation. It passes them to direct members only.
    pub role_assignable: bool,
    /// Its direct members.
    pub members: imbl::OrdSet<PrincipalId>,
    /// Who may manage its members, if it is not protected.
    pub owners: imbl::OrdSet<PrincipalId>,
}

/// A program or an AI agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its application (client) id.
    pub app: crate::ids::Uuid,
}

impl Principal {
    /// The user in it, if it is one.
    pub fn user(&self) -> Option<&User> {
        match &self.kind {
            Kind::User(user) => Some(user),
            _ => None,
        }
    }
    /// The group in it, if it is one.
    pub fn group(&self) -> Option<&Group> {
        match &self.kind {
            Kind::Group(group) => Some(group),
            _ => None,
        }
    }
    /// The program in it, if it is one.
    pub fn service(&self) -> Option<&Service> {
        match &self.kind {
            Kind::Service(service) => Some(service),
            _ => None,
        }
    }
    /// The person behind it, if it is a user.
    pub fn person(&self) -> Option<PersonId> {
        self.user().map(|u| u.person)
    }
    /// Whether it is an emergency account.
    pub fn emergency(&self) -> bool {
        self.user().is_some_and(|u| u.emergency)
    }
}

/// An administrative unit: users, groups and hosts that a role can be limited to. Units do not nest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// Its display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The principals in it. A group in a unit does not bring its members along.
    pub members: imbl::OrdSet<PrincipalId>,
    /// The hosts in it.
    pub hosts: imbl::OrdSet<DeviceId>,
}

/// An enrolled host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its device id.
    pub id: DeviceId,
    /// Its name, as it gave it when it was enrolled.
    pub name: String,
    /// Its device key (Ed25519, hexadecimal), which signs everything it says.
    pub key: String,
    /// When it was enrolled.
    pub enrolled: Time,
    /// The local accounts it last reported: names with uid 1000 and above.
    pub accounts: Vec<LocalAccount>,
    /// Hand-made grants it last reported; never deleted by Writ.
    pub drift: Vec<StrayGrant>,
    /// When its last report that changed something came.
    pub reported: Option<Time>,
}

/// A local account on a host, on record: about the person's principal that has it, or about the host if nobody known has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAccount {
    /// The account's name.
    pub name: Personal,
    /// Its uid.
    pub uid: u32,
}

/// A right on a host that Writ did not give, on record: account names are about whoever has them, all else about the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayGrant {
    /// Where it stands, such as `/etc/sudoers.d/local:3`.
    pub place: Passage,
    /// What it says.
    pub text: Passage,
}

/// A local account, as the host says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Account {
    /// The account's name.
    pub name: String,
    /// Its uid.
    pub uid: u32,
}

/// A right that Writ did not give, as the host says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Drift {
    /// Where it stands, such as `/etc/sudoers.d/local:3`.
    pub place: String,
    /// What it says.
    pub text: String,
}
