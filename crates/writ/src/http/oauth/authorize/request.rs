//! What a program asks for when it sends somebody's browser here: read from the address, and told apart into what can be
//! shown, what the program is told, and what only the person is told.
//! It shows nothing and sends nothing.
//!
//! Always: what is answered is answered to a loopback address; any other is told to the person.

use crate::http::oauth::form::{Form, Wrong};
use crate::http::session::Visitor;
use crate::identity::Identity;
use crate::identity::scopes::Wish;
use crate::identity::sign_in::account;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// The longest request, in bytes of its query; the longest value that is sent back as it came.
const QUERY_MAX: usize = 8 * 1024;
const ECHO_MAX: usize = 4 * 1024;

/// What stands in a query as it is (RFC 3986, section 2.3).
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How the browser takes the answer to the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Query,
    Fragment,
    FormPost,
}

/// Where the answer goes: a loopback address, as the program wrote it, and its origin as a policy names it.
pub(super) struct Back {
    pub(super) redirect: String,
    pub(super) origin: String,
    pub(super) mode: Mode,
    pub(super) state: Option<String>,
}

/// A request that can be shown to somebody.
pub(super) struct Asked {
    pub(super) client: Uuid,
    pub(super) challenge: [u8; 32],
    pub(super) wish: Wish,
    pub(super) hint: String,
    /// Whoever signs in has to prove who they are now.
    pub(super) afresh: bool,
}

/// Why a request cannot be shown: nobody can be told but the person, or the program can.
pub(super) enum Unfit {
    Here(String),
    There(Back, &'static str, String),
}

impl From<Wrong> for Unfit {
    fn from(wrong: Wrong) -> Self {
        Unfit::Here(wrong.told)
    }
}

pub(super) fn read(identity: &Identity, query: &str) -> Result<(Asked, Back), Unfit> {
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
pub(in crate::http::oauth) fn loopback(text: &str) -> Option<String> {
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

impl Asked {
    /// Whether somebody who is signed in with the browser may go on as they are.
    pub(super) fn takes(&self, visitor: &Visitor, identity: &Identity) -> bool {
        let who = visitor.session.principal;
        let another = !self.hint.is_empty() && account(&identity.state(), &self.hint) != Some(who);
        !self.afresh && !another
    }
}

impl Back {
    /// What is sent to the program: this, the state it sent, and who sends it (RFC 9207).
    pub(super) fn fields(
        &self,
        identity: &Identity,
        mut fields: Vec<(&'static str, String)>,
    ) -> Vec<(&'static str, String)> {
        fields.extend(self.state.clone().map(|state| ("state", state)));
        fields.push(("iss", identity.issuer().to_owned()));
        fields
    }

    pub(super) fn address(&self, fields: &[(&'static str, String)]) -> String {
        let mark = if self.mode == Mode::Fragment { '#' } else { '?' };
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, QUOTED)));
        format!("{}{mark}{}", self.redirect, pairs.collect::<Vec<_>>().join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Uri;
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
