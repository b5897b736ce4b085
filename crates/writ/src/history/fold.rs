//! Follows the log and folds each entry into the tables, with the state on both sides of it at hand.
//! It never writes anywhere but to the history's own tables.
//!
//! Always: entries are folded in order, once each, and only after they are durable; the position is written in the
//! same transaction as what was folded.

use super::audit;
use super::tables::{Row, Tables};
use crate::engine::{Engine, event_of};
use crate::store::{Fault, READ_MAX, Store};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use writ_core::event::Event;
use writ_core::ids::{Seq, TenantId};
use writ_core::log::{Entry, open};
use writ_core::state::State;
use writ_core::told::told;

/// How many entries one transaction folds.
const STEP: u32 = 512;

/// How long to wait before trying again what failed, and before looking again whether an erasure is carried out.
const AGAIN: Duration = Duration::from_millis(500);
const ERASING: Duration = Duration::from_millis(50);

pub(super) struct Folder {
    tables: Tables,
    tenant: TenantId,
    store: Store,
    newest: watch::Receiver<Seq>,
    /// The engine's state when the history was started: saves folding the log once more when nothing is missing.
    live: Arc<State>,
    /// The state of the engine's snapshot: after a crash the tables are a little behind the log, and this is the nearest
    /// state before them.
    base: Option<Arc<State>>,
    at: watch::Sender<Seq>,
}

/// What became of one step.
enum Step {
    More,
    Waits,
    /// An erasure is on record: everything is to be folded anew without the erased texts.
    Anew,
}

impl Folder {
    pub(super) fn new(tables: Tables, tenant: TenantId, store: Store, engine: &Engine, at: watch::Sender<Seq>) -> Self {
        Self { tables, tenant, store, newest: engine.watch(), live: engine.state(), base: engine.take_base(), at }
    }

    /// Follows until the engine has stopped and everything is folded.
    pub(super) async fn run(mut self) {
        let mut state = loop {
            match self.begin().await {
                Ok(state) => break state,
                Err(why) => tracing::error!("the history cannot begin, trying again: {why}"),
            }
            tokio::time::sleep(AGAIN).await;
        };
        self.base = None;
        self.at.send_replace(state.seq);
        loop {
            match self.step(&mut state, false).await {
                Ok(Step::More) => {
                    self.at.send_replace(state.seq);
                }
                Ok(Step::Waits) => {
                    let seen = state.seq;
                    if self.newest.wait_for(|newest| *newest > seen).await.is_err() {
                        return; // The engine has stopped, and nothing can follow.
                    }
                }
                Ok(Step::Anew) => match self.anew().await {
                    Ok(folded) => {
                        state = folded;
                        self.at.send_replace(state.seq);
                    }
                    Err(why) => {
                        // The tables are as they were; the erasure is met again.
                        tracing::error!("the history could not be folded anew, trying again: {why}");
                        tokio::time::sleep(AGAIN).await;
                    }
                },
                Err(why) => {
                    tracing::error!("the history cannot follow the log, trying again: {why}");
                    // Whether the step was written may not be known; the tables' own position says so.
                    if let Err(why) = self.rejoin(&mut state).await {
                        tracing::error!("the history: {why}");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Brings the state to where the tables are, if it is elsewhere.
    async fn rejoin(&self, state: &mut State) -> Result<(), Fault> {
        let position = self.tables.position().await?.map_or(0, |(position, _)| position);
        if position != state.seq {
            *state = self.state_at(0, State::empty(self.tenant), position).await?;
        }
        Ok(())
    }

    /// The state at the position that the tables have; empties tables that are of another log.
    async fn begin(&self) -> Result<State, Fault> {
        if let Some((position, leaf)) = self.tables.position().await? {
            let same = match self.store.read(position.saturating_sub(1), 1).await?.first() {
                Some(entry) => entry.seq == position && entry.leaf() == leaf,
                None => false,
            };
            if same && self.live.seq == position {
                return Ok((*self.live).clone());
            }
            if same {
                // What the tables show can be asked for already; only what follows has to wait for the state.
                self.at.send_replace(position);
                return match self.base.as_ref().filter(|base| base.seq <= position) {
                    Some(base) => self.state_at(base.seq, State::clone(base), position).await,
                    None => self.state_at(0, State::empty(self.tenant), position).await,
                };
            }
            tracing::warn!("the history is of another log than this one; folding it anew");
            self.tables.change(|tables| tables.empty()).await?;
        }
        Ok(State::empty(self.tenant))
    }

    /// Folds the state alone, from one position up to another.
    async fn state_at(&self, mut from: Seq, mut state: State, to: Seq) -> Result<State, Fault> {
        while from < to {
            let limit = u32::try_from(to - from).unwrap_or(READ_MAX).min(READ_MAX);
            let entries = self.store.read(from, limit).await?;
            from = entries.last().map(|entry| entry.seq).ok_or_else(|| Fault::new("the log is shorter than before"))?;
            for entry in &entries {
                let (meta, event) = event_of(entry)?;
                state.apply(&meta, &event);
            }
        }
        Ok(state)
    }

    /// Folds the next entries, if there are any.
    async fn step(&self, state: &mut State, anew: bool) -> Result<Step, Fault> {
        let entries = self.store.read(state.seq, STEP).await?;
        let Some(last) = entries.last() else { return Ok(Step::Waits) };
        let position = (last.seq, last.leaf());
        let mut rows = Vec::with_capacity(entries.len());
        let mut next = state.clone();
        let mut erased = false;
        for entry in &entries {
            let row = fold_one(&mut next, entry)?;
            erased |= row.1;
            rows.push(row.0);
        }
        if erased && !anew {
            return Ok(Step::Anew);
        }
        self.tables.change(move |tables| tables.add(&rows, position)).await?;
        *state = next;
        Ok(Step::More)
    }

    /// Folds everything anew in one transaction: readers see the old tables until it is complete.
    async fn anew(&self) -> Result<State, Fault> {
        // The engine carries the erasure out right after it is on record.
        while !self.store.erasures_due().await?.is_empty() {
            tokio::time::sleep(ERASING).await;
        }
        self.tables.change(|tables| tables.begin_anew()).await?;
        let mut state = State::empty(self.tenant);
        loop {
            match self.step(&mut state, true).await {
                Ok(Step::More) => {}
                Ok(_) => break,
                Err(why) => {
                    self.tables.change(|tables| tables.drop_anew()).await?;
                    return Err(why);
                }
            }
        }
        self.tables.change(|tables| tables.end_anew()).await?;
        Ok(state)
    }
}

/// What one entry leaves in the tables, and whether it erases somebody.
fn fold_one(state: &mut State, entry: &Entry) -> Result<(Row, bool), Fault> {
    let (meta, event) = event_of(entry)?;
    let envelope = open(entry).map_err(|why| Fault(format!("entry {}: {why}", entry.seq)))?;
    let before = state.clone();
    state.apply(&meta, &event);
    let view = audit::Moment { before: &before, after: state, meta: &meta, event: &event, envelope: &envelope };
    let records = audit::records(&view);
    let sentence = told(&before, state, &meta, &event, &|time| time.to_string());
    let requests = view.closed_requests();
    let row = Row {
        seq: entry.seq,
        at: entry.at,
        kind: entry.kind.clone(),
        actor: meta.actor,
        correlation: envelope.cause.correlation,
        told: sentence,
        about: view.about(),
        records,
        requests,
        latest: view.latest(),
        sign_in: view.sign_in(),
    };
    Ok((row, matches!(event, Event::Erased { .. })))
}
