//! Folding events into the state.

use super::index::take_from;
use super::*;
use crate::command::{Removal, SignIn, Sort};
use crate::directory::{Group, Kind, Service, User};
use crate::event::{Action, Event, Why};
use crate::scope::Scope;
use alloc::borrow::ToOwned;

/// What the envelope says about an event, as far as the state cares.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// The entry's number.
    pub seq: Seq,
    /// When it happened.
    pub at: Time,
    /// Who did it; `None` for time, a host or the console.
    pub actor: Option<PrincipalId>,
}

impl State {
    /// Folds one event in. Believes it.
    pub fn apply(&mut self, meta: &Meta, event: &Event) {
        debug_assert!(meta.seq == self.seq + 1, "entries are applied in order");
        self.seq = meta.seq;
        self.at = meta.at;
        let at = meta.at;
        match event {
            Event::TenantFounded { tenant, name, rules, span_min } => {
                self.tenant = *tenant;
                self.settings =
                    Some(Settings { name: name.clone(), rules: *rules, span_min: *span_min, age_min: Span::ZERO });
                for role in crate::role::built_in() {
                    self.rules.insert(role.id, Arc::new(Rules::default_for(&role, *rules)));
                    self.roles.insert(role.id, role);
                }
            }
            Event::SettingsChanged { name, span_min, age_min } => {
                if let Some(s) = &mut self.settings {
                    if let Some(name) = name {
                        s.name.clone_from(name);
                    }
                    s.span_min = span_min.unwrap_or(s.span_min);
                    s.age_min = age_min.unwrap_or(s.age_min);
                }
            }
            Event::UserCreated { user, person, name, upn, emergency } => {
                let kind = Kind::User(User { person: *person, upn: upn.clone(), emergency: *emergency });
                let p = Principal { id: *user, name: name.clone(), enabled: true, created: at, kind };
                self.renaming(&[*person], |s| {
                    s.put_principal(p);
                    s.index_user(*user);
                });
            }
            Event::UserChanged { user, name, upn, person } => {
                let mut persons: Vec<PersonId> = self.person_of(*user).into_iter().collect();
                persons.extend(person.filter(|p| !persons.contains(p)));
                self.renaming(&persons, |s| {
                    s.unindex_user(*user);
                    s.with_principal(*user, |p| {
                        if let Some(name) = name {
                            p.name = name.clone();
                        }
                        if let Kind::User(u) = &mut p.kind {
                            if let Some(upn) = upn {
                                u.upn = upn.clone();
                            }
                            u.person = person.unwrap_or(u.person);
                        }
                    });
                    s.index_user(*user);
                });
            }
            Event::PrincipalDisabled { principal } => self.with_principal(*principal, |p| p.enabled = false),
            Event::PrincipalEnabled { principal } => self.with_principal(*principal, |p| p.enabled = true),
            Event::PrincipalDeleted { principal } => self.forget_principal(*principal),
            Event::GroupCreated { group, name, description, role_assignable, owners, members } => {
                let kind = Kind::Group(Group {
                    description: description.clone(),
                    role_assignable: *role_assignable,
                    members: OrdSet::new(),
                    owners: owners.iter().copied().collect(),
                });
                let p = Principal { id: *group, name: name.clone(), enabled: true, created: at, kind };
                self.put_principal(p);
                for member in members {
                    self.join_group(*group, *member);
                }
            }
            Event::GroupChanged { group, name, description } => {
                if let Some(name) = name {
                    self.with_principal(*group, |p| p.name = name.clone());
                }
                if let Some(description) = description {
                    self.with_group(*group, |g| g.description.clone_from(description));
                }
            }
            Event::ServiceCreated { service, name, app } => {
                let kind = Kind::Service(Service { app: *app });
                let p = Principal { id: *service, name: name.clone(), enabled: true, created: at, kind };
                self.put_principal(p);
            }
            Event::MemberAdded { group, member } => self.join_group(*group, *member),
            Event::MemberRemoved { group, member } => self.leave_group(*group, *member),
            Event::OwnerAdded { group, owner } => self.with_group(*group, |g| {
                g.owners.insert(*owner);
            }),
            Event::OwnerRemoved { group, owner } => self.with_group(*group, |g| {
                g.owners.remove(owner);
            }),
            Event::UnitCreated { unit, name, description } => {
                let u = Unit {
                    id: *unit,
                    name: name.clone(),
                    description: description.clone(),
                    members: OrdSet::new(),
                    hosts: OrdSet::new(),
                };
                self.units.insert(*unit, Arc::new(u));
            }
            Event::UnitChanged { unit, name, description } => self.with_unit(*unit, |u| {
                if let Some(name) = name {
                    u.name.clone_from(name);
                }
                if let Some(description) = description {
                    u.description.clone_from(description);
                }
            }),
            Event::UnitDeleted { unit } => {
                self.forget_expired(|(_, _, target), _| target.scope() == Scope::Unit(*unit));
                if let Some(u) = self.units.remove(unit) {
                    for object in u.members.iter().map(|m| m.0).chain(u.hosts.iter().map(|h| h.0)) {
                        take_from(&mut self.units_of, object, unit);
                    }
                }
                if self.account_rules.contains_key(&Place::Unit(*unit)) {
                    let everybody: Vec<PersonId> = self.persons.keys().copied().collect();
                    self.renaming(&everybody, |s| {
                        s.account_rules.remove(&Place::Unit(*unit));
                    });
                }
                let gone: Vec<_> = self.accounts.keys().filter(|(_, p)| *p == Place::Unit(*unit)).copied().collect();
                for key in gone {
                    self.renaming(&[key.0], |s| {
                        s.accounts.remove(&key);
                    });
                }
            }
            Event::UnitJoined { unit, object } => self.join_unit(*unit, *object),
            Event::UnitLeft { unit, object } => self.leave_unit(*unit, *object),
            Event::RoleDefined { role, rules } => {
                self.put_role(role.clone());
                if let Some(role) = self.roles.get(&role.id).cloned() {
                    self.rules.insert(role.id, Arc::new(Rules::default_for(&role, *rules)));
                }
            }
            Event::RoleChanged { role } => self.put_role(role.clone()),
            Event::RoleDeleted { role } => {
                self.roles.remove(role);
                self.rules.remove(role);
                self.forget_expired(|(_, _, target), _| target.role_id() == *role);
                self.unsatisfiable.remove(role);
            }
            Event::RulesChanged { role, changes } => {
                if let Some(rules) = self.rules.get(role) {
                    let mut rules = Rules::clone(rules);
                    for change in changes {
                        rules.change(change);
                    }
                    rules.changed = meta.actor.map(|by| (at, by));
                    self.rules.insert(*role, Arc::new(rules));
                }
            }
            Event::EligibilityGranted { ask, starts, ends } => {
                self.expired.remove(&(ask.subject, Sort::Eligibility, ask.target));
                self.put_eligibility(Eligibility {
                    id: EligibilityId(ask.request.0),
                    principal: ask.subject,
                    target: ask.target,
                    starts: *starts,
                    ends: *ends,
                    made: at,
                    changed: None,
                    by: ask.by,
                    closing: false,
                });
                self.done(ask, Sort::Eligibility, Status::Provisioned, Some(*starts), Some(ask.request.0));
            }
            Event::EligibilityChanged { ask, eligibility, starts, ends } => {
                if let Some(e) = self.eligibilities.get(eligibility).cloned() {
                    let e = Eligibility {
                        starts: *starts,
                        ends: *ends,
                        changed: Some(at),
                        closing: false,
                        ..Eligibility::clone(&e)
                    };
                    self.put_eligibility(e);
                }
                self.done(ask, Sort::Eligibility, Status::Provisioned, Some(*starts), Some(eligibility.0));
            }
            Event::EligibilityClosed { ask, eligibility, when } => {
                if let Some(e) = self.eligibilities.get(eligibility).cloned() {
                    self.put_eligibility(Eligibility {
                        closing: *when == Removal::WhenRunningEnd,
                        ..Eligibility::clone(&e)
                    });
                }
                self.done(ask, Sort::Eligibility, Status::Revoked, None, None);
            }
            Event::EligibilityEnded { eligibility, why, ask } => {
                if let Some(e) = self.drop_eligibility(*eligibility)
                    && *why == Why::TimeIsUp
                {
                    // From its own end: it may have been noticed late, by a server that was down.
                    self.expired.insert((e.principal, Sort::Eligibility, e.target), e.ends.unwrap_or(at));
                }
                if let Some(ask) = ask {
                    self.done(ask, Sort::Eligibility, Status::Revoked, None, None);
                }
            }
            Event::AssignmentGranted { ask, starts, ends } => {
                self.expired.remove(&(ask.subject, Sort::Assignment, ask.target));
                self.put_assignment(Assignment {
                    id: AssignmentId(ask.request.0),
                    principal: ask.subject,
                    target: ask.target,
                    starts: *starts,
                    ends: *ends,
                    made: at,
                    changed: None,
                    by: ask.by,
                    from: None,
                    plain: false,
                });
                self.done(ask, Sort::Assignment, Status::Provisioned, Some(*starts), Some(ask.request.0));
            }
            Event::AssignmentMade { assignment, principal, target } => {
                self.expired.remove(&(*principal, Sort::Assignment, *target));
                self.put_assignment(Assignment {
                    id: *assignment,
                    principal: *principal,
                    target: *target,
                    starts: at,
                    ends: None,
                    made: at,
                    changed: None,
                    by: meta.actor,
                    from: None,
                    plain: true,
                });
            }
            Event::AssignmentChanged { ask, assignment, starts, ends } => {
                if let Some(a) = self.assignments.get(assignment).cloned() {
                    self.put_assignment(Assignment {
                        starts: *starts,
                        ends: *ends,
                        changed: Some(at),
                        ..Assignment::clone(&a)
                    });
                }
                self.done(ask, Sort::Assignment, Status::Provisioned, Some(*starts), Some(assignment.0));
            }
            Event::ActivationShortened { assignment, ends } => {
                if let Some(a) = self.assignments.get(assignment).cloned() {
                    self.put_assignment(Assignment { ends: Some(*ends), changed: Some(at), ..Assignment::clone(&a) });
                }
            }
            Event::ActivationExtended { ask, assignment, ends } => {
                let starts = self.assignments.get(assignment).map(|a| a.starts);
                if let Some(a) = self.assignments.get(assignment).cloned() {
                    self.put_assignment(Assignment { ends: Some(*ends), changed: Some(at), ..Assignment::clone(&a) });
                }
                self.done(ask, Sort::Assignment, Status::Provisioned, starts, Some(assignment.0));
            }
            Event::AssignmentEnded { assignment, why, ask } => {
                if let Some(a) = self.drop_assignment(*assignment)
                    && *why == Why::TimeIsUp
                    && !a.activated()
                {
                    self.expired.insert((a.principal, Sort::Assignment, a.target), a.ends.unwrap_or(at));
                }
                if let Some(ask) = ask {
                    self.done(ask, Sort::Assignment, Status::Revoked, None, None);
                }
            }
            Event::ApprovalAsked { ask, stages, until } => {
                let stages = stages.iter().map(|s| StageState { stage: s.clone(), decided: Vec::new() }).collect();
                self.put_request(Request {
                    ask: ask.clone(),
                    sort: Sort::Assignment,
                    made: at,
                    status: Status::PendingApproval,
                    stages,
                    until: Some(*until),
                    starts: None,
                    completed: None,
                    schedule: None,
                });
            }
            Event::MoreAsked { ask, sort, of, stages, until } => {
                let stages = stages.iter().map(|s| StageState { stage: s.clone(), decided: Vec::new() }).collect();
                self.put_request(Request {
                    ask: ask.clone(),
                    sort: *sort,
                    made: at,
                    status: Status::PendingApproval,
                    stages,
                    until: Some(*until),
                    starts: None,
                    completed: None,
                    schedule: *of,
                });
            }
            Event::ActivationScheduled { ask, request, starts } => {
                self.ensure_request(ask.as_ref(), Status::Granted);
                self.with_request(*request, |r| {
                    r.status = Status::Granted;
                    r.starts = Some(*starts);
                });
            }
            Event::ActivationBegan { ask, request, ends } => {
                // The commonest event by far: the request is written once, as it ends up.
                let begun = match ask {
                    Some(ask) => Some(Request {
                        ask: ask.clone(),
                        sort: Sort::Assignment,
                        made: at,
                        status: Status::Provisioned,
                        stages: Vec::new(),
                        until: None,
                        starts: Some(at),
                        completed: Some(at),
                        schedule: Some(request.0),
                    }),
                    None => self.requests.get(request).map(|r| Request {
                        status: Status::Provisioned,
                        starts: Some(at),
                        completed: Some(at),
                        schedule: Some(request.0),
                        ..Request::clone(r)
                    }),
                };
                if let Some(r) = begun {
                    let a = Assignment {
                        id: AssignmentId(request.0),
                        principal: r.ask.subject,
                        target: r.ask.target,
                        starts: at,
                        ends: Some(*ends),
                        made: at,
                        changed: None,
                        by: r.ask.by,
                        from: r.ask.eligibility,
                        plain: false,
                    };
                    self.put_request(r);
                    self.put_assignment(a);
                }
            }
            Event::RequestApproved { request, stage, by, reason } => {
                let verdict = Verdict { by: *by, approve: true, reason: reason.clone(), at };
                self.with_request(*request, |r| {
                    if let Some(s) = r.stages.get_mut(usize::from(*stage)) {
                        s.decided.push(verdict);
                    }
                });
            }
            Event::RequestDenied { request, stage, by, reason } => {
                let verdict = Verdict { by: *by, approve: false, reason: reason.clone(), at };
                self.with_request(*request, |r| {
                    if let Some(s) = r.stages.get_mut(usize::from(*stage)) {
                        s.decided.push(verdict);
                    }
                    close(r, Status::Denied, at);
                });
            }
            Event::RequestCanceled { request, why: _ } => {
                self.with_request(*request, |r| close(r, Status::Canceled, at))
            }
            Event::RequestTimedOut { request } => self.with_request(*request, |r| close(r, Status::TimedOut, at)),
            Event::RequestFailed { request, why: _ } => self.with_request(*request, |r| close(r, Status::Failed, at)),
            Event::RequestsForgotten { before } => {
                let old: Vec<RequestId> =
                    self.closed.iter().take_while(|(t, _)| t < before).map(|(_, id)| *id).collect();
                for id in old {
                    self.forget_request(id);
                }
                self.forget_expired(|_, ended| ended < *before);
            }
            Event::AskRefused { by, .. } => {
                let (since, count) = self.refused.get(by).copied().unwrap_or((at, 0));
                let fresh = at.since(since) >= crate::decide::REFUSALS_WINDOW;
                self.refused.insert(*by, if fresh { (at, 1) } else { (since, count + 1) });
            }
            Event::SessionsEnded { .. } => {}
            Event::SignInNoted { principal, outcome, .. } => {
                if let Some(id) = principal
                    && *outcome == SignIn::Succeeded
                    && self.principals.get(id).is_some_and(|p| p.emergency())
                {
                    self.emergency_used.insert(*id, at);
                }
            }
            Event::CodeIssued { principal, code, expires } => {
                // A newer code voids the one before: whoever may have taken that one on its way gains nothing.
                self.drop_codes(|c| c.purpose == Purpose::FirstFactor(*principal) || c.expires <= at);
                self.codes.insert(*code, Code { purpose: Purpose::FirstFactor(*principal), expires: *expires });
            }
            Event::CredentialBound { principal, credential, method, version, code } => {
                let c = Credential { principal: *principal, method: *method, version: *version, bound: at };
                self.credentials.insert(*credential, c);
                if let Some(code) = code {
                    self.codes.remove(code);
                }
            }
            Event::CredentialRemoved { credential, .. } => {
                self.credentials.remove(credential);
            }
            Event::EmergencyMinted { user, credential } => {
                let gone: Vec<_> = self
                    .credentials
                    .iter()
                    .filter(|(_, c)| c.principal == *user && c.method == Method::EmergencySecret)
                    .map(|(id, _)| *id)
                    .collect();
                for id in gone {
                    self.credentials.remove(&id);
                }
                let c = Credential { principal: *user, method: Method::EmergencySecret, version: 1, bound: at };
                self.credentials.insert(*credential, c);
                self.emergency_used.insert(*user, at);
            }
            Event::HostCodeIssued { code, unit, expires } => {
                self.drop_codes(|c| c.expires <= at);
                self.codes.insert(*code, Code { purpose: Purpose::Host(*unit), expires: *expires });
            }
            Event::HostEnrolled { host, name, key, code, unit } => {
                self.codes.remove(code);
                let h = Host {
                    id: *host,
                    name: name.clone(),
                    key: key.clone(),
                    enrolled: at,
                    accounts: Vec::new(),
                    drift: Vec::new(),
                    reported: None,
                };
                self.hosts.insert(*host, Arc::new(h));
                if let Some(unit) = unit {
                    self.join_unit(*unit, host.0);
                }
            }
            Event::HostRemoved { host } => {
                for unit in self.units_of.get(&host.0).cloned().unwrap_or_default() {
                    self.leave_unit(unit, host.0);
                }
                self.hosts.remove(host);
                let gone: Vec<_> = self.effects.keys().filter(|(_, _, h)| h == host).copied().collect();
                for key in gone {
                    self.effects.remove(&key);
                }
            }
            Event::HostReported { host, accounts, drift } => self.with_host(*host, |h| {
                h.accounts.clone_from(accounts);
                h.drift.clone_from(drift);
                h.reported = Some(at);
            }),
            Event::AccountMapped { person, place, account } => self.renaming(&[*person], |s| {
                match account {
                    Some(account) => s.accounts.insert((*person, *place), account.clone()),
                    None => s.accounts.remove(&(*person, *place)),
                };
            }),
            Event::AccountRuleSet { place, rule } => {
                let everybody: Vec<PersonId> = self.persons.keys().copied().collect();
                self.renaming(&everybody, |s| {
                    match rule {
                        Some(rule) => s.account_rules.insert(*place, rule.clone()),
                        None => s.account_rules.remove(place),
                    };
                });
            }
            Event::GrantIntended { grants } => {
                for g in grants {
                    self.effects.insert((g.assignment, g.principal, g.host), Effect::Intended);
                }
            }
            Event::GrantsReported { results } => {
                for r in results {
                    if r.result == Effect::Gone {
                        self.effects.remove(&(r.assignment, r.principal, r.host));
                    } else {
                        self.effects.insert((r.assignment, r.principal, r.host), r.result.clone());
                    }
                }
            }
            Event::EpochRaised { epoch } => self.epoch = *epoch,
            Event::Erased { principal } => self.erase(*principal),
            Event::ClockRecovered { .. } => {}
            Event::ApprovalUnsatisfiable { roles } => self.unsatisfiable = roles.iter().copied().collect(),
        }
    }

    fn done(&mut self, ask: &Ask, sort: Sort, status: Status, starts: Option<Time>, schedule: Option<Uuid>) {
        let at = self.at;
        // What waited for a decision keeps who gave it.
        let (made, stages) =
            self.requests.get(&ask.request).map_or((at, Vec::new()), |open| (open.made, open.stages.clone()));
        self.put_request(Request {
            ask: ask.clone(),
            sort,
            made,
            status,
            stages,
            until: None,
            starts,
            completed: Some(at),
            schedule,
        });
    }

    fn ensure_request(&mut self, ask: Option<&Ask>, status: Status) {
        if let Some(ask) = ask {
            let completed = (!status.open()).then_some(self.at);
            self.put_request(Request {
                ask: ask.clone(),
                sort: Sort::Assignment,
                made: self.at,
                status,
                stages: Vec::new(),
                until: None,
                starts: None,
                completed,
                schedule: None,
            });
        }
    }

    /// Whether an action is one that a person asks for himself.
    pub fn self_action(action: Action) -> bool {
        matches!(action, Action::SelfActivate | Action::SelfDeactivate | Action::SelfExtend | Action::SelfRenew)
    }

    /// A reason an ending carries, in words.
    pub fn why_told(why: Why) -> String {
        match why {
            Why::TimeIsUp => "time is up",
            Why::GivenUp => "given up",
            Why::Removed => "taken away",
            Why::EligibilityGone => "the eligibility it came from is gone",
            Why::Disabled => "the account was disabled",
            Why::Deleted => "the account was deleted",
            Why::LeftGroup => "its holder left the group it came through",
            Why::RoleGone => "the role is gone",
            Why::ScopeGone => "the unit is gone",
        }
        .to_owned()
    }
}

fn close(r: &mut Request, status: Status, at: Time) {
    r.status = status;
    r.completed = Some(at);
}
