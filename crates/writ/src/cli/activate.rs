//! Asks to switch on a role: looks first at what is missing, asks for a one-time code if only that is, then asks.
//!
//! Always: when something is missing nothing is asked, and everything that is missing is named with the flag that
//! adds it; "effective" is said only once a host has reported that the power works.

use super::client::Client;
use super::grounds::Grounds;
use super::meaning::{self, Sort};
use super::stop::{Stop, status};
use super::table::{Accent, Cell, Table, listed};
use super::terminal::Terminal;
use super::wait::{self, Until};
use super::{Common, open, ticked};
use crate::http::api::shape::{Called, Explained, Mark, Question, Status};
use crate::when::read_span;
use serde_json::json;
use writ_core::time::{Span, Time};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The role: its name, the start of it, its initials, or its id
    role: String,
    /// For how long, such as 2h or 1h30m; the longest the role allows if absent
    #[arg(long = "for", value_name = "SPAN", value_parser = read_span)]
    span: Option<Span>,
    #[command(flatten)]
    grounds: Grounds,
    /// Where: an administrative unit; where you are eligible if absent
    #[arg(long, value_name = "UNIT")]
    on: Option<String>,
    /// Begin later: a moment such as 16:00 or "2026-12-31 16:00"
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// Wait until it is decided and effective
    #[arg(long)]
    wait: bool,
    /// Only say what would happen; ask nothing
    #[arg(long)]
    check: bool,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let role = meaning::of(&mut client, Sort::Role, &args.role)?;
    let scope = place(&mut client, &role, args)?;
    let start = args.at.as_deref().map(|at| terminal.reader().read_moment(at)).transpose().map_err(Stop::Usage)?;
    let question = Question {
        principal: None,
        role: role.id.clone(),
        scope: Some(scope.id.clone()),
        start,
        span: args.span,
        reason: args.grounds.because.clone(),
        ticket: args.grounds.ticket.clone(),
        ready: true,
    };
    let mut answer: Explained = client.post("/writ/v1/explain", &question)?;
    let missing = |answer: &Explained| -> Vec<String> {
        answer.rows.iter().filter(|row| row.mark == Mark::No).map(|row| row.rule.clone()).collect()
    };
    if args.check {
        return check(&answer, terminal);
    }
    // A one-time code is both: a fresh second factor, and what satisfies an authentication context.
    let lacks = missing(&answer);
    if !lacks.is_empty() && lacks.iter().all(|rule| matches!(rule.as_str(), "MFA" | "sign-in")) {
        let code = terminal.secret("One-time code", "WRIT_OTP")?;
        client.step_up_for(&code, answer.context.as_deref())?;
        answer = client.post("/writ/v1/explain", &question)?;
    }
    if !missing(&answer).is_empty() {
        return Err(not_yet(&answer, args.span, terminal));
    }
    let span = args.span.or(answer.span_max).map(|span| span.to_string());
    let body = json!({
        "action": "selfActivate",
        "principalId": answer.who.id,
        "roleDefinitionId": role.id,
        "directoryScopeId": scope.id,
        "justification": args.grounds.because,
        "ticketInfo": args.grounds.ticket_info(),
        "scheduleInfo": {"startDateTime": start.map(|start: Time| start.to_string()), "expiration": {"type": "afterDuration", "duration": span}},
    });
    let asked: serde_json::Value =
        client.post("/v1.0/roleManagement/directory/roleAssignmentScheduleRequests", &body)?;
    let request = asked["id"].as_str().unwrap_or_default().to_owned();
    let until = if args.wait { Until::Effective } else { Until::Now };
    wait::follow(&mut client, &request, until, terminal)
}

/// Where: as named; else the one place where the caller is eligible for the role; else the tenant.
fn place(client: &mut Client, role: &Called, args: &Args) -> Result<Called, Stop> {
    if args.on.is_some() {
        return meaning::scope(client, args.on.as_deref());
    }
    let status: Status = client.get("/writ/v1/status")?;
    let mut places: Vec<&Called> =
        status.eligible.iter().filter(|one| one.role.id == role.id).map(|one| &one.scope).collect();
    places.dedup_by(|a, b| a.id == b.id);
    match places.as_slice() {
        [one] => Ok((*one).clone()),
        [] => meaning::scope(client, None),
        several => {
            let names: Vec<String> = several.iter().map(|place| format!("--on \"{}\"", place.name)).collect();
            Err(Stop::Usage(format!(
                "You are eligible for {} in several places; say which: {}",
                role.name,
                listed(&names, "or", 5)
            )))
        }
    }
}

fn check(answer: &Explained, terminal: &Terminal) -> Result<(), Stop> {
    super::explain::show(answer, terminal);
    if answer.can { Ok(()) } else { Err(Stop::Said(status::REFUSED)) }
}

/// Everything that is missing, with the flag that adds it.
fn not_yet(answer: &Explained, asked: Option<Span>, terminal: &Terminal) -> Stop {
    if terminal.json {
        terminal.value(answer);
        return Stop::Said(status::REFUSED);
    }
    let missing: Vec<_> = answer.rows.iter().filter(|row| row.mark == Mark::No).collect();
    let count = match missing.len() {
        1 => "One thing is missing".to_owned(),
        n => format!(
            "{} things are missing",
            ["No", "One", "Two", "Three", "Four", "Five", "Six"]
                .get(n)
                .map_or_else(|| n.to_string(), |w| (*w).to_owned())
        ),
    };
    terminal.say(format!("Not yet. {count}:"));
    let mut table = Table::new();
    for row in &missing {
        let flag = match row.rule.as_str() {
            "duration" => match (answer.span_max, asked) {
                (Some(max), Some(asked)) if asked > max => format!("--for {}", typed(max)),
                _ => "--for SPAN".into(),
            },
            "reason" => "--because \"…\"".into(),
            "ticket" => "--ticket NUMBER".into(),
            _ => String::new(),
        };
        table.row([
            row.rule.as_str().into(),
            terminal.reader().local(&row.told).into(),
            Cell::painted(Accent::Strong, flag),
        ]);
    }
    terminal.table(&table);
    let later: Vec<&str> = answer
        .rows
        .iter()
        .filter(|row| row.mark == Mark::Later && row.rule == "approval")
        .map(|row| row.told.as_str())
        .collect();
    let later = later.first().map(|told| format!(" Approval will be needed as well: {told}.")).unwrap_or_default();
    terminal.say(format!("Nothing was asked.{later}"));
    Stop::Said(status::REFUSED)
}

/// A span as it is typed: `2h`, `1h30m`.
pub(super) fn typed(span: Span) -> String {
    let seconds = span.seconds();
    let parts =
        [(seconds / 86_400, 'd'), (seconds % 86_400 / 3600, 'h'), (seconds % 3600 / 60, 'm'), (seconds % 60, 's')];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".into() } else { text }
}

/// What asking has led to, at once.
pub(super) fn asked_line(deciders: &[Called], terminal: &Terminal) -> String {
    let names: Vec<String> = deciders.iter().map(|one| one.name.clone()).collect();
    let told = if names.is_empty() {
        "needs approval, and nobody can give it now; an administrator can change the approvers".to_owned()
    } else {
        format!("needs approval by {}", listed(&names, "or", 4))
    };
    ticked(terminal, Accent::Good, "✓", "asked", &told)
}
