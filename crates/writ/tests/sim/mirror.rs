//! The published state, held row by row against the shadow's: two folds of one log, by different hands.
//! It reads the state's rows and, but for two, none of its indexes; those are what `holds` and `plan` answer by, which the laws ask.
//!
//! Always: what one of them has, the other has too.

use crate::shadow::{Being, Grant, Group, Purpose, Settings, Shadow, Unit, effect};
use std::collections::{BTreeMap, BTreeSet};
use writ_core::directory::Principal;
use writ_core::ids::{PrincipalId, RequestId};
use writ_core::rules::Rules;
use writ_core::state::{self, State, Unusual};
use writ_core::time::Time;

pub(crate) fn check(shadow: &Shadow, state: &State, now: Time) {
    let told = |s: &state::Settings| Settings { name: s.name.clone(), span_min: s.span_min, age_min: s.age_min };
    assert_eq!(state.settings.as_ref().map(told), shadow.settings, "the settings");
    principals(shadow, state);
    roles(shadow, state);
    grants(shadow, state);
    requests(shadow, state);
    hosts(shadow, state);
    proofs(shadow, state, now);
}

fn principals(shadow: &Shadow, state: &State) {
    let there: Vec<_> = state.principals.keys().collect();
    assert_eq!(there, shadow.beings.keys().collect::<Vec<_>>(), "who there is");
    for (id, p) in &state.principals {
        same_being(*id, p, &shadow.beings[id]);
    }
    let units: BTreeMap<_, _> = state
        .units
        .iter()
        .map(|(id, unit)| {
            let objects = unit.members.iter().map(|m| m.0).chain(unit.hosts.iter().map(|h| h.0)).collect();
            (*id, Unit { name: unit.name.clone(), description: unit.description.clone(), objects })
        })
        .collect();
    assert_eq!(units, shadow.units, "the units");
}

fn same_being(id: PrincipalId, p: &Principal, being: &Being) {
    let upn = p.user().and_then(|user| user.upn.text());
    let texts = (p.name.text(), upn);
    assert_eq!(texts, (being.name.as_deref(), being.upn.as_deref()), "what {id} is called");
    let facts = (p.person(), p.enabled, p.emergency());
    assert_eq!(facts, (being.person, being.enabled, being.emergency), "what {id} is");
    let group = p.group().map(|g| Group {
        passes: g.role_assignable,
        description: g.description.clone(),
        members: g.members.iter().copied().collect(),
        owners: g.owners.iter().copied().collect(),
    });
    assert_eq!(group, being.group, "who is in {id}");
}

fn roles(shadow: &Shadow, state: &State) {
    let same = state.roles.iter().map(|(id, role)| (id, &**role)).eq(&shadow.roles);
    assert!(same, "the roles");
    assert!(state.rules.keys().eq(shadow.rules.keys()), "which roles have rules");
    for (id, rules) in &state.rules {
        // When they were changed is on record; no law speaks of it.
        let plain = Rules { changed: None, ..Rules::clone(rules) };
        assert_eq!(plain, shadow.rules[id], "the rules of {id}");
    }
    assert!(state.unsatisfiable.iter().eq(&shadow.unsatisfiable), "which roles nobody could approve");
}

fn grants(shadow: &Shadow, state: &State) {
    let eligibilities: BTreeMap<_, _> = state
        .eligibilities
        .iter()
        .map(|(id, e)| {
            let state::Eligibility { principal, target, starts, ends, made, closing, .. } = **e;
            (*id, Grant { principal, target, starts, ends, made, from: None, closing, plain: false })
        })
        .collect();
    assert_eq!(eligibilities, shadow.eligibilities, "law 1: who is eligible");
    let assignments: BTreeMap<_, _> = state
        .assignments
        .iter()
        .map(|(id, a)| {
            let state::Assignment { principal, target, starts, ends, made, from, plain, .. } = **a;
            (*id, Grant { principal, target, starts, ends, made, from, closing: false, plain })
        })
        .collect();
    assert_eq!(assignments, shadow.assignments, "law 1: who is assigned");
    assert!(state.expired.iter().eq(&shadow.ran_out), "what can be renewed");
}

fn requests(shadow: &Shadow, state: &State) {
    for (id, request) in &state.requests {
        let asked = &shadow.asked[id];
        assert_eq!((request.status, request.completed), (asked.status, asked.closed), "where {id} stands");
    }
    let open: BTreeSet<RequestId> = state.open.iter().map(|(_, id)| *id).collect();
    for (id, asked) in &shadow.asked {
        assert_eq!(asked.status.open(), open.contains(id), "whether {id} is open");
        assert_eq!(!asked.forgotten, state.requests.contains_key(id), "whether {id} is remembered");
    }
    // Lists are read by these indexes and by nothing that a law asks.
    let unusual = state.requests.values().flat_map(|r| {
        let both = [Unusual::ended(r.status), Unusual::asked(r.sort, r.ask.action)];
        both.into_iter().flatten().map(|what| (what, r.ask.request))
    });
    assert!(state.unusual.iter().copied().eq(unusual.collect::<BTreeSet<_>>()), "what is unusual about requests");
    let for_others = state.requests.values().filter(|r| r.ask.by.is_some_and(|by| by != r.ask.subject));
    let for_others: BTreeSet<_> = for_others.filter_map(|r| Some((r.ask.by?, r.ask.request))).collect();
    assert!(state.for_others.iter().eq(&for_others), "who made requests for others");
}

fn hosts(shadow: &Shadow, state: &State) {
    assert!(state.hosts.keys().eq(&shadow.hosts), "the hosts");
    let accounts: BTreeMap<_, _> =
        state.accounts.iter().map(|(key, name)| (*key, (name.about(), name.text().map(Into::into)))).collect();
    assert_eq!(accounts, shadow.accounts, "the local accounts");
    assert!(state.account_rules.iter().eq(&shadow.account_rules), "how local accounts are named");
    let effects: BTreeMap<_, _> = state.effects.iter().map(|(key, now)| (*key, effect(now))).collect();
    assert_eq!(effects, shadow.effects, "what is in force on hosts");
    assert_eq!(state.epoch, shadow.epoch, "the epoch of orders");
}

fn proofs(shadow: &Shadow, state: &State, now: Time) {
    let credentials: BTreeMap<_, _> = state.credentials.iter().map(|(id, c)| (*id, (c.principal, c.method))).collect();
    assert_eq!(credentials, shadow.credentials, "the credentials");
    let purpose = |purpose| match purpose {
        state::Purpose::FirstFactor(who) => Purpose::SignIn(who),
        state::Purpose::Host(unit) => Purpose::Host(unit),
    };
    // When one that has run out is thrown away, nobody can tell.
    let good: BTreeMap<_, _> = state
        .codes
        .iter()
        .filter(|(_, code)| code.expires > now)
        .map(|(id, code)| (*id, (purpose(code.purpose), code.expires)))
        .collect();
    let mut plain = shadow.codes.clone();
    plain.retain(|_, (_, expires)| *expires > now);
    assert_eq!(good, plain, "the codes that are good");
    assert!(state.emergency_used.iter().eq(&shadow.emergency_used), "when emergency accounts were used");
}
