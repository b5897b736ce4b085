//! How a host comes to know its server, and the server its host: a code that somebody carries from one to the other.
//! The code is used once and expires. It never contains a key that signs.
//!
//! Always: the host trusts an order key only if the code it was given names that key's fingerprint and the key
//! signed the answer to this very enrolment.

use super::{Bytes, Hex, fingerprint};
use crate::ids::{DeviceId, TenantId};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where a host enrols.
pub const ENROL_PATH: &str = "/agent/v1/enrol";

const DOMAIN: &[u8] = b"writ enrolment 1\0";

/// An enrolment code: `writ-host-` and 72 hexadecimal digits in groups. The secret proves the host to the server, the
/// fingerprint proves the server to the host, the end catches a slip of the hand.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// Known to the server as a hash only.
    pub secret: Hex<16>,
    /// The fingerprint of the key that signs orders.
    pub order_key: Hex<16>,
}

/// Why a text is not an enrolment code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACode;

impl fmt::Display for NotACode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not a whole enrolment code; copy it again, from `writ-host-` to its last digit")
    }
}
impl core::error::Error for NotACode {}

impl Code {
    /// What the server keeps instead of the code.
    pub fn hash(&self) -> Hex<32> {
        Hex(Sha256::digest([b"writ enrolment code 1\0".as_slice(), &self.secret.0].concat()).into())
    }

    fn check_digits(&self) -> Hex<4> {
        let all = Sha256::digest([self.secret.0.as_slice(), &self.order_key.0].concat());
        Hex([all[0], all[1], all[2], all[3]])
    }

    /// The code as it is handed over. It is a secret until it was used.
    pub fn reveal(&self) -> String {
        let digits = alloc::format!("{}{}{}", self.secret, self.order_key, self.check_digits());
        let groups: Vec<&str> =
            (0..digits.len()).step_by(8).filter_map(|at| digits.get(at..(at + 8).min(digits.len()))).collect();
        alloc::format!("writ-host-{}", groups.join("-"))
    }
}

impl fmt::Debug for Code {
    /// Never prints the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code(…, {})", self.order_key)
    }
}

impl FromStr for Code {
    type Err = NotACode;
    fn from_str(text: &str) -> Result<Self, NotACode> {
        let body = text.trim().strip_prefix("writ-host-").ok_or(NotACode)?;
        let digits: String = body.chars().filter(|c| *c != '-').collect();
        if digits.len() != 72 || !digits.is_ascii() {
            return Err(NotACode);
        }
        let part = |from: usize, to: usize| digits.get(from..to).ok_or(NotACode);
        let code = Self {
            secret: part(0, 32)?.parse().map_err(|_| NotACode)?,
            order_key: part(32, 64)?.parse().map_err(|_| NotACode)?,
        };
        let check: Hex<4> = part(64, 72)?.parse().map_err(|_| NotACode)?;
        if check == code.check_digits() { Ok(code) } else { Err(NotACode) }
    }
}

/// What a host sends to enrol; the request is signed with the device key that it names.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolAsk {
    /// The code's secret.
    pub secret: Hex<16>,
    /// The public part of the key that this host made for itself.
    pub device_key: Hex<32>,
    /// What the host calls itself.
    pub name: String,
    /// Its operating system, for people.
    pub system: String,
}

/// What an enrolled host is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolAnswer {
    /// The tenant it belongs to now.
    pub tenant: TenantId,
    /// Its id in that tenant.
    pub host: DeviceId,
    /// The key that signs its orders.
    pub order_key: Hex<32>,
    /// The device key that was enrolled, repeated so that an answer to another host does not fit.
    pub device_key: Hex<32>,
}

/// The answer's exact bytes under the order key's signature.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedEnrolment {
    /// The answer as JSON.
    pub body: Bytes,
    /// The order key's signature over it.
    pub signature: Hex<64>,
}

impl SignedEnrolment {
    /// Signs an answer with the order key.
    pub fn sign(answer: &EnrolAnswer, key: &SigningKey) -> Result<Self, String> {
        let body = serde_json::to_vec(answer).map_err(|e| alloc::format!("{e}"))?;
        let signature = Hex(key.sign(&[DOMAIN, &body].concat()).to_bytes());
        Ok(Self { body: Bytes(body), signature })
    }

    /// The answer, if the key that the code names signed it, and it is about this device key.
    pub fn open(&self, code: &Code, device_key: &VerifyingKey) -> Result<EnrolAnswer, String> {
        let answer: EnrolAnswer =
            serde_json::from_slice(&self.body.0).map_err(|e| alloc::format!("the answer cannot be read: {e}"))?;
        let key = VerifyingKey::from_bytes(&answer.order_key.0).map_err(|_| "the order key is not a key")?;
        if fingerprint(&key) != code.order_key {
            return Err("the server's order key is not the one that the enrolment code names: \
                        either the code is another server's, or somebody stands between"
                .into());
        }
        key.verify_strict(&[DOMAIN, &self.body.0].concat(), &Signature::from_bytes(&self.signature.0))
            .map_err(|_| "the answer is not signed by the server's order key")?;
        if answer.device_key.0 != device_key.to_bytes() {
            return Err("the answer is about another host's key".into());
        }
        Ok(answer)
    }
}
