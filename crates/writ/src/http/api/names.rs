//! `GET /writ/v1/names`: what a typed text can mean. Never more than ten meanings, and never a guess.

use super::shape::{Called, Meanings};
use super::status::{role_called, scope_called};
use crate::names::{Named, meant};
use std::sync::Arc;
use writ_core::decide::Context;
use writ_core::directory::{Host, Principal, Unit};
use writ_core::may::{Query, may, may_see_request};
use writ_core::refusal::Refusal;
use writ_core::role::Role;
use writ_core::state::{Request, State};

/// How many meanings are told.
const MEANINGS_MAX: usize = 10;

/// What the text can mean among the things of this sort.
///
/// # Errors
/// When the caller may not look such things up, or there is no such sort.
pub fn names(state: &State, kind: &str, typed: &str, cx: &Context) -> Result<Meanings, Refusal> {
    match kind {
        "role" => {
            may(state, Query::Roles, cx)?;
            let roles: Vec<RoleName<'_>> = state.roles.values().filter(|r| r.assignable).map(RoleName).collect();
            Ok(told(typed, &roles, |one| role_called(state, one.0.id)))
        }
        "principal" | "user" => {
            may(state, Query::Directory, cx)?;
            let all = state.principals.values().filter(|p| kind == "principal" || p.user().is_some());
            let all: Vec<PrincipalName<'_>> = all.map(PrincipalName).collect();
            Ok(told(typed, &all, |one| Called { id: one.0.id.to_string(), name: one.0.name.shown().to_owned() }))
        }
        "unit" => {
            may(state, Query::Directory, cx)?;
            let units: Vec<UnitName<'_>> = state.units.values().map(UnitName).collect();
            Ok(told(typed, &units, |one| Called { id: one.0.id.to_string(), name: one.0.name.clone() }))
        }
        "host" => {
            may(state, Query::Directory, cx)?;
            let hosts: Vec<HostName<'_>> = state.hosts.values().map(HostName).collect();
            Ok(told(typed, &hosts, |one| Called { id: one.0.id.to_string(), name: one.0.name.clone() }))
        }
        "request" => {
            let view = may(state, Query::Grants, cx)?;
            let open = state.open.iter().filter_map(|(_, id)| state.requests.get(id));
            let open: Vec<RequestName<'_>> =
                open.filter(|r| may_see_request(state, r, view, cx)).map(RequestName).collect();
            Ok(told(typed, &open, |one| {
                let scope = scope_called(state, one.0.ask.target.scope());
                let on = if scope.id == "/" { String::new() } else { format!(" on {}", scope.name) };
                let role = state.role_name(one.0.ask.target.role_id());
                let name = format!("{}: {role}{on}", state.name_of(one.0.ask.subject));
                Called { id: one.0.ask.request.to_string(), name }
            }))
        }
        _ => Err(Refusal::Malformed { field: "kind", want: "role, principal, user, unit, host or request".into() }),
    }
}

fn told<T: Named>(typed: &str, all: &[T], call: impl Fn(&T) -> Called) -> Meanings {
    let (found, count) = meant(typed, all, MEANINGS_MAX);
    Meanings { found: found.into_iter().map(call).collect(), count }
}

struct RoleName<'a>(&'a Arc<Role>);
impl Named for RoleName<'_> {
    fn id(&self) -> String {
        self.0.id.to_string()
    }
    fn names(&self) -> Vec<&str> {
        let others = self.0.other_names.iter().map(String::as_str);
        std::iter::once(self.0.told()).chain(std::iter::once(self.0.name.as_str())).chain(others).collect()
    }
}

struct PrincipalName<'a>(&'a Arc<Principal>);
impl Named for PrincipalName<'_> {
    fn id(&self) -> String {
        self.0.id.to_string()
    }
    fn names(&self) -> Vec<&str> {
        let upn = self.0.user().and_then(|user| user.upn.text());
        self.0.name.text().into_iter().chain(upn).collect()
    }
}

struct UnitName<'a>(&'a Arc<Unit>);
impl Named for UnitName<'_> {
    fn id(&self) -> String {
        self.0.id.to_string()
    }
    fn names(&self) -> Vec<&str> {
        vec![&self.0.name]
    }
}

struct HostName<'a>(&'a Arc<Host>);
impl Named for HostName<'_> {
    fn id(&self) -> String {
        self.0.id.to_string()
    }
    fn names(&self) -> Vec<&str> {
        vec![&self.0.name]
    }
}

struct RequestName<'a>(&'a Arc<Request>);
impl Named for RequestName<'_> {
    fn id(&self) -> String {
        self.0.ask.request.to_string()
    }
    fn names(&self) -> Vec<&str> {
        Vec::new()
    }
}
