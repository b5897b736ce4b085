//! What a demo keeps beside its log: its people with their authenticators, and what it made, so that `writ demo code`
//! can show codes and a second `writ demo --data DIR` goes on where the first ended.
//!
//! Always: the file is 0600 and replaced whole; a code that was handed out is written down before anybody sees it, and
//! two commands never hand out the same one.

use super::organisation::Northwind;
use super::people::Person;
use crate::cli::stop::{Stop, fault};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use writ_core::ids::{DeviceId, PrincipalId};
use writ_core::time::Time;
use zeroize::Zeroizing;

/// The people of one demo and where they are kept.
pub(super) struct Cast {
    at: PathBuf,
    /// Everybody, as last read or written.
    pub(super) people: Vec<Person>,
    /// What was made; absent until the set-up is done.
    pub(super) made: Option<Made>,
}

/// What the set-up made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Made {
    /// When.
    pub(super) at: Time,
    /// The organisation.
    pub(super) northwind: Northwind,
    /// Who administers it.
    pub(super) administrator: PrincipalId,
    /// The host of the latest run, which is gone when that run is.
    pub(super) host: Option<DeviceId>,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct File {
    people: Vec<Person>,
    made: Option<Made>,
}

/// A code from somebody's authenticator, shown once.
pub(super) struct Shown {
    /// Whose.
    pub(super) person: Person,
    /// The code.
    pub(super) code: Zeroizing<String>,
    /// For how many seconds it counts.
    pub(super) lasts: i64,
}

impl Cast {
    /// Nobody yet, to be kept in this data directory.
    pub(super) fn none(data: &Path) -> Self {
        Self { at: file_in(data), people: Vec::new(), made: None }
    }

    /// What a demo kept in a data directory; `None` when none did.
    ///
    /// # Errors
    /// When the file cannot be read, or another version of writ wrote it.
    pub(super) fn kept(data: &Path) -> Result<Option<Self>, Stop> {
        let at = file_in(data);
        let read = read(&at)?;
        Ok(read.map(|File { people, made }| Self { at, people, made }))
    }

    /// The words the demo calls its people by.
    pub(super) fn words(&self) -> String {
        self.people.iter().map(|p| p.word.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The next code of somebody's that counts for `lasts` more seconds; the inner `Err` says in how many seconds there
    /// is one.
    ///
    /// # Errors
    /// When nobody is called so, or the file cannot be written.
    pub(super) fn code(&mut self, who: &str, now: Time, lasts: i64) -> Result<Result<Shown, i64>, Stop> {
        let _lock = self.lock()?;
        // Another command may have handed out codes since.
        if let Some(File { people, made }) = read(&self.at)? {
            (self.people, self.made) = (people, made);
        }
        let words = self.words();
        let Some(person) = self.people.iter_mut().find(|person| person.is_called(who)) else {
            return Err(Stop::Usage(format!("Nobody in the demo is called {who}; there are {words}.")));
        };
        let given = person.code(now, lasts);
        let person = person.clone();
        match given {
            Err(seconds) => Ok(Err(seconds)),
            Ok((code, lasts)) => {
                self.write()?;
                Ok(Ok(Shown { person, code, lasts }))
            }
        }
    }

    /// Somebody joins.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn joins(&mut self, person: Person) -> Result<(), Stop> {
        let _lock = self.lock()?;
        self.people.push(person);
        self.write()
    }

    /// Writes down what was made.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn has_made(&mut self, made: Made) -> Result<(), Stop> {
        let _lock = self.lock()?;
        if let Some(File { people, .. }) = read(&self.at)? {
            self.people = people;
        }
        self.made = Some(made);
        self.write()
    }

    fn lock(&self) -> Result<fs::File, Stop> {
        let at = self.at.with_extension("lock");
        let failed = || format!("{} cannot be locked", at.display());
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&at);
        let file = file.map_err(fault(failed()))?;
        file.lock().map_err(fault(failed()))?;
        Ok(file)
    }

    fn write(&self) -> Result<(), Stop> {
        let failed = || format!("{} cannot be written", self.at.display());
        let file = File { people: self.people.clone(), made: self.made.clone() };
        let text = serde_json::to_string_pretty(&file).map_err(|e| Stop::Fault(e.to_string()))?;
        let text = Zeroizing::new(text);
        let fresh = self.at.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
        let mut made = made.map_err(fault(failed()))?;
        made.write_all(text.as_bytes()).and_then(|()| fs::rename(&fresh, &self.at)).map_err(fault(failed()))
    }
}

fn file_in(data: &Path) -> PathBuf {
    data.join("demo.json")
}

fn read(at: &Path) -> Result<Option<File>, Stop> {
    let text = match fs::read_to_string(at) {
        Ok(text) => Zeroizing::new(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Stop::Fault(format!("{} cannot be read: {e}", at.display()))),
    };
    let file = serde_json::from_str(&text);
    file.map(Some).map_err(|_| {
        Stop::Fault(format!("{} was written by another version of writ; begin in an empty directory", at.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::people::TO_TYPE;
    use crate::identity::totp::Totp;
    use std::os::unix::fs::PermissionsExt;

    fn ben() -> Person {
        Person {
            word: "ben".into(),
            name: "Ben Okafor".into(),
            account: "ben@x".into(),
            id: "1".into(),
            password: "p".into(),
            totp: Totp::fresh().unwrap(),
            used: 0,
        }
    }

    #[test]
    fn two_commands_never_hand_out_the_same_code() {
        let dir = tempfile::tempdir().unwrap();
        Cast::none(dir.path()).joins(ben()).unwrap();
        let now = Time::from_millis(1_800_000_015_000);
        // Both have read the file before either hands anything out.
        let mut first = Cast::kept(dir.path()).unwrap().unwrap();
        let mut second = Cast::kept(dir.path()).unwrap().unwrap();
        let one = first.code("ben", now, TO_TYPE).unwrap().ok().unwrap();
        let two = second.code("Ben Okafor", now, TO_TYPE).unwrap().ok().unwrap();
        assert_ne!(*one.code, *two.code);
        let server = ben_server(&first).consume(&one.code, now).unwrap();
        assert!(server.consume(&two.code, now).is_some());
        assert!(matches!(first.code("ben", now, TO_TYPE).unwrap(), Err(1..=32)), "and the third is still to come");
    }

    fn ben_server(cast: &Cast) -> Totp {
        cast.people[0].totp.clone()
    }

    #[test]
    fn only_the_user_can_read_it_and_a_strangers_name_is_answered_with_those_there_are() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Cast::kept(dir.path()).unwrap().is_none());
        let mut cast = Cast::none(dir.path());
        cast.joins(ben()).unwrap();
        assert_eq!(fs::metadata(file_in(dir.path())).unwrap().permissions().mode() & 0o777, 0o600);
        let told = cast.code("bob", Time::from_millis(0), TO_TYPE).err().unwrap().to_string();
        assert_eq!(told, "Nobody in the demo is called bob; there are ben.");
    }
}
