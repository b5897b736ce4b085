//! Keys of the server's own that sign-in needs: made at first use, kept sealed in the vault, the same ever after.
//! It never replaces a key.

use crate::vault::{Expected, Key, Kind, Vault, VaultError};
use zeroize::Zeroizing;

/// The key of this name; the first caller's is the one that stays.
pub(super) async fn kept_or<E>(
    vault: &Vault,
    name: &str,
    make: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, E>,
) -> Result<Result<Zeroizing<Vec<u8>>, E>, VaultError> {
    let at = Key::new(Kind::ServerKey, "", name);
    if let Some(row) = vault.get(&at).await? {
        return Ok(Ok(row.secret));
    }
    let made = match make() {
        Ok(made) => made,
        Err(error) => return Ok(Err(error)),
    };
    match vault.put(&at, Expected::Absent, &made, None).await {
        Ok(_) => Ok(Ok(made)),
        Err(VaultError::Conflict { found }) => match vault.get(&at).await? {
            Some(row) => Ok(Ok(row.secret)),
            None => Err(VaultError::Conflict { found }),
        },
        Err(error) => Err(error),
    }
}
