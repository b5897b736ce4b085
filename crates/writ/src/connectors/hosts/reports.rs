//! What hosts report: collected for a moment and logged as one entry a round, not one a host.
//! A report that changes nothing leaves no entry.
//!
//! Known attack and the defence: whoever is root on one host has its key, and may report something else each time to fill
//! the log and the disk of all; so what one host puts on record within [`WINDOW`] is bounded.
//!
//! Always: a host is told that its report was taken only when what it said is durable; it speaks only for itself.

use crate::engine::{Engine, Wrong, fresh_id};
use crate::store::Fault;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use writ_core::command::{Caller, Command, Effect, Outcome};
use writ_core::ids::DeviceId;
use writ_core::order::{GrantReport, Report, Standing, told_max};
use writ_core::personal::Personal;
use writ_core::time::{Span, Time};

/// How long the first report of a round waits for others.
const ROUND: Duration = Duration::from_millis(20);
/// How many results one round takes.
const RESULTS_MAX: usize = 5_000;
/// How many reports may wait.
const WAITING_MAX: usize = 4_096;

/// How long what a host puts on record is counted.
const WINDOW: Span = Span::from_minutes(10);
/// How much that may be: so many entries, a long one counting as several. An honest host needs a few.
const SHARE: usize = 600;
/// How many notices of one report are passed on.
const NOTICES_MAX: usize = 50;
/// How many accounts or rules made by hand count as one more entry.
const LONG: usize = 64;

type Taken = oneshot::Sender<Result<(), Fault>>;

/// Takes reports. Clones share it.
#[derive(Clone)]
pub struct Reports {
    engine: Engine,
    queue: mpsc::Sender<(Vec<Outcome>, Taken)>,
    /// What each host has put on record since when; no more of them than there are hosts.
    shares: Arc<Mutex<BTreeMap<DeviceId, (Time, usize)>>>,
}

impl Reports {
    pub(super) fn start(engine: Engine) -> Reports {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(collect(engine.clone(), waiting));
        Reports { engine, queue, shares: Arc::default() }
    }

    /// Takes one host's report, whose signature was checked.
    ///
    /// # Errors
    /// When it could not be made durable; the host sends it again.
    pub async fn take(&self, host: DeviceId, report: Report) -> Result<(), Wrong> {
        // Cleaned here too: whoever is root on a host can send any text, and this one goes to an operator's terminal.
        for notice in report.notices.iter().take(NOTICES_MAX) {
            tracing::warn!(%host, kind = told_max(&notice.kind), "{}", told_max(&notice.told));
        }
        let weight = 1 + (report.accounts.len() + report.drift.len()) / LONG;
        let about_itself = Command::ReportHost { host, accounts: report.accounts, drift: report.drift };
        let caller = Caller::host(fresh_id(), host);
        if !self.engine.rehearse(&about_itself, &caller).events.is_empty() {
            self.spend(host, weight)?;
        }
        self.engine.submit(about_itself, caller).await?;
        let state = self.engine.state();
        let results: Vec<Outcome> = report.grants.into_iter().filter_map(|g| outcome(host, g)).collect();
        // Most reports say what is known already; they need no round.
        let news = |o: &&Outcome| {
            state.effects.get(&(o.assignment, o.principal, o.host)).is_some_and(|known| *known != o.result)
        };
        let results: Vec<Outcome> = results.iter().filter(news).take(RESULTS_MAX).cloned().collect();
        if results.is_empty() {
            return Ok(());
        }
        self.spend(host, results.len())?;
        let (taken, answer) = oneshot::channel();
        let busy = |_| Wrong::Fault(Fault::new("too many reports are waiting; send it again in a moment"));
        self.queue.try_send((results, taken)).map_err(busy)?;
        match answer.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(Wrong::Fault(fault)),
            Err(_) => Err(Wrong::Fault(Fault::new("the server is stopping; send the report again"))),
        }
    }
}

impl Reports {
    /// Counts what a host is about to put on record.
    fn spend(&self, host: DeviceId, weight: usize) -> Result<(), Wrong> {
        let (now, state) = (self.engine.now(), self.engine.state());
        let mut shares = self.shares.lock();
        shares.retain(|host, (since, _)| now.since(*since) < WINDOW && state.hosts.contains_key(host));
        let (_, spent) = shares.entry(host).or_insert((now, 0));
        if *spent + weight > SHARE && *spent > 0 {
            let why = format!("host {host} reports something new too often; it may again in {}", WINDOW.told());
            return Err(Wrong::Fault(Fault::new(why)));
        }
        *spent += weight;
        Ok(())
    }
}

fn outcome(host: DeviceId, report: GrantReport) -> Option<Outcome> {
    let result = match report.standing {
        Standing::Waiting => return None,
        Standing::InForce { .. } => Effect::Effective,
        Standing::Refused | Standing::Failed => Effect::Refused(Personal::new(report.grant.principal, report.told)),
        Standing::Ended { .. } => Effect::Gone,
    };
    Some(Outcome { assignment: report.grant.activation, principal: report.grant.principal, host, result })
}

async fn collect(engine: Engine, mut waiting: mpsc::Receiver<(Vec<Outcome>, Taken)>) {
    while let Some((mut results, taken)) = waiting.recv().await {
        let mut answers = vec![taken];
        let end = tokio::time::sleep(ROUND);
        tokio::pin!(end);
        while results.len() < RESULTS_MAX {
            tokio::select! {
                () = &mut end => break,
                more = waiting.recv() => match more {
                    Some((more, taken)) => {
                        results.extend(more);
                        answers.push(taken);
                    }
                    None => break,
                },
            }
        }
        let done = engine.submit(Command::ReportGrants { results }, Caller::timer(fresh_id())).await;
        let answer = match done {
            Ok(_) => Ok(()),
            Err(Wrong::Fault(fault)) => Err(fault),
            Err(Wrong::Refused(refusal)) => Err(Fault::new(refusal.told())),
        };
        for taken in answers {
            // A host that no longer waits asks again by itself.
            let _ = taken.send(answer.clone());
        }
    }
}
