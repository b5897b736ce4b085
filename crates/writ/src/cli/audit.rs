//! The record of what happened, told in sentences, newest first.

use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::{Accent, clean, columns, wrap};
use super::terminal::Terminal;
use super::{Common, open};
use crate::http::api::shape::{EmergencyUse, Told};
use crate::when::Reader;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only what is newer: a span such as 24h, or a moment
    #[arg(long, value_name = "SPAN|MOMENT")]
    since: Option<String>,
    /// Only what is about this role
    #[arg(long)]
    role: Option<String>,
    /// Only what this user, group or program did or had done to it
    #[arg(long)]
    who: Option<String>,
    /// At most this many entries
    #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let reader = terminal.reader();
    let mut query = format!("?limit={}", args.count);
    let mut add = |name: &str, value: &str| {
        query.push_str(&format!("&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    };
    if let Some(since) = &args.since {
        add("since", &reader.read_since(since).map_err(Stop::Usage)?.to_string());
    }
    if let Some(role) = &args.role {
        add("role", &meaning::of(&mut client, Sort::Role, role)?.id);
    }
    if let Some(who) = &args.who {
        add("about", &meaning::of(&mut client, Sort::Principal, who)?.id);
    }
    let told: Told = client.get(&format!("/writ/v1/audit{query}"))?;
    if terminal.json {
        terminal.value(&told);
        return Ok(());
    }
    for line in emergencies(&told.emergencies, terminal, &reader) {
        terminal.say(line);
    }
    for entry in &told.entries {
        let at = reader.record(entry.at);
        let room = terminal.look.width.saturating_sub(columns(&at) + 4).max(30);
        for (n, line) in wrap(&clean(&reader.local(&entry.told)), room).iter().enumerate() {
            let head = if n == 0 { terminal.paint(Accent::Dim, &at) } else { " ".repeat(columns(&at)) };
            terminal.say(format!(" {head}  {line}"));
        }
    }
    if told.entries.is_empty() {
        terminal.say("Nothing of that is on record.");
    } else if told.before.is_some() {
        terminal.say(terminal.paint(Accent::Dim, " There is more: -n 1000, or a narrower --since, --role or --who."));
    }
    Ok(())
}

/// A line for each emergency account that was used lately: whoever looks is to see it without looking for it.
pub(super) fn emergencies(used: &[EmergencyUse], terminal: &Terminal, reader: &Reader) -> Vec<String> {
    let line = |one: &EmergencyUse| {
        let told = format!(
            "! The emergency account {} was used {} ({}): writ audit --who \"{}\"",
            clean(&one.account.name),
            reader.ago(one.at),
            reader.moment(one.at),
            clean(&one.account.name),
        );
        terminal.paint(Accent::Bad, &told)
    };
    used.iter().map(line).collect()
}
