//! The snapshot file: the state at one head of the log, so that a start reads only the entries after it.
//! It never says anything that the log does not say; without it a start takes longer, and nothing else changes.
//!
//! Always: bound to tenant, size and root, and signed with the log's key, so that whoever can write to the folder
//! cannot give themselves a right by it. A file that does not fit is ignored with a warning.

use crate::store::Fault;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use writ_core::ids::TenantId;
use writ_core::log::{Frontier, Head};
use writ_core::state::State;

/// The form of this version. Another one's snapshot is ignored.
const FORM: u16 = 1;

/// The first line of the file; the state follows it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Title {
    form: u16,
    tenant: TenantId,
    /// Which build of the rules wrote it: another one may fold the same log into a state of another shape.
    build: String,
    head: Head,
    frontier: Frontier,
    /// SHA-256 of the state's bytes.
    hash: String,
}

const BUILD: &str = env!("CARGO_PKG_VERSION");

/// Writes the snapshot: to a new file, synced, then renamed over the old one.
pub(super) fn write(path: &Path, state: &State, frontier: &Frontier, key: &SigningKey) -> Result<(), Fault> {
    let body = state.to_snapshot();
    let title = Title {
        form: FORM,
        tenant: state.tenant,
        build: BUILD.to_owned(),
        head: frontier.head(),
        frontier: frontier.clone(),
        hash: hex::encode(Sha256::digest(&body)),
    };
    let title = serde_json::to_string(&title).map_err(|e| Fault(format!("the snapshot's title: {e}")))?;
    let signature = hex::encode(key.sign(&signed(&title)).to_bytes());
    let failed = |e: std::io::Error| Fault(format!("cannot write {}: {e}", path.display()));
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(failed)?;
    file.write_all(format!("{title}\n{signature}\n").as_bytes())
        .and_then(|()| file.write_all(&body))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all()))
        .map_err(failed)
}

/// The state and frontier of the snapshot, if there is one that fits. The error says why it does not.
pub(super) fn read(path: &Path, tenant: TenantId, key: &VerifyingKey) -> Result<Option<(State, Frontier)>, String> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    }
    let (title, rest) = line(&bytes).ok_or("it has no title")?;
    let (signature, body) = line(rest).ok_or("it has no signature")?;
    let mut given = [0; 64];
    hex::decode_to_slice(signature, &mut given).map_err(|_| "its signature is not readable")?;
    key.verify_strict(&signed(title), &Signature::from_bytes(&given))
        .map_err(|_| "it was not signed by this log's key")?;
    let title: Title = serde_json::from_str(title).map_err(|e| e.to_string())?;
    if (title.form, title.tenant, title.build.as_str()) != (FORM, tenant, BUILD) {
        return Err("it is of another version or tenant".into());
    }
    if hex::encode(Sha256::digest(body)) != title.hash || title.frontier.head() != title.head {
        return Err("it was altered".into());
    }
    let state = State::from_snapshot(body)?;
    if (state.tenant, state.seq) != (tenant, title.head.size) {
        return Err("its state is of another position".into());
    }
    Ok(Some((state, title.frontier)))
}

/// Deletes the snapshot; a missing one is fine.
pub(super) fn forget(path: &Path) -> Result<(), Fault> {
    for path in [path, &path.with_extension("new")] {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                return Err(Fault(format!("cannot delete {}: {e}", path.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

fn signed(title: &str) -> Vec<u8> {
    // The words in front keep a snapshot's signature from standing for anything else that this key signs.
    [b"writ snapshot\n", title.as_bytes()].concat()
}

fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}
