//! The session file: who is signed in to which server, so that the next command need not ask.
//! It never goes anywhere else, and a copy that others could read is not used.
//!
//! Always: the file is 0600 in a directory of the user's own, and is replaced whole or not at all.

use super::stop::{Stop, fault};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use writ_core::time::Time;
use zeroize::Zeroize;

/// What is remembered between commands.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The server's address.
    pub server: String,
    /// The tenant.
    pub tenant: String,
    /// Who is signed in, as they typed it.
    pub account: String,
    /// The access token.
    pub access_token: String,
    /// When it ends.
    pub expires: Time,
    /// What gets the next one; good for one use.
    pub refresh_token: Option<String>,
    /// A PEM file with the server's own certificate authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.access_token.zeroize();
        if let Some(token) = &mut self.refresh_token {
            token.zeroize();
        }
    }
}

/// Where the file is.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("session.json")
}

/// Reads the session, if there is one.
///
/// # Errors
/// When the file can be read by others, belongs to somebody else, or is not a session.
pub fn load(state_dir: &Path) -> Result<Option<Session>, Stop> {
    let at = path(state_dir);
    let shown = at.display();
    let file = match fs::OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(&at) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Stop::Fault(format!("{shown} cannot be opened: {error}"))),
    };
    // Asked of the open file, so that nothing can be swapped between the check and the reading.
    let meta = file.metadata().map_err(fault(format!("{shown} cannot be examined")))?;
    let mode = meta.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Stop::Fault(format!(
            "{shown} can be read by others (mode {mode:04o}), so what is in it may be known to them. It is not used. \
             Remove it and sign in again: rm {shown} && writ login"
        )));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(Stop::Fault(format!(
            "{shown} belongs to another user and is not used; remove it, then: writ login"
        )));
    }
    let mut text = String::new();
    (&file).take(1 << 20).read_to_string(&mut text).map_err(fault(format!("{shown} cannot be read")))?;
    let session = serde_json::from_str(&text);
    text.zeroize();
    session.map(Some).map_err(|_| {
        Stop::SignedOut(format!("{shown} is not a session of this version of writ. Sign in again: writ login"))
    })
}

/// Replaces the session.
///
/// # Errors
/// When the directory or the file cannot be written.
pub fn save(state_dir: &Path, session: &Session) -> Result<(), Stop> {
    let failed = |what: &Path| fault(format!("{} cannot be written", what.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(failed(state_dir))?;
    let at = path(state_dir);
    let fresh = state_dir.join(format!(".session.{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(NOFOLLOW)
        .open(&fresh)
        .map_err(failed(&fresh))?;
    let mut text = serde_json::to_string_pretty(session).map_err(|e| Stop::Fault(e.to_string()))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    text.zeroize();
    written.and_then(|()| fs::rename(&fresh, &at)).map_err(failed(&at))
}

/// Forgets the session; whether there was one.
///
/// # Errors
/// When the file is there and cannot be removed.
pub fn forget(state_dir: &Path) -> Result<bool, Stop> {
    match fs::remove_file(path(state_dir)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Stop::Fault(format!("{} cannot be removed: {error}", path(state_dir).display()))),
    }
}

/// Holds other commands of this user off while a token is refreshed: a refresh token is good for one use, and two
/// commands that use the same one look like a theft.
///
/// # Errors
/// When the lock file cannot be made.
pub fn lock(state_dir: &Path) -> Result<fs::File, Stop> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(fault(format!("{} cannot be made", state_dir.display())))?;
    let at = state_dir.join("session.lock");
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&at);
    let file = file.map_err(fault(format!("{} cannot be opened", at.display())))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|e| Stop::Fault(format!("{} cannot be locked: {e}", at.display())))?;
    Ok(file)
}

/// `O_NOFOLLOW`: a link in the file's place is refused.
const NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn session() -> Session {
        Session {
            server: "http://127.0.0.1:1".into(),
            tenant: "t".into(),
            account: "ana".into(),
            access_token: "a".into(),
            expires: Time::from_millis(0),
            refresh_token: Some("r".into()),
            ca: None,
        }
    }

    #[test]
    fn only_the_user_can_read_a_saved_session() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("a/b");
        save(&state, &session()).unwrap();
        save(&state, &session()).unwrap();
        assert_eq!(fs::metadata(path(&state)).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
        assert_eq!(load(&state).unwrap().unwrap().account, "ana");
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing is left behind");
        assert!(forget(&state).unwrap() && !forget(&state).unwrap());
        assert!(load(&state).unwrap().is_none());
    }

    #[test]
    fn a_session_that_others_can_read_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), &session()).unwrap();
        fs::set_permissions(path(dir.path()), fs::Permissions::from_mode(0o644)).unwrap();
        let told = load(dir.path()).err().unwrap().to_string();
        assert!(told.contains("0644") && told.contains("writ login"), "{told}");
    }

    #[test]
    fn a_link_in_the_sessions_place_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        save(&dir.path().join("real"), &session()).unwrap();
        std::os::unix::fs::symlink(dir.path().join("real/session.json"), path(dir.path())).unwrap();
        assert!(load(dir.path()).is_err());
    }
}
