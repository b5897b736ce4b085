//! Hosts, local accounts, and what is in force on hosts.

use super::super::index::rules_distinct;
use super::*;
use crate::command::{Intent, Outcome};
use crate::directory::{LocalAccount, StrayGrant};

impl State {
    pub(super) fn host_enrolled(
        &mut self,
        id: DeviceId,
        name: &str,
        key: &str,
        code: CredentialId,
        unit: Option<UnitId>,
    ) {
        self.codes.remove(&code);
        let (name, key, enrolled) = (name.into(), key.into(), self.at);
        let h = Host { id, name, key, enrolled, accounts: Vec::new(), drift: Vec::new(), reported: None };
        self.hosts.insert(id, Arc::new(h));
        if let Some(unit) = unit {
            self.join_unit(unit, id.0);
        }
    }

    pub(super) fn host_removed(&mut self, id: DeviceId) {
        for unit in self.units_of.get(&id.0).cloned().unwrap_or_default() {
            self.leave_unit(unit, id.0);
        }
        self.hosts.remove(&id);
        self.forget_expired(|(_, _, target), _| target.scope() == Scope::Object(id.0));
        self.forget_place(Place::Host(id));
        let gone: Vec<_> = self.effects.keys().filter(|(_, _, host)| *host == id).copied().collect();
        for key in gone {
            self.effects.remove(&key);
        }
    }

    pub(super) fn host_reported(&mut self, id: DeviceId, accounts: &[LocalAccount], drift: &[StrayGrant]) {
        let at = self.at;
        self.with_host(id, |h| {
            h.accounts = accounts.to_vec();
            h.drift = drift.to_vec();
            h.reported = Some(at);
        });
    }

    pub(super) fn account_mapped(&mut self, person: PersonId, place: Place, account: Option<&Personal>) {
        self.renaming(&[person], |s| {
            match account {
                Some(account) => s.accounts.insert((person, place), account.clone()),
                None => s.accounts.remove(&(person, place)),
            };
        });
    }

    /// Forgets what was said about accounts at a place that is gone: nobody could take it back any more.
    pub(super) fn forget_place(&mut self, place: Place) {
        if self.account_rules.contains_key(&place) {
            self.account_rule_set(place, None);
        }
        let gone: Vec<_> = self.accounts.keys().filter(|(_, p)| *p == place).copied().collect();
        for (person, place) in gone {
            self.account_mapped(person, place, None);
        }
    }

    pub(super) fn account_rule_set(&mut self, place: Place, rule: Option<&str>) {
        let mut rules = self.account_rules.clone();
        match rule {
            Some(rule) => rules.insert(place, rule.into()),
            None => rules.remove(&place),
        };
        // Everybody's names are gone through only if a rule is new, or the last of its kind is gone.
        let same = rules_distinct(&rules) == rules_distinct(&self.account_rules);
        let everybody = if same { Vec::new() } else { self.persons.keys().copied().collect() };
        self.renaming(&everybody, |s| s.account_rules = rules);
    }

    pub(super) fn grants_intended(&mut self, grants: &[Intent]) {
        for g in grants {
            self.effects.insert((g.assignment, g.principal, g.host), Effect::Intended);
        }
    }

    pub(super) fn grants_reported(&mut self, results: &[Outcome]) {
        for Outcome { assignment, principal, host, result } in results {
            let key = (*assignment, *principal, *host);
            match result {
                Effect::Gone => self.effects.remove(&key),
                now => self.effects.insert(key, now.clone()),
            };
        }
    }
}
