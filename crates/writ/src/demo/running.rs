//! Which demos run for this user, so that `writ demo code` finds the right one: each leaves a note with its address and
//! its data directory, and holds a lock on it for as long as it lives.
//!
//! Always: a note whose demo is gone is never believed, however that demo ended.

use super::kept::Cast;
use super::people::TO_TYPE;
use crate::cli::stop::{Stop, fault};
use crate::cli::terminal::Terminal;
use crate::clock::Clock;
use crate::identity::totp::STEP;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a running demo leaves.
#[derive(Serialize, Deserialize)]
struct Note {
    url: String,
    data: PathBuf,
    begun: i64,
}

/// A note that is believed for as long as this lives.
pub(super) struct Running {
    at: PathBuf,
    _locked: fs::File,
}

impl Running {
    /// Leaves a note.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn begin(state_dir: &Path, url: &str, data: &Path, clock: &Clock) -> Result<Self, Stop> {
        let dir = notes(state_dir);
        let failed = || format!("{} cannot be written", dir.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(fault(failed()))?;
        let data = fs::canonicalize(data).map_err(fault(failed()))?;
        let note = Note { url: url.to_owned(), data, begun: clock.now().millis() };
        let at = dir.join(format!("{}.json", std::process::id()));
        let fresh = dir.join(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&fresh);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
        let mut file = file.map_err(fault(failed()))?;
        // Locked before it can be found, so that nobody takes it for one whose demo is gone.
        file.lock().map_err(fault(failed()))?;
        let text = serde_json::to_vec(&note).map_err(|e| Stop::Fault(e.to_string()))?;
        file.write_all(&text).and_then(|()| fs::rename(&fresh, &at)).map_err(fault(failed()))?;
        Ok(Self { at, _locked: file })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.at);
    }
}

fn notes(state_dir: &Path) -> PathBuf {
    state_dir.join("demos")
}

/// The demos that run now, the newest first; notes of others are cleared away.
fn running(state_dir: &Path) -> Vec<Note> {
    let Ok(files) = fs::read_dir(notes(state_dir)) else { return Vec::new() };
    let mut found = Vec::new();
    for at in files.filter_map(|file| Some(file.ok()?.path())).filter(|at| at.extension().is_some_and(|e| e == "json"))
    {
        let Ok(file) = fs::File::open(&at) else { continue };
        if file.try_lock_shared().is_ok() {
            let _ = fs::remove_file(&at);
            continue;
        }
        let note = fs::read(&at).ok().and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        found.extend(note);
    }
    found.sort_by_key(|note| std::cmp::Reverse(note.begun));
    found
}

/// Whose code is wanted, and of which demo.
pub struct Wanted<'a> {
    /// The word, name or account.
    pub who: &'a str,
    /// The address of the demo, when one was named.
    pub server: Option<String>,
    /// The data directory, when one was named.
    pub data: Option<&'a Path>,
}

/// `writ demo code WHO`: the code their telephone would show; waits for the next one when all were used.
///
/// # Errors
/// When no demo runs, or nobody in it is called so.
pub fn code(wanted: &Wanted<'_>, terminal: &Terminal) -> Result<(), Stop> {
    let (data, of, several) = match wanted.data {
        Some(data) => (data.to_owned(), None, false),
        None => {
            let (note, several) = which(running(&terminal.env.state_dir()?), wanted.server.as_deref())?;
            (note.data, Some(note.url), several)
        }
    };
    let mut cast =
        Cast::kept(&data)?.ok_or_else(|| Stop::Usage(format!("No demo keeps its people in {}.", data.display())))?;
    let clock = Clock::system();
    let mut told = false;
    let shown = loop {
        match cast.code(wanted.who, clock.now(), TO_TYPE)? {
            Ok(shown) => break shown,
            Err(seconds) => {
                if !told {
                    let why = "Each code works once, and those of now were shown; the next one comes in";
                    terminal.complain(&format!("{why} {seconds} s."));
                    told = true;
                }
                let seconds = u64::try_from(seconds).unwrap_or(1).clamp(1, STEP.unsigned_abs());
                terminal.pause(std::time::Duration::from_secs(seconds));
            }
        }
    };
    let (person, code) = (&shown.person, &*shown.code);
    if terminal.json {
        terminal.value(&serde_json::json!({
            "name": person.name,
            "account": person.account,
            "password": person.password,
            "code": code,
            "goodFor": shown.lasts,
            "server": of,
        }));
        return Ok(());
    }
    let (name, password, lasts) = (&person.name, &person.password, shown.lasts);
    terminal.say(format!("{code}   {name}, good once in the next {lasts} s; password: {password}"));
    if let Some(url) = of.filter(|_| several) {
        terminal.complain(&format!("Of the demo at {url}; several run. For another one: --server URL"));
    }
    Ok(())
}

/// The demo that is meant, and whether that has to be said because several could be.
fn which(running: Vec<Note>, server: Option<&str>) -> Result<(Note, bool), Stop> {
    let several = running.len() > 1;
    let all = running.iter().map(|note| note.url.as_str()).collect::<Vec<_>>().join(", ");
    let mut running = running.into_iter();
    match server {
        Some(server) => match running.find(|note| note.url == server) {
            Some(note) => Ok((note, false)),
            None if all.is_empty() => Err(Stop::Usage(none())),
            None => Err(Stop::Usage(format!("No demo of yours runs at {server}; there is {all}."))),
        },
        None => match running.next() {
            Some(note) => Ok((note, several)),
            None => Err(Stop::Usage(none())),
        },
    }
}

fn none() -> String {
    "No demo of yours runs here. Start one with: writ demo\nIf it was started with sudo, ask with sudo as well; if it \
     has ended and its data were kept, add --data DIR."
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_is_found_while_it_runs_and_not_believed_afterwards() {
        let (state, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let clock = Clock::system();
        let one = Running::begin(state.path(), "http://127.0.0.1:1", data.path(), &clock).unwrap();
        assert_eq!(running(state.path())[0].url, "http://127.0.0.1:1");
        // What a demo leaves that was killed: a note that nobody holds.
        fs::copy(&one.at, notes(state.path()).join("99.json")).unwrap();
        assert_eq!(running(state.path()).len(), 1);
        assert!(!notes(state.path()).join("99.json").exists(), "it is cleared away");
        drop(one);
        assert!(running(state.path()).is_empty());
        assert_eq!(fs::read_dir(notes(state.path())).unwrap().count(), 0);
    }

    #[test]
    fn of_several_demos_the_newest_is_meant_unless_one_is_named() {
        let note = |url: &str, begun| Note { url: url.into(), data: url.into(), begun };
        let both = || vec![note("http://b", 2), note("http://a", 1)];
        let meant = |running, server| which(running, server).map(|(note, several)| (note.url, several)).unwrap();
        assert_eq!(meant(both(), None), ("http://b".to_owned(), true));
        assert_eq!(meant(both(), Some("http://a")), ("http://a".to_owned(), false));
        assert_eq!(meant(vec![note("http://b", 2)], None), ("http://b".to_owned(), false));
        let told = which(both(), Some("http://c")).err().unwrap().to_string();
        assert_eq!(told, "No demo of yours runs at http://c; there is http://b, http://a.");
        assert!(which(Vec::new(), None).err().unwrap().to_string().contains("writ demo"));
    }
}
