//! The authorization endpoint: a program sends somebody's browser here, they sign in, and the browser takes a code back to
//! the program (RFC 6749, section 4.1). The request is in the address all the time, is read anew each time, and holds
//! no secret.
//! It judges no proof, and remembers nothing.
//!
//! Always: an answer goes to a loopback address alone; whatever is wrong with the program or with that address is told
//! to the person on a page. The form with the password is never sent on: browsers are sent back with 303.

pub(super) mod request;

use super::own;
use crate::http::graph::applications;
use crate::http::graph::throttle::{Cost, Kind};
use crate::http::pages::{organisation, shown, shown_denied_under, shown_under};
use crate::http::router::App;
use crate::http::session::{Elsewhere, FromOurPage, Visitor, cookie_set, secure};
use crate::identity::handover::Collect;
use crate::identity::scopes::{OF_A_SIGN_IN, Wish};
use crate::identity::sign_in::For;
use crate::identity::token::Unaccepted;
use crate::identity::{Denied, Identity};
use askama::Template;
use axum::extract::{self, Path, RawQuery, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, SET_COOKIE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use request::{Asked, Back, Mode, Unfit, read};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use writ_core::time::Span;
use zeroize::Zeroizing;

/// The one line of script there is: it sends the form on whose button nobody should have to press.
const ONWARD: &str = "document.forms[0].submit()";

#[derive(Template)]
#[template(path = "authorize.html")]
struct Page {
    organisation: String,
    emergency: bool,
    program: Program,
    /// The request, as the address of this page has it.
    query: String,
    redirect: String,
    /// What a program is told whose person goes back: as a link, or as a form where answers are posted.
    declined: String,
    declining: Vec<(&'static str, String)>,
    /// Who is signed in with this browser, and the key of their forms; empty if nobody is, or has to prove it anew.
    visitor: String,
    key: String,
    username: String,
    told: String,
}

/// A program, as the person is told of it.
pub(super) struct Program {
    /// Its name; empty when it is not known here.
    pub(super) name: String,
    pub(super) app: Uuid,
    /// Whether it asks for everything, and else for which permissions.
    pub(super) all: bool,
    pub(super) scopes: Vec<String>,
    pub(super) renews: bool,
    /// What it asks for that is not here.
    pub(super) unknown: Vec<String>,
}

impl Program {
    pub(super) fn of(app: &App, client: Uuid, wish: &Wish) -> Self {
        let state = app.engine.state();
        let named = |scope: &&String| !OF_A_SIGN_IN.contains(&scope.as_str());
        Self {
            name: applications::name_of(&state, client).unwrap_or_default().to_owned(),
            app: client,
            all: wish.all(),
            scopes: wish.scopes.iter().filter(named).cloned().collect(),
            renews: wish.says("offline_access"),
            unknown: wish.unknown.clone(),
        }
    }
}

#[derive(Template)]
#[template(path = "unfit.html")]
pub(super) struct Unusable {
    pub(super) organisation: String,
    pub(super) told: String,
}

#[derive(Template)]
#[template(path = "onward.html")]
struct Onward {
    organisation: String,
    redirect: String,
    fields: Vec<(&'static str, String)>,
    script: &'static str,
}

pub(super) async fn ask(
    State(app): State<App>,
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
    visitor: Result<Visitor, Elsewhere>,
) -> Response {
    let query = query.unwrap_or_default();
    match fit(&app, &identity, &tenant, &query) {
        Ok((asked, back)) => {
            let visitor = visitor.ok().filter(|visitor| asked.takes(visitor, &identity));
            let page = page(&app, &identity, &query, &asked, &back).with(visitor.as_ref(), &identity);
            shown_under(policy(&back), StatusCode::OK, &Page { username: asked.hint, ..page })
        }
        Err(response) => *response,
    }
}

/// What the form holds; fields of the other form are empty.
#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    secret: String,
    /// The key of somebody's forms, who is signed in already and goes on so.
    #[serde(default)]
    key: String,
}

pub(super) async fn sign_in(
    State(app): State<App>,
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    uri: Uri,
    visitor: Result<Visitor, Elsewhere>,
    FromOurPage(origin): FromOurPage,
    extract::Form(typed): extract::Form<Typed>,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let (asked, back) = match fit(&app, &identity, &tenant, query) {
        Ok(fit) => fit,
        Err(response) => return *response,
    };
    let Typed { username, password, code, secret, key } = typed;
    let (password, secret) = (Zeroizing::new(password), Zeroizing::new(secret));
    let collect = Collect::WithCode { redirect: back.redirect.clone(), challenge: asked.challenge };
    if !key.is_empty() {
        let visitor = visitor.ok().filter(|visitor| visitor.sent(&key) && asked.takes(visitor, &identity));
        let code = match visitor {
            // Each press is on record and waits to be fetched: it costs what a change by the API does.
            Some(visitor) => match app.charge(&visitor.caller, Kind::Write, Cost { units: 1, changes: 1 }).wait {
                Some((seconds, _)) => Err(Denied::Wait(seconds)),
                None => identity.for_program(&visitor.session, asked.wish.clone(), collect, &origin).await,
            },
            None => Err(Denied::Token(Unaccepted::SignedOut)),
        };
        return match code {
            Ok(Some(code)) => back.answer(&app, &identity, vec![("code", code.value().to_owned())]),
            code => {
                let denied = code.err().unwrap_or(Denied::Busy);
                let told = match &denied {
                    Denied::Token(_) => "Nobody is signed in with this browser any more. Sign in below.".to_owned(),
                    Denied::Wait(seconds) => {
                        let wait = Span::from_seconds(*seconds).told();
                        format!("You have signed in for very many programs just now. Try again in {wait}.")
                    }
                    denied => denied.to_string(),
                };
                let page = Page { told, ..page(&app, &identity, query, &asked, &back) };
                shown_denied_under(policy(&back), &denied, &page)
            }
        };
    }
    let purpose = For::Later(asked.wish.clone(), collect);
    let emergency = is_emergency(query);
    let signed_in = if emergency {
        identity.with_emergency_secret(&username, &secret, purpose, &origin).await
    } else {
        identity.with_password(&username, password, &code, purpose, &origin).await
    };
    let denied = match signed_in.map(|signed_in| (signed_in.code, signed_in.cookie)) {
        Ok((Some(code), cookie)) => {
            let mut answer = back.answer(&app, &identity, vec![("code", code.value().to_owned())]);
            let cookie = cookie.map(|cookie| cookie_set(cookie.value(), secure(&app)));
            if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
                answer.headers_mut().insert(SET_COOKIE, cookie);
            }
            return answer;
        }
        Ok((None, _)) => Denied::Busy,
        Err(denied) => denied,
    };
    let told = match &denied {
        Denied::Wrong if emergency => "The user name or the secret is not right.".to_owned(),
        denied => denied.to_string(),
    };
    let username = if username.len() <= 320 { username } else { String::new() };
    let page = Page { username, told, ..page(&app, &identity, query, &asked, &back) };
    shown_denied_under(policy(&back), &denied, &page)
}

/// The request, or the answer to one that is not fit.
fn fit(app: &App, identity: &Identity, tenant: &str, query: &str) -> Result<(Asked, Back), Box<Response>> {
    let read = own(identity, tenant).map_err(Unfit::from).and_then(|()| read(identity, query));
    read.map_err(|unfit| {
        Box::new(match unfit {
            Unfit::Here(told) => {
                let organisation = organisation(app);
                shown(StatusCode::BAD_REQUEST, &Unusable { organisation, told })
            }
            Unfit::There(back, error, told) => {
                back.answer(app, identity, vec![("error", error.to_owned()), ("error_description", told)])
            }
        })
    })
}

fn page(app: &App, identity: &Identity, query: &str, asked: &Asked, back: &Back) -> Page {
    let told = "The person who was asked went back without signing in.".to_owned();
    let refused = back.fields(identity, vec![("error", "access_denied".to_owned()), ("error_description", told)]);
    let (declined, declining) = match back.mode {
        Mode::FormPost => (String::new(), refused),
        Mode::Query | Mode::Fragment => (back.address(&refused), Vec::new()),
    };
    Page {
        organisation: organisation(app),
        emergency: is_emergency(query),
        program: Program::of(app, asked.client, &asked.wish),
        query: without_emergency(query),
        redirect: back.redirect.clone(),
        declined,
        declining,
        visitor: String::new(),
        key: String::new(),
        username: String::new(),
        told: String::new(),
    }
}

impl Page {
    fn with(self, visitor: Option<&Visitor>, identity: &Identity) -> Self {
        let Some(visitor) = visitor else { return self };
        let state = identity.state();
        let name = state.principals.get(&visitor.session.principal).map(|p| p.name.shown().to_owned());
        Self { visitor: name.unwrap_or_default(), key: visitor.form_key.clone(), ..self }
    }
}

impl Back {
    /// Sends the browser back to the program.
    fn answer(&self, app: &App, identity: &Identity, fields: Vec<(&'static str, String)>) -> Response {
        let fields = self.fields(identity, fields);
        if self.mode == Mode::FormPost {
            let organisation = organisation(app);
            let page = Onward { organisation, redirect: self.redirect.clone(), fields, script: ONWARD };
            let hash = STANDARD.encode(Sha256::digest(ONWARD));
            let more = format!("; script-src 'sha256-{hash}'");
            return shown_under(policy_with(self, &more), StatusCode::OK, &page);
        }
        match HeaderValue::from_str(&self.address(&fields)) {
            Ok(address) => {
                // Not 307 or 308: those would send the form, password and all, to the program.
                let headers = [(LOCATION, address), (CONTENT_SECURITY_POLICY, policy(self))];
                (StatusCode::SEE_OTHER, headers).into_response()
            }
            Err(_) => crate::http::problem::Problem::internal().into_response(),
        }
    }
}

/// What the pages may do: as the others, and a form's answer may lead to the program's own address.
fn policy(back: &Back) -> HeaderValue {
    policy_with(back, "")
}

fn policy_with(back: &Back, more: &str) -> HeaderValue {
    let text = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {}; base-uri 'none'; \
         frame-ancestors 'none'{more}",
        back.origin
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

fn is_emergency(query: &str) -> bool {
    query.split('&').any(|part| part == "emergency")
}

fn without_emergency(query: &str) -> String {
    query.split('&').filter(|part| *part != "emergency").collect::<Vec<_>>().join("&")
}
