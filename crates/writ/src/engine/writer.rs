//! The writer: one thread that takes commands in order and turns them into commits. While one commit is on its way to
//! the disk, it decides the commands of the next on the state that the first will lead to.
//! It never answers before the commit is durable, and never patches a state back: when a commit fails, what was decided
//! on top of it is decided anew on what is published.
//!
//! Always: what is published is what the log holds. One commit is on its way at a time. After a lost answer the log is
//! read before anybody is answered; after a failed sync nothing more is written.

use super::draft::{Draft, Pending};
use super::entropy::Entropy;
use super::flight::{Flight, Landed, Runway};
use super::{BATCH_MAX, DUE_MAX, LastWords, Live, SNAPSHOT_EVERY, Shared, Start, Together, replay, snapshot};
use crate::clock::Clock;
use crate::store::{AppendError, Fault, Store};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use writ_core::command::{Caller, Command};
use writ_core::due;
use writ_core::ids::{PrincipalId, Seq};
use writ_core::log::checkpoint::SigningKey;
use writ_core::log::{Frontier, Head};
use writ_core::refusal::Refusal;
use writ_core::state::State;
use writ_core::time::Span;

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

type Reply = oneshot::Sender<Result<Together, Fault>>;

/// What the queue holds.
pub(super) enum Job {
    Carry(Box<Carry>),
    Stop(oneshot::Sender<()>),
}

/// What somebody asked for: a command, or several that happen together or not at all.
pub(super) struct Carry {
    pub(super) commands: Vec<Command>,
    pub(super) caller: Caller,
    pub(super) reply: Reply,
}

impl Job {
    pub(super) fn new(commands: Vec<Command>, caller: Caller, reply: Reply) -> Job {
        Job::Carry(Box::new(Carry { commands, caller, reply }))
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
        runway: Runway::new(start.tenant, start.store.clone(), start.key.clone())?,
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
        flight: None,
        draft: None,
        unrested: false,
        broken: false,
        stuck: 0,
        stalled: false,
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
    store: Store,
    runway: Runway,
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
    /// The commit that is on its way to the disk.
    flight: Option<Flight>,
    /// The commit that follows it: there is one only while another is on its way.
    draft: Option<Draft>,
    /// Something was appended since the store last rested.
    unrested: bool,
    /// The log may no longer be what this process thinks; nothing more is written.
    broken: bool,
    /// How many things were due in the last round and did not happen.
    stuck: usize,
    /// All that was due is stuck, or could not be written: it is tried again, but not as fast as it can fail.
    stalled: bool,
    /// Why one of them did not, as last said.
    complaint: Option<String>,
}

/// Why the writer woke.
enum Woken {
    Asked,
    Landed(Result<Landed, RecvError>),
    Closed,
    Slept,
}

impl Writer {
    async fn run(mut self) {
        let mut jobs = Vec::with_capacity(BATCH_MAX);
        while !self.broken {
            match self.wait(&mut jobs).await {
                Woken::Asked => {
                    let stops = self.take(&mut jobs).await;
                    if !stops.is_empty() {
                        return self.stop(stops).await;
                    }
                }
                Woken::Landed(landed) => self.landed(landed).await,
                Woken::Slept => {
                    self.add(Vec::new());
                    if self.draft.is_none() && self.flight.is_none() && self.unrested {
                        self.rest().await;
                    }
                }
                Woken::Closed => {
                    self.all_landed().await;
                    break;
                }
            }
            self.take_off();
        }
        self.finish().await;
    }

    /// Waits for the commit that is on its way, for commands, or for the moment when something is due; takes the
    /// commands that are there, as many as the next commit has room for.
    async fn wait(&mut self, jobs: &mut Vec<Job>) -> Woken {
        let state = self.flight.as_ref().map_or_else(|| self.shared.live.load().state.clone(), |f| f.state.clone());
        let next = due::next(&state, self.clock.now());
        let Writer { queue, flight, draft, clock, stalled, unrested, .. } = self;
        let bound = if *unrested { REST_AFTER } else { SLEEP_MAX };
        let sleep = async {
            match next {
                // Also woken by a clock that is set right: that may be what it is stuck on.
                Some(_) if *stalled => clock.sleep_until(clock.now() + STUCK_PASSES, STUCK_WAIT).await,
                Some(at) => clock.sleep_until(at, bound).await,
                None => tokio::time::sleep(bound).await,
            }
        };
        let room = BATCH_MAX - draft.as_ref().map_or(0, |draft| draft.pending.len()).min(BATCH_MAX);
        let (flies, waits) = (flight.is_some(), draft.is_some());
        let lands = async {
            match flight {
                Some(flight) => (&mut flight.lands).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            landed = lands, if flies => Woken::Landed(landed),
            taken = queue.recv_many(jobs, room), if room > 0 => if taken == 0 { Woken::Closed } else { Woken::Asked },
            () = sleep, if !waits => Woken::Slept,
        }
    }

    /// The newest state that was decided on: the one that is on its way to the disk, or the published one.
    fn newest(&self) -> (Arc<State>, Frontier) {
        match &self.flight {
            Some(flight) => (flight.state.clone(), flight.frontier.clone()),
            None => {
                let live = self.shared.live.load();
                (live.state.clone(), live.frontier.clone())
            }
        }
    }

    /// Decides the commands that were taken from the queue. Gives back who wants to hear of the end.
    async fn take(&mut self, jobs: &mut Vec<Job>) -> Vec<oneshot::Sender<()>> {
        let (mut carries, mut recoveries, mut stops) = (Vec::with_capacity(jobs.len()), Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                // Declaring the clock right moves time itself, so it has a commit of its own, after the others.
                Job::Carry(carry) if carry.commands == [Command::RecoverClock] => recoveries.push(*carry),
                Job::Carry(carry) => carries.push(*carry),
                Job::Stop(stopped) => stops.push(stopped),
            }
        }
        self.add(carries);
        for recovery in recoveries {
            self.recover_clock(recovery).await;
        }
        stops
    }

    /// Adds commands to the next commit; what is due comes before the first of them.
    fn add(&mut self, carries: Vec<Carry>) {
        let mut draft = match self.draft.take() {
            Some(draft) => draft,
            None => self.begin(),
        };
        for carry in carries {
            draft.carry(carry, None, &mut self.entropy, &self.shared);
        }
        self.draft = Some(draft).filter(|draft| !draft.is_empty());
    }

    /// The next commit, with what is due in it.
    fn begin(&mut self) -> Draft {
        let (state, frontier) = self.newest();
        let mut draft = Draft::on(&state, &frontier);
        // What is stuck comes first in the list; it must not keep what is due behind it from happening.
        let due = due::due(&draft.state, self.clock.now(), DUE_MAX + self.stuck);
        self.stuck = 0;
        for command in &due {
            let (caller, before) = (Caller::timer(self.entropy.id()), draft.entries.len());
            if let (Err(refusal), _) = draft.decide(command, caller, None, &mut self.entropy, &self.shared) {
                self.complain(&refusal);
            }
            if draft.entries.len() == before {
                self.stuck += 1;
            }
        }
        draft.due = !draft.entries.is_empty();
        self.stalled = !due.is_empty() && self.stuck == due.len();
        draft
    }

    /// Says once why time could not carry something out; it is tried again, and would fill the server's own log.
    fn complain(&mut self, refusal: &Refusal) {
        let told = refusal.told();
        if self.complaint.as_deref() != Some(&told) {
            tracing::warn!("something that is due must wait: {told}");
            self.complaint = Some(told);
        }
    }

    /// Sends the next commit to the disk, unless one is on its way.
    fn take_off(&mut self) {
        if self.flight.is_some() || self.broken {
            return; // Dropping the replies of a broken writer says that the outcome is in the log.
        }
        if let Some(draft) = self.draft.take() {
            if draft.entries.is_empty() {
                draft.pending.into_iter().for_each(Pending::answer);
            } else {
                self.flight = Some(self.runway.take_off(draft));
            }
        }
    }

    /// Sends what was decided to the disk and waits until it is there.
    async fn all_landed(&mut self) {
        self.take_off();
        while let Some(flight) = &mut self.flight {
            let landed = (&mut flight.lands).await;
            self.landed(landed).await;
            self.take_off();
        }
    }

    /// One commit that puts on record that the wall clock is right, as of the wall clock; then goes by it.
    async fn recover_clock(&mut self, carry: Carry) {
        self.all_landed().await;
        let (state, frontier) = self.newest();
        let mut draft = Draft::on(&state, &frontier);
        draft.carry(carry, Some(self.clock.wall()), &mut self.entropy, &self.shared);
        draft.recovers = draft.pending.iter().flat_map(|p| &p.answers).all(Result::is_ok);
        self.draft = Some(draft);
        self.all_landed().await;
    }

    /// A commit came back from the disk: publishes and answers it, or takes it back.
    async fn landed(&mut self, landed: Result<Landed, RecvError>) {
        let Some(flight) = self.flight.take() else { return };
        let Landed { outcome, note } = landed.expect("the thread that appends runs until the writer lets it go");
        let next = flight.frontier.head();
        let outcome = match outcome {
            Err(AppendError::Unknown(why)) => {
                tracing::warn!("an append's answer was lost, reading the log: {why}");
                self.settle(next).await
            }
            outcome => outcome,
        };
        match outcome {
            Ok(_) => {
                if flight.recovers {
                    self.clock.recover();
                }
                self.publish(flight.state, flight.frontier, note);
                self.answer(flight.pending, flight.erased).await;
                self.snapshot_when_due();
            }
            Err(AppendError::Unsynced(why) | AppendError::Unknown(why)) => self.give_up(&why),
            Err(AppendError::Fault(why)) => {
                tracing::error!("a commit failed, nothing of it is in force: {why}");
                flight.pending.into_iter().for_each(|p| p.fail(&why));
                self.decide_anew(flight.due);
            }
            Err(AppendError::Conflict { found }) => {
                tracing::error!("somebody else appended to this log, which now has {found:?}");
                match self.catch_up().await {
                    Ok(()) => {
                        let why = Fault::new("somebody else appended to the log; try again");
                        flight.pending.into_iter().for_each(|p| p.fail(&why));
                        self.decide_anew(flight.due);
                    }
                    Err(why) => self.give_up(&why),
                }
            }
        }
    }

    /// Decides once more, on what is published, what was decided on a commit that failed.
    fn decide_anew(&mut self, due: bool) {
        if let Some(draft) = self.draft.take() {
            self.add(draft.pending.into_iter().map(|p| p.carry).collect());
        }
        self.stalled |= due;
    }

    /// Nothing more is written: the log may not be what this process thinks.
    fn give_up(&mut self, why: &Fault) {
        self.broken = true;
        self.draft = None;
        (self.last_words)(why);
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
    async fn catch_up(&mut self) -> Result<(), Fault> {
        let base = self.shared.live.load_full();
        let head = self.store.head().await?;
        let (state, frontier) =
            replay::fold(&self.store, State::clone(&base.state), base.frontier.clone(), head).await?;
        let note = self.store.checkpoint().await?.unwrap_or_default();
        self.publish(Arc::new(state), frontier, note);
        Ok(())
    }

    fn publish(&mut self, state: Arc<State>, frontier: Frontier, note: String) {
        let seq = frontier.size();
        self.shared.live.store(Arc::new(Live { state, frontier, checkpoint: note.into() }));
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
        let mut jobs = Vec::with_capacity(BATCH_MAX);
        self.all_landed().await;
        while self.queue.recv_many(&mut jobs, BATCH_MAX).await > 0 {
            stops.extend(self.take(&mut jobs).await);
            self.all_landed().await;
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
