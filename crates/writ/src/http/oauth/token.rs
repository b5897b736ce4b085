//! The token endpoint: each grant is checked by `identity`, and its outcome told as RFC 6749 (section 5) has it.
//! It judges no proof.
//!
//! Always: secrets come in the body and never in the address; answers are not stored by anybody on the way.

use super::form::{Form, Wrong};
use super::own;
use crate::http::session::origin;
use crate::identity::handover::Polled;
use crate::identity::issue::Issued;
use crate::identity::scopes::Wish;
use crate::identity::sign_in::For;
use crate::identity::{Denied, Identity};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue, PRAGMA};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::json;

/// Grants of our own.
const STEP_UP: &str = "urn:writ:params:grant:step-up";
const EMERGENCY: &str = "urn:writ:params:grant:emergency";
/// The device grant (RFC 8628, section 3.4), and how one client of Microsoft's writes it.
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const DEVICE_SHORT: &str = "device_code";

/// The grants, as the description lists them.
pub(super) const GRANTS: [&str; 6] = ["authorization_code", DEVICE, "refresh_token", "password", STEP_UP, EMERGENCY];

/// A fresh access token for one of the grants.
pub(super) async fn token(
    State(identity): State<Identity>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, Wrong> {
    own(&identity, &tenant)?;
    let (parts, form) = Form::of(request).await?;
    let origin = origin(&parts);
    let wish = || Ok::<_, Wrong>(Wish { client: form.own_client()?, ..form.wish()? });
    let issued = match form.need("grant_type")? {
        "authorization_code" => {
            let (code, client) = (form.secret("code")?, form.client()?);
            let (redirect, verifier) = (form.need("redirect_uri")?, form.secret("code_verifier")?);
            identity.with_code(&code, client, redirect, &verifier, &origin).await.map(Some)
        }
        DEVICE | DEVICE_SHORT => {
            // One client sends both names.
            let code = form.secret("device_code").or_else(|missing| form.secret("code").map_err(|_| missing))?;
            match identity.with_device_code(&code, form.client()?).await {
                Ok(polled) => polled_as(polled)?,
                Err(denied) => Err(denied),
            }
        }
        "password" => {
            let (name, password, code) = (form.need("username")?, form.secret("password")?, form.need("otp")?);
            let purpose = For::Tokens(wish()?);
            identity.with_password(name, password, code, purpose, &origin).await.map(|signed_in| signed_in.tokens)
        }
        EMERGENCY => {
            let (name, typed) = (form.need("username")?, form.secret("secret")?);
            let purpose = For::Tokens(wish()?);
            identity.with_emergency_secret(name, &typed, purpose, &origin).await.map(|signed_in| signed_in.tokens)
        }
        "refresh_token" => {
            let token = form.secret("refresh_token")?;
            let wish = Wish { client: form.own_client()?, ..form.any_wish()? };
            // Nobody has proved anything in this moment; the token is not used up by asking.
            if !wish.contexts.is_empty() {
                let told = "The second factor has to be proved for this: sign in or step up with the same claims.";
                return Err(Wrong::new("interaction_required", told));
            }
            identity.with_refresh_token(&token, wish, &origin).await.map(Some)
        }
        STEP_UP => {
            let (token, code) = (form.secret("access_token")?, form.need("otp")?);
            identity.step_up_for(&token, code, &form.wish()?.contexts, &origin).await.map(Some)
        }
        _ => {
            let known = format!("This server knows the grants {}.", GRANTS.join(", "));
            return Err(Wrong::new("unsupported_grant_type", known));
        }
    };
    match issued {
        Ok(Some(issued)) => Ok(answer(&identity, &issued)),
        Ok(None) => Err(Wrong::unavailable("No token was made. Try again in a few seconds.")),
        Err(denied) => Err(denied.into()),
    }
}

/// What a device is told (RFC 8628, section 3.5).
fn polled_as(polled: Polled) -> Result<Result<Option<Issued>, Denied>, Wrong> {
    let (code, told) = match polled {
        Polled::Issued(issued) => return Ok(Ok(Some(issued))),
        Polled::Pending => ("authorization_pending", "Nobody has signed in with the user code yet. Ask again."),
        Polled::TooOften => ("slow_down", "Asked again too soon. Wait five seconds longer from now on."),
        Polled::Declined => ("access_denied", "The person who opened the page said that this is not theirs."),
        Polled::Expired => ("expired_token", "Nobody signed in with the user code in time. Begin again."),
    };
    Err(Wrong::new(code, told))
}

fn answer(identity: &Identity, issued: &Issued) -> Response {
    // Clients build the name of the account in their cache from this.
    let client_info = json!({"uid": issued.principal, "utid": identity.tenant()}).to_string();
    let mut body = json!({
        "token_type": "Bearer",
        "access_token": issued.access.as_str(),
        "expires_in": issued.seconds,
        "ext_expires_in": issued.seconds,
        "scope": issued.scope,
        "client_info": B64.encode(client_info),
    });
    if let Some(refresh) = &issued.refresh {
        body["refresh_token"] = refresh.value().into();
    }
    if let Some(id) = &issued.id {
        body["id_token"] = id.as_str().into();
    }
    let mut response = Json(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
