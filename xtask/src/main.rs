//! The developers' front door: `cargo xtask check | test | bench`.
//! It never downloads a toolchain, never skips a test, and never goes on after a step that failed.
//!
//! Always: a missing tool stops the command and is named together with what installs it.
#![expect(clippy::disallowed_methods, reason = "a developers' tool: it reads PATH and CI from the environment")]

mod bench;
mod check;
mod conformance;
mod deny;
mod program;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  check [--advisories]   formatting, lints, licences and bans, documentation, house rules
                         (--advisories also asks the RustSec database, which must be reachable)
  test                   everything that can fail: unit, property, story, simulation, host sandbox, demo
  bench                  release build; each figure beside its limit; prints what docs/benchmarks.md holds
  tidy                   the house rules alone (a part of check)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["check"] => check::run(false),
        ["check", "--advisories"] => check::run(true),
        ["test"] => test::run(),
        ["bench", rest @ ..] => bench::run(rest),
        ["tidy"] => tidy::run(),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
