//! Linux hosts: each has an agent that fetches one signed order, its whole wanted set, and reports what is in force.
//! The server never reaches out to a host, and holds no key that a host would take for its own.
//!
//! Always: an order is in the vault before a host can see it; its number grows only when the wanted set changes; the
//! log says which rights are about to be made before any host is told.

mod codes;
mod order_key;
mod orders;
mod reports;

pub use codes::Issued;
pub use orders::{LEASE, LEASE_RENEWED};
pub use reports::Reports;

use super::{Answer, Connector, Promise};
use crate::engine::{Engine, Wrong, fresh_id};
use crate::store::Fault;
use crate::vault::{Vault, VaultError};
use ed25519_dalek::{SigningKey, VerifyingKey};
use std::sync::Arc;
use tokio::sync::watch;
use writ_core::command::{Caller, Command, Intent};
use writ_core::ids::DeviceId;
use writ_core::order::SignedOrder;
use writ_core::plan::Grant;
use writ_core::time::Span;

/// How many intents one command carries.
const INTENTS_MAX: usize = 5_000;

/// The hosts of one tenant. Clones share it.
#[derive(Clone)]
pub struct Hosts {
    engine: Engine,
    vault: Vault,
    key: Arc<SigningKey>,
    orders: Arc<orders::Orders>,
    reports: Reports,
}

impl Hosts {
    /// Opens the order key, which is made at the first call, and begins to collect reports.
    ///
    /// # Errors
    /// When the vault fails.
    pub async fn start(engine: Engine, vault: Vault) -> Result<Hosts, VaultError> {
        let key = Arc::new(order_key::open(&vault).await?);
        let reports = Reports::start(engine.clone());
        Ok(Hosts { engine, vault, key, orders: Arc::default(), reports })
    }

    /// The key that signs orders.
    pub fn order_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Takes what hosts report.
    pub fn reports(&self) -> &Reports {
        &self.reports
    }

    /// A host's newest order, if there is one yet.
    pub fn newest(&self, host: DeviceId) -> Option<(SignedOrder, (u64, u64))> {
        self.orders.newest(host)
    }

    /// Tells of every change of any order.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.orders.changes()
    }

    async fn reconcile(&self, wanted: &[Grant]) -> Result<(), Fault> {
        // The head is read first: it is never of a later moment than the state that the orders follow from.
        let head = self.engine.head();
        let (state, now) = (self.engine.state(), self.engine.now());
        let mut round = self.orders.compare(&self.vault, &state, head, wanted, now).await.map_err(fault)?;
        if round.is_empty() {
            return Ok(());
        }
        // The log speaks first: a right that was made and never announced could not be told from somebody else's.
        let intents: Vec<Intent> = round
            .iter()
            .flat_map(|change| change.fresh.iter())
            .filter(|i| !state.effects.contains_key(&(i.assignment, i.principal, i.host)))
            .copied()
            .collect();
        for some in intents.chunks(INTENTS_MAX) {
            let command = Command::IntendGrants { grants: some.to_vec() };
            match self.engine.submit(command, Caller::timer(fresh_id())).await {
                Ok(_) => {}
                Err(Wrong::Fault(fault)) => return Err(fault),
                Err(Wrong::Refused(refusal)) => return Err(Fault::new(refusal.told())),
            }
        }
        for change in round.drain(..) {
            self.orders.publish(&self.vault, &self.key, change).await.map_err(fault)?;
        }
        Ok(())
    }
}

fn fault(error: VaultError) -> Fault {
    Fault::new(format!("orders: {error}"))
}

impl Connector for Hosts {
    fn name(&self) -> &'static str {
        "hosts"
    }

    fn promise(&self) -> Promise {
        // sudo compares whole seconds; ending the processes takes the role's grace on top.
        Promise { ends_by_itself: true, overrun_max: Span::from_seconds(1) }
    }

    fn set<'a>(&'a self, wanted: &'a [Grant]) -> Answer<'a, Result<(), Fault>> {
        Box::pin(self.reconcile(wanted))
    }
}

#[cfg(test)]
pub(crate) mod tests;
