//! What leaves the state: principals, codes that are void, what can no longer be renewed, and personal data.
//!
//! Always: whoever is forgotten leaves nothing behind that an index still names, except whose account it was: a person
//! does not become another by deleting an account.

use super::index::take_from;
use super::*;
use crate::directory::Kind;
use crate::scope::Scope;

impl State {
    /// Forgets what can no longer be renewed.
    pub(super) fn forget_expired(&mut self, gone: impl Fn(&(PrincipalId, Sort, Target), Time) -> bool) {
        let gone: Vec<_> = self.expired.iter().filter(|(key, ended)| gone(key, **ended)).map(|(key, _)| *key).collect();
        for key in gone {
            self.expired.remove(&key);
        }
    }

    pub(super) fn forget_principal(&mut self, id: PrincipalId) {
        self.forget_expired(|(principal, _, target), _| *principal == id || target.scope() == Scope::Object(id.0));
        for group in self.groups_of.get(&id).cloned().unwrap_or_default() {
            self.leave_group(group, id);
        }
        let owned: Vec<_> = self
            .principals
            .values()
            .filter(|p| p.group().is_some_and(|g| g.owners.contains(&id)))
            .map(|p| p.id)
            .collect();
        for group in owned {
            self.with_group(group, |g| {
                g.owners.remove(&id);
            });
        }
        if let Some(group) = self.principals.get(&id).and_then(|p| p.group().cloned()) {
            for member in group.members {
                take_from(&mut self.groups_of, member, &id);
            }
        }
        for unit in self.units_of.get(&id.0).cloned().unwrap_or_default() {
            self.leave_unit(unit, id.0);
        }
        let persons: Vec<PersonId> = self.person_of(id).into_iter().collect();
        self.departed.extend(persons.iter().map(|person| (id, *person)));
        self.renaming(&persons, |s| {
            s.unindex_user(id);
            s.take_principal(id);
            // The last principal of a person takes the person's account mappings along.
            for person in &persons {
                if !s.persons.contains_key(person) {
                    let gone: Vec<_> = s.accounts.keys().filter(|(p, _)| p == person).copied().collect();
                    for key in gone {
                        s.accounts.remove(&key);
                    }
                }
            }
        });
        let credentials: Vec<_> = self.credentials.iter().filter(|(_, c)| c.principal == id).map(|(k, _)| *k).collect();
        for c in credentials {
            self.credentials.remove(&c);
        }
        self.drop_codes(|c| c.purpose == Purpose::FirstFactor(id));
        self.refused.remove(&id);
        self.emergency_used.remove(&id);
    }

    /// Forgets single-use codes that are void.
    pub(super) fn drop_codes(&mut self, void: impl Fn(&Code) -> bool) {
        let void: Vec<_> = self.codes.iter().filter(|(_, c)| void(c)).map(|(id, _)| *id).collect();
        for id in void {
            self.codes.remove(&id);
        }
    }

    pub(super) fn erase(&mut self, about: PrincipalId) {
        let persons: Vec<PersonId> = self.person_of(about).into_iter().collect();
        self.renaming(&persons, |s| {
            s.unindex_user(about);
            s.with_principal(about, |p| {
                p.name.erase(about);
                if let Kind::User(u) = &mut p.kind {
                    u.upn.erase(about);
                }
            });
            s.index_user(about);
            let keys: Vec<_> = s.accounts.iter().filter(|(_, a)| a.about() == about).map(|(k, _)| *k).collect();
            for key in keys {
                s.accounts.insert(key, Personal::erased(about));
            }
        });
        let touched: Vec<RequestId> = self
            .requests
            .values()
            .filter(|r| {
                let ask = &r.ask;
                let texts = ask.reason.iter().chain(ask.ticket.iter().flat_map(|t| t.number.iter().chain(&t.system)));
                let verdicts = r.stages.iter().flat_map(|s| s.decided.iter().filter_map(|v| v.reason.as_ref()));
                texts.chain(verdicts).any(|p| p.about() == about)
            })
            .map(|r| r.ask.request)
            .collect();
        for id in touched {
            self.with_request(id, |r| {
                let ask = &mut r.ask;
                for text in ask
                    .reason
                    .iter_mut()
                    .chain(ask.ticket.iter_mut().flat_map(|t| t.number.iter_mut().chain(&mut t.system)))
                {
                    text.erase(about);
                }
                for verdict in r.stages.iter_mut().flat_map(|s| &mut s.decided) {
                    if let Some(text) = &mut verdict.reason {
                        text.erase(about);
                    }
                }
            });
        }
        self.erase_on_hosts(about);
        let rules: Vec<RoleId> = self
            .rules
            .iter()
            .filter(|(_, r)| r.notifications.iter().any(|n| n.recipients.iter().any(|p| p.about() == about)))
            .map(|(id, _)| *id)
            .collect();
        for id in rules {
            if let Some(r) = self.rules.get(&id) {
                let mut r = Rules::clone(r);
                for p in r.notifications.iter_mut().flat_map(|n| &mut n.recipients) {
                    p.erase(about);
                }
                self.rules.insert(id, Arc::new(r));
            }
        }
    }

    fn erase_on_hosts(&mut self, about: PrincipalId) {
        let named = |h: &Host| {
            h.accounts.iter().any(|a| a.name.about() == about)
                || h.drift.iter().any(|d| d.place.is_about(about) || d.text.is_about(about))
        };
        let hosts: Vec<DeviceId> = self.hosts.values().filter(|h| named(h)).map(|h| h.id).collect();
        for host in hosts {
            self.with_host(host, |h| {
                h.accounts.iter_mut().for_each(|a| a.name.erase(about));
                for d in &mut h.drift {
                    d.place.erase(about);
                    d.text.erase(about);
                }
            });
        }
        let told = |e: &Effect| matches!(e, Effect::Refused(why) if why.about() == about);
        let effects: Vec<_> = self.effects.iter().filter(|(_, e)| told(e)).map(|(key, _)| *key).collect();
        for key in effects {
            self.effects.insert(key, Effect::Refused(Personal::erased(about)));
        }
    }
}
