//! Enrolment codes for hosts: made by somebody who may, used once by a host.
//! The code itself is shown once and kept nowhere; the vault holds its hash.
//!
//! Always: a code is used up by the same entry that enrols the host, so two hosts never come in by one code.

use super::Hosts;
use crate::engine::{Wrong, fresh_id};
use crate::store::Fault;
use crate::vault::{Expected, Key, Kind, VaultError};
use writ_core::command::{Caller, Command};
use writ_core::ids::{CredentialId, DeviceId, UnitId, Uuid};
use writ_core::order::{Code, EnrolAnswer, EnrolAsk, Hex, SignedEnrolment, fingerprint};
use writ_core::refusal::{Refusal, What};
use writ_core::time::{Span, Time};

/// How long a code is good for.
const GOOD_FOR: Span = Span::from_hours(24);

/// A code that was made, to be shown once.
#[derive(Debug)]
pub struct Issued {
    /// The code.
    pub code: Code,
    /// Until when it can be used.
    pub expires: Time,
}

impl Hosts {
    /// Makes a code that enrols one host, into a unit if one is named.
    ///
    /// # Errors
    /// When the caller may not, or the world failed.
    pub async fn issue_code(&self, unit: Option<UnitId>, caller: Caller) -> Result<Issued, Wrong> {
        let mut secret = [0u8; 16];
        getrandom::fill(&mut secret).map_err(|e| Wrong::Fault(Fault::new(format!("no randomness: {e}"))))?;
        let code = Code { secret: Hex(secret), order_key: fingerprint(&self.order_key()) };
        let id = CredentialId(fresh_id());
        let expires = self.engine.now() + GOOD_FOR;
        let at = row(&code);
        // The secret first, then the event that names it: an event without its row could never be used.
        let version = self.vault.put(&at, Expected::Absent, id.0.as_bytes(), Some(expires)).await.map_err(failed)?;
        let made = self.engine.submit(Command::IssueHostCode { code: id, unit, expires }, caller).await;
        if let Err(wrong) = made {
            if let Err(error) = self.vault.delete(&at, version).await {
                tracing::debug!(?error, "an unused code waits to be collected");
            }
            return Err(wrong);
        }
        Ok(Issued { code, expires })
    }

    /// Enrols the host that sent this, whose signature by the device key it names was checked.
    ///
    /// # Errors
    /// When the code is not good, or the world failed.
    pub async fn enrol(&self, ask: &EnrolAsk) -> Result<SignedEnrolment, Wrong> {
        let code = Code { secret: ask.secret, order_key: fingerprint(&self.order_key()) };
        let at = row(&code);
        let unknown = || {
            let id = "of that kind; it was used, or has expired: ask for a new one".into();
            Wrong::Refused(Box::new(Refusal::NoSuch { what: What::Code, id }))
        };
        let found = self.vault.get(&at).await.map_err(failed)?.ok_or_else(unknown)?;
        let id = Uuid::from_slice(&found.secret).map(CredentialId).map_err(|_| failed(VaultError::DoesNotOpen))?;
        let host = DeviceId(fresh_id());
        let command = Command::EnrolHost { host, name: ask.name.clone(), key: ask.device_key.to_string(), code: id };
        self.engine.submit(command, Caller::host(fresh_id(), host)).await?;
        if let Err(error) = self.vault.delete(&at, found.version).await {
            tracing::debug!(?error, "a used code waits to be collected");
        }
        let answer = EnrolAnswer {
            tenant: self.engine.state().tenant,
            host,
            order_key: Hex(self.order_key().to_bytes()),
            device_key: ask.device_key,
        };
        SignedEnrolment::sign(&answer, &self.key).map_err(|why| Wrong::Fault(Fault::new(why)))
    }
}

fn row(code: &Code) -> Key {
    Key::new(Kind::HostCode, "", code.hash().to_string())
}

fn failed(error: VaultError) -> Wrong {
    Wrong::Fault(Fault::new(format!("enrolment codes: {error}")))
}
