//! A whole server with the made-up organisation in it, listening on loopback: for what is measured over HTTP.
//! A million commands would take minutes, so the organisation is written into a snapshot and read by an ordinary start.
//!
//! Always: everything after that start is real: the log, its disk, sessions, tokens, the router.

use crate::population::{Population, THEN};
use crate::report::Failed;
use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use ed25519_dalek::Signer;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use writ::clock::Clock;
use writ::connectors::hosts::Hosts;
use writ::engine::{fresh_id, signing_key};
use writ::history::History;
use writ::http::graph::page::PageKey;
use writ::http::router::{App, router, shell};
use writ::http::session::Proxied;
use writ::identity::Identity;
use writ::identity::session::{Door, Opening, Sessions};
use writ::identity::token::{Claims, Tokens};
use writ::server::tenant::{self, Tenant};
use writ_core::command::{Caller, Command, NewUser, Proof};
use writ_core::event::Event;
use writ_core::ids::*;
use writ_core::log::Via;
use writ_core::rules::{RuleChange, RuleChoice};
use writ_core::state::{Meta, State};
use writ_core::time::{Span, Time};

const AUDIENCE: &str = "https://graph.microsoft.com";
const SCOPES: &str = "RoleManagement.ReadWrite.Directory RoleAssignmentSchedule.ReadWrite.Directory \
    RoleEligibilitySchedule.ReadWrite.Directory RoleManagementPolicy.ReadWrite.Directory Directory.ReadWrite.All \
    User.ReadWrite.All Group.ReadWrite.All AuditLog.Read.All";

/// The server, and what is needed to ask it.
pub(crate) struct World {
    pub(crate) population: Population,
    pub(crate) tenant: TenantId,
    pub(crate) administrator: PrincipalId,
    /// Where the server listens.
    pub(crate) server: SocketAddr,
    /// Where a handler listens that checks the same token and answers `{}`.
    pub(crate) trivial: SocketAddr,
    /// All routes, that handler's too, for asking without a connection.
    pub(crate) routes: Router,
    opened: Tenant,
    identity: Identity,
    sessions: Sessions,
    tokens: Tokens,
}

impl World {
    pub(crate) async fn open(data: &Path, people: u32, clock: Clock) -> Result<World, Failed> {
        let population = Population::of(people);
        let tenant = TenantId(fresh_id());
        let founded = tenant::open(data, tenant, clock.clone(), true).await?;
        let user = |name: &str| NewUser {
            id: PrincipalId(fresh_id()),
            person: PersonId(fresh_id()),
            name: name.to_owned(),
            upn: format!("{name}@bench.example"),
        };
        let administrator = user("dana");
        let found = Command::Found {
            name: "Bench".to_owned(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            administrator: administrator.clone(),
            setup: Span::from_hours(8),
            emergency: vec![user("glass1"), user("glass2")],
        };
        founded.engine.submit(found, Caller::console(fresh_id())).await?;
        let key = signing_key(&founded.vault).await?;
        let snapshot = founded.place.dir().join("snapshot");
        founded.engine.stop().await;
        drop(founded);
        settle(&population, administrator.id, &snapshot, &key)?;

        let opened = tenant::open(data, tenant, clock, true).await?;
        let vault = opened.vault.clone();
        let identity = Identity::open(opened.engine.clone(), vault.clone(), "http://localhost", &[]).await?;
        let history = opened.place.dir().join("history.db");
        let app = App {
            engine: opened.engine.clone(),
            identity: identity.clone(),
            history: History::start(&history, tenant, opened.store.clone(), &opened.engine).await?,
            hosts: Hosts::start(opened.engine.clone(), vault.clone()).await?,
            pages: PageKey::new(&[9; 32]),
            public: None,
            tls: false,
            behind_proxy: false,
            devices: Default::default(),
            // What is measured is how fast an answer is, not when a caller is told to wait.
            throttle: std::sync::Arc::new(writ::http::graph::throttle::Throttle::off()),
            streams: std::sync::Arc::default(),
            walks: std::sync::Arc::default(),
        };
        let engine = opened.engine.clone();
        let trivial = Router::new()
            .route("/trivial", get(|_: Caller| async { axum::Json(Json::Object(serde_json::Map::new())) }))
            .with_state(app.clone())
            .layer(Extension(Proxied(false)));
        let (trivial, all) = (shell(trivial, Arc::new(move || engine.now())), router(app));
        let routes = trivial.clone().merge(all.clone());
        let (trivial, server) = (listen(trivial).await?, listen(all).await?);
        let tokens = Tokens::open(&vault).await.map_err(|e| e.to_string())?;
        let sessions = Sessions::new(vault);
        let administrator = administrator.id;
        Ok(World { population, tenant, administrator, server, trivial, routes, opened, identity, sessions, tokens })
    }

    /// A token of somebody who has just proved a second factor.
    pub(crate) async fn token(&self, who: PrincipalId) -> Result<String, Failed> {
        let now = self.opened.engine.now();
        let opening = Opening {
            principal: who,
            door: Door::Token,
            proved: Vec::new(),
            scopes: SCOPES.split(' ').map(str::to_owned).collect(),
            audience: AUDIENCE.to_owned(),
            address: None,
            app: None,
            agent: "bench".to_owned(),
        };
        let (session, _) = self.sessions.open(opening, now).await.map_err(|e| format!("no session: {e:?}"))?;
        let now = now.seconds();
        let claims = Claims {
            iss: self.identity.issuer().to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: who,
            oid: who,
            upn: None,
            tid: self.tenant,
            scp: SCOPES.to_owned(),
            roles: Vec::new(),
            idtyp: None,
            amr: vec!["pwd".to_owned(), "otp".to_owned(), "mfa".to_owned()],
            auth_time: now,
            mfa_time: Some(now),
            appid: None,
            acrs: Vec::new(),
            sid: session.id,
            jti: fresh_id(),
            iat: now,
            nbf: now,
            exp: now + 3600,
        };
        Ok(self.tokens.sign(&claims).map_err(|_| "no token")?)
    }

    /// What activating a role demands from now on.
    pub(crate) async fn rules(&self, role: RoleId, changes: Vec<RuleChange>) -> Result<(), Failed> {
        let now = Some(self.opened.engine.now());
        let proof = Proof { signed_in: now, mfa: now, ..Proof::default() };
        let caller = Caller::signed_in(fresh_id(), self.administrator, Via::Api, proof);
        self.opened.engine.submit(Command::ChangeRules { role, changes, seen: None }, caller).await?;
        Ok(())
    }

    /// The server's time.
    pub(crate) fn now(&self) -> Time {
        self.opened.engine.now()
    }

    pub(crate) async fn close(self) {
        self.opened.engine.stop().await;
    }
}

async fn listen(routes: Router) -> Result<SocketAddr, Failed> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    Ok(address)
}

/// Adds the organisation to the state in a snapshot, signed anew with the log's own key.
fn settle(
    population: &Population,
    approver: PrincipalId,
    snapshot: &Path,
    key: &ed25519_dalek::SigningKey,
) -> Result<(), Failed> {
    let whole = std::fs::read_to_string(snapshot)?;
    let mut lines = whole.splitn(3, '\n');
    let (title, _, body) = (lines.next(), lines.next(), lines.next());
    let mut title: Json = serde_json::from_str(title.ok_or("a snapshot without a title")?)?;
    let mut state = State::from_snapshot(body.ok_or("a snapshot without a state")?.as_bytes())?;
    let (seq, at) = (state.seq, state.at);
    population.events(|event| {
        if !matches!(event, Event::TenantFounded { .. }) {
            state.apply(&Meta { seq, at: THEN, actor: None }, &event);
        }
    });
    population.lately(approver, |event| state.apply(&Meta { seq, at: THEN, actor: None }, &event));
    (state.seq, state.at) = (seq, at);
    let body = state.to_snapshot();
    title["hash"] = Json::String(hex::encode(Sha256::digest(&body)));
    let title = title.to_string();
    let signature = hex::encode(key.sign(&[b"writ snapshot\n", title.as_bytes()].concat()).to_bytes());
    std::fs::write(snapshot, [format!("{title}\n{signature}\n").as_bytes(), &body].concat())?;
    Ok(())
}
