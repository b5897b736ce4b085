//! Approvals: who may, who may not, and races.

use crate::command::*;
use crate::decide::{Answer, approvers_of};
use crate::ids::*;
use crate::refusal::Refusal;
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::{Approval, Approver, RuleChange, Stage};
use crate::state::Status;
use crate::story::*;
use alloc::string::ToString;
use alloc::vec;
use insta::assert_snapshot;

#[test]
fn nobody_decides_their_own_request_by_any_path() {
    let mut s = Story::with_ana_eligible();
    // Ana's second account and, through a nested group, Ana herself are among the approvers.
    let nested = Command::CreateGroup {
        group: PrincipalId::from_u128(400),
        name: "nested".into(),
        description: "".into(),
        role_assignable: false,
        owners: vec![],
        members: vec![s.id("ana"), s.id("ana-adm")],
    };
    s.by("dana", nested).expect("made");
    let add = Command::AddMember { group: s.id("security"), member: s.id("nested") };
    s.by("dana", add).expect("nested");
    let request = s.asks("ana", ROOT, minutes(30));
    assert_snapshot!(refused(s.decides("ana", request, true)), @"Nobody decides their own request: you asked for it. Another approver must.");
    assert_snapshot!(refused(s.decides("ana-adm", request, true)), @"Nobody decides their own request: ana is the same person. Another approver must.");
    assert!(!s.holds("ana", ROOT));
    s.decides("carla", request, true).expect("somebody else may");
}

#[test]
fn only_approvers_decide_and_administrators_are_none_while_approvers_are_there() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    assert!(matches!(s.decides("eve", request, true), Err(Refusal::NotApprover { .. })));
    assert!(matches!(s.decides("dana", request, true), Err(Refusal::NotApprover { .. })));
    s.decides("ben", request, false).expect("denied");
    assert_eq!(s.state.requests[&request].status, Status::Denied);
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn the_first_decision_counts_and_the_second_is_told_so() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    s.decides("ben", request, false).expect("denied");
    assert_snapshot!(refused(s.decides("carla", request, true)), @"The request is already denied (by ben); a new one can be made.");
    assert!(matches!(s.decides("ben", request, true), Err(Refusal::NotOpen { .. })));
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn a_denied_cancelled_or_expired_request_never_leads_to_a_grant() {
    for ending in ["deny", "cancel", "expire"] {
        let mut s = Story::with_ana_eligible();
        let request = s.asks("ana", ROOT, minutes(30));
        match ending {
            "deny" => drop(s.decides("ben", request, false).expect("denied")),
            "cancel" => drop(s.by("ana", Command::CancelRequest { request }).expect("cancelled")),
            _ => drop(s.until(clock("08:00") + crate::time::Span::from_hours(24))),
        }
        assert!(matches!(s.decides("carla", request, true), Err(Refusal::NotOpen { .. })), "{ending}");
        assert!(s.time(Command::BeginActivation { request }).is_ok());
        assert!(!s.holds("ana", ROOT), "{ending}");
    }
}

#[test]
fn an_ask_that_waited_too_long_cannot_be_approved_even_before_time_has_said_so() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    s.now = s.now + crate::time::Span::from_hours(24);
    assert!(matches!(s.decides("ben", request, true), Err(Refusal::NotOpen { status: Status::TimedOut, .. })));
}

#[test]
fn approvers_are_those_named_when_it_was_asked_but_entitled_when_they_decide() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    // Naming Eve now does not make her an approver of what is pending.
    let eve = s.id("eve");
    let ben = s.id("ben");
    s.by("dana", approvers(DEVICE_ADMINISTRATOR, vec![Approver::User(eve), Approver::User(ben)])).expect("named");
    assert!(matches!(s.decides("eve", request, true), Err(Refusal::NotApprover { .. })));
    // Ben left the group: he is no approver any more, although he was when it was asked.
    let leave = Command::RemoveMember { group: s.id("security"), member: ben };
    s.by("dana", leave).expect("left");
    assert!(matches!(s.decides("ben", request, true), Err(Refusal::NotApprover { .. })));
    s.decides("carla", request, true).expect("still there");
}

#[test]
fn nobody_is_deadlocked_when_the_approvers_are_away() {
    let mut s = Story::with_ana_eligible();
    for name in ["ben", "carla"] {
        let off = Command::UpdateUser { user: s.id(name), name: None, upn: None, enabled: Some(false), person: None };
        s.by("dana", off).expect("disabled");
    }
    let request = s.asks("ana", ROOT, minutes(30));
    let who = approvers_of(&s.state, &s.state.requests[&request], s.now);
    assert!(who.contains(&s.id("dana")), "those who manage roles step in");
    s.decides("dana", request, true).expect("approved");
    assert!(s.holds("ana", ROOT));
}

#[test]
fn n_of_m_needs_distinct_persons() {
    let mut s = Story::with_ana_eligible();
    let mut stage = Stage::one_of(vec![Approver::Group(s.id("security")), Approver::User(s.id("eve"))]);
    stage.needed = 2;
    let approval = Approval { required: true, required_for_extension: false, asker_reason: true, stages: vec![stage] };
    s.by(
        "dana",
        Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(approval)], seen: None },
    )
    .expect("set");
    let request = s.asks("ana", ROOT, minutes(30));
    assert!(matches!(s.decides("ben", request, true), Ok(Answer::Decided { status: Status::PendingApproval, .. })));
    assert!(matches!(s.decides("ben", request, true), Err(Refusal::DecidedBefore)));
    assert!(!s.holds("ana", ROOT));
    s.decides("eve", request, true).expect("second");
    assert!(s.holds("ana", ROOT));
}

#[test]
fn a_rule_that_two_people_could_not_satisfy_is_refused_on_save() {
    let mut s = Story::new();
    // The emergency accounts and dana could all step in; without the emergency accounts' help only ben is named.
    let ben = s.id("ben");
    s.by("dana", approvers(DEVICE_ADMINISTRATOR, vec![Approver::User(ben)]))
        .expect("dana and two emergency accounts can step in");
    let mut stage = Stage::one_of(vec![Approver::User(ben)]);
    stage.needed = 9;
    let approval = Approval { required: true, required_for_extension: false, asker_reason: true, stages: vec![stage] };
    let change =
        Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(approval)], seen: None };
    assert!(refused(s.by("dana", change)).to_string().contains("name at least two people"));
}

#[test]
fn the_approver_must_say_why_where_the_role_asks() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    let silent = Command::DecideRequest { request, stage: 0, approve: true, reason: None };
    assert!(matches!(s.by("ben", silent), Err(Refusal::Malformed { field: "justification", .. })));
}

#[test]
fn strangers_cannot_cancel_and_administrators_can() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(30));
    assert!(matches!(s.by("eve", Command::CancelRequest { request }), Err(Refusal::NotAllowed { .. })));
    s.by("dana", Command::CancelRequest { request }).expect("cancelled");
}

/// Device Administrators by two stages: one of security, then eve.
fn with_two_stages() -> Story {
    let mut s = Story::with_ana_eligible();
    let stages = vec![
        Stage::one_of(vec![Approver::Group(s.id("security"))]),
        Stage::one_of(vec![Approver::User(s.id("eve")), Approver::User(s.id("carla"))]),
    ];
    let approval = Approval { required: true, required_for_extension: false, asker_reason: true, stages };
    s.by(
        "dana",
        Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(approval)], seen: None },
    )
    .expect("set");
    s
}

#[test]
fn a_late_decision_never_lands_on_the_next_stage() {
    let mut s = with_two_stages();
    let request = s.asks("ana", ROOT, minutes(30));
    // Ben and Carla both look at the first stage, and Carla could decide the second one too.
    s.decides_stage("ben", request, 0, true).expect("first");
    assert_snapshot!(refused(s.decides_stage("carla", request, 0, true)), @"Step 1 of 2 was decided already (by ben); step 2 waits for a decision now.");
    assert_snapshot!(refused(s.decides_stage("carla", request, 0, false)), @"Step 1 of 2 was decided already (by ben); step 2 waits for a decision now.");
    assert!(!s.holds("ana", ROOT));
    assert_eq!(s.state.requests[&request].status, Status::PendingApproval);
    s.decides_stage("carla", request, 1, true).expect("second, when she means it");
    assert!(s.holds("ana", ROOT));
}

#[test]
fn a_stage_is_not_decided_before_it_is_open_nor_one_that_is_not_there() {
    let mut s = with_two_stages();
    let request = s.asks("ana", ROOT, minutes(30));
    assert_snapshot!(refused(s.decides_stage("eve", request, 1, true)), @"Step 2 of 2 is not open yet: step 1 has to be approved first.");
    assert_snapshot!(refused(s.decides_stage("ben", request, 2, true)), @"There is no approval step 3.");
    assert!(
        matches!(s.decides_stage("dana", request, 1, true), Err(Refusal::NotApprover { .. })),
        "and is told no more"
    );
    s.decides_stage("ben", request, 0, true).expect("first");
    assert_snapshot!(refused(s.decides_stage("ben", request, 1, true)), @"You have decided this request already, and each decision needs another person.");
    assert!(!s.holds("ana", ROOT));
    s.decides_stage("eve", request, 1, false).expect("denied");
    assert!(matches!(s.decides_stage("carla", request, 1, true), Err(Refusal::NotOpen { status: Status::Denied, .. })));
}

#[test]
fn a_stage_that_names_too_few_is_not_a_dead_end() {
    // Ben alone is named, and two must approve; or he is named in both stages, and each takes another person.
    let ben = Story::with_ana_eligible().id("ben");
    let one = || Stage::one_of(vec![Approver::User(ben)]);
    for stages in [vec![Stage { needed: 2, ..one() }], vec![one(), one()]] {
        let mut s = Story::with_ana_eligible();
        let approval = Approval { required: true, required_for_extension: false, asker_reason: true, stages };
        s.by(
            "dana",
            Command::ChangeRules {
                role: DEVICE_ADMINISTRATOR,
                changes: vec![RuleChange::Approval(approval)],
                seen: None,
            },
        )
        .expect("set");
        let request = s.asks("ana", ROOT, minutes(30));
        s.decides("ben", request, true).expect("first");
        assert!(matches!(s.decides("ben", request, true), Err(Refusal::DecidedBefore)));
        assert!(matches!(s.decides("eve", request, true), Err(Refusal::NotApprover { .. })));
        assert!(!s.holds("ana", ROOT));
        let who = approvers_of(&s.state, &s.state.requests[&request], s.now);
        assert!(who.contains(&s.id("dana")) && !who.contains(&ben), "those who manage roles step in");
        s.decides("dana", request, true).expect("second");
        assert!(s.holds("ana", ROOT));
    }
}

#[test]
fn every_stage_counts_when_a_rule_is_checked_for_enough_people() {
    let mut s = Story::new();
    let ben = s.id("ben");
    // Ben, dana and two emergency accounts: enough for three decisions on somebody else's ask, not for five.
    for (stages, fits) in [(3, true), (4, false), (5, false)] {
        let stages = (0..stages).map(|_| Stage::one_of(vec![Approver::User(ben)])).collect();
        let approval = Approval { required: true, required_for_extension: false, asker_reason: true, stages };
        let change = Command::ChangeRules {
            role: DEVICE_ADMINISTRATOR,
            changes: vec![RuleChange::Approval(approval)],
            seen: None,
        };
        let answer = s.by("dana", change);
        assert!(answer.is_ok() == fits && (fits || matches!(answer, Err(Refusal::Unsatisfiable { .. }))), "{answer:?}");
    }
}
