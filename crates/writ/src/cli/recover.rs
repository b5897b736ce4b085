//! Ways back in, for root at the server's own console: a new emergency secret, a clock declared right, orders that
//! hosts take again after a back-up was restored.
//! They work while the server is stopped, since one process at a time writes a log.
//!
//! Always: what is done here is an entry in the log before it counts; nothing suppresses it.

use super::stop::Stop;
use super::table::Accent;
use super::terminal::Terminal;
use super::ticked;
use crate::clock::Clock;
use crate::config::{Flags, Settings};
use crate::engine::fresh_id;
use crate::identity::Identity;
use crate::server::{runtime, tenant};
use crate::store::Fault;
use std::path::PathBuf;
use writ_core::command::{Caller, Command};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The data directory (else WRIT_DATA, else /var/lib/writ)
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Give an emergency account a new secret, or make another one; its old secrets are void
    Emergency {
        /// The account, such as emergency1@northwind.example
        account: String,
        /// Its name, when it is a new one
        #[arg(long, default_value = "Emergency")]
        name: String,
    },
    /// Declare this machine's clock right after it jumped or was set back
    Clock,
    /// After a back-up was restored: number the orders to hosts anew, so that hosts take them again
    Epoch,
}

pub(super) fn run(args: Args, terminal: &Terminal) -> Result<(), Stop> {
    if !rustix::process::geteuid().is_root() {
        return Err(Stop::Usage("writ recover is for root at the server's own console: run it with sudo".into()));
    }
    let flags = Flags { data: args.data, behind_proxy: true, ..Flags::default() };
    let settings = Settings::gather(&flags, &terminal.env)?;
    let fault = |e: Fault| Stop::Fault(e.to_string());
    let id = tenant::only(&settings.data).map_err(fault)?;
    let runtime = runtime().map_err(fault)?;
    runtime.block_on(async {
        let clock = Clock::system();
        let tenant = tenant::open(&settings.data, id, clock.clone(), false).await.map_err(fault)?;
        let done = match args.verb {
            Verb::Emergency { account, name } => {
                let url = settings.url_at(settings.listen);
                let identity = Identity::open(tenant.engine.clone(), tenant.vault.clone(), &url, &[]).await;
                let minted = identity.map_err(fault)?.recover_emergency(&name, &account).await;
                minted.map_err(|why| Stop::Fault(why.to_string())).map(|minted| {
                    if terminal.json {
                        terminal.value(&serde_json::json!({"account": minted.upn, "secret": minted.secret.shown()}));
                    } else {
                        terminal.say(ticked(terminal, Accent::Good, "✓", "minted", &minted.upn));
                        terminal.say(format!("  {}", terminal.paint(Accent::Strong, minted.secret.shown())));
                        terminal.say("  Shown now and never again. That it was minted is in the log.");
                    }
                })
            }
            Verb::Clock => {
                let before = clock.health();
                let done = tenant.engine.submit(Command::RecoverClock, Caller::console(fresh_id())).await;
                done.map_err(|wrong| Stop::Fault(wrong.to_string())).map(|_| {
                    if terminal.json {
                        terminal.value(&serde_json::json!({"recovered": true, "was": before.to_string()}));
                    } else {
                        terminal.say(ticked(
                            terminal,
                            Accent::Good,
                            "✓",
                            "recovered",
                            "this machine's clock counts as right from now on",
                        ));
                    }
                })
            }
            Verb::Epoch => {
                let done = tenant.engine.submit(Command::RaiseEpoch, Caller::console(fresh_id())).await;
                let epoch = tenant.engine.state().epoch;
                done.map_err(|wrong| Stop::Fault(wrong.to_string())).map(|_| {
                    if terminal.json {
                        terminal.value(&serde_json::json!({"epoch": epoch}));
                    } else {
                        let told = format!("orders are numbered anew, as epoch {epoch}; hosts take them again");
                        terminal.say(ticked(terminal, Accent::Good, "✓", "raised", &told));
                    }
                })
            }
        };
        tenant.engine.stop().await;
        done
    })
}
