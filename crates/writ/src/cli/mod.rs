//! The command line: one file per verb. It turns words into requests to a server and answers into words.
//! It never decides who may do what; that is the server's.
//!
//! Always: every verb answers people in tables and programs in JSON (`--json`), and ends with a documented status.

pub mod client;
pub mod session;
pub mod stop;
pub mod table;
pub mod terminal;

mod activate;
mod agent;
mod approve;
mod assign;
mod audit;
mod cancel;
mod continuity;
mod deactivate;
mod demo;
mod explain;
mod extend;
mod grounds;
mod host;
mod init;
mod log;
mod login;
mod meaning;
mod recover;
mod remembered;
mod remove;
mod roles;
mod serve;
mod status;
mod token;
mod user;
mod wait;

use crate::config::{self, Environment};
use clap::{Parser, Subcommand};
use client::Client;
use std::path::PathBuf;
use std::process::ExitCode;
use stop::Stop;
use table::Accent;
use terminal::Terminal;

/// Just-in-time admin rights: ask, get approved, hold for a while, and leave a record that can be verified.
#[derive(Parser)]
#[command(name = "writ", version, propagate_version = true, after_help = stop::STATUSES, max_term_width = 100)]
struct Line {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Common {
    /// Answer in JSON, for programs; nothing is asked
    #[arg(long, global = true)]
    json: bool,
    /// Where the server is.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "The server, such as https://writ.example.org (else WRIT_SERVER, else where you signed in)"
    )]
    server: Option<String>,
    /// A PEM file with the server's certificate authority, when it is your own (else WRIT_CA)
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Sign in to a server
    Login(login::Args),
    /// Sign out and forget the session
    Logout,
    /// Print an access token, for scripts and SDKs that speak Graph
    Token(token::Args),
    /// What you hold, wait for, can decide and can ask for
    Status(status::Args),
    /// Ask to switch on a role you are eligible for
    Activate(activate::Args),
    /// Ask for more time on a role you have switched on
    Extend(extend::Args),
    /// Give a role back before its time is up
    Deactivate(deactivate::Args),
    /// Say why somebody can or cannot activate a role, rule by rule
    Explain(explain::Args),
    /// Approve somebody's request
    Approve(approve::Args),
    /// Deny somebody's request
    Deny(approve::Args),
    /// Take back a request that is still open
    Cancel(cancel::Args),
    /// List the roles and what they need
    Roles(roles::Args),
    /// Make somebody eligible for a role, or assign it directly
    Assign(assign::Args),
    /// Take an eligibility or an assignment away
    Remove(remove::Args),
    /// The record of what happened, in sentences
    Audit(audit::Args),
    /// Copies of the log, proofs about it, and forgetting somebody
    Log(log::Args),
    /// Users and the codes that set up their sign-in
    User(user::Args),
    /// Hosts and the codes that enrol them
    Host(host::Args),
    /// Create a new tenant on this machine
    Init(init::Args),
    /// Run the server
    Serve(serve::Args),
    /// Ways back in, for root at the server's own console
    Recover(recover::Args),
    /// See the whole story live: a demo organisation, a real host, real root, and its end
    Demo(demo::Args),
    /// Run the host agent of this build (`writ agent --help`)
    Agent(agent::Args),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { stop::status::USAGE } else { stop::status::DONE });
        }
    };
    if let Verb::Agent(args) = &line.verb {
        return agent::run(args);
    }
    let terminal = Terminal::here(Environment::read(), line.common.json);
    match act(&line.common, line.verb, &terminal) {
        Ok(()) => ExitCode::from(stop::status::DONE),
        Err(stop) => {
            match (terminal.json, stop.to_json()) {
                (true, Some(value)) => terminal.value(&value),
                (false, Some(_)) => terminal.complain(&terminal.reader().local(&stop.to_string())),
                (_, None) => {}
            }
            ExitCode::from(stop.status())
        }
    }
}

fn act(common: &Common, verb: Verb, terminal: &Terminal) -> Result<(), Stop> {
    match verb {
        Verb::Agent(_) => Ok(()),
        Verb::Login(args) => login::run(common, &args, terminal),
        Verb::Logout => login::out(terminal),
        Verb::Token(args) => token::run(common, &args, terminal),
        Verb::Status(args) => status::run(common, &args, terminal),
        Verb::Activate(args) => activate::run(common, &args, terminal),
        Verb::Extend(args) => extend::run(common, &args, terminal),
        Verb::Deactivate(args) => deactivate::run(common, &args, terminal),
        Verb::Explain(args) => explain::run(common, &args, terminal),
        Verb::Approve(args) => approve::run(common, &args, true, terminal),
        Verb::Deny(args) => approve::run(common, &args, false, terminal),
        Verb::Cancel(args) => cancel::run(common, &args, terminal),
        Verb::Roles(args) => roles::run(common, &args, terminal),
        Verb::Assign(args) => assign::run(common, &args, terminal),
        Verb::Remove(args) => remove::run(common, &args, terminal),
        Verb::Audit(args) => audit::run(common, &args, terminal),
        Verb::Log(args) => log::run(common, args, terminal),
        Verb::User(args) => user::run(common, args, terminal),
        Verb::Host(args) => host::run(common, args, terminal),
        Verb::Init(args) => init::run(&args, terminal),
        Verb::Serve(args) => serve::run(&args, terminal),
        Verb::Recover(args) => recover::run(args, terminal),
        Verb::Demo(args) => demo::run(common, args, terminal),
    }
}

/// The server to talk to, when there is no session that says.
fn server(common: &Common, env: &Environment) -> Result<Option<String>, Stop> {
    let named = common.server.as_deref().or_else(|| env.get("WRIT_SERVER"));
    Ok(named.map(config::web_address).transpose()?)
}

/// The file with the server's authority.
fn ca(common: &Common, env: &Environment) -> Option<PathBuf> {
    common.ca.clone().or_else(|| env.get("WRIT_CA").map(PathBuf::from))
}

/// A conversation as whoever is signed in here, with a server whose log continues what this user has seen of it.
fn open(common: &Common, terminal: &Terminal) -> Result<Client, Stop> {
    let mut client = open_whatever_its_log(common, terminal)?;
    continuity::look(&mut client, terminal)?;
    Ok(client)
}

/// The same before that was looked at.
fn open_whatever_its_log(common: &Common, terminal: &Terminal) -> Result<Client, Stop> {
    let env = &terminal.env;
    let named = server(common, env)?;
    if let Some(token) = env.get("WRIT_TOKEN") {
        let server = named.ok_or_else(|| {
            Stop::Usage("WRIT_TOKEN is set; say for which server: --server URL or WRIT_SERVER".into())
        })?;
        return Client::with_token(&server, ca(common, env).as_deref(), token.to_owned(), terminal.clock.clone());
    }
    let dir = env.state_dir()?;
    let Some(session) = session::load(&dir)? else {
        return Err(Stop::SignedOut("Nobody is signed in here. Sign in with: writ login".into()));
    };
    if let Some(named) = named.filter(|named| *named != session.server) {
        return Err(Stop::SignedOut(format!(
            "You are signed in to {}, not to {named}. Sign in there with: writ login --server {named}",
            session.server
        )));
    }
    Client::resume(session, dir, terminal.clock.clone())
}

/// A line that begins with a tick and a word, as `✓ asked          needs one of …`.
fn ticked(terminal: &Terminal, accent: Accent, mark: &str, word: &str, told: &str) -> String {
    format!("{} {} {told}", terminal.paint(accent, mark), table::pad(word, 14))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Line::command().debug_assert();
    }

    #[test]
    fn every_verb_of_the_manual_is_there() {
        let known: Vec<String> = Line::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        for verb in [
            "login",
            "roles",
            "activate",
            "deactivate",
            "status",
            "approve",
            "deny",
            "cancel",
            "assign",
            "remove",
            "audit",
            "host",
            "explain",
        ] {
            assert!(known.iter().any(|name| name == verb), "{verb}");
        }
    }
}
