//! Forgets somebody: `writ log erase WHO`, over a running server by an administrator who is signed in, or with
//! `--data` at the server's own console while it is stopped.
//! The engine puts the erasure on record first; then names, addresses and free text about them go from the entries.
//!
//! Always: what cannot be taken back is asked about once, and nothing public in the log changes.

use super::super::Common;
use super::super::assign::stepping_up;
use super::super::client::Client;
use super::super::meaning::{self, Sort};
use super::super::stop::{Problem, Stop};
use super::super::table::{Accent, clean};
use super::super::terminal::Terminal;
use super::{Whose, entries, wait_for};
use crate::engine::{Wrong, fresh_id};
use crate::export::export;
use crate::http::api::shape::Called;
use crate::server::tenant::{self, Tenant};
use http::Method;
use writ_core::command::{Caller, Command};
use writ_core::ids::PrincipalId;
use writ_core::refusal::Refusal;

const COPIES: &str = "  Copies and back-ups made before still hold the texts; deal with them as your rules say.";

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

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    if args.whose.data.is_none()
        && args.whose.tenant.is_none()
        && let Ok(client) = super::super::open(common, terminal)
    {
        return over_the_server(client, args, terminal);
    }
    let (data, id) = args.whose.find(terminal)?;
    wait_for(async {
        let opened = tenant::open(&data, id, terminal.clock.clone(), false).await.map_err(fault)?;
        let forgotten = forget(&opened, args, terminal).await;
        // Whatever came of it, the folder is given back in order.
        opened.engine.stop().await;
        forgotten
    })
}

fn over_the_server(mut client: Client, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let who = match args.who.parse::<PrincipalId>() {
        // Somebody who was deleted has no name any more.
        Ok(id) => Called { id: id.to_string(), name: id.to_string() },
        Err(_) => meaning::of(&mut client, Sort::Principal, &args.who)?,
    };
    let name = clean(&who.name);
    sure(args, &name, terminal)?;
    let path = format!("/writ/v1/users/{}/erase", who.id);
    stepping_up(&mut client, terminal, |client| client.send(Method::POST, &path, None))?;
    if terminal.json {
        terminal.value(&serde_json::json!({"principal": who.id}));
    } else {
        terminal.say(format!("{} {name} is forgotten; the log says so", terminal.paint(Accent::Good, "✓")));
        terminal.say(COPIES);
    }
    Ok(())
}

/// Asks once, since nothing brings the texts back.
fn sure(args: &Args, name: &str, terminal: &Terminal) -> Result<(), Stop> {
    let question = format!("Names, addresses and free text about {name} will be gone for good. Type yes to go on");
    if args.yes || terminal.ask(&question, "--yes")? == "yes" {
        Ok(())
    } else {
        Err(Stop::Usage("Nothing was erased.".to_owned()))
    }
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
    sure(args, &name, terminal)?;
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
        terminal.say(COPIES);
    }
    Ok(())
}

fn refused(refusal: &Refusal) -> Stop {
    Stop::Refused(Problem { message: refusal.told(), ..Problem::default() })
}

fn fault(why: crate::store::Fault) -> Stop {
    Stop::Fault(why.0)
}
