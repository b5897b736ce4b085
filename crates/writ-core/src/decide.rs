//! Decides what a command becomes: the events that follow, and what to tell the asker.
//! It never stores, waits, asks what time it is, or reads anything but its arguments.
//!
//! Always: a refusal changes no right; at most it leaves a bounded record of the ask. Malformed input leaves none.

use crate::command::{Caller, Command, Proof, Sort};
use crate::event::{Action, Event};
use crate::holds;
use crate::ids::*;
use crate::permission::{Act, Thing, any_permitted};
use crate::personal::Personal;
use crate::refusal::{Broken, Refusal, What};
use crate::role::Duty;
use crate::scope::{Scope, Target};
use crate::state::{Meta, State, Status};
use crate::time::{Span, Time};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

mod activation;
mod approval;
mod assignment;
mod ending;
mod groups;
mod hosts;
mod identity;
mod plainly;
mod prolonging;
mod roles;
mod row;
mod rules;
mod tenant;
mod units;
mod users;

use assignment::Taking;
use groups::NewGroup;
use tenant::Founding;

pub(crate) use activation::eligibility_for;
pub use activation::scheduled;
pub use approval::{approvers_of, is_approver, may_decide, who_could_approve};
pub(crate) use assignment::known_scope;
pub use assignment::stopped_by_removal;
pub use groups::protected;
pub use identity::ADDRESSES_MAX;

/// How many refused asks of one principal are recorded within [`REFUSALS_WINDOW`]; further ones leave no entry.
pub const REFUSALS_MAX: u32 = 20;
/// The window that [`REFUSALS_MAX`] counts in.
pub const REFUSALS_WINDOW: Span = Span::from_minutes(10);
/// How many requests of one principal may be open at once.
pub const OPEN_MAX: usize = 100;
/// How many roles one principal may have switched on at once.
pub const ACTIVE_MAX: usize = 100;
/// The longest name, in bytes.
pub const NAME_MAX: usize = 256;
/// The longest reason or description, in bytes.
pub const TEXT_MAX: usize = 4096;

/// What `decide` may know besides the state.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time.
    pub now: Time,
    /// Fresh ids; the first one names the request that a command makes.
    pub ids: [Uuid; 4],
    /// Who asks.
    pub caller: Caller,
    /// Why the clock is in doubt, if it is: then no new power is given.
    pub clock_doubt: Option<&'static str>,
}

/// What a command becomes.
#[derive(Clone, Debug)]
#[must_use]
pub struct Decision {
    /// What happened; to be made durable together, or not at all.
    pub events: Vec<Event>,
    /// What to tell the asker.
    pub answer: Result<Answer, Refusal>,
}

/// What to tell an asker who was not refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is done, and this was made.
    Made(Uuid),
    /// A request was made.
    Asked(Asked),
    /// A request was decided; this is where it stands now.
    Decided { request: RequestId, status: Status },
    /// Who was stopped by it.
    Stopped(Vec<Stopped>),
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Its id.
    pub request: RequestId,
    /// Where it stands.
    pub status: Status,
    /// When what it gives begins, if it begins later.
    pub starts: Option<Time>,
    /// When what it gives ends.
    pub ends: Option<Time>,
    /// Whose running activations it stops, if it takes something away.
    pub stops: Vec<Stopped>,
}

/// An activation that a removal stops.
#[derive(Clone, Debug, PartialEq)]
pub struct Stopped {
    /// Which.
    pub assignment: AssignmentId,
    /// Whose.
    pub principal: PrincipalId,
    /// Of what.
    pub target: Target,
    /// When it would have ended.
    pub ends: Option<Time>,
}

/// What a judged command yields: events and an answer, or a refusal.
type Judged = Result<(Vec<Event>, Answer), Refusal>;

/// Decides what a command becomes.
pub fn decide(state: &State, command: &Command, context: &Context) -> Decision {
    match judge(state, command, context) {
        Ok((mut events, answer)) => {
            if guards_the_way_in(command) {
                let next = after(state, &events, context);
                if ending::ways_in(state, context.now) > 0 && ending::ways_in(&next, context.now) == 0 {
                    return refuse(state, command, context, Refusal::LastWayIn);
                }
                events.extend(approval::unsatisfiable_now(state, &next, context.now));
            }
            Decision { events, answer: Ok(answer) }
        }
        Err(refusal) => refuse(state, command, context, refusal),
    }
}

/// A refusal, with the record it leaves.
fn refuse(state: &State, command: &Command, context: &Context, refusal: Refusal) -> Decision {
    Decision { events: record(state, command, context, &refusal), answer: Err(refusal) }
}

/// Decides commands that are to happen together or not at all: each on what the ones before it lead to. When one of
/// them is refused, only the records of refusals stay of what any of them would have become.
pub fn decide_together(state: &State, commands: &[Command], contexts: &[Context]) -> Vec<Decision> {
    let mut ahead = state.clone();
    let mut decisions = Vec::with_capacity(commands.len());
    for (command, context) in commands.iter().zip(contexts) {
        let decision = decide(&ahead, command, context);
        ahead = after(&ahead, &decision.events, context);
        decisions.push(decision);
    }
    if decisions.iter().any(|d| d.answer.is_err()) {
        for decision in decisions.iter_mut().filter(|d| d.answer.is_ok()) {
            decision.events.clear();
        }
    }
    decisions
}

/// The state after these events, for looking ahead: what a dry run shows.
pub fn after(state: &State, events: &[Event], context: &Context) -> State {
    let mut next = state.clone();
    for event in events {
        let meta = Meta { seq: next.seq + 1, at: context.now, actor: context.caller.principal };
        next.apply(&meta, event);
    }
    next
}

/// Commands that can take away a way in, or somebody who approves.
fn guards_the_way_in(command: &Command) -> bool {
    match command {
        Command::UpdateUser { enabled, person, .. } => enabled.is_some() || person.is_some(),
        Command::DeletePrincipal { .. }
        | Command::AddMember { .. }
        | Command::RemoveMember { .. }
        | Command::Remove { .. }
        | Command::CancelRequest { .. }
        | Command::Reassign { .. }
        | Command::AssignPlainly { .. }
        | Command::TakePlainly { .. }
        | Command::Prolong { .. }
        | Command::ChangeRules { .. }
        | Command::EndEligibility { .. }
        | Command::EndAssignment { .. }
        | Command::Found { .. }
        | Command::UpdateRole { .. }
        | Command::DeleteRole { .. }
        | Command::MintEmergency { .. } => true,
        Command::Assign { .. } => true,
        _ => false,
    }
}

#[rustfmt::skip]
fn judge(state: &State, command: &Command, cx: &Context) -> Judged {
    use Command as C;
    if !matches!(command, C::Found { .. }) && state.settings.is_none() {
        return Err(Refusal::Conflict { why: "This tenant has not been founded yet: run writ init.".into() });
    }
    check_scopes(state, command, cx)?;
    match command {
        C::Found { name, rules, span_min, administrator, setup, emergency } => tenant::found(state, cx, &Founding { name, rules: *rules, span_min: *span_min, administrator, setup: *setup, emergency }),
        C::ChangeSettings { name, span_min, age_min } => tenant::change_settings(state, cx, name.as_ref(), *span_min, *age_min),
        C::MintEmergency { user, credential } => tenant::mint_emergency(state, cx, user, *credential),
        C::ErasePrincipal { principal } => tenant::erase(state, cx, *principal),
        C::RecoverClock => tenant::recover_clock(cx),
        C::RaiseEpoch => tenant::raise_epoch(state, cx),
        C::CreateUser(user) => users::create(state, cx, user, true),
        C::CreateDisabledUser(user) => users::create(state, cx, user, false),
        C::UpdateUser { user, name, upn, enabled, person } => users::update(state, cx, *user, name.as_deref(), upn.as_deref(), *enabled, *person),
        C::CreateService { service, name, app } => users::create_service(state, cx, *service, name, *app),
        C::EnableService { service, enabled } => users::enable_service(state, cx, *service, *enabled),
        C::DeletePrincipal { principal } => users::delete(state, cx, *principal),
        C::CreateGroup { group, name, description, role_assignable, owners, members } => groups::create(state, cx, &NewGroup { id: *group, name, description, role_assignable: *role_assignable, owners, members }),
        C::UpdateGroup { group, name, description } => groups::update(state, cx, *group, name.as_deref(), description.as_deref()),
        C::AddMember { group, member } => groups::add_member(state, cx, *group, *member),
        C::RemoveMember { group, member } => groups::remove_member(state, cx, *group, *member),
        C::AddOwner { group, owner } => groups::add_owner(state, cx, *group, *owner),
        C::RemoveOwner { group, owner } => groups::remove_owner(state, cx, *group, *owner),
        C::CreateUnit { unit, name, description } => units::create(state, cx, *unit, name, description),
        C::UpdateUnit { unit, name, description } => units::update(state, cx, *unit, name.as_deref(), description.as_deref()),
        C::DeleteUnit { unit } => units::delete(state, cx, *unit),
        C::AddToUnit { unit, object } => units::join(state, cx, *unit, *object),
        C::RemoveFromUnit { unit, object } => units::leave(state, cx, *unit, *object),
        C::CreateRole { role, name, description, actions, enabled, version } => roles::define(state, cx, *role, name, description, actions, *enabled, version.as_deref()),
        C::UpdateRole { role, name, description, actions, enabled, version } => roles::change(state, cx, *role, name.as_deref(), description.as_deref(), actions.as_deref(), *enabled, version.as_deref()),
        C::DeleteRole { role } => roles::delete(state, cx, *role),
        C::Assign { sort, terms } => assignment::assign(state, cx, *sort, terms),
        C::Reassign { sort, terms } => assignment::reassign(state, cx, *sort, terms),
        C::Prolong { more, sort, terms } => prolonging::by_administrator(state, cx, *more, *sort, terms),
        C::AskToProlong { more, sort, terms } => prolonging::ask(state, cx, *more, *sort, terms),
        C::ExtendActivation(terms) => prolonging::activation(state, cx, terms),
        C::AssignPlainly { principal, target } => plainly::assign(state, cx, *principal, *target),
        C::TakePlainly { assignment } => plainly::take(state, cx, *assignment),
        C::Remove { sort, principal, target, when, reason } => assignment::remove(state, cx, &Taking { sort: *sort, principal: *principal, target: *target, when: *when, reason: reason.as_deref() }),
        C::RequestActivation(terms) => activation::request(state, cx, terms),
        C::Deactivate { principal, target, reason } => activation::deactivate(state, cx, *principal, *target, reason.as_deref()),
        C::CancelRequest { request } => approval::cancel(state, cx, *request),
        C::DecideRequest { request, stage, approve, reason } => approval::decide_request(state, cx, *request, *stage, *approve, reason.as_deref()),
        C::ChangeRules { role, changes, seen } => rules::change(state, cx, *role, changes, seen.as_deref()),
        C::NoteSignIn(note) => identity::note(cx, note),
        C::IssueCode { principal, code, expires } => identity::issue_code(state, cx, *principal, *code, *expires),
        C::UseCode { principal, code, password, totp } => identity::use_code(state, cx, *principal, *code, *password, *totp),
        C::BindCredential { principal, method, bound, replaces } => identity::bind(state, cx, *principal, *method, *bound, *replaces),
        C::RemoveCredential { principal, credential } => identity::remove(state, cx, *principal, *credential),
        C::EndSessions { principal } => identity::end_sessions(state, cx, *principal),
        C::IssueHostCode { code, unit, expires } => hosts::issue_code(state, cx, *code, *unit, *expires),
        C::EnrolHost { host, name, key, code } => hosts::enrol(state, cx, *host, name, key, *code),
        C::RemoveHost { host } => hosts::remove(state, cx, *host),
        C::MapAccount { person, place, account } => hosts::map_account(state, cx, *person, *place, account.as_deref()),
        C::SetAccountRule { place, rule } => hosts::set_account_rule(state, cx, *place, rule.as_deref()),
        C::IntendGrants { grants } => hosts::intend(state, cx, grants),
        C::ReportGrants { results } => hosts::report_grants(state, cx, results),
        C::ReportHost { host, accounts, drift } => hosts::report(state, cx, *host, accounts, drift),
        C::BeginActivation { request } => activation::begin(state, cx, *request),
        C::ExpireRequest { request } => approval::expire(state, cx, *request),
        C::EndAssignment { assignment } => ending::end_assignment(state, cx, *assignment),
        C::EndEligibility { eligibility } => ending::end_eligibility(state, cx, *eligibility),
        C::ForgetRequests { before } => ending::forget(cx, *before),
    }
}

/// The record a refused ask leaves, if it leaves one: who asked for what, and which rules failed.
fn record(state: &State, command: &Command, cx: &Context, refusal: &Refusal) -> Vec<Event> {
    let (action, subject, target) = match command {
        Command::RequestActivation(terms) => (Action::SelfActivate, terms.principal, terms.target),
        Command::ExtendActivation(terms) => (Action::SelfExtend, terms.principal, terms.target),
        Command::Assign { terms, .. } => (Action::AdminAssign, terms.principal, terms.target),
        Command::Reassign { terms, .. } => (Action::AdminUpdate, terms.principal, terms.target),
        Command::Prolong { more, terms, .. } => (prolonging::admin_action(*more), terms.principal, terms.target),
        Command::AskToProlong { more, terms, .. } => (prolonging::self_action(*more), terms.principal, terms.target),
        Command::AssignPlainly { principal, target } => (Action::AdminAssign, *principal, *target),
        Command::Remove { principal, target, .. } => (Action::AdminRemove, *principal, *target),
        Command::Deactivate { principal, target, .. } => (Action::SelfDeactivate, *principal, *target),
        _ => return Vec::new(),
    };
    let broken: Vec<String> = match refusal {
        Refusal::Rules { broken, .. } => broken.iter().map(|b| b.rule().to_string()).collect(),
        Refusal::NotEligible { .. } => vec!["EligibilityRule".into()],
        Refusal::NotAllowed { .. } => vec!["Authorization_RequestDenied".into()],
        Refusal::Climb { .. } => vec!["Climb".into()],
        Refusal::ClockInDoubt { .. } => vec!["ClockInDoubt".into()],
        Refusal::LastWayIn => vec!["LastWayIn".into()],
        Refusal::TooYoung { .. } => vec!["ActiveDurationTooShort".into()],
        _ => return Vec::new(),
    };
    let Some(by) = cx.caller.principal.filter(|p| holds::enabled(state, *p)) else { return Vec::new() };
    if let Some((since, count)) = state.refused.get(&by)
        && cx.now.since(*since) < REFUSALS_WINDOW
        && *count >= REFUSALS_MAX
    {
        return Vec::new();
    }
    vec![Event::AskRefused { by, action, subject, target, broken }]
}

/// What the caller's token must open for this command.
fn check_scopes(state: &State, command: &Command, cx: &Context) -> Result<(), Refusal> {
    use Act::{Create, Remove, Write};
    use Command as C;
    let of = |sort: Sort| -> &'static [Thing] {
        if sort == Sort::Eligibility { &[Thing::Eligibilities] } else { &[Thing::Assignments] }
    };
    let (things, act): (&[Thing], Act) = match command {
        C::Assign { sort, .. } | C::Reassign { sort, .. } | C::Prolong { sort, .. } | C::AskToProlong { sort, .. } => {
            (of(*sort), Write)
        }
        C::Remove { sort, .. } => (of(*sort), Remove),
        C::AssignPlainly { .. } | C::TakePlainly { .. } => (&[Thing::Roles], Write),
        C::RequestActivation(_) | C::ExtendActivation(_) => (&[Thing::Assignments], Write),
        C::Deactivate { .. } => (&[Thing::Assignments], Remove),
        C::CancelRequest { request } => match state.requests.get(request) {
            Some(request) => (of(request.sort), Write),
            None => (&[Thing::Assignments, Thing::Eligibilities], Write),
        },
        C::DecideRequest { .. } => (&[Thing::Approvals], Write),
        C::ChangeRules { .. } => (&[Thing::Rules], Write),
        C::CreateUser(_) | C::CreateDisabledUser(_) => (&[Thing::Users], Create),
        C::UpdateUser { user, name, upn, enabled, person } => {
            let own = cx.caller.principal == Some(*user);
            let only_enabled = enabled.is_some() && name.is_none() && upn.is_none() && person.is_none();
            let things: &[Thing] = match (own, only_enabled) {
                (true, true) => &[Thing::Enabled, Thing::Profile],
                (true, false) => &[Thing::Profile],
                (false, true) => &[Thing::Enabled],
                (false, false) => &[Thing::Users],
            };
            (things, Write)
        }
        C::EndSessions { .. } => (&[Thing::Sessions], Write),
        C::DeletePrincipal { principal } => match state.principals.get(principal) {
            Some(p) if p.group().is_some() => (&[Thing::Groups], Remove),
            Some(p) if p.user().is_some() => (&[Thing::Users], Remove),
            Some(_) => (&[Thing::Programs], Remove),
            None => (&[Thing::Users, Thing::Groups, Thing::Programs], Remove),
        },
        C::CreateGroup { .. } => (&[Thing::Groups], Create),
        C::UpdateGroup { .. } | C::AddOwner { .. } | C::RemoveOwner { .. } => (&[Thing::Groups], Write),
        C::AddMember { .. } | C::RemoveMember { .. } => (&[Thing::Members], Write),
        C::CreateUnit { .. } | C::UpdateUnit { .. } | C::DeleteUnit { .. } => (&[Thing::Units], Write),
        C::AddToUnit { .. } | C::RemoveFromUnit { .. } => (&[Thing::UnitMembers], Write),
        C::CreateRole { .. } | C::UpdateRole { .. } | C::DeleteRole { .. } => (&[Thing::Roles], Write),
        C::CreateService { .. } | C::EnableService { .. } => (&[Thing::Programs], Write),
        C::ChangeSettings { .. }
        | C::IssueCode { .. }
        | C::IssueHostCode { .. }
        | C::RemoveHost { .. }
        | C::MapAccount { .. }
        | C::SetAccountRule { .. }
        | C::ErasePrincipal { .. } => (&[Thing::Writ], Write),
        _ => return Ok(()),
    };
    any_permitted(&cx.caller, things, act)?;
    if passes_roles(state, command) { any_permitted(&cx.caller, &[Thing::Roles], Write) } else { Ok(()) }
}

/// Whether a command changes a group through which roles are held: who is in it holds them, so a token that may change
/// groups is not enough, as in Graph.
fn passes_roles(state: &State, command: &Command) -> bool {
    use Command as C;
    let group = match command {
        C::CreateGroup { role_assignable, .. } => return *role_assignable,
        C::UpdateGroup { group, .. }
        | C::AddMember { group, .. }
        | C::RemoveMember { group, .. }
        | C::AddOwner { group, .. }
        | C::RemoveOwner { group, .. } => group,
        C::DeletePrincipal { principal } => principal,
        _ => return false,
    };
    state.principals.get(group).and_then(|p| p.group()).is_some_and(|g| g.role_assignable)
}

impl Context {
    /// The principal who asks, who must be enabled.
    pub(crate) fn asker(&self, state: &State) -> Result<PrincipalId, Refusal> {
        match self.caller.principal {
            Some(id) if holds::enabled(state, id) => Ok(id),
            _ => Err(Refusal::AccountDisabled),
        }
    }

    /// The principal who asks, who must hold a role that allows this everywhere in the tenant.
    pub(crate) fn with_duty(&self, state: &State, duty: Duty) -> Result<PrincipalId, Refusal> {
        let id = self.asker(state)?;
        if holds::duties(state, id, self.now).has(duty) { Ok(id) } else { Err(Refusal::NotAllowed { duty }) }
    }

    /// The same, over one object: a role at a unit that contains it is enough.
    pub(crate) fn with_duty_over(&self, state: &State, duty: Duty, object: Uuid) -> Result<PrincipalId, Refusal> {
        let id = self.asker(state)?;
        let duties = holds::duties_at(state, id, Scope::Object(object), self.now);
        if duties.has(duty) { Ok(id) } else { Err(Refusal::NotAllowed { duty }) }
    }

    /// Root at the server's own console.
    pub(crate) fn at_console(&self, act: &'static str) -> Result<(), Refusal> {
        if self.caller.via == crate::command::Via::Console { Ok(()) } else { Err(Refusal::ConsoleOnly { act }) }
    }

    /// Time itself or the server on its own behalf.
    pub(crate) fn by_itself(&self, act: &'static str) -> Result<(), Refusal> {
        use crate::command::Via;
        if matches!(self.caller.via, Via::Timer | Via::Console) && self.caller.principal.is_none() {
            Ok(())
        } else {
            Err(Refusal::NotSupported { what: act.to_string() })
        }
    }

    /// No new power while the clock is in doubt.
    pub(crate) fn clock_sound(&self) -> Result<(), Refusal> {
        match self.clock_doubt {
            None => Ok(()),
            Some(why) => Err(Refusal::ClockInDoubt { why: why.to_string() }),
        }
    }

    /// The request that this command makes.
    pub(crate) fn request(&self) -> RequestId {
        RequestId(self.ids[0])
    }
}

/// Why this proof of MFA is not enough, if it is not.
pub(crate) fn mfa_missing(proof: &Proof, age_max: Span, now: Time) -> Option<Broken> {
    // A proof from the future is no proof: it comes from a clock that was set back since.
    let last = proof.mfa.filter(|t| *t <= now + Span::from_minutes(1)).map(|t| now.since(t));
    let fresh = proof.emergency || last.is_some_and(|age| age <= age_max);
    (!fresh).then_some(Broken::NoMfa { last, age_max })
}

/// A name or another short text: not blank, not too long, no control characters.
pub(crate) fn short(field: &'static str, text: &str) -> Result<(), Refusal> {
    let text_ok =
        !text.trim().is_empty() && text.len() <= NAME_MAX && !text.chars().any(|c| c.is_control() || steers(c));
    if text_ok {
        Ok(())
    } else {
        Err(Refusal::Malformed { field, want: "give 1 to 256 bytes of text without control characters".into() })
    }
}

/// Whether a character makes others show in another order or on another line than they are in: then what an approver
/// reads is not what was asked (Unicode UAX #9, section 2: embeddings, overrides, isolates).
fn steers(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A reason or description: may be blank, not too long.
pub(crate) fn long(field: &'static str, text: Option<&str>) -> Result<(), Refusal> {
    let text = text.unwrap_or("");
    let bad = |c: char| steers(c) || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    let ok = text.len() <= TEXT_MAX && !text.chars().any(bad);
    if ok {
        Ok(())
    } else {
        Err(Refusal::Malformed { field, want: "give at most 4096 bytes of text without control characters".into() })
    }
}

/// A text wrapped as personal, unless it is blank.
pub(crate) fn personal(about: PrincipalId, text: Option<&str>) -> Option<Personal> {
    text.filter(|t| !t.trim().is_empty()).map(|t| Personal::new(about, t))
}

/// The principal with this id.
pub(crate) fn principal(state: &State, id: PrincipalId) -> Result<&crate::directory::Principal, Refusal> {
    state.principals.get(&id).map(|p| &**p).ok_or_else(|| Refusal::NoSuch { what: What::Principal, id: id.to_string() })
}
