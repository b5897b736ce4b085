//! The order: one signed statement of everything that should be in force on one host, with its windows.
//! It never says what changed; a host that has read the newest order has read all of them. Nothing here opens a
//! connection, and nothing here decides what a host may refuse: its own file has the last word.
//!
//! Always: an order is obeyed only if the order key signed exactly these bytes, for this tenant and this host, and
//! its number (epoch, seq) is newer than the last one's, or equal to it with the same bytes.

mod enrol;
mod report;
mod request;

pub use enrol::{Code, ENROL_PATH, EnrolAnswer, EnrolAsk, NotACode, SignedEnrolment};
pub use report::{Containment, GrantReport, Notice, REPORT_BYTES_MAX, REPORTS_PATH, Report, Standing, told_max};
pub use request::{HEADER_HOST, HEADER_NONCE, HEADER_SIGNATURE, HEADER_TIME, NONCE_BYTES, ORDERS_PATH, RequestFacts};

use crate::ids::{AssignmentId, DeviceId, PersonId, PrincipalId, TenantId};
use crate::log::Head;
use crate::time::{Span, Time};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use core::fmt;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

/// The version of the order's form that this code writes and reads.
pub const VERSION: u16 = 1;

/// The most grants one order carries. A host with more administrators at once has another problem.
pub const GRANTS_MAX: usize = 500;

/// The longest signed order, in bytes of its body.
pub const ORDER_BYTES_MAX: usize = 1 << 20;

/// The longest hint shown on a terminal, in bytes.
pub const EXTEND_MAX: usize = 200;

/// What is signed begins with this, so that a signature made for anything else never fits an order.
const DOMAIN: &[u8] = b"writ order 1\0";

/// How a grant ends for what still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Elevated processes are told to stop, then stopped.
    Kill,
    /// No new elevated session begins; what runs is left alone.
    RefuseNew,
}

/// One person's right on this host: root through sudo, within a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderGrant {
    /// The assignment behind it; logs, cgroups and reports carry this id.
    pub activation: AssignmentId,
    /// Who holds the assignment.
    pub principal: PrincipalId,
    /// The human behind the principal; a local account is pinned to one person.
    pub person: PersonId,
    /// The local account's name. It is judged on the host and never written into a rule.
    pub account: String,
    /// In force from this moment.
    pub not_before: Time,
    /// In force until just before this moment.
    pub not_after: Time,
    /// What happens to running processes at the end.
    pub end: End,
    /// How long processes have between being asked to stop and being stopped.
    pub grace: Span,
    /// The command that asks for more time, shown with the warnings.
    pub extend: String,
}

impl OrderGrant {
    /// What tells grants apart: an assignment to a group gives one grant for each of its members.
    pub const fn key(&self) -> GrantKey {
        GrantKey { activation: self.activation, principal: self.principal }
    }
}

/// Which grant is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantKey {
    /// The assignment behind it.
    pub activation: AssignmentId,
    /// Whose it is.
    pub principal: PrincipalId,
}

/// Everything that should be in force on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The form's version.
    pub v: u16,
    /// Whose order it is.
    pub tenant: TenantId,
    /// For which host.
    pub host: DeviceId,
    /// Raised when the server's data were restored from a copy, so that numbers given out before stay used.
    pub epoch: u64,
    /// Grows by one with each change of the wanted set.
    pub seq: u64,
    /// When it was made.
    pub made_at: Time,
    /// How long the server's log was then, and its root: a server that was set back to an older copy shows by it, even
    /// when its numbers have caught up.
    pub log: Head,
    /// The whole wanted set.
    pub grants: Vec<OrderGrant>,
}

/// The number of an order and what it said, as a host remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The epoch of the newest order obeyed.
    pub epoch: u64,
    /// Its place in that epoch.
    pub seq: u64,
    /// SHA-256 of its exact body.
    pub digest: Hex<32>,
    /// The server's log when it was made.
    pub log: Head,
}

/// An order's exact bytes and who signed them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedOrder {
    /// The exact bytes that were signed: the order as JSON.
    pub body: Bytes,
    /// The order key's signature.
    pub signature: Hex<64>,
    /// Signatures of further keys, for hosts whose own file asks for a second one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seconds: Vec<SecondSignature>,
}

/// A signature over the same bytes by a key that the server does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondSignature {
    /// Whose signature this is.
    pub key: Hex<32>,
    /// Over the same bytes as the first.
    pub signature: Hex<64>,
}

/// Why a host does not obey an order. The text is for the host's and the server's operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotObeyed {
    /// The order key did not sign these bytes.
    Signature,
    /// None of the second keys that the host's file names signed these bytes.
    SecondSignature,
    /// Signed, but not an order this code reads; the text says what is wrong.
    Form(String),
    /// It is for another tenant.
    Tenant(TenantId),
    /// It is for another host.
    Host(DeviceId),
    /// Its number is older than the last one's.
    Older {
        /// The number it carries.
        offered: (u64, u64),
        /// The number the host holds.
        held: (u64, u64),
    },
    /// Its number is newer, and the server's log is older than when the last one was made, or another one.
    LogWentBack {
        /// How many entries the log had when it was made.
        offered: u64,
        /// How many it had when the last one was made.
        held: u64,
    },
    /// It has the last one's number and says something else: the server has two histories.
    Forked {
        /// The number both carry.
        number: (u64, u64),
    },
}

impl fmt::Display for NotObeyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotObeyed::Signature => f.write_str("the order is not signed by the key this host was enrolled with"),
            NotObeyed::SecondSignature => {
                f.write_str("the order lacks a second signature by one of the keys that this host's file names")
            }
            NotObeyed::Form(why) => write!(f, "the order cannot be read: {why}"),
            NotObeyed::Tenant(tenant) => write!(f, "the order is for another tenant, {tenant}"),
            NotObeyed::Host(host) => write!(f, "the order is for another host, {host}"),
            NotObeyed::Older { offered: (oe, os), held: (he, hs) } => write!(
                f,
                "order {oe}.{os} is older than {he}.{hs}, which this host already obeys; after restoring the server \
                 from a copy, raise its epoch"
            ),
            NotObeyed::LogWentBack { offered, held } => write!(
                f,
                "the server's log has {offered} entries and had {held} when this host last took an order: it was set back \
                 to an older copy; after restoring the server from a copy, raise its epoch"
            ),
            NotObeyed::Forked { number: (epoch, seq) } => {
                write!(f, "order {epoch}.{seq} differs from the order with the same number that this host obeys")
            }
        }
    }
}

impl core::error::Error for NotObeyed {}

impl Order {
    /// The order's number; a greater one is newer.
    pub const fn number(&self) -> (u64, u64) {
        (self.epoch, self.seq)
    }

    /// What no order may be, whoever signed it.
    pub fn check(&self) -> Result<(), String> {
        if self.v != VERSION {
            return Err(alloc::format!("version {} is not {VERSION}; this host's agent needs an update", self.v));
        }
        if self.grants.len() > GRANTS_MAX {
            return Err(alloc::format!("more than {GRANTS_MAX} grants"));
        }
        let mut seen = BTreeSet::new();
        for grant in &self.grants {
            if !seen.insert(grant.key()) {
                return Err(alloc::format!("activation {} stands in it twice for one principal", grant.activation));
            }
            if grant.not_after <= grant.not_before {
                return Err(alloc::format!("activation {} ends before it begins", grant.activation));
            }
            if grant.extend.len() > EXTEND_MAX {
                return Err(alloc::format!("a hint is longer than {EXTEND_MAX} bytes"));
            }
        }
        Ok(())
    }
}

impl SignedOrder {
    /// Signs an order. The bytes that are signed are the bytes that travel.
    pub fn sign(order: &Order, key: &SigningKey) -> Result<Self, String> {
        order.check()?;
        let body = serde_json::to_vec(order).map_err(|e| alloc::format!("{e}"))?;
        if body.len() > ORDER_BYTES_MAX {
            return Err(alloc::format!("the order is longer than {ORDER_BYTES_MAX} bytes"));
        }
        let signature = Hex(key.sign(&signed_bytes(&body)).to_bytes());
        Ok(Self { body: Bytes(body), signature, seconds: Vec::new() })
    }

    /// Adds a second signature over the same bytes.
    pub fn sign_second(&mut self, key: &SigningKey) {
        let signature = Hex(key.sign(&signed_bytes(&self.body.0)).to_bytes());
        self.seconds.push(SecondSignature { key: Hex(key.verifying_key().to_bytes()), signature });
    }

    /// Reads the order if this key signed exactly these bytes; judges neither addressee nor number.
    pub fn open(&self, key: &VerifyingKey) -> Result<Order, NotObeyed> {
        if self.body.0.len() > ORDER_BYTES_MAX {
            return Err(NotObeyed::Form("it is too long".into()));
        }
        let signature = Signature::from_bytes(&self.signature.0);
        key.verify_strict(&signed_bytes(&self.body.0), &signature).map_err(|_| NotObeyed::Signature)?;
        let order: Order = serde_json::from_slice(&self.body.0).map_err(|e| NotObeyed::Form(alloc::format!("{e}")))?;
        order.check().map_err(NotObeyed::Form)?;
        Ok(order)
    }

    /// As [`SignedOrder::open`], and the order must be for this host, be signed by one of the `seconds` keys where
    /// there are any, and be newer than what the host holds, or the same.
    pub fn accept(
        &self,
        key: &VerifyingKey,
        seconds: &[VerifyingKey],
        tenant: TenantId,
        host: DeviceId,
        held: Option<&Held>,
    ) -> Result<Order, NotObeyed> {
        let order = self.open(key)?;
        if !seconds.is_empty() && !seconds.iter().any(|second| self.is_second_signed_by(second)) {
            return Err(NotObeyed::SecondSignature);
        }
        if order.tenant != tenant {
            return Err(NotObeyed::Tenant(order.tenant));
        }
        if order.host != host {
            return Err(NotObeyed::Host(order.host));
        }
        if let Some(held) = held {
            let held_number = (held.epoch, held.seq);
            if order.number() < held_number {
                return Err(NotObeyed::Older { offered: order.number(), held: held_number });
            }
            if order.number() == held_number && self.digest() != held.digest {
                return Err(NotObeyed::Forked { number: held_number });
            }
            // Raising the epoch puts on record that the log went back; the same epoch knows of no such thing.
            let went_back =
                order.log.size < held.log.size || (order.log.size == held.log.size && order.log != held.log);
            if order.epoch == held.epoch && went_back {
                return Err(NotObeyed::LogWentBack { offered: order.log.size, held: held.log.size });
            }
        }
        Ok(order)
    }

    fn is_second_signed_by(&self, second: &VerifyingKey) -> bool {
        let message = signed_bytes(&self.body.0);
        self.seconds.iter().any(|offered| {
            offered.key.0 == second.to_bytes()
                && second.verify_strict(&message, &Signature::from_bytes(&offered.signature.0)).is_ok()
        })
    }

    /// SHA-256 of the exact body.
    pub fn digest(&self) -> Hex<32> {
        Hex(Sha256::digest(&self.body.0).into())
    }
}

impl fmt::Debug for SignedOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedOrder({} bytes, {:?})", self.body.0.len(), self.digest())
    }
}

fn signed_bytes(body: &[u8]) -> Vec<u8> {
    [DOMAIN, body].concat()
}

/// What identifies an order key to people and in enrolment codes: the first 16 bytes of its SHA-256.
pub fn fingerprint(key: &VerifyingKey) -> Hex<16> {
    let mut first = [0u8; 16];
    first.copy_from_slice(&Sha256::digest(key.as_bytes())[..16]);
    Hex(first)
}

/// A fixed number of bytes, written as lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> core::str::FromStr for Hex<N> {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0u8; N];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(|_| D::Error::custom(alloc::format!("{N} bytes as hexadecimal digits were due")))
    }
}

/// Bytes, written as base64.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        BASE64.decode(String::deserialize(d)?).map(Self).map_err(|_| D::Error::custom("base64 was due"))
    }
}

#[cfg(test)]
mod tests;
