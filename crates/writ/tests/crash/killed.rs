//! `kill -9` at random moments, a hundred times on one growing log, with a look at the log after each.
//! It kills only the process that it started.
//!
//! Always: what was acknowledged is there, with whole commits only; nothing that was there before has changed.

use crate::child::{SEAL, TENANT, open};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use writ::engine::signing_key;
use writ::history::{History, LineQuery};
use writ::store::place::Place;
use writ::store::{READ_MAX, Store, sqlite};
use writ::vault::{SealKey, Vault};
use writ_core::ids::Seq;
use writ_core::log::checkpoint::{LogKey, Signed};
use writ_core::log::{Frontier, open as open_entry};

const KILLS: u32 = 100;
/// How long the child may go on after its first acknowledgement.
const LIFE_MAX: u64 = 40_000;

pub(crate) fn a_hundred_times() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut seen = Frontier::new();
    let (mut acknowledged, mut in_flight) = (0, 0);
    for kill in 0..KILLS {
        let acks = one_life(folder.path());
        acknowledged += acks.len();
        let before = seen.size();
        runtime.block_on(examine(folder.path(), &mut seen, &acks));
        in_flight += seen.size() - before;
        assert!(seen.size() > before || kill > 0, "the child appended nothing");
    }
    assert!(acknowledged > KILLS as usize, "the children hardly lived: {acknowledged} acknowledgements");
    println!("{KILLS} kills: {acknowledged} acknowledgements, {in_flight} entries, every one whole");
    runtime.block_on(in_the_end(folder.path(), seen.size()));
}

/// Starts a child, kills it at a random moment, and returns what it said was done.
fn one_life(folder: &std::path::Path) -> BTreeMap<Seq, String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", folder.to_str().unwrap(), "16", "1000000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (said, lines) = channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in output.lines() {
            // The last line may have been cut by the kill; it has no ending and is judged below.
            let Ok(line) = line else { break };
            if said.send(line).is_err() {
                break;
            }
        }
    });
    let mut acks = BTreeMap::new();
    let first = lines.recv_timeout(Duration::from_secs(60)).expect("the child starts");
    assert_eq!(first, "ready");
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let life = Duration::from_micros(u64::from_le_bytes(random) % LIFE_MAX);
    collect_for(&lines, life, &mut acks);
    child.kill().unwrap();
    child.wait().unwrap();
    collect_for(&lines, Duration::from_secs(60), &mut acks);
    reader.join().unwrap();
    acks
}

/// Takes down acknowledgements until the time is over or nothing more can come.
fn collect_for(lines: &Receiver<String>, time: Duration, acks: &mut BTreeMap<Seq, String>) {
    let (over, times) = channel::<()>();
    let clock = std::thread::spawn(move || {
        // Nothing is ever sent: this is only a wait that ends early when the sender goes.
        let _ = times.recv_timeout(time);
    });
    loop {
        match lines.recv_timeout(Duration::from_millis(1)) {
            Ok(line) => {
                let mut words = line.split(' ');
                if let (Some("ack"), Some(seq), Some(id)) = (words.next(), words.next(), words.next()) {
                    assert_eq!(id.len(), 36, "a line that was cut: {line}");
                    acks.insert(seq.parse().unwrap(), id.to_owned());
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if clock.is_finished() => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    drop(over);
    clock.join().unwrap();
}

/// Reads what the kill left: everything acknowledged, whole commits, one unbroken log, signed.
async fn examine(folder: &std::path::Path, seen: &mut Frontier, acks: &BTreeMap<Seq, String>) {
    let place = Place::hold(folder, TENANT).expect("a killed process holds nothing");
    let store = Store::Sqlite(sqlite::Log::open(&place).unwrap());
    let key = signing_key(&Vault::open(&place, &SealKey::new(SEAL)).unwrap()).await.unwrap();
    let before = seen.size();
    let mut commands: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut found = BTreeMap::new();
    loop {
        let entries = store.read(seen.size(), READ_MAX).await.unwrap();
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            assert_eq!(entry.seq, seen.size() + 1, "no gap");
            seen.append(entry.leaf());
            let envelope = open_entry(&entry).expect("an entry is whole");
            commands.entry(envelope.cause.command).or_default().push(envelope.kind);
            found.insert(entry.seq, String::from_utf8(entry.bytes).unwrap());
        }
    }
    // Had anything older changed, the root over old and new together would be another one.
    assert_eq!(store.head().await.unwrap(), seen.head());
    let signed: Signed = store.checkpoint().await.unwrap().unwrap().parse().unwrap();
    assert_eq!(signed.by(&LogKey::new(TENANT, key.verifying_key())).unwrap().head, seen.head());
    for (seq, id) in acks {
        assert!(*seq > before && found.get(seq).is_some_and(|text| text.contains(id)), "acknowledged and lost: {seq}");
    }
    for kinds in commands.values() {
        let ended = kinds.iter().any(|kind| kind == "eligibility_ended");
        assert!(!ended || kinds.iter().any(|kind| kind == "principal_deleted"), "half a command: {kinds:?}");
    }
}

/// After the last kill: the engine starts, and the history, killed as often, shows every entry once.
async fn in_the_end(folder: &std::path::Path, size: Seq) {
    let (engine, store, place) = open(folder).await;
    let history = History::start(&place.dir().join("history.db"), TENANT, store.clone(), &engine).await.unwrap();
    history.wait_for(size).await.unwrap();
    let fresh = History::in_memory(TENANT, store, &engine).await.unwrap();
    fresh.wait_for(size).await.unwrap();
    let mut before = None;
    loop {
        let query = LineQuery { before, limit: 1000, ..LineQuery::default() };
        let lines = history.lines(query.clone()).await.unwrap();
        assert_eq!(lines, fresh.lines(query).await.unwrap());
        let Some(last) = lines.last() else { break };
        before = Some(last.seq);
    }
    assert_eq!(before, Some(1));
    engine.stop().await;
}
