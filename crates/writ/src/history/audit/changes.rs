//! What changes the directory, the rules and Writ itself; and what is no audit record, with the reason.

use super::{DIRECTORY, PIM, Records, WRIT};
use writ_core::command::SignIn;
use writ_core::event::Event;
use writ_core::ids::RoleId;
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
            Event::UserCreated { user, .. } => {
                (DIRECTORY, "UserManagement", "Add user", "Add", vec![m.principal(*user)])
            }
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
                let thing = m.principal(*principal);
                let (category, activity) = match thing.sort.as_str() {
                    "Group" => ("GroupManagement", "Delete group"),
                    "ServicePrincipal" => ("ApplicationManagement", "Remove service principal"),
                    _ => ("UserManagement", "Delete user"),
                };
                (DIRECTORY, category, activity, "Delete", vec![thing])
            }
            Event::GroupCreated { group, .. } => {
                (DIRECTORY, "GroupManagement", "Add group", "Add", vec![m.principal(*group)])
            }
            Event::GroupChanged { group, .. } => {
                (DIRECTORY, "GroupManagement", "Update group", "Update", vec![m.changed(*group)])
            }
            Event::ServiceCreated { service, .. } => {
                (DIRECTORY, "ApplicationManagement", "Add service principal", "Add", vec![m.principal(*service)])
            }
            Event::MemberAdded { group, member } => (
                DIRECTORY,
                "GroupManagement",
                "Add member to group",
                "Assign",
                vec![m.principal(*member), m.principal(*group)],
            ),
            Event::MemberRemoved { group, member } => (
                DIRECTORY,
                "GroupManagement",
                "Remove member from group",
                "Unassign",
                vec![m.principal(*member), m.principal(*group)],
            ),
            Event::OwnerAdded { group, owner } => (
                DIRECTORY,
                "GroupManagement",
                "Add owner to group",
                "Assign",
                vec![m.principal(*owner), m.principal(*group)],
            ),
            Event::OwnerRemoved { group, owner } => (
                DIRECTORY,
                "GroupManagement",
                "Remove owner from group",
                "Unassign",
                vec![m.principal(*owner), m.principal(*group)],
            ),
            Event::UnitCreated { unit, .. } => {
                (DIRECTORY, "AdministrativeUnit", "Add administrative unit", "Add", vec![m.unit(*unit)])
            }
            Event::UnitChanged { unit, .. } => {
                (DIRECTORY, "AdministrativeUnit", "Update administrative unit", "Update", vec![m.unit(*unit)])
            }
            Event::UnitDeleted { unit } => {
                (DIRECTORY, "AdministrativeUnit", "Delete administrative unit", "Delete", vec![m.unit(*unit)])
            }
            Event::UnitJoined { unit, object } => (
                DIRECTORY,
                "AdministrativeUnit",
                "Add member to administrative unit",
                "Assign",
                vec![m.object(*object), m.unit(*unit)],
            ),
            Event::UnitLeft { unit, object } => (
                DIRECTORY,
                "AdministrativeUnit",
                "Remove member from administrative unit",
                "Unassign",
                vec![m.object(*object), m.unit(*unit)],
            ),
            Event::RoleDefined { role, .. } => {
                (DIRECTORY, "RoleManagement", "Add role definition", "Add", vec![m.role(role.id)])
            }
            Event::RoleChanged { role } => {
                (DIRECTORY, "RoleManagement", "Update role definition", "Update", vec![m.role(role.id)])
            }
            Event::RoleDeleted { role } => {
                (DIRECTORY, "RoleManagement", "Delete role definition", "Delete", vec![m.role(*role)])
            }
            // What Entra has no word for is Writ's own; it is told in plain words.
            Event::TenantFounded { .. } => (WRIT, "DirectoryManagement", "Found tenant", "Add", vec![]),
            Event::SettingsChanged { .. } => (WRIT, "DirectoryManagement", "Update settings", "Update", vec![]),
            Event::CodeIssued { principal, .. } => {
                (WRIT, "UserManagement", "Issue sign-in code", "Add", vec![m.principal(*principal)])
            }
            Event::CredentialBound { principal, .. } => {
                (WRIT, "UserManagement", "Add credential", "Add", vec![m.principal(*principal)])
            }
            Event::SessionsEnded { principal } => {
                let activity = "Update StsRefreshTokenValidFrom Timestamp";
                (DIRECTORY, "UserManagement", activity, "Update", vec![m.principal(*principal)])
            }
            Event::CredentialRemoved { principal, .. } => {
                (WRIT, "UserManagement", "Remove credential", "Delete", vec![m.principal(*principal)])
            }
            Event::EmergencyMinted { user, .. } => {
                (WRIT, "UserManagement", "Mint emergency secret", "Add", vec![m.principal(*user)])
            }
            Event::HostCodeIssued { .. } => (WRIT, "Device", "Issue host code", "Add", vec![]),
            Event::HostEnrolled { host, .. } => (WRIT, "Device", "Enrol host", "Add", vec![m.object(host.0)]),
            Event::HostRemoved { host } => (WRIT, "Device", "Remove host", "Delete", vec![m.object(host.0)]),
            Event::AccountMapped { person, .. } => {
                let accounts = m.after.persons.get(person).into_iter().flatten().map(|id| m.principal(*id)).collect();
                (WRIT, "Device", "Map local account", "Update", accounts)
            }
            Event::EpochRaised { .. } => (WRIT, "Device", "Raise epoch of orders", "Update", vec![]),
            Event::Erased { principal } => {
                (WRIT, "UserManagement", "Erase personal data", "Delete", vec![m.principal(*principal)])
            }
            Event::ClockRecovered { .. } => (WRIT, "DirectoryManagement", "Declare clock right", "Update", vec![]),
            // Whoever watches over the tenant is to see it at once; other sign-ins are no audits of the directory.
            Event::SignInNoted { principal: Some(who), outcome: SignIn::Succeeded, .. }
                if m.after.principals.get(who).is_some_and(|p| p.emergency()) =>
            {
                (WRIT, "UserManagement", "Use emergency account", "SignIn", vec![m.principal(*who)])
            }
            Event::SignInNoted { .. } => return,
            Event::AccountRuleSet { place, .. } => {
                let mut on = m.place(*place);
                let rule = |state: &State| state.account_rules.get(place).cloned().unwrap_or_default();
                on.modified.push(("AccountRule".to_owned(), rule(m.before), rule(m.after)));
                (WRIT, "Device", "Set rule for local accounts", "Update", vec![on])
            }
            // The names are PIM's for its alerts.
            Event::ApprovalUnsatisfiable { roles } => {
                let left = |from: &State, to: &State| -> Vec<RoleId> {
                    from.unsatisfiable.iter().filter(|role| !to.unsatisfiable.contains(*role)).copied().collect()
                };
                for (activity, roles) in [
                    (
                        "Triggered PIM alert",
                        roles.iter().filter(|r| !m.before.unsatisfiable.contains(*r)).copied().collect(),
                    ),
                    ("Resolved PIM alert", left(m.before, m.after)),
                ] {
                    if !roles.is_empty() {
                        let things = roles.into_iter().map(|role| m.role(role)).collect();
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
    }
}
