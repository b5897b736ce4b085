//! The state as bytes and back: the facts only; the indexes are made anew.
//! It never checks whether the bytes are the right ones: whoever stores them binds them to the log's head and root.

use super::*;
use alloc::string::ToString;

#[derive(Serialize, Deserialize)]
struct Facts {
    tenant: TenantId,
    seq: Seq,
    at: Time,
    settings: Option<Settings>,
    principals: Vec<Principal>,
    departed: Vec<(PrincipalId, PersonId)>,
    units: Vec<Unit>,
    roles: Vec<Role>,
    rules: Vec<(RoleId, Rules)>,
    eligibilities: Vec<Eligibility>,
    assignments: Vec<Assignment>,
    expired: Vec<(PrincipalId, Sort, Target, Time)>,
    requests: Vec<Request>,
    hosts: Vec<Host>,
    accounts: Vec<(PersonId, Place, Personal)>,
    account_rules: Vec<(Place, String)>,
    effects: Vec<(AssignmentId, PrincipalId, DeviceId, Effect)>,
    credentials: Vec<(CredentialId, Credential)>,
    codes: Vec<(CredentialId, Code)>,
    emergency_used: Vec<(PrincipalId, Time)>,
    refused: Vec<(PrincipalId, Time, u32)>,
    epoch: u64,
    unsatisfiable: Vec<RoleId>,
}

impl State {
    /// The state's facts as JSON.
    pub fn to_snapshot(&self) -> Vec<u8> {
        let facts = Facts {
            tenant: self.tenant,
            seq: self.seq,
            at: self.at,
            settings: self.settings.clone(),
            principals: self.principals.values().map(|p| Principal::clone(p)).collect(),
            departed: self.departed.iter().map(|(id, person)| (*id, *person)).collect(),
            units: self.units.values().map(|u| Unit::clone(u)).collect(),
            roles: self.roles.values().map(|r| Role::clone(r)).collect(),
            rules: self.rules.iter().map(|(id, r)| (*id, Rules::clone(r))).collect(),
            // In the order in which each holder got them, so that the indexes come out the same.
            eligibilities: self.eligible.values().flat_map(|all| all.iter().map(|e| Eligibility::clone(e))).collect(),
            assignments: self
                .assigned
                .keys()
                .flat_map(|holder| self.assignments_of(*holder).map(|a| Assignment::clone(a)))
                .collect(),
            expired: self.expired.iter().map(|((p, sort, target), t)| (*p, *sort, *target, *t)).collect(),
            requests: self.requests.values().map(|r| Request::clone(r)).collect(),
            hosts: self.hosts.values().map(|h| Host::clone(h)).collect(),
            accounts: self.accounts.iter().map(|((p, place), a)| (*p, *place, a.clone())).collect(),
            account_rules: self.account_rules.iter().map(|(p, r)| (*p, r.clone())).collect(),
            effects: self.effects.iter().map(|((a, p, h), e)| (*a, *p, *h, e.clone())).collect(),
            credentials: self.credentials.iter().map(|(id, c)| (*id, c.clone())).collect(),
            codes: self.codes.iter().map(|(id, c)| (*id, *c)).collect(),
            emergency_used: self.emergency_used.iter().map(|(p, t)| (*p, *t)).collect(),
            refused: self.refused.iter().map(|(p, (t, n))| (*p, *t, *n)).collect(),
            epoch: self.epoch,
            unsatisfiable: self.unsatisfiable.iter().copied().collect(),
        };
        serde_json::to_vec(&facts).unwrap_or_default()
    }

    /// The state that these bytes describe, or why they do not describe one.
    pub fn from_snapshot(bytes: &[u8]) -> Result<State, String> {
        let f: Facts = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        let mut s = State::empty(f.tenant);
        (s.seq, s.at, s.settings, s.epoch) = (f.seq, f.at, f.settings, f.epoch);
        s.account_rules = f.account_rules.into_iter().collect();
        s.departed = f.departed.into_iter().collect();
        for host in f.hosts {
            s.hosts.insert(host.id, Arc::new(host));
        }
        for p in f.principals {
            let id = p.id;
            if let Some(g) = p.group() {
                for member in &g.members {
                    let mut groups = s.groups_of.get(member).cloned().unwrap_or_default();
                    groups.insert(id);
                    s.groups_of.insert(*member, groups);
                }
            }
            let persons: Vec<PersonId> = p.person().into_iter().collect();
            s.renaming(&persons, |s| {
                s.put_principal(p);
                s.index_user(id);
            });
        }
        for u in f.units {
            for object in u.members.iter().map(|m| m.0).chain(u.hosts.iter().map(|h| h.0)) {
                let mut units = s.units_of.get(&object).cloned().unwrap_or_default();
                units.insert(u.id);
                s.units_of.insert(object, units);
            }
            s.units.insert(u.id, Arc::new(u));
        }
        for role in f.roles {
            s.put_role(role);
        }
        s.rules = f.rules.into_iter().map(|(id, r)| (id, Arc::new(r))).collect();
        for e in f.eligibilities {
            s.put_eligibility(e);
        }
        for a in f.assignments {
            s.put_assignment(a);
        }
        for r in f.requests {
            s.put_request(r);
        }
        for (person, place, account) in f.accounts {
            s.renaming(&[person], |s| {
                s.accounts.insert((person, place), account);
            });
        }
        s.expired = f.expired.into_iter().map(|(p, sort, target, t)| ((p, sort, target), t)).collect();
        s.effects = f.effects.into_iter().map(|(a, p, h, e)| ((a, p, h), e)).collect();
        s.credentials = f.credentials.into_iter().collect();
        s.codes = f.codes.into_iter().collect();
        s.emergency_used = f.emergency_used.into_iter().collect();
        s.refused = f.refused.into_iter().map(|(p, t, n)| (p, (t, n))).collect();
        s.unsatisfiable = f.unsatisfiable.into_iter().collect();
        Ok(s)
    }
}
