//! Refusals: why somebody may not, and what would make it right.
//! A refusal is an answer, not a failure; it is shown as it stands.
//!
//! Always: every refusal tells the next step; none holds a secret.

use crate::ids::*;
use crate::permission::Thing;
use crate::role::Duty;
use crate::state::Status;
use crate::time::{Span, Time};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Why a command or a query is refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// A field is missing or wrong. Malformed input leaves no record.
    Malformed { field: &'static str, want: String },
    /// The schedule makes no sense: an end before the start, a past end, a span too short.
    Schedule { field: &'static str, want: String },
    /// There is no such thing.
    NoSuch { what: What, id: String },
    /// The caller's account is disabled or gone.
    AccountDisabled,
    /// The token lacks the permission.
    MissingScope { thing: Thing, any_of: Vec<&'static str>, has: Vec<String> },
    /// The caller's roles do not allow it.
    NotAllowed { duty: Duty },
    /// Only the person themself may do this.
    SelfOnly { act: &'static str },
    /// A program cannot do this; a person must.
    PeopleOnly { act: &'static str },
    /// Only root at the server's console may do this.
    ConsoleOnly { act: &'static str },
    /// The caller is not eligible for this.
    NotEligible { role: String, scope: String },
    /// The same eligibility or assignment is there already.
    AlreadyThere { what: &'static str, role: String, until: Option<Time> },
    /// The same role is active already.
    AlreadyActive { role: String, until: Option<Time> },
    /// The same ask is waiting already.
    AlreadyAsked { request: RequestId, since: Time },
    /// There is nothing there to take away or change.
    NothingThere { what: &'static str, role: String },
    /// This role cannot hold at a scope of this kind.
    NotAtScope { role: String },
    /// Not old enough to be removed (a compatibility switch).
    TooYoung { min: Span, from: Time },
    /// More time can be asked for only shortly before the end.
    TooEarly { what: &'static str, role: String, ends: Time, from: Time },
    /// Rules of the role are not met; all of them are named.
    Rules { broken: Vec<Broken>, role: String },
    /// It is the caller's own request.
    OwnRequest { how: String },
    /// The caller is not an approver of this request.
    NotApprover { approvers: Vec<String> },
    /// The request no longer waits for a decision.
    NotOpen { status: Status, by: Option<String> },
    /// Another stage of the request waits for a decision than the one that was decided; counted from 0.
    OtherStage { asked: usize, open: usize, of: usize, by: Option<String> },
    /// The same person has decided a stage of this request already.
    DecidedBefore,
    /// What the command was worked out from is no longer so.
    Changed { what: &'static str },
    /// It would leave nobody who can always get in.
    LastWayIn,
    /// Too few people could give the approval this rule asks for.
    Unsatisfiable { people: Vec<String> },
    /// It would let somebody climb to more power.
    Climb { why: String },
    /// The name or id is taken.
    Taken { what: &'static str, name: String },
    /// It cannot be so.
    Conflict { why: String },
    /// The clock is in doubt, so no new power is given.
    ClockInDoubt { why: String },
    /// There are too many.
    TooMany { what: &'static str, max: usize },
    /// Writ does not do this.
    NotSupported { what: String },
}

/// Something that can be looked for and not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Principal,
    Role,
    Scope,
    Request,
    Stage,
    Unit,
    Host,
    Credential,
    Code,
    Person,
    Group,
    Policy,
    Object,
}

impl What {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            What::Principal => "principal",
            What::Role => "role",
            What::Scope => "scope",
            What::Request => "request",
            What::Stage => "approval step",
            What::Unit => "administrative unit",
            What::Host => "host",
            What::Credential => "credential",
            What::Code => "code",
            What::Person => "person",
            What::Group => "group",
            What::Policy => "policy",
            What::Object => "object",
        }
    }
}

/// A rule that an ask does not meet.
#[derive(Clone, Debug, PartialEq)]
pub enum Broken {
    /// Longer than the rules allow.
    TooLong { asked: Span, max: Span },
    /// Shorter than the tenant allows.
    TooShort { asked: Span, min: Span },
    /// Without an end, where one is needed.
    NoEnd { max: Span },
    /// No reason.
    NoReason,
    /// No ticket.
    NoTicket,
    /// No proof of MFA, or one that is too old.
    NoMfa { last: Option<Span>, age_max: Span },
    /// The sign-in does not carry the authentication context.
    NoContext { claim: String },
}

impl Broken {
    /// Graph's rule name.
    pub const fn rule(&self) -> &'static str {
        match self {
            Broken::TooLong { .. } | Broken::TooShort { .. } | Broken::NoEnd { .. } => "ExpirationRule",
            Broken::NoReason => "JustificationRule",
            Broken::NoTicket => "TicketingRule",
            Broken::NoMfa { .. } => "MfaRule",
            Broken::NoContext { .. } => "AcrsRule",
        }
    }
    /// The text Graph has after the rule's name.
    pub const fn graph_text(&self) -> &'static str {
        match self {
            Broken::TooLong { .. } => "The duration in the request is greater than maximum allowed duration",
            Broken::TooShort { .. } => "The duration in the request is less than minimum allowed duration",
            Broken::NoEnd { .. } => "The policy does not allow permanent assignment",
            Broken::NoReason => "Justification is required",
            Broken::NoTicket => "Ticket information is required",
            Broken::NoMfa { .. } => "Multi-factor authentication is required",
            Broken::NoContext { .. } => "Authentication context is required",
        }
    }
    /// One word for people: `duration`, `reason`, `ticket`, `MFA`.
    pub const fn name(&self) -> &'static str {
        match self {
            Broken::TooLong { .. } | Broken::TooShort { .. } | Broken::NoEnd { .. } => "duration",
            Broken::NoReason => "reason",
            Broken::NoTicket => "ticket",
            Broken::NoMfa { .. } => "MFA",
            Broken::NoContext { .. } => "sign-in",
        }
    }
    /// What is wrong, for people.
    pub fn told(&self) -> String {
        match self {
            Broken::TooLong { asked, max } => format!("{} asked, {} at most", asked.told(), max.told()),
            Broken::TooShort { asked, min } => format!("{} asked, {} at least", asked.told(), min.told()),
            Broken::NoEnd { max } => format!("an end is needed, {} at most", max.told()),
            Broken::NoReason => "none given".to_string(),
            Broken::NoTicket => "none given".to_string(),
            Broken::NoMfa { last: Some(age), age_max } => {
                format!("last proof {} ago, {} at most", age.told(), age_max.told())
            }
            Broken::NoMfa { last: None, age_max } => {
                format!("not proved in this sign-in, {} old at most", age_max.told())
            }
            Broken::NoContext { claim } => format!("needs authentication context {claim}"),
        }
    }
}

impl Refusal {
    /// One sentence for people, with what would make it right.
    pub fn told(&self) -> String {
        match self {
            Refusal::Malformed { field, want } | Refusal::Schedule { field, want } => format!("{field}: {want}"),
            Refusal::NoSuch { what, id } => format!("There is no {} {id}.", what.told()),
            Refusal::AccountDisabled => "This account is disabled or deleted; an administrator can enable it.".into(),
            Refusal::MissingScope { any_of, has, .. } => format!(
                "The token lacks the permission: one of {} would do; it has {}.",
                any_of.join(", "),
                if has.is_empty() { "none".into() } else { has.join(", ") }
            ),
            Refusal::NotAllowed { duty } => {
                format!("This needs a role that may {}; activate one, or ask somebody who holds one.", duty.told())
            }
            Refusal::SelfOnly { act } => format!("Only the person themself may {act}."),
            Refusal::PeopleOnly { act } => format!("A program cannot {act}; a person must sign in for it."),
            Refusal::ConsoleOnly { act } => format!("Only root at the server's own console may {act}: use the command line there."),
            Refusal::NotEligible { role, scope } => format!(
                "Not eligible for {role} ({scope}). Whoever manages role assignments can make you eligible."
            ),
            Refusal::AlreadyThere { what, role, until } => match until {
                Some(t) => format!("The {what} for {role} exists already, until {t}; change or remove it instead."),
                None => format!("The {what} for {role} exists already, without an end; change or remove it instead."),
            },
            Refusal::AlreadyActive { role, until } => match until {
                Some(t) => format!("{role} is already active until {t}; deactivating gives it back now."),
                None => format!("{role} is already held without an end."),
            },
            Refusal::AlreadyAsked { request, since } => {
                format!("Request {request} for the same has been waiting since {since}; wait for it or cancel it.")
            }
            Refusal::NothingThere { what, role } => format!("There is no {what} for {role} to change or take away."),
            Refusal::NotAtScope { role } => format!("{role} holds in the whole tenant only: give it at '/'."),
            Refusal::TooYoung { min, from } => {
                format!("This tenant lets nothing be removed before it is {} old; try again after {from}.", min.told())
            }
            Refusal::TooEarly { what, role, ends, from } => {
                format!("The {what} for {role} runs until {ends}; more time can be asked for from {from} on.")
            }
            Refusal::Rules { broken, role } => {
                let list: Vec<String> = broken.iter().map(|b| format!("{} ({})", b.name(), b.told())).collect();
                format!("{role} asks for more: {}.", list.join("; "))
            }
            Refusal::OwnRequest { how } => format!("Nobody decides their own request: {how}. Another approver must."),
            Refusal::NotApprover { approvers } if approvers.is_empty() => "You are not an approver of this request.".into(),
            Refusal::NotApprover { approvers } => {
                format!("You are not an approver of this request; {} can decide it.", approvers.join(" or "))
            }
            Refusal::NotOpen { status, by } => {
                let state = match status {
                    Status::PendingApproval => "waiting",
                    Status::Granted => "already approved and waiting for its start",
                    Status::Provisioned => "already granted",
                    Status::Revoked => "already carried out",
                    Status::Denied => "already denied",
                    Status::Canceled => "cancelled",
                    Status::TimedOut => "timed out",
                    Status::Failed => "failed",
                };
                match by {
                    Some(by) => format!("The request is {state} (by {by}); a new one can be made."),
                    None => format!("The request is {state}; a new one can be made."),
                }
            }
            Refusal::OtherStage { asked, open, of, by } if asked < open => format!(
                "Step {} of {of} was decided already{}; step {} waits for a decision now.",
                asked + 1,
                by.as_ref().map_or(String::new(), |by| format!(" (by {by})")),
                open + 1
            ),
            Refusal::OtherStage { asked, open, of, .. } => format!(
                "Step {} of {of} is not open yet: step {} has to be approved first.",
                asked + 1,
                open + 1
            ),
            Refusal::DecidedBefore => {
                "You have decided this request already, and each decision needs another person.".into()
            }
            Refusal::Changed { what } => {
                format!("The {what} were changed by somebody else meanwhile: look at them, and ask again.")
            }
            Refusal::LastWayIn => {
                "This would leave no enabled emergency account with standing Global Administrator; make another one first.".into()
            }
            Refusal::Unsatisfiable { people } if people.is_empty() => {
                "Nobody who is available could approve; name at least two people, or a group with two.".into()
            }
            Refusal::Unsatisfiable { people } => format!(
                "Only {} could approve, and nobody approves their own request; name at least two people, or a group with two.",
                people.join(", ")
            ),
            Refusal::Climb { why } => why.clone(),
            Refusal::Taken { what, name } => format!("The {what} {name} is taken; choose another."),
            Refusal::Conflict { why } => why.clone(),
            Refusal::ClockInDoubt { why } => format!(
                "No new power is given while the server's clock is in doubt ({why}); giving up and removing still work. An operator can set it right with: writ recover clock"
            ),
            Refusal::TooMany { what, max } => format!("There are too many {what}; {max} at most."),
            Refusal::NotSupported { what } => format!("Writ does not support {what}."),
        }
    }
}
