//! What survives a kill, shown on real processes: this program starts itself again as the one that appends, and
//! kills it, or watches the calls it makes to the kernel.
//! It has no test harness, since the same program must also be the child; it prints a `test result:` line as one does.
//!
//! Always: every acknowledged command is in the log after a kill, whole commits only; every acknowledgement comes
//! after a sync of the write-ahead log that its commit is in.
#![expect(clippy::unwrap_used, reason = "a test: whatever is not as expected ends it")]

mod child;
mod killed;
mod synced;

use std::process::ExitCode;

const TESTS: [(&str, fn()); 3] = [
    ("what_was_acknowledged_survives_a_hundred_kills", killed::a_hundred_times),
    ("each_acknowledgement_follows_a_sync_of_its_own_commit", synced::one_at_a_time),
    ("commands_that_wait_together_share_a_sync", synced::together),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, folder, callers, commands] = arguments.as_slice()
        && mode == "child"
    {
        let number = |text: &String| text.parse().unwrap();
        child::run(folder.as_ref(), number(callers), number(commands));
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    let chosen = TESTS.iter().filter(|(name, _)| wanted.is_none_or(|wanted| name.contains(wanted.as_str())));
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in chosen {
        let held = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if held { "ok" } else { "FAILED" });
        *(if held { &mut passed } else { &mut failed }) += 1;
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = TESTS.len() - passed - failed;
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
