//! Looks for what an administrator may have left behind: changes in the places where a way back in is usually hidden.
//! It proves nothing and undoes nothing: full root can hide better than this. It names what people should look at.

use crate::files;
use crate::install::{is_leftover, uid_of};
use crate::places::{RUN_DIR, SUDOERS_DIR};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files and folders that say who may log in, who may become root, and what runs by itself.
const PLACES: [&str; 24] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/sudo.conf",
    "/etc/pam.d",
    "/etc/security",
    "/etc/ssh",
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/var/spool/cron",
    "/etc/systemd/system",
    "/etc/init.d",
    "/etc/rc.local",
    "/etc/profile.d",
    "/etc/udev/rules.d",
    "/etc/ld.so.preload",
    "/etc/writ",
    "/root/.ssh",
    "/usr/local/sbin",
];

/// How deep folders are followed, how many files are looked at, and how many changes are named.
const DEPTH_MAX: usize = 4;
const FILES_MAX: usize = 20_000;
const NAMED_MAX: usize = 8;

/// What those places looked like at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Traces(BTreeMap<String, Print>);

/// A file's identity. The time of the last change of its inode is the part that an ordinary tool does not set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Print(u64, u64, u32, u32, u32, i64, i64);

impl Traces {
    /// Looks now.
    pub fn look() -> Self {
        let mut prints = BTreeMap::new();
        let homes = fs::read_dir("/home").into_iter().flatten().flatten().map(|home| home.path().join(".ssh"));
        for place in PLACES.iter().map(PathBuf::from).chain(homes) {
            look(&place, 0, &mut prints);
        }
        Self(prints)
    }

    /// What is different, in words; the first few and how many more.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        let (before, after) = (&self.0, &after.0);
        let gone = before.keys().filter(|path| !after.contains_key(*path)).map(|path| format!("{path} is gone"));
        let new = after.keys().filter(|path| !before.contains_key(*path)).map(|path| format!("{path} is new"));
        let other = after
            .iter()
            .filter(|(path, print)| before.get(*path).is_some_and(|known| known != *print))
            .map(|(path, _)| format!("{path} was changed"));
        let mut all: Vec<String> = new.chain(other).chain(gone).collect();
        let more = all.len().saturating_sub(NAMED_MAX);
        all.truncate(NAMED_MAX);
        if more > 0 {
            all.push(format!("and {more} more"));
        }
        all
    }

    /// What was kept before a restart of the agent.
    pub fn load() -> Option<Self> {
        serde_json::from_slice(&fs::read(kept()).ok()?).ok()
    }

    /// Keeps it until the next boot.
    pub fn save(&self) -> Result<(), String> {
        let bytes = serde_json::to_vec(self).map_err(|e| e.to_string())?;
        files::private_dir(RUN_DIR)?;
        files::replace(&kept(), &bytes, 0o600)
    }

    /// Forgets what was kept.
    pub fn forget() -> Result<(), String> {
        files::remove(&kept()).map(drop)
    }
}

fn kept() -> PathBuf {
    Path::new(RUN_DIR).join("traces.json")
}

fn look(path: &Path, depth: usize, prints: &mut BTreeMap<String, Print>) {
    let Ok(facts) = fs::symlink_metadata(path) else { return };
    let shown = path.display().to_string();
    let ours = shown.strip_prefix(SUDOERS_DIR).and_then(|rest| rest.strip_prefix('/'));
    if prints.len() >= FILES_MAX || ours.is_some_and(|name| uid_of(name).is_some() || is_leftover(name)) {
        return;
    }
    if facts.is_dir() {
        if depth < DEPTH_MAX {
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                look(&entry.path(), depth + 1, prints);
            }
        }
        return;
    }
    let changed = facts.ctime().saturating_mul(1_000_000_000).saturating_add(facts.ctime_nsec());
    let print = Print(facts.ino(), facts.size(), facts.mode(), facts.uid(), facts.gid(), facts.mtime(), changed);
    prints.insert(shown, print);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_and_bounded() {
        let print = |n| Print(n, 0, 0, 0, 0, 0, 0);
        let of = |files: &[(&str, u64)]| Traces(files.iter().map(|(p, n)| ((*p).to_owned(), print(*n))).collect());
        let before = of(&[("/a", 1), ("/b", 1), ("/c", 1)]);
        assert!(before.changes(&before).is_empty());
        let after = of(&[("/a", 1), ("/b", 2), ("/d", 1)]);
        assert_eq!(before.changes(&after), ["/d is new", "/b was changed", "/c is gone"]);
        let many: Vec<String> = (0..30).map(|n| format!("/x{n}")).collect();
        let many = of(&many.iter().map(|p| (p.as_str(), 1)).collect::<Vec<_>>());
        assert_eq!(of(&[]).changes(&many).last().map(String::as_str), Some("and 22 more"));
    }
}
