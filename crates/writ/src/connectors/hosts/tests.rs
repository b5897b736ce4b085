//! The server's side of hosts, without a host: what is ordered, numbered, kept and believed.

use super::*;
use crate::clock::Clock;
use crate::connectors::reconcile;
use crate::engine::{Start, end_the_process};
use crate::store::{Store, memory};
use std::time::Duration;
use writ_core::command::{Effect, Expiration, NewUser, Proof, Sort, Terms, Via};
use writ_core::directory::Account;
use writ_core::event::Event;
use writ_core::ids::{PersonId, PrincipalId, TenantId};
use writ_core::log::checkpoint::SigningKey as LogSigningKey;
use writ_core::log::open;
use writ_core::order::{Containment, EnrolAsk, GrantKey, GrantReport, Hex, Order, OrderGrant, Report, Standing};
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::RuleChoice;
use writ_core::scope::{Scope, Target};
use writ_core::time::Time;

pub(crate) const TENANT: TenantId = TenantId::from_u128(7);
pub(crate) const DANA: PrincipalId = PrincipalId::from_u128(1);
const ANA: PrincipalId = PrincipalId::from_u128(2);
const ROOT: Target = Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant);
pub(crate) const MORNING: Time = Time::from_millis(1_790_000_000_000);

fn user(n: u128, name: &str) -> NewUser {
    NewUser {
        id: PrincipalId::from_u128(n),
        person: PersonId::from_u128(n),
        name: name.into(),
        upn: format!("{name}@northwind.example"),
    }
}

pub(crate) fn dana(engine: &Engine) -> Caller {
    let now = engine.now();
    let proof = Proof { signed_in: Some(now), mfa: Some(now), ..Proof::default() };
    Caller::signed_in(fresh_id(), DANA, Via::Api, proof)
}

pub(crate) async fn house() -> (Engine, Vault, memory::Log, Clock) {
    let (log, clock) = (memory::Log::new(), Clock::by_hand(MORNING));
    let start = Start {
        tenant: TENANT,
        store: Store::Memory(log.clone()),
        clock: clock.clone(),
        key: LogSigningKey::from_bytes(&[5; 32]),
        snapshot: None,
        last_words: std::sync::Arc::new(end_the_process),
    };
    let engine = Engine::start(start).await.expect("started");
    let found = Command::Found {
        name: "Northwind".into(),
        rules: RuleChoice::Tiers,
        span_min: Span::from_minutes(5),
        administrator: user(1, "dana"),
        setup: Span::from_hours(8),
        emergency: vec![user(90, "glass1"), user(91, "glass2")],
    };
    engine.submit(found, Caller::console(fresh_id())).await.expect("founded");
    engine.submit(Command::CreateUser(user(2, "ana")), dana(&engine)).await.expect("created");
    (engine, Vault::memory(TENANT, [3; 32]), log, clock)
}

pub(crate) async fn enrolled(hosts: &Hosts, key: u8) -> DeviceId {
    let issued = hosts.issue_code(None, dana(hosts.engine())).await.expect("code");
    let device = SigningKey::from_bytes(&[key; 32]);
    let ask = EnrolAsk {
        secret: issued.code.secret,
        device_key: Hex(device.verifying_key().to_bytes()),
        name: format!("host-{key}"),
        system: "Debian".into(),
    };
    let answer = hosts.enrol(&ask).await.expect("enrolled");
    let answer = answer.open(&issued.code, &device.verifying_key()).expect("signed by the key that the code names");
    assert!(hosts.enrol(&ask).await.is_err(), "a code works once");
    answer.host
}

async fn assign(engine: &Engine, hours: u32) -> writ_core::decide::Answer {
    let command = Command::Assign {
        sort: Sort::Assignment,
        terms: Terms {
            reason: Some("rebuild".into()),
            ..Terms::of(
                ANA,
                ROOT,
                if hours == 0 { Expiration::Never } else { Expiration::For(Span::from_hours(hours)) },
            )
        },
    };
    engine.submit(command, dana(engine)).await.expect("assigned").answer
}

fn order(hosts: &Hosts, host: DeviceId) -> Order {
    let (signed, _) = hosts.newest(host).expect("an order");
    signed.accept(&hosts.order_key(), &[], TENANT, host, None).expect("a good order")
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..400 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}

#[tokio::test]
async fn an_assignment_becomes_an_order_a_report_and_an_end() {
    let (engine, vault, log, _) = house().await;
    let hosts = Hosts::start(engine.clone(), vault.clone()).await.expect("started");
    let turning = reconcile::spawn(engine.clone(), vec![std::sync::Arc::new(hosts.clone())]);
    let host = enrolled(&hosts, 9).await;
    until("a new host has an empty order", || hosts.newest(host).is_some()).await;
    assert_eq!(order(&hosts, host).grants, vec![]);
    assign(&engine, 1).await;
    until("the order holds the right", || order(&hosts, host).grants.len() == 1).await;
    let first = order(&hosts, host);
    assert_eq!((first.number(), first.grants[0].account.as_str()), ((1, 2), "ana"));
    assert_eq!(first.grants[0].not_after, MORNING + Span::from_hours(1));

    let key = first.grants[0].key();
    let report = |standing, told: &str| Report {
        at: engine.now(),
        epoch: 1,
        seq: 2,
        agent: "test".into(),
        containment: Containment::Cgroup,
        grants: vec![
            GrantReport { grant: key, standing, told: told.into() },
            // A right that nobody ordered is not believed.
            GrantReport {
                grant: GrantKey { activation: writ_core::ids::AssignmentId::from_u128(666), principal: DANA },
                standing,
                told: String::new(),
            },
        ],
        accounts: vec![Account { name: "ana".into(), uid: 1001 }],
        drift: vec![],
        notices: vec![],
    };
    hosts.reports().take(host, report(Standing::InForce { since: engine.now() }, "probed")).await.expect("taken");
    let state = engine.state();
    assert_eq!(state.effects.get(&(key.activation, ANA, host)), Some(&Effect::Effective));
    assert_eq!(state.effects.len(), 1);
    let n = engine.head().size;
    hosts.reports().take(host, report(Standing::InForce { since: engine.now() }, "probed")).await.expect("taken");
    assert_eq!(engine.head().size, n, "a report without news leaves no entry");

    let remove = Command::Remove {
        sort: Sort::Assignment,
        principal: ANA,
        target: ROOT,
        when: Default::default(),
        reason: None,
    };
    engine.submit(remove, dana(&engine)).await.expect("removed");
    until("the order is empty again", || order(&hosts, host).grants.is_empty()).await;
    let ended = Standing::Ended { at: engine.now(), stopped: 0, left: 0 };
    hosts.reports().take(host, report(ended, "gone")).await.expect("taken");
    assert!(engine.state().effects.is_empty());

    let entries = Store::Memory(log).read(0, 1000).await.expect("entries");
    let kinds: Vec<String> = entries.clone().into_iter().map(|e| e.kind).collect();
    let place = |kind: &str| kinds.iter().position(|k| k == kind).expect(kind);
    assert!(
        place("assignment_granted") < place("grant_intended") && place("grant_intended") < place("grants_reported")
    );
    let intended = entries.into_iter().find(|e| e.kind == "grant_intended").expect("it");
    let envelope = open(&intended).expect("opens");
    let event = Event::from_value(&envelope.kind, envelope.v, envelope.event).expect("reads");
    assert!(matches!(event, Event::GrantIntended { grants } if grants[0].absent_before));
    turning.abort();
}

#[tokio::test]
async fn numbers_grow_only_with_the_wanted_set_and_survive_a_restart() {
    let (engine, vault, ..) = house().await;
    let hosts = Hosts::start(engine.clone(), vault.clone()).await.expect("started");
    let host = enrolled(&hosts, 9).await;
    let plan = |engine: &Engine| writ_core::plan::plan(&engine.state(), engine.now());
    for _ in 0..3 {
        hosts.set(&plan(&engine)).await.expect("set");
        assert_eq!(order(&hosts, host).number(), (1, 1));
    }
    assign(&engine, 0).await;
    hosts.set(&plan(&engine)).await.expect("set");
    let before = order(&hosts, host);
    assert_eq!(before.number(), (1, 2));

    let again = Hosts::start(engine.clone(), vault.clone()).await.expect("started");
    assert_eq!(again.order_key(), hosts.order_key());
    again.set(&plan(&engine)).await.expect("set");
    assert_eq!(order(&again, host), before, "the same order, byte for byte");

    engine.submit(Command::RaiseEpoch, Caller::console(fresh_id())).await.expect("raised");
    again.set(&plan(&engine)).await.expect("set");
    assert_eq!(order(&again, host).number(), (2, 1));
    // The first process, which believed to be alone, finds out and changes nothing.
    assert!(hosts.set(&plan(&engine)).await.is_err());
    hosts.set(&plan(&engine)).await.expect("looks anew");
    assert_eq!(order(&hosts, host).number(), (2, 1));
}

#[tokio::test]
async fn a_right_without_end_is_lent_and_renewed_in_time() {
    let (engine, vault, _, clock) = house().await;
    let hosts = Hosts::start(engine.clone(), vault).await.expect("started");
    let host = enrolled(&hosts, 9).await;
    assign(&engine, 0).await;
    let set = || async {
        let plan = writ_core::plan::plan(&engine.state(), engine.now());
        hosts.set(&plan).await.expect("set");
        (order(&hosts, host).seq, order(&hosts, host).grants[0].not_after)
    };
    let first = set().await;
    assert_eq!(first.1, MORNING + LEASE);
    clock.advance(Span::from_hours(3));
    assert_eq!(set().await, first, "not renewed with every look");
    clock.advance(Span::from_hours(2));
    let second = set().await;
    assert_eq!(second, (first.0 + 1, engine.now() + LEASE));
    let window = |grant: &OrderGrant| grant.not_after.since(grant.not_before);
    assert_eq!(window(&order(&hosts, host).grants[0]), LEASE, "no window is longer than a host allows by itself");
}

/// Whoever is root on one host can report something else each time. The log, and the disk under it, are everybody's.
#[tokio::test]
async fn a_host_cannot_fill_the_log_and_the_others_go_on() {
    let (engine, vault, _, clock) = house().await;
    let hosts = Hosts::start(engine.clone(), vault).await.expect("started");
    let (evil, good) = (enrolled(&hosts, 9).await, enrolled(&hosts, 8).await);
    let report = |n: u32, accounts: u32| Report {
        at: engine.now(),
        epoch: 0,
        seq: 0,
        agent: "test".into(),
        containment: Containment::Cgroup,
        grants: vec![],
        accounts: (0..accounts).map(|uid| Account { name: format!("a{n}-{uid}"), uid: 1000 + uid }).collect(),
        drift: vec![],
        notices: vec![],
    };
    let before = engine.head().size;
    let mut refused = 0;
    for n in 0..100 {
        refused += u32::from(hosts.reports().take(evil, report(n, 1000)).await.is_err());
    }
    let written = engine.head().size - before;
    assert!(refused > 50 && written < 50, "{written} entries, {refused} refused");
    hosts.reports().take(good, report(0, 1000)).await.expect("another host is not slowed by it");
    let said = |a: &writ_core::directory::LocalAccount| Account { name: a.name.shown().into(), uid: a.uid };
    let same = engine.state().hosts[&evil].accounts.iter().map(said).collect();
    let again = Report { accounts: same, ..report(0, 0) };
    hosts.reports().take(evil, again).await.expect("a report without news is taken all the same");
    clock.advance(Span::from_minutes(11));
    hosts.reports().take(evil, report(7, 1000)).await.expect("and with time it may say something new");
}
