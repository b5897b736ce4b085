//! The log in the hands of whoever runs or audits Writ: copies of it, proofs about it, and forgetting somebody.
//! `verify` needs neither server nor database; `export` reads beside a running server; `erase` asks the
//! server, or has the folder to itself.
//!
//! Always: a log is called whole only after every line was checked and a signature covers all of it.

mod accept;
mod erase;
mod export;
#[cfg(test)]
mod tests;
mod verify;

use super::Common;
use super::stop::Stop;
use super::terminal::Terminal;
use crate::config::{Flags, Settings};
use crate::server::tenant;
use clap::Subcommand;
use std::io::Read;
use std::path::{Path, PathBuf};
use writ_core::ids::TenantId;
use writ_core::log::LogKey;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Write a copy of the log that anybody can verify
    Export(export::Args),
    /// Check a copy of the log: was anything changed, removed, moved, cut off or rolled back?
    Verify(verify::Args),
    /// Forget the personal data of somebody; the log still verifies
    Erase(erase::Args),
    /// Print the log's public key, to keep it where the server cannot change it
    Key(Whose),
    /// Print the newest signed checkpoint, to compare later copies with
    Checkpoint(Whose),
    /// Accept that the server's log went back, after its restore from a copy was put on record
    Accept,
}

/// Which log on this machine.
#[derive(clap::Args, Debug, Default)]
struct Whose {
    /// The server's data directory (else WRIT_DATA, else /var/lib/writ)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The tenant, when the directory holds several
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
}

impl Whose {
    /// The data directory and the tenant in it.
    fn find(&self, terminal: &Terminal) -> Result<(PathBuf, TenantId), Stop> {
        let flags = Flags { data: self.data.clone(), ..Flags::default() };
        let data = Settings::gather(&flags, &terminal.env)?.data;
        let known = tenant::tenants(&data).map_err(|e| Stop::Fault(e.0))?;
        let ids = || known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (self.tenant, known.as_slice()) {
            (Some(tenant), _) if known.contains(&tenant) => Ok((data, tenant)),
            (None, [one]) => Ok((data, *one)),
            (_, []) => Err(Stop::Usage(format!(
                "There is no tenant in {}. Say where the server keeps its data with --data DIR.",
                data.display()
            ))),
            (Some(tenant), _) => {
                Err(Stop::Usage(format!("{} has no tenant {tenant}; it has {}.", data.display(), ids())))
            }
            (None, _) => {
                Err(Stop::Usage(format!("{} has several tenants; add --tenant with one of {}.", data.display(), ids())))
            }
        }
    }
}

pub(super) fn run(common: &Common, args: Args, terminal: &Terminal) -> Result<(), Stop> {
    match args.verb {
        Verb::Export(args) => export::run(&args, terminal),
        Verb::Verify(args) => verify::run(&args, terminal),
        Verb::Erase(args) => erase::run(common, &args, terminal),
        Verb::Key(whose) => export::key(&whose, terminal),
        Verb::Checkpoint(whose) => export::checkpoint(&whose, terminal),
        Verb::Accept => accept::run(common, terminal),
    }
}

/// Runs work on the store to its end.
fn wait_for<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Stop::Fault(format!("the system gave no resources to work with: {e}")))?.block_on(work)
}

/// Reads a small text file, such as a key or a checkpoint.
fn read_small(path: &Path, what: &str) -> Result<String, Stop> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(64 * 1024).read_to_string(&mut text))
        .map_err(|e| Stop::Usage(format!("{what} {} cannot be read: {e}", path.display())))?;
    Ok(text)
}

/// A log's public key in a file, on a line of its own.
fn read_key(path: &Path) -> Result<LogKey, Stop> {
    let text = read_small(path, "the key")?;
    text.trim_end().parse().map_err(|why| Stop::Usage(format!("{}: {why}", path.display())))
}

/// `48,112`: a number as people read it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

/// `1 entry`, `48,112 entries`.
fn entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(number)) }
}
