//! A house to tell stories in: Northwind, its people, its server, its clock; and clients that speak to it as HTTP
//! clients do.
//!
//! Always: everything a story sees came through the router; only setting the house up uses commands directly.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;
use std::sync::Arc;
use tower::ServiceExt as _;
use writ::clock::Clock;
use writ::connectors::hosts::Hosts;
use writ::engine::{Engine, Start, fresh_id};
use writ::history::History;
use writ::http::graph::page::PageKey;
use writ::http::graph::throttle::Throttle;
use writ::http::router::{App, router};
use writ::identity::Identity;
use writ::identity::session::{Door, Opening, Sessions};
use writ::identity::token::{APP, Claims, Tokens};
use writ::store::{Store, memory};
use writ::vault::Vault;
use writ_core::command::{Caller, Command, Expiration, NewUser, Proof, Sort, Terms, Via};
use writ_core::decide::Answer;
use writ_core::ids::{PersonId, PrincipalId, RoleId, TenantId, UnitId};
use writ_core::log::checkpoint::SigningKey;
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::{Approver, RuleChange, RuleChoice, Stage};
use writ_core::scope::{Scope, Target};
use writ_core::time::{Span, Time};

/// The tenant.
pub(crate) const TENANT: TenantId = TenantId::from_u128(0x7e7a_0001);
/// Administers the tenant; holds Global Administrator for her working day.
pub(crate) const DANA: PrincipalId = PrincipalId::from_u128(0xd);
/// An engineer, eligible for Device Administrators.
pub(crate) const ANA: PrincipalId = PrincipalId::from_u128(0xa);
/// Approves; in the group Security.
pub(crate) const BEN: PrincipalId = PrincipalId::from_u128(0xb);
/// In the group Security.
pub(crate) const CARLA: PrincipalId = PrincipalId::from_u128(0xc);
/// Nothing in particular.
pub(crate) const EVE: PrincipalId = PrincipalId::from_u128(0xe);
/// An emergency account, with standing Global Administrator.
pub(crate) const GLASS: PrincipalId = PrincipalId::from_u128(0x91);
/// The group of approvers.
pub(crate) const SECURITY: PrincipalId = PrincipalId::from_u128(0x50);
/// A unit.
pub(crate) const FINANCE: UnitId = UnitId::from_u128(0xf1);
/// The role that means root on hosts.
pub(crate) const ROOT: RoleId = DEVICE_ADMINISTRATOR;

const MORNING: Time = Time::from_millis(1_795_251_600_000);
const AUDIENCE: &str = "https://graph.microsoft.com";

/// Every delegated permission that the routes ask for.
pub(crate) const SCOPES: &[&str] = &[
    "RoleManagement.ReadWrite.Directory",
    "RoleAssignmentSchedule.ReadWrite.Directory",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleManagementPolicy.ReadWrite.Directory",
    "Directory.ReadWrite.All",
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
    "AdministrativeUnit.ReadWrite.All",
    "AuditLog.Read.All",
    "Writ.Administer",
];

pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) app: App,
    /// The server's own token key: for tokens that nobody can get from it, to see them refused.
    pub(crate) tokens: Arc<Tokens>,
    sessions: Sessions,
    router: Router,
}

/// Somebody with a token, or without one.
#[derive(Clone)]
pub(crate) struct Client {
    router: Router,
    pub(crate) token: Option<String>,
    /// Whether it sends `ConsistencyLevel: eventual`.
    pub(crate) eventual: bool,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) asked: String,
}

pub(crate) fn user(id: PrincipalId, name: &str, upn: &str) -> NewUser {
    NewUser { id, person: PersonId(id.0), name: name.into(), upn: upn.into() }
}

impl House {
    /// Northwind on a working morning: Ana is eligible for root on the hosts, Security approves.
    pub(crate) async fn new() -> House {
        House::with(Arc::default(), RuleChoice::Tiers).await
    }

    /// The same without budgets: the clock stands still here, so what is spent would never come back.
    pub(crate) async fn unmetered() -> House {
        House::with(Arc::new(Throttle::off()), RuleChoice::Tiers).await
    }

    /// The same with Entra's own rules instead of the three tiers.
    pub(crate) async fn with_entras_rules() -> House {
        House::with(Arc::new(Throttle::off()), RuleChoice::Entra).await
    }

    async fn with(throttle: Arc<Throttle>, rules: RuleChoice) -> House {
        let clock = Clock::by_hand(MORNING);
        let store = Store::Memory(memory::Log::new());
        let start = Start {
            tenant: TENANT,
            store: store.clone(),
            clock: clock.clone(),
            key: SigningKey::from_bytes(&[7; 32]),
            snapshot: None,
            last_words: Arc::new(|fault| panic!("{fault}")),
        };
        let engine = Engine::start(start).await.expect("an engine on an empty log");
        let vault = Vault::memory(TENANT, [5; 32]);
        let identity =
            Identity::open(engine.clone(), vault.clone(), "http://localhost", &[]).await.expect("an identity");
        let app = App {
            engine: engine.clone(),
            identity,
            history: History::in_memory(TENANT, store, &engine).await.expect("a history"),
            hosts: Hosts::start(engine.clone(), vault.clone()).await.expect("an order key"),
            pages: PageKey::new(&[9; 32]),
            public: None,
            tls: false,
            behind_proxy: false,
            devices: Default::default(),
            throttle,
            streams: std::sync::Arc::default(),
            walks: std::sync::Arc::default(),
        };
        let tokens = Arc::new(Tokens::open(&vault).await.expect("the token key"));
        let house = House { engine, clock, router: router(app.clone()), app, tokens, sessions: Sessions::new(vault) };
        house.people(rules).await;
        house
    }

    async fn people(&self, rules: RuleChoice) {
        let found = Command::Found {
            name: "Northwind".into(),
            rules,
            span_min: Span::from_minutes(5),
            administrator: user(DANA, "Dana Weiss", "dana@northwind.example"),
            setup: Span::from_hours(8),
            emergency: vec![
                user(GLASS, "Break Glass 1", "glass1@northwind.example"),
                user(PrincipalId::from_u128(0x92), "Break Glass 2", "glass2@northwind.example"),
            ],
        };
        let console = Caller::console(fresh_id());
        self.engine.submit(found, console).await.expect("a tenant is founded once");
        for (id, name, upn) in [
            (ANA, "Ana Silva", "ana@northwind.example"),
            (BEN, "Ben Okafor", "ben@northwind.example"),
            (CARLA, "Carla Ruiz", "carla@northwind.example"),
            (EVE, "Eve Stranger", "eve@northwind.example"),
        ] {
            self.does(DANA, Command::CreateUser(user(id, name, upn))).await;
        }
        let members = vec![BEN, CARLA];
        let (name, description) = ("Security".to_owned(), "Approves root".to_owned());
        let group = Command::CreateGroup {
            group: SECURITY,
            name,
            description,
            role_assignable: false,
            owners: vec![DANA],
            members,
        };
        self.does(DANA, group).await;
        let (name, description) = ("Finance".to_owned(), String::new());
        self.does(DANA, Command::CreateUnit { unit: FINANCE, name, description }).await;
        let mut approval = self.engine.state().rules[&ROOT].activation.approval.clone();
        approval.stages = vec![Stage::one_of(vec![Approver::Group(SECURITY)])];
        self.does(DANA, Command::ChangeRules { role: ROOT, changes: vec![RuleChange::Approval(approval)], seen: None })
            .await;
        self.eligible(ANA, ROOT).await;
    }

    /// Somebody does something, with every permission and a fresh second factor.
    pub(crate) async fn does(&self, who: PrincipalId, command: Command) -> Answer {
        let now = self.engine.now();
        let proof = Proof { signed_in: Some(now), mfa: Some(now), ..Proof::default() };
        let caller = Caller::signed_in(fresh_id(), who, Via::Api, proof);
        self.engine.submit(command, caller).await.expect("setting the house up is allowed").answer
    }

    /// Dana makes somebody eligible for a role in the whole tenant.
    pub(crate) async fn eligible(&self, who: PrincipalId, role: RoleId) {
        let command = Command::Assign {
            sort: Sort::Eligibility,
            terms: Terms {
                reason: Some("on call".into()),
                ..Terms::of(who, Target::role(role, Scope::Tenant), Expiration::For(Span::from_days(30)))
            },
        };
        self.does(DANA, command).await;
    }

    /// Somebody signed in with every proof and permission.
    pub(crate) async fn signed_in(&self, who: PrincipalId) -> Client {
        self.signed_in_with(who, SCOPES, true).await
    }

    /// Somebody signed in with these permissions, with or without a second factor.
    pub(crate) async fn signed_in_with(&self, who: PrincipalId, scopes: &[&str], second_factor: bool) -> Client {
        let now = self.engine.now();
        let opening = Opening {
            app: None,
            principal: who,
            door: Door::Token,
            // These people have no passwords: what the token says of their proofs is what counts.
            proved: Vec::new(),
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            audience: AUDIENCE.into(),
            address: None,
            agent: "stories".into(),
        };
        let (session, _) = self.sessions.open(opening, now).await.expect("a session");
        let claims = self.claims(who, session.id, scopes, second_factor);
        self.client(Some(self.tokens.sign(&claims).expect("a signed token")))
    }

    /// What the browser of somebody who is signed in at a page sends as `Cookie`.
    pub(crate) async fn cookie(&self, who: PrincipalId) -> String {
        let opening = Opening {
            app: None,
            principal: who,
            door: Door::Page,
            proved: Vec::new(),
            scopes: Vec::new(),
            audience: String::new(),
            address: None,
            agent: "stories".into(),
        };
        let (_, cookie) = self.sessions.open(opening, self.engine.now()).await.expect("a session");
        format!("writ={}", cookie.expect("a page's session has one").value())
    }

    /// A program that speaks for itself, with these application permissions. Nothing issues such tokens yet: this one is
    /// signed with the server's own key.
    pub(crate) async fn speaks_for_itself(&self, program: PrincipalId, roles: &[&str]) -> Client {
        let person = self.claims_of(&self.signed_in(program).await);
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let own = Claims { scp: String::new(), roles, idtyp: Some(APP.to_owned()), mfa_time: None, ..person };
        self.with_claims(&own)
    }

    /// What a good token says.
    pub(crate) fn claims(
        &self,
        who: PrincipalId,
        sid: writ_core::ids::SessionId,
        scopes: &[&str],
        second_factor: bool,
    ) -> Claims {
        let now = self.engine.now().seconds();
        Claims {
            appid: None,
            iss: self.app.identity.issuer().to_owned(),
            aud: AUDIENCE.into(),
            sub: who,
            oid: who,
            upn: None,
            tid: TENANT,
            scp: scopes.join(" "),
            roles: Vec::new(),
            idtyp: None,
            amr: vec!["pwd".into()],
            auth_time: now,
            mfa_time: second_factor.then_some(now),
            acrs: Vec::new(),
            sid,
            jti: fresh_id(),
            iat: now,
            nbf: now,
            exp: now + 3600,
        }
    }

    /// Somebody with a token that says this.
    pub(crate) fn with_claims(&self, claims: &Claims) -> Client {
        self.client(Some(self.tokens.sign(claims).expect("a signed token")))
    }

    /// What somebody's token says.
    pub(crate) fn claims_of(&self, client: &Client) -> Claims {
        let token = client.token.as_deref().expect("a token");
        let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a body")).expect("base64");
        serde_json::from_slice(&body).expect("claims")
    }

    /// Somebody with this token.
    pub(crate) fn client(&self, token: Option<String>) -> Client {
        Client { router: self.router.clone(), token, eventual: false }
    }

    /// What nothing that is refused may change: who is eligible for and holds what, and every rule.
    pub(crate) fn rights(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let s = self.engine.state();
        (
            s.eligibilities.clone(),
            s.assignments.clone(),
            s.rules.clone(),
            s.principals.clone(),
            s.roles.clone(),
            s.open.clone(),
            s.units.clone(),
        )
    }
}

impl Client {
    /// The same client, sending the header that Graph wants for some queries on the directory.
    pub(crate) fn eventual(&self) -> Client {
        Client { eventual: true, ..self.clone() }
    }
    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.send_with(&[], method, path, body).await
    }
    /// The same with further headers.
    pub(crate) async fn send_with(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path.replace(' ', "%20"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if path.starts_with('/') {
            request = request.header("host", "localhost");
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if self.eventual {
            request = request.header("ConsistencyLevel", "eventual");
        }
        let request = request.body(Body::from(body.into())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer, whatever was asked");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.expect("a bounded body");
        let text = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
        let asked = format!("{method} {path}");
        Reply { status: parts.status, headers: parts.headers, text, asked }
    }
    /// An answer whose body is read by the caller.
    pub(crate) async fn open(&self, headers: &[(&str, &str)], path: &str) -> axum::response::Response {
        let mut request = Request::builder().uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).expect("a request");
        self.router.clone().oneshot(request).await.expect("an answer, whatever was asked")
    }
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "").await
    }
    pub(crate) async fn post(&self, path: &str, body: Json) -> Reply {
        self.send("POST", path, body.to_string()).await
    }
    pub(crate) async fn patch(&self, path: &str, body: Json) -> Reply {
        self.send("PATCH", path, body.to_string()).await
    }
    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, "").await
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{}: {e}: {}", self.asked, self.text))
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Json {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.asked, self.text);
        if self.text.is_empty() { Json::Null } else { self.json() }
    }

    /// `status code: message` of a refusal, in the API's error shape.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        assert!(self.status.is_client_error(), "{}: {} {}", self.asked, self.status, self.text);
        let json = self.json();
        let error = &json["error"];
        let inner = &error["innerError"];
        assert!(inner["date"].is_string() && inner["client-request-id"].is_string(), "{}: {}", self.asked, self.text);
        assert_eq!(inner["request-id"], self.headers["request-id"].to_str().expect("ASCII"), "{}", self.asked);
        let text = |v: &Json| v.as_str().unwrap_or_else(|| panic!("{}: {}", self.asked, self.text)).to_owned();
        format!("{} {}: {}", self.status.as_u16(), text(&error["code"]), text(&error["message"]))
    }

    /// The list in an answer.
    #[track_caller]
    pub(crate) fn list(self) -> Vec<Json> {
        self.is(200)["value"].as_array().expect("a list").clone()
    }
}
