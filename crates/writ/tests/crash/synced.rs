//! Counts what the kernel was asked to sync, as strace saw it: not what a library believes it did.
//! It never measures time, only the order and the number of calls.
//!
//! Always: between two acknowledgements of one caller there is a sync of the write-ahead log.

use std::process::Command;

/// What strace saw, in order.
#[derive(Debug, PartialEq)]
enum Call {
    /// A finished sync of the log's write-ahead log.
    Sync,
    /// An acknowledgement that was written.
    Ack,
}

/// Runs a child to its end under strace.
fn watched(callers: u64, commands: u64) -> Vec<Call> {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let data = folder.path().join("data");
    let run = Command::new("strace")
        // -y names the file behind each descriptor; -z leaves out calls that failed.
        .args(["-f", "-y", "-z", "-qq", "-s", "16", "-e", "trace=fdatasync,fsync,write", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["child", data.to_str().unwrap(), &callers.to_string(), &commands.to_string()])
        .output()
        .expect("strace is needed for this test: apt-get install strace");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = std::fs::read_to_string(&trace).unwrap();
    let mut calls = Vec::new();
    let (mut ready, mut unfinished) = (false, Vec::new());
    for line in text.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim_start();
        if call.contains("\"ready") {
            ready = true;
        }
        if !ready {
            continue; // The founding and what the vault wrote before.
        }
        let syncs = call.starts_with("fdatasync(") || call.starts_with("fsync(");
        if syncs && call.contains("writ.db-wal") {
            // A call that another thread interrupts in the trace is finished on a later line.
            if call.contains("<unfinished") { unfinished.push(thread) } else { calls.push(Call::Sync) }
        } else if call.starts_with("<... f") && call.contains("sync resumed>") {
            if let Some(at) = unfinished.iter().position(|waits| *waits == thread) {
                unfinished.remove(at);
                calls.push(Call::Sync);
            }
        } else if call.starts_with("write(1") && call.contains("\"ack ") {
            calls.push(Call::Ack);
        }
    }
    calls
}

fn count(calls: &[Call], what: Call) -> usize {
    calls.iter().filter(|call| **call == what).count()
}

pub(crate) fn one_at_a_time() {
    const COMMANDS: u64 = 200;
    let calls = watched(1, COMMANDS);
    assert_eq!(count(&calls, Call::Ack), COMMANDS as usize);
    let mut synced = false;
    for (n, call) in calls.iter().enumerate() {
        match call {
            Call::Sync => synced = true,
            Call::Ack => {
                assert!(synced, "acknowledgement before its sync, call {n}");
                synced = false;
            }
        }
    }
    let syncs = count(&calls, Call::Sync);
    // One sync for one commit; a few more when the write-ahead log is begun or moved into the main file.
    assert!(syncs <= COMMANDS as usize + 10, "{syncs} syncs for {COMMANDS} commits");
    println!("one caller: {COMMANDS} commands, {syncs} syncs");
}

pub(crate) fn together() {
    const COMMANDS: u64 = 2000;
    let calls = watched(64, COMMANDS);
    assert_eq!(count(&calls, Call::Ack), COMMANDS as usize);
    let syncs = count(&calls, Call::Sync);
    assert!(syncs >= 1 && syncs * 4 <= COMMANDS as usize, "{syncs} syncs for {COMMANDS} commands of 64 callers");
    println!("64 callers: {COMMANDS} commands, {syncs} syncs");
}
