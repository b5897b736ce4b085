//! Forgets somebody: `writ log erase WHO`, at the server's own console while the server is stopped.
//! The engine puts the erasure on record first; then names, addresses and free text about them go from the entries.
//!
//! Always: what cannot be taken back is asked about once, and nothing public in the log changes.

use super::super::stop::{Problem, Stop};
use super::super::table::{Accent, clean};
use super::super::terminal::Terminal;
use super::{Whose, entries, wait_for};
use crate::engine::{Wrong, fresh_id};
use crate::export::export;
use crate::server::tenant::{self, Tenant};
use writ_core::command::{Caller, Command};
use writ_core::ids::PrincipalId;
use writ_core::refusal::Refusal;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Whom to forget: a principal's id, or a user principal name
    who: String,
    #[command(flatten)]
    whose: Whose,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let (data, id) = args.whose.find(terminal)?;
    wait_for(async {
        let opened = tenant::open(&data, id, terminal.clock.clone(), false).await.map_err(fault)?;
        let forgotten = forget(&opened, args, terminal).await;
        // Whatever came of it, the folder is given back in order.
        opened.engine.stop().await;
        forgotten
    })
}

async fn forget(opened: &Tenant, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let state = opened.engine.state();
    let principal = match args.who.parse::<PrincipalId>() {
        Ok(principal) => principal,
        Err(_) => state.user_named(&args.who).map(|user| user.id).ok_or_else(|| {
            Stop::Usage(format!(
                "There is no user {}. Somebody who was deleted is named by id; the audit log has it.",
                args.who
            ))
        })?,
    };
    let name = match state.principals.get(&principal) {
        Some(known) => clean(known.name.shown()),
        None => principal.to_string(),
    };
    let command = Command::ErasePrincipal { principal };
    let caller = Caller::console(fresh_id());
    // What would be refused is refused before anybody is asked anything.
    if let Err(refusal) = opened.engine.rehearse(&command, &caller).answer {
        return Err(refused(&refusal));
    }
    if !args.yes {
        let question = format!("Names, addresses and free text about {name} will be gone for good. Type yes to go on");
        if terminal.ask(&question, "--yes")? != "yes" {
            return Err(Stop::Usage("Nothing was erased.".to_owned()));
        }
    }
    let done = opened.engine.submit(command, caller).await.map_err(|wrong| match wrong {
        Wrong::Refused(refusal) => refused(&refusal),
        Wrong::Fault(why) => fault(why),
    })?;
    // Shown rather than promised: the log is read from the first entry to the last.
    let tenant = opened.place.tenant();
    let checked = export(&opened.store, tenant, opened.engine.log_key(), false, &mut std::io::sink()).await;
    let whole = checked.map_err(fault)?.map_err(|found| Stop::NotWhole(format!("✗ {found}")))?;
    if terminal.json {
        terminal.value(&serde_json::json!({"principal": principal, "entry": done.seq, "entries": whole.head.size}));
    } else {
        let good = terminal.paint(Accent::Good, "✓");
        terminal.say(format!("{good} {name} is forgotten; entry {} says so", done.seq));
        terminal.say(format!("{good} the log still verifies ({})", entries(whole.head.size)));
        terminal.say("  Copies and back-ups made before still hold the texts; deal with them as your rules say.");
    }
    Ok(())
}

fn refused(refusal: &Refusal) -> Stop {
    Stop::Refused(Problem { message: refusal.told(), ..Problem::default() })
}

fn fault(why: crate::store::Fault) -> Stop {
    Stop::Fault(why.0)
}
