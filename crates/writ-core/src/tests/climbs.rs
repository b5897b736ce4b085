//! Climbing: every way somebody might turn a little power into more, and that it leads nowhere.

use crate::command::*;
use crate::ids::*;
use crate::refusal::Refusal;
use crate::role::{DEVICE_ADMINISTRATOR, GLOBAL_ADMINISTRATOR};
use crate::rules::{Approval, Approver, RuleChange, Rules, Stage};
use crate::scope::{Scope, Target};
use crate::story::*;
use crate::time::Span;
use alloc::boxed::Box;
use alloc::vec;

/// Gives a user another standing role for the day.
fn assign(s: &mut Story, name: &str, role: &str) {
    let role = s.state.roles.values().find(|r| r.is_called(role)).expect("role").id;
    let command = Command::Assign {
        sort: Sort::Assignment,
        terms: Terms {
            reason: Some("test".into()),
            ..Terms::of(s.id(name), Target::role(role, Scope::Tenant), Expiration::For(Span::from_hours(6)))
        },
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

fn enrols_host(s: &mut Story) -> DeviceId {
    let (code, host) = (CredentialId::from_u128(1), DeviceId::from_u128(0xdb));
    s.by("dana", Command::IssueHostCode { code, unit: None, expires: s.now + Span::from_hours(1) }).expect("code");
    let enrol = Command::EnrolHost { host, name: "db-1".into(), key: "1".repeat(64), code };
    s.run(Caller::host(Uuid::from_u128(5), host), enrol).expect("enrolled");
    host
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
fn nobody_resets_their_own_sign_in_by_their_other_account() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "ana-adm", "Privileged Authentication Administrator");
    assign(&mut s, "ana-adm", "Privileged Role Administrator");
    let first = code(&s, "ana");
    s.by("ana-adm", first).expect("somebody who has no proof yet gets the first from whoever may give it");
    let bind = Command::BindCredential {
        principal: s.id("ana"),
        method: Method::Password,
        bound: InVault { credential: CredentialId::from_u128(901), version: 1 },
        replaces: None,
    };
    s.by("ana", bind).expect("bound with a fresh proof");
    let again = code(&s, "ana");
    assert!(matches!(s.by("ana-adm", again), Err(Refusal::Climb { .. })), "her password would be as good as her code");
    let again = code(&s, "ana");
    s.by("dana", again).expect("another administrator may");
}

#[test]
fn nobody_becomes_the_approver_of_a_request_that_waits_by_resetting_one_of_its_own() {
    let mut s = Story::with_ana_eligible();
    assign(&mut s, "eve", "Helpdesk Administrator");
    s.asks("ana", ROOT, minutes(30));
    // From now on others approve; the request that waits keeps the approvers it was made with.
    let others = approvers(DEVICE_ADMINISTRATOR, vec![Approver::User(s.id("dana")), Approver::User(s.id("ana-adm"))]);
    s.by("dana", others).expect("changed");
    let command = code(&s, "ben");
    assert!(matches!(s.by("eve", command), Err(Refusal::NotAllowed { .. })), "ben can still decide");
    let request = s.state.open.iter().next().expect("one waits").1;
    s.by("ben", Command::DecideRequest { request, stage: 0, approve: false, reason: Some("no".into()) })
        .expect("decided");
    let command = code(&s, "ben");
    s.by("eve", command).expect("now he decides nothing any more");
}

#[test]
fn nobody_widens_a_role_or_a_unit_that_any_of_their_accounts_gains_by() {
    let mut s = Story::new();
    let role = RoleId::from_u128(0xc0ffee);
    let define = Command::CreateRole {
        role,
        name: "Caretaker".into(),
        description: "".into(),
        actions: vec![
            "microsoft.directory/roleDefinitions/create".into(),
            "microsoft.directory/roleDefinitions/standard/update".into(),
            "microsoft.directory/administrativeUnits/allProperties/allTasks".into(),
        ],
        enabled: true,
        version: None,
    };
    s.by("dana", define).expect("defined");
    assign(&mut s, "ana-adm", "Caretaker");
    let give = |s: &Story, sort, target| Command::Assign {
        sort,
        terms: Terms {
            reason: Some("test".into()),
            ..Terms::of(s.id("ana"), target, Expiration::For(Span::from_hours(6)))
        },
    };
    // Ana's other account may define roles, and ana is eligible for this one.
    let eligible = give(&s, Sort::Eligibility, Target::role(role, Scope::Tenant));
    s.by("dana", eligible).expect("eligible");
    let widen = |more: &str| Command::UpdateRole {
        role,
        name: None,
        description: None,
        actions: Some(vec!["microsoft.directory/roleDefinitions/create".into(), more.into()]),
        enabled: None,
        version: None,
    };
    let wider = widen("microsoft.directory/users/delete");
    assert!(matches!(s.by("ana-adm", wider), Err(Refusal::Climb { .. })), "her own role, whichever account holds it");

    // Nor does one who only defines roles make others powerful, or a weak account worth stealing.
    s.by(
        "dana",
        Command::CreateRole {
            role: RoleId::from_u128(0xbee),
            name: "Harmless".into(),
            description: "".into(),
            actions: vec!["microsoft.directory/groups/standard/read".into()],
            enabled: true,
            version: None,
        },
    )
    .expect("defined");
    let more = |action: &str| Command::UpdateRole {
        role: RoleId::from_u128(0xbee),
        name: None,
        description: None,
        actions: Some(vec!["microsoft.directory/groups/standard/read".into(), action.into()]),
        enabled: None,
        version: None,
    };
    let powerful = more("microsoft.directory/roleAssignments/create");
    assert!(matches!(s.by("ana-adm", powerful.clone()), Err(Refusal::NotAllowed { .. })));
    s.by("ana-adm", more("microsoft.directory/devices/standard/read")).expect("what gives no power she may add");
    s.by("dana", powerful).expect("whoever manages roles may");
    assign(&mut s, "eve", "Helpdesk Administrator");
    let command = code(&s, "ana-adm");
    assert!(matches!(s.by("eve", command), Err(Refusal::NotAllowed { .. })), "who defines roles is powerful");

    let unit = UnitId::from_u128(0xa1);
    s.by("dana", Command::CreateUnit { unit, name: "unit".into(), description: "".into() }).expect("unit");
    let host = enrols_host(&mut s);
    let root_here = Target::role(DEVICE_ADMINISTRATOR, Scope::Unit(unit));
    let moves = || Command::AddToUnit { unit, object: host.0 };
    for sort in [Sort::Assignment, Sort::Eligibility] {
        let command = give(&s, sort, root_here);
        s.by("dana", command).expect("given");
        assert!(matches!(s.by("ana-adm", moves()), Err(Refusal::Climb { .. })), "root by moving a host: {sort:?}");
        let remove =
            Command::Remove { sort, principal: s.id("ana"), target: root_here, when: Removal::Now, reason: None };
        s.by("dana", remove).expect("taken");
    }
    s.by("ana-adm", moves()).expect("who gains nothing by it may");
}

#[test]
fn nobody_signs_an_emergency_account_out_but_itself() {
    let mut s = Story::new();
    let command = Command::EndSessions { principal: s.id("emergency-1") };
    for who in ["dana", "emergency-2"] {
        assert!(matches!(s.by(who, command.clone()), Err(Refusal::Conflict { .. })), "{who}");
    }
    assert!(s.by("emergency-1", command).is_ok());
    assert!(s.by("dana", Command::EndSessions { principal: s.id("ana") }).is_ok(), "anybody else's may be ended");
}

#[test]
fn the_name_on_an_emergency_accounts_paper_is_not_changed() {
    let mut s = Story::new();
    let rename = |s: &Story, name: Option<&str>, upn: Option<&str>| Command::UpdateUser {
        user: s.id("emergency-1"),
        name: name.map(Into::into),
        upn: upn.map(Into::into),
        enabled: None,
        person: None,
    };
    let other = rename(&s, None, Some("unknown@northwind.example"));
    assert!(matches!(s.by("dana", other), Err(Refusal::Conflict { .. })));
    assert!(s.state.user_named("emergency-1@northwind.example").is_some());
    let same = rename(&s, Some("Break glass"), Some("EMERGENCY-1@northwind.example"));
    s.by("dana", same).expect("its shown name, and the same user principal name in other letters");
    let emergency = s.state.user_named("emergency-1@northwind.example").expect("it").id;
    let join = Command::AddMember { group: s.id("security"), member: emergency };
    assert!(matches!(s.by("dana", join), Err(Refusal::Conflict { .. })), "and it stands alone");
}

#[test]
fn deleting_takes_the_permission_for_what_is_deleted() {
    let mut s = Story::new();
    let service = PrincipalId::from_u128(0x5e);
    s.by("dana", Command::CreateService { service, name: "robot".into(), app: Uuid::from_u128(7) }).expect("made");
    for (what, fits, others) in [
        (s.id("eve"), "User.ReadWrite.All", ["Group.ReadWrite.All", "Application.ReadWrite.All"]),
        (s.id("security"), "Group.ReadWrite.All", ["User.ReadWrite.All", "Application.ReadWrite.All"]),
        (service, "Application.ReadWrite.All", ["User.ReadWrite.All", "Group.ReadWrite.All"]),
    ] {
        let with = |s: &Story, scope: &str| Caller { scopes: Some(vec![scope.into()].into()), ..s.caller("dana") };
        for scope in others {
            let caller = with(&s, scope);
            let refused = s.run(caller, Command::DeletePrincipal { principal: what });
            assert!(matches!(refused, Err(Refusal::MissingScope { .. })), "{scope}");
        }
        let caller = with(&s, fits);
        s.run(caller, Command::DeletePrincipal { principal: what }).expect(fits);
    }
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
    let loosen =
        Command::ChangeRules { role: DEVICE_ADMINISTRATOR, changes: vec![RuleChange::Approval(none)], seen: None };
    // Ana's second account manages roles; her first is eligible for this one.
    assert!(matches!(s.by("ana-adm", loosen.clone()), Err(Refusal::Climb { .. })));
    let older = Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::Freshness { mfa_age_max: Span::from_hours(1) }],
        seen: None,
    };
    assert!(matches!(s.by("ana-adm", older), Err(Refusal::Climb { .. })));
    let me = approvers(DEVICE_ADMINISTRATOR, vec![Approver::User(s.id("eve"))]);
    assert!(matches!(s.by("ana-adm", me), Err(Refusal::Climb { .. })), "a friend as the only approver");
    let stricter = Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::ActivationExpiration { span_max: minutes(30) }],
        seen: None,
    };
    s.by("ana-adm", stricter).expect("tightening is always allowed");
    s.by("dana", loosen).expect("somebody else may");
}

#[test]
fn a_change_worked_out_from_rules_that_are_gone_changes_nothing() {
    let mut s = Story::with_ana_eligible();
    let change = |seen: &Rules, ticket| Command::ChangeRules {
        role: DEVICE_ADMINISTRATOR,
        changes: vec![RuleChange::ActivationEnablement {
            mfa: seen.activation.mfa,
            reason: seen.activation.reason,
            ticket,
        }],
        seen: Some(Box::new(seen.clone())),
    };
    let rules = |s: &Story| Rules::clone(&s.state.rules[&DEVICE_ADMINISTRATOR]);
    let seen = rules(&s);
    let was = seen.activation.ticket;
    let (first, second) = (change(&seen, !was), change(&seen, was));
    s.by("dana", first.clone()).expect("as they were");
    let tightened = rules(&s);
    assert_eq!(tightened.activation.ticket, !was);
    assert_eq!(s.by("dana", second), Err(Refusal::Changed { what: "rules" }));
    assert_eq!(s.by("dana", first), Err(Refusal::Changed { what: "rules" }), "not even the same again");
    assert!(matches!(s.by("eve", change(&seen, true)), Err(Refusal::NotAllowed { .. })), "who may not learns nothing");
    assert_eq!(rules(&s), tightened);
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
                terms: Terms {
                    reason: Some("please".into()),
                    ..Terms::of(
                        s.id(who),
                        Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant),
                        Expiration::For(Span::from_hours(1)),
                    )
                },
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
        terms: Terms {
            reason: Some("x".into()),
            ..Terms::of(s.id("emergency-2"), GLOBAL, Expiration::For(Span::from_hours(1)))
        },
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

#[test]
fn an_emergency_account_is_in_no_group_from_the_beginning_either() {
    let mut s = Story::new();
    let members = vec![s.id("eve"), s.id("emergency-1")];
    let command = Command::CreateGroup {
        group: PrincipalId::from_u128(620),
        name: "with glass".into(),
        description: "".into(),
        role_assignable: false,
        owners: vec![],
        members,
    };
    assert!(matches!(s.by("dana", command), Err(Refusal::Conflict { .. })));
}

#[test]
fn groups_made_around_groups_are_bounded_in_depth() {
    let mut s = Story::new();
    let mut made = 0;
    for n in 0..100u128 {
        let command = Command::CreateGroup {
            group: PrincipalId::from_u128(7000 + n),
            name: alloc::format!("level {n}"),
            description: "".into(),
            role_assignable: false,
            owners: vec![],
            members: if n == 0 { vec![] } else { vec![PrincipalId::from_u128(7000 + n - 1)] },
        };
        match s.by("dana", command) {
            Ok(_) => made += 1,
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::TooMany { .. }), "{refusal:?}");
                break;
            }
        }
    }
    assert!(made <= 50, "{made}");
}
