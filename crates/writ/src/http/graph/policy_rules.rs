//! The seventeen rules of a policy, as Graph cuts a role's rules up; reading them, and what a PATCH of one changes.
//!
//! Always: a rule's id and type never change; what a PATCH leaves out stays as it is.

use super::ask::Moment;
use super::body::Fields;
use super::dispatch::Version;
use super::odata::render::whole;
use super::odata::value::Value;
use super::odata::{Entity, Kind, Property, Row};
use crate::http::problem::{Problem, shown};
use serde_json::{Value as Json, json};
use std::sync::OnceLock;
use uuid::Uuid;
use writ_core::ids::PrincipalId;
use writ_core::personal::Personal;
use writ_core::rules::{AdminSide, Approval, Approver, Context, Notification, RuleChange, Rules, Side, Stage};
use writ_core::time::Span;

const TARGET: Property = Property::object(
    "target",
    &[Property::text("caller"), Property::list("operations", &Kind::Text), Property::text("level")],
);

/// What all rules have.
pub static RULE: Entity = Entity {
    name: "unifiedRoleManagementPolicyRule",
    properties: &[Property::id("id"), TARGET],
    links: &[],
    special: &[&EXPIRATION, &ENABLEMENT, &APPROVAL, &CONTEXT, &NOTIFICATION],
    or: true,
};
static EXPIRATION: Entity = Entity {
    name: "unifiedRoleManagementPolicyExpirationRule",
    properties: &[
        Property::id("id"),
        Property::bool("isExpirationRequired"),
        Property::span("maximumDuration"),
        TARGET,
    ],
    links: &[],
    special: &[],
    or: true,
};
static ENABLEMENT: Entity = Entity {
    name: "unifiedRoleManagementPolicyEnablementRule",
    properties: &[Property::id("id"), Property::list("enabledRules", &Kind::Text), TARGET],
    links: &[],
    special: &[],
    or: true,
};
static APPROVAL: Entity = Entity {
    name: "unifiedRoleManagementPolicyApprovalRule",
    properties: &[Property::id("id"), TARGET, Property::object("setting", &[Property::bool("isApprovalRequired")])],
    links: &[],
    special: &[],
    or: true,
};
static CONTEXT: Entity = Entity {
    name: "unifiedRoleManagementPolicyAuthenticationContextRule",
    properties: &[Property::id("id"), Property::bool("isEnabled"), Property::text("claimValue"), TARGET],
    links: &[],
    special: &[],
    or: true,
};
static NOTIFICATION: Entity = Entity {
    name: "unifiedRoleManagementPolicyNotificationRule",
    properties: &[
        Property::id("id"),
        Property::text("notificationType"),
        Property::text("recipientType"),
        Property::text("notificationLevel"),
        Property::bool("isDefaultRecipientsEnabled"),
        Property::list("notificationRecipients", &Kind::Text),
        TARGET,
    ],
    links: &[],
    special: &[],
    or: true,
};

/// A rule's place in Graph's own order, as a letter; never shown. Lists of rules come in this order.
pub const PLACE: &str = "writ.place";

/// The rules in Graph's own order: id, type, caller, level.
const RULES: [(&str, &Entity, &str, &str); 17] = [
    ("Expiration_Admin_Eligibility", &EXPIRATION, "Admin", "Eligibility"),
    ("Enablement_Admin_Eligibility", &ENABLEMENT, "Admin", "Eligibility"),
    ("Notification_Admin_Admin_Eligibility", &NOTIFICATION, "Admin", "Eligibility"),
    ("Notification_Requestor_Admin_Eligibility", &NOTIFICATION, "Admin", "Eligibility"),
    ("Notification_Approver_Admin_Eligibility", &NOTIFICATION, "Admin", "Eligibility"),
    ("Expiration_Admin_Assignment", &EXPIRATION, "Admin", "Assignment"),
    ("Enablement_Admin_Assignment", &ENABLEMENT, "Admin", "Assignment"),
    ("Notification_Admin_Admin_Assignment", &NOTIFICATION, "Admin", "Assignment"),
    ("Notification_Requestor_Admin_Assignment", &NOTIFICATION, "Admin", "Assignment"),
    ("Notification_Approver_Admin_Assignment", &NOTIFICATION, "Admin", "Assignment"),
    ("Expiration_EndUser_Assignment", &EXPIRATION, "EndUser", "Assignment"),
    ("Enablement_EndUser_Assignment", &ENABLEMENT, "EndUser", "Assignment"),
    ("Approval_EndUser_Assignment", &APPROVAL, "EndUser", "Assignment"),
    ("AuthenticationContext_EndUser_Assignment", &CONTEXT, "EndUser", "Assignment"),
    ("Notification_Admin_EndUser_Assignment", &NOTIFICATION, "EndUser", "Assignment"),
    ("Notification_Requestor_EndUser_Assignment", &NOTIFICATION, "EndUser", "Assignment"),
    ("Notification_Approver_EndUser_Assignment", &NOTIFICATION, "EndUser", "Assignment"),
];

/// Rules that say little, each written once for every policy in which it says the same: by its number and by what it
/// says. Nobody's name stands in them, and nothing that could change.
static WHOLE: [[OnceLock<Vec<u8>>; 8]; RULES.len()] = [const { [const { OnceLock::new() }; 8] }; RULES.len()];

/// One of a role's seventeen rules.
pub struct RuleRow<'a> {
    moment: &'a Moment,
    rules: &'a Rules,
    number: usize,
    /// Graph's versions name an approver differently.
    version: Version,
}

impl<'a> RuleRow<'a> {
    /// All of them, in Graph's order.
    pub fn all(moment: &'a Moment, rules: &'a Rules, version: Version) -> impl Iterator<Item = RuleRow<'a>> {
        (0..RULES.len()).map(move |number| RuleRow { moment, rules, number, version })
    }

    /// Its id.
    pub fn id(&self) -> &'static str {
        RULES[self.number].0
    }

    /// The administrator's side it is about, if it is about one.
    fn side(&self) -> Option<&'a AdminSide> {
        match (RULES[self.number].2, RULES[self.number].3) {
            ("Admin", "Eligibility") => Some(&self.rules.eligibility),
            ("Admin", _) => Some(&self.rules.assignment),
            _ => None,
        }
    }

    /// Whether a second factor, a reason and a ticket are demanded.
    fn demands(&self) -> (bool, bool, bool) {
        let a = &self.rules.activation;
        self.side().map_or((a.mfa, a.reason, a.ticket), |side| (side.mfa, side.reason, side.ticket))
    }

    fn enabled_rules(&self) -> &'static str {
        match self.demands() {
            (false, false, false) => "[]",
            (false, false, true) => r#"["Ticketing"]"#,
            (false, true, false) => r#"["Justification"]"#,
            (false, true, true) => r#"["Justification","Ticketing"]"#,
            (true, false, false) => r#"["MultiFactorAuthentication"]"#,
            (true, false, true) => r#"["MultiFactorAuthentication","Ticketing"]"#,
            (true, true, false) => r#"["MultiFactorAuthentication","Justification"]"#,
            (true, true, true) => r#"["MultiFactorAuthentication","Justification","Ticketing"]"#,
        }
    }

    /// The approval setting as its JSON.
    fn setting(&self) -> Vec<u8> {
        let approval = &self.rules.activation.approval;
        let mut out = Vec::with_capacity(512);
        let mut say = |name: &str, value: &Value<'_>| {
            out.extend_from_slice(name.as_bytes());
            value.write(&mut out);
        };
        let mode = if approval.stages.len() > 1 { "Serial" } else { "SingleStage" };
        say(r#"{"approvalMode":"#, &mode.into());
        say(r#","approvalStages":["#, &Value::always(""));
        for (n, stage) in approval.stages.iter().enumerate() {
            say(if n > 0 { "," } else { "" }, &Value::always(""));
            say(r#"{"approvalStageTimeOutInDays":"#, &Value::Int(stage.timeout_days.into()));
            say(
                r#","escalationApprovers":[],"escalationTimeInMinutes":"#,
                &Value::Int(stage.escalation_minutes.into()),
            );
            say(r#","isApproverJustificationRequired":"#, &stage.reason.into());
            say(r#","isEscalationEnabled":"#, &stage.escalation.into());
            // Names are anybody's text, so they are written as JSON by what knows how.
            say(r#","primaryApprovers":"#, &self.approvers(stage).into());
            say("}", &Value::always(""));
        }
        say(r#"],"isApprovalRequired":"#, &approval.required.into());
        say(r#","isApprovalRequiredForExtension":"#, &approval.required_for_extension.into());
        say(r#","isRequestorJustificationRequired":"#, &approval.asker_reason.into());
        say("}", &Value::always(""));
        out
    }

    /// Whom a stage names.
    fn approvers(&self, stage: &Stage) -> Json {
        stage.approvers.iter().map(|approver| self.approver(*approver)).collect()
    }

    fn approver(&self, approver: Approver) -> Json {
        let (kind, named, id) = match approver {
            Approver::User(id) => ("#microsoft.graph.singleUser", "userId", id),
            Approver::Group(id) => ("#microsoft.graph.groupMembers", "groupId", id),
            // No role's rules name them; a request for more time does.
            Approver::Administrators => return Json::Null,
        };
        let description = self.moment.state.name_of(id);
        match self.version {
            Version::V1 => json!({"@odata.type": kind, named: id, "description": description}),
            Version::Beta => json!({"@odata.type": kind, "isBackup": false, "id": id, "description": description}),
        }
    }

    fn notification(&self) -> Option<&'a Notification> {
        self.rules.notifications.iter().find(|n| n.rule == self.id())
    }
}

impl Row for RuleRow<'_> {
    fn entity(&self) -> &'static Entity {
        RULES[self.number].1
    }

    fn get(&self, property: &str) -> Json {
        self.value(property).into_json()
    }

    fn whole(&self) -> Option<&[u8]> {
        let entity = self.entity();
        let says = if std::ptr::eq(entity, &ENABLEMENT) {
            let (mfa, reason, ticket) = self.demands();
            usize::from(mfa) | usize::from(reason) << 1 | usize::from(ticket) << 2
        } else {
            let plain = (std::ptr::eq(entity, &NOTIFICATION) && self.notification().is_none())
                || (std::ptr::eq(entity, &CONTEXT) && self.rules.activation.context == Context::default());
            plain.then_some(0)?
        };
        Some(WHOLE[self.number][says].get_or_init(|| whole(self)))
    }

    fn value(&self, property: &str) -> Value<'_> {
        let (id, _, caller, level) = RULES[self.number];
        let a = &self.rules.activation;
        match property {
            "id" => id.into(),
            PLACE => ('a'..='q').nth(self.number).map(String::from).unwrap_or_default().into(),
            "target" => Value::always(target(caller, level)),
            "isExpirationRequired" => self.side().is_none_or(|s| s.expiration_required).into(),
            "maximumDuration" => self.side().map_or(a.span_max, |s| s.span_max).into(),
            "enabledRules" => Value::always(self.enabled_rules()),
            "setting" => Value::written(self.setting()),
            "isEnabled" => a.context.enabled.into(),
            "claimValue" => a.context.claim.as_deref().into(),
            "notificationType" => "Email".into(),
            "recipientType" => id.split('_').nth(1).into(),
            "notificationLevel" => self.notification().map_or("All", |n| n.level.as_str()).into(),
            "isDefaultRecipientsEnabled" => self.notification().is_none_or(|n| n.default_recipients).into(),
            "notificationRecipients" => match self.notification() {
                None => Value::always("[]"),
                Some(n) => json!(n.recipients.iter().map(Personal::shown).collect::<Vec<_>>()).into(),
            },
            _ => Value::Null,
        }
    }
}

/// A rule's target, which follows from its caller and level.
fn target(caller: &str, level: &str) -> &'static str {
    match (caller, level) {
        ("Admin", "Eligibility") => {
            r#"{"caller":"Admin","operations":["all"],"level":"Eligibility","inheritableSettings":[],"enforcedSettings":[]}"#
        }
        ("Admin", _) => {
            r#"{"caller":"Admin","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}"#
        }
        _ => {
            r#"{"caller":"EndUser","operations":["all"],"level":"Assignment","inheritableSettings":[],"enforcedSettings":[]}"#
        }
    }
}

/// What a PATCH of one rule changes. What the body leaves out stays as it is in `old`.
pub fn change_of(id: &str, fields: &Fields<'_>, old: &Rules) -> Result<RuleChange, Problem> {
    let found = RULES.iter().find(|(rule, ..)| rule.eq_ignore_ascii_case(id));
    let Some(&(rule, entity, caller, level)) = found else {
        return Err(Problem::not_found(id));
    };
    let kind = fields.required("@odata.type")?;
    if !kind.trim_start_matches('#').eq_ignore_ascii_case(&format!("microsoft.graph.{}", entity.name)) {
        return Err(Problem::bad_request(format!(
            "The rule '{rule}' is of type '#microsoft.graph.{}', not '{}'.",
            entity.name,
            shown(kind)
        )));
    }
    if fields.text("id")?.is_some_and(|own| !own.eq_ignore_ascii_case(rule)) {
        return Err(Problem::bad_request(format!("The id of rule '{rule}' cannot be changed.")));
    }
    if let Some(target) = fields.object("target")? {
        same_target(rule, caller, level, &target)?;
    }
    let side = match (caller, level) {
        ("Admin", "Eligibility") => Some((Side::Eligibility, &old.eligibility)),
        ("Admin", _) => Some((Side::Assignment, &old.assignment)),
        _ => None,
    };
    if std::ptr::eq(entity, &EXPIRATION) {
        expiration(fields, side, old)
    } else if std::ptr::eq(entity, &ENABLEMENT) {
        enablement(fields, side, old)
    } else if std::ptr::eq(entity, &APPROVAL) {
        approval(fields, &old.activation.approval).map(RuleChange::Approval)
    } else if std::ptr::eq(entity, &CONTEXT) {
        let was = &old.activation.context;
        let claim = match fields.has("claimValue") {
            true => fields.text("claimValue")?.filter(|c| !c.is_empty()).map(str::to_owned),
            false => was.claim.clone(),
        };
        Ok(RuleChange::Context(Context { enabled: fields.flag("isEnabled")?.unwrap_or(was.enabled), claim }))
    } else {
        notification(rule, fields, old).map(RuleChange::Notification)
    }
}

/// What a rule applies to follows from its id: clients send it back as they read it, and nothing else can be meant.
fn same_target(rule: &str, caller: &str, level: &str, target: &Fields<'_>) -> Result<(), Problem> {
    let is = |name: &str, wanted: &str| -> Result<bool, Problem> {
        Ok(target.text(name)?.is_none_or(|said| said.eq_ignore_ascii_case(wanted)))
    };
    let all = target.texts("operations")?.is_none_or(|all| all.iter().all(|one| one.eq_ignore_ascii_case("all")));
    if is("caller", caller)? && is("level", level)? && all {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "The target of rule '{rule}' cannot be changed: it is caller {caller}, level {level}, operations all."
    )))
}

fn expiration(fields: &Fields<'_>, side: Option<(Side, &AdminSide)>, old: &Rules) -> Result<RuleChange, Problem> {
    let span: Option<Span> = fields.span("maximumDuration")?;
    let required = fields.flag("isExpirationRequired")?;
    match side {
        Some((side, was)) => Ok(RuleChange::AdminExpiration {
            side,
            required: required.unwrap_or(was.expiration_required),
            span_max: span.unwrap_or(was.span_max),
        }),
        None if required == Some(false) => Err(Problem::bad_request(
            "An activation always ends: 'isExpirationRequired' must be true for Expiration_EndUser_Assignment.",
        )),
        None => Ok(RuleChange::ActivationExpiration { span_max: span.unwrap_or(old.activation.span_max) }),
    }
}

fn enablement(fields: &Fields<'_>, side: Option<(Side, &AdminSide)>, old: &Rules) -> Result<RuleChange, Problem> {
    const KNOWN: [&str; 3] = ["MultiFactorAuthentication", "Justification", "Ticketing"];
    let a = &old.activation;
    let was = side.map_or((a.mfa, a.reason, a.ticket), |(_, s)| (s.mfa, s.reason, s.ticket));
    let (mfa, reason, ticket) = match fields.texts("enabledRules")? {
        None => was,
        Some(names) => {
            if let Some(odd) = names.iter().find(|n| !KNOWN.iter().any(|k| k.eq_ignore_ascii_case(n))) {
                return Err(Problem::bad_request(format!(
                    "'{}' is not one of the rules that can be enabled: {}.",
                    shown(odd),
                    KNOWN.join(", ")
                )));
            }
            let on = |name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
            (on(KNOWN[0]), on(KNOWN[1]), on(KNOWN[2]))
        }
    };
    Ok(match side {
        Some((side, _)) => RuleChange::AdminEnablement { side, mfa, reason, ticket },
        None => RuleChange::ActivationEnablement { mfa, reason, ticket },
    })
}

fn approval(fields: &Fields<'_>, was: &Approval) -> Result<Approval, Problem> {
    let Some(setting) = fields.object("setting")? else { return Ok(was.clone()) };
    let mode = setting.one_of("approvalMode", &["SingleStage", "Serial", "Parallel", "NoApproval"])?;
    let required = match setting.flag("isApprovalRequired")? {
        None if mode == Some("NoApproval") => false,
        said => said.unwrap_or(was.required),
    };
    let mut stages: Vec<Stage> = match setting.objects("approvalStages")? {
        None => was.stages.clone(),
        Some(stages) => {
            stages.iter().enumerate().map(|(i, s)| stage(s, was.stages.get(i))).collect::<Result<_, _>>()?
        }
    };
    if required && stages.is_empty() {
        // As in Graph: nobody is named, so those who manage roles decide.
        stages.push(Stage::one_of(Vec::new()));
    }
    let contradiction = match mode {
        Some("NoApproval") if required => "'NoApproval' does not go with 'isApprovalRequired' true.",
        Some("SingleStage") if stages.len() > 1 => "'SingleStage' has one stage; several are 'Serial'.",
        Some("Parallel") if stages.len() > 1 => {
            "'Parallel' is not offered: stages are decided one after the other, which is 'Serial'."
        }
        _ => "",
    };
    if !contradiction.is_empty() {
        return Err(Problem::bad_request(format!("approvalMode: {contradiction}")));
    }
    Ok(Approval {
        required,
        required_for_extension: setting.flag("isApprovalRequiredForExtension")?.unwrap_or(was.required_for_extension),
        asker_reason: setting.flag("isRequestorJustificationRequired")?.unwrap_or(was.asker_reason),
        stages,
    })
}

fn stage(fields: &Fields<'_>, was: Option<&Stage>) -> Result<Stage, Problem> {
    let mut stage = was.cloned().unwrap_or_else(|| Stage::one_of(Vec::new()));
    let small = |name: &str| -> Result<Option<i32>, Problem> {
        let wrong = || Problem::bad_request(format!("The value of '{name}' is too large."));
        fields.number(name)?.map(|n| i32::try_from(n).map_err(|_| wrong())).transpose()
    };
    stage.reason = fields.flag("isApproverJustificationRequired")?.unwrap_or(stage.reason);
    stage.timeout_days = small("approvalStageTimeOutInDays")?.unwrap_or(stage.timeout_days);
    stage.escalation = fields.flag("isEscalationEnabled")?.unwrap_or(stage.escalation);
    stage.escalation_minutes = small("escalationTimeInMinutes")?.unwrap_or(stage.escalation_minutes);
    if let Some(approvers) = fields.objects("primaryApprovers")? {
        let mut named = Vec::new();
        for fields in &approvers {
            let one = approver(fields)?;
            if !named.contains(&one) {
                named.push(one);
            }
        }
        stage.approvers = named;
    }
    Ok(stage)
}

/// A subject set. Graph takes `id` as well as `userId` and `groupId`.
fn approver(fields: &Fields<'_>) -> Result<Approver, Problem> {
    let kind = fields.required("@odata.type")?.trim_start_matches('#').to_ascii_lowercase();
    let id = |name: &str| -> Result<PrincipalId, Problem> {
        match fields.id::<Uuid>(name)? {
            Some(id) => Ok(PrincipalId(id)),
            None => fields.required_id::<PrincipalId>("id"),
        }
    };
    match kind.as_str() {
        "microsoft.graph.singleuser" => Ok(Approver::User(id("userId")?)),
        "microsoft.graph.groupmembers" => Ok(Approver::Group(id("groupId")?)),
        _ => Err(Problem::bad_request(format!(
            "'{}' cannot be an approver: #microsoft.graph.singleUser and #microsoft.graph.groupMembers can.",
            shown(&kind)
        ))),
    }
}

fn notification(rule: &str, fields: &Fields<'_>, old: &Rules) -> Result<Notification, Problem> {
    let mut new = old.notifications.iter().find(|n| n.rule == rule).cloned().unwrap_or_else(|| Notification {
        rule: rule.to_owned(),
        level: "All".into(),
        default_recipients: true,
        recipients: Vec::new(),
    });
    let recipient = rule.split('_').nth(1).unwrap_or_default();
    fields.one_of("notificationType", &["Email"])?;
    fields.one_of("recipientType", &[recipient])?;
    if let Some(level) = fields.one_of("notificationLevel", &["None", "Critical", "All"])? {
        level.clone_into(&mut new.level);
    }
    new.default_recipients = fields.flag("isDefaultRecipientsEnabled")?.unwrap_or(new.default_recipients);
    if let Some(addresses) = fields.texts("notificationRecipients")? {
        // An address belongs to nobody in the directory that could be erased; it is about the nil principal.
        let about = PrincipalId::from_u128(0);
        new.recipients = addresses.into_iter().map(|a| Personal::new(about, a)).collect();
    }
    Ok(new)
}
