//! The check "does this principal hold this role here, now?" in a large state, and what that state costs.
//! It measures the call in process: over HTTP the protocol costs far more.

use crate::population::{EACH, Population, THEN};
use crate::report::{Failed, Report, bytes, count, memory, middle, span};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};
use writ_core::holds::holds;
use writ_core::ids::{PrincipalId, RoleId};
use writ_core::scope::Scope;
use writ_core::state::State;
use writ_core::time::Span;

const PEOPLE: u32 = 100_000;
const CHECKS: u32 = 400_000;
const ROUNDS: usize = 5;

pub(crate) fn run(report: &mut Report) -> Result<(), Failed> {
    let population = Population::of(PEOPLE);
    let empty = memory()?;
    let begun = Instant::now();
    let state = population.state();
    let built = begun.elapsed();
    let held = memory()?.saturating_sub(empty);
    let eligibilities = f64::from(PEOPLE * EACH);

    let title = format!("A state of {} people and {} eligibilities", count(PEOPLE.into()), count(eligibilities));
    report.section(&title, &["what", "figure"]);
    report.row(&["memory".to_owned(), bytes(held)]);
    report.row(&[
        "events applied (no log, no disk)".to_owned(),
        format!("{}/s", count(state.seq as f64 / built.as_secs_f64())),
    ]);

    let asked = questions(&population);
    let yes = asked.iter().filter(|one| ask(&state, one)).count();
    let limit = middle((0..ROUNDS).map(|_| lookups(&population, &asked)).collect());
    let checks = middle((0..ROUNDS).map(|_| each(&asked, |one| ask(&state, one))).collect());
    let share = format!("{} % yes", yes * 100 / asked.len());
    report.row(&[format!("`holds`, random person and role, {share}"), span(Duration::from_secs_f64(checks))]);
    report
        .row(&["limit: one look-up in a `BTreeMap` of these people".to_owned(), span(Duration::from_secs_f64(limit))]);

    let begun = Instant::now();
    let snapshot = state.to_snapshot();
    let written = begun.elapsed();
    drop(state);
    let begun = Instant::now();
    let again = State::from_snapshot(&snapshot)?;
    report.row(&["snapshot, size".to_owned(), bytes(snapshot.len() as u64)]);
    report.row(&["snapshot, made in".to_owned(), span(written)]);
    report.row(&["state from a snapshot in memory".to_owned(), span(begun.elapsed())]);
    black_box(again);
    Ok(())
}

type Question = (PrincipalId, RoleId, Scope);

/// People in no order; half of the time the role they might hold.
fn questions(population: &Population) -> Vec<Question> {
    let question = |number: u32| {
        let person = number.wrapping_mul(2_654_435_761) % PEOPLE;
        let target = population.target(person, (number & 1) * 3);
        (population.person(person), target.role_id(), target.scope())
    };
    (0..CHECKS).map(question).collect()
}

fn ask(state: &State, (principal, role, scope): &Question) -> bool {
    holds(state, *principal, *role, *scope, THEN + Span::from_days(1))
}

/// Seconds for each.
fn each(asked: &[Question], check: impl Fn(&Question) -> bool) -> f64 {
    let begun = Instant::now();
    for one in asked {
        black_box(check(black_box(one)));
    }
    begun.elapsed().as_secs_f64() / asked.len() as f64
}

fn lookups(population: &Population, asked: &[Question]) -> f64 {
    let people: BTreeMap<PrincipalId, u32> = (0..PEOPLE).map(|number| (population.person(number), number)).collect();
    each(asked, |(principal, ..)| people.contains_key(principal))
}
