//! Elevated sessions: how a sudo session gets into the cgroup of its grant, through an optional PAM hook.
//! The hook never refuses anything, and sudo works as before when it is missing, broken or removed.
//!
//! Always: PAM's files get one line of ours and nothing else changes in them; taking it out restores them exactly.

use crate::accounts::Passwd;
use crate::cgroups::enter;
use crate::config::PamSession;
use crate::files;
use crate::places::{PAM_SUDO, PASSWD, RUN_DIR};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What the line is found by.
const MARK: &str = " pam-hook # Writ: elevated sessions by activation";

/// The line that calls this program when a session opens.
fn line(program: &[String]) -> String {
    format!("session optional pam_exec.so quiet seteuid {}{MARK}\n", program.join(" "))
}

/// Puts the hook into PAM's services for sudo. Returns whether there is one now; a host without such a service has none.
pub fn install(program: &[String]) -> Result<bool, String> {
    if program.iter().any(|word| word.contains(|c: char| c.is_whitespace() || "[]#\\".contains(c))) {
        return Err(format!("PAM cannot call a program with such a path: {}", program.join(" ")));
    }
    let mut installed = false;
    for path in PAM_SUDO.map(Path::new) {
        let Some((text, mode)) = read(path)? else { continue };
        // First, not last: the file may not end with a line end, and taking the line out must restore it exactly.
        let wanted = line(program) + &without(&text);
        if text != wanted {
            files::replace(path, wanted.as_bytes(), mode)?;
        }
        installed = true;
    }
    Ok(installed)
}

/// Takes the hook out again.
pub fn uninstall() -> Result<(), String> {
    for path in PAM_SUDO.map(Path::new) {
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
    text.split_inclusive('\n').filter(|line| !line.contains(MARK)).collect()
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

/// The hook itself: PAM has called us for a session that `sudo` opens. Puts sudo, our parent, into a leaf of its own in
/// the cgroup that is named for the account; what sudo starts follows it there.
pub fn hook(session: &PamSession) -> Result<(), String> {
    if session.kind != "open_session" {
        return Ok(());
    }
    let passwd = Passwd::parse(&fs::read_to_string(PASSWD).map_err(|e| format!("cannot read {PASSWD}: {e}"))?);
    let Some(uid) = passwd.uid_of(&session.by) else { return Ok(()) };
    let Ok(place) = fs::read_to_string(direction(uid)) else { return Ok(()) };
    let Some(sudo) = rustix::process::getppid() else { return Ok(()) };
    let sudo = sudo.as_raw_nonzero().get().unsigned_abs();
    let leaf = Path::new(&place).join(format!("session-{sudo}"));
    fs::create_dir_all(&leaf).map_err(|e| format!("cannot make the cgroup {}: {e}", leaf.display()))?;
    enter(&leaf, sudo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_the_hook_out_restores_the_file_exactly() {
        let program = ["/usr/bin/writ".to_owned(), "agent".to_owned()];
        for text in ["", "session required pam_unix.so", "#%PAM-1.0\n\nsession required pam_limits.so\n@include x\n"] {
            let with = line(&program) + text;
            assert_eq!(without(&with), text);
            assert!(with.starts_with("session optional pam_exec.so quiet seteuid /usr/bin/writ agent pam-hook"));
        }
    }
}
