//! Decides somebody's request: `approve` and `deny` share everything but the word.
//!
//! Always: whoever decides sees first who asks, for what and why, and is not asked when input is not a terminal.

use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::Accent;
use super::terminal::Terminal;
use super::{Common, open, ticked};
use crate::http::api::shape::{Deciding, Status};
use ureq::http::Method;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The request, as `writ status` shows it; not needed when only one waits for you
    request: Option<String>,
    /// Why; goes into the record
    #[arg(long, short, value_name = "TEXT")]
    because: Option<String>,
}

pub(super) fn run(common: &Common, args: &Args, approve: bool, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let status: Status = client.get("/writ/v1/status")?;
    let (id, step, shown) = match &args.request {
        Some(typed) => {
            let request = meaning::of(&mut client, Sort::Request, typed)?;
            let waits = status.deciding.iter().find(|one| one.request == request.id);
            // What does not wait for this person has a first step at least; the server says why it is not theirs.
            let step = waits.map_or_else(|| request.id.clone(), |one| one.step.clone());
            (request.id, step, waits.map_or(request.name, ask_told))
        }
        None => match status.deciding.as_slice() {
            [one] => (one.request.clone(), one.step.clone(), ask_told(one)),
            [] => return Err(Stop::Usage("No request waits for your decision.".into())),
            several => {
                let list: Vec<String> = several
                    .iter()
                    .map(|one| format!("  {}  {}", super::status::short(&one.request), ask_told(one)))
                    .collect();
                return Err(Stop::Usage(format!("Several requests wait for you; name one:\n{}", list.join("\n"))));
            }
        },
    };
    let word = if approve { "approve" } else { "deny" };
    let because = match &args.because {
        Some(because) => because.clone(),
        None => {
            if terminal.can_ask() {
                terminal.say(&shown);
            }
            terminal.ask(&format!("Your reason to {word} it"), "--because \"…\"")?
        }
    };
    let result = if approve { "Approve" } else { "Deny" };
    let body = serde_json::json!({"reviewResult": result, "justification": because});
    let path = format!("/beta/roleManagement/directory/roleAssignmentApprovals/{id}/steps/{step}");
    client.send(Method::PATCH, &path, Some(&body))?;
    if terminal.json {
        terminal.value(&serde_json::json!({"request": id, "reviewResult": result}));
    } else if approve {
        terminal.say(ticked(terminal, Accent::Good, "✓", "approved", &shown));
    } else {
        terminal.say(ticked(terminal, Accent::Good, "✓", "denied", &shown));
    }
    Ok(())
}

/// `Ana Silva: Device Administrators on Finance for 2 h, "replace disk" (CHG-417)`.
fn ask_told(one: &Deciding) -> String {
    let span = one.span.map(|span| format!(" for {}", span.told())).unwrap_or_default();
    let reason = one.reason.as_deref().map(|reason| format!(", \"{reason}\"")).unwrap_or_default();
    let ticket = one.ticket.as_deref().map(|ticket| format!(" ({ticket})")).unwrap_or_default();
    format!("{}: {}{}{span}{reason}{ticket}", one.who.name, one.role.name, meaning::on(&one.scope))
}
