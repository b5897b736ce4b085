//! The loop that keeps the world as planned: woken by every commit and by time, it asks `plan` what should exist and
//! tells every connector all of it.
//! It takes no input and remembers nothing between rounds.
//!
//! Always: what it missed, it finds in the next round; a round that failed is tried again after a short wait.

use super::Connector;
use crate::engine::Engine;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use writ_core::{due, plan};

/// A round happens at least this often, so that renewals and lost wake-ups are never late by more.
const ROUND_MAX: Duration = Duration::from_secs(30);
/// How soon a failed round is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Starts the loop. It ends when the returned handle is aborted, or with the engine.
pub fn spawn(engine: Engine, connectors: Vec<Arc<dyn Connector>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut commits = engine.watch();
        loop {
            // Marks what there is as seen before looking at it, so that a commit during the round wakes the next one.
            commits.borrow_and_update();
            let well = round(&engine, &connectors).await;
            let wait = if well { until_next(&engine) } else { RETRY };
            tokio::select! {
                changed = commits.changed(), if well => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    })
}

async fn round(engine: &Engine, connectors: &[Arc<dyn Connector>]) -> bool {
    let (state, now) = (engine.state(), engine.now());
    let wanted = plan::plan(&state, now);
    let mut well = true;
    for connector in connectors {
        if let Err(fault) = connector.set(&wanted).await {
            tracing::warn!(connector = connector.name(), %fault, "could not make rights as planned; trying again");
            well = false;
        }
    }
    well
}

/// How long until the plan changes by itself.
fn until_next(engine: &Engine) -> Duration {
    let now = engine.now();
    let next = due::next(&engine.state(), now).map(|at| at.since(now).millis());
    let millis = next.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(u64::MAX);
    Duration::from_millis(millis.saturating_add(1)).min(ROUND_MAX).max(Duration::from_millis(5))
}
