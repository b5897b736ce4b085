//! Which eligibilities and assignments a list has to look at: everything the filter can let through, found by an index
//! where there is one, and the order in which pages go through it.
//! It decides nothing about what is shown: the filter and `may` are asked about every row that comes from here.
//!
//! Always: the order follows from the query alone, so every page of a list goes the same way through it.

use super::ask::{Ask, Whose};
use super::odata::Kind;
use super::odata::options::{By, Query};
use super::odata::value::{Key, Value};
use super::page::Shape;
use crate::http::problem::Problem;
use uuid::Uuid;
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId, RoleId};
use writ_core::may::{View, seen_holders};
use writ_core::scope::Scope;
use writ_core::state::{Assignment, Eligibility, State, Timer};

/// What a list looks at, and how its pages go through it.
pub struct Found<'a, T> {
    /// Order and number.
    pub shape: Shape,
    /// The rows, in that order.
    pub rows: Box<dyn Iterator<Item = &'a T> + Send + 'a>,
}

/// For whom, and how much may be seen.
#[derive(Clone, Copy)]
pub struct Seen {
    /// For whom the list is.
    pub whose: Whose,
    /// How much of it may be seen.
    pub view: View,
}

impl<'a, T> Found<'a, T> {
    /// These few rows, in this order.
    pub fn few(shape: Shape, rows: impl Iterator<Item = &'a T> + Send + 'a) -> Self {
        Self { shape, rows: Box::new(rows) }
    }
    /// These rows, in this order; each counts as looked at, whatever becomes of it.
    pub fn of(ask: &'a Ask, shape: Shape, rows: impl Iterator<Item = &'a T> + Send + 'a) -> Self {
        Self { shape, rows: Box::new(ask.reach.count(rows)) }
    }
    /// Those of them that fit; the others count too.
    pub fn fitting(
        ask: &'a Ask,
        shape: Shape,
        rows: impl Iterator<Item = &'a T> + Send + 'a,
        fits: impl Fn(&&'a T) -> bool + Send + 'a,
    ) -> Self {
        Self { shape, rows: Box::new(ask.reach.count(rows).filter(fits)) }
    }
}

/// What every row of a list says: of an app scope nothing, of a list for nobody in particular that it is held directly,
/// and the status that all have.
pub fn same(seen_by: Option<PrincipalId>, status: Option<&'static str>) -> Vec<(&'static str, Value<'static>)> {
    let direct = seen_by.is_none().then_some(("memberType", "Direct".into()));
    let status = status.map(|status| ("status", status.into()));
    std::iter::once(("appScopeId", Value::Null)).chain(direct).chain(status).collect()
}

/// The eligibilities that a list looks at. `schedule` is the property that holds their own id.
pub fn eligibilities<'a>(
    ask: &'a Ask,
    query: &Query,
    seen: Seen,
    schedule: &'static str,
) -> Result<Found<'a, Eligibility>, Problem> {
    let state = &*ask.moment.state;
    let plain = by(&[schedule]);
    let own = |of: PrincipalId, role: Option<RoleId>| -> Vec<&'a Eligibility> {
        let mut own: Vec<&Eligibility> = state.eligibilities_of(of).iter().map(|e| &**e).collect();
        own.retain(|e| role.is_none_or(|role| e.target.role_id() == role));
        own.sort_unstable_by_key(|e| e.id);
        own
    };
    if let Some(of) = holders(ask, query, seen, schedule) {
        let mut held: Vec<&Eligibility> = of.iter().flat_map(|p| own(*p, None)).collect();
        held.sort_unstable_by_key(|e| e.id);
        return Ok(Found::of(ask, plain, held.into_iter()));
    }
    if let Some(ids) = pinned::<EligibilityId>(query, schedule) {
        return Ok(Found::of(ask, plain, ids.into_iter().filter_map(|id| state.eligibilities.get(&id).map(|e| &**e))));
    }
    let roles = pinned::<RoleId>(query, "roleDefinitionId");
    if let Some([scope]) = query.pins("directoryScopeId").as_deref() {
        let Ok(scope) = scope.parse::<Scope>() else { return Ok(Found::of(ask, plain, std::iter::empty())) };
        let there = move |role: RoleId, from: EligibilityId| {
            let there = state.placed.range((role, scope, from)..);
            there.take_while(move |((r, s, _), _)| (*r, *s) == (role, scope)).map(|(_, e)| &**e)
        };
        if let Some([role]) = roles.as_deref() {
            let from = EligibilityId(id(ask.seeks(query, &plain)?, 0));
            return Ok(Found::of(ask, plain, there(*role, from)));
        }
        let shape = by(&["roleDefinitionId", schedule]);
        let at = ask.seeks(query, &shape)?;
        let (first, from) = (RoleId(id(at, 0)), EligibilityId(id(at, 1)));
        let all = state.roles.range(first..).map(|(role, _)| *role);
        let rows =
            all.flat_map(move |role| there(role, if role == first { from } else { EligibilityId::from_u128(0) }));
        return Ok(Found::of(ask, shape, rows));
    }
    if let Some(roles) = roles {
        let shape = by(&["roleDefinitionId", "principalId", schedule]);
        if !shape.seekable(query) || ask.counting {
            // All of them have to be seen: nearest to each other they lie by scope.
            let first = |role| (role, Scope::Tenant, EligibilityId::from_u128(0));
            let of = move |role| state.placed.range(first(role)..).take_while(move |((r, ..), _)| *r == role);
            let rows = roles.into_iter().flat_map(of).map(|(_, e)| &**e);
            return Ok(Found::of(ask, Shape { sorted: false, ..shape }, rows));
        }
        let at = ask.seeks(query, &shape)?;
        let (first, from) = (RoleId(id(at, 0)), PrincipalId(id(at, 1)));
        let rows = roles.into_iter().filter(move |role| *role >= first).flat_map(move |role| {
            let from = if role == first { from } else { PrincipalId(Uuid::nil()) };
            let holders = state.holders.range((role, from)..).take_while(move |(r, _)| *r == role);
            holders.flat_map(move |(_, holder)| own(*holder, Some(role)))
        });
        return Ok(Found::of(ask, shape, rows));
    }
    if let Some(few) = lately_made(state, query).or_else(|| soon_ended(state, query)) {
        return Ok(Found::few(plain, few.into_iter().filter_map(|id| state.eligibilities.get(&id).map(|e| &**e))));
    }
    let from = EligibilityId(id(ask.seeks(query, &plain)?, 0));
    Ok(Found::of(ask, plain, state.eligibilities.range(from..).map(|(_, e)| &**e)))
}

/// The assignments that a list looks at. Those in force now are few beside what people may ask for, and none of their
/// indexes would be free: an activation would pay for each. So other filters walk over all of them.
pub fn assignments<'a>(
    ask: &'a Ask,
    query: &Query,
    seen: Seen,
    schedule: &'static str,
) -> Result<Found<'a, Assignment>, Problem> {
    let state = &*ask.moment.state;
    let plain = by(&[super::instances::ROW]);
    if let Some(of) = holders(ask, query, seen, schedule) {
        return Ok(Found::of(ask, plain, assigned(state, of).into_iter()));
    }
    if let Some(ids) = query.pins(schedule) {
        // What was made without a request is not called by a GUID, but by whom and what it is of.
        let holder = |id: &&str| match Uuid::try_parse(id) {
            Ok(id) => state.assignments.get(&AssignmentId(id)).map(|a| a.principal),
            Err(_) => super::ids::holder(id).map(|(principal, _)| principal),
        };
        return Ok(Found::of(ask, plain, assigned(state, ids.iter().filter_map(holder).collect()).into_iter()));
    }
    let from = AssignmentId(id(ask.seeks(query, &plain)?, 0));
    // What the filter pins is compared before it is made into what Graph shows.
    let roles = pinned::<RoleId>(query, "roleDefinitionId");
    let scopes = scopes(query);
    // Whatever the filter says of it, there are two types.
    let lets = |sort: &'static str| query.may_hold(&[("assignmentType", sort.into())]);
    let (activated, assigned) = (lets("Activated"), lets("Assigned"));
    let fits = move |a: &&Assignment| {
        (if a.activated() { activated } else { assigned })
            && roles.as_ref().is_none_or(|roles| roles.contains(&a.target.role_id()))
            && scopes.as_ref().is_none_or(|scopes| scopes.contains(&a.target.scope()))
    };
    Ok(Found::fitting(ask, plain, state.assignments.range(from..).map(|(_, a)| &**a), fits))
}

/// The assignments of these principals, in the order of their ids.
fn assigned(state: &State, mut of: Vec<PrincipalId>) -> Vec<&Assignment> {
    of.sort_unstable();
    of.dedup();
    let mut held: Vec<&Assignment> = of.iter().flat_map(|p| state.assignments_of(*p).map(|a| &**a)).collect();
    held.sort_unstable_by_key(|a| a.id);
    held
}

/// The principals whose rows are all that can be shown: those that the filter pins, those that the list is for, and
/// those that somebody who may not see everybody's may see. `None` for everybody.
fn holders(ask: &Ask, query: &Query, seen: Seen, schedule: &str) -> Option<Vec<PrincipalId>> {
    let state = &ask.moment.state;
    let groups = |of: &PrincipalId| state.groups_of.get(of).into_iter().flatten().copied();
    let mut of: Vec<PrincipalId> = match (seen.whose, ask.moment.me) {
        (Whose::Everybody, _) => {
            let pinned = pinned(query, "principalId").or_else(|| named_by_id(query, schedule));
            pinned.or_else(|| seen_holders(state, seen.view))?
        }
        (_, None) => Vec::new(),
        (_, Some(me)) => {
            let passes = |g: &PrincipalId| {
                state.principals.get(g).is_some_and(|p| p.enabled && p.group().is_some_and(|g| g.role_assignable))
            };
            std::iter::once(me).chain(groups(&me).filter(passes)).collect()
        }
    };
    of.sort_unstable();
    of.dedup();
    Some(of)
}

/// The holders of what the filter pins by ids that name their holders, as those of what is in force do; a schedule's
/// own does not.
fn named_by_id(query: &Query, schedule: &str) -> Option<Vec<PrincipalId>> {
    let ids = query.pins("id").filter(|_| schedule != "id").or_else(|| query.pins("roleAssignmentOriginId"))?;
    Some(ids.iter().filter_map(|id| super::ids::holder(id)).map(|(principal, _)| principal).collect())
}

/// How many rows that an index finds are sorted; of more, so many fit that walking in order finds a page soon.
const FEW: usize = 4_000;
/// How many entries of an index of moments are looked at, to find these few.
const LOOKED_AT: usize = 20_000;

/// The eligibilities that were made as lately as the filter says, in the order of their ids, if they are few.
fn lately_made(state: &State, query: &Query) -> Option<Vec<EligibilityId>> {
    let since = query.filter.as_ref()?.since("createdDateTime")?;
    few(state.made.range((since, EligibilityId(Uuid::nil()))..).map(|(_, id)| Some(*id)))
}

/// The eligibilities that end as soon as the filter says, in the same way.
fn soon_ended(state: &State, query: &Query) -> Option<Vec<EligibilityId>> {
    let until = query.filter.as_ref()?.until("endDateTime")?;
    let ended = state.timers.iter().take_while(|(at, _)| *at <= until);
    few(ended.map(|(_, timer)| match timer {
        Timer::EndEligibility(id) => Some(*id),
        _ => None,
    }))
}

/// What an index names, in order, if it is little and found soon.
pub fn few<T: Ord>(found: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let mut few = Vec::new();
    for (n, id) in found.enumerate() {
        few.extend(id);
        if n == LOOKED_AT || few.len() > FEW {
            return None;
        }
    }
    few.sort_unstable();
    Some(few)
}

/// The ids that the filter pins a property to, each once and in order. What is no id equals no row's.
pub fn pinned<T: From<Uuid> + Ord>(query: &Query, property: &str) -> Option<Vec<T>> {
    let mut ids: Vec<T> = query.pins(property)?.iter().filter_map(|id| Uuid::try_parse(id).ok().map(T::from)).collect();
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// The scopes that the filter pins. What is no scope equals no row's.
pub fn scopes(query: &Query) -> Option<Vec<Scope>> {
    Some(query.pins("directoryScopeId")?.iter().filter_map(|scope| scope.parse().ok()).collect())
}

fn by(properties: &[&'static str]) -> Shape {
    let by = |property: &&'static str| By { property, kind: Kind::Id, descending: false };
    Shape::by_id().sorted().ordered(properties.iter().map(by).collect())
}

/// The nth key of the row that a page begins after; nil, with which everything begins, on the first page.
fn id(at: Option<&[Key]>, nth: usize) -> Uuid {
    at.and_then(|at| at.get(nth)?.guid()).unwrap_or_default()
}
