//! Attacks on signing in, each with what it meets. The engine and the vault are real, in memory; the clock is moved by
//! hand.

use super::enrol::IssuedCode;
use super::founding::{Founded, Founding};
use super::sign_in::{For, Issued, SignedIn};
use super::*;
use crate::clock::Clock;
use crate::engine::{Start, fresh_id};
use crate::store::memory::Log;
use crate::store::{Store, memory};
use crate::vault::{Expected, Key, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use totp::Totp;
use writ_core::command::{Command, Method, NewUser};
use writ_core::event::Event;
use writ_core::ids::{CredentialId, PersonId};
use writ_core::log::checkpoint::SigningKey;
use writ_core::log::open;
use writ_core::rules::RuleChoice;
use writ_core::time::Span;
use zeroize::Zeroizing;

pub(crate) const TENANT: TenantId = TenantId::from_u128(0x7e7a);
const MORNING: Time = Time::from_millis(1_790_000_000_000);
pub(crate) const ANA: PrincipalId = PrincipalId::from_u128(0xa);
pub(crate) const PASSWORD: &str = "four unrelated plain words";

pub(crate) struct House {
    pub(crate) log: memory::Log,
    pub(crate) vault: Vault,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity,
    pub(crate) founded: Founded,
}

/// What Ana has: her app with the secret.
pub(crate) struct App(Totp);

impl App {
    pub(crate) fn code(&self, at: Time) -> String {
        self.0.code(at).unwrap().to_string()
    }
}

fn origin(n: u32) -> Origin {
    let address = Some(IpAddr::V4((0x0a00_0000 + n).into()));
    Origin { address, agent: "test".into(), via: Via::Api, correlation: None }
}

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn tokens() -> For {
    For::Tokens(scopes::wish("").unwrap())
}

/// An app that has the secret which was offered.
pub(crate) fn app(offered: &enrol::Offered) -> App {
    App(Totp::with_seed(&offered.seed).unwrap())
}

async fn engine(log: &Log, clock: &Clock) -> Engine {
    let start = Start {
        tenant: TENANT,
        store: Store::Memory(log.clone()),
        clock: clock.clone(),
        key: SigningKey::from_bytes(&[5; 32]),
        snapshot: None,
        last_words: Arc::new(|why| panic!("{why}")),
    };
    Engine::start(start).await.unwrap()
}

impl House {
    pub(crate) async fn founded() -> House {
        let (log, clock, vault) = (Log::new(), Clock::by_hand(MORNING), Vault::memory(TENANT, [1; 32]));
        let engine = engine(&log, &clock).await;
        let identity = Identity::open(engine, vault.clone(), "https://writ.example/", &[]).await.unwrap();
        let pair = |name: &str| (name.to_owned(), format!("{name}@northwind.example"));
        let founding = Founding {
            name: "Northwind".into(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            setup: Span::from_hours(8),
            administrator: pair("dana"),
            emergency: [pair("glass1"), pair("glass2")],
            code_span: Span::from_days(1),
        };
        let founded = identity.found(founding).await.unwrap();
        House { log, vault, clock, identity, founded }
    }

    /// Ana has a password and an app.
    pub(crate) async fn with_ana() -> (House, App) {
        let house = House::founded().await;
        house.create(ANA, "Ana@Northwind.example").await;
        let code = house.code_for(ANA).await;
        let app = house.enrols(&code).await;
        (house, app)
    }

    pub(crate) async fn create(&self, id: PrincipalId, upn: &str) {
        let person = PersonId(id.0);
        let user = NewUser { id, person, name: upn.split('@').next().unwrap().into(), upn: upn.into() };
        self.by_dana(Command::CreateUser(user)).await.unwrap();
    }

    async fn by_dana(&self, command: Command) -> Result<(), Wrong> {
        self.identity.0.engine.submit(command, self.dana()).await.map(|_| ())
    }

    /// The first administrator, freshly signed in.
    fn dana(&self) -> Caller {
        self.identity.just_proved(self.founded.administrator, self.now(), &origin(250))
    }

    pub(crate) async fn code_for(&self, who: PrincipalId) -> IssuedCode {
        self.identity.issue_code(self.dana(), who, Span::from_hours(1)).await.unwrap()
    }

    async fn enrols(&self, code: &IssuedCode) -> App {
        let code = code.code.shown();
        let app = app(&self.identity.choose(code, text(PASSWORD), &origin(1)).await.unwrap());
        self.identity.confirm(code, &app.code(self.now()), &origin(1)).await.unwrap();
        self.wait(Span::from_seconds(60));
        app
    }

    pub(crate) fn now(&self) -> Time {
        self.identity.now()
    }

    pub(crate) fn wait(&self, span: Span) {
        self.clock.advance(span);
    }

    async fn signs_in(&self, name: &str, password: &str, code: &str, from: u32) -> Result<SignedIn, Denied> {
        self.identity.with_password(name, text(password), code, tokens(), &origin(from)).await
    }

    /// Ana signs in with a fresh code.
    async fn ana_in(&self, app: &App) -> Issued {
        self.wait(Span::from_seconds(30));
        let code = app.code(self.now());
        self.signs_in("ana@northwind.example", PASSWORD, &code, 1).await.unwrap().tokens.unwrap()
    }

    /// The kinds of what was logged, with how each sign-in went.
    async fn told(&self) -> Vec<String> {
        let store = Store::Memory(self.log.clone());
        let mut told = Vec::new();
        for entry in store.read(0, 1000).await.unwrap() {
            let envelope = open(&entry).unwrap();
            told.push(match Event::from_value(&envelope.kind, envelope.v, envelope.event).unwrap() {
                Event::SignInNoted { outcome, count, .. } => format!("{outcome:?} {count}"),
                event => event.kind().to_owned(),
            });
        }
        told
    }

    pub(crate) fn engine(&self) -> Engine {
        self.identity.0.engine.clone()
    }

    async fn rows(&self, kind: Kind) -> usize {
        self.vault.list(kind, None, 1000).await.unwrap().len()
    }
}

fn wrong<T>(answer: &Result<T, Denied>) -> bool {
    matches!(answer, Err(Denied::Wrong))
}

fn signed_out<T>(answer: &Result<T, Denied>) -> bool {
    matches!(answer, Err(Denied::Token(Unaccepted::SignedOut)))
}

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
    let refreshed = house.identity.with_refresh_token(issued.refresh.unwrap().value(), &origin(1)).await.unwrap();
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
    tokio::task::yield_now().await;
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
    assert!(signed_out(&house.identity.with_refresh_token(issued.refresh.unwrap().value(), &origin(1)).await));
    house.wait(Span::from_seconds(30));
    assert!(signed_out(&house.identity.step_up(&issued.access, &app.code(house.now()), &origin(1)).await));
    assert!(house.told().await.ends_with(&["SignedOut 1".to_owned()]));
}

#[tokio::test]
async fn a_refresh_token_that_was_used_ends_the_session_and_is_on_record() {
    let (house, app) = House::with_ana().await;
    let issued = house.ana_in(&app).await;
    let stolen = issued.refresh.unwrap();
    let next = house.identity.with_refresh_token(stolen.value(), &origin(1)).await.unwrap();
    assert!(signed_out(&house.identity.with_refresh_token(stolen.value(), &origin(66)).await));
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
    assert!(house.identity.with_refresh_token(cookie.value(), &origin(1)).await.is_err());
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
