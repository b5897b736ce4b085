//! Users, and the single-use codes with which they set up their sign-in.
//!
//! Always: a code is shown once, to the administrator who made it, and is in no log.

use super::assign::stepping_up;
use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::{Accent, Cell, Table};
use super::terminal::Terminal;
use super::{Common, open, ticked};
use crate::http::api::shape::{Called, Code};
use serde_json::json;
use ureq::http::Method;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// Create a user and show the code that sets up their sign-in
    Add {
        /// The name people know them by
        name: String,
        /// The account, such as ana@northwind.example
        account: String,
    },
    /// Show a new code that sets up somebody's sign-in
    Code {
        /// Who
        who: String,
    },
    /// List the users
    List,
    /// Stop a user from doing anything; their activations end at once
    Disable {
        /// Who
        who: String,
    },
    /// Let a disabled user work again; no activation comes back
    Enable {
        /// Who
        who: String,
    },
}

pub(super) fn run(common: &Common, args: Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    match args.verb {
        Verb::Add { name, account } => {
            let nick = account.split('@').next().unwrap_or_default();
            let body = json!({"displayName": name, "userPrincipalName": account, "mailNickname": nick, "accountEnabled": true});
            let made: serde_json::Value =
                stepping_up(&mut client, terminal, |client| client.post("/v1.0/users", &body))?;
            let id = made["id"].as_str().unwrap_or_default().to_owned();
            code(&mut client, &Called { id, name }, terminal)
        }
        Verb::Code { who } => {
            let who = meaning::of(&mut client, Sort::User, &who)?;
            code(&mut client, &who, terminal)
        }
        Verb::List => list(&mut client, terminal),
        Verb::Disable { who } => enable(&mut client, &who, false, terminal),
        Verb::Enable { who } => enable(&mut client, &who, true, terminal),
    }
}

fn code(client: &mut super::client::Client, who: &Called, terminal: &Terminal) -> Result<(), Stop> {
    let path = format!("/writ/v1/users/{}/code", who.id);
    let code: Code = stepping_up(client, terminal, |client| client.post(&path, &json!({})))?;
    if terminal.json {
        terminal.value(&json!({"user": who, "code": code}));
        return Ok(());
    }
    let until = terminal.reader().moment(code.expires);
    terminal.say(ticked(
        terminal,
        Accent::Good,
        "✓",
        "code made",
        &format!("{} can set up a password and one-time codes once, until {until}", who.name),
    ));
    terminal.say(format!("  {}", terminal.paint(Accent::Strong, &code.code)));
    terminal.say(format!("  Give it to {} by a way that only they read. Where to use it: {}", who.name, code.url));
    Ok(())
}

fn list(client: &mut super::client::Client, terminal: &Terminal) -> Result<(), Stop> {
    let mut path = "/v1.0/users?$top=100".to_owned();
    let mut users = Vec::new();
    loop {
        let mut page: serde_json::Value = client.get(&path)?;
        if let Some(rows) = page["value"].as_array_mut() {
            users.append(rows);
        }
        match page["@odata.nextLink"].as_str().and_then(|link| link.strip_prefix(client.server())) {
            Some(next) if users.len() < 10_000 => path = next.to_owned(),
            _ => break,
        }
    }
    if terminal.json {
        terminal.value(&users);
        return Ok(());
    }
    users.sort_by_key(|user| user["displayName"].as_str().unwrap_or_default().to_lowercase());
    let mut table = Table::new();
    for user in &users {
        let enabled = user["accountEnabled"].as_bool().unwrap_or(true);
        let state = if enabled { Cell::from("") } else { Cell::painted(Accent::Wait, "disabled") };
        table.row([
            user["displayName"].as_str().unwrap_or("").into(),
            user["userPrincipalName"].as_str().unwrap_or("").into(),
            state,
        ]);
    }
    terminal.table(&table);
    Ok(())
}

fn enable(client: &mut super::client::Client, who: &str, enabled: bool, terminal: &Terminal) -> Result<(), Stop> {
    let who = meaning::of(client, Sort::User, who)?;
    let body = json!({"accountEnabled": enabled});
    let path = format!("/v1.0/users/{}", who.id);
    stepping_up(client, terminal, |client| client.send(Method::PATCH, &path, Some(&body)))?;
    if terminal.json {
        terminal.value(&json!({"user": who, "enabled": enabled}));
    } else {
        terminal.say(ticked(terminal, Accent::Good, "✓", if enabled { "enabled" } else { "disabled" }, &who.name));
    }
    Ok(())
}
