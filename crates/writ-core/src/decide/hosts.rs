//! Hosts: enrolled, mapped, and what they say is in force.
//!
//! Always: one local account belongs to one person; a host speaks only for itself.

use super::ending::Gone;
use super::*;
use crate::command::{Effect, Intent, Outcome, Place};
use crate::directory::{Account, Drift, LocalAccount, StrayGrant};
use crate::personal::Passage;
use crate::plan;
use crate::state::Purpose;
use alloc::collections::BTreeSet;

/// How many hosts a tenant may have.
const HOSTS_MAX: usize = 100_000;
/// How many places may have an account rule of their own.
const RULES_MAX: usize = 1000;
/// How many different account rules there may be: with each of them, everybody has one name more that is theirs.
const RULE_SORTS_MAX: usize = 20;
/// The largest report.
const REPORT_MAX: usize = 10_000;

pub(super) fn issue_code(
    state: &State,
    cx: &Context,
    code: CredentialId,
    unit: Option<UnitId>,
    expires: Time,
) -> Judged {
    if let Some(unit) = unit
        && !state.units.contains_key(&unit)
    {
        return Err(Refusal::NoSuch { what: What::Unit, id: unit.to_string() });
    }
    identity::good_for(cx.now, expires)?;
    cx.with_duty(state, Duty::ManageHosts)?;
    identity::room_for_code(state, cx.now)?;
    Ok((vec![Event::HostCodeIssued { code, unit, expires }], Answer::Made(code.0)))
}

pub(super) fn enrol(state: &State, cx: &Context, host: DeviceId, name: &str, key: &str, code: CredentialId) -> Judged {
    short("name", name)?;
    let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if key.len() != 64 || !key.bytes().all(hex) {
        return Err(Refusal::Malformed {
            field: "key",
            want: "a device key is an Ed25519 public key as 64 hexadecimal digits".into(),
        });
    }
    let known = state.codes.get(&code).filter(|c| c.expires > cx.now);
    let Some(Purpose::Host(unit)) = known.map(|c| c.purpose) else {
        return Err(Refusal::NoSuch {
            what: What::Code,
            id: "of that kind; it was used, or has expired: ask for a new one".into(),
        });
    };
    if state.hosts.contains_key(&host) || state.hosts.values().any(|h| h.key == key) {
        return Err(Refusal::Taken { what: "host", name: name.into() });
    }
    if state.hosts.len() >= HOSTS_MAX {
        return Err(Refusal::TooMany { what: "hosts", max: HOSTS_MAX });
    }
    let unit = unit.filter(|u| state.units.contains_key(u));
    Ok((vec![Event::HostEnrolled { host, name: name.into(), key: key.into(), code, unit }], Answer::Made(host.0)))
}

fn known(state: &State, host: DeviceId) -> Result<&crate::directory::Host, Refusal> {
    state.hosts.get(&host).map(|h| &**h).ok_or_else(|| Refusal::NoSuch { what: What::Host, id: host.to_string() })
}

pub(super) fn remove(state: &State, cx: &Context, host: DeviceId) -> Judged {
    known(state, host)?;
    cx.with_duty(state, Duty::ManageHosts)?;
    let mut events = Vec::new();
    ending::end_targets(state, &mut events, crate::event::Why::ScopeGone, Gone::Scope(Scope::Object(host.0)));
    events.push(Event::HostRemoved { host });
    ending::close_idle(state, &mut events, cx);
    Ok((events, Answer::Done))
}

pub(super) fn map_account(
    state: &State,
    cx: &Context,
    person: PersonId,
    place: Place,
    account: Option<&str>,
) -> Judged {
    let Some(about) = state.persons.get(&person).and_then(|p| p.get_min().copied()) else {
        return Err(Refusal::NoSuch { what: What::Person, id: person.to_string() });
    };
    match place {
        Place::Host(id) => {
            known(state, id)?;
        }
        Place::Unit(id) if !state.units.contains_key(&id) => {
            return Err(Refusal::NoSuch { what: What::Unit, id: id.to_string() });
        }
        Place::Unit(_) | Place::Everywhere => {}
    }
    if let Some(name) = account {
        plan::account_name_ok(name).map_err(|want| Refusal::Malformed { field: "account", want: want.into() })?;
        if plan::mapped_to_another(state, name, person) {
            return Err(Refusal::Taken { what: "local account", name: name.into() });
        }
    } else if !state.accounts.contains_key(&(person, place)) {
        return Err(Refusal::NothingThere { what: "account mapping", role: "this person".into() });
    }
    cx.with_duty(state, Duty::ManageHosts)?;
    let account = account.map(|a| Personal::new(about, a));
    Ok((vec![Event::AccountMapped { person, place, account }], Answer::Done))
}

pub(super) fn set_account_rule(state: &State, cx: &Context, place: Place, rule: Option<&str>) -> Judged {
    match place {
        Place::Host(id) => {
            known(state, id)?;
        }
        Place::Unit(id) if !state.units.contains_key(&id) => {
            return Err(Refusal::NoSuch { what: What::Unit, id: id.to_string() });
        }
        Place::Unit(_) | Place::Everywhere => {}
    }
    match rule {
        Some(rule) if !plan::account_rule_ok(rule) => {
            let want =
                "a rule holds {local} once, with lower-case letters, digits, _ or - around it, such as adm-{local}"
                    .into();
            return Err(Refusal::Malformed { field: "rule", want });
        }
        None if !state.account_rules.contains_key(&place) => {
            return Err(Refusal::NothingThere { what: "account rule", role: "this place".into() });
        }
        _ => {}
    }
    cx.with_duty(state, Duty::ManageHosts)?;
    if let Some(rule) = rule {
        let places = state.account_rules.len() + usize::from(!state.account_rules.contains_key(&place));
        // The one that is there goes, so it does not count.
        let others = state.account_rules.iter().filter(|(at, _)| **at != place).map(|(_, rule)| rule.as_str());
        let sorts = others.chain([rule]).collect::<BTreeSet<&str>>().len();
        if places > RULES_MAX {
            return Err(Refusal::TooMany { what: "places with an account rule of their own", max: RULES_MAX });
        }
        if sorts > RULE_SORTS_MAX {
            return Err(Refusal::TooMany { what: "different account rules", max: RULE_SORTS_MAX });
        }
    }
    Ok((vec![Event::AccountRuleSet { place, rule: rule.map(Into::into) }], Answer::Done))
}

pub(super) fn intend(state: &State, cx: &Context, grants: &[Intent]) -> Judged {
    cx.by_itself("ordering a right by hand")?;
    if grants.len() > REPORT_MAX {
        return Err(Refusal::TooMany { what: "grants in one round", max: REPORT_MAX });
    }
    let fresh = |g: &&Intent| {
        state.hosts.contains_key(&g.host) && !state.effects.contains_key(&(g.assignment, g.principal, g.host))
    };
    let grants: Vec<Intent> = grants.iter().filter(fresh).copied().collect();
    let events = if grants.is_empty() { Vec::new() } else { vec![Event::GrantIntended { grants }] };
    Ok((events, Answer::Done))
}

pub(super) fn report_grants(state: &State, cx: &Context, results: &[Outcome]) -> Judged {
    from_host_or_server(state, cx, results.iter().map(|r| r.host))?;
    if results.len() > REPORT_MAX {
        return Err(Refusal::TooMany { what: "results in one round", max: REPORT_MAX });
    }
    // A host's sentence about a right is about whose right it is, and bounded.
    let bounded = |r: &Outcome| match &r.result {
        Effect::Refused(why) => {
            let why = why.shown().chars().filter(|c| !c.is_control()).take(200).collect::<String>();
            Outcome { result: Effect::Refused(Personal::new(r.principal, why)), ..r.clone() }
        }
        _ => r.clone(),
    };
    // Only what changes something, and only about rights that were ordered: a host cannot invent any. Compared as it
    // would be recorded, or a long reason would be news each time.
    let news =
        |r: &Outcome| state.effects.get(&(r.assignment, r.principal, r.host)).is_some_and(|now| *now != r.result);
    let results: Vec<Outcome> = results.iter().map(bounded).filter(news).collect();
    let events = if results.is_empty() { Vec::new() } else { vec![Event::GrantsReported { results }] };
    Ok((events, Answer::Done))
}

pub(super) fn report(state: &State, cx: &Context, host: DeviceId, accounts: &[Account], drift: &[Drift]) -> Judged {
    from_host_or_server(state, cx, core::iter::once(host))?;
    let h = known(state, host)?;
    if accounts.len() > REPORT_MAX || drift.len() > 1000 {
        return Err(Refusal::TooMany { what: "accounts or grants in a host's report", max: REPORT_MAX });
    }
    let clean = |s: &str| s.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
    let mut accounts: Vec<Account> = accounts.iter().map(|a| Account { name: clean(&a.name), uid: a.uid }).collect();
    let mut drift: Vec<Drift> = drift.iter().map(|d| Drift { place: clean(&d.place), text: clean(&d.text) }).collect();
    accounts.sort_unstable();
    accounts.dedup();
    drift.sort_unstable();
    drift.dedup();
    let accounts: Vec<LocalAccount> = accounts.into_iter().map(|a| account_on_record(state, host, a)).collect();
    let drift: Vec<StrayGrant> = drift.into_iter().map(|d| stray_grant(state, host, &d)).collect();
    if h.reported.is_some() && h.accounts == accounts && h.drift == drift {
        return Ok((Vec::new(), Answer::Done));
    }
    Ok((vec![Event::HostReported { host, accounts, drift }], Answer::Done))
}

fn account_on_record(state: &State, host: DeviceId, account: Account) -> LocalAccount {
    let about = plan::whose(state, &account.name).unwrap_or(PrincipalId(host.0));
    LocalAccount { name: Personal::new(about, account.name), uid: account.uid }
}

fn stray_grant(state: &State, host: DeviceId, drift: &Drift) -> StrayGrant {
    StrayGrant { place: passage(state, host, &drift.place), text: passage(state, host, &drift.text) }
}

/// A host's text with the account names of known persons cut out of it: each is about its person, the rest about the host.
fn passage(state: &State, host: DeviceId, text: &str) -> Passage {
    let in_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let rest = PrincipalId(host.0);
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    for word in text.split(|c| !in_a_name(c)) {
        if let Some(about) = Some(word).filter(|w| !w.is_empty()).and_then(|w| plan::whose(state, w)) {
            if from < at {
                parts.push(Personal::new(rest, &text[from..at]));
            }
            parts.push(Personal::new(about, word));
            from = at + word.len();
        }
        at += word.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    if from < text.len() {
        parts.push(Personal::new(rest, &text[from..]));
    }
    Passage::new(parts)
}

fn from_host_or_server(state: &State, cx: &Context, hosts: impl Iterator<Item = DeviceId>) -> Result<(), Refusal> {
    use crate::command::Via;
    match (cx.caller.via, cx.caller.device) {
        (Via::Host, Some(device)) => {
            known(state, device)?;
            for host in hosts {
                if host != device {
                    return Err(Refusal::SelfOnly { act: "report about a host: its own agent" });
                }
            }
            Ok(())
        }
        _ => cx.by_itself("reporting for a host"),
    }
}
