//! Hosts as people manage them: what there is, what each reports, and which local account a person has.

use super::shape::{Called, HostTold};
use serde::Deserialize;
use writ_core::command::{Command, Place};
use writ_core::decide::Context;
use writ_core::ids::PrincipalId;
use writ_core::may::{Query, may};
use writ_core::refusal::{Refusal, What};
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
            accounts: host.accounts.iter().filter(|_| all).map(|a| a.name.clone()).collect(),
            drift: host.drift.iter().filter(|_| all).map(|d| format!("{}: {}", d.place, d.text)).collect(),
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
    let place = match (mapping.host, mapping.unit) {
        (Some(host), None) => Place::Host(host.parse().map_err(|_| none(What::Host, &host))?),
        (None, Some(unit)) => Place::Unit(unit.parse().map_err(|_| none(What::Unit, &unit))?),
        (None, None) => Place::Everywhere,
        (Some(_), Some(_)) => {
            return Err(Refusal::Malformed { field: "unit", want: "name a host or a unit, not both".into() });
        }
    };
    Ok(Command::MapAccount { person, place, account: mapping.account })
}
