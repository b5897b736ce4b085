//! Seals and opens the vault's rows: XChaCha20-Poly1305 with a fresh random nonce for each write. The nonce is
//! 192 bits long, so random ones never meet and there is no counter to keep or to roll back.
//! It never stores anything.
//!
//! Always: tenant, kind, owner, id, version and end are authenticated with the secret, each with its length, so
//! a row opens only where, and as what, it was written.

use super::{Key, Row, Sealed, VaultError};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use writ_core::ids::TenantId;
use writ_core::time::Time;
use zeroize::{Zeroize, Zeroizing};

const NONCE: usize = 24;

/// The key that the vault is sealed with; wiped when dropped.
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// A key from its 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// Reads the seal key from a file of 64 hexadecimal digits that only its owner can read. With `make`, a missing
/// file is made with a fresh key. The error is a sentence for the operator.
pub fn seal_key_at(path: &Path, make: bool) -> Result<SealKey, String> {
    let shown = path.display();
    match File::open(path) {
        Ok(mut file) => {
            let facts = file.metadata().map_err(|e| format!("cannot read {shown}: {e}"))?;
            if facts.mode() & 0o077 != 0 {
                return Err(format!("{shown} can be read by others; run `chmod 600 {shown}` to go on"));
            }
            let mut text = Zeroizing::new(String::new());
            (&mut file).take(200).read_to_string(&mut text).map_err(|e| format!("cannot read {shown}: {e}"))?;
            let mut key = Zeroizing::new([0u8; 32]);
            hex::decode_to_slice(text.trim(), &mut *key)
                .map_err(|_| format!("{shown} must hold 64 hexadecimal digits and nothing else"))?;
            Ok(SealKey(key))
        }
        Err(e) if e.kind() == ErrorKind::NotFound && make => {
            let mut key = Zeroizing::new([0u8; 32]);
            getrandom::fill(&mut *key).map_err(|e| format!("no randomness from the system: {e}"))?;
            let text = Zeroizing::new(hex::encode(*key));
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(|e| format!("cannot make {shown}: {e}"))?;
            // The key must outlive a power cut at least as well as the first row that is sealed with it.
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .and_then(|()| path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all()))
                .map_err(|e| format!("cannot write {shown}: {e}"))?;
            Ok(SealKey(key))
        }
        Err(e) => Err(format!("cannot read the vault's key at {shown}: {e}")),
    }
}

pub(super) struct Sealer {
    tenant: TenantId,
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    pub(super) fn new(tenant: TenantId, key: &SealKey) -> Self {
        Self { tenant, cipher: XChaCha20Poly1305::new((&*key.0).into()) }
    }

    pub(super) fn seal(
        &self,
        key: &Key,
        version: u64,
        expires: Option<Time>,
        secret: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|e| VaultError::Fault(format!("no randomness from the system: {e}")))?;
        let aad = self.address(key, version, expires);
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: &aad })
            .map_err(|_| VaultError::Fault("the secret is too long to seal".into()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(super) fn open(&self, key: &Key, row: Sealed) -> Result<Row, VaultError> {
        let (nonce, sealed) = row.sealed.split_first_chunk::<NONCE>().ok_or(VaultError::DoesNotOpen)?;
        let aad = self.address(key, row.version, row.expires);
        let mut secret = self
            .cipher
            .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &aad })
            .map_err(|_| VaultError::DoesNotOpen)?;
        let opened = Zeroizing::new(secret.clone());
        secret.zeroize();
        Ok(Row { version: row.version, secret: opened, expires: row.expires })
    }

    /// What is authenticated beside the secret. Texts go in with their length, so no two addresses read alike.
    fn address(&self, key: &Key, version: u64, expires: Option<Time>) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + key.owner.len() + key.id.len());
        out.extend_from_slice(b"writ vault row 1\0");
        out.extend_from_slice(self.tenant.0.as_bytes());
        for text in [key.kind.name(), &key.owner, &key.id] {
            out.extend_from_slice(&(text.len() as u64).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        out.extend_from_slice(&version.to_be_bytes());
        match expires {
            Some(time) => {
                out.push(1);
                out.extend_from_slice(&time.millis().to_be_bytes());
            }
            None => out.push(0),
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_seal_key_is_made_once_and_never_readable_by_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.key");
        assert!(seal_key_at(&path, false).is_err(), "a missing key is not made without being asked");
        let made = seal_key_at(&path, true).unwrap();
        assert_eq!(*seal_key_at(&path, true).unwrap().0, *made.0);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(seal_key_at(&path, false).unwrap_err().contains("chmod 600"));
    }
}
