//! The engine's promises, each with the store's bad days planned.
//! Nothing here looks into the engine: only at what it answers, publishes and leaves in the log.
//!
//! Always: an answer means durable; a fault means absent unless it says that this is not known.

mod bundles;
mod races;
mod starts;

use super::*;
use crate::clock::ClockHealth;
use crate::store::memory::{Log, Mishap};
use crate::store::{memory, place::Place, sqlite};
use parking_lot::Mutex;
use std::time::Duration;
use writ_core::command::{Expiration, NewUser, Proof, Sort, Terms, TicketGiven};
use writ_core::event::Event;
use writ_core::ids::{PersonId, PrincipalId, Uuid};
use writ_core::log::{Via, open};
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::{Approval, RuleChange, RuleChoice, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::state::{Assignment, Meta};
use writ_core::time::{Span, Time};

const TENANT: TenantId = TenantId::from_u128(0x7e7a_0003);
const DANA: PrincipalId = PrincipalId::from_u128(1);
const ANA: PrincipalId = PrincipalId::from_u128(2);
const MORNING: Time = Time::from_millis(1_790_000_000_000);
const ROOT: Target = Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant);

/// One engine with what surrounds it.
struct House {
    log: Log,
    store: Store,
    clock: Clock,
    snapshot: Option<PathBuf>,
    words: Arc<Mutex<Vec<String>>>,
}

fn user(id: PrincipalId, name: &str) -> NewUser {
    NewUser { id, person: PersonId(id.0), name: name.into(), upn: format!("{name}@northwind.example") }
}

fn found() -> Command {
    Command::Found {
        name: "Northwind".into(),
        rules: RuleChoice::Tiers,
        span_min: Span::from_minutes(5),
        administrator: user(DANA, "dana"),
        setup: Span::from_hours(8),
        emergency: vec![user(PrincipalId::from_u128(90), "glass1"), user(PrincipalId::from_u128(91), "glass2")],
    }
}

fn create(n: u128) -> Command {
    Command::CreateUser(user(PrincipalId::from_u128(1000 + n), &format!("user{n}")))
}

fn activate(hours: u32) -> Command {
    Command::RequestActivation(Terms {
        reason: Some("disk full on fin-01".into()),
        ticket: TicketGiven { number: Some("INC-417".into()), system: None },
        ..Terms::of(ANA, ROOT, Expiration::For(Span::from_hours(hours)))
    })
}

fn deactivate() -> Command {
    Command::Deactivate { principal: ANA, target: ROOT, reason: None }
}

impl House {
    fn new() -> House {
        let log = Log::new();
        let (store, clock) = (Store::Memory(log.clone()), Clock::by_hand(MORNING));
        House { log, store, clock, snapshot: None, words: Arc::default() }
    }

    fn start(&self) -> Start {
        let words = self.words.clone();
        Start {
            tenant: TENANT,
            store: self.store.clone(),
            clock: self.clock.clone(),
            key: SigningKey::from_bytes(&[5; 32]),
            snapshot: self.snapshot.clone(),
            last_words: Arc::new(move |why| words.lock().push(why.to_string())),
        }
    }

    async fn open(&self) -> Engine {
        Engine::start(self.start()).await.unwrap()
    }

    async fn founded(&self) -> Engine {
        let engine = self.open().await;
        engine.submit(found(), Caller::console(fresh_id())).await.unwrap();
        engine
    }

    /// Ana may activate the role on her own word, and is eligible for it.
    async fn with_ana(&self) -> Engine {
        let engine = self.founded().await;
        engine.by(DANA, Command::CreateUser(user(ANA, "ana"))).await.unwrap();
        let nobody = Approval {
            required: false,
            required_for_extension: false,
            asker_reason: true,
            stages: vec![Stage::one_of(Vec::new())],
        };
        let changes = vec![RuleChange::Approval(nobody)];
        engine.by(DANA, Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes, seen: None }).await.unwrap();
        let eligible = Command::Assign {
            sort: Sort::Eligibility,
            terms: Terms { reason: Some("on call".into()), ..Terms::of(ANA, ROOT, Expiration::Never) },
        };
        engine.by(DANA, eligible).await.unwrap();
        engine
    }

    async fn kinds(&self) -> Vec<String> {
        self.store.read(0, 1000).await.unwrap().into_iter().map(|entry| entry.kind).collect()
    }

    /// The state as the log alone tells it.
    async fn replayed(&self) -> State {
        let mut state = State::empty(TENANT);
        for entry in self.store.read(0, 4096).await.unwrap() {
            let e = open(&entry).unwrap();
            let event = Event::from_value(&e.kind, e.v, e.event).unwrap();
            state.apply(&Meta { seq: e.seq, at: e.at, actor: e.actor.principal }, &event);
        }
        state
    }
}

impl Engine {
    async fn by(&self, who: PrincipalId, command: Command) -> Result<Done, Wrong> {
        let proof = Proof { signed_in: Some(self.now()), mfa: Some(self.now()), ..Proof::default() };
        self.submit(command, Caller::signed_in(fresh_id(), who, Via::Cli, proof)).await
    }

    fn activations(&self) -> Vec<Arc<Assignment>> {
        self.state().assignments.values().filter(|a| a.activated()).cloned().collect()
    }

    /// Waits until the log has this many entries.
    async fn reaches(&self, size: Seq) {
        let mut newest = self.watch();
        tokio::time::timeout(Duration::from_secs(20), newest.wait_for(|seq| *seq >= size)).await.unwrap().unwrap();
    }
}

fn fault<T: fmt::Debug>(outcome: Result<T, Wrong>) -> String {
    match outcome {
        Err(Wrong::Fault(why)) => why.to_string(),
        other => panic!("expected a fault, got {other:?}"),
    }
}

#[tokio::test]
async fn what_is_answered_is_durable_signed_and_published() {
    let house = House::new();
    let engine = house.founded().await;
    let done = engine.by(DANA, create(1)).await.unwrap();
    let head = house.store.head().await.unwrap();
    assert_eq!((done.seq, engine.head()), (head.size, head));
    assert_eq!(*engine.state(), house.replayed().await);
    let signed: writ_core::log::checkpoint::Signed = house.store.checkpoint().await.unwrap().unwrap().parse().unwrap();
    assert_eq!(signed.by(engine.log_key()).unwrap().head, head);
    assert_eq!(engine.checkpoint(), house.store.checkpoint().await.unwrap().unwrap());
}

#[tokio::test]
async fn a_refusal_changes_no_right_and_leaves_its_record() {
    let house = House::new();
    let engine = house.with_ana().await;
    let before = house.kinds().await.len();
    let asleep = Caller::signed_in(fresh_id(), ANA, Via::Cli, Proof::default());
    let refused = engine.submit(activate(1), asleep.clone()).await;
    assert!(matches!(refused, Err(Wrong::Refused(why)) if matches!(*why, Refusal::Rules { .. })));
    assert_eq!(house.kinds().await[before..], ["ask_refused"]);
    assert_eq!(engine.activations().len(), 0);
    let rehearsed = engine.rehearse(&activate(1), &asleep);
    assert!(matches!(rehearsed.answer, Err(Refusal::Rules { .. })));
    assert_eq!(house.kinds().await.len(), before + 1, "a dry run leaves nothing");
}

#[tokio::test]
async fn an_append_that_fails_at_any_step_is_wholly_there_or_wholly_absent() {
    for (mishap, there) in [
        (Mishap::Before, false),
        (Mishap::LostAsk, false),
        (Mishap::LostAnswer, true),
        (Mishap::LostAnswerAndReads(3), true),
    ] {
        let house = House::new();
        let engine = house.with_ana().await;
        let before = house.kinds().await.len();
        house.log.plan([mishap]);
        let outcome = engine.by(ANA, activate(1)).await;
        assert_eq!(outcome.is_ok(), there, "{mishap:?}: {outcome:?}");
        if !there {
            assert!(matches!(outcome, Err(Wrong::Fault(_))));
        }
        assert_eq!(house.kinds().await.len(), before + usize::from(there), "{mishap:?}");
        assert_eq!(engine.activations().len(), usize::from(there), "{mishap:?}");
        assert_eq!(*engine.state(), house.replayed().await, "{mishap:?}");
        // And it goes on.
        engine.by(DANA, create(1)).await.unwrap();
        assert_eq!(*engine.state(), house.replayed().await);
        assert_eq!(house.words.lock().len(), 0);
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_answered_or_written_and_the_process_is_told_to_end() {
    let house = House::new();
    let engine = house.with_ana().await;
    let before = engine.head();
    house.log.plan([Mishap::Unsynced]);
    let why = fault(engine.by(ANA, activate(1)).await);
    assert!(why.contains("whether this was done"), "{why}");
    assert_eq!(house.words.lock().len(), 1);
    assert_eq!(engine.activations().len(), 0, "what is not known to be durable is not in force");
    assert!(fault(engine.by(DANA, create(1)).await).contains("stopped"));
    // The machine goes down; what was not synced is gone, and the next start reads what is there.
    house.log.crash();
    let engine = house.open().await;
    assert_eq!(engine.head(), before);
    engine.by(ANA, activate(1)).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_stays_lost_ends_the_process_instead_of_being_guessed() {
    let house = House::new();
    let engine = house.with_ana().await;
    house.log.plan([Mishap::LostAnswerAndReads(1000)]);
    let why = fault(engine.by(ANA, activate(1)).await);
    assert!(why.contains("whether this was done"), "{why}");
    assert_eq!(house.words.lock().len(), 1);
    house.log.crash();
    assert_eq!(house.open().await.activations().len(), 1, "it was durable, and the next start finds it");
}

#[tokio::test]
async fn commands_that_wait_together_share_one_append() {
    let house = House::new();
    let engine = house.founded().await;
    let before = house.log.appends();
    let hold = house.log.pause();
    let waiting: Vec<_> = (0..BATCH_MAX as u128)
        .map(|n| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.by(DANA, create(n)).await })
        })
        .collect();
    while engine.queue.max_capacity() == engine.queue.capacity() {
        tokio::task::yield_now().await;
    }
    // All of them are queued, on their way to the store, or decided to follow.
    for _ in 0..BATCH_MAX * 2 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert!(house.log.appends() - before <= 3, "{}", house.log.appends() - before);
    assert_eq!(*engine.state(), house.replayed().await);
}

#[tokio::test]
async fn the_queue_is_bounded_and_says_so() {
    let house = House::new();
    let engine = house.founded().await;
    let hold = house.log.pause();
    let mut waiting = tokio::task::JoinSet::new();
    // As many again as may be on their way to the store, and decided to follow.
    for n in 0..(QUEUE_MAX + 3 * BATCH_MAX) as u128 {
        let engine = engine.clone();
        waiting.spawn(async move { engine.by(DANA, create(n)).await });
    }
    while engine.queue.capacity() > 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..BATCH_MAX {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let (mut done, mut turned_away) = (0, 0);
    while let Some(outcome) = waiting.join_next().await {
        match outcome.unwrap() {
            Ok(_) => done += 1,
            Err(Wrong::Fault(why)) if why.0.contains("too many commands") => turned_away += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(done >= QUEUE_MAX && turned_away >= 1, "{done} done, {turned_away} turned away");
}

#[tokio::test]
async fn time_ends_an_activation_by_itself() {
    let house = House::new();
    let engine = house.with_ana().await;
    engine.by(ANA, activate(2)).await.unwrap();
    let size = engine.head().size;
    house.clock.advance(Span::from_minutes(119));
    engine.by(DANA, create(1)).await.unwrap();
    assert_eq!(engine.activations().len(), 1);
    house.clock.advance(Span::from_minutes(1));
    engine.reaches(size + 2).await;
    assert_eq!(house.kinds().await.last().unwrap(), "assignment_ended");
    assert_eq!(engine.activations().len(), 0);
}

#[tokio::test]
async fn what_is_due_comes_in_bounded_batches_before_the_commands_that_follow_it() {
    let house = House::new();
    let engine = house.with_ana().await;
    let people = 2 * DUE_MAX as u128 + 7;
    for n in 0..people {
        engine.by(DANA, create(n)).await.unwrap();
        let assign = Command::Assign {
            sort: Sort::Eligibility,
            terms: Terms {
                reason: Some("for a day".into()),
                ..Terms::of(PrincipalId::from_u128(1000 + n), ROOT, Expiration::For(Span::from_hours(7)))
            },
        };
        engine.by(DANA, assign).await.unwrap();
    }
    let (size, appends) = (engine.head().size, house.log.appends());
    house.clock.advance(Span::from_hours(7));
    engine.reaches(size + people as u64).await;
    assert_eq!(engine.state().eligibilities.values().filter(|e| e.ends.is_some()).count(), 0);
    assert!(house.log.appends() - appends >= 3);
}

#[tokio::test]
async fn a_clock_in_doubt_gives_no_power_and_still_takes_it_away() {
    let house = House::new();
    let engine = house.with_ana().await;
    engine.by(ANA, activate(2)).await.unwrap();
    house.clock.jump(MORNING + Span::from_days(365));
    assert!(!house.clock.health().is_good());
    engine.by(ANA, deactivate()).await.unwrap();
    let refused = engine.by(ANA, activate(1)).await;
    assert!(matches!(refused, Err(Wrong::Refused(why)) if matches!(*why, Refusal::ClockInDoubt { .. })));
    let ashore = engine.by(DANA, Command::RecoverClock).await;
    assert!(matches!(ashore, Err(Wrong::Refused(_))), "only at the console");
    assert!(!house.clock.health().is_good());

    engine.submit(Command::RecoverClock, Caller::console(fresh_id())).await.unwrap();
    assert_eq!(house.clock.health(), ClockHealth::Good);
    assert_eq!(engine.now(), MORNING + Span::from_days(365));
    engine.by(ANA, activate(1)).await.unwrap();
    // A wrong jump, once recovered from, does not pin the log's time for ever.
    house.clock.jump(MORNING + Span::from_days(1));
    engine.submit(Command::RecoverClock, Caller::console(fresh_id())).await.unwrap();
    assert_eq!(engine.now(), MORNING + Span::from_days(1));
    let engine = house.open().await;
    assert_eq!((engine.now(), house.clock.health()), (MORNING + Span::from_days(1), ClockHealth::Good));
}

#[tokio::test]
async fn a_clock_set_back_two_hours_gives_no_extra_minute() {
    let house = House::new();
    let engine = house.with_ana().await;
    engine.by(ANA, activate(1)).await.unwrap();
    let size = engine.head().size;
    house.clock.jump(MORNING.before(Span::from_hours(2)));
    house.clock.advance(Span::from_hours(1));
    engine.reaches(size + 1).await;
    assert_eq!(engine.activations().len(), 0);
    // Nor does a restart with the clock still wrong.
    engine.stop().await;
    let engine = house.open().await;
    assert_eq!(engine.now(), MORNING + Span::from_hours(1));
}

#[tokio::test]
async fn two_engines_on_one_log_never_both_extend_it() {
    let house = House::new();
    let one = house.founded().await;
    let other = house.open().await;
    one.by(DANA, create(1)).await.unwrap();
    let why = fault(other.by(DANA, create(2)).await);
    assert!(why.contains("try again"), "{why}");
    other.by(DANA, create(2)).await.unwrap();
    assert_eq!(*other.state(), house.replayed().await);
    assert!(other.state().principals.contains_key(&PrincipalId::from_u128(1001)));
    assert!(other.state().principals.contains_key(&PrincipalId::from_u128(1002)));
}

#[tokio::test]
async fn a_stop_carries_out_what_was_queued_before_it() {
    let house = House::new();
    let engine = house.founded().await;
    let hold = house.log.pause();
    let waiting: Vec<_> = (0..50)
        .map(|n| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.by(DANA, create(n)).await })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let stopping = tokio::spawn({
        let engine = engine.clone();
        async move { engine.stop().await }
    });
    tokio::task::yield_now().await;
    drop(hold);
    stopping.await.unwrap();
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(*engine.state(), house.replayed().await);
}

#[tokio::test]
async fn memory_and_sqlite_carry_the_same_story() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::hold(folder.path(), TENANT).unwrap();
    let mut kinds = Vec::new();
    for store in [Store::Memory(memory::Log::new()), Store::Sqlite(sqlite::Log::open(&place).unwrap())] {
        let house = House { store, ..House::new() };
        let engine = house.with_ana().await;
        engine.by(ANA, activate(1)).await.unwrap();
        engine.by(ANA, deactivate()).await.unwrap();
        assert_eq!(*engine.state(), house.replayed().await);
        kinds.push(house.kinds().await);
    }
    assert_eq!(kinds[0], kinds[1]);
}
