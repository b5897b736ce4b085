//! A principal's credentials: which rows of the vault the log names, and what may be done with them.
//!
//! Always: a row that the log does not name proves nothing, and is collected at the next start; a row that it names is
//! never deleted while it is named.

use super::totp::Totp;
use super::{Denied, Identity, Origin, Wrong};
use crate::vault::{Expected, Key, Kind, LIST_MAX, VaultError};
use writ_core::command::{Caller, Command, Method};
use writ_core::ids::{CredentialId, PrincipalId};
use writ_core::state::State;
use writ_core::time::Time;
use zeroize::Zeroizing;

/// How many credentials of one kind are looked at; nobody needs more.
const EACH_MAX: u32 = 64;
/// How many one-time code generators of one principal there may be, offers that wait for their first code among them: so
/// few that no number of offers hides one that counts.
pub(super) const TOTP_MAX: usize = 10;

/// A credential as it may be shown to its owner.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its id.
    pub id: CredentialId,
    /// What sort.
    pub method: Method,
    /// When it was bound.
    pub bound: Time,
}

pub(super) fn row_at(kind: Kind, principal: PrincipalId, credential: CredentialId) -> Key {
    Key::new(kind, principal.to_string(), credential.to_string())
}

const fn kind_of(method: Method) -> Option<Kind> {
    match method {
        Method::Password => Some(Kind::Password),
        Method::Totp => Some(Kind::Totp),
        Method::EmergencySecret => Some(Kind::EmergencySecret),
        Method::Code => None,
    }
}

impl Identity {
    /// The rows of this kind that the log names for a principal, the newest first.
    pub(super) async fn named(
        &self,
        state: &State,
        kind: Kind,
        principal: PrincipalId,
    ) -> Result<Vec<CredentialId>, VaultError> {
        let rows = self.0.vault.list(kind, Some(&principal.to_string()), EACH_MAX).await?;
        let mut named: Vec<(Time, CredentialId)> = rows
            .iter()
            .filter_map(|(key, _)| key.id.parse().ok())
            .filter_map(|id| Some((id, state.credentials.get(&id)?)))
            .filter(|(_, c)| c.principal == principal && kind_of(c.method) == Some(kind))
            .map(|(id, c)| (c.bound, id))
            .collect();
        named.sort_unstable_by(|a, b| b.cmp(a));
        Ok(named.into_iter().map(|(_, id)| id).collect())
    }

    /// The hash of a principal's password, with its id.
    pub(super) async fn password_of(
        &self,
        state: &State,
        principal: PrincipalId,
    ) -> Result<Option<(CredentialId, Zeroizing<String>)>, VaultError> {
        let Some(id) = self.named(state, Kind::Password, principal).await?.into_iter().next() else { return Ok(None) };
        let row = self.0.vault.get(&row_at(Kind::Password, principal, id)).await?;
        Ok(row.and_then(|row| Some((id, Zeroizing::new(std::str::from_utf8(&row.secret).ok()?.to_owned())))))
    }

    /// Consumes a one-time code of a principal: whoever gets the credential's id here is the only one who ever does for
    /// this code. Nothing may be decided on a code before.
    pub(super) async fn consume(
        &self,
        state: &State,
        principal: PrincipalId,
        code: &str,
        now: Time,
    ) -> Result<Option<CredentialId>, VaultError> {
        for id in self.named(state, Kind::Totp, principal).await? {
            let at = row_at(Kind::Totp, principal, id);
            let Some(row) = self.0.vault.get(&at).await? else { continue };
            let Some(used) = Totp::from_row(&row.secret).and_then(|totp| totp.consume(code, now)) else { continue };
            match self.0.vault.put(&at, Expected::Version(row.version), &used.to_row(), None).await {
                Ok(_) => return Ok(Some(id)),
                // Somebody consumed a code at this very moment; if it was another one, this one can be tried again.
                Err(VaultError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What a principal signs in with, for showing to them.
    pub async fn credentials_of(&self, principal: PrincipalId) -> Result<Vec<Shown>, Denied> {
        let state = self.state();
        let mut shown = Vec::new();
        for kind in [Kind::Password, Kind::Totp, Kind::EmergencySecret] {
            let ids = self.named(&state, kind, principal).await?;
            shown.extend(
                ids.into_iter().filter_map(|id| {
                    state.credentials.get(&id).map(|c| Shown { id, method: c.method, bound: c.bound })
                }),
            );
        }
        Ok(shown)
    }

    /// Removes a credential, as `caller` may; the sessions that were proved with it end with it.
    pub async fn remove_credential(
        &self,
        caller: Caller,
        principal: PrincipalId,
        credential: CredentialId,
    ) -> Result<(), Denied> {
        let method = self.state().credentials.get(&credential).map(|c| c.method);
        self.0.engine.submit(Command::RemoveCredential { principal, credential }, caller).await?;
        if let Some(kind) = method.and_then(kind_of) {
            self.forget(kind, principal, credential).await?;
        }
        Ok(())
    }

    /// Rows that were written for credentials which were then not bound. Refused ones go at once. After a fault nobody
    /// here knows whether the log names them, so they stay; if it does not, the next start collects them.
    pub(super) async fn unbound<T>(
        &self,
        wrong: Wrong,
        principal: PrincipalId,
        rows: &[(Kind, CredentialId)],
    ) -> Result<T, Denied> {
        if matches!(wrong, Wrong::Refused(_)) {
            for (kind, id) in rows {
                self.forget(*kind, principal, *id).await?;
            }
        }
        Err(wrong.into())
    }

    /// Deletes a row that the log does not name, or no longer.
    pub(super) async fn forget(&self, kind: Kind, principal: PrincipalId, id: CredentialId) -> Result<(), VaultError> {
        let at = row_at(kind, principal, id);
        let Some(row) = self.0.vault.get(&at).await? else { return Ok(()) };
        match self.0.vault.delete(&at, row.version).await {
            // Whoever wrote it meanwhile knew it as named; the next start looks again.
            Err(VaultError::Conflict { .. }) => Ok(()),
            done => done,
        }
    }

    /// Deletes the rows that no entry names: what was left when the server stopped between writing a secret and
    /// appending the entry, or between a removal and the deletion.
    pub(super) async fn collect_orphans(&self) -> Result<(), VaultError> {
        let state = self.state();
        for kind in [Kind::Password, Kind::Totp, Kind::EmergencySecret] {
            for (key, version) in self.0.vault.list(kind, None, LIST_MAX).await? {
                let named = key.id.parse::<CredentialId>().is_ok_and(|id| state.credentials.contains_key(&id));
                if !named {
                    match self.0.vault.delete(&key, version).await {
                        Err(VaultError::Conflict { .. }) => {}
                        done => done?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Somebody who has just proved a second factor, as the author of a command.
    pub(super) fn just_proved(&self, principal: PrincipalId, now: Time, origin: &Origin) -> Caller {
        let command = crate::engine::fresh_id();
        let proof =
            writ_core::command::Proof { signed_in: Some(now), mfa: Some(now), emergency: false, contexts: Vec::new() };
        Caller {
            address: origin.address.map(|ip| ip.to_canonical().to_string()),
            correlation: origin.correlation.unwrap_or(command),
            ..Caller::signed_in(command, principal, origin.via, proof)
        }
    }
}
