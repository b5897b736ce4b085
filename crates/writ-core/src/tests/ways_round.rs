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

#[test]
fn a_token_for_groups_gives_nobody_a_role_through_one() {
    let mut s = Story::new();
    let group = PrincipalId::from_u128(0x9a);
    let create = Command::CreateGroup {
        group,
        name: "operators".into(),
        description: "".into(),
        role_assignable: true,
        owners: vec![],
        members: vec![],
    };
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
