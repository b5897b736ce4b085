//! Makes somebody eligible for a role, or assigns it directly; an administrator's act.

use super::client::Client;
use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::Accent;
use super::terminal::Terminal;
use super::{Common, open, ticked};
use crate::http::api::shape::Called;
use crate::when::read_span;
use serde_json::json;
use writ_core::time::Span;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Who: a user, a group or a program
    who: String,
    /// The role
    role: String,
    /// Where: an administrative unit; the whole tenant if absent
    #[arg(long, value_name = "UNIT")]
    on: Option<String>,
    /// Give the role itself, now, rather than the right to ask for it
    #[arg(long)]
    direct: bool,
    /// For how long, such as 30d
    #[arg(long = "for", value_name = "SPAN", value_parser = read_span, conflicts_with_all = ["until", "no_end"])]
    span: Option<Span>,
    /// Until when, such as 2026-12-31
    #[arg(long, value_name = "MOMENT", conflicts_with = "no_end")]
    until: Option<String>,
    /// Without an end, where the role's rules allow that
    #[arg(long)]
    no_end: bool,
    /// Begin later
    #[arg(long, value_name = "MOMENT")]
    at: Option<String>,
    /// Why
    #[arg(long, short, value_name = "TEXT")]
    because: Option<String>,
    /// The ticket's number
    #[arg(long, value_name = "NUMBER")]
    ticket: Option<String>,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let who = meaning::of(&mut client, Sort::Principal, &args.who)?;
    let role = meaning::of(&mut client, Sort::Role, &args.role)?;
    let scope = meaning::scope(&mut client, args.on.as_deref())?;
    let reader = terminal.reader();
    let moment =
        |text: &Option<String>| text.as_deref().map(|at| reader.read_moment(at)).transpose().map_err(Stop::Usage);
    let (until, start) = (moment(&args.until)?, moment(&args.at)?);
    let expiration = match (args.span, until) {
        (Some(span), _) => json!({"type": "afterDuration", "duration": span.to_string()}),
        (None, Some(end)) => json!({"type": "afterDateTime", "endDateTime": end.to_string()}),
        (None, None) if args.no_end => json!({"type": "noExpiration"}),
        (None, None) => return Err(Stop::Usage("say how long: --for 30d, --until 2026-12-31, or --no-end".into())),
    };
    let body = json!({
        "action": "adminAssign",
        "principalId": who.id,
        "roleDefinitionId": role.id,
        "directoryScopeId": scope.id,
        "justification": args.because,
        "ticketInfo": {"ticketNumber": args.ticket},
        "scheduleInfo": {"startDateTime": start.map(|start| start.to_string()), "expiration": expiration},
    });
    let answer: serde_json::Value =
        stepping_up(&mut client, terminal, |client| client.post(route(args.direct), &body))?;
    if terminal.json {
        terminal.value(&answer);
        return Ok(());
    }
    let end = match (args.span, until) {
        (Some(span), _) => format!(" for {}", span.told()),
        (None, Some(end)) => format!(" until {}", reader.moment(end)),
        (None, None) => ", without an end".into(),
    };
    let word = if args.direct { "assigned" } else { "eligible" };
    terminal.say(ticked(terminal, Accent::Good, "✓", word, &told(&who, &role, &scope, &end)));
    Ok(())
}

/// Where eligibilities and assignments are asked for.
pub(super) fn route(direct: bool) -> &'static str {
    if direct {
        "/v1.0/roleManagement/directory/roleAssignmentScheduleRequests"
    } else {
        "/v1.0/roleManagement/directory/roleEligibilityScheduleRequests"
    }
}

/// Does something; if only a fresh second factor is missing, asks for a code and does it once more.
pub(super) fn stepping_up<T>(
    client: &mut Client,
    terminal: &Terminal,
    mut act: impl FnMut(&mut Client) -> Result<T, Stop>,
) -> Result<T, Stop> {
    match act(client) {
        Err(Stop::Refused(problem)) if only_mfa(&problem.message) => {
            let code = terminal.secret("One-time code", "WRIT_OTP")?;
            client.step_up(&code)?;
            act(client)
        }
        other => other,
    }
}

/// Whether a refusal names the MFA rule and no other.
fn only_mfa(message: &str) -> bool {
    message.contains("MfaRule")
        && !["ExpirationRule", "JustificationRule", "TicketingRule", "EligibilityRule"]
            .iter()
            .any(|rule| message.contains(rule))
}

fn told(who: &Called, role: &Called, scope: &Called, end: &str) -> String {
    format!("{}: {}{}{end}", who.name, role.name, meaning::on(scope))
}
