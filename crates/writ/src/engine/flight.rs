//! A commit on its way to the disk, on a thread of its own: the writer decides the next commands in the meantime.
//! There is one at a time, and nothing of it is published or answered here.
//!
//! Always: what the store said comes back, in the order in which commits were handed over.

use super::draft::{Draft, Pending};
use crate::store::{AppendError, Fault, Store};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use tokio::sync::oneshot;
use writ_core::ids::{PrincipalId, Seq, TenantId};
use writ_core::log::checkpoint::{Checkpoint, SigningKey};
use writ_core::log::{Entry, Frontier, Head};
use writ_core::state::State;

/// What becomes public when the commit is durable, and who waits for that.
pub(super) struct Flight {
    pub(super) state: Arc<State>,
    pub(super) frontier: Frontier,
    pub(super) pending: Vec<Pending>,
    pub(super) erased: Vec<(PrincipalId, Seq)>,
    pub(super) due: bool,
    pub(super) recovers: bool,
    pub(super) lands: oneshot::Receiver<Landed>,
}

/// What the store said, and what it was said of.
pub(super) struct Landed {
    pub(super) outcome: Result<Head, AppendError>,
    /// The checkpoint that was signed over the new head.
    pub(super) note: String,
}

/// The thread that appends.
pub(super) struct Runway {
    store: Store,
    departures: SyncSender<Departure>,
}

struct Departure {
    store: Store,
    head: Head,
    next: Head,
    entries: Vec<Entry>,
    landed: oneshot::Sender<Landed>,
}

impl Runway {
    /// Begins the thread; it ends with the runway.
    pub(super) fn new(tenant: TenantId, store: Store, key: SigningKey) -> Result<Runway, Fault> {
        let (departures, queue) = sync_channel::<Departure>(1);
        let run = move || {
            for Departure { store, head, next, entries, landed } in queue {
                let note = Checkpoint::new(tenant, next).sign(&key);
                let outcome = store.append(head, next, &entries, &note);
                // Let go before anybody hears of it: after the last commit somebody else may want to open the store.
                drop(store);
                // A writer that is gone was stopped by its own mistake, which has been told.
                let _ = landed.send(Landed { outcome, note });
            }
        };
        std::thread::Builder::new()
            .name("engine-append".into())
            .spawn(run)
            .map_err(|e| Fault(format!("cannot start the engine: {e}")))?;
        Ok(Runway { store, departures })
    }

    /// Hands a commit over. The one before it has landed.
    pub(super) fn take_off(&self, draft: Draft) -> Flight {
        let Draft { base, state, frontier, entries, pending, erased, due, recovers, .. } = draft;
        let (landed, lands) = oneshot::channel();
        let departure = Departure { store: self.store.clone(), head: base, next: frontier.head(), entries, landed };
        // Without the thread the answer never comes, which is what the writer stops at.
        let _ = self.departures.send(departure);
        Flight { state: Arc::new(state), frontier, pending, erased, due, recovers, lands }
    }
}
