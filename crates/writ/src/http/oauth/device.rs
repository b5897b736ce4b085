//! Signing in for a program that has no browser: it shows a code, somebody types it on the page at `/device` and signs in
//! there, and the program, which has been asking meanwhile, gets its tokens (RFC 8628).
//! It judges no proof.
//!
//! Known attacks and the defence: sending somebody a code of one's own, so that they sign in for the sender (the page says
//! which program asks, from where and since when, before it asks for anything; unless the operator says otherwise,
//! the program and the browser have to come from the same network, so that the sender's program is none).
//!
//! Always: nothing is given to a device that nobody signed in for.

use super::authorize::Program;
use super::form::{Form, Wrong};
use super::own;
use crate::http::pages::{organisation, shown, shown_denied};
use crate::http::router::App;
use crate::http::session::{FromOurPage, origin};
use crate::identity::handover::{Collect, Looked};
use crate::identity::scopes::Wish;
use crate::identity::sign_in::For;
use crate::identity::{Denied, Identity, Origin};
use crate::when::Reader;
use askama::Template;
use axum::Json;
use axum::extract::{self, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

/// A program begins to wait (RFC 8628, section 3.1).
pub(super) async fn begin(
    State(app): State<App>,
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Wrong> {
    own(&identity, &tenant)?;
    let (parts, form) = Form::of(request).await?;
    let wish = Wish { client: Some(form.client()?), ..form.any_wish()? };
    let mut origin = origin(&parts);
    // A proxy is in front that this server was not told of, or it was told of one that does not say who asks. Everybody
    // comes from the proxy's address then, and they are not in one network for it.
    let told = |name| parts.headers.contains_key(name);
    if told("x-forwarded-for") != app.behind_proxy || (told("forwarded") && !app.behind_proxy) {
        origin.address = None;
    }
    let begun = identity.begin_device(wish, app.devices, &origin)?;
    let page = format!("{}/device", identity.url());
    let message = format!(
        "To sign in, use a web browser to open the page {page} and enter the code {} to authenticate.",
        begun.user_code
    );
    Ok(Json(json!({
        "user_code": begun.user_code,
        "device_code": begun.device_code.value(),
        "verification_uri": page,
        "verification_url": page,
        "expires_in": begun.seconds,
        "interval": begun.interval,
        "message": message,
    }))
    .into_response())
}

#[derive(Template)]
#[template(path = "device.html")]
struct Page {
    organisation: String,
    step: Step,
    told: String,
    /// As it was typed.
    user_code: String,
    username: String,
    /// Device codes are for people who are there; an emergency account signs in elsewhere.
    emergency: bool,
}

/// How far somebody is.
enum Step {
    Code,
    SignIn { program: Program, from: String, since: String },
    Done { name: String },
    Declined,
}

impl Page {
    fn at(app: &App, step: Step) -> Self {
        let organisation = organisation(app);
        let (told, user_code, username) = Default::default();
        Self { organisation, step, told, user_code, username, emergency: false }
    }
}

pub(super) async fn ask(State(app): State<App>) -> Response {
    shown(StatusCode::OK, &Page::at(&app, Step::Code))
}

/// What the forms hold: at first the code alone.
#[derive(Deserialize)]
pub(super) struct Typed {
    #[serde(default)]
    user_code: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    decline: String,
}

pub(super) async fn typed(
    State(app): State<App>,
    State(identity): State<Identity>,
    FromOurPage(origin): FromOurPage,
    extract::Form(typed): extract::Form<Typed>,
) -> Response {
    let Typed { user_code, username, password, code, decline } = typed;
    let password = Zeroizing::new(password);
    // Said before anything else that was typed is looked at, and wherever the program is.
    if !decline.is_empty() {
        return match identity.decline_device(&user_code, &origin).await {
            Ok(()) => shown(StatusCode::OK, &Page::at(&app, Step::Declined)),
            Err(denied) => again(&app, &denied, user_code),
        };
    }
    let looked = match identity.device(&user_code, app.devices, &origin).await {
        Ok(looked) => looked,
        Err(denied) => return again(&app, &denied, user_code),
    };
    let step = Step::SignIn {
        program: program(&app, &looked),
        from: looked.address.map_or_else(|| "an unknown address".to_owned(), |ip| ip.to_string()),
        since: Reader::new(jiff::tz::TimeZone::UTC, identity.now()).ago(looked.asked),
    };
    if username.is_empty() && password.is_empty() && code.is_empty() {
        return shown(StatusCode::OK, &Page { user_code, ..Page::at(&app, step) });
    }
    match confirmed(&app, &identity, looked, &user_code, (&username, password, &code), &origin).await {
        Ok(name) => shown(StatusCode::OK, &Page::at(&app, Step::Done { name })),
        Err(denied) => {
            let told = denied.to_string();
            let username = if username.len() <= 320 { username } else { String::new() };
            shown_denied(&denied, &Page { told, user_code, username, ..Page::at(&app, step) })
        }
    }
}

/// Signs somebody in for the device; the name of its program.
async fn confirmed(
    app: &App,
    identity: &Identity,
    looked: Looked,
    user_code: &str,
    (username, password, code): (&str, Zeroizing<String>, &str),
    origin: &Origin,
) -> Result<String, Denied> {
    let name = program(app, &looked).name;
    let collect = Collect::WithDevice { user_code: user_code.to_owned(), policy: app.devices };
    identity.with_password(username, password, code, For::Later(looked.wish, collect), origin).await?;
    Ok(name)
}

fn program(app: &App, looked: &Looked) -> Program {
    Program::of(app, looked.wish.client.unwrap_or_default(), &looked.wish)
}

fn again(app: &App, denied: &Denied, user_code: String) -> Response {
    let user_code = if user_code.len() <= 32 { user_code } else { String::new() };
    shown_denied(denied, &Page { told: denied.to_string(), user_code, ..Page::at(app, Step::Code) })
}
