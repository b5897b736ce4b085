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
    let Ok(binary) = std::env::current_exe() else {
        eprintln!("writ agent: this program's own path cannot be found; is /proc mounted?");
        return ExitCode::FAILURE;
    };
    // How PAM's hook is to call this program later.
    let program = [binary.display().to_string(), "agent".to_owned()];
    writ_agent::main(&program, &args.words)
}
