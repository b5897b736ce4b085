//! The people of the demo: who they are, and the authenticators they would have on their telephones.
//! These exist for the demo's own organisation only; nothing here can make a code for anybody else.
//!
//! Always: the file that holds them is 0600; a code is never handed out twice.

use crate::cli::stop::{Stop, fault};
use crate::clock::Clock;
use crate::identity::totp::{STEP, Totp, WINDOW};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use writ_core::time::Time;
use zeroize::Zeroizing;

/// Somebody in the demo.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Person {
    /// The word the demo calls them by: `ana`.
    pub(super) word: String,
    /// Their name.
    pub(super) name: String,
    /// Their account.
    pub(super) account: String,
    /// Their principal's id.
    pub(super) id: String,
    /// Their password.
    pub(super) password: String,
    /// Their authenticator.
    pub(super) totp: Totp,
    /// The last step a code was handed out for.
    pub(super) used: i64,
}

impl Person {
    /// A code that was not used yet, as their telephone shows it; `Err` says how many seconds until there is one.
    pub(super) fn code(&mut self, now: Time) -> Result<(Zeroizing<String>, i64), i64> {
        let here = now.seconds().div_euclid(STEP);
        let step = (self.used + 1).max(here - WINDOW);
        if step > here + WINDOW {
            return Err((step - WINDOW) * STEP - now.seconds());
        }
        let code = self.totp.code(Time::from_millis(step * STEP * 1000)).ok_or(STEP)?;
        self.used = step;
        Ok((code, (step + WINDOW + 1) * STEP - now.seconds()))
    }
}

/// What a running demo leaves for `writ demo code` and for `--data`.
#[derive(Serialize, Deserialize)]
pub(super) struct Cast {
    /// Where the demo's server listens.
    pub(super) url: String,
    /// Everybody.
    pub(super) people: Vec<Person>,
}

impl Cast {
    /// Somebody by their word.
    pub(super) fn person(&mut self, word: &str) -> Option<&mut Person> {
        let word = word.to_lowercase();
        self.people.iter_mut().find(|p| p.word == word || p.account == word || p.name.to_lowercase() == word)
    }

    /// Reads what a demo left.
    ///
    /// # Errors
    /// When no demo has run here.
    pub(super) fn load(at: &Path) -> Result<Self, Stop> {
        let text = match fs::read_to_string(at) {
            Ok(text) => Zeroizing::new(text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Stop::Usage("No demo runs here. Start one with: writ demo".into()));
            }
            Err(e) => return Err(Stop::Fault(format!("{} cannot be read: {e}", at.display()))),
        };
        serde_json::from_str(&text).map_err(|_| {
            Stop::Fault(format!("{} was left by another version of writ; start the demo again", at.display()))
        })
    }

    /// Leaves it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn save(&self, at: &Path) -> Result<(), Stop> {
        let failed = || format!("{} cannot be written", at.display());
        if let Some(dir) = at.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fault(failed()))?;
        }
        let fresh = at.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let text = Zeroizing::new(serde_json::to_string_pretty(self).map_err(|e| Stop::Fault(e.to_string()))?);
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).map_err(fault(failed()))?;
        file.write_all(text.as_bytes()).and_then(|()| fs::rename(&fresh, at)).map_err(fault(failed()))
    }
}

/// Where a running demo leaves its people for other commands of the same user.
pub(super) fn left_at(state_dir: &Path) -> PathBuf {
    state_dir.join("demo.json")
}

/// `writ demo code WHO`: the code their telephone would show; waits for the next one when all were used.
///
/// # Errors
/// When no demo has run, or nobody in it is called so.
pub fn code(who: &str, terminal: &crate::cli::terminal::Terminal) -> Result<(), Stop> {
    let at = left_at(&terminal.env.state_dir()?);
    let mut cast = Cast::load(&at)?;
    let words: Vec<String> = cast.people.iter().map(|p| p.word.clone()).collect();
    let clock = Clock::system();
    let Some(person) = cast.person(who) else {
        return Err(Stop::Usage(format!("Nobody in the demo is called {who}; there are {}.", words.join(", "))));
    };
    let (code, good_for) = loop {
        match person.code(clock.now()) {
            Ok(code) => break code,
            Err(seconds) => {
                terminal
                    .complain(&format!("Each code works once, and all of now are used; the next one in {seconds} s."));
                terminal.pause(std::time::Duration::from_secs(
                    u64::try_from(seconds).unwrap_or(1).clamp(1, STEP.unsigned_abs()),
                ));
            }
        }
    };
    let (name, account, password) = (person.name.clone(), person.account.clone(), person.password.clone());
    cast.save(&at)?;
    if terminal.json {
        terminal.value(&serde_json::json!({"name": name, "account": account, "password": password, "code": &*code, "goodFor": good_for}));
    } else {
        terminal.say(format!("{}   {name}, good once in the next {good_for} s; password: {password}", &*code));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> Person {
        let totp = Totp::fresh().unwrap();
        Person {
            word: "ana".into(),
            name: "Ana".into(),
            account: "ana@x".into(),
            id: "1".into(),
            password: "p".into(),
            totp,
            used: 0,
        }
    }

    #[test]
    fn no_code_is_handed_out_twice_and_each_is_one_that_the_server_takes() {
        let mut ana = ana();
        let mut server = ana.totp.clone();
        let now = Time::from_millis(1_800_000_015_000);
        for _ in 0..3 {
            let (code, _) = ana.code(now).unwrap();
            server = server.consume(&code, now).expect("the server takes it");
        }
        let seconds = ana.code(now).unwrap_err();
        assert_eq!(seconds, 15, "the next one can be used when the window has moved on");
        let later = now + writ_core::time::Span::from_seconds(15);
        assert!(server.consume(&ana.code(later).unwrap().0, later).is_some());
    }
}
