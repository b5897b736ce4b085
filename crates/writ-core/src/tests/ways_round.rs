//! Ways round a law by another door: each was open once, or nearly.

use crate::command::*;
use crate::decide::Answer;
use crate::event::{Action, Event};
use crate::ids::*;
use crate::refusal::Refusal;
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::{Approval, Approver, RuleChange, Stage};
use crate::scope::{Scope, Target};
use crate::story::*;
use crate::time::{Span, Time};
use alloc::vec;
use alloc::vec::Vec;

/// A standing assignment of a role for the day.
fn assign(s: &mut Story, name: &str, role: &str) {
    let role = s.state.roles.values().find(|r| r.is_called(role)).expect("role").id;
    let expiration = Expiration::For(Span::from_hours(6));
    let terms = Terms::of(s.id(name), Target::role(role, Scope::Tenant), expiration);
    let command = Command::Assign { sort: Sort::Assignment, terms: Terms { reason: Some("test".into()), ..terms } };
    s.by("dana", command).expect("assigned");
}

fn second_account(s: &mut Story, n: u128, of: &str, name: &str) {
    let person = s.state.person_of(s.id(of)).expect("a person");
    let upn = alloc::format!("{name}@northwind.example");
    let user = NewUser { id: PrincipalId::from_u128(n), person, name: name.into(), upn };
    s.by("dana", Command::CreateUser(user)).expect("created");
}

#[test]
fn taking_a_grant_back_by_its_request_never_saws_off_the_last_way_in() {
    let mut s = Story::new();
    let glass = s.id("emergency-2");
    let remove = |principal| Command::Remove {
        sort: Sort::Assignment,
        principal,
        target: GLOBAL,
        when: Removal::Now,
        reason: None,
    };
    s.by("dana", remove(glass)).expect("one of two");
    let give = |start: Option<Time>| Terms {
        start,
        reason: Some("again".into()),
        ..Terms::of(glass, GLOBAL, Expiration::Never)
    };
    let later = give(Some(s.now + Span::from_hours(20)));
    let Ok(Answer::Asked(asked)) = s.by("dana", Command::Assign { sort: Sort::Assignment, terms: later }) else {
        panic!("not given")
    };
    let at_once = give(None);
    s.by("dana", Command::Reassign { sort: Sort::Assignment, terms: at_once }).expect("from now on");
    s.by("dana", remove(s.id("emergency-1"))).expect("there is still the other");
    let cancel = s.by("dana", Command::CancelRequest { request: asked.request });
    assert!(matches!(cancel, Err(Refusal::NotOpen { .. })), "what has begun is no request any more: {cancel:?}");
    assert!(s.holds("emergency-2", GLOBAL));
}

#[test]
fn whoever_tries_to_saw_off_the_last_way_in_is_on_record() {
    let mut s = Story::new();
    let remove = |s: &Story, name: &str| Command::Remove {
        sort: Sort::Assignment,
        principal: s.id(name),
        target: GLOBAL,
        when: Removal::Now,
        reason: None,
    };
    let first = remove(&s, "emergency-1");
    s.by("dana", first).expect("one of two");
    let last = remove(&s, "emergency-2");
    assert_eq!(s.by("dana", last), Err(Refusal::LastWayIn));
    let (_, event) = s.log.last().expect("a log");
    let Event::AskRefused { action: Action::AdminRemove, broken, .. } = event else { panic!("{event:?}") };
    assert_eq!(broken, &["LastWayIn"]);
}

#[test]
fn nobody_resets_their_own_sign_in_by_taking_the_factors_of_their_other_account_away_first() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "ana-adm", "Privileged Authentication Administrator");
    assign(&mut s, "ana-adm", "Privileged Role Administrator");
    let credential = CredentialId::from_u128(901);
    let bound = InVault { credential, version: 1 };
    let bind = Command::BindCredential { principal: s.id("ana"), method: Method::Password, bound, replaces: None };
    s.by("ana", bind).expect("bound with a fresh proof");
    let take = Command::RemoveCredential { principal: s.id("ana"), credential };
    let taken = s.by("ana-adm", take.clone());
    assert!(matches!(taken, Err(Refusal::Climb { .. })), "then the next code would be the first: {taken:?}");
    s.by("dana", take).expect("another administrator may");
}

#[test]
fn nobody_decides_twice_by_deleting_the_account_that_decided_first() {
    let mut s = Story::with_ana_eligible();
    second_account(&mut s, 140, "ben", "ben-adm");
    let people = vec![Approver::User(s.id("ben")), Approver::User(s.id("ben-adm")), Approver::User(s.id("carla"))];
    let stages = vec![Stage { needed: 2, ..Stage::one_of(people) }];
    let approval = Approval { required: true, required_for_extension: false, asker_reason: true, stages };
    let changes = vec![RuleChange::Approval(approval)];
    s.by("dana", Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes, seen: None }).expect("two of three");
    let request = s.asks("ana", ROOT, minutes(30));
    s.decides("ben", request, true).expect("the first");
    s.by("dana", Command::DeletePrincipal { principal: s.id("ben") }).expect("deleted");
    let again = s.decides("ben-adm", request, true);
    assert!(matches!(again, Err(Refusal::DecidedBefore)), "one person decided twice: {again:?}");
    assert!(!s.holds("ana", ROOT));
    s.decides("carla", request, true).expect("another person");
    assert!(s.holds("ana", ROOT));
}

#[test]
fn nobody_erases_the_traces_of_an_account_of_theirs_by_deleting_it_first() {
    let mut s = Story::new();
    second_account(&mut s, 141, "eve", "eve-adm");
    assign(&mut s, "eve", "Privileged Role Administrator");
    assign(&mut s, "eve", "User Administrator");
    let gone = s.id("eve-adm");
    s.by("eve", Command::DeletePrincipal { principal: gone }).expect("deleted");
    let erase = Command::ErasePrincipal { principal: gone };
    let erased = s.by("eve", erase.clone());
    assert!(matches!(erased, Err(Refusal::Climb { .. })), "{erased:?}");
    s.by("dana", erase).expect("another administrator may");
}

#[test]
fn nobody_is_made_the_person_behind_an_emergency_account() {
    let mut s = Story::new();
    let glass = s.state.person_of(s.id("emergency-1"));
    let eve = s.id("eve");
    let link = Command::UpdateUser { user: eve, name: None, upn: None, enabled: None, person: glass };
    assert!(matches!(s.by("dana", link), Err(Refusal::Conflict { .. })), "as when an account is created");
}

#[test]
fn nobody_switches_a_role_of_theirs_on_again() {
    let mut s = Story::new();
    let role = RoleId::from_u128(0xc0ffee);
    let create = |role, name: &str, actions: Vec<alloc::string::String>| Command::CreateRole {
        role,
        name: name.into(),
        description: "".into(),
        actions,
        enabled: true,
        version: None,
    };
    let deletes = vec!["microsoft.directory/users/delete".into(), "microsoft.directory/users/password/update".into()];
    s.by("dana", create(role, "Deletes", deletes)).expect("defined");
    let defines = vec!["microsoft.directory/roleDefinitions/create".into()];
    s.by("dana", create(RoleId::from_u128(0xbee), "Defines", defines)).expect("defined");
    assign(&mut s, "eve", "Deletes");
    assign(&mut s, "eve", "Defines");
    assign(&mut s, "ben", "Defines");
    let switch = |enabled| Command::UpdateRole {
        role,
        name: None,
        description: None,
        actions: None,
        enabled: Some(enabled),
        version: None,
    };
    s.by("dana", switch(false)).expect("off, because of eve");
    let on = s.by("eve", switch(true));
    assert!(matches!(on, Err(Refusal::Climb { .. })), "her own power is back: {on:?}");
    let on = s.by("ben", switch(true));
    assert!(matches!(on, Err(Refusal::NotAllowed { .. })), "a privileged role is for those who manage roles: {on:?}");
    s.by("dana", switch(true)).expect("somebody who manages roles may");
}

#[test]
fn nobody_loosens_the_approval_of_extensions_alone() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "ana-adm", "Privileged Role Administrator");
    let with = |required_for_extension, stages| Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::Approval(Approval {
            required: false,
            required_for_extension,
            asker_reason: true,
            stages,
        })],
        seen: None,
    };
    let security = || vec![Stage::one_of(vec![Approver::Group(PrincipalId::from_u128(110))])];
    s.by("dana", with(true, security())).expect("only more time needs approval");
    let none = s.by("ana-adm", with(false, security()));
    assert!(matches!(none, Err(Refusal::Climb { .. })), "{none:?}");
    let friend = vec![Stage::one_of(vec![Approver::User(s.id("eve"))])];
    let friend = s.by("ana-adm", with(true, friend));
    assert!(matches!(friend, Err(Refusal::Climb { .. })), "{friend:?}");
    let nobody = s.by("dana", with(true, vec![]));
    assert!(matches!(nobody, Err(Refusal::Malformed { .. })), "what no stage decides waits in vain: {nobody:?}");
}

#[test]
fn codes_that_have_expired_do_not_stand_in_the_way_of_new_ones() {
    let mut s = Story::new();
    let issue = |s: &Story, n: u128| Command::IssueHostCode {
        code: CredentialId::from_u128(0x10_0000 + n),
        unit: None,
        expires: s.now + minutes(10),
    };
    for n in 0..10_000 {
        let command = issue(&s, n);
        s.by("dana", command).expect("a code");
    }
    let one_more = issue(&s, 10_000);
    assert!(matches!(s.by("dana", one_more), Err(Refusal::TooMany { .. })));
    s.at("08:30");
    let next = issue(&s, 10_001);
    s.by("dana", next).expect("the others are void");
    assert_eq!(s.state.codes.len(), 1);
}

/// Makes a group through which roles can be held.
fn operators(group: PrincipalId) -> Command {
    let (name, description) = ("operators".into(), "".into());
    Command::CreateGroup { group, name, description, role_assignable: true, owners: vec![], members: vec![] }
}

#[test]
fn a_token_for_groups_gives_nobody_a_role_through_one() {
    let mut s = Story::new();
    let group = PrincipalId::from_u128(0x9a);
    let create = operators(group);
    let with = |s: &Story, scopes: &[&str]| {
        let scopes: Vec<alloc::string::String> = scopes.iter().map(|name| (*name).into()).collect();
        Caller { scopes: Some(scopes.into()), ..s.caller("dana") }
    };
    let (groups, both) = (["Group.ReadWrite.All"], ["Group.ReadWrite.All", "RoleManagement.ReadWrite.Directory"]);
    let (member, owner) = (s.id("eve"), s.id("eve"));
    for command in [
        create,
        Command::AddMember { group, member },
        Command::AddOwner { group, owner },
        Command::RemoveOwner { group, owner },
        Command::RemoveMember { group, member },
        Command::UpdateGroup { group, name: Some("ops".into()), description: None },
        Command::DeletePrincipal { principal: group },
    ] {
        let refused = s.run(with(&s, &groups), command.clone());
        assert!(matches!(refused, Err(Refusal::MissingScope { .. })), "{command:?}: {refused:?}");
        s.run(with(&s, &both), command).expect("with the permission for roles");
    }
    let ordinary = Command::AddMember { group: s.id("security"), member };
    s.run(with(&s, &groups), ordinary).expect("a group that passes no role");
}

#[test]
fn an_emergency_account_whose_name_is_erased_would_be_no_way_in() {
    let mut s = Story::new();
    let glass = s.id("emergency-1");
    let switch =
        |enabled| Command::UpdateUser { user: glass, name: None, upn: None, enabled: Some(enabled), person: None };
    s.by("dana", switch(false)).expect("one of two");
    let erase = Command::ErasePrincipal { principal: glass };
    for erased in [s.by("dana", erase.clone()), s.console(erase.clone())] {
        assert!(matches!(erased, Err(Refusal::Conflict { .. })), "nobody could sign in to it again: {erased:?}");
    }
    s.by("dana", Command::DeletePrincipal { principal: glass }).expect("deleted");
    s.by("dana", erase).expect("what is gone is no way in");
}

#[test]
fn nobody_joins_a_group_that_passes_roles_while_the_clock_is_in_doubt() {
    let mut s = Story::new();
    let group = PrincipalId::from_u128(0x9a);
    let create = operators(group);
    s.by("dana", create).expect("made");
    let caller = s.caller("dana");
    let doubtful = crate::decide::Context { clock_doubt: Some("it jumped"), ..s.context(caller) };
    let member = s.id("eve");
    let joins = |group| crate::decide::decide(&s.state, &Command::AddMember { group, member }, &doubtful).answer;
    assert!(matches!(joins(group), Err(Refusal::ClockInDoubt { .. })), "its roles would be hers");
    assert!(joins(s.id("security")).is_ok(), "a group that passes no role");
}

#[test]
fn nobody_moves_somebody_into_a_unit_where_they_would_have_power_over_them() {
    let mut s = Story::new();
    let (role, unit) = (RoleId::from_u128(0xc0ffee), UnitId::from_u128(0xa1));
    let create = Command::CreateRole {
        role,
        name: "Units".into(),
        description: "".into(),
        actions: vec!["microsoft.directory/administrativeUnits/create".into()],
        enabled: true,
        version: None,
    };
    s.by("dana", create).expect("defined");
    s.by("dana", Command::CreateUnit { unit, name: "unit".into(), description: "".into() }).expect("unit");
    assign(&mut s, "eve", "Units");
    let helpdesk = s.state.roles.values().find(|r| r.is_called("Helpdesk Administrator")).expect("role").id;
    let target = Target::role(helpdesk, Scope::Unit(unit));
    let terms = Terms { reason: Some("test".into()), ..Terms::of(s.id("eve"), target, Expiration::For(minutes(60))) };
    s.by("dana", Command::Assign { sort: Sort::Assignment, terms }).expect("over the unit");
    let moves = Command::AddToUnit { unit, object: s.id("carla").0 };
    let moved = s.by("eve", moves.clone());
    assert!(matches!(moved, Err(Refusal::Climb { .. })), "her sign-in could be reset then: {moved:?}");
    s.by("dana", moves).expect("another administrator may");
}

#[test]
fn there_is_an_end_to_roles_to_notifications_and_to_factors() {
    let mut s = Story::new();
    let create = |n: u128| Command::CreateRole {
        role: RoleId::from_u128(0xc0_0000 + n),
        name: alloc::format!("role {n}"),
        description: "".into(),
        actions: vec![],
        enabled: true,
        version: None,
    };
    let refused = (0..2000).find_map(|n| s.by("dana", create(n)).err());
    assert!(matches!(refused, Some(Refusal::TooMany { .. })), "{refused:?}");
    let notify = |n: u32| Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::Notification(crate::rules::Notification {
            rule: alloc::format!("rule {n}"),
            level: "All".into(),
            default_recipients: true,
            recipients: vec![],
        })],
        seen: None,
    };
    let refused = (0..20).find_map(|n| s.by("dana", notify(n)).err());
    assert!(matches!(refused, Some(Refusal::TooMany { .. })), "{refused:?}");
    let bind = |s: &Story, n: u128| Command::BindCredential {
        principal: s.id("ana"),
        method: Method::Totp,
        bound: InVault { credential: CredentialId::from_u128(0xd0_0000 + n), version: 1 },
        replaces: None,
    };
    let refused = (0..40).find_map(|n| {
        let command = bind(&s, n);
        s.by("ana", command).err()
    });
    assert!(matches!(refused, Some(Refusal::TooMany { .. })), "{refused:?}");
}

#[test]
fn no_text_shows_an_approver_something_else_than_was_asked() {
    let mut s = Story::with_ana_eligible();
    let asks = |s: &Story, reason: &str| {
        let target = Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant);
        let terms = Terms::of(s.id("ana"), target, Expiration::For(Span::from_minutes(30)));
        Command::RequestActivation(Terms { reason: Some(reason.into()), ..terms })
    };
    for odd in ["drop \u{202E}elbat eht", "\u{2066}x\u{2069}", "one\u{2028}two", "\u{202A}", "a\u{1b}[2J"] {
        let asked = asks(&s, odd);
        assert!(matches!(s.by("ana", asked), Err(Refusal::Malformed { .. })), "{odd:?}");
        let named = Command::UpdateGroup { group: s.id("security"), name: Some(odd.into()), description: None };
        assert!(matches!(s.by("dana", named), Err(Refusal::Malformed { .. })), "{odd:?}");
    }
    // Marks of direction, joiners and other scripts are how people write.
    for fine in [
        "\u{200F}\u{5E9}\u{5DC}\u{5D5}\u{5DD}\u{200E}",
        "\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645}",
        "two\nlines",
    ] {
        let asked = asks(&s, fine);
        assert!(!matches!(s.by("ana", asked), Err(Refusal::Malformed { .. })), "{fine:?}");
    }
}
