//! Custom roles.
//!
//! Always: built-in roles never change; deleting a role, or disabling it, ends what was held of it; nobody widens a role
//! that they gain by, or enables it, and only those who manage roles do so with one that is privileged, or becomes so.

use super::ending::Gone;
use super::*;
use crate::event::Why;
use crate::role::Role;
use alloc::collections::BTreeSet;

/// How many custom roles there may be.
const ROLES_MAX: usize = 1000;
/// How many actions a custom role may have.
const ACTIONS_MAX: usize = 1000;

fn actions_ok(actions: &[String]) -> Result<(), Refusal> {
    if actions.len() > ACTIONS_MAX {
        return Err(Refusal::TooMany { what: "actions in a role", max: ACTIONS_MAX });
    }
    let ok = |a: &String| {
        a.len() <= 300
            && a.matches('/').count() >= 2
            && a.starts_with("microsoft.")
            && !a.contains(|c: char| c.is_whitespace() || c == '*')
    };
    match actions.iter().find(|a| !ok(a)) {
        None => Ok(()),
        Some(_) => Err(Refusal::Malformed {
            field: "rolePermissions",
            want: "each action has the form microsoft.directory/users/create, without wildcards".into(),
        }),
    }
}

fn version_ok(version: Option<&str>) -> Result<(), Refusal> {
    version.map_or(Ok(()), |version| short("version", version))
}

#[expect(clippy::too_many_arguments, reason = "one argument per field of the command")]
pub(super) fn define(
    state: &State,
    cx: &Context,
    id: RoleId,
    name: &str,
    description: &str,
    actions: &[String],
    enabled: bool,
    version: Option<&str>,
) -> Judged {
    short("displayName", name)?;
    long("description", Some(description))?;
    version_ok(version)?;
    actions_ok(actions)?;
    cx.with_duty(state, Duty::DefineRoles)?;
    if id.0.is_nil() {
        return Err(Refusal::Malformed { field: "templateId", want: "an id is not all zeros".into() });
    }
    if state.roles.contains_key(&id) {
        return Err(Refusal::Taken { what: "id", name: id.to_string() });
    }
    if state.roles.values().any(|r| r.is_called(name.trim())) {
        return Err(Refusal::Taken { what: "role name", name: name.into() });
    }
    if state.roles.values().filter(|r| !r.built_in).count() >= ROLES_MAX {
        return Err(Refusal::TooMany { what: "custom roles", max: ROLES_MAX });
    }
    let role = Role {
        id,
        name: name.trim().into(),
        other_names: Vec::new(),
        description: description.into(),
        built_in: false,
        assignable: true,
        enabled,
        marked_privileged: false,
        duties: crate::role::Duties::of(actions),
        actions: actions.to_vec(),
        inherits: Vec::new(),
        version: version.map(Into::into),
    };
    let rules = state.settings.as_ref().map_or(crate::rules::RuleChoice::Tiers, |s| s.rules);
    Ok((vec![Event::RoleDefined { role, rules }], Answer::Made(id.0)))
}

fn custom(state: &State, id: RoleId) -> Result<&Role, Refusal> {
    let role = state.roles.get(&id).ok_or_else(|| Refusal::NoSuch { what: What::Role, id: id.to_string() })?;
    if role.built_in {
        return Err(Refusal::Conflict {
            why: alloc::format!("{} is built in and never changes; define a custom role instead.", role.told()),
        });
    }
    Ok(role)
}

#[expect(clippy::too_many_arguments, reason = "one argument per field of the command")]
pub(super) fn change(
    state: &State,
    cx: &Context,
    id: RoleId,
    name: Option<&str>,
    description: Option<&str>,
    actions: Option<&[String]>,
    enabled: Option<bool>,
    version: Option<&str>,
) -> Judged {
    let old = custom(state, id)?;
    if let Some(name) = name {
        short("displayName", name)?;
        if state.roles.values().any(|r| r.id != id && r.is_called(name.trim())) {
            return Err(Refusal::Taken { what: "role name", name: name.into() });
        }
    }
    long("description", description)?;
    version_ok(version)?;
    actions_ok(actions.unwrap_or(&[]))?;
    let by = cx.with_duty(state, Duty::DefineRoles)?;
    let mut role = old.clone();
    if let Some(name) = name {
        role.name = name.trim().into();
    }
    if let Some(description) = description {
        role.description = description.into();
    }
    if let Some(actions) = actions {
        role.actions = actions.to_vec();
        role.duties = crate::role::Duties::of(actions);
    }
    role.enabled = enabled.unwrap_or(role.enabled);
    let before: BTreeSet<&String> = old.actions.iter().collect();
    // What was switched off gave nothing, so switching it on gives all of it.
    let more = (role.enabled && !old.enabled) || role.actions.iter().any(|a| !before.contains(a));
    if more && holds::person_could(state, by, |target| target.role_id() == id) {
        return Err(Refusal::Climb {
            why: "You hold or are eligible for this role: another administrator must widen it, or enable it.".into(),
        });
    }
    if more && role.privileged() {
        // Its holders, and its rules, were chosen for what it was.
        cx.with_duty(state, Duty::ManageRoles)?;
    }
    if let Some(version) = version {
        role.version = Some(version.into());
    }
    let ends = old.enabled && !role.enabled;
    let mut events = vec![Event::RoleChanged { role }];
    if ends {
        let holders: Vec<PrincipalId> = state.holders_of(id).flat_map(|h| ending::reached_by(state, h)).collect();
        let mut all: Vec<PrincipalId> = holders;
        all.extend(state.assignments.values().filter(|a| a.target.role_id() == id).map(|a| a.principal));
        all.sort_unstable();
        all.dedup();
        ending::settle(state, &mut events, cx, all, Why::RoleGone);
    }
    Ok((events, Answer::Done))
}

pub(super) fn delete(state: &State, cx: &Context, id: RoleId) -> Judged {
    custom(state, id)?;
    cx.with_duty(state, Duty::DefineRoles)?;
    let mut events = Vec::new();
    ending::end_targets(state, &mut events, Why::RoleGone, Gone::Role(id));
    events.push(Event::RoleDeleted { role: id });
    Ok((events, Answer::Done))
}
