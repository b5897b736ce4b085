//! `cargo xtask check`: everything that can be said about the code without running it.
//! It never changes a file; `cargo fmt` and `cargo clippy --fix` are the developer's to run.

use crate::{deny, program, tidy};

/// Cheapest first, so that a slip is told in seconds. Stops at the first step that fails.
pub(crate) fn run(advisories: bool) -> Result<(), String> {
    let cargo = program::cargo();
    let formatted = program::run(&cargo, &["fmt", "--all", "--", "--check"], &[]);
    formatted.map_err(|why| format!("{why}\nput right by: cargo fmt --all"))?;
    tidy::run()?;
    deny::run(advisories)?;
    program::run(&cargo, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])?;
    let denied = [("RUSTDOCFLAGS", "-D warnings")];
    program::run(&cargo, &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"], &denied)?;
    println!("\ncheck: all good");
    Ok(())
}
