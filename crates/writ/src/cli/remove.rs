//! Takes an eligibility or an assignment away; an administrator's act. It shows first whom it stops now.

use super::assign::{route, stepping_up};
use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::Accent;
use super::terminal::Terminal;
use super::{Common, open, ticked};
use serde_json::json;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Whose
    who: String,
    /// The role
    role: String,
    /// Where: an administrative unit; the whole tenant if absent
    #[arg(long, value_name = "UNIT")]
    on: Option<String>,
    /// Take a direct assignment or a running activation away, rather than the eligibility
    #[arg(long)]
    direct: bool,
    /// Why
    #[arg(long, short, value_name = "TEXT")]
    because: Option<String>,
    /// Do it without asking once more
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let who = meaning::of(&mut client, Sort::Principal, &args.who)?;
    let role = meaning::of(&mut client, Sort::Role, &args.role)?;
    let scope = meaning::scope(&mut client, args.on.as_deref())?;
    let body = |validation: bool| {
        json!({
            "action": "adminRemove",
            "principalId": who.id,
            "roleDefinitionId": role.id,
            "directoryScopeId": scope.id,
            "justification": args.because,
            "isValidationOnly": validation,
        })
    };
    let what = format!("{}: {}{}", who.name, role.name, meaning::on(&scope));
    if !args.yes && terminal.can_ask() {
        // The dry run is the same decision, and says who would be stopped.
        let _: serde_json::Value =
            stepping_up(&mut client, terminal, |client| client.post(route(args.direct), &body(true)))?;
        let sort = if args.direct { "assignment" } else { "eligibility, and whatever runs from it now," };
        terminal.say(format!("The {sort} ends at once: {what}"));
        if !terminal.ask("Take it away? Type yes", "--yes")?.eq_ignore_ascii_case("yes") {
            terminal.say("Nothing was changed.");
            return Ok(());
        }
    }
    let answer: serde_json::Value =
        stepping_up(&mut client, terminal, |client| client.post(route(args.direct), &body(false)))?;
    if terminal.json {
        terminal.value(&answer);
    } else {
        terminal.say(ticked(terminal, Accent::Good, "✓", "removed", &what));
    }
    Ok(())
}
