//! What one command may cost: the writer decides for everybody, one after the other, so none may take long however
//! large the tenant is. Each of these took minutes when it looked at everybody once for each of everybody.

extern crate std;

use crate::command::*;
use crate::decide::Answer;
use crate::ids::*;
use crate::refusal::Refusal;
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::{Approval, Approver, RuleChange, Stage};
use crate::scope::Target;
use crate::story::*;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::time::{Duration, Instant};

/// Far more than any of these takes without optimisation on a busy machine, and far less than they took.
const LONG: Duration = Duration::from_secs(5);

fn timed(s: &mut Story, name: &str, command: Command) -> Result<Answer, Refusal> {
    #[expect(clippy::disallowed_methods, reason = "a test of how long something takes")]
    let begun = Instant::now();
    let answer = s.by(name, command);
    let took = begun.elapsed();
    assert!(took < LONG, "took {took:?}");
    answer
}

fn users(s: &mut Story, n: u128) -> Vec<PrincipalId> {
    let ids: Vec<PrincipalId> = (0..n).map(|n| PrincipalId::from_u128(0x10_0000 + n)).collect();
    for id in &ids {
        let (person, name) = (PersonId(id.0), format!("u{}", id.0.as_u128()));
        let upn = format!("{name}@northwind.example");
        s.by("dana", Command::CreateUser(NewUser { id: *id, person, name, upn })).expect("a user");
    }
    ids
}

fn group(id: u128, members: &[PrincipalId], role_assignable: bool) -> Command {
    Command::CreateGroup {
        group: PrincipalId::from_u128(id),
        name: format!("group {id}"),
        description: String::new(),
        role_assignable,
        owners: vec![],
        members: members.to_vec(),
    }
}

fn approval(required: bool, approvers: Vec<Approver>) -> Command {
    let stages = vec![Stage::one_of(approvers)];
    let approval = Approval { required, required_for_extension: false, asker_reason: true, stages };
    Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(approval)], seen: None }
}

#[test]
fn everybody_may_be_an_approver() {
    let mut s = Story::with_ana_eligible();
    let everybody = users(&mut s, 4000);
    for (n, some) in everybody.chunks(1000).enumerate() {
        s.by("dana", group(0x200 + n as u128, some, false)).expect("a group");
    }
    let parts: Vec<PrincipalId> = (0..4).map(|n| PrincipalId::from_u128(0x200 + n)).collect();
    s.by("dana", group(0x300, &parts, false)).expect("all of them");
    let all = vec![Approver::Group(PrincipalId::from_u128(0x300))];
    timed(&mut s, "dana", approval(true, all)).expect("changed");
    let ask = s.activation("ana", ROOT, minutes(30));
    let Ok(Answer::Asked(asked)) = timed(&mut s, "ana", ask) else { panic!("not asked") };
    let decision = Command::DecideRequest { request: asked.request, stage: 0, approve: true, reason: None };
    let said = |s: &mut Story, name: &str| timed(s, name, decision.clone());
    assert!(matches!(said(&mut s, "eve"), Err(Refusal::NotApprover { .. })));
    assert!(matches!(said(&mut s, &format!("u{}", 0x10_0000)), Err(Refusal::Malformed { .. })), "without a reason");
}

#[test]
fn thousands_of_activations_may_end_at_once() {
    let mut s = Story::new();
    s.by("dana", approval(false, vec![])).expect("no approval");
    let everybody = users(&mut s, 1000);
    s.by("dana", group(0x200, &everybody, true)).expect("a group");
    let of = PrincipalId::from_u128(0x200);
    let terms = Terms::of(of, ROOT, Expiration::Never);
    s.by("dana", Command::Assign { sort: Sort::Eligibility, terms }).expect("eligible");
    for id in &everybody {
        let ask = s.activation(&format!("u{}", id.0.as_u128()), ROOT, minutes(30));
        let caller = s.caller_for(*id);
        s.run(caller, ask).expect("activated");
    }
    let (sort, when) = (Sort::Eligibility, Removal::WhenRunningEnd);
    let close = Command::Remove { sort, principal: of, target: ROOT, when, reason: None };
    timed(&mut s, "dana", close).expect("closing");
    let strict = Command::UpdateUser { user: everybody[0], name: None, upn: None, enabled: Some(false), person: None };
    timed(&mut s, "dana", strict).expect("one less");
    timed(&mut s, "dana", Command::DeletePrincipal { principal: of }).expect("deleted");
    assert!(!s.state.assignments.values().any(|a| a.activated()) && s.state.eligibilities.len() == 1);
}

#[test]
fn one_large_group_may_be_in_a_thousand() {
    let mut s = Story::new();
    let mut everybody = users(&mut s, 990);
    for level in 0x200..0x214 {
        s.by("dana", group(level, &everybody, false)).expect("a group");
        everybody.retain(|id| id.0.as_u128() > 0x214);
        everybody.push(PrincipalId::from_u128(level));
    }
    let large = [PrincipalId::from_u128(0x213)];
    let around: Vec<PrincipalId> = (0..1000).map(|n| PrincipalId::from_u128(0x2000 + n)).collect();
    for id in &around {
        s.by("dana", group(id.0.as_u128(), &large, false)).expect("around it");
    }
    timed(&mut s, "dana", group(0x300, &around, false)).expect("around them all");
    let add = Command::AddMember { group: large[0], member: s.id("eve") };
    timed(&mut s, "dana", add).expect("added");
}

#[test]
fn every_host_may_have_a_rule_of_its_own() {
    let mut s = Story::new();
    users(&mut s, 1000);
    let host = |n: u128| DeviceId::from_u128(0x4000 + n);
    for n in 0..300u128 {
        let code = CredentialId::from_u128(n);
        s.by("dana", Command::IssueHostCode { code, unit: None, expires: s.now + minutes(10) }).expect("a code");
        let enrol = Command::EnrolHost { host: host(n), name: format!("host-{n}"), key: format!("{n:064x}"), code };
        s.run(Caller::host(Uuid::from_u128(5), host(n)), enrol).expect("enrolled");
        let rule = Some(format!("a{}-{{local}}", n % 10));
        let set = Command::SetAccountRule { place: Place::Host(host(n)), rule };
        timed(&mut s, "dana", set).expect("a rule");
    }
    let names = (10..100).map(|n| format!("b{n}-{{local}}"));
    let refused = names.zip(0..).find_map(|(rule, n)| {
        let set = Command::SetAccountRule { place: Place::Host(host(n)), rule: Some(rule) };
        timed(&mut s, "dana", set).err()
    });
    assert!(matches!(refused, Some(Refusal::TooMany { .. })), "there is an end to it: {refused:?}");
}

#[test]
fn one_person_does_not_hold_a_role_on_everything_apart() {
    let mut s = Story::with_ana_eligible();
    s.by("dana", approval(false, vec![])).expect("no approval");
    let everybody = users(&mut s, 300);
    let refused = everybody.iter().find_map(|id| {
        let target = Target::role(DEVICE_ADMINISTRATOR, crate::scope::Scope::Object(id.0));
        let ask = s.activation("ana", target, minutes(30));
        s.by("ana", ask).err()
    });
    assert!(matches!(refused, Some(Refusal::TooMany { .. })), "{refused:?}");
}
