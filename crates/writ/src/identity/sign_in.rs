//! Signing in: password and one-time code, an emergency account's secret, a refresh token, and a second factor proved
//! again. One path for pages, programs and the command line.
//!
//! Known attacks and the defence: finding out which names exist (an unknown name takes the same work, is slowed down the
//! same way and gets the same answer, which does not wait for the log); two sign-ins with one code (the code is consumed by compare-and-set before
//! anything else follows); keeping an emergency account out (its secret is too long to guess, so it is checked at once:
//! no queue, no counter, no second factor).
//!
//! Always: a sign-in is in the durable log before anybody is told that they are in.

use super::handover::{Code, Collect};
use super::issue::Issued;
use super::scopes::Wish;
use super::session::{Cookie, Door, NoSession, Opening, Session};
use super::throttle::{Aim, NotYet};
use super::token::Unaccepted;
use super::totp::Totp;
use super::{Denied, Identity, Origin, secret};
use crate::vault::Kind;
use writ_core::command::{Method, SignIn, Wrong};
use writ_core::holds;
use writ_core::ids::{CredentialId, PrincipalId};
use writ_core::state::State;
use zeroize::Zeroizing;

/// The longest name that is looked for, in bytes.
const NAME_MAX: usize = 320;

/// What a sign-in is for.
#[derive(Clone, Debug)]
pub enum For {
    /// A browser.
    Page,
    /// A program, which gets tokens for this API with these permissions.
    Tokens(Wish),
    /// A program that fetches its tokens when somebody has signed in for it in a browser, and how it fetches them.
    Later(Wish, Collect),
}

/// Somebody who is in.
#[derive(Debug)]
pub struct SignedIn {
    /// Their session.
    pub session: Session,
    /// What their browser keeps; for [`For::Page`], and where a program sent the browser here.
    pub cookie: Option<Cookie>,
    /// What their program gets; for [`For::Tokens`].
    pub tokens: Option<Issued>,
    /// What their program fetches its tokens with; for [`Collect::WithCode`].
    pub code: Option<Code>,
}

impl Identity {
    /// Signs in with a password and a one-time code.
    pub async fn with_password(
        &self,
        name: &str,
        password: Zeroizing<String>,
        code: &str,
        purpose: For,
        origin: &Origin,
    ) -> Result<SignedIn, Denied> {
        self.check_audience(&purpose)?;
        let now = self.now();
        let state = self.state();
        let who = account(&state, name);
        let aim = who.map_or(Aim::UnknownName(name.get(..NAME_MAX).unwrap_or(name)), Aim::Account);
        let attempt = match self.0.throttle.begin(aim, origin.address, now).await {
            Ok(attempt) => attempt,
            Err(not_yet) => {
                if matches!(not_yet, NotYet::Wait(_)) {
                    self.failed(who, SignIn::Throttled, None, origin);
                }
                return Err(not_yet.into());
            }
        };
        // Nobody's rows are looked for as well, so that an unknown name is no quicker.
        let stored = self.password_of(&state, who.unwrap_or(NOBODY)).await?;
        let (credential, hash) = stored.map_or((None, None), |(id, hash)| (Some(id), Some(hash)));
        let right = match self.0.passwords.verify(password, hash).await {
            Ok(right) => right,
            Err(busy) => {
                self.0.throttle.abandoned(attempt, now).await?;
                return Err(busy.into());
            }
        };
        let proved = match (who, credential, right) {
            (Some(who), Some(password), true) => {
                self.consume(&state, who, code, now).await?.map(|totp| (who, password, totp))
            }
            _ => {
                self.consume_nothing(code).await?;
                None
            }
        };
        let Some((who, password, totp)) = proved else {
            // The answer does not tell which; the record does.
            let wrong = match (who, right) {
                (None, _) => Wrong::Name,
                (_, false) => Wrong::Password,
                (_, true) => Wrong::Code,
            };
            self.failed(who, SignIn::Failed, Some(wrong), origin);
            return Err(Denied::Wrong);
        };
        if !holds::enabled(&state, who) {
            self.failed(Some(who), SignIn::Failed, Some(Wrong::Disabled), origin);
            return Err(Denied::Disabled);
        }
        self.0.throttle.succeeded(attempt, now).await?;
        self.enter(who, vec![(Method::Password, password), (Method::Totp, totp)], purpose, origin).await
    }

    /// Signs in to an emergency account: its secret suffices alone.
    pub async fn with_emergency_secret(
        &self,
        name: &str,
        typed: &str,
        purpose: For,
        origin: &Origin,
    ) -> Result<SignedIn, Denied> {
        self.check_audience(&purpose)?;
        let state = self.state();
        let named = account(&state, name);
        let who = named.filter(|who| state.principals.get(who).is_some_and(|p| p.emergency()));
        let mut proved = None;
        for id in self.named(&state, Kind::EmergencySecret, who.unwrap_or(NOBODY)).await? {
            let at = super::credentials::row_at(Kind::EmergencySecret, who.unwrap_or(NOBODY), id);
            let row = self.0.vault.get(&at).await?;
            if row.and_then(|row| secret::Hash::from_row(&row.secret)).is_some_and(|hash| hash.is_of(typed)) {
                proved = who.map(|who| (who, id));
            }
        }
        let Some((who, credential)) = proved else {
            let wrong = named.map_or(Wrong::Name, |_| Wrong::Secret);
            self.failed(named, SignIn::Failed, Some(wrong), origin);
            return Err(Denied::Wrong);
        };
        if !holds::enabled(&state, who) {
            self.failed(Some(who), SignIn::Failed, Some(Wrong::Disabled), origin);
            return Err(Denied::Disabled);
        }
        // Loud on purpose: whoever watches the server's own log sees it even if nobody reads the audit.
        tracing::warn!(account = %who, "an emergency account was used");
        self.enter(who, vec![(Method::EmergencySecret, credential)], purpose, origin).await
    }

    /// Gets the next access token with a refresh token, which is used up by it: for the program that signed in alone,
    /// and for no more than it signed in for.
    pub async fn with_refresh_token(&self, token: &str, wish: Wish, origin: &Origin) -> Result<Issued, Denied> {
        let (session, used) = self.0.sessions.of_refresh(token, self.now()).await?;
        // A used one ends its session, whoever brings it and whatever for.
        let wish = if used { wish } else { self.within(&session, wish)? };
        match self.0.sessions.refresh(token, self.now()).await {
            Ok((session, next)) => {
                self.alive(&session)?;
                self.issue(&session, Some(next), &wish)
            }
            Err(NoSession::Reused(session)) => {
                let Session { id, principal, app, .. } = *session;
                self.note_own(principal, Some(id), app, SignIn::RefreshReused, &[], origin).await?;
                Err(Denied::Token(Unaccepted::SignedOut))
            }
            Err(no) => Err(no.into()),
        }
    }

    /// What a program wishes of a session that it signed in for.
    fn within(&self, session: &Session, wish: Wish) -> Result<Wish, Denied> {
        self.accepts(wish.audience.as_deref())?;
        if session.app.is_some() && session.app != wish.client {
            return Err(Denied::OtherProgram);
        }
        if wish.all() {
            Ok(Wish { scopes: session.scopes.clone(), ..wish })
        } else if wish.scopes.iter().all(|scope| session.scopes.contains(scope)) {
            Ok(wish)
        } else {
            Err(Denied::BeyondSignIn)
        }
    }

    /// Proves the second factor again: an access token and a one-time code give an access token with a fresh proof.
    pub async fn step_up(&self, token: &str, code: &str, origin: &Origin) -> Result<Issued, Denied> {
        self.step_up_for(token, code, &[], origin).await
    }

    /// The same, with authentication contexts that the proof satisfies; those that stood in the token stay.
    pub async fn step_up_for(
        &self,
        token: &str,
        code: &str,
        contexts: &[String],
        origin: &Origin,
    ) -> Result<Issued, Denied> {
        let (claims, session) = self.verified(token).await?;
        let session = self.prove_again(&session, code, origin).await?;
        let contexts = super::contexts::and(contexts, &claims.acrs);
        // It proves more and may no more: a token for few permissions is raised to one for the same few.
        let scopes = claims.scp.split(' ').map(str::to_owned).collect();
        let audience = Some(claims.aud.clone());
        let wish = Wish { audience, scopes, contexts, client: session.app, ..Wish::default() };
        self.issue(&session, None, &wish)
    }

    /// Proves the second factor again in a session, with a one-time code.
    pub async fn prove_again(&self, session: &Session, code: &str, origin: &Origin) -> Result<Session, Denied> {
        let now = self.now();
        let attempt = self.0.throttle.begin(Aim::StepUp(session.id), origin.address, now).await?;
        let who = session.principal;
        let Some(totp) = self.consume(&self.state(), who, code, now).await? else {
            self.failed(Some(who), SignIn::Failed, Some(Wrong::Code), origin);
            return Err(Denied::Wrong);
        };
        self.0.throttle.succeeded(attempt, now).await?;
        self.note_own(who, Some(session.id), session.app, SignIn::SteppedUp, &[Method::Totp], origin).await?;
        Ok(self.0.sessions.proved_again(who, session.id, totp, now).await?)
    }

    /// Begins the session of somebody whose proofs were right.
    async fn enter(
        &self,
        who: PrincipalId,
        proved: Vec<(Method, CredentialId)>,
        purpose: For,
        origin: &Origin,
    ) -> Result<SignedIn, Denied> {
        let methods: Vec<Method> = proved.iter().map(|(method, _)| *method).collect();
        let (door, wish, collect) = match purpose {
            For::Page => (Door::Page, Wish::default(), None),
            For::Tokens(wish) => (Door::Token, wish, None),
            For::Later(wish, collect) => (Door::Token, wish, Some(collect)),
        };
        let second = proved.iter().any(|(method, _)| matches!(method, Method::Totp | Method::EmergencySecret));
        let contexts = if second { wish.contexts } else { Vec::new() };
        let wish = Wish { contexts, ..wish };
        // The browser that a program sent here is signed in as well, so that the next program need not ask for a code.
        let browser = matches!(collect, Some(Collect::WithCode { .. })).then(|| proved.clone());
        let opening = Opening {
            principal: who,
            door,
            proved,
            scopes: wish.scopes.clone(),
            audience: wish.audience.clone().unwrap_or_else(|| super::GRAPH.to_owned()),
            address: origin.address.map(|ip| ip.to_canonical().to_string()),
            agent: origin.agent.clone(),
            app: wish.client,
        };
        let page = |proved| Opening { door: Door::Page, proved, scopes: Vec::new(), app: None, ..opening.clone() };
        let page = browser.map(page);
        let (session, mut cookie) = self.0.sessions.open(opening, self.now()).await?;
        let noted = self.note_own(who, Some(session.id), session.app, SignIn::Succeeded, &methods, origin).await;
        if let Err(denied) = noted {
            self.0.sessions.end(who, session.id).await?;
            return Err(denied);
        }
        let (mut tokens, mut code) = (None, None);
        match (door, collect) {
            (Door::Page, _) => {}
            (Door::Token, None) => {
                let refresh = self.0.sessions.first_refresh(&session, self.now()).await?;
                tokens = Some(self.issue(&session, refresh, &wish)?);
            }
            (Door::Token, Some(collect)) => {
                code = self.handed_over(&session, wish, collect).await?;
                if let Some(page) = page {
                    cookie = self.0.sessions.open(page, self.now()).await?.1;
                }
            }
        }
        Ok(SignedIn { session, cookie, tokens, code })
    }

    /// Lets somebody who is signed in with a browser go on to a program, without proving anything again: what they proved
    /// is as old for the program as it is for the browser, and ends when that does. An authentication context, which
    /// wants a proof of this moment, is not among what they can have so.
    pub async fn for_program(
        &self,
        page: &Session,
        wish: Wish,
        collect: Collect,
        origin: &Origin,
    ) -> Result<Option<Code>, Denied> {
        self.accepts(wish.audience.as_deref())?;
        self.alive(page)?;
        let wish = Wish { contexts: Vec::new(), ..wish };
        let opening = Opening {
            principal: page.principal,
            door: Door::Token,
            proved: Vec::new(),
            scopes: wish.scopes.clone(),
            audience: wish.audience.clone().unwrap_or_else(|| super::GRAPH.to_owned()),
            address: origin.address.map(|ip| ip.to_canonical().to_string()),
            agent: origin.agent.clone(),
            app: wish.client,
        };
        let session = self.0.sessions.open_from(page, opening, self.now()).await?;
        if session.proof().emergency {
            tracing::warn!(account = %session.principal, "an emergency account was used");
        }
        let Session { id, principal, app, .. } = session;
        if let Err(denied) = self.note_own(principal, Some(id), app, SignIn::Succeeded, &[], origin).await {
            self.0.sessions.end(principal, id).await?;
            return Err(denied);
        }
        self.handed_over(&session, wish, collect).await
    }

    /// Hands a session over, or ends it.
    async fn handed_over(&self, session: &Session, wish: Wish, collect: Collect) -> Result<Option<Code>, Denied> {
        let handed = self.hand_over(session, wish, collect);
        if handed.is_err() {
            self.0.sessions.end(session.principal, session.id).await?;
        }
        handed
    }

    fn check_audience(&self, purpose: &For) -> Result<(), Denied> {
        match purpose {
            For::Tokens(wish) | For::Later(wish, _) => self.accepts(wish.audience.as_deref()),
            For::Page => Ok(()),
        }
    }

    /// Whether this is a name of this server's API; nothing means the first one.
    pub fn accepts(&self, audience: Option<&str>) -> Result<(), Denied> {
        match audience {
            Some(audience) if !self.0.terms.audiences.iter().any(|known| known == audience) => {
                Err(Denied::Token(Unaccepted::Audience))
            }
            _ => Ok(()),
        }
    }

    /// The work of checking a code, for nobody.
    async fn consume_nothing(&self, code: &str) -> Result<(), Denied> {
        let state = self.state();
        self.named(&state, Kind::Totp, NOBODY).await?;
        Totp::fresh()?.consume(code, self.now());
        Ok(())
    }
}

/// The id that belongs to nobody.
const NOBODY: PrincipalId = PrincipalId::from_u128(0);

/// The user with this name: the user principal name in any case, or its first part if it is one user's only.
pub fn account(state: &State, name: &str) -> Option<PrincipalId> {
    let name = name.trim();
    if name.is_empty() || name.len() > NAME_MAX {
        return None;
    }
    if name.contains('@') {
        return state.user_named(name).map(|p| p.id);
    }
    let start = format!("{}@", name.to_lowercase());
    let mut found = state.upns.range(start.clone()..).take_while(|(upn, _)| upn.starts_with(&start));
    match (found.next(), found.next()) {
        (Some((_, id)), None) => Some(*id),
        _ => None,
    }
}
