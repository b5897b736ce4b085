//! Climbing: every way somebody might turn a little power into more, and that it leads nowhere.

use crate::command::*;
use crate::ids::*;
use crate::refusal::Refusal;
use crate::role::{DEVICE_ADMINISTRATOR, GLOBAL_ADMINISTRATOR};
use crate::rules::{Approval, Approver, RuleChange, Stage};
use crate::scope::{Scope, Target};
use crate::story::*;
use crate::time::Span;
use alloc::vec;

/// Gives a user another standing role for the day.
fn assign(s: &mut Story, name: &str, role: &str) {
    let role = s.state.roles.values().find(|r| r.is_called(role)).expect("role").id;
    let command = Command::Assign {
        sort: Sort::Assignment,
        principal: s.id(name),
        target: Target::role(role, Scope::Tenant),
        start: None,
        expiration: Expiration::For(Span::from_hours(6)),
        reason: Some("test".into()),
        ticket: TicketGiven::default(),
    };
    s.by("dana", command).expect("assigned");
}

fn code(s: &Story, name: &str) -> Command {
    Command::IssueCode {
        principal: s.id(name),
        code: CredentialId::from_u128(900),
        expires: s.now + Span::from_hours(1),
    }
}

#[test]
fn nobody_resets_the_proofs_of_somebody_more_powerful() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "eve", "Helpdesk Administrator");
    for powerful in ["dana", "ana", "ben"] {
        let command = code(&s, powerful);
        assert!(matches!(s.by("eve", command), Err(Refusal::NotAllowed { .. })), "{powerful}");
    }
    let command = code(&s, "ana-adm");
    s.by("eve", command).expect("an ordinary account can be helped");
    let command = code(&s, "emergency-1");
    assert!(matches!(s.by("dana", command), Err(Refusal::ConsoleOnly { .. })));
}

#[test]
fn nobody_adds_themselves_to_an_approver_group() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "eve", "Groups Administrator");
    let add = |s: &Story, who: &str| Command::AddMember { group: s.id("security"), member: s.id(who) };
    let own = add(&s, "eve");
    assert!(
        matches!(s.by("eve", own), Err(Refusal::NotAllowed { .. })),
        "managing groups is not enough for a protected one"
    );
    let other = add(&s, "ana");
    assert!(s.by("eve", other).is_err());
    assign(&mut s, "eve", "Privileged Role Administrator");
    let own = add(&s, "eve");
    assert!(matches!(s.by("eve", own), Err(Refusal::Climb { .. })));
    // Not through a group of one's own either.
    let mine = Command::CreateGroup {
        group: PrincipalId::from_u128(500),
        name: "mine".into(),
        description: "".into(),
        role_assignable: false,
        owners: vec![s.id("eve")],
        members: vec![s.id("eve")],
    };
    s.by("eve", mine).expect("made");
    let nest = add(&s, "mine");
    assert!(matches!(s.by("eve", nest), Err(Refusal::Climb { .. })));
    let nest = add(&s, "mine");
    s.by("dana", nest).expect("another administrator can");
    let into_mine = Command::AddMember { group: s.id("mine"), member: s.id("ana-adm") };
    assert!(s.by("ana", into_mine).is_err(), "now that group is protected too");
}

#[test]
fn an_owner_of_a_protected_group_is_not_its_master() {
    let mut s = Story::with_ana_eligible();
    let own = Command::AddOwner { group: s.id("security"), owner: s.id("eve") };
    s.by("dana", own).expect("owner");
    let add = Command::AddMember { group: s.id("security"), member: s.id("ana-adm") };
    assert!(matches!(s.by("eve", add), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn nobody_loosens_the_rules_of_a_role_they_could_use_and_restores_them_after() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "ana-adm", "Privileged Role Administrator");
    let none = Approval {
        required: false,
        required_for_extension: false,
        asker_reason: true,
        stages: vec![Stage::one_of(vec![])],
    };
    let loosen = Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(none)] };
    // Ana's second account manages roles; her first is eligible for this one.
    assert!(matches!(s.by("ana-adm", loosen.clone()), Err(Refusal::Climb { .. })));
    let older = Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::Freshness { mfa_age_max: Span::from_hours(1) }],
    };
    assert!(matches!(s.by("ana-adm", older), Err(Refusal::Climb { .. })));
    let me = approvers(DEVICE_ADMINISTRATOR, vec![Approver::User(s.id("eve"))]);
    assert!(matches!(s.by("ana-adm", me), Err(Refusal::Climb { .. })), "a friend as the only approver");
    let stricter = Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::ActivationExpiration { span_max: minutes(30) }],
    };
    s.by("ana-adm", stricter).expect("tightening is always allowed");
    s.by("dana", loosen).expect("somebody else may");
}

#[test]
fn splitting_a_person_in_two_is_for_another_administrator() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "ana-adm", "Privileged Role Administrator");
    assign(&mut s, "ana-adm", "User Administrator");
    for who in ["ana", "ana-adm"] {
        let split = Command::UpdateUser {
            user: s.id(who),
            name: None,
            upn: None,
            enabled: None,
            person: Some(PersonId::from_u128(999)),
        };
        assert!(matches!(s.by("ana-adm", split), Err(Refusal::Climb { .. })));
    }
    let split = Command::UpdateUser {
        user: s.id("ana-adm"),
        name: None,
        upn: None,
        enabled: None,
        person: Some(PersonId::from_u128(999)),
    };
    assert!(matches!(s.by("eve", split), Err(Refusal::NotAllowed { .. })));
}

#[test]
fn only_those_who_manage_roles_give_roles() {
    let mut s = Story::new();
    assign(&mut s, "eve", "User Administrator");
    assign(&mut s, "eve", "Groups Administrator");
    for sort in [Sort::Eligibility, Sort::Assignment] {
        for who in ["eve", "ana"] {
            let give = Command::Assign {
                sort,
                principal: s.id(who),
                target: Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant),
                start: None,
                expiration: Expiration::For(Span::from_hours(1)),
                reason: Some("please".into()),
                ticket: TicketGiven::default(),
            };
            assert!(matches!(s.by("eve", give), Err(Refusal::NotAllowed { .. })));
        }
    }
}

#[test]
fn a_user_administrator_cannot_disable_or_delete_the_powerful() {
    let mut s = Story::new();
    assign(&mut s, "eve", "User Administrator");
    for who in ["dana", "emergency-1"] {
        let off = Command::UpdateUser { user: s.id(who), name: None, upn: None, enabled: Some(false), person: None };
        assert!(matches!(s.by("eve", off), Err(Refusal::NotAllowed { .. })), "{who}");
        let delete = Command::DeletePrincipal { principal: s.id(who) };
        assert!(matches!(s.by("eve", delete), Err(Refusal::NotAllowed { .. })), "{who}");
    }
    let off = Command::UpdateUser { user: s.id("ana-adm"), name: None, upn: None, enabled: Some(false), person: None };
    s.by("eve", off).expect("an ordinary account");
}

#[test]
fn there_is_always_a_way_in() {
    let mut s = Story::new();
    let off = |s: &Story, who: &str| Command::UpdateUser {
        user: s.id(who),
        name: None,
        upn: None,
        enabled: Some(false),
        person: None,
    };
    let command = off(&s, "emergency-1");
    s.by("dana", command).expect("one of two");
    let command = off(&s, "emergency-2");
    assert_eq!(s.by("dana", command), Err(Refusal::LastWayIn));
    let delete = Command::DeletePrincipal { principal: s.id("emergency-2") };
    assert_eq!(s.by("dana", delete), Err(Refusal::LastWayIn));
    let remove = Command::Remove {
        sort: Sort::Assignment,
        principal: s.id("emergency-2"),
        target: GLOBAL,
        when: Removal::Now,
        reason: None,
    };
    assert_eq!(s.by("dana", remove), Err(Refusal::LastWayIn));
    let shorten = Command::Reassign {
        sort: Sort::Assignment,
        principal: s.id("emergency-2"),
        target: GLOBAL,
        start: None,
        expiration: Expiration::For(Span::from_hours(1)),
        reason: Some("x".into()),
        ticket: TicketGiven::default(),
    };
    assert_eq!(s.by("dana", shorten), Err(Refusal::LastWayIn));
    // The emergency account itself cannot saw off the branch either.
    let own = off(&s, "emergency-2");
    assert_eq!(s.by("emergency-2", own), Err(Refusal::LastWayIn));
}

#[test]
fn groups_never_contain_themselves() {
    let mut s = Story::new();
    for (n, name) in [(601, "a"), (602, "b"), (603, "c")] {
        let command = Command::CreateGroup {
            group: PrincipalId::from_u128(n),
            name: name.into(),
            description: "".into(),
            role_assignable: false,
            owners: vec![],
            members: vec![],
        };
        s.by("dana", command).expect("made");
    }
    let add = |s: &Story, g: &str, m: &str| Command::AddMember { group: s.id(g), member: s.id(m) };
    for (g, m) in [("a", "b"), ("b", "c")] {
        let command = add(&s, g, m);
        s.by("dana", command).expect("nested");
    }
    for (g, m) in [("c", "a"), ("a", "a"), ("b", "a")] {
        let command = add(&s, g, m);
        assert!(matches!(s.by("dana", command), Err(Refusal::Conflict { .. })), "{g} {m}");
    }
}

#[test]
fn tokens_do_only_what_their_scopes_say() {
    let mut s = Story::with_ana_eligible();
    let mut caller = s.caller("dana");
    caller.scopes = Some(vec!["User.Read".into()].into());
    let command = s.make_eligible("eve", ROOT);
    let Err(Refusal::MissingScope { any_of, has, .. }) = s.run(caller, command) else { panic!("passed") };
    assert!(any_of.contains(&"RoleManagement.ReadWrite.Directory") && has == vec!["User.Read"]);
}

#[test]
fn nobody_speaks_for_time_the_console_or_another_host() {
    let mut s = Story::with_ana_eligible();
    let mint = Command::MintEmergency {
        user: NewUser {
            id: PrincipalId::from_u128(700),
            person: PersonId::from_u128(700),
            name: "x".into(),
            upn: "x@y.z".into(),
        },
        credential: CredentialId::from_u128(1),
    };
    assert!(matches!(s.by("dana", mint), Err(Refusal::ConsoleOnly { .. })));
    assert!(matches!(s.by("dana", Command::RecoverClock), Err(Refusal::ConsoleOnly { .. })));
    let request = s.asks("ana", ROOT, minutes(30));
    for command in [Command::BeginActivation { request }, Command::ExpireRequest { request }, Command::RaiseEpoch] {
        assert!(matches!(s.by("dana", command), Err(Refusal::NotSupported { .. })));
    }
}
