//! What the log says, folded a second time in the plainest way: maps and loops, no index, none of the rules' code.
//! It is the oracle for what is judged at the moment of an event: windows, proofs, approvals, closed requests.
//!
//! Always: an event that breaks a law panics here, with its entry's number.

use std::collections::{BTreeMap, BTreeSet};
use writ_core::command::Expiration;
use writ_core::event::{Action, Ask, Event};
use writ_core::ids::*;
use writ_core::log::Envelope;
use writ_core::role::{Duty, GLOBAL_ADMINISTRATOR, Role, built_in};
use writ_core::rules::{Approver, RuleChange, RuleChoice, Rules, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::time::{Span, Time};

#[derive(Clone, Debug)]
pub(crate) struct Being {
    pub(crate) person: Option<PersonId>,
    pub(crate) enabled: bool,
    pub(crate) emergency: bool,
    /// For a group: whether it passes roles, and who is in it.
    pub(crate) group: Option<(bool, BTreeSet<PrincipalId>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) principal: PrincipalId,
    pub(crate) target: Target,
    pub(crate) starts: Time,
    pub(crate) ends: Option<Time>,
    /// The eligibility it was activated from.
    pub(crate) from: Option<EligibilityId>,
    pub(crate) closing: bool,
}

impl Grant {
    pub(crate) fn covers(&self, now: Time) -> bool {
        self.starts <= now && self.ends.is_none_or(|ends| now < ends)
    }
}

/// The rules of a role, as far as the laws speak of them.
#[derive(Clone, Debug)]
struct Terms {
    span_max: Span,
    mfa: bool,
    mfa_age_max: Span,
    reason: bool,
    ticket: bool,
    approval: bool,
    stages: Vec<Stage>,
}

#[derive(Clone, Debug)]
struct Asked {
    ask: Ask,
    /// The terms as they were at the ask.
    terms: Terms,
    approved: Vec<(u8, PrincipalId)>,
    over: Option<&'static str>,
}

#[derive(Default)]
pub(crate) struct Shadow {
    pub(crate) seq: Seq,
    pub(crate) at: Time,
    pub(crate) tenant_founded: bool,
    pub(crate) beings: BTreeMap<PrincipalId, Being>,
    pub(crate) units: BTreeMap<UnitId, BTreeSet<Uuid>>,
    /// Each role, and whether it is enabled and manages roles.
    pub(crate) roles: BTreeMap<RoleId, (bool, bool)>,
    pub(crate) hosts: BTreeSet<DeviceId>,
    pub(crate) eligibilities: BTreeMap<EligibilityId, Grant>,
    pub(crate) assignments: BTreeMap<AssignmentId, Grant>,
    terms: BTreeMap<RoleId, Terms>,
    asked: BTreeMap<RequestId, Asked>,
    pub(crate) activations: u64,
    pub(crate) approvals: u64,
    pub(crate) erasures: u64,
}

impl Shadow {
    /// Folds one entry, and holds it against the laws that speak of what happens.
    pub(crate) fn fold(&mut self, envelope: &Envelope, event: &Event) {
        let (seq, at) = (envelope.seq, envelope.at);
        assert_eq!(seq, self.seq + 1, "entries are numbered without a gap");
        assert!(
            at >= self.at || matches!(event, Event::ClockRecovered { .. }),
            "entry {seq}: time ran back without being recovered"
        );
        (self.seq, self.at) = (seq, at);
        match event {
            Event::TenantFounded { rules, .. } => self.found(*rules),
            Event::UserCreated { user, person, emergency, .. } => {
                let being = Being { person: Some(*person), enabled: true, emergency: *emergency, group: None };
                self.beings.insert(*user, being);
            }
            Event::UserChanged { user, person: Some(person), .. } => self.being(*user).person = Some(*person),
            Event::PrincipalDisabled { principal } => self.being(*principal).enabled = false,
            Event::PrincipalEnabled { principal } => self.being(*principal).enabled = true,
            Event::PrincipalDeleted { principal } => {
                self.beings.remove(principal);
                for being in self.beings.values_mut() {
                    being.group.as_mut().map(|(_, members)| members.remove(principal));
                }
                self.units.values_mut().for_each(|unit| {
                    unit.remove(&principal.0);
                });
            }
            Event::GroupCreated { group, role_assignable, members, .. } => {
                let group_of = (*role_assignable, members.iter().copied().collect());
                let being = Being { person: None, enabled: true, emergency: false, group: Some(group_of) };
                self.beings.insert(*group, being);
            }
            Event::ServiceCreated { service, .. } => {
                self.beings.insert(*service, Being { person: None, enabled: true, emergency: false, group: None });
            }
            Event::MemberAdded { group, member } => {
                self.members(*group).insert(*member);
            }
            Event::MemberRemoved { group, member } => {
                self.members(*group).remove(member);
            }
            Event::UnitCreated { unit, .. } => {
                self.units.insert(*unit, BTreeSet::new());
            }
            Event::UnitDeleted { unit } => {
                self.units.remove(unit);
            }
            Event::UnitJoined { unit, object } => {
                self.units.get_mut(unit).unwrap().insert(*object);
            }
            Event::UnitLeft { unit, object } => {
                self.units.get_mut(unit).unwrap().remove(object);
            }
            Event::RoleDefined { role, rules } => self.define(role, *rules),
            Event::RoleChanged { role } => self.roles.get_mut(&role.id).unwrap().0 = role.enabled,
            Event::RoleDeleted { role } => {
                self.roles.remove(role);
            }
            Event::RulesChanged { role, changes } => changes.iter().for_each(|change| self.change(*role, change)),
            Event::HostEnrolled { host, unit, .. } => {
                self.hosts.insert(*host);
                if let Some(unit) = unit {
                    self.units.get_mut(unit).unwrap().insert(host.0);
                }
            }
            Event::HostRemoved { host } => {
                self.hosts.remove(host);
                self.units.values_mut().for_each(|unit| {
                    unit.remove(&host.0);
                });
            }
            Event::EligibilityGranted { ask, starts, ends } => {
                self.eligibilities.insert(EligibilityId(ask.request.0), granted(ask, *starts, *ends));
            }
            Event::EligibilityChanged { eligibility, starts, ends, .. } => {
                let e = self.eligibilities.get_mut(eligibility).unwrap();
                (e.starts, e.ends) = (*starts, *ends);
            }
            Event::EligibilityClosed { eligibility, .. } => {
                self.eligibilities.get_mut(eligibility).unwrap().closing = true;
            }
            Event::EligibilityEnded { eligibility, .. } => {
                assert!(self.eligibilities.remove(eligibility).is_some(), "entry {seq}: ended twice");
            }
            Event::AssignmentGranted { ask, starts, ends } => {
                self.assignments.insert(AssignmentId(ask.request.0), granted(ask, *starts, *ends));
            }
            Event::AssignmentChanged { assignment, starts, ends, .. } => {
                let a = self.assignments.get_mut(assignment).unwrap();
                (a.starts, a.ends) = (*starts, *ends);
            }
            Event::ActivationShortened { assignment, ends } => {
                let a = self.assignments.get_mut(assignment).unwrap();
                assert!(a.ends.is_none_or(|old| *ends <= old), "entry {seq}: shortened to a later end");
                a.ends = Some(*ends);
            }
            Event::AssignmentEnded { assignment, .. } => {
                assert!(self.assignments.remove(assignment).is_some(), "entry {seq}: ended twice");
            }
            Event::ApprovalAsked { ask, stages, .. } => {
                let asked = self.take_down(seq, ask);
                assert!(asked.terms.approval, "entry {seq}: approval nobody asked for");
                assert_eq!(*stages, asked.terms.stages, "entry {seq}: other approvers than the rules name");
            }
            Event::ActivationScheduled { ask, request, starts } => {
                self.goes_ahead(seq, ask.as_ref(), *request);
                assert!(*starts > at, "entry {seq}: scheduled for the past");
            }
            Event::ActivationBegan { ask, request, ends } => self.began(seq, ask.as_ref(), *request, *ends),
            Event::RequestApproved { request, stage, by, .. } => {
                self.decided(seq, *request, *stage, *by);
                self.asked.get_mut(request).unwrap().approved.push((*stage, *by));
                self.approvals += 1;
            }
            Event::RequestDenied { request, stage, by, .. } => {
                self.decided(seq, *request, *stage, *by);
                self.close(*request, "denied");
            }
            Event::RequestCanceled { request, .. } => self.close(*request, "cancelled"),
            Event::RequestTimedOut { request } => self.close(*request, "timed out"),
            Event::RequestFailed { request, .. } => self.close(*request, "failed"),
            Event::Erased { .. } => self.erasures += 1,
            _ => {}
        }
    }

    fn found(&mut self, choice: RuleChoice) {
        self.tenant_founded = true;
        for role in built_in() {
            self.define(&role, choice);
        }
    }

    fn define(&mut self, role: &Role, choice: RuleChoice) {
        let manages = role.built_in && role.duties.has(Duty::ManageRoles);
        self.roles.insert(role.id, (role.enabled, manages));
        let a = Rules::default_for(role, choice).activation;
        let terms = Terms {
            span_max: a.span_max,
            mfa: a.mfa,
            mfa_age_max: a.mfa_age_max,
            reason: a.reason,
            ticket: a.ticket,
            approval: a.approval.required,
            stages: a.approval.stages,
        };
        self.terms.insert(role.id, terms);
    }

    fn change(&mut self, role: RoleId, change: &RuleChange) {
        let terms = self.terms.get_mut(&role).unwrap();
        match change {
            RuleChange::ActivationExpiration { span_max } => terms.span_max = *span_max,
            RuleChange::ActivationEnablement { mfa, reason, ticket } => {
                (terms.mfa, terms.reason, terms.ticket) = (*mfa, *reason, *ticket);
            }
            RuleChange::Approval(approval) => {
                (terms.approval, terms.stages) = (approval.required, approval.stages.clone());
            }
            RuleChange::Freshness { mfa_age_max } => terms.mfa_age_max = *mfa_age_max,
            _ => {}
        }
    }

    fn being(&mut self, id: PrincipalId) -> &mut Being {
        self.beings.get_mut(&id).unwrap()
    }

    fn members(&mut self, group: PrincipalId) -> &mut BTreeSet<PrincipalId> {
        &mut self.being(group).group.as_mut().unwrap().1
    }

    /// Law 4, what is taken as at the ask: MFA, reason, ticket.
    fn take_down(&mut self, seq: Seq, ask: &Ask) -> Asked {
        assert_eq!(ask.action, Action::SelfActivate);
        assert_eq!(ask.by, Some(ask.subject), "entry {seq}: asked for somebody else");
        let terms = self.terms[&ask.target.role_id()].clone();
        let text = |given: Option<&writ_core::personal::Personal>| {
            given.and_then(|text| text.text()).is_some_and(|text| !text.trim().is_empty())
        };
        if terms.reason {
            assert!(text(ask.reason.as_ref()), "entry {seq}: no reason");
        }
        if terms.ticket {
            assert!(text(ask.ticket.as_ref().and_then(|t| t.number.as_ref())), "entry {seq}: no ticket");
        }
        if terms.mfa && !self.beings[&ask.subject].emergency {
            let fresh = ask.mfa.is_some_and(|mfa| self.at.since(mfa) <= terms.mfa_age_max);
            assert!(fresh, "entry {seq}: MFA of {:?} is not fresh at {}", ask.mfa, self.at);
        }
        let asked = Asked { ask: ask.clone(), terms, approved: Vec::new(), over: None };
        self.asked.insert(ask.request, asked.clone());
        asked
    }

    /// Laws 4 and 9: nothing comes of a request that is over, or that was not approved as its rules said.
    fn goes_ahead(&mut self, seq: Seq, ask: Option<&Ask>, request: RequestId) -> Asked {
        if let Some(ask) = ask {
            assert_eq!(ask.request, request);
            let asked = self.take_down(seq, ask);
            assert!(!asked.terms.approval, "entry {seq}: the approval was left out");
        }
        let asked = self.asked.get(&request).unwrap_or_else(|| panic!("entry {seq}: nobody asked")).clone();
        assert_eq!(asked.over, None, "entry {seq}: the request was over");
        if asked.terms.approval {
            for (n, stage) in asked.terms.stages.iter().enumerate() {
                let persons: BTreeSet<_> =
                    asked.approved.iter().filter(|(s, _)| usize::from(*s) == n).map(|(_, by)| by).collect();
                assert!(persons.len() >= usize::from(stage.needed.max(1)), "entry {seq}: stage {n} is not approved");
            }
        }
        asked
    }

    /// Law 2: within the eligibility's window and no longer than the rules allow, counted from now.
    fn began(&mut self, seq: Seq, ask: Option<&Ask>, request: RequestId, ends: Time) {
        let Asked { ask, .. } = self.goes_ahead(seq, ask, request);
        let at = self.at;
        let from = ask.eligibility.unwrap();
        let e = self.eligibilities.get(&from).unwrap_or_else(|| panic!("entry {seq}: the eligibility is gone"));
        assert!(e.covers(at), "entry {seq}: outside the eligibility's window");
        assert!(!e.closing, "entry {seq}: from an eligibility that is being removed");
        assert!(self.reaches(e.principal, ask.subject), "entry {seq}: somebody else's eligibility");
        assert!(self.contains(e.target.scope(), ask.target.scope()), "entry {seq}: beyond the eligibility's scope");
        assert_eq!(e.target.role_id(), ask.target.role_id());
        assert!(e.ends.is_none_or(|end| ends <= end), "entry {seq}: outlives its eligibility");
        assert!(ends > at, "entry {seq}: began after its end");
        let terms = &self.terms[&ask.target.role_id()];
        assert!(ends.since(at) <= terms.span_max, "entry {seq}: longer than the rules allow now");
        match ask.expiration {
            Expiration::For(span) => assert!(ends.since(at) <= span, "entry {seq}: longer than was asked"),
            Expiration::At(end) => assert!(ends <= end, "entry {seq}: longer than was asked"),
            _ => panic!("entry {seq}: an activation without an end was asked for"),
        }
        assert!(self.beings[&ask.subject].enabled, "entry {seq}: a disabled account");
        assert!(self.roles[&ask.target.role_id()].0, "entry {seq}: a disabled role");
        let (principal, target) = (ask.subject, ask.target);
        let grant = Grant { principal, target, starts: at, ends: Some(ends), from: Some(from), closing: false };
        self.assignments.insert(AssignmentId(request.0), grant);
        self.close(request, "granted");
        self.activations += 1;
    }

    /// Law 3: nobody decides their own, deciders are distinct persons, entitled now.
    fn decided(&self, seq: Seq, request: RequestId, stage: u8, by: PrincipalId) {
        let asked = &self.asked[&request];
        assert_eq!(asked.over, None, "entry {seq}: decided after it was over");
        let person = |id: &PrincipalId| self.beings.get(id).and_then(|being| being.person);
        let decider = person(&by).unwrap_or_else(|| panic!("entry {seq}: decided by nobody's account"));
        for party in [Some(asked.ask.subject), asked.ask.by].into_iter().flatten() {
            assert!(party != by && person(&party) != Some(decider), "entry {seq}: decided their own request");
        }
        for (_, earlier) in &asked.approved {
            assert!(person(earlier) != Some(decider), "entry {seq}: the same person decided twice");
        }
        assert!(self.beings[&by].enabled, "entry {seq}: decided by a disabled account");
        let able = |id: &PrincipalId| {
            self.beings[id].enabled && person(id).is_some() && person(id) != person(&asked.ask.subject)
        };
        let mut named = BTreeSet::new();
        for approver in &asked.terms.stages[usize::from(stage)].approvers {
            match approver {
                Approver::User(id) => {
                    named.insert(*id);
                }
                Approver::Group(id) => self.everybody_below(*id, &mut BTreeSet::new(), &mut named),
                Approver::Administrators => {}
            }
        }
        let decided = |id: &PrincipalId| asked.approved.iter().any(|(_, earlier)| person(earlier) == person(id));
        named.retain(|id| self.beings.contains_key(id) && able(id) && !decided(id));
        let persons: BTreeSet<_> = named.iter().map(person).collect();
        let so_far = asked.approved.iter().filter(|(there, _)| *there == stage).count();
        let needed = usize::from(asked.terms.stages[usize::from(stage)].needed).saturating_sub(so_far);
        if persons.len() < needed.max(1) {
            let fits = named.contains(&by) || self.could_manage(by);
            assert!(fits, "entry {seq}: neither an approver nor a fallback approver");
        } else {
            assert!(named.contains(&by), "entry {seq}: not an approver");
        }
    }

    fn close(&mut self, request: RequestId, how: &'static str) {
        // Requests for eligibilities and direct assignments are granted as they are asked; they are not in here.
        if let Some(asked) = self.asked.get_mut(&request) {
            assert!(asked.over.is_none_or(|over| over == how), "a request that was {:?} became {how}", asked.over);
            asked.over = Some(how);
        }
    }

    /// Users in a group, through nested groups.
    fn everybody_below(&self, group: PrincipalId, seen: &mut BTreeSet<PrincipalId>, found: &mut BTreeSet<PrincipalId>) {
        if !seen.insert(group) {
            return;
        }
        let members = self.beings.get(&group).and_then(|being| being.group.as_ref()).map(|(_, members)| members);
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

    /// Whether what a principal is given reaches another: itself, or a direct member of a group that passes roles.
    pub(crate) fn reaches(&self, given: PrincipalId, to: PrincipalId) -> bool {
        let passes = |being: &Being| {
            being.enabled && being.group.as_ref().is_some_and(|(passes, members)| *passes && members.contains(&to))
        };
        given == to || self.beings.get(&given).is_some_and(passes)
    }

    pub(crate) fn contains(&self, outer: Scope, inner: Scope) -> bool {
        match (outer, inner) {
            (Scope::Tenant, _) => true,
            (Scope::Unit(unit), Scope::Object(object)) => self.units.get(&unit).is_some_and(|u| u.contains(&object)),
            (outer, inner) => outer == inner,
        }
    }

    fn could_manage(&self, who: PrincipalId) -> bool {
        let grants = self.eligibilities.values().chain(self.assignments.values());
        grants
            .filter(|g| g.covers(self.at) && g.target.scope() == Scope::Tenant && self.reaches(g.principal, who))
            .any(|g| self.roles.get(&g.target.role_id()).is_some_and(|(enabled, manages)| *enabled && *manages))
    }

    /// Law 1, the plain way.
    pub(crate) fn holds(&self, who: PrincipalId, role: RoleId, scope: Scope, now: Time) -> bool {
        self.beings.get(&who).is_some_and(|being| being.enabled)
            && self.roles.get(&role).is_some_and(|(enabled, _)| *enabled)
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

fn granted(ask: &Ask, starts: Time, ends: Option<Time>) -> Grant {
    Grant { principal: ask.subject, target: ask.target, starts, ends, from: None, closing: false }
}
