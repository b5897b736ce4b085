//! The process that is killed: an engine on SQLite, and callers who say on standard output what was answered.
//! It never catches a signal and never tidies up.
//!
//! Always: a line `ack SEQ ID` is written after the command was answered, and in one call.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use writ::clock::Clock;
use writ::engine::{Engine, Start, end_the_process, fresh_id, signing_key};
use writ::history::History;
use writ::store::place::Place;
use writ::store::{Store, sqlite};
use writ::vault::{SealKey, Vault};
use writ_core::command::{Caller, Command, Expiration, NewUser, Proof, Sort, Terms};
use writ_core::ids::{PersonId, PrincipalId, TenantId};
use writ_core::log::Via;
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::RuleChoice;
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

pub(crate) const TENANT: TenantId = TenantId::from_u128(0x7e7a_0009);
pub(crate) const SEAL: [u8; 32] = [3; 32];
const DANA: PrincipalId = PrincipalId::from_u128(1);

/// Opens the engine in a folder, founding the tenant if that is new.
pub(crate) async fn open(folder: &Path) -> (Engine, Store, Place) {
    let place = Place::hold(folder, TENANT).unwrap();
    let store = Store::Sqlite(sqlite::Log::open(&place).unwrap());
    let vault = Vault::open(&place, &SealKey::new(SEAL)).unwrap();
    let start = Start {
        tenant: TENANT,
        store: store.clone(),
        clock: Clock::system(),
        key: signing_key(&vault).await.unwrap(),
        snapshot: Some(place.dir().join("snapshot")),
        last_words: Arc::new(end_the_process),
    };
    let engine = Engine::start(start).await.unwrap();
    if engine.head().size == 0 {
        let found = Command::Found {
            name: "Northwind".into(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            administrator: user(DANA, "dana".into()),
            setup: Span::from_hours(8),
            emergency: vec![user(PrincipalId::from_u128(2), "g1".into()), user(PrincipalId::from_u128(3), "g2".into())],
        };
        engine.submit(found, Caller::console(fresh_id())).await.unwrap();
    }
    (engine, store, place)
}

fn user(id: PrincipalId, name: String) -> NewUser {
    NewUser { id, person: PersonId(id.0), upn: format!("{name}@northwind.example"), name }
}

fn say(line: &str) {
    // One call for one line, so that a kill cannot cut a line that the parent would read as another one.
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// So many callers submit commands, each waiting for its answer, until `commands` are answered.
pub(crate) fn run(folder: &Path, callers: u64, commands: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (engine, store, place) = open(folder).await;
        // Beside the commands the history writes its own file; it must come out of a kill as well.
        let _history = History::start(&place.dir().join("history.db"), TENANT, store, &engine).await.unwrap();
        say("ready");
        let left = Arc::new(AtomicU64::new(commands));
        let tasks: Vec<_> = (0..callers).map(|_| tokio::spawn(call(engine.clone(), left.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        say("done");
    });
    // The runtime is dropped without a goodbye to the engine: this is the process that gets killed.
}

async fn call(engine: Engine, left: Arc<AtomicU64>) {
    for round in 0.. {
        let id = PrincipalId(fresh_id());
        let mut commands = vec![Command::CreateUser(user(id, format!("u{}", id.0.simple())))];
        if round % 4 == 3 {
            // A command of several entries: whoever is deleted loses what they were eligible for in the same commit.
            commands.push(Command::Assign {
                sort: Sort::Eligibility,
                terms: Terms {
                    reason: Some("for the moment".into()),
                    ..Terms::of(id, Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant), Expiration::Never)
                },
            });
            commands.push(Command::DeletePrincipal { principal: id });
        }
        for command in commands {
            if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
                return;
            }
            let now = engine.now();
            let proof = Proof { signed_in: Some(now), mfa: Some(now), ..Proof::default() };
            let done = engine.submit(command, Caller::signed_in(fresh_id(), DANA, Via::Cli, proof)).await.unwrap();
            say(&format!("ack {} {id}", done.seq));
        }
    }
}
