//! The authorization endpoint: a program sends somebody's browser here, they sign in, and the browser takes a code back to
//! the program (RFC 6749, section 4.1). The request is in the address all the time, is read anew each time, and holds
//! no secret.
//! It judges no proof, and remembers nothing.
//!
//! Always: an answer goes to a loopback address alone; whatever is wrong with the program or with that address is told
//! to the person on a page. The form with the password is never sent on: browsers are sent back with 303.

use super::form::{Form, Wrong};
use super::own;
use crate::http::graph::applications;
use crate::http::graph::throttle::{Cost, Kind};
use crate::http::pages::{organisation, shown, shown_denied_under, shown_under};
use crate::http::router::App;
use crate::http::session::{Elsewhere, FromOurPage, Visitor, cookie_set, secure};
use crate::identity::handover::Collect;
use crate::identity::scopes::{OF_A_SIGN_IN, Wish};
use crate::identity::sign_in::{For, account};
use crate::identity::token::Unaccepted;
use crate::identity::{Denied, Identity};
use askama::Template;
use axum::extract::{self, Path, RawQuery, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, SET_COOKIE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as B64};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use writ_core::time::Span;
use zeroize::Zeroizing;

/// The longest request, in bytes of its query; the longest value that is sent back as it came.
const QUERY_MAX: usize = 8 * 1024;
const ECHO_MAX: usize = 4 * 1024;

/// What stands in a query as it is (RFC 3986, section 2.3).
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The one line of script there is: it sends the form on whose button nobody should have to press.
const ONWARD: &str = "document.forms[0].submit()";

/// How the browser takes the answer to the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// Where the answer goes: a loopback address, as the program wrote it, and its origin as a policy names it.
struct Back {
    redirect: String,
    origin: String,
    mode: Mode,
    state: Option<String>,
}

/// A request that can be shown to somebody.
struct Asked {
    client: Uuid,
    challenge: [u8; 32],
    wish: Wish,
    hint: String,
    /// Whoever signs in has to prove who they are now.
    afresh: bool,
}

/// Why a request cannot be shown: nobody can be told but the person, or the program can.
enum Unfit {
    Here(String),
    There(Back, &'static str, String),
}

impl From<Wrong> for Unfit {
    fn from(wrong: Wrong) -> Self {
        Unfit::Here(wrong.told)
    }
}

fn read(identity: &Identity, query: &str) -> Result<(Asked, Back), Unfit> {
    if query.len() > QUERY_MAX {
        return Err(Unfit::Here(format!("The address is too long; {QUERY_MAX} characters are read.")));
    }
    let form = Form::read(query)?;
    let client = form.client()?;
    let redirect = form.need("redirect_uri")?;
    let Some(origin) = loopback(redirect) else {
        return Err(Unfit::Here(
            "Answers are sent to programs on your own machine alone: redirect_uri has to be http://localhost or \
             http://127.0.0.1, with a port and a path if need be, and without a query. Nothing was sent."
                .into(),
        ));
    };
    let long = |name: &str| form.get(name).is_some_and(|value| value.len() > ECHO_MAX);
    let state = form.get("state").filter(|_| !long("state")).map(str::to_owned);
    let mut back = Back { redirect: redirect.to_owned(), origin, mode: Mode::Query, state };
    match form.get("response_mode") {
        None | Some("query") => {}
        Some("fragment") => back.mode = Mode::Fragment,
        Some("form_post") => back.mode = Mode::FormPost,
        Some(_) => {
            let told = "response_mode is one of query, fragment and form_post.".into();
            return Err(Unfit::There(back, "invalid_request", told));
        }
    }
    match wanted(identity, &form, client) {
        Ok(asked) if !long("state") && !long("nonce") => Ok((asked, back)),
        Ok(_) => {
            let told = format!("state and nonce have {ECHO_MAX} characters at most.");
            Err(Unfit::There(back, "invalid_request", told))
        }
        Err(wrong) => Err(Unfit::There(back, wrong.code, wrong.told)),
    }
}

fn wanted(identity: &Identity, form: &Form, client: Uuid) -> Result<Asked, Wrong> {
    if form.get("response_type") != Some("code") {
        return Err(Wrong::new(
            "unsupported_response_type",
            "response_type has to be code; nothing else is given here.",
        ));
    }
    let pkce = "A code is given with PKCE alone (RFC 7636): send code_challenge_method=S256 and a code_challenge of 43 \
                characters, the SHA-256 of the verifier.";
    let challenge = form.get("code_challenge").filter(|_| form.get("code_challenge_method") == Some("S256"));
    let challenge = challenge.and_then(|text| B64.decode(text).ok()?.try_into().ok());
    let challenge = challenge.ok_or_else(|| Wrong::request(pkce))?;
    // OpenID Connect Core, section 3.1.2.6: what they hold would be left out of account.
    for (name, code) in [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")] {
        if form.get(name).is_some() {
            return Err(Wrong::new(code, format!("Send the request's parameters themselves, without {name}.")));
        }
    }
    if form.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|prompt| prompt == "none")) {
        let told = "Nobody is signed in without being asked: leave prompt=none out.";
        return Err(Wrong::new("login_required", told));
    }
    let nonce = form.get("nonce").map(str::to_owned);
    let wish = Wish { client: Some(client), nonce, ..form.any_wish()? };
    identity.accepts(wish.audience.as_deref())?;
    let hint = form.get("login_hint").filter(|hint| hint.len() <= 320).unwrap_or_default().to_owned();
    let afresh = !wish.contexts.is_empty()
        || form.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|prompt| prompt == "login"))
        || form.get("max_age").is_some();
    Ok(Asked { client, challenge, wish, hint, afresh })
}

/// The origin of a loopback address (RFC 8252, section 7.3), as a policy names it; nothing for any other address.
/// A policy cannot name an IPv6 address, so `[::1]` is not among them.
pub(super) fn loopback(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://")?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-._~!$&()*+,=:@/%".contains(&c);
    let port_fits = port.is_none_or(|port| {
        let digits = port.bytes().all(|c| c.is_ascii_digit()) && !port.starts_with('0');
        digits && port.parse::<u16>().is_ok()
    });
    let fits = matches!(host, "localhost" | "127.0.0.1") && port_fits && text.len() <= 512 && path.bytes().all(plain);
    fits.then(|| format!("http://{authority}"))
}

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

impl Asked {
    /// Whether somebody who is signed in with the browser may go on as they are.
    fn takes(&self, visitor: &Visitor, identity: &Identity) -> bool {
        let who = visitor.session.principal;
        let another = !self.hint.is_empty() && account(&identity.state(), &self.hint) != Some(who);
        !self.afresh && !another
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
    /// What is sent to the program: this, the state it sent, and who sends it (RFC 9207).
    fn fields(&self, identity: &Identity, mut fields: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        fields.extend(self.state.clone().map(|state| ("state", state)));
        fields.push(("iss", identity.issuer().to_owned()));
        fields
    }

    fn address(&self, fields: &[(&'static str, String)]) -> String {
        let mark = if self.mode == Mode::Fragment { '#' } else { '?' };
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUOTED)));
        format!("{}{mark}{}", self.redirect, pairs.collect::<Vec<_>>().join("&"))
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_addresses_on_the_same_machine_are_answered() {
        for (address, origin) in [
            ("http://localhost", Some("http://localhost")),
            ("http://localhost/", Some("http://localhost")),
            ("http://localhost:8400", Some("http://localhost:8400")),
            ("http://127.0.0.1:43123/a/path.aspx", Some("http://127.0.0.1:43123")),
            ("https://localhost", None),
            ("http://localhost.evil.example/", None),
            ("http://localhost@evil.example/", None),
            ("http://localhost:80@evil.example/", None),
            ("http://localhost:80:80/", None),
            ("http://localhost:/", None),
            ("http://localhost:0/", None),
            ("http://localhost:65536/", None),
            ("http://localhost:+80/", None),
            ("http://LOCALHOST/", None),
            ("http://127.0.0.2/", None),
            ("http://127.1/", None),
            ("http://0.0.0.0/", None),
            ("http://[::1]:80/", None),
            ("http://localhost\\.evil.example/", None),
            ("http://localhost/?next=1", None),
            ("http://localhost/#part", None),
            ("http://localhost/;form-action *", None),
            ("http://localhost:80;script-src *", None),
            ("http://localhost/\r\nset-cookie: a=b", None),
            ("http:/localhost/", None),
            ("//localhost/", None),
            ("javascript:alert(1)//localhost", None),
            ("urn:ietf:wg:oauth:2.0:oob", None),
            ("", None),
        ] {
            assert_eq!(loopback(address).as_deref(), origin, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_text_leads_elsewhere_or_into_the_policy(text in "http://(localhost|127.0.0.1)?.{0,40}") {
            if let Some(origin) = loopback(&text) {
                let url = text.parse::<Uri>().unwrap();
                prop_assert!(matches!(url.host(), Some("localhost" | "127.0.0.1")), "{}", text);
                prop_assert!(origin.bytes().all(|c| c.is_ascii_alphanumeric() || b":/.".contains(&c)), "{}", origin);
            }
        }
    }
}
