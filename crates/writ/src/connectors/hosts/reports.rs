//! What hosts report: collected for a moment and logged as one entry a round, not one a host.
//! A report that changes nothing leaves no entry.
//!
//! Always: a host is told that its report was taken only when what it said is durable; it speaks only for itself.

use crate::engine::{Engine, Wrong, fresh_id};
use crate::store::Fault;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use writ_core::command::{Caller, Command, Effect, Outcome};
use writ_core::ids::DeviceId;
use writ_core::order::{GrantReport, Report, Standing};

/// How long the first report of a round waits for others.
const ROUND: Duration = Duration::from_millis(20);
/// How many results one round takes.
const RESULTS_MAX: usize = 5_000;
/// How many reports may wait.
const WAITING_MAX: usize = 4_096;

type Taken = oneshot::Sender<Result<(), Fault>>;

/// Takes reports. Clones share it.
#[derive(Clone)]
pub struct Reports {
    engine: Engine,
    queue: mpsc::Sender<(Vec<Outcome>, Taken)>,
}

impl Reports {
    pub(super) fn start(engine: Engine) -> Reports {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(collect(engine.clone(), waiting));
        Reports { engine, queue }
    }

    /// Takes one host's report, whose signature was checked.
    ///
    /// # Errors
    /// When it could not be made durable; the host sends it again.
    pub async fn take(&self, host: DeviceId, report: Report) -> Result<(), Wrong> {
        for notice in &report.notices {
            tracing::warn!(%host, kind = notice.kind, "{}", notice.told);
        }
        let about_itself = Command::ReportHost { host, accounts: report.accounts, drift: report.drift };
        self.engine.submit(about_itself, Caller::host(fresh_id(), host)).await?;
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

fn outcome(host: DeviceId, report: GrantReport) -> Option<Outcome> {
    let result = match report.standing {
        Standing::Waiting => return None,
        Standing::InForce { .. } => Effect::Effective,
        Standing::Refused | Standing::Failed => Effect::Refused(report.told),
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
