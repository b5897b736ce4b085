//! The host agent as a program of its own; `writ agent` runs the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    writ_agent::main(&words)
}
