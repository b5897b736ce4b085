//! Asks for more time on a role that is switched on. Every rule is asked again; nothing stops meanwhile.
//!
//! Always: an extension leaves no gap, and what is refused changes nothing about what runs.

use super::client::Client;
use super::deactivate::switched_on;
use super::grounds::Grounds;
use super::stop::Stop;
use super::terminal::Terminal;
use super::wait::{self, Until};
use super::{Common, open};
use crate::http::api::shape::{Active, Explained, Question, Status};
use crate::when::read_span;
use serde_json::{Value, json};
use writ_core::time::Span;

#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("much").required(true).args(["span", "until"])))]
pub(super) struct Args {
    /// The role; not needed when only one is switched on
    role: Option<String>,
    /// How much longer than now granted, such as 30m
    #[arg(long = "for", value_name = "SPAN", value_parser = read_span)]
    span: Option<Span>,
    /// Until when: a moment such as 16:00 or "2026-12-31 16:00"
    #[arg(long, value_name = "MOMENT")]
    until: Option<String>,
    #[command(flatten)]
    grounds: Grounds,
    /// Where: an administrative unit
    #[arg(long, value_name = "UNIT")]
    on: Option<String>,
    /// Wait until it is decided
    #[arg(long)]
    wait: bool,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let status: Status = client.get("/writ/v1/status")?;
    let one = switched_on(&mut client, &status, args.role.as_deref(), args.on.as_deref())?;
    let until = args.until.as_deref().map(|at| terminal.reader().read_moment(at)).transpose().map_err(Stop::Usage)?;
    let end = until.or_else(|| Some(one.ends? + args.span?));
    let body = json!({
        "action": "selfExtend",
        // Graph knows no such action on what is switched on; this says that it is meant.
        "@writ.activation": true,
        "principalId": status.who.id,
        "roleDefinitionId": one.role.id,
        "directoryScopeId": one.scope.id,
        "justification": args.grounds.because,
        "ticketInfo": args.grounds.ticket_info(),
        "scheduleInfo": {"expiration": {"type": "afterDateTime", "endDateTime": end.map(|end| end.to_string())}},
    });
    let asked = match ask(&mut client, &body) {
        Err(Stop::Refused(problem)) if only_proof(&problem.message) => {
            let context = context(&mut client, one)?;
            let code = terminal.secret("One-time code", "WRIT_OTP")?;
            client.step_up_for(&code, context.as_deref())?;
            ask(&mut client, &body)?
        }
        answer => answer?,
    };
    let request = asked["id"].as_str().unwrap_or_default();
    wait::follow(&mut client, request, if args.wait { Until::Effective } else { Until::Now }, terminal)
}

fn ask(client: &mut Client, body: &Value) -> Result<Value, Stop> {
    client.post("/v1.0/roleManagement/directory/roleAssignmentScheduleRequests", body)
}

/// Whether a refusal asks for nothing but what a one-time code gives: MFA, or an authentication context.
fn only_proof(message: &str) -> bool {
    let others = ["ExpirationRule", "JustificationRule", "TicketingRule", "EligibilityRule"];
    let asks = ["MfaRule", "AcrsRule"].iter().any(|rule| message.contains(rule)) || message.starts_with("&claims=");
    asks && !others.iter().any(|rule| message.contains(rule))
}

/// The authentication context that the role asks for, so that one code gives both.
fn context(client: &mut Client, one: &Active) -> Result<Option<String>, Stop> {
    let question = Question {
        principal: None,
        role: one.role.id.clone(),
        scope: Some(one.scope.id.clone()),
        start: None,
        span: None,
        reason: None,
        ticket: None,
        ready: false,
    };
    let told: Explained = client.post("/writ/v1/explain", &question)?;
    Ok(told.context)
}
