//! `cargo xtask test`: everything that can fail, run for real.
//! It never skips: what a test needs is installed (as root) or named, and an ignored test is a failure.
//!
//! Always: the last line is the sum over all test binaries, `N passed, N failed`.

use crate::{conformance, program};
use std::process::{Command, Stdio};

/// A Debian package that tests use, and how to see that it is there.
struct Package {
    name: &'static str,
    is_there: fn() -> bool,
    why: &'static str,
}

const PACKAGES: &[Package] = &[
    Package { name: "sudo", is_there: || has("cvtsudoers"), why: "the sandbox host: real sudo, visudo and cvtsudoers" },
    Package { name: "openssh-server", is_there: || has("sshd"), why: "the sandbox host: logins that must survive" },
    Package { name: "openssh-client", is_there: || has("ssh-keygen"), why: "the sandbox host: somebody who logs in" },
    Package { name: "strace", is_there: || has("strace"), why: "the crash tests count the syncs behind each answer" },
    Package {
        name: "systemd-container",
        is_there: || has("systemd-nspawn"),
        why: "a host whose first process is systemd",
    },
    Package { name: "python3-venv", is_there: python_makes_venvs, why: "Microsoft's Graph SDK, which is Python" },
];

const NEEDS_ROOT: &str = "the sandbox host needs root, and no test is skipped: run this as root, in a virtual machine if \
you like. The rules alone need nothing: cargo test -p writ-core";

fn has(program: &str) -> bool {
    program::find(program).is_some()
}

fn python_makes_venvs() -> bool {
    let quiet = Command::new("python3").args(["-c", "import venv, ensurepip"]).stdin(Stdio::null()).output();
    quiet.is_ok_and(|ended| ended.status.success())
}

/// Installs what is missing, builds once, then runs every test, the demo's story, a host with systemd and the SDKs' story.
pub(crate) fn run() -> Result<(), String> {
    install_missing()?;
    if !is_root() {
        return Err(NEEDS_ROOT.to_owned());
    }
    let cargo = program::cargo();
    program::run(&cargo, &["build", "--workspace", "--locked"], &[])?;
    let mut tally = Tally::default();
    let whole = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let tests = program::watch(&cargo, &whole, &[], |line| tally.add(line))?;
    let writ = program::root().join("target/debug/writ");
    let demo = program::run(&writ.to_string_lossy(), &["demo", "--once"], &[]);
    let systemd = program::root().join("conformance/systemd/run.sh");
    let (systemd, binary) = (systemd.to_string_lossy(), writ.to_string_lossy());
    let systemd = program::watch("bash", &[&systemd, &binary], &[], |line| tally.add_plain(line))?;
    // What people run is what other people's clients are held against.
    program::run(&cargo, &["build", "--release", "--locked", "--package", "writ"], &[])?;
    let released = program::root().join("target/release/writ");
    let clients = conformance::run(&released, |line| tally.add_plain(line))?;
    if tally.ignored > 0 || tally.filtered > 0 {
        return Err(format!("{} tests ignored, {} filtered out: every test must run", tally.ignored, tally.filtered));
    }
    tally.count(demo.is_ok());
    println!("\ntests: {} passed, {} failed", tally.passed, tally.failed);
    demo?;
    match tests && systemd && clients && tally.failed == 0 {
        true if tally.passed > 1 => Ok(()),
        true => Err("no test ran".to_owned()),
        false => Err("tests failed".to_owned()),
    }
}

/// The sum of cargo's `test result:` lines.
#[derive(Default, Debug, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    filtered: u64,
}

impl Tally {
    fn count(&mut self, held: bool) {
        *(if held { &mut self.passed } else { &mut self.failed }) += 1;
    }

    /// The closing line of a script of ours: `N passed, N failed`.
    fn add_plain(&mut self, line: &str) {
        let numbers = line.strip_suffix(" failed").and_then(|rest| rest.split_once(" passed, "));
        if let Some((Ok(passed), Ok(failed))) = numbers.map(|(held, not)| (held.parse::<u64>(), not.parse::<u64>())) {
            self.passed += passed;
            self.failed += failed;
        }
    }

    /// A closing line of one of cargo's test binaries.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                "filtered out" => self.filtered += number,
                _ => {}
            }
        }
    }
}

fn install_missing() -> Result<(), String> {
    let missing: Vec<&Package> = PACKAGES.iter().filter(|package| !(package.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    for package in &missing {
        println!("missing: {} ({})", package.name, package.why);
    }
    let by_hand = format!("apt-get update && apt-get install --yes --no-install-recommends {}", names.join(" "));
    if !is_root() || program::find("apt-get").is_none() {
        let root = if is_root() { String::new() } else { format!("\nThen: {NEEDS_ROOT}") };
        return Err(format!("these tests need Debian packages that are not here. As root: {by_hand}{root}"));
    }
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    program::run("apt-get", &["update", "--quiet"], &quiet)?;
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    program::run("apt-get", &[&install[..], &names[..]].concat(), &quiet)
        .map_err(|why| format!("{why}\ninstall by hand: {by_hand}"))
}

fn is_root() -> bool {
    let own = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    own.lines().find_map(|line| line.strip_prefix("Uid:")).is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn result_lines_are_added_up_and_other_lines_are_not() {
        let mut tally = Tally::default();
        tally.add("running 3 tests");
        tally.add("test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.03s");
        tally.add("test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s");
        tally.add("a test result: ok. 9 passed; 9 failed");
        tally.add_plain("ok    nobody's 1 passed, 1 failed is this");
        tally.add_plain("30 passed, 2 failed");
        tally.count(true);
        assert_eq!(tally, Tally { passed: 38, failed: 3, ignored: 1, filtered: 4 });
    }
}
