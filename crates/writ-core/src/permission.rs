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
    /// Whether a user may sign in.
    Enabled,
    /// A user's sign-in sessions.
    Sessions,
    /// What a user is in: groups, units, directory roles.
    Memberships,
    /// What the caller is in.
    OwnMemberships,
    /// What a user owns.
    Owned,
    /// What the caller owns.
    OwnOwned,
    /// Groups and their owners.
    Groups,
    /// Who is in a group, and what a group is in.
    Members,
    /// Administrative units.
    Units,
    /// Who is in an administrative unit.
    UnitMembers,
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
    /// Eligibilities.
    Eligibilities,
    /// Requests for eligibilities.
    EligibilityRequests,
    /// Assignments and activations.
    Assignments,
    /// Requests for assignments and activations.
    AssignmentRequests,
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
    /// Making a new one.
    Create,
    /// Changing.
    Write,
    /// Taking away.
    Remove,
}

/// Permissions of which any one is enough. `A and B` is one entry: both are needed.
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

/// What opens this. Source: the permission tables of Microsoft Graph's reference, route by route; where its table and
/// what Graph was seen to answer differ, `docs/graph.md` says so.
pub const fn permissions(thing: Thing, act: Act) -> Permissions {
    match act {
        Act::Read => reading(thing),
        // A program may be let make groups and no more; for somebody, that takes the right to change any.
        Act::Create => match thing {
            Thing::Groups => Permissions {
                delegated: changing(thing).delegated,
                application: &["Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All"],
            },
            _ => changing(thing),
        },
        Act::Write => changing(thing),
        Act::Remove => removing(thing),
    }
}

const fn reading(thing: Thing) -> Permissions {
    match thing {
        Thing::Profile => Permissions {
            delegated: &[
                "User.Read",
                "User.ReadWrite",
                "User.ReadBasic.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &[],
        },
        // What stands in these two is read with a user.
        Thing::Users | Thing::Enabled | Thing::Sessions => Permissions {
            delegated: &[
                "User.ReadBasic.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        },
        Thing::OwnMemberships => Permissions {
            delegated: &[
                "User.Read",
                "GroupMember.Read.All",
                "Group.Read.All",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &[],
        },
        Thing::Memberships => both(&[
            "GroupMember.Read.All",
            "Group.Read.All",
            "User.Read.All",
            "User.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ]),
        Thing::OwnOwned => Permissions {
            delegated: &[
                "User.Read",
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &[],
        },
        Thing::Owned => both(&["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"]),
        Thing::Groups => both(&[
            "GroupMember.Read.All",
            "Group.Read.All",
            "GroupMember.ReadWrite.All",
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ]),
        Thing::Members => both(&[
            "GroupMember.ReadBasic.All",
            "Group.ReadBasic.All",
            "GroupMember.Read.All",
            "Group.Read.All",
            "GroupMember.ReadWrite.All",
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ]),
        Thing::Units | Thing::UnitMembers => both(&[
            "AdministrativeUnit.Read.All",
            "AdministrativeUnit.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        ]),
        Thing::Devices => Permissions {
            delegated: &["Device.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"],
            application: &["Device.Read.All", "Device.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"],
        },
        Thing::Organization => Permissions {
            delegated: &[
                "User.Read",
                "Organization.Read.All",
                "Organization.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &[
                "Organization.Read.All",
                "Organization.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
        },
        Thing::Programs => Permissions {
            delegated: &[
                "Application.Read.All",
                "Application.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            application: &[
                "Application.Read.All",
                "Application.ReadWrite.OwnedBy",
                "Application.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
        },
        Thing::Objects => both(&["Directory.Read.All", "Directory.ReadWrite.All"]),
        Thing::Roles => both(&[
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "Directory.Read.All",
            "RoleManagement.ReadWrite.Directory",
            "Directory.ReadWrite.All",
        ]),
        Thing::Eligibilities => both(&[
            "RoleEligibilitySchedule.Read.Directory",
            "RoleEligibilitySchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        Thing::EligibilityRequests => both(&[
            "RoleEligibilitySchedule.Read.Directory",
            "RoleEligibilitySchedule.Remove.Directory",
            "RoleEligibilitySchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        Thing::Assignments => both(&[
            "RoleAssignmentSchedule.Read.Directory",
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        Thing::AssignmentRequests => both(&[
            "RoleAssignmentSchedule.Read.Directory",
            "RoleAssignmentSchedule.Remove.Directory",
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        // A program cannot approve, so nothing opens this for one.
        Thing::Approvals => Permissions {
            delegated: &[
                "RoleAssignmentSchedule.Read.Directory",
                "RoleAssignmentSchedule.ReadWrite.Directory",
                "PrivilegedAccess.ReadWrite.AzureAD",
            ],
            application: &[],
        },
        Thing::Rules => both(&[
            "RoleManagementPolicy.Read.Directory",
            "RoleManagementPolicy.ReadWrite.Directory",
            "RoleManagement.Read.Directory",
            "RoleManagement.Read.All",
            "RoleManagement.ReadWrite.Directory",
        ]),
        Thing::Audit => both(&["AuditLog.Read.All"]),
        Thing::Writ => both(&["Writ.Administer"]),
    }
}

const fn changing(thing: Thing) -> Permissions {
    match thing {
        Thing::Profile | Thing::OwnMemberships | Thing::OwnOwned => Permissions {
            delegated: &["User.ReadWrite", "User.ReadWrite.All", "Directory.ReadWrite.All"],
            application: &[],
        },
        Thing::Users | Thing::Memberships | Thing::Owned => both(&["User.ReadWrite.All", "Directory.ReadWrite.All"]),
        Thing::Enabled => {
            both(&["User.EnableDisableAccount.All and User.Read.All", "User.ReadWrite.All", "Directory.ReadWrite.All"])
        }
        Thing::Sessions => both(&["User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"]),
        Thing::Groups => both(&["Group.ReadWrite.All", "Directory.ReadWrite.All"]),
        Thing::Members => both(&["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"]),
        Thing::Units => both(&["AdministrativeUnit.ReadWrite.All", "Directory.ReadWrite.All"]),
        Thing::UnitMembers => both(&["AdministrativeUnit.ReadWrite.All"]),
        Thing::Devices | Thing::Objects | Thing::Organization => both(&["Directory.ReadWrite.All"]),
        Thing::Programs => both(&["Application.ReadWrite.All", "Directory.ReadWrite.All"]),
        Thing::Roles => both(&["RoleManagement.ReadWrite.Directory"]),
        Thing::Eligibilities => {
            both(&["RoleEligibilitySchedule.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"])
        }
        Thing::Assignments => {
            both(&["RoleAssignmentSchedule.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"])
        }
        // A request may be to take away, and which it is stands in its body.
        Thing::EligibilityRequests => removing(Thing::Eligibilities),
        Thing::AssignmentRequests => removing(Thing::Assignments),
        Thing::Approvals => Permissions {
            delegated: &["RoleAssignmentSchedule.ReadWrite.Directory", "PrivilegedAccess.ReadWrite.AzureAD"],
            application: &[],
        },
        Thing::Rules => both(&["RoleManagementPolicy.ReadWrite.Directory", "RoleManagement.ReadWrite.Directory"]),
        Thing::Audit => both(&["AuditLog.Read.All"]),
        Thing::Writ => both(&["Writ.Administer"]),
    }
}

const fn removing(thing: Thing) -> Permissions {
    match thing {
        // `Directory.ReadWrite.All` deletes neither users nor groups.
        Thing::Users => both(&["User.DeleteRestore.All", "User.ReadWrite.All"]),
        Thing::Groups => both(&["Group.ReadWrite.All"]),
        Thing::Eligibilities => both(&[
            "RoleEligibilitySchedule.Remove.Directory",
            "RoleEligibilitySchedule.ReadWrite.Directory",
            "RoleManagement.ReadWrite.Directory",
        ]),
        Thing::Assignments => both(&[
            "RoleAssignmentSchedule.Remove.Directory",
            "RoleAssignmentSchedule.ReadWrite.Directory",
            "RoleManagement.ReadWrite.Directory",
        ]),
        _ => changing(thing),
    }
}

/// Everything, for looking through.
pub const THINGS: [Thing; 25] = [
    Thing::Profile,
    Thing::Users,
    Thing::Enabled,
    Thing::Sessions,
    Thing::Memberships,
    Thing::OwnMemberships,
    Thing::Owned,
    Thing::OwnOwned,
    Thing::Groups,
    Thing::Members,
    Thing::Units,
    Thing::UnitMembers,
    Thing::Devices,
    Thing::Organization,
    Thing::Programs,
    Thing::Objects,
    Thing::Roles,
    Thing::Eligibilities,
    Thing::EligibilityRequests,
    Thing::Assignments,
    Thing::AssignmentRequests,
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
    let needed = |thing: &Thing| {
        let needed = permissions(*thing, act);
        if caller.app_only { needed.application } else { needed.delegated }
    };
    let carries = |name: &str| has.iter().any(|h| h.eq_ignore_ascii_case(name));
    // Only an entry that names several has a blank in it.
    let holds = |entry: &&'static str| match entry.contains(' ') {
        true => entry.split(" and ").all(carries),
        false => carries(entry),
    };
    if things.iter().flat_map(needed).any(holds) {
        return Ok(());
    }
    let mut any_of: Vec<&'static str> = Vec::new();
    for name in things.iter().flat_map(needed) {
        if !any_of.contains(name) {
            any_of.push(name);
        }
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
                    // Ending sessions shows nothing of the user; what is about oneself is read in its own words.
                    let shows = !matches!(thing, Thing::Sessions | Thing::OwnMemberships | Thing::OwnOwned);
                    // A program has no profile of its own to look at.
                    if shows && !(app_only && thing == Thing::Profile) {
                        let names: Vec<&str> = name.split(" and ").collect();
                        assert_eq!(permitted(&caller(&names, app_only), thing, Act::Read), Ok(()), "{thing:?} {name}");
                    }
                }
            }
        }
    }

    #[test]
    fn both_of_two_permissions_are_needed_where_the_table_says_and() {
        let one = |name: &str| permitted(&caller(&[name], false), Thing::Enabled, Act::Write).is_ok();
        assert!(!one("User.EnableDisableAccount.All") && !one("User.Read.All") && one("User.ReadWrite.All"));
        let two = caller(&["user.read.all", "User.EnableDisableAccount.All"], false);
        assert_eq!(permitted(&two, Thing::Enabled, Act::Write), Ok(()));
        assert!(permitted(&two, Thing::Users, Act::Write).is_err(), "a name is not changed with it");
    }

    #[test]
    fn writing_the_directory_deletes_neither_users_nor_groups() {
        let writes = caller(&["Directory.ReadWrite.All"], false);
        for thing in [Thing::Users, Thing::Groups] {
            assert!(permitted(&writes, thing, Act::Write).is_ok());
            assert!(permitted(&writes, thing, Act::Remove).is_err(), "{thing:?}");
        }
        assert!(permitted(&caller(&["User.DeleteRestore.All"], true), Thing::Users, Act::Remove).is_ok());
        assert!(permitted(&caller(&["Group.Create"], true), Thing::Groups, Act::Create).is_ok());
        assert!(
            permitted(&caller(&["Group.Create"], false), Thing::Groups, Act::Create).is_err(),
            "for a person it is none"
        );
    }

    #[test]
    fn a_permission_to_take_away_gives_nothing() {
        let takes = caller(&["RoleAssignmentSchedule.Remove.Directory"], true);
        assert!(permitted(&takes, Thing::AssignmentRequests, Act::Write).is_ok(), "the door is open");
        assert!(permitted(&takes, Thing::Assignments, Act::Remove).is_ok());
        for (thing, act) in [
            (Thing::Assignments, Act::Write),
            (Thing::Assignments, Act::Read),
            (Thing::Eligibilities, Act::Remove),
            (Thing::Roles, Act::Write),
        ] {
            assert!(permitted(&takes, thing, act).is_err(), "{thing:?} {act:?}");
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
