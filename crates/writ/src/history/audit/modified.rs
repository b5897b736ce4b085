//! What a change did, as Entra's records list it: property by property, what was and what is.
//! It tells what was kept; nothing here is guessed, and what Entra would add from elsewhere is left out.
//!
//! Always: a value is a JSON text, as Graph writes it, and an empty text stands for none. An attribute of an object in the
//! directory is a list (`["Ana"]`), what a link leads to is one value (`"Ana"`); so Entra's own records have it.

use super::Moment;
use serde_json::{Value as Json, json};
use writ_core::ids::{PrincipalId, RoleId, Uuid};
use writ_core::rules::{AdminSide, RuleChange, Rules, Side};
use writ_core::state::State;

/// A property's name, what it was, what it is.
pub(super) type Modified = (String, String, String);

/// What Entra calls a directory role of old beside its name. Only those that were seen in Entra's records; it has no rule.
const WELL_KNOWN: &[(u128, &str)] = &[
    (0x62e9_0394_69f5_4237_9190_0121_7714_5e10, "TenantAdmins"),
    (0xe861_1ab8_c189_46e8_94e1_6021_3ab1_f814, "PrivilegedRoleAdmins"),
    (0xfe93_0be7_5e62_47db_91af_98c3_a49a_38b1, "UserAccountAdmins"),
    (0xcf1c_38e5_3621_4004_a7cb_8796_24dc_ed7c, "ApplicationDevelopers"),
    (0x02d5_655b_c1cf_4e5f_98da_5fb9_1908_5bf6, "PurviewWorkloadContentWriter"),
];

/// A text as a value.
pub(super) fn text(value: &str) -> String {
    json!(value).to_string()
}

/// A property that one thing says: `old` and `new` as values.
pub(super) fn said(name: &str, old: String, new: String) -> Modified {
    (name.to_owned(), old, new)
}

type Attributes = Vec<(&'static str, Json)>;

/// Attributes that are other than they were, and their names together as Entra adds them.
fn compared(before: &Attributes, after: &Attributes) -> Vec<Modified> {
    let listed = |value: Option<&(&str, Json)>| match value {
        // What says nothing is not there, as in the directory.
        None | Some((_, Json::Null)) => "[]".to_owned(),
        Some((_, Json::String(text))) if text.is_empty() => "[]".to_owned(),
        Some((_, list @ Json::Array(_))) => list.to_string(),
        Some((_, one)) => json!([one]).to_string(),
    };
    let of = |side: &Attributes, name: &str| listed(side.iter().find(|(n, _)| *n == name));
    let names = if after.is_empty() { before } else { after };
    let mut out: Vec<Modified> = names
        .iter()
        .map(|(name, _)| said(name, of(before, name), of(after, name)))
        .filter(|(_, old, new)| old != new)
        .collect();
    if !out.is_empty() {
        let names: Vec<&str> = out.iter().map(|(name, _, _)| name.as_str()).collect();
        out.push(said("Included Updated Properties", String::new(), text(&names.join(", "))));
    }
    out
}

impl Moment<'_> {
    /// What of a principal is other than before; everything, when it was made or is gone.
    pub(super) fn principal_modified(&self, id: PrincipalId) -> Vec<Modified> {
        let known = |state: &State| -> Attributes {
            let Some(p) = state.principals.get(&id) else { return Vec::new() };
            let name = ("DisplayName", json!(p.name.shown()));
            if let Some(group) = p.group() {
                return vec![
                    ("Description", json!(group.description)),
                    name,
                    ("IsAssignableToRole", json!(group.role_assignable)),
                    ("MailEnabled", json!(false)),
                    ("SecurityEnabled", json!(true)),
                ];
            }
            let enabled = ("AccountEnabled", json!(p.enabled));
            match p.user() {
                Some(user) => {
                    vec![enabled, name, ("UserPrincipalName", json!(user.upn.shown())), ("UserType", json!("Member"))]
                }
                None => vec![enabled, name],
            }
        };
        let out = compared(&known(self.before), &known(self.after));
        self.with_target(id, out)
    }

    /// What is said beside every change of a user.
    fn with_target(&self, id: PrincipalId, mut out: Vec<Modified>) -> Vec<Modified> {
        let found = self.after.principals.get(&id).or_else(|| self.before.principals.get(&id));
        if !out.is_empty() && found.is_some_and(|p| p.user().is_some()) {
            out.push(said("TargetId.UserType", String::new(), text("Member")));
        }
        out
    }

    /// That a user's sessions are good from now on only.
    pub(super) fn sessions_ended(&self, id: PrincipalId) -> Vec<Modified> {
        let name = "StsRefreshTokensValidFrom";
        let since = json!([self.meta.at.to_string()]).to_string();
        let out =
            vec![said(name, String::new(), since), said("Included Updated Properties", String::new(), text(name))];
        self.with_target(id, out)
    }

    /// What of an administrative unit is other than before.
    pub(super) fn unit_modified(&self, id: writ_core::ids::UnitId) -> Vec<Modified> {
        let known = |state: &State| -> Attributes {
            let unit = state.units.get(&id);
            unit.map(|u| vec![("Description", json!(u.description)), ("DisplayName", json!(u.name))])
                .unwrap_or_default()
        };
        compared(&known(self.before), &known(self.after))
    }

    /// What of a role's definition is other than before.
    pub(super) fn role_modified(&self, id: RoleId) -> Vec<Modified> {
        let known = |state: &State| -> Attributes {
            let Some(role) = state.roles.get(&id) else { return Vec::new() };
            vec![
                ("AllowedResourceActions", json!(role.actions)),
                ("Description", json!(role.description)),
                ("DisplayName", json!(role.name)),
                ("IsEnabled", json!(role.enabled)),
            ]
        };
        compared(&known(self.before), &known(self.after))
    }

    /// What of a host is other than before.
    pub(super) fn host_modified(&self, id: writ_core::ids::DeviceId) -> Vec<Modified> {
        let known = |state: &State| -> Attributes {
            state.hosts.get(&id).map(|host| vec![("DisplayName", json!(host.name))]).unwrap_or_default()
        };
        compared(&known(self.before), &known(self.after))
    }

    /// What of the tenant's settings is other than before.
    pub(super) fn settings_modified(&self) -> Vec<Modified> {
        let known = |state: &State| -> Attributes {
            let Some(settings) = &state.settings else { return Vec::new() };
            vec![
                ("DisplayName", json!(settings.name)),
                ("ShortestActivation", json!(settings.span_min.to_string())),
                ("ShortestTimeBeforeRemoval", json!(settings.age_min.to_string())),
            ]
        };
        compared(&known(self.before), &known(self.after))
    }

    /// Which role somebody got or lost.
    pub(super) fn role_linked(&self, id: RoleId, got: bool) -> Vec<Modified> {
        let known = WELL_KNOWN.iter().find(|(role, _)| RoleId::from_u128(*role) == id);
        let mut all = vec![
            ("Role.ObjectID", id.to_string()),
            ("Role.DisplayName", self.role(id).name),
            ("Role.TemplateId", id.to_string()),
        ];
        all.extend(known.map(|(_, name)| ("Role.WellKnownObjectName", (*name).to_owned())));
        linked(all, got)
    }

    /// Which group somebody came into or left, as a member or an owner.
    pub(super) fn group_linked(&self, id: PrincipalId, got: bool) -> Vec<Modified> {
        let mut out =
            linked(vec![("Group.ObjectID", id.to_string()), ("Group.DisplayName", self.principal(id).name)], got);
        // No group here is one that Entra knows by such a name; Entra says so of its own.
        out.push(said("Group.WellKnownObjectName", String::new(), String::new()));
        out
    }

    /// Which administrative unit something came into or left.
    pub(super) fn unit_linked(&self, id: writ_core::ids::UnitId, got: bool) -> Vec<Modified> {
        let all = vec![
            ("AdministrativeUnit.ObjectID", id.to_string()),
            ("AdministrativeUnit.DisplayName", self.unit(id).name),
        ];
        linked(all, got)
    }

    /// Which rules of a role are other than before, by Graph's ids of them.
    pub(super) fn rules_modified(&self, role: RoleId, changes: &[RuleChange]) -> Vec<Modified> {
        let (before, after) = (self.before.rules.get(&role), self.after.rules.get(&role));
        let told = |rules: Option<&std::sync::Arc<Rules>>, change: &RuleChange| {
            rules.map(|rules| rule(rules, change).1.to_string()).unwrap_or_default()
        };
        let mut out: Vec<Modified> = Vec::new();
        for change in changes {
            let Some(now) = after else { continue };
            let name = rule(now, change).0;
            let (old, new) = (told(before, change), told(after, change));
            if old != new && !out.iter().any(|(known, _, _)| *known == name) {
                out.push((name, old, new));
            }
        }
        out
    }
}

/// What is at the other end of a link that was made or cut.
fn linked(all: Vec<(&'static str, String)>, got: bool) -> Vec<Modified> {
    let one = |(name, value): (&str, String)| {
        let value = text(&value);
        if got { said(name, String::new(), value) } else { said(name, value, String::new()) }
    };
    all.into_iter().map(one).collect()
}

/// The id of the rule that a change is about, and what it says.
fn rule(rules: &Rules, change: &RuleChange) -> (String, Json) {
    let side = |side: Side| match side {
        Side::Eligibility => ("Eligibility", &rules.eligibility),
        Side::Assignment => ("Assignment", &rules.assignment),
    };
    let enabled = |mfa: bool, reason: bool, ticket: bool| {
        let all = [(mfa, "MultiFactorAuthentication"), (reason, "Justification"), (ticket, "Ticketing")];
        let names: Vec<&str> = all.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
        json!({"enabledRules": names})
    };
    let activation = &rules.activation;
    match change {
        RuleChange::AdminExpiration { side: of, .. } => {
            let (name, AdminSide { expiration_required, span_max, .. }) = side(*of);
            let says = json!({"isExpirationRequired": expiration_required, "maximumDuration": span_max.to_string()});
            (format!("Expiration_Admin_{name}"), says)
        }
        RuleChange::AdminEnablement { side: of, .. } => {
            let (name, AdminSide { mfa, reason, ticket, .. }) = side(*of);
            (format!("Enablement_Admin_{name}"), enabled(*mfa, *reason, *ticket))
        }
        RuleChange::ActivationExpiration { .. } => {
            let says = json!({"isExpirationRequired": true, "maximumDuration": activation.span_max.to_string()});
            ("Expiration_EndUser_Assignment".into(), says)
        }
        RuleChange::ActivationEnablement { .. } => {
            let says = enabled(activation.mfa, activation.reason, activation.ticket);
            ("Enablement_EndUser_Assignment".into(), says)
        }
        RuleChange::Approval(_) => ("Approval_EndUser_Assignment".into(), json!(activation.approval)),
        RuleChange::Context(_) => {
            let says = json!({"isEnabled": activation.context.enabled, "claimValue": activation.context.claim});
            ("AuthenticationContext_EndUser_Assignment".into(), says)
        }
        RuleChange::Freshness { .. } => ("Writ.MfaAge".into(), json!(activation.mfa_age_max.to_string())),
        RuleChange::Pending { .. } => ("Writ.PendingDuration".into(), json!(activation.pending_max.to_string())),
        RuleChange::Ending(_) => ("Writ.Ending".into(), json!(rules.ending)),
        // Addresses are personal, and who gets a message is no right: how many there are is enough.
        RuleChange::Notification(changed) => {
            let set = rules.notifications.iter().find(|n| n.rule == changed.rule);
            let says = set.map(|n| {
                json!({
                    "notificationLevel": n.level, "isDefaultRecipientsEnabled": n.default_recipients,
                    "notificationRecipients": n.recipients.len(),
                })
            });
            (changed.rule.clone(), says.unwrap_or(Json::Null))
        }
    }
}

/// A time, if there is one, as a value.
pub(super) fn time(at: Option<writ_core::time::Time>) -> String {
    at.map(|at| text(&at.to_string())).unwrap_or_default()
}

/// Something's id as a value.
pub(super) fn id(of: Uuid) -> String {
    text(&of.to_string())
}
