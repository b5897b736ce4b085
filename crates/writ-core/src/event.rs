//! Events: what happened, each a sentence in the past tense. The log is made of them; state is their fold.
//! An event decides nothing: whether it was right to happen was settled before.
//!
//! Always: a kind never changes its meaning; a new shape is a new version with an upcaster. Texts about people are
//! `Personal`, so that they can be erased.

use crate::command::{Expiration, Intent, Method, Outcome, Place, Removal, SignIn, Sort, Wrong};
use crate::directory::{LocalAccount, StrayGrant};
use crate::ids::*;
use crate::personal::Personal;
use crate::role::Role;
use crate::rules::{RuleChange, RuleChoice, Stage};
use crate::scope::Target;
use crate::time::{Span, Time};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What somebody asked, as it stays on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The request; what it creates carries the same GUID.
    pub request: RequestId,
    /// Who asked.
    pub by: Option<PrincipalId>,
    /// For whom.
    pub subject: PrincipalId,
    /// What was asked.
    pub action: Action,
    /// Which role, where.
    pub target: Target,
    /// When it was to begin, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,
    /// When it was to end.
    pub expiration: Expiration,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Personal>,
    /// The ticket's number and system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// The eligibility an activation comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<EligibilityId>,
    /// When the asker had proved a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<Time>,
}

/// A ticket on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its number.
    pub number: Option<Personal>,
    /// Its system.
    pub system: Option<Personal>,
}

/// What a request asks for; the nine of Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    AdminAssign,
    AdminUpdate,
    AdminRemove,
    AdminExtend,
    AdminRenew,
    SelfActivate,
    SelfDeactivate,
    SelfExtend,
    SelfRenew,
}

/// Where failed sign-ins came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The address; about the account, or about nobody (the id of zeros) when no account has the name that was typed.
    pub address: Personal,
    /// How many of them.
    pub count: u32,
}

/// Why something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its time is up.
    TimeIsUp,
    /// Its holder gave it up.
    GivenUp,
    /// An administrator took it away.
    Removed,
    /// The eligibility it came from is gone.
    EligibilityGone,
    /// The principal was disabled.
    Disabled,
    /// The principal was deleted.
    Deleted,
    /// The holder left the group it came through.
    LeftGroup,
    /// The role is gone or disabled.
    RoleGone,
    /// The unit it was held in is gone.
    ScopeGone,
}

impl Why {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Why::TimeIsUp => "time is up",
            Why::GivenUp => "given up",
            Why::Removed => "taken away",
            Why::EligibilityGone => "the eligibility it came from is gone",
            Why::Disabled => "the account was disabled",
            Why::Deleted => "the account was deleted",
            Why::LeftGroup => "its holder left the group it came through",
            Why::RoleGone => "the role is gone",
            Why::ScopeGone => "the unit is gone",
        }
    }
}

/// Why a request could not be carried out when its time came. Words of ours only: nothing about anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The account is disabled or gone.
    Disabled,
    /// The eligibility it was asked from is gone.
    EligibilityGone,
    /// The role is gone, or disabled.
    RoleGone,
    /// The role is active already.
    ActiveAlready,
    /// Its end has passed.
    EndPassed,
    /// It ends later already.
    EndsLater,
    /// It has ended.
    Over,
    /// It is there already.
    ThereAlready,
    /// It ended too long ago, or its new end has passed.
    TooLate,
    /// What was to be extended is gone.
    NothingToExtend,
    /// The rules or the eligibility allow no later end now.
    NoLaterEnd,
}

impl Failure {
    /// For people.
    pub const fn told(self) -> &'static str {
        match self {
            Failure::Disabled => "the account is disabled",
            Failure::EligibilityGone => "the eligibility it was asked from is gone",
            Failure::RoleGone => "the role is gone or disabled",
            Failure::ActiveAlready => "the role is active already",
            Failure::EndPassed => "its end has passed",
            Failure::EndsLater => "it ends later already",
            Failure::Over => "it has ended",
            Failure::ThereAlready => "it is there already",
            Failure::TooLate => "it ended too long ago, or its new end has passed",
            Failure::NothingToExtend => "what was to be extended is gone",
            Failure::NoLaterEnd => "the rules or the eligibility allow no later end now",
        }
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $kind:literal { $($(#[$fdoc:meta])* $field:ident : $ty:ty),* $(,)? })+) => {
        /// Everything that can have happened.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event { $($(#[$doc])* $name { $($(#[$fdoc])* $field: $ty),* }),+ }

        /// Every kind of event there is, as written in the log.
        pub const KINDS: &[&str] = &[$($kind),+];

        // One private struct per kind does the reading and writing, so that the envelope's `kind` is the only tag.
        mod shape {
            use super::*;
            $(
                #[derive(Serialize)]
                pub(super) struct $name<'a> { $(pub(super) $field: &'a $ty),*, #[serde(skip)] pub(super) _life: core::marker::PhantomData<&'a ()> }
            )+
            pub(super) mod read {
                use super::*;
                $(
                    #[derive(Deserialize)]
                    #[serde(deny_unknown_fields)]
                    pub(in super::super) struct $name { $(pub(in super::super) $field: $ty),* }
                )+
            }
        }

        /// Without the kind, which is the envelope's.
        impl Serialize for Event {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Event::$name { $($field),* } => shape::$name { $($field),*, _life: core::marker::PhantomData }.serialize(serializer)),+
                }
            }
        }

        impl Event {
            /// The kind, as written in the envelope.
            pub const fn kind(&self) -> &'static str {
                match self { $(Event::$name { .. } => $kind),+ }
            }
            /// The event's value for the envelope, personal texts still marked in it.
            pub fn to_value(&self) -> serde_json::Value {
                serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
            }
            /// Reads an event of this kind and version.
            pub fn from_value(kind: &str, v: u16, value: serde_json::Value) -> Result<Event, Unreadable> {
                if v != 1 {
                    return Err(Unreadable::Version { kind: kind.into(), v });
                }
                match kind {
                    $($kind => {
                        let shape::read::$name { $($field),* } = serde_json::from_value(value)
                            .map_err(|e| Unreadable::Shape { kind: kind.into(), why: alloc::format!("{e}") })?;
                        Ok(Event::$name { $($field),* })
                    })+
                    _ => Err(Unreadable::Kind { kind: kind.into() }),
                }
            }
        }
    };
}

/// Why an event of the log cannot be read; start-up stops there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A kind this build does not know: the log was written by a newer one.
    Kind { kind: String },
    /// A version of a kind this build does not know.
    Version { kind: String, v: u16 },
    /// Not the shape of its kind.
    Shape { kind: String, why: String },
}

impl core::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Unreadable::Kind { kind } => write!(
                f,
                "the log holds an event of kind {kind}, which this version of Writ does not know; start the version that wrote it, or a newer one"
            ),
            Unreadable::Version { kind, v } => write!(
                f,
                "the log holds version {v} of {kind}, which this version of Writ does not know; start the version that wrote it, or a newer one"
            ),
            Unreadable::Shape { kind, why } => write!(f, "an event of kind {kind} is not readable: {why}"),
        }
    }
}

events! {
    /// The tenant was founded.
    TenantFounded = "tenant_founded" { tenant: TenantId, name: String, rules: RuleChoice, span_min: Span }
    /// The tenant's settings were changed.
    SettingsChanged = "settings_changed" { name: Option<String>, span_min: Option<Span>, age_min: Option<Span> }
    /// A user was created.
    UserCreated = "user_created" { user: PrincipalId, person: PersonId, name: Personal, upn: Personal, emergency: bool }
    /// A user was changed.
    UserChanged = "user_changed" { user: PrincipalId, name: Option<Personal>, upn: Option<Personal>, person: Option<PersonId> }
    /// A principal was disabled.
    PrincipalDisabled = "principal_disabled" { principal: PrincipalId }
    /// A principal was enabled.
    PrincipalEnabled = "principal_enabled" { principal: PrincipalId }
    /// A principal was deleted.
    PrincipalDeleted = "principal_deleted" { principal: PrincipalId }
    /// A group was created.
    GroupCreated = "group_created" { group: PrincipalId, name: Personal, description: String, role_assignable: bool, owners: Vec<PrincipalId>, members: Vec<PrincipalId> }
    /// A group's texts were changed.
    GroupChanged = "group_changed" { group: PrincipalId, name: Option<Personal>, description: Option<String> }
    /// A program was created.
    ServiceCreated = "service_created" { service: PrincipalId, name: Personal, app: Uuid }
    /// Somebody joined a group.
    MemberAdded = "member_added" { group: PrincipalId, member: PrincipalId }
    /// Somebody left a group.
    MemberRemoved = "member_removed" { group: PrincipalId, member: PrincipalId }
    /// Somebody became an owner of a group.
    OwnerAdded = "owner_added" { group: PrincipalId, owner: PrincipalId }
    /// Somebody is no longer an owner of a group.
    OwnerRemoved = "owner_removed" { group: PrincipalId, owner: PrincipalId }
    /// An administrative unit was created.
    UnitCreated = "unit_created" { unit: UnitId, name: String, description: String }
    /// A unit's texts were changed.
    UnitChanged = "unit_changed" { unit: UnitId, name: Option<String>, description: Option<String> }
    /// A unit was deleted.
    UnitDeleted = "unit_deleted" { unit: UnitId }
    /// A principal or a host was put into a unit.
    UnitJoined = "unit_joined" { unit: UnitId, object: Uuid }
    /// It was taken out of the unit.
    UnitLeft = "unit_left" { unit: UnitId, object: Uuid }
    /// A custom role was defined.
    RoleDefined = "role_defined" { role: Role, rules: RuleChoice }
    /// A custom role was changed.
    RoleChanged = "role_changed" { role: Role }
    /// A custom role was deleted.
    RoleDeleted = "role_deleted" { role: RoleId }
    /// A role's rules were changed.
    RulesChanged = "rules_changed" { role: RoleId, changes: Vec<RuleChange> }
    /// Somebody was made eligible.
    EligibilityGranted = "eligibility_granted" { ask: Ask, starts: Time, ends: Option<Time> }
    /// The window of an eligibility was changed.
    EligibilityChanged = "eligibility_changed" { ask: Ask, eligibility: EligibilityId, starts: Time, ends: Option<Time> }
    /// An eligibility will go when the activations that run from it have ended.
    EligibilityClosed = "eligibility_closed" { ask: Ask, eligibility: EligibilityId, when: Removal }
    /// An eligibility ended.
    EligibilityEnded = "eligibility_ended" { eligibility: EligibilityId, why: Why, ask: Option<Ask> }
    /// Somebody was assigned a role directly.
    AssignmentGranted = "assignment_granted" { ask: Ask, starts: Time, ends: Option<Time> }
    /// Somebody was assigned a role without a request.
    AssignmentMade = "assignment_made" { assignment: AssignmentId, principal: PrincipalId, target: Target }
    /// The window of an assignment was changed.
    AssignmentChanged = "assignment_changed" { ask: Ask, assignment: AssignmentId, starts: Time, ends: Option<Time> }
    /// A running activation was given a later end.
    ActivationExtended = "activation_extended" { ask: Ask, assignment: AssignmentId, ends: Time }
    /// A running activation was cut short, because its eligibility now ends sooner.
    ActivationShortened = "activation_shortened" { assignment: AssignmentId, ends: Time }
    /// An assignment ended, standing or activated.
    AssignmentEnded = "assignment_ended" { assignment: AssignmentId, why: Why, ask: Option<Ask> }
    /// Somebody asked to activate a role, and needs approval.
    ApprovalAsked = "approval_asked" { ask: Ask, stages: Vec<Stage>, until: Time }
    /// Somebody asked for more time: on what they are eligible for or hold, or have switched on. `of` is that; what
    /// is to be renewed is not there any more.
    MoreAsked = "more_asked" { ask: Ask, sort: Sort, of: Option<Uuid>, stages: Vec<Stage>, until: Time }
    /// Somebody asked to activate a role later, and may.
    ActivationScheduled = "activation_scheduled" { ask: Option<Ask>, request: RequestId, starts: Time }
    /// A role was activated.
    ActivationBegan = "activation_began" { ask: Option<Ask>, request: RequestId, ends: Time }
    /// An approver approved a request.
    RequestApproved = "request_approved" { request: RequestId, stage: u8, by: PrincipalId, reason: Option<Personal> }
    /// An approver denied a request.
    RequestDenied = "request_denied" { request: RequestId, stage: u8, by: PrincipalId, reason: Option<Personal> }
    /// A request was taken back.
    RequestCanceled = "request_canceled" { request: RequestId, why: Option<Why> }
    /// A request waited too long.
    RequestTimedOut = "request_timed_out" { request: RequestId }
    /// A request could not be carried out when its time came.
    RequestFailed = "request_failed" { request: RequestId, why: Failure }
    /// Requests that had long ended left the live state.
    RequestsForgotten = "requests_forgotten" { before: Time }
    /// Somebody asked for what they may not have.
    AskRefused = "ask_refused" { by: PrincipalId, action: Action, subject: PrincipalId, target: Target, broken: Vec<String> }
    /// Somebody signed in, or failed to.
    SignInNoted = "sign_in_noted" { principal: Option<PrincipalId>, outcome: SignIn, wrong: Option<Wrong>, methods: Vec<Method>, count: u32, client: Option<Personal>, app: Option<Uuid>, from: Vec<Source> }
    /// A code was issued that binds somebody's first factor.
    CodeIssued = "code_issued" { principal: PrincipalId, code: CredentialId, expires: Time }
    /// Somebody bound a credential.
    CredentialBound = "credential_bound" { principal: PrincipalId, credential: CredentialId, method: Method, version: u64, code: Option<CredentialId> }
    /// A credential was removed.
    CredentialRemoved = "credential_removed" { principal: PrincipalId, credential: CredentialId }
    /// Every sign-in session of somebody was ended.
    SessionsEnded = "sessions_ended" { principal: PrincipalId }
    /// An emergency secret was minted at the server's console.
    EmergencyMinted = "emergency_minted" { user: PrincipalId, credential: CredentialId }
    /// A code was issued that enrols a host.
    HostCodeIssued = "host_code_issued" { code: CredentialId, unit: Option<UnitId>, expires: Time }
    /// A host was enrolled.
    HostEnrolled = "host_enrolled" { host: DeviceId, name: String, key: String, code: CredentialId, unit: Option<UnitId> }
    /// A host was removed.
    HostRemoved = "host_removed" { host: DeviceId }
    /// A host said which accounts it has, and which grants Writ did not make.
    HostReported = "host_reported" { host: DeviceId, accounts: Vec<LocalAccount>, drift: Vec<StrayGrant> }
    /// A person's local account was set, or the override taken back.
    AccountMapped = "account_mapped" { person: PersonId, place: Place, account: Option<Personal> }
    /// How local accounts are named somewhere was set, or the rule taken back.
    AccountRuleSet = "account_rule_set" { place: Place, rule: Option<String> }
    /// Rights are about to be made real.
    GrantIntended = "grant_intended" { grants: Vec<Intent> }
    /// Hosts said what became of rights.
    GrantsReported = "grants_reported" { results: Vec<Outcome> }
    /// The epoch of orders was raised.
    EpochRaised = "epoch_raised" { epoch: u64 }
    /// Somebody's personal data was erased.
    Erased = "erased" { principal: PrincipalId }
    /// The clock was declared right at the console.
    ClockRecovered = "clock_recovered" { at: Time }
    /// An ask of this sort could not be granted to anybody now: fewer than two people could approve it.
    ApprovalUnsatisfiable = "approval_unsatisfiable" { roles: Vec<RoleId> }
}

/// Which of the two an event is about; used by readers of the log.
impl Event {
    /// The sort of grant this event gives or ends, if any.
    pub const fn sort(&self) -> Option<Sort> {
        match self {
            Event::EligibilityGranted { .. }
            | Event::EligibilityChanged { .. }
            | Event::EligibilityClosed { .. }
            | Event::EligibilityEnded { .. } => Some(Sort::Eligibility),
            Event::AssignmentGranted { .. }
            | Event::AssignmentMade { .. }
            | Event::AssignmentChanged { .. }
            | Event::AssignmentEnded { .. }
            | Event::ActivationExtended { .. }
            | Event::ActivationBegan { .. } => Some(Sort::Assignment),
            Event::MoreAsked { sort, .. } => Some(*sort),
            _ => None,
        }
    }
}
