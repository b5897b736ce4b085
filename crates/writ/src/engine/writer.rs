//! The writer: one thread that takes commands in order and turns them into commits.
//! It never answers before the commit is durable, and never patches a state back: a failed commit drops the draft.
//!
//! Always: what is published is what the log holds. After a lost answer the log is read before anybody is
//! answered; after a failed sync nothing more is written.

use super::entropy::Entropy;
use super::{BATCH_MAX, DUE_MAX, Done, LastWords, Live, SNAPSHOT_EVERY, Shared, Start, Wrong, replay, snapshot};
use crate::clock::Clock;
use crate::store::{AppendError, Fault, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use writ_core::command::{Caller, Command};
use writ_core::decide::{Answer, decide};
use writ_core::due;
use writ_core::event::Event;
use writ_core::ids::{PrincipalId, Seq, TenantId};
use writ_core::log::checkpoint::{Checkpoint, SigningKey};
use writ_core::log::{Actor, Cause, Entry, Envelope, Frontier, Head, seal};
use writ_core::personal::Personal;
use writ_core::refusal::Refusal;
use writ_core::state::{Meta, State};
use writ_core::time::{Span, Time};

/// The version of every kind of event so far.
const EVENT_FORM: u16 = 1;

/// How long the writer sleeps at most, so that a corrected clock is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(10);

/// How long nothing must have been appended before the store gets its rest.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How long the writer waits before it tries again something that time should have made happen, and did not.
const STUCK_WAIT: Duration = Duration::from_secs(1);
const STUCK_PASSES: Span = Span::from_seconds(1);

/// How often, and from how short a wait on, the log is read after a lost answer before the process gives up.
const SETTLE_TRIES: u32 = 11;
const SETTLE_WAIT: Duration = Duration::from_millis(1);

type Reply = oneshot::Sender<Result<Done, Wrong>>;

/// What the queue holds.
pub(super) enum Job {
    Carry(Box<Carry>),
    Stop(oneshot::Sender<()>),
}

pub(super) struct Carry {
    command: Command,
    caller: Caller,
    reply: Reply,
}

impl Job {
    pub(super) fn new(command: Command, caller: Caller, reply: Reply) -> Job {
        Job::Carry(Box::new(Carry { command, caller, reply }))
    }
}

/// Begins the writer on a thread of its own: its work is never behind anything else that the server does.
pub(super) fn spawn(
    start: Start,
    entropy: Entropy,
    queue: mpsc::Receiver<Job>,
    shared: Arc<Shared>,
) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|e| Fault(format!("cannot start the engine: {e}")))?;
    let words = start.last_words.clone();
    let writer = Writer {
        tenant: start.tenant,
        store: start.store,
        clock: start.clock,
        key: start.key,
        last_words: start.last_words,
        snapshot: start.snapshot,
        snapshot_at: shared.live.load().frontier.size(),
        snapshotting: None,
        entropy,
        queue,
        shared,
        unrested: false,
        broken: false,
        stuck: 0,
        complaint: None,
    };
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            let guard = Mistake::new(words);
            runtime.block_on(writer.run());
            drop(guard);
        })
        .map(|_| ())
        .map_err(|e| Fault(format!("cannot start the engine: {e}")))
}

/// Speaks the last words when the writer panics: a server without a writer must not look alive.
pub(super) struct Mistake(LastWords);

impl Mistake {
    pub(super) fn new(words: LastWords) -> Self {
        Self(words)
    }
}

impl Drop for Mistake {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)(&Fault::new("the engine made a mistake; the log is intact"));
        }
    }
}

struct Writer {
    tenant: TenantId,
    store: Store,
    clock: Clock,
    key: SigningKey,
    last_words: LastWords,
    snapshot: Option<PathBuf>,
    /// The size of the log at the newest snapshot.
    snapshot_at: u64,
    snapshotting: Option<JoinHandle<()>>,
    entropy: Entropy,
    queue: mpsc::Receiver<Job>,
    shared: Arc<Shared>,
    /// Something was appended since the store last rested.
    unrested: bool,
    /// The log may no longer be what this process thinks; nothing more is written.
    broken: bool,
    /// How many things were due in the last round and did not happen.
    stuck: usize,
    /// Why one of them did not, as last said.
    complaint: Option<String>,
}

/// A commit in the making: the next state, and the entries that lead to it.
struct Draft {
    state: State,
    frontier: Frontier,
    entries: Vec<Entry>,
    erased: Vec<(PrincipalId, Seq)>,
    /// It puts on record that the wall clock is right.
    recovers: bool,
}

/// What a command of the draft will be answered, once the draft is durable.
struct Pending {
    reply: Reply,
    answer: Result<Answer, Refusal>,
    seq: Seq,
    /// It put an erasure on record, and is answered when that was carried out.
    erases: bool,
}

/// Why the writer woke.
enum Woken {
    Asked,
    Closed,
    Slept,
}

impl Writer {
    async fn run(mut self) {
        let mut jobs = Vec::with_capacity(BATCH_MAX);
        let mut stuck = false;
        while !self.broken {
            let woken = self.next_jobs(&mut jobs, stuck).await;
            if matches!(woken, Woken::Closed) {
                break;
            }
            let (mut carries, mut recoveries, mut stops) = (Vec::with_capacity(jobs.len()), Vec::new(), Vec::new());
            for job in jobs.drain(..) {
                match job {
                    // Declaring the clock right moves time itself, so it has a commit of its own, after the others.
                    Job::Carry(carry) if carry.command == Command::RecoverClock => recoveries.push(*carry),
                    Job::Carry(carry) => carries.push(*carry),
                    Job::Stop(stopped) => stops.push(stopped),
                }
            }
            stuck = self.round(carries).await == Round::Stuck;
            for recovery in recoveries {
                self.recover_clock(recovery).await;
            }
            if !stops.is_empty() {
                return self.stop(stops).await;
            }
            if matches!(woken, Woken::Slept) && self.unrested {
                self.rest().await;
            }
        }
        self.finish().await;
    }

    /// Waits for commands, or for the moment when something is due; takes the commands that are there.
    async fn next_jobs(&mut self, jobs: &mut Vec<Job>, stuck: bool) -> Woken {
        let now = self.clock.now();
        let next = due::next(&self.shared.live.load().state, now);
        let bound = if self.unrested { REST_AFTER } else { SLEEP_MAX };
        let sleep = async {
            match next {
                // Also woken by a clock that is set right: that may be what it is stuck on.
                Some(_) if stuck => self.clock.sleep_until(now + STUCK_PASSES, STUCK_WAIT).await,
                Some(at) => self.clock.sleep_until(at, bound).await,
                None => tokio::time::sleep(bound).await,
            }
        };
        tokio::select! {
            biased;
            taken = self.queue.recv_many(jobs, BATCH_MAX) => if taken == 0 { Woken::Closed } else { Woken::Asked },
            () = sleep => Woken::Slept,
        }
    }

    /// One commit: what is due, then the commands.
    async fn round(&mut self, carries: Vec<Carry>) -> Round {
        let base = self.shared.live.load_full();
        let mut draft = Draft::on(&base);
        // What is stuck comes first in the list; it must not keep what is due behind it from happening.
        let due = due::due(&draft.state, self.clock.now(), DUE_MAX + self.stuck);
        self.stuck = 0;
        for command in &due {
            let (caller, before) = (Caller::timer(self.entropy.id()), draft.entries.len());
            if let Err(refusal) = self.decide(&mut draft, command, caller, None) {
                self.complain(&refusal);
            }
            if draft.entries.len() == before {
                self.stuck += 1;
            }
        }
        let stuck = !due.is_empty() && self.stuck == due.len();
        let mut pending = Vec::with_capacity(carries.len());
        for Carry { command, caller, reply } in carries {
            let erasures = draft.erased.len();
            let answer = self.decide(&mut draft, &command, caller, None);
            let erases = draft.erased.len() > erasures;
            pending.push(Pending { reply, answer, seq: draft.frontier.size(), erases });
        }
        let committed = self.commit(&base, draft, pending).await;
        // What is due and cannot be written is tried again, but not as fast as the store can fail.
        if stuck || (!committed && !due.is_empty()) { Round::Stuck } else { Round::Done }
    }

    /// Says once why time could not carry something out; it is tried again, and would fill the server's own log.
    fn complain(&mut self, refusal: &Refusal) {
        let told = refusal.told();
        if self.complaint.as_deref() != Some(&told) {
            tracing::warn!("something that is due must wait: {told}");
            self.complaint = Some(told);
        }
    }

    /// One commit that puts on record that the wall clock is right, as of the wall clock; then goes by it.
    async fn recover_clock(&mut self, carry: Carry) {
        let base = self.shared.live.load_full();
        let mut draft = Draft::on(&base);
        let answer = self.decide(&mut draft, &carry.command, carry.caller, Some(self.clock.wall()));
        draft.recovers = answer.is_ok();
        let pending = Pending { reply: carry.reply, answer, seq: draft.frontier.size(), erases: false };
        self.commit(&base, draft, vec![pending]).await;
    }

    /// Decides a command on the draft and adds what follows from it.
    fn decide(
        &mut self,
        draft: &mut Draft,
        command: &Command,
        caller: Caller,
        at: Option<Time>,
    ) -> Result<Answer, Refusal> {
        let ids = self.entropy.ids(self.clock.now());
        let mut context = self.shared.context(caller, ids);
        context.now = at.unwrap_or(context.now);
        let decision = decide(&draft.state, command, &context);
        let Caller { principal, via, session, ref address, command, correlation, .. } = context.caller;
        let mut parent = None;
        for event in decision.events {
            let seq = draft.frontier.size() + 1;
            let address = principal.zip(address.as_ref()).map(|(about, text)| Personal::new(about, text.as_str()));
            let envelope = Envelope {
                v: EVENT_FORM,
                kind: event.kind().to_owned(),
                seq,
                at: context.now,
                actor: Actor { principal, via, session, address },
                cause: Cause { command, correlation, parent },
                event: &event,
            };
            let entry = seal(envelope, &mut || self.entropy.salt());
            draft.state.apply(&Meta { seq, at: context.now, actor: principal }, &event);
            draft.frontier.append(entry.leaf());
            draft.entries.push(entry);
            if let Event::Erased { principal } = event {
                draft.erased.push((principal, seq));
            }
            // What else one command brings about follows from its first event.
            parent = parent.or(Some(seq));
        }
        decision.answer
    }

    /// Makes the draft durable, publishes it, and answers. True when it is durable.
    async fn commit(&mut self, base: &Live, draft: Draft, pending: Vec<Pending>) -> bool {
        if draft.entries.is_empty() {
            pending.into_iter().for_each(Pending::answer);
            return true;
        }
        if self.broken {
            return false; // Dropping the replies says that the outcome is in the log.
        }
        let (head, next) = (base.frontier.head(), draft.frontier.head());
        let note = Checkpoint::new(self.tenant, next).sign(&self.key);
        let outcome = match self.store.append(head, next, &draft.entries, &note).await {
            Err(AppendError::Unknown(why)) => {
                tracing::warn!("an append's answer was lost, reading the log: {why}");
                self.settle(next).await
            }
            outcome => outcome,
        };
        match outcome {
            Ok(_) => {
                if draft.recovers {
                    self.clock.recover();
                }
                self.publish(draft.state, draft.frontier, note);
                self.answer(pending, draft.erased).await;
                self.snapshot_when_due();
                true
            }
            Err(AppendError::Unsynced(why) | AppendError::Unknown(why)) => {
                self.broken = true;
                (self.last_words)(&why);
                false
            }
            Err(AppendError::Fault(why)) => {
                tracing::error!("a commit failed, nothing of it is in force: {why}");
                pending.into_iter().for_each(|p| p.fail(&why));
                false
            }
            Err(AppendError::Conflict { found }) => {
                tracing::error!("somebody else appended to this log, which now has {found:?}");
                match self.catch_up(base).await {
                    Ok(()) => {
                        let why = Fault::new("somebody else appended to the log; try again");
                        pending.into_iter().for_each(|p| p.fail(&why));
                    }
                    Err(why) => {
                        self.broken = true;
                        (self.last_words)(&why);
                    }
                }
                false
            }
        }
    }

    /// Finds out what became of an append whose answer was lost: `Ok` when it is there, `Fault` when it is not,
    /// `Unknown` when that could not be found out.
    async fn settle(&self, next: Head) -> Result<Head, AppendError> {
        let mut wait = SETTLE_WAIT;
        let mut last = Fault::new("the log could not be read");
        for _ in 0..SETTLE_TRIES {
            match self.store.settle().await {
                Ok(found) if found == next => return Ok(next),
                Ok(found) if found == self.shared.live.load().frontier.head() => {
                    return Err(AppendError::Fault(Fault::new("the log did not take the entries; try again")));
                }
                Ok(found) => return Err(AppendError::Conflict { found }),
                Err(why) => last = why,
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        Err(AppendError::Unknown(last))
    }

    /// Folds what somebody else appended.
    async fn catch_up(&mut self, base: &Live) -> Result<(), Fault> {
        let head = self.store.head().await?;
        let (state, frontier) =
            replay::fold(&self.store, State::clone(&base.state), base.frontier.clone(), head).await?;
        let note = self.store.checkpoint().await?.unwrap_or_default();
        self.publish(state, frontier, note);
        Ok(())
    }

    fn publish(&mut self, state: State, frontier: Frontier, note: String) {
        let seq = frontier.size();
        self.shared.live.store(Arc::new(Live { state: Arc::new(state), frontier, checkpoint: note.into() }));
        self.shared.newest.send_replace(seq);
        self.unrested = true;
    }

    /// Answers what is durable. Whoever asked for an erasure is answered when it was carried out, which may take
    /// a while in a long log, and nobody else waits for it.
    async fn answer(&mut self, pending: Vec<Pending>, erased: Vec<(PrincipalId, Seq)>) {
        let (erasing, pending): (Vec<_>, Vec<_>) = pending.into_iter().partition(|p| p.erases);
        pending.into_iter().for_each(Pending::answer);
        if erased.is_empty() {
            return;
        }
        self.forget_snapshot().await;
        let store = self.store.clone();
        tokio::spawn(async move {
            let mut outcome = Ok(());
            for (principal, seq) in erased {
                outcome = outcome.and(store.erase(principal, seq).await.map(|_| ()));
            }
            if let Err(why) = &outcome {
                tracing::error!("an erasure is on record but not carried out; a restart will: {why}");
            }
            for p in erasing {
                match &outcome {
                    Ok(()) => p.answer(),
                    Err(why) => p.fail(&Fault(format!("the erasure is on record, a restart will carry it out: {why}"))),
                }
            }
        });
    }

    async fn rest(&mut self) {
        self.unrested = false;
        if let Err(why) = self.store.rest().await {
            tracing::warn!("the store could not tidy up: {why}");
        }
    }

    /// Ends in order: carries out what was queued behind the stop, then finishes.
    async fn stop(mut self, mut stops: Vec<oneshot::Sender<()>>) {
        self.queue.close();
        while let Some(job) = self.queue.recv().await {
            match job {
                Job::Carry(carry) if carry.command == Command::RecoverClock => self.recover_clock(*carry).await,
                Job::Carry(carry) => {
                    self.round(vec![*carry]).await;
                }
                Job::Stop(stopped) => stops.push(stopped),
            }
        }
        self.finish().await;
        // The store is let go first, so that whoever hears of the end can open it at once.
        drop(self);
        for stopped in stops {
            // Whoever no longer waits for it does not need to know.
            let _ = stopped.send(());
        }
    }

    /// A last snapshot, so that the next start is fast.
    async fn finish(&mut self) {
        self.snapshotted().await;
        if !self.broken && self.shared.live.load().frontier.size() > self.snapshot_at {
            self.begin_snapshot();
            self.snapshotted().await;
        }
    }

    fn snapshot_when_due(&mut self) {
        let running = self.snapshotting.as_ref().is_some_and(|task| !task.is_finished());
        // The larger the state, the longer a snapshot takes: one for each half that the log grows by costs little
        // beside the growing itself, and leaves at most a third of the log to be read after a crash.
        let step = SNAPSHOT_EVERY.max(self.snapshot_at / 2);
        if !running && self.shared.live.load().frontier.size() >= self.snapshot_at + step {
            self.begin_snapshot();
        }
    }

    /// Writes a snapshot of what is published, on another thread: the state is shared, not copied.
    fn begin_snapshot(&mut self) {
        let Some(path) = self.snapshot.clone() else { return };
        let (live, key) = (self.shared.live.load_full(), self.key.clone());
        self.snapshot_at = live.frontier.size();
        self.snapshotting = Some(tokio::task::spawn_blocking(move || {
            if let Err(why) = snapshot::write(&path, &live.state, &live.frontier, &key) {
                tracing::warn!("no snapshot was written; the next start takes longer: {why}");
            }
        }));
    }

    /// Waits for a snapshot that is being written.
    async fn snapshotted(&mut self) {
        if let Some(task) = self.snapshotting.take()
            && let Err(why) = task.await
        {
            tracing::warn!("no snapshot was written; the next start takes longer: {why}");
        }
    }

    /// Deletes the snapshot, which may hold texts that are to be forgotten, and soon writes a new one.
    async fn forget_snapshot(&mut self) {
        self.snapshotted().await;
        if let Some(path) = &self.snapshot
            && let Err(why) = snapshot::forget(path)
        {
            tracing::error!("an erased text may be left in the snapshot: {why}");
        }
        self.begin_snapshot();
    }
}

#[derive(PartialEq)]
enum Round {
    Done,
    /// Something is due and did not happen.
    Stuck,
}

impl Draft {
    fn on(base: &Live) -> Draft {
        Draft {
            state: State::clone(&base.state),
            frontier: base.frontier.clone(),
            entries: Vec::new(),
            erased: Vec::new(),
            recovers: false,
        }
    }
}

impl Pending {
    /// Whoever no longer waits for the answer finds it in the log.
    fn answer(self) {
        let done = self.answer.map(|answer| Done { answer, seq: self.seq });
        let _ = self.reply.send(done.map_err(|refusal| Wrong::Refused(Box::new(refusal))));
    }

    fn fail(self, why: &Fault) {
        let _ = self.reply.send(Err(Wrong::Fault(why.clone())));
    }
}
