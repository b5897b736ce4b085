//! Starting: from the log alone, from a snapshot, after a crash, on a log that somebody touched.
//! Nothing here starts on a log that is not its own without being refused.
//!
//! Always: however it starts, it comes to the state that the log tells.

use super::*;

#[tokio::test]
async fn a_restart_comes_to_the_same_state_with_and_without_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let mut house = House::new();
    house.snapshot = Some(path.clone());
    let engine = house.with_ana().await;
    engine.by(ANA, activate(1)).await.unwrap();
    engine.stop().await;
    let before = (*engine.state()).clone();
    assert!(path.exists());
    assert!(fault(engine.by(DANA, create(1)).await).contains("stopped"));

    let good = std::fs::read(&path).unwrap();
    let (title, rest) = good.split_at(good.iter().position(|b| *b == b'\n').unwrap());
    let mut altered = good.clone();
    *altered.last_mut().unwrap() = b' ';
    let stranger = {
        let mut house = House::new();
        house.snapshot = Some(folder.path().join("other"));
        let start = Start { key: SigningKey::from_bytes(&[6; 32]), ..house.start() };
        let engine = Engine::start(start).await.unwrap();
        engine.submit(found(), Caller::console(fresh_id())).await.unwrap();
        engine.stop().await;
        std::fs::read(folder.path().join("other")).unwrap()
    };
    let retitled =
        [&String::from_utf8_lossy(title).replace("\"form\":1", "\"form\":2").into_bytes()[..], rest].concat();
    for (what, bytes) in [
        ("as written", good.clone()),
        ("altered", altered),
        ("cut short", good[..good.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("by a stranger", stranger),
        ("retitled", retitled),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let engine = house.open().await;
        assert_eq!(*engine.state(), before, "{what}");
        assert_eq!(engine.head(), house.store.head().await.unwrap(), "{what}");
    }
    // An older one is only a longer tail.
    std::fs::write(&path, &good).unwrap();
    let engine = house.open().await;
    engine.by(DANA, create(7)).await.unwrap();
    drop(engine);
    std::fs::write(&path, &good).unwrap();
    let engine = house.open().await;
    assert_eq!(*engine.state(), house.replayed().await);
    assert_eq!(engine.state().principals.len(), before.principals.len() + 1);
}

#[tokio::test]
async fn a_snapshot_that_the_log_does_not_continue_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new();
    house.snapshot = Some(folder.path().join("snapshot"));
    let engine = house.with_ana().await;
    engine.stop().await;
    // Another log of the same tenant and key, such as a restored back-up that went on differently.
    let other = House { log: Log::new(), ..House::new() };
    let other = House { store: Store::Memory(other.log.clone()), snapshot: house.snapshot.clone(), ..other };
    let engine = other.open().await;
    assert_eq!(engine.head().size, 0, "longer than this log: not believed");
    std::fs::copy(folder.path().join("snapshot"), folder.path().join("kept")).unwrap();
    engine.submit(found(), Caller::console(fresh_id())).await.unwrap();
    for n in 0..20 {
        engine.by(DANA, create(n)).await.unwrap();
    }
    drop(engine);
    std::fs::copy(folder.path().join("kept"), folder.path().join("snapshot")).unwrap();
    let engine = other.open().await;
    assert_eq!(*engine.state(), other.replayed().await);
    assert!(!engine.state().principals.contains_key(&ANA));
}

/// Whoever can write to the folder, and nothing else, tries to make Ana an administrator by the snapshot.
#[tokio::test]
async fn a_snapshot_that_somebody_altered_gives_nobody_anything() {
    use sha2::{Digest, Sha256};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshot");
    let mut house = House::new();
    house.snapshot = Some(path.clone());
    let engine = house.with_ana().await;
    engine.stop().await;
    let good = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    let honest = house.replayed().await;
    assert!(good.contains("ana@northwind.example"));
    // The text of the state, with or without its hash in the title made to fit; the title, the signature, the form.
    let renamed = good.replace("ana@northwind.example", "eve@northwind.example");
    let hash = |text: &str| {
        let body = text.splitn(3, '\n').nth(2).unwrap();
        hex::encode(Sha256::digest(body))
    };
    let fitted = renamed.replace(&hash(&good), &hash(&renamed));
    assert_ne!(fitted, renamed);
    let signature = good.lines().nth(1).unwrap();
    let other_key = SigningKey::from_bytes(&[66; 32]);
    let title = fitted.lines().next().unwrap();
    let forged = hex::encode(
        ed25519_dalek::Signer::sign(&other_key, &[b"writ snapshot\n", title.as_bytes()].concat()).to_bytes(),
    );
    for (what, text) in [
        ("the state was changed", renamed.clone()),
        ("and its hash", fitted.clone()),
        ("and it was signed by another key", fitted.replace(signature, &forged)),
        ("cut off", good[..good.len() / 2].to_owned()),
        ("empty", String::new()),
        ("no text", "\n\n\n".to_owned()),
        ("deep", format!("{}\n{signature}\n{}", good.lines().next().unwrap(), "[".repeat(200_000))),
    ] {
        std::fs::write(&path, text).unwrap();
        let engine = house.open().await;
        assert!(*engine.state() == honest, "{what}");
        // Dropped and not stopped: the next start finds what was written here.
        drop(engine);
    }
    std::fs::write(&path, good).unwrap();
    assert!(*house.open().await.state() == honest);
}

#[tokio::test]
async fn a_log_that_was_changed_or_is_of_a_newer_writ_stops_the_start() {
    let newer = |entry: &mut writ_core::log::Entry| {
        let text = String::from_utf8(entry.bytes.clone()).unwrap();
        entry.bytes = text.replacen("user_created", "user_levitated", 1).into_bytes();
        entry.kind = "user_levitated".into();
    };
    let house = House::new();
    let engine = house.founded().await;
    let done = engine.by(DANA, create(1)).await.unwrap();
    engine.stop().await;
    house.log.tamper(done.seq, newer);
    let why = Engine::start(house.start()).await.map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("user_levitated") && why.contains("does not know"), "{why}");

    let house = House::new();
    let engine = house.founded().await;
    let done = engine.by(DANA, create(1)).await.unwrap();
    engine.stop().await;
    house.log.tamper(done.seq, |entry| {
        entry.bytes = String::from_utf8(entry.bytes.clone()).unwrap().replacen("cli", "api", 1).into_bytes();
    });
    let why = Engine::start(house.start()).await.map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("the log was changed"), "{why}");

    // An entry added, the head made to fit: only the log's own key could have signed it.
    let house = House::new();
    let engine = house.founded().await;
    engine.by(DANA, create(1)).await.unwrap();
    engine.stop().await;
    let mut forged = house.store.read(0, 1000).await.unwrap().pop().unwrap();
    let text = String::from_utf8(forged.bytes.clone()).unwrap();
    let next = forged.seq + 1;
    forged.bytes = text.replacen(&format!("\"seq\":{}", forged.seq), &format!("\"seq\":{next}"), 1).into_bytes();
    assert_ne!(forged.bytes, text.as_bytes());
    forged.seq = next;
    house.log.forge(forged);
    let why = Engine::start(house.start()).await.map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("the newest checkpoint is over"), "{why}");

    let house = House::new();
    house.founded().await.stop().await;
    let stranger = Start { key: SigningKey::from_bytes(&[6; 32]), ..house.start() };
    let why = Engine::start(stranger).await.map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("not this server's"), "{why}");
}

#[tokio::test]
async fn an_erased_name_is_nowhere_and_the_log_still_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::hold(folder.path(), TENANT).unwrap();
    let mut house = House::new();
    house.store = Store::Sqlite(sqlite::Log::open(&place).unwrap());
    house.snapshot = Some(place.dir().join("snapshot"));
    let engine = house.with_ana().await;
    engine.stop().await;
    let engine = house.open().await;
    let secretive = NewUser { name: "Zacharias".into(), ..user(PrincipalId::from_u128(77), "zac") };
    engine.by(DANA, Command::CreateUser(secretive)).await.unwrap();
    engine.stop().await;
    let found = |name: &str| {
        std::fs::read_dir(place.dir()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(name.len()).any(|w| w == name.as_bytes())
        })
    };
    assert!(found("Zacharias"));
    let engine = house.open().await;
    engine.by(DANA, Command::DeletePrincipal { principal: PrincipalId::from_u128(77) }).await.unwrap();
    engine.by(DANA, Command::ErasePrincipal { principal: PrincipalId::from_u128(77) }).await.unwrap();
    engine.stop().await;
    assert!(!found("Zacharias"), "neither in the database, nor its write-ahead log, nor the snapshot");
    let engine = house.open().await;
    assert_eq!(engine.head(), house.store.head().await.unwrap());
    assert_eq!(house.store.erasures_due().await.unwrap(), []);
}

#[tokio::test]
async fn an_erasure_that_a_crash_cut_short_is_carried_out_by_the_next_start() {
    let house = House::new();
    let engine = house.founded().await;
    engine.by(DANA, create(1)).await.unwrap();
    let gone = PrincipalId::from_u128(1001);
    engine.by(DANA, Command::DeletePrincipal { principal: gone }).await.unwrap();
    engine.stop().await;
    // A writer that put the erasure on record and went down before it carried it out.
    let mut frontier = writ_core::log::Frontier::new();
    let entries = house.store.read(0, 100).await.unwrap();
    entries.iter().for_each(|entry| frontier.append(entry.leaf()));
    let head = frontier.head();
    let envelope = writ_core::log::Envelope {
        v: 1,
        kind: "erased".into(),
        seq: head.size + 1,
        at: MORNING,
        actor: writ_core::log::Actor { principal: None, via: Via::Console, session: None, address: None },
        cause: writ_core::log::Cause { command: Uuid::nil(), correlation: Uuid::nil(), parent: None },
        event: Event::Erased { principal: gone }.to_value(),
    };
    let entry = writ_core::log::seal(envelope, &mut || [0; 16]);
    frontier.append(entry.leaf());
    let note = writ_core::log::checkpoint::Checkpoint::new(TENANT, frontier.head()).sign(&house.start().key);
    house.store.append(head, frontier.head(), &[entry], &note).unwrap();

    let _engine = house.open().await;
    let about = |entry: &writ_core::log::Entry| entry.erase(gone).is_some();
    assert!(!house.store.read(0, 100).await.unwrap().iter().any(about));
    assert_eq!(house.store.erasures_due().await.unwrap(), []);
}

#[tokio::test]
async fn the_signing_key_is_made_once_and_kept_in_the_vault() {
    let vault = Vault::memory(TENANT, [1; 32]);
    let made = signing_key(&vault).await.unwrap();
    assert_eq!(signing_key(&vault).await.unwrap().to_bytes(), made.to_bytes());
    let other = signing_key(&Vault::memory(TENANT, [1; 32])).await.unwrap();
    assert_ne!(other.to_bytes(), made.to_bytes());
}

#[tokio::test]
async fn what_a_snapshot_stands_for_is_checked_after_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new();
    house.snapshot = Some(folder.path().join("snapshot"));
    house.with_ana().await.stop().await;
    let (_, believed) = replay::from_log(&house.start()).await.unwrap();
    let believed = believed.unwrap();
    assert_eq!(replay::check(&house.store, &believed.frontier).await, Ok(()));
    house.log.tamper(2, |entry| *entry.bytes.last_mut().unwrap() ^= 1);
    let why = replay::check(&house.store, &believed.frontier).await.unwrap_err().to_string();
    assert!(why.contains("was changed"), "{why}");
}
