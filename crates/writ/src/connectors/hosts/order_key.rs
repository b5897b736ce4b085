//! The key that signs orders: made once, kept in the vault.
//! It is another key than the log's: whoever can sign checkpoints cannot make anybody root.
//!
//! Always: hosts know this key by the fingerprint in their enrolment code, so it never changes silently.

use crate::vault::{Expected, Key, Kind, Vault, VaultError};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

pub(super) async fn open(vault: &Vault) -> Result<SigningKey, VaultError> {
    let at = Key::new(Kind::ServerKey, "", "orders");
    if let Some(row) = vault.get(&at).await? {
        let bytes = <[u8; 32]>::try_from(row.secret.as_slice()).map_err(|_| VaultError::DoesNotOpen)?;
        return Ok(SigningKey::from_bytes(&Zeroizing::new(bytes)));
    }
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| VaultError::Fault(format!("no randomness from the system: {e}")))?;
    vault.put(&at, Expected::Absent, &*bytes, None).await?;
    Ok(SigningKey::from_bytes(&bytes))
}
