//! Users and programs: created, changed, disabled, deleted.
//!
//! Always: whoever is powerful is changed, disabled or deleted only by those who manage roles; disabling ends
//! activations, and enabling again revives none.

use super::ending::Gone;
use super::*;
use crate::command::NewUser;
use crate::event::Why;

pub(super) fn created(user: &NewUser, emergency: bool) -> Event {
    Event::UserCreated {
        user: user.id,
        person: user.person,
        name: Personal::new(user.id, user.name.trim()),
        upn: Personal::new(user.id, user.upn.as_str()),
        emergency,
    }
}

/// Shape and uniqueness of a new user.
pub(super) fn check_new(state: &State, user: &NewUser, any_name: bool) -> Result<(), Refusal> {
    short("displayName", &user.name)?;
    upn_ok(state, &user.upn)?;
    if state.principals.contains_key(&user.id) || (any_name && user.id.0.is_nil()) {
        return Err(Refusal::Taken { what: "id", name: user.id.to_string() });
    }
    Ok(())
}

fn upn_ok(state: &State, upn: &str) -> Result<(), Refusal> {
    let malformed = |want: &str| Err(Refusal::Malformed { field: "userPrincipalName", want: want.into() });
    let Some((local, domain)) = upn.split_once('@') else {
        return malformed("a user principal name looks like ana@contoso.com");
    };
    let part_ok = |s: &str, extra: &str| {
        !s.is_empty()
            && s.len() <= 64
            && s.chars().all(|c| c.is_alphanumeric() || extra.contains(c))
            && !s.starts_with('.')
            && !s.ends_with('.')
    };
    if !part_ok(local, ".-_'+!#^~%&$*") || !domain.split('.').all(|d| part_ok(d, "-")) || domain.len() > 200 {
        return malformed("a user principal name looks like ana@contoso.com: letters, digits and . - _ before the @");
    }
    if state.user_named(upn).is_some() {
        return Err(Refusal::Taken { what: "user principal name", name: upn.into() });
    }
    Ok(())
}

pub(super) fn create(state: &State, cx: &Context, user: &NewUser, enabled: bool) -> Judged {
    check_new(state, user, false)?;
    let by = cx.with_duty(state, Duty::CreateUsers)?;
    if state.persons.contains_key(&user.person) {
        // A second account of somebody: it shares nothing but the person, which only ever takes power away.
        linkable(state, cx, by, user.person)?;
    }
    let mut events = vec![created(user, false)];
    if !enabled {
        events.push(Event::PrincipalDisabled { principal: user.id });
    }
    Ok((events, Answer::Made(user.id.0)))
}

fn linkable(state: &State, cx: &Context, by: PrincipalId, person: PersonId) -> Result<(), Refusal> {
    not_emergency(state, person)?;
    if state.person_of(by) != Some(person) {
        return Ok(());
    }
    cx.with_duty(state, Duty::ManageRoles).map(|_| ())
}

fn not_emergency(state: &State, person: PersonId) -> Result<(), Refusal> {
    let emergency = state
        .persons
        .get(&person)
        .into_iter()
        .flatten()
        .any(|p| state.principals.get(p).is_some_and(|p| p.emergency()));
    if emergency {
        return Err(Refusal::Conflict { why: "An emergency account belongs to nobody's person.".into() });
    }
    Ok(())
}

/// Changing somebody powerful takes more than managing users.
fn not_more_powerful(state: &State, cx: &Context, target: PrincipalId, duty: Duty) -> Result<PrincipalId, Refusal> {
    let by = cx.with_duty_over(state, duty, target.0)?;
    if holds::powerful(state, target) && by != target {
        cx.with_duty(state, Duty::ManageRoles)?;
    }
    Ok(by)
}

pub(super) fn update(
    state: &State,
    cx: &Context,
    id: PrincipalId,
    name: Option<&str>,
    upn: Option<&str>,
    enabled: Option<bool>,
    person: Option<PersonId>,
) -> Judged {
    let p = super::principal(state, id)?;
    let Some(user) = p.user() else { return Err(Refusal::NoSuch { what: What::Principal, id: id.to_string() }) };
    if let Some(name) = name {
        short("displayName", name)?;
    }
    if let Some(upn) = upn.filter(|u| user.upn.text().is_none_or(|old| !old.eq_ignore_ascii_case(u))) {
        upn_ok(state, upn)?;
        if user.emergency {
            // The name stands on the paper with the secret: without it the paper opens nothing.
            let why = "An emergency account keeps its user principal name: it stands on the paper with its secret.";
            return Err(Refusal::Conflict { why: why.into() });
        }
    }
    let by = if name.is_some() || upn.is_some() || person.is_some() || enabled.is_none() {
        not_more_powerful(state, cx, id, Duty::UpdateUsers)?
    } else {
        cx.asker(state)?
    };
    let mut events = Vec::new();
    if let Some(to) = person.filter(|to| *to != user.person) {
        // Splitting a person in two would let each approve the other.
        cx.with_duty(state, Duty::ManageRoles)?;
        not_emergency(state, to)?;
        if user.emergency || state.same_person(by, id) || state.person_of(by) == Some(to) {
            let why = "Which person an account belongs to is for another administrator to say.".into();
            return Err(Refusal::Climb { why });
        }
    }
    let renamed = name.is_some_and(|n| p.name.text() != Some(n.trim()));
    let readdressed = upn.is_some_and(|u| user.upn.text() != Some(u));
    if renamed || readdressed || person.is_some_and(|to| to != user.person) {
        events.push(Event::UserChanged {
            user: id,
            name: name.filter(|_| renamed).map(|n| Personal::new(id, n.trim())),
            upn: upn.filter(|_| readdressed).map(|u| Personal::new(id, u)),
            person: person.filter(|to| *to != user.person),
        });
    }
    match enabled {
        Some(false) if p.enabled => {
            not_more_powerful(state, cx, id, Duty::DisableUsers)?;
            events.push(Event::PrincipalDisabled { principal: id });
            ending::settle(state, &mut events, cx, vec![id], Why::Disabled);
        }
        Some(true) if !p.enabled => {
            not_more_powerful(state, cx, id, Duty::DisableUsers)?;
            events.push(Event::PrincipalEnabled { principal: id });
        }
        _ => {}
    }
    Ok((events, Answer::Done))
}

pub(super) fn create_service(state: &State, cx: &Context, id: PrincipalId, name: &str, app: Uuid) -> Judged {
    short("displayName", name)?;
    cx.with_duty(state, Duty::ManageApplications)?;
    if state.principals.contains_key(&id) {
        return Err(Refusal::Taken { what: "id", name: id.to_string() });
    }
    Ok((vec![Event::ServiceCreated { service: id, name: Personal::new(id, name.trim()), app }], Answer::Made(id.0)))
}

pub(super) fn enable_service(state: &State, cx: &Context, id: PrincipalId, enabled: bool) -> Judged {
    let p = super::principal(state, id)?;
    if !matches!(p.kind, crate::directory::Kind::Service(_)) {
        return Err(Refusal::NoSuch { what: What::Principal, id: id.to_string() });
    }
    cx.with_duty(state, Duty::ManageApplications)?;
    if holds::powerful(state, id) {
        cx.with_duty(state, Duty::ManageRoles)?;
    }
    let event = match (p.enabled, enabled) {
        (true, false) => Event::PrincipalDisabled { principal: id },
        (false, true) => Event::PrincipalEnabled { principal: id },
        _ => return Ok((Vec::new(), Answer::Done)),
    };
    Ok((vec![event], Answer::Done))
}

pub(super) fn delete(state: &State, cx: &Context, id: PrincipalId) -> Judged {
    let p = super::principal(state, id)?;
    let mut events = Vec::new();
    match &p.kind {
        crate::directory::Kind::User(_) => {
            not_more_powerful(state, cx, id, Duty::DeleteUsers)?;
        }
        crate::directory::Kind::Group(_) => groups::may_manage(state, cx, id)?,
        crate::directory::Kind::Service(_) => {
            cx.with_duty(state, Duty::ManageApplications)?;
            if holds::powerful(state, id) {
                cx.with_duty(state, Duty::ManageRoles)?;
            }
        }
    }
    let reached: Vec<PrincipalId> = ending::reached_by(state, id).into_iter().filter(|r| *r != id).collect();
    ending::end_all_of(state, &mut events, id, Why::Deleted);
    ending::end_targets(state, &mut events, Why::ScopeGone, Gone::Scope(Scope::Object(id.0)));
    events.push(Event::PrincipalDeleted { principal: id });
    ending::settle(state, &mut events, cx, reached, Why::LeftGroup);
    Ok((events, Answer::Done))
}
