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
use crate::http::api::shape::{AccountRule, Code, HostTold};
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
        /// Go back to the rule; see account-rule
        #[arg(long, conflicts_with = "account")]
        default: bool,
    },
    /// Show how local accounts are named, or say how
    AccountRule {
        /// The name, with {local} for the part of the user principal name before the @, such as adm-{local}; none to
        /// show the rules
        rule: Option<String>,
        /// On this host only; on every host if neither --host nor --unit
        #[arg(long, conflicts_with = "unit")]
        host: Option<String>,
        /// On the hosts of this administrative unit
        #[arg(long)]
        unit: Option<String>,
        /// Take the rule back; the next wider one applies again
        #[arg(long, conflicts_with = "rule")]
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
            let account = account.unwrap_or_else(|| "as the rule says again".into());
            terminal.say(ticked(
                terminal,
                Accent::Good,
                "✓",
                "mapped",
                &format!("{} is {account} on {place}", who.name),
            ));
            Ok(())
        }
        Verb::AccountRule { rule: None, default: false, host: None, unit: None } => {
            account_rules(&mut client, terminal)
        }
        Verb::AccountRule { rule: None, default: false, .. } => Err(Stop::Usage(
            "Give a rule such as adm-{local} for that place, or --default to take its rule back.".into(),
        )),
        Verb::AccountRule { rule, host, unit, .. } => name_accounts(&mut client, rule, (host, unit), terminal),
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

fn account_rules(client: &mut Client, terminal: &Terminal) -> Result<(), Stop> {
    let rules: Vec<AccountRule> = client.get("/writ/v1/accounts/rules")?;
    if terminal.json {
        terminal.value(&rules);
        return Ok(());
    }
    let mut table = Table::new();
    for one in &rules {
        let place = match (&one.host, &one.unit) {
            (Some(host), _) => format!("host {}", host.name),
            (None, Some(unit)) => format!("hosts in {}", unit.name),
            (None, None) => "every host".to_owned(),
        };
        table.row([place.into(), one.rule.as_str().into()]);
    }
    terminal.table(&table);
    Ok(())
}

fn name_accounts(
    client: &mut Client,
    rule: Option<String>,
    (host, unit): (Option<String>, Option<String>),
    terminal: &Terminal,
) -> Result<(), Stop> {
    let host = host.map(|host| meaning::of(client, Sort::Host, &host)).transpose()?;
    let unit = unit.map(|unit| meaning::of(client, Sort::Unit, &unit)).transpose()?;
    let body =
        json!({"host": host.as_ref().map(|h| &h.id), "unit": unit.as_ref().map(|u| &u.id), "rule": rule.as_deref()});
    stepping_up(client, terminal, |client| client.send(Method::POST, "/writ/v1/accounts/rules", Some(&body)))?;
    if terminal.json {
        terminal.value(&body);
        return Ok(());
    }
    let place = host.or(unit).map_or("every host".to_owned(), |place| place.name);
    let told = match rule {
        Some(rule) => format!("accounts on {place} are {rule}; who was mapped by hand stays so"),
        None => format!("accounts on {place} follow the next wider rule again"),
    };
    terminal.say(ticked(terminal, Accent::Good, "✓", "named", &told));
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
