//! The tenant itself: its founding, its settings, its emergency accounts, its log and clock.
//!
//! Always: a founded tenant has at least two emergency accounts with standing Global Administrator.

use super::*;
use crate::command::{Expiration, NewUser};
use crate::event::Ask;
use crate::role::GLOBAL_ADMINISTRATOR;
use crate::rules::RuleChoice;

/// A tenant to be founded.
pub(super) struct Founding<'a> {
    pub(super) name: &'a str,
    pub(super) rules: RuleChoice,
    pub(super) span_min: Span,
    pub(super) administrator: &'a NewUser,
    pub(super) setup: Span,
    pub(super) emergency: &'a [NewUser],
}

pub(super) fn found(state: &State, cx: &Context, founding: &Founding<'_>) -> Judged {
    let Founding { name, rules, span_min, administrator, setup, emergency } = *founding;
    cx.at_console("found a tenant")?;
    if state.settings.is_some() {
        return Err(Refusal::Taken { what: "tenant", name: state.tenant.to_string() });
    }
    short("name", name)?;
    span_min_ok(span_min)?;
    if emergency.len() < 2 {
        return Err(Refusal::Malformed {
            field: "emergency",
            want: "found the tenant with at least two emergency accounts".into(),
        });
    }
    if setup > Span::from_hours(24) || setup < span_min {
        return Err(Refusal::Malformed { field: "setup", want: "the set-up assignment lasts a day at most".into() });
    }
    let mut events = vec![Event::TenantFounded { tenant: state.tenant, name: name.into(), rules, span_min }];
    for (user, is_emergency) in core::iter::once((administrator, false)).chain(emergency.iter().map(|e| (e, true))) {
        let next = after(state, &events, cx);
        users::check_new(&next, user, true)?;
        if next.persons.contains_key(&user.person) {
            return Err(Refusal::Conflict { why: "The first accounts belong to different persons.".into() });
        }
        events.push(users::created(user, is_emergency));
    }
    let target = Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant);
    let ask = |id: Uuid, subject, expiration| Ask {
        request: RequestId(id),
        by: None,
        subject,
        action: Action::AdminAssign,
        target,
        start: None,
        expiration,
        reason: None,
        ticket: None,
        eligibility: None,
        mfa: None,
    };
    let mut ids = cx.ids.iter().copied();
    let mut fresh = || ids.next().ok_or(Refusal::TooMany { what: "emergency accounts at the founding", max: 2 });
    events.push(Event::EligibilityGranted {
        ask: ask(fresh()?, administrator.id, Expiration::Never),
        starts: cx.now,
        ends: None,
    });
    let ends = Some(cx.now + setup);
    events.push(Event::AssignmentGranted {
        ask: ask(fresh()?, administrator.id, Expiration::For(setup)),
        starts: cx.now,
        ends,
    });
    for user in emergency {
        events.push(Event::AssignmentGranted {
            ask: ask(fresh()?, user.id, Expiration::Never),
            starts: cx.now,
            ends: None,
        });
    }
    Ok((events, Answer::Done))
}

fn span_min_ok(span: Span) -> Result<(), Refusal> {
    if span < Span::from_seconds(1) || span > Span::from_hours(1) {
        return Err(Refusal::Malformed {
            field: "spanMin",
            want: "the shortest span lies between a second and an hour".into(),
        });
    }
    Ok(())
}

pub(super) fn change_settings(
    state: &State,
    cx: &Context,
    name: Option<&String>,
    span_min: Option<Span>,
    age_min: Option<Span>,
) -> Judged {
    if let Some(name) = name {
        short("name", name)?;
    }
    if let Some(span) = span_min {
        span_min_ok(span)?;
    }
    if age_min.is_some_and(|a| a > Span::from_minutes(5)) {
        let want = "the minimum age before removal is five minutes, as in Entra, or less; zero switches it off".into();
        return Err(Refusal::Malformed { field: "ageMin", want });
    }
    cx.with_duty(state, Duty::ManageRoles)?;
    Ok((vec![Event::SettingsChanged { name: name.cloned(), span_min, age_min }], Answer::Done))
}

/// A new emergency account, or a new secret for one that exists, when the old ones are lost.
pub(super) fn mint_emergency(state: &State, cx: &Context, user: &NewUser, credential: CredentialId) -> Judged {
    cx.at_console("mint an emergency secret")?;
    let mut events = Vec::new();
    match state.principals.get(&user.id) {
        Some(p) if !p.emergency() => {
            return Err(Refusal::Conflict {
                why: "That account is not an emergency account; leave the name out to make one.".into(),
            });
        }
        Some(p) => {
            if !p.enabled {
                events.push(Event::PrincipalEnabled { principal: user.id });
            }
        }
        None => {
            users::check_new(state, user, true)?;
            events.push(users::created(user, true));
        }
    }
    let target = Target::role(GLOBAL_ADMINISTRATOR, Scope::Tenant);
    if assignment::standing(state, user.id, target).is_none_or(|a| a.ends.is_some() || !a.in_window(cx.now)) {
        if let Some(a) = assignment::standing(state, user.id, target) {
            events.push(Event::AssignmentEnded { assignment: a.id, why: crate::event::Why::Removed, ask: None });
        }
        let ask = Ask {
            request: cx.request(),
            by: None,
            subject: user.id,
            action: Action::AdminAssign,
            target,
            start: None,
            expiration: Expiration::Never,
            reason: None,
            ticket: None,
            eligibility: None,
            mfa: None,
        };
        events.push(Event::AssignmentGranted { ask, starts: cx.now, ends: None });
    }
    events.push(Event::EmergencyMinted { user: user.id, credential });
    Ok((events, Answer::Made(user.id.0)))
}

pub(super) fn erase(state: &State, cx: &Context, principal: PrincipalId) -> Judged {
    if cx.at_console("erase").is_err() {
        let by = cx.with_duty(state, Duty::ManageRoles)?;
        if state.same_person(by, principal) {
            return Err(Refusal::Climb { why: "Nobody erases their own traces; another administrator must.".into() });
        }
    }
    let there = state.principals.get(&principal);
    if there.is_some_and(|p| p.emergency()) {
        // Its name stands on the paper with its secret: enabled again, it would look like a way in and be none.
        let why = "An emergency account keeps its name: delete it first, and its data can be erased then.";
        return Err(Refusal::Conflict { why: why.into() });
    }
    if there.is_some_and(|p| p.enabled) {
        return Err(Refusal::Conflict {
            why: "Disable or delete the account first; the data of somebody at work cannot be erased.".into(),
        });
    }
    Ok((vec![Event::Erased { principal }], Answer::Done))
}

pub(super) fn recover_clock(cx: &Context) -> Judged {
    cx.at_console("declare the clock right")?;
    Ok((vec![Event::ClockRecovered { at: cx.now }], Answer::Done))
}

pub(super) fn raise_epoch(state: &State, cx: &Context) -> Judged {
    cx.by_itself("raising the epoch of orders")?;
    Ok((vec![Event::EpochRaised { epoch: state.epoch + 1 }], Answer::Done))
}
