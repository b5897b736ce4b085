//! The indexes of the state: kept beside the facts whenever a fact changes.

use super::*;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;

impl State {
    pub(super) fn put_eligibility(&mut self, e: Eligibility) {
        self.drop_eligibility(e.id);
        if let Some(end) = e.ends {
            self.timers.insert((end, Timer::EndEligibility(e.id)));
        }
        if e.starts > e.changed.unwrap_or(e.made) {
            self.opening.insert((e.starts, e.id));
        }
        self.made.insert((e.made, e.id));
        let e = Arc::new(e);
        self.placed.insert((e.target.role_id(), e.target.scope(), e.id), e.clone());
        self.note_holder(e.target.role_id(), e.principal);
        match self.eligible.get_mut(&e.principal) {
            Some(all) => Arc::make_mut(all).push(e.clone()),
            None => drop(self.eligible.insert(e.principal, Arc::new(alloc::vec![e.clone()]))),
        }
        self.eligibilities.insert(e.id, e);
    }

    pub(super) fn drop_eligibility(&mut self, id: EligibilityId) -> Option<Arc<Eligibility>> {
        let e = self.eligibilities.get(&id)?.clone();
        self.eligibilities.remove(&id);
        if let Some(end) = e.ends {
            take(&mut self.timers, &(end, Timer::EndEligibility(id)));
        }
        take(&mut self.opening, &(e.starts, id));
        self.made.remove(&(e.made, id));
        self.placed.remove(&(e.target.role_id(), e.target.scope(), id));
        if let Some(all) = self.eligible.get_mut(&e.principal) {
            let all = Arc::make_mut(all);
            all.retain(|x| x.id != id);
            if all.is_empty() {
                self.eligible.remove(&e.principal);
            }
        }
        self.forget_holder(e.target.role_id(), e.principal);
        Some(e)
    }

    pub(super) fn put_assignment(&mut self, a: Assignment) {
        self.drop_assignment(a.id);
        // Only a window that opened later than it was made is news for a plan.
        if a.starts > a.changed.unwrap_or(a.made) {
            self.starts.insert((a.starts, a.id));
        }
        if let Some(end) = a.ends {
            self.timers.insert((end, Timer::EndAssignment(a.id)));
        }
        self.note_holder(a.target.role_id(), a.principal);
        let assigned = match self.assigned.get(&a.principal) {
            None => Assigned::One(a.id),
            Some(others) => Assigned::More(others.ids().iter().copied().chain([a.id]).collect()),
        };
        self.assigned.insert(a.principal, assigned);
        self.assignments.insert(a.id, Arc::new(a));
    }

    pub(super) fn drop_assignment(&mut self, id: AssignmentId) -> Option<Arc<Assignment>> {
        let a = self.assignments.get(&id)?.clone();
        self.assignments.remove(&id);
        take(&mut self.starts, &(a.starts, id));
        if let Some(end) = a.ends {
            take(&mut self.timers, &(end, Timer::EndAssignment(id)));
        }
        let ids = self.assigned.get(&a.principal).map_or(&[][..], Assigned::ids);
        let others: Vec<AssignmentId> = ids.iter().copied().filter(|other| *other != id).collect();
        match Assigned::of(&others) {
            Some(others) => self.assigned.insert(a.principal, others),
            None => self.assigned.remove(&a.principal),
        };
        self.forget_holder(a.target.role_id(), a.principal);
        Some(a)
    }

    /// A principal is about to hold something of this role. Whoever holds something of it already is among its holders,
    /// which is the common case and saves a look into a large set.
    fn note_holder(&mut self, role: RoleId, principal: PrincipalId) {
        if !self.has(principal, role) {
            self.holders.insert((role, principal));
        }
    }

    /// A principal has let go of something of this role.
    fn forget_holder(&mut self, role: RoleId, principal: PrincipalId) {
        if !self.has(principal, role) {
            self.holders.remove(&(role, principal));
        }
    }

    pub(super) fn put_request(&mut self, r: Request) {
        if let Some(old) = self.requests.get(&r.ask.request).cloned() {
            self.unindex_request(&old);
        }
        let (id, subject) = (r.ask.request, r.ask.subject);
        match r.status {
            Status::PendingApproval => {
                self.open.insert((subject, id));
                if let Some(until) = r.until {
                    self.timers.insert((until, Timer::Expire(id)));
                }
            }
            Status::Granted => {
                self.open.insert((subject, id));
                if let Some(starts) = r.starts {
                    self.timers.insert((starts, Timer::Begin(id)));
                }
            }
            _ => {
                self.closed.insert((r.completed.unwrap_or(self.at), id));
            }
        }
        self.unusual.extend(unusual(&r));
        self.for_others.extend(r.for_other().map(|by| (by, id)));
        self.requests.insert(id, Arc::new(r));
    }

    fn unindex_request(&mut self, r: &Request) {
        let id = r.ask.request;
        take(&mut self.open, &(r.ask.subject, id));
        if let Some(until) = r.until {
            take(&mut self.timers, &(until, Timer::Expire(id)));
        }
        if let Some(starts) = r.starts {
            take(&mut self.timers, &(starts, Timer::Begin(id)));
        }
        if let Some(completed) = r.completed {
            take(&mut self.closed, &(completed, id));
        }
        for at in unusual(r) {
            take(&mut self.unusual, &at);
        }
        if let Some(by) = r.for_other() {
            take(&mut self.for_others, &(by, id));
        }
    }

    pub(super) fn forget_request(&mut self, id: RequestId) {
        if let Some(r) = self.requests.remove(&id) {
            self.unindex_request(&r);
        }
    }

    pub(super) fn with_request(&mut self, id: RequestId, change: impl FnOnce(&mut Request)) {
        if let Some(r) = self.requests.get(&id) {
            let mut r = Request::clone(r);
            change(&mut r);
            self.put_request(r);
        }
    }

    pub(super) fn with_principal(&mut self, id: PrincipalId, change: impl FnOnce(&mut Principal)) {
        if let Some(p) = self.principals.get(&id) {
            let mut p = Principal::clone(p);
            change(&mut p);
            self.put_principal(p);
        }
    }

    pub(super) fn with_group(&mut self, id: PrincipalId, change: impl FnOnce(&mut crate::directory::Group)) {
        self.with_principal(id, |p| {
            if let crate::directory::Kind::Group(g) = &mut p.kind {
                change(g);
            }
        });
    }

    pub(super) fn with_unit(&mut self, id: UnitId, change: impl FnOnce(&mut Unit)) {
        if let Some(u) = self.units.get(&id) {
            let mut u = Unit::clone(u);
            change(&mut u);
            self.units.insert(id, Arc::new(u));
        }
    }

    pub(super) fn with_host(&mut self, id: DeviceId, change: impl FnOnce(&mut Host)) {
        if let Some(h) = self.hosts.get(&id) {
            let mut h = Host::clone(h);
            change(&mut h);
            self.hosts.insert(id, Arc::new(h));
        }
    }

    pub(super) fn join_group(&mut self, group: PrincipalId, member: PrincipalId) {
        self.with_group(group, |g| {
            g.members.insert(member);
        });
        let mut groups = self.groups_of.get(&member).cloned().unwrap_or_default();
        groups.insert(group);
        self.groups_of.insert(member, groups);
    }

    pub(super) fn leave_group(&mut self, group: PrincipalId, member: PrincipalId) {
        self.with_group(group, |g| {
            g.members.remove(&member);
        });
        take_from(&mut self.groups_of, member, &group);
    }

    pub(super) fn join_unit(&mut self, unit: UnitId, object: Uuid) {
        let is_host = self.hosts.contains_key(&DeviceId(object));
        self.with_unit(unit, |u| {
            if is_host {
                u.hosts.insert(DeviceId(object));
            } else {
                u.members.insert(PrincipalId(object));
            }
        });
        let mut units = self.units_of.get(&object).cloned().unwrap_or_default();
        units.insert(unit);
        self.units_of.insert(object, units);
    }

    pub(super) fn leave_unit(&mut self, unit: UnitId, object: Uuid) {
        self.with_unit(unit, |u| {
            u.hosts.remove(&DeviceId(object));
            u.members.remove(&PrincipalId(object));
        });
        take_from(&mut self.units_of, object, &unit);
    }

    pub(super) fn put_role(&mut self, mut role: Role) {
        role.duties = crate::role::Duties::of(&role.actions);
        self.roles.insert(role.id, Arc::new(role));
    }

    /// Runs a change of users or mappings and keeps `account_names` beside it.
    pub(super) fn renaming(&mut self, persons: &[PersonId], change: impl FnOnce(&mut State)) {
        let rules = rules_distinct(&self.account_rules);
        for person in persons {
            for name in self.names_mapped(*person, &rules) {
                self.account_names.remove(&(name, *person));
            }
        }
        change(self);
        let rules = rules_distinct(&self.account_rules);
        for person in persons {
            for name in self.names_mapped(*person, &rules) {
                self.account_names.insert((name, *person));
            }
        }
    }

    /// Every local account name (lower case) this person maps to somewhere, under these rules.
    fn names_mapped(&self, person: PersonId, rules: &[String]) -> Vec<String> {
        let users = self.persons.get(&person).into_iter().flatten();
        let locals = users
            .filter_map(|id| self.principals.get(id)?.user()?.upn.text())
            .map(|upn| upn.split('@').next().unwrap_or(upn).to_lowercase());
        let mut names: Vec<String> = Vec::new();
        for local in locals {
            names.extend(rules.iter().map(|rule| rule.replace("{local}", &local)));
            names.push(local);
        }
        let first = (person, Place::Host(DeviceId::from_u128(0)));
        let set = self.accounts.range(first..).take_while(|((p, _), _)| *p == person);
        names.extend(set.filter_map(|(_, a)| a.text().map(str::to_lowercase)));
        names
    }

    pub(super) fn index_user(&mut self, id: PrincipalId) {
        let Some(p) = self.principals.get(&id).cloned() else { return };
        let Some(user) = p.user() else { return };
        if let Some(upn) = user.upn.text() {
            let upn = upn.to_lowercase();
            if let Some(domain) = domain_of(&upn).filter(|_| !self.upns.contains_key(&upn)) {
                let users = self.domains.get(domain).map_or(1, |users| users + 1);
                self.domains.insert(domain.to_owned(), users);
            }
            self.upns.insert(upn, id);
        }
        let mut all = self.persons.get(&user.person).cloned().unwrap_or_default();
        all.insert(id);
        self.persons.insert(user.person, all);
    }

    pub(super) fn unindex_user(&mut self, id: PrincipalId) {
        let Some(p) = self.principals.get(&id).cloned() else { return };
        let Some(user) = p.user() else { return };
        if let Some(upn) = user.upn.text() {
            let upn = upn.to_lowercase();
            if let Some(domain) = domain_of(&upn).filter(|_| self.upns.remove(&upn).is_some()) {
                match self.domains.get(domain) {
                    Some(users) if *users > 1 => self.domains.insert(domain.to_owned(), users - 1),
                    _ => self.domains.remove(domain),
                };
            }
        }
        take_from(&mut self.persons, user.person, &id);
    }
}

/// The rules that name accounts somewhere, each once: many hosts may have the same.
pub(super) fn rules_distinct(rules: &OrdMap<Place, String>) -> Vec<String> {
    let distinct: BTreeSet<&str> = rules.values().map(String::as_str).collect();
    distinct.into_iter().map(ToOwned::to_owned).collect()
}

/// The domain of a user principal name.
fn domain_of(upn: &str) -> Option<&str> {
    upn.split_once('@').map(|(_, domain)| domain)
}

/// Removes a key if it is there. A persistent set copies its way down to a key before it finds nothing to remove, and
/// copying costs far more than looking; the same holds for inserting what is there already.
fn take<K: Ord + Clone>(set: &mut OrdSet<K>, key: &K) {
    if set.contains(key) {
        set.remove(key);
    }
}

pub(super) fn take_from<K: Ord + Clone, V: Ord + Clone>(map: &mut OrdMap<K, OrdSet<V>>, key: K, value: &V) {
    if let Some(set) = map.get(&key) {
        let mut set = set.clone();
        set.remove(value);
        if set.is_empty() {
            map.remove(&key);
        } else {
            map.insert(key, set);
        }
    }
}

/// Under what a request is found, if anything about it is unusual.
fn unusual(r: &Request) -> impl Iterator<Item = (Unusual, RequestId)> {
    let id = r.ask.request;
    [Unusual::ended(r.status), Unusual::asked(r.sort, r.ask.action)].into_iter().flatten().map(move |what| (what, id))
}
