//! Checks a copy of the log, line by line: `writ log verify FILE`.
//!
//! Always: without a checkpoint given to compare with, the newest one that this user has seen is compared with, so
//! that an older or forked copy does not pass for the log.

use super::super::remembered::Remembered;
use super::super::stop::Stop;
use super::super::table::Accent;
use super::super::terminal::Terminal;
use super::{entries, grouped, read_key, read_small};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use writ_core::log::export::LINE_MAX;
use writ_core::log::verify::Wrong;
use writ_core::log::{Finding, LogKey, Signed, Verifier, Whole};
use writ_core::time::{Span, Time};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The copy: JSON lines, as `writ log export` writes them
    file: PathBuf,
    /// The log's public key: the text itself or a file with it. Without it the file vouches for itself
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// A file with a checkpoint that you kept: proves that this log continues it
    #[arg(long, value_name = "CHECKPOINT")]
    seen: Option<PathBuf>,
}

/// What was checked, and with what.
struct Checked {
    whole: Whole,
    /// The checkpoint compared with was the remembered one.
    from_memory: bool,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let began = terminal.clock.now();
    let key = args.key.as_deref().map(key_named).transpose()?;
    let seen = args.seen.as_deref().map(read_checkpoint).transpose()?;
    // Without a home there is nothing to remember in; checking works all the same.
    let remembered = terminal.env.state_dir().ok().map(|dir| Remembered::at(&dir));
    let checked = check(&args.file, key, seen, remembered.as_ref())?;
    if let Some(remembered) = &remembered {
        remembered.keep(&checked.whole.key, &checked.whole.checkpoint, None)?;
    }
    let took = terminal.clock.now().since(began);
    if terminal.json {
        terminal.value(&to_json(&checked));
    } else {
        told(args, &checked, took, terminal);
    }
    Ok(())
}

fn check(
    file: &Path,
    key: Option<LogKey>,
    seen: Option<Signed>,
    remembered: Option<&Remembered>,
) -> Result<Checked, Stop> {
    let unread = |e: std::io::Error| Stop::Usage(format!("{} cannot be read: {e}", file.display()));
    let mut lines = BufReader::with_capacity(1 << 16, std::fs::File::open(file).map_err(unread)?);
    let (given, from_memory) = (key.is_some(), seen.is_none());
    let mut verifier = Verifier::new(key, seen.into_iter().collect());
    let mut line = Vec::new();
    let mut kept = None;
    let mut number = 0u64;
    loop {
        line.clear();
        // One more byte than the longest line tells a long line from a whole one.
        let read = (&mut lines).take(LINE_MAX as u64 + 1).read_until(b'\n', &mut line).map_err(unread)?;
        if read == 0 {
            break;
        }
        number += 1;
        verifier.feed(&line).map_err(|found| not_whole(&found, kept.is_some()))?;
        if number == 1 && from_memory {
            kept = recall(&verifier, given, remembered)?;
            if let Some(kept) = kept.clone() {
                verifier.compare_with(kept).map_err(|found| not_whole(&found, true))?;
            }
        }
    }
    let whole = verifier.finish().map_err(|found| not_whole(&found, kept.is_some()))?;
    Ok(Checked { whole, from_memory: kept.is_some() })
}

/// The remembered checkpoint of the log whose header was just read.
fn recall(verifier: &Verifier, given: bool, remembered: Option<&Remembered>) -> Result<Option<Signed>, Stop> {
    let (Some(key), Some(remembered)) = (verifier.key(), remembered) else { return Ok(None) };
    let kept = remembered.newest(key)?;
    // A forger can sign a log of their own with a key of their own; only the key that was seen before, or one
    // that is given, says whose it is.
    if kept.is_none() && !given && !remembered.other_keys(key).is_empty() {
        return Err(Stop::NotWhole(format!(
            "✗ header: this log names another key (…+{}+…) than the one it had when you last looked.\n  If the key was \
             really changed, get the new one from somebody you trust and give it with --key.",
            key.hash()
        )));
    }
    Ok(kept.map(|memory| memory.signed))
}

/// The key itself, or a file with it.
fn key_named(text: &str) -> Result<LogKey, Stop> {
    text.parse().or_else(|_| read_key(Path::new(text)))
}

fn read_checkpoint(path: &Path) -> Result<Signed, Stop> {
    let text = read_small(path, "the checkpoint")?;
    text.parse().map_err(|why| Stop::Usage(format!("{}: {why}", path.display())))
}

fn not_whole(found: &Finding, from_memory: bool) -> Stop {
    let hint = match found.wrong {
        Wrong::RolledBack { .. } | Wrong::Forked { .. } if from_memory => {
            "\n  The checkpoint is the newest that you have seen of this log. To check an older copy on purpose, give a \
             checkpoint of its time with --seen."
        }
        Wrong::OtherKey => "\n  Give the key that this log was signed with, or ask why it changed.",
        _ => "",
    };
    Stop::NotWhole(format!("✗ {found}{hint}\nThis log is not whole."))
}

fn told(args: &Args, checked: &Checked, took: Span, terminal: &Terminal) {
    let whole = &checked.whole;
    let reader = terminal.reader();
    let day = |time: Time| reader.day(time);
    let good = |text: String| terminal.say(format!("{} {text}", terminal.paint(Accent::Good, "✓")));
    match (whole.first, whole.last) {
        (Some(first), Some(last)) => good(format!(
            "{}, unbroken from the first ({}) to {}",
            entries(whole.head.size),
            day(first),
            reader.exact(last)
        )),
        _ => good("no entries yet".to_owned()),
    }
    if whole.key_given {
        let key = args.key.as_deref().unwrap_or_default();
        let named = if key.contains('+') { "" } else { key };
        let named = if named.is_empty() { String::new() } else { format!(" ({named})") };
        good(format!("signed by the key you gave{named}"));
    } else {
        terminal.say(format!(
            "{} signed by the key that the file names itself: it fits together, but anybody could have made it.\n  \
             Give the key you trust with --key (on the server: writ log key)",
            terminal.paint(Accent::Wait, "!")
        ));
    }
    for (size, at) in &whole.continues {
        let of = at.map_or_else(String::new, |at| format!(" of {}", day(at)));
        let which = if checked.from_memory { "the newest checkpoint you have seen" } else { "the checkpoint" };
        good(format!("continues {which}{of} ({})", entries(*size)));
    }
    if whole.redacted {
        terminal.say(format!("  a redacted copy: {} private texts were left out", grouped(whole.texts_gone)));
    }
    let erased = match whole.erased {
        0 => String::new(),
        1 => "1 person erased since; the entries still verify".to_owned(),
        n => format!("{} people erased since; their entries still verify", grouped(n)),
    };
    let seconds = took.millis() as f64 / 1000.0;
    terminal.say(format!("  {erased:<70} {seconds:.2} s"));
}

fn to_json(checked: &Checked) -> serde_json::Value {
    let whole = &checked.whole;
    serde_json::json!({
        "whole": true,
        "tenant": whole.tenant,
        "entries": whole.head.size,
        "root": hex::encode(whole.head.root),
        "first": whole.first,
        "last": whole.last,
        "key": whole.key.to_string(),
        "key_given": whole.key_given,
        "checkpoint": whole.checkpoint,
        "checkpoints": whole.checkpoints,
        "continues": whole.continues.iter().map(|(size, _)| size).collect::<Vec<_>>(),
        "continues_remembered": checked.from_memory,
        "erased": whole.erased,
        "texts_gone": whole.texts_gone,
        "redacted": whole.redacted,
    })
}
