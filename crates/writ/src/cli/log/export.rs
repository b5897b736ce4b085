//! Copies the log out of the database: `writ log export`, and the key and checkpoint that go with copies.
//!
//! Always: the copy appears under its name only when it is complete, and only its owner can read it: unless it is
//! redacted it holds personal data.

use super::super::stop::{Stop, fault};
use super::super::table::Accent;
use super::super::terminal::Terminal;
use super::{Whose, entries, read_key, wait_for};
use crate::export::{export, key_file};
use crate::store::{Store, sqlite};
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use writ_core::ids::TenantId;
use writ_core::log::LogKey;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    whose: Whose,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Leave out names, addresses and free text; the copy verifies all the same
    #[arg(long)]
    redacted: bool,
}

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Stop> {
    let (data, tenant) = args.whose.find(terminal)?;
    let key = public_key(&data, tenant)?;
    let store = open(&data, tenant)?;
    let shown = args.out.display();
    // Beside its place, so that taking the place is one step.
    let mut beside = args.out.clone().into_os_string();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut out = BufWriter::new(create(&beside)?);
    let checked =
        wait_for(async { export(&store, tenant, &key, args.redacted, &mut out).await.map_err(|e| Stop::Fault(e.0)) });
    let placed = checked.and_then(|checked| {
        let file = out.into_inner().map_err(|e| Stop::Fault(format!("{shown} cannot be written: {e}")))?;
        file.sync_all()
            .and_then(|()| std::fs::rename(&beside, &args.out))
            .map_err(fault(format!("{shown} cannot be written")))?;
        Ok(checked)
    });
    if placed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    match placed? {
        Ok(whole) if terminal.json => {
            terminal.value(
                &serde_json::json!({"file": args.out, "entries": whole.head.size, "checkpoint": whole.checkpoint}),
            );
        }
        Ok(whole) => {
            let redacted = if args.redacted { ", without private texts" } else { "" };
            let good = terminal.paint(Accent::Good, "✓");
            terminal.say(format!(
                "{good} {} in {shown}{redacted}; verify with: writ log verify {shown}",
                entries(whole.head.size)
            ));
        }
        Err(found) => {
            return Err(Stop::NotWhole(format!(
                "✗ {found}\nThe log in the database is not whole. What is there is in {shown}; keep it as evidence."
            )));
        }
    }
    Ok(())
}

/// Prints the public key.
pub(super) fn key(whose: &Whose, terminal: &Terminal) -> Result<(), Stop> {
    let (data, tenant) = whose.find(terminal)?;
    let key = public_key(&data, tenant)?.to_string();
    if terminal.json {
        terminal.value(&serde_json::json!({"key": key}))
    } else {
        terminal.say(key)
    }
    Ok(())
}

/// Prints the newest checkpoint.
pub(super) fn checkpoint(whose: &Whose, terminal: &Terminal) -> Result<(), Stop> {
    let (data, tenant) = whose.find(terminal)?;
    let store = open(&data, tenant)?;
    let note = wait_for(async { store.checkpoint().await.map_err(|e| Stop::Fault(e.0)) })?;
    let note = note.ok_or_else(|| Stop::Fault("Nothing was ever recorded in this log.".to_owned()))?;
    if terminal.json {
        terminal.value(&serde_json::json!({"checkpoint": note}))
    } else {
        terminal.print(note)
    }
    Ok(())
}

fn open(data: &Path, tenant: TenantId) -> Result<Store, Stop> {
    sqlite::Log::open_to_read(data, tenant).map(Store::Sqlite).map_err(|e| Stop::Fault(e.0))
}

fn public_key(data: &Path, tenant: TenantId) -> Result<LogKey, Stop> {
    let path = key_file(data, tenant);
    if !path.exists() {
        return Err(Stop::Fault(format!(
            "{} is missing; the server writes it when it starts. Start it once, then try again.",
            path.display()
        )));
    }
    read_key(&path)
}

fn create(path: &Path) -> Result<File, Stop> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(fault(format!("{} cannot be made", path.display())))
}
