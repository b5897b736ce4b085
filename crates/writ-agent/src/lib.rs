//! The host agent: makes ordered sudo rights real on one Linux host, and takes them away on time.
//! It decides nothing about who may have what; it obeys signed orders within the host's own limits.
//!
//! `round` is the heart: what should be, what is missing, what must go. `agent` runs it, `transport` brings orders.

pub mod accounts;
pub mod agent;
pub mod cgroups;
pub mod clock;
pub mod config;
pub mod drift;
pub mod ending;
pub mod enrol;
pub mod files;
pub mod install;
pub mod places;
pub mod probe;
pub mod processes;
pub mod program;
pub mod round;
pub mod sandbox;
pub mod sessions;
pub mod state;
pub mod sudoers;
pub mod terminals;
pub mod traces;
pub mod transport;
pub mod tree;
pub mod trust;
pub mod uninstall;
pub mod window;

use std::process::ExitCode;

const USAGE: &str = "\
writ-agent enrol SERVER     enrol this host; asks for the one-time code on standard input
writ-agent run              obey orders until stopped; for the service manager
writ-agent status           what is in force here
writ-agent unpin ACCOUNT    an account has changed hands: forget who used it first
writ-agent uninstall        take everything of Writ off this host";

/// Runs the agent's command line. `program` is how this program is called, for PAM's hook: the binary's path, and
/// `agent` where it is the `writ` binary. `words` are the words after that.
pub fn main(program: &[String], words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["sandbox-init"] => sandbox::init(),
        ["pam-hook"] => sessions::hook(&config::pam_session()),
        ["enrol", server] => enrol::enrol(server),
        ["run"] => agent::run(program).map(|never| match never {}),
        ["status"] => status(),
        ["unpin", account] => unpin(account),
        ["uninstall"] => uninstall::uninstall(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("writ-agent: {why}");
            ExitCode::FAILURE
        }
    }
}

fn status() -> Result<(), String> {
    let Some(state) = state::State::load()? else {
        println!("This host is not enrolled.");
        return Ok(());
    };
    let number = state.held.as_ref().map_or("no order yet".into(), |held| format!("order {}.{}", held.epoch, held.seq));
    println!("host {}  server {}  {number}", state.enrolment.host, state.enrolment.server);
    for given in &state.given {
        let (account, until) = (&given.grant.account, given.grant.not_after);
        println!("{account:<32} until {until}  {:?}  {}", given.standing, given.told);
    }
    Ok(())
}

fn unpin(account: &str) -> Result<(), String> {
    let _lock = agent::lock()?;
    let mut state = state::State::load()?.ok_or("this host is not enrolled")?;
    if !state.pins.unpin(account) {
        return Err(format!("nobody has used {account} under Writ on this host"));
    }
    state.save()
}
