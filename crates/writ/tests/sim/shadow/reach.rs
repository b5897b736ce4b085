//! Who is reached by what, in the plainest way.

use super::{Being, Shadow};
use std::collections::BTreeSet;
use writ_core::ids::{DeviceId, PersonId, PrincipalId, RoleId};
use writ_core::role::{Duty, GLOBAL_ADMINISTRATOR};
use writ_core::scope::{Scope, Target};
use writ_core::time::Time;

impl Shadow {
    /// Users in a group, through nested groups.
    pub(super) fn everybody_below(
        &self,
        group: PrincipalId,
        seen: &mut BTreeSet<PrincipalId>,
        found: &mut BTreeSet<PrincipalId>,
    ) {
        if !seen.insert(group) {
            return;
        }
        let members = self.beings.get(&group).and_then(|being| being.group.as_ref()).map(|group| &group.members);
        for member in members.into_iter().flatten() {
            match self.beings.get(member) {
                Some(Being { group: Some(_), .. }) => self.everybody_below(*member, seen, found),
                Some(_) => {
                    found.insert(*member);
                }
                None => {}
            }
        }
    }

    /// No group contains itself.
    pub(super) fn no_circle(&self, group: PrincipalId) {
        let mut below = vec![group];
        let mut steps = 0;
        while let Some(next) = below.pop() {
            steps += 1;
            assert!(steps < 10_000, "entry {}: groups in a circle", self.seq);
            let members = self.beings.get(&next).and_then(|being| being.group.as_ref()).map(|group| &group.members);
            below.extend(members.into_iter().flatten());
        }
    }

    /// Whether what a principal is given reaches another: itself, or a direct member of a group that passes roles.
    pub(crate) fn reaches(&self, given: PrincipalId, to: PrincipalId) -> bool {
        let passes = |being: &Being| {
            being.enabled && being.group.as_ref().is_some_and(|group| group.passes && group.members.contains(&to))
        };
        given == to || self.beings.get(&given).is_some_and(passes)
    }

    pub(crate) fn contains(&self, outer: Scope, inner: Scope) -> bool {
        match (outer, inner) {
            (Scope::Tenant, _) => true,
            (Scope::Unit(unit), Scope::Object(object)) => {
                self.units.get(&unit).is_some_and(|unit| unit.objects.contains(&object))
            }
            (outer, inner) => outer == inner,
        }
    }

    pub(crate) fn there(&self, scope: Scope) -> bool {
        match scope {
            Scope::Tenant => true,
            Scope::Unit(unit) => self.units.contains_key(&unit),
            Scope::Object(id) => self.beings.contains_key(&PrincipalId(id)) || self.hosts.contains(&DeviceId(id)),
        }
    }

    pub(super) fn person(&self, id: PrincipalId) -> Option<PersonId> {
        self.beings.get(&id).and_then(|being| being.person)
    }

    fn manages_roles(&self, role: RoleId) -> bool {
        self.roles.get(&role).is_some_and(|role| role.enabled && role.duties.has(Duty::ManageRoles))
    }

    /// Whether somebody manages roles now, or could by asking.
    pub(super) fn could_manage(&self, who: PrincipalId) -> bool {
        let grants = self.eligibilities.values().chain(self.assignments.values());
        grants
            .filter(|g| g.covers(self.at) && g.target.scope() == Scope::Tenant && self.reaches(g.principal, who))
            .any(|g| self.manages_roles(g.target.role_id()))
    }

    /// Whether somebody manages roles now.
    pub(super) fn manages(&self, who: PrincipalId) -> bool {
        self.beings.get(&who).is_some_and(|being| being.enabled)
            && self
                .assignments
                .values()
                .filter(|a| a.covers(self.at) && a.target.scope() == Scope::Tenant && self.reaches(a.principal, who))
                .any(|a| self.manages_roles(a.target.role_id()))
    }

    /// Law 1: whoever made this entry manages roles.
    pub(super) fn by_manager(&self) {
        assert!(self.by.is_some_and(|by| self.manages(by)), "law 1, entry {}: by nobody who may", self.seq);
    }

    /// Law 1, the plain way.
    pub(crate) fn holds(&self, who: PrincipalId, role: RoleId, scope: Scope, now: Time) -> bool {
        self.beings.get(&who).is_some_and(|being| being.enabled)
            && self.roles.get(&role).is_some_and(|role| role.enabled)
            && self.assignments.values().any(|a| {
                a.target.role_id() == role
                    && a.covers(now)
                    && self.contains(a.target.scope(), scope)
                    && self.reaches(a.principal, who)
            })
    }

    /// Law 7: enabled emergency accounts with Global Administrator standing without an end.
    pub(crate) fn ways_in(&self) -> usize {
        let whole = Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant);
        let standing = |id: &PrincipalId| {
            self.assignments
                .values()
                .any(|a| a.principal == *id && a.target == whole && a.from.is_none() && a.ends.is_none())
        };
        self.beings.iter().filter(|(id, being)| being.emergency && being.enabled && standing(id)).count()
    }
}
