//! Takes back a request that is still open: one's own, or anybody's for an administrator.

use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::Accent;
use super::terminal::Terminal;
use super::{Common, open, ticked};
use ureq::http::Method;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The request, as `writ status` shows it; its first characters suffice
    request: String,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let request = meaning::of(&mut client, Sort::Request, &args.request)?;
    let path = format!("/v1.0/roleManagement/directory/roleAssignmentScheduleRequests/{}/cancel", request.id);
    client.send(Method::POST, &path, None)?;
    if terminal.json {
        terminal.value(&serde_json::json!({"request": request.id, "status": "Canceled"}));
    } else {
        terminal.say(ticked(terminal, Accent::Good, "✓", "taken back", &request.name));
    }
    Ok(())
}
