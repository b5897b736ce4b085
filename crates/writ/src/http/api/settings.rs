//! The tenant's settings.

use super::shape::TenantSettings;
use writ_core::decide::Context;
use writ_core::may::{Query, may};
use writ_core::refusal::Refusal;
use writ_core::state::State;

/// What is set now.
///
/// # Errors
/// When the caller may not read rules.
pub fn settings(state: &State, cx: &Context) -> Result<TenantSettings, Refusal> {
    may(state, Query::Rules, cx)?;
    let Some(now) = &state.settings else { return Ok(TenantSettings::default()) };
    Ok(TenantSettings { name: Some(now.name.clone()), span_min: Some(now.span_min), age_min: Some(now.age_min) })
}
