//! What every store promises, run against each of them.
//! It never reaches into a store except to let it fail.
//!
//! Always: a promise made here holds for SQLite and for memory alike.

use super::memory::Mishap;
use super::place::Place;
use super::*;
use writ_core::ids::{TenantId, Uuid};
use writ_core::log::{Actor, Cause, Envelope, Frontier, Via, open, seal};
use writ_core::personal::Personal;
use writ_core::time::Time;

const TENANT: TenantId = TenantId::from_u128(0x7e7a_0002);
const ANA: PrincipalId = PrincipalId::from_u128(1);
const BEN: PrincipalId = PrincipalId::from_u128(2);

struct Subject {
    store: Store,
    place: Option<Place>,
    _data: Option<tempfile::TempDir>,
}

fn subjects() -> Vec<Subject> {
    let data = tempfile::tempdir().unwrap();
    let place = Place::hold(data.path(), TENANT).unwrap();
    let sqlite = Store::Sqlite(sqlite::Log::open(&place).unwrap());
    vec![
        Subject { store: sqlite, place: Some(place), _data: Some(data) },
        Subject { store: Store::Memory(memory::Log::new()), place: None, _data: None },
    ]
}

fn entry(seq: Seq, kind: &str, about: PrincipalId, text: &str) -> Entry {
    let envelope = Envelope {
        v: 1,
        kind: kind.into(),
        seq,
        at: Time::from_millis(1000 * seq as i64),
        actor: Actor { principal: None, via: Via::Timer, session: None, address: None },
        cause: Cause { command: Uuid::from_u128(5), correlation: Uuid::from_u128(6), parent: None },
        event: serde_json::json!({ "who": Personal::new(about, text) }),
    };
    seal(envelope, &mut || [9; 16])
}

/// Appends one commit of entries with these texts, about Ana and Ben in turn.
async fn append(store: &Store, frontier: &mut Frontier, texts: &[&str]) -> Result<Head, AppendError> {
    let head = frontier.head();
    let (mut next, mut entries) = (frontier.clone(), Vec::new());
    for (text, seq) in texts.iter().zip(head.size + 1..) {
        let entry = entry(seq, "noted", if seq % 2 == 1 { ANA } else { BEN }, text);
        next.append(entry.leaf());
        entries.push(entry);
    }
    let done = store.append(head, next.head(), &entries, &format!("checkpoint of {}", next.size()));
    if done.is_ok() {
        *frontier = next;
    }
    done
}

fn text(entry: &Entry) -> Option<String> {
    let envelope = open(entry).unwrap();
    serde_json::from_value::<Personal>(envelope.event["who"].clone()).unwrap().text().map(str::to_owned)
}

#[tokio::test]
async fn entries_read_back_as_appended_in_order_and_after_a_position() {
    for Subject { store, .. } in subjects() {
        let mut frontier = Frontier::new();
        assert_eq!(store.head().await.unwrap(), Head::empty());
        assert_eq!(store.checkpoint().await.unwrap(), None);
        append(&store, &mut frontier, &["a", "b", "c"]).await.unwrap();
        let head = append(&store, &mut frontier, &["d"]).await.unwrap();
        assert_eq!((store.head().await.unwrap(), head.size), (head, 4));
        assert_eq!(head, frontier.head());
        let all = store.read(0, 100).await.unwrap();
        assert_eq!(all.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(all[1], entry(2, "noted", BEN, "b"));
        assert_eq!(store.read(1, 2).await.unwrap(), all[1..3]);
        assert_eq!(store.read(4, 2).await.unwrap(), []);
        assert_eq!(store.read(u64::MAX >> 1, 2).await.unwrap(), []);
        assert_eq!(store.checkpoint().await.unwrap().as_deref(), Some("checkpoint of 4"));
    }
}

#[tokio::test]
async fn an_append_to_an_older_or_foreign_head_writes_nothing() {
    for Subject { store, .. } in subjects() {
        let mut frontier = Frontier::new();
        let mut late = frontier.clone();
        append(&store, &mut frontier, &["a", "b"]).await.unwrap();
        let found = frontier.head();
        assert_eq!(append(&store, &mut late, &["x"]).await, Err(AppendError::Conflict { found }));
        // The right size over another history.
        let mut forked = Frontier::new();
        for seq in 1..=2 {
            forked.append(entry(seq, "noted", ANA, "forked").leaf());
        }
        assert_eq!(append(&store, &mut forked, &["x"]).await, Err(AppendError::Conflict { found }));
        assert_eq!(store.read(0, 10).await.unwrap().len(), 2);
        append(&store, &mut frontier, &["c"]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_appends_to_one_head_exactly_one_wins() {
    for Subject { store, .. } in subjects() {
        for round in 0..20u64 {
            let racing: Vec<_> = (0..4)
                .map(|n| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        let mut frontier = Frontier::new();
                        for e in store.read(0, READ_MAX).await.unwrap() {
                            frontier.append(e.leaf());
                        }
                        append(&store, &mut frontier, &[&format!("writer {n}")]).await
                    })
                })
                .collect();
            let mut won = 0;
            for task in racing {
                match task.await.unwrap() {
                    Ok(_) => won += 1,
                    Err(AppendError::Conflict { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(won >= 1);
            let head = store.head().await.unwrap();
            assert!(head.size > round);
            let mut frontier = Frontier::new();
            store.read(0, READ_MAX).await.unwrap().iter().for_each(|e| frontier.append(e.leaf()));
            assert_eq!(frontier.head(), head, "however they raced, the log is one line");
        }
    }
}

#[tokio::test]
#[should_panic(expected = "numbered without a gap")]
async fn entries_that_leave_a_gap_are_our_mistake() {
    let store = Store::Memory(memory::Log::new());
    let mut frontier = Frontier::new();
    let gap = entry(2, "noted", ANA, "x");
    frontier.append(gap.leaf());
    let _ = store.append(Head::empty(), frontier.head(), &[gap], "c");
}

#[tokio::test]
async fn erasing_drops_one_principals_texts_and_changes_no_leaf() {
    for Subject { store, place, .. } in subjects() {
        let mut frontier = Frontier::new();
        append(&store, &mut frontier, &["Ana Secretive", "Ben", "Ana Secretive too"]).await.unwrap();
        let (head, gone) = (frontier.head(), entry(4, "erased", BEN, ""));
        frontier.append(gone.leaf());
        store.append(head, frontier.head(), std::slice::from_ref(&gone), "c").unwrap();
        assert_eq!(store.erasures_due().await.unwrap(), [gone]);

        assert_eq!(store.erase(ANA, 4).await.unwrap(), 2);
        assert_eq!(store.erasures_due().await.unwrap(), []);
        let all = store.read(0, 10).await.unwrap();
        assert_eq!(all.iter().map(text).collect::<Vec<_>>()[..3], [None, Some("Ben".into()), None]);
        let mut again = Frontier::new();
        all.iter().for_each(|e| again.append(e.leaf()));
        assert_eq!(again.head(), store.head().await.unwrap());
        assert_eq!(store.erase(ANA, 4).await.unwrap(), 0, "may be repeated");
        // Nothing of it is left in any file, the write-ahead log included.
        for file in place.iter().flat_map(|place| std::fs::read_dir(place.dir()).unwrap()) {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(9).any(|w| w == b"Secretive"));
        }
    }
}

#[tokio::test]
async fn one_checkpoint_of_each_block_is_kept_besides_the_newest() {
    for Subject { store, .. } in subjects() {
        let mut frontier = Frontier::new();
        let texts = vec!["x"; 400];
        for _ in 0..8 {
            append(&store, &mut frontier, &texts).await.unwrap();
        }
        let sizes: Vec<u64> = store.checkpoints().await.unwrap().iter().map(|(size, _)| *size).collect();
        assert_eq!(sizes, [800, 2000, 2800, 3200]);
    }
}

#[tokio::test]
async fn a_log_survives_reopening_and_can_be_read_beside_its_server() {
    let data = tempfile::tempdir().unwrap();
    let mut frontier = Frontier::new();
    {
        let place = Place::hold(data.path(), TENANT).unwrap();
        let store = Store::Sqlite(sqlite::Log::open(&place).unwrap());
        append(&store, &mut frontier, &["a", "b"]).await.unwrap();
        let beside = Store::Sqlite(sqlite::Log::open_to_read(data.path(), TENANT).unwrap());
        assert_eq!(beside.read(0, 10).await.unwrap().len(), 2);
        assert!(matches!(append(&beside, &mut frontier.clone(), &["x"]).await, Err(AppendError::Fault(_))));
    }
    let place = Place::hold(data.path(), TENANT).unwrap();
    let store = Store::Sqlite(sqlite::Log::open(&place).unwrap());
    assert_eq!(store.head().await.unwrap(), frontier.head());
    append(&store, &mut frontier, &["c"]).await.unwrap();
    store.rest().await.unwrap();
    assert_eq!(store.read(0, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn each_mishap_leaves_the_log_wholly_before_or_wholly_after() {
    for (mishap, there) in
        [(Mishap::Before, false), (Mishap::LostAsk, false), (Mishap::LostAnswer, true), (Mishap::Unsynced, false)]
    {
        let log = memory::Log::new();
        let store = Store::Memory(log.clone());
        let mut frontier = Frontier::new();
        append(&store, &mut frontier, &["a"]).await.unwrap();
        log.plan([mishap]);
        let failed = append(&store, &mut frontier, &["b", "c"]).await.unwrap_err();
        assert_eq!(matches!(failed, AppendError::Unsynced(_)), mishap == Mishap::Unsynced, "{failed}");
        if mishap == Mishap::Unsynced {
            assert_eq!(store.read(0, 10).await.unwrap().len(), 3, "the page cache shows what the disk lacks");
        }
        log.crash();
        assert_eq!(store.read(0, 10).await.unwrap().len(), if there { 3 } else { 1 }, "{mishap:?}");
        assert_eq!(store.head().await.unwrap().size, if there { 3 } else { 1 }, "{mishap:?}");
    }
}

#[tokio::test]
async fn a_full_disk_fails_the_append_and_leaves_the_log_as_it_was() {
    let data = tempfile::tempdir().unwrap();
    let place = Place::hold(data.path(), TENANT).unwrap();
    let log = sqlite::Log::open(&place).unwrap();
    let store = Store::Sqlite(log.clone());
    let mut frontier = Frontier::new();
    append(&store, &mut frontier, &["a"]).await.unwrap();
    log.limit_pages(Some(20));
    let long = "x".repeat(200_000);
    let failed = append(&store, &mut frontier, &["b", &long]).await.unwrap_err();
    assert!(matches!(failed, AppendError::Fault(_)), "{failed}");
    assert_eq!(store.head().await.unwrap(), frontier.head());
    log.limit_pages(None);
    append(&store, &mut frontier, &["b", &long]).await.unwrap();
    assert_eq!(store.read(0, 10).await.unwrap().len(), 3);
}
