//! Lists the roles, what they need and what they give.

use super::stop::Stop;
use super::table::{Accent, Cell, Table};
use super::terminal::Terminal;
use super::{Common, open};
use crate::http::api::shape::RoleTold;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only roles with this in their name
    text: Option<String>,
    /// Also roles that give nothing anywhere yet
    #[arg(long, short)]
    all: bool,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let mut roles: Vec<RoleTold> = client.get("/writ/v1/roles")?;
    if let Some(text) = args.text.as_deref().map(str::to_lowercase) {
        let named = |role: &RoleTold| {
            role.role.name.to_lowercase().contains(&text)
                || role.other_names.iter().any(|n| n.to_lowercase().contains(&text))
        };
        roles.retain(named);
    }
    let (shown, rest): (Vec<_>, Vec<_>) =
        roles.into_iter().partition(|role| args.all || args.text.is_some() || !role.gives.is_empty());
    if terminal.json {
        terminal.value(&shown);
        return Ok(());
    }
    let mut table = Table::new();
    for role in &shown {
        let gives = if role.gives.is_empty() { "gives nothing anywhere yet".to_owned() } else { role.gives.join("; ") };
        let tier = if role.tier == "critical" { Accent::Wait } else { Accent::Dim };
        table.row([
            role.role.name.as_str().into(),
            Cell::painted(tier, &role.tier),
            role.span_max.told().into(),
            role.needs.join(", ").into(),
            gives.into(),
        ]);
    }
    if table.is_empty() {
        terminal.say("No such role. All of them: writ roles --all");
    }
    terminal.table(&table);
    if !rest.is_empty() {
        terminal.say(terminal.paint(
            Accent::Dim,
            &format!("{} more roles are names that nothing is bound to: writ roles --all", rest.len()),
        ));
    }
    Ok(())
}
