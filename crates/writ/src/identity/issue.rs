//! Tokens as they are handed out: what stands in them, and what is told beside them.
//! It checks no proof and opens no session; whoever calls it has done both.
//!
//! Always: a token says no more than its session was signed in for, and never that a proof is newer than it is.

use super::scopes::Wish;
use super::session::{Refresh, Session};
use super::token::{Claims, IdClaims, TOKEN_SPAN};
use super::{Denied, Identity, random};
use crate::store::Fault;
use writ_core::command::Method;
use writ_core::ids::PrincipalId;
use zeroize::Zeroizing;

/// Tokens for a program. Never printed.
pub struct Issued {
    /// The access token.
    pub access: Zeroizing<String>,
    /// How long it lasts, in seconds.
    pub seconds: u32,
    /// What gets the next one, once.
    pub refresh: Option<Refresh>,
    /// Who has signed in, for the program to read; if it asked by `openid` and has an id.
    pub id: Option<Zeroizing<String>>,
    /// The permissions in it, and how the program wrote them.
    pub scope: String,
    /// Who.
    pub principal: PrincipalId,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued(for {}, {} s)", self.principal, self.seconds)
    }
}

impl Identity {
    /// Makes the tokens of a session, as they were wished. The wish's scopes are among the session's.
    pub(super) fn issue(&self, session: &Session, refresh: Option<Refresh>, wish: &Wish) -> Result<Issued, Denied> {
        let now = self.now();
        let ends = session.ends.min(now + TOKEN_SPAN);
        let scopes = wish.scopes.iter().filter(|scope| session.scopes.contains(scope));
        let scopes: Vec<&str> = scopes.map(String::as_str).collect();
        let state = self.state();
        let principal = state.principals.get(&session.principal);
        let upn = principal.and_then(|p| p.user()?.upn.text());
        let claims = Claims {
            iss: self.0.terms.issuer.clone(),
            aud: wish.audience.as_ref().unwrap_or(&session.audience).clone(),
            sub: session.principal,
            oid: session.principal,
            upn: upn.map(str::to_owned),
            tid: self.0.terms.tenant,
            scp: scopes.join(" "),
            roles: Vec::new(),
            idtyp: None,
            amr: shown(&session.methods),
            auth_time: session.signed_in.seconds(),
            mfa_time: session.mfa.map(|at| at.seconds()),
            appid: session.app,
            acrs: wish.contexts.clone(),
            sid: session.id,
            jti: random::id()?,
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: ends.seconds(),
        };
        let unsigned = |_| Denied::Fault(Fault::new("a token could not be signed"));
        let access = self.0.tokens.sign(&claims).map_err(unsigned)?;
        let id = match session.app.filter(|_| wish.says("openid")) {
            Some(app) => {
                let claims = IdClaims {
                    iss: &claims.iss,
                    aud: app,
                    sub: claims.sub,
                    oid: claims.oid,
                    tid: claims.tid,
                    preferred_username: upn,
                    name: principal.and_then(|p| p.name.text()),
                    nonce: wish.nonce.as_deref(),
                    amr: &claims.amr,
                    auth_time: claims.auth_time,
                    iat: claims.iat,
                    nbf: claims.nbf,
                    exp: claims.exp,
                    ver: "2.0",
                };
                Some(Zeroizing::new(self.0.tokens.sign_id(&claims).map_err(unsigned)?))
            }
            None => None,
        };
        let given = |said: &&str| {
            let name = said.rsplit('/').next().unwrap_or(said);
            !scopes.contains(said) && !wish.unknown.iter().any(|unknown| unknown == name)
        };
        let written = wish.said.iter().map(String::as_str).filter(given);
        let scope = scopes.iter().copied().chain(written).collect::<Vec<_>>().join(" ");
        let seconds = u32::try_from(ends.seconds() - now.seconds()).unwrap_or(0);
        Ok(Issued { access: Zeroizing::new(access), seconds, refresh, id, scope, principal: session.principal })
    }
}

/// Authentication methods as tokens name them (RFC 8176; `emergency` is ours).
fn shown(methods: &[Method]) -> Vec<String> {
    let mut amr: Vec<String> = Vec::new();
    for method in methods {
        amr.push(
            match method {
                Method::Password => "pwd",
                Method::Totp => "otp",
                Method::EmergencySecret => "emergency",
                Method::Code => "code",
            }
            .to_owned(),
        );
    }
    if methods.contains(&Method::Password) && methods.contains(&Method::Totp) {
        amr.push("mfa".into());
    }
    amr
}
