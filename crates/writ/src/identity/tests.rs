//! Attacks on signing in, each with what it meets. The engine and the vault are real, in memory; the clock is moved by
//! hand.

use super::enrol::IssuedCode;
use super::founding::{Founded, Founding};
use super::issue::Issued;
use super::sign_in::{For, SignedIn};
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
        House::founded_with(Vault::memory(TENANT, [1; 32])).await
    }

    async fn founded_with(vault: Vault) -> House {
        let (log, clock) = (Log::new(), Clock::by_hand(MORNING));
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

    /// Dana disables somebody's account.
    pub(crate) async fn disable(&self, user: PrincipalId) {
        let off = Command::UpdateUser { user, name: None, upn: None, enabled: Some(false), person: None };
        self.by_dana(off).await.unwrap();
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
    pub(crate) async fn told(&self) -> Vec<String> {
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

mod enrolling;
mod signing_in;
