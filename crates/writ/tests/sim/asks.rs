//! What people, administrators, attackers and machines might ask next.
//! It never knows what is allowed: most of what it asks should be refused.
//!
//! Always: everything it picks comes from the chance that it is given.

use crate::chance::Chance;
use crate::world::Cast;
use writ_core::command::Effect;
use writ_core::command::{
    Caller, Command, Expiration, Method, NewUser, Outcome, Place, Proof, Removal, SignIn, SignInNote, Sort, Terms,
    TicketGiven,
};
use writ_core::ids::{CredentialId, DeviceId, PersonId, PrincipalId, RequestId, RoleId, UnitId};
use writ_core::log::Via;
use writ_core::personal::Personal;
use writ_core::role::{DEVICE_ADMINISTRATOR, GLOBAL_ADMINISTRATOR};
use writ_core::rules::{Approval, Approver, RuleChange, Side, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::state::State;
use writ_core::time::{Span, Time};

/// Roles of every tier: gives root; runs the tenant; high; routine.
pub(crate) const ROLES: [RoleId; 5] = [
    DEVICE_ADMINISTRATOR,
    GLOBAL_ADMINISTRATOR,
    RoleId::from_u128(0xe861_1ab8_c189_46e8_94e1_6021_3ab1_f814), // Privileged Role Administrator
    RoleId::from_u128(0x7298_27e3_9c14_49f7_bb1b_9608_f156_bbb8), // Helpdesk Administrator
    RoleId::from_u128(0x4a5d_8f65_41da_4de4_8968_e035_b653_39cf), // Reports Reader
];

pub(crate) fn user(chance: &mut Chance, person: Option<PersonId>) -> NewUser {
    let id = PrincipalId(chance.id());
    let name = format!("u{}", &id.0.simple().to_string()[..12]);
    NewUser { id, person: person.unwrap_or(PersonId(id.0)), upn: format!("{name}@northwind.example"), name }
}

/// Somebody who asks, with a proof as fresh as chance will have it.
pub(crate) fn caller(chance: &mut Chance, who: PrincipalId, emergency: bool, now: Time) -> Caller {
    let mfa = match chance.below(8) {
        0 => None,
        1 => Some(now.before(chance.minutes(20))),
        _ => Some(now.before(chance.minutes(4))),
    };
    let proof = Proof { signed_in: mfa, mfa, emergency, contexts: Vec::new() };
    let via = chance.pick(&[Via::Api, Via::Cli, Via::Page]);
    Caller::signed_in(chance.id(), who, via, proof)
}

pub(crate) fn target(chance: &mut Chance, cast: &Cast) -> Target {
    let mut roles = ROLES.to_vec();
    roles.extend(&cast.roles);
    // The roles that people fight over come up most.
    let role = if chance.one_in(2) { DEVICE_ADMINISTRATOR } else { chance.pick(&roles) };
    let scope = match cast.units.is_empty() || !chance.one_in(4) {
        true => Scope::Tenant,
        false => Scope::Unit(chance.pick(&cast.units)),
    };
    Target::role(role, scope)
}

fn expiration(chance: &mut Chance, now: Time, days: bool) -> Expiration {
    let span = if days { chance.minutes(60 * 24 * 90) } else { chance.minutes(150) };
    match chance.below(20) {
        0 => Expiration::Never,
        1..=4 => Expiration::At(now + span),
        5 => Expiration::At(now.before(span)),
        _ => Expiration::For(span),
    }
}

fn reason(chance: &mut Chance) -> Option<String> {
    (!chance.one_in(12)).then(|| chance.pick(&["disk full", "on call", "audit", "deploy", " "]).to_owned())
}

fn ticket(chance: &mut Chance) -> TicketGiven {
    let number = (!chance.one_in(10)).then(|| format!("INC-{}", chance.below(900)));
    TicketGiven { number, system: None }
}

fn later(chance: &mut Chance, now: Time) -> Option<Time> {
    match chance.below(8) {
        0 => Some(now + chance.minutes(60 * 24 * 3)),
        1 => Some(now.before(chance.minutes(60))),
        _ => None,
    }
}

fn sort(chance: &mut Chance) -> Sort {
    if chance.one_in(3) { Sort::Assignment } else { Sort::Eligibility }
}

/// What somebody asks for themselves.
pub(crate) fn own(chance: &mut Chance, cast: &Cast, state: &State, who: PrincipalId, now: Time) -> Command {
    // Whoever is eligible mostly asks for that; otherwise for whatever comes to mind.
    let eligible: Vec<Target> = state.held_by(who).eligibilities.iter().map(|e| e.target).collect();
    let mut wanted =
        if eligible.is_empty() || chance.one_in(5) { target(chance, cast) } else { chance.pick(&eligible) };
    if chance.one_in(5) && wanted.scope() == Scope::Tenant && !cast.units.is_empty() {
        wanted = Target::role(wanted.role_id(), Scope::Unit(chance.pick(&cast.units)));
    }
    let requests: Vec<RequestId> = state.requests.keys().copied().collect();
    match chance.below(12) {
        0 | 1 => Command::Deactivate { principal: who, target: wanted, reason: reason(chance) },
        2 if !requests.is_empty() => Command::CancelRequest { request: chance.pick(&requests) },
        _ => {
            let principal = if chance.one_in(15) { chance.pick(&cast.users) } else { who };
            Command::RequestActivation(Terms {
                principal,
                target: wanted,
                start: later(chance, now),
                expiration: expiration(chance, now, false),
                reason: reason(chance),
                ticket: ticket(chance),
            })
        }
    }
}

/// What somebody decides for others, if something waits.
pub(crate) fn decision(chance: &mut Chance, state: &State) -> Option<Command> {
    let open: Vec<RequestId> = state.open.iter().map(|(_, request)| *request).collect();
    let all: Vec<RequestId> = state.requests.keys().copied().collect();
    let request = match (open.is_empty() || chance.one_in(8), all.is_empty()) {
        (false, _) => chance.pick(&open),
        (true, false) => chance.pick(&all),
        (true, true) => return None,
    };
    let open = state.requests[&request].open_stage().and_then(|stage| u8::try_from(stage).ok()).unwrap_or(0);
    // Now and then a decision comes late, or too soon, for another stage than the one that waits.
    let stage = if chance.one_in(10) { chance.below(3) as u8 } else { open };
    Some(Command::DecideRequest { request, stage, approve: !chance.one_in(4), reason: reason(chance) })
}

/// What an administrator does, or somebody who would like to be one.
pub(crate) fn administration(chance: &mut Chance, cast: &Cast, state: &State, now: Time) -> Command {
    let somebody = chance.pick(&cast.everybody());
    let a_user = chance.pick(&cast.users);
    let group = chance.pick(&cast.groups);
    let whom = [somebody, a_user, a_user, group];
    let (principal, target) = (chance.pick(&whom), target(chance, cast));
    match chance.below(40) {
        0..=11 => Command::Assign {
            sort: sort(chance),
            terms: Terms {
                principal,
                target,
                start: later(chance, now),
                expiration: expiration(chance, now, true),
                reason: reason(chance),
                ticket: ticket(chance),
            },
        },
        12..=13 => Command::Reassign {
            sort: sort(chance),
            terms: Terms {
                principal,
                target,
                start: later(chance, now),
                expiration: expiration(chance, now, true),
                reason: reason(chance),
                ticket: ticket(chance),
            },
        },
        14..=16 => Command::Remove {
            sort: sort(chance),
            principal,
            target,
            when: if chance.one_in(3) { Removal::WhenRunningEnd } else { Removal::Now },
            reason: reason(chance),
        },
        17 => {
            let person = chance.one_in(3).then(|| state.person_of(a_user)).flatten();
            Command::CreateUser(user(chance, person))
        }
        18..=20 => Command::UpdateUser {
            user: somebody,
            name: None,
            upn: None,
            enabled: Some(!chance.one_in(3)),
            person: None,
        },
        21 => Command::UpdateUser {
            user: somebody,
            name: Some("Renamed".into()),
            upn: None,
            enabled: None,
            person: state.person_of(a_user).filter(|_| chance.one_in(2)),
        },
        22 if cast.users.len() > 4 && cast.groups.len() > 1 => Command::DeletePrincipal { principal: somebody },
        23..=25 => Command::AddMember { group, member: chance.pick(&cast.everybody()) },
        26..=27 => Command::RemoveMember { group, member: chance.pick(&cast.everybody()) },
        28 if cast.groups.len() < 6 => Command::CreateGroup {
            group: PrincipalId(chance.id()),
            name: "group".into(),
            description: String::new(),
            role_assignable: chance.one_in(2),
            owners: vec![a_user],
            members: vec![chance.pick(&cast.users)],
        },
        29 if cast.units.len() < 4 => {
            Command::CreateUnit { unit: UnitId(chance.id()), name: "unit".into(), description: String::new() }
        }
        30 if !cast.units.is_empty() => match chance.below(8) {
            0 => Command::DeleteUnit { unit: chance.pick(&cast.units) },
            1..=2 => Command::RemoveFromUnit { unit: chance.pick(&cast.units), object: somebody.0 },
            _ => Command::AddToUnit { unit: chance.pick(&cast.units), object: somebody.0 },
        },
        31 if cast.roles.len() < 3 => Command::CreateRole {
            role: RoleId(chance.id()),
            name: format!("Custom {}", chance.below(1000)),
            description: String::new(),
            actions: vec!["microsoft.directory/groups/standard/read".into()],
            enabled: !chance.one_in(8),
            version: None,
        },
        32 if !cast.roles.is_empty() => match chance.below(4) {
            0 => Command::DeleteRole { role: chance.pick(&cast.roles) },
            _ => Command::UpdateRole {
                role: chance.pick(&cast.roles),
                name: None,
                description: None,
                actions: None,
                enabled: Some(chance.one_in(2)),
                version: None,
            },
        },
        33 if cast.hosts.len() < 4 => Command::IssueHostCode {
            code: CredentialId(chance.id()),
            unit: (!cast.units.is_empty() && chance.one_in(2)).then(|| chance.pick(&cast.units)),
            expires: now + Span::from_hours(1),
        },
        34 if !cast.hosts.is_empty() && chance.one_in(4) => Command::RemoveHost { host: chance.pick(&cast.hosts) },
        35 => Command::IssueCode {
            principal: somebody,
            code: CredentialId(chance.id()),
            expires: now + Span::from_hours(1),
        },
        36 if chance.one_in(4) => Command::ErasePrincipal { principal: somebody },
        37 => Command::MapAccount {
            person: state.person_of(a_user).unwrap_or(PersonId(a_user.0)),
            place: Place::Everywhere,
            account: (!chance.one_in(4)).then(|| chance.pick(&["ana", "ben", "root", "svc"]).to_owned()),
        },
        _ => Command::ChangeRules { role: target.role_id(), changes: vec![rule(chance, cast)] },
    }
}

fn rule(chance: &mut Chance, cast: &Cast) -> RuleChange {
    match chance.below(7) {
        0 => RuleChange::ActivationExpiration { span_max: Span::from_minutes(30) + chance.minutes(600) },
        1 => RuleChange::ActivationEnablement {
            mfa: !chance.one_in(3),
            reason: !chance.one_in(3),
            ticket: chance.one_in(2),
        },
        2 => RuleChange::AdminExpiration {
            side: chance.pick(&[Side::Eligibility, Side::Assignment]),
            required: chance.one_in(2),
            span_max: Span::from_days(30) + chance.minutes(100_000),
        },
        3 => RuleChange::Freshness { mfa_age_max: Span::from_minutes(1) + chance.minutes(30) },
        4 => RuleChange::Pending { pending_max: Span::from_minutes(10) + chance.minutes(3000) },
        _ => {
            let stage = |chance: &mut Chance| {
                let mut approvers = Vec::new();
                for _ in 0..chance.below(3) {
                    approvers.push(match chance.one_in(2) {
                        true => Approver::Group(chance.pick(&cast.groups)),
                        false => Approver::User(chance.pick(&cast.users)),
                    });
                }
                Stage { needed: 1 + chance.one_in(4) as u8, reason: chance.one_in(2), ..Stage::one_of(approvers) }
            };
            let mut stages = vec![stage(chance)];
            if chance.one_in(4) {
                stages.push(stage(chance));
            }
            RuleChange::Approval(Approval {
                required: !chance.one_in(4),
                required_for_extension: false,
                asker_reason: true,
                stages,
            })
        }
    }
}

/// What machines say: a host that enrols or reports, and sign-ins.
pub(crate) fn machine(chance: &mut Chance, cast: &Cast, state: &State) -> (Command, Caller) {
    let codes: Vec<CredentialId> = state.codes.keys().copied().collect();
    match chance.below(4) {
        0 if !codes.is_empty() => {
            let host = DeviceId(chance.id());
            let key = hex::encode([chance.id().into_bytes(), chance.id().into_bytes()].concat());
            let name = format!("host-{}", chance.below(10_000));
            let code = chance.pick(&codes);
            (Command::EnrolHost { host, name, key, code }, Caller::host(chance.id(), host))
        }
        1 if !cast.hosts.is_empty() && !state.assignments.is_empty() => {
            let host = chance.pick(&cast.hosts);
            let assignments: Vec<_> = state.assignments.values().collect();
            let assignment = chance.pick(&assignments);
            let result = chance.pick(&[
                Effect::Effective,
                Effect::Gone,
                Effect::Refused(Personal::new(assignment.principal, "no such account")),
            ]);
            let outcome = Outcome { assignment: assignment.id, principal: assignment.principal, host, result };
            // Sometimes in another host's name.
            let speaks = chance.pick(&cast.hosts);
            (Command::ReportGrants { results: vec![outcome] }, Caller::host(chance.id(), speaks))
        }
        _ => {
            let principal = Some(chance.pick(&cast.everybody()));
            let outcome = chance.pick(&[SignIn::Succeeded, SignIn::Failed, SignIn::Throttled]);
            let (methods, from) = (vec![Method::Password], vec![("192.0.2.7".to_owned(), 1)]);
            let note = SignInNote { principal, outcome, wrong: None, methods, count: 1, client: None, from };
            (Command::NoteSignIn(note), Caller::timer(chance.id()))
        }
    }
}
