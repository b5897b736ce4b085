//! The state: what deciding, planning and time need to know now. It is a fold of the log and nothing else.
//! It never judges: `apply` believes every event, because it was judged before it was logged.
//!
//! Always: applying the same entries gives the same state; a clone is cheap and shares everything.

use crate::command::{Effect, Method, Place, Sort};
use crate::directory::{Host, Principal, Unit};
use crate::event::{Action, Ask};
use crate::ids::*;
use crate::personal::Personal;
use crate::role::Role;
use crate::rules::{RuleChoice, Rules, Stage};
use crate::scope::{Scope, Target};
use crate::time::{Span, Time};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};

mod apply;
mod forget;
mod index;
pub mod lookup;
mod snapshot;
pub use apply::Meta;

/// How long an ended request stays in the live state, and what ran out can be renewed.
pub const REQUEST_KEPT: Span = Span::from_days(30);

/// Everything that is so now.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The tenant.
    pub tenant: TenantId,
    /// The last entry that was applied.
    pub seq: Seq,
    /// Its time.
    pub at: Time,
    /// The tenant's settings; `None` before it was founded.
    pub settings: Option<Settings>,
    /// Users, groups and programs.
    pub principals: OrdMap<PrincipalId, Arc<Principal>>,
    /// Principals by name.
    pub names: lookup::Names,
    /// Principals that are disabled.
    pub disabled: OrdSet<PrincipalId>,
    /// The principals of each person.
    pub persons: OrdMap<PersonId, OrdSet<PrincipalId>>,
    /// Whose the users were that have been deleted: what they decided and did stays their person's.
    pub departed: OrdMap<PrincipalId, PersonId>,
    /// Users by user principal name, in lower case.
    pub upns: OrdMap<String, PrincipalId>,
    /// How many users' names are in each domain, in lower case.
    pub domains: OrdMap<String, u32>,
    /// The groups each principal is a direct member of.
    pub groups_of: OrdMap<PrincipalId, OrdSet<PrincipalId>>,
    /// Administrative units.
    pub units: OrdMap<UnitId, Arc<Unit>>,
    /// The units each principal or host is in.
    pub units_of: OrdMap<Uuid, OrdSet<UnitId>>,
    /// Role definitions.
    pub roles: OrdMap<RoleId, Arc<Role>>,
    /// Each role's rules.
    pub rules: OrdMap<RoleId, Arc<Rules>>,
    /// Eligibilities.
    pub eligibilities: OrdMap<EligibilityId, Arc<Eligibility>>,
    /// Eligibilities by their role and where they hold.
    pub placed: OrdMap<(RoleId, Scope, EligibilityId), Arc<Eligibility>>,
    /// When eligibilities were made.
    pub made: OrdSet<(Time, EligibilityId)>,
    /// When eligibilities made for later begin.
    pub opening: OrdSet<(Time, EligibilityId)>,
    /// Assignments, standing and activated.
    pub assignments: OrdMap<AssignmentId, Arc<Assignment>>,
    /// What each principal is eligible for, directly, oldest first.
    pub eligible: OrdMap<PrincipalId, Arc<Vec<Arc<Eligibility>>>>,
    /// What each principal is assigned, directly. An activation changes this for somebody anywhere in it, so what stands
    /// beside it is copied each time: ids, because to share a thing is to write to it.
    pub assigned: OrdMap<PrincipalId, Assigned>,
    /// Who is eligible for or assigned each role, directly.
    pub holders: OrdSet<(RoleId, PrincipalId)>,
    /// What ran out in the last 30 days and can be renewed, by whom it was about.
    pub expired: OrdMap<(PrincipalId, Sort, Target), Time>,
    /// Requests: open ones, and those that ended in the last 30 days.
    pub requests: OrdMap<RequestId, Arc<Request>>,
    /// The requests about each principal that are still open.
    pub open: OrdSet<(PrincipalId, RequestId)>,
    /// When ended requests were closed, oldest first.
    pub closed: OrdSet<(Time, RequestId)>,
    /// Requests about which something is unusual: lists of those are read by it, and activations do not pay for it.
    pub unusual: OrdSet<(Unusual, RequestId)>,
    /// Requests for somebody else than who made them, by who made them: activations do not pay for this either.
    pub for_others: OrdSet<(PrincipalId, RequestId)>,
    /// What time alone will make happen, soonest first.
    pub timers: OrdSet<(Time, Timer)>,
    /// When assignments made for later begin: nothing to decide then, but plans change.
    pub starts: OrdSet<(Time, AssignmentId)>,
    /// Enrolled hosts.
    pub hosts: OrdMap<DeviceId, Arc<Host>>,
    /// Account mappings that were set by hand.
    pub accounts: OrdMap<(PersonId, Place), Personal>,
    /// How local accounts are named, where that differs from `{local}`.
    pub account_rules: OrdMap<Place, String>,
    /// Every local account name (lower case) that some person maps to.
    pub account_names: OrdSet<(String, PersonId)>,
    /// The state of each right on each host: an assignment to a group gives one to each of its members.
    pub effects: OrdMap<(AssignmentId, PrincipalId, DeviceId), Effect>,
    /// Credentials, without their secrets.
    pub credentials: OrdMap<CredentialId, Credential>,
    /// Single-use codes that have not been used.
    pub codes: OrdMap<CredentialId, Code>,
    /// When each emergency account was last signed in to, or got a new secret.
    pub emergency_used: OrdMap<PrincipalId, Time>,
    /// Refused asks lately recorded, so that the record stays bounded.
    pub refused: OrdMap<PrincipalId, (Time, u32)>,
    /// The epoch of orders to hosts.
    pub epoch: u64,
    /// Privileged roles that fewer than two people could approve, as last reported.
    pub unsatisfiable: OrdSet<RoleId>,
}

/// The tenant's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The organisation's name.
    pub name: String,
    /// Which defaults its rules started from.
    pub rules: RuleChoice,
    /// The shortest activation or assignment.
    pub span_min: Span,
    /// How old an assignment must be before it can be removed or given up. Zero, except for compatibility with Entra.
    pub age_min: Span,
}

/// May ask for a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eligibility {
    /// The request that created it.
    pub id: EligibilityId,
    /// Who is eligible: a user or a role-assignable group.
    pub principal: PrincipalId,
    /// For what.
    pub target: Target,
    /// From when.
    pub starts: Time,
    /// Until when; `None` is without end.
    pub ends: Option<Time>,
    /// When it was made.
    pub made: Time,
    /// When its window was last changed.
    pub changed: Option<Time>,
    /// Who made it.
    pub by: Option<PrincipalId>,
    /// It goes when running activations have ended; nothing new starts from it.
    pub closing: bool,
}

/// Holds a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The request that created it.
    pub id: AssignmentId,
    /// Who holds it.
    pub principal: PrincipalId,
    /// What.
    pub target: Target,
    /// From when.
    pub starts: Time,
    /// Until when; `None` is without end.
    pub ends: Option<Time>,
    /// When it was made.
    pub made: Time,
    /// When its window was last changed.
    pub changed: Option<Time>,
    /// Who made it.
    pub by: Option<PrincipalId>,
    /// The eligibility it was activated from; `None` for a standing assignment.
    pub from: Option<EligibilityId>,
    /// Whether it was made without a request.
    pub plain: bool,
}

impl Eligibility {
    /// Whether the window contains this moment.
    pub fn in_window(&self, now: Time) -> bool {
        self.starts <= now && self.ends.is_none_or(|end| now < end)
    }
}
impl Assignment {
    /// Whether the window contains this moment.
    pub fn in_window(&self, now: Time) -> bool {
        self.starts <= now && self.ends.is_none_or(|end| now < end)
    }
    /// Whether its holder switched it on.
    pub const fn activated(&self) -> bool {
        self.from.is_some()
    }
}

/// What one principal is assigned, directly, oldest first: hardly ever more than one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigned {
    /// One thing.
    One(AssignmentId),
    /// Several.
    More(Arc<[AssignmentId]>),
}

impl Assigned {
    /// These, unless there is none.
    fn of(ids: &[AssignmentId]) -> Option<Self> {
        match ids {
            [] => None,
            [one] => Some(Self::One(*one)),
            more => Some(Self::More(more.into())),
        }
    }

    /// All of them.
    pub fn ids(&self) -> &[AssignmentId] {
        match self {
            Self::One(id) => core::slice::from_ref(id),
            Self::More(ids) => ids,
        }
    }
}

/// Somebody's ask and its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What was asked.
    pub ask: Ask,
    /// Whether it is about an eligibility or an assignment.
    pub sort: crate::command::Sort,
    /// When.
    pub made: Time,
    /// Where it stands.
    pub status: Status,
    /// The approval stages, with the approvers as they were when it was asked.
    pub stages: Vec<StageState>,
    /// Until when it may wait for approval.
    pub until: Option<Time>,
    /// When what it grants begins, once that is settled.
    pub starts: Option<Time>,
    /// When it was closed.
    pub completed: Option<Time>,
    /// The eligibility or assignment it is about, once there is one.
    pub schedule: Option<Uuid>,
}

/// What few requests have: how they ended, or what they asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unusual {
    /// It ended otherwise than done.
    Ended(Status),
    /// It asked for something else than an activation, its end, or that somebody be made eligible.
    Asked(Sort, Action),
}

impl Unusual {
    /// What is unusual about this status, if anything is.
    pub fn ended(status: Status) -> Option<Self> {
        let done = matches!(status, Status::Provisioned | Status::Revoked) || status.open();
        (!done).then_some(Self::Ended(status))
    }
    /// What is unusual about asking for this, if anything is.
    pub fn asked(sort: Sort, action: Action) -> Option<Self> {
        let usual = match sort {
            Sort::Eligibility => action == Action::AdminAssign,
            Sort::Assignment => matches!(action, Action::SelfActivate | Action::SelfDeactivate),
        };
        (!usual).then_some(Self::Asked(sort, action))
    }
}

/// Where a request stands. The names are Graph's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for an approver.
    PendingApproval,
    /// Waits for its start.
    Granted,
    /// Done: what was asked for was given.
    Provisioned,
    /// Done: what was asked for was taken away.
    Revoked,
    /// An approver said no.
    Denied,
    /// Taken back.
    Canceled,
    /// Waited too long.
    TimedOut,
    /// Could not be carried out when its time came.
    Failed,
}

impl Status {
    /// Whether it still waits for something.
    pub const fn open(self) -> bool {
        matches!(self, Status::PendingApproval | Status::Granted)
    }
}

/// One stage of a request's approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageState {
    /// Who may decide, as it was when it was asked.
    pub stage: Stage,
    /// Who decided.
    pub decided: Vec<Verdict>,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Who.
    pub by: PrincipalId,
    /// Yes or no.
    pub approve: bool,
    /// Why.
    pub reason: Option<Personal>,
    /// When.
    pub at: Time,
}

impl StageState {
    /// Whether enough people approved.
    pub fn approved(&self) -> bool {
        self.decided.iter().filter(|v| v.approve).count() >= usize::from(self.stage.needed.max(1))
    }
    /// Whether somebody denied.
    pub fn denied(&self) -> bool {
        self.decided.iter().any(|v| !v.approve)
    }
}

impl Request {
    /// Who made it, if it is for somebody else.
    pub fn for_other(&self) -> Option<PrincipalId> {
        self.ask.by.filter(|by| *by != self.ask.subject)
    }
    /// The stage that waits for a decision, if any.
    pub fn open_stage(&self) -> Option<usize> {
        (self.status == Status::PendingApproval).then(|| self.stages.iter().position(|s| !s.approved())).flatten()
    }
}

/// What time will make happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A scheduled activation begins.
    Begin(RequestId),
    /// An ask has waited too long.
    Expire(RequestId),
    /// An assignment ends.
    EndAssignment(AssignmentId),
    /// An eligibility ends.
    EndEligibility(EligibilityId),
}

/// A credential on record; its secret is in the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Whose.
    pub principal: PrincipalId,
    /// What sort.
    pub method: Method,
    /// The version of its row in the vault when it was bound.
    pub version: u64,
    /// When it was bound.
    pub bound: Time,
}

/// A single-use code that has not been used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// What it is for.
    pub purpose: Purpose,
    /// Until when it can be used.
    pub expires: Time,
}

/// What a single-use code is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Binding this principal's first factor.
    FirstFactor(PrincipalId),
    /// Enrolling a host, into this unit if one is named.
    Host(Option<UnitId>),
}

impl State {
    /// The state before the first entry. The built-in roles are there; nobody holds them.
    pub fn empty(tenant: TenantId) -> State {
        State {
            tenant,
            seq: 0,
            at: Time::default(),
            settings: None,
            principals: OrdMap::new(),
            names: lookup::Names::default(),
            disabled: OrdSet::new(),
            persons: OrdMap::new(),
            departed: OrdMap::new(),
            upns: OrdMap::new(),
            domains: OrdMap::new(),
            groups_of: OrdMap::new(),
            units: OrdMap::new(),
            units_of: OrdMap::new(),
            roles: OrdMap::new(),
            rules: OrdMap::new(),
            eligibilities: OrdMap::new(),
            placed: OrdMap::new(),
            made: OrdSet::new(),
            opening: OrdSet::new(),
            assignments: OrdMap::new(),
            eligible: OrdMap::new(),
            assigned: OrdMap::new(),
            holders: OrdSet::new(),
            expired: OrdMap::new(),
            requests: OrdMap::new(),
            open: OrdSet::new(),
            closed: OrdSet::new(),
            unusual: OrdSet::new(),
            for_others: OrdSet::new(),
            timers: OrdSet::new(),
            starts: OrdSet::new(),
            hosts: OrdMap::new(),
            accounts: OrdMap::new(),
            account_rules: OrdMap::new(),
            account_names: OrdSet::new(),
            effects: OrdMap::new(),
            credentials: OrdMap::new(),
            codes: OrdMap::new(),
            emergency_used: OrdMap::new(),
            refused: OrdMap::new(),
            epoch: 1,
            unsatisfiable: OrdSet::new(),
        }
    }

    /// The user with this user principal name, in any case.
    pub fn user_named(&self, upn: &str) -> Option<&Arc<Principal>> {
        self.upns.get(&upn.to_lowercase()).and_then(|id| self.principals.get(id))
    }

    /// A principal's display name, for people.
    pub fn name_of(&self, id: PrincipalId) -> String {
        self.principals.get(&id).map_or_else(|| alloc::format!("{id}"), |p| String::from(p.name.shown()))
    }

    /// A role's name, for people.
    pub fn role_name(&self, id: RoleId) -> String {
        self.roles.get(&id).map_or_else(|| alloc::format!("{id}"), |r| String::from(r.told()))
    }

    /// A scope in words: `tenant`, a unit's name, an object's name.
    pub fn scope_name(&self, scope: crate::scope::Scope) -> String {
        match scope {
            Scope::Tenant => "tenant".into(),
            Scope::Unit(id) => self.units.get(&id).map_or_else(|| alloc::format!("{id}"), |u| u.name.clone()),
            Scope::Object(id) => self
                .principals
                .get(&PrincipalId(id))
                .map(|p| p.name.shown().into())
                .or_else(|| self.hosts.get(&DeviceId(id)).map(|h| h.name.clone()))
                .unwrap_or_else(|| alloc::format!("{id}")),
        }
    }

    /// The shortest activation or assignment.
    pub fn span_min(&self) -> Span {
        self.settings.as_ref().map_or(Span::from_minutes(5), |s| s.span_min)
    }

    /// What a principal is eligible for, directly, oldest first.
    pub fn eligibilities_of(&self, principal: PrincipalId) -> &[Arc<Eligibility>] {
        self.eligible.get(&principal).map_or(&[], |all| all)
    }

    /// What a principal is assigned, directly, oldest first.
    pub fn assignments_of(&self, principal: PrincipalId) -> impl Iterator<Item = &Arc<Assignment>> {
        let ids = self.assigned.get(&principal).map_or(&[][..], Assigned::ids);
        ids.iter().filter_map(|id| self.assignments.get(id))
    }

    /// Whether a principal is eligible for or assigned this role, directly.
    fn has(&self, principal: PrincipalId, role: RoleId) -> bool {
        let ours = |target: &Target| target.role_id() == role;
        self.eligibilities_of(principal).iter().any(|e| ours(&e.target))
            || self.assignments_of(principal).any(|a| ours(&a.target))
    }

    /// Everybody who is eligible for or assigned this role, directly.
    pub fn holders_of(&self, role: RoleId) -> impl Iterator<Item = PrincipalId> + '_ {
        let first = (role, PrincipalId::from_u128(0));
        self.holders.range(first..).take_while(move |(r, _)| *r == role).map(|(_, p)| *p)
    }

    /// The open requests about a principal.
    pub fn open_of(&self, principal: PrincipalId) -> impl Iterator<Item = &Arc<Request>> {
        let first = (principal, RequestId::from_u128(0));
        self.open.range(first..).take_while(move |(p, _)| *p == principal).filter_map(|(_, r)| self.requests.get(r))
    }

    /// The requests that a principal made for others.
    pub fn made_for_others(&self, by: PrincipalId) -> impl Iterator<Item = RequestId> + '_ {
        let first = (by, RequestId::from_u128(0));
        self.for_others.range(first..).take_while(move |(maker, _)| *maker == by).map(|(_, id)| *id)
    }

    /// The person behind a principal, if it is a user.
    pub fn person_of(&self, principal: PrincipalId) -> Option<PersonId> {
        self.principals.get(&principal).and_then(|p| p.person())
    }

    /// Whether two principals belong to the same person, or are the same; deleted ones too.
    pub fn same_person(&self, a: PrincipalId, b: PrincipalId) -> bool {
        let whose = |id| self.person_of(id).or_else(|| self.departed.get(&id).copied());
        a == b || whose(a).is_some_and(|p| whose(b) == Some(p))
    }

    /// Whether somebody is in a group, directly or through groups in it.
    pub fn in_group(&self, principal: PrincipalId, group: PrincipalId) -> bool {
        self.groups_above(principal).contains(&group)
    }

    /// All groups that contain this principal, directly or through other groups.
    pub fn groups_above(&self, principal: PrincipalId) -> OrdSet<PrincipalId> {
        let mut found = OrdSet::new();
        let mut todo: Vec<PrincipalId> = alloc::vec![principal];
        while let Some(next) = todo.pop() {
            for group in self.groups_of.get(&next).into_iter().flatten() {
                if found.insert(*group).is_none() {
                    todo.push(*group);
                }
            }
        }
        found
    }

    /// Everybody in a group, through nested groups too: users and programs, not the groups between.
    pub fn everybody_in(&self, group: PrincipalId) -> OrdSet<PrincipalId> {
        let (mut seen, mut found) = (OrdSet::unit(group), OrdSet::new());
        let mut todo = alloc::vec![group];
        while let Some(next) = todo.pop() {
            let Some(g) = self.principals.get(&next).and_then(|p| p.group()) else { continue };
            for member in &g.members {
                let Some(p) = self.principals.get(member) else { continue };
                if p.group().is_none() {
                    found.insert(*member);
                } else if seen.insert(*member).is_none() {
                    todo.push(*member);
                }
            }
        }
        found
    }
}
