//! What a typed name means, asked of the server, which knows all names; never guessed.
//!
//! Always: a name that could mean two things stops the command before anything is asked.

use super::client::Client;
use super::stop::Stop;
use super::table::listed;
use crate::http::api::shape::{Called, Meanings};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A sort of thing that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A role.
    Role,
    /// A user, a group or a program.
    Principal,
    /// A user.
    User,
    /// An administrative unit.
    Unit,
    /// A host.
    Host,
    /// An open request.
    Request,
}

impl Sort {
    /// As the route knows it and as people read it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Sort::Role => "role",
            Sort::Principal => "principal",
            Sort::User => "user",
            Sort::Unit => "unit",
            Sort::Host => "host",
            Sort::Request => "request",
        }
    }
}

/// The one thing that is meant.
///
/// # Errors
/// When it could be none or several; the sentence lists them.
pub(super) fn of(client: &mut Client, sort: Sort, typed: &str) -> Result<Called, Stop> {
    let typed_encoded = utf8_percent_encode(typed, NON_ALPHANUMERIC);
    let mut meanings: Meanings = client.get(&format!("/writ/v1/names?kind={}&typed={typed_encoded}", sort.name()))?;
    if meanings.count == 1 && meanings.found.len() == 1 {
        return Ok(meanings.found.remove(0));
    }
    let names: Vec<String> = meanings.found.iter().map(|one| one.name.clone()).collect();
    Err(Stop::Usage(unclear(typed, sort.name(), &names, meanings.count)))
}

/// The scope that is meant: the tenant unless a unit is named.
///
/// # Errors
/// As [`of`].
pub(super) fn scope(client: &mut Client, typed: Option<&str>) -> Result<Called, Stop> {
    match typed {
        None | Some("/" | "tenant") => Ok(Called { id: "/".into(), name: "tenant".into() }),
        Some(path) if path.starts_with('/') => Ok(Called { id: path.into(), name: path.into() }),
        Some(unit) => {
            let unit = of(client, Sort::Unit, unit)?;
            Ok(Called { id: format!("/administrativeUnits/{}", unit.id), name: unit.name })
        }
    }
}

/// ` on Finance`, or nothing for the tenant.
pub(super) fn on(scope: &Called) -> String {
    if scope.id == "/" { String::new() } else { format!(" on {}", scope.name) }
}

/// What to say when the text means several things or none.
fn unclear(typed: &str, what: &str, found: &[String], count: usize) -> String {
    if found.is_empty() {
        let list = match what {
            "role" => " All of them: writ roles --all",
            "request" => " What waits: writ status",
            "user" => " All of them: writ user list",
            "host" => " All of them: writ host list",
            _ => "",
        };
        return format!("No {what} is called \"{typed}\".{list}");
    }
    let more = count.saturating_sub(found.len());
    let more = if more > 0 { format!(", or {more} more") } else { String::new() };
    format!("\"{typed}\" could be {}{more}.", listed(found, "or", 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_meanings_are_both_told() {
        let found = ["Global Administrator".to_owned(), "Groups Administrator".to_owned()];
        assert_eq!(unclear("ga", "role", &found, 2), "\"ga\" could be Global Administrator or Groups Administrator.");
        assert_eq!(unclear("xx", "role", &[], 0), "No role is called \"xx\". All of them: writ roles --all");
    }
}
