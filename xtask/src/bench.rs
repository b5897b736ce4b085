//! `cargo xtask bench`: the figures of docs/benchmarks.md, measured in a release build.
//! It never judges: a slow machine is not a failed test.

use crate::program;

/// Words after `bench` choose sections; none means all.
pub(crate) fn run(sections: &[&str]) -> Result<(), String> {
    let build = ["run", "--release", "--locked", "--package", "writ", "--example", "bench", "--"];
    program::run(&program::cargo(), &[&build[..], sections].concat(), &[])
}
