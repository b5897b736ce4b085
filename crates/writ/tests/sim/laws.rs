//! The laws that speak of what is so now, held against the published state after each step.
//! It never asks the rules whether the rules are right: it asks the shadow.
//!
//! Always: a broken law panics and names itself.

use crate::asks::ROLES;
use crate::chance::Chance;
use crate::mirror;
use crate::shadow::Shadow;
use std::collections::BTreeSet;
use writ_core::holds;
use writ_core::ids::PrincipalId;
use writ_core::plan::plan;
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::SPAN_MAX_LIMIT;
use writ_core::scope::Scope;
use writ_core::state::State;
use writ_core::time::Time;

pub(crate) fn check(shadow: &Shadow, state: &State, now: Time, chance: &mut Chance) {
    assert_eq!(state.seq, shadow.seq, "law 8: the state is not of the newest entry");
    mirror::check(shadow, state, now);
    law_1(shadow, state, now, chance);
    law_2(shadow);
    law_6(shadow);
    assert!(shadow.ways_in() > 0, "law 7: there is no way in");
    law_10(shadow, state, now);
}

/// Nobody holds a target without an assignment in force, and everybody with one does.
fn law_1(shadow: &Shadow, state: &State, now: Time, chance: &mut Chance) {
    let enabled = |role| shadow.roles.get(&role).is_some_and(|role| role.enabled);
    let in_force: Vec<_> =
        shadow.assignments.iter().filter(|(_, a)| a.covers(now) && enabled(a.target.role_id())).collect();
    let who: Vec<PrincipalId> = shadow.beings.keys().copied().collect();
    for id in &who {
        let plain: BTreeSet<_> = in_force
            .iter()
            .filter(|(_, a)| shadow.beings[id].enabled && shadow.reaches(a.principal, *id))
            .map(|(assignment, _)| **assignment)
            .collect();
        let says: BTreeSet<_> = holds::held(state, *id, now).map(|a| a.id).collect();
        assert_eq!(says, plain, "law 1: what {id} holds");
    }
    let scopes: Vec<Scope> = [Scope::Tenant]
        .into_iter()
        .chain(shadow.units.keys().map(|unit| Scope::Unit(*unit)))
        .chain(who.iter().map(|id| Scope::Object(id.0)))
        .collect();
    for _ in 0..20 {
        let (id, role, scope) = (chance.pick(&who), chance.pick(&ROLES), chance.pick(&scopes));
        let plain = shadow.holds(id, role, scope, now);
        assert_eq!(holds::holds(state, id, role, scope, now), plain, "law 1: {id} and {role} at {scope}");
    }
}

/// Whatever happened to either since, an activation lies within its eligibility's window, and no rule allows a day.
fn law_2(shadow: &Shadow) {
    for (id, a) in &shadow.assignments {
        let Some(from) = a.from else { continue };
        let ends = a.ends.unwrap_or_else(|| panic!("law 2: {id} is an activation without an end"));
        assert!(ends.since(a.starts) <= SPAN_MAX_LIMIT, "law 2: {id} lasts longer than any rule allows");
        // That the eligibility is there is law 6.
        let last = shadow.eligibilities.get(&from).and_then(|e| e.ends);
        assert!(last.is_none_or(|last| ends <= last), "law 2: {id} outlives its eligibility");
    }
}

/// What ends when something it depended on ends, is gone.
fn law_6(shadow: &Shadow) {
    for (id, a) in &shadow.assignments {
        assert!(shadow.beings.contains_key(&a.principal), "law 6: {id} of a deleted principal");
        assert!(shadow.roles.contains_key(&a.target.role_id()), "law 6: {id} of a deleted role");
        assert!(shadow.there(a.target.scope()), "law 6: {id} at {}, which is gone", a.target.scope());
        let Some(from) = a.from else { continue };
        let e = shadow.eligibilities.get(&from);
        let e = e.unwrap_or_else(|| panic!("law 6: {id} outlived its eligibility"));
        assert!(shadow.beings[&a.principal].enabled, "law 6: {id} of a disabled account");
        assert!(shadow.reaches(e.principal, a.principal), "law 6: {id} after leaving the group it came through");
        assert!(shadow.roles[&a.target.role_id()].enabled, "law 6: {id} of a disabled role");
    }
    for (id, e) in &shadow.eligibilities {
        assert!(shadow.beings.contains_key(&e.principal), "law 6: eligibility {id} of a deleted principal");
        assert!(shadow.roles.contains_key(&e.target.role_id()), "law 6: eligibility {id} of a deleted role");
        let used = shadow.assignments.values().any(|a| a.from == Some(*id));
        assert!(used || !e.closing, "law 6: eligibility {id} waits for the end of nothing");
        assert!(shadow.there(e.target.scope()), "law 6: eligibility {id} at {}, which is gone", e.target.scope());
    }
    for (id, asked) in &shadow.asked {
        let Some((subject, from)) = asked.waits_on() else { continue };
        let reached = shadow.eligibilities.get(&from).is_some_and(|e| shadow.reaches(e.principal, subject));
        assert!(reached && shadow.beings[&subject].enabled, "law 6: {id} waits for what cannot come: {asked:?}");
    }
}

/// When time has passed, power is gone: from decisions, from the state, and from the plan.
fn law_10(shadow: &Shadow, state: &State, now: Time) {
    for a in state.assignments.values() {
        assert!(a.ends.is_none_or(|ends| ends > now), "law 10: {} is past its end and still there", a.id);
    }
    for grant in plan(state, now) {
        assert!(grant.not_after.is_none_or(|end| end > now), "law 10: a right is planned beyond its end");
        let scopes = [Scope::Tenant, Scope::Object(grant.host.0)]
            .into_iter()
            .chain(shadow.units.keys().map(|unit| Scope::Unit(*unit)));
        let held = scopes
            .filter(|scope| shadow.contains(*scope, Scope::Object(grant.host.0)))
            .any(|scope| shadow.holds(grant.principal, DEVICE_ADMINISTRATOR, scope, now));
        assert!(held, "law 1: root on {} is planned for {}, who does not hold it", grant.host, grant.principal);
    }
}
