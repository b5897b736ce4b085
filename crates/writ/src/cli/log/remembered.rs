//! The newest checkpoint of each log that this user has seen, so that an older or forked copy is noticed later.
//! It never holds a secret: checkpoints are public.
//!
//! Always: a checkpoint is kept only after its log was found whole, and never replaced by an older one; the file is
//! replaced whole or not at all.

use super::super::stop::{Stop, fault};
use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use writ_core::log::checkpoint::NOTE_MAX;
use writ_core::log::{LogKey, Signed};

/// Where they are kept: one file per log and key.
pub(super) struct Remembered {
    dir: PathBuf,
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
    pub(super) fn newest(&self, key: &LogKey) -> Result<Option<Signed>, Stop> {
        let path = self.path(key);
        let shown = path.display();
        let mut text = String::new();
        match fs::File::open(&path).and_then(|file| file.take(NOTE_MAX as u64 + 1).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Stop::Fault(format!("{shown} cannot be read: {error}"))),
        }
        let signed: Result<Signed, _> = text.parse();
        let good = signed.and_then(|signed| signed.by(key).map(|_| ()).map(|()| signed));
        good.map(Some).map_err(|why| {
            Stop::NotWhole(format!(
                "The checkpoint remembered in {shown} was damaged: {why}. Remove it only if you know why."
            ))
        })
    }

    /// The keys' hashes under which other checkpoints of the same log are remembered.
    pub(super) fn other_keys(&self, key: &LogKey) -> Vec<String> {
        let Ok(files) = fs::read_dir(&self.dir) else { return Vec::new() };
        let prefix = format!("{}+", file_name(key.name()));
        let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        let hashes = names.filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned()));
        hashes.filter(|hash| *hash != key.hash() && !hash.ends_with(".new")).collect()
    }

    /// Remembers a checkpoint that was found good, unless a newer one is remembered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, key: &LogKey, note: &str) -> Result<(), Stop> {
        let size = |signed: &Signed| signed.unproved().head.size;
        let fresh: Signed = note.parse().map_err(|why| Stop::Fault(format!("{why}")))?;
        if self.newest(key)?.is_some_and(|newest| size(&newest) >= size(&fresh)) {
            return Ok(());
        }
        let path = self.path(key);
        let written =
            path.with_file_name(format!("{}+{}.{}.new", file_name(key.name()), key.hash(), std::process::id()));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .and_then(|()| fs::write(&written, note))
            .and_then(|()| fs::rename(&written, &path))
            .map_err(fault(format!("{} cannot be written", path.display())))
    }

    fn path(&self, key: &LogKey) -> PathBuf {
        self.dir.join(format!("{}+{}", file_name(key.name()), key.hash()))
    }
}

/// A log's name as a file's name: whatever else could stand in one becomes a dash.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use writ_core::ids::TenantId;
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
            remembered.keep(&key(), &note(size)).unwrap();
        }
        assert_eq!(remembered.newest(&key()).unwrap().unwrap().unproved().head.size, 9);
        let files = fs::read_dir(dir.path().join("state/checkpoints")).unwrap().count();
        assert_eq!(files, 1, "nothing is left behind");
    }

    #[test]
    fn logs_and_keys_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::at(dir.path());
        remembered.keep(&key(), &note(3)).unwrap();
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
        remembered.keep(&key(), &note(3)).unwrap();
        fs::write(remembered.path(&key()), note(3).replace("\n3\n", "\n2\n")).unwrap();
        assert!(matches!(remembered.newest(&key()), Err(Stop::NotWhole(_))));
        assert!(remembered.keep(&key(), &note(4)).is_err(), "and not silently overwritten");
    }
}
