//! Attacks on signing in: guessing, spraying, racing, replaying, and what is worth nothing after a sign-out.

use super::*;
use crate::store::place::Place;
use crate::vault::SealKey;

#[tokio::test]
async fn somebody_signs_in_and_the_token_says_how_and_when() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let caller = house.identity.caller(&issued.access, &origin(1)).await.unwrap();
    assert_eq!(caller.principal, Some(ANA));
    let at = Some(Time::from_millis(house.now().seconds() * 1000));
    assert_eq!((caller.proof.signed_in, caller.proof.mfa, caller.proof.emergency), (at, at, false));
    assert!(caller.scopes.unwrap().iter().any(|s| s == "RoleAssignmentSchedule.ReadWrite.Directory"));
    assert_eq!(issued.seconds, 3600);
    let claims: serde_json::Value =
        serde_json::from_slice(&B64.decode(issued.access.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!(claims["iss"], format!("https://writ.example/{TENANT}/v2.0"));
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert_eq!(claims["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
    assert_eq!(claims["oid"], ANA.to_string());
    assert!(house.told().await.ends_with(&["Succeeded 1".to_owned()]));
}

#[tokio::test]
async fn names_are_found_in_any_case_and_by_their_first_part_and_odd_ones_are_nobody() {
    let (house, app) = House::with_ana().await;
    house.create(PrincipalId::from_u128(0xb), "Ärger.Öl@Northwind.example").await;
    house.create(PrincipalId::from_u128(0xc), "two@northwind.example").await;
    house.create(PrincipalId::from_u128(0xd), "two@other.example").await;
    let state = house.identity.state();
    for (name, who) in [
        ("ana", Some(0xa)),
        (" ANA@NORTHWIND.EXAMPLE ", Some(0xa)),
        ("äRGER.öl@northwind.example", Some(0xb)),
        ("two", None),
        ("two@other.example", Some(0xd)),
        ("", None),
        ("@", None),
        ("an", None),
        ("ana@", None),
        ("ana\u{0}", None),
        ("ＡＮＡ@northwind.example", None),
        ("ana@northwind.example\u{200b}", None),
    ] {
        assert_eq!(sign_in::account(&state, name), who.map(PrincipalId::from_u128), "{name}");
    }
    assert_eq!(sign_in::account(&state, &"ana@".repeat(100_000)), None);
    house.wait(Span::from_seconds(30));
    assert!(house.signs_in("ANA", PASSWORD, &app.code(house.now()), 1).await.is_ok());
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same_and_no_right_changes() {
    let (house, app) = House::with_ana().await;
    let code = || app.code(house.now());
    let odd = "\u{202e}💥".repeat(60_000);
    for (n, (name, password, code)) in [
        ("ana", "four unrelated plain wordz", code()),
        ("ana", PASSWORD, "000000".to_owned()),
        ("ana", PASSWORD, String::new()),
        ("ana", "", code()),
        ("nobody@northwind.example", PASSWORD, code()),
        ("glass1@northwind.example", PASSWORD, code()),
        (odd.as_str(), odd.as_str(), odd.clone()),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = house.signs_in(name, password, &code, 100 + n as u32).await;
        assert!(wrong(&answer), "{n}: {answer:?}");
    }
    assert_eq!(house.rows(Kind::Session).await, 0);
    // The code was right once among them, and was not spent by a wrong password.
    assert!(house.signs_in("ana", PASSWORD, &code(), 1).await.is_ok());
}

#[tokio::test]
async fn an_unknown_name_costs_the_same_work_as_a_known_one() {
    let (house, app) = House::with_ana().await;
    let compared = || house.identity.0.passwords.compared();
    for (n, name) in ["ana", "bob", "glass1", "\u{202e}", ""].into_iter().enumerate() {
        for (password, code) in [("not the password at all", "123456"), (PASSWORD, "x"), ("", ""), (PASSWORD, "000000")]
        {
            let before = compared();
            assert!(wrong(&house.signs_in(name, password, code, 500 + n as u32).await));
            assert_eq!(compared() - before, 1, "{name} {password} {code}: one hash, no more and no less");
        }
    }
    let before = compared();
    house.ana_in(&app).await;
    assert_eq!(compared() - before, 1);
}

#[tokio::test]
async fn a_code_is_good_for_one_sign_in() {
    let (house, app) = House::with_ana().await;
    house.wait(Span::from_seconds(30));
    let code = app.code(house.now());
    assert!(house.signs_in("ana", PASSWORD, &code, 1).await.is_ok());
    assert!(wrong(&house.signs_in("ana", PASSWORD, &code, 1).await), "replayed");
    house.wait(Span::from_seconds(30));
    assert!(wrong(&house.signs_in("ana", PASSWORD, &code, 2).await), "replayed from elsewhere, a step later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_race_with_one_code_one_is_in() {
    let (house, app) = House::with_ana().await;
    house.ana_in(&app).await;
    house.wait(Span::from_seconds(30));
    let code = app.code(house.now());
    let mut race = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (identity, code) = (house.identity.clone(), code.clone());
        race.spawn(
            async move { identity.with_password("ana", text(PASSWORD), &code, tokens(), &origin(1)).await.is_ok() },
        );
    }
    let mut within = 0;
    while let Some(is_in) = race.join_next().await {
        within += u32::from(is_in.unwrap());
    }
    assert_eq!(within, 1);
}

#[tokio::test]
async fn of_many_who_have_read_the_same_row_one_consumes_the_code() {
    // In a real file reading waits, so several have read before the first one writes.
    let dir = tempfile::tempdir().unwrap();
    let place = Place::hold(dir.path(), TENANT).unwrap();
    let house = House::founded_with(Vault::open(&place, &SealKey::new([1; 32])).unwrap()).await;
    house.create(ANA, "ana@northwind.example").await;
    let code = house.code_for(ANA).await;
    let app = house.enrols(&code).await;
    for _ in 0..10 {
        house.wait(Span::from_seconds(30));
        let (now, code) = (house.now(), app.code(house.now()));
        let mut race = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (identity, code) = (house.identity.clone(), code.clone());
            race.spawn(async move { identity.consume(&identity.state(), ANA, &code, now).await.unwrap().is_some() });
        }
        let won = race.join_all().await.into_iter().filter(|won| *won).count();
        assert_eq!(won, 1);
    }
}

#[tokio::test]
async fn a_code_is_good_for_one_of_sign_in_and_step_up() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let used = app.code(house.now());
    assert!(wrong(&house.identity.step_up(&issued.access, &used, &origin(1)).await));
}

#[tokio::test]
async fn stepping_up_gives_a_fresh_proof_and_refreshing_never_does() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let first = house.now().seconds();
    house.wait(Span::from_minutes(20));
    let raised = house.identity.step_up(&issued.access, &app.code(house.now()), &origin(1)).await.unwrap();
    let second = house.now().seconds();
    let mfa = |caller: Caller| caller.proof.mfa.unwrap().seconds();
    assert_eq!(mfa(house.identity.caller(&raised.access, &origin(1)).await.unwrap()), second);
    assert_eq!(
        mfa(house.identity.caller(&issued.access, &origin(1)).await.unwrap()),
        first,
        "the old one says the old"
    );
    assert!(raised.refresh.is_none());
    house.wait(Span::from_minutes(20));
    let refreshed = house
        .identity
        .with_refresh_token(issued.refresh.unwrap().value(), scopes::wish("").unwrap(), &origin(1))
        .await
        .unwrap();
    let caller = house.identity.caller(&refreshed.access, &origin(1)).await.unwrap();
    assert_eq!(caller.proof.signed_in.unwrap().seconds(), first);
    assert_eq!(mfa(caller), second);
}

#[tokio::test]
async fn guessing_codes_with_a_stolen_token_is_slowed_and_ends_nothing() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let mut waits = 0;
    for _ in 0..20 {
        match house.identity.step_up(&issued.access, "000000", &origin(66)).await {
            Err(Denied::Wait(_)) => waits += 1,
            other => assert!(wrong(&other)),
        }
    }
    assert_eq!(waits, 15);
    assert!(house.identity.caller(&issued.access, &origin(1)).await.is_ok());
    house.wait(Span::from_minutes(1));
    assert!(house.signs_in("ana", PASSWORD, &app.code(house.now()), 1).await.is_ok());
}

#[tokio::test]
async fn spraying_is_slowed_counted_and_neither_disables_nor_locks_out() {
    let (house, app) = House::with_ana().await;
    house.ana_in(&app).await;
    let mut waits = 0;
    for n in 0..60 {
        match house.signs_in("ana", "Password1234", "123456", 1000 + n).await {
            Err(Denied::Wait(seconds)) => {
                assert!(seconds >= 1);
                waits += 1;
            }
            other => assert!(wrong(&other)),
        }
    }
    assert_eq!(waits, 55);
    let state = house.identity.state();
    assert!(holds::enabled(&state, ANA));
    house.ana_in(&app).await;
    house.wait(Span::from_minutes(11));
    house.identity.tend().await.unwrap();
    let told = house.told().await;
    let failed: Vec<&str> =
        told.iter().map(String::as_str).filter(|t| t.starts_with("Fail") || t.starts_with("Thr")).collect();
    assert_eq!(failed, ["Failed 1", "Throttled 1", "Failed 4", "Throttled 54"], "repeats are counted, not repeated");
}

/// Failures of unknown names are counted together, those of an account apart, and the first of each is noted: if the
/// answer waited for the entry, the time it takes would tell which names exist.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_failed_sign_in_does_not_wait_for_the_log() {
    let (house, _app) = House::with_ana().await;
    let emergency = |name: &'static str| {
        let identity = house.identity.clone();
        async move { identity.with_emergency_secret(name, "guess", tokens(), &origin(1)).await }
    };
    let soon = |answer| tokio::time::timeout(std::time::Duration::from_secs(5), answer);
    let stuck = house.log.pause();
    for name in ["glass1@northwind.example", "ana@northwind.example", "nobody@northwind.example"] {
        assert!(wrong(&soon(emergency(name)).await.expect("told at once")), "{name}");
    }
    for name in ["ana@northwind.example", "nobody@northwind.example"] {
        let (house, name) = (&house, name.to_owned());
        let signs_in = async { house.identity.with_password(&name, text("x"), "1", tokens(), &origin(1)).await };
        let told = tokio::time::timeout(std::time::Duration::from_secs(20), signs_in).await;
        assert!(wrong(&told.expect("told without the log")), "{name}");
    }
    drop(stuck);
    let noted = async {
        loop {
            let told = house.told().await;
            // Two accounts by a secret, one of them by a password, and one for all the names that nobody has.
            if told.iter().filter(|t| *t == "Failed 1").count() == 4 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), noted).await.expect("and it is on record all the same");
}

#[tokio::test]
async fn an_emergency_account_cannot_be_kept_out() {
    let (house, _app) = House::with_ana().await;
    let glass = &house.founded.emergency[0];
    // Everything else is busy: the queue for passwords is full, and the account was sprayed.
    for n in 0..40 {
        assert!(house.signs_in(&glass.upn, "Password1234", "123456", n).await.is_err());
        let guess = house.identity.with_emergency_secret(&glass.upn, "AAAA-BBBB", tokens(), &origin(n)).await;
        assert!(wrong(&guess));
    }
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let passwords = house.identity.0.passwords.clone();
            tokio::spawn(async move { passwords.verify(text("guess"), None).await })
        })
        .collect();
    // Until everybody in the flood has come to the queue.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    house.wait(Span::from_hours(1));
    let late = house.signs_in("dana@northwind.example", "Password1234", "123456", 77).await;
    assert!(matches!(late, Err(Denied::Busy)), "the queue for passwords is full: {late:?}");
    let typed = glass.secret.shown().to_lowercase().replace('-', " ");
    let signed_in = house.identity.with_emergency_secret(&glass.upn, &typed, tokens(), &origin(3)).await.unwrap();
    let issued = signed_in.tokens.unwrap();
    let caller = house.identity.caller(&issued.access, &origin(3)).await.unwrap();
    assert!(caller.proof.emergency && issued.refresh.is_none());
    for guess in flood {
        let _ = guess.await;
    }
    // The secret of one account opens no other, nor does it serve as a password.
    let other = &house.founded.emergency[1].upn;
    for upn in [other.as_str(), "ana@northwind.example", "dana@northwind.example", "nobody@northwind.example"] {
        assert!(wrong(&house.identity.with_emergency_secret(upn, &typed, tokens(), &origin(3)).await));
    }
    house.wait(Span::from_hours(1));
    assert!(house.identity.caller(&issued.access, &origin(3)).await.is_err());
}

#[tokio::test]
async fn a_lost_emergency_secret_is_replaced_at_the_console_and_the_old_one_is_void() {
    let house = House::founded().await;
    let glass = &house.founded.emergency[0];
    let recovered = house.identity.recover_emergency("Glass", &glass.upn).await.unwrap();
    assert_eq!(recovered.principal, glass.principal);
    let with = |upn: String, secret: String| {
        let identity = house.identity.clone();
        async move { identity.with_emergency_secret(&upn, &secret, tokens(), &origin(1)).await }
    };
    assert!(wrong(&with(glass.upn.clone(), glass.secret.shown().into()).await));
    assert!(with(glass.upn.clone(), recovered.secret.shown().into()).await.is_ok());
    let third = house.identity.recover_emergency("Glass 3", "glass3@northwind.example").await.unwrap();
    assert!(with(third.upn.clone(), third.secret.shown().into()).await.is_ok());
    assert!(
        house.identity.recover_emergency("Dana", "dana@northwind.example").await.is_err(),
        "not an emergency account"
    );
    assert!(house.told().await.contains(&"emergency_minted".to_owned()));
    assert_eq!(house.rows(Kind::EmergencySecret).await, 3);
}

#[tokio::test]
async fn a_session_that_was_signed_out_is_worth_nothing() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let session = house.identity.caller(&issued.access, &origin(1)).await.unwrap().session.unwrap();
    assert!(house.identity.sign_out(ANA, session, &origin(1)).await.unwrap());
    assert!(!house.identity.sign_out(ANA, session, &origin(1)).await.unwrap());
    assert!(signed_out(&house.identity.caller(&issued.access, &origin(1)).await), "though the token has not expired");
    assert!(signed_out(
        &house
            .identity
            .with_refresh_token(issued.refresh.unwrap().value(), scopes::wish("").unwrap(), &origin(1))
            .await
    ));
    house.wait(Span::from_seconds(30));
    assert!(signed_out(&house.identity.step_up(&issued.access, &app.code(house.now()), &origin(1)).await));
    assert!(house.told().await.ends_with(&["SignedOut 1".to_owned()]));
}

#[tokio::test]
async fn a_refresh_token_that_was_used_ends_the_session_and_is_on_record() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let stolen = issued.refresh.unwrap();
    let next = house.identity.with_refresh_token(stolen.value(), scopes::wish("").unwrap(), &origin(1)).await.unwrap();
    assert!(signed_out(
        &house.identity.with_refresh_token(stolen.value(), scopes::wish("").unwrap(), &origin(66)).await
    ));
    assert!(signed_out(&house.identity.caller(&next.access, &origin(1)).await));
    assert!(house.told().await.ends_with(&["RefreshReused 1".to_owned()]));
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_stays_out() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let enable =
        |enabled| Command::UpdateUser { user: ANA, name: None, upn: None, enabled: Some(enabled), person: None };
    house.by_dana(enable(false)).await.unwrap();
    assert!(signed_out(&house.identity.caller(&issued.access, &origin(1)).await));
    house.wait(Span::from_seconds(30));
    let answer = house.signs_in("ana", PASSWORD, &app.code(house.now()), 1).await;
    assert!(matches!(answer, Err(Denied::Disabled)), "told to whoever has the proofs");
    assert!(wrong(&house.signs_in("ana", "not the password at all", "123456", 2).await), "and to nobody else");
}

#[tokio::test]
async fn a_cookie_is_no_token_and_a_token_is_no_cookie() {
    let (house, app) = House::with_ana().await;
    house.wait(Span::from_seconds(30));
    let code = app.code(house.now());
    let page = house.identity.with_password("ana", text(PASSWORD), &code, For::Page, &origin(1)).await.unwrap();
    assert!(page.tokens.is_none());
    let cookie = page.cookie.unwrap();
    let (caller, session) = house.identity.page_caller(cookie.value(), &origin(1)).await.unwrap();
    assert_eq!((caller.principal, caller.scopes), (Some(ANA), None));
    assert_eq!(session, page.session);
    let issued = house.ana_in(&app).await;
    assert!(house.identity.page_caller(&issued.access, &origin(1)).await.is_err());
    assert!(house.identity.page_caller(issued.refresh.as_ref().unwrap().value(), &origin(1)).await.is_err());
    assert!(house.identity.caller(cookie.value(), &origin(1)).await.is_err());
    assert!(house.identity.with_refresh_token(cookie.value(), scopes::wish("").unwrap(), &origin(1)).await.is_err());
}

#[tokio::test]
async fn a_token_for_another_api_is_not_made() {
    let (house, app) = House::with_ana().await;
    let wish = scopes::wish("https://vault.azure.net/.default").unwrap();
    let code = app.code(house.now());
    let answer = house.identity.with_password("ana", text(PASSWORD), &code, For::Tokens(wish), &origin(1)).await;
    assert!(matches!(answer, Err(Denied::Token(Unaccepted::Audience))));
    let wish = scopes::wish("https://writ.example/User.Read").unwrap();
    let issued = house.identity.with_password("ana", text(PASSWORD), &code, For::Tokens(wish), &origin(1)).await;
    let caller = house.identity.caller(&issued.unwrap().tokens.unwrap().access, &origin(1)).await.unwrap();
    assert_eq!(*caller.scopes.unwrap(), ["User.Read".to_owned()]);
}

/// Clients that are given a token show whose it is by what stands in it.
#[tokio::test]
async fn a_token_says_the_name_of_its_holder() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let body = B64.decode(issued.access.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(claims["upn"], "Ana@Northwind.example");
    assert_eq!(claims["oid"], claims["sub"]);
}
