//! What the log says, folded a second time in the plainest way: maps and loops, no index, none of the rules' code.
//! It is the oracle for what is judged at the moment of an event: windows, proofs, approvals, closed requests.
//!
//! Always: every kind of event is read, none by a wildcard; one that breaks a law panics here, with its entry's number.

mod given;
mod reach;
mod requests;

use requests::Asked;
use std::collections::{BTreeMap, BTreeSet};
use writ_core::command::{Effect, Method, Place, Proof, Sort};
use writ_core::event::Event;
use writ_core::ids::*;
use writ_core::log::{Envelope, Via};
use writ_core::role::{Role, built_in};
use writ_core::rules::{RuleChange, RuleChoice, Rules, Side};
use writ_core::scope::{Scope, Target};
use writ_core::state::Status;
use writ_core::time::{Span, Time};

/// A principal. Its texts are `None` once they were erased.
#[derive(Clone, Debug)]
pub(crate) struct Being {
    pub(crate) name: Option<String>,
    pub(crate) upn: Option<String>,
    /// For a user.
    pub(crate) person: Option<PersonId>,
    pub(crate) enabled: bool,
    pub(crate) emergency: bool,
    pub(crate) group: Option<Group>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// Whether it passes roles to its members.
    pub(crate) passes: bool,
    pub(crate) description: String,
    pub(crate) members: BTreeSet<PrincipalId>,
    pub(crate) owners: BTreeSet<PrincipalId>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Unit {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) objects: BTreeSet<Uuid>,
}

/// An eligibility, or an assignment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grant {
    pub(crate) principal: PrincipalId,
    pub(crate) target: Target,
    pub(crate) starts: Time,
    pub(crate) ends: Option<Time>,
    pub(crate) made: Time,
    /// The eligibility it was activated from.
    pub(crate) from: Option<EligibilityId>,
    /// For an eligibility: it goes when what runs from it has ended.
    pub(crate) closing: bool,
    /// For an assignment: made without a request.
    pub(crate) plain: bool,
}

impl Grant {
    pub(crate) fn covers(&self, now: Time) -> bool {
        self.starts <= now && self.ends.is_none_or(|ends| now < ends)
    }
}

/// What a single-use code is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Purpose {
    SignIn(PrincipalId),
    Host(Option<UnitId>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) span_min: Span,
    pub(crate) age_min: Span,
}

#[derive(Default)]
pub(crate) struct Shadow {
    pub(crate) seq: Seq,
    pub(crate) at: Time,
    /// Who made the entry that is being read, by which way in, and in which command.
    by: Option<PrincipalId>,
    via: Option<Via>,
    command: Uuid,
    /// The command that is being carried out, and what its caller has really proved.
    pub(crate) asking: Option<(Uuid, Proof)>,
    pub(crate) settings: Option<Settings>,
    pub(crate) beings: BTreeMap<PrincipalId, Being>,
    pub(crate) units: BTreeMap<UnitId, Unit>,
    pub(crate) roles: BTreeMap<RoleId, Role>,
    pub(crate) rules: BTreeMap<RoleId, Rules>,
    pub(crate) hosts: BTreeSet<DeviceId>,
    pub(crate) eligibilities: BTreeMap<EligibilityId, Grant>,
    pub(crate) assignments: BTreeMap<AssignmentId, Grant>,
    /// When what ran out did: what can be renewed.
    pub(crate) ran_out: BTreeMap<(PrincipalId, Sort, Target), Time>,
    pub(crate) asked: BTreeMap<RequestId, Asked>,
    pub(crate) credentials: BTreeMap<CredentialId, (PrincipalId, Method)>,
    pub(crate) codes: BTreeMap<CredentialId, (Purpose, Time)>,
    /// Codes that were used, and by which command.
    used: BTreeMap<CredentialId, Uuid>,
    pub(crate) accounts: BTreeMap<(PersonId, Place), (PrincipalId, Option<String>)>,
    pub(crate) account_rules: BTreeMap<Place, String>,
    pub(crate) effects: BTreeMap<(AssignmentId, PrincipalId, DeviceId), &'static str>,
    pub(crate) emergency_used: BTreeMap<PrincipalId, Time>,
    pub(crate) unsatisfiable: BTreeSet<RoleId>,
    pub(crate) epoch: u64,
    refused: BTreeMap<PrincipalId, (Time, u32)>,
    pub(crate) activations: u64,
    pub(crate) approvals: u64,
    pub(crate) erasures: u64,
    /// How often each kind of event was read; those that carry an ask, by what was asked too.
    pub(crate) read: BTreeMap<String, u64>,
}

impl Shadow {
    /// Folds one entry, and holds it against the laws that speak of what happens.
    pub(crate) fn fold(&mut self, envelope: &Envelope, event: &Event) {
        let (seq, at) = (envelope.seq, envelope.at);
        assert_eq!(seq, self.seq + 1, "entries are numbered without a gap");
        let back = at < self.at && !matches!(event, Event::ClockRecovered { .. });
        assert!(!back, "entry {seq}: time ran back without being recovered");
        (self.seq, self.at) = (seq, at);
        (self.by, self.via, self.command) =
            (envelope.actor.principal, Some(envelope.actor.via), envelope.cause.command);
        *self.read.entry(event.kind().to_owned()).or_default() += 1;
        self.read_event(event);
    }

    fn read_event(&mut self, event: &Event) {
        let (seq, at) = (self.seq, self.at);
        match event {
            Event::TenantFounded { name, rules, span_min, .. } => {
                assert_eq!(seq, 1, "entry {seq}: founded twice");
                self.epoch = 1;
                let (name, span_min) = (name.clone(), *span_min);
                self.settings = Some(Settings { name, span_min, age_min: Span::ZERO });
                built_in().iter().for_each(|role| self.define(role, *rules));
            }
            Event::SettingsChanged { name, span_min, age_min } => {
                self.by_manager();
                let settings = self.settings.as_mut().unwrap();
                settings.name = name.clone().unwrap_or(settings.name.clone());
                settings.span_min = span_min.unwrap_or(settings.span_min);
                settings.age_min = age_min.unwrap_or(settings.age_min);
            }
            Event::UserCreated { user, person, name, upn, emergency } => {
                let (name, upn) = (name.text().map(Into::into), upn.text().map(Into::into));
                let (person, emergency) = (Some(*person), *emergency);
                let being = Being { name, upn, person, enabled: true, emergency, group: None };
                assert!(self.beings.insert(*user, being).is_none(), "entry {seq}: created twice");
            }
            Event::UserChanged { user, name, upn, person } => {
                let being = self.being(*user);
                if let Some(name) = name {
                    being.name = name.text().map(Into::into);
                }
                if let Some(upn) = upn {
                    being.upn = upn.text().map(Into::into);
                }
                being.person = person.or(being.person);
            }
            Event::PrincipalDisabled { principal } => self.being(*principal).enabled = false,
            Event::PrincipalEnabled { principal } => self.being(*principal).enabled = true,
            Event::PrincipalDeleted { principal } => self.deleted(*principal),
            Event::GroupCreated { group, name, description, role_assignable, owners, members } => {
                let (members, owners) = (members.iter().copied().collect(), owners.iter().copied().collect());
                let made = Group { passes: *role_assignable, description: description.clone(), members, owners };
                self.nobody_from_paper(made.members.iter());
                self.nameless(*group, name.text(), Some(made));
            }
            Event::GroupChanged { group, name, description } => {
                if let Some(name) = name {
                    self.being(*group).name = name.text().map(Into::into);
                }
                if let Some(description) = description {
                    self.group(*group).description.clone_from(description);
                }
            }
            Event::ServiceCreated { service, name, .. } => self.nameless(*service, name.text(), None),
            Event::MemberAdded { group, member } => {
                self.nobody_from_paper([member].into_iter());
                assert!(self.group(*group).members.insert(*member), "entry {seq}: a member already");
                self.no_circle(*group);
            }
            Event::MemberRemoved { group, member } => {
                assert!(self.group(*group).members.remove(member), "entry {seq}: was no member");
            }
            Event::OwnerAdded { group, owner } => {
                assert!(self.group(*group).owners.insert(*owner), "entry {seq}: an owner already");
            }
            Event::OwnerRemoved { group, owner } => {
                assert!(self.group(*group).owners.remove(owner), "entry {seq}: was no owner");
            }
            Event::UnitCreated { unit, name, description } => {
                let (name, description) = (name.clone(), description.clone());
                self.units.insert(*unit, Unit { name, description, objects: BTreeSet::new() });
            }
            Event::UnitChanged { unit, name, description } => {
                let unit = self.units.get_mut(unit).unwrap();
                unit.name = name.clone().unwrap_or(unit.name.clone());
                unit.description = description.clone().unwrap_or(unit.description.clone());
            }
            Event::UnitDeleted { unit } => {
                self.units.remove(unit);
                self.accounts.retain(|(_, place), _| *place != Place::Unit(*unit));
                self.account_rules.remove(&Place::Unit(*unit));
                self.ran_out.retain(|(_, _, target), _| target.scope() != Scope::Unit(*unit));
            }
            Event::UnitJoined { unit, object } => {
                self.units.get_mut(unit).unwrap().objects.insert(*object);
            }
            Event::UnitLeft { unit, object } => {
                self.units.get_mut(unit).unwrap().objects.remove(object);
            }
            Event::RoleDefined { role, rules } => self.define(role, *rules),
            Event::RoleChanged { role } => {
                assert!(!self.roles[&role.id].built_in, "entry {seq}: a built-in role was changed");
                self.roles.insert(role.id, role.clone());
            }
            Event::RoleDeleted { role } => {
                self.roles.remove(role);
                self.rules.remove(role);
                self.unsatisfiable.remove(role);
                self.ran_out.retain(|(_, _, target), _| target.role_id() != *role);
            }
            Event::RulesChanged { role, changes } => {
                self.by_manager();
                changes.iter().for_each(|change| self.change(*role, change));
            }
            Event::EligibilityGranted { ask, starts, ends } => self.granted(ask, Sort::Eligibility, *starts, *ends),
            Event::EligibilityChanged { ask, eligibility, starts, ends } => {
                self.changed(ask, Sort::Eligibility, eligibility.0, *starts, *ends);
            }
            Event::EligibilityClosed { ask, eligibility, .. } => self.closed(ask, *eligibility),
            Event::EligibilityEnded { eligibility, why, ask } => {
                self.over(Sort::Eligibility, eligibility.0, *why, ask.as_ref());
            }
            Event::AssignmentGranted { ask, starts, ends } => self.granted(ask, Sort::Assignment, *starts, *ends),
            Event::AssignmentMade { assignment, principal, target } => self.made(*assignment, *principal, *target),
            Event::AssignmentChanged { ask, assignment, starts, ends } => {
                self.changed(ask, Sort::Assignment, assignment.0, *starts, *ends);
            }
            Event::ActivationExtended { ask, assignment, ends } => self.extended(ask, *assignment, *ends),
            Event::ActivationShortened { assignment, ends } => {
                let a = self.assignments.get_mut(assignment).unwrap();
                assert!(a.ends.is_none_or(|old| *ends <= old), "entry {seq}: shortened to a later end");
                a.ends = Some(*ends);
            }
            Event::AssignmentEnded { assignment, why, ask } => {
                self.over(Sort::Assignment, assignment.0, *why, ask.as_ref());
            }
            Event::ApprovalAsked { ask, stages, until } => self.approval_asked(ask, stages, *until),
            Event::MoreAsked { ask, sort, of, stages, until } => self.more_asked(ask, *sort, *of, stages, *until),
            Event::ActivationScheduled { ask, request, starts } => self.scheduled(ask.as_ref(), *request, *starts),
            Event::ActivationBegan { ask, request, ends } => self.began(ask.as_ref(), *request, *ends),
            Event::RequestApproved { request, stage, by, reason } => {
                self.decided(*request, *stage, *by, reason.as_ref());
                self.approved(*request, *stage, *by);
            }
            Event::RequestDenied { request, stage, by, reason } => {
                self.decided(*request, *stage, *by, reason.as_ref());
                self.close(*request, Status::Denied);
            }
            Event::RequestCanceled { request, why } => self.canceled(*request, *why),
            Event::RequestTimedOut { request } => {
                let until = self.asked[request].until;
                assert!(until.is_some_and(|until| until <= at), "entry {seq}: timed out before its time");
                self.close(*request, Status::TimedOut);
            }
            Event::RequestFailed { request, .. } => self.close(*request, Status::Failed),
            Event::RequestsForgotten { before } => {
                assert!(*before + Span::from_days(30) <= at, "entry {seq}: forgotten too soon");
                self.ran_out.retain(|_, ended| *ended >= *before);
                let old = |asked: &&mut Asked| asked.closed.is_some_and(|closed| closed < *before);
                self.asked.values_mut().filter(old).for_each(|asked| asked.forgotten = true);
            }
            Event::AskRefused { by, broken, .. } => {
                assert!(self.beings[by].enabled, "entry {seq}: a record by a disabled account");
                assert!(!broken.is_empty(), "entry {seq}: refused for nothing");
                let (since, count) = self.refused.get(by).copied().unwrap_or((at, 0));
                let counted = if at.since(since) >= Span::from_minutes(10) { (at, 1) } else { (since, count + 1) };
                assert!(counted.1 <= 20, "entry {seq}: refusals leave records without bound");
                self.refused.insert(*by, counted);
            }
            Event::SignInNoted { principal, outcome, from, .. } => {
                assert!(from.len() <= 8, "entry {seq}: addresses without bound");
                let emergency = |id: &PrincipalId| self.beings.get(id).is_some_and(|being| being.emergency);
                if *outcome == writ_core::command::SignIn::Succeeded
                    && let Some(id) = principal.filter(emergency)
                {
                    self.emergency_used.insert(id, at);
                }
            }
            Event::CodeIssued { principal, code, expires } => {
                let being = &self.beings[principal];
                assert!(being.person.is_some() && !being.emergency, "entry {seq}: a code for no such user");
                assert!(*expires <= at + Span::from_days(7), "entry {seq}: a code that is good for long");
                // A newer code voids the one before.
                self.codes.retain(|_, (purpose, _)| *purpose != Purpose::SignIn(*principal));
                self.codes.insert(*code, (Purpose::SignIn(*principal), *expires));
            }
            Event::CredentialBound { principal, credential, method, code, .. } => {
                if let Some(code) = code {
                    self.uses(*code, |purpose| purpose == Purpose::SignIn(*principal));
                }
                self.credentials.insert(*credential, (*principal, *method));
            }
            Event::CredentialRemoved { principal, credential } => {
                let gone = self.credentials.remove(credential);
                assert_eq!(gone.map(|(whose, _)| whose), Some(*principal), "entry {seq}: whose credential?");
            }
            Event::SessionsEnded { principal } => {
                let being = &self.beings[principal];
                let own = self.by == Some(*principal);
                assert!(being.person.is_some(), "entry {seq}: only users have sessions");
                assert!(own || !being.emergency, "law 7, entry {seq}: somebody else ended the last way in");
            }
            Event::EmergencyMinted { user, credential } => {
                assert!(self.via == Some(Via::Console) && self.beings[user].emergency, "entry {seq}: minted");
                let secret = (*user, Method::EmergencySecret);
                self.credentials.retain(|_, bound| *bound != secret);
                self.credentials.insert(*credential, secret);
                self.emergency_used.insert(*user, at);
            }
            Event::HostCodeIssued { code, unit, expires } => {
                self.codes.insert(*code, (Purpose::Host(*unit), *expires));
            }
            Event::HostEnrolled { host, code, unit, .. } => {
                let still = |there: UnitId| self.units.contains_key(&there).then_some(there);
                let named = match self.codes.get(code) {
                    Some((Purpose::Host(named), _)) => named.and_then(still),
                    other => panic!("entry {seq}: enrolled with {other:?}"),
                };
                assert_eq!(*unit, named, "entry {seq}: enrolled elsewhere than the code says");
                self.uses(*code, |purpose| matches!(purpose, Purpose::Host(_)));
                assert!(self.hosts.insert(*host), "entry {seq}: enrolled twice");
                if let Some(unit) = unit {
                    self.units.get_mut(unit).unwrap().objects.insert(host.0);
                }
            }
            Event::HostRemoved { host } => {
                self.hosts.remove(host);
                self.units.values_mut().for_each(|unit| {
                    unit.objects.remove(&host.0);
                });
                self.effects.retain(|(_, _, there), _| there != host);
            }
            Event::HostReported { host, .. } => assert!(self.hosts.contains(host), "entry {seq}: which host?"),
            Event::AccountMapped { person, place, account } => {
                self.accounts.remove(&(*person, *place));
                if let Some(account) = account {
                    let taken = |((whose, _), (_, name)): (&(PersonId, Place), &(PrincipalId, Option<String>))| {
                        whose != person && name.as_deref() == account.text()
                    };
                    assert!(!self.accounts.iter().any(taken), "entry {seq}: somebody else's local account");
                    let name = account.text().map(Into::into);
                    self.accounts.insert((*person, *place), (account.about(), name));
                }
            }
            Event::AccountRuleSet { place, rule } => {
                match rule {
                    Some(rule) => self.account_rules.insert(*place, rule.clone()),
                    None => self.account_rules.remove(place),
                };
            }
            Event::GrantIntended { grants } => {
                for g in grants {
                    assert!(self.hosts.contains(&g.host), "entry {seq}: a right on no host");
                    let old = self.effects.insert((g.assignment, g.principal, g.host), "intended");
                    assert_eq!(old, None, "entry {seq}: intended what is there");
                }
            }
            Event::GrantsReported { results } => {
                for r in results {
                    let key = (r.assignment, r.principal, r.host);
                    assert!(self.effects.contains_key(&key), "entry {seq}: a host invented a right");
                    match effect(&r.result) {
                        "gone" => self.effects.remove(&key),
                        now => self.effects.insert(key, now),
                    };
                }
            }
            Event::EpochRaised { epoch } => {
                assert_eq!(*epoch, self.epoch + 1, "entry {seq}: epochs are counted");
                self.epoch = *epoch;
            }
            Event::Erased { principal } => {
                self.erasures += 1;
                if let Some(being) = self.beings.get_mut(principal) {
                    assert!(!being.enabled, "entry {seq}: somebody at work was erased");
                    (being.name, being.upn) = (None, None);
                }
                self.accounts.values_mut().filter(|(about, _)| about == principal).for_each(|(_, name)| *name = None);
            }
            Event::ClockRecovered { .. } => assert_eq!(self.via, Some(Via::Console), "entry {seq}: by whom?"),
            Event::ApprovalUnsatisfiable { roles } => self.unsatisfiable = roles.iter().copied().collect(),
        }
    }

    fn define(&mut self, role: &Role, choice: RuleChoice) {
        self.roles.insert(role.id, role.clone());
        self.rules.insert(role.id, Rules::default_for(role, choice));
    }

    fn change(&mut self, role: RoleId, change: &RuleChange) {
        let rules = self.rules.get_mut(&role).unwrap();
        let a = &mut rules.activation;
        match change {
            RuleChange::ActivationExpiration { span_max } => a.span_max = *span_max,
            RuleChange::ActivationEnablement { mfa, reason, ticket } => {
                (a.mfa, a.reason, a.ticket) = (*mfa, *reason, *ticket);
            }
            RuleChange::Approval(approval) => a.approval = approval.clone(),
            RuleChange::Freshness { mfa_age_max } => a.mfa_age_max = *mfa_age_max,
            RuleChange::Pending { pending_max } => a.pending_max = *pending_max,
            RuleChange::Context(context) => a.context = context.clone(),
            RuleChange::AdminExpiration { side: Side::Eligibility, required, span_max } => {
                (rules.eligibility.expiration_required, rules.eligibility.span_max) = (*required, *span_max);
            }
            RuleChange::AdminExpiration { side: Side::Assignment, required, span_max } => {
                (rules.assignment.expiration_required, rules.assignment.span_max) = (*required, *span_max);
            }
            RuleChange::AdminEnablement { side, mfa, reason, ticket } => {
                let side = match side {
                    Side::Eligibility => &mut rules.eligibility,
                    Side::Assignment => &mut rules.assignment,
                };
                (side.mfa, side.reason, side.ticket) = (*mfa, *reason, *ticket);
            }
            RuleChange::Ending(ending) => rules.ending = ending.clone(),
            RuleChange::Notification(notification) => {
                rules.notifications.retain(|there| there.rule != notification.rule);
                rules.notifications.push(notification.clone());
            }
        }
    }

    /// A group or a program.
    fn nameless(&mut self, id: PrincipalId, name: Option<&str>, group: Option<Group>) {
        let name = name.map(Into::into);
        self.beings.insert(id, Being { name, upn: None, person: None, enabled: true, emergency: false, group });
    }

    fn deleted(&mut self, principal: PrincipalId) {
        let person = self.beings.remove(&principal).and_then(|being| being.person);
        for group in self.beings.values_mut().filter_map(|being| being.group.as_mut()) {
            group.members.remove(&principal);
            group.owners.remove(&principal);
        }
        self.units.values_mut().for_each(|unit| {
            unit.objects.remove(&principal.0);
        });
        self.credentials.retain(|_, (whose, _)| *whose != principal);
        self.codes.retain(|_, (purpose, _)| *purpose != Purpose::SignIn(principal));
        self.emergency_used.remove(&principal);
        self.refused.remove(&principal);
        if !self.beings.values().any(|being| being.person.is_some() && being.person == person) {
            self.accounts.retain(|(whose, _), _| Some(*whose) != person);
        }
        let gone = |(whose, _, target): &(PrincipalId, Sort, Target)| {
            *whose == principal || target.scope() == Scope::Object(principal.0)
        };
        self.ran_out.retain(|key, _| !gone(key));
    }

    /// A code is used once, by one command, in its time, for what it is for.
    fn uses(&mut self, code: CredentialId, fits: impl Fn(Purpose) -> bool) {
        let seq = self.seq;
        match self.codes.remove(&code) {
            Some((purpose, expires)) => {
                assert!(fits(purpose) && expires > self.at, "entry {seq}: this code opens nothing");
                self.used.insert(code, self.command);
            }
            None => assert_eq!(self.used.get(&code), Some(&self.command), "entry {seq}: a code was used again"),
        }
    }

    fn being(&mut self, id: PrincipalId) -> &mut Being {
        self.beings.get_mut(&id).unwrap()
    }

    fn group(&mut self, group: PrincipalId) -> &mut Group {
        self.being(group).group.as_mut().unwrap()
    }

    /// Law 7: an emergency account stands alone.
    fn nobody_from_paper<'a>(&self, mut members: impl Iterator<Item = &'a PrincipalId>) {
        assert!(members.all(|id| !self.beings[id].emergency), "entry {}: an emergency account in a group", self.seq);
    }
}

pub(crate) const fn effect(effect: &Effect) -> &'static str {
    match effect {
        Effect::Intended => "intended",
        Effect::Effective => "effective",
        Effect::Refused(_) => "refused",
        Effect::Gone => "gone",
    }
}
