//! The tenant: its founding, erasure, snapshots.

use crate::command::*;
use crate::event::{Event, KINDS};
use crate::refusal::Refusal;
use crate::role::{DEVICE_ADMINISTRATOR, GLOBAL_ADMINISTRATOR};
use crate::rules::Tier;
use crate::state::State;
use crate::story::*;

#[test]
fn a_new_tenant_is_strict_and_has_a_way_in() {
    let s = Story::new();
    assert!(s.holds("dana", GLOBAL), "for the set-up");
    assert!(s.holds("emergency-1", GLOBAL) && s.holds("emergency-2", GLOBAL));
    let mut s = s;
    s.at("16:00");
    assert!(!s.holds("dana", GLOBAL), "eight hours later she asks like everybody");
    assert!(s.holds("emergency-1", GLOBAL));
    for (role, tier) in [(GLOBAL_ADMINISTRATOR, Tier::Critical), (DEVICE_ADMINISTRATOR, Tier::Critical)] {
        assert_eq!(s.state.rules[&role].tier, tier);
        assert!(s.state.rules[&role].activation.approval.required);
    }
    let tier = |name: &str| {
        let id = s.state.roles.values().find(|r| r.is_called(name)).expect(name).id;
        s.state.rules[&id].tier
    };
    assert_eq!(tier("Privileged Role Administrator"), Tier::Critical);
    assert_eq!(tier("Exchange Administrator"), Tier::High);
    assert_eq!(tier("SharePoint Administrator"), Tier::High);
    assert_eq!(tier("Intune Administrator"), Tier::High);
    assert_eq!(tier("Reports Reader"), Tier::Routine);
    for role in s.state.roles.values().filter(|r| r.privileged()) {
        assert_ne!(s.state.rules[&role.id].tier, Tier::Routine, "{}", role.name);
    }
}

#[test]
fn a_tenant_is_founded_once_and_at_the_console() {
    let mut s = Story::new();
    let found = Command::Found {
        name: "again".into(),
        rules: crate::rules::RuleChoice::Tiers,
        span_min: minutes(5),
        administrator: NewUser {
            id: crate::ids::PrincipalId::from_u128(1),
            person: crate::ids::PersonId::from_u128(1),
            name: "x".into(),
            upn: "x@y.z".into(),
        },
        setup: minutes(60),
        emergency: alloc::vec![],
    };
    assert!(matches!(s.by("dana", found.clone()), Err(Refusal::ConsoleOnly { .. })));
    assert!(matches!(s.console(found), Err(Refusal::Taken { .. })));
}

#[test]
fn erasing_somebody_leaves_the_fact_and_takes_the_text() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    let ana = s.id("ana");
    let erase = Command::ErasePrincipal { principal: ana };
    assert!(matches!(s.by("dana", erase.clone()), Err(Refusal::Conflict { .. })), "not while at work");
    let off = Command::UpdateUser { user: ana, name: None, upn: None, enabled: Some(false), person: None };
    s.by("dana", off).expect("disabled");
    s.by("dana", erase).expect("erased");
    assert_eq!(s.state.name_of(ana), crate::personal::ERASED);
    assert!(s.state.user_named("ana@northwind.example").is_none());
    assert_eq!(s.state.requests[&request].ask.reason.as_ref().and_then(|r| r.text()), None);
}

#[test]
fn events_read_back_as_written() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    s.decides("ben", request, true).expect("approved");
    s.at("09:00");
    for (_, event) in &s.log {
        assert!(KINDS.contains(&event.kind()));
        assert_eq!(Event::from_value(event.kind(), 1, event.to_value()).as_ref(), Ok(event));
    }
    assert!(Event::from_value("no_such_kind", 1, serde_json::Value::Null).is_err());
    assert!(Event::from_value("erased", 2, serde_json::Value::Null).is_err());
}

#[test]
fn a_snapshot_is_the_state() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    s.decides("ben", request, true).expect("approved");
    let again = State::from_snapshot(&s.state.to_snapshot()).expect("read");
    assert!(again == s.state);
    assert!(State::from_snapshot(b"{}").is_err());
}
