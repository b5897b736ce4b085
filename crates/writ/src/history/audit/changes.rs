//! What changes the directory, the rules and Writ itself; and what is no audit record, with the reason.

use super::modified::{id, said, text, time};
use super::{DIRECTORY, Moment, PIM, Records, Thing, WRIT};
use serde_json::json;
use writ_core::command::{Method, SignIn};
use writ_core::event::Event;
use writ_core::ids::{PrincipalId, RoleId, UnitId, Uuid};
use writ_core::state::State;

/// The kinds of event that never become an audit record, each with the reason. They are in the timeline all the same.
#[cfg(test)]
pub(super) const NOT_AUDITED: &[(&str, &str)] = &[
    (
        "requests_forgotten",
        "changes no right: requests that ended long ago leave the live state and stay in the history",
    ),
    ("grant_intended", "changes no right: a host is about to be told of one that was decided, and recorded, before"),
    ("grants_reported", "changes no right: a host says what became of one that was decided, and recorded, before"),
];

impl Records<'_> {
    /// The record of an event that changes the directory, rules or settings.
    pub(super) fn changes(&mut self, event: &Event) {
        let m = self.moment;
        let (service, category, activity, operation, things) = match event {
            Event::UserCreated { user, .. } => (DIRECTORY, "UserManagement", "Add user", "Add", vec![m.changed(*user)]),
            Event::UserChanged { user, .. } => {
                (DIRECTORY, "UserManagement", "Update user", "Update", vec![m.changed(*user)])
            }
            Event::PrincipalDisabled { principal } => {
                (DIRECTORY, "UserManagement", "Disable account", "Update", vec![m.changed(*principal)])
            }
            Event::PrincipalEnabled { principal } => {
                (DIRECTORY, "UserManagement", "Enable account", "Update", vec![m.changed(*principal)])
            }
            Event::PrincipalDeleted { principal } => {
                let thing = m.changed(*principal);
                let (category, activity) = match thing.sort.as_str() {
                    "Group" => ("GroupManagement", "Delete group"),
                    "ServicePrincipal" => ("ApplicationManagement", "Remove service principal"),
                    _ => ("UserManagement", "Delete user"),
                };
                (DIRECTORY, category, activity, "Delete", vec![thing])
            }
            Event::GroupCreated { group, .. } => {
                (DIRECTORY, "GroupManagement", "Add group", "Add", vec![m.changed(*group)])
            }
            Event::GroupChanged { group, .. } => {
                (DIRECTORY, "GroupManagement", "Update group", "Update", vec![m.changed(*group)])
            }
            Event::ServiceCreated { service, app, .. } => {
                let mut program = m.changed(*service);
                program.modified.push(said("TargetId.ServicePrincipalNames", String::new(), id(*app)));
                (DIRECTORY, "ApplicationManagement", "Add service principal", "Add", vec![program])
            }
            Event::MemberAdded { group, member } => {
                let things = m.in_group(*member, *group, true);
                (DIRECTORY, "GroupManagement", "Add member to group", "Assign", things)
            }
            Event::MemberRemoved { group, member } => {
                let things = m.in_group(*member, *group, false);
                (DIRECTORY, "GroupManagement", "Remove member from group", "Unassign", things)
            }
            Event::OwnerAdded { group, owner } => {
                let things = m.in_group(*owner, *group, true);
                (DIRECTORY, "GroupManagement", "Add owner to group", "Assign", things)
            }
            Event::OwnerRemoved { group, owner } => {
                let things = m.in_group(*owner, *group, false);
                (DIRECTORY, "GroupManagement", "Remove owner from group", "Unassign", things)
            }
            Event::UnitCreated { unit, .. } => {
                (DIRECTORY, "AdministrativeUnit", "Add administrative unit", "Add", vec![m.changed_unit(*unit)])
            }
            Event::UnitChanged { unit, .. } => {
                (DIRECTORY, "AdministrativeUnit", "Update administrative unit", "Update", vec![m.changed_unit(*unit)])
            }
            Event::UnitDeleted { unit } => {
                (DIRECTORY, "AdministrativeUnit", "Delete administrative unit", "Delete", vec![m.changed_unit(*unit)])
            }
            Event::UnitJoined { unit, object } => {
                let things = m.in_unit(*object, *unit, true);
                (DIRECTORY, "AdministrativeUnit", "Add member to administrative unit", "Assign", things)
            }
            Event::UnitLeft { unit, object } => {
                let things = m.in_unit(*object, *unit, false);
                (DIRECTORY, "AdministrativeUnit", "Remove member from administrative unit", "Unassign", things)
            }
            Event::RoleDefined { role, .. } => {
                (DIRECTORY, "RoleManagement", "Add role definition", "Add", vec![m.changed_role(role.id)])
            }
            Event::RoleChanged { role } => {
                (DIRECTORY, "RoleManagement", "Update role definition", "Update", vec![m.changed_role(role.id)])
            }
            Event::RoleDeleted { role } => {
                (DIRECTORY, "RoleManagement", "Delete role definition", "Delete", vec![m.changed_role(*role)])
            }
            // What Entra has no word for is Writ's own; it is told in plain words.
            Event::TenantFounded { .. } => {
                (WRIT, "DirectoryManagement", "Found tenant", "Add", vec![m.tenant(m.settings_modified())])
            }
            Event::SettingsChanged { .. } => {
                (WRIT, "DirectoryManagement", "Update settings", "Update", vec![m.tenant(m.settings_modified())])
            }
            Event::CodeIssued { principal, expires, .. } => {
                let mut of = m.principal(*principal);
                of.modified.push(said("CodeExpires", String::new(), time(Some(*expires))));
                (WRIT, "UserManagement", "Issue sign-in code", "Add", vec![of])
            }
            Event::CredentialBound { principal, method, .. } => {
                let mut of = m.principal(*principal);
                of.modified.push(said("Method", String::new(), json!(method).to_string()));
                (WRIT, "UserManagement", "Add credential", "Add", vec![of])
            }
            Event::SessionsEnded { principal } => {
                let activity = "Update StsRefreshTokenValidFrom Timestamp";
                let of = Thing { modified: m.sessions_ended(*principal), ..m.principal(*principal) };
                (DIRECTORY, "UserManagement", activity, "Update", vec![of])
            }
            Event::CredentialRemoved { principal, credential } => {
                let mut of = m.principal(*principal);
                let method = m.before.credentials.get(credential).map(|c| json!(c.method).to_string());
                of.modified.push(said("Method", method.unwrap_or_default(), String::new()));
                (WRIT, "UserManagement", "Remove credential", "Delete", vec![of])
            }
            Event::EmergencyMinted { user, .. } => {
                let mut of = m.principal(*user);
                of.modified.push(said("Method", String::new(), json!(Method::EmergencySecret).to_string()));
                (WRIT, "UserManagement", "Mint emergency secret", "Add", vec![of])
            }
            Event::HostCodeIssued { unit, expires, .. } => {
                let mut of = unit.map_or_else(|| m.tenant(Vec::new()), |unit| m.unit(unit));
                of.modified.push(said("CodeExpires", String::new(), time(Some(*expires))));
                (WRIT, "Device", "Issue host code", "Add", vec![of])
            }
            Event::HostEnrolled { host, .. } => (WRIT, "Device", "Enrol host", "Add", vec![m.changed_host(*host)]),
            Event::HostRemoved { host } => (WRIT, "Device", "Remove host", "Delete", vec![m.changed_host(*host)]),
            Event::AccountMapped { person, place, .. } => {
                let account = |state: &State| {
                    state.accounts.get(&(*person, *place)).map(|account| text(account.shown())).unwrap_or_default()
                };
                let (old, new) = (account(m.before), account(m.after));
                let of = |id: &PrincipalId| {
                    let mut thing = m.principal(*id);
                    thing.modified.push(said("LocalAccount", old.clone(), new.clone()));
                    thing
                };
                let mut accounts: Vec<Thing> = m.after.persons.get(person).into_iter().flatten().map(of).collect();
                accounts.push(m.place(*place));
                (WRIT, "Device", "Map local account", "Update", accounts)
            }
            Event::EpochRaised { epoch } => {
                let raised = said("Epoch", m.before.epoch.to_string(), epoch.to_string());
                (WRIT, "Device", "Raise epoch of orders", "Update", vec![m.tenant(vec![raised])])
            }
            Event::Erased { principal } => {
                (WRIT, "UserManagement", "Erase personal data", "Delete", vec![m.principal(*principal)])
            }
            Event::ClockRecovered { at } => {
                let right = said("Clock", String::new(), time(Some(*at)));
                (WRIT, "DirectoryManagement", "Declare clock right", "Update", vec![m.tenant(vec![right])])
            }
            // Whoever watches over the tenant is to see it at once; other sign-ins are no audits of the directory.
            Event::SignInNoted { principal: Some(who), outcome: SignIn::Succeeded, .. }
                if m.after.principals.get(who).is_some_and(|p| p.emergency()) =>
            {
                (WRIT, "UserManagement", "Use emergency account", "SignIn", vec![m.principal(*who)])
            }
            Event::SignInNoted { .. } => return,
            Event::AccountRuleSet { place, .. } => {
                let mut on = m.place(*place);
                let rule = |state: &State| state.account_rules.get(place).map(|rule| text(rule)).unwrap_or_default();
                on.modified.push(said("AccountRule", rule(m.before), rule(m.after)));
                (WRIT, "Device", "Set rule for local accounts", "Update", vec![on])
            }
            // The names are PIM's for its alerts.
            Event::ApprovalUnsatisfiable { roles } => {
                let left = |from: &State, to: &State| -> Vec<RoleId> {
                    from.unsatisfiable.iter().filter(|role| !to.unsatisfiable.contains(*role)).copied().collect()
                };
                for (activity, active, roles) in [
                    (
                        "Triggered PIM alert",
                        true,
                        roles.iter().filter(|r| !m.before.unsatisfiable.contains(*r)).copied().collect(),
                    ),
                    ("Resolved PIM alert", false, left(m.before, m.after)),
                ] {
                    if !roles.is_empty() {
                        let alert = |role| Thing {
                            modified: vec![said("IsActive", (!active).to_string(), active.to_string())],
                            ..m.role(role)
                        };
                        let things = roles.into_iter().map(alert).collect();
                        self.add(PIM, "RoleManagement", activity, "Update", things);
                        self.reason("Fewer than two people could approve these roles");
                    }
                }
                return;
            }
            // Only what a host found that it had not told before.
            Event::HostReported { host, drift, .. } => {
                let known = m.before.hosts.get(host).map(|h| h.drift.as_slice()).unwrap_or_default();
                let new: Vec<String> = drift
                    .iter()
                    .filter(|one| !known.contains(one))
                    .map(|one| format!("{}: {}", one.place.shown(), one.text.shown()))
                    .collect();
                if !new.is_empty() {
                    self.add(WRIT, "Device", "Find right that Writ did not give", "Add", vec![m.object(host.0)]);
                    self.reason(&new.join("; "));
                }
                return;
            }
            // What changes a role is made in `grants`, before anything comes here.
            Event::EligibilityGranted { .. }
            | Event::EligibilityChanged { .. }
            | Event::EligibilityClosed { .. }
            | Event::EligibilityEnded { .. }
            | Event::AssignmentGranted { .. }
            | Event::AssignmentChanged { .. }
            | Event::ActivationShortened { .. }
            | Event::AssignmentEnded { .. }
            | Event::ApprovalAsked { .. }
            | Event::AssignmentMade { .. }
            | Event::ActivationExtended { .. }
            | Event::MoreAsked { .. }
            | Event::ActivationScheduled { .. }
            | Event::ActivationBegan { .. }
            | Event::RequestApproved { .. }
            | Event::RequestDenied { .. }
            | Event::RequestCanceled { .. }
            | Event::RequestTimedOut { .. }
            | Event::RequestFailed { .. }
            | Event::AskRefused { .. }
            | Event::RulesChanged { .. } => return,
            // See `NOT_AUDITED`; there is no other kind.
            Event::RequestsForgotten { .. } | Event::GrantIntended { .. } | Event::GrantsReported { .. } => return,
        };
        self.add(service, category, activity, operation, things);
        if service == DIRECTORY && category == "UserManagement" {
            self.detail("UserType", "Member");
        }
    }
}

impl Moment<'_> {
    /// Somebody, with the group that they came into or left, and the group.
    fn in_group(&self, who: PrincipalId, group: PrincipalId, got: bool) -> Vec<Thing> {
        let who = Thing { modified: self.group_linked(group, got), ..self.principal(who) };
        vec![who, self.principal(group)]
    }

    /// Something, with the unit that it came into or left, and the unit.
    fn in_unit(&self, what: Uuid, unit: UnitId, got: bool) -> Vec<Thing> {
        let what = Thing { modified: self.unit_linked(unit, got), ..self.object(what) };
        vec![what, self.unit(unit)]
    }
}
