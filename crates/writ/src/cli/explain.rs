//! Says rule by rule why somebody can or cannot activate a role. It is the dry run of the real decision, told.

use super::meaning::{self, Sort};
use super::stop::Stop;
use super::table::{Accent, Cell, Table};
use super::terminal::Terminal;
use super::{Common, open};
use crate::http::api::shape::{Explained, Mark, Question};
use crate::when::read_span;
use writ_core::time::Span;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Whose ask, and the role: `writ explain ana "Global Administrator"`; one word alone is the role, for yourself
    #[arg(num_args = 1..=2, required = true, value_names = ["WHO", "ROLE"])]
    words: Vec<String>,
    /// Where: an administrative unit
    #[arg(long, value_name = "UNIT")]
    on: Option<String>,
    /// For how long
    #[arg(long = "for", value_name = "SPAN", value_parser = read_span)]
    span: Option<Span>,
}

pub(super) fn run(common: &Common, args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let mut client = open(common, terminal)?;
    let (who, role) = match args.words.as_slice() {
        [who, role] => (Some(meaning::of(&mut client, Sort::User, who)?), role),
        [role, ..] => (None, role),
        [] => return Err(Stop::Usage("say which role: writ explain ROLE".into())),
    };
    let role = meaning::of(&mut client, Sort::Role, role)?;
    let scope = args.on.as_deref().map(|on| meaning::scope(&mut client, Some(on))).transpose()?;
    let question = Question {
        principal: who.map(|who| who.id),
        role: role.id,
        scope: scope.map(|scope| scope.id),
        span: args.span,
        ..Question::default()
    };
    let answer: Explained = client.post("/writ/v1/explain", &question)?;
    if terminal.json {
        terminal.value(&answer);
    } else {
        show(&answer, terminal);
    }
    Ok(())
}

/// The answer for people.
pub(super) fn show(answer: &Explained, terminal: &Terminal) {
    if terminal.json {
        return terminal.value(answer);
    }
    let reader = terminal.reader();
    terminal.say(&answer.told);
    let mut table = Table::new();
    for row in &answer.rows {
        let mark = match row.mark {
            Mark::Yes => Cell::painted(Accent::Good, "✓"),
            Mark::No => Cell::painted(Accent::Bad, "✗"),
            Mark::Later => Cell::painted(Accent::Dim, "·"),
        };
        table.row([mark, row.rule.as_str().into(), reader.local(&row.told).into()]);
    }
    terminal.table(&table);
}
