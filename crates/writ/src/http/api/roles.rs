//! `GET /writ/v1/roles`: the roles, what an activation of each needs, and what it gives.

use super::shape::RoleTold;
use super::status::{gives, needs, role_called};
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
    let who = cx.caller.principal.ok_or(Refusal::AccountDisabled)?;
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
            let root = if role.gives_root() { vec!["root on hosts".to_owned()] } else { Vec::new() };
            let mut gives = gives(state, who, Target::role(role.id, Scope::Tenant));
            gives.retain(|one| !one.starts_with("root"));
            RoleTold {
                role: role_called(state, role.id),
                other_names,
                privileged: role.privileged(),
                tier: tier.to_owned(),
                span_max: rules.map_or(Span::ZERO, |r| r.activation.span_max),
                needs: rules.map(|r| needs(r)).unwrap_or_default(),
                gives: root.into_iter().chain(gives).collect(),
            }
        })
        .collect();
    told.sort_by(|a, b| a.role.name.cmp(&b.role.name));
    Ok(told)
}
