//! Where somebody stands: what they hold, wait for, can decide and can ask for. With `--watch`, live.
//!
//! Always: "effective" is said only of what a host has reported to work.

use super::client::Client;
use super::stop::Stop;
use super::table::{Accent, Cell, Table, listed};
use super::terminal::Terminal;
use super::{Common, meaning, open};
use crate::http::api::shape::{Active, Deciding, Effect, Eligible, Status, Waiting};
use crate::when::Reader;
use std::time::Duration;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Keep showing what is left, until nothing that ends is held
    #[arg(long, short)]
    watch: bool,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let status: Status = client.get("/writ/v1/status")?;
    if terminal.json {
        terminal.value(&status);
        return Ok(());
    }
    if args.watch && terminal.is_live() {
        return watch(&mut client, status, terminal);
    }
    terminal.print(told(&status, terminal, &terminal.reader().at(status.at)));
    Ok(())
}

/// Shows the lists again each second, in place; asks the server again every five.
fn watch(client: &mut Client, mut status: Status, terminal: &Terminal) -> Result<(), Stop> {
    let mut asked = terminal.clock.now();
    loop {
        // The server's clock is the one that counts; ours only measures what passed since it spoke.
        let now = status.at + terminal.clock.now().since(asked);
        let text = told(&status, terminal, &terminal.reader().at(now));
        let text = text.replace('\n', "\u{1b}[K\n");
        terminal.print(format!("\u{1b}[H\u{1b}[2J{text}\nCtrl-C leaves this view; what you hold stays."));
        if !status.active.iter().any(|active| active.ends.is_some_and(|ends| ends > now)) && status.waiting.is_empty() {
            terminal.say("");
            return Ok(());
        }
        terminal.pause(Duration::from_secs(1));
        let soonest = status.active.iter().filter_map(|active| active.ends).min();
        if terminal.clock.now().since(asked).seconds() >= 5 || soonest.is_some_and(|ends| ends <= now) {
            status = client.get("/writ/v1/status")?;
            asked = terminal.clock.now();
        }
    }
}

fn told(status: &Status, terminal: &Terminal, reader: &Reader) -> String {
    let mut table = Table::new();
    section(&mut table, "ACTIVE", &status.active, |active| active_row(active, reader));
    section(&mut table, "WAITING", &status.waiting, |waiting| waiting_row(waiting, reader));
    section(&mut table, "FOR YOU TO DECIDE", &status.deciding, |deciding| deciding_row(deciding, reader));
    section(&mut table, "ELIGIBLE", &status.eligible, |eligible| eligible_row(eligible, reader));
    let loud: String = super::audit::emergencies(&status.emergencies, terminal, reader).join("\n");
    let loud = if loud.is_empty() { loud } else { format!("{loud}\n") };
    if table.is_empty() {
        let nothing = "holds nothing, waits for nothing, and is eligible for nothing here";
        return format!("{loud}{} {nothing}.\n", status.who.name);
    }
    format!("{loud}{}", table.told(terminal.look))
}

fn section<T>(table: &mut Table, title: &str, all: &[T], row: impl Fn(&T) -> Vec<Cell>) {
    if !all.is_empty() {
        table.heading(title);
    }
    for one in all {
        table.row(row(one));
    }
}

fn active_row(active: &Active, reader: &Reader) -> Vec<Cell> {
    let ends = match active.ends {
        Some(ends) => format!("ends in {} ({})", reader.left(ends), reader.moment(ends)),
        None => "no end".into(),
    };
    let works = effect_told(&active.effect);
    let whole = active.effect.effective == active.effect.of;
    vec![
        active.role.name.as_str().into(),
        active.scope.name.as_str().into(),
        ends.into(),
        Cell::painted(if whole { Accent::Good } else { Accent::Wait }, works),
    ]
}

/// `effective on 3 of 3 hosts`, or what stands in the way.
pub(super) fn effect_told(effect: &Effect) -> String {
    let mut parts = Vec::new();
    if effect.of > 0 {
        let hosts = if effect.of == 1 { "host" } else { "hosts" };
        parts.push(format!("effective on {} of {} {hosts}", effect.effective, effect.of));
    }
    for host in effect.hosts.iter().filter(|host| host.state == "refused").take(2) {
        parts.push(format!("{} refuses it: {}", host.host, host.why.as_deref().unwrap_or("it does not say why")));
    }
    if !effect.in_writ.is_empty() {
        parts.push("in force in Writ".into());
    }
    if parts.is_empty() { "gives nothing anywhere yet".into() } else { parts.join("; ") }
}

fn waiting_row(waiting: &Waiting, reader: &Reader) -> Vec<Cell> {
    let names: Vec<String> = waiting.deciders.iter().map(|one| one.name.clone()).collect();
    let next = match (waiting.starts, names.is_empty()) {
        (Some(starts), true) => format!("begins {}", reader.moment(starts)),
        (_, false) => format!("{} can decide", listed(&names, "or", 3)),
        (None, true) => "nobody can decide it now; an administrator can change the approvers".into(),
    };
    vec![
        waiting.role.name.as_str().into(),
        waiting.scope.name.as_str().into(),
        format!("asked {}", reader.ago(waiting.asked)).into(),
        format!("{next} ·\u{a0}writ\u{a0}cancel\u{a0}{}", short(&waiting.request)).into(),
    ]
}

fn deciding_row(deciding: &Deciding, reader: &Reader) -> Vec<Cell> {
    let span = deciding.span.map(|span| format!(" for {}", span.told())).unwrap_or_default();
    let reason = deciding.reason.as_deref().map(|reason| format!("\"{reason}\" ")).unwrap_or_default();
    let ticket = deciding.ticket.as_deref().map(|ticket| format!("({ticket}) ")).unwrap_or_default();
    vec![
        deciding.who.name.as_str().into(),
        format!("{}{}{span}", deciding.role.name, meaning::on(&deciding.scope)).into(),
        format!("asked {}", reader.ago(deciding.asked)).into(),
        format!("{reason}{ticket}·\u{a0}writ\u{a0}approve\u{a0}{}", short(&deciding.request)).into(),
    ]
}

fn eligible_row(eligible: &Eligible, reader: &Reader) -> Vec<Cell> {
    let needs = eligible.needs.iter().filter(|need| matches!(need.as_str(), "approval" | "ticket"));
    let needs: Vec<&str> = needs.map(String::as_str).collect();
    let until = eligible.ends.map(|ends| format!(", until {}", reader.moment(ends))).unwrap_or_default();
    let through = eligible.through.as_ref().map(|group| format!(", through {}", group.name)).unwrap_or_default();
    let nothing = if eligible.gives.is_empty() { "; gives nothing anywhere yet" } else { "" };
    vec![
        eligible.role.name.as_str().into(),
        eligible.scope.name.as_str().into(),
        if needs.is_empty() { "".into() } else { format!("needs {}", needs.join(", ")).into() },
        format!("{} at most{until}{through}{nothing}", eligible.span_max.told()).into(),
    ]
}

/// The first group of an id: enough to name it by.
pub(super) fn short(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::super::table::Look;
    use super::*;
    use crate::clock::Clock;
    use crate::config::Environment;
    use crate::http::api::shape::{Called, EmergencyUse, HostEffect};
    use writ_core::time::{Span, Time};

    fn called(id: &str, name: &str) -> Called {
        Called { id: id.into(), name: name.into() }
    }

    #[test]
    fn the_four_lists_read_as_sentences() {
        let at: Time = "2026-11-21T13:52:20Z".parse().unwrap();
        let status = Status {
            who: called("1", "Ana Silva"),
            at,
            active: vec![Active {
                assignment: "a".into(),
                role: called("r", "Device Administrators"),
                scope: called("u", "Finance"),
                activated: true,
                began: at,
                ends: Some(at + Span::from_seconds(4360)),
                effect: Effect {
                    effective: 2,
                    of: 3,
                    hosts: vec![HostEffect {
                        host: "fin-03".into(),
                        state: "refused".into(),
                        why: Some("ana has no account there".into()),
                    }],
                    in_writ: vec![],
                },
            }],
            waiting: vec![Waiting {
                request: "7f31aaaa-0000-0000-0000-000000000000".into(),
                role: called("r2", "Exchange Administrator"),
                scope: called("/", "tenant"),
                asked: at.before(Span::from_minutes(4)),
                until: None,
                starts: None,
                deciders: vec![called("b", "Ben Okafor"), called("c", "Carla Ruiz")],
            }],
            deciding: vec![],
            eligible: vec![Eligible {
                role: called("r3", "Reports Reader"),
                scope: called("/", "tenant"),
                through: None,
                ends: Some(at + Span::from_days(40)),
                span_max: Span::from_hours(8),
                needs: vec!["MFA".into(), "approval".into()],
                gives: vec![],
            }],
            emergencies: vec![EmergencyUse {
                account: called("e1", "Break Glass 1"),
                at: at.before(Span::from_minutes(90)),
            }],
        };
        let terminal = Terminal::bare(Look::PLAIN, Environment::of(&[("TZ", "Europe/Berlin")]), Clock::by_hand(at));
        insta::assert_snapshot!(told(&status, &terminal, &terminal.reader()), @r#"
        ! The emergency account Break Glass 1 was used 1 h ago (13:22): writ audit --who "Break Glass 1"
        ACTIVE
          Device Administrators   Finance  ends in 1:12:40 (16:05)  effective on 2 of 3 hosts; fin-03
                                                                    refuses it: ana has no account there
        WAITING
          Exchange Administrator  tenant   asked 4 min ago          Ben Okafor or Carla Ruiz can decide
                                                                    · writ cancel 7f31aaaa
        ELIGIBLE
          Reports Reader          tenant   needs approval           8 h at most, until 31 Dec; gives
                                                                    nothing anywhere yet
        "#);
    }
}
