//! Hosts: the codes that enrol them, what they report, and which local account a person has on them.
//!
//! Always: a code is shown once and is in no log.

use super::assign::stepping_up;
use super::client::Client;
use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::{Accent, Cell, Table};
use super::terminal::Terminal;
use super::{Common, open, ticked};
use crate::http::api::shape::{Code, HostTold};
use serde_json::json;
use ureq::http::Method;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Show a code that enrols one host, and the command to run there
    Enrol {
        /// The administrative unit the host will be in
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
    },
    /// List the hosts
    List,
    /// Say which local account somebody has
    Account {
        /// Who
        who: String,
        /// The account's name there; absent with --default
        #[arg(required_unless_present = "default")]
        account: Option<String>,
        /// On this host only; on every host if neither --host nor --unit
        #[arg(long, conflicts_with = "unit")]
        host: Option<String>,
        /// On the hosts of this administrative unit
        #[arg(long)]
        unit: Option<String>,
        /// Go back to the rule: the first part of the user principal name
        #[arg(long, conflicts_with = "account")]
        default: bool,
    },
    /// Forget a host; what is in force on it ends
    Remove {
        /// Which
        host: String,
    },
}

pub(super) fn run(common: &Common, args: Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    match args.verb {
        Verb::Enrol { unit } => enrol(&mut client, unit.as_deref(), terminal),
        Verb::List => list(&mut client, terminal),
        Verb::Account { who, account, host, unit, .. } => {
            let who = meaning::of(&mut client, Sort::User, &who)?;
            let host = host.map(|host| meaning::of(&mut client, Sort::Host, &host)).transpose()?;
            let unit = unit.map(|unit| meaning::of(&mut client, Sort::Unit, &unit)).transpose()?;
            let body = json!({"principal": who.id, "host": host.as_ref().map(|h| &h.id), "unit": unit.as_ref().map(|u| &u.id), "account": account});
            stepping_up(&mut client, terminal, |client| client.send(Method::POST, "/writ/v1/accounts", Some(&body)))?;
            if terminal.json {
                terminal.value(&body);
                return Ok(());
            }
            let place = host.or(unit).map_or("every host".to_owned(), |place| place.name);
            let account = account.unwrap_or_else(|| "the first part of their account name again".into());
            terminal.say(ticked(
                terminal,
                Accent::Good,
                "✓",
                "mapped",
                &format!("{} is {account} on {place}", who.name),
            ));
            Ok(())
        }
        Verb::Remove { host } => {
            let host = meaning::of(&mut client, Sort::Host, &host)?;
            let path = format!("/writ/v1/hosts/{}", host.id);
            stepping_up(&mut client, terminal, |client| client.send(Method::DELETE, &path, None))?;
            if terminal.json {
                terminal.value(&json!({"host": host, "removed": true}));
            } else {
                terminal.say(ticked(
                    terminal,
                    Accent::Good,
                    "✓",
                    "removed",
                    &format!("{}; on the host itself: writ agent uninstall", host.name),
                ));
            }
            Ok(())
        }
    }
}

fn enrol(client: &mut Client, unit: Option<&str>, terminal: &Terminal) -> Result<(), Stop> {
    let unit = unit.map(|unit| meaning::of(client, Sort::Unit, unit)).transpose()?;
    let body = json!({"unit": unit.as_ref().map(|unit| &unit.id)});
    let code: Code = stepping_up(client, terminal, |client| client.post("/writ/v1/hosts/codes", &body))?;
    if terminal.json {
        terminal.value(&code);
        return Ok(());
    }
    let place = unit.map(|unit| format!(" in {}", unit.name)).unwrap_or_default();
    let until = terminal.reader().moment(code.expires);
    terminal.say(ticked(
        terminal,
        Accent::Good,
        "✓",
        "code made",
        &format!("for one host{place}, until {until}. On that host, as root:"),
    ));
    // The code goes in by standard input: a process list shows what a program was called with.
    terminal.say(format!("  writ agent enrol {}", client.server()));
    terminal.say(format!("and, when it asks, this code: {}", terminal.paint(Accent::Strong, &code.code)));
    Ok(())
}

fn list(client: &mut Client, terminal: &Terminal) -> Result<(), Stop> {
    let hosts: Vec<HostTold> = client.get("/writ/v1/hosts")?;
    if terminal.json {
        terminal.value(&hosts);
        return Ok(());
    }
    let reader = terminal.reader();
    let mut table = Table::new();
    for host in &hosts {
        let units: Vec<&str> = host.units.iter().map(|unit| unit.name.as_str()).collect();
        let seen = host.reported.map_or("has not reported yet".to_owned(), |at| format!("reported {}", reader.ago(at)));
        let drift = match host.drift.len() {
            // Who may not see them is told nothing, rather than that there are none.
            0 if host.accounts.is_empty() => Cell::from(""),
            0 => Cell::from(format!("accounts {}", host.accounts.join(", "))),
            n => Cell::painted(Accent::Wait, format!("{n} grants that Writ did not give: {}", host.drift.join("; "))),
        };
        table.row([host.host.name.as_str().into(), units.join(", ").into(), seen.into(), drift]);
    }
    if table.is_empty() {
        terminal.say("No host is enrolled yet. Enrol one with: writ host enrol");
    }
    terminal.table(&table);
    Ok(())
}
