//! Roles: named sets of permissions, the 145 built-in ones and custom ones, and what they allow in Writ itself.
//! A role's power is judged by its actions, never by its name.
//!
//! Always: a built-in role's id equals its template id, and built-in roles never change.

use crate::ids::{RoleId, Uuid};
use crate::scope::Scope;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Global Administrator: the role that emergency accounts keep standing.
pub const GLOBAL_ADMINISTRATOR: RoleId = RoleId::from_u128(0x62e9_0394_69f5_4237_9190_0121_7714_5e10);

/// The role that means root on enrolled hosts. The data calls it "Azure AD Joined Device Local Administrator".
pub const DEVICE_ADMINISTRATOR: RoleId = RoleId::from_u128(0x9f06_204d_73c1_4d4c_880a_6edb_9060_6fd8);

/// The built-in roles that can hold at an administrative unit.
const UNIT_ROLES: &[&str] = &[
    "Attribute Assignment Administrator",
    "Attribute Assignment Reader",
    "Authentication Administrator",
    "Cloud Device Administrator",
    "Groups Administrator",
    "Helpdesk Administrator",
    "License Administrator",
    "Password Administrator",
    "Printer Administrator",
    "Privileged Authentication Administrator",
    "SharePoint Administrator",
    "Teams Administrator",
    "Teams Devices Administrator",
    "User Administrator",
];
/// The built-in roles that can hold at one application.
const APPLICATION_ROLES: &[&str] = &["Application Administrator", "Cloud Application Administrator"];

/// A named set of permissions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Equal to the template id for built-in roles.
    pub id: RoleId,
    /// The name Graph's role data gives it, or the name a custom role was created with.
    pub name: String,
    /// Another name people know it by.
    pub other_names: Vec<String>,
    /// What it is for.
    pub description: String,
    /// Built-in roles never change.
    pub built_in: bool,
    /// Whether it can be assigned at all; pseudo-roles that the system assigns cannot.
    pub assignable: bool,
    /// A disabled role cannot be assigned or activated.
    pub enabled: bool,
    /// Graph's own judgement, `isPrivileged`.
    pub marked_privileged: bool,
    /// What it allows, as action names such as `microsoft.directory/users/create`.
    pub actions: Vec<String>,
    /// Roles it inherits from.
    pub inherits: Vec<RoleId>,
    /// What its author calls this version of a custom role; tools that define roles as code compare it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it allows in Writ itself, worked out from the actions.
    #[serde(skip)]
    pub duties: Duties,
}

macro_rules! duties {
    ($($(#[$doc:meta])* $name:ident = $bit:literal: [$($action:literal),+ $(,)?], $told:literal;)+) => {
        /// Something that may be done in Writ itself, and that a role may allow.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Duty { $($(#[$doc])* $name),+ }

        impl Duty {
            /// All duties.
            pub const ALL: &[Duty] = &[$(Duty::$name),+];
            const fn bit(self) -> u32 { match self { $(Duty::$name => 1 << $bit),+ } }
            /// The actions any one of which allows it.
            pub const fn actions(self) -> &'static [&'static str] {
                match self { $(Duty::$name => &[$($action),+]),+ }
            }
            /// For people: "manage role assignments".
            pub const fn told(self) -> &'static str { match self { $(Duty::$name => $told),+ } }
        }
    };
}

duties! {
    /// Make and remove eligibilities and assignments, edit roles' rules and the tenant's settings.
    ManageRoles = 0: ["microsoft.directory/roleAssignments/create"], "manage role assignments and rules";
    /// See everybody's eligibilities, assignments, requests and rules.
    ReadRoles = 1: [
        "microsoft.directory/privilegedIdentityManagement/standard/read",
        "microsoft.directory/roleAssignments/standard/read",
    ], "see everybody's role assignments";
    /// Read the audit log.
    ReadAudit = 2: ["microsoft.directory/auditLogs/standard/read"], "read the audit log";
    /// Create users.
    CreateUsers = 3: ["microsoft.directory/users/create"], "create users";
    /// Change users' names and addresses.
    UpdateUsers = 4: ["microsoft.directory/users/basic/update"], "change users";
    /// Disable and enable users.
    DisableUsers = 5: ["microsoft.directory/users/disable"], "disable and enable users";
    /// Delete users.
    DeleteUsers = 6: ["microsoft.directory/users/delete"], "delete users";
    /// Let people bind a new first factor.
    ResetProofs = 7: [
        "microsoft.directory/users/authenticationMethods/create",
        "microsoft.directory/users/password/update",
    ], "let people set up their sign-in anew";
    /// Create, change and delete ordinary groups.
    ManageGroups = 8: ["microsoft.directory/groups/members/update"], "manage groups";
    /// Change the groups that pass roles or approve requests.
    ManageProtectedGroups = 9: ["microsoft.directory/groupsAssignableToRoles/allProperties/update"],
        "manage groups that pass roles or approve requests";
    /// Manage administrative units.
    ManageUnits = 10: ["microsoft.directory/administrativeUnits/create"], "manage administrative units";
    /// Enrol and remove hosts, map accounts.
    ManageHosts = 11: ["microsoft.directory/devices/permissions/update"], "enrol and remove hosts";
    /// Define custom roles.
    DefineRoles = 12: ["microsoft.directory/roleDefinitions/create"], "define roles";
    /// Manage programs.
    ManageApplications = 13: ["microsoft.directory/servicePrincipals/create"], "manage programs";
}

/// A set of duties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duties(u32);

impl Duties {
    /// No duty.
    pub const NONE: Duties = Duties(0);
    /// Whether this duty is in the set.
    pub const fn has(self, duty: Duty) -> bool {
        self.0 & duty.bit() != 0
    }
    /// Both sets together.
    pub const fn and(self, other: Duties) -> Duties {
        Duties(self.0 | other.0)
    }
    /// The duties that these actions allow.
    pub fn of(actions: &[String]) -> Duties {
        let mut set = 0;
        for duty in Duty::ALL {
            if duty.actions().iter().any(|needed| actions.iter().any(|a| covers(a, needed))) {
                set |= duty.bit();
            }
        }
        Duties(set)
    }
}

/// Whether an action allows what `needed` names: the same action, or all tasks on all properties of the same
/// resource; reading all properties covers reading the standard ones.
fn covers(action: &str, needed: &str) -> bool {
    if action == needed {
        return true;
    }
    let resource = |a: &str| a.splitn(3, '/').take(2).map(str::len).sum::<usize>() + 1;
    let (r, n) = (resource(action), resource(needed));
    if r > action.len() || n > needed.len() || action[..r] != needed[..n] {
        return false;
    }
    match &action[r..] {
        "/allProperties/allTasks" | "/allTasks" => true,
        "/allProperties/read" => needed[n..].ends_with("/read"),
        _ => false,
    }
}

impl Role {
    /// Whether holding it is dangerous: by Graph's mark, by what it gives in Writ, or because it means root on hosts.
    pub fn privileged(&self) -> bool {
        self.marked_privileged
            || self.gives_root()
            || self.duties.has(Duty::ManageRoles)
            || self.duties.has(Duty::ResetProofs)
            || self.duties.has(Duty::ManageHosts)
            || self.duties.has(Duty::ManageProtectedGroups)
            // Either makes others powerful: by what a role says, or by which hosts a unit holds.
            || self.duties.has(Duty::DefineRoles)
            || self.duties.has(Duty::ManageUnits)
    }

    /// Whether holding it means root on enrolled hosts.
    pub fn gives_root(&self) -> bool {
        self.id == DEVICE_ADMINISTRATOR
    }

    /// Whether it can hold at this scope. Source: the roles that Entra lets be assigned at an administrative unit or at
    /// one application. Root on hosts holds wherever hosts are, and a custom role wherever its maker wants it.
    pub fn holds_at(&self, scope: Scope) -> bool {
        let among = |names: &[&str]| !self.built_in || self.gives_root() || names.contains(&self.name.as_str());
        match scope {
            Scope::Tenant => true,
            Scope::Unit(_) => among(UNIT_ROLES),
            Scope::Object(_) => among(APPLICATION_ROLES),
        }
    }

    /// Whether it administers machines, mail or files, whatever its mark says.
    pub fn administers_data(&self) -> bool {
        const AREAS: &[&str] = &[
            "microsoft.intune/",
            "microsoft.cloudPC/",
            "microsoft.office365.exchange/",
            "microsoft.office365.sharePoint/",
            "microsoft.office365.fileStorageContainers/",
            "microsoft.backup/",
            "microsoft.directory/bitlockerKeys/",
            "microsoft.directory/deviceLocalCredentials/",
            "microsoft.directory/devices/",
        ];
        self.actions.iter().any(|a| {
            AREAS.iter().any(|area| a.len() >= area.len() && a[..area.len()].eq_ignore_ascii_case(area))
                && !a.ends_with("/standard/read")
                && !a.ends_with("/basic/read")
                && !a.ends_with("/allProperties/read")
                && !a.contains("/memberOf/")
                && !a.contains("/registered")
        })
    }

    /// The name people know it by.
    pub fn told(&self) -> &str {
        self.other_names.first().map_or(&self.name, |n| n)
    }

    /// Whether this is one of its names, in any case.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.other_names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

#[derive(Deserialize)]
struct Data {
    roles: Vec<Datum>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Datum {
    template_id: Uuid,
    display_name: String,
    is_privileged: bool,
    assignment_mode: String,
    inherits_permissions_from: Vec<Uuid>,
    // The export has a null where it knows no action.
    allowed_resource_actions: Vec<Option<String>>,
    docs_display_name: Option<String>,
}

/// The built-in roles, from the data file in this crate.
pub fn built_in() -> Vec<Arc<Role>> {
    #[allow(clippy::expect_used, reason = "the data is compiled in and read by every test")]
    let data: Data =
        serde_json::from_str(include_str!("data/entra-builtin-roles.json")).expect("compiled-in role data");
    data.roles
        .into_iter()
        .map(|d| {
            let id = RoleId(d.template_id);
            let actions: Vec<String> = d.allowed_resource_actions.into_iter().flatten().collect();
            let mut other_names: Vec<String> = d.docs_display_name.into_iter().collect();
            if id == DEVICE_ADMINISTRATOR {
                other_names.insert(0, "Device Administrators".to_string());
            }
            Arc::new(Role {
                id,
                duties: Duties::of(&actions),
                name: d.display_name,
                other_names,
                description: String::new(),
                built_in: true,
                assignable: d.assignment_mode == "allowed",
                enabled: true,
                marked_privileged: d.is_privileged,
                actions,
                inherits: d.inherits_permissions_from.into_iter().map(RoleId).collect(),
                version: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Arc<Role> {
        built_in().into_iter().find(|r| r.is_called(name)).expect(name)
    }

    #[test]
    fn there_are_145_built_in_roles_and_the_pseudo_roles_cannot_be_assigned() {
        assert_eq!(built_in().len(), 145);
        assert_eq!(built_in().iter().filter(|r| !r.assignable).count(), 3);
    }

    #[test]
    fn power_comes_from_the_actions() {
        assert_eq!(named("Global Administrator").id, GLOBAL_ADMINISTRATOR);
        for (role, duty, has) in [
            ("Global Administrator", Duty::ManageRoles, true),
            ("Global Administrator", Duty::ManageHosts, true),
            ("Global Administrator", Duty::CreateUsers, true),
            ("Global Administrator", Duty::ResetProofs, true),
            ("Global Administrator", Duty::ReadAudit, true),
            ("Global Administrator", Duty::ManageGroups, true),
            ("Privileged Role Administrator", Duty::ManageRoles, true),
            ("Privileged Role Administrator", Duty::ReadRoles, true),
            ("Privileged Role Administrator", Duty::CreateUsers, false),
            ("Global Reader", Duty::ReadRoles, true),
            ("Global Reader", Duty::ReadAudit, true),
            ("Global Reader", Duty::ManageRoles, false),
            ("Security Reader", Duty::ReadRoles, true),
            ("User Administrator", Duty::CreateUsers, true),
            ("User Administrator", Duty::ManageRoles, false),
            ("User Administrator", Duty::ManageProtectedGroups, false),
            ("Helpdesk Administrator", Duty::ResetProofs, true),
            ("Reports Reader", Duty::ReadAudit, true),
            ("Device Administrators", Duty::ManageHosts, false),
        ] {
            assert_eq!(named(role).duties.has(duty), has, "{role} {duty:?}");
        }
    }

    #[test]
    fn a_role_holds_at_the_scopes_that_entra_has_for_it() {
        let (unit, one) = (Scope::Unit(crate::ids::UnitId::from_u128(1)), Scope::Object(Uuid::from_u128(2)));
        let told = |role: &str| [Scope::Tenant, unit, one].map(|scope| named(role).holds_at(scope));
        for name in UNIT_ROLES {
            assert_eq!(told(name), [true, true, false], "{name}");
        }
        for name in APPLICATION_ROLES {
            assert_eq!(told(name), [true, false, true], "{name}");
        }
        assert_eq!(told("Global Administrator"), [true, false, false]);
        assert_eq!(told("Device Administrators"), [true, true, true], "hosts are in units, and are objects");
    }

    #[test]
    fn root_is_privileged_whatever_the_data_says() {
        let role = named("Microsoft Entra Joined Device Local Administrator");
        assert_eq!(role.id, named("azure ad joined device local administrator").id);
        assert!(!role.marked_privileged && role.privileged());
    }
}
