//! Hosts as people manage them: what there is, what each reports, and which local account a person has.

use super::shape::{AccountRule, Called, HostTold};
use serde::Deserialize;
use writ_core::command::{Command, Place};
use writ_core::decide::Context;
use writ_core::ids::PrincipalId;
use writ_core::may::{Query, may};
use writ_core::refusal::{Refusal, What};
use writ_core::scope::Scope;
use writ_core::state::State;

/// All hosts, by name.
///
/// # Errors
/// When the caller may not read the directory.
pub fn hosts(state: &State, cx: &Context) -> Result<Vec<HostTold>, Refusal> {
    may(state, Query::Directory, cx)?;
    // What stands in a host's sudoers is for those who may see everybody's rights.
    let all = matches!(may(state, Query::Grants, cx)?, writ_core::may::View::All);
    let mut told: Vec<HostTold> = state
        .hosts
        .values()
        .map(|host| HostTold {
            host: Called { id: host.id.to_string(), name: host.name.clone() },
            units: state
                .units_of
                .get(&host.id.0)
                .into_iter()
                .flatten()
                .filter_map(|id| state.units.get(id))
                .map(|unit| Called { id: unit.id.to_string(), name: unit.name.clone() })
                .collect(),
            enrolled: host.enrolled,
            reported: host.reported,
            accounts: host.accounts.iter().filter(|_| all).map(|a| a.name.shown().to_owned()).collect(),
            drift: host
                .drift
                .iter()
                .filter(|_| all)
                .map(|d| format!("{}: {}", d.place.shown(), d.text.shown()))
                .collect(),
        })
        .collect();
    told.sort_by(|a, b| a.host.name.cmp(&b.host.name));
    Ok(told)
}

/// `POST /writ/v1/accounts`: which local account somebody has, and where. Without `account` the rule applies again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    principal: String,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    account: Option<String>,
}

/// The command that a mapping is.
///
/// # Errors
/// When it names nothing that exists, or two places.
pub fn map(state: &State, mapping: Mapping) -> Result<Command, Refusal> {
    let none = |what, id: &str| Refusal::NoSuch { what, id: id.to_owned() };
    let principal: Option<PrincipalId> = mapping.principal.parse().ok();
    let person = principal.and_then(|id| state.person_of(id)).ok_or_else(|| none(What::Person, &mapping.principal))?;
    let place = place(mapping.host, mapping.unit)?;
    Ok(Command::MapAccount { person, place, account: mapping.account })
}

fn place(host: Option<String>, unit: Option<String>) -> Result<Place, Refusal> {
    let none = |what, id: &str| Refusal::NoSuch { what, id: id.to_owned() };
    match (host, unit) {
        (Some(host), None) => Ok(Place::Host(host.parse().map_err(|_| none(What::Host, &host))?)),
        (None, Some(unit)) => Ok(Place::Unit(unit.parse().map_err(|_| none(What::Unit, &unit))?)),
        (None, None) => Ok(Place::Everywhere),
        (Some(_), Some(_)) => Err(Refusal::Malformed { field: "unit", want: "name a host or a unit, not both".into() }),
    }
}

/// What holds where nobody said otherwise: the part of the user principal name before the `@`.
const RULE: &str = "{local}";

/// How local accounts are named: the rule for everywhere first, then those of units and of hosts, by name.
///
/// # Errors
/// When the caller may not read the directory.
pub fn account_rules(state: &State, cx: &Context) -> Result<Vec<AccountRule>, Refusal> {
    may(state, Query::Directory, cx)?;
    let everywhere = state.account_rules.get(&Place::Everywhere);
    let mut told = vec![AccountRule { host: None, unit: None, rule: everywhere.map_or(RULE, |r| r).to_owned() }];
    let (mut units, mut hosts) = (Vec::new(), Vec::new());
    for (place, rule) in &state.account_rules {
        let rule = rule.clone();
        match place {
            Place::Everywhere => {}
            Place::Unit(id) => {
                let unit = Called { id: id.to_string(), name: state.scope_name(Scope::Unit(*id)) };
                units.push(AccountRule { host: None, unit: Some(unit), rule });
            }
            Place::Host(id) => {
                let name = state.hosts.get(id).map_or_else(|| id.to_string(), |h| h.name.clone());
                let host = Called { id: id.to_string(), name };
                hosts.push(AccountRule { host: Some(host), unit: None, rule });
            }
        }
    }
    let name = |one: &AccountRule| one.unit.as_ref().or(one.host.as_ref()).map(|c| c.name.clone());
    units.sort_by_key(name);
    hosts.sort_by_key(name);
    told.extend(units);
    told.extend(hosts);
    Ok(told)
}

/// `POST /writ/v1/accounts/rules`: how local accounts are named on one host, in one unit, or everywhere. Without `rule`
/// the next wider one applies again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Naming {
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    rule: Option<String>,
}

/// The command that a naming is.
///
/// # Errors
/// When it names no id, or two places.
pub fn naming(naming: Naming) -> Result<Command, Refusal> {
    Ok(Command::SetAccountRule { place: place(naming.host, naming.unit)?, rule: naming.rule })
}
