//! One simulated tenant: its engine, its disk, its clock, and the people in it.
//! It never looks inside the engine; what it knows comes from the log and from what the engine publishes.
//!
//! Always: after each step everything that is due has happened, and every law has been checked.

use crate::Outcome;
use crate::asks::{self, administration, caller, console, decision, machine, own};
use crate::chance::Chance;
use crate::laws;
use crate::shadow::Shadow;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use writ::clock::{Clock, ClockHealth};
use writ::engine::{Engine, Start, Wrong};
use writ::store::Store;
use writ::store::memory::{Log, Mishap};
use writ_core::command::{Caller, Command, Expiration, Sort, Terms};
use writ_core::decide::approvers_of;
use writ_core::due;
use writ_core::event::Event;
use writ_core::holds;
use writ_core::ids::{DeviceId, PersonId, PrincipalId, RoleId, Seq, TenantId, UnitId, Uuid};
use writ_core::log::checkpoint::SigningKey;
use writ_core::log::open;
use writ_core::role::GLOBAL_ADMINISTRATOR;
use writ_core::rules::RuleChoice;
use writ_core::scope::{Scope, Target};
use writ_core::state::{Meta, State};
use writ_core::time::{Span, Time};

const TENANT: TenantId = TenantId::from_u128(0x7e7a_0010);
const BEGINNING: Time = Time::from_millis(1_790_000_000_000);

/// Who and what there is to ask about.
pub(crate) struct Cast {
    pub(crate) users: Vec<PrincipalId>,
    pub(crate) emergency: Vec<PrincipalId>,
    pub(crate) groups: Vec<PrincipalId>,
    pub(crate) services: Vec<PrincipalId>,
    pub(crate) units: Vec<UnitId>,
    pub(crate) roles: Vec<RoleId>,
    pub(crate) hosts: Vec<DeviceId>,
}

impl Cast {
    pub(crate) fn everybody(&self) -> Vec<PrincipalId> {
        [&self.users[..], &self.emergency, &self.groups, &self.services].concat()
    }
}

pub(crate) struct World {
    chance: Chance,
    log: Log,
    store: Store,
    clock: Clock,
    engine: Engine,
    words: Arc<Mutex<Vec<String>>>,
    folder: tempfile::TempDir,
    shadow: Shadow,
    /// The first administrator.
    deputy: PrincipalId,
    /// The newest entry that was there when something was answered: it must be there for ever.
    answered: Seq,
    /// States as they were published, to be held against the log at the end.
    kept: Vec<Arc<State>>,
    outcome: Outcome,
}

impl World {
    pub(crate) async fn founded(seed: u64) -> World {
        let mut chance = Chance::new(seed);
        let log = Log::new();
        let (store, clock) = (Store::Memory(log.clone()), Clock::by_hand(BEGINNING));
        let (words, folder) = (Arc::default(), tempfile::tempdir().unwrap());
        let start = start(&store, &clock, &words, &folder);
        let engine = Engine::simulated(start, chance.next()).await.unwrap();
        let (shadow, answered, kept, outcome) = (Shadow::default(), 0, Vec::new(), Outcome::default());
        let administrator = asks::user(&mut chance, None);
        let deputy = administrator.id;
        let mut world =
            World { chance, log, store, clock, engine, words, folder, shadow, deputy, answered, kept, outcome };
        let found = Command::Found {
            name: "Northwind".into(),
            rules: world.chance.pick(&[RuleChoice::Tiers, RuleChoice::Entra]),
            span_min: Span::from_minutes(5),
            administrator,
            setup: Span::from_hours(8),
            emergency: vec![asks::user(&mut world.chance, None), asks::user(&mut world.chance, None)],
        };
        let console = Caller::console(world.chance.id());
        world.submit(found, console, Mishap::None).await;
        let keeper = world.cast().emergency[0];
        for n in 0..11 {
            let new = if n == 10 {
                // For longer than the set-up.
                let terms = Terms::of(deputy, Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant), Expiration::Never);
                Command::Reassign {
                    sort: Sort::Assignment,
                    terms: Terms { reason: Some("second hand".into()), ..terms },
                }
            } else if n < 8 {
                // Two of them are the same person, who will try to use that.
                let person = (n == 7).then(|| PersonId(world.cast().users[0].0));
                Command::CreateUser(asks::user(&mut world.chance, person))
            } else {
                let (group, members) = (PrincipalId(world.chance.id()), world.cast().users[2..5].to_vec());
                let (name, description) = ("group".to_owned(), String::new());
                Command::CreateGroup { group, name, description, role_assignable: n == 8, owners: vec![], members }
            };
            let caller = caller(&mut world.chance, keeper, true, world.engine.now());
            world.submit(new, caller, Mishap::None).await;
        }
        world
    }

    /// Something happens: a command, time passing, a bad day.
    pub(crate) async fn step(&mut self) {
        match self.chance.below(100) {
            0..=19 => self.time_passes().await,
            20 => self.restart().await,
            _ => self.somebody_asks().await,
        }
        if self.chance.one_in(40) {
            self.kept.push(self.engine.state());
        }
    }

    fn cast(&self) -> Cast {
        let of = |wanted: fn(&crate::shadow::Being) -> bool| {
            self.shadow.beings.iter().filter(|(_, being)| wanted(being)).map(|(id, _)| *id).collect()
        };
        let state = self.engine.state();
        Cast {
            users: of(|being| being.person.is_some() && !being.emergency),
            emergency: of(|being| being.emergency),
            groups: of(|being| being.group.is_some()),
            services: of(|being| being.person.is_none() && being.group.is_none()),
            units: self.shadow.units.keys().copied().collect(),
            roles: state.roles.values().filter(|role| !role.built_in).map(|role| role.id).collect(),
            hosts: self.shadow.hosts.iter().copied().collect(),
        }
    }

    async fn somebody_asks(&mut self) {
        let (cast, state, now) = (self.cast(), self.engine.state(), self.engine.now());
        let chance = &mut self.chance;
        // Most who ask could be allowed to; the others try.
        let of = |could: &dyn Fn(PrincipalId) -> bool| -> Vec<PrincipalId> {
            cast.users.iter().copied().filter(|id| could(*id)).collect()
        };
        let eligible = of(&|id| holds::eligible(&state, id, now).next().is_some());
        let active = of(&|id| state.assignments_of(id).any(|a| a.activated()));
        let anybody = match chance.below(6) {
            0 | 1 if !active.is_empty() => chance.pick(&active),
            0..=4 if !eligible.is_empty() => chance.pick(&eligible),
            _ => chance.pick(&[&cast.users[..], &cast.emergency].concat()),
        };
        let enabled: Vec<_> = cast.emergency.iter().copied().filter(|id| self.shadow.beings[id].enabled).collect();
        let keeper = chance.pick(&enabled);
        let emergency = |id: PrincipalId| cast.emergency.contains(&id);
        let (command, caller) = match chance.below(24) {
            0..=7 => (own(chance, &cast, &state, anybody, now), caller(chance, anybody, emergency(anybody), now)),
            8..=11 => match decision(chance, &state) {
                Some(Command::DecideRequest { request, stage, approve, reason }) => {
                    let asked = &state.requests[&request];
                    let able = approvers_of(&state, asked, now);
                    let person = state.person_of(asked.ask.subject);
                    let others = |id: &PrincipalId| state.person_of(*id) == person && *id != asked.ask.subject;
                    let own = cast.users.iter().copied().find(others).unwrap_or(asked.ask.subject);
                    let by = match chance.below(8) {
                        0 => anybody,
                        1 | 2 => own,
                        _ if able.is_empty() => anybody,
                        _ => chance.pick(&able),
                    };
                    let command = Command::DecideRequest { request, stage, approve, reason };
                    (command, caller(chance, by, emergency(by), now))
                }
                _ => (own(chance, &cast, &state, anybody, now), caller(chance, anybody, emergency(anybody), now)),
            },
            12..=17 => {
                // The first administrator too, who has no paper that counts as every proof.
                let by = if chance.one_in(3) { self.deputy } else { keeper };
                (administration(chance, &cast, &state, now), caller(chance, by, emergency(by), now))
            }
            18 => (administration(chance, &cast, &state, now), caller(chance, anybody, emergency(anybody), now)),
            _ if chance.one_in(12) => (console(chance, &cast, &state), Caller::console(chance.id())),
            _ => match machine(chance, &cast, &state, now) {
                Some(said) => said,
                None => (administration(chance, &cast, &state, now), caller(chance, keeper, true, now)),
            },
        };
        let mishap = match chance.below(50) {
            0 => Mishap::Before,
            1 => Mishap::LostAsk,
            2 => Mishap::LostAnswer,
            3 => Mishap::LostAnswerAndReads(2),
            4 => Mishap::Unsynced,
            _ => Mishap::None,
        };
        self.submit(command, caller, mishap).await;
    }

    /// Submits, and holds the outcome against the dry run, the log and law 8.
    async fn submit(&mut self, command: Command, caller: Caller, mishap: Mishap) {
        let (before, id) = (self.shadow.seq, caller.command);
        self.shadow.asking = Some((id, caller.proof.clone()));
        let rehearsed = self.engine.rehearse(&command, &caller);
        // Declaring the clock right is decided as of the wall clock, which the dry run does not know.
        let expected = rehearsed.events.len() as u64;
        self.log.plan([mishap]);
        let outcome = self.engine.submit(command.clone(), caller).await;
        self.log.calm();
        let failed_sync = !self.words.lock().is_empty();
        if failed_sync {
            assert!(matches!(&outcome, Err(Wrong::Fault(why)) if why.0.contains("whether this was done")));
            self.words.lock().clear();
            self.log.crash();
            self.begin_again().await;
        }
        let left = self.follow(id).await;
        let happened = expected > 0 && mishap != Mishap::None;
        self.outcome.mishaps += u64::from(happened);
        match &outcome {
            Ok(done) => {
                assert!(rehearsed.answer.is_ok(), "the dry run was refused, the command was not: {command:?}");
                assert_eq!(left, expected, "law 8: what was answered is not wholly there: {command:?}");
                assert!(done.seq <= self.shadow.seq, "law 8: answered before it was durable");
                self.answered = self.answered.max(done.seq);
            }
            Err(Wrong::Refused(why)) => {
                assert!(rehearsed.answer.is_err(), "the dry run was not refused, the command was: {command:?} {why:?}");
                assert_eq!(left, expected, "law 8: a refusal's record is not wholly there");
            }
            Err(Wrong::Fault(_)) => {
                assert!(happened, "a fault without a mishap");
                assert_eq!(left, 0, "law 8: a failed command left something: {command:?}");
                // A restart may have set the clock right, and time did what had waited for that.
                assert!(failed_sync || self.shadow.seq == before, "{command:?} {mishap:?} {outcome:?}");
            }
        }
        self.settled().await;
        laws::check(&self.shadow, &self.engine.state(), self.engine.now(), &mut self.chance);
    }

    /// Folds what the log has grown by into the shadow; counts the entries of one command.
    async fn follow(&mut self, command: Uuid) -> u64 {
        let mut left = 0;
        loop {
            let entries = self.store.read(self.shadow.seq, 4096).await.unwrap();
            if entries.is_empty() {
                assert!(self.shadow.seq >= self.answered, "law 8: something answered is gone");
                return left;
            }
            for entry in entries {
                let envelope = open(&entry).unwrap();
                let event = Event::from_value(&envelope.kind, envelope.v, envelope.event.clone()).unwrap();
                let erasures = self.shadow.erasures;
                self.shadow.fold(&envelope, &event);
                if self.shadow.erasures > erasures {
                    // What was published before still has the texts; the log no longer does.
                    self.kept.clear();
                }
                left += u64::from(envelope.cause.command == command);
            }
        }
    }

    /// Waits until everything that is due has happened.
    async fn settled(&mut self) {
        let mut newest = self.engine.watch();
        loop {
            newest.mark_unchanged();
            let state = self.engine.state();
            let waits = due::due(&state, self.engine.now(), usize::MAX);
            // While the clock is in doubt, what would give power waits; nothing else may.
            let doubt = self.clock.health() != ClockHealth::Good;
            if waits.iter().all(|c| doubt && matches!(c, Command::BeginActivation { .. })) {
                break;
            }
            let happens = tokio::time::timeout(Duration::from_secs(20), newest.changed()).await;
            assert!(happens.is_ok(), "law 10: time did nothing about {waits:?}");
        }
        self.follow(Uuid::nil()).await;
    }

    async fn time_passes(&mut self) {
        let now = self.engine.now();
        match self.chance.below(100) {
            0..=59 => self.clock.advance(self.chance.minutes(30)),
            60..=89 => self.clock.advance(self.chance.minutes(60 * 8)),
            90..=93 => self.clock.advance(self.chance.minutes(60 * 24 * 5)),
            94 => self.clock.advance(self.chance.minutes(60 * 24 * 45)),
            95 => self.clock.jump(now + self.chance.minutes(180)),
            96 => self.clock.jump(now.before(self.chance.minutes(180))),
            97 => self.clock.jump(now + Span::from_days(400)),
            _ => self.clock.jump(now),
        }
        if self.clock.health() != ClockHealth::Good && !self.chance.one_in(3) {
            // Somebody notices, and sets the clock right or says that it is.
            if self.chance.one_in(2) {
                self.clock.jump(self.engine.now());
            } else {
                let console = Caller::console(self.chance.id());
                self.settled().await;
                self.submit(Command::RecoverClock, console, Mishap::None).await;
            }
        }
        self.settled().await;
        laws::check(&self.shadow, &self.engine.state(), self.engine.now(), &mut self.chance);
    }

    async fn restart(&mut self) {
        self.engine.stop().await;
        if self.chance.one_in(3) {
            std::fs::remove_file(self.folder.path().join("snapshot")).unwrap_or_default();
        }
        if self.chance.one_in(3) {
            self.clock.advance(self.chance.minutes(60 * 24 * 40));
        }
        let before = (*self.engine.state()).clone();
        self.begin_again().await;
        if self.shadow.erasures == 0 && self.engine.state().seq == before.seq {
            assert_eq!(*self.engine.state(), before, "law 5: a restart came to another state");
        }
        self.settled().await;
        laws::check(&self.shadow, &self.engine.state(), self.engine.now(), &mut self.chance);
    }

    async fn begin_again(&mut self) {
        let start = start(&self.store, &self.clock, &self.words, &self.folder);
        self.engine = Engine::simulated(start, self.chance.next()).await.unwrap();
        self.outcome.restarts += 1;
    }

    /// Law 5: the log gives the same states again at every prefix, and shows when it was changed.
    pub(crate) async fn end(mut self) -> Outcome {
        self.kept.push(self.engine.state());
        self.kept.sort_by_key(|state| state.seq);
        let (mut state, mut kept) = (State::empty(TENANT), self.kept.iter().peekable());
        let mut after = 0;
        loop {
            let entries = self.store.read(after, 4096).await.unwrap();
            let Some(last) = entries.last() else { break };
            after = last.seq;
            for entry in &entries {
                let e = open(entry).unwrap();
                let event = Event::from_value(&e.kind, e.v, e.event).unwrap();
                state.apply(&Meta { seq: e.seq, at: e.at, actor: e.actor.principal }, &event);
                while kept.next_if(|kept| kept.seq == state.seq).is_some_and(|kept| {
                    assert_eq!(**kept, state, "law 5: replay comes to another state");
                    true
                }) {}
            }
        }
        assert!(kept.next().is_none(), "law 5: a published state is not in the log");
        self.engine.stop().await;
        let seq = 1 + self.chance.below(after);
        self.log.tamper(seq, |entry| {
            let middle = entry.bytes.len() / 2;
            entry.bytes[middle] ^= 1;
        });
        let mut start = start(&self.store, &self.clock, &self.words, &self.folder);
        start.snapshot = None;
        assert!(Engine::simulated(start, 0).await.is_err(), "law 5: a changed entry was not found");

        let head = self.engine.head();
        self.outcome.entries = head.size;
        self.outcome.root = head.root;
        self.outcome.activations = self.shadow.activations;
        self.outcome.approvals = self.shadow.approvals;
        self.outcome.read = std::mem::take(&mut self.shadow.read);
        self.outcome.days = self.engine.now().since(BEGINNING).seconds() / 86_400;
        self.outcome
    }
}

fn start(store: &Store, clock: &Clock, words: &Arc<Mutex<Vec<String>>>, folder: &tempfile::TempDir) -> Start {
    let words = words.clone();
    Start {
        tenant: TENANT,
        store: store.clone(),
        clock: clock.clone(),
        key: SigningKey::from_bytes(&[5; 32]),
        snapshot: Some(folder.path().join("snapshot")),
        last_words: Arc::new(move |why| words.lock().push(why.to_string())),
    }
}
