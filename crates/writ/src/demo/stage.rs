//! The lines of the demo: a numbered claim, what came of it, and what there is to see. Live where the terminal is.
//!
//! Always: a result is printed only after the code has checked that it is so.

use crate::cli::stop::{Stop, status};
use crate::cli::table::{Accent, clean, columns, pad, wrap};
use crate::cli::terminal::Terminal;
use crate::clock::Clock;
use crate::when::Reader;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use writ_core::time::{Span, Time};

/// How much room the step's number takes.
const NUMBER: usize = 4;
/// Where the result begins, counted from the claim.
const CLAIM: usize = 44;
/// Where what there is to see begins, counted from the result.
const RESULT: usize = 14;
/// With less room than this, what there is to see goes under its claim.
const ROOM_MIN: usize = 24;

/// The terminal as a stage.
pub(super) struct Stage {
    terminal: Terminal,
    number: u32,
    open: Option<String>,
    ended: Arc<AtomicBool>,
}

impl Stage {
    pub(super) fn new(terminal: Terminal, ended: Arc<AtomicBool>) -> Self {
        Self { terminal, number: 0, open: None, ended }
    }

    /// Whether the demo goes on; it does not when somebody has ended it.
    pub(super) fn alive(&self) -> Result<(), Stop> {
        if self.ended.load(Ordering::SeqCst) { Err(Stop::Said(status::DONE)) } else { Ok(()) }
    }

    /// What time it is.
    pub(super) fn now(&self) -> Time {
        self.terminal.clock.now()
    }

    /// The clock of the stage.
    pub(super) fn clock(&self) -> Clock {
        self.terminal.clock.clone()
    }

    /// How the reader reads times.
    pub(super) fn reader(&self) -> Reader {
        self.terminal.reader()
    }

    /// Waits until a moment, unless the demo is ended before.
    pub(super) fn wait_until(&self, until: Time) -> Result<(), Stop> {
        while self.now() < until {
            self.alive()?;
            let left = until.since(self.now()).min(Span::from_millis(200)).millis();
            self.terminal.pause(Duration::from_millis(u64::try_from(left).unwrap_or(0).max(1)));
        }
        self.alive()
    }

    /// The first lines: what this is and who is in it.
    pub(super) fn title(&self, organisation: &str, cast: &[(String, String)]) {
        let left = "Writ · just-in-time admin rights";
        let right = format!("demo organisation: {organisation}");
        let width = self.terminal.look.width.min(92);
        let gap = width.saturating_sub(columns(left) + columns(&right)).max(2);
        self.terminal.say(format!("\n{}{}{right}\n", self.terminal.paint(Accent::Strong, left), " ".repeat(gap)));
        for (name, told) in cast {
            self.terminal.say(format!("  {}{told}", pad(name, 14)));
        }
        self.terminal.say("");
    }

    /// Begins the next numbered step.
    pub(super) fn step(&mut self, claim: &str) -> Result<(), Stop> {
        self.alive()?;
        self.number += 1;
        self.claim(&format!("{:>2}", self.number), claim);
        Ok(())
    }

    /// Begins a step that belongs to the one before.
    pub(super) fn and(&mut self, claim: &str) -> Result<(), Stop> {
        self.alive()?;
        self.claim("  ", claim);
        Ok(())
    }

    fn claim(&mut self, number: &str, claim: &str) {
        self.terminal.print(format!("{}  {claim}", self.terminal.paint(Accent::Dim, number)));
        self.open = Some(claim.to_owned());
    }

    /// What came of the step that was begun.
    pub(super) fn came(&mut self, accent: Accent, result: &str, detail: &str) {
        let claim = self.open.take().unwrap_or_default();
        let used = columns(&claim);
        let gap = if used < CLAIM { CLAIM - used } else { 2 };
        let word = self.terminal.paint(accent, result);
        let before = NUMBER + CLAIM + RESULT;
        let room = self.terminal.look.width.saturating_sub(before);
        // On a narrow terminal what there is to see goes under its claim.
        let (indent, room) = if room >= ROOM_MIN { (before, room) } else { (NUMBER + 2, self.terminal.look.width - 8) };
        let lines = wrap(&clean(detail), room);
        let mut line = format!("{}{word}", " ".repeat(gap));
        for (n, part) in lines.iter().filter(|part| !part.is_empty()).enumerate() {
            if n == 0 && indent == before {
                line.push_str(&" ".repeat(RESULT.saturating_sub(columns(result)).max(2)));
            } else {
                line.push('\n');
                line.push_str(&" ".repeat(indent));
            }
            line.push_str(part);
        }
        self.terminal.say(line);
    }

    /// A line under a step.
    pub(super) fn under(&self, accent: Accent, mark: &str, word: &str, told: &str) {
        self.terminal.say(format!("      {} {} {}", self.terminal.paint(accent, mark), pad(word, 10), clean(told)));
    }

    /// A line of its own.
    pub(super) fn say(&self, line: &str) {
        self.terminal.say(line);
    }

    /// Text with an accent.
    pub(super) fn paint(&self, accent: Accent, text: &str) -> String {
        self.terminal.paint(accent, text)
    }

    /// What is left until a moment, as a bar that shrinks; returns when the moment has come.
    pub(super) fn countdown(&self, claim: &str, reader: &Reader, from: Time, until: Time) -> Result<(), Stop> {
        const BAR: i64 = 24;
        let clock = &self.terminal.clock;
        let whole = until.since(from).millis().max(1);
        let line = |now: Time| {
            let left = until.since(now).millis();
            let eighths = (left * BAR * 8 / whole).clamp(0, BAR * 8);
            let (full, part) = (eighths / 8, eighths % 8);
            let mut bar = "█".repeat(usize::try_from(full).unwrap_or(0));
            bar.extend(" ▏▎▍▌▋▊▉".chars().nth(usize::try_from(part).unwrap_or(0)).filter(|c| *c != ' '));
            format!("    {}ends in {} ▕{}▏", pad(claim, CLAIM), reader.at(now).left(until), pad(&bar, 24))
        };
        if !self.terminal.is_live() {
            self.terminal.say(line(clock.now()));
        }
        loop {
            self.alive()?;
            let now = clock.now();
            if now >= until {
                break;
            }
            if self.terminal.is_live() {
                self.terminal.rewrite(&line(now));
            }
            let left = until.since(now).min(Span::from_millis(250)).millis();
            self.terminal.pause(Duration::from_millis(u64::try_from(left).unwrap_or(0).max(1)));
        }
        if self.terminal.is_live() {
            self.terminal.rewrite(&line(until));
            self.terminal.say("");
        }
        Ok(())
    }
}
