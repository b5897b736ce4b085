//! The delegated permissions that tokens for people carry, under Graph's names.
//! They limit a program that acts for somebody; they never give that somebody more than their roles do.

/// All that Writ knows: what a client gets that asks for `.default` or for nothing.
pub const ALL: &[&str] = &[
    "openid",
    "profile",
    "email",
    "offline_access",
    "AdministrativeUnit.Read.All",
    "AdministrativeUnit.ReadWrite.All",
    "Application.Read.All",
    "Application.ReadWrite.All",
    "AuditLog.Read.All",
    "Device.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadBasic.All",
    "Group.ReadWrite.All",
    "GroupMember.Read.All",
    "GroupMember.ReadBasic.All",
    "GroupMember.ReadWrite.All",
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "PrivilegedAccess.ReadWrite.AzureAD",
    "PrivilegedAccess.Read.AzureADGroup",
    "PrivilegedAccess.ReadWrite.AzureADGroup",
    "PrivilegedAssignmentSchedule.Read.AzureADGroup",
    "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
    "PrivilegedAssignmentSchedule.Remove.AzureADGroup",
    "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup",
    "PrivilegedEligibilitySchedule.Remove.AzureADGroup",
    "RoleAssignmentSchedule.Read.Directory",
    "RoleAssignmentSchedule.ReadWrite.Directory",
    "RoleAssignmentSchedule.Remove.Directory",
    "RoleEligibilitySchedule.Read.Directory",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleEligibilitySchedule.Remove.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "RoleManagementPolicy.Read.AzureADGroup",
    "RoleManagementPolicy.Read.Directory",
    "RoleManagementPolicy.ReadWrite.AzureADGroup",
    "RoleManagementPolicy.ReadWrite.Directory",
    "User.DeleteRestore.All",
    "User.EnableDisableAccount.All",
    "User.Read",
    "User.Read.All",
    "User.ReadBasic.All",
    "User.ReadWrite",
    "User.ReadWrite.All",
    "User.RevokeSessions.All",
    "Writ.Administer",
];

use uuid::Uuid;

/// Those that are about the sign-in itself (OpenID Connect Core, section 5.4): no permission.
pub const OF_A_SIGN_IN: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// For which API a token was asked, with which permissions, and by which program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The audience: the API's address without a trailing slash. `None` for the first one the server answers for.
    pub audience: Option<String>,
    /// The permissions, each one known.
    pub scopes: Vec<String>,
    /// The authentication contexts that a claims challenge asked for.
    pub contexts: Vec<String>,
    /// The scopes as they were written; the answer repeats them, since clients look for their tokens by these.
    pub said: Vec<String>,
    /// The program, by its application (client) id, if it has one.
    pub client: Option<Uuid>,
    /// Scopes that were asked for and that nothing here is behind.
    pub unknown: Vec<String>,
    /// What the program wants to find in its id token again.
    pub nonce: Option<String>,
}

impl Wish {
    /// Whether this scope was asked for by its name.
    pub fn says(&self, scope: &str) -> bool {
        self.said.iter().any(|said| said.eq_ignore_ascii_case(scope))
    }

    /// Whether everything was asked for that can be had: by `.default`, or by no permission at all.
    pub fn all(&self) -> bool {
        self.scopes.len() == ALL.len()
    }
}

/// The longest `scope` parameter, in bytes: every permission there is, each with its API's address, fits well.
const SCOPE_MAX: usize = 4096;
/// How many different scopes are asked for at once, at most; the longest name of one that is not here.
const PARTS_MAX: usize = 100;
const NAME_MAX: usize = 80;

/// Why a `scope` parameter cannot be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAScope;

/// Reads the `scope` parameter of a token request: blanks between scopes, each with or without its API's address in
/// front; `.default` stands for all. `https://host//.default` is how one client writes it.
pub fn wish(scope: &str) -> Result<Wish, NotAScope> {
    let wish = any_wish(scope)?;
    if wish.unknown.is_empty() { Ok(wish) } else { Err(NotAScope) }
}

/// The same, of a program that was made for Graph and asks for permissions over things that are not here, too. It gets
/// those that are, and is told which (RFC 6749, section 3.3); never more for having named others.
pub fn any_wish(scope: &str) -> Result<Wish, NotAScope> {
    if scope.len() > SCOPE_MAX {
        return Err(NotAScope);
    }
    let mut unknown: Vec<String> = Vec::new();
    let (mut audience, mut scopes, mut all) = (None::<String>, Vec::new(), true);
    for part in scope.split_whitespace() {
        let (api, name) = match part.rsplit_once('/') {
            Some((api, name)) => (Some(api.trim_end_matches('/')), name),
            None => (None, part),
        };
        if let Some(api) = api {
            if audience.as_deref().is_some_and(|before| before != api) {
                return Err(NotAScope); // one token is for one API
            }
            audience = Some(api.to_owned());
        }
        if name == ".default" {
            continue;
        }
        let Some(known) = ALL.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            all = false;
            // It is told to people, so it has to be a word that a permission could be, and no sentence.
            if !is_name(name) {
                return Err(NotAScope);
            }
            if !unknown.iter().any(|before| before.eq_ignore_ascii_case(name)) {
                unknown.push(name.to_owned());
            }
            continue;
        };
        // Those of OpenID Connect name no permission, so on their own they do not narrow anything.
        all &= OF_A_SIGN_IN.contains(known);
        if !scopes.contains(&(*known).to_owned()) {
            scopes.push((*known).to_owned());
        }
    }
    if all || scope.split_whitespace().any(|part| part.ends_with(".default")) {
        scopes = ALL.iter().map(|s| (*s).to_owned()).collect();
    }
    // Each once, in whatever case: a wish is kept for a stranger's device, who may have said one thing a thousand times.
    let mut said: Vec<String> = Vec::new();
    for part in scope.split_whitespace() {
        if !said.iter().any(|before| before.eq_ignore_ascii_case(part)) {
            said.push(part.to_owned());
        }
    }
    if said.len() > PARTS_MAX {
        return Err(NotAScope);
    }
    Ok(Wish { audience, scopes, said, unknown, ..Wish::default() })
}

/// Whether a permission could be named so, as Graph names them: `Mail.Read.Shared`, `user_impersonation`.
fn is_name(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    text.len() <= NAME_MAX && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_clients_write_them() {
        let all: Vec<String> = ALL.iter().map(|s| (*s).to_owned()).collect();
        let graph = || Some("https://graph.microsoft.com".to_owned());
        for (scope, audience, scopes) in [
            ("", None, all.clone()),
            ("https://graph.microsoft.com/.default", graph(), all.clone()),
            ("https://graph.microsoft.com/.default openid profile offline_access", graph(), all.clone()),
            ("https://127.0.0.1:18443//.default", Some("https://127.0.0.1:18443".to_owned()), all.clone()),
            ("openid offline_access", None, all.clone()),
            ("user.read", None, vec!["User.Read".to_owned()]),
            ("https://graph.microsoft.com/User.Read", graph(), vec!["User.Read".to_owned()]),
        ] {
            let said = scope.split_whitespace().map(str::to_owned).collect();
            assert_eq!(wish(scope), Ok(Wish { audience, scopes, said, ..Wish::default() }), "{scope}");
        }
    }

    #[test]
    fn what_is_not_here_is_left_out_and_gives_nothing_else() {
        let left = |scope: &str| any_wish(scope).map(|wish| (wish.scopes.join(" "), wish.unknown.join(" ")));
        let pair = |scopes: &str, unknown: &str| Ok((scopes.to_owned(), unknown.to_owned()));
        assert_eq!(left("User.Read Mail.Read openid"), pair("User.Read openid", "Mail.Read"));
        assert_eq!(left("https://graph.microsoft.com/Mail.Read"), pair("", "Mail.Read"));
        assert_eq!(left("Mail.Read openid profile"), pair("openid profile", "Mail.Read"), "not all of them");
        assert_eq!(left("https://a.example/User.Read https://b.example/Mail.Read"), Err(NotAScope), "two APIs");
        assert_eq!(left("Mail.Read mail.read user_impersonation"), pair("", "Mail.Read user_impersonation"));
        for sentence in ["Call\u{2800}+1-555-0100", "<b>", "\u{202e}lla", "555-0100", "Ä.Read", &"a".repeat(81), "a/"]
        {
            assert_eq!(left(sentence), Err(NotAScope), "{sentence}");
        }
        let many = |n: u32| (0..n).map(|n| format!("X{n}.Read")).collect::<Vec<_>>().join(" ");
        assert!(left(&many(100)).is_ok() && left(&many(101)).is_err());
    }

    #[test]
    fn whatever_a_refusal_names_can_be_asked_for() {
        use writ_core::permission::{Act, THINGS, permissions};
        for thing in THINGS {
            for act in [Act::Read, Act::Create, Act::Write, Act::Remove] {
                for name in permissions(thing, act).delegated.iter().flat_map(|entry| entry.split(" and ")) {
                    assert!(ALL.contains(&name), "{name} is named in refusals and cannot be had");
                }
            }
        }
    }

    #[test]
    fn what_is_said_often_is_kept_once_and_nothing_endless_is_read() {
        let often = wish(&"openid OpenID User.Read ".repeat(100)).unwrap();
        assert_eq!((often.said.len(), often.scopes.len()), (2, 2));
        let everything: Vec<String> = ALL.iter().map(|scope| format!("https://graph.microsoft.com/{scope}")).collect();
        assert!(wish(&everything.join(" ")).unwrap().all());
        assert_eq!(wish(&"openid ".repeat(1000)), Err(NotAScope));
    }

    #[test]
    fn unknown_scopes_and_two_apis_at_once_are_refused() {
        for scope in ["Mail.Read", "https://a.example/User.Read https://b.example/User.Read", "User.Read admin"] {
            assert_eq!(wish(scope), Err(NotAScope), "{scope}");
        }
    }
}
