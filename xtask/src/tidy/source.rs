//! Rules for Rust files: rooms that may not reach into each other, and words with one home.
//! It reads lines, not syntax: a rule that needs more than a line belongs to clippy or to a crate's boundary.

use super::{File, Findings};

const LINES_ADVISED: usize = 600;
const LINES_MAX: usize = 1_000;

/// In files under the first path, the words may not stand; with the reason that is shown.
/// The design: main → server → http, cli, connectors, identity → engine → store → writ-core ← writ-agent.
const ROOMS: &[(&str, &[&str], &str)] = &[
    ("crates/writ-core/src/", &["async fn ", "tokio::", "axum::", "std::fs", "std::net"], "the core is pure"),
    ("crates/writ-agent/src/", &["use writ::", "axum::", "tokio::"], "the agent runs as root: few dependencies"),
    ("crates/writ/src/engine", OUTSIDE, "the engine knows nothing of who calls it"),
    ("crates/writ/src/store/", OUTSIDE_ENGINE, "a store only stores"),
    ("crates/writ/src/vault/", OUTSIDE_ENGINE, "the vault only keeps secrets"),
    ("crates/writ/src/history", OUTSIDE, "history is a projection of the log"),
    ("crates/writ/src/identity/", &["crate::http", "crate::cli", "crate::server", "axum::"], "identity is not HTTP"),
    ("crates/writ/src/connectors/", &["crate::http", "crate::cli", "crate::server"], "connectors read the plan"),
    (
        "crates/writ/src/http/",
        &["crate::cli", "crate::server", "store::Store", "store::sqlite", "rusqlite"],
        "http asks the engine",
    ),
];
const OUTSIDE: &[&str] =
    &["crate::http", "crate::cli", "crate::server", "crate::identity", "crate::connectors", "axum::", "crate::demo"];
const OUTSIDE_ENGINE: &[&str] =
    &["crate::http", "crate::cli", "crate::server", "crate::identity", "crate::connectors", "axum::", "crate::engine"];

/// Words, the files where they may stand, and the reason that is shown.
const HOMES: &[(&[&str], &[&str], &str)] = &[
    (
        &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "UNIX_EPOCH.elapsed"],
        &["/clock.rs", "/clock/", "xtask/", "/tests/", "/examples/"],
        "only clock.rs reads a clock",
    ),
    (
        &["env::var(", "env::var_os(", "env::vars("],
        &["/config.rs", "xtask/", "/tests/", "/examples/"],
        "only config.rs reads the environment",
    ),
    (
        &["unifiedRole", "UnifiedRole"],
        &["crates/writ/src/http/graph/", "crates/writ/tests/", "xtask/"],
        "Graph's words live in http/graph",
    ),
    (
        &["store.append(", "Store::append("],
        &["crates/writ/src/engine", "crates/writ/src/store/", "/tests/", "/examples/", "xtask/"],
        "only the engine appends to the log",
    ),
];

const NAMES_BANNED: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "misc"];

pub(super) fn judge(file: &File, findings: &mut Findings) {
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        findings.wrong(file, lines, "more than 1,000 lines: split it by meaning");
    } else if lines > LINES_ADVISED {
        findings.advice(file, &format!("{lines} lines; split by meaning?"));
    }
    if !file.text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().starts_with("//!") {
        findings.wrong(file, 1, "a module opens with //! and says what it is");
    }
    let stem = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if NAMES_BANNED.contains(&stem) {
        findings.wrong(file, 1, "a file is named after its one noun or action");
    }
    for (number, line) in file.text.lines().enumerate() {
        let code = line.trim_start();
        if !code.starts_with("//") {
            judge_line(file, number + 1, code, findings);
        }
    }
}

fn judge_line(file: &File, number: usize, code: &str, findings: &mut Findings) {
    if file.path.starts_with("xtask/src/tidy") {
        return; // the rules themselves, and the lines that prove them
    }
    let stories = file.path.ends_with("/tests.rs") || file.path.contains("/tests/"); // a story needs the whole house
    for (room, words, reason) in ROOMS.iter().filter(|_| !stories) {
        if let Some(word) = words.iter().find(|word| file.path.starts_with(room) && code.contains(**word)) {
            findings.wrong(file, number, &format!("`{word}` in {room}: {reason}"));
        }
    }
    for (words, homes, reason) in HOMES {
        if homes.iter().any(|home| file.path.contains(home)) {
            continue;
        }
        if let Some(word) = words.iter().find(|word| code.contains(**word)) {
            findings.wrong(file, number, &format!("`{word}`: {reason}"));
        }
    }
    if code.starts_with("#[ignore") {
        findings.wrong(file, number, "an ignored test proves nothing: make it run, or delete it");
    }
    let prints = code.contains("println!(\"") && code.to_lowercase().contains("skip");
    if prints && (file.path.contains("/tests/") || file.path.ends_with("tests.rs")) {
        findings.wrong(file, number, "a test does not skip itself: what it needs is installed by `cargo xtask test`");
    }
}

#[cfg(test)]
mod tests {
    use crate::tidy::findings;

    fn rules_broken(path: &str, line: &str) -> usize {
        findings(path, &format!("//! A module.\n{line}\n")).len()
    }

    #[test]
    fn a_room_does_not_reach_into_another() {
        assert_eq!(rules_broken("crates/writ/src/engine.rs", "use crate::http::router;"), 1);
        assert_eq!(rules_broken("crates/writ/src/engine/queue.rs", "use axum::Router;"), 1);
        assert_eq!(rules_broken("crates/writ/src/http/router.rs", "use axum::Router;"), 0);
        assert_eq!(rules_broken("crates/writ/src/http/api/host.rs", "use crate::server;"), 1);
        assert_eq!(rules_broken("crates/writ/src/http/api/tests.rs", "use crate::server;"), 0);
        assert_eq!(rules_broken("crates/writ-core/src/may.rs", "pub async fn may() {}"), 1);
    }

    #[test]
    fn a_word_stands_only_in_its_home() {
        assert_eq!(rules_broken("crates/writ/src/engine.rs", "let now = SystemTime::now();"), 1);
        assert_eq!(rules_broken("crates/writ/src/clock.rs", "let now = SystemTime::now();"), 0);
        assert_eq!(rules_broken("crates/writ/src/cli/login.rs", "std::env::var(\"HOME\")"), 1);
        assert_eq!(rules_broken("crates/writ-core/src/state.rs", "struct UnifiedRoleThing;"), 1);
        assert_eq!(rules_broken("crates/writ/src/http/api/told.rs", "self.store.append(head, &entries)"), 1);
        assert_eq!(rules_broken("crates/writ/src/http/api/told.rs", "// store.append( is the engine's"), 0);
    }

    #[test]
    fn no_test_is_ignored_or_skips_itself() {
        assert_eq!(rules_broken("crates/writ/tests/it/main.rs", "    #[ignore = \"slow\"]"), 1);
        assert_eq!(rules_broken("crates/writ/tests/it/main.rs", "eprintln!(\"no sudo: skipped\");"), 1);
    }

    #[test]
    fn a_module_says_what_it_is_and_has_a_name_of_its_own() {
        assert_eq!(findings("crates/writ/src/engine.rs", "use std::fmt;\n").len(), 1);
        assert_eq!(findings("crates/writ/src/http/helpers.rs", "//! Things.\n").len(), 1);
    }
}
