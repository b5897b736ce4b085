//! Requests and their lives: what was asked with which proof, who decided, and what came of it.
//!
//! Always: laws 2, 3, 4 and 9 are judged at the entry they speak of.

use super::{Grant, Shadow};
use std::collections::BTreeSet;
use writ_core::command::{Expiration, Sort};
use writ_core::event::{Action, Ask, Why};
use writ_core::ids::{AssignmentId, EligibilityId, PrincipalId, RequestId, RoleId, Uuid};
use writ_core::personal::Personal;
use writ_core::rules::{Approver, Stage};
use writ_core::state::Status;
use writ_core::time::{Span, Time};

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    ask: Ask,
    sort: Sort,
    /// What is to be given more time.
    of: Option<Uuid>,
    /// Who has to say yes, as it was at the ask; none for what needs no yes.
    stages: Vec<Stage>,
    approved: Vec<(u8, PrincipalId)>,
    pub(super) until: Option<Time>,
    starts: Option<Time>,
    pub(crate) status: Status,
    /// When it was closed.
    pub(crate) closed: Option<Time>,
    /// Thirty days later it is history.
    pub(crate) forgotten: bool,
}

impl Asked {
    fn new(ask: &Ask, sort: Sort, status: Status) -> Asked {
        let (ask, stages, approved) = (ask.clone(), Vec::new(), Vec::new());
        Asked {
            ask,
            sort,
            of: None,
            stages,
            approved,
            until: None,
            starts: None,
            status,
            closed: None,
            forgotten: false,
        }
    }

    /// The eligibility it is asked from, while it is open: law 6 speaks of it.
    pub(crate) fn waits_on(&self) -> Option<(PrincipalId, EligibilityId)> {
        self.status.open().then_some(()).and(self.ask.eligibility).map(|from| (self.ask.subject, from))
    }
}

/// Whether a text is there, with something in it.
pub(super) fn said(text: Option<&Personal>) -> bool {
    text.and_then(Personal::text).is_some_and(|text| !text.trim().is_empty())
}

impl Shadow {
    pub(super) fn approval_asked(&mut self, ask: &Ask, stages: &[Stage], until: Time) {
        let seq = self.seq;
        assert_eq!(ask.action, Action::SelfActivate);
        self.asked_properly(ask);
        let rules = &self.rules[&ask.target.role_id()].activation;
        assert!(rules.approval.required, "entry {seq}: approval nobody asked for");
        assert_eq!(*stages, rules.approval.stages, "entry {seq}: other approvers than the rules name");
        assert_eq!(until, self.at + rules.pending_max, "entry {seq}: waits longer than it may");
        self.waits(ask, Sort::Assignment, None, stages, until);
    }

    /// Somebody asks for more time: on their own, and early enough, and late enough.
    pub(super) fn more_asked(&mut self, ask: &Ask, sort: Sort, of: Option<Uuid>, stages: &[Stage], until: Time) {
        let (seq, at) = (self.seq, self.at);
        let rules = self.rules[&ask.target.role_id()].activation.clone();
        if let Some(from) = ask.eligibility {
            assert_eq!((ask.action, sort), (Action::SelfExtend, Sort::Assignment));
            self.asked_properly(ask);
            let of = AssignmentId(of.unwrap_or_else(|| panic!("entry {seq}: more time on nothing")));
            let a = &self.assignments[&of];
            assert_eq!((a.principal, a.target, a.from), (ask.subject, ask.target, Some(from)), "entry {seq}: whose?");
            let old = a.ends.unwrap();
            let asked = end_asked(ask).min(self.eligibilities[&from].ends.unwrap_or(end_asked(ask)));
            assert!(at < old && old < asked, "entry {seq}: no more time than there is");
            assert!(asked.since(a.starts) <= rules.span_max, "law 2, entry {seq}: asked for more than the rules allow");
            let needed = rules.approval.required || rules.approval.required_for_extension;
            assert!(needed, "entry {seq}: approval nobody asked for");
            assert_eq!(*stages, rules.approval.stages, "entry {seq}: other approvers than the rules name");
            assert!(until <= old, "law 9, entry {seq}: could be approved after the end, with a gap");
        } else {
            self.own_ask(ask);
            let needs_reason = rules.approval.asker_reason;
            assert!(!needs_reason || said(ask.reason.as_ref()), "law 4, entry {seq}: no reason");
            let mut expected = if rules.approval.required_for_extension { rules.approval.stages } else { Vec::new() };
            expected.push(Stage::by_administrator());
            assert_eq!(*stages, expected, "entry {seq}: an administrator decides, after those whom the rules name");
            let row = self.standing(ask.subject, sort, ask.target);
            let last = match ask.action {
                Action::SelfExtend => {
                    let (id, row) = row.unwrap_or_else(|| panic!("entry {seq}: more time on nothing"));
                    let old = row.ends.unwrap_or_else(|| panic!("entry {seq}: it has no end"));
                    assert_eq!(of, Some(id), "entry {seq}: more time on something else");
                    assert!(at < old && old.since(at) <= Span::from_days(14), "entry {seq}: too early, or too late");
                    assert!(!row.closing, "entry {seq}: more time on what is being taken away");
                    old
                }
                Action::SelfRenew => self.ran_out_lately(ask.subject, sort, ask.target),
                other => panic!("entry {seq}: more time by {other:?}"),
            };
            assert_eq!(until, last, "entry {seq}: it waits until there is nothing to give");
        }
        self.waits(ask, sort, of, stages, until);
    }

    fn waits(&mut self, ask: &Ask, sort: Sort, of: Option<Uuid>, stages: &[Stage], until: Time) {
        let asked = Asked::new(ask, sort, Status::PendingApproval);
        let asked = Asked { of, stages: stages.to_vec(), until: Some(until), ..asked };
        assert!(self.asked.insert(ask.request, asked).is_none(), "entry {}: a request twice", self.seq);
        self.count(ask);
    }

    pub(super) fn scheduled(&mut self, ask: Option<&Ask>, request: RequestId, starts: Time) {
        self.goes_ahead(ask, request);
        assert!(starts > self.at, "entry {}: scheduled for the past", self.seq);
        let asked = self.asked.get_mut(&request).unwrap();
        (asked.status, asked.starts) = (Status::Granted, Some(starts));
    }

    /// Law 2: within the eligibility's window and no longer than the rules allow, counted from now.
    pub(super) fn began(&mut self, ask: Option<&Ask>, request: RequestId, ends: Time) {
        let Asked { ask, starts, .. } = self.goes_ahead(ask, request);
        let (seq, at) = (self.seq, self.at);
        assert!(starts.is_none_or(|starts| starts <= at), "entry {seq}: began too soon");
        assert!(ask.start.is_none_or(|start| start <= at), "entry {seq}: began before it was to");
        let from = self.within_eligibility(&ask, ends);
        assert!(ends > at, "entry {seq}: began after its end");
        let longest = self.rules[&ask.target.role_id()].activation.span_max;
        assert!(ends.since(at) <= longest, "law 2, entry {seq}: longer than the rules allow now");
        match ask.expiration {
            Expiration::For(span) => assert!(ends.since(at) <= span, "entry {seq}: longer than was asked"),
            Expiration::At(end) => assert!(ends <= end, "entry {seq}: longer than was asked"),
            _ => panic!("entry {seq}: an activation without an end was asked for"),
        }
        let (principal, target, ends) = (ask.subject, ask.target, Some(ends));
        let active = |a: &Grant| a.principal == principal && a.target == target && a.from.is_some() && a.covers(at);
        assert!(!self.assignments.values().any(active), "entry {seq}: active already");
        let (from, closing, plain) = (Some(from), false, false);
        let grant = Grant { principal, target, starts: at, ends, made: at, from, closing, plain };
        self.assignments.insert(AssignmentId(request.0), grant);
        self.asked.get_mut(&request).unwrap().starts = Some(at);
        self.close(request, Status::Provisioned);
        self.activations += 1;
    }

    /// Law 2 again: a later end is still within the eligibility, and the longest span counts from the beginning.
    pub(super) fn extended(&mut self, ask: &Ask, id: AssignmentId, ends: Time) {
        let (seq, at) = (self.seq, self.at);
        assert_eq!((ask.action, ask.start), (Action::SelfExtend, None));
        if self.asked.contains_key(&ask.request) {
            self.carried_out(ask, Sort::Assignment, Some(id.0));
        } else {
            self.asked_properly(ask);
            let approval = &self.rules[&ask.target.role_id()].activation.approval;
            let free = !approval.required && !approval.required_for_extension;
            assert!(free, "law 4, entry {seq}: the approval was left out");
        }
        let a = self.assignments.get(&id).unwrap_or_else(|| panic!("entry {seq}: nothing runs")).clone();
        assert_eq!((a.principal, a.target, a.from), (ask.subject, ask.target, ask.eligibility), "entry {seq}: whose?");
        assert!(a.covers(at), "law 9, entry {seq}: what had ended was revived");
        assert!(a.ends.is_some_and(|old| ends > old), "entry {seq}: an extension that ends no later");
        assert!(ends <= end_asked(ask), "entry {seq}: longer than was asked");
        self.within_eligibility(ask, ends);
        let longest = self.rules[&ask.target.role_id()].activation.span_max;
        assert!(ends.since(a.starts) <= longest, "law 2, entry {seq}: longer than the rules allow, with what was");
        self.assignments.get_mut(&id).unwrap().ends = Some(ends);
        self.done(ask, Sort::Assignment, Status::Provisioned, Some(a.starts));
    }

    /// Law 2: from an eligibility that reaches its holder, is open now, and ends no sooner.
    fn within_eligibility(&self, ask: &Ask, ends: Time) -> EligibilityId {
        let (seq, at) = (self.seq, self.at);
        let from = ask.eligibility.unwrap();
        let e = self.eligibilities.get(&from).unwrap_or_else(|| panic!("entry {seq}: the eligibility is gone"));
        assert!(e.covers(at), "entry {seq}: outside the eligibility's window");
        assert!(!e.closing, "entry {seq}: from an eligibility that is being removed");
        assert!(self.reaches(e.principal, ask.subject), "entry {seq}: somebody else's eligibility");
        assert!(self.contains(e.target.scope(), ask.target.scope()), "entry {seq}: beyond the eligibility's scope");
        assert_eq!(e.target.role_id(), ask.target.role_id());
        assert!(e.ends.is_none_or(|end| ends <= end), "law 2, entry {seq}: outlives its eligibility");
        self.in_good_standing(ask.subject, ask.target.role_id());
        from
    }

    pub(super) fn in_good_standing(&self, subject: PrincipalId, role: RoleId) {
        assert!(self.beings[&subject].enabled, "entry {}: a disabled account", self.seq);
        assert!(self.roles[&role].enabled, "entry {}: a disabled role", self.seq);
    }

    fn own_ask(&self, ask: &Ask) {
        assert_eq!(ask.by, Some(ask.subject), "entry {}: asked for somebody else", self.seq);
        assert_eq!(self.by, ask.by, "entry {}: in somebody else's name", self.seq);
        assert!(self.beings[&ask.subject].person.is_some(), "entry {}: a program asked", self.seq);
    }

    /// Law 4, what is taken as at the ask: MFA, authentication context, reason, ticket.
    fn asked_properly(&self, ask: &Ask) {
        let seq = self.seq;
        self.own_ask(ask);
        let rules = &self.rules[&ask.target.role_id()].activation;
        let needs_reason = rules.reason || (rules.approval.required && rules.approval.asker_reason);
        assert!(!needs_reason || said(ask.reason.as_ref()), "law 4, entry {seq}: no reason");
        let ticket = ask.ticket.as_ref().and_then(|ticket| ticket.number.as_ref());
        assert!(!rules.ticket || said(ticket), "law 4, entry {seq}: no ticket");
        if rules.mfa {
            self.fresh(ask.subject, ask.mfa, rules.mfa_age_max);
        }
        if let Some((_, proof)) = self.asking.as_ref().filter(|(command, _)| *command == self.command) {
            assert_eq!(ask.mfa, proof.mfa, "law 4, entry {seq}: another proof than was shown");
            let claim = rules.context.claim.as_ref().filter(|_| rules.context.enabled);
            let shown = claim.is_none_or(|claim| proof.emergency || proof.contexts.contains(claim));
            assert!(shown, "law 4, entry {seq}: not the authentication context");
        }
    }

    /// Law 4: a second factor, proved lately.
    pub(super) fn fresh(&self, who: PrincipalId, mfa: Option<Time>, age_max: Span) {
        let lately = mfa.is_some_and(|mfa| self.at.since(mfa) <= age_max && mfa <= self.at + Span::from_minutes(1));
        let fresh = self.beings[&who].emergency || lately;
        assert!(fresh, "law 4, entry {}: MFA of {mfa:?} is not fresh at {}", self.seq, self.at);
    }

    /// The same for what leaves no ask on record: by what the caller has really shown.
    pub(super) fn proved(&self, who: Option<PrincipalId>, age_max: Span) {
        if let Some((_, proof)) = self.asking.as_ref().filter(|(command, _)| *command == self.command) {
            self.fresh(who.unwrap(), proof.mfa, age_max);
        }
    }

    /// Laws 4 and 9: nothing comes of a request that is over, or that was not approved as its rules said.
    fn goes_ahead(&mut self, ask: Option<&Ask>, request: RequestId) -> Asked {
        let seq = self.seq;
        if let Some(ask) = ask {
            assert_eq!((ask.request, ask.action), (request, Action::SelfActivate));
            self.asked_properly(ask);
            let required = self.rules[&ask.target.role_id()].activation.approval.required;
            assert!(!required, "law 4, entry {seq}: the approval was left out");
            let asked = Asked::new(ask, Sort::Assignment, Status::Granted);
            assert!(self.asked.insert(request, asked).is_none(), "entry {seq}: a request twice");
            self.count(ask);
        }
        let asked = self.asked.get(&request).unwrap_or_else(|| panic!("entry {seq}: nobody asked")).clone();
        self.all_said_yes(&asked);
        asked
    }

    fn all_said_yes(&self, asked: &Asked) {
        let seq = self.seq;
        assert!(asked.status.open(), "law 9, entry {seq}: the request was {:?}", asked.status);
        for (n, stage) in asked.stages.iter().enumerate() {
            let yes = asked.approved.iter().filter(|(s, _)| usize::from(*s) == n);
            let persons: BTreeSet<_> = yes.map(|(_, by)| by).collect();
            let enough = persons.len() >= usize::from(stage.needed.max(1));
            assert!(enough, "law 4, entry {seq}: stage {n} is not approved");
        }
    }

    /// Laws 4 and 9 for more time: what is carried out is what was asked, of the same, and everybody said yes.
    pub(super) fn carried_out(&self, ask: &Ask, sort: Sort, of: Option<Uuid>) {
        let seq = self.seq;
        let asked = self.asked.get(&ask.request).unwrap_or_else(|| panic!("entry {seq}: nobody asked"));
        self.all_said_yes(asked);
        assert!(!asked.stages.is_empty(), "law 3, entry {seq}: nobody had to say yes");
        assert_eq!((asked.sort, asked.of), (sort, of), "entry {seq}: more time on something else");
        // Texts may have been erased since.
        let plain = |ask: &Ask| {
            let Ask { by, subject, action, target, start, expiration, eligibility, mfa, .. } = ask.clone();
            ((by, subject, action, target), (start, expiration, eligibility, mfa))
        };
        assert_eq!(plain(&asked.ask), plain(ask), "entry {seq}: another ask than the one that was approved");
    }

    /// Law 3: nobody decides their own, deciders are distinct persons, entitled now.
    pub(super) fn decided(&self, request: RequestId, stage: u8, by: PrincipalId, reason: Option<&Personal>) {
        let (seq, at) = (self.seq, self.at);
        let asked = &self.asked[&request];
        assert_eq!(asked.status, Status::PendingApproval, "law 9, entry {seq}: decided after it was over");
        assert!(asked.until.is_some_and(|until| at < until), "law 9, entry {seq}: decided too late");
        assert_eq!(self.by, Some(by), "entry {seq}: in somebody else's name");
        let person = |id: &PrincipalId| self.person(*id);
        let decider = person(&by).unwrap_or_else(|| panic!("entry {seq}: decided by nobody's account"));
        for party in [Some(asked.ask.subject), asked.ask.by].into_iter().flatten() {
            assert!(party != by && person(&party) != Some(decider), "law 3, entry {seq}: decided their own request");
        }
        for (_, earlier) in &asked.approved {
            assert!(person(earlier) != Some(decider), "law 3, entry {seq}: the same person decided twice");
        }
        assert!(self.beings[&by].enabled, "law 3, entry {seq}: decided by a disabled account");
        let count = |n: u8| asked.approved.iter().filter(|(there, _)| *there == n).count();
        for before in 0..stage {
            let enough = count(before) >= usize::from(asked.stages[usize::from(before)].needed.max(1));
            assert!(enough, "entry {seq}: stage {before} was passed over");
        }
        let there = &asked.stages[usize::from(stage)];
        assert!(!there.reason || said(reason), "law 4, entry {seq}: decided without a reason");
        if there.approvers.contains(&Approver::Administrators) {
            assert!(self.manages(by), "law 3, entry {seq}: not an administrator now");
            return;
        }
        let able = |id: &PrincipalId| {
            self.beings[id].enabled && person(id).is_some() && person(id) != person(&asked.ask.subject)
        };
        let mut named = BTreeSet::new();
        for approver in &there.approvers {
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
        let needed = usize::from(there.needed).saturating_sub(count(stage));
        if persons.len() < needed.max(1) {
            let fits = named.contains(&by) || self.could_manage(by);
            assert!(fits, "law 3, entry {seq}: neither an approver nor a fallback approver");
        } else {
            assert!(named.contains(&by), "law 3, entry {seq}: not an approver");
        }
    }

    pub(super) fn approved(&mut self, request: RequestId, stage: u8, by: PrincipalId) {
        let asked = &self.asked[&request];
        let administrators = asked.stages[usize::from(stage)].approvers.contains(&Approver::Administrators);
        if administrators && self.side(asked.ask.target.role_id(), asked.sort).mfa {
            // Whoever says yes gives it: what the role asks of administrators, it asks of them.
            self.proved(Some(by), Span::from_hours(12));
        }
        self.asked.get_mut(&request).unwrap().approved.push((stage, by));
        self.approvals += 1;
    }

    pub(super) fn canceled(&mut self, request: RequestId, why: Option<Why>) {
        let (seq, at) = (self.seq, self.at);
        let asked = self.asked.get(&request).unwrap_or_else(|| panic!("entry {seq}: nobody asked"));
        let own = asked.ask.subject;
        if asked.status == Status::Provisioned && why.is_none() {
            // What has been given and has not begun is taken back by those who give.
            assert!(asked.starts.is_some_and(|starts| starts > at), "entry {seq}: cancelled after it began");
            self.by_manager();
            let asked = self.asked.get_mut(&request).unwrap();
            (asked.status, asked.closed) = (Status::Canceled, Some(at));
            return;
        }
        let may = why.is_some() || self.by.is_some_and(|by| by == own || self.manages(by));
        assert!(may, "entry {seq}: cancelled by somebody else");
        self.close(request, Status::Canceled);
    }

    pub(super) fn close(&mut self, request: RequestId, how: Status) {
        let seq = self.seq;
        let asked = self.asked.get_mut(&request).unwrap_or_else(|| panic!("entry {seq}: nobody asked"));
        assert!(asked.status.open(), "law 9, entry {seq}: a request that was {:?} became {how:?}", asked.status);
        (asked.status, asked.closed) = (how, Some(self.at));
    }

    /// What is done as it is asked, or was waited for and is done now.
    pub(super) fn done(&mut self, ask: &Ask, sort: Sort, how: Status, starts: Option<Time>) {
        let at = self.at;
        if !self.asked.contains_key(&ask.request) {
            self.count(ask);
        }
        let asked = self.asked.entry(ask.request).or_insert_with(|| Asked::new(ask, sort, Status::Granted));
        asked.starts = starts;
        assert!(asked.status.open(), "law 9, entry {}: done when it was {:?}", self.seq, asked.status);
        (asked.status, asked.closed) = (how, Some(at));
    }

    fn count(&mut self, ask: &Ask) {
        *self.read.entry(format!("{:?}", ask.action)).or_default() += 1;
    }
}

/// The end that an extension of an activation asks for, which is always a moment.
fn end_asked(ask: &Ask) -> Time {
    match ask.expiration {
        Expiration::At(end) => end,
        other => panic!("an extension of an activation until {other:?}"),
    }
}
