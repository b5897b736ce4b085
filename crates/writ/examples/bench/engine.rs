//! Durable activations through the engine, every rule of the role on; then how fast a start, a replay and a check
//! of that log are. No HTTP, sign-in or TLS is in the way: the figure is the engine's, and its limit is SQLite.

use crate::limits::{self, Sqlite};
use crate::report::{Failed, Report, Times, bytes, count, middle, span};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use writ::clock::Clock;
use writ::engine::{Engine, Start, Wrong, end_the_process, fresh_id};
use writ::store::place::Place;
use writ::store::{READ_MAX, Store, sqlite};
use writ_core::command::{Caller, Command, Expiration, NewUser, Proof, Sort, Terms, TicketGiven};
use writ_core::decide::Answer;
use writ_core::ids::*;
use writ_core::log::checkpoint::SigningKey;
use writ_core::log::{Frontier, Via};
use writ_core::role;
use writ_core::rules::{Approval, Approver, RuleChange, RuleChoice, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

const PEOPLE: usize = 50_000;
/// How many ask at the same time.
const CALLERS: usize = 64;
const ROUNDS: usize = 3;
const LIMIT_ROUND: Duration = Duration::from_millis(1_000);

pub(crate) fn run(report: &mut Report) -> Result<(), Failed> {
    let folder = limits::folder()?;
    let runtime = Runtime::new()?;
    let place = Place::hold(folder.path(), TenantId::from_u128(7))?;
    let bench = runtime.block_on(Bench::found(&place))?;
    let mut sqlite = Sqlite::open(folder.path(), runtime.block_on(bench.entry_bytes())?)?;

    let title = format!("Durable activations: {} people, {CALLERS} callers", count(PEOPLE as f64));
    let columns =
        ["what", "a second", "median", "p99", "CPU: deciding + appending", "of SQLite, 64 rows", "of SQLite, one row"];
    report.section(&title, &columns);
    for approval in [false, true] {
        runtime.block_on(bench.rules(approval))?;
        let (mut rates, mut all, mut ones, mut batches) = (Vec::new(), Times::default(), Vec::new(), Vec::new());
        let mut work = Vec::new();
        for _ in 0..ROUNDS {
            ones.push(sqlite.rows_per_second(1, LIMIT_ROUND)?);
            batches.push(sqlite.rows_per_second(64, LIMIT_ROUND)?);
            let (begun, before) = (Instant::now(), worked()?);
            let times = runtime.block_on(bench.everybody(if approval { Step::Approved } else { Step::Activate }))?;
            let each = |from: Duration, to: Duration| (to - from).as_secs_f64() / times.count() as f64;
            let (decided, appended) = worked()?;
            work.push((each(before.0, decided), each(before.1, appended)));
            rates.push(times.count() as f64 / begun.elapsed().as_secs_f64());
            all.join(times);
            runtime.block_on(bench.everybody(Step::GiveUp))?;
        }
        let (rate, one, batch) = (middle(rates), middle(ones), middle(batches));
        let what = if approval { "MFA, reason, ticket, approval: asked and approved" } else { "MFA, reason, ticket" };
        report.row(&[
            what.to_owned(),
            count(rate),
            span(all.within(0.5)),
            span(all.within(0.99)),
            format!("{} + {}", middle_of(&work, |one| one.0), middle_of(&work, |one| one.1)),
            format!("{:.2} × {}", rate / batch, count(batch)),
            format!("{:.1} × {}", rate / one, count(one)),
        ]);
    }

    let entries = bench.engine.head().size as f64;
    let key = bench.key.clone();
    runtime.block_on(bench.engine.stop());
    drop(bench);
    starts(report, &runtime, &place, &key, entries)
}

fn starts(report: &mut Report, runtime: &Runtime, place: &Place, key: &SigningKey, entries: f64) -> Result<(), Failed> {
    let title = format!("Starting on that log: {} entries", count(entries));
    report.section(&title, &["what", "time", "entries a second"]);
    report.row(&["the log on disk".to_owned(), bytes(place.database().metadata()?.len()), String::new()]);
    for (what, snapshot) in [("start from the snapshot", true), ("start by replaying the whole log", false)] {
        let begun = Instant::now();
        let engine = runtime.block_on(start(place, key, snapshot))?;
        let took = begun.elapsed();
        let rate = if snapshot { String::new() } else { count(entries / took.as_secs_f64()) };
        report.row(&[what.to_owned(), span(took), rate]);
        runtime.block_on(engine.stop());
    }
    let begun = Instant::now();
    let root = runtime.block_on(hash_all(&Store::Sqlite(sqlite::Log::open(place)?)))?;
    let took = begun.elapsed();
    report.row(&["read and hash every entry".to_owned(), span(took), count(root as f64 / took.as_secs_f64())]);
    Ok(())
}

fn middle_of(work: &[(f64, f64)], which: impl Fn(&(f64, f64)) -> f64) -> String {
    span(Duration::from_secs_f64(middle(work.iter().map(which).collect())))
}

/// How long the engine's two threads have run so far, the one that decides and the one that appends: other work on the
/// machine does not count.
fn worked() -> Result<(Duration, Duration), Failed> {
    let (mut deciding, mut appending) = (None, None);
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let which = match std::fs::read_to_string(task.join("comm"))?.trim() {
            "engine" => &mut deciding,
            "engine-append" => &mut appending,
            _ => continue,
        };
        let told = std::fs::read_to_string(task.join("schedstat"))?;
        *which = Some(Duration::from_nanos(told.split(' ').next().unwrap_or_default().parse()?));
    }
    deciding.zip(appending).ok_or("the engine's threads were not found".into())
}

async fn hash_all(store: &Store) -> Result<u64, Failed> {
    let mut frontier = Frontier::new();
    loop {
        let entries = store.read(frontier.size(), READ_MAX).await?;
        if entries.is_empty() {
            break;
        }
        entries.iter().for_each(|entry| frontier.append(entry.leaf()));
    }
    if frontier.head() == store.head().await? { Ok(frontier.size()) } else { Err("the log does not hash".into()) }
}

async fn start(place: &Place, key: &SigningKey, snapshot: bool) -> Result<Engine, Failed> {
    let start = Start {
        tenant: place.tenant(),
        store: Store::Sqlite(sqlite::Log::open(place)?),
        clock: Clock::system(),
        key: key.clone(),
        snapshot: snapshot.then(|| place.dir().join("snapshot")),
        last_words: Arc::new(end_the_process),
    };
    Ok(Engine::start(start).await?)
}

#[derive(Clone, Copy)]
enum Step {
    Activate,
    Approved,
    GiveUp,
}

#[derive(Clone)]
struct Bench {
    engine: Engine,
    store: Store,
    key: SigningKey,
    administrator: PrincipalId,
    approver: PrincipalId,
    people: Arc<[PrincipalId]>,
    target: Target,
}

impl Bench {
    /// A tenant in which everybody is eligible for one role, made by ordinary commands.
    async fn found(place: &Place) -> Result<Bench, Failed> {
        let key = SigningKey::from_bytes(&[7; 32]);
        let engine = start(place, &key, true).await?;
        let user = |name: &str| NewUser {
            id: PrincipalId(fresh_id()),
            person: PersonId(fresh_id()),
            name: name.to_owned(),
            upn: format!("{name}@bench.example"),
        };
        let (administrator, approver) = (user("admin"), user("approver"));
        let found = Command::Found {
            name: "Bench".to_owned(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            administrator: administrator.clone(),
            setup: Span::from_hours(8),
            emergency: vec![user("glass1"), user("glass2")],
        };
        engine.submit(found, Caller::console(fresh_id())).await?;
        let role = role::built_in().iter().find(|role| role.name == "Reports Reader").map(|role| role.id);
        let target = Target::Role { role: role.ok_or("no such role")?, scope: Scope::Tenant };
        let people: Vec<NewUser> = (0..PEOPLE).map(|number| user(&format!("p{number}"))).collect();
        let bench = Bench {
            store: Store::Sqlite(sqlite::Log::open(place)?),
            people: people.iter().map(|user| user.id).collect(),
            administrator: administrator.id,
            approver: approver.id,
            engine,
            key,
            target,
        };
        bench.submit(bench.administrator, Command::CreateUser(approver)).await?;
        let made = people.into_iter().map(Command::CreateUser).collect();
        bench.as_administrator(made).await?;
        let eligible = bench.people.iter().map(|principal| Command::Assign {
            sort: Sort::Eligibility,
            terms: Terms { reason: Some("bench".to_owned()), ..Terms::of(*principal, target, Expiration::Never) },
        });
        bench.as_administrator(eligible.collect()).await?;
        Ok(bench)
    }

    /// Somebody who has just proved a second factor.
    fn caller(&self, principal: PrincipalId) -> Caller {
        let now = Some(self.engine.now());
        let proof = Proof { signed_in: now, mfa: now, ..Proof::default() };
        Caller::signed_in(fresh_id(), principal, Via::Api, proof)
    }

    async fn submit(&self, principal: PrincipalId, command: Command) -> Result<Answer, Wrong> {
        Ok(self.engine.submit(command, self.caller(principal)).await?.answer)
    }

    async fn as_administrator(&self, commands: Vec<Command>) -> Result<(), Failed> {
        let mut tasks = JoinSet::new();
        for part in parts(commands) {
            let bench = self.clone();
            tasks.spawn(async move {
                for command in part {
                    bench.submit(bench.administrator, command).await?;
                }
                Ok::<(), Failed>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(())
    }

    /// MFA, reason and ticket; and one person's approval where asked for.
    async fn rules(&self, approval: bool) -> Result<(), Failed> {
        let stage = Stage::one_of(vec![Approver::User(self.approver)]);
        let (required, stages) = (approval, vec![stage]);
        let approval = Approval { required, required_for_extension: false, asker_reason: true, stages };
        let changes = vec![
            RuleChange::ActivationEnablement { mfa: true, reason: true, ticket: true },
            RuleChange::ActivationExpiration { span_max: Span::from_hours(8) },
            RuleChange::Approval(approval),
        ];
        self.submit(self.administrator, Command::ChangeRules { role: self.target.role_id(), changes, seen: None })
            .await?;
        Ok(())
    }

    /// Everybody takes the step once, so many at the same time.
    async fn everybody(&self, step: Step) -> Result<Times, Failed> {
        let mut tasks = JoinSet::new();
        for part in parts(self.people.to_vec()) {
            let bench = self.clone();
            tasks.spawn(async move {
                let mut times = Times::default();
                for person in part {
                    let begun = Instant::now();
                    bench.take(person, step).await?;
                    times.add(begun.elapsed());
                }
                Ok::<Times, Failed>(times)
            });
        }
        let mut all = Times::default();
        while let Some(done) = tasks.join_next().await {
            all.join(done??);
        }
        Ok(all)
    }

    async fn take(&self, person: PrincipalId, step: Step) -> Result<(), Failed> {
        if matches!(step, Step::GiveUp) {
            let give_up = Command::Deactivate { principal: person, target: self.target, reason: None };
            return Ok(self.submit(person, give_up).await.map(|_| ())?);
        }
        let ask = Command::RequestActivation(Terms {
            reason: Some("replace the failed disk".to_owned()),
            ticket: TicketGiven { number: Some("CHG-417".to_owned()), system: Some("desk".to_owned()) },
            ..Terms::of(person, self.target, Expiration::For(Span::from_hours(2)))
        });
        let Answer::Asked(asked) = self.submit(person, ask).await? else { return Err("no request was made".into()) };
        if matches!(step, Step::Approved) {
            let reason = Some("seen the alert".to_owned());
            let decision = Command::DecideRequest { request: asked.request, stage: 0, approve: true, reason };
            self.submit(self.approver, decision).await?;
        }
        let held = self.engine.state();
        let active = held.assignments_of(person).any(|one| one.activated());
        if active { Ok(()) } else { Err("an answered activation is not in force".into()) }
    }

    /// The mean size of the log's last entries, private parts included.
    async fn entry_bytes(&self) -> Result<usize, Failed> {
        let size = self.engine.head().size;
        let last = self.store.read(size.saturating_sub(1_000), READ_MAX).await?;
        let total: usize = last.iter().map(|one| one.bytes.len() + one.private.as_ref().map_or(0, Vec::len)).sum();
        Ok(total / last.len().max(1))
    }
}

/// One part for each caller.
fn parts<T>(mut all: Vec<T>) -> Vec<Vec<T>> {
    let each = all.len().div_ceil(CALLERS).max(1);
    let mut parts = Vec::new();
    while !all.is_empty() {
        parts.push(all.split_off(all.len().saturating_sub(each)));
    }
    parts
}
