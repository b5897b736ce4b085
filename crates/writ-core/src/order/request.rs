//! How a host signs what it sends: each request by itself, with its device key.
//! It never carries a secret; a request that somebody copied is refused because its nonce was used.
//!
//! Always: method, path, body, moment, nonce and host are all under the signature.

use super::Hex;
use crate::ids::DeviceId;
use crate::time::Time;
use alloc::string::String;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Where a host asks for its newest order. The query `epoch=…&seq=…&wait=…` is part of the signed path.
pub const ORDERS_PATH: &str = "/agent/v1/orders";

/// The header with the host's id.
pub const HEADER_HOST: &str = "writ-host";
/// The header with the moment of the request, RFC 3339.
pub const HEADER_TIME: &str = "writ-time";
/// The header with a fresh nonce, hexadecimal.
pub const HEADER_NONCE: &str = "writ-nonce";
/// The header with the signature, hexadecimal.
pub const HEADER_SIGNATURE: &str = "writ-signature";

/// The length of a nonce.
pub const NONCE_BYTES: usize = 16;

const DOMAIN: &str = "writ request 1";

/// What is signed in one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The host that asks.
    pub host: DeviceId,
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path with its query, as sent.
    pub path: &'a str,
    /// The exact body; empty where there is none.
    pub body: &'a [u8],
    /// When the host asks, by its own clock.
    pub at: Time,
    /// Used once.
    pub nonce: Hex<NONCE_BYTES>,
}

impl RequestFacts<'_> {
    fn message(&self) -> String {
        let body = Hex::<32>(Sha256::digest(self.body).into());
        let Self { host, method, path, at, nonce, .. } = self;
        alloc::format!("{DOMAIN}\n{host}\n{method}\n{path}\n{body}\n{at}\n{nonce}\n")
    }

    /// The device key's signature over this request.
    pub fn sign(&self, key: &SigningKey) -> Hex<64> {
        Hex(key.sign(self.message().as_bytes()).to_bytes())
    }

    /// Whether this device key signed this request.
    pub fn is_signed_by(&self, key: &VerifyingKey, signature: &Hex<64>) -> bool {
        key.verify_strict(self.message().as_bytes(), &Signature::from_bytes(&signature.0)).is_ok()
    }
}
