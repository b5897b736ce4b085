//! Who may read what in Writ. Writing is judged by `decide`; every read passes here.
//! It never filters by itself: it says how much of a thing the asker may see.
//!
//! Always: people see what is about themselves and what they may approve; the rest needs a role.

use crate::decide::{Context, is_approver, may_decide};
use crate::holds;
use crate::ids::*;
use crate::permission::{Act, Thing, any_permitted};
use crate::refusal::Refusal;
use crate::role::{Duties, Duty};
use crate::state::{Request, State};
use alloc::vec::Vec;

/// What somebody wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// Users, groups, units, hosts, programs: names and addresses.
    Directory,
    /// The tenant's name and id.
    Organization,
    /// Role definitions.
    Roles,
    /// Eligibilities, assignments and requests: everybody's, or one's own.
    Grants,
    /// Rules of roles.
    Rules,
    /// The audit records.
    Audit,
    /// The log itself, personal data included.
    Log,
    /// What explains one principal's chances.
    Explain(PrincipalId),
    /// One's own account.
    Me,
}

/// How much of it they may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All of it.
    All,
    /// Only what is about this principal, or waits for their decision.
    Own(PrincipalId),
}

impl View {
    /// Whether something about this principal may be seen.
    pub fn shows(self, principal: PrincipalId) -> bool {
        match self {
            View::All => true,
            View::Own(own) => own == principal,
        }
    }
}

/// Judges a query.
pub fn may(state: &State, query: Query, cx: &Context) -> Result<View, Refusal> {
    let asker = cx.asker(state)?;
    any_permitted(&cx.caller, things(query), Act::Read)?;
    let duties = holds::duties(state, asker, cx.now);
    let all_if = |duty: Duty| if duties.has(duty) { Ok(View::All) } else { Ok(View::Own(asker)) };
    match query {
        // As in Entra, whoever is signed in may look people, groups and roles up.
        Query::Directory | Query::Organization | Query::Roles => Ok(View::All),
        Query::Me => Ok(View::Own(asker)),
        Query::Grants => all_if(Duty::ReadRoles),
        // Whoever may ask for a role may know its rules; rules hold no personal data but names of approvers.
        Query::Rules => Ok(View::All),
        Query::Audit => {
            if duties.has(Duty::ReadAudit) {
                Ok(View::All)
            } else {
                Err(Refusal::NotAllowed { duty: Duty::ReadAudit })
            }
        }
        Query::Log => {
            if duties.has(Duty::ReadAudit) && duties.has(Duty::ReadRoles) {
                Ok(View::All)
            } else {
                Err(Refusal::NotAllowed { duty: Duty::ReadAudit })
            }
        }
        Query::Explain(principal) => {
            if state.same_person(principal, asker) || duties.has(Duty::ReadRoles) {
                Ok(View::All)
            } else {
                Err(Refusal::NotAllowed { duty: Duty::ReadRoles })
            }
        }
    }
}

/// Whether one request may be seen: by those it is about, who made it, who may decide it, and who reads all.
pub fn may_see_request(state: &State, request: &Request, view: View, cx: &Context) -> bool {
    match view {
        View::All => true,
        View::Own(own) => {
            request.ask.subject == own
                || request.ask.by == Some(own)
                || may_decide(state, request, own, cx.now)
                || request.stages.iter().flat_map(|s| &s.decided).any(|v| v.by == own)
        }
    }
}

/// Whether a change, of this kind and about these ids, may be seen: changes of eligibilities, assignments, requests and
/// rules only. One's own, one's groups', and those of requests that may be seen; how a request goes on is told to all who
/// are asked to decide it, whoever of them did. Rules change for everybody.
pub fn may_see_change(state: &State, kind: &str, about: &[Uuid], view: View, cx: &Context) -> bool {
    let grants = ["eligibility_", "assignment_", "activation_", "approval_asked", "request_", "grant"];
    if matches!(kind, "rules_changed" | "role_defined" | "role_changed" | "role_deleted") {
        return true;
    }
    if !grants.iter().any(|prefix| kind.starts_with(prefix)) {
        return false;
    }
    if view == View::All {
        return true;
    }
    let follows = |r: &Request| {
        may_see_request(state, r, view, cx) || matches!(view, View::Own(own) if is_approver(state, r, own, cx.now))
    };
    about.iter().any(|id| {
        may_see_held(state, PrincipalId(*id), view) || state.requests.get(&RequestId(*id)).is_some_and(|r| follows(r))
    })
}

/// Which of the ids that a change is about may be told to somebody who may see it. Rights are made and taken for many at
/// once: of such a change, nobody is told whom else it is about.
pub fn told_of_change(state: &State, kind: &str, about: &[Uuid], view: View) -> Vec<Uuid> {
    let holder = |id: &Uuid| state.principals.contains_key(&PrincipalId(*id)).then_some(PrincipalId(*id));
    let sees = |holder| may_see_held(state, holder, view);
    if view == View::All || !kind.starts_with("grant") || about.iter().filter_map(holder).all(sees) {
        return about.to_vec();
    }
    let held = |id: &Uuid| state.assignments.get(&AssignmentId(*id)).map(|a| a.principal);
    about.iter().copied().filter(|id| holder(id).or_else(|| held(id)).is_some_and(sees)).collect()
}

/// Whether something held by a principal may be seen: one's own, and what one's groups pass on.
pub fn may_see_held(state: &State, principal: PrincipalId, view: View) -> bool {
    view.shows(principal)
        || match view {
            View::All => true,
            View::Own(own) => state.groups_of.get(&own).is_some_and(|g| g.contains(&principal)),
        }
}

/// The principals of whom [`may_see_held`] says yes, for lists that begin with them; `None` for everybody.
pub fn seen_holders(state: &State, view: View) -> Option<Vec<PrincipalId>> {
    match view {
        View::All => None,
        View::Own(own) => {
            let groups = state.groups_of.get(&own).into_iter().flatten().copied();
            Some(core::iter::once(own).chain(groups).collect())
        }
    }
}

/// What somebody may do in Writ itself now, for showing the right doors; doing it is judged again.
pub fn duties(state: &State, principal: PrincipalId, cx: &Context) -> Duties {
    holds::duties(state, principal, cx.now)
}

/// What the caller's token must open, one of these, for a query.
fn things(query: Query) -> &'static [Thing] {
    match query {
        Query::Me => &[Thing::Profile, Thing::OwnMemberships, Thing::OwnOwned],
        Query::Organization => &[Thing::Organization],
        Query::Directory => &[
            Thing::Users,
            Thing::Memberships,
            Thing::Owned,
            Thing::Groups,
            Thing::Members,
            Thing::Units,
            Thing::Devices,
            Thing::Programs,
            Thing::Objects,
        ],
        Query::Roles => &[Thing::Roles, Thing::Eligibilities, Thing::Assignments],
        Query::Grants | Query::Explain(_) => &[
            Thing::Assignments,
            Thing::AssignmentRequests,
            Thing::Eligibilities,
            Thing::EligibilityRequests,
            Thing::Approvals,
            Thing::Roles,
        ],
        Query::Rules => &[Thing::Rules],
        Query::Audit | Query::Log => &[Thing::Audit],
    }
}
