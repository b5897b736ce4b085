//! Follows a request: says each step once, when it has happened, until it is as far as somebody wants to wait.
//!
//! Always: each wait has a bound; leaving early changes nothing about the request.

use super::client::Client;
use super::stop::{Stop, status};
use super::table::Accent;
use super::terminal::Terminal;
use super::{activate, meaning, ticked};
use crate::http::api::shape::{Progress, Stage};
use writ_core::time::{Span, Time};

/// How far to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Only say where it stands.
    Now,
    /// Until the power is real everywhere, or it is clear that it will not be.
    Effective,
}

/// How long a host may take before the wait is given up; the request lives on.
const EFFECT_MAX: Span = Span::from_minutes(2);

pub(super) fn follow(client: &mut Client, request: &str, until: Until, terminal: &Terminal) -> Result<(), Stop> {
    let mut said = Said::default();
    let mut seen = String::new();
    let mut held: Option<Time> = None;
    loop {
        let wait = if seen.is_empty() { String::new() } else { format!("?wait=25&seen={seen}") };
        let progress: Progress = client.get(&format!("/writ/v1/requests/{request}{wait}"))?;
        seen.clone_from(&progress.mark);
        let over =
            matches!(progress.stage, Stage::Denied | Stage::Canceled | Stage::TimedOut | Stage::Failed | Stage::Ended);
        let settled = progress.effect.hosts.iter().all(|host| matches!(host.state.as_str(), "effective" | "refused"));
        let effective = progress.stage == Stage::Active && settled;
        if progress.stage == Stage::Active {
            held.get_or_insert(client.now());
        }
        let tired = held.is_some_and(|since| client.now().since(since) > EFFECT_MAX);
        let done = until == Until::Now || over || effective || tired;
        if terminal.json {
            if done {
                terminal.value(&progress);
            }
        } else {
            said.steps(&progress, until, terminal);
        }
        if done {
            return outcome(&progress, until, effective);
        }
    }
}

fn outcome(progress: &Progress, until: Until, effective: bool) -> Result<(), Stop> {
    match progress.stage {
        Stage::Denied | Stage::Canceled | Stage::TimedOut | Stage::Failed => Err(Stop::Said(status::REFUSED)),
        Stage::Active if effective || until == Until::Now => Ok(()),
        Stage::Active => Err(Stop::Waiting("It is held, and not yet effective everywhere; see: writ status".into())),
        Stage::Approval | Stage::Scheduled | Stage::Ended => Ok(()),
    }
}

/// What was said already.
#[derive(Default)]
struct Said {
    asked: bool,
    decided: bool,
    held: bool,
    over: bool,
}

impl Said {
    fn steps(&mut self, progress: &Progress, until: Until, terminal: &Terminal) {
        let reader = terminal.reader();
        let good = |word: &str, told: &str| terminal.say(ticked(terminal, Accent::Good, "✓", word, told));
        if !self.asked && progress.stage == Stage::Approval {
            self.asked = true;
            terminal.say(activate::asked_line(&progress.deciders, terminal));
            if until == Until::Now {
                let latest = progress.until.map(|until| format!(" until {}", reader.moment(until))).unwrap_or_default();
                terminal.say(format!(
                    "  It waits{latest}. Follow it with: writ status --watch · take it back: writ cancel {}",
                    super::status::short(&progress.request)
                ));
            }
        }
        if let Some(decision) = progress.decision.as_ref().filter(|_| !self.decided) {
            self.decided = true;
            let reason = decision.reason.as_deref().map(|reason| format!(": \"{reason}\"")).unwrap_or_default();
            let told = format!("{}, after {}{reason}", decision.by.name, decision.at.since(progress.asked).told());
            if progress.stage == Stage::Denied {
                terminal.say(ticked(terminal, Accent::Bad, "✗", "denied", &told));
                self.over = true;
            } else {
                good("approved", &told);
            }
        }
        let what = format!("{}{}", progress.role.name, meaning::on(&progress.scope));
        match progress.stage {
            Stage::Active if !self.held => self.held(progress, until, &what, terminal),
            Stage::Scheduled if !self.held => {
                self.held = true;
                good("granted", &format!("{what}; it begins by itself"));
            }
            Stage::Canceled | Stage::TimedOut | Stage::Failed | Stage::Denied | Stage::Ended if !self.over => {
                self.over = true;
                let word = match progress.stage {
                    Stage::Canceled => "taken back",
                    Stage::TimedOut => "timed out",
                    Stage::Failed => "failed",
                    Stage::Ended => "ended",
                    _ => "denied",
                };
                terminal.say(ticked(terminal, Accent::Bad, "✗", word, &what));
            }
            _ => {}
        }
    }

    fn held(&mut self, progress: &Progress, until: Until, what: &str, terminal: &Terminal) {
        let reader = terminal.reader();
        let ends = progress
            .ends
            .map(|ends| format!("until {} ({})", reader.moment(ends), round(ends.since(reader.now())).told()));
        let ends = ends.unwrap_or_default();
        let effect = &progress.effect;
        let settled = effect.hosts.iter().all(|host| matches!(host.state.as_str(), "effective" | "refused"));
        if until == Until::Effective && !settled {
            return;
        }
        self.held = true;
        let names: Vec<&str> =
            effect.hosts.iter().filter(|h| h.state == "effective").map(|h| h.host.as_str()).take(4).collect();
        if effect.of > 0 && effect.effective > 0 {
            let told = format!("{} ({} of {})   {ends}", names.join(", "), effect.effective, effect.of);
            terminal.say(ticked(terminal, Accent::Good, "✓", "effective", &told));
        } else if effect.of > 0 {
            let told = format!("{what} {ends}; {} of {} hosts have confirmed it", effect.effective, effect.of);
            terminal.say(ticked(terminal, Accent::Good, "✓", "active", &told));
        } else if effect.in_writ.is_empty() {
            let told = format!("{what} {ends}; nothing is bound to it, so it gives nothing anywhere yet");
            terminal.say(ticked(terminal, Accent::Wait, "✓", "active", &told));
        } else {
            terminal.say(ticked(terminal, Accent::Good, "✓", "effective", &format!("{what} in Writ   {ends}")));
        }
        for host in effect.hosts.iter().filter(|host| host.state == "refused") {
            let why = host.why.as_deref().unwrap_or("it does not say why");
            terminal.say(ticked(terminal, Accent::Bad, "✗", "refused", &format!("{}: {why}", host.host)));
        }
    }
}

/// A span as people say it: whole minutes from ten minutes on.
fn round(span: Span) -> Span {
    let unit = if span.millis() >= 600_000 { 60_000 } else { 1000 };
    Span::from_millis((span.millis() + unit / 2) / unit * unit)
}
