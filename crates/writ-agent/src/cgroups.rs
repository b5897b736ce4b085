//! One cgroup per grant: whatever an elevated session starts, however it detaches, stays in it.
//! It never enables a controller and never touches a cgroup outside its own folder, except to take processes in.
//!
//! Always: a session has a leaf of its own below its grant's cgroup, so that what one session started is never
//! mistaken for another's.

use std::fs;
use std::path::{Path, PathBuf};

/// Our folder below the root of the hierarchy.
const FOLDER: &str = "writ";
/// Where processes go that are not stopped although they were started in an elevated session.
const LEFT: &str = "left";
/// The leaf for processes that wait, frozen, while a package manager finishes.
const HELD: &str = "held";
/// How often a set of processes is read anew while it changes under our hands.
const TRIES_MAX: usize = 100;

/// Our part of the version 2 hierarchy.
#[derive(Clone, Debug)]
pub struct Cgroups {
    root: PathBuf,
}

/// A process and the session's leaf it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The process.
    pub pid: u32,
    /// The leaf.
    pub leaf: String,
}

impl Cgroups {
    /// Finds the hierarchy, wherever it is mounted, and our folder in it; `None` if there is none that root can write.
    pub fn find() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        let root = mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let writable = before.split(' ').nth(5)?.split(',').any(|option| option == "rw");
            let place = before.split(' ').nth(4)?;
            (after.starts_with("cgroup2 ") && writable).then(|| Path::new(place).join(FOLDER))
        })?;
        fs::create_dir_all(&root).ok()?;
        root.join("cgroup.procs").exists().then_some(Self { root })
    }

    /// The cgroup of a grant, made if need be.
    pub fn open(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(|e| format!("cannot make the cgroup {}: {e}", path.display()))?;
        Ok(path)
    }

    /// The grants that have a cgroup.
    pub fn names(&self) -> Vec<String> {
        folders(&self.root).into_iter().filter(|name| name != LEFT).collect()
    }

    /// Everything in a grant's cgroup.
    pub fn placed(&self, name: &str) -> Vec<Placed> {
        let path = self.root.join(name);
        let mut placed: Vec<Placed> = pids(&path).map(|pid| Placed { pid, leaf: String::new() }).collect();
        for leaf in folders(&path) {
            placed.extend(pids(&path.join(&leaf)).map(|pid| Placed { pid, leaf: leaf.clone() }));
        }
        placed
    }

    /// Whether a process is in any of our cgroups.
    pub fn holds(&self, pid: u32) -> bool {
        let ours = format!("/{FOLDER}/");
        let file = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        file.lines().filter_map(|line| line.strip_prefix("0::")).any(|path| path.contains(&ours))
    }

    /// The leaf of ours that a process is in, as `grant/session`.
    pub fn leaf_of(pid: u32) -> Option<String> {
        let ours = format!("/{FOLDER}/");
        let file = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = file.lines().find_map(|line| line.strip_prefix("0::"))?;
        let (_, below) = path.split_once(&ours)?;
        (below.contains('/') && below != LEFT).then(|| below.to_owned())
    }

    /// The folder of a leaf, if it is there.
    pub fn leaf(&self, below: &str) -> Option<PathBuf> {
        let path = self.root.join(below);
        path.join("cgroup.procs").exists().then_some(path)
    }

    /// Hands everything that one grant's sessions run to another grant of the same account.
    pub fn adopt(&self, from: &str, to: &str) -> Result<(), String> {
        for _ in 0..TRIES_MAX {
            let placed = self.placed(from);
            if placed.is_empty() {
                break;
            }
            for process in placed {
                let leaf = if process.leaf.is_empty() { "adopted" } else { &process.leaf };
                let place = self.open(&format!("{to}/{leaf}"))?;
                enter(&place, process.pid)?;
            }
        }
        self.remove(from);
        Ok(())
    }

    /// Moves processes out, to be left alone.
    pub fn leave(&self, pids: &[u32]) -> Result<(), String> {
        let place = self.open(LEFT)?;
        pids.iter().try_for_each(|pid| enter(&place, *pid))
    }

    /// Freezes these processes of a grant.
    pub fn hold(&self, name: &str, pids: &[u32]) -> Result<(), String> {
        let place = self.open(&format!("{name}/{HELD}"))?;
        pids.iter().try_for_each(|pid| enter(&place, *pid))?;
        write(&place.join("cgroup.freeze"), "1")
    }

    /// Lets frozen processes of a grant go on.
    pub fn thaw(&self, name: &str) {
        let _ = write(&self.root.join(name).join(HELD).join("cgroup.freeze"), "0");
    }

    /// Ends every process of a grant at once, also those that detach or trap signals.
    pub fn kill(&self, name: &str) -> Result<(), String> {
        let path = self.root.join(name);
        if !path.exists() {
            return Ok(());
        }
        write(&path.join("cgroup.kill"), "1")
    }

    /// Removes a grant's cgroup and its leaves if they are empty. Returns whether it is gone.
    pub fn remove(&self, name: &str) -> bool {
        let path = self.root.join(name);
        for leaf in folders(&path) {
            let _ = fs::remove_dir(path.join(leaf));
        }
        let _ = fs::remove_dir(&path);
        !path.exists()
    }

    /// Removes our folder; processes that were left go to the hierarchy's root.
    pub fn uninstall(&self) {
        let top = self.root.parent().unwrap_or(&self.root).to_owned();
        for name in folders(&self.root) {
            for process in self.placed(&name) {
                let _ = enter(&top, process.pid);
            }
            self.remove(&name);
        }
        let _ = fs::remove_dir(&self.root);
    }
}

/// Puts a process into a cgroup. One that is gone already is no fault.
pub fn enter(place: &Path, pid: u32) -> Result<(), String> {
    match write(&place.join("cgroup.procs"), &pid.to_string()) {
        Err(_) if !Path::new(&format!("/proc/{pid}")).exists() => Ok(()),
        // A process that has ended and was not waited for yet cannot be moved.
        Err(_) if crate::processes::read(pid).is_none_or(|process| process.is_dead) => Ok(()),
        other => other,
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn pids(path: &Path) -> impl Iterator<Item = u32> + use<> {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect::<Vec<_>>().into_iter()
}
