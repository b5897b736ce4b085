//! The vault: everything that must never be in the log. Passwords, TOTP seeds and their last step, emergency
//! secrets, enrolment codes, sign-in sessions, refresh families, throttle counters, signing keys, host orders.
//! It never holds a right: who may do what is in the log alone.
//!
//! Always: a row is written only by compare-and-set on its version; its secret is sealed with an AEAD bound to
//! tenant, kind, owner, id, version and end, so a row copied over another one does not open.

#[cfg(test)]
mod contract;
mod kept;
mod memory;
mod seal;
mod sqlite;

use crate::store::place::Place;
use kept::Kept;
use seal::Sealer;
use std::fmt;
use std::sync::Arc;
use writ_core::ids::TenantId;
use writ_core::time::Time;
use zeroize::Zeroizing;

pub use seal::{SealKey, seal_key_at};

/// The largest secret a row holds, in bytes. The largest is a host's order with hundreds of grants.
pub const SECRET_MAX: usize = 1 << 20;

/// The longest owner or id of a row, in bytes.
pub const NAME_MAX: usize = 512;

/// The most rows that one listing returns.
pub const LIST_MAX: u32 = 10_000;

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

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 10] = [
        Kind::Password,
        Kind::Totp,
        Kind::EmergencySecret,
        Kind::EnrolmentCode,
        Kind::HostCode,
        Kind::Session,
        Kind::RefreshFamily,
        Kind::Throttle,
        Kind::ServerKey,
        Kind::Order,
    ];

    /// The name it is stored and sealed under. It never changes: changing it would make its rows unreadable.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Password => "password",
            Kind::Totp => "totp",
            Kind::EmergencySecret => "emergency_secret",
            Kind::EnrolmentCode => "enrolment_code",
            Kind::HostCode => "host_code",
            Kind::Session => "session",
            Kind::RefreshFamily => "refresh_family",
            Kind::Throttle => "throttle",
            Kind::ServerKey => "server_key",
            Kind::Order => "order",
        }
    }
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

impl Key {
    /// The address of an owner's row; an empty owner where the row is the server's own.
    pub fn new(kind: Kind, owner: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind, owner: owner.into(), id: id.into() }
    }
}

/// An opened row.
pub struct Row {
    /// Grows by one with each write of this key. A key that was deleted and written again never has a version
    /// that it had before, so a late writer cannot mistake the new row for the old one.
    pub version: u64,
    /// The opened secret; wiped when dropped.
    pub secret: Zeroizing<Vec<u8>>,
    /// When the row may be collected, if ever.
    pub expires: Option<Time>,
}

impl fmt::Debug for Row {
    /// Never prints the secret: debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row(version {}, expires {:?})", self.version, self.expires)
    }
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

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VaultError::Conflict { found: Some(version) } => write!(f, "somebody else wrote version {version} first"),
            VaultError::Conflict { found: None } => f.write_str("the row is gone"),
            VaultError::DoesNotOpen => {
                f.write_str("the row does not open: it was moved, altered or sealed with another key")
            }
            VaultError::Fault(why) => write!(f, "the vault failed: {why}"),
        }
    }
}

impl std::error::Error for VaultError {}

/// One tenant's vault. Clones share it.
#[derive(Clone)]
pub struct Vault {
    sealer: Arc<Sealer>,
    rows: Rows,
    kept: Kept,
}

#[derive(Clone)]
enum Rows {
    Sqlite(sqlite::Rows),
    Memory(memory::Rows),
}

/// A row as it is stored.
struct Sealed {
    version: u64,
    sealed: Vec<u8>,
    expires: Option<Time>,
}

impl Vault {
    /// The vault in the tenant's database file. Fails with a sentence for the operator when the seal key is
    /// not the one that the vault was made with.
    pub fn open(place: &Place, key: &SealKey) -> Result<Vault, VaultError> {
        let sealer = Arc::new(Sealer::new(place.tenant(), key));
        let rows = sqlite::Rows::open(place, &sealer)?;
        Ok(Vault { sealer, rows: Rows::Sqlite(rows), kept: Kept::default() })
    }

    /// A vault that forgets everything when it is dropped; for tests.
    pub fn memory(tenant: TenantId, seal_key: [u8; 32]) -> Vault {
        let sealer = Arc::new(Sealer::new(tenant, &SealKey::new(seal_key)));
        Vault { sealer, rows: Rows::Memory(memory::Rows::default()), kept: Kept::default() }
    }

    /// The row at `key`, opened. An expired row that was not collected yet is still returned, with its end.
    pub async fn get(&self, key: &Key) -> Result<Option<Row>, VaultError> {
        check(key)?;
        if !Kept::takes(key.kind) {
            return self.read(key).await;
        }
        let began = match self.kept.get(key) {
            Ok(row) => return Ok(Some(row)),
            Err(began) => began,
        };
        let row = self.read(key).await?;
        if let Some(row) = &row {
            self.kept.keep(began, key, row);
        }
        Ok(row)
    }

    async fn read(&self, key: &Key) -> Result<Option<Row>, VaultError> {
        let found = match &self.rows {
            Rows::Sqlite(rows) => rows.get(key).await?,
            Rows::Memory(rows) => rows.get(key),
        };
        found.map(|sealed| self.sealer.open(key, sealed)).transpose()
    }

    /// Runs a write and forgets what was kept of what it wrote, also when the caller goes away meanwhile: the write is
    /// finished then too, and nobody may find the old row after it.
    async fn written<T: Send + 'static>(
        &self,
        key: Option<&Key>,
        write: impl Future<Output = Result<T, VaultError>> + Send + 'static,
    ) -> Result<T, VaultError> {
        if key.is_some_and(|key| !Kept::takes(key.kind)) {
            return write.await;
        }
        let (kept, key) = (self.kept.clone(), key.cloned());
        let whole = tokio::spawn(async move {
            let done = write.await;
            kept.forget(key.as_ref());
            done
        });
        whole.await.map_err(|e| VaultError::Fault(format!("the vault's work stopped: {e}")))?
    }

    /// Writes the row if what is there is what the writer `expected`; returns the new version.
    pub async fn put(
        &self,
        key: &Key,
        expected: Expected,
        secret: &[u8],
        expires: Option<Time>,
    ) -> Result<u64, VaultError> {
        check(key)?;
        if secret.len() > SECRET_MAX {
            return Err(VaultError::Fault(format!("a row holds at most {SECRET_MAX} bytes")));
        }
        let (rows, sealer, at) = (self.rows.clone(), self.sealer.clone(), key.clone());
        let secret = Zeroizing::new(secret.to_vec());
        let write = async move {
            match &rows {
                Rows::Sqlite(rows) => rows.put(&sealer, &at, expected, &secret, expires).await,
                Rows::Memory(rows) => rows.put(&sealer, &at, expected, &secret, expires),
            }
        };
        self.written(Some(key), write).await
    }

    /// Deletes the row if it still has this version.
    pub async fn delete(&self, key: &Key, version: u64) -> Result<(), VaultError> {
        check(key)?;
        let (rows, at) = (self.rows.clone(), key.clone());
        let write = async move {
            match &rows {
                Rows::Sqlite(rows) => rows.delete(&at, version).await,
                Rows::Memory(rows) => rows.delete(&at, version),
            }
        };
        self.written(Some(key), write).await
    }

    /// The addresses and versions of the rows of a kind, of one owner or of all, in order of owner and id; at
    /// most `limit` and never more than [`LIST_MAX`]. Nothing is opened.
    pub async fn list(&self, kind: Kind, owner: Option<&str>, limit: u32) -> Result<Vec<(Key, u64)>, VaultError> {
        let limit = limit.min(LIST_MAX);
        match &self.rows {
            Rows::Sqlite(rows) => rows.list(kind, owner, limit).await,
            Rows::Memory(rows) => Ok(rows.list(kind, owner, limit)),
        }
    }

    /// Collects the rows that have expired by `now`; returns how many.
    pub async fn sweep(&self, now: Time) -> Result<u64, VaultError> {
        let rows = self.rows.clone();
        let write = async move {
            match &rows {
                Rows::Sqlite(rows) => rows.sweep(now).await,
                Rows::Memory(rows) => Ok(rows.sweep(now)),
            }
        };
        self.written(None, write).await
    }
}

fn check(key: &Key) -> Result<(), VaultError> {
    if key.owner.len() > NAME_MAX || key.id.len() > NAME_MAX {
        return Err(VaultError::Fault(format!("a row's owner and id have at most {NAME_MAX} bytes each")));
    }
    Ok(())
}
