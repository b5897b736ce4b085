//! From the browser to the program: somebody signs in on a page, and the program that sent them there fetches its tokens
//! itself, with an authorization code (RFC 6749, section 4.1) or with the device code it has been asking with (RFC 8628).
//! It checks no proof: whoever is handed over has signed in before.
//!
//! Known attacks and the defence: a code read from an address bar or a log (it is worth nothing without the verifier that
//! only the program has, RFC 7636; it is good for one attempt within a minute; when a used one comes back, the session
//! ends, because one of the two who hold it is a thief); a code for one program used by another (it is bound to the
//! client and to the address it was sent to); filling the memory (what waits is bounded, and so is what one network may
//! have waiting).
//!
//! Always: only hashes of the secrets are kept, in memory; what was not fetched in time is ended. A restart forgets what
//! waits: a session that nobody fetched then lasts to its own end, listed with the others, and nobody has a token of it.

mod codes;
mod devices;

pub use codes::Code;
pub use devices::{Begun, DevicePolicy, Looked};

use super::issue::Issued;
use super::scopes::Wish;
use super::session::Session;
use super::{Denied, Identity, Origin};
use writ_core::command::SignIn;
use writ_core::ids::{PrincipalId, SessionId, Uuid};

/// How a program fetches the tokens of somebody who signs in for it.
#[derive(Clone, Debug)]
pub enum Collect {
    /// With an authorization code, sent to this address through the browser.
    WithCode {
        /// The address, as the program wrote it.
        redirect: String,
        /// SHA-256 of the verifier that it will show.
        challenge: [u8; 32],
    },
    /// With the device code that belongs to this user code.
    WithDevice {
        /// As it was typed.
        user_code: String,
        /// From where it may be confirmed.
        policy: DevicePolicy,
    },
}

/// Somebody who has signed in for a program, and what it wished for.
#[derive(Clone, Debug)]
struct Held {
    principal: PrincipalId,
    session: SessionId,
    wish: Wish,
}

/// What waits to be fetched.
#[derive(Default)]
pub(super) struct Handovers {
    codes: codes::Codes,
    devices: devices::Devices,
}

/// A device's answer to its asking.
#[derive(Debug)]
pub enum Polled {
    /// Nobody has confirmed it yet.
    Pending,
    /// It asks more often than it was told to.
    TooOften,
    /// Somebody said that it is not theirs.
    Declined,
    /// It has waited too long.
    Expired,
    /// Its tokens.
    Issued(Issued),
}

impl Identity {
    /// Keeps what a program is to fetch for a session that has just begun.
    pub(super) fn hand_over(&self, session: &Session, wish: Wish, how: Collect) -> Result<Option<Code>, Denied> {
        let held = Held { principal: session.principal, session: session.id, wish };
        match how {
            Collect::WithCode { redirect, challenge } => {
                self.0.handovers.codes.keep(held, redirect, challenge, self.now()).map(Some)
            }
            Collect::WithDevice { user_code, policy } => {
                let looked = self.0.handovers.devices.look(&user_code, self.now())?;
                looked.allows(policy, session.address.as_deref().and_then(|ip| ip.parse().ok()))?;
                self.0.handovers.devices.confirm(&user_code, held, self.now())?;
                Ok(None)
            }
        }
    }

    /// Tokens for an authorization code: for the program it was made for, at the address it was sent to, with the verifier
    /// whose hash that program had shown. The code is used up by the first attempt, right or wrong.
    pub async fn with_code(
        &self,
        code: &str,
        client: Uuid,
        redirect: &str,
        verifier: &str,
        origin: &Origin,
    ) -> Result<Issued, Denied> {
        match self.0.handovers.codes.take(code, client, redirect, verifier, self.now()) {
            codes::Taken::Right(held) => self.fetched(held).await,
            codes::Taken::Wrong(held) => {
                self.0.sessions.end(held.principal, held.session).await?;
                Err(Denied::NotHandedOver)
            }
            codes::Taken::Used { principal, session, app } => {
                if self.0.sessions.end(principal, session).await? {
                    self.note_own(principal, Some(session), app, SignIn::CodeReused, &[], origin).await?;
                }
                Err(Denied::NotHandedOver)
            }
            codes::Taken::Unknown => Err(Denied::NotHandedOver),
        }
    }

    /// Begins to wait for somebody who confirms a device.
    pub fn begin_device(&self, wish: Wish, policy: DevicePolicy, origin: &Origin) -> Result<Begun, Denied> {
        if policy == DevicePolicy::Off {
            return Err(Denied::NoDevices);
        }
        self.accepts(wish.audience.as_deref())?;
        self.0.handovers.devices.begin(wish, origin, self.now())
    }

    /// What waits under a user code, for somebody who is where they may confirm it.
    pub async fn device(&self, user_code: &str, policy: DevicePolicy, origin: &Origin) -> Result<Looked, Denied> {
        let looked = self.look(user_code, origin).await?;
        looked.allows(policy, origin.address)?;
        Ok(looked)
    }

    async fn look(&self, user_code: &str, origin: &Origin) -> Result<Looked, Denied> {
        let now = self.now();
        let attempt = self.0.throttle.begin(super::throttle::Aim::Code, origin.address, now).await?;
        let found = self.0.handovers.devices.look(user_code, now)?;
        self.0.throttle.succeeded(attempt, now).await?;
        Ok(found)
    }

    /// Somebody says that a device is not theirs; it gets nothing.
    pub async fn decline_device(&self, user_code: &str, origin: &Origin) -> Result<(), Denied> {
        self.look(user_code, origin).await?;
        self.0.handovers.devices.decline(user_code, self.now());
        Ok(())
    }

    /// Tokens for a device code, as soon as somebody has signed in for it.
    pub async fn with_device_code(&self, code: &str, client: Uuid) -> Result<Polled, Denied> {
        Ok(match self.0.handovers.devices.poll(code, client, self.now()) {
            None => return Err(Denied::NotHandedOver),
            Some(devices::Answer::Pending) => Polled::Pending,
            Some(devices::Answer::TooOften) => Polled::TooOften,
            Some(devices::Answer::Declined) => Polled::Declined,
            Some(devices::Answer::Expired) => Polled::Expired,
            Some(devices::Answer::Ready(held)) => Polled::Issued(self.fetched(held).await?),
        })
    }

    /// The tokens of a session that waited to be fetched. Only a program that asked for it by name gets one to refresh with.
    /// If none are made, the session ends: what it waited for cannot be fetched a second time.
    async fn fetched(&self, held: Held) -> Result<Issued, Denied> {
        let issued = self.issued(&held).await;
        if issued.is_err() {
            self.0.sessions.end(held.principal, held.session).await?;
        }
        issued
    }

    async fn issued(&self, held: &Held) -> Result<Issued, Denied> {
        let session = self.0.sessions.get(held.principal, held.session, self.now()).await?;
        self.alive(&session)?;
        let refresh = if held.wish.says("offline_access") {
            self.0.sessions.first_refresh(&session, self.now()).await?
        } else {
            None
        };
        self.issue(&session, refresh, &held.wish)
    }

    /// Ends what nobody fetched in time.
    pub(super) async fn end_unfetched(&self) -> Result<(), Denied> {
        let now = self.now();
        let mut over = self.0.handovers.codes.over(now);
        over.extend(self.0.handovers.devices.over(now));
        let mut ended = Ok(());
        for held in over {
            // One that cannot be ended keeps no other from its end.
            ended = ended.and(self.0.sessions.end(held.principal, held.session).await.map(|_| ()));
        }
        Ok(ended?)
    }
}
