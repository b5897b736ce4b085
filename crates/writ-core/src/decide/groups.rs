//! Groups and who is in them.
//! A group that passes roles or approves requests is protected: whoever could add themselves to it would climb.
//!
//! Always: no group contains itself, however deep; nobody adds their own person to a protected group.

use super::*;
use crate::directory::Group;
use crate::event::Why;
use crate::rules::{Approver, Rules};
use imbl::OrdSet;

/// How many members a group may be created with at once.
const MEMBERS_MAX: usize = 1000;
/// How deep a chain of nested groups may be.
const DEPTH_MAX: usize = 50;

/// Whether a group passes roles or approves requests, itself or by being inside one that does.
pub fn protected(state: &State, group: PrincipalId) -> bool {
    let mut all = state.groups_above(group);
    all.insert(group);
    let passes = |id: &PrincipalId| {
        let assignable = state.principals.get(id).and_then(|p| p.group()).is_some_and(|g| g.role_assignable);
        assignable || !state.eligibilities_of(*id).is_empty() || state.assignments_of(*id).next().is_some()
    };
    let named = |approver: &Approver| matches!(approver, Approver::Group(id) if all.contains(id));
    let approves = |rules: &Rules| {
        let approval = &rules.activation.approval;
        approval.asked() && approval.stages.iter().flat_map(|s| &s.approvers).any(named)
    };
    // Somebody who waits for an approver may not be helped by a change of the approvers either.
    let waited_for = |r: &RequestId| {
        state.requests.get(r).is_some_and(|r| r.stages.iter().flat_map(|s| &s.stage.approvers).any(named))
    };
    all.iter().any(passes) || state.rules.values().any(|r| approves(r)) || state.open.iter().any(|(_, r)| waited_for(r))
}

fn group(state: &State, id: PrincipalId) -> Result<&Group, Refusal> {
    let p = state.principals.get(&id).and_then(|p| p.group());
    p.ok_or_else(|| Refusal::NoSuch { what: What::Group, id: id.to_string() })
}

/// Who may change a group: those who manage groups, its owners, and for a protected one only those who manage
/// protected groups.
pub(super) fn may_manage(state: &State, cx: &Context, id: PrincipalId) -> Result<(), Refusal> {
    let g = group(state, id)?;
    let by = cx.asker(state)?;
    if protected(state, id) {
        return cx.with_duty(state, Duty::ManageProtectedGroups).map(|_| ());
    }
    if g.owners.contains(&by) {
        return Ok(());
    }
    cx.with_duty_over(state, Duty::ManageGroups, id.0).map(|_| ())
}

/// A group to be made.
pub(super) struct NewGroup<'a> {
    pub(super) id: PrincipalId,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) role_assignable: bool,
    pub(super) owners: &'a [PrincipalId],
    pub(super) members: &'a [PrincipalId],
}

pub(super) fn create(state: &State, cx: &Context, new: &NewGroup<'_>) -> Judged {
    let NewGroup { id, name, description, role_assignable, owners, members } = *new;
    short("displayName", name)?;
    long("description", Some(description))?;
    if members.len() > MEMBERS_MAX || owners.len() > MEMBERS_MAX {
        return Err(Refusal::TooMany { what: "members at creation", max: MEMBERS_MAX });
    }
    cx.with_duty(state, if role_assignable { Duty::ManageProtectedGroups } else { Duty::ManageGroups })?;
    if state.principals.contains_key(&id) {
        return Err(Refusal::Taken { what: "id", name: id.to_string() });
    }
    for member in members.iter().chain(owners) {
        let p = super::principal(state, *member)?;
        if p.emergency() && members.contains(member) {
            return Err(Refusal::Conflict { why: "An emergency account stands alone: it is in no group.".into() });
        }
        if role_assignable && p.group().is_some() {
            return Err(Refusal::Conflict {
                why: "A role-assignable group has no groups in it: it passes roles to direct members only.".into(),
            });
        }
    }
    let groups = |id: &PrincipalId| state.principals.get(id).is_some_and(|p| p.group().is_some());
    if depth_below(state, members.iter().copied().filter(groups).collect()) >= DEPTH_MAX {
        return Err(Refusal::TooMany { what: "levels of groups within groups", max: DEPTH_MAX });
    }
    // Nothing is gained yet by one's own membership: a new group gives and approves nothing.
    let unique = |list: &[PrincipalId]| list.iter().copied().collect::<OrdSet<_>>().into_iter().collect();
    let event = Event::GroupCreated {
        group: id,
        name: Personal::new(id, name.trim()),
        description: description.into(),
        role_assignable,
        owners: unique(owners),
        members: unique(members),
    };
    Ok((vec![event], Answer::Made(id.0)))
}

pub(super) fn update(
    state: &State,
    cx: &Context,
    id: PrincipalId,
    name: Option<&str>,
    description: Option<&str>,
) -> Judged {
    if let Some(name) = name {
        short("displayName", name)?;
    }
    long("description", description)?;
    may_manage(state, cx, id)?;
    let event = Event::GroupChanged {
        group: id,
        name: name.map(|n| Personal::new(id, n.trim())),
        description: description.map(Into::into),
    };
    Ok((vec![event], Answer::Done))
}

pub(super) fn add_member(state: &State, cx: &Context, id: PrincipalId, member: PrincipalId) -> Judged {
    let g = group(state, id)?;
    let m = super::principal(state, member)?;
    if g.members.contains(&member) {
        return Err(Refusal::AlreadyThere { what: "membership", role: state.name_of(id), until: None });
    }
    if m.group().is_some() {
        if member == id || state.in_group(id, member) {
            return Err(Refusal::Conflict {
                why: "A group cannot contain itself, directly or through other groups.".into(),
            });
        }
        if g.role_assignable {
            return Err(Refusal::Conflict {
                why: "A role-assignable group has no groups in it: it passes roles to direct members only.".into(),
            });
        }
        if depth_above(state, id) + depth_below(state, OrdSet::unit(member)) >= DEPTH_MAX {
            return Err(Refusal::TooMany { what: "levels of groups within groups", max: DEPTH_MAX });
        }
    }
    may_manage(state, cx, id)?;
    let by = cx.asker(state)?;
    let own = if m.group().is_some() {
        state.everybody_in(member).iter().any(|p| state.same_person(*p, by))
    } else {
        state.same_person(member, by)
    };
    if own && protected(state, id) {
        let why =
            "This group passes roles or approves requests: nobody adds themselves to it. Another administrator can."
                .into();
        return Err(Refusal::Climb { why });
    }
    if m.emergency() {
        return Err(Refusal::Conflict { why: "An emergency account stands alone: it is in no group.".into() });
    }
    if g.role_assignable {
        // Whoever joins holds what the group holds.
        cx.clock_sound()?;
    }
    Ok((vec![Event::MemberAdded { group: id, member }], Answer::Done))
}

fn depth_above(state: &State, group: PrincipalId) -> usize {
    let mut level = OrdSet::unit(group);
    let mut depth = 0;
    while depth < DEPTH_MAX {
        level = level.iter().filter_map(|g| state.groups_of.get(g)).flatten().copied().collect();
        if level.is_empty() {
            break;
        }
        depth += 1;
    }
    depth
}

/// How many levels of groups there are from these down, themselves counted; those that are in several groups of a level
/// are looked at once.
fn depth_below(state: &State, groups: OrdSet<PrincipalId>) -> usize {
    let (mut level, mut depth) = (groups, 0);
    while !level.is_empty() && depth < DEPTH_MAX {
        let members = level.iter().filter_map(|g| state.principals.get(g)?.group()).flat_map(|g| g.members.iter());
        level = members.copied().filter(|m| state.principals.get(m).is_some_and(|p| p.group().is_some())).collect();
        depth += 1;
    }
    depth
}

pub(super) fn remove_member(state: &State, cx: &Context, id: PrincipalId, member: PrincipalId) -> Judged {
    let g = group(state, id)?;
    if !g.members.contains(&member) {
        return Err(Refusal::NothingThere { what: "membership", role: state.name_of(id) });
    }
    // Leaving gives up what the group passes; that works at once for everybody.
    if cx.asker(state)? != member {
        may_manage(state, cx, id)?;
    }
    let mut events = vec![Event::MemberRemoved { group: id, member }];
    ending::settle(state, &mut events, cx, vec![member], Why::LeftGroup);
    Ok((events, Answer::Done))
}

pub(super) fn add_owner(state: &State, cx: &Context, id: PrincipalId, owner: PrincipalId) -> Judged {
    let g = group(state, id)?;
    super::principal(state, owner)?;
    if g.owners.contains(&owner) {
        return Err(Refusal::AlreadyThere { what: "ownership", role: state.name_of(id), until: None });
    }
    may_manage(state, cx, id)?;
    Ok((vec![Event::OwnerAdded { group: id, owner }], Answer::Done))
}

pub(super) fn remove_owner(state: &State, cx: &Context, id: PrincipalId, owner: PrincipalId) -> Judged {
    let g = group(state, id)?;
    if !g.owners.contains(&owner) {
        return Err(Refusal::NothingThere { what: "ownership", role: state.name_of(id) });
    }
    if cx.asker(state)? != owner {
        may_manage(state, cx, id)?;
    }
    Ok((vec![Event::OwnerRemoved { group: id, owner }], Answer::Done))
}
