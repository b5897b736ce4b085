//! The figures of docs/benchmarks.md, each beside the limit of the machine it ran on, in the same run.
//! It judges nothing and sends no traffic to any address but loopback; it stops by itself.
//!
//! Always: a figure and its limit are measured in turns, so that other work on the machine hits both.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the monotonic clock; nothing of the server does")]

mod client;
mod count;
mod engine;
mod holds;
mod host;
mod http;
mod limits;
mod population;
mod report;
mod world;

use report::{Failed, Report};
use std::process::ExitCode;

type Section = fn(&mut Report) -> Result<(), Failed>;

const SECTIONS: &[(&str, Section)] = &[
    ("limits", limits::run),
    ("holds", holds::run),
    ("engine", engine::run),
    ("http", http::run),
    ("count", count::run),
    ("host", host::run),
];

fn main() -> Result<ExitCode, Failed> {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let chosen: Vec<String> = words.collect();
    if let Some((agent, words)) = chosen.split_first().filter(|(first, _)| *first == "agent") {
        return Ok(writ_agent::main(&[program, agent.clone()], words));
    }
    if chosen == [count::INSIDE] {
        count::inside()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = chosen.iter().find(|word| !SECTIONS.iter().any(|(name, _)| name == word)) {
        let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no section is called {unknown}; there are: {}", names.join(", ")).into());
    }
    let mut report = Report::of_this_machine();
    for (name, section) in SECTIONS {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            section(&mut report)?;
        }
    }
    report.print();
    Ok(ExitCode::SUCCESS)
}
