//! What a host says back: everything it knows about what is in force, each time anew.
//! It never says what changed; the server compares.
//!
//! Always: a report is bounded in bytes, and every text in it is short and free of control characters.

use super::GrantKey;
use crate::directory::{Account, Drift};
use crate::time::Time;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Where a host reports.
pub const REPORTS_PATH: &str = "/agent/v1/reports";

/// The longest report, in bytes.
pub const REPORT_BYTES_MAX: usize = 256 * 1024;

/// The longest text in a report, in characters.
const TOLD_MAX: usize = 300;

/// A text as a report carries it: one line, no control characters, not endless.
pub fn told_max(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TOLD_MAX).collect()
}

/// Everything a host knows at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// When, by the host's clock.
    pub at: Time,
    /// The epoch of the order it obeys; 0 when it holds none.
    pub epoch: u64,
    /// The order's place in that epoch; 0 when it holds none.
    pub seq: u64,
    /// The host's agent, for people.
    pub agent: String,
    /// What ends elevated processes here.
    pub containment: Containment,
    /// Each grant of the order, and those that ended since the last report that the server took.
    pub grants: Vec<GrantReport>,
    /// The accounts that people could be given rights for: local, of people, able to log in.
    pub accounts: Vec<Account>,
    /// Rights that somebody gave by hand.
    pub drift: Vec<Drift>,
    /// What an operator should know: a refused order, a clock that is wrong.
    pub notices: Vec<Notice>,
}

/// How far the end of a grant reaches on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// Elevated sessions run in a cgroup of their activation: whatever they started is found.
    Cgroup,
    /// No cgroups here: only processes that still descend from the session are found.
    ProcessTree,
}

/// One grant as it stands on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantReport {
    /// Which one.
    pub grant: GrantKey,
    /// How it stands.
    pub standing: Standing,
    /// For people: how it was found out, or why not.
    pub told: String,
}

/// How a grant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is", deny_unknown_fields)]
pub enum Standing {
    /// Its window has not begun.
    Waiting,
    /// In force; a probe has seen it so.
    InForce {
        /// When the probe saw it first.
        since: Time,
    },
    /// The host does not give it; its own rules or files stand against it.
    Refused,
    /// The host tried and could not; it goes on trying.
    Failed,
    /// Over: no new elevated session begins.
    Ended {
        /// When its rule was gone.
        at: Time,
        /// How many processes had to be stopped.
        stopped: u32,
        /// How many processes were left, because they are nobody's elevated session or may not be stopped yet.
        left: u32,
    },
}

/// Something an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// A stable word: `order_refused`, `clock_skew`, `file_refused`, `left_running`, `stay`, ….
    pub kind: String,
    /// For people.
    pub told: String,
}
