//! What Writ's own routes (`/writ/v1`) say, as types that the server writes and the command line reads.
//! They decide nothing; names are there for people, ids for programs.
//!
//! Always: a field is only ever added; the routes' meaning under `v1` does not change.

use serde::{Deserialize, Serialize};
use writ_core::time::{Span, Time};

/// Something with an id and a name to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The id.
    pub id: String,
    /// The name people know it by.
    pub name: String,
}

/// `GET /writ/v1/about`: which server this is. Needs no sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct About {
    /// The tenant.
    pub tenant: Called,
    /// The version of Writ.
    pub version: String,
    /// The server's time.
    pub at: Time,
    /// The key that signs the log's checkpoints, as a note verifier's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_key: Option<String>,
}

/// `GET /writ/v1/names?kind=…&typed=…`: what a text can mean.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Meanings {
    /// At most ten.
    pub found: Vec<Called>,
    /// How many there are.
    pub count: usize,
}

/// `GET /writ/v1/status`: where the caller stands now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The caller.
    pub who: Called,
    /// The moment this is true for.
    pub at: Time,
    /// What is held.
    pub active: Vec<Active>,
    /// What was asked and is not decided or not begun.
    pub waiting: Vec<Waiting>,
    /// What others asked and the caller can decide.
    pub deciding: Vec<Deciding>,
    /// What can be asked for.
    pub eligible: Vec<Eligible>,
    /// Emergency accounts that were used lately, for those who may read the audit.
    #[serde(default)]
    pub emergencies: Vec<EmergencyUse>,
}

/// The use of an emergency account, or a new secret for it; told for 30 days.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmergencyUse {
    /// Which account.
    pub account: Called,
    /// When, the last time.
    pub at: Time,
}

/// A role that is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Active {
    /// The assignment.
    pub assignment: String,
    /// The role.
    pub role: Called,
    /// Where it holds.
    pub scope: Called,
    /// Switched on by its holder, rather than standing.
    pub activated: bool,
    /// When it began.
    pub began: Time,
    /// When it ends; absent when it does not.
    pub ends: Option<Time>,
    /// Where power is real.
    pub effect: Effect,
}

/// What became of a right in the systems it is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// In so many places it is in force and was seen to work.
    pub effective: usize,
    /// Of so many.
    pub of: usize,
    /// Each place.
    pub hosts: Vec<HostEffect>,
    /// What the role gives in Writ itself, in words; at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_writ: Vec<String>,
}

/// What became of a right on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEffect {
    /// The host.
    pub host: String,
    /// `ordered`, `effective`, `refused` or `gone`.
    pub state: String,
    /// Why, when refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A request that is open.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// The request.
    pub request: String,
    /// The role.
    pub role: Called,
    /// Where.
    pub scope: Called,
    /// When it was asked.
    pub asked: Time,
    /// Until when it can wait for a decision.
    pub until: Option<Time>,
    /// When it is to begin, if it waits for that.
    pub starts: Option<Time>,
    /// Who can decide it, when it waits for that.
    pub deciders: Vec<Called>,
}

/// Somebody else's request that the caller can decide.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deciding {
    /// The request.
    pub request: String,
    /// The step of its approval that waits: a decision is for this one and no other.
    pub step: String,
    /// Who asks.
    pub who: Called,
    /// The role.
    pub role: Called,
    /// Where.
    pub scope: Called,
    /// When it was asked.
    pub asked: Time,
    /// For how long.
    pub span: Option<Span>,
    /// Why.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Until when it can be decided.
    pub until: Option<Time>,
}

/// What can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Eligible {
    /// The role.
    pub role: Called,
    /// Where.
    pub scope: Called,
    /// The group it comes through.
    pub through: Option<Called>,
    /// When the eligibility ends.
    pub ends: Option<Time>,
    /// The longest activation.
    pub span_max: Span,
    /// What is needed: `MFA`, `reason`, `ticket`, `approval`.
    pub needs: Vec<String>,
    /// What holding it gives, in words; empty when nothing is bound to it.
    pub gives: Vec<String>,
}

/// `POST /writ/v1/explain`: whose ask, and for what. Nothing is asked by asking this.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The principal; the caller if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The role.
    pub role: String,
    /// Where; `/` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When it would begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// For how long; the longest the role allows if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The ask is ready to be made: what is missing counts, rather than being told as what will be asked.
    #[serde(default)]
    pub ready: bool,
}

/// The answer, rule by rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// Whose ask.
    pub who: Called,
    /// The role.
    pub role: Called,
    /// Where.
    pub scope: Called,
    /// Whether it would be accepted.
    pub can: bool,
    /// In one sentence.
    pub told: String,
    /// The longest activation the role allows.
    pub span_max: Option<Span>,
    /// The authentication context that the role asks for, `c1` to `c99`.
    #[serde(default)]
    pub context: Option<String>,
    /// Each rule.
    pub rows: Vec<Row>,
}

/// One rule's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// How it stands.
    pub mark: Mark,
    /// The rule, in one or two words: `duration`, `reason`, `ticket`, `MFA`, `approval`, `eligible`, …
    pub rule: String,
    /// What about it.
    pub told: String,
}

/// How a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Met.
    Yes,
    /// In the way.
    No,
    /// Will be asked for, or is worth knowing.
    Later,
}

/// `GET /writ/v1/requests/{id}?wait=…`: how far a request has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The request.
    pub request: String,
    /// Who asked.
    pub who: Called,
    /// The role.
    pub role: Called,
    /// Where.
    pub scope: Called,
    /// How far.
    pub stage: Stage,
    /// When it was asked.
    pub asked: Time,
    /// Who can decide, while it waits for that.
    pub deciders: Vec<Called>,
    /// Until when it can be decided.
    pub until: Option<Time>,
    /// The decision, once there is one.
    pub decision: Option<Decided>,
    /// When the power ends.
    pub ends: Option<Time>,
    /// Where power is real.
    pub effect: Effect,
    /// Changes whenever anything above does; give it back as `seen` to wait for a change.
    pub mark: String,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waits for a decision.
    Approval,
    /// Waits for its start.
    Scheduled,
    /// The role is held; [`Effect`] says where it works.
    Active,
    /// It was, and is over.
    Ended,
    /// Denied.
    Denied,
    /// Taken back.
    Canceled,
    /// Waited too long.
    TimedOut,
    /// Could not be carried out.
    Failed,
}

/// A decision about a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decided {
    /// Who decided.
    pub by: Called,
    /// When.
    pub at: Time,
    /// Why.
    pub reason: Option<String>,
}

/// `GET /writ/v1/roles`: what there is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoleTold {
    /// The role.
    pub role: Called,
    /// Other names of it.
    pub other_names: Vec<String>,
    /// Whether holding it is dangerous.
    pub privileged: bool,
    /// Which defaults its rules started from.
    pub tier: String,
    /// The longest activation.
    pub span_max: Span,
    /// What an activation needs.
    pub needs: Vec<String>,
    /// What holding it gives; empty when nothing is bound to it.
    pub gives: Vec<String>,
}

/// `GET /writ/v1/audit`: the log, told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// Newest first.
    pub entries: Vec<TellEntry>,
    /// Give it as `before` for older ones; absent at the beginning of the log.
    pub before: Option<u64>,
    /// Emergency accounts that were used lately, whatever entries were asked for.
    #[serde(default)]
    pub emergencies: Vec<EmergencyUse>,
}

/// One entry, told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellEntry {
    /// Its position in the log.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// The kind of event.
    pub kind: String,
    /// In one sentence.
    pub told: String,
}

/// `GET /writ/v1/hosts`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostTold {
    /// The host.
    pub host: Called,
    /// The units it is in.
    pub units: Vec<Called>,
    /// When it was enrolled.
    pub enrolled: Time,
    /// When it last reported something new.
    pub reported: Option<Time>,
    /// Its local accounts.
    pub accounts: Vec<String>,
    /// Grants there that Writ did not give.
    pub drift: Vec<String>,
}

/// `GET /writ/v1/accounts/rules`: how local accounts are named in one place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountRule {
    /// On this host.
    pub host: Option<Called>,
    /// On the hosts of this unit; everywhere if neither.
    pub unit: Option<Called>,
    /// The name, with `{local}` for the part of the user principal name before the `@`.
    pub rule: String,
}

/// A single-use code, shown once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    /// The code.
    pub code: String,
    /// Until when it can be used.
    pub expires: Time,
    /// Where to use it.
    pub url: String,
}

/// `GET` and `PATCH /writ/v1/settings`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// The organisation's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The shortest activation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_min: Option<Span>,
    /// How long something must have been held before it can be given up or taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_min: Option<Span>,
}

/// `GET /writ/v1/log/checkpoint?since=…`: the newest checkpoint, and what joins it to the one the asker has seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Newest {
    /// The signed note.
    pub checkpoint: String,
    /// The key it is signed with.
    pub key: String,
    /// How often restoring the server's data from a copy was put on record.
    pub epoch: u64,
    /// The consistency proof (RFC 6962) from `since` entries on, in hex; absent when the log is shorter, or when the
    /// proof is not worked out yet and can be asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Vec<String>>,
}
