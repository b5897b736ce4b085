//! Start-up: folds the log into the state, from the snapshot on if there is one that fits.
//! It never decides anything: replay only applies what was recorded.
//!
//! Always: the entries that it read hash to the stored head, and the stored checkpoint over that head is ours; a
//! log that does not fit, or holds a kind that this version does not know, stops the start.

use super::{Live, Start, snapshot};
use crate::store::{Fault, READ_MAX, Store};
use std::sync::Arc;
use writ_core::event::Event;
use writ_core::log::checkpoint::{LogKey, Signed};
use writ_core::log::{Entry, Frontier, Head, open};
use writ_core::state::{Meta, State};

/// Carries out erasures that a crash cut short, then folds the log.
pub(super) async fn from_log(start: &Start) -> Result<Live, Fault> {
    let mut scrubbed = false;
    for entry in start.store.erasures_due().await? {
        let Event::Erased { principal } = event_of(&entry)?.1 else { continue };
        tracing::warn!("carrying out the erasure that entry {} put on record", entry.seq);
        start.store.erase(principal, entry.seq).await?;
        scrubbed = true;
    }
    let head = start.store.head().await?;
    let from = match &start.snapshot {
        // It may hold the texts that were to be erased.
        Some(path) if scrubbed => {
            snapshot::forget(path)?;
            None
        }
        Some(path) => match snapshot::read(path, start.tenant, &start.key.verifying_key()) {
            Ok(found) => found.filter(|(_, frontier)| frontier.size() <= head.size),
            Err(why) => {
                tracing::warn!("the snapshot {} is ignored: {why}; reading the whole log instead", path.display());
                None
            }
        },
        None => None,
    };
    let folded = match from {
        Some((state, frontier)) => match fold(&start.store, state, frontier, head).await {
            Ok(folded) => Ok(folded),
            Err(why) => {
                tracing::warn!("the snapshot does not fit the log ({why}); reading the whole log instead");
                fold(&start.store, State::empty(start.tenant), Frontier::new(), head).await
            }
        },
        None => fold(&start.store, State::empty(start.tenant), Frontier::new(), head).await,
    };
    let (state, frontier) = folded?;
    let checkpoint = start.store.checkpoint().await?.unwrap_or_default();
    if head.size > 0 {
        let key = LogKey::new(start.tenant, start.key.verifying_key());
        let signed = checkpoint
            .parse::<Signed>()
            .and_then(|signed| signed.by(&key).map(|checkpoint| checkpoint.head))
            .map_err(|why| Fault(format!("the newest checkpoint is not this server's: {why}")))?;
        if signed != head {
            return Err(Fault(format!("the newest checkpoint is over {signed:?}, the log has {head:?}")));
        }
    }
    Ok(Live { state: Arc::new(state), frontier, checkpoint: checkpoint.into() })
}

/// Folds the entries after the frontier, which must end at `head`.
pub(super) async fn fold(
    store: &Store,
    mut state: State,
    mut frontier: Frontier,
    head: Head,
) -> Result<(State, Frontier), Fault> {
    while frontier.size() < head.size {
        let limit = u32::try_from(head.size - frontier.size()).unwrap_or(READ_MAX).min(READ_MAX);
        let entries = store.read(frontier.size(), limit).await?;
        if entries.is_empty() {
            return Err(Fault(format!("the log ends at entry {}, its head says {}", frontier.size(), head.size)));
        }
        for entry in entries {
            take(&mut state, &mut frontier, &entry)?;
        }
    }
    if frontier.head() != head {
        return Err(Fault(format!(
            "the log was changed: its entries hash to {:?}, its head says {head:?}; `writ log verify` names the place",
            frontier.head()
        )));
    }
    Ok((state, frontier))
}

/// Folds one entry.
pub(super) fn take(state: &mut State, frontier: &mut Frontier, entry: &Entry) -> Result<(), Fault> {
    if entry.seq != frontier.size() + 1 {
        return Err(Fault(format!("entry {} is missing from the log", frontier.size() + 1)));
    }
    let (meta, event) = event_of(entry)?;
    state.apply(&meta, &event);
    frontier.append(entry.leaf());
    Ok(())
}

/// The event in an entry, and what the envelope says about it.
pub(crate) fn event_of(entry: &Entry) -> Result<(Meta, Event), Fault> {
    let envelope = open(entry).map_err(|why| Fault(format!("entry {}: {why}", entry.seq)))?;
    let meta = Meta { seq: envelope.seq, at: envelope.at, actor: envelope.actor.principal };
    let event = Event::from_value(&envelope.kind, envelope.v, envelope.event)
        .map_err(|why| Fault(format!("entry {}: {why}", entry.seq)))?;
    Ok((meta, event))
}
