//! What an administrator does, or somebody who would like to be one.

use super::{Row, more, reason, rows, sort, target, terms, user};
use crate::chance::Chance;
use crate::world::Cast;
use std::collections::BTreeSet;
use writ_core::command::{Command, Expiration, Place, Removal, Sort};
use writ_core::ids::{CredentialId, PersonId, PrincipalId, RoleId, UnitId};
use writ_core::rules::{Approval, Approver, Context, Ending, Notification, RuleChange, Side, Stage};
use writ_core::state::State;
use writ_core::time::{Span, Time};

pub(crate) fn administration(chance: &mut Chance, cast: &Cast, state: &State, now: Time) -> Command {
    match chance.below(60) {
        0..=29 => giving(chance, cast, state, now),
        30..=43 => directory(chance, cast, state),
        44..=46 => of_roles(chance, cast),
        47..=52 => of_machines(chance, cast, state, now),
        53 => Command::ChangeSettings {
            name: chance.one_in(2).then(|| "Northwind Traders".into()),
            span_min: chance.one_in(2).then(|| chance.minutes(12)),
            age_min: chance.one_in(2).then(|| chance.minutes(6)),
        },
        _ => {
            Command::ChangeRules { role: target(chance, cast).role_id(), changes: vec![rule(chance, cast)], seen: None }
        }
    }
}

/// What is given, lengthened and taken away.
fn giving(chance: &mut Chance, cast: &Cast, state: &State, now: Time) -> Command {
    let a_user = chance.pick(&cast.users);
    let whom = [chance.pick(&cast.everybody()), a_user, a_user, chance.pick(&cast.groups)];
    let (mut principal, mut target) = (chance.pick(&whom), target(chance, cast));
    match chance.below(30) {
        0..=12 => Command::Assign { sort: sort(chance), terms: terms(chance, principal, target, now, true) },
        13 | 14 => Command::AssignPlainly { principal, target },
        15..=18 => match more(chance, state, now, |_| true) {
            Some((more, sort, terms)) => Command::Prolong { more, sort, terms },
            None => Command::Assign { sort: sort(chance), terms: terms(chance, principal, target, now, true) },
        },
        19 | 20 if !state.assignments.is_empty() => {
            let assignments: Vec<_> = state.assignments.keys().copied().collect();
            Command::TakePlainly { assignment: chance.pick(&assignments) }
        }
        other => {
            let sort = sort(chance);
            // Half of the time, something that somebody has just switched on.
            let used: BTreeSet<_> = state.assignments.values().filter_map(|a| a.from).collect();
            let used: Vec<Row> = used
                .iter()
                .filter_map(|id| state.eligibilities.get(id))
                .map(|e| (e.principal, e.target, e.ends))
                .collect();
            let (sort, there) = match used.is_empty() || chance.one_in(2) {
                true => (sort, rows(state, sort)),
                false => (Sort::Eligibility, used),
            };
            if !there.is_empty() && !chance.one_in(4) {
                (principal, target, _) = chance.pick(&there);
            }
            if other < 26 {
                let mut terms = terms(chance, principal, target, now, true);
                if chance.one_in(2) {
                    // What runs is cut short, or has not much further to go.
                    (terms.start, terms.expiration) = (None, Expiration::For(chance.minutes(80)));
                }
                return Command::Reassign { sort, terms };
            }
            let when = if chance.one_in(3) { Removal::WhenRunningEnd } else { Removal::Now };
            Command::Remove { sort, principal, target, when, reason: reason(chance) }
        }
    }
}

/// Users, groups, programs and units.
fn directory(chance: &mut Chance, cast: &Cast, state: &State) -> Command {
    let somebody = chance.pick(&cast.everybody());
    let a_user = chance.pick(&cast.users);
    let group = chance.pick(&cast.groups);
    match chance.below(36) {
        0 | 1 => {
            let person = chance.one_in(3).then(|| state.person_of(a_user)).flatten();
            let new = user(chance, person);
            if chance.one_in(3) { Command::CreateDisabledUser(new) } else { Command::CreateUser(new) }
        }
        2..=6 => {
            // Whoever was disabled mostly comes back.
            let off: Vec<_> = cast.everybody().into_iter().filter(|id| state.disabled.contains(id)).collect();
            let user = if off.is_empty() || chance.one_in(3) { somebody } else { chance.pick(&off) };
            let enabled = Some(off.contains(&user) || chance.one_in(3));
            Command::UpdateUser { user, name: None, upn: None, enabled, person: None }
        }
        7 | 8 => Command::UpdateUser {
            user: somebody,
            name: Some("Renamed".into()),
            upn: None,
            enabled: None,
            person: state.person_of(a_user).filter(|_| chance.one_in(2)),
        },
        9 | 31 if cast.users.len() > 4 && cast.groups.len() > 1 => Command::DeletePrincipal { principal: somebody },
        10..=13 => Command::AddMember { group, member: chance.pick(&cast.everybody()) },
        14 | 15 => {
            let members = state.principals.get(&group).and_then(|p| p.group()).map(|g| &g.members);
            let members: Vec<_> = members.into_iter().flatten().copied().collect();
            // Mostly somebody who has switched on what the group passes.
            let active = |id: &PrincipalId| state.assignments_of(*id).any(|a| a.activated());
            let active: Vec<_> = members.iter().copied().filter(active).collect();
            let among = match chance.below(4) {
                0 => vec![somebody],
                1 | 2 if !active.is_empty() => active,
                _ if members.is_empty() => vec![somebody],
                _ => members,
            };
            Command::RemoveMember { group, member: chance.pick(&among) }
        }
        16 | 17 => Command::AddOwner { group, owner: a_user },
        18 => {
            let owners = state.principals.get(&group).and_then(|p| p.group()).map(|g| &g.owners);
            let owner = owners.and_then(|owners| owners.iter().next().copied()).unwrap_or(a_user);
            Command::RemoveOwner { group, owner }
        }
        19 if cast.groups.len() < 6 => Command::CreateGroup {
            group: PrincipalId(chance.id()),
            name: "group".into(),
            description: String::new(),
            role_assignable: chance.one_in(2),
            owners: vec![a_user],
            members: vec![chance.pick(&cast.users)],
        },
        20 => Command::UpdateGroup {
            group,
            name: chance.one_in(2).then(|| "another group".into()),
            description: chance.one_in(2).then(|| "said again".into()),
        },
        21 if cast.services.len() < 3 => {
            Command::CreateService { service: PrincipalId(chance.id()), name: "deployer".into(), app: chance.id() }
        }
        22 | 23 if !cast.services.is_empty() => {
            Command::EnableService { service: chance.pick(&cast.services), enabled: chance.one_in(2) }
        }
        24 | 25 if cast.units.len() < 4 => {
            Command::CreateUnit { unit: UnitId(chance.id()), name: "unit".into(), description: String::new() }
        }
        _ if cast.units.is_empty() => Command::AddMember { group, member: a_user },
        _ => {
            let unit = chance.pick(&cast.units);
            let inside = state.units.get(&unit).and_then(|unit| unit.members.iter().next().copied());
            match chance.below(10) {
                0 => Command::DeleteUnit { unit },
                1 | 9 => Command::UpdateUnit { unit, name: Some("renamed".into()), description: None },
                2 | 3 => Command::RemoveFromUnit { unit, object: inside.unwrap_or(somebody).0 },
                _ => Command::AddToUnit { unit, object: somebody.0 },
            }
        }
    }
}

fn of_roles(chance: &mut Chance, cast: &Cast) -> Command {
    if cast.roles.is_empty() || (cast.roles.len() < 3 && chance.one_in(3)) {
        return Command::CreateRole {
            role: RoleId(chance.id()),
            name: format!("Custom {}", chance.below(1000)),
            description: String::new(),
            actions: vec!["microsoft.directory/groups/standard/read".into()],
            enabled: !chance.one_in(8),
            version: chance.one_in(3).then(|| "2".to_owned()),
        };
    }
    let role = chance.pick(&cast.roles);
    match chance.below(4) {
        0 => Command::DeleteRole { role },
        _ => Command::UpdateRole {
            role,
            name: None,
            description: None,
            actions: None,
            enabled: Some(chance.one_in(2)),
            version: None,
        },
    }
}

/// Hosts, local accounts, and how people sign in.
fn of_machines(chance: &mut Chance, cast: &Cast, state: &State, now: Time) -> Command {
    let (somebody, a_user) = (chance.pick(&cast.everybody()), chance.pick(&cast.users));
    let place = match chance.below(4) {
        0 if !cast.hosts.is_empty() => Place::Host(chance.pick(&cast.hosts)),
        1 if !cast.units.is_empty() => Place::Unit(chance.pick(&cast.units)),
        _ => Place::Everywhere,
    };
    match chance.below(14) {
        0..=2 if cast.hosts.len() < 4 => Command::IssueHostCode {
            code: CredentialId(chance.id()),
            unit: (!cast.units.is_empty() && chance.one_in(2)).then(|| chance.pick(&cast.units)),
            expires: now + chance.minutes(60 * 24 * 8),
        },
        3 if !cast.hosts.is_empty() => Command::RemoveHost { host: chance.pick(&cast.hosts) },
        4 | 5 => Command::MapAccount {
            person: state.person_of(a_user).unwrap_or(PersonId(a_user.0)),
            place,
            account: (!chance.one_in(4)).then(|| chance.pick(&["ana", "ben", "root", "svc"]).to_owned()),
        },
        6 => Command::SetAccountRule {
            place,
            rule: (!chance.one_in(3)).then(|| chance.pick(&["adm-{local}", "{local}", "{local}{local}"]).into()),
        },
        7 => {
            let gone: Vec<_> = state.disabled.iter().copied().collect();
            let principal = if gone.is_empty() || chance.one_in(3) { somebody } else { chance.pick(&gone) };
            Command::ErasePrincipal { principal }
        }
        8 => Command::EndSessions { principal: somebody },
        9 if !state.credentials.is_empty() => {
            let bound: Vec<_> = state.credentials.iter().map(|(id, c)| (*id, c.principal)).collect();
            let (credential, principal) = chance.pick(&bound);
            Command::RemoveCredential { principal, credential }
        }
        _ => Command::IssueCode {
            principal: somebody,
            code: CredentialId(chance.id()),
            expires: now + chance.minutes(60 * 24 * 8),
        },
    }
}

fn rule(chance: &mut Chance, cast: &Cast) -> RuleChange {
    match chance.below(12) {
        0 | 9 => RuleChange::ActivationExpiration { span_max: Span::from_minutes(20) + chance.minutes(500) },
        1 => RuleChange::ActivationEnablement {
            mfa: !chance.one_in(3),
            reason: !chance.one_in(3),
            ticket: chance.one_in(2),
        },
        2 => RuleChange::AdminExpiration {
            side: chance.pick(&[Side::Eligibility, Side::Assignment]),
            required: chance.one_in(2),
            span_max: Span::from_days(2) + chance.minutes(90_000),
        },
        3 => RuleChange::Freshness { mfa_age_max: Span::from_minutes(1) + chance.minutes(30) },
        4 => RuleChange::Pending { pending_max: Span::from_minutes(10) + chance.minutes(3000) },
        5 => RuleChange::AdminEnablement {
            side: chance.pick(&[Side::Eligibility, Side::Assignment]),
            mfa: chance.one_in(2),
            reason: chance.one_in(2),
            ticket: chance.one_in(3),
        },
        6 => RuleChange::Context(Context { enabled: chance.one_in(2), claim: Some("c1".into()) }),
        7 => RuleChange::Ending(Ending { kill: chance.one_in(2), grace: chance.minutes(16) }),
        8 => RuleChange::Notification(Notification {
            rule: "Notification_Admin_Admin_Eligibility".into(),
            level: chance.pick(&["None", "All", "Loud"]).into(),
            default_recipients: chance.one_in(2),
            recipients: Vec::new(),
        }),
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
                required_for_extension: chance.one_in(3),
                asker_reason: !chance.one_in(4),
                stages,
            })
        }
    }
}
