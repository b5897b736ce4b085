//! What runs on the host: a reading of `/proc`, and signals that reach the process that was read and no other.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use writ_core::time::Span;

/// Clock ticks per second in `/proc`; fixed by the kernel's interface on every platform Writ runs on.
const TICKS: i64 = 100;

/// One process as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent.
    pub parent: u32,
    /// Its session.
    pub session: u32,
    /// Its controlling terminal as the kernel numbers it; 0 for none.
    pub terminal: u32,
    /// When it began, since the machine started.
    pub began: Span,
    /// The first 15 bytes of its name; the process can set them.
    pub name: String,
    /// Whether it has ended and was not waited for.
    pub is_dead: bool,
}

/// Reads one process; `None` if it is gone.
pub fn read(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<i64>().ok();
    Some(Process {
        pid,
        parent: u32::try_from(number(1)?).ok()?,
        session: u32::try_from(number(3)?).ok()?,
        terminal: u32::try_from(number(4)?).unwrap_or(0),
        began: Span::from_millis(number(19)?.saturating_mul(1000 / TICKS)),
        name: head.split_once('(')?.1.to_owned(),
        is_dead: matches!(fields.first(), Some(&"Z" | &"X")),
    })
}

/// Reads every process.
pub fn all() -> BTreeMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(read).filter(|process| !process.is_dead).map(|process| (process.pid, process)).collect()
}

/// Everything that descends from these, by parentage, themselves left out.
pub fn descendants(all: &BTreeMap<u32, Process>, of: &[u32]) -> Vec<u32> {
    let mut found: Vec<u32> = of.to_vec();
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children = all.values().filter(|process| process.parent == parent).map(|process| process.pid);
        let new: Vec<u32> = children.filter(|pid| !found.contains(pid)).collect();
        found.extend(new);
        at += 1;
    }
    found.split_off(of.len().min(found.len()))
}

/// The program's file, as the kernel knows it; empty for kernel threads and processes that are gone.
pub fn binary(pid: u32) -> String {
    let link = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    // A program that was replaced while it runs, as an upgrade does.
    link.to_string_lossy().trim_end_matches(" (deleted)").to_owned()
}

/// The name of the program's file.
pub fn program(pid: u32) -> String {
    binary(pid).rsplit('/').next().unwrap_or_default().to_owned()
}

/// Whose login a process comes from, as the kernel noted it at the login; `None` where it comes from none.
pub fn login_uid(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

/// The uid that owns a process.
pub fn owner(pid: u32) -> Option<u32> {
    Some(fs::metadata(format!("/proc/{pid}")).ok()?.uid())
}

/// Sends a signal to the process that was read: not to a later one that got its number. Returns whether it was sent.
pub fn signal(process: &Process, signal: Signal) -> bool {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return false };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    if read(process.pid).is_none_or(|now| now.began != process.began) {
        return false;
    }
    pidfd_send_signal(handle, signal).is_ok()
}

/// Processes that hold the lock of the host's package manager.
pub fn package_managers() -> Vec<u32> {
    const LOCKS: [&str; 6] = [
        "/var/lib/dpkg/lock",
        "/var/lib/dpkg/lock-frontend",
        "/var/cache/apt/archives/lock",
        "/var/lib/rpm/.rpm.lock",
        "/usr/lib/sysimage/rpm/.rpm.lock",
        "/var/lib/pacman/db.lck",
    ];
    let inodes: Vec<(String, &str)> =
        LOCKS.iter().filter_map(|path| Some((fs::metadata(path).ok()?.ino().to_string(), *path))).collect();
    let held = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut pids: Vec<u32> = held
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let at = fields.iter().position(|field| *field == "WRITE" || *field == "READ")?;
            let pid: u32 = fields.get(at + 1)?.parse().ok()?;
            let inode = fields.get(at + 2)?.rsplit(':').next()?;
            let (_, path) = inodes.iter().find(|(known, _)| known == inode)?;
            // Inode numbers repeat across file systems, so the process must have that very file open.
            has_open(pid, path).then_some(pid)
        })
        .collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

fn has_open(pid: u32, path: &str) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| link.as_os_str() == path)
}
