//! Identifiers: one type per noun, all 128-bit GUIDs, printed lower-case with hyphens.
//! They are never made here: fresh ones come in with the context of a command.
//!
//! Always: an id of one noun cannot be passed where another noun's id is meant.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id with this 128-bit value; for tests and fixed ids.
            pub const fn from_u128(value: u128) -> Self {
                Self(Uuid::from_u128(value))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            /// Accepts the hyphenated form in any case, as Graph's clients send it.
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::try_parse(text).map(Self)
            }
        }
        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

ids! {
    /// A tenant: one organisation, one log.
    TenantId,
    /// One human, who may have several principals.
    PersonId,
    /// A user, a group or a service principal.
    PrincipalId,
    /// A role definition. A built-in role's id equals its template id in every tenant.
    RoleId,
    /// An administrative unit.
    UnitId,
    /// A device; a host is a device with a host agent.
    DeviceId,
    /// A request. The schedule it creates, its approval and its approval stage carry the same GUID.
    RequestId,
    /// An eligibility: the GUID of the request that created it.
    EligibilityId,
    /// An assignment, standing or activated: the GUID of the request that created it.
    AssignmentId,
    /// A sign-in session.
    SessionId,
    /// A credential in the vault.
    CredentialId,
}

/// Position of an entry in its tenant's log, counted from 1. Zero means "before the first entry".
pub type Seq = u64;
