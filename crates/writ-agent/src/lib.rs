//! The host agent: makes ordered sudo rights real on one Linux host, and takes them away on time.
//! It decides nothing about who may have what; it obeys signed orders within the host's own limits.

pub mod accounts;
pub mod clock;
pub mod config;
pub mod drift;
pub mod files;
pub mod install;
pub mod places;
pub mod probe;
pub mod program;
pub mod sandbox;
pub mod sudoers;
pub mod tree;
pub mod window;

use std::process::ExitCode;

/// Runs the agent's command line: the words after the program's own name.
pub fn main(words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["sandbox-init"] => sandbox::init(),
        _ => {
            eprintln!("writ-agent: enrol SERVER | run | status | uninstall | unpin ACCOUNT");
            ExitCode::from(2)
        }
    }
}
