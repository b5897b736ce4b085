//! Attacks on how somebody gets their proofs: codes used twice, too late or by two at once, and what a new one voids.

use super::*;
use crate::store::memory::Mishap;

#[tokio::test]
async fn an_enrolment_code_is_good_once() {
    let house = House::founded().await;
    house.create(ANA, "ana@northwind.example").await;
    let code = house.code_for(ANA).await;
    let told = house.identity.invited(code.code.shown(), &origin(1)).await.unwrap();
    assert_eq!(
        (told.upn.as_str(), told.organisation.as_str(), told.replaces),
        ("ana@northwind.example", "Northwind", false)
    );
    let shown = code.code.shown();
    assert!(
        matches!(house.identity.confirm(shown, "123456", &origin(1)).await, Err(Denied::Code)),
        "nothing was chosen"
    );
    let unfit = house.identity.choose(shown, text("ana@northwind.example"), &origin(1)).await;
    assert!(matches!(unfit, Err(Denied::Unfit(password::Unfit::Name))));
    let app = house.enrols(&code).await;
    for answer in [
        house.identity.invited(shown, &origin(2)).await.err(),
        house.identity.choose(shown, text("a thief's own long password"), &origin(2)).await.err(),
        house.identity.confirm(shown, &app.code(house.now()), &origin(2)).await.err(),
    ] {
        assert!(matches!(answer, Some(Denied::Code)), "{answer:?}");
    }
    house.ana_in(&app).await;
    assert_eq!(house.rows(Kind::EnrolmentCode).await, 1, "only the administrator's own is left");
    assert!(!house.told().await.iter().any(|t| t.contains(shown)));
}

#[tokio::test]
async fn an_enrolment_code_expires_and_a_guess_is_no_code() {
    let house = House::founded().await;
    house.create(ANA, "ana@northwind.example").await;
    let code = house.code_for(ANA).await;
    let long = "A".repeat(1_000_000);
    for guess in ["", "AAAA-AAAA-AAAA-AAAA-AAAA", "../../x", long.as_str()] {
        assert!(matches!(house.identity.invited(guess, &origin(1)).await, Err(Denied::Code)));
    }
    house.wait(Span::from_hours(1));
    assert!(matches!(house.identity.invited(code.code.shown(), &origin(1)).await, Err(Denied::Code)));
    let mut waits = 0;
    for _ in 0..100 {
        waits += u32::from(matches!(house.identity.invited("AAAA", &origin(9)).await, Err(Denied::Wait(_))));
    }
    assert!(waits >= 60, "{waits}");
}

#[tokio::test]
async fn of_two_who_race_with_an_enrolment_code_one_binds_something() {
    let house = House::founded().await;
    house.create(ANA, "ana@northwind.example").await;
    let code = house.code_for(ANA).await;
    let shown = code.code.shown();
    let app = app(&house.identity.choose(shown, text(PASSWORD), &origin(1)).await.unwrap());
    let otp = app.code(house.now());
    let (from, to) = (origin(1), origin(2));
    let (a, b) = tokio::join!(house.identity.confirm(shown, &otp, &from), house.identity.confirm(shown, &otp, &to));
    assert_eq!([a.is_ok(), b.is_ok()].iter().filter(|ok| **ok).count(), 1, "{a:?} {b:?}");
    assert_eq!((house.rows(Kind::Password).await, house.rows(Kind::Totp).await), (1, 1), "the loser left nothing");
}

#[tokio::test]
async fn whoever_began_with_a_stolen_code_does_not_share_what_its_owner_binds() {
    let house = House::founded().await;
    house.create(ANA, "ana@northwind.example").await;
    let code = house.code_for(ANA).await;
    let shown = code.code.shown();
    let thief = app(&house.identity.choose(shown, text("a thief's own long password"), &origin(66)).await.unwrap());
    let ana = app(&house.identity.choose(shown, text(PASSWORD), &origin(1)).await.unwrap());
    let early = house.identity.confirm(shown, &thief.code(house.now()), &origin(66)).await;
    assert!(matches!(early, Err(Denied::NotConfirmed)));
    house.identity.confirm(shown, &ana.code(house.now()), &origin(1)).await.unwrap();
    house.wait(Span::from_seconds(60));
    assert!(wrong(&house.signs_in("ana", PASSWORD, &thief.code(house.now()), 66).await));
}

#[tokio::test]
async fn a_new_code_replaces_the_old_proofs_and_ends_their_sessions() {
    let (house, lost) = House::with_ana().await;
    let issued = house.ana_in(&lost).await;
    let code = house.code_for(ANA).await;
    assert!(house.identity.invited(code.code.shown(), &origin(1)).await.unwrap().replaces);
    house.wait(Span::from_seconds(30));
    let fresh = house.enrols(&code).await;
    assert!(signed_out(&house.identity.caller(&issued.access, &origin(1)).await));
    assert!(wrong(&house.signs_in("ana", PASSWORD, &lost.code(house.now()), 1).await), "the lost app is worth nothing");
    house.ana_in(&fresh).await;
    assert_eq!((house.rows(Kind::Password).await, house.rows(Kind::Totp).await), (1, 1));
}

#[tokio::test]
async fn only_who_may_reset_proofs_gets_a_code_and_a_refused_one_leaves_nothing() {
    let (house, app) = House::with_ana().await;
    let ana = house.identity.caller(&house.ana_in(&app).await.access, &origin(1)).await.unwrap();
    let before = house.rows(Kind::EnrolmentCode).await;
    for who in [ANA, house.founded.administrator, house.founded.emergency[0].principal] {
        let answer = house.identity.issue_code(ana.clone(), who, Span::from_hours(1)).await;
        assert!(matches!(answer, Err(Denied::Refused(_))), "{answer:?}");
    }
    let emergency = house.founded.emergency[0].principal;
    assert!(house.identity.issue_code(house.dana(), emergency, Span::from_hours(1)).await.is_err());
    assert_eq!(house.rows(Kind::EnrolmentCode).await, before);
}

#[tokio::test]
async fn another_factor_needs_a_fresh_proof_with_an_old_one() {
    let (house, phone) = House::with_ana().await;
    let issued = house.ana_in(&phone).await;
    let (credential, offered) = house.identity.offer_totp(ANA).await.unwrap();
    let tablet = app(&offered);
    house.wait(Span::from_minutes(6));
    let stale = house.identity.caller(&issued.access, &origin(1)).await.unwrap();
    let answer = house.identity.confirm_totp(stale, credential, &tablet.code(house.now())).await;
    assert!(matches!(answer, Err(Denied::Refused(_))), "{answer:?}");
    let raised = house.identity.step_up(&issued.access, &phone.code(house.now()), &origin(1)).await.unwrap();
    let fresh = house.identity.caller(&raised.access, &origin(1)).await.unwrap();
    let (credential, offered) = house.identity.offer_totp(ANA).await.unwrap();
    let tablet = app(&offered);
    let wrong_digits = house.identity.confirm_totp(fresh.clone(), credential, "000000").await;
    assert!(matches!(wrong_digits, Err(Denied::NotConfirmed)));
    let by_another = Caller { principal: Some(house.founded.administrator), ..fresh.clone() };
    assert!(house.identity.confirm_totp(by_another, credential, &tablet.code(house.now())).await.is_err());
    house.identity.confirm_totp(fresh, credential, &tablet.code(house.now())).await.unwrap();
    house.wait(Span::from_seconds(30));
    assert!(house.signs_in("ana", PASSWORD, &tablet.code(house.now()), 1).await.is_ok());
    house.ana_in(&phone).await;
}

#[tokio::test]
async fn a_password_is_changed_with_the_old_one_and_every_session_ends() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let caller = house.identity.caller(&issued.access, &origin(1)).await.unwrap();
    let change = |old: &str, new: &str| {
        let (identity, caller, old, new) = (house.identity.clone(), caller.clone(), text(old), text(new));
        async move { identity.change_password(caller, old, new, &origin(1)).await }
    };
    assert!(wrong(&change("not the old password", "five quite different plain words").await));
    assert!(matches!(change(PASSWORD, "short").await, Err(Denied::Unfit(_))));
    change(PASSWORD, "five quite different plain words").await.unwrap();
    assert!(signed_out(&house.identity.caller(&issued.access, &origin(1)).await));
    house.wait(Span::from_seconds(30));
    assert!(wrong(&house.signs_in("ana", PASSWORD, &app.code(house.now()), 1).await));
    house.wait(Span::from_seconds(30));
    let code = app.code(house.now());
    assert!(house.signs_in("ana", "five quite different plain words", &code, 1).await.is_ok());
}

#[tokio::test]
async fn a_secret_that_the_log_does_not_name_proves_nothing_and_is_collected() {
    let (house, app) = House::with_ana().await;
    // What somebody could leave who wrote to the vault and stopped, or who can write to it: a second password.
    let hash = house.identity.0.passwords.hash(text("planted by somebody")).await.unwrap();
    let orphan = Key::new(Kind::Password, ANA.to_string(), CredentialId(fresh_id()).to_string());
    house.vault.put(&orphan, Expected::Absent, hash.as_bytes(), None).await.unwrap();
    house.wait(Span::from_seconds(30));
    assert!(wrong(&house.signs_in("ana", "planted by somebody", &app.code(house.now()), 1).await));
    let engine = house.identity.0.engine.clone();
    let again = Identity::open(engine, house.vault.clone(), "https://writ.example", &[]).await.unwrap();
    assert!(house.vault.get(&orphan).await.unwrap().is_none(), "collected at the start");
    let issued = house.ana_in(&app).await;
    assert!(again.caller(&issued.access, &origin(1)).await.is_ok(), "a restart keeps keys, sessions and credentials");
    assert_eq!(
        again.credentials_of(ANA).await.unwrap().iter().map(|c| c.method).collect::<Vec<_>>(),
        [Method::Password, Method::Totp]
    );
}

#[tokio::test]
async fn a_newer_code_voids_the_one_before() {
    let house = House::founded().await;
    house.create(ANA, "ana@northwind.example").await;
    let (taken, newer) = (house.code_for(ANA).await, house.code_for(ANA).await);
    assert!(matches!(house.identity.invited(taken.code.shown(), &origin(66)).await, Err(Denied::Code)));
    let app = house.enrols(&newer).await;
    assert!(matches!(house.identity.choose(taken.code.shown(), text(PASSWORD), &origin(66)).await, Err(Denied::Code)));
    house.ana_in(&app).await;
}

#[tokio::test]
async fn a_session_dies_with_a_credential_it_was_proved_with() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let shown = house.identity.credentials_of(ANA).await.unwrap();
    let totp = shown.iter().find(|c| c.method == Method::Totp).unwrap().id;
    let glass = house.identity.just_proved(house.founded.emergency[1].principal, MORNING, &origin(3));
    let somebody_elses = house.identity.remove_credential(glass, house.founded.administrator, totp).await;
    assert!(matches!(somebody_elses, Err(Denied::Refused(_))));
    assert!(house.identity.caller(&issued.access, &origin(1)).await.is_ok());
    house.identity.remove_credential(house.dana(), ANA, totp).await.unwrap();
    assert!(signed_out(&house.identity.caller(&issued.access, &origin(1)).await));
    assert!(signed_out(
        &house
            .identity
            .with_refresh_token(issued.refresh.unwrap().value(), scopes::wish("").unwrap(), &origin(1))
            .await
    ));
    house.wait(Span::from_seconds(30));
    let code = app.code(house.now());
    assert!(wrong(&house.signs_in("ana", PASSWORD, &code, 1).await), "a password alone is not enough");
    assert_eq!(house.rows(Kind::Totp).await, 0);
}

/// A store that fails under a code: either both factors are bound and the old ones gone, or nothing is and the code is
/// still good.
#[tokio::test]
async fn a_fault_never_leaves_half_of_a_code_s_work() {
    use Mishap::{Before, LostAnswer, LostAnswerAndReads, LostAsk};
    for mishap in [Before, LostAsk, LostAnswer, LostAnswerAndReads(2)] {
        let (house, lost) = House::with_ana().await;
        let issued = house.ana_in(&lost).await;
        let code = house.code_for(ANA).await;
        let shown = code.code.shown();
        let fresh = app(&house.identity.choose(shown, text(PASSWORD), &origin(1)).await.unwrap());
        let appends = house.log.appends();
        house.log.plan([mishap]);
        let first = house.identity.confirm(shown, &fresh.code(house.now()), &origin(1)).await;
        house.log.calm();
        if first.is_err() {
            assert!(matches!(first, Err(Denied::Fault(_))), "{mishap:?}: {first:?}");
            assert_eq!(house.log.appends(), appends, "{mishap:?}");
            assert!(house.identity.caller(&issued.access, &origin(1)).await.is_ok(), "{mishap:?}: nothing has changed");
            house.ana_in(&lost).await;
            house.identity.confirm(shown, &fresh.code(house.now()), &origin(1)).await.unwrap();
        } else {
            assert_eq!(house.log.appends(), appends + 1, "{mishap:?}: one append");
        }
        assert!(signed_out(&house.identity.caller(&issued.access, &origin(1)).await), "{mishap:?}");
        assert!(matches!(house.identity.invited(shown, &origin(1)).await, Err(Denied::Code)));
        house.ana_in(&fresh).await;
        let methods: Vec<_> = house.identity.credentials_of(ANA).await.unwrap().iter().map(|c| c.method).collect();
        assert_eq!(methods, [Method::Password, Method::Totp], "{mishap:?}");
        // What a fault left behind in the vault is named by nothing, and goes with the next start.
        Identity::open(house.engine(), house.vault.clone(), "https://writ.example", &[]).await.unwrap();
        assert_eq!((house.rows(Kind::Password).await, house.rows(Kind::Totp).await), (1, 1), "{mishap:?}");
        house.ana_in(&fresh).await;
    }
}

#[tokio::test]
async fn a_fault_while_a_password_is_changed_leaves_the_old_one_or_the_new_one() {
    for mishap in [Mishap::Before, Mishap::LostAsk, Mishap::LostAnswer] {
        let (house, app) = House::with_ana().await;
        let issued = house.ana_in(&app).await;
        let caller = house.identity.caller(&issued.access, &origin(1)).await.unwrap();
        house.log.plan([mishap]);
        let new = "five quite different plain words";
        let changed = house.identity.change_password(caller, text(PASSWORD), text(new), &origin(1)).await;
        house.log.calm();
        let (works, does_not) = if changed.is_ok() { (new, PASSWORD) } else { (PASSWORD, new) };
        house.wait(Span::from_seconds(30));
        assert!(wrong(&house.signs_in("ana", does_not, &app.code(house.now()), 1).await), "{mishap:?}");
        house.wait(Span::from_seconds(30));
        assert!(house.signs_in("ana", works, &app.code(house.now()), 1).await.is_ok(), "{mishap:?}");
        assert_eq!(signed_out(&house.identity.caller(&issued.access, &origin(1)).await), changed.is_ok(), "{mishap:?}");
    }
}

#[tokio::test]
async fn no_number_of_offers_hides_the_factor_that_counts() {
    let (house, phone) = House::with_ana().await;
    let mut offered = 0;
    for _ in 0..100 {
        offered += u32::from(house.identity.offer_totp(ANA).await.is_ok());
    }
    assert_eq!(offered, 9);
    house.ana_in(&phone).await;
    house.wait(Span::from_minutes(16));
    house.identity.tend().await.unwrap();
    assert!(house.identity.offer_totp(ANA).await.is_ok(), "old offers go");
}
