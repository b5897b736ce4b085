//! The newest checkpoint of each log that this user has seen, so that an older or forked copy is noticed later.
//! It never holds a secret: checkpoints are public.
//!
//! Always: a checkpoint is kept only after its log was found whole or to continue the one kept before, and never replaced
//! by an older one unless somebody accepts that; the file is 0600 and replaced whole or not at all.

use super::stop::{Stop, fault};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use writ_core::ids::TenantId;
use writ_core::log::checkpoint::{NOTE_MAX, origin};
use writ_core::log::{CheckpointError, LogKey, Signed};
use writ_core::time::Time;

/// Where they are kept: one file per log and key.
pub(super) struct Remembered {
    dir: PathBuf,
}

/// What is remembered of one log.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// The newest checkpoint seen.
    pub(super) signed: Signed,
    /// The key's short hash.
    pub(super) key: String,
    /// How often a restored copy had been put on record then; absent when only files were seen.
    pub(super) epoch: Option<u64>,
    /// When the server was last asked.
    pub(super) looked: Option<Time>,
}

impl Memory {
    /// How many entries the log had.
    pub(super) fn size(&self) -> u64 {
        self.signed.unproved().head.size
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
struct File {
    checkpoint: String,
    #[serde(default)]
    epoch: Option<u64>,
    #[serde(default)]
    looked: Option<Time>,
}

impl Remembered {
    /// What is remembered in a user's state directory.
    pub(super) fn at(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("checkpoints") }
    }

    /// The newest checkpoint of the log with this key.
    ///
    /// # Errors
    /// When there is one and it cannot be read, or is not this key's: then something touched the file.
    pub(super) fn newest(&self, key: &LogKey) -> Result<Option<Memory>, Stop> {
        let path = self.path(key.name(), &key.hash());
        let Some(memory) = read(&path, &key.hash())? else { return Ok(None) };
        match memory.signed.by(key) {
            Ok(_) => Ok(Some(memory)),
            Err(why) => Err(damaged(&path, &why.to_string())),
        }
    }

    /// What is remembered of a tenant's log, whatever its key: the longest.
    ///
    /// # Errors
    /// As [`Remembered::newest`].
    pub(super) fn of(&self, tenant: TenantId) -> Result<Option<Memory>, Stop> {
        let name = origin(tenant);
        let all = self.hashes(&name).into_iter().map(|hash| read(&self.path(&name, &hash), &hash));
        let all = all.collect::<Result<Vec<_>, Stop>>()?;
        Ok(all.into_iter().flatten().max_by_key(Memory::size))
    }

    /// The keys' hashes under which other checkpoints of the same log are remembered.
    pub(super) fn other_keys(&self, key: &LogKey) -> Vec<String> {
        self.hashes(key.name()).into_iter().filter(|hash| *hash != key.hash()).collect()
    }

    /// Remembers a checkpoint that was found good, unless a newer one is remembered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, key: &LogKey, note: &str, seen: Option<(u64, Time)>) -> Result<(), Stop> {
        let fresh: Signed = note.parse().map_err(|why| Stop::Fault(format!("{why}")))?;
        let before = self.newest(key)?;
        let (epoch, looked) = match (seen, &before) {
            (Some((epoch, looked)), _) => (Some(epoch), Some(looked)),
            (None, Some(before)) => (before.epoch, before.looked),
            (None, None) => (None, None),
        };
        match before {
            Some(before) if before.size() > fresh.unproved().head.size => Ok(()),
            _ => self.write(key, &File { checkpoint: note.to_owned(), epoch, looked }),
        }
    }

    /// Remembers a checkpoint in the place of whatever was remembered of that log: somebody has accepted it. What was
    /// there before is kept aside; the paths of those files are returned.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn replace(&self, key: &LogKey, note: &str, epoch: u64, looked: Time) -> Result<Vec<PathBuf>, Stop> {
        let mut aside = Vec::new();
        for hash in self.hashes(key.name()) {
            let path = self.path(key.name(), &hash);
            let to = self.dir.join(format!("{}-before-epoch-{epoch}+{hash}", file_name(key.name())));
            fs::rename(&path, &to).map_err(fault(format!("{} cannot be put aside", path.display())))?;
            aside.push(to);
        }
        self.write(key, &File { checkpoint: note.to_owned(), epoch: Some(epoch), looked: Some(looked) })?;
        Ok(aside)
    }

    fn write(&self, key: &LogKey, file: &File) -> Result<(), Stop> {
        let path = self.path(key.name(), &key.hash());
        let failed = || format!("{} cannot be written", path.display());
        let fresh = self.dir.join(format!(".{}.{}.new", file_name(key.name()), std::process::id()));
        let text = serde_json::to_vec_pretty(file).map_err(|e| Stop::Fault(e.to_string()))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(fault(failed()))?;
        let _ = fs::remove_file(&fresh);
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh);
        let mut made = made.map_err(fault(failed()))?;
        made.write_all(&text).and_then(|()| fs::rename(&fresh, &path)).map_err(fault(failed()))
    }

    /// The hashes of the keys of a log of which something is remembered, in order.
    fn hashes(&self, name: &str) -> Vec<String> {
        let Ok(files) = fs::read_dir(&self.dir) else { return Vec::new() };
        let prefix = format!("{}+", file_name(name));
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let mut hashes: Vec<String> = names.filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned())).collect();
        hashes.sort_unstable();
        hashes
    }

    fn path(&self, name: &str, hash: &str) -> PathBuf {
        self.dir.join(format!("{}+{hash}", file_name(name)))
    }
}

fn read(path: &Path, hash: &str) -> Result<Option<Memory>, Stop> {
    let mut text = String::new();
    match fs::File::open(path).and_then(|file| file.take(2 * NOTE_MAX as u64).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Stop::Fault(format!("{} cannot be read: {error}", path.display()))),
    }
    let File { checkpoint, epoch, looked } =
        serde_json::from_str(&text).map_err(|why| damaged(path, &why.to_string()))?;
    let signed = checkpoint.parse().map_err(|why: CheckpointError| damaged(path, &why.to_string()))?;
    Ok(Some(Memory { signed, key: hash.to_owned(), epoch, looked }))
}

fn damaged(path: &Path, why: &str) -> Stop {
    let shown = path.display();
    Stop::NotWhole(format!("The checkpoint remembered in {shown} was damaged: {why}. Remove it only if you know why."))
}

/// A log's name as a file's name: whatever else could stand in one becomes a dash.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::log::checkpoint::SigningKey;
    use writ_core::log::{Checkpoint, Head};

    fn signing() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }
    fn key() -> LogKey {
        LogKey::new(TenantId::from_u128(7), signing().verifying_key())
    }
    fn note(size: u64) -> String {
        Checkpoint::new(TenantId::from_u128(7), Head { size, root: [1; 32] }).sign(&signing())
    }

    #[test]
    fn the_newest_is_remembered_whatever_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::at(&dir.path().join("state"));
        assert!(remembered.newest(&key()).unwrap().is_none());
        for size in [3, 9, 5] {
            remembered.keep(&key(), &note(size), None).unwrap();
        }
        assert_eq!(remembered.newest(&key()).unwrap().unwrap().size(), 9);
        let files = fs::read_dir(dir.path().join("state/checkpoints")).unwrap().count();
        assert_eq!(files, 1, "nothing is left behind");
    }

    #[test]
    fn logs_and_keys_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::at(dir.path());
        remembered.keep(&key(), &note(3), None).unwrap();
        let elsewhere = LogKey::new(TenantId::from_u128(8), signing().verifying_key());
        let stranger = LogKey::new(TenantId::from_u128(7), SigningKey::from_bytes(&[8; 32]).verifying_key());
        assert!(remembered.newest(&elsewhere).unwrap().is_none() && remembered.newest(&stranger).unwrap().is_none());
        assert!(remembered.other_keys(&elsewhere).is_empty() && remembered.other_keys(&key()).is_empty());
        assert_eq!(remembered.other_keys(&stranger), [key().hash()]);
    }

    #[test]
    fn a_damaged_memory_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::at(dir.path());
        remembered.keep(&key(), &note(3), None).unwrap();
        let path = remembered.path(key().name(), &key().hash());
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\\n3\\n", "\\n2\\n")).unwrap();
        assert!(matches!(remembered.newest(&key()), Err(Stop::NotWhole(_))));
        assert!(remembered.keep(&key(), &note(4), None).is_err(), "and not silently overwritten");
    }

    #[test]
    fn what_is_known_of_the_server_stays_when_only_a_file_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::at(dir.path());
        let at = Time::from_millis(5);
        remembered.keep(&key(), &note(3), Some((2, at))).unwrap();
        remembered.keep(&key(), &note(4), None).unwrap();
        let memory = remembered.of(TenantId::from_u128(7)).unwrap().unwrap();
        assert_eq!((memory.size(), memory.epoch, memory.looked), (4, Some(2), Some(at)));
        let mode =
            std::os::unix::fs::MetadataExt::mode(&fs::metadata(remembered.path(key().name(), &key().hash())).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_was_accepted_takes_the_place_of_what_was_seen_which_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::at(dir.path());
        remembered.keep(&key(), &note(9), Some((0, Time::from_millis(1)))).unwrap();
        let aside = remembered.replace(&key(), &note(5), 1, Time::from_millis(2)).unwrap();
        assert!(fs::read_to_string(&aside[0]).unwrap().contains("\\n9\\n"));
        let memory = remembered.of(TenantId::from_u128(7)).unwrap().unwrap();
        assert_eq!((memory.size(), memory.epoch), (5, Some(1)));
        assert!(remembered.other_keys(&key()).is_empty(), "what lies aside is not looked at again");
    }
}
