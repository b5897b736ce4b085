//! Takes everything of Writ off the host. What people did under it stays in the log folder, which is evidence.
//!
//! Always: no file that others wrote is changed, except that our line leaves PAM's.

use crate::cgroups::Cgroups;
use crate::clock;
use crate::ending::{Ending, Whose};
use crate::places::{LOG_DIR, RUN_DIR, STATE_DIR};
use crate::{agent, files, install, sessions};
use std::fs;
use writ_core::time::Span;

/// Uninstalls. Elevated sessions end.
pub fn uninstall() -> Result<(), String> {
    let _lock = agent::lock()?;
    withdraw()?;
    sessions::uninstall()?;
    if let Some(cgroups) = Cgroups::find() {
        cgroups.uninstall();
    }
    for dir in [STATE_DIR, RUN_DIR] {
        match fs::remove_dir_all(dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(format!("cannot remove {dir}: {e}")),
            _ => {}
        }
    }
    println!(
        "Writ is gone from this host. {LOG_DIR} holds what was done under it; remove it when you need it no more."
    );
    Ok(())
}

/// Takes every rule of ours out, and ends every elevated session.
pub fn withdraw() -> Result<(), String> {
    let (uids, leftovers) = install::present()?;
    for uid in uids {
        install::take(uid)?;
        sessions::direct(uid, None)?;
    }
    for path in leftovers {
        files::remove(&path)?;
    }
    if let Some(cgroups) = Cgroups::find() {
        end_sessions(&cgroups);
    }
    Ok(())
}

fn end_sessions(cgroups: &Cgroups) {
    for name in cgroups.names() {
        let uid = name.rsplit('.').next().and_then(|uid| uid.parse().ok()).unwrap_or(u32::MAX);
        let now = clock::now();
        let whose = Whose { cgroup: name, uid, began: now.boot, ended: now.boot, grace: Span::ZERO };
        let mut ending = Ending::begin(whose, &now);
        while !ending.is_done() {
            let now = clock::now();
            ending.advance(Some(cgroups), &now);
            let rest = u64::try_from(ending.next.millis() - now.boot.millis()).unwrap_or(0);
            std::thread::park_timeout(std::time::Duration::from_millis(rest.clamp(1, 2_000)));
        }
    }
}
