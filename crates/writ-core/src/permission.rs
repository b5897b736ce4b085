//! The permissions that a token carries, under Graph's names: which of them open what.
//! They limit a program that acts for somebody and never give that somebody more than their roles do; what the roles
//! allow is judged beside this, by `decide` and `may`.
//!
//! Always: each list goes from the least power to the most, and whatever may change something may also read it.

use crate::command::Caller;
use crate::refusal::Refusal;
use alloc::vec::Vec;

/// What permissions are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// The caller's own account.
    Profile,
    /// Users.
    Users,
    /// Groups and their owners.
    Groups,
    /// Who is in a group.
    Members,
    /// Administrative units.
    Units,
    /// Devices: the enrolled hosts.
    Devices,
    /// The tenant's name.
    Organization,
    /// Programs, and what they sign in with.
    Programs,
    /// Objects of the directory, of whatever kind.
    Objects,
    /// Roles, and who holds them in plain form.
    Roles,
    /// Eligibilities and requests for them.
    Eligibilities,
    /// Assignments, activations and requests for them.
    Assignments,
    /// Deciding requests.
    Approvals,
    /// Rules of roles.
    Rules,
    /// What happened.
    Audit,
    /// Writ's own settings, hosts and codes.
    Writ,
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Looking.
    Read,
    /// Changing.
    Write,
}

/// Permissions of which any one is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// For a program that acts for somebody who is signed in: delegated scopes.
    pub delegated: &'static [&'static str],
    /// For a program that speaks for itself: app roles. Empty where a person is needed.
    pub application: &'static [&'static str],
}

/// The same names for both kinds of caller.
const fn both(names: &'static [&'static str]) -> Permissions {
    Permissions { delegated: names, application: names }
}

/// What opens this. Source: the permission tables of Microsoft Graph's reference, resource by resource.
pub const fn permissions(thing: Thing, act: Act) -> Permissions {
    use Act::{Read, Write};
    match (thing, act) {
        (Thing::Profile, Read) => Permissions {
            delegated: &[
                "User.Read",
                "User.ReadBasic.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &[],
        },
        (Thing::Users, Read) => Permissions {
            delegated: &[
                "User.ReadBasic.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        },
        (Thing::Profile | Thing::Users, Write) => both(&["User.ReadWrite.All", "Directory.ReadWrite.All"]),
        (Thing::Groups | Thing::Members, Read) => both(&[
            "GroupMember.Read.All",
            "Group.Read.All",
            "GroupMember.ReadWrite.All",
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ]),
        (Thing::Groups, Write) => both(&["Group.ReadWrite.All", "Directory.ReadWrite.All"]),
        (Thing::Members, Write) => {
            both(&["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"])
        }
        (Thing::Units, Read) => both(&[
            "AdministrativeUnit.Read.All",
            "AdministrativeUnit.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ]),
        (Thing::Units, Write) => both(&["AdministrativeUnit.ReadWrite.All", "Directory.ReadWrite.All"]),
        (Thing::Devices, Read) => both(&["Device.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"]),
        (Thing::Devices | Thing::Objects | Thing::Organization, Write) => both(&["Directory.ReadWrite.All"]),
        (Thing::Organization, Read) => Permissions {
            delegated: &["User.Read", "Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
            application: &["Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        },
        (Thing::Programs, Read) => both(&[
            "Application.Read.All",
            "Application.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ]),
        (Thing::Programs, Write) => both(&["Application.ReadWrite.All", "Directory.ReadWrite.All"]),
        (Thing::Objects, Read) => both(&["Directory.Read.All", "Directory.ReadWrite.All"]),
        (Thing::Roles, Read) => both(&[
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "Directory.Read.All",
            "RoleManagement.ReadWrite.Directory",
            "Directory.ReadWrite.All",
        ]),
        (Thing::Roles, Write) => both(&["RoleManagement.ReadWrite.Directory"]),
        (Thing::Eligibilities, Read) => both(&[
            "RoleEligibilitySchedule.Read.Directory",
            "RoleEligibilitySchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        (Thing::Eligibilities, Write) => {
            both(&["RoleEligibilitySchedule.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"])
        }
        (Thing::Assignments, Read) => both(&[
            "RoleAssignmentSchedule.Read.Directory",
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        (Thing::Assignments, Write) => {
            both(&["RoleAssignmentSchedule.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"])
        }
        // A program cannot approve, so nothing opens this for one.
        (Thing::Approvals, Read) => Permissions {
            delegated: &[
                "RoleAssignmentSchedule.Read.Directory",
                "RoleAssignmentSchedule.ReadWrite.Directory",
                "PrivilegedAccess.ReadWrite.AzureAD",
            ],
            application: &[],
        },
        (Thing::Approvals, Write) => Permissions {
            delegated: &["RoleAssignmentSchedule.ReadWrite.Directory", "PrivilegedAccess.ReadWrite.AzureAD"],
            application: &[],
        },
        (Thing::Rules, Read) => both(&[
            "RoleManagementPolicy.Read.Directory",
            "RoleManagementPolicy.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        (Thing::Rules, Write) => {
            both(&["RoleManagementPolicy.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"])
        }
        (Thing::Audit, _) => both(&["AuditLog.Read.All"]),
        (Thing::Writ, _) => both(&["Writ.Administer"]),
    }
}

/// Everything, for looking through.
pub const THINGS: [Thing; 16] = [
    Thing::Profile,
    Thing::Users,
    Thing::Groups,
    Thing::Members,
    Thing::Units,
    Thing::Devices,
    Thing::Organization,
    Thing::Programs,
    Thing::Objects,
    Thing::Roles,
    Thing::Eligibilities,
    Thing::Assignments,
    Thing::Approvals,
    Thing::Rules,
    Thing::Audit,
    Thing::Writ,
];

/// Judges whether the caller's token opens this.
///
/// # Errors
/// When it carries none of the permissions that would: all of them are named, and those it has.
pub fn permitted(caller: &Caller, thing: Thing, act: Act) -> Result<(), Refusal> {
    any_permitted(caller, &[thing], act)
}

/// The same where any one of several is enough. Callers at Writ's own doors carry every permission.
pub(crate) fn any_permitted(caller: &Caller, things: &[Thing], act: Act) -> Result<(), Refusal> {
    let Some(has) = &caller.scopes else { return Ok(()) };
    let mut any_of: Vec<&'static str> = Vec::new();
    for thing in things {
        let needed = permissions(*thing, act);
        for name in if caller.app_only { needed.application } else { needed.delegated } {
            if !any_of.contains(name) {
                any_of.push(name);
            }
        }
    }
    if has.iter().any(|h| any_of.iter().any(|a| a.eq_ignore_ascii_case(h))) {
        return Ok(());
    }
    let thing = things.first().copied().unwrap_or(Thing::Objects);
    Err(Refusal::MissingScope { thing, any_of, has: has.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Proof, Via};
    use crate::ids::{PrincipalId, Uuid};
    use alloc::string::{String, ToString};
    use alloc::vec;

    fn caller(scopes: &[&str], app_only: bool) -> Caller {
        let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let signed_in = Caller::signed_in(Uuid::nil(), PrincipalId::from_u128(1), Via::Api, Proof::default());
        Caller { scopes: Some(scopes.into()), app_only, ..signed_in }
    }

    #[test]
    fn whatever_opens_changing_opens_looking_too() {
        for thing in THINGS {
            for app_only in [false, true] {
                let needed = permissions(thing, Act::Write);
                for name in if app_only { needed.application } else { needed.delegated } {
                    // A program has no profile of its own to look at.
                    if !(app_only && thing == Thing::Profile) {
                        assert_eq!(permitted(&caller(&[name], app_only), thing, Act::Read), Ok(()), "{thing:?} {name}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_refusal_names_what_would_do_and_what_is_there() {
        let refusal = permitted(&caller(&["User.Read"], false), Thing::Eligibilities, Act::Write);
        let any_of = vec!["RoleEligibilitySchedule.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"];
        let has = vec!["User.Read".to_string()];
        assert_eq!(refusal, Err(Refusal::MissingScope { thing: Thing::Eligibilities, any_of, has }));
    }

    #[test]
    fn a_program_on_its_own_approves_nothing_whatever_it_carries() {
        let all: Vec<&str> = THINGS.iter().flat_map(|t| permissions(*t, Act::Write).delegated).copied().collect();
        assert!(permitted(&caller(&all, true), Thing::Approvals, Act::Write).is_err());
        assert!(permitted(&caller(&all, false), Thing::Approvals, Act::Write).is_ok());
    }

    #[test]
    fn names_are_compared_in_any_case() {
        assert_eq!(permitted(&caller(&["user.readbasic.all"], false), Thing::Users, Act::Read), Ok(()));
    }
}
