//! The host agent as a program of its own; `writ agent` runs the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Ok(binary) = std::env::current_exe() else {
        eprintln!("writ-agent: this program's own path cannot be found; is /proc mounted?");
        return ExitCode::FAILURE;
    };
    writ_agent::main(&[binary.display().to_string()], &words)
}
