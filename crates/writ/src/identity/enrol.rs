//! How somebody gets their first proofs, and further ones: a single-use code binds a password and a one-time code
//! generator together; whoever has a proof already binds another with a fresh use of it.
//!
//! Known attacks and the defence: using a code twice or at once (the log takes a code once, and whoever comes second
//! binds nothing); beginning with a stolen code and waiting for its owner to finish (each beginning makes a new secret,
//! and only the newest counts); binding a secret that no app has (it counts only after a code made from it).
//!
//! Always: with a code's new proofs the old ones go, and every session with them.

use super::credentials::{TOTP_MAX, row_at};
use super::password;
use super::secret::{self, Secret};
use super::throttle::Aim;
use super::totp::Totp;
use super::{Denied, Identity, Origin, random};
use crate::vault::{Expected, Key, Kind, LIST_MAX, Row, VaultError};
use serde::{Deserialize, Serialize};
use writ_core::command::{Caller, Command, InVault, Method};
use writ_core::holds;
use writ_core::ids::{CredentialId, PrincipalId};
use writ_core::refusal::Refusal;
use writ_core::state::Purpose;
use writ_core::time::{Span, Time};
use zeroize::{Zeroize, Zeroizing};

/// How long a code is good for when nobody says: long enough to hand it over, short enough to be missed when stolen.
pub const CODE_SPAN: Span = Span::from_days(1);
/// How long a further one-time code generator waits for its first code.
const CONFIRM_SPAN: Span = Span::from_minutes(15);

/// A code that was made, to be shown once.
#[derive(Debug)]
pub struct IssuedCode {
    /// The code.
    pub code: Secret,
    /// Its id in the log.
    pub id: CredentialId,
    /// Until when it is good.
    pub expires: Time,
}

/// Whose proofs a code binds.
#[derive(Clone, Debug, PartialEq)]
pub struct Invited {
    /// Who.
    pub principal: PrincipalId,
    /// Their name.
    pub name: String,
    /// Their user principal name.
    pub upn: String,
    /// The organisation.
    pub organisation: String,
    /// Whether they have proofs already, which the new ones replace.
    pub replaces: bool,
}

/// A fresh one-time code secret, to be put into an app; it counts once a code made from it was given. Never printed.
pub struct Offered {
    /// The secret in base32.
    pub seed: Zeroizing<String>,
    /// The link that apps read, also from a QR code.
    pub link: Zeroizing<String>,
}

impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Offered(…)")
    }
}

/// What the vault holds for a code.
#[derive(Serialize, Deserialize)]
struct CodeRow {
    principal: PrincipalId,
    code: CredentialId,
    expires: Time,
    pending: Option<Pending>,
}

/// What somebody has chosen and not yet confirmed.
#[derive(Serialize, Deserialize)]
struct Pending {
    hash: String,
    totp: Totp,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.hash.zeroize();
    }
}

impl Identity {
    /// Makes a code that binds a principal's proofs, as `caller` may. It is good once, until it expires.
    pub async fn issue_code(&self, caller: Caller, principal: PrincipalId, span: Span) -> Result<IssuedCode, Denied> {
        let (code, id) = (Secret::code()?, CredentialId(random::id()?));
        let expires = self.now() + span;
        let command = Command::IssueCode { principal, code: id, expires };
        // Asked first without doing it, so that a refusal writes nothing.
        if let Err(refusal) = self.0.engine.rehearse(&command, &caller).answer {
            return Err(Denied::Refused(Box::new(refusal)));
        }
        let at = code_at(code.shown());
        let row = CodeRow { principal, code: id, expires, pending: None }.to_row()?;
        let version = self.0.vault.put(&at, Expected::Absent, &row, Some(expires)).await?;
        if let Err(wrong) = self.0.engine.submit(command, caller).await {
            self.0.vault.delete(&at, version).await?;
            return Err(wrong.into());
        }
        Ok(IssuedCode { code, id, expires })
    }

    /// Whose proofs a code binds, if it is good now.
    pub async fn invited(&self, code: &str, origin: &Origin) -> Result<Invited, Denied> {
        let (row, _) = self.code_row(code, origin).await?;
        let state = self.state();
        let person = state.principals.get(&row.principal).ok_or(Denied::Code)?;
        Ok(Invited {
            principal: row.principal,
            name: person.name.shown().to_owned(),
            upn: person.user().map(|u| u.upn.shown().to_owned()).unwrap_or_default(),
            organisation: state.settings.as_ref().map(|s| s.name.clone()).unwrap_or_default(),
            replaces: state.credentials.values().any(|c| c.principal == row.principal),
        })
    }

    /// Chooses the password that a code will bind, and offers a secret for one-time codes. Nothing counts yet.
    pub async fn choose(&self, code: &str, chosen: Zeroizing<String>, origin: &Origin) -> Result<Offered, Denied> {
        let invited = self.invited(code, origin).await?;
        password::fit(&chosen, &invited.upn).map_err(Denied::Unfit)?;
        let hash = self.0.passwords.hash(chosen).await?;
        let (mut row, found) = self.code_row(code, origin).await?;
        let totp = Totp::fresh()?;
        let offered = self.offered(&totp, &invited.upn);
        row.pending = Some(Pending { hash, totp });
        let (at, text) = (code_at(code), row.to_row()?);
        match self.0.vault.put(&at, Expected::Version(found.version), &text, Some(row.expires)).await {
            Ok(_) => Ok(offered),
            // Somebody else is using the same code at this moment. Let them both begin again.
            Err(VaultError::Conflict { .. }) => Err(Denied::Code),
            Err(error) => Err(error.into()),
        }
    }

    /// The same secret once more, as its page sent it back: for showing it again after digits that did not match. Nothing
    /// is looked up for it; whoever sends another secret sees that one, and it binds nothing.
    pub fn offered_again(&self, invited: &Invited, seed: &str) -> Option<Offered> {
        Totp::with_seed(seed).map(|totp| self.offered(&totp, &invited.upn))
    }

    /// Binds what was chosen with a code, once a one-time code shows that the secret has arrived. The code is used up.
    pub async fn confirm(&self, code: &str, otp: &str, origin: &Origin) -> Result<PrincipalId, Denied> {
        let (mut row, found) = self.code_row(code, origin).await?;
        let now = self.now();
        let who = row.principal;
        let pending = row.pending.take().ok_or(Denied::Code)?;
        let totp = pending.totp.consume(otp, now).ok_or(Denied::NotConfirmed)?;

        let (password_id, totp_id) = (CredentialId(random::id()?), CredentialId(random::id()?));
        let (password_at, totp_at) = (row_at(Kind::Password, who, password_id), row_at(Kind::Totp, who, totp_id));
        let password_version = self.0.vault.put(&password_at, Expected::Absent, pending.hash.as_bytes(), None).await?;
        let totp_version = self.0.vault.put(&totp_at, Expected::Absent, &totp.to_row(), None).await?;
        let state = self.state();
        let mut old = Vec::new();
        for kind in [Kind::Password, Kind::Totp] {
            old.extend(self.named(&state, kind, who).await?.into_iter().map(|id| (id, kind)));
        }

        // The log takes the code once, and with it both factors and the end of the old ones: of two who race here, one is
        // refused and its rows go again.
        let bind = Command::UseCode {
            principal: who,
            code: row.code,
            password: InVault { credential: password_id, version: password_version },
            totp: InVault { credential: totp_id, version: totp_version },
        };
        if let Err(wrong) = self.0.engine.submit(bind, self.just_proved(who, now, origin)).await {
            let rows = [(Kind::Password, password_id), (Kind::Totp, totp_id)];
            return self.unbound(wrong, who, &rows).await.map_err(|denied| match denied {
                Denied::Refused(_) => Denied::Code,
                denied => denied,
            });
        }
        match self.0.vault.delete(&code_at(code), found.version).await {
            // Changed or gone meanwhile: it binds nothing any more, and is collected when it expires.
            Err(VaultError::Conflict { .. }) => {}
            done => done?,
        }
        for (credential, kind) in old {
            self.forget(kind, who, credential).await?;
        }
        self.0.sessions.end_all(who, None).await?;
        Ok(who)
    }

    /// Offers a further secret for one-time codes to somebody who is signed in. It counts once it is confirmed, which
    /// needs a fresh proof with a factor they have.
    pub async fn offer_totp(&self, principal: PrincipalId) -> Result<(CredentialId, Offered), Denied> {
        let upn = self.upn_of(principal)?;
        let there = self.0.vault.list(Kind::Totp, Some(&principal.to_string()), LIST_MAX).await?;
        if there.len() >= TOTP_MAX {
            let what = "one-time code generators; remove one, or let the offers that were not confirmed expire";
            return Err(Denied::Refused(Box::new(Refusal::TooMany { what, max: TOTP_MAX })));
        }
        let (id, totp) = (CredentialId(random::id()?), Totp::fresh()?);
        let at = row_at(Kind::Totp, principal, id);
        let expires = self.now() + CONFIRM_SPAN;
        self.0.vault.put(&at, Expected::Absent, &totp.to_row(), Some(expires)).await?;
        Ok((id, self.offered(&totp, &upn)))
    }

    /// Binds a further secret for one-time codes that was offered, once a code made from it is given. `caller` must have
    /// proved an older factor freshly.
    pub async fn confirm_totp(&self, caller: Caller, credential: CredentialId, otp: &str) -> Result<(), Denied> {
        let now = self.now();
        let who = caller.principal.ok_or(Denied::Code)?;
        let at = row_at(Kind::Totp, who, credential);
        let offered = self.0.vault.get(&at).await?.filter(|row| row.expires.is_some_and(|end| now < end));
        let row = offered.ok_or(Denied::Code)?;
        let totp = Totp::from_row(&row.secret).ok_or(Denied::Code)?;
        let used = totp.consume(otp, now).ok_or(Denied::NotConfirmed)?;
        // From here on the row stays until the log is asked: it must not be collected under a credential that counts.
        let version = self.0.vault.put(&at, Expected::Version(row.version), &used.to_row(), None).await?;
        let bound = InVault { credential, version };
        let bind = Command::BindCredential { principal: who, method: Method::Totp, bound, replaces: None };
        match self.0.engine.submit(bind, caller).await {
            Ok(_) => Ok(()),
            Err(wrong) => self.unbound(wrong, who, &[(Kind::Totp, credential)]).await,
        }
    }

    /// Changes a password. `caller` must have proved a second factor freshly; the other sessions end.
    pub async fn change_password(
        &self,
        caller: Caller,
        old: Zeroizing<String>,
        new: Zeroizing<String>,
        origin: &Origin,
    ) -> Result<(), Denied> {
        let now = self.now();
        let who = caller.principal.ok_or(Denied::Wrong)?;
        password::fit(&new, &self.upn_of(who)?).map_err(Denied::Unfit)?;
        let aim = caller.session.map_or(Aim::Account(who), Aim::StepUp);
        let attempt = self.0.throttle.begin(aim, origin.address, now).await?;
        let stored = self.password_of(&self.state(), who).await?;
        let (before, hash) = stored.map_or((None, None), |(id, hash)| (Some(id), Some(hash)));
        if !self.0.passwords.verify(old, hash).await? {
            return Err(Denied::Wrong);
        }
        self.0.throttle.abandoned(attempt, now).await?;
        let hash = Zeroizing::new(self.0.passwords.hash(new).await?);
        let id = CredentialId(random::id()?);
        let at = row_at(Kind::Password, who, id);
        let version = self.0.vault.put(&at, Expected::Absent, hash.as_bytes(), None).await?;
        let bound = InVault { credential: id, version };
        let bind = Command::BindCredential { principal: who, method: Method::Password, bound, replaces: before };
        if let Err(wrong) = self.0.engine.submit(bind, caller).await {
            return self.unbound(wrong, who, &[(Kind::Password, id)]).await;
        }
        if let Some(before) = before {
            self.forget(Kind::Password, who, before).await?;
        }
        self.0.sessions.end_all(who, None).await?;
        Ok(())
    }

    async fn code_row(&self, code: &str, origin: &Origin) -> Result<(CodeRow, Row), Denied> {
        let now = self.now();
        let attempt = self.0.throttle.begin(Aim::Code, origin.address, now).await?;
        let found = self.0.vault.get(&code_at(code)).await?;
        let read = found.and_then(|row| Some((CodeRow::from_row(&row.secret)?, row)));
        let (row, found) = read.ok_or(Denied::Code)?;
        let state = self.state();
        let named = state.codes.get(&row.code).filter(|c| c.purpose == Purpose::FirstFactor(row.principal));
        let good = named.is_some_and(|c| now < c.expires) && now < row.expires;
        if !good || !holds::enabled(&state, row.principal) {
            return Err(Denied::Code);
        }
        self.0.throttle.abandoned(attempt, now).await?;
        Ok((row, found))
    }

    fn offered(&self, totp: &Totp, upn: &str) -> Offered {
        let state = self.state();
        let issuer = state.settings.as_ref().map_or("Writ", |s| s.name.as_str());
        Offered { seed: Zeroizing::new(totp.seed().to_owned()), link: totp.link(issuer, upn) }
    }

    fn upn_of(&self, principal: PrincipalId) -> Result<String, Denied> {
        let state = self.state();
        let user = state.principals.get(&principal).and_then(|p| p.user().map(|u| u.upn.shown().to_owned()));
        user.ok_or(Denied::Code)
    }
}

impl CodeRow {
    fn to_row(&self) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        serde_json::to_vec(self).map(Zeroizing::new).map_err(|e| VaultError::Fault(e.to_string()))
    }

    fn from_row(secret: &[u8]) -> Option<Self> {
        serde_json::from_slice(secret).ok()
    }
}

/// Where a code's row is: under the hash of the code, from which nobody finds the code.
fn code_at(code: &str) -> Key {
    Key::new(Kind::EnrolmentCode, "", hex::encode(secret::hash(code).to_row()))
}
