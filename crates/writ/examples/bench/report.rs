//! Figures in the form docs/benchmarks.md holds them: a Markdown table for each section.
//! It never rounds a figure into a better one; a share is cut, not rounded up.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Any wrong ends the run; a benchmark has nobody to tell but the terminal.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What was measured so far, told as it comes and printed whole at the end.
pub(crate) struct Report {
    text: String,
}

impl Report {
    /// Opens with the machine: figures without it say nothing.
    pub(crate) fn of_this_machine() -> Report {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let processor = first_of("/proc/cpuinfo", "model name");
        let memory = first_of("/proc/meminfo", "MemTotal");
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let text = format!("{cores} cores of {processor}, {memory} of memory, Linux {}\n", kernel.trim());
        Report { text }
    }

    /// A new table.
    pub(crate) fn section(&mut self, title: &str, columns: &[&str]) {
        let _ =
            write!(self.text, "\n### {title}\n\n| {} |\n|{}\n", columns.join(" | "), " --- |".repeat(columns.len()));
        eprintln!("\n{title}");
    }

    /// A row of the last table.
    pub(crate) fn row(&mut self, cells: &[String]) {
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
        eprintln!("  {}", cells.join("   "));
    }

    /// Everything, on standard output.
    pub(crate) fn print(&self) {
        println!("{}", self.text);
    }
}

fn first_of(file: &str, key: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
    line.map_or("unknown", |(_, value)| value.trim()).to_owned()
}

/// How long single steps took. Always: sorted before it is asked.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Runs `step` over and over for about `span`, timing each.
    pub(crate) fn of(span: Duration, mut step: impl FnMut() -> Result<(), Failed>) -> Result<Times, Failed> {
        let mut times = Vec::new();
        let begun = Instant::now();
        while begun.elapsed() < span {
            let one = Instant::now();
            step()?;
            times.push(one.elapsed());
        }
        Ok(Times(times))
    }

    pub(crate) fn add(&mut self, one: Duration) {
        self.0.push(one);
    }

    pub(crate) fn join(&mut self, other: Times) {
        self.0.extend(other.0);
    }

    /// The time that `share` (0 to 1) of all steps stayed within. Zero when nothing was timed.
    pub(crate) fn within(&mut self, share: f64) -> Duration {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let place = (share * last as f64).ceil() as usize;
        self.0.get(place.min(last)).copied().unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Steps a second, had they run one after the other.
    pub(crate) fn per_second(&self) -> f64 {
        let total: Duration = self.0.iter().sum();
        if total.is_zero() { 0.0 } else { self.0.len() as f64 / total.as_secs_f64() }
    }
}

/// The middle of a few rounds: one disturbed round does not move it.
pub(crate) fn middle(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

/// `12,345`
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.floor());
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes of memory this process has in use.
pub(crate) fn memory() -> Result<u64, Failed> {
    let told = std::fs::read_to_string("/proc/self/status")?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the kernel tells no memory")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

/// `183 MB`
pub(crate) fn bytes(number: u64) -> String {
    format!("{} MB", count(number as f64 / 1e6))
}

/// `0.82 ms`, `1.4 µs`, `2.1 s`
pub(crate) fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s if s >= 1e-6 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.0} ns", s * 1e9),
    }
}
