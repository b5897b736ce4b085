//! Opens one tenant's folder: its lock, its database, its vault and its engine; and finds out which tenants there are.
//! It serves nothing and founds nothing.
//!
//! Always: a folder is opened by one process at a time; the seal key lies beside the tenants, never in a database.

use crate::clock::Clock;
use crate::engine::{Engine, Start, end_the_process, signing_key};
use crate::store::place::Place;
use crate::store::{Fault, Store, sqlite};
use crate::vault::{Vault, seal_key_at};
use std::path::Path;
use std::sync::Arc;
use writ_core::ids::TenantId;

/// A tenant whose folder this process holds.
#[derive(Clone)]
pub struct Tenant {
    /// The folder; held until the last clone is dropped.
    pub place: Place,
    /// Its secrets.
    pub vault: Vault,
    /// Its log.
    pub store: Store,
    /// Its one writer.
    pub engine: Engine,
}

/// The tenants in a data directory, in order of their ids.
///
/// # Errors
/// When the directory is there and cannot be read.
pub fn tenants(data: &Path) -> Result<Vec<TenantId>, Fault> {
    let entries = match std::fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Fault::new(format!("{} cannot be read: {error}", data.display()))),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<TenantId> = names.filter_map(|name| name.parse().ok()).collect();
    found.retain(|id| data.join(id.to_string()).join("writ.db").exists());
    found.sort_unstable();
    Ok(found)
}

/// The one tenant of a data directory.
///
/// # Errors
/// When there is none yet, or several and none is named.
pub fn only(data: &Path) -> Result<TenantId, Fault> {
    match tenants(data)?.as_slice() {
        [one] => Ok(*one),
        [] => Err(Fault::new(format!(
            "there is no tenant in {} yet; create one with: writ init --data {}",
            data.display(),
            data.display()
        ))),
        _ => {
            Err(Fault::new(format!("{} holds several tenants; this version serves one per directory", data.display())))
        }
    }
}

/// Opens a tenant; `make` also makes what is missing.
///
/// # Errors
/// When another process holds it, the seal key is missing or wrong, or the log is not what its checkpoint says.
pub async fn open(data: &Path, tenant: TenantId, clock: Clock, make: bool) -> Result<Tenant, Fault> {
    let place = Place::hold(data, tenant)?;
    let seal = seal_key_at(&data.join("seal.key"), make).map_err(Fault::new)?;
    let vault = Vault::open(&place, &seal).map_err(|e| Fault::new(e.to_string()))?;
    let store = Store::Sqlite(sqlite::Log::open(&place)?);
    let key = signing_key(&vault).await.map_err(|e| Fault::new(e.to_string()))?;
    let engine = Engine::start(Start {
        tenant,
        store: store.clone(),
        clock,
        key,
        snapshot: Some(place.dir().join("snapshot")),
        last_words: Arc::new(end_the_process),
    });
    let engine = engine.await?;
    crate::export::publish_key(data, tenant, engine.log_key())?;
    Ok(Tenant { engine, place, vault, store })
}
