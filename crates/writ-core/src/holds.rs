//! Who holds what, where, now; and why.
//! It never says whether that is right: only whether an assignment in force says so.
//!
//! Always: nobody holds anything outside an assignment's own window, or while disabled; a group passes roles only to
//! its direct members, and only if it is role-assignable.

use crate::directory::Group;
use crate::ids::*;
use crate::role::{Duties, Duty};
use crate::scope::{Scope, Target};
use crate::state::{Assignment, Eligibility, State};
use crate::time::Time;
use alloc::sync::Arc;

/// The principals whose grants count for this one: itself and the role-assignable groups it is directly in.
fn sources(state: &State, principal: PrincipalId) -> impl Iterator<Item = PrincipalId> + '_ {
    let groups = state.groups_of.get(&principal).into_iter().flatten().copied();
    core::iter::once(principal).chain(
        groups.filter(|g| {
            state.principals.get(g).is_some_and(|p| p.enabled && p.group().is_some_and(|g| g.role_assignable))
        }),
    )
}

/// Whether a principal exists and is enabled.
pub fn enabled(state: &State, principal: PrincipalId) -> bool {
    state.principals.get(&principal).is_some_and(|p| p.enabled)
}

/// Everything a principal holds now, directly and through groups.
pub fn held(state: &State, principal: PrincipalId, now: Time) -> impl Iterator<Item = &Arc<Assignment>> {
    let on = enabled(state, principal);
    sources(state, principal)
        .filter(move |_| on)
        .flat_map(|p| state.assignments_of(p))
        .filter(move |a| a.in_window(now) && state.roles.get(&a.target.role_id()).is_some_and(|r| r.enabled))
}

/// Everything a principal is eligible for now, directly and through groups.
pub fn eligible(state: &State, principal: PrincipalId, now: Time) -> impl Iterator<Item = &Arc<Eligibility>> {
    let on = enabled(state, principal);
    sources(state, principal)
        .filter(move |_| on)
        .flat_map(|p| state.eligibilities_of(p).iter())
        .filter(move |e| e.in_window(now) && state.roles.get(&e.target.role_id()).is_some_and(|r| r.enabled))
}

/// Every eligibility of a principal that has not ended, future ones too, directly and through groups.
pub fn eligible_ever(state: &State, principal: PrincipalId) -> impl Iterator<Item = &Arc<Eligibility>> {
    sources(state, principal).flat_map(|p| state.eligibilities_of(p).iter())
}

/// Whether a role held at one scope holds at another.
pub fn contains(state: &State, outer: Scope, inner: Scope) -> bool {
    match (outer, inner) {
        (Scope::Tenant, _) => true,
        (a, b) if a == b => true,
        (Scope::Unit(unit), Scope::Object(object)) => state.units_of.get(&object).is_some_and(|u| u.contains(&unit)),
        _ => false,
    }
}

/// Whether a principal holds a role at a scope now.
///
/// The same answer as looking through [`held`], in the order that ends soonest: most principals hold nothing now.
pub fn holds(state: &State, principal: PrincipalId, role: RoleId, scope: Scope, now: Time) -> bool {
    let says = |a: &Arc<Assignment>| {
        a.target.role_id() == role && a.in_window(now) && contains(state, a.target.scope(), scope)
    };
    sources(state, principal).any(|p| state.assignments_of(p).any(says))
        && enabled(state, principal)
        && state.roles.get(&role).is_some_and(|r| r.enabled)
}

/// What a principal may do now in Writ itself, over the object or the tenant named by the scope.
pub fn duties_at(state: &State, principal: PrincipalId, scope: Scope, now: Time) -> Duties {
    held(state, principal, now)
        .filter(|a| contains(state, a.target.scope(), scope))
        .filter_map(|a| state.roles.get(&a.target.role_id()))
        .fold(Duties::NONE, |d, role| d.and(role.duties))
}

/// What a principal may do now in Writ itself, everywhere in the tenant.
pub fn duties(state: &State, principal: PrincipalId, now: Time) -> Duties {
    duties_at(state, principal, Scope::Tenant, now)
}

/// The users who hold, or are eligible for, a role that allows this duty in the whole tenant: the fallback approvers
/// are taken from them. Enabled ones only, emergency accounts included.
pub fn could(state: &State, duty: Duty, now: Time) -> alloc::vec::Vec<PrincipalId> {
    let roles: alloc::vec::Vec<RoleId> = state.roles.keys().filter(|r| allows(state, **r, duty)).copied().collect();
    let mut found = imbl::OrdSet::new();
    for role in roles {
        for holder in state.holders_of(role).filter(|h| reaches(state, *h, duty, now)) {
            let group = passing_on(state, holder);
            found.insert(holder);
            found.extend(group.into_iter().flat_map(|g| g.members.iter().copied()));
        }
    }
    found.into_iter().filter(|id| enabled_user(state, *id)).collect()
}

/// Whether somebody is one of those that [`could`] names, without looking at everybody else.
pub fn could_be(state: &State, principal: PrincipalId, duty: Duty, now: Time) -> bool {
    let mut groups = state.groups_of.get(&principal).into_iter().flatten();
    enabled_user(state, principal)
        && (reaches(state, principal, duty, now)
            || groups.any(|g| passing_on(state, *g).is_some() && reaches(state, *g, duty, now)))
}

/// Whether an enabled role allows a duty.
fn allows(state: &State, role: RoleId, duty: Duty) -> bool {
    state.roles.get(&role).is_some_and(|r| r.enabled && r.duties.has(duty))
}

/// Whether a principal itself, now or by asking, has a role in the whole tenant that allows a duty.
fn reaches(state: &State, holder: PrincipalId, duty: Duty, now: Time) -> bool {
    let wide = |t: Target| t.scope() == Scope::Tenant && allows(state, t.role_id(), duty);
    state.assignments_of(holder).any(|a| a.in_window(now) && wide(a.target))
        || state.eligibilities_of(holder).iter().any(|e| e.in_window(now) && wide(e.target))
}

/// The group that a principal is, if it passes roles on to its members.
fn passing_on(state: &State, principal: PrincipalId) -> Option<&Group> {
    state.principals.get(&principal).filter(|p| p.enabled)?.group().filter(|g| g.role_assignable)
}

fn enabled_user(state: &State, principal: PrincipalId) -> bool {
    state.principals.get(&principal).is_some_and(|p| p.enabled && p.user().is_some())
}

/// Whether a principal is powerful: holds or is eligible for a privileged role, now or later, or approves for one, by its
/// rules as they are or as they were when a request that still waits was made.
pub fn powerful(state: &State, principal: PrincipalId) -> bool {
    let privileged = |role: RoleId| state.roles.get(&role).is_some_and(|r| r.privileged());
    let any_window = sources(state, principal).any(|p| {
        state.assignments_of(p).any(|a| privileged(a.target.role_id()))
            || state.eligibilities_of(p).iter().any(|e| privileged(e.target.role_id()))
    });
    any_window || approves_for_privileged(state, principal)
}

fn approves_for_privileged(state: &State, principal: PrincipalId) -> bool {
    use crate::rules::Approver;
    let above = state.groups_above(principal);
    let named = |a: &Approver| match a {
        Approver::User(id) => *id == principal,
        Approver::Group(id) => above.contains(id),
        Approver::Administrators => false,
    };
    let privileged = |role: RoleId| state.roles.get(&role).is_some_and(|r| r.privileged());
    state.rules.iter().any(|(role, rules)| {
        let approval = &rules.activation.approval;
        approval.asked() && privileged(*role) && approval.stages.iter().flat_map(|s| &s.approvers).any(named)
    }) || state
        .open
        .iter()
        .filter_map(|(_, id)| state.requests.get(id))
        .any(|r| privileged(r.ask.target.role_id()) && r.stages.iter().flat_map(|s| &s.stage.approvers).any(named))
}

/// Whether any principal of this one's person holds, or is eligible for, something that fits, now or later, directly or
/// through groups. What somebody gains by a change is gained by their other accounts just as well.
pub fn person_could(state: &State, principal: PrincipalId, fits: impl Fn(crate::scope::Target) -> bool) -> bool {
    let others =
        state.person_of(principal).and_then(|person| state.persons.get(&person)).into_iter().flatten().copied();
    core::iter::once(principal).chain(others).flat_map(|p| sources(state, p)).any(|p| {
        state.assignments_of(p).any(|a| fits(a.target)) || state.eligibilities_of(p).iter().any(|e| fits(e.target))
    })
}
