//! Random bytes from the system, for secrets and ids.
//! It never makes do with anything weaker: without randomness the caller fails.

use zeroize::Zeroizing;

/// The system gave no randomness. Nothing can be kept secret then, so nothing is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRandomness;

/// Fresh random bytes, wiped when dropped.
pub(super) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0u8; N]);
    getrandom::fill(&mut *bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A fresh random GUID (RFC 9562, version 4).
pub(super) fn id() -> Result<uuid::Uuid, NoRandomness> {
    Ok(uuid::Builder::from_random_bytes(*bytes::<16>()?).into_uuid())
}
