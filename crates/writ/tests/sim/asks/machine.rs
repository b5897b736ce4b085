//! What machines say, what a code in somebody's hand opens, and what is done at the server's console.

use super::{in_vault, user};
use crate::chance::Chance;
use crate::world::Cast;
use writ_core::command::{Caller, Command, Effect, Intent, Method, NewUser, Outcome, Proof, SignIn, SignInNote};
use writ_core::directory::{Account, Drift};
use writ_core::ids::{CredentialId, DeviceId};
use writ_core::log::Via;
use writ_core::personal::Personal;
use writ_core::plan::plan;
use writ_core::state::{Purpose, REQUEST_KEPT, State};
use writ_core::time::Time;

/// A host that enrols or reports, the server that orders, somebody with a code, sign-ins; if one has something to say.
pub(crate) fn machine(chance: &mut Chance, cast: &Cast, state: &State, now: Time) -> Option<(Command, Caller)> {
    let codes: Vec<_> = state.codes.iter().map(|(id, code)| (*id, code.purpose)).collect();
    let server = Caller::timer(chance.id());
    Some(match chance.below(20) {
        0..=3 if !codes.is_empty() => {
            let (code, purpose) = chance.pick(&codes);
            match purpose {
                // Now and then a code is tried for what it is not.
                Purpose::FirstFactor(who) if !chance.one_in(8) => {
                    let (password, totp) = (in_vault(chance), in_vault(chance));
                    let command = Command::UseCode { principal: who, code, password, totp };
                    (command, Caller::signed_in(chance.id(), who, Via::Page, Proof::default()))
                }
                _ => {
                    let host = DeviceId(chance.id());
                    let key = hex::encode([chance.id().into_bytes(), chance.id().into_bytes()].concat());
                    let name = format!("host-{}", chance.below(10_000));
                    (Command::EnrolHost { host, name, key, code }, Caller::host(chance.id(), host))
                }
            }
        }
        4..=9 if !plan(state, now).is_empty() => {
            let wanted = plan(state, now);
            let intent = |g: &writ_core::plan::Grant| Intent {
                assignment: g.assignment,
                principal: g.principal,
                host: g.host,
                absent_before: true,
            };
            (Command::IntendGrants { grants: wanted.iter().map(intent).collect() }, server)
        }
        10..=15 if !cast.hosts.is_empty() => reported(chance, cast, state),
        16 => by_hand(chance, cast, state, now),
        17 => {
            let principal = Some(chance.pick(&cast.everybody()));
            let outcome = chance.pick(&[SignIn::Succeeded, SignIn::Failed, SignIn::Throttled]);
            let (methods, from) = (vec![Method::Password], vec![("192.0.2.7".to_owned(), 1)]);
            let note = SignInNote { principal, outcome, wrong: None, methods, count: 1, client: None, app: None, from };
            (Command::NoteSignIn(note), server)
        }
        _ => return None,
    })
}

/// What a host says about itself, or about another one.
fn reported(chance: &mut Chance, cast: &Cast, state: &State) -> (Command, Caller) {
    let speaks = Caller::host(chance.id(), chance.pick(&cast.hosts));
    let orders: Vec<_> = state.effects.keys().copied().collect();
    let assignments: Vec<_> = state.assignments.values().collect();
    let ordered = match (orders.is_empty() || chance.one_in(8), assignments.is_empty()) {
        (false, _) => chance.pick(&orders),
        // One that nobody ordered.
        (true, false) => {
            let assignment = chance.pick(&assignments);
            (assignment.id, assignment.principal, chance.pick(&cast.hosts))
        }
        (true, true) => return (told(chance, &speaks), speaks),
    };
    if chance.one_in(4) {
        return (told(chance, &speaks), speaks);
    }
    let (assignment, principal, host) = ordered;
    let refused = Effect::Refused(Personal::new(principal, "no such account"));
    let result = chance.pick(&[Effect::Effective, Effect::Effective, Effect::Gone, refused]);
    let outcome = Outcome { assignment, principal, host, result };
    // Sometimes in another host's name.
    let speaks = if chance.one_in(4) { speaks } else { Caller::host(chance.id(), host) };
    (Command::ReportGrants { results: vec![outcome] }, speaks)
}

fn told(chance: &mut Chance, speaks: &Caller) -> Command {
    let accounts = vec![Account { name: chance.pick(&["ana", "ben", "games"]).into(), uid: 1001 }];
    let drift = match chance.one_in(3) {
        true => vec![Drift { place: "/etc/sudoers.d/old".into(), text: "ana ALL=(ALL) ALL".into() }],
        false => Vec::new(),
    };
    Command::ReportHost { host: speaks.device.unwrap(), accounts, drift }
}

/// What time alone makes happen, asked for too soon or by somebody; and orders that are counted anew.
fn by_hand(chance: &mut Chance, cast: &Cast, state: &State, now: Time) -> (Command, Caller) {
    let requests: Vec<_> = state.requests.keys().copied().collect();
    let assignments: Vec<_> = state.assignments.keys().copied().collect();
    let eligibilities: Vec<_> = state.eligibilities.keys().copied().collect();
    let command = match chance.below(6) {
        0 if !requests.is_empty() => Command::BeginActivation { request: chance.pick(&requests) },
        1 if !requests.is_empty() => Command::ExpireRequest { request: chance.pick(&requests) },
        2 if !assignments.is_empty() => Command::EndAssignment { assignment: chance.pick(&assignments) },
        3 if !eligibilities.is_empty() => Command::EndEligibility { eligibility: chance.pick(&eligibilities) },
        4 => Command::ForgetRequests { before: now.before(REQUEST_KEPT).before(chance.minutes(60)) },
        _ => Command::RaiseEpoch,
    };
    let server = Caller::timer(chance.id());
    let who = chance.pick(&cast.users);
    let somebody = super::caller(chance, who, false, now);
    (command, if chance.one_in(3) { somebody } else { server })
}

/// What is done at the server's console.
pub(crate) fn console(chance: &mut Chance, cast: &Cast, state: &State) -> Command {
    let old = chance.pick(&cast.emergency);
    let credential = CredentialId(chance.id());
    match chance.below(8) {
        0..=2 => Command::RecoverClock,
        3 if cast.emergency.len() < 4 => Command::MintEmergency { user: user(chance, None), credential },
        4 => {
            let (method, replaces) = (Method::EmergencySecret, None);
            Command::BindCredential { principal: old, method, bound: in_vault(chance), replaces }
        }
        5 => Command::IssueCode { principal: chance.pick(&cast.users), code: credential, expires: state.at },
        _ => {
            let new = user(chance, state.person_of(old));
            Command::MintEmergency { user: NewUser { id: old, ..new }, credential }
        }
    }
}
