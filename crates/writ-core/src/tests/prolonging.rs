//! More time: extended, renewed, asked for, refused; and running activations that end later.

use crate::command::*;
use crate::decide::{Answer, may_decide};
use crate::ids::RequestId;
use crate::refusal::{Broken, Refusal};
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::{Approval, RuleChange, Side, Stage};
use crate::scope::Target;
use crate::state::Status;
use crate::story::*;
use crate::time::{Span, Time};
use alloc::vec;
use insta::assert_snapshot;

fn assign(s: &Story, name: &str, target: Target, ends: Time) -> Command {
    Command::Assign { sort: Sort::Eligibility, terms: Terms::of(s.id(name), target, Expiration::At(ends)) }
}

fn prolong(s: &Story, more: More, name: &str, expiration: Expiration) -> Command {
    Command::Prolong {
        more,
        sort: Sort::Eligibility,
        terms: Terms { reason: Some("still on the team".into()), ..Terms::of(s.id(name), ROOT, expiration) },
    }
}

fn ask(s: &Story, more: More, name: &str, expiration: Expiration, reason: Option<&str>) -> Command {
    Command::AskToProlong {
        more,
        sort: Sort::Eligibility,
        terms: Terms { reason: reason.map(Into::into), ..Terms::of(s.id(name), ROOT, expiration) },
    }
}

fn longer(s: &Story, name: &str, expiration: Expiration) -> Command {
    Command::ExtendActivation(Terms {
        reason: Some("the disk is still being rebuilt".into()),
        ticket: TicketGiven { number: Some("CHG-417".into()), system: None },
        ..Terms::of(s.id(name), ROOT, expiration)
    })
}

fn asked(answer: Result<Answer, Refusal>) -> RequestId {
    match answer {
        Ok(Answer::Asked(asked)) => asked.request,
        other => panic!("was not heard: {other:?}"),
    }
}

/// Ana is eligible for a week.
fn for_a_week() -> Story {
    let mut s = Story::new();
    let week = assign(&s, "ana", ROOT, clock("08:00") + Span::from_days(7));
    s.by("dana", week).expect("eligible");
    s
}

fn days(n: u32) -> Span {
    Span::from_days(n)
}

fn change(s: &mut Story, change: RuleChange) {
    s.by("dana", Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![change], seen: None })
        .expect("changed");
}

fn without_approval(s: &mut Story, required_for_extension: bool) {
    let stages = vec![Stage::one_of(vec![])];
    change(s, RuleChange::Approval(Approval { required: false, required_for_extension, asker_reason: true, stages }));
}

fn end_of(s: &Story, name: &str) -> Option<Time> {
    s.state.eligibilities_of(s.id(name)).first().and_then(|e| e.ends)
}

#[test]
fn an_administrator_extends_what_has_not_ended_and_renews_what_has() {
    let mut s = for_a_week();
    let early = prolong(&s, More::Extension, "ana", Expiration::For(days(3)));
    assert_snapshot!(refused(s.by("dana", early)), @"scheduleInfo.expiration: it lasts until 2026-11-28T08:00:00.000Z already, and an extension ends later; to shorten it, change it");
    let again = prolong(&s, More::Renewal, "ana", Expiration::For(days(30)));
    assert!(matches!(s.by("dana", again.clone()), Err(Refusal::AlreadyThere { .. })));
    let open = prolong(&s, More::Extension, "ana", Expiration::Unspecified);
    assert!(matches!(s.by("dana", open), Err(Refusal::Malformed { .. })));
    let more = prolong(&s, More::Extension, "ana", Expiration::For(days(10)));
    s.by("dana", more).expect("extended");
    assert_eq!(end_of(&s, "ana"), Some(clock("08:00") + days(10)));
    s.until(clock("08:00") + days(10));
    assert_eq!(end_of(&s, "ana"), None);
    let gone = prolong(&s, More::Extension, "ana", Expiration::For(days(10)));
    assert!(matches!(s.by("emergency-1", gone), Err(Refusal::NothingThere { .. })));
    s.until(clock("08:00") + days(39));
    s.by("emergency-1", again.clone()).expect("renewed within thirty days");
    assert_eq!(end_of(&s, "ana"), Some(clock("08:00") + days(69)));
    s.until(clock("08:00") + days(100));
    assert!(matches!(s.by("emergency-1", again), Err(Refusal::NothingThere { .. })), "too long ago");
}

#[test]
fn an_extension_never_goes_past_the_rules() {
    let mut s = for_a_week();
    change(&mut s, RuleChange::AdminExpiration { side: Side::Eligibility, required: true, span_max: days(30) });
    let max = days(30);
    for (expiration, broken) in [
        (Expiration::For(days(31)), Broken::TooLong { asked: days(31), max }),
        (Expiration::Never, Broken::NoEnd { max }),
    ] {
        let by_admin = prolong(&s, More::Extension, "ana", expiration);
        let Err(Refusal::Rules { broken: found, .. }) = s.by("dana", by_admin) else { panic!("was not refused") };
        assert_eq!(found, vec![broken.clone()]);
        let own = ask(&s, More::Extension, "ana", expiration, Some("still needed"));
        let Err(Refusal::Rules { broken: found, .. }) = s.by("ana", own) else { panic!("was not refused") };
        assert_eq!(found, vec![broken]);
    }
    // Rules made stricter while it waits are met by clamping.
    let own = ask(&s, More::Extension, "ana", Expiration::For(days(30)), Some("still needed"));
    let request = asked(s.by("ana", own));
    change(&mut s, RuleChange::AdminExpiration { side: Side::Eligibility, required: true, span_max: days(9) });
    s.decides("dana", request, true).expect("granted");
    assert_eq!(end_of(&s, "ana"), Some(clock("08:00") + days(9)));
}

#[test]
fn its_holder_asks_and_an_administrator_decides() {
    let mut s = for_a_week();
    let silent = ask(&s, More::Extension, "ana", Expiration::For(days(90)), None);
    assert!(matches!(s.by("ana", silent), Err(Refusal::Rules { .. })));
    let own = ask(&s, More::Extension, "ana", Expiration::For(days(90)), Some("still needed"));
    assert!(matches!(s.by("ben", own.clone()), Err(Refusal::SelfOnly { .. })));
    let request = asked(s.by("ana", own.clone()));
    assert!(matches!(s.by("ana", own), Err(Refusal::AlreadyAsked { .. })));
    // An approver of activations is no administrator, and nobody decides their own.
    assert!(matches!(s.decides("ben", request, true), Err(Refusal::NotApprover { .. })));
    assert!(matches!(s.decides("ana-adm", request, true), Err(Refusal::OwnRequest { .. })));
    assert!(may_decide(&s.state, &s.state.requests[&request], s.id("dana"), s.now));
    s.decides("dana", request, true).expect("granted");
    let r = &s.state.requests[&request];
    assert_eq!((r.status, r.stages[0].decided.len()), (Status::Provisioned, 1), "who decided stays on record");
    assert_snapshot!(s.told(), @r"
    08:00 dana made ana eligible for Device Administrators until 176:00
    08:00 ana was refused more time with Device Administrators: reason
    08:00 ana asked to stay eligible for Device Administrators for 90 days: “still needed”
    08:00 dana approved ana's request for Device Administrators: “seen the alert”
    08:00 ana's eligibility for Device Administrators was extended to 2168:00: “still needed”
    ");
}

#[test]
fn who_may_manage_roles_only_by_asking_has_to_ask_first() {
    let mut s = for_a_week();
    let own = ask(&s, More::Extension, "ana", Expiration::For(days(90)), Some("still needed"));
    let request = asked(s.by("ana", own));
    // Dana's set-up assignment ends at four; she stays eligible.
    s.at("16:30");
    assert!(matches!(s.decides("dana", request, true), Err(Refusal::NotApprover { .. })));
    s.decides("emergency-1", request, true).expect("the role is in force");
}

#[test]
fn asking_is_for_the_last_days_and_what_is_denied_or_late_leads_to_nothing() {
    let mut s = Story::new();
    let month = assign(&s, "ana", ROOT, clock("08:00") + days(30));
    s.by("dana", month).expect("eligible");
    let own = ask(&s, More::Extension, "ana", Expiration::For(days(90)), Some("still needed"));
    assert_snapshot!(refused(s.by("ana", own.clone())), @"The eligibility for Device Administrators runs until 2026-12-21T08:00:00.000Z; more time can be asked for from 2026-12-07T08:00:00.000Z on.");
    s.until(clock("08:00") + days(16));
    let request = asked(s.by("ana", own.clone()));
    s.decides("emergency-1", request, false).expect("denied");
    assert_eq!(end_of(&s, "ana"), Some(clock("08:00") + days(30)));
    let request = asked(s.by("ana", own.clone()));
    s.until(clock("08:00") + days(30));
    assert_eq!(s.state.requests[&request].status, Status::TimedOut, "it ended while nobody decided");
    assert!(s.decides("emergency-1", request, true).is_err());
    assert_eq!(end_of(&s, "ana"), None);
    let renew = ask(&s, More::Renewal, "ana", Expiration::For(days(5)), Some("needed again"));
    let request = asked(s.by("ana", renew));
    s.decides("emergency-1", request, true).expect("renewed");
    assert_eq!(end_of(&s, "ana"), Some(clock("08:00") + days(35)));
    assert_eq!(s.state.requests[&request].schedule, Some(request.0), "one id all the way");
}

#[test]
fn what_is_taken_away_takes_its_open_extension_along() {
    let mut s = for_a_week();
    let own = ask(&s, More::Extension, "ana", Expiration::For(days(90)), Some("still needed"));
    let request = asked(s.by("ana", own));
    let (principal, reason) = (s.id("ana"), None);
    let take = Command::Remove { sort: Sort::Eligibility, principal, target: ROOT, when: Removal::Now, reason };
    s.by("dana", take).expect("removed");
    assert_eq!(s.state.requests[&request].status, Status::Canceled);
    assert!(s.state.expired.is_empty(), "what was taken away cannot be renewed");
}

#[test]
fn with_approval_for_extensions_the_approvers_come_first_and_the_administrator_last() {
    let mut s = for_a_week();
    let stages = vec![Stage::one_of(vec![crate::rules::Approver::Group(s.id("security"))])];
    let approval = Approval { required: false, required_for_extension: true, asker_reason: true, stages };
    change(&mut s, RuleChange::Approval(approval));
    let own = ask(&s, More::Extension, "ana", Expiration::For(days(90)), Some("still needed"));
    let request = asked(s.by("ana", own));
    assert!(s.decides("dana", request, true).is_err(), "not before the approvers");
    assert!(matches!(s.decides("ben", request, true), Ok(Answer::Decided { status: Status::PendingApproval, .. })));
    s.decides("dana", request, true).expect("granted");
    assert_eq!(end_of(&s, "ana"), Some(clock("08:00") + days(90)));
}

#[test]
fn a_running_activation_is_extended_without_a_gap_and_within_every_rule() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s, false);
    let nothing = longer(&s, "ana", Expiration::For(minutes(60)));
    assert!(matches!(s.by("ana", nothing), Err(Refusal::NothingThere { .. })));
    s.asks("ana", ROOT, minutes(60));
    let id = s.state.assignments.values().find(|a| a.activated()).expect("running").id;
    s.at("08:50");
    let more = longer(&s, "ana", Expiration::At(clock("10:00")));
    assert!(matches!(s.by("ben", more.clone()), Err(Refusal::SelfOnly { .. })));
    // Two hours is the longest, counted from the beginning.
    let too_long = longer(&s, "ana", Expiration::At(clock("10:01")));
    let Err(Refusal::Rules { broken, .. }) = s.by("ana", too_long) else { panic!("was not refused") };
    assert_eq!(broken, vec![Broken::TooLong { asked: minutes(121), max: minutes(120) }]);
    s.mfa_age = Some(Span::from_hours(1));
    assert!(matches!(s.by("ana", more.clone()), Err(Refusal::Rules { .. })), "an old proof does not do");
    s.mfa_age = Some(minutes(1));
    s.by("ana", more).expect("extended");
    s.at("09:30");
    assert!(s.holds("ana", ROOT));
    assert_eq!(s.state.assignments[&id].ends, Some(clock("10:00")), "the same activation, so nothing is stopped");
    s.at("10:00");
    assert!(!s.holds("ana", ROOT));
    assert_snapshot!(s.told(), @r"
    08:00 dana changed 1 rule of Device Administrators
    08:00 ana activated Device Administrators until 09:00: “replace the failed disk” (CHG-417)
    08:50 ana was refused more time with Device Administrators: duration
    08:50 ana was refused more time with Device Administrators: MFA
    08:50 Device Administrators of ana was extended to 10:00: “the disk is still being rebuilt” (CHG-417)
    10:00 Device Administrators ended for ana: time is up
    ");
}

#[test]
fn an_extension_of_an_activation_asks_for_approval_again_and_ends_with_the_eligibility() {
    let mut s = Story::with_ana_eligible();
    let until = Command::Reassign {
        sort: Sort::Eligibility,
        terms: Terms::of(s.id("ana"), ROOT, Expiration::At(clock("09:30"))),
    };
    s.by("dana", until).expect("changed");
    let request = s.asks("ana", ROOT, minutes(60));
    s.decides("ben", request, true).expect("approved");
    let more = longer(&s, "ana", Expiration::At(clock("10:00")));
    let request = asked(s.by("ana", more.clone()));
    assert!(matches!(s.by("ana", more.clone()), Err(Refusal::AlreadyAsked { .. })));
    assert!(s.decides("ana-adm", request, true).is_err());
    s.decides("carla", request, true).expect("approved");
    s.at("09:29");
    assert!(s.holds("ana", ROOT), "no gap at nine");
    assert!(matches!(s.by("ana", more), Err(Refusal::Conflict { .. })), "the eligibility ends then too");
    s.at("09:30");
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn an_extension_nobody_approved_in_time_changes_nothing() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(60));
    s.decides("ben", request, true).expect("approved");
    let more = longer(&s, "ana", Expiration::At(clock("10:00")));
    let request = asked(s.by("ana", more.clone()));
    s.at("09:00");
    assert!(!s.holds("ana", ROOT));
    assert_eq!(s.state.requests[&request].status, Status::TimedOut);
    let again = s.asks("ana", ROOT, minutes(60));
    s.decides("ben", again, true).expect("approved");
    let request = asked(s.by("ana", longer(&s, "ana", Expiration::At(clock("10:30")))));
    let give_up = Command::Deactivate { principal: s.id("ana"), target: ROOT, reason: None };
    s.by("ana", give_up).expect("given up");
    assert_eq!(s.state.requests[&request].status, Status::Canceled);
    assert!(s.decides("carla", request, true).is_err());
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn a_start_after_the_end_would_leave_a_gap() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s, false);
    s.asks("ana", ROOT, minutes(30));
    let mut gap = longer(&s, "ana", Expiration::For(minutes(30)));
    if let Command::ExtendActivation(terms) = &mut gap {
        terms.start = Some(clock("08:31"));
    }
    assert_snapshot!(refused(s.by("ana", gap.clone())), @"scheduleInfo.startDateTime: an extension leaves no gap: begin at the end there is (2026-11-21T08:30:00.000Z), or earlier");
    if let Command::ExtendActivation(terms) = &mut gap {
        terms.start = Some(clock("08:30"));
    }
    s.by("ana", gap).expect("extended");
    s.at("08:59");
    assert!(s.holds("ana", ROOT));
}

#[test]
fn a_reason_is_asked_wherever_somebody_decides() {
    let mut s = Story::with_ana_eligible();
    change(&mut s, RuleChange::ActivationEnablement { mfa: false, reason: false, ticket: false });
    let mut silent = s.activation("ana", ROOT, minutes(30));
    if let Command::RequestActivation(terms) = &mut silent {
        terms.reason = None;
    }
    let Err(Refusal::Rules { broken, .. }) = s.by("ana", silent.clone()) else { panic!("was not refused") };
    assert_eq!(broken, vec![Broken::NoReason]);
    let stages = vec![Stage::one_of(vec![crate::rules::Approver::Group(s.id("security"))])];
    let approval = Approval { required: true, required_for_extension: false, asker_reason: false, stages };
    change(&mut s, RuleChange::Approval(approval));
    s.by("ana", silent).expect("asked");
}

#[test]
fn the_thirty_days_of_a_renewal_count_from_the_end_and_not_from_when_it_was_noticed() {
    let mut s = for_a_week();
    let end = clock("08:00") + days(7);
    // The server was down for three weeks when it ran out.
    s.now = end + days(21);
    let eligibility = s.state.eligibilities_of(s.id("ana")).first().expect("hers").id;
    s.time(Command::EndEligibility { eligibility }).expect("noticed");
    s.now = end + days(30);
    let renewal = ask(&s, More::Renewal, "ana", Expiration::For(days(9)), Some("back"));
    assert!(matches!(s.by("ana", renewal.clone()), Err(Refusal::NothingThere { .. })));
    s.now = s.now.before(Span::from_millis(1));
    asked(s.by("ana", renewal));
}
