//! Every command there is, from anybody, in any order: the laws hold after each, and each is tried.
//! A command that is added does not compile here until it has a place, and is not tested until it has a recipe.

use super::laws::{check, replay};
use crate::command::*;
use crate::directory::{Account, Drift};
use crate::ids::*;
use crate::role::{DEVICE_ADMINISTRATOR, GLOBAL_ADMINISTRATOR};
use crate::rules::{Approval, Approver, RuleChange, RuleChoice, Stage};
use crate::scope::{Scope, Target};
use crate::state::State;
use crate::story::*;
use crate::time::Span;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const UNIT: UnitId = UnitId::from_u128(0xa1);
const CUSTOM: RoleId = RoleId::from_u128(0xc0);

/// The name of a command's kind; no wildcard, so that a new one must be given a place.
#[rustfmt::skip]
fn kind(command: &Command) -> &'static str {
    use Command as C;
    match command {
        C::Found { .. } => "Found", C::CreateUser(_) => "CreateUser", C::CreateDisabledUser(_) => "CreateDisabledUser",
        C::EndSessions { .. } => "EndSessions", C::UpdateUser { .. } => "UpdateUser",
        C::CreateGroup { .. } => "CreateGroup", C::UpdateGroup { .. } => "UpdateGroup",
        C::CreateService { .. } => "CreateService", C::EnableService { .. } => "EnableService",
        C::DeletePrincipal { .. } => "DeletePrincipal", C::AddMember { .. } => "AddMember",
        C::RemoveMember { .. } => "RemoveMember", C::AddOwner { .. } => "AddOwner", C::RemoveOwner { .. } => "RemoveOwner",
        C::CreateUnit { .. } => "CreateUnit", C::UpdateUnit { .. } => "UpdateUnit", C::DeleteUnit { .. } => "DeleteUnit",
        C::AddToUnit { .. } => "AddToUnit", C::RemoveFromUnit { .. } => "RemoveFromUnit",
        C::CreateRole { .. } => "CreateRole", C::UpdateRole { .. } => "UpdateRole", C::DeleteRole { .. } => "DeleteRole",
        C::Assign { .. } => "Assign", C::Reassign { .. } => "Reassign", C::Remove { .. } => "Remove",
        C::Prolong { .. } => "Prolong", C::AskToProlong { .. } => "AskToProlong",
        C::ExtendActivation { .. } => "ExtendActivation", C::AssignPlainly { .. } => "AssignPlainly",
        C::TakePlainly { .. } => "TakePlainly",
        C::RequestActivation { .. } => "RequestActivation", C::Deactivate { .. } => "Deactivate",
        C::CancelRequest { .. } => "CancelRequest", C::DecideRequest { .. } => "DecideRequest",
        C::ChangeRules { .. } => "ChangeRules", C::ChangeSettings { .. } => "ChangeSettings",
        C::NoteSignIn { .. } => "NoteSignIn", C::IssueCode { .. } => "IssueCode", C::UseCode { .. } => "UseCode",
        C::BindCredential { .. } => "BindCredential", C::RemoveCredential { .. } => "RemoveCredential",
        C::MintEmergency { .. } => "MintEmergency", C::IssueHostCode { .. } => "IssueHostCode",
        C::EnrolHost { .. } => "EnrolHost", C::RemoveHost { .. } => "RemoveHost", C::MapAccount { .. } => "MapAccount",
        C::SetAccountRule { .. } => "SetAccountRule", C::IntendGrants { .. } => "IntendGrants",
        C::ReportGrants { .. } => "ReportGrants", C::ReportHost { .. } => "ReportHost", C::RaiseEpoch => "RaiseEpoch",
        C::ErasePrincipal { .. } => "ErasePrincipal", C::RecoverClock => "RecoverClock",
        C::BeginActivation { .. } => "BeginActivation", C::ExpireRequest { .. } => "ExpireRequest",
        C::EndAssignment { .. } => "EndAssignment", C::EndEligibility { .. } => "EndEligibility",
        C::ForgetRequests { .. } => "ForgetRequests",
    }
}

/// How many kinds there are, and so how many recipes.
const KINDS: u8 = 58;

/// One step: what, by whom, about what, and how much time passes first.
#[derive(Clone, Debug)]
struct Step {
    what: u8,
    who: u8,
    whom: u8,
    which: u8,
    minutes: u8,
}

/// Kinds that come up more often: without them hardly anybody would ever hold anything.
const OFTEN: [u8; 20] = [20, 20, 23, 23, 23, 23, 26, 26, 26, 26, 26, 40, 41, 41, 41, 41, 41, 24, 36, 48];

/// The kind that a number stands for.
fn what(number: u8) -> u8 {
    let number = number % (KINDS + OFTEN.len() as u8);
    number.checked_sub(KINDS).map_or(number, |more| OFTEN[usize::from(more)])
}

fn step() -> impl Strategy<Value = Step> {
    (any::<u8>().prop_map(what), any::<u8>(), any::<u8>(), any::<u8>(), prop_oneof![3 => Just(0u8), 1 => any::<u8>()])
        .prop_map(|(what, who, whom, which, minutes)| Step { what, who, whom, which, minutes })
}

fn pick<T: Clone>(list: &[T], n: u8) -> Option<T> {
    (!list.is_empty()).then(|| list[usize::from(n) % list.len()].clone())
}

/// What there is to pick from.
struct Cast {
    users: Vec<PrincipalId>,
    groups: Vec<PrincipalId>,
    services: Vec<PrincipalId>,
    all: Vec<PrincipalId>,
    hosts: Vec<DeviceId>,
    admin: PrincipalId,
}

impl Cast {
    fn of(s: &Story) -> Self {
        let of = |fits: &dyn Fn(&crate::directory::Principal) -> bool| -> Vec<PrincipalId> {
            s.state.principals.values().filter(|p| fits(p)).map(|p| p.id).collect()
        };
        let holds = |id: &&PrincipalId| crate::holds::holds(&s.state, **id, GLOBAL_ADMINISTRATOR, Scope::Tenant, s.now);
        let users = of(&|p| p.user().is_some());
        Self {
            groups: of(&|p| p.group().is_some()),
            services: of(&|p| p.user().is_none() && p.group().is_none()),
            all: of(&|_| true),
            hosts: s.state.hosts.keys().copied().collect(),
            admin: *users.iter().find(holds).expect("law 7"),
            users,
        }
    }
}

/// A command of the step's kind, and who gives it: mostly somebody who may.
fn made(s: &Story, step: &Step) -> Option<(Caller, Command)> {
    let cast = Cast::of(s);
    let n = 0x9000 + s.log.len() as u128 * 7;
    let caller = |id| s.caller_for(id);
    let anybody = pick(&cast.users, step.who)?;
    let admin = caller(if step.who.is_multiple_of(7) { anybody } else { cast.admin });
    let server = Caller::timer(Uuid::from_u128(8));
    let console = if step.who.is_multiple_of(5) { caller(anybody) } else { Caller::console(Uuid::from_u128(9)) };
    let (user, principal) = (pick(&cast.users, step.whom)?, pick(&cast.all, step.whom)?);
    let group = pick(&cast.groups, step.which);
    let host = pick(&cast.hosts, step.which);
    let person = s.state.person_of(user).unwrap_or(PersonId(user.0));
    let custom = if s.state.roles.contains_key(&CUSTOM) { CUSTOM } else { DEVICE_ADMINISTRATOR };
    let unit = Target::role(DEVICE_ADMINISTRATOR, Scope::Unit(UNIT));
    let target = pick(&[ROOT, unit, GLOBAL, Target::role(custom, Scope::Tenant)], step.which)?;
    let sort = if step.which.is_multiple_of(3) { Sort::Assignment } else { Sort::Eligibility };
    let expiration = Expiration::For(Span::from_minutes(u32::from(step.who % 100) + 5));
    let start = step.whom.is_multiple_of(5).then(|| s.now + Span::from_minutes(u32::from(step.which)));
    let reason = Some("because".into());
    let ticket = TicketGiven { number: Some("T-1".into()), system: None };
    let credential = CredentialId::from_u128(n);
    let in_vault = |more: u128| InVault { credential: CredentialId::from_u128(n + more), version: 1 };
    let held: Vec<_> = s.state.eligibilities.values().cloned().collect();
    let running: Vec<_> = s.state.assignments.values().filter(|a| a.activated()).cloned().collect();
    let standing: Vec<_> = s.state.assignments.values().filter(|a| !a.activated()).cloned().collect();
    let requests: Vec<_> = s.state.requests.values().cloned().collect();
    let open: Vec<_> = s.state.open.iter().filter_map(|(_, r)| s.state.requests.get(r)).cloned().collect();
    let codes: Vec<_> = s.state.codes.keys().copied().collect();
    let new = |n: u128| NewUser {
        id: PrincipalId::from_u128(n),
        person: if step.which.is_multiple_of(4) { person } else { PersonId::from_u128(n) },
        name: format!("u{n}"),
        upn: format!("u{n}@northwind.example"),
    };
    let text = format!("n{}", step.which);
    let place = match (step.who % 3, host) {
        (0, Some(host)) => Place::Host(host),
        (1, _) => Place::Unit(UNIT),
        _ => Place::Everywhere,
    };
    let intents = crate::plan::plan(&s.state, s.now);
    Some(match step.what {
        0 => (
            console,
            Command::Found {
                name: "Again".into(),
                rules: RuleChoice::Tiers,
                span_min: Span::from_minutes(5),
                administrator: new(n),
                setup: Span::from_hours(8),
                emergency: vec![new(n + 1), new(n + 2)],
            },
        ),
        1 => (admin, Command::CreateUser(new(n))),
        2 => {
            let enabled = (!step.which.is_multiple_of(3)).then_some(step.who.is_multiple_of(2));
            let upn = step.which.is_multiple_of(4).then(|| format!("r{n}@northwind.example"));
            (admin, Command::UpdateUser { user, name: Some(text), upn, enabled, person: None })
        }
        3 => (
            admin,
            Command::CreateGroup {
                group: PrincipalId::from_u128(n),
                name: text,
                description: "".into(),
                role_assignable: step.which.is_multiple_of(2),
                owners: vec![anybody],
                members: vec![user],
            },
        ),
        4 => (admin, Command::UpdateGroup { group: group?, name: Some(text), description: None }),
        5 => {
            (admin, Command::CreateService { service: PrincipalId::from_u128(n), name: text, app: Uuid::from_u128(n) })
        }
        6 => (
            admin,
            Command::EnableService { service: pick(&cast.services, step.whom)?, enabled: step.which.is_multiple_of(2) },
        ),
        // Not too often, or nobody is left to tell of.
        7 if step.which.is_multiple_of(4) => (admin, Command::DeletePrincipal { principal }),
        7 => return None,
        8 => (admin, Command::AddMember { group: group?, member: principal }),
        9 => {
            let group = group?;
            let members: Vec<_> = s.state.principals.get(&group)?.group()?.members.iter().copied().collect();
            (admin, Command::RemoveMember { group, member: pick(&members, step.whom).unwrap_or(principal) })
        }
        10 => (admin, Command::AddOwner { group: group?, owner: user }),
        11 => {
            let group = group?;
            let owners: Vec<_> = s.state.principals.get(&group)?.group()?.owners.iter().copied().collect();
            (admin, Command::RemoveOwner { group, owner: pick(&owners, step.whom).unwrap_or(user) })
        }
        12 => (admin, Command::CreateUnit { unit: UNIT, name: text, description: "".into() }),
        13 => (admin, Command::UpdateUnit { unit: UNIT, name: Some(text), description: None }),
        14 => (admin, Command::DeleteUnit { unit: UNIT }),
        15 => (admin, Command::AddToUnit { unit: UNIT, object: host.map_or(principal.0, |h| h.0) }),
        16 => {
            let there = s
                .state
                .units
                .get(&UNIT)
                .map(|u| u.members.iter().map(|m| m.0).chain(u.hosts.iter().map(|h| h.0)).collect::<Vec<Uuid>>());
            let object = there.and_then(|there| pick(&there, step.whom)).unwrap_or(principal.0);
            (admin, Command::RemoveFromUnit { unit: UNIT, object })
        }
        17 => (
            admin,
            Command::CreateRole {
                role: CUSTOM,
                name: text,
                description: "".into(),
                actions: vec!["microsoft.directory/groups/standard/read".into()],
                enabled: !step.which.is_multiple_of(5),
                version: None,
            },
        ),
        18 => (
            admin,
            Command::UpdateRole {
                role: CUSTOM,
                name: Some(text),
                description: None,
                actions: step.whom.is_multiple_of(2).then(|| vec!["microsoft.directory/users/create".into()]),
                enabled: Some(!step.which.is_multiple_of(3)),
                version: None,
            },
        ),
        19 => (admin, Command::DeleteRole { role: CUSTOM }),
        20 => (admin, Command::Assign { sort, terms: Terms { principal, target, start, expiration, reason, ticket } }),
        21 => {
            let (sort, principal, target) = match (pick(&held, step.whom), pick(&standing, step.which)) {
                (Some(e), _) if step.who.is_multiple_of(2) => (Sort::Eligibility, e.principal, e.target),
                (_, Some(a)) => (Sort::Assignment, a.principal, a.target),
                _ => return None,
            };
            (admin, Command::Reassign { sort, terms: Terms { principal, target, start, expiration, reason, ticket } })
        }
        22 => {
            let when = if step.which.is_multiple_of(2) { Removal::Now } else { Removal::WhenRunningEnd };
            let (sort, principal, target) = match (pick(&held, step.whom), pick(&holdings(s), step.which)) {
                (Some(e), _) if step.who.is_multiple_of(2) => (Sort::Eligibility, e.principal, e.target),
                (_, Some(a)) => (Sort::Assignment, a.0, a.1),
                _ => return None,
            };
            (admin, Command::Remove { sort, principal, target, when, reason })
        }
        23 => {
            let e = pick(&held, step.whom)?;
            let members: Vec<PrincipalId> = s
                .state
                .principals
                .get(&e.principal)?
                .group()
                .map_or_else(|| vec![e.principal], |g| g.members.iter().copied().collect());
            let me = pick(&members, step.which)?;
            (
                caller(me),
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
        24 => {
            let a = pick(&running, step.whom)?;
            let by = if step.which.is_multiple_of(5) { anybody } else { a.principal };
            (caller(by), Command::Deactivate { principal: a.principal, target: a.target, reason })
        }
        25 => {
            let r = pick(&open, step.whom).or(pick(&requests, step.whom))?;
            let by = if step.who.is_multiple_of(2) { r.ask.subject } else { anybody };
            (caller(by), Command::CancelRequest { request: r.ask.request })
        }
        26 => {
            let r = pick(&open, step.whom).or(pick(&requests, step.whom))?;
            let able = crate::decide::approvers_of(&s.state, &r, s.now);
            let by = pick(&able, step.who).filter(|_| !step.who.is_multiple_of(6)).unwrap_or(anybody);
            let stage = u8::from(step.which.is_multiple_of(9));
            let approve = !step.which.is_multiple_of(4);
            (caller(by), Command::DecideRequest { request: r.ask.request, stage, approve, reason })
        }
        27 if step.who.is_multiple_of(3) => {
            let mut approvers = vec![Approver::User(user)];
            approvers.extend(group.map(Approver::Group));
            let approval = Approval {
                required: step.which.is_multiple_of(2),
                required_for_extension: false,
                asker_reason: true,
                stages: vec![Stage::one_of(approvers)],
            };
            let span_max = Span::from_minutes(u32::from(step.who) + 30);
            let changes = vec![RuleChange::Approval(approval), RuleChange::ActivationExpiration { span_max }];
            (admin, Command::ChangeRules { role: target.role_id(), changes, seen: None })
        }
        27 => return None,
        28 => {
            let span_min = Some(Span::from_minutes(u32::from(step.which % 9)));
            let age_min = step.whom.is_multiple_of(3).then(|| Span::from_minutes(u32::from(step.which % 6)));
            (admin, Command::ChangeSettings { name: Some(text), span_min, age_min })
        }
        29 => (
            server,
            Command::NoteSignIn(SignInNote {
                principal: Some(user),
                outcome: SignIn::Failed,
                wrong: Some(Wrong::Code),
                methods: vec![Method::Password],
                count: 1,
                client: None,
                app: None,
                from: vec![("192.0.2.7".into(), 1)],
            }),
        ),
        30 => (admin, Command::IssueCode { principal, code: credential, expires: s.now + Span::from_hours(1) }),
        31 => {
            let code = pick(&codes, step.whom)?;
            let whose = match s.state.codes.get(&code).map(|c| c.purpose) {
                Some(crate::state::Purpose::FirstFactor(id)) if !step.which.is_multiple_of(6) => id,
                _ => user,
            };
            (caller(whose), Command::UseCode { principal: whose, code, password: in_vault(0), totp: in_vault(1) })
        }
        32 => {
            let replaces = s.state.credentials.iter().find(|(_, c)| c.principal == user).map(|(id, _)| *id);
            let replaces = replaces.filter(|_| step.which.is_multiple_of(2));
            let by = if step.which.is_multiple_of(5) { anybody } else { user };
            (
                caller(by),
                Command::BindCredential { principal: user, method: Method::Totp, bound: in_vault(0), replaces },
            )
        }
        33 => {
            let all: Vec<_> = s.state.credentials.iter().map(|(id, c)| (*id, c.principal)).collect();
            let (credential, principal) = pick(&all, step.whom)?;
            let by = if step.which.is_multiple_of(2) { caller(principal) } else { admin };
            (by, Command::RemoveCredential { principal, credential })
        }
        34 => {
            let there = s.state.principals.get(&user).and_then(|p| p.user()).filter(|u| u.emergency);
            let user = there.map_or(new(n), |u| NewUser {
                id: user,
                person,
                name: "x".into(),
                upn: u.upn.text().unwrap_or_default().into(),
            });
            (console, Command::MintEmergency { user, credential })
        }
        35 => {
            let unit = step.whom.is_multiple_of(2).then_some(UNIT);
            (admin, Command::IssueHostCode { code: credential, unit, expires: s.now + Span::from_hours(1) })
        }
        36 => {
            let new = DeviceId::from_u128(n);
            let of_hosts = |c: &CredentialId| matches!(s.state.codes[c].purpose, crate::state::Purpose::Host(_));
            let fitting: Vec<_> = codes.iter().copied().filter(of_hosts).collect();
            let code = pick(&fitting, step.whom).or(pick(&codes, step.whom))?;
            let enrol = Command::EnrolHost { host: new, name: text, key: format!("{n:064x}"), code };
            (Caller::host(Uuid::from_u128(5), new), enrol)
        }
        37 => {
            let by = if step.whom.is_multiple_of(2) { admin } else { caller(anybody) };
            (by, Command::RemoveHost { host: host? })
        }
        38 => {
            let account = (!step.which.is_multiple_of(4)).then(|| format!("acc{}", step.which % 3));
            (admin, Command::MapAccount { person, place, account })
        }
        39 => {
            let rule = (!step.which.is_multiple_of(4)).then(|| "adm-{local}".into());
            (admin, Command::SetAccountRule { place, rule })
        }
        40 => {
            let grants: Vec<Intent> = intents
                .iter()
                .map(|g| Intent { assignment: g.assignment, principal: g.principal, host: g.host, absent_before: true })
                .collect();
            let by = if step.who.is_multiple_of(5) { caller(anybody) } else { server };
            (by, Command::IntendGrants { grants })
        }
        41 => {
            let known: Vec<_> = s.state.effects.keys().copied().collect();
            let planned = pick(&intents, step.whom).map(|g| (g.assignment, g.principal, g.host));
            let (assignment, principal, of) = pick(&known, step.whom).or(planned)?;
            let result = pick(
                &[Effect::Effective, Effect::Gone, Effect::Refused(crate::personal::Personal::new(principal, "no"))],
                step.which,
            )?;
            let speaks = if step.who.is_multiple_of(2) { DeviceId::from_u128(0xbad) } else { of };
            let results = vec![Outcome { assignment, principal, host: of, result }];
            (Caller::host(Uuid::from_u128(5), speaks), Command::ReportGrants { results })
        }
        42 => {
            let host = host?;
            let local = |id: &PrincipalId| {
                let upn = s.state.principals.get(id)?.user()?.upn.text()?;
                upn.split('@').next().map(alloc::string::String::from)
            };
            let names = cast.users.iter().filter_map(local).take(usize::from(step.whom));
            let accounts: Vec<Account> = names.zip(1000..).map(|(name, uid)| Account { name, uid }).collect();
            let drift = vec![Drift { place: "/etc/sudoers".into(), text }];
            let by = if step.who.is_multiple_of(4) { caller(anybody) } else { Caller::host(Uuid::from_u128(5), host) };
            (by, Command::ReportHost { host, accounts, drift })
        }
        43 => (console, Command::RaiseEpoch),
        44 => (admin, Command::ErasePrincipal { principal }),
        45 => (console, Command::RecoverClock),
        46 => {
            let by = if step.who.is_multiple_of(2) { server } else { caller(anybody) };
            (by, Command::BeginActivation { request: pick(&requests, step.whom)?.ask.request })
        }
        47 => {
            let by = if step.who.is_multiple_of(2) { server } else { caller(anybody) };
            (by, Command::ExpireRequest { request: pick(&requests, step.whom)?.ask.request })
        }
        48 => {
            let by = if step.who.is_multiple_of(2) { server } else { caller(anybody) };
            (by, Command::EndAssignment { assignment: pick(&running, step.whom).or(pick(&standing, step.whom))?.id })
        }
        49 => {
            let by = if step.who.is_multiple_of(2) { server } else { caller(anybody) };
            (by, Command::EndEligibility { eligibility: pick(&held, step.whom)?.id })
        }
        51 => (admin, Command::CreateDisabledUser(new(n))),
        52 => (admin, Command::EndSessions { principal: user }),
        53 | 54 => {
            let more = if step.which.is_multiple_of(3) { More::Renewal } else { More::Extension };
            let ran_out: Vec<_> = s.state.expired.keys().copied().collect();
            let (sort, principal, target, old) = match (more, pick(&ran_out, step.whom), pick(&held, step.whom)) {
                (More::Renewal, Some((principal, sort, target)), _) => (sort, principal, target, s.now),
                (_, _, Some(e)) => (Sort::Eligibility, e.principal, e.target, e.ends.unwrap_or(s.now)),
                _ => return None,
            };
            let expiration = Expiration::At(old + Span::from_minutes(u32::from(step.who) + 6));
            if step.what == 53 {
                (
                    admin,
                    Command::Prolong {
                        more,
                        sort,
                        terms: Terms { principal, target, start, expiration, reason, ticket },
                    },
                )
            } else {
                let by = if step.which.is_multiple_of(7) { caller(anybody) } else { caller(principal) };
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
        55 => {
            let a = pick(&running, step.whom)?;
            let (principal, target, start) = (a.principal, a.target, None);
            let expiration = Expiration::At(a.ends? + Span::from_minutes(u32::from(step.who % 60) + 1));
            (
                caller(principal),
                Command::ExtendActivation(Terms { principal, target, start, expiration, reason, ticket }),
            )
        }
        56 => (admin, Command::AssignPlainly { principal, target }),
        57 => {
            (admin, Command::TakePlainly { assignment: pick(&running, step.whom).or(pick(&standing, step.whom))?.id })
        }
        _ => {
            let days = if step.who.is_multiple_of(2) { 31 } else { 1 };
            let by = if step.which.is_multiple_of(3) { caller(anybody) } else { server };
            (by, Command::ForgetRequests { before: s.now.before(Span::from_days(days)) })
        }
    })
}

fn holdings(s: &Story) -> Vec<(PrincipalId, Target)> {
    s.state.assignments.values().map(|a| (a.principal, a.target)).collect()
}

/// Takes the step, and looks at everything that must hold whatever it was. What came of it, if there was anything to do.
fn takes(s: &mut Story, step: &Step) -> Result<Option<(&'static str, bool)>, TestCaseError> {
    let to = s.now + Span::from_minutes(u32::from(step.minutes));
    s.until(to);
    let Some((caller, command)) = made(s, step) else { return Ok(None) };
    let kind = kind(&command);
    let (rights, before) = (s.rights(), s.log.len());
    let done = s.run(caller, command).is_ok();
    if !done {
        prop_assert_eq!(&s.rights(), &rights, "{} was refused and changed a right", kind);
        prop_assert!(s.log.len() <= before + 1);
    }
    check(s)?;
    Ok(Some((kind, done)))
}

fn begin() -> Story {
    let mut s = Story::with_ana_eligible();
    s.by("dana", Command::CreateUnit { unit: UNIT, name: "unit".into(), description: "".into() }).expect("a unit");
    let (code, host) = (CredentialId::from_u128(1), DeviceId::from_u128(0xdb));
    let issue = Command::IssueHostCode { code, unit: Some(UNIT), expires: s.now + Span::from_hours(1) };
    s.by("dana", issue).expect("a code");
    let by = Caller::host(Uuid::from_u128(5), host);
    let enrol = Command::EnrolHost { host, name: "db-1".into(), key: "1".repeat(64), code };
    s.run(by.clone(), enrol).expect("a host");
    let accounts = ["ana", "ben", "eve", "carla"].iter().zip(1001..);
    let accounts = accounts.map(|(name, uid)| Account { name: (*name).into(), uid }).collect();
    s.run(by, Command::ReportHost { host, accounts, drift: vec![] }).expect("reported");
    s
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_whatever_is_commanded(steps in prop::collection::vec(step(), 1..150)) {
        let mut s = begin();
        for step in &steps {
            takes(&mut s, step)?;
        }
        prop_assert!(replay(&s.log) == s.state);
        let again = State::from_snapshot(&s.state.to_snapshot()).map_err(TestCaseError::fail)?;
        prop_assert!(again == s.state);
    }
}

/// The generator is worth something only if it reaches everything: each kind done at least once, and each refused at
/// least once where it can be.
#[test]
fn every_command_is_tried_done_and_refused() {
    let mut counted: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let mut random = 0x2545_f491_4f6c_dd1du64;
    for _ in 0..12 {
        let mut s = begin();
        for _ in 0..600 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let [kind, who, whom, which, minutes, rare, ..] = random.to_le_bytes();
            let minutes = if rare < 40 { minutes } else { 0 };
            let step = Step { what: what(kind), who, whom, which, minutes };
            if let Some((kind, done)) = takes(&mut s, &step).expect("the laws hold") {
                let (yes, no) = counted.entry(kind).or_default();
                if done { *yes += 1 } else { *no += 1 }
            }
        }
    }
    assert_eq!(counted.len(), usize::from(KINDS), "{counted:?}");
    // A tenant is founded once, before the story begins. The server's own note of a sign-in is never refused it.
    let never_done: Vec<&str> = counted.iter().filter(|(_, n)| n.0 == 0).map(|(kind, _)| *kind).collect();
    let never_refused: Vec<&str> = counted.iter().filter(|(_, n)| n.1 == 0).map(|(kind, _)| *kind).collect();
    assert_eq!((never_done, never_refused), (vec!["Found"], vec!["NoteSignIn"]));
}
