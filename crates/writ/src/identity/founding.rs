//! The first proofs of a tenant, and new ones when all are lost: what `writ init`, `writ recover` and the demo ask for.
//! Only somebody who is root at the server's own console gets here.
//!
//! Always: the secret is in the vault before the log names it, and is shown once by whoever called.

use super::credentials::row_at;
use super::enrol::IssuedCode;
use super::secret::Secret;
use super::{Denied, Identity, random};
use crate::vault::{Expected, Kind};
use writ_core::command::{Caller, Command, InVault, Method, NewUser};
use writ_core::ids::{CredentialId, PersonId, PrincipalId};
use writ_core::rules::RuleChoice;
use writ_core::time::Span;

/// What a tenant begins with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The organisation's name.
    pub name: String,
    /// Which rules its roles begin with.
    pub rules: RuleChoice,
    /// The shortest activation.
    pub span_min: Span,
    /// How long the first administrator holds Global Administrator for the set-up.
    pub setup: Span,
    /// The first administrator: name and user principal name.
    pub administrator: (String, String),
    /// The emergency accounts: name and user principal name of each.
    pub emergency: [(String, String); 2],
    /// How long the first administrator's code is good for.
    pub code_span: Span,
}

/// What came of it; the secrets are to be shown once.
#[derive(Debug)]
pub struct Founded {
    /// The first administrator.
    pub administrator: PrincipalId,
    /// The code with which they set up their sign-in.
    pub code: IssuedCode,
    /// The emergency accounts with their secrets.
    pub emergency: Vec<Emergency>,
}

/// An emergency account with its new secret.
#[derive(Debug)]
pub struct Emergency {
    /// The account.
    pub principal: PrincipalId,
    /// Its user principal name.
    pub upn: String,
    /// Its secret.
    pub secret: Secret,
}

impl Identity {
    /// Founds the tenant: its first administrator with a code, and two emergency accounts with their secrets.
    pub async fn found(&self, founding: Founding) -> Result<Founded, Denied> {
        let administrator = new_user(&founding.administrator)?;
        let emergency = [new_user(&founding.emergency[0])?, new_user(&founding.emergency[1])?];
        let who = administrator.id;
        let found = Command::Found {
            name: founding.name,
            rules: founding.rules,
            span_min: founding.span_min,
            administrator,
            setup: founding.setup,
            emergency: emergency.to_vec(),
        };
        if let Err(refusal) = self.0.engine.rehearse(&found, &console()).answer {
            return Err(Denied::Refused(Box::new(refusal)));
        }
        // Both secrets are in the vault before there is a tenant without a way in.
        let mut kept = Vec::new();
        for user in emergency {
            let (credential, secret, version) = self.emergency_secret(user.id).await?;
            kept.push((user, credential, secret, version));
        }
        self.0.engine.submit(found, console()).await?;
        let mut shown = Vec::new();
        for (user, credential, secret, version) in kept {
            let principal = user.id;
            let (method, bound) = (Method::EmergencySecret, InVault { credential, version });
            let bind = Command::BindCredential { principal, method, bound, replaces: None };
            self.0.engine.submit(bind, console()).await?;
            shown.push(Emergency { principal, upn: user.upn, secret });
        }
        let code = self.issue_code(console(), who, founding.code_span).await?;
        Ok(Founded { administrator: who, code, emergency: shown })
    }

    /// Gives the emergency account of this name a new secret, or makes one with this name. Secrets it had are void.
    pub async fn recover_emergency(&self, name: &str, upn: &str) -> Result<Emergency, Denied> {
        let state = self.state();
        let user = match state.user_named(upn) {
            Some(there) => NewUser {
                id: there.id,
                person: there.person().unwrap_or(PersonId(there.id.0)),
                name: there.name.shown().to_owned(),
                upn: upn.to_owned(),
            },
            None => new_user(&(name.to_owned(), upn.to_owned()))?,
        };
        let before = self.named(&state, Kind::EmergencySecret, user.id).await?;
        let principal = user.id;
        let (credential, secret, _) = self.emergency_secret(principal).await?;
        if let Err(wrong) = self.0.engine.submit(Command::MintEmergency { user, credential }, console()).await {
            return self.unbound(wrong, principal, &[(Kind::EmergencySecret, credential)]).await;
        }
        for void in before {
            self.forget(Kind::EmergencySecret, principal, void).await?;
        }
        self.0.sessions.end_all(principal, None).await?;
        Ok(Emergency { principal, upn: upn.to_owned(), secret })
    }

    async fn emergency_secret(&self, principal: PrincipalId) -> Result<(CredentialId, Secret, u64), Denied> {
        let (credential, secret) = (CredentialId(random::id()?), Secret::emergency()?);
        let at = row_at(Kind::EmergencySecret, principal, credential);
        let version = self.0.vault.put(&at, Expected::Absent, &secret.hash().to_row(), None).await?;
        Ok((credential, secret, version))
    }
}

fn console() -> Caller {
    Caller::console(crate::engine::fresh_id())
}

fn new_user((name, upn): &(String, String)) -> Result<NewUser, Denied> {
    Ok(NewUser {
        id: PrincipalId(random::id()?),
        person: PersonId(random::id()?),
        name: name.clone(),
        upn: upn.clone(),
    })
}
