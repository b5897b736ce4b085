//! What every vault promises, run against each of them.
//! It never reaches into a vault except to do what somebody with its file could do.
//!
//! Always: a promise made here holds for SQLite and for memory alike.

use super::*;
use crate::store::place::Place;

const TENANT: TenantId = TenantId::from_u128(0x7e7a_0001);
const KEY: [u8; 32] = [7; 32];

struct Subject {
    vault: Vault,
    _data: Option<tempfile::TempDir>,
}

fn subjects() -> Vec<Subject> {
    let data = tempfile::tempdir().unwrap();
    let place = Place::hold(data.path(), TENANT).unwrap();
    let sqlite = Vault::open(&place, &SealKey::new(KEY)).unwrap();
    vec![Subject { vault: sqlite, _data: Some(data) }, Subject { vault: Vault::memory(TENANT, KEY), _data: None }]
}

fn key(kind: Kind, owner: &str, id: &str) -> Key {
    Key::new(kind, owner, id)
}

fn at(ms: i64) -> Time {
    Time::from_millis(ms)
}

impl Subject {
    /// Copies one stored row over another address.
    fn swap_in(&self, from: &Key, to: &Key) {
        match &self.vault.rows {
            Rows::Memory(rows) => rows.swap_in(from, to),
            Rows::Sqlite(rows) => rows.tamper(&format!(
                "REPLACE INTO vault SELECT '{}', '{}', '{}', version, sealed, expires FROM vault
                 WHERE kind = '{}' AND owner = '{}' AND id = '{}'",
                to.kind.name(),
                to.owner,
                to.id,
                from.kind.name(),
                from.owner,
                from.id
            )),
        }
    }

    fn alter(&self, at: &Key) {
        match &self.vault.rows {
            Rows::Memory(rows) => rows.tamper(at, |_, sealed, _| sealed[30] ^= 1),
            Rows::Sqlite(rows) => rows.tamper(
                "UPDATE vault SET sealed = CAST(substr(sealed, 1, 24) || x'0000000000000000' || substr(sealed, 33) AS BLOB)",
            ),
        }
    }

    fn pretend_version(&self, at: &Key, pretended: u64) {
        match &self.vault.rows {
            Rows::Memory(rows) => rows.tamper(at, |version, _, _| *version = pretended),
            Rows::Sqlite(rows) => rows.tamper(&format!("UPDATE vault SET version = {pretended}")),
        }
    }

    fn pretend_end(&self, at: &Key, end: i64) {
        match &self.vault.rows {
            Rows::Memory(rows) => rows.tamper(at, |_, _, expires| *expires = Some(Time::from_millis(end))),
            Rows::Sqlite(rows) => rows.tamper(&format!("UPDATE vault SET expires = {end}")),
        }
    }
}

#[tokio::test]
async fn a_row_reads_back_as_written_and_its_version_grows_by_one() {
    for Subject { vault, _data } in subjects() {
        let k = key(Kind::Totp, "ana", "1");
        assert!(vault.get(&k).await.unwrap().is_none());
        assert_eq!(vault.put(&k, Expected::Absent, b"one", Some(at(5))).await.unwrap(), 1);
        let row = vault.get(&k).await.unwrap().unwrap();
        assert_eq!((row.version, row.secret.as_slice(), row.expires), (1, &b"one"[..], Some(at(5))));
        assert_eq!(vault.put(&k, Expected::Version(1), b"", None).await.unwrap(), 2);
        let row = vault.get(&k).await.unwrap().unwrap();
        assert_eq!((row.version, row.secret.as_slice(), row.expires), (2, &b""[..], None));
    }
}

#[tokio::test]
async fn a_writer_who_believes_wrong_is_told_what_is_there_and_writes_nothing() {
    for Subject { vault, _data } in subjects() {
        let k = key(Kind::Password, "ana", "1");
        assert!(matches!(
            vault.put(&k, Expected::Version(1), b"x", None).await,
            Err(VaultError::Conflict { found: None })
        ));
        assert!(matches!(vault.delete(&k, 1).await, Err(VaultError::Conflict { found: None })));
        vault.put(&k, Expected::Absent, b"first", None).await.unwrap();
        for wrong in [Expected::Absent, Expected::Version(0), Expected::Version(2)] {
            assert!(matches!(vault.put(&k, wrong, b"x", None).await, Err(VaultError::Conflict { found: Some(1) })));
        }
        assert!(matches!(vault.delete(&k, 2).await, Err(VaultError::Conflict { found: Some(1) })));
        assert_eq!(vault.get(&k).await.unwrap().unwrap().secret.as_slice(), b"first");
    }
}

#[tokio::test]
async fn a_version_is_never_used_again_after_the_row_was_deleted_or_collected() {
    for Subject { vault, _data } in subjects() {
        let k = key(Kind::Throttle, "ana", "1");
        vault.put(&k, Expected::Absent, b"a", None).await.unwrap();
        vault.put(&k, Expected::Version(1), b"b", Some(at(10))).await.unwrap();
        vault.delete(&k, 2).await.unwrap();
        assert!(vault.get(&k).await.unwrap().is_none());
        let again = vault.put(&k, Expected::Absent, b"c", Some(at(10))).await.unwrap();
        assert!(again > 2, "{again}");
        assert_eq!(vault.sweep(at(10)).await.unwrap(), 1);
        assert!(vault.put(&k, Expected::Absent, b"d", None).await.unwrap() > again);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_writers_one_wins_each_round() {
    for Subject { vault, _data } in subjects() {
        let k = key(Kind::Totp, "ana", "1");
        vault.put(&k, Expected::Absent, b"0", None).await.unwrap();
        for round in 1..=20u64 {
            let racing: Vec<_> = (0..8u8)
                .map(|n| {
                    let (vault, k) = (vault.clone(), k.clone());
                    tokio::spawn(async move { vault.put(&k, Expected::Version(round), &[n], None).await })
                })
                .collect();
            let mut won = Vec::new();
            for (n, task) in racing.into_iter().enumerate() {
                match task.await.unwrap() {
                    Ok(version) => {
                        assert_eq!(version, round + 1);
                        won.push(n as u8);
                    }
                    Err(VaultError::Conflict { found }) => assert_eq!(found, Some(round + 1)),
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(won.len(), 1);
            assert_eq!(vault.get(&k).await.unwrap().unwrap().secret.as_slice(), &won[..]);
        }
    }
}

#[tokio::test]
async fn a_row_copied_over_another_does_not_open() {
    for subject in subjects() {
        let vault = &subject.vault;
        let from = key(Kind::Password, "mallory", "1");
        vault.put(&from, Expected::Absent, b"mallory's", None).await.unwrap();
        for to in [
            key(Kind::Password, "ana", "1"),
            key(Kind::Password, "mallory", "2"),
            key(Kind::EmergencySecret, "mallory", "1"),
            // The same letters, cut differently.
            key(Kind::Password, "mallory1", ""),
        ] {
            subject.swap_in(&from, &to);
            assert!(matches!(vault.get(&to).await, Err(VaultError::DoesNotOpen)), "{to:?}");
        }
        assert!(vault.get(&from).await.is_ok());
    }
}

#[tokio::test]
async fn an_altered_row_or_version_or_end_does_not_open() {
    for what in 0..3 {
        for subject in subjects() {
            let k = key(Kind::Totp, "ana", "1");
            subject.vault.put(&k, Expected::Absent, b"seed and last step", Some(at(50))).await.unwrap();
            match what {
                0 => subject.alter(&k),
                1 => subject.pretend_version(&k, 9),
                _ => subject.pretend_end(&k, 5000),
            }
            assert!(matches!(subject.vault.get(&k).await, Err(VaultError::DoesNotOpen)), "{what}");
        }
    }
}

#[tokio::test]
async fn another_key_or_another_tenant_opens_nothing() {
    let data = tempfile::tempdir().unwrap();
    let place = Place::hold(data.path(), TENANT).unwrap();
    let k = key(Kind::Session, "ana", "1");
    let vault = Vault::open(&place, &SealKey::new(KEY)).unwrap();
    vault.put(&k, Expected::Absent, b"secret", None).await.unwrap();
    let wrong = Vault::open(&place, &SealKey::new([8; 32])).map(|_| ()).unwrap_err();
    assert!(wrong.to_string().contains("another key"), "{wrong}");
    assert!(
        Vault::open(&place, &SealKey::new(KEY)).unwrap().get(&k).await.unwrap().is_some(),
        "the right key still does"
    );

    let memory = Vault::memory(TENANT, KEY);
    memory.put(&k, Expected::Absent, b"secret", None).await.unwrap();
    for sealer in [Sealer::new(TENANT, &SealKey::new([8; 32])), Sealer::new(TenantId::from_u128(1), &SealKey::new(KEY))]
    {
        let other = Vault { sealer: Arc::new(sealer), rows: memory.rows.clone(), kept: Kept::default() };
        assert!(matches!(other.get(&k).await, Err(VaultError::DoesNotOpen)));
    }
}

#[tokio::test]
async fn what_has_expired_is_collected_and_nothing_else() {
    for Subject { vault, _data } in subjects() {
        for (id, end) in [("never", None), ("early", Some(at(10))), ("late", Some(at(30)))] {
            vault.put(&key(Kind::Session, "ana", id), Expected::Absent, b"x", end).await.unwrap();
        }
        assert_eq!(vault.sweep(at(9)).await.unwrap(), 0);
        assert_eq!(vault.sweep(at(10)).await.unwrap(), 1);
        let left = vault.list(Kind::Session, None, 10).await.unwrap();
        assert_eq!(left.iter().map(|(key, _)| key.id.as_str()).collect::<Vec<_>>(), ["late", "never"]);
        assert_eq!(vault.sweep(at(1000)).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_list_is_of_one_kind_in_order_and_bounded() {
    for Subject { vault, _data } in subjects() {
        for (kind, owner, id) in [
            (Kind::Session, "ben", "2"),
            (Kind::Session, "ana", "3"),
            (Kind::Session, "ben", "1"),
            (Kind::Totp, "ana", "9"),
        ] {
            vault.put(&key(kind, owner, id), Expected::Absent, b"x", None).await.unwrap();
        }
        let ids = |rows: Vec<(Key, u64)>| rows.into_iter().map(|(key, _)| key.owner + &key.id).collect::<Vec<_>>();
        assert_eq!(ids(vault.list(Kind::Session, None, 10).await.unwrap()), ["ana3", "ben1", "ben2"]);
        assert_eq!(ids(vault.list(Kind::Session, Some("ben"), 10).await.unwrap()), ["ben1", "ben2"]);
        assert_eq!(ids(vault.list(Kind::Session, None, 2).await.unwrap()), ["ana3", "ben1"]);
        assert_eq!(ids(vault.list(Kind::Password, None, 10).await.unwrap()), [""; 0]);
    }
}

#[tokio::test]
async fn an_oversized_row_is_refused_with_its_limit() {
    for Subject { vault, _data } in subjects() {
        let long = "x".repeat(NAME_MAX + 1);
        let k = key(Kind::Throttle, &long, "1");
        assert!(vault.put(&k, Expected::Absent, b"x", None).await.unwrap_err().to_string().contains("512"));
        let big = vec![0; SECRET_MAX + 1];
        let k = key(Kind::Order, "host", "1");
        assert!(vault.put(&k, Expected::Absent, &big, None).await.is_err());
        assert_eq!(vault.put(&k, Expected::Absent, &big[1..], None).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn rows_survive_reopening_and_secrets_are_nowhere_in_the_file() {
    let data = tempfile::tempdir().unwrap();
    let k = key(Kind::EmergencySecret, "dana", "1");
    {
        let place = Place::hold(data.path(), TENANT).unwrap();
        let vault = Vault::open(&place, &SealKey::new(KEY)).unwrap();
        vault.put(&k, Expected::Absent, b"a-very-visible-secret", None).await.unwrap();
    }
    let place = Place::hold(data.path(), TENANT).unwrap();
    let vault = Vault::open(&place, &SealKey::new(KEY)).unwrap();
    assert_eq!(vault.get(&k).await.unwrap().unwrap().secret.as_slice(), b"a-very-visible-secret");
    for entry in std::fs::read_dir(place.dir()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|w| w == b"very-visible"));
    }
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
}
