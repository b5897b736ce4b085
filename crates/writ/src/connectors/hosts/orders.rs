//! The newest order of each host: compared with what is wanted, numbered, signed, kept.
//!
//! Always: two different orders never carry the same number; a host that was just enrolled gets an order too, if only
//! an empty one.

use crate::vault::{Expected, Key, Kind, Vault, VaultError};
use ed25519_dalek::SigningKey;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use tokio::sync::watch;
use writ_core::command::Intent;
use writ_core::ids::{DeviceId, TenantId};
use writ_core::log::Head;
use writ_core::order::{End, GRANTS_MAX, GrantKey, Order, OrderGrant, SignedOrder, VERSION};
use writ_core::plan::Grant;
use writ_core::state::State;
use writ_core::time::{Span, TIME_MAX, Time};

/// How long a host may go on with a right that has no end, or a far one, without hearing from the server. Not longer
/// than the window that a host allows where its own file says nothing.
pub const LEASE: Span = Span::from_hours(8);
/// A lease is renewed when less than this is left of it.
pub const LEASE_RENEWED: Span = Span::from_hours(4);

/// The newest order of each host, as far as this process has looked.
pub(super) struct Orders {
    slots: Mutex<BTreeMap<DeviceId, Slot>>,
    changed: watch::Sender<u64>,
}

impl Default for Orders {
    fn default() -> Self {
        Self { slots: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

#[derive(Clone)]
struct Slot {
    order: Order,
    signed: SignedOrder,
    /// The version of the vault's row.
    version: u64,
}

/// A host whose order has to change.
pub(super) struct Change {
    order: Order,
    expected: Expected,
    /// Rights that the last order did not hold.
    pub(super) fresh: Vec<Intent>,
}

impl Orders {
    pub(super) fn newest(&self, host: DeviceId) -> Option<(SignedOrder, (u64, u64))> {
        self.slots.lock().get(&host).map(|slot| (slot.signed.clone(), slot.order.number()))
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Which hosts' orders are not what is wanted.
    pub(super) async fn compare(
        &self,
        vault: &Vault,
        state: &State,
        log: Head,
        wanted: &[Grant],
        now: Time,
    ) -> Result<Vec<Change>, VaultError> {
        let mut by_host: BTreeMap<DeviceId, Vec<&Grant>> = BTreeMap::new();
        for grant in wanted {
            by_host.entry(grant.host).or_default().push(grant);
        }
        self.slots.lock().retain(|host, _| state.hosts.contains_key(host));
        let mut changes = Vec::new();
        for host in state.hosts.keys() {
            let slot = self.load(vault, *host).await?;
            let last = slot.as_ref().map(|s| &s.order);
            let grants = grants(by_host.remove(host).unwrap_or_default(), last, now);
            let same = last.is_some_and(|o| o.grants == grants && o.epoch == state.epoch);
            if same {
                continue;
            }
            let held: Vec<GrantKey> = last.map(|o| o.grants.iter().map(OrderGrant::key).collect()).unwrap_or_default();
            let fresh = grants
                .iter()
                .filter(|g| !held.contains(&g.key()))
                .map(|g| Intent { assignment: g.activation, principal: g.principal, host: *host, absent_before: true })
                .collect();
            changes.push(Change {
                order: next(last, (state.tenant, *host, state.epoch), log, grants, now),
                expected: slot.map_or(Expected::Absent, |s| Expected::Version(s.version)),
                fresh,
            });
        }
        Ok(changes)
    }

    /// Signs a changed order, keeps it, and lets hosts see it.
    pub(super) async fn publish(&self, vault: &Vault, key: &SigningKey, change: Change) -> Result<(), VaultError> {
        let host = change.order.host;
        let signed = SignedOrder::sign(&change.order, key).map_err(VaultError::Fault)?;
        let bytes = serde_json::to_vec(&signed).map_err(|e| VaultError::Fault(e.to_string()))?;
        let version = match vault.put(&row(host), change.expected, &bytes, None).await {
            Ok(version) => version,
            Err(conflict) => {
                // Somebody else numbered an order: look at theirs in the next round.
                self.slots.lock().remove(&host);
                return Err(conflict);
            }
        };
        self.slots.lock().insert(host, Slot { order: change.order, signed, version });
        self.changed.send_modify(|n| *n += 1);
        Ok(())
    }

    async fn load(&self, vault: &Vault, host: DeviceId) -> Result<Option<Slot>, VaultError> {
        if let Some(slot) = self.slots.lock().get(&host) {
            return Ok(Some(slot.clone()));
        }
        let Some(found) = vault.get(&row(host)).await? else { return Ok(None) };
        let signed: SignedOrder = serde_json::from_slice(&found.secret).map_err(|_| VaultError::DoesNotOpen)?;
        let order: Order = serde_json::from_slice(&signed.body.0).map_err(|_| VaultError::DoesNotOpen)?;
        let slot = Slot { order, signed, version: found.version };
        self.slots.lock().insert(host, slot.clone());
        self.changed.send_modify(|n| *n += 1);
        Ok(Some(slot))
    }
}

/// What a terminal is told to type for more time. The role need not be named while only one is switched on.
const EXTEND: &str = "writ extend --for 30m --because \"...\"";

fn row(host: DeviceId) -> Key {
    Key::new(Kind::Order, host.to_string(), "newest")
}

fn next(
    last: Option<&Order>,
    (tenant, host, epoch): (TenantId, DeviceId, u64),
    log: Head,
    grants: Vec<OrderGrant>,
    now: Time,
) -> Order {
    let seq = last.filter(|o| o.epoch == epoch).map_or(1, |o| o.seq + 1);
    Order { v: VERSION, tenant, host, epoch, seq, made_at: now, log, grants }
}

/// One host's wanted set, in a stable order.
fn grants(wanted: Vec<&Grant>, last: Option<&Order>, now: Time) -> Vec<OrderGrant> {
    let mut grants: Vec<OrderGrant> = wanted.into_iter().map(|g| grant(g, last, now)).collect();
    grants.sort_by_key(OrderGrant::key);
    grants.dedup_by_key(|g| g.key());
    if grants.len() > GRANTS_MAX {
        tracing::error!(
            wanted = grants.len(),
            max = GRANTS_MAX,
            "too many people are root on one host at once; the rest get nothing"
        );
        grants.truncate(GRANTS_MAX);
    }
    grants
}

fn grant(g: &Grant, last: Option<&Order>, now: Time) -> OrderGrant {
    let key = GrantKey { activation: g.assignment, principal: g.principal };
    // A far end is given in leases, so that a host that hears nothing more does not go on for ever. A lease that
    // still has a while to run is kept as it is, so that the order does not change with every look at it. Its window
    // moves as a whole: a host judges the length of the window it is given.
    let end = g.not_after.unwrap_or(TIME_MAX);
    let running = last.and_then(|o| o.grants.iter().find(|x| x.key() == key)).map(|x| (x.not_before, x.not_after));
    // An end within one lease is given as it is, so that a host knows of an extension as soon as there is one.
    let leased = end > now + LEASE;
    let kept = running.filter(|(_, until)| *until == end || (leased && *until < end && *until > now + LEASE_RENEWED));
    let (not_before, not_after) = kept.unwrap_or_else(|| {
        let until = end.min(now + LEASE);
        (g.not_before.max(until.before(LEASE)), until)
    });
    OrderGrant {
        activation: g.assignment,
        principal: g.principal,
        person: g.person,
        account: g.account.clone(),
        not_before,
        not_after,
        end: if g.ending.kill { End::Kill } else { End::RefuseNew },
        grace: g.ending.grace,
        // Whoever did not switch it on cannot ask for more of it.
        extend: if g.activated { EXTEND.into() } else { String::new() },
    }
}
