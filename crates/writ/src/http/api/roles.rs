//! `GET /writ/v1/roles`: the roles, what an activation of each needs, and what it gives.

use super::shape::RoleTold;
use super::status::{in_writ, needs, role_called};
use writ_core::decide::Context;
use writ_core::may::{Query, may};
use writ_core::refusal::Refusal;
use writ_core::rules::Tier;
use writ_core::scope::{Scope, Target};
use writ_core::state::State;
use writ_core::time::Span;

/// All roles that can be held, by name.
///
/// # Errors
/// When the caller may not read role definitions.
pub fn roles(state: &State, cx: &Context) -> Result<Vec<RoleTold>, Refusal> {
    may(state, Query::Roles, cx)?;
    may(state, Query::Rules, cx)?;
    let mut told: Vec<RoleTold> = state
        .roles
        .values()
        .filter(|role| role.assignable && role.enabled)
        .map(|role| {
            let rules = state.rules.get(&role.id);
            let tier = match rules.map(|r| r.tier) {
                Some(Tier::Critical) => "critical",
                Some(Tier::High) => "high",
                Some(Tier::Routine) => "routine",
                Some(Tier::Entra) => "entra",
                None => "",
            };
            let mut other_names = role.other_names.clone();
            other_names.push(role.name.clone());
            other_names.retain(|name| name != role.told());
            let mut gives = Vec::new();
            if role.gives_root() {
                gives.push("root on hosts".to_owned());
            }
            if !in_writ(state, Target::role(role.id, Scope::Tenant)).is_empty() {
                gives.push("Writ itself".to_owned());
            }
            RoleTold {
                role: role_called(state, role.id),
                other_names,
                privileged: role.privileged(),
                tier: tier.to_owned(),
                span_max: rules.map_or(Span::ZERO, |r| r.activation.span_max),
                needs: rules.map(|r| needs(r)).unwrap_or_default(),
                gives,
            }
        })
        .collect();
    told.sort_by(|a, b| a.role.name.cmp(&b.role.name));
    Ok(told)
}
