//! The engine: the one place where commands become entries. It takes commands in order, asks `decide`, makes the
//! events durable, publishes the new state, and only then answers.
//! It never judges a command itself, and knows nothing of who calls it.
//!
//! Always: nothing is in force or answered before it is in the durable log. Readers see whole commits only, and
//! never wait for the writer.

mod draft;
mod entropy;
mod flight;
mod proofs;
mod replay;
mod snapshot;
#[cfg(test)]
mod tests;
mod writer;

use crate::clock::Clock;
use crate::store::{Fault, Store};
use crate::vault::{Expected, Key, Kind, Vault, VaultError};
use arc_swap::ArcSwap;
use entropy::Entropy;
use parking_lot::Mutex;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use writ_core::command::{Caller, Command};
use writ_core::decide::{Answer, Context, Decision, after, decide, decide_together};
use writ_core::ids::{Seq, TenantId, Uuid};
use writ_core::log::checkpoint::{LogKey, SigningKey};
use writ_core::log::{Frontier, Hash, Head};
use writ_core::refusal::Refusal;
use writ_core::state::State;
use writ_core::time::Time;
use zeroize::Zeroizing;

pub use entropy::fresh_id;
pub(crate) use replay::event_of;

/// How many commands may wait; further ones are told to try again.
pub const QUEUE_MAX: usize = 4096;

/// How many asks share one durable append at most; commands that are asked together are one.
pub const BATCH_MAX: usize = 256;

/// How many commands can be asked together.
pub const TOGETHER_MAX: usize = 64;

/// How many things that time makes happen share one append at most, so that users wait for milliseconds only.
pub const DUE_MAX: usize = 500;

/// After how many entries a new snapshot is written: so rarely that writing a large state costs little beside the
/// commits, so often that a start reads the rest in a few seconds.
pub const SNAPSHOT_EVERY: u64 = 250_000;

/// A command that was carried out: durable, and in the published state.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What to tell the asker.
    pub answer: Answer,
    /// The last entry that it left, or the newest entry when it left none.
    pub seq: Seq,
}

/// Commands that were decided together: all were carried out, or none was.
#[derive(Clone, Debug, PartialEq)]
pub struct Together {
    /// What to tell the asker of each. When one is a refusal, none was carried out: what is no refusal is what would
    /// have been answered.
    pub answers: Vec<Result<Answer, Refusal>>,
    /// The last entry that they left, or the newest entry when they left none.
    pub seq: Seq,
}

/// Why a command was not carried out.
#[derive(Debug)]
pub enum Wrong {
    /// The asker may not; shown as it stands.
    Refused(Box<Refusal>),
    /// The world failed, or the engine is too busy; nothing was done unless the fault says that this is not known.
    Fault(Fault),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Refused(refusal) => f.write_str(&refusal.told()),
            Wrong::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for Wrong {}

/// What is called when the log can no longer be trusted to be what this process thinks: a failed sync, an answer
/// that stays lost, or a mistake of ours. The server's ends the process; the next start reads what is there.
pub type LastWords = Arc<dyn Fn(&Fault) + Send + Sync>;

/// What an engine is started with.
pub struct Start {
    /// Whose log it is.
    pub tenant: TenantId,
    /// The log.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Signs checkpoints and snapshots; see [`signing_key`].
    pub key: SigningKey,
    /// Where the snapshot for a fast start is kept; none to always read the whole log.
    pub snapshot: Option<PathBuf>,
    /// Called when the process should end at once; see [`end_the_process`].
    pub last_words: LastWords,
}

/// One tenant's engine. Clones share it; the writer ends when the last one is dropped, or by [`Engine::stop`].
#[derive(Clone)]
pub struct Engine {
    queue: mpsc::Sender<writer::Job>,
    shared: Arc<Shared>,
}

/// What writer and readers share.
struct Shared {
    live: ArcSwap<Live>,
    newest: watch::Sender<Seq>,
    clock: Clock,
    log_key: LogKey,
    /// The state of the snapshot that the start went on from, until somebody takes it.
    base: Mutex<Option<Arc<State>>>,
    proofs: proofs::Proofs,
}

/// One moment: the state, the log's head that it follows from, and the checkpoint that says so.
struct Live {
    state: Arc<State>,
    frontier: Frontier,
    checkpoint: Arc<str>,
}

/// Ends the process without another write. The log is intact: what was answered is in it.
pub fn end_the_process(why: &Fault) {
    tracing::error!("stopping at once: {why}");
    std::process::abort();
}

/// The key that signs the tenant's checkpoints, from the vault; made at the first call.
pub async fn signing_key(vault: &Vault) -> Result<SigningKey, VaultError> {
    let at = Key::new(Kind::ServerKey, "", "log");
    if let Some(row) = vault.get(&at).await? {
        let bytes = <[u8; 32]>::try_from(row.secret.as_slice()).map_err(|_| VaultError::DoesNotOpen)?;
        return Ok(SigningKey::from_bytes(&Zeroizing::new(bytes)));
    }
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|e| VaultError::Fault(format!("no randomness from the system: {e}")))?;
    vault.put(&at, Expected::Absent, &*bytes, None).await?;
    Ok(SigningKey::from_bytes(&bytes))
}

impl Engine {
    /// Reads the log, checks it against its head and checkpoint, and begins to take commands. The fault says
    /// what stands in the way, such as an entry of a kind that this version does not know.
    pub async fn start(start: Start) -> Result<Engine, Fault> {
        Engine::begin(start, Entropy::new()).await
    }

    /// As [`Engine::start`], with ids and salts that follow from a seed, so that a simulation can be repeated. Whoever
    /// knows the seed knows every salt: never for a log that is to be kept.
    pub async fn simulated(start: Start, seed: u64) -> Result<Engine, Fault> {
        Engine::begin(start, Entropy::repeating(seed)).await
    }

    async fn begin(start: Start, entropy: Entropy) -> Result<Engine, Fault> {
        let (live, believed) = replay::from_log(&start).await?;
        let base = believed.as_ref().map(|believed| believed.state.clone());
        if let Some(replay::Believed { frontier, .. }) = believed {
            let store = start.store.clone();
            tokio::spawn(async move {
                if let Err(why) = replay::check(&store, &frontier).await {
                    tracing::error!("{why}");
                }
            });
        }
        let size = live.frontier.size();
        start.clock.begin_after((size > 0).then_some(live.state.at));
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared {
            live: ArcSwap::from_pointee(live),
            newest: watch::Sender::new(size),
            clock: start.clock.clone(),
            log_key: LogKey::new(start.tenant, start.key.verifying_key()),
            base: Mutex::new(base),
            proofs: proofs::Proofs::over(start.store.clone()),
        });
        writer::spawn(start, entropy, jobs, shared.clone())?;
        Ok(Engine { queue, shared })
    }

    /// Carries a command out. It is durable before this returns; a caller that stops waiting does not stop it.
    pub async fn submit(&self, command: Command, caller: Caller) -> Result<Done, Wrong> {
        let Together { mut answers, seq } = self.carry(vec![command], caller).await.map_err(Wrong::Fault)?;
        let answer = answers.pop().expect("the writer answers each command");
        answer.map(|answer| Done { answer, seq }).map_err(|refusal| Wrong::Refused(Box::new(refusal)))
    }

    /// Carries out several commands together or not at all: each is judged on what the ones before it lead to, and
    /// all are in one durable append. There may be [`TOGETHER_MAX`] of them.
    ///
    /// # Errors
    /// When the world failed, or there are too many. What is refused is not an error here.
    pub async fn submit_together(&self, commands: Vec<Command>, caller: Caller) -> Result<Together, Fault> {
        if commands.len() > TOGETHER_MAX || commands.contains(&Command::RecoverClock) {
            return Err(Fault::new("these commands cannot be asked together"));
        }
        self.carry(commands, caller).await
    }

    async fn carry(&self, commands: Vec<Command>, caller: Caller) -> Result<Together, Fault> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(writer::Job::new(commands, caller, reply)).map_err(|e| {
            Fault::new(match e {
                mpsc::error::TrySendError::Full(_) => "too many commands are waiting; try again in a moment",
                mpsc::error::TrySendError::Closed(_) => "the engine has stopped; the server must be started again",
            })
        })?;
        answer.await.unwrap_or_else(|_| {
            Err(Fault::new(
                "the engine stopped before it answered; whether this was done can be read in the log after a restart",
            ))
        })
    }

    /// What the command would become now: the dry run. The same `decide`; appends nothing, calls nobody.
    pub fn rehearse(&self, command: &Command, caller: &Caller) -> Decision {
        decide(&self.state(), command, &self.context(caller))
    }

    /// The same for commands that are asked together, and the state that they would lead to.
    pub fn rehearse_together(&self, commands: &[Command], caller: &Caller) -> (Vec<Decision>, State) {
        let mut state = State::clone(&self.state());
        let first = self.context(caller);
        let contexts: Vec<Context> =
            commands.iter().map(|_| Context { now: first.now, ..self.context(caller) }).collect();
        let decisions = decide_together(&state, commands, &contexts);
        for (decision, context) in decisions.iter().zip(&contexts) {
            state = after(&state, &decision.events, context);
        }
        (decisions, state)
    }

    /// The state as of the newest commit.
    pub fn state(&self) -> Arc<State> {
        self.shared.live.load().state.clone()
    }

    /// The state of the snapshot that the start went on from, once: an earlier moment than [`Engine::state`], for whoever
    /// must go on from one without reading the whole log.
    pub(crate) fn take_base(&self) -> Option<Arc<State>> {
        self.shared.base.lock().take()
    }

    /// Writ's time.
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// The clock that the engine goes by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// What a decision about this caller may know besides the state, now.
    pub fn context(&self, caller: &Caller) -> Context {
        let ids = [fresh_id(), fresh_id(), fresh_id(), fresh_id()];
        self.shared.context(caller.clone(), |_| ids)
    }

    /// Size and root of the log as of the newest commit.
    pub fn head(&self) -> Head {
        self.shared.live.load().frontier.head()
    }

    /// The newest signed checkpoint; empty before the first entry.
    pub fn checkpoint(&self) -> String {
        self.shared.live.load().checkpoint.to_string()
    }

    /// The newest checkpoint, and the proof that the log of `since` entries is a prefix of the one it is over; `None`
    /// when the log is shorter, or when the proof is not ready and can be asked for again.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn proved_since(&self, since: u64) -> Result<(String, Option<Vec<Hash>>), Fault> {
        let live = self.shared.live.load_full();
        let proof = self.shared.proofs.consistency(since, live.frontier.size()).await?;
        Ok((live.checkpoint.to_string(), proof))
    }

    /// The public key that checkpoints are verified with, under the log's name.
    pub fn log_key(&self) -> &LogKey {
        &self.shared.log_key
    }

    /// Tells of each commit: the number of the newest entry.
    pub fn watch(&self) -> watch::Receiver<Seq> {
        self.shared.newest.subscribe()
    }

    /// Finishes what is queued, writes a snapshot, and ends the writer. Commands after it find the engine stopped.
    pub async fn stop(&self) {
        let (stopped, waits) = oneshot::channel();
        if self.queue.send(writer::Job::Stop(stopped)).await.is_ok() {
            // An error means that the writer ended on its own, which is what was asked for.
            let _ = waits.await;
        }
    }
}

impl Shared {
    fn context(&self, caller: Caller, ids: impl FnOnce(Time) -> [Uuid; 4]) -> Context {
        let (now, health) = self.clock.look();
        Context { now, ids: ids(now), caller, clock_doubt: health.doubt() }
    }
}
