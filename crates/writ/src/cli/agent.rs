//! The host agent of this very build: `writ agent …` is the same program as `writ-agent …`.

use std::process::ExitCode;

#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true)]
pub(super) struct Args {
    /// What the agent is told: enrol SERVER, run, status, uninstall, unpin ACCOUNT
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
    words: Vec<String>,
}

/// Its exit status passes through; it has said everything itself.
pub(super) fn run(args: &Args) -> ExitCode {
    writ_agent::main(&args.words)
}
