//! How a command ends when it does not simply end well: what is said, and with which exit status.
//!
//! Always: the sentence says what would make it succeed; nothing in it is secret.

use std::fmt;

/// Exit statuses, the same for every verb; `writ --help` lists them.
pub mod status {
    /// Done, or told.
    pub const DONE: u8 = 0;
    /// The command line is not right: a flag is missing, a name is ambiguous.
    pub const USAGE: u8 = 2;
    /// Writ refused: the person may not, or not yet.
    pub const REFUSED: u8 = 3;
    /// The world failed: no connection, a full disk, a server in trouble.
    pub const FAULT: u8 = 4;
    /// Nobody is signed in, or the sign-in is over.
    pub const SIGNED_OUT: u8 = 5;
    /// Asked, and not decided or not yet effective when the wait was over.
    pub const WAITING: u8 = 6;
    /// What was examined is not whole (`writ log verify`, `writ demo --once`), or the server's log went back.
    pub const NOT_WHOLE: u8 = 7;
}

/// What is told of the statuses under `writ --help`.
pub const STATUSES: &str = "Exit status: 0 done · 2 usage · 3 refused · 4 fault · 5 not signed in · 6 still waiting · \
7 not whole (log verify, demo, a server whose log went back)";

/// Why a command stops.
#[derive(Debug)]
pub enum Stop {
    /// The command line is not right.
    Usage(String),
    /// The server refused.
    Refused(Problem),
    /// Something outside failed.
    Fault(String),
    /// A sign-in is needed.
    SignedOut(String),
    /// Not over yet.
    Waiting(String),
    /// What was examined is not whole.
    NotWhole(String),
    /// Everything was said already; only the status remains.
    Said(u8),
}

/// A refusal as the server told it.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// For the server's operator to find it by.
    #[serde(rename = "request-id", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Stop {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Stop::Usage(_) => status::USAGE,
            Stop::Refused(_) => status::REFUSED,
            Stop::Fault(_) => status::FAULT,
            Stop::SignedOut(_) => status::SIGNED_OUT,
            Stop::Waiting(_) => status::WAITING,
            Stop::NotWhole(_) => status::NOT_WHOLE,
            Stop::Said(status) => *status,
        }
    }

    /// The same for programs.
    pub fn to_json(&self) -> Option<serde_json::Value> {
        let (kind, message) = match self {
            Stop::Said(_) => return None,
            Stop::Refused(problem) => {
                return Some(
                    serde_json::json!({"error": {"kind": "refused", "code": problem.code, "message": problem.message, "request-id": problem.request_id}}),
                );
            }
            Stop::Usage(text) => ("usage", text),
            Stop::Fault(text) => ("fault", text),
            Stop::SignedOut(text) => ("signed_out", text),
            Stop::Waiting(text) => ("waiting", text),
            Stop::NotWhole(text) => ("not_whole", text),
        };
        Some(serde_json::json!({"error": {"kind": kind, "message": message}}))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Usage(text)
            | Stop::Fault(text)
            | Stop::SignedOut(text)
            | Stop::Waiting(text)
            | Stop::NotWhole(text) => f.write_str(text),
            Stop::Refused(problem) => f.write_str(&problem.message),
            Stop::Said(_) => Ok(()),
        }
    }
}

impl From<crate::config::Wrong> for Stop {
    fn from(wrong: crate::config::Wrong) -> Self {
        Stop::Usage(wrong.0)
    }
}

/// A fault with what was being done.
pub fn fault(doing: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Stop {
    let doing = doing.to_string();
    move |error| Stop::Fault(format!("{doing}: {error}"))
}
