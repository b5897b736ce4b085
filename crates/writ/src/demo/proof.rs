//! The last act: the log leaves the server as a file, is verified without it, and one flipped byte is caught.
//!
//! Always: what is verified is the file, by the same code that `writ log verify` runs.

use super::untrue;
use crate::cli::stop::Stop;
use crate::server::tenant::Tenant;
use writ_core::ids::Seq;
use writ_core::log::Head;
use writ_core::log::checkpoint::LogKey;
use writ_core::log::verify::{Finding, Place, Verifier, Whole};

/// The whole log as a file's bytes.
pub(super) async fn export(tenant: &Tenant) -> Result<Vec<u8>, Stop> {
    let fault = |e: crate::store::Fault| Stop::Fault(e.to_string());
    let mut file = Vec::new();
    let (id, key) = (tenant.place.tenant(), tenant.engine.log_key());
    let checked = crate::export::export(&tenant.store, id, key, false, &mut file).await.map_err(fault)?;
    checked.map_err(|found| untrue(&format!("the log in the database is whole ({found})")))?;
    Ok(file)
}

/// Verifies a file line by line.
pub(super) fn verify(file: &[u8], key: &LogKey) -> Result<Whole, Finding> {
    let mut verifier = Verifier::new(Some(key.clone()), Vec::new());
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        verifier.feed(line)?;
    }
    verifier.finish()
}

/// A copy of the file with one letter of the approval changed, and the entry it is in.
pub(super) fn tampered(file: &[u8]) -> Result<(Vec<u8>, Seq), Stop> {
    let lines = file.split_inclusive(|byte| *byte == b'\n');
    let mut at = 0;
    for line in lines {
        let text = String::from_utf8_lossy(line);
        if text.contains("\"kind\":\"request_approved\"") {
            let seq = text.split("\"seq\":").nth(1).and_then(|rest| rest.split([',', '}']).next()?.parse().ok());
            let spot = text.find("\"by\":\"").map(|found| at + found + "\"by\":\"".len());
            if let (Some(seq), Some(spot)) = (seq, spot) {
                let mut copy = file.to_vec();
                // One hexadecimal digit of who approved: the smallest lie there is.
                copy[spot] = if copy[spot] == b'0' { b'1' } else { b'0' };
                return Ok((copy, seq));
            }
        }
        at += line.len();
    }
    Err(untrue("the exported log holds the approval"))
}

/// Whether a finding names this entry.
pub(super) fn names(finding: &Finding, seq: Seq) -> bool {
    finding.place == Place::Entry(seq)
}

/// The root hash as people compare it: its first characters.
pub(super) fn root(head: Head) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(head.root);
    format!("{}…", text.chars().take(8).collect::<String>())
}
