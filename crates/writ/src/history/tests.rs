//! The history's promises: what it shows, in which order, and that it can be lost and comes back the same.
//! Nothing here writes to the tables except through the log.
//!
//! Always: what is shown is what the log says, up to the position.

use super::*;
use crate::clock::Clock;
use crate::engine::{Start, fresh_id};
use crate::store::memory::Log;
use std::path::PathBuf;
use std::sync::Arc;
use writ_core::command::{Caller, Command, Expiration, NewUser, Proof, Terms, TicketGiven};
use writ_core::ids::PersonId;
use writ_core::log::Via;
use writ_core::log::checkpoint::SigningKey;
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::{Approval, RuleChange, RuleChoice, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

const TENANT: TenantId = TenantId::from_u128(0x7e7a_0004);
const DANA: PrincipalId = PrincipalId::from_u128(1);
const ANA: PrincipalId = PrincipalId::from_u128(2);
const MORNING: Time = Time::from_millis(1_790_000_000_000);
const ROOT: Target = Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant);

struct House {
    store: Store,
    clock: Clock,
    engine: Engine,
}

fn user(id: PrincipalId, name: &str) -> NewUser {
    let upn = format!("{}@northwind.example", name.to_lowercase());
    NewUser { id, person: PersonId(id.0), name: name.into(), upn }
}

impl House {
    /// Ana may activate a role on her own word, and is eligible for it.
    async fn new() -> House {
        House::founded(House::open(Log::new(), None).await).await
    }

    /// The engine on this log, with its snapshot in this file.
    async fn open(log: Log, snapshot: Option<PathBuf>) -> House {
        let (store, clock) = (Store::Memory(log), Clock::by_hand(MORNING));
        let engine = Engine::start(Start {
            tenant: TENANT,
            store: store.clone(),
            clock: clock.clone(),
            key: SigningKey::from_bytes(&[5; 32]),
            snapshot,
            last_words: Arc::new(|why| panic!("{why}")),
        })
        .await
        .unwrap();
        House { store, clock, engine }
    }

    async fn founded(house: House) -> House {
        let found = Command::Found {
            name: "Northwind".into(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            administrator: user(DANA, "Dana"),
            setup: Span::from_hours(8),
            emergency: vec![user(PrincipalId::from_u128(90), "Glass1"), user(PrincipalId::from_u128(91), "Glass2")],
        };
        house.engine.submit(found, Caller::console(fresh_id())).await.unwrap();
        house.by(DANA, Command::CreateUser(user(ANA, "Ana"))).await;
        let approval = Approval {
            required: false,
            required_for_extension: false,
            asker_reason: true,
            stages: vec![Stage::one_of(Vec::new())],
        };
        let changes = vec![RuleChange::Approval(approval)];
        house.by(DANA, Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes, seen: None }).await;
        let eligible = Command::Assign {
            sort: Sort::Eligibility,
            terms: Terms { reason: Some("on call".into()), ..Terms::of(ANA, ROOT, Expiration::Never) },
        };
        house.by(DANA, eligible).await;
        house
    }

    async fn by(&self, who: PrincipalId, command: Command) -> Seq {
        let now = self.engine.now();
        let proof = Proof { signed_in: Some(now), mfa: Some(now), ..Proof::default() };
        let caller =
            Caller { address: Some("192.0.2.7".into()), ..Caller::signed_in(fresh_id(), who, Via::Api, proof) };
        self.engine.submit(command, caller).await.unwrap().seq
    }

    async fn activates(&self, hours: u32) -> Seq {
        let command = Command::RequestActivation(Terms {
            reason: Some("disk full".into()),
            ticket: TicketGiven { number: Some("INC-417".into()), system: None },
            ..Terms::of(ANA, ROOT, Expiration::For(Span::from_hours(hours)))
        });
        self.by(ANA, command).await
    }

    async fn gives_up(&self) -> Seq {
        self.by(ANA, Command::Deactivate { principal: ANA, target: ROOT, reason: None }).await
    }

    async fn history(&self) -> History {
        History::in_memory(TENANT, self.store.clone(), &self.engine).await.unwrap()
    }
}

fn all() -> AuditQuery {
    AuditQuery { limit: ROWS_MAX, oldest_first: true, ..AuditQuery::default() }
}

fn shown(records: &[Record]) -> String {
    let line = |r: &Record| {
        let who = match &r.initiator {
            audit::Initiator::User { name, .. } | audit::Initiator::App { name, .. } => name,
            audit::Initiator::Service { name } => name,
        };
        let targets: Vec<_> = r.targets.iter().map(|t| format!("{} {}", t.sort, t.name)).collect();
        let targets = targets.join(", ").replace(char::is_numeric, "");
        format!(
            "{} | {} | {who} | {} | {}",
            r.service,
            r.activity,
            r.reason,
            targets.split("Request").next().unwrap_or("")
        )
    };
    records.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn an_activation_and_its_end_become_the_records_that_entra_writes() {
    let house = House::new().await;
    let from = house.engine.head().size;
    house.activates(1).await;
    house.clock.advance(Span::from_hours(1));
    let mut newest = house.engine.watch();
    newest.wait_for(|seq| *seq >= from + 2).await.unwrap();
    house.activates(1).await;
    let seq = house.gives_up().await;
    let history = house.history().await;
    history.wait_for(seq).await.unwrap();
    let records = history.audit(AuditQuery { after: Some(Place { seq: from, k: 99 }), ..all() }).await.unwrap();
    insta::assert_snapshot!(shown(&records), @r"
    PIM | Add member to role requested (PIM activation) | Ana | disk full | Role Azure AD Joined Device Local Administrator, 
    Core Directory | Add member to role | MS-PIM |  | User Ana, Role Azure AD Joined Device Local Administrator
    PIM | Add member to role completed (PIM activation) | Ana | disk full | Role Azure AD Joined Device Local Administrator, 
    Core Directory | Remove member from role | MS-PIM |  | User Ana, Role Azure AD Joined Device Local Administrator
    PIM | Remove member from role (PIM activation expired) | Azure AD PIM | time is up | Role Azure AD Joined Device Local Administrator, 
    PIM | Add member to role requested (PIM activation) | Ana | disk full | Role Azure AD Joined Device Local Administrator, 
    Core Directory | Add member to role | MS-PIM |  | User Ana, Role Azure AD Joined Device Local Administrator
    PIM | Add member to role completed (PIM activation) | Ana | disk full | Role Azure AD Joined Device Local Administrator, 
    PIM | Remove member from role requested (PIM deactivate) | Ana |  | Role Azure AD Joined Device Local Administrator, 
    Core Directory | Remove member from role | MS-PIM |  | User Ana, Role Azure AD Joined Device Local Administrator
    PIM | Remove member from role completed (PIM deactivate) | Ana |  | Role Azure AD Joined Device Local Administrator,
    ");
    let sorts: Vec<_> = records[0].targets.iter().map(|t| t.sort.as_str()).collect();
    assert_eq!(sorts, ["Role", "Request", "User", "Directory"], "readers of Entra's records count on this order");
    assert!(records[0].details.contains(&("TicketNumber".into(), "INC-417".into())));
    assert!(matches!(&records[0].initiator, audit::Initiator::User { address: Some(a), .. } if a == "192.0.2.7"));
}

#[tokio::test]
async fn a_refused_ask_is_a_failure_with_the_rules_that_failed() {
    let house = House::new().await;
    let unproved = Caller::signed_in(fresh_id(), ANA, Via::Api, Proof::default());
    let ask = Command::RequestActivation(Terms::of(ANA, ROOT, Expiration::For(Span::from_hours(99))));
    assert!(house.engine.submit(ask, unproved).await.is_err());
    let history = house.history().await;
    history.wait_for(house.engine.head().size).await.unwrap();
    let failed = history.audit(AuditQuery { succeeded: Some(false), ..all() }).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].reason, "ExpirationRule, JustificationRule, TicketingRule, MfaRule");
}

#[tokio::test]
async fn questions_filter_and_pages_hold_each_record_once() {
    let house = House::new().await;
    for _ in 0..5 {
        house.activates(1).await;
        house.gives_up().await;
    }
    let history = house.history().await;
    history.wait_for(house.engine.head().size).await.unwrap();
    let everything = history.audit(all()).await.unwrap();
    for oldest_first in [true, false] {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = history.audit(AuditQuery { after, oldest_first, limit: 7, ..all() }).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.place);
            paged.extend(page);
        }
        if !oldest_first {
            paged.reverse();
        }
        assert_eq!(paged, everything);
    }
    let count = async |query: AuditQuery| history.audit(query).await.unwrap().len();
    let completed = "Add member to role completed (PIM activation)";
    assert_eq!(count(AuditQuery { activity: Some(completed.to_lowercase()), ..all() }).await, 5);
    let begins = Some("remove member from role".into());
    assert_eq!(count(AuditQuery { activity_begins: begins, ..all() }).await, 15);
    assert_eq!(count(AuditQuery { initiator: Some(ANA), service: Some("PIM".into()), ..all() }).await, 20);
    let by_dana = AuditQuery { target: Some(ANA.0), initiator: Some(DANA), ..all() };
    assert_eq!(count(by_dana).await, 3, "created, and made eligible in two of PIM's records");
    assert_eq!(count(AuditQuery { category: Some("UserManagement".into()), ..all() }).await, 4);
    assert_eq!(count(AuditQuery { since: Some(MORNING + Span::from_millis(1)), ..all() }).await, 0);
    assert_eq!(count(AuditQuery { until: Some(MORNING), ..all() }).await, everything.len());
    let one = everything[3].clone();
    assert_eq!(count(AuditQuery { correlation: Some(one.correlation), ..all() }).await, {
        everything.iter().filter(|r| r.correlation == one.correlation).count()
    });
    let tenant = house.engine.state().tenant;
    for one in &everything {
        assert_eq!(history.audit_record(&one.id).await.unwrap(), Some(one.clone()));
        // The forms of Entra's ids: PIM_{guid}_{tenant}_{number}, Directory_{correlation}_{suffix}.
        let parts: Vec<&str> = one.id.splitn(3, '_').collect();
        match one.service.as_str() {
            "PIM" => {
                let (named, number) = parts[2].split_once('_').unwrap();
                assert!(named == tenant.to_string() && number.parse::<u64>().is_ok(), "{}", one.id);
            }
            _ => assert_eq!(parts[1], one.correlation.to_string(), "{}", one.id),
        }
    }
    for not in [
        "",
        "PIM",
        "PIM_x_1_0",
        &one.id.replace("_1_", "_2_").replace("_2_0", "_999_0"),
        "PIM_a_b_99999999999999999999",
        "PIM_a_b_1",
        "Directory_a_99999999999999999999_0",
    ] {
        assert_eq!(history.audit_record(not).await.unwrap().filter(|r| r.id != not), None, "{not}");
    }
}

#[tokio::test]
async fn every_question_is_answered_as_a_naive_reading_answers_it() {
    let house = House::new().await;
    for _ in 0..3 {
        house.clock.advance(Span::from_minutes(10));
        house.activates(1).await;
        house.gives_up().await;
    }
    let history = house.history().await;
    history.wait_for(house.engine.head().size).await.unwrap();
    let everything = history.audit(all()).await.unwrap();
    let at = |minutes| MORNING + Span::from_minutes(minutes);
    let things = [None, Some(ANA.0), Some(ROOT.role_id().0), Some(house.engine.state().tenant.0), Some(fresh_id())];
    let activities = [None, Some("Add member to role"), Some("update user"), Some("nothing")];
    let times =
        [None, Some(MORNING.before(Span::from_hours(1))), Some(MORNING), Some(at(11)), Some(at(30)), Some(at(31))];
    for (target, activity) in things.into_iter().flat_map(|t| activities.map(|a| (t, a))) {
        for (since, until) in times.into_iter().flat_map(|s| times.map(|u| (s, u))) {
            for (initiator, after) in [
                (None, None),
                (Some(DANA), None),
                (None, Some(everything[7].place)),
                (Some(ANA), Some(everything[1].place)),
            ] {
                let query = AuditQuery {
                    activity: activity.map(str::to_owned),
                    target,
                    since,
                    until,
                    initiator,
                    after,
                    ..all()
                };
                let fits = |r: &&Record| {
                    activity.is_none_or(|a| r.activity.eq_ignore_ascii_case(a))
                        && target.is_none_or(|t| r.targets.iter().any(|thing| thing.id == Some(t)))
                        && since.is_none_or(|s| r.at >= s)
                        && until.is_none_or(|u| r.at <= u)
                        && initiator.is_none_or(|i| r.initiator.principal() == Some(i))
                        && after.is_none_or(|a| r.place > a)
                };
                let wanted: Vec<&Record> = everything.iter().filter(fits).collect();
                let found = history.audit(query.clone()).await.unwrap();
                assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{query:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_timeline_tells_what_somebody_did_and_had_done_to_them() {
    let house = House::new().await;
    house.activates(1).await;
    let seq = house.gives_up().await;
    let history = house.history().await;
    history.wait_for(seq).await.unwrap();
    let about = LineQuery { about: Some(ANA.0), limit: 10, ..LineQuery::default() };
    let lines = history.lines(about.clone()).await.unwrap();
    let kinds: Vec<_> = lines.iter().map(|line| line.kind.as_str()).collect();
    assert_eq!(kinds, ["assignment_ended", "activation_began", "eligibility_granted", "user_created"]);
    assert!(lines[1].told.contains("disk full") && lines[1].told.contains("INC-417"), "{}", lines[1].told);
    let page = LineQuery { before: Some(lines[1].seq), limit: 1, ..about.clone() };
    assert_eq!(history.lines(page).await.unwrap(), lines[2..3]);
    let role = LineQuery { also_about: Some(DEVICE_ADMINISTRATOR.0), kinds: vec!["activation_began".into()], ..about };
    assert_eq!(history.lines(role).await.unwrap(), lines[1..2]);
}

#[tokio::test]
async fn closed_requests_are_kept_after_the_live_state_forgot_them() {
    let house = House::new().await;
    house.activates(1).await;
    house.gives_up().await;
    house.clock.advance(Span::from_days(20));
    let history = house.history().await;
    house.clock.advance(Span::from_days(20));
    let mut newest = house.engine.watch();
    while !house.engine.state().requests.is_empty() {
        newest.changed().await.unwrap();
    }
    let seq = house.engine.head().size;
    history.wait_for(seq).await.unwrap();
    let mine = RequestQuery { subject: Some(ANA), sort: Some(Sort::Assignment), limit: 10, ..RequestQuery::default() };
    let closed = history.requests(mine.clone()).await.unwrap();
    let actions: Vec<_> = closed.iter().map(|r| (r.ask.action, r.status)).collect();
    assert_eq!(closed.len(), 2, "{actions:?}");
    assert!(actions.contains(&(Action::SelfActivate, Status::Provisioned)), "{actions:?}");
    assert!(actions.contains(&(Action::SelfDeactivate, Status::Revoked)), "{actions:?}");
    let next = RequestQuery { after: Some((closed[0].made, closed[0].ask.request)), ..mine.clone() };
    assert_eq!(history.requests(next).await.unwrap(), closed[1..]);
    let one = RequestQuery { action: Some(Action::SelfActivate), ..mine };
    let one = history.requests(one).await.unwrap();
    assert_eq!(history.request(one[0].ask.request).await.unwrap().as_ref(), one.first());
}

#[tokio::test]
async fn it_can_be_lost_or_be_of_another_log_and_comes_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let house = House::new().await;
    let seq = house.activates(1).await;
    let start = async || History::start(&file, TENANT, house.store.clone(), &house.engine).await.unwrap();
    let history = start().await;
    history.wait_for(seq).await.unwrap();
    let first = history.audit(all()).await.unwrap();
    assert!(first.len() > 10);

    // A second look at the same file goes on from its position, also when it is behind.
    let seq = house.gives_up().await;
    history.wait_for(seq).await.unwrap();
    drop(history);
    let again = start().await;
    again.wait_for(seq).await.unwrap();
    let second = again.audit(all()).await.unwrap();
    assert_eq!(second[..first.len()], first[..]);
    drop(again);

    // The file of another log is not believed.
    let other = House::new().await;
    let strange = History::start(&file, TENANT, other.store.clone(), &other.engine).await.unwrap();
    strange.wait_for(other.engine.head().size).await.unwrap();
    assert_eq!(strange.audit(all()).await.unwrap().len(), first.len() - 3);
    drop(strange);

    for name in ["history.db", "history.db-wal", "history.db-shm"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    let anew = start().await;
    anew.wait_for(seq).await.unwrap();
    assert_eq!(anew.audit(all()).await.unwrap(), second);
}

#[tokio::test]
async fn after_a_crash_it_goes_on_from_the_engines_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let [file, snapshot, kept] = ["history.db", "snapshot", "kept"].map(|name| folder.path().join(name));
    let log = Log::new();
    let house = House::founded(House::open(log.clone(), Some(snapshot.clone())).await).await;
    house.engine.stop().await;
    std::fs::copy(&snapshot, &kept).unwrap();

    // The history follows for a while after the snapshot, and the log goes on after that.
    let house = House::open(log.clone(), Some(snapshot.clone())).await;
    let seq = house.activates(1).await;
    let history = History::start(&file, TENANT, house.store.clone(), &house.engine).await.unwrap();
    history.wait_for(seq).await.unwrap();
    drop(history);
    let seq = house.gives_up().await;
    let whole = house.history().await;
    whole.wait_for(seq).await.unwrap();
    let expected = whole.audit(all()).await.unwrap();
    drop(whole);
    house.engine.stop().await;

    // A crash leaves the older snapshot. That the log's beginning is not read again shows in that it need not be readable.
    std::fs::rename(&kept, &snapshot).unwrap();
    log.tamper(1, |entry| entry.bytes.clear());
    let house = House::open(log, Some(snapshot)).await;
    let history = History::start(&file, TENANT, house.store.clone(), &house.engine).await.unwrap();
    history.wait_for(seq).await.unwrap();
    assert_eq!(history.audit(all()).await.unwrap(), expected);
}

#[tokio::test]
async fn an_erased_name_is_gone_from_every_table_and_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let house = House::new().await;
    let zac = PrincipalId::from_u128(77);
    let seq = house.by(DANA, Command::CreateUser(user(zac, "Zacharias"))).await;
    let history = History::start(&file, TENANT, house.store.clone(), &house.engine).await.unwrap();
    history.wait_for(seq).await.unwrap();
    let found = || {
        std::fs::read_dir(folder.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(9).any(|w| w.eq_ignore_ascii_case(b"zacharias"))
        })
    };
    assert!(found());
    house.by(DANA, Command::DeletePrincipal { principal: zac }).await;
    let seq = house.by(DANA, Command::ErasePrincipal { principal: zac }).await;
    history.wait_for(seq).await.unwrap();
    let about = LineQuery { about: Some(zac.0), limit: 10, ..LineQuery::default() };
    let lines = history.lines(about).await.unwrap();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| !line.told.contains("Zacharias")), "{lines:?}");
    assert!(!found(), "neither in a table nor in an old page");
}
