//! How people prove who they are: codes, credentials, and when emergency accounts were used.

use super::*;
use crate::command::SignIn;

impl State {
    pub(super) fn sign_in_noted(&mut self, principal: Option<PrincipalId>, outcome: SignIn) {
        if let Some(id) = principal
            && outcome == SignIn::Succeeded
            && self.principals.get(&id).is_some_and(|p| p.emergency())
        {
            self.emergency_used.insert(id, self.at);
        }
    }

    /// A newer code voids the one before: whoever may have taken that one on its way gains nothing.
    pub(super) fn code_issued(&mut self, principal: PrincipalId, code: CredentialId, expires: Time) {
        let (at, purpose) = (self.at, Purpose::FirstFactor(principal));
        self.drop_codes(|c| c.purpose == purpose || c.expires <= at);
        self.codes.insert(code, Code { purpose, expires });
    }

    pub(super) fn host_code_issued(&mut self, code: CredentialId, unit: Option<UnitId>, expires: Time) {
        let at = self.at;
        self.drop_codes(|c| c.expires <= at);
        self.codes.insert(code, Code { purpose: Purpose::Host(unit), expires });
    }

    pub(super) fn credential_bound(
        &mut self,
        principal: PrincipalId,
        credential: CredentialId,
        method: Method,
        version: u64,
        code: Option<CredentialId>,
    ) {
        self.credentials.insert(credential, Credential { principal, method, version, bound: self.at });
        if let Some(code) = code {
            self.codes.remove(&code);
        }
    }

    pub(super) fn emergency_minted(&mut self, user: PrincipalId, credential: CredentialId) {
        let secret = |c: &Credential| c.principal == user && c.method == Method::EmergencySecret;
        let gone: Vec<_> = self.credentials.iter().filter(|(_, c)| secret(c)).map(|(id, _)| *id).collect();
        for id in gone {
            self.credentials.remove(&id);
        }
        self.credential_bound(user, credential, Method::EmergencySecret, 1, None);
        self.emergency_used.insert(user, self.at);
    }
}
