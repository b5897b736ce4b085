//! Which kinds of event become audit records, held against one sample of every kind there is.

use super::changes::NOT_AUDITED;
use super::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use writ_core::event::KINDS;
use writ_core::ids::{AssignmentId, EligibilityId, RoleId};
use writ_core::log::{Entry, open};
use writ_core::scope::{Scope, Target};
use writ_core::state::{Assignment, Eligibility};

/// Events whose records tell no property: something was found, used or wiped; or the samples leave it as it was.
const NOTHING_MODIFIED: &[&str] = &[
    "erased",
    "host_reported",
    "principal_enabled",
    "role_changed",
    "settings_changed",
    "sign_in_noted",
    "unit_changed",
];

/// One sealed sample of every kind, as the core keeps them.
const SAMPLES: &str = include_str!("../../../../writ-core/tests/golden/entries.jsonl");

fn samples() -> Vec<(Envelope, Event)> {
    let read = |line: &str| {
        let (entry, rest) = line.strip_prefix("{\"entry\":").unwrap().split_once(",\"leaf\":\"").unwrap();
        let private = rest.split_once(",\"private\":").map(|(_, private)| private.strip_suffix('}').unwrap());
        let told: serde_json::Value = serde_json::from_str(entry).unwrap();
        let entry = Entry {
            seq: told["seq"].as_u64().unwrap(),
            at: told["at"].as_str().unwrap().parse().unwrap(),
            kind: told["kind"].as_str().unwrap().into(),
            bytes: entry.into(),
            private: private.map(Into::into),
        };
        let envelope = open(&entry).unwrap();
        let event = Event::from_value(&envelope.kind, envelope.v, envelope.event.clone()).unwrap();
        (envelope, event)
    };
    SAMPLES.lines().map(read).collect()
}

/// Whether something is there that was not.
fn made(event: &Event) -> bool {
    matches!(
        event,
        Event::TenantFounded { .. }
            | Event::UserCreated { .. }
            | Event::GroupCreated { .. }
            | Event::UnitCreated { .. }
            | Event::RoleDefined { .. }
            | Event::HostEnrolled { .. }
    )
}

/// A tenant in which what the samples speak of is there: Ana is an emergency account, Ben holds the role.
fn tenant(samples: &[(Envelope, Event)]) -> State {
    let mut state = State::empty(writ_core::ids::TenantId::from_u128(1));
    for (envelope, event) in samples {
        let event = match event.clone() {
            Event::UserCreated { user, person, name, upn, .. } => {
                Event::UserCreated { user, person, name, upn, emergency: true }
            }
            event if made(&event) || matches!(event, Event::ApprovalAsked { .. }) => event,
            _ => continue,
        };
        let meta = Meta { seq: state.seq + 1, at: envelope.at, actor: None };
        state.apply(&meta, &event);
    }
    let (principal, target) = (PrincipalId::from_u128(0xb), Target::role(RoleId::from_u128(0x101), Scope::Tenant));
    let at = samples[0].0.at;
    let held = |own: serde_json::Value| {
        let mut held = serde_json::json!({
            "principal": principal, "target": target, "starts": at, "ends": null, "made": at, "changed": null, "by": null,
        });
        held.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        held
    };
    let (eligibility, assignment) = (EligibilityId::from_u128(0x501), AssignmentId::from_u128(0x601));
    let may_ask = serde_json::from_value::<Eligibility>(held(serde_json::json!({"id": eligibility, "closing": false})));
    let own = serde_json::json!({"id": assignment, "from": eligibility, "plain": false});
    let holds = serde_json::from_value::<Assignment>(held(own));
    state.eligibilities.insert(eligibility, Arc::new(may_ask.unwrap()));
    state.assignments.insert(assignment, Arc::new(holds.unwrap()));
    state
}

#[test]
fn every_kind_is_audited_or_says_why_it_is_not() {
    let samples = samples();
    let before = tenant(&samples);
    let (mut audited, mut modifying) = (BTreeSet::new(), BTreeSet::new());
    for (envelope, event) in &samples {
        // What makes something is held against a tenant that does not have it yet.
        let before = if made(event) { State::empty(before.tenant) } else { before.clone() };
        let meta = Meta { seq: before.seq + 1, at: envelope.at, actor: envelope.actor.principal };
        let mut after = before.clone();
        after.apply(&meta, event);
        let found = records(&Moment { before: &before, after: &after, meta: &meta, event, envelope });
        for record in &found {
            assert!(!record.activity.is_empty() && !record.operation.is_empty() && !record.category.is_empty());
            let modified: Vec<_> = record.targets.iter().flat_map(|t| &t.modified).collect();
            if !modified.is_empty() {
                modifying.insert(event.kind());
            }
            for (name, old, new) in modified {
                for value in [old, new] {
                    let json = value.is_empty() || serde_json::from_str::<serde_json::Value>(value).is_ok();
                    assert!(json && !name.is_empty(), "{}: {name} {value}", record.activity);
                }
            }
        }
        if !found.is_empty() {
            audited.insert(event.kind());
        }
    }
    assert_eq!(audited.difference(&modifying).copied().collect::<Vec<_>>(), NOTHING_MODIFIED);
    for kind in KINDS {
        let excused = NOT_AUDITED.iter().find(|(named, _)| named == kind);
        assert!(
            audited.contains(kind) != excused.is_some(),
            "{kind}: every kind either becomes an audit record or stands in NOT_AUDITED with a reason"
        );
    }
    for (named, because) in NOT_AUDITED {
        assert!(KINDS.contains(named) && because.len() > 30, "{named}");
    }
}
