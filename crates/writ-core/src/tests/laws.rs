//! The ten laws over random histories. Each is checked by its own naive reading of the log, not by the code that decided.

use crate::command::*;
use crate::event::{Action, Ask, Event};
use crate::ids::*;
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::{AdminSide, Approval, Approver, RuleChange, RuleChoice, Side, Stage};
use crate::scope::{Scope, Target};
use crate::state::{State, Status};
use crate::story::*;
use crate::time::{Span, Time};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const PEOPLE: &[&str] = &["ana", "ben", "carla", "ana-adm", "eve", "dana", "emergency-1", "emergency-2"];
const UNIT: UnitId = UnitId::from_u128(0xa1);

fn targets() -> [Target; 3] {
    [ROOT, Target::role(DEVICE_ADMINISTRATOR, Scope::Unit(UNIT)), GLOBAL]
}

/// One step: what, by whom, about whom, and how much time passes first.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    who: u8,
    whom: u8,
    which: u8,
    minutes: u16,
}

fn step() -> impl Strategy<Value = Step> {
    (0u8..28, any::<u8>(), any::<u8>(), any::<u8>(), prop_oneof![Just(0u16), 0u16..30, 0u16..2000])
        .prop_map(|(what, who, whom, which, minutes)| Step { what, who, whom, which, minutes })
}

fn pick<T: Copy>(list: &[T], n: u8) -> Option<T> {
    (!list.is_empty()).then(|| list[usize::from(n) % list.len()])
}

/// A command that is worth deciding, and who gives it: mostly what could succeed, sometimes anything.
fn command(s: &Story, step: &Step) -> Option<(PrincipalId, Command)> {
    let everybody = s.state.principals.values().map(|p| p.id).collect::<Vec<_>>();
    let anybody = s.id(pick(PEOPLE, step.who)?);
    let admin = if s.holds("dana", GLOBAL) { s.id("dana") } else { s.id("emergency-1") };
    let admin = if step.who.is_multiple_of(8) { anybody } else { admin };
    let principal = pick(&everybody, step.whom)?;
    let target = pick(&targets(), step.which)?;
    let sort = if step.which.is_multiple_of(4) { Sort::Assignment } else { Sort::Eligibility };
    let expiration = match step.which % 4 {
        0 => Expiration::Never,
        1 => Expiration::At(s.now + Span::from_minutes(u32::from(step.which) * 10)),
        _ => Expiration::For(Span::from_minutes(u32::from(step.which) * 10 + 1)),
    };
    let start = step.whom.is_multiple_of(5).then(|| s.now + Span::from_minutes(u32::from(step.who)));
    let reason = Some("because".into());
    let ticket = TicketGiven { number: Some("T-1".into()), system: None };
    let eligibilities: Vec<_> = s.state.eligibilities.values().cloned().collect();
    let e = eligibilities.get(usize::from(step.which) % eligibilities.len().max(1));
    let waiting: Vec<_> = s.state.open.iter().filter_map(|(_, r)| s.state.requests.get(r)).cloned().collect();
    let all: Vec<_> = s.state.requests.values().cloned().collect();
    Some(match step.what {
        0..=2 => {
            (admin, Command::Assign { sort, terms: Terms { principal, target, start, expiration, reason, ticket } })
        }
        3 => {
            let e = e?;
            let expiration = Expiration::For(Span::from_minutes(u32::from(step.who) + 6));
            let sort = Sort::Eligibility;
            (
                admin,
                Command::Reassign {
                    sort,
                    terms: Terms { principal: e.principal, target: e.target, start, expiration, reason, ticket },
                },
            )
        }
        4 | 5 => {
            let when = if step.whom.is_multiple_of(2) { Removal::Now } else { Removal::WhenRunningEnd };
            let (principal, target) =
                if step.whom.is_multiple_of(7) { (principal, target) } else { (e?.principal, e?.target) };
            (admin, Command::Remove { sort: Sort::Eligibility, principal, target, when, reason })
        }
        6..=11 => {
            let e = e?;
            let members: Vec<PrincipalId> = s
                .state
                .principals
                .get(&e.principal)?
                .group()
                .map_or_else(|| vec![e.principal], |g| g.members.iter().copied().collect());
            let me = if step.who.is_multiple_of(9) { anybody } else { pick(&members, step.whom)? };
            let span = Span::from_minutes(u32::from(step.which % 120) + 5);
            let expiration = Expiration::For(span);
            (
                me,
                Command::RequestActivation(Terms {
                    principal: me,
                    target: e.target,
                    start,
                    expiration,
                    reason,
                    ticket,
                }),
            )
        }
        12 => {
            let running: Vec<_> = s.state.assignments.values().filter(|a| a.activated()).cloned().collect();
            let a = running.get(usize::from(step.which) % running.len().max(1))?;
            (a.principal, Command::Deactivate { principal: a.principal, target: a.target, reason })
        }
        13..=16 => {
            let list = if step.which.is_multiple_of(6) { &all } else { &waiting };
            let r = list.get(usize::from(step.whom) % list.len().max(1))?;
            let able = crate::decide::approvers_of(&s.state, r, s.now);
            let who = if step.who.is_multiple_of(4) { anybody } else { pick(&able, step.who)? };
            // Now and then somebody decides another stage than the one that waits.
            let stage = r.open_stage().unwrap_or(0) as u8 + u8::from(step.who.is_multiple_of(11));
            let approve = !step.which.is_multiple_of(5);
            (who, Command::DecideRequest { request: r.ask.request, stage, approve, reason })
        }
        17 => (
            anybody,
            Command::CancelRequest { request: waiting.get(usize::from(step.whom) % waiting.len().max(1))?.ask.request },
        ),
        18 => {
            let user = s.id(pick(PEOPLE, step.whom)?);
            let enabled = Some(!step.which.is_multiple_of(3));
            (admin, Command::UpdateUser { user, name: None, upn: None, enabled, person: None })
        }
        19 => (admin, Command::AddMember { group: pick(&groups(s), step.which)?, member: principal }),
        20 => {
            let group = pick(&groups(s), step.which)?;
            let members: Vec<_> = s.state.principals.get(&group)?.group()?.members.iter().copied().collect();
            (admin, Command::RemoveMember { group, member: pick(&members, step.whom)? })
        }
        21 => {
            let stages = vec![Stage::one_of(vec![Approver::User(principal), Approver::Group(s.id("security"))])];
            let required = step.which.is_multiple_of(2);
            let approval = Approval { required, required_for_extension: false, asker_reason: true, stages };
            let changes = vec![
                RuleChange::Approval(approval),
                RuleChange::ActivationExpiration { span_max: Span::from_minutes(u32::from(step.who) + 30) },
            ];
            (admin, Command::ChangeRules { role: target.role_id(), changes, seen: None })
        }
        22 if step.which.is_multiple_of(4) => (admin, Command::DeleteUnit { unit: UNIT }),
        23 => {
            let more = if step.which.is_multiple_of(3) { More::Renewal } else { More::Extension };
            let (principal, target) = pick(&prolongable(s, more, sort), step.whom)?;
            let by = if step.who.is_multiple_of(3) { admin } else { principal };
            if by == admin {
                (
                    admin,
                    Command::Prolong {
                        more,
                        sort,
                        terms: Terms { principal, target, start, expiration, reason, ticket },
                    },
                )
            } else {
                (
                    by,
                    Command::AskToProlong {
                        more,
                        sort,
                        terms: Terms { principal, target, start, expiration, reason, ticket },
                    },
                )
            }
        }
        24 | 25 => {
            let running: Vec<_> = s.state.assignments.values().filter(|a| a.activated()).cloned().collect();
            let a = running.get(usize::from(step.which) % running.len().max(1))?;
            let end = a.ends? + Span::from_minutes(u32::from(step.whom));
            let (principal, target, start) = (a.principal, a.target, None);
            let me = if step.who.is_multiple_of(9) { anybody } else { principal };
            let expiration = Expiration::At(end);
            (me, Command::ExtendActivation(Terms { principal, target, start, expiration, reason, ticket }))
        }
        26 => {
            let required = step.which.is_multiple_of(2);
            let span_max = Span::from_minutes(u32::from(step.who) * 20 + 10);
            let side = if step.which.is_multiple_of(3) { Side::Assignment } else { Side::Eligibility };
            let changes = vec![RuleChange::AdminExpiration { side, required, span_max }];
            (admin, Command::ChangeRules { role: target.role_id(), changes, seen: None })
        }
        _ => (admin, Command::CreateUnit { unit: UNIT, name: "unit".into(), description: "".into() }),
    })
}

/// What there is to extend or renew, and for whom.
fn prolongable(s: &Story, more: More, sort: Sort) -> Vec<(PrincipalId, Target)> {
    match (more, sort) {
        (More::Renewal, _) => s.state.expired.keys().filter(|k| k.1 == sort).map(|k| (k.0, k.2)).collect(),
        (_, Sort::Eligibility) => s.state.eligibilities.values().map(|e| (e.principal, e.target)).collect(),
        (_, Sort::Assignment) => {
            s.state.assignments.values().filter(|a| !a.activated()).map(|a| (a.principal, a.target)).collect()
        }
    }
}

fn groups(s: &Story) -> Vec<PrincipalId> {
    s.state.principals.values().filter(|p| p.group().is_some()).map(|p| p.id).collect()
}

fn begin() -> Story {
    let mut s = Story::with_ana_eligible();
    let ops = Command::CreateGroup {
        group: PrincipalId::from_u128(120),
        name: "ops".into(),
        description: "".into(),
        role_assignable: true,
        owners: vec![],
        members: vec![s.id("eve"), s.id("ben")],
    };
    s.by("dana", ops).expect("ops");
    let eligible = s.make_eligible("ops", ROOT);
    s.by("dana", eligible).expect("eligible");
    s
}

fn gives_more(action: Action) -> bool {
    matches!(action, Action::AdminExtend | Action::AdminRenew | Action::SelfExtend | Action::SelfRenew)
}

/// Whether an end that was given keeps the rule about expiration, counted from when it was given or begins.
fn within(side: &AdminSide, ask: &Ask, ends: Option<Time>, at: Time) -> Result<(), TestCaseError> {
    // An extension goes on from what is there, so its start moves nothing.
    let extends = matches!(ask.action, Action::AdminExtend | Action::SelfExtend);
    let begins = if extends { at } else { ask.start.unwrap_or(at).max(at) };
    let kept = !side.expiration_required || ends.is_some_and(|end| end.since(begins) <= side.span_max);
    prop_assert!(kept, "{:?} until {ends:?} is past the rules", ask.action);
    Ok(())
}

/// The laws, read off the log and the state with nothing but loops.
pub(super) fn check(s: &Story) -> Result<(), TestCaseError> {
    // Asked one by one or all together, the same people may decide.
    for request in s.state.requests.values().filter(|r| r.open_stage().is_some()) {
        let able = crate::decide::approvers_of(&s.state, request, s.now);
        for id in s.state.principals.keys() {
            prop_assert_eq!(crate::decide::may_decide(&s.state, request, *id, s.now), able.contains(id));
        }
    }
    let person = |id: PrincipalId| s.state.person_of(id);
    let mut closed: BTreeSet<RequestId> = BTreeSet::new();
    let mut asked: BTreeMap<RequestId, (PrincipalId, Option<PrincipalId>)> = BTreeMap::new();
    let mut deciders: BTreeMap<RequestId, Vec<PersonId>> = BTreeMap::new();
    let mut rules: BTreeMap<RoleId, crate::rules::Rules> = crate::role::built_in()
        .iter()
        .map(|r| (r.id, crate::rules::Rules::default_for(r, RuleChoice::Tiers)))
        .collect();
    let mut began: BTreeMap<AssignmentId, Time> = BTreeMap::new();
    for (meta, event) in &s.log {
        match event {
            Event::ActivationScheduled { ask: Some(ask), .. } | Event::ActivationBegan { ask: Some(ask), .. } => {
                // Law 4: no role here is ever without these rules.
                prop_assert!(ask.reason.is_some() && ask.ticket.is_some() && ask.mfa.is_some());
            }
            Event::RoleDefined { role, rules: choice } => {
                rules.insert(role.id, crate::rules::Rules::default_for(role, *choice));
            }
            Event::RulesChanged { role, changes } => {
                for change in changes {
                    rules.get_mut(role).expect("a role's rules").change(change);
                }
            }
            Event::MoreAsked { ask, .. } => {
                prop_assert!(ask.reason.is_some());
                asked.insert(ask.request, (ask.subject, ask.by));
            }
            // More time never carries a right past the rules as they were when it was given.
            Event::EligibilityChanged { ask, ends, .. } | Event::EligibilityGranted { ask, ends, .. }
                if gives_more(ask.action) =>
            {
                prop_assert!(!closed.contains(&ask.request));
                within(&rules[&ask.target.role_id()].eligibility, ask, *ends, meta.at)?;
            }
            Event::AssignmentChanged { ask, ends, .. } | Event::AssignmentGranted { ask, ends, .. }
                if gives_more(ask.action) =>
            {
                prop_assert!(!closed.contains(&ask.request));
                within(&rules[&ask.target.role_id()].assignment, ask, *ends, meta.at)?;
            }
            Event::ActivationExtended { ask, assignment, ends } => {
                prop_assert!(!closed.contains(&ask.request));
                prop_assert!(ask.reason.is_some() && ask.ticket.is_some() && ask.mfa.is_some());
                let longest = rules[&ask.target.role_id()].activation.span_max;
                prop_assert!(ends.since(began[assignment]) <= longest, "longer than the rules allow");
            }
            Event::ApprovalAsked { ask, .. } => {
                prop_assert!(ask.reason.is_some() && ask.ticket.is_some() && ask.mfa.is_some());
                asked.insert(ask.request, (ask.subject, ask.by));
            }
            Event::RequestApproved { request, by, .. } | Event::RequestDenied { request, by, .. } => {
                let (subject, asker) = asked[request];
                // Law 3: nobody decides their own request, and deciders are distinct persons.
                prop_assert!(*by != subject && Some(*by) != asker);
                if let Some(p) = person(*by) {
                    prop_assert!(person(subject) != Some(p));
                    let list = deciders.entry(*request).or_default();
                    prop_assert!(!list.contains(&p), "one person decided twice");
                    list.push(p);
                }
                if matches!(event, Event::RequestDenied { .. }) {
                    closed.insert(*request);
                }
            }
            Event::RequestCanceled { request, .. }
            | Event::RequestTimedOut { request }
            | Event::RequestFailed { request, .. } => {
                closed.insert(*request);
            }
            _ => {}
        }
        if let Event::ActivationBegan { request, ends, .. } = event {
            began.insert(AssignmentId(request.0), meta.at);
            // Law 9: what was denied, cancelled or expired never leads to a grant. Law 2: no longer than a day.
            prop_assert!(!closed.contains(request));
            prop_assert!(ends.since(meta.at) <= Span::from_hours(24) && *ends > meta.at);
        }
    }
    for a in s.state.assignments.values() {
        let Some(from) = a.from else { continue };
        // Laws 2 and 6: an activation has an eligibility that reaches its holder, and does not outlive it.
        let e = s.state.eligibilities.get(&from);
        prop_assert!(e.is_some(), "{:?} has lost its eligibility", a.id);
        if let Some(e) = e {
            let direct = e.principal == a.principal;
            let by_group = s
                .state
                .principals
                .get(&e.principal)
                .and_then(|p| p.group())
                .is_some_and(|g| g.members.contains(&a.principal));
            prop_assert!(direct || by_group);
            prop_assert!(e.ends.is_none_or(|end| a.ends.is_some_and(|x| x <= end)));
        }
        prop_assert!(s.state.principals.get(&a.principal).is_some_and(|p| p.enabled), "disabled people run nothing");
        prop_assert!(a.ends.is_some());
    }
    // Laws 1 and 10: holding is having an assignment whose window contains now, no more and no less.
    for p in s.state.principals.values() {
        for target in targets() {
            let naive = p.enabled
                && s.state.assignments.values().any(|a| {
                    let direct = a.principal == p.id;
                    let by_group = s
                        .state
                        .principals
                        .get(&a.principal)
                        .is_some_and(|g| g.group().is_some_and(|x| x.role_assignable && x.members.contains(&p.id)));
                    let scope = a.target.scope() == Scope::Tenant || a.target.scope() == target.scope();
                    (direct || by_group)
                        && a.target.role_id() == target.role_id()
                        && scope
                        && a.starts <= s.now
                        && a.ends.is_none_or(|end| s.now < end)
                });
            let held = crate::holds::holds(&s.state, p.id, target.role_id(), target.scope(), s.now);
            prop_assert_eq!(held, naive, "{:?} {:?}", p.id, target);
        }
    }
    // Law 7: there is always a way in.
    let way_in = s.state.principals.values().any(|p| {
        p.enabled
            && p.emergency()
            && s.state
                .assignments
                .values()
                .any(|a| a.principal == p.id && a.target == GLOBAL && a.ends.is_none() && a.from.is_none())
    });
    prop_assert!(way_in);
    Ok(())
}

pub(super) fn replay(log: &[(crate::state::Meta, Event)]) -> State {
    let mut state = State::empty(TenantId::from_u128(1));
    for (meta, event) in log {
        state.apply(meta, event);
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_over_random_histories(steps in prop::collection::vec(step(), 1..120)) {
        let mut s = begin();
        for step in &steps {
            let to = s.now + Span::from_minutes(u32::from(step.minutes));
            s.until(to);
            let Some((who, command)) = command(&s, step) else { continue };
            let before = s.rights();
            let n = s.log.len();
            let caller = s.caller_for(who);
            if s.run(caller, command).is_err() {
                prop_assert_eq!(&s.rights(), &before, "a refusal changes no right");
                prop_assert!(s.log.len() <= n + 1);
            }
            check(&s)?;
        }
        // Law 5: the state is the fold of the log at any prefix, and a snapshot carries all of it.
        prop_assert!(replay(&s.log) == s.state);
        let half = replay(&s.log[..s.log.len() / 2]);
        let mut again = State::from_snapshot(&half.to_snapshot()).map_err(TestCaseError::fail)?;
        prop_assert!(again == half);
        for (meta, event) in &s.log[s.log.len() / 2..] {
            again.apply(meta, event);
        }
        prop_assert!(again == s.state);
        // Law 10: let everything run out.
        let end: Time = s.now + Span::from_days(400);
        s.until(end);
        check(&s)?;
        prop_assert!(s.state.assignments.values().all(|a| a.ends.is_none_or(|e| e > s.now)));
        prop_assert!(s.state.requests.values().all(|r| r.status != Status::PendingApproval));
    }

    #[test]
    fn a_dry_run_and_the_real_thing_agree(steps in prop::collection::vec(step(), 1..60)) {
        let mut s = begin();
        for step in &steps {
            let to = s.now + Span::from_minutes(u32::from(step.minutes));
            s.until(to);
            let Some((who, command)) = command(&s, step) else { continue };
            let caller = s.caller_for(who);
            let cx = s.context(caller.clone());
            let dry = crate::decide::decide(&s.state, &command, &cx).answer;
            let real = s.run(caller, command);
            prop_assert_eq!(dry.is_ok(), real.is_ok(), "{}", format!("{dry:?} {real:?}"));
        }
    }
}
