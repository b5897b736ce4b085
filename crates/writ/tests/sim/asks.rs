//! What people might ask next: for themselves, and about what others asked.
//! It never knows what is allowed: much of what it asks should be refused.
//!
//! Always: everything it picks comes from the chance that it is given.

mod administrator;
mod machine;

pub(crate) use administrator::administration;
pub(crate) use machine::{console, machine};

use crate::chance::Chance;
use crate::world::Cast;
use writ_core::command::{
    Caller, Command, Expiration, InVault, Method, More, NewUser, Proof, Sort, Terms, TicketGiven,
};
use writ_core::holds;
use writ_core::ids::{CredentialId, PersonId, PrincipalId, RequestId, RoleId};
use writ_core::log::Via;
use writ_core::role::{DEVICE_ADMINISTRATOR, GLOBAL_ADMINISTRATOR};
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
    let contexts = if chance.one_in(3) { Vec::new() } else { vec!["c1".to_owned()] };
    let proof = Proof { signed_in: mfa, mfa, emergency, contexts };
    let via = chance.pick(&[Via::Api, Via::Cli, Via::Page]);
    Caller::signed_in(chance.id(), who, via, proof)
}

pub(crate) fn target(chance: &mut Chance, cast: &Cast) -> Target {
    let mut roles = ROLES.to_vec();
    roles.extend(&cast.roles);
    // The roles that people fight over come up most.
    let role = if chance.one_in(2) { DEVICE_ADMINISTRATOR } else { chance.pick(&roles) };
    let scope = match chance.below(16) {
        0..=3 if !cast.units.is_empty() => Scope::Unit(chance.pick(&cast.units)),
        4 if !cast.hosts.is_empty() => Scope::Object(chance.pick(&cast.hosts).0),
        5 => Scope::Object(chance.pick(&cast.everybody()).0),
        _ => Scope::Tenant,
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

/// An eligibility, or a standing assignment: whose, of what, and until when.
type Row = (PrincipalId, Target, Option<Time>);

fn rows(state: &State, sort: Sort) -> Vec<Row> {
    match sort {
        Sort::Eligibility => state.eligibilities.values().map(|e| (e.principal, e.target, e.ends)).collect(),
        Sort::Assignment => {
            let standing = state.assignments.values().filter(|a| !a.activated());
            standing.map(|a| (a.principal, a.target, a.ends)).collect()
        }
    }
}

fn terms(chance: &mut Chance, principal: PrincipalId, target: Target, now: Time, days: bool) -> Terms {
    let (start, expiration) = (later(chance, now), expiration(chance, now, days));
    Terms { principal, target, start, expiration, reason: reason(chance), ticket: ticket(chance) }
}

/// More time on something that is there, or was lately, mostly until a while after its end.
fn more(
    chance: &mut Chance,
    state: &State,
    now: Time,
    fits: impl Fn(PrincipalId) -> bool,
) -> Option<(More, Sort, Terms)> {
    let sort = sort(chance);
    let ran_out = || state.expired.keys().filter(|(who, of, _)| *of == sort && fits(*who));
    let past: Vec<Row> = ran_out().map(|(who, _, target)| (*who, *target, None)).collect();
    let mut there = rows(state, sort);
    there.retain(|(who, _, ends)| fits(*who) && (ends.is_some() || chance.one_in(8)));
    // Most think of it when the end is near.
    let near = |(_, _, ends): &&Row| ends.is_some_and(|ends| ends.since(now) < Span::from_days(14));
    let soon: Vec<Row> = there.iter().filter(near).copied().collect();
    let there = if soon.is_empty() || chance.one_in(4) { there } else { soon };
    let more = if past.is_empty() || chance.one_in(2) { More::Extension } else { More::Renewal };
    let among = if (more == More::Renewal) ^ chance.one_in(12) { past } else { there };
    if among.is_empty() {
        return None;
    }
    let (principal, target, ends) = chance.pick(&among);
    let mut terms = terms(chance, principal, target, now, true);
    if !chance.one_in(6) {
        terms.expiration = Expiration::At(ends.unwrap_or(now).max(now) + chance.minutes(60 * 24 * 60));
    }
    Some((more, sort, terms))
}

/// What somebody asks for themselves.
pub(crate) fn own(chance: &mut Chance, cast: &Cast, state: &State, who: PrincipalId, now: Time) -> Command {
    // Whoever is eligible mostly asks for that; otherwise for whatever comes to mind.
    let eligible: Vec<Target> = holds::eligible(state, who, now).map(|e| e.target).collect();
    let mut wanted =
        if eligible.is_empty() || chance.one_in(9) { target(chance, cast) } else { chance.pick(&eligible) };
    if chance.one_in(5) && wanted.scope() == Scope::Tenant && !cast.units.is_empty() {
        wanted = Target::role(wanted.role_id(), Scope::Unit(chance.pick(&cast.units)));
    }
    let running: Vec<_> = state.assignments_of(who).filter(|a| a.activated()).collect();
    let requests: Vec<RequestId> = state.requests.keys().copied().collect();
    match chance.below(24) {
        0 | 1 => {
            let target = if running.is_empty() { wanted } else { chance.pick(&running).target };
            Command::Deactivate { principal: who, target, reason: reason(chance) }
        }
        2 if !requests.is_empty() => Command::CancelRequest { request: chance.pick(&requests) },
        3..=8 if !running.is_empty() => {
            let a = chance.pick(&running);
            let mut terms = terms(chance, who, a.target, now, false);
            if !chance.one_in(6) {
                terms.start = None;
                terms.expiration = Expiration::At(a.ends.unwrap_or(now) + chance.minutes(90));
            }
            Command::ExtendActivation(terms)
        }
        9..=12 => {
            let mine = !chance.one_in(10);
            match more(chance, state, now, |whose| whose == who || !mine) {
                Some((more, sort, terms)) => Command::AskToProlong { more, sort, terms },
                None => proof(chance, cast, state, who),
            }
        }
        13 => proof(chance, cast, state, who),
        _ => {
            let principal = if chance.one_in(15) { chance.pick(&cast.users) } else { who };
            Command::RequestActivation(terms(chance, principal, wanted, now, false))
        }
    }
}

/// What somebody does about how they sign in, or somebody else does.
fn proof(chance: &mut Chance, cast: &Cast, state: &State, who: PrincipalId) -> Command {
    let principal = if chance.one_in(6) { chance.pick(&cast.everybody()) } else { who };
    let theirs = state.credentials.iter().filter(|(_, c)| c.principal == principal);
    let bound: Vec<(CredentialId, Method)> = theirs.map(|(id, c)| (*id, c.method)).collect();
    match chance.below(4) {
        0 => Command::EndSessions { principal },
        1 if !bound.is_empty() => Command::RemoveCredential { principal, credential: chance.pick(&bound).0 },
        _ => {
            let method = chance.pick(&[Method::Password, Method::Totp, Method::EmergencySecret]);
            let replaces = bound.iter().find(|(_, of)| *of == method).map(|(id, _)| *id);
            Command::BindCredential { principal, method, bound: in_vault(chance), replaces }
        }
    }
}

fn in_vault(chance: &mut Chance) -> InVault {
    InVault { credential: CredentialId(chance.id()), version: 1 }
}

/// What somebody decides for others, if something waits.
pub(crate) fn decision(chance: &mut Chance, state: &State) -> Option<Command> {
    let open: Vec<RequestId> = state.open.iter().map(|(_, request)| *request).collect();
    let all: Vec<RequestId> = state.requests.keys().copied().collect();
    let over = if open.is_empty() { chance.one_in(5) } else { chance.one_in(10) };
    let request = chance.pick(match (over, open.is_empty(), all.is_empty()) {
        (true, _, false) => &all,
        (false, false, _) => &open,
        _ => return None,
    });
    let open = state.requests[&request].open_stage().and_then(|stage| u8::try_from(stage).ok()).unwrap_or(0);
    // Now and then a decision comes late, or too soon, for another stage than the one that waits.
    let stage = if chance.one_in(10) { chance.below(3) as u8 } else { open };
    Some(Command::DecideRequest { request, stage, approve: !chance.one_in(4), reason: reason(chance) })
}
