//! Commands: what somebody, or time, asks Writ to do; and who asks, with which proof.
//! A command changes nothing; `decide` turns it into events or a refusal.
//!
//! Always: a command's name is an order ("RequestActivation"), and its texts are plain until `decide` wraps what is personal.

use crate::directory::{Account, Drift};
use crate::ids::*;
pub use crate::log::entry::Via;
use crate::personal::Personal;
use crate::rules::{RuleChange, RuleChoice, Rules};
use crate::scope::Target;
use crate::time::{Span, Time};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Who asks, from where, and how well they have shown who they are.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The principal; `None` for time itself, a host agent or the server's console.
    pub principal: Option<PrincipalId>,
    /// The way in.
    pub via: Via,
    /// The sign-in session.
    pub session: Option<SessionId>,
    /// How strongly and how freshly they have shown who they are.
    pub proof: Proof,
    /// The token's delegated permissions; `None` for Writ's own doors, which carry all of them.
    pub scopes: Option<Arc<[String]>>,
    /// Whether a program speaks for itself (app-only), without a user.
    pub app_only: bool,
    /// Where from.
    pub address: Option<String>,
    /// From which host; set for host agents only.
    pub device: Option<DeviceId>,
    /// This command's own id.
    pub command: Uuid,
    /// What ties commands of one action together.
    pub correlation: Uuid,
}

impl Caller {
    /// Time itself, or the server on its own behalf.
    pub fn timer(command: Uuid) -> Self {
        Self {
            principal: None,
            via: Via::Timer,
            session: None,
            proof: Proof::default(),
            scopes: None,
            app_only: false,
            address: None,
            device: None,
            command,
            correlation: command,
        }
    }
    /// Somebody who is root at the server's own console.
    pub fn console(command: Uuid) -> Self {
        Self { via: Via::Console, ..Self::timer(command) }
    }
    /// An enrolled host's agent, whose signature was checked.
    pub fn host(command: Uuid, device: DeviceId) -> Self {
        Self { via: Via::Host, device: Some(device), ..Self::timer(command) }
    }
    /// A signed-in principal.
    pub fn signed_in(command: Uuid, principal: PrincipalId, via: Via, proof: Proof) -> Self {
        Self { principal: Some(principal), via, proof, ..Self::timer(command) }
    }
}

/// How strongly and how freshly somebody has shown who they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proof {
    /// When they signed in.
    pub signed_in: Option<Time>,
    /// When they last proved a second factor; never moved by refreshing a token.
    pub mfa: Option<Time>,
    /// Signed in with an emergency secret, which counts as every proof.
    pub emergency: bool,
    /// Authentication contexts the sign-in satisfied.
    pub contexts: Vec<String>,
}

/// When something is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiration {
    /// Never.
    Never,
    /// At a moment.
    At(Time),
    /// A while after it begins.
    For(Span),
    /// Not said.
    Unspecified,
}

/// A ticket, as given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TicketGiven {
    /// Its number, such as `CHG-417`.
    pub number: Option<String>,
    /// The ticketing system.
    pub system: Option<String>,
}

/// The terms of an ask: for whom, of what, from when until when, and why. [`Ask`](crate::event::Ask) is what stays of
/// them on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// For whom.
    pub principal: PrincipalId,
    /// Which role, where.
    pub target: Target,
    /// When it is to begin; `None` for at once.
    pub start: Option<Time>,
    /// When it is to end.
    pub expiration: Expiration,
    /// Why.
    pub reason: Option<String>,
    /// The ticket it is for.
    pub ticket: TicketGiven,
}

impl Terms {
    /// From now on, with neither reason nor ticket.
    pub fn of(principal: PrincipalId, target: Target, expiration: Expiration) -> Self {
        Self { principal, target, start: None, expiration, reason: None, ticket: TicketGiven::default() }
    }
    /// Whether a reason is given, with something in it.
    pub fn says_why(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty())
    }
    /// Whether a ticket is given, by its number.
    pub fn names_ticket(&self) -> bool {
        self.ticket.number.as_deref().is_some_and(|number| !number.trim().is_empty())
    }
}

/// What is given or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// May ask.
    Eligibility,
    /// Holds.
    Assignment,
}

/// Which sort of more time is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// For what has not ended yet.
    Extension,
    /// For what ended lately.
    Renewal,
}

/// When a removal takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// At once; running activations end with it.
    #[default]
    Now,
    /// No new activation; it goes when those that run have ended.
    WhenRunningEnd,
}

/// A user to be created.
#[derive(Clone, Debug, PartialEq)]
pub struct NewUser {
    /// The principal's id.
    pub id: PrincipalId,
    /// The person: a new one, or one who already has other principals.
    pub person: PersonId,
    /// Display name.
    pub name: String,
    /// User principal name.
    pub upn: String,
}

/// Everything that can be asked of Writ.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Creates the tenant: settings, first administrator, emergency accounts. Console only, once.
    Found {
        name: String,
        rules: RuleChoice,
        span_min: Span,
        administrator: NewUser,
        /// How long the first administrator's standing assignment for set-up lasts.
        setup: Span,
        emergency: Vec<NewUser>,
    },
    /// Creates a user.
    CreateUser(NewUser),
    /// Creates a user who cannot sign in until somebody enables the account.
    CreateDisabledUser(NewUser),
    /// Changes a user.
    UpdateUser {
        user: PrincipalId,
        name: Option<String>,
        upn: Option<String>,
        enabled: Option<bool>,
        person: Option<PersonId>,
    },
    /// Creates a group.
    CreateGroup {
        group: PrincipalId,
        name: String,
        description: String,
        role_assignable: bool,
        owners: Vec<PrincipalId>,
        members: Vec<PrincipalId>,
    },
    /// Changes a group's texts.
    UpdateGroup { group: PrincipalId, name: Option<String>, description: Option<String> },
    /// Creates a program.
    CreateService { service: PrincipalId, name: String, app: Uuid },
    /// Enables or disables a program.
    EnableService { service: PrincipalId, enabled: bool },
    /// Deletes a user, a group or a program, with everything that depended on it.
    DeletePrincipal { principal: PrincipalId },
    /// Adds somebody to a group.
    AddMember { group: PrincipalId, member: PrincipalId },
    /// Takes somebody out of a group.
    RemoveMember { group: PrincipalId, member: PrincipalId },
    /// Makes somebody an owner of a group.
    AddOwner { group: PrincipalId, owner: PrincipalId },
    /// Ends somebody's ownership.
    RemoveOwner { group: PrincipalId, owner: PrincipalId },
    /// Creates an administrative unit.
    CreateUnit { unit: UnitId, name: String, description: String },
    /// Changes a unit's texts.
    UpdateUnit { unit: UnitId, name: Option<String>, description: Option<String> },
    /// Deletes a unit and ends what was held in it.
    DeleteUnit { unit: UnitId },
    /// Puts a principal or a host into a unit.
    AddToUnit { unit: UnitId, object: Uuid },
    /// Takes it out.
    RemoveFromUnit { unit: UnitId, object: Uuid },
    /// Defines a custom role.
    CreateRole {
        role: RoleId,
        name: String,
        description: String,
        actions: Vec<String>,
        enabled: bool,
        version: Option<String>,
    },
    /// Changes a custom role.
    UpdateRole {
        role: RoleId,
        name: Option<String>,
        description: Option<String>,
        actions: Option<Vec<String>>,
        enabled: Option<bool>,
        version: Option<String>,
    },
    /// Deletes a custom role and ends what was held of it.
    DeleteRole { role: RoleId },

    /// An administrator makes somebody eligible, or assigns directly (`adminAssign`).
    Assign { sort: Sort, terms: Terms },
    /// An administrator changes when it begins and ends (`adminUpdate`).
    Reassign { sort: Sort, terms: Terms },
    /// An administrator gives more time: to what is about to end (`adminExtend`), or to what ended lately (`adminRenew`).
    Prolong { more: More, sort: Sort, terms: Terms },
    /// Its holder asks an administrator for that (`selfExtend`, `selfRenew`).
    AskToProlong { more: More, sort: Sort, terms: Terms },
    /// Somebody asks for more time on a role they have switched on; every rule is asked again. Graph has no such action.
    ExtendActivation(Terms),
    /// An administrator assigns a role without a request, as Graph's older doors do.
    AssignPlainly { principal: PrincipalId, target: Target },
    /// An administrator takes an assignment away without a request, standing or activated.
    TakePlainly { assignment: AssignmentId },
    /// An administrator takes it away (`adminRemove`).
    Remove { sort: Sort, principal: PrincipalId, target: Target, when: Removal, reason: Option<String> },
    /// Somebody asks to switch on a role they are eligible for (`selfActivate`).
    RequestActivation(Terms),
    /// Somebody gives up a role they switched on (`selfDeactivate`).
    Deactivate { principal: PrincipalId, target: Target, reason: Option<String> },
    /// Takes back a request that is still open.
    CancelRequest { request: RequestId },
    /// Decides one stage of a request, counted from 0: a decision that comes late must not land on the next one.
    DecideRequest { request: RequestId, stage: u8, approve: bool, reason: Option<String> },

    /// Changes a role's rules. `seen` is what they were when the changes were worked out, if they were worked out from
    /// them: when that is no longer so nothing is changed, because what a half-told rule was completed with is gone.
    ChangeRules { role: RoleId, changes: Vec<RuleChange>, seen: Option<Box<Rules>> },
    /// Changes the tenant's settings.
    ChangeSettings { name: Option<String>, span_min: Option<Span>, age_min: Option<Span> },

    /// Records a sign-in or a failed one; repeats arrive aggregated.
    NoteSignIn(SignInNote),
    /// Issues a single-use code that binds somebody's first factor.
    IssueCode { principal: PrincipalId, code: CredentialId, expires: Time },
    /// Uses a single-use code up: both factors that were chosen with it are bound, and the ones before go.
    UseCode { principal: PrincipalId, code: CredentialId, password: InVault, totp: InVault },
    /// Binds a credential, in place of another one if that is named.
    BindCredential { principal: PrincipalId, method: Method, bound: InVault, replaces: Option<CredentialId> },
    /// Removes a credential.
    RemoveCredential { principal: PrincipalId, credential: CredentialId },
    /// Ends every sign-in session of somebody.
    EndSessions { principal: PrincipalId },
    /// Mints a new emergency account, or a new secret for one. Console only.
    MintEmergency { user: NewUser, credential: CredentialId },

    /// Issues a single-use code that enrols a host.
    IssueHostCode { code: CredentialId, unit: Option<UnitId>, expires: Time },
    /// Enrols a host, with such a code.
    EnrolHost { host: DeviceId, name: String, key: String, code: CredentialId },
    /// Forgets a host and ends what was in force on it.
    RemoveHost { host: DeviceId },
    /// Says which local account a person has: on one host, in one unit, or everywhere. `None` takes the override back.
    MapAccount { person: PersonId, place: Place, account: Option<String> },
    /// Says how local accounts are named on one host, in one unit, or everywhere: `{local}` stands for the part of the
    /// user principal name before the `@`. `None` takes the rule back.
    SetAccountRule { place: Place, rule: Option<String> },
    /// A connector is about to make rights real.
    IntendGrants { grants: Vec<Intent> },
    /// What hosts say is in force: one round of reports, only what changed.
    ReportGrants { results: Vec<Outcome> },
    /// What a host says about itself: its accounts, and grants Writ did not make.
    ReportHost { host: DeviceId, accounts: Vec<Account>, drift: Vec<Drift> },
    /// Raises the epoch of orders, after a restore.
    RaiseEpoch,

    /// Erases a principal's personal data.
    ErasePrincipal { principal: PrincipalId },
    /// Declares the clock right after a doubtful jump. Console only.
    RecoverClock,

    /// Time: a future start has come.
    BeginActivation { request: RequestId },
    /// Time: an ask has waited too long.
    ExpireRequest { request: RequestId },
    /// Time: an assignment is over.
    EndAssignment { assignment: AssignmentId },
    /// Time: an eligibility is over.
    EndEligibility { eligibility: EligibilityId },
    /// Time: requests that ended more than 30 days ago leave the live state.
    ForgetRequests { before: Time },
}

/// What is known of a sign-in, or of several that failed alike.
#[derive(Clone, Debug, PartialEq)]
pub struct SignInNote {
    /// As whom; `None` for a name that nobody has, which is never kept: it may be a password.
    pub principal: Option<PrincipalId>,
    /// How it went.
    pub outcome: SignIn,
    /// What was wrong, if something was.
    pub wrong: Option<Wrong>,
    /// What was shown.
    pub methods: Vec<Method>,
    /// How often.
    pub count: u32,
    /// What the program called itself.
    pub client: Option<String>,
    /// The application id that the program signed in with, if it has one.
    pub app: Option<Uuid>,
    /// Where failed ones came from, the first few addresses; a sign-in that succeeded has its own in the envelope.
    pub from: Vec<(String, u32)>,
}

/// What was wrong with a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Nobody has this name.
    Name,
    /// The password, or there is none.
    Password,
    /// The one-time code, after a right password or in a session.
    Code,
    /// The emergency secret.
    Secret,
    /// Nothing, but the account is disabled.
    Disabled,
}

/// How a sign-in went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// In.
    Succeeded,
    /// A wrong password, code or secret.
    Failed,
    /// Too many tries; made to wait.
    Throttled,
    /// A second factor was proved again for an ask.
    SteppedUp,
    /// Signed out.
    SignedOut,
    /// A used refresh token came back; its family was ended.
    RefreshReused,
    /// A used authorization code came back; the session it had begun was ended.
    CodeReused,
}

/// A way of proving who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A password.
    Password,
    /// A time-based one-time code.
    Totp,
    /// An emergency account's secret.
    EmergencySecret,
    /// A single-use enrolment code.
    Code,
}

/// A credential whose secret the vault holds already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InVault {
    /// Its id.
    pub credential: CredentialId,
    /// The version of its row.
    pub version: u64,
}

/// Where an account mapping applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On one host.
    Host(DeviceId),
    /// On the hosts of a unit.
    Unit(UnitId),
    /// On every host.
    Everywhere,
}

/// A right about to be made real.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The assignment it comes from.
    pub assignment: AssignmentId,
    /// Who gets it.
    pub principal: PrincipalId,
    /// On which host.
    pub host: DeviceId,
    /// Whether it was seen to be absent before.
    pub absent_before: bool,
}

/// What became of a right on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The assignment it comes from.
    pub assignment: AssignmentId,
    /// Whose right.
    pub principal: PrincipalId,
    /// On which host.
    pub host: DeviceId,
    /// What became of it.
    pub result: Effect,
}

/// The state of a right on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Ordered, not yet confirmed.
    Intended,
    /// In force: a probe on the host has shown it.
    Effective,
    /// The host does not give it; why, in a sentence about whose right it is.
    Refused(Personal),
    /// Gone again, its elevated sessions too.
    Gone,
}
