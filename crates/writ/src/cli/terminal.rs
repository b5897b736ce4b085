//! The terminal, or what stands in its place: what it can show, how it asks, how it waits.
//!
//! Always: nothing is asked when input is not a terminal; then the missing flag or variable is named.

use super::stop::Stop;
use super::table::{Accent, Look, Table};
use crate::clock::Clock;
use crate::config::Environment;
use crate::when::Reader;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use zeroize::Zeroizing;

/// Where a command speaks.
#[derive(Clone)]
pub struct Terminal {
    /// What it can show.
    pub look: Look,
    /// Answers are for a program.
    pub json: bool,
    /// The environment of the process.
    pub env: Environment,
    /// What time it is.
    pub clock: Clock,
    asks: bool,
    live: bool,
}

impl Terminal {
    /// This process's terminal.
    pub fn here(env: Environment, json: bool) -> Self {
        let live = std::io::stdout().is_terminal();
        let colour = live && !json && env.get("NO_COLOR").is_none() && env.get("TERM") != Some("dumb");
        let measured = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
        let named = env.get("COLUMNS").and_then(|columns| columns.parse().ok());
        let width = named.or(measured.filter(|columns| *columns > 0)).unwrap_or(96).clamp(40, 120);
        Self {
            look: Look { width, colour },
            json,
            env,
            clock: Clock::system(),
            asks: std::io::stdin().is_terminal(),
            live,
        }
    }

    /// A terminal that nobody sits at; for tests and for the demo's own lines.
    pub fn bare(look: Look, env: Environment, clock: Clock) -> Self {
        Self { look, json: false, env, clock, asks: false, live: false }
    }

    /// How this person reads times.
    pub fn reader(&self) -> Reader {
        Reader::new(self.env.zone(), self.clock.now())
    }

    /// Whether somebody can be asked.
    pub fn can_ask(&self) -> bool {
        self.asks && !self.json
    }

    /// Whether what is printed is seen on a screen.
    pub fn shows(&self) -> bool {
        self.live
    }

    /// Whether lines can be rewritten in place.
    pub fn is_live(&self) -> bool {
        self.live && !self.json && self.env.get("TERM") != Some("dumb")
    }

    /// Prints a line. A reader who went away ends the command quietly, as for any Unix tool.
    pub fn say(&self, line: impl AsRef<str>) {
        self.write(line.as_ref(), true);
    }

    /// Prints text that has its own line ends.
    pub fn print(&self, text: impl AsRef<str>) {
        self.write(text.as_ref(), false);
    }

    /// Prints a table.
    pub fn table(&self, table: &Table) {
        self.print(table.told(self.look));
    }

    /// Prints a value for programs.
    pub fn value(&self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.say(text),
            Err(error) => self.complain(&format!("the answer cannot be written: {error}")),
        }
    }

    /// Text with an accent.
    pub fn paint(&self, accent: Accent, text: &str) -> String {
        self.look.paint(accent, text)
    }

    /// Says something that is not the answer: to the error output.
    pub fn complain(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// Rewrites the current line. Only where [`Terminal::is_live`].
    pub fn rewrite(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "\r\u{1b}[2K{line}");
        let _ = out.flush();
    }

    /// Asks for something secret, without echo; or reads it from the variable.
    ///
    /// # Errors
    /// When input is not a terminal and the variable is not set.
    pub fn secret(&self, label: &str, variable: &'static str) -> Result<Zeroizing<String>, Stop> {
        if let Some(value) = self.env.get(variable) {
            return Ok(Zeroizing::new(value.to_owned()));
        }
        if !self.can_ask() {
            return Err(Stop::Usage(format!(
                "{label} is needed, and there is no terminal to ask on. Set {variable}, or run this in a terminal."
            )));
        }
        let read = rpassword::prompt_password(format!("{label}: "));
        read.map(|text| Zeroizing::new(text.trim().to_owned()))
            .map_err(|e| Stop::Fault(format!("the terminal cannot be read: {e}")))
    }

    /// Asks for something that may be seen.
    ///
    /// # Errors
    /// When input is not a terminal; the sentence names the flag.
    pub fn ask(&self, label: &str, flag: &str) -> Result<String, Stop> {
        if !self.can_ask() {
            return Err(Stop::Usage(format!("{label} is missing; add {flag}")));
        }
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "{label}: ").and_then(|()| out.flush());
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(|e| Stop::Fault(format!("the terminal cannot be read: {e}")))?;
        Ok(line.trim().to_owned())
    }

    /// Waits a while; a bound, never a busy loop.
    pub fn pause(&self, span: Duration) {
        // Nothing ever arrives on this channel: waiting on it is waiting for the time to pass.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(span);
    }

    fn write(&self, text: &str, end: bool) {
        let mut out = std::io::stdout().lock();
        let written = if end { writeln!(out, "{text}") } else { write!(out, "{text}") };
        if let Err(error) = written.and_then(|()| out.flush())
            && error.kind() == std::io::ErrorKind::BrokenPipe
        {
            std::process::exit(0);
        }
    }
}
