//! Elevated sessions: how a sudo session gets into the cgroup of its grant, and stays there, through an optional PAM hook.
//! The hook never refuses anything, and sudo works as before when it is missing, broken or removed.
//!
//! The hook stands last. `pam_systemd` gives a login session, and a cgroup, to whatever has none yet: called after us it
//! would carry `sudo -i` off, and called before us by `su` it does. So the hook comes after it, and brings back what
//! descends from an elevated session.
//!
//! Always: PAM's files get one line of ours and nothing else changes in them; taking it out restores them exactly.

use crate::accounts::Passwd;
use crate::cgroups::{Cgroups, enter};
use crate::config::PamSession;
use crate::ending::is_monitor;
use crate::files;
use crate::places::{PAM_SU, PAM_SUDO, PASSWD, RUN_DIR};
use crate::processes;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the line is found by.
const MARK: &str = " pam-hook # Writ: elevated sessions by activation";
/// How it ends in a file whose last line had no end before.
const ENDED: &str = ", and the end of the line above";

/// The file with the line that calls this program when a session opens.
fn with(text: &str, program: &[String]) -> String {
    let (break_before, ended) = if text.is_empty() || text.ends_with('\n') { ("", "") } else { ("\n", ENDED) };
    format!("{text}{break_before}session optional pam_exec.so quiet seteuid {}{MARK}{ended}\n", program.join(" "))
}

/// Puts the hook into PAM's services for sudo. Returns whether there is one now; a host without such a service has none.
pub fn install(program: &[String]) -> Result<bool, String> {
    if program.iter().any(|word| word.contains(|c: char| c.is_whitespace() || "[]#\\".contains(c))) {
        return Err(format!("PAM cannot call a program with such a path: {}", program.join(" ")));
    }
    let mut installed = false;
    for path in PAM_SUDO.into_iter().chain(PAM_SU).map(Path::new) {
        let Some((text, mode)) = read(path)? else { continue };
        let wanted = with(&without(&text), program);
        if text != wanted {
            files::replace(path, wanted.as_bytes(), mode)?;
        }
        installed |= PAM_SUDO.iter().any(|sudo| path == Path::new(sudo));
    }
    Ok(installed)
}

/// Takes the hook out again.
pub fn uninstall() -> Result<(), String> {
    for path in PAM_SUDO.into_iter().chain(PAM_SU).map(Path::new) {
        if let Some((text, mode)) = read(path)?
            && without(&text) != text
        {
            files::replace(path, without(&text).as_bytes(), mode)?;
        }
    }
    Ok(())
}

/// Whether sudo's service calls the hook.
pub fn is_installed() -> bool {
    let [sudo, _] = PAM_SUDO;
    fs::read_to_string(sudo).is_ok_and(|text| without(&text) != text)
}

fn read(path: &Path) -> Result<Option<(String, u32)>, String> {
    if !path.exists() {
        return Ok(None);
    }
    let fault = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    let mode = fs::metadata(path).map_err(fault)?.permissions().mode() & 0o7777;
    Ok(Some((fs::read_to_string(path).map_err(fault)?, mode)))
}

fn without(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if !line.contains(MARK) {
            kept.push_str(line);
        } else if line.trim_end().ends_with(ENDED) && kept.ends_with('\n') {
            kept.pop();
        }
    }
    kept
}

/// Says where the sessions of a uid go from now on; `None`: nowhere special.
pub fn direct(uid: u32, cgroup: Option<&Path>) -> Result<(), String> {
    let path = direction(uid);
    match cgroup {
        Some(place) => {
            let text = place.display().to_string();
            if fs::read_to_string(&path).is_ok_and(|now| now == text) {
                return Ok(());
            }
            files::private_dir(&format!("{RUN_DIR}/elevate"))?;
            files::replace(&path, text.as_bytes(), 0o600)
        }
        None => files::remove(&path).map(drop),
    }
}

fn direction(uid: u32) -> PathBuf {
    Path::new(RUN_DIR).join("elevate").join(uid.to_string())
}

/// The hook itself: PAM has called us for a session that `sudo` or `su` opens. Puts our parent, which is that program,
/// into a leaf of its own in the cgroup that is named for the account, or else into the leaf of the elevated session
/// that it descends from; what it starts follows it there.
pub fn hook(session: &PamSession) -> Result<(), String> {
    if session.kind != "open_session" {
        return Ok(());
    }
    let Some(caller) = rustix::process::getppid() else { return Ok(()) };
    let caller = caller.as_raw_nonzero().get().unsigned_abs();
    if let Some(place) = directed(session)? {
        let leaf = place.join(format!("session-{caller}"));
        fs::create_dir_all(&leaf).map_err(|e| format!("cannot make the cgroup {}: {e}", leaf.display()))?;
        return enter(&leaf, caller);
    }
    match elevated_above(caller).zip(Cgroups::find()).and_then(|(below, cgroups)| cgroups.leaf(&below)) {
        Some(leaf) => enter(&leaf, caller),
        None => Ok(()),
    }
}

/// Where sudo sessions of whoever calls go, if anywhere.
fn directed(session: &PamSession) -> Result<Option<PathBuf>, String> {
    if !session.service.starts_with("sudo") {
        return Ok(None);
    }
    let passwd = Passwd::parse(&fs::read_to_string(PASSWD).map_err(|e| format!("cannot read {PASSWD}: {e}"))?);
    let Some(uid) = passwd.uid_of(&session.by) else { return Ok(None) };
    Ok(fs::read_to_string(direction(uid)).ok().map(PathBuf::from))
}

/// The nearest leaf of ours that somebody above this process is in. The process itself may have been carried off. Whoever
/// logs in through a monitor is a login of their own, also when the monitor was started in an elevated session.
fn elevated_above(pid: u32) -> Option<String> {
    let mut above = processes::read(pid)?.parent;
    // No chain of parents is as long as this; a bound all the same.
    for _ in 0..256 {
        if above <= 1 || is_monitor(above) {
            return None;
        }
        if let Some(leaf) = Cgroups::leaf_of(above) {
            return Some(leaf);
        }
        above = processes::read(above)?.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_the_hook_out_restores_the_file_exactly() {
        let program = ["/usr/bin/writ".to_owned(), "agent".to_owned()];
        for text in ["", "session required pam_unix.so", "#%PAM-1.0\n\nsession required pam_limits.so\n@include x\n"] {
            let hooked = with(text, &program);
            assert_eq!(without(&hooked), text);
            assert_eq!(with(&without(&hooked), &program), hooked, "installed twice is installed once");
            let last = hooked.lines().last().unwrap();
            assert!(
                last.starts_with("session optional pam_exec.so quiet seteuid /usr/bin/writ agent pam-hook"),
                "{last}"
            );
        }
    }
}
