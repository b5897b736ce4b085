//! Activations: asked, refused, begun, ended.

use crate::command::*;
use crate::decide::Answer;
use crate::event::{Event, Why};
use crate::ids::*;
use crate::refusal::{Broken, Refusal};
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::{Approval, RuleChange, Stage};
use crate::scope::{Scope, Target};
use crate::story::*;
use crate::time::Span;
use alloc::vec;
use insta::assert_snapshot;

fn without_approval(s: &mut Story) {
    let approval = Approval {
        required: false,
        required_for_extension: false,
        asker_reason: true,
        stages: vec![Stage::one_of(vec![])],
    };
    let change =
        Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(approval)], seen: None };
    s.by("dana", change).expect("changed");
}

#[test]
fn a_role_is_asked_for_approved_held_and_gone() {
    let mut s = Story::with_ana_eligible();
    s.at("09:00");
    assert!(!s.holds("ana", ROOT));
    let request = s.asks("ana", ROOT, minutes(60));
    s.at("09:10");
    s.decides("ben", request, true).expect("approved");
    assert!(s.holds("ana", ROOT));
    s.at("10:09");
    assert!(s.holds("ana", ROOT));
    s.at("10:10");
    assert!(!s.holds("ana", ROOT));
    assert_snapshot!(s.told(), @r"
    09:00 ana asked for Device Administrators for 1 h: “replace the failed disk” (CHG-417)
    09:10 ben approved ana's request for Device Administrators: “seen the alert”
    09:10 ana activated Device Administrators until 10:10: “replace the failed disk” (CHG-417)
    10:10 Device Administrators ended for ana: time is up
    ");
}

#[test]
fn every_rule_that_fails_is_named_together() {
    let mut s = Story::with_ana_eligible();
    s.mfa_age = Some(Span::from_hours(3));
    let ask = Command::RequestActivation(Terms {
        reason: Some("  ".into()),
        ..Terms::of(s.id("ana"), ROOT, Expiration::For(Span::from_hours(12)))
    });
    let before = s.rights();
    let Err(Refusal::Rules { broken, .. }) = s.by("ana", ask) else { panic!("was not refused") };
    assert_eq!(
        broken,
        vec![
            Broken::TooLong { asked: Span::from_hours(12), max: Span::from_hours(2) },
            Broken::NoReason,
            Broken::NoTicket,
            Broken::NoMfa { last: Some(Span::from_hours(3)), age_max: minutes(5) },
        ]
    );
    assert_eq!(s.rights(), before);
    assert_snapshot!(s.told(), @"08:00 ana was refused Device Administrators: duration, reason, ticket, MFA");
}

#[test]
fn refused_asks_leave_a_bounded_record() {
    let mut s = Story::new();
    for _ in 0..200 {
        let ask = s.activation("ana", ROOT, minutes(30));
        assert!(s.by("ana", ask).is_err());
    }
    let recorded = s.log.iter().filter(|(_, e)| matches!(e, Event::AskRefused { .. })).count();
    assert_eq!(recorded, 20);
    s.at("09:00");
    let ask = s.activation("ana", ROOT, minutes(30));
    assert!(s.by("ana", ask).is_err());
    assert_eq!(s.log.iter().filter(|(_, e)| matches!(e, Event::AskRefused { .. })).count(), 21);
}

#[test]
fn the_longest_span_counts_from_the_beginning_not_from_the_ask() {
    let mut s = Story::with_ana_eligible();
    s.at("09:00");
    let request = s.asks("ana", ROOT, minutes(120));
    s.at("12:00");
    s.decides("carla", request, true).expect("approved");
    s.at("13:59");
    assert!(s.holds("ana", ROOT));
    s.at("14:00");
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn an_activation_is_clamped_to_its_eligibility_and_to_rules_made_stricter_since() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(120));
    let shorter = Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::ActivationExpiration { span_max: minutes(30) }],
        seen: None,
    };
    s.by("dana", shorter).expect("changed");
    s.decides("ben", request, true).expect("approved");
    s.at("08:30");
    assert!(!s.holds("ana", ROOT));

    let mut s = Story::with_ana_eligible();
    let until = Command::Reassign {
        sort: Sort::Eligibility,
        terms: Terms::of(s.id("ana"), ROOT, Expiration::At(clock("08:45"))),
    };
    s.by("dana", until).expect("changed");
    let request = s.asks("ana", ROOT, minutes(120));
    s.decides("ben", request, true).expect("approved");
    s.at("08:44");
    assert!(s.holds("ana", ROOT));
    s.at("08:45");
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn power_is_gone_when_time_has_passed_whether_or_not_anything_has_run() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(60));
    s.decides("ben", request, true).expect("approved");
    s.now = clock("09:00"); // Nobody recorded the end.
    assert!(s.state.assignments.values().any(|a| a.activated()));
    assert!(!s.holds("ana", ROOT));
    assert!(crate::plan::plan(&s.state, s.now).is_empty());
}

#[test]
fn asking_twice_is_refused_while_the_first_waits_or_runs() {
    let mut s = Story::with_ana_eligible();
    let request = s.asks("ana", ROOT, minutes(60));
    let again = s.activation("ana", ROOT, minutes(60));
    assert!(matches!(s.by("ana", again.clone()), Err(Refusal::AlreadyAsked { .. })));
    s.decides("ben", request, true).expect("approved");
    assert!(matches!(s.by("ana", again), Err(Refusal::AlreadyActive { until: Some(_), .. })));
}

#[test]
fn giving_up_works_at_once_and_only_for_oneself() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.asks("ana", ROOT, minutes(60));
    assert!(s.holds("ana", ROOT));
    let give_up = Command::Deactivate { principal: s.id("ana"), target: ROOT, reason: None };
    assert!(matches!(s.by("ben", give_up.clone()), Err(Refusal::SelfOnly { .. })));
    assert!(s.holds("ana", ROOT));
    s.by("ana", give_up).expect("given up");
    assert!(!s.holds("ana", ROOT));
    s.asks("ana", ROOT, minutes(60));
    assert!(s.holds("ana", ROOT), "no cooldown");
}

#[test]
fn the_compatibility_switch_brings_entras_five_minutes_back() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.by("dana", Command::ChangeSettings { name: None, span_min: None, age_min: Some(minutes(5)) }).expect("set");
    s.asks("ana", ROOT, minutes(60));
    let give_up = Command::Deactivate { principal: s.id("ana"), target: ROOT, reason: None };
    let told = s.told().lines().count();
    assert!(matches!(s.by("ana", give_up.clone()), Err(Refusal::TooYoung { .. })));
    // As in Entra, the attempt is on record.
    let after = s.told();
    assert_eq!(
        after.lines().nth(told),
        Some("08:00 ana was refused a change of Device Administrators for ana: too soon")
    );
    s.at("08:05");
    s.by("ana", give_up).expect("given up");
}

#[test]
fn a_future_start_waits_and_is_looked_at_again_when_it_comes() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    let later = Command::RequestActivation(Terms {
        principal: s.id("ana"),
        target: ROOT,
        start: Some(clock("22:00")),
        expiration: Expiration::For(minutes(60)),
        reason: Some("maintenance".into()),
        ticket: TicketGiven { number: Some("CHG-9".into()), system: None },
    });
    s.by("ana", later.clone()).expect("scheduled");
    s.at("21:59");
    assert!(!s.holds("ana", ROOT));
    s.at("22:00");
    assert!(s.holds("ana", ROOT));
    s.at("23:00");
    assert!(!s.holds("ana", ROOT));

    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.by("ana", later).expect("scheduled");
    let gone = Command::Remove {
        sort: Sort::Eligibility,
        principal: s.id("ana"),
        target: ROOT,
        when: Removal::Now,
        reason: None,
    };
    s.by("dana", gone).expect("removed");
    s.at("22:30");
    assert!(!s.holds("ana", ROOT));
    assert_snapshot!(s.told(), @r"
    08:00 dana changed 1 rule of Device Administrators
    08:00 ana will have Device Administrators from 22:00: “maintenance” (CHG-9)
    08:00 dana removed ana's eligibility for Device Administrators
    08:00 ana's request for Device Administrators was cancelled: the eligibility it came from is gone
    16:00 Global Administrator ended for dana: time is up
    ");
}

#[test]
fn removing_an_eligibility_ends_what_ran_from_it_in_the_same_append() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.asks("ana", ROOT, minutes(60));
    let remove = Command::Remove {
        sort: Sort::Eligibility,
        principal: s.id("ana"),
        target: ROOT,
        when: Removal::Now,
        reason: None,
    };
    let answer = s.by("dana", remove).expect("removed");
    let Answer::Asked(asked) = answer else { panic!("{answer:?}") };
    assert_eq!(asked.stops.len(), 1, "whom it stops is shown");
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn a_removal_can_wait_until_running_activations_end() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.asks("ana", ROOT, minutes(60));
    let remove = Command::Remove {
        sort: Sort::Eligibility,
        principal: s.id("ana"),
        target: ROOT,
        when: Removal::WhenRunningEnd,
        reason: None,
    };
    s.by("dana", remove).expect("closing");
    assert!(s.holds("ana", ROOT));
    s.at("09:00");
    assert!(!s.holds("ana", ROOT));
    assert!(s.state.eligibilities_of(s.id("ana")).is_empty());
    let ask = s.activation("ana", ROOT, minutes(30));
    assert!(matches!(s.by("ana", ask), Err(Refusal::NotEligible { .. })));
}

#[test]
fn disabling_ends_activations_and_enabling_again_revives_none() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.asks("ana", ROOT, minutes(60));
    let able = |s: &Story, enabled| Command::UpdateUser {
        user: s.id("ana"),
        name: None,
        upn: None,
        enabled: Some(enabled),
        person: None,
    };
    let off = able(&s, false);
    s.by("dana", off).expect("disabled");
    assert!(!s.holds("ana", ROOT));
    assert!(s.log.iter().any(|(_, e)| matches!(e, Event::AssignmentEnded { why: Why::Disabled, .. })));
    let ask = s.activation("ana", ROOT, minutes(30));
    assert!(matches!(s.by("ana", ask.clone()), Err(Refusal::AccountDisabled)));
    let on = able(&s, true);
    s.by("dana", on).expect("enabled");
    assert!(!s.holds("ana", ROOT));
    s.by("ana", ask).expect("eligible again");
}

#[test]
fn nothing_is_given_while_the_clock_is_in_doubt_but_giving_up_works() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.asks("ana", ROOT, minutes(60));
    let caller = s.caller("ana");
    let mut cx = s.context(caller);
    cx.clock_doubt = Some("it jumped");
    let give_up = Command::Deactivate { principal: s.id("ana"), target: ROOT, reason: None };
    assert!(crate::decide::decide(&s.state, &give_up, &cx).answer.is_ok());
    s.by("ana", give_up).expect("given up");
    let ask = s.activation("ana", ROOT, minutes(30));
    let refusal = crate::decide::decide(&s.state, &ask, &cx).answer;
    assert!(matches!(refusal, Err(Refusal::ClockInDoubt { .. })));
}

#[test]
fn a_proof_from_a_clock_set_back_is_no_proof() {
    let mut s = Story::with_ana_eligible();
    let mut caller = s.caller("ana");
    caller.proof.mfa = Some(s.now + Span::from_hours(2));
    let ask = s.activation("ana", ROOT, minutes(30));
    assert!(matches!(s.run(caller, ask), Err(Refusal::Rules { .. })));
}

#[test]
fn nonsense_is_refused_without_a_record() {
    let mut s = Story::with_ana_eligible();
    let n = s.log.len();
    for expiration in [Expiration::Unspecified, Expiration::For(Span::ZERO), Expiration::At(clock("07:00"))] {
        let ask =
            Command::RequestActivation(Terms { reason: Some("x".into()), ..Terms::of(s.id("ana"), ROOT, expiration) });
        assert!(
            matches!(s.by("ana", ask), Err(Refusal::Malformed { .. } | Refusal::Schedule { .. })),
            "{expiration:?}"
        );
    }
    assert_eq!(s.log.len(), n);
}

#[test]
fn an_activation_for_ever_breaks_the_rule_that_asks_for_an_end() {
    let mut s = Story::with_ana_eligible();
    let mut ask = s.activation("ana", ROOT, minutes(30));
    if let Command::RequestActivation(terms) = &mut ask {
        (terms.expiration, terms.reason) = (Expiration::Never, None);
    }
    let Err(Refusal::Rules { broken, .. }) = s.by("ana", ask) else { panic!("not refused by the rules") };
    assert!(matches!(broken.as_slice(), [Broken::NoEnd { .. }, Broken::NoReason, ..]), "{broken:?}");
}

#[test]
fn a_start_that_has_passed_counts_as_now_however_long_ago() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    let mut ask = s.activation("ana", ROOT, minutes(30));
    if let Command::RequestActivation(terms) = &mut ask {
        terms.start = Some("2022-04-10T00:00:00Z".parse().expect("a time"));
    }
    s.by("ana", ask).expect("begun");
    s.at("08:29");
    assert!(s.holds("ana", ROOT));
    s.at("08:30");
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn a_group_passes_its_eligibility_to_direct_members_only() {
    let mut s = Story::new();
    let group = |n: u128, name: &str, role_assignable, members| Command::CreateGroup {
        group: crate::ids::PrincipalId::from_u128(n),
        name: name.into(),
        description: "".into(),
        role_assignable,
        owners: vec![],
        members,
    };
    let ana = s.id("ana");
    let inner = group(301, "inner", false, vec![ana]);
    s.by("dana", inner).expect("made");
    let eve = s.id("eve");
    let ops = group(302, "ops", true, vec![eve]);
    s.by("dana", ops).expect("made");
    let nest = Command::AddMember { group: s.id("ops"), member: s.id("inner") };
    assert!(matches!(s.by("dana", nest), Err(Refusal::Conflict { .. })));
    let eligible = s.make_eligible("ops", ROOT);
    s.by("dana", eligible).expect("eligible");
    without_approval(&mut s);
    let ask = s.activation("ana", ROOT, minutes(30));
    assert!(matches!(s.by("ana", ask), Err(Refusal::NotEligible { .. })));
    s.asks("eve", ROOT, minutes(30));
    assert!(s.holds("eve", ROOT));
    let leave = Command::RemoveMember { group: s.id("ops"), member: s.id("eve") };
    s.by("dana", leave).expect("left");
    assert!(!s.holds("eve", ROOT), "leaving the group ends what came through it");
    let plain = s.make_eligible("inner", ROOT);
    assert!(matches!(s.by("dana", plain), Err(Refusal::Conflict { .. })), "an ordinary group passes no role");
}

#[test]
fn an_activation_that_is_over_and_not_yet_on_record_hides_no_other() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    let first = s.asks("ana", ROOT, minutes(30));
    // Its end has come, and time has not said so yet.
    s.now = clock("08:30");
    let second = s.asks("ana", ROOT, minutes(30));
    assert!(s.holds("ana", ROOT));
    let again = s.activation("ana", ROOT, minutes(30));
    assert!(matches!(s.by("ana", again), Err(Refusal::AlreadyActive { .. })), "not twice at once");
    let back = Command::Deactivate { principal: s.id("ana"), target: ROOT, reason: None };
    s.by("ana", back).expect("given back");
    assert!(!s.holds("ana", ROOT), "what is in force was given back, not what was over");
    let there = |request: RequestId| s.state.assignments.contains_key(&AssignmentId(request.0));
    assert!(there(first) && !there(second));
}

#[test]
fn an_eligibility_that_was_to_begin_takes_the_asks_within_it_along() {
    let mut s = Story::new();
    without_approval(&mut s);
    let later = s.now + Span::from_hours(2);
    let given = Command::Assign {
        sort: Sort::Eligibility,
        terms: Terms { start: Some(later), ..Terms::of(s.id("ana"), ROOT, Expiration::Never) },
    };
    let Ok(Answer::Asked(given)) = s.by("dana", given) else { panic!("not given") };
    let mut ask = s.activation("ana", ROOT, minutes(30));
    if let Command::RequestActivation(terms) = &mut ask {
        terms.start = Some(later + Span::from_hours(1));
    }
    let Ok(Answer::Asked(asked)) = s.by("ana", ask) else { panic!("not asked") };
    s.by("dana", Command::CancelRequest { request: given.request }).expect("cancelled");
    assert!(!s.state.requests[&asked.request].status.open(), "in the same append");
    s.until(later + Span::from_hours(3));
    assert!(!s.holds("ana", ROOT));
}

#[test]
fn taking_the_last_activation_away_closes_what_only_waited_for_it() {
    let mut s = Story::with_ana_eligible();
    without_approval(&mut s);
    s.asks("ana", ROOT, minutes(30));
    let take =
        |s: &Story, sort, when| Command::Remove { sort, principal: s.id("ana"), target: ROOT, when, reason: None };
    let closing = take(&s, Sort::Eligibility, Removal::WhenRunningEnd);
    s.by("dana", closing).expect("closing");
    assert_eq!(s.state.eligibilities.len(), 2, "hers still runs; dana has one");
    let now = take(&s, Sort::Assignment, Removal::Now);
    s.by("dana", now).expect("taken");
    assert_eq!(s.state.eligibilities.len(), 1);
}

#[test]
fn what_waited_for_the_last_activation_goes_with_it_however_that_ends() {
    let unit = UnitId::from_u128(0xa1);
    for disabled in [false, true] {
        let mut s = Story::with_ana_eligible();
        let create = Command::CreateUnit { unit, name: "Finance".into(), description: "".into() };
        s.by("dana", create).expect("a unit");
        let request = s.asks("ana", ROOT, minutes(30));
        s.decides("ben", request, true).expect("approved");
        // Asked for before it is closed.
        let waiting = s.asks("ana", Target::role(DEVICE_ADMINISTRATOR, Scope::Unit(unit)), minutes(30));
        let (user, when) = (s.id("ana"), Removal::WhenRunningEnd);
        let close = Command::Remove { sort: Sort::Eligibility, principal: user, target: ROOT, when, reason: None };
        s.by("dana", close).expect("closing");
        assert_eq!(s.state.eligibilities.len(), 2, "hers still runs; dana has one");
        let end = match disabled {
            true => Command::UpdateUser { user, name: None, upn: None, enabled: Some(false), person: None },
            false => Command::TakePlainly { assignment: AssignmentId(request.0) },
        };
        s.by("dana", end).expect("ended");
        assert_eq!(s.state.eligibilities.len(), 1);
        assert!(!s.state.requests[&waiting].status.open(), "nothing can come of it");
    }
}

#[test]
fn a_start_in_another_age_is_refused() {
    let mut s = Story::with_ana_eligible();
    for start in ["2037-01-01T00:00:00Z", "2126-01-01T00:00:00Z"] {
        let mut ask = s.activation("ana", ROOT, minutes(30));
        if let Command::RequestActivation(terms) = &mut ask {
            terms.start = Some(start.parse().expect("a time"));
        }
        assert!(matches!(s.by("ana", ask), Err(Refusal::Schedule { .. })), "{start}");
    }
}
