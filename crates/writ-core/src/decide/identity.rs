//! Sign-ins and credentials, as far as the log knows of them. Their secrets are in the vault.
//!
//! Always: nobody resets the proofs of somebody more powerful; signals a stranger can cause end nothing.

use super::*;
use crate::command::{InVault, Method, SignInNote};
use crate::event::Source;
use crate::state::{Credential, Purpose};

/// How long a code may be good for.
const CODE_MAX: Span = Span::from_days(7);
/// How many codes there may be that can be used.
const CODES_MAX: usize = 10_000;

/// How many factors somebody may have.
const FACTORS_MAX: usize = 10;

/// How many addresses one entry names; the others are only counted.
pub const ADDRESSES_MAX: usize = 8;
/// The longest address and the longest name of a program, in characters.
const ADDRESS_MAX: usize = 64;
const CLIENT_MAX: usize = 200;

/// Records a sign-in. Only the server itself says how one went.
pub(super) fn note(cx: &Context, note: &SignInNote) -> Judged {
    let own = note.principal.is_some() && cx.caller.principal == note.principal;
    if !own {
        cx.by_itself("recording somebody else's sign-in")?;
    }
    // Nobody knows whose an address is that tried a name which nobody has.
    let about = note.principal.unwrap_or(PrincipalId(Uuid::nil()));
    let bounded = |text: &str, max| text.chars().filter(|c| !c.is_control()).take(max).collect::<String>();
    let client = note.client.as_deref().map(|client| bounded(client, CLIENT_MAX));
    let from = note.from.iter().take(ADDRESSES_MAX);
    let event = Event::SignInNoted {
        principal: note.principal,
        outcome: note.outcome,
        wrong: note.wrong,
        methods: note.methods.clone(),
        count: note.count,
        client: personal(about, client.as_deref()),
        app: note.app,
        from: from
            .map(|(address, count)| Source {
                address: Personal::new(about, bounded(address, ADDRESS_MAX)),
                count: *count,
            })
            .collect(),
    };
    Ok((vec![event], Answer::Done))
}

pub(super) fn issue_code(state: &State, cx: &Context, id: PrincipalId, code: CredentialId, expires: Time) -> Judged {
    let p = super::principal(state, id)?;
    let Some(user) = p.user() else {
        return Err(Refusal::Conflict {
            why: "Only a user signs in with a password; a program has keys of its own.".into(),
        });
    };
    good_for(cx.now, expires)?;
    if user.emergency {
        return Err(Refusal::ConsoleOnly { act: "give an emergency account a new secret" });
    }
    room_for_code(state, cx.now)?;
    if cx.at_console("issue the first code").is_err() {
        let by = cx.with_duty_over(state, Duty::ResetProofs, id.0)?;
        let bound = || state.credentials.values().any(|c| c.principal == id);
        if state.same_person(by, id) && bound() {
            return Err(Refusal::Climb {
                why:
                    "Nobody resets their own sign-in: bind another factor with a fresh proof, or ask an administrator."
                        .into(),
            });
        }
        if holds::powerful(state, id) {
            cx.with_duty(state, Duty::ManageRoles)?;
        }
    }
    Ok((vec![Event::CodeIssued { principal: id, code, expires }], Answer::Made(code.0)))
}

/// How long a code may be good for, whatever it is for.
pub(super) fn good_for(now: Time, expires: Time) -> Result<(), Refusal> {
    if expires <= now || expires > now + CODE_MAX {
        return Err(Refusal::Malformed { field: "expires", want: "a code is good for at most seven days".into() });
    }
    Ok(())
}

/// Whether another code can be issued. One that has expired is in nobody's way.
pub(super) fn room_for_code(state: &State, now: Time) -> Result<(), Refusal> {
    let good = state.codes.values().filter(|code| code.expires > now);
    if good.count() < CODES_MAX { Ok(()) } else { Err(Refusal::TooMany { what: "unused codes", max: CODES_MAX }) }
}

/// Both factors at once, in one append with the code that is used up by it: a fault leaves all of it or nothing.
pub(super) fn use_code(
    state: &State,
    cx: &Context,
    id: PrincipalId,
    code: CredentialId,
    password: InVault,
    totp: InVault,
) -> Judged {
    let p = super::principal(state, id)?;
    new_ids(state, &[password, totp])?;
    if cx.caller.principal != Some(id) {
        return Err(Refusal::SelfOnly { act: "use a code for their own sign-in" });
    }
    if !p.enabled {
        return Err(Refusal::AccountDisabled);
    }
    let known = state.codes.get(&code).filter(|c| c.purpose == Purpose::FirstFactor(id) && c.expires > cx.now);
    if known.is_none() {
        return Err(Refusal::NoSuch {
            what: What::Code,
            id: "of that kind; it was used, or has expired: ask for a new one".into(),
        });
    }
    let bound = |method, new: InVault| bound(id, method, new, Some(code));
    let mut events = vec![bound(Method::Password, password), bound(Method::Totp, totp)];
    let replaced = |c: &Credential| c.principal == id && matches!(c.method, Method::Password | Method::Totp);
    let gone = state.credentials.iter().filter(|(_, c)| replaced(c)).map(|(credential, _)| *credential);
    events.extend(gone.map(|credential| Event::CredentialRemoved { principal: id, credential }));
    Ok((events, Answer::Done))
}

pub(super) fn bind(
    state: &State,
    cx: &Context,
    id: PrincipalId,
    method: Method,
    new: InVault,
    replaces: Option<CredentialId>,
) -> Judged {
    let p = super::principal(state, id)?;
    new_ids(state, &[new])?;
    if let Some(before) = replaces
        && state.credentials.get(&before).is_none_or(|c| c.principal != id || c.method != method)
    {
        return Err(Refusal::NoSuch { what: What::Credential, id: before.to_string() });
    }
    // At the founding the console binds the emergency accounts' secrets.
    if cx.at_console("bind").is_err() {
        if matches!(method, Method::EmergencySecret | Method::Code) {
            return Err(Refusal::ConsoleOnly { act: "bind an emergency secret" });
        }
        let by = cx.asker(state)?;
        if by != id {
            return Err(Refusal::SelfOnly { act: "bind a factor of their own" });
        }
        if let Some(broken) = mfa_missing(&cx.caller.proof, Span::from_minutes(5), cx.now) {
            return Err(Refusal::Rules { broken: vec![broken], role: "Binding another factor".into() });
        }
    }
    if !p.enabled {
        return Err(Refusal::AccountDisabled);
    }
    let others = state.credentials.iter().filter(|(other, c)| c.principal == id && Some(**other) != replaces);
    if others.count() >= FACTORS_MAX {
        return Err(Refusal::TooMany { what: "factors of one account", max: FACTORS_MAX });
    }
    let mut events = vec![bound(id, method, new, None)];
    events.extend(replaces.map(|credential| Event::CredentialRemoved { principal: id, credential }));
    Ok((events, Answer::Made(new.credential.0)))
}

fn bound(principal: PrincipalId, method: Method, new: InVault, code: Option<CredentialId>) -> Event {
    let InVault { credential, version } = new;
    Event::CredentialBound { principal, credential, method, version, code }
}

fn new_ids(state: &State, new: &[InVault]) -> Result<(), Refusal> {
    let taken = |(n, one): (usize, &InVault)| {
        state.credentials.contains_key(&one.credential)
            || new[..n].iter().any(|other| other.credential == one.credential)
    };
    match new.iter().enumerate().find(|one| taken(*one)) {
        Some((_, one)) => Err(Refusal::Taken { what: "id", name: one.credential.to_string() }),
        None => Ok(()),
    }
}

pub(super) fn remove(state: &State, cx: &Context, id: PrincipalId, credential: CredentialId) -> Judged {
    let known = state.credentials.get(&credential).filter(|c| c.principal == id);
    let Some(known) = known else { return Err(Refusal::NoSuch { what: What::Credential, id: credential.to_string() }) };
    if known.method == Method::EmergencySecret {
        return Err(Refusal::ConsoleOnly { act: "change an emergency account's secret" });
    }
    if cx.caller.principal == Some(id) {
        cx.asker(state)?;
        if let Some(broken) = mfa_missing(&cx.caller.proof, Span::from_minutes(5), cx.now) {
            return Err(Refusal::Rules { broken: vec![broken], role: "Removing a factor".into() });
        }
    } else if cx.at_console("remove a credential").is_err() {
        let by = cx.with_duty_over(state, Duty::ResetProofs, id.0)?;
        if state.same_person(by, id) {
            // The next code would be the account's first, which may be given to oneself.
            let why = "Nobody resets their own sign-in: sign in to that account to change its factors, or ask an \
                       administrator.";
            return Err(Refusal::Climb { why: why.into() });
        }
        if holds::powerful(state, id) {
            cx.with_duty(state, Duty::ManageRoles)?;
        }
    }
    Ok((vec![Event::CredentialRemoved { principal: id, credential }], Answer::Done))
}

/// Ending sessions takes no right away for good: whoever it was signs in again.
pub(super) fn end_sessions(state: &State, cx: &Context, id: PrincipalId) -> Judged {
    let p = super::principal(state, id)?;
    let Some(user) = p.user() else {
        return Err(Refusal::Conflict { why: "Only a user has sign-in sessions.".into() });
    };
    if cx.asker(state)? != id {
        if user.emergency {
            // Whoever could end it again and again would hold the last way in shut.
            let why = "Nobody else ends an emergency account's sessions: it is the way in when all else fails. Sign in to \
                       it to end them, or mint it a new secret at the server's console (writ recover).";
            return Err(Refusal::Conflict { why: why.into() });
        }
        cx.with_duty_over(state, Duty::ResetProofs, id.0)?;
        if holds::powerful(state, id) {
            cx.with_duty(state, Duty::ManageRoles)?;
        }
    }
    Ok((vec![Event::SessionsEnded { principal: id }], Answer::Done))
}
