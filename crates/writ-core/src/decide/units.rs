//! Administrative units and what is in them.
//!
//! Always: units do not nest; deleting one ends what was held in it.

use super::ending::Gone;
use super::*;
use crate::event::Why;

fn unit(state: &State, id: UnitId) -> Result<&crate::directory::Unit, Refusal> {
    state.units.get(&id).map(|u| &**u).ok_or_else(|| Refusal::NoSuch { what: What::Unit, id: id.to_string() })
}

pub(super) fn create(state: &State, cx: &Context, id: UnitId, name: &str, description: &str) -> Judged {
    short("displayName", name)?;
    long("description", Some(description))?;
    cx.with_duty(state, Duty::ManageUnits)?;
    if state.units.contains_key(&id) {
        return Err(Refusal::Taken { what: "id", name: id.to_string() });
    }
    let event = Event::UnitCreated { unit: id, name: name.trim().into(), description: description.into() };
    Ok((vec![event], Answer::Made(id.0)))
}

pub(super) fn update(state: &State, cx: &Context, id: UnitId, name: Option<&str>, description: Option<&str>) -> Judged {
    unit(state, id)?;
    if let Some(name) = name {
        short("displayName", name)?;
    }
    long("description", description)?;
    cx.with_duty(state, Duty::ManageUnits)?;
    let event =
        Event::UnitChanged { unit: id, name: name.map(|n| n.trim().into()), description: description.map(Into::into) };
    Ok((vec![event], Answer::Done))
}

pub(super) fn delete(state: &State, cx: &Context, id: UnitId) -> Judged {
    unit(state, id)?;
    cx.with_duty(state, Duty::ManageUnits)?;
    let mut events = Vec::new();
    ending::end_targets(state, &mut events, Why::ScopeGone, Gone::Scope(Scope::Unit(id)));
    events.push(Event::UnitDeleted { unit: id });
    settle_objects(state, &mut events, cx);
    Ok((events, Answer::Done))
}

pub(super) fn join(state: &State, cx: &Context, id: UnitId, object: Uuid) -> Judged {
    let u = unit(state, id)?;
    let there = state.principals.contains_key(&PrincipalId(object)) || state.hosts.contains_key(&DeviceId(object));
    if !there {
        return Err(Refusal::NoSuch { what: What::Object, id: object.to_string() });
    }
    if u.members.contains(&PrincipalId(object)) || u.hosts.contains(&DeviceId(object)) {
        return Err(Refusal::AlreadyThere { what: "membership", role: u.name.clone(), until: None });
    }
    let by = cx.with_duty(state, Duty::ManageUnits)?;
    // Whoever has a role over the unit would gain power over what they move in: root on a host, somebody's sign-in.
    let gains = holds::person_could(state, by, |target| target.scope() == Scope::Unit(id))
        && !holds::duties(state, by, cx.now).has(Duty::ManageRoles);
    if gains {
        return Err(Refusal::Climb {
            why: "You hold or are eligible for a role in this unit: another administrator must put things into it."
                .into(),
        });
    }
    Ok((vec![Event::UnitJoined { unit: id, object }], Answer::Done))
}

pub(super) fn leave(state: &State, cx: &Context, id: UnitId, object: Uuid) -> Judged {
    let u = unit(state, id)?;
    if !u.members.contains(&PrincipalId(object)) && !u.hosts.contains(&DeviceId(object)) {
        return Err(Refusal::NothingThere { what: "membership", role: u.name.clone() });
    }
    cx.with_duty(state, Duty::ManageUnits)?;
    let mut events = vec![Event::UnitLeft { unit: id, object }];
    settle_objects(state, &mut events, cx);
    Ok((events, Answer::Done))
}

/// Whoever activated a role over one object by an eligibility in a unit may have lost it with the object's leaving.
fn settle_objects(state: &State, events: &mut Vec<Event>, cx: &Context) {
    let holders = state.assignments.values().filter(|a| a.activated() && matches!(a.target.scope(), Scope::Object(_)));
    let mut who: Vec<PrincipalId> = holders.map(|a| a.principal).collect();
    who.extend(state.open.iter().filter_map(|(p, r)| {
        state.requests.get(r).filter(|r| matches!(r.ask.target.scope(), Scope::Object(_))).map(|_| *p)
    }));
    who.sort_unstable();
    who.dedup();
    ending::settle(state, events, cx, who, Why::ScopeGone);
}
