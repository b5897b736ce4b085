//! Single-use codes and the factors they bind.

use crate::command::*;
use crate::event::Event;
use crate::ids::*;
use crate::refusal::Refusal;
use crate::story::*;
use crate::time::Span;
use alloc::vec::Vec;

const CODE: CredentialId = CredentialId::from_u128(0xc0de);

fn in_vault(n: u128) -> InVault {
    InVault { credential: CredentialId::from_u128(n), version: 1 }
}

fn uses(s: &Story, name: &str, first: u128) -> Command {
    Command::UseCode { principal: s.id(name), code: CODE, password: in_vault(first), totp: in_vault(first + 1) }
}

fn with_a_code_for_ana() -> Story {
    let mut s = Story::new();
    let issue = Command::IssueCode { principal: s.id("ana"), code: CODE, expires: s.now + Span::from_hours(1) };
    s.by("dana", issue).expect("issued");
    s
}

#[test]
fn a_code_binds_both_factors_in_one_go_and_is_used_up_by_it() {
    let mut s = with_a_code_for_ana();
    let before = s.log.len();
    let command = uses(&s, "ana", 1);
    s.by("ana", command).expect("bound");
    let kinds: Vec<_> = s.log[before..].iter().map(|(_, e)| e.kind()).collect();
    assert_eq!(kinds, ["credential_bound", "credential_bound"]);
    assert!(s.state.codes.is_empty());
    let command = uses(&s, "ana", 3);
    assert!(matches!(s.by("ana", command), Err(Refusal::NoSuch { .. })), "once");
    assert_eq!(s.state.credentials.len(), 2);
}

#[test]
fn what_was_bound_before_goes_in_the_same_decision() {
    let mut s = with_a_code_for_ana();
    let command = uses(&s, "ana", 1);
    s.by("ana", command).expect("bound");
    let issue = Command::IssueCode { principal: s.id("ana"), code: CODE, expires: s.now + Span::from_hours(1) };
    s.by("dana", issue).expect("issued again");
    let command = uses(&s, "ana", 3);
    s.by("ana", command).expect("bound again");
    let left: Vec<_> = s.state.credentials.keys().map(|c| c.0.as_u128()).collect();
    assert_eq!(left, [3, 4]);
}

#[test]
fn nobody_uses_a_code_for_somebody_else_or_late_or_with_ids_that_are_taken() {
    let mut s = with_a_code_for_ana();
    let anas = uses(&s, "ana", 1);
    assert!(matches!(s.by("eve", anas.clone()), Err(Refusal::SelfOnly { .. })));
    let eves = uses(&s, "eve", 1);
    assert!(matches!(s.by("eve", eves), Err(Refusal::NoSuch { .. })), "it is Ana's code");
    let twice = Command::UseCode { principal: s.id("ana"), code: CODE, password: in_vault(1), totp: in_vault(1) };
    assert!(matches!(s.by("ana", twice), Err(Refusal::Taken { .. })));
    s.now = s.now + Span::from_hours(1);
    assert!(matches!(s.by("ana", anas), Err(Refusal::NoSuch { .. })), "it has expired");
    assert!(s.state.credentials.is_empty());
}

#[test]
fn a_factor_is_replaced_only_by_its_owner_and_by_one_of_its_kind() {
    let mut s = with_a_code_for_ana();
    let command = uses(&s, "ana", 1);
    s.by("ana", command).expect("bound");
    let bind = |s: &Story, method, new, old| Command::BindCredential {
        principal: s.id("ana"),
        method,
        bound: in_vault(new),
        replaces: Some(CredentialId::from_u128(old)),
    };
    for (method, old) in [(Method::Password, 2), (Method::Totp, 1), (Method::Password, 77)] {
        let command = bind(&s, method, 9, old);
        assert!(matches!(s.by("ana", command), Err(Refusal::NoSuch { .. })), "{method:?} {old}");
    }
    let command = bind(&s, Method::Password, 9, 1);
    assert!(matches!(s.by("dana", command.clone()), Err(Refusal::SelfOnly { .. })));
    s.by("ana", command).expect("changed");
    assert!(s.log.iter().rev().take(2).any(|(_, e)| matches!(e, Event::CredentialRemoved { .. })));
    let left: Vec<_> = s.state.credentials.keys().map(|c| c.0.as_u128()).collect();
    assert_eq!(left, [2, 9]);
}
