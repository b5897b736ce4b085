//! Writes a tenant's log as an export: JSON lines that anybody can verify without this server.
//! It reads the store only, beside a running server too, and holds no more than one batch of entries at a time.
//!
//! Always: every line that goes out has passed the verifier's eyes, so that an export of a damaged log says so at
//! once; the last line is a signed checkpoint over all that went before.

use crate::store::{Fault, READ_MAX, Store};
use std::io::Write;
use std::path::{Path, PathBuf};
use writ_core::ids::TenantId;
use writ_core::log::export::{Header, checkpoint_line, entry_line};
use writ_core::log::{Entry, Finding, LogKey, Verifier, Whole};

/// The kind that puts an erasure on record.
const ERASED: &str = "erased";

/// Where a tenant's public log key lies, for whoever exports beside a running server or hands the key to others.
pub fn key_file(data: &Path, tenant: TenantId) -> PathBuf {
    data.join(tenant.to_string()).join("log.pub")
}

/// Writes the log's public key beside the database, unless it is there already.
///
/// # Errors
/// When the file cannot be written.
pub fn publish_key(data: &Path, tenant: TenantId, key: &LogKey) -> Result<(), Fault> {
    let (at, text) = (key_file(data, tenant), format!("{key}\n"));
    if std::fs::read_to_string(&at).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let fresh = at.with_extension("new");
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, &at))
        .map_err(|e| Fault::new(format!("{} cannot be written: {e}", at.display())))
}

/// Writes the log, and what the verifier says of it. A finding does not stop the writing: the copy is the
/// evidence.
///
/// # Errors
/// When the store cannot be read, has no signed checkpoint, or the output cannot be written.
pub async fn export(
    store: &Store,
    tenant: TenantId,
    key: &LogKey,
    redacted: bool,
    out: &mut impl Write,
) -> Result<Result<Whole, Finding>, Fault> {
    let mut lines = Lines { out, verifier: Verifier::new(Some(key.clone()), Vec::new()) };
    lines.put(&Header::new(tenant, key, redacted).line())?;
    let mut written = 0;
    loop {
        let checkpoints = store.checkpoints().await?;
        let Some(&(size, _)) = checkpoints.last() else {
            return Err(Fault::new("the log has no signed checkpoint yet: nothing was ever recorded in it"));
        };
        // What was appended meanwhile waits for the next export, except an erasure: its texts may be gone from
        // the entries that were just read, and only its own entry says why.
        if written > 0 && !erased_between(store, written, size).await? {
            break;
        }
        let from = written;
        for (size, note) in checkpoints.iter().filter(|(size, _)| *size > from) {
            copy(store, &mut written, *size, redacted, &mut lines).await?;
            lines.put(&checkpoint_line(note))?;
        }
    }
    lines.out.flush().map_err(unwritten)?;
    Ok(lines.verifier.finish())
}

/// Copies the entries after `written` up to `size`.
async fn copy(
    store: &Store,
    written: &mut u64,
    size: u64,
    redacted: bool,
    lines: &mut Lines<'_, impl Write>,
) -> Result<(), Fault> {
    while *written < size {
        let entries = read(store, *written, size).await?;
        if entries.is_empty() {
            return Err(Fault::new(format!("the log ends at entry {written}, a checkpoint says {size}")));
        }
        for entry in &entries {
            lines.put(&entry_line(entry, redacted))?;
        }
        *written += entries.len() as u64;
    }
    Ok(())
}

async fn erased_between(store: &Store, after: u64, size: u64) -> Result<bool, Fault> {
    let mut read_to = after;
    while read_to < size {
        let entries = read(store, read_to, size).await?;
        if entries.iter().any(|entry| entry.kind == ERASED) {
            return Ok(true);
        }
        if entries.is_empty() {
            break;
        }
        read_to += entries.len() as u64;
    }
    Ok(false)
}

async fn read(store: &Store, after: u64, size: u64) -> Result<Vec<Entry>, Fault> {
    let limit = u32::try_from(size - after).unwrap_or(READ_MAX).min(READ_MAX);
    store.read(after, limit).await
}

struct Lines<'a, W> {
    out: &'a mut W,
    verifier: Verifier,
}

impl<W: Write> Lines<'_, W> {
    fn put(&mut self, line: &[u8]) -> Result<(), Fault> {
        // The verifier remembers what it found; `finish` says it.
        let _ = self.verifier.feed(line);
        self.out.write_all(line).map_err(unwritten)
    }
}

fn unwritten(error: std::io::Error) -> Fault {
    Fault::new(format!("the export cannot be written: {error}"))
}
