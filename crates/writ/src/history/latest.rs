//! When each user and group last changed, and each membership: what a reader who comes back has to be told.
//! It keeps no text and no history of values: only that something changed, and where in the log it last did.
//!
//! Always: each thing has one row, which moves to its newest change. So a reader who has seen every row up to some
//! place in the order, and asks for those after it, misses nothing and is told nothing twice.

use super::audit::Moment;
use serde::{Deserialize, Serialize};
use writ_core::event::Event;
use writ_core::ids::{PrincipalId, Seq, Uuid};
use writ_core::state::State;

/// What sort of thing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// A user.
    User,
    /// A group.
    Group,
    /// A program.
    Service,
}

/// Which side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The thing itself.
    Own,
    /// Whether somebody is a direct member of it.
    Member,
    /// Whether somebody owns it.
    Owner,
}

/// Where a row stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct At {
    /// The entry that last changed it.
    pub seq: Seq,
    /// The thing.
    pub what: Uuid,
    /// Which side of it.
    pub side: Side,
    /// The member or owner; nil for the thing itself.
    pub other: Uuid,
}

impl At {
    /// Before every row.
    pub const FIRST: At = At { seq: 0, what: Uuid::nil(), side: Side::Own, other: Uuid::nil() };

    /// After every row of the entries up to this one.
    pub const fn after(seq: Seq) -> At {
        At { seq, what: Uuid::max(), side: Side::Owner, other: Uuid::max() }
    }
}

/// A row: something as it last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// Where it stands.
    pub at: At,
    /// Whether it is gone: the thing was deleted, the membership ended.
    pub gone: bool,
}

/// Which rows are wanted, in order.
#[derive(Clone, Debug)]
pub struct LatestQuery {
    /// Of what sort.
    pub sort: Sort,
    /// Only rows after this place.
    pub after: At,
    /// Only rows of entries up to this one.
    pub until: Seq,
    /// What was gone by this entry is left out: for a reader who has never seen it.
    pub gone_since: Seq,
    /// Members as well.
    pub members: bool,
    /// Owners as well.
    pub owners: bool,
    /// At most so many.
    pub limit: u32,
}

/// What one entry leaves: of what sort, what, which side, with whom, and whether it is gone.
pub(super) struct Left {
    pub(super) sort: Sort,
    pub(super) what: Uuid,
    pub(super) side: Side,
    pub(super) other: Uuid,
    pub(super) gone: bool,
}

fn sort_of(state: &State, id: PrincipalId) -> Option<Sort> {
    let p = state.principals.get(&id)?;
    Some(match (p.user(), p.group()) {
        (Some(_), _) => Sort::User,
        (_, Some(_)) => Sort::Group,
        _ => Sort::Service,
    })
}

impl Moment<'_> {
    /// What changed in the directory by this entry.
    pub(super) fn latest(&self) -> Vec<Left> {
        let own = |id: PrincipalId, gone| {
            let state = if gone { self.before } else { self.after };
            sort_of(state, id).map(|sort| Left { sort, what: id.0, side: Side::Own, other: Uuid::nil(), gone })
        };
        let side = |group: PrincipalId, side, other: PrincipalId, gone| Left {
            sort: Sort::Group,
            what: group.0,
            side,
            other: other.0,
            gone,
        };
        match self.event {
            Event::UserCreated { user: id, .. }
            | Event::UserChanged { user: id, .. }
            | Event::GroupChanged { group: id, .. }
            | Event::ServiceCreated { service: id, .. }
            | Event::PrincipalDisabled { principal: id }
            | Event::PrincipalEnabled { principal: id }
            | Event::Erased { principal: id } => own(*id, false).into_iter().collect(),
            Event::GroupCreated { group, owners, members, .. } => {
                let members = members.iter().map(|m| side(*group, Side::Member, *m, false));
                let owners = owners.iter().map(|o| side(*group, Side::Owner, *o, false));
                own(*group, false).into_iter().chain(members).chain(owners).collect()
            }
            Event::MemberAdded { group, member } => vec![side(*group, Side::Member, *member, false)],
            Event::MemberRemoved { group, member } => vec![side(*group, Side::Member, *member, true)],
            Event::OwnerAdded { group, owner } => vec![side(*group, Side::Owner, *owner, false)],
            Event::OwnerRemoved { group, owner } => vec![side(*group, Side::Owner, *owner, true)],
            Event::PrincipalDeleted { principal } => {
                let member_of = self.before.groups_of.get(principal).into_iter().flatten();
                let memberships = member_of.map(|group| side(*group, Side::Member, *principal, true));
                let owns = |p: &&std::sync::Arc<writ_core::directory::Principal>| {
                    p.group().is_some_and(|g| g.owners.contains(principal))
                };
                let owned = self.before.principals.values().filter(owns);
                let ownerships = owned.map(|p| side(p.id, Side::Owner, *principal, true));
                own(*principal, true).into_iter().chain(memberships).chain(ownerships).collect()
            }
            _ => Vec::new(),
        }
    }
}
