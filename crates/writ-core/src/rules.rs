//! A role's rules: how long, with which proof, reason, ticket and whose approval.
//! Rules are data; `decide` enforces them.
//!
//! Always: rules apply to asks made after they were saved; a pending ask keeps the approvers it was asked with.

use crate::ids::PrincipalId;
use crate::personal::Personal;
use crate::role::{Duty, Role};
use crate::time::{Span, Time};
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Everything that governs one role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Which defaults these started from.
    pub tier: Tier,
    /// For activations.
    pub activation: Activation,
    /// For administrators who make somebody eligible.
    pub eligibility: AdminSide,
    /// For administrators who assign directly.
    pub assignment: AdminSide,
    /// How an activation ends where power is real.
    pub ending: Ending,
    /// Notification rules that differ from the default, by Graph's rule id.
    #[serde(default)]
    pub notifications: Vec<Notification>,
    /// When and by whom they were last changed; `None` until first edited.
    #[serde(default)]
    pub changed: Option<(Time, PrincipalId)>,
}

/// Rules for activations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    /// The longest activation.
    pub span_max: Span,
    /// Whether a second factor must have been proved.
    pub mfa: bool,
    /// How old that proof may be.
    pub mfa_age_max: Span,
    /// Whether a reason is needed.
    pub reason: bool,
    /// Whether a ticket is needed.
    pub ticket: bool,
    /// An authentication context that the sign-in must carry, `c1` … `c99`.
    pub context: Context,
    /// Whose approval is needed.
    pub approval: Approval,
    /// How long an ask may wait for approval.
    pub pending_max: Span,
}

impl Activation {
    /// Whether a reason is needed: always, or because somebody has to decide on it.
    pub const fn asks_reason(&self) -> bool {
        self.reason || (self.approval.required && self.approval.asker_reason)
    }
}

/// An authentication context rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Whether it is asked for.
    pub enabled: bool,
    /// Which one.
    pub claim: Option<String>,
}

/// Rules for administrators who give eligibility or an assignment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdminSide {
    /// Whether it must have an end.
    pub expiration_required: bool,
    /// The longest, when it must have an end.
    pub span_max: Span,
    /// Whether the administrator must have proved a second factor.
    pub mfa: bool,
    /// Whether a reason is needed.
    pub reason: bool,
    /// Whether a ticket is needed.
    pub ticket: bool,
}

/// Whose approval is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Whether any is.
    pub required: bool,
    /// Whether more time needs it: for an activation even if activating does not, otherwise before the administrator's
    /// decision.
    pub required_for_extension: bool,
    /// Whether the asker must give a reason when somebody has to decide.
    pub asker_reason: bool,
    /// One stage after the other.
    pub stages: Vec<Stage>,
}

impl Approval {
    /// Whether anybody is asked at all: about an activation, or about more time.
    pub const fn asked(&self) -> bool {
        self.required || self.required_for_extension
    }

    /// Whether the same people are asked as before, at least as many of them, and told as much.
    fn asks_as_much_as(&self, was: &Approval) -> bool {
        let stages = self.stages.iter().zip(&was.stages);
        let same = |(new, was): (&Stage, &Stage)| {
            new.approvers == was.approvers && new.needed >= was.needed && new.reason >= was.reason
        };
        self.required >= was.required
            && self.required_for_extension >= was.required_for_extension
            && self.asker_reason >= was.asker_reason
            && self.stages.len() == was.stages.len()
            && stages.into_iter().all(same)
    }
}

/// One stage of an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Who may decide. When none of them is available, or none is named, the fallback approvers may.
    pub approvers: Vec<Approver>,
    /// How many distinct persons must approve.
    pub needed: u8,
    /// Whether the approver must give a reason.
    pub reason: bool,
    /// Stored for Graph; the time an ask may wait is `pending_max`.
    pub timeout_days: i32,
    /// Stored for Graph.
    pub escalation: bool,
    /// Stored for Graph, in minutes.
    pub escalation_minutes: i32,
}

impl Stage {
    /// One approval, with a reason, by any of these.
    pub fn one_of(approvers: Vec<Approver>) -> Self {
        Self { approvers, needed: 1, reason: true, timeout_days: 1, escalation: false, escalation_minutes: 0 }
    }

    /// One decision by an administrator, as an extension or a renewal needs it.
    pub fn by_administrator() -> Self {
        Self { reason: false, ..Self::one_of(alloc::vec![Approver::Administrators]) }
    }

    /// Whether it is an administrator's decision.
    pub fn administrators(&self) -> bool {
        self.approvers.contains(&Approver::Administrators)
    }
}

/// Somebody who may approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// One user.
    User(PrincipalId),
    /// Whoever is in the group when they decide, nested members included.
    Group(PrincipalId),
    /// Whoever may manage roles when they decide. Never a role's rule: only extensions and renewals are decided so.
    Administrators,
}

/// How an activation ends where power is real.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Whether elevated sessions are ended, or only new ones refused.
    pub kill: bool,
    /// Between the first signal and the last.
    pub grace: Span,
}

/// A notification rule, stored and served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Graph's rule id, such as `Notification_Admin_Admin_Eligibility`.
    pub rule: String,
    /// `None`, `Critical` or `All`.
    pub level: String,
    /// Whether the default recipients get it.
    pub default_recipients: bool,
    /// Further addresses.
    pub recipients: Vec<Personal>,
}

/// Which defaults a role's rules start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// 2 h, fresh MFA, reason, ticket, approval.
    Critical,
    /// 4 h, fresh MFA, reason, approval.
    High,
    /// 8 h, fresh MFA, reason.
    Routine,
    /// Entra's own defaults: 8 h, MFA for privileged roles, reason, no approval.
    Entra,
}

/// Which family of defaults a tenant starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleChoice {
    /// The three tiers.
    Tiers,
    /// Entra's defaults, for compatibility.
    Entra,
}

/// Entra's activation limits: no rule may allow less than five minutes or more than a day.
pub const SPAN_MAX_LIMIT: Span = Span::from_hours(24);

/// The tier a role starts in. What gives root, can climb to more, or runs the tenant is critical, and so is no other.
pub fn tier(role: &Role, choice: RuleChoice) -> Tier {
    if choice == RuleChoice::Entra {
        return Tier::Entra;
    }
    let climbs = role.actions.iter().any(|a| {
        a.ends_with("/credentials/update")
            || a.ends_with("/authenticationMethods/create")
            || a.ends_with("/appRoleAssignedTo/update")
    });
    if role.gives_root() || role.duties.has(Duty::ManageRoles) || (role.marked_privileged && climbs) {
        Tier::Critical
    } else if role.privileged() || role.administers_data() {
        Tier::High
    } else {
        Tier::Routine
    }
}

impl Rules {
    /// The rules a role starts with.
    pub fn default_for(role: &Role, choice: RuleChoice) -> Rules {
        let tier = tier(role, choice);
        let (hours, ticket, approval) = match tier {
            Tier::Critical => (2, true, true),
            Tier::High => (4, false, true),
            Tier::Routine => (8, false, false),
            Tier::Entra => (8, false, false),
        };
        let entra = tier == Tier::Entra;
        Rules {
            tier,
            activation: Activation {
                span_max: Span::from_hours(hours),
                mfa: !entra || role.privileged(),
                // Entra asks only whether the session carries MFA at all; a working day comes nearest to that.
                mfa_age_max: if entra { Span::from_hours(12) } else { Span::from_minutes(5) },
                reason: true,
                ticket,
                context: Context::default(),
                approval: Approval {
                    required: approval,
                    required_for_extension: false,
                    asker_reason: true,
                    stages: alloc::vec![Stage::one_of(Vec::new())],
                },
                pending_max: Span::from_hours(24),
            },
            eligibility: AdminSide {
                expiration_required: false,
                span_max: Span::from_days(365),
                mfa: false,
                reason: false,
                ticket: false,
            },
            assignment: AdminSide {
                expiration_required: false,
                span_max: Span::from_days(180),
                mfa: false,
                reason: true,
                ticket: false,
            },
            ending: Ending { kill: true, grace: Span::from_seconds(30) },
            notifications: Vec::new(),
            changed: None,
        }
    }

    /// Applies one change.
    pub fn change(&mut self, change: &RuleChange) {
        match change {
            RuleChange::AdminExpiration { side, required, span_max } => {
                let side = self.side_mut(*side);
                side.expiration_required = *required;
                side.span_max = *span_max;
            }
            RuleChange::AdminEnablement { side, mfa, reason, ticket } => {
                let side = self.side_mut(*side);
                (side.mfa, side.reason, side.ticket) = (*mfa, *reason, *ticket);
            }
            RuleChange::ActivationExpiration { span_max } => self.activation.span_max = *span_max,
            RuleChange::ActivationEnablement { mfa, reason, ticket } => {
                let a = &mut self.activation;
                (a.mfa, a.reason, a.ticket) = (*mfa, *reason, *ticket);
            }
            RuleChange::Approval(approval) => self.activation.approval = approval.clone(),
            RuleChange::Context(context) => self.activation.context = context.clone(),
            RuleChange::Freshness { mfa_age_max } => self.activation.mfa_age_max = *mfa_age_max,
            RuleChange::Pending { pending_max } => self.activation.pending_max = *pending_max,
            RuleChange::Ending(ending) => self.ending = ending.clone(),
            RuleChange::Notification(notification) => {
                self.notifications.retain(|n| n.rule != notification.rule);
                self.notifications.push(notification.clone());
            }
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut AdminSide {
        match side {
            Side::Eligibility => &mut self.eligibility,
            Side::Assignment => &mut self.assignment,
        }
    }

    /// What these rules let pass that the others did not, in words; empty when they are at least as strict.
    pub fn looser_than(&self, old: &Rules) -> Vec<&'static str> {
        let (new, was) = (&self.activation, &old.activation);
        let mut looser = Vec::new();
        let mut note = |is: bool, what: &'static str| {
            if is {
                looser.push(what);
            }
        };
        note(new.span_max > was.span_max, "a longer activation");
        note(was.mfa && !new.mfa, "activation without MFA");
        note(new.mfa && was.mfa && new.mfa_age_max > was.mfa_age_max, "older proof of MFA");
        note(was.reason && !new.reason, "activation without a reason");
        note(was.ticket && !new.ticket, "activation without a ticket");
        note(was.context.enabled && new.context != was.context, "another authentication context");
        note(was.approval.asked() && !new.approval.asks_as_much_as(&was.approval), "other approvers, or none");
        note(old.ending.kill && !self.ending.kill, "sessions that outlive the end");
        note(self.ending.grace > old.ending.grace, "a longer grace at the end");
        for (new, was) in [(&self.eligibility, &old.eligibility), (&self.assignment, &old.assignment)] {
            note(was.expiration_required && !new.expiration_required, "assignments without an end");
            note(was.expiration_required && new.span_max > was.span_max, "longer assignments");
            note(
                (was.mfa && !new.mfa) || (was.reason && !new.reason) || (was.ticket && !new.ticket),
                "assignments with less proof",
            );
        }
        looser
    }
}

/// Which of an administrator's acts a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Giving eligibility.
    Eligibility,
    /// Assigning directly.
    Assignment,
}

/// One change to a role's rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleChange {
    /// `Expiration_Admin_Eligibility`, `Expiration_Admin_Assignment`.
    AdminExpiration { side: Side, required: bool, span_max: Span },
    /// `Enablement_Admin_Eligibility`, `Enablement_Admin_Assignment`.
    AdminEnablement { side: Side, mfa: bool, reason: bool, ticket: bool },
    /// `Expiration_EndUser_Assignment`.
    ActivationExpiration { span_max: Span },
    /// `Enablement_EndUser_Assignment`.
    ActivationEnablement { mfa: bool, reason: bool, ticket: bool },
    /// `Approval_EndUser_Assignment`.
    Approval(Approval),
    /// `AuthenticationContext_EndUser_Assignment`.
    Context(Context),
    /// Writ's own: how old a proof of MFA may be.
    Freshness { mfa_age_max: Span },
    /// Writ's own: how long an ask may wait.
    Pending { pending_max: Span },
    /// Writ's own: how activations end on systems.
    Ending(Ending),
    /// One of the nine notification rules.
    Notification(Notification),
}
