//! The vault: everything that must never be in the log. Passwords, TOTP seeds and their last step, emergency
//! secrets, enrolment codes, sign-in sessions, refresh families, throttle counters, signing keys, host orders.
//! It never holds a right: who may do what is in the log alone.
//!
//! Always: a row is written only by compare-and-set on its version; its secret is sealed with an AEAD bound to
//! tenant, kind, owner, id and version, so a row copied over another one does not open.

use writ_core::time::Time;
use zeroize::Zeroizing;

/// What a row holds. The name is part of the sealed address, so a row of one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An argon2id hash of a password. Owner: the principal.
    Password,
    /// A TOTP seed with the last step that was accepted. Owner: the principal.
    Totp,
    /// The hash of an emergency account's secret. Owner: the principal.
    EmergencySecret,
    /// The hash of a single-use code that binds a person's first factor. Owner: the principal.
    EnrolmentCode,
    /// The hash of a single-use code that enrols a host. Owner: empty.
    HostCode,
    /// A sign-in session. Owner: the principal.
    Session,
    /// A family of refresh tokens. Owner: the principal.
    RefreshFamily,
    /// A counter of failed attempts. Owner: the account or address it counts.
    Throttle,
    /// A key of the server's own (token signing, order signing, checkpoint signing). Owner: empty.
    ServerKey,
    /// The newest order of a host, as signed. Owner: the host.
    Order,
}

/// Where a row is. The tenant is fixed by the vault that is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What the row holds.
    pub kind: Kind,
    /// Whose it is: a principal, a host, an address, or empty.
    pub owner: String,
    /// Which one of the owner's rows of this kind.
    pub id: String,
}

/// An opened row.
#[derive(Debug)]
pub struct Row {
    /// Grows by one with each write of this key.
    pub version: u64,
    /// The opened secret; wiped when dropped.
    pub secret: Zeroizing<Vec<u8>>,
    /// When the row may be collected, if ever.
    pub expires: Option<Time>,
}

/// What the writer believes is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// No row with this key.
    Absent,
    /// A row of this version.
    Version(u64),
}

/// Why the vault did not do it.
#[derive(Debug)]
pub enum VaultError {
    /// Somebody else wrote first: the row has this version now, or is gone. Nothing was written.
    Conflict {
        /// The version that is there.
        found: Option<u64>,
    },
    /// The row is there and does not open: it was moved, altered, or sealed with another key.
    DoesNotOpen,
    /// The storage failed; the text is for the operator and holds no secret.
    Fault(String),
}
