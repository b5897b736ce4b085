//! Gives a role back before its time is up. It works at once; nothing has to be said for it.

use super::client::Client;
use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::{Accent, listed};
use super::terminal::Terminal;
use super::{Common, open, ticked};
use crate::http::api::shape::{Active, Status};
use serde_json::json;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The role; not needed when only one is switched on
    role: Option<String>,
    /// Where: an administrative unit
    #[arg(long, value_name = "UNIT")]
    on: Option<String>,
    /// Why, if there is something to say
    #[arg(long, short, value_name = "TEXT")]
    because: Option<String>,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let status: Status = client.get("/writ/v1/status")?;
    let one = switched_on(&mut client, &status, args.role.as_deref(), args.on.as_deref())?;
    let body = json!({
        "action": "selfDeactivate",
        "principalId": status.who.id,
        "roleDefinitionId": one.role.id,
        "directoryScopeId": one.scope.id,
        "justification": args.because,
    });
    let answer: serde_json::Value =
        client.post("/v1.0/roleManagement/directory/roleAssignmentScheduleRequests", &body)?;
    if terminal.json {
        terminal.value(&answer);
    } else {
        let what = format!("{}{}", one.role.name, meaning::on(&one.scope));
        terminal.say(ticked(terminal, Accent::Good, "✓", "given back", &what));
    }
    Ok(())
}

/// The one activation that is meant: of the role and at the place that are named, or the only one there is.
pub(super) fn switched_on<'a>(
    client: &mut Client,
    status: &'a Status,
    role: Option<&str>,
    on: Option<&str>,
) -> Result<&'a Active, Stop> {
    let role = role.map(|typed| meaning::of(client, Sort::Role, typed)).transpose()?;
    let scope = on.map(|typed| meaning::scope(client, Some(typed))).transpose()?;
    let matching: Vec<&Active> = status
        .active
        .iter()
        .filter(|one| one.activated)
        .filter(|one| role.as_ref().is_none_or(|role| role.id == one.role.id))
        .filter(|one| scope.as_ref().is_none_or(|scope| scope.id == one.scope.id))
        .collect();
    match matching.as_slice() {
        [one] => Ok(one),
        [] => {
            let what = role.map_or("nothing that you switched on".to_owned(), |role| {
                format!("no {} that you switched on", role.name)
            });
            Err(Stop::Usage(format!("You hold {what}. What you hold is in: writ status")))
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|one| format!("{}{}", one.role.name, meaning::on(&one.scope))).collect();
            Err(Stop::Usage(format!("You have switched on {}; say which one you mean.", listed(&names, "and", 6))))
        }
    }
}
