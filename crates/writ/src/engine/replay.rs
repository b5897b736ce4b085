//! Start-up: folds the log into the state, from the snapshot on if there is one that fits.
//! It never decides anything: replay only applies what was recorded.
//!
//! Always: the entries that it read hash to the stored head, and the stored checkpoint over that head is ours; a
//! log that does not fit, or holds a kind that this version does not know, stops the start.

use super::{Live, Start, snapshot};
use crate::store::{Fault, READ_MAX, Store};
use std::collections::VecDeque;
use std::sync::Arc;
use writ_core::event::Event;
use writ_core::ids::Seq;
use writ_core::log::checkpoint::{LogKey, Signed};
use writ_core::log::{Entry, Frontier, Hash, Head, open};
use writ_core::state::{Meta, State};

/// A snapshot that was believed: the entries before it were not read.
pub(super) struct Believed {
    pub(super) state: Arc<State>,
    pub(super) frontier: Frontier,
}

/// Carries out erasures that a crash cut short, then folds the log, from a snapshot on if one was believed.
pub(super) async fn from_log(start: &Start) -> Result<(Live, Option<Believed>), Fault> {
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
    let mut believed = None;
    let folded = match from {
        Some((state, frontier)) => match fold(&start.store, state.clone(), frontier.clone(), head).await {
            Ok(folded) => {
                believed = Some(Believed { state: Arc::new(state), frontier });
                Ok(folded)
            }
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
    Ok((Live { state: Arc::new(state), frontier, checkpoint: checkpoint.into() }, believed))
}

/// How many batches are read and decoded ahead of the one that is applied: decoding takes about as long as applying.
const AHEAD: usize = 2;

/// An entry, decoded and hashed.
struct Decoded {
    meta: Meta,
    event: Event,
    leaf: Hash,
}

/// Folds the entries after the frontier, which must end at `head`.
pub(super) async fn fold(
    store: &Store,
    mut state: State,
    mut frontier: Frontier,
    head: Head,
) -> Result<(State, Frontier), Fault> {
    let mut begins = (frontier.size()..head.size).step_by(READ_MAX as usize);
    let mut batches = VecDeque::with_capacity(AHEAD);
    loop {
        while batches.len() < AHEAD
            && let Some(after) = begins.next()
        {
            let upto = head.size.min(after + u64::from(READ_MAX));
            batches.push_back(tokio::spawn(decode(store.clone(), after, upto)));
        }
        let Some(batch) = batches.pop_front() else { break };
        for Decoded { meta, event, leaf } in
            batch.await.map_err(|e| Fault(format!("reading the log stopped: {e}")))??
        {
            state.apply(&meta, &event);
            frontier.append(leaf);
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

/// Reads and decodes the entries after one position up to another.
async fn decode(store: Store, after: Seq, upto: Seq) -> Result<Vec<Decoded>, Fault> {
    let limit = u32::try_from(upto - after).unwrap_or(READ_MAX);
    let entries = store.read(after, limit).await?;
    let decoding = tokio::task::spawn_blocking(move || {
        let expected = entries.iter().zip(after + 1..);
        if let Some((_, missing)) = expected.clone().find(|(entry, seq)| entry.seq != *seq) {
            return Err(Fault(format!("entry {missing} is missing from the log")));
        }
        if after + (entries.len() as u64) < upto {
            let last = after + entries.len() as u64;
            return Err(Fault(format!("the log ends at entry {last}, its head says that there are more")));
        }
        expected
            .map(|(entry, _)| event_of(entry).map(|(meta, event)| Decoded { meta, event, leaf: entry.leaf() }))
            .collect()
    });
    decoding.await.map_err(|e| Fault(format!("reading the log stopped: {e}")))?
}

/// Reads the entries that a snapshot stands for and compares their root with the snapshot's: a start that did not
/// read them could not see that one was changed.
pub(super) async fn check(store: &Store, believed: &Frontier) -> Result<(), Fault> {
    let mut read = Frontier::new();
    while read.size() < believed.size() {
        let limit = u32::try_from(believed.size() - read.size()).unwrap_or(READ_MAX);
        let entries = store.read(read.size(), limit).await?;
        let Some(last) = entries.last() else { break };
        if last.seq != read.size() + entries.len() as u64 {
            break;
        }
        entries.iter().for_each(|entry| read.append(entry.leaf()));
    }
    if read == *believed {
        return Ok(());
    }
    Err(Fault(format!(
        "the log was changed before entry {}: its entries hash to {:?}; `writ log verify` names the place",
        believed.size(),
        read.head()
    )))
}

/// The event in an entry, and what the envelope says about it.
pub(crate) fn event_of(entry: &Entry) -> Result<(Meta, Event), Fault> {
    let envelope = open(entry).map_err(|why| Fault(format!("entry {}: {why}", entry.seq)))?;
    let meta = Meta { seq: envelope.seq, at: envelope.at, actor: envelope.actor.principal };
    let event = Event::from_value(&envelope.kind, envelope.v, envelope.event)
        .map_err(|why| Fault(format!("entry {}: {why}", entry.seq)))?;
    Ok((meta, event))
}
