//! What should exist in the world: every right on every host that an assignment in force gives.
//! It only says what should be; connectors make it so, and report what is.
//!
//! Always: nothing is planned for anybody who does not hold the role now; one local account belongs to one person.

use crate::command::{Effect, Place};
use crate::holds;
use crate::ids::*;
use crate::role::DEVICE_ADMINISTRATOR;
use crate::rules::Ending;
use crate::scope::Scope;
use crate::state::{Assignment, State};
use crate::time::Time;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A right that should exist on one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The assignment it comes from.
    pub assignment: AssignmentId,
    /// Who gets it.
    pub principal: PrincipalId,
    /// The person behind them.
    pub person: PersonId,
    /// On which host.
    pub host: DeviceId,
    /// As which local account.
    pub account: String,
    /// From when.
    pub not_before: Time,
    /// Until when; `None` is without end, for which a connector gives leases.
    pub not_after: Option<Time>,
    /// How it ends.
    pub ending: Ending,
    /// The role it comes from.
    pub role: RoleId,
    /// Whether its holder switched it on, and so may ask for more time.
    pub activated: bool,
}

/// Why a person has no usable account on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAccount {
    /// The name cannot be a local account's.
    BadName(String),
    /// Another person maps to the same name.
    Shared(String),
    /// The host has no such account.
    Missing(String),
    /// Only users have accounts.
    NotAUser,
}

impl NoAccount {
    /// For people.
    pub fn told(&self) -> String {
        match self {
            NoAccount::BadName(name) => {
                alloc::format!("“{name}” cannot be a local account; an administrator can map another one")
            }
            NoAccount::Shared(name) => {
                alloc::format!("the account {name} belongs to another person too; an administrator can map another one")
            }
            NoAccount::Missing(name) => alloc::format!("there is no account {name} on the host"),
            NoAccount::NotAUser => "a program has no account on hosts".into(),
        }
    }
}

/// Every right that should exist on hosts now.
pub fn plan(state: &State, now: Time) -> Vec<Grant> {
    let mut grants = Vec::new();
    for holder in state.holders_of(DEVICE_ADMINISTRATOR) {
        for a in state.assignments_of(holder).filter(|a| a.target.role_id() == DEVICE_ADMINISTRATOR) {
            grants.extend(from_assignment(state, a, now));
        }
    }
    grants
}

/// The rights on hosts that one assignment gives now; none if it is not in force.
pub fn from_assignment(state: &State, a: &Arc<Assignment>, now: Time) -> Vec<Grant> {
    let mut grants = Vec::new();
    let role = a.target.role_id();
    if role != DEVICE_ADMINISTRATOR || !a.in_window(now) {
        return grants;
    }
    let Some(rules) = state.rules.get(&role) else { return grants };
    let members: Vec<PrincipalId> = match state.principals.get(&a.principal).and_then(|p| p.group()) {
        Some(g) if g.role_assignable => g.members.iter().copied().collect(),
        Some(_) => return grants,
        None => alloc::vec![a.principal],
    };
    let hosts = hosts_in(state, a.target.scope());
    for principal in members {
        // Whoever is disabled, or no longer holds it, gets nothing.
        let Some(person) = state.person_of(principal) else { continue };
        if !holds::held(state, principal, now).any(|x| x.id == a.id) {
            continue;
        }
        for host in &hosts {
            let Ok(account) = account_on(state, principal, *host) else { continue };
            grants.push(Grant {
                assignment: a.id,
                principal,
                person,
                host: *host,
                account,
                not_before: a.starts,
                not_after: a.ends,
                ending: rules.ending.clone(),
                role,
                activated: a.activated(),
            });
        }
    }
    grants
}

/// The hosts that a scope contains.
pub fn hosts_in(state: &State, scope: Scope) -> Vec<DeviceId> {
    match scope {
        Scope::Tenant => state.hosts.keys().copied().collect(),
        Scope::Unit(unit) => state.units.get(&unit).map(|u| u.hosts.iter().copied().collect()).unwrap_or_default(),
        Scope::Object(id) => state.hosts.contains_key(&DeviceId(id)).then_some(DeviceId(id)).into_iter().collect(),
    }
}

/// Which local account a principal's person has on a host: what was mapped for the host, for one of its units, or
/// everywhere; otherwise the local part of the user principal name.
pub fn account_on(state: &State, principal: PrincipalId, host: DeviceId) -> Result<String, NoAccount> {
    let user = state.principals.get(&principal).and_then(|p| p.user()).ok_or(NoAccount::NotAUser)?;
    let mapped = |place| state.accounts.get(&(user.person, place)).and_then(|a| a.text());
    let of_unit = || state.units_of.get(&host.0).into_iter().flatten().find_map(|u| mapped(Place::Unit(*u)));
    let name = mapped(Place::Host(host))
        .or_else(of_unit)
        .or_else(|| mapped(Place::Everywhere))
        .map(String::from)
        .unwrap_or_else(|| by_rule(state, user.upn.text().unwrap_or(""), host));
    if account_name_ok(&name).is_err() {
        return Err(NoAccount::BadName(name));
    }
    if mapped_to_another(state, &name, user.person) {
        return Err(NoAccount::Shared(name));
    }
    let known = state.hosts.get(&host).filter(|h| h.reported.is_some());
    if known.is_some_and(|h| !h.accounts.iter().any(|a| a.name.text() == Some(name.as_str()) && a.uid >= 1000)) {
        return Err(NoAccount::Missing(name));
    }
    Ok(name)
}

/// The account that the host's rule, its unit's, or the one for everywhere gives a user principal name.
fn by_rule(state: &State, upn: &str, host: DeviceId) -> String {
    let local = upn.split('@').next().unwrap_or("").to_lowercase();
    let of_unit =
        || state.units_of.get(&host.0).into_iter().flatten().find_map(|u| state.account_rules.get(&Place::Unit(*u)));
    let rule = state
        .account_rules
        .get(&Place::Host(host))
        .or_else(of_unit)
        .or_else(|| state.account_rules.get(&Place::Everywhere));
    rule.map_or_else(|| local.clone(), |rule| rule.replace("{local}", &local))
}

/// Whether a rule names one account for each person: `{local}` once, with nothing around it that a name cannot hold.
pub fn account_rule_ok(rule: &str) -> bool {
    rule.matches("{local}").count() == 1 && account_name_ok(&rule.replace("{local}", "a")).is_ok()
}

/// Whether a name may be a local account's: what useradd takes by default, and nothing that sudoers could read as
/// anything but one user.
pub fn account_name_ok(name: &str) -> Result<(), &'static str> {
    let ok = !name.is_empty()
        && name.len() <= 32
        && name.bytes().next().is_some_and(|c| c.is_ascii_lowercase() || c == b'_')
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-'));
    if !ok {
        return Err("a local account is 1 to 32 lower-case letters, digits, _ or -, beginning with a letter or _");
    }
    if matches!(name, "all" | "root" | "nobody") {
        return Err("this name is never used for a person's account");
    }
    Ok(())
}

/// Whether some other person maps to this local account too, in any case.
pub fn mapped_to_another(state: &State, name: &str, person: PersonId) -> bool {
    let name = name.to_lowercase();
    let first = (name.clone(), PersonId::from_u128(0));
    state.account_names.range(first..).take_while(|(n, _)| *n == name).any(|(_, p)| *p != person)
}

/// Whose local account has this name, in any case: the principal that gives the person this name.
pub fn whose(state: &State, name: &str) -> Option<PrincipalId> {
    let name = name.to_lowercase();
    let first = (name.clone(), PersonId::from_u128(0));
    let (_, person) = state.account_names.range(first..).next().filter(|(n, _)| *n == name)?;
    let from = (*person, Place::Host(DeviceId::from_u128(0)));
    let mut mapped = state.accounts.range(from..).take_while(|((p, _), _)| p == person).map(|(_, account)| account);
    if let Some(by_hand) = mapped.find(|a| a.text().is_some_and(|text| text.to_lowercase() == name)) {
        return Some(by_hand.about());
    }
    let users = state.persons.get(person)?;
    let gives = |id: &&PrincipalId| {
        let upn = state.principals.get(*id).and_then(|p| p.user()?.upn.text());
        let local = upn.and_then(|upn| upn.split('@').next()).unwrap_or("").to_lowercase();
        local == name || state.account_rules.values().any(|rule| rule.replace("{local}", &local) == name)
    };
    users.iter().find(gives).or_else(|| users.get_min()).copied()
}

/// Where an assignment is in force: on how many hosts of how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Hosts on which a probe has shown it to work.
    pub effective: usize,
    /// Hosts on which it should.
    pub wanted: usize,
    /// Hosts that do not give it, and why.
    pub refused: Vec<(DeviceId, String)>,
}

/// Where an assignment is in force for one principal.
pub fn reach(state: &State, a: &Arc<Assignment>, now: Time) -> Reach {
    let mut reach = Reach::default();
    for grant in from_assignment(state, a, now) {
        reach.wanted += 1;
        match state.effects.get(&(a.id, grant.principal, grant.host)) {
            Some(Effect::Effective) => reach.effective += 1,
            Some(Effect::Refused(why)) => reach.refused.push((grant.host, why.shown().into())),
            _ => {}
        }
    }
    reach
}
