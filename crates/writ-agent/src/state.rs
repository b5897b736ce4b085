//! What the agent must know after a restart: who it is, the newest order, what it has made of it, and the pins.
//! One file, readable by root only, replaced as a whole and durable before anything in it is acted on.
//!
//! Always: the order's number in it never falls.

use crate::accounts::{Local, Pins};
use crate::files;
use crate::places::STATE_DIR;
use crate::window::{Floor, Taken};
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use writ_core::ids::{DeviceId, TenantId};
use writ_core::order::{Held, Hex, NotObeyed, Order, OrderGrant, SignedOrder, Standing};
use writ_core::time::{Span, Time};

/// Who this host is to its server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The server's address.
    pub server: String,
    /// The tenant.
    pub tenant: TenantId,
    /// This host's id.
    pub host: DeviceId,
    /// The key that signs orders.
    pub order_key: Hex<32>,
}

/// What became of one grant of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The grant as ordered.
    pub grant: OrderGrant,
    /// What was left of it when it came.
    pub taken: Taken,
    /// The account it means, once that was found.
    pub local: Option<(String, u32, u32)>,
    /// When its rule was first put in place.
    pub began: Option<Began>,
    /// How it stands.
    pub standing: Standing,
    /// How that is known, for people.
    pub told: String,
    /// Whether its elevated sessions are still being ended.
    pub ending: bool,
    /// Whether the server has taken a report of it being over.
    pub acknowledged: bool,
}

/// When a rule was put in place, by both clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Began {
    /// By the wall clock.
    pub wall: Time,
    /// Since the machine started.
    pub boot: Span,
    /// Which start of the machine that was.
    pub boot_id: String,
}

impl Given {
    /// Whether its rule is in place.
    pub fn in_force(&self) -> bool {
        matches!(self.standing, Standing::InForce { .. } | Standing::Failed) && self.local.is_some()
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.standing, Standing::Ended { .. })
    }

    /// The account it means.
    pub fn account(&self) -> Option<Local> {
        self.local.as_ref().map(|(name, uid, gid)| Local { name: name.clone(), uid: *uid, gid: *gid })
    }

    /// The name of its cgroup.
    pub fn cgroup(&self) -> Option<String> {
        let (_, uid, _) = self.local.as_ref()?;
        Some(format!("{}.{uid}", self.grant.activation))
    }
}

/// Everything that is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Who this host is.
    pub enrolment: Enrolment,
    /// The latest moment seen.
    pub floor: Floor,
    /// Who used which account first.
    #[serde(default)]
    pub pins: Pins,
    /// The newest order, as signed.
    #[serde(default)]
    pub order: Option<SignedOrder>,
    /// Its number and digest.
    #[serde(default)]
    pub held: Option<Held>,
    /// What became of its grants, and of those whose end was not reported yet.
    #[serde(default)]
    pub given: Vec<Given>,
}

fn file() -> PathBuf {
    Path::new(STATE_DIR).join("state.json")
}

fn key_file() -> PathBuf {
    Path::new(STATE_DIR).join("device.key")
}

impl State {
    /// Reads it; `None` on a host that is not enrolled.
    pub fn load() -> Result<Option<Self>, String> {
        let path = file();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| format!("{} cannot be read: {e}; uninstall and enrol again", path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("cannot read {}: {e}", path.display())),
        }
    }

    /// Writes it, durably.
    pub fn save(&self) -> Result<(), String> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|e| format!("the state cannot be written: {e}"))?;
        files::private_dir(STATE_DIR)?;
        files::replace(&file(), &bytes, 0o600)
    }

    /// The key that signs orders.
    pub fn order_key(&self) -> Result<VerifyingKey, String> {
        VerifyingKey::from_bytes(&self.enrolment.order_key.0).map_err(|_| "the order key is not a key".into())
    }

    /// Takes an order if it is one this host obeys, and writes it down before anything is done with it. Returns whether
    /// it says anything new.
    pub fn take(&mut self, signed: &SignedOrder, seconds: &[VerifyingKey]) -> Result<bool, NotTaken> {
        let key = self.order_key().map_err(NotTaken::Fault)?;
        let Enrolment { tenant, host, .. } = self.enrolment;
        let order = signed.accept(&key, seconds, tenant, host, self.held.as_ref()).map_err(NotTaken::NotObeyed)?;
        let held = Held { epoch: order.epoch, seq: order.seq, digest: signed.digest(), log: order.log };
        if self.held.as_ref() == Some(&held) && self.order.is_some() {
            return Ok(false);
        }
        let before = (self.order.replace(signed.clone()), self.held.replace(held));
        if let Err(why) = self.save() {
            (self.order, self.held) = before;
            return Err(NotTaken::Fault(why));
        }
        Ok(true)
    }

    /// The order as it stands, judged anew: a file that somebody altered gives nothing.
    pub fn wanted(&self, seconds: &[VerifyingKey]) -> Result<Option<Order>, NotTaken> {
        let Some(signed) = &self.order else { return Ok(None) };
        let key = self.order_key().map_err(NotTaken::Fault)?;
        let Enrolment { tenant, host, .. } = self.enrolment;
        signed.accept(&key, seconds, tenant, host, self.held.as_ref()).map(Some).map_err(NotTaken::NotObeyed)
    }
}

/// Why an order was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is not one this host obeys.
    NotObeyed(NotObeyed),
    /// It could not be written down.
    Fault(String),
}

impl std::fmt::Display for NotTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotTaken::NotObeyed(why) => write!(f, "{why}"),
            NotTaken::Fault(why) => f.write_str(why),
        }
    }
}

/// This host's own key, made on first use. It never leaves the host.
pub fn device_key() -> Result<SigningKey, String> {
    let path = key_file();
    match fs::read_to_string(&path) {
        Ok(text) => {
            let seed: Hex<32> = text.trim().parse().map_err(|_| format!("{} is not a key", path.display()))?;
            Ok(SigningKey::from_bytes(&seed.0))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let mut seed = [0u8; 32];
            getrandom::fill(&mut seed).map_err(|e| format!("no randomness from the system: {e}"))?;
            files::private_dir(STATE_DIR)?;
            files::replace(&path, Hex(seed).to_string().as_bytes(), 0o600)?;
            Ok(SigningKey::from_bytes(&seed))
        }
        Err(e) => Err(format!("cannot read {}: {e}", path.display())),
    }
}

/// The state of a host that has just enrolled.
pub fn first(enrolment: Enrolment, now: &crate::clock::Now) -> State {
    State { enrolment, floor: Floor::at(now), pins: Pins::default(), order: None, held: None, given: Vec::new() }
}

impl Given {
    /// A grant about which nothing was done yet.
    pub fn new(grant: OrderGrant, taken: Taken) -> Self {
        Self {
            grant,
            taken,
            local: None,
            began: None,
            standing: Standing::Waiting,
            told: String::new(),
            ending: false,
            acknowledged: false,
        }
    }
}
