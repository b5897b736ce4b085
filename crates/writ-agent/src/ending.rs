//! The end of a grant for what still runs: kind, and still an end. It stops processes that an elevated session of this
//! grant started, and nothing else.
//!
//! Always: a login's own monitor (sshd, login, cron) and the logins under it are never stopped; a package manager at
//! work gets a bounded stay; everything else of the grant is gone once the grace has passed.

use crate::cgroups::{Cgroups, Placed};
use crate::clock::Now;
use crate::processes::{self, Process};
use crate::terminals;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use writ_core::time::Span;

/// How long a package manager may go on.
pub const STAY_MAX: Span = Span::from_minutes(5);

/// Between hanging up and asking to stop.
const HANG_UP: Span = Span::from_millis(300);
/// How long sudo has to give the person's terminal back in order, once what it ran is gone.
const TIDY: Span = Span::from_millis(150);
/// Until it is looked again whether something slipped through.
const AGAIN: Span = Span::from_seconds(2);
/// How often a stay is looked at.
const STAY_STEP: Span = Span::from_millis(500);

/// Programs that hold other people's logins, or that the host itself needs; only where the distribution puts them.
const MONITORS: [&str; 16] = [
    "sshd",
    "sshd-session",
    "sshd-auth",
    "dropbear",
    "login",
    "agetty",
    "getty",
    "cron",
    "crond",
    "atd",
    "systemd",
    "systemd-logind",
    "systemd-executor",
    "gdm-session-wor",
    "lightdm",
    "sddm-helper",
];

/// Whose sessions are ended, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The grant's cgroup.
    pub cgroup: String,
    /// The account.
    pub uid: u32,
    /// When the grant began, since the machine started.
    pub began: Span,
    /// When its rule was gone: a sudo that began later belongs to another grant.
    pub ended: Span,
    /// Between being asked to stop and being stopped.
    pub grace: Span,
}

/// An end under way.
#[derive(Clone, Debug)]
pub struct Ending {
    whose: Whose,
    step: Step,
    /// When the next step is due, since the machine started.
    pub next: Span,
    stay_until: Option<Span>,
    /// How many processes were stopped so far.
    pub stopped: u32,
    /// What was left running, for people.
    pub left: Vec<String>,
    /// What happened that an operator should know.
    pub notices: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Ask,
    Term,
    Kill,
    Sweep,
    Again,
    Done,
}

/// What an elevated session of a grant has started, sorted by what is to be done with it.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// To be stopped.
    pub doomed: Vec<Process>,
    /// Never stopped: monitors, and the logins under them.
    pub spared: Vec<Process>,
}

impl Members {
    /// Finds them now.
    pub fn of(cgroups: Option<&Cgroups>, whose: &Whose) -> Self {
        let all = processes::all();
        let placed = cgroups.map(|cgroups| cgroups.placed(&whose.cgroup)).unwrap_or_default();
        let mut members: BTreeMap<u32, String> = placed
            .into_iter()
            .map(|Placed { pid, leaf }| (pid, leaf))
            .filter(|(pid, _)| all.contains_key(pid))
            .collect();
        // Sessions that the hook did not catch: the hook is optional, and may have been gone.
        let loose = |process: &&Process| {
            (whose.began..=whose.ended).contains(&process.began)
                && !members.contains_key(&process.pid)
                && processes::program(process.pid) == "sudo"
                && processes::owner(process.parent) == Some(whose.uid)
                && !cgroups.is_some_and(|cgroups| cgroups.holds(process.pid))
        };
        let loose: Vec<u32> = all.values().filter(loose).map(|process| process.pid).collect();
        members.extend(loose.into_iter().map(|pid| (pid, format!("loose-{pid}"))));
        // What walked out of the cgroup and is still a child of somebody in it.
        let roots: Vec<u32> = members.keys().copied().collect();
        for pid in processes::descendants(&all, &roots) {
            if !cgroups.is_some_and(|cgroups| cgroups.holds(pid)) {
                let leaf = leaf_of_parents(&all, &members, pid);
                members.entry(pid).or_insert(leaf);
            }
        }
        let mut found = Self::default();
        for (pid, leaf) in &members {
            let Some(process) = all.get(pid) else { continue };
            let spared = is_under_a_monitor(&all, &members, process, leaf);
            if spared { found.spared.push(process.clone()) } else { found.doomed.push(process.clone()) }
        }
        found
    }

    /// Programs that somebody started by hand and left running without a terminal.
    pub fn daemons(&self) -> Vec<String> {
        let known: BTreeSet<u32> = self.doomed.iter().map(|process| process.pid).collect();
        let alone = |process: &&Process| process.terminal == 0 && !known.contains(&process.parent);
        let daemons = self.doomed.iter().filter(alone).filter(|process| processes::program(process.pid) != "sudo");
        daemons.map(|process| format!("{} (pid {})", process.name, process.pid)).collect()
    }
}

fn leaf_of_parents(all: &BTreeMap<u32, Process>, members: &BTreeMap<u32, String>, of: u32) -> String {
    let mut at = of;
    for _ in 0..all.len() {
        let Some(process) = all.get(&at) else { break };
        if let Some(leaf) = members.get(&process.parent) {
            return leaf.clone();
        }
        at = process.parent;
    }
    String::new()
}

pub(crate) fn is_monitor(pid: u32) -> bool {
    let path = processes::binary(pid);
    let shipped = ["/usr/", "/sbin/", "/bin/", "/lib/"].iter().any(|dir| path.starts_with(dir));
    shipped && !path.starts_with("/usr/local/") && MONITORS.contains(&processes::program(pid).as_str())
}

/// Processes that run as root, began under this grant in a login of its holder, and are in none of our cgroups: full
/// root can walk out. They are named and not stopped, since a parentage that was cut can no longer be proved.
fn walked_out(cgroups: Option<&Cgroups>, whose: &Whose) -> Vec<String> {
    let all = processes::all();
    let gone = |process: &&Process| {
        (whose.began..=whose.ended).contains(&process.began)
            && processes::owner(process.pid) == Some(0)
            && processes::login_uid(process.pid) == Some(whose.uid)
            && !is_monitor(process.pid)
            && !cgroups.is_some_and(|cgroups| cgroups.holds(process.pid))
    };
    let told = |process: &Process| format!("{} (pid {}) runs as root outside its session", process.name, process.pid);
    all.values().filter(gone).map(told).collect()
}

/// A monitor, or below one that is in the same session. A monitor in another session does not count: whoever logs in
/// through it and calls sudo has begun a session of their own.
fn is_under_a_monitor(
    all: &BTreeMap<u32, Process>,
    members: &BTreeMap<u32, String>,
    process: &Process,
    leaf: &str,
) -> bool {
    let mut at = process;
    for _ in 0..all.len() {
        if is_monitor(at.pid) {
            return true;
        }
        match all.get(&at.parent) {
            Some(parent) if members.get(&parent.pid).is_some_and(|other| other == leaf) => at = parent,
            _ => return false,
        }
    }
    false
}

impl Ending {
    /// Begins the end of a grant.
    pub fn begin(whose: Whose, now: &Now) -> Self {
        Self {
            whose,
            step: Step::Ask,
            next: now.boot,
            stay_until: None,
            stopped: 0,
            left: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.step == Step::Done
    }

    /// Whether everything was stopped once; what follows is only a second look.
    pub fn is_quiet(&self) -> bool {
        matches!(self.step, Step::Again | Step::Done)
    }

    /// Whose end it is.
    pub fn cgroup(&self) -> &str {
        &self.whose.cgroup
    }

    /// Takes every step that is due.
    pub fn advance(&mut self, cgroups: Option<&Cgroups>, now: &Now) {
        while !self.is_done() && self.next <= now.boot {
            let members = Members::of(cgroups, &self.whose);
            self.spare(cgroups, &members);
            if self.stays(cgroups, &members, now) {
                return;
            }
            match self.step {
                Step::Ask => {
                    let farewell = "Writ: this administrator session has ended.";
                    terminals::tell(&members.doomed, &[farewell.into()]);
                    if self.whose.grace == Span::ZERO {
                        self.step = Step::Kill;
                        continue;
                    }
                    send(&members.doomed, Signal::HUP);
                    // Who was frozen meanwhile meets the signal first and does nothing before it.
                    self.thaw(cgroups);
                    self.go_on(Step::Term, now.boot + HANG_UP.min(self.whose.grace));
                }
                Step::Term => {
                    send(&members.doomed, Signal::TERM);
                    // A process that was stopped by its user acts on the signal only when it goes on.
                    send(&members.doomed, Signal::CONT);
                    self.go_on(Step::Kill, now.boot + self.whose.grace);
                }
                Step::Kill => {
                    // sudo itself last: it has no power by itself, and puts the person's terminal back in order.
                    let (_, rest): (Vec<Process>, Vec<Process>) =
                        members.doomed.iter().cloned().partition(|p| processes::program(p.pid) == "sudo");
                    self.stopped += u32::try_from(rest.len()).unwrap_or(u32::MAX);
                    send(&rest, Signal::KILL);
                    self.thaw(cgroups);
                    self.go_on(Step::Sweep, now.boot + TIDY);
                }
                Step::Sweep => {
                    self.sweep(cgroups, &members);
                    self.go_on(Step::Again, now.boot + AGAIN);
                }
                Step::Again => {
                    self.sweep(cgroups, &members);
                    self.left.extend(walked_out(cgroups, &self.whose));
                    if let Some(cgroups) = cgroups {
                        cgroups.remove(&self.whose.cgroup);
                    }
                    self.step = Step::Done;
                }
                Step::Done => return,
            }
        }
    }

    fn go_on(&mut self, step: Step, at: Span) {
        self.step = step;
        self.next = at;
    }

    /// Moves what is never stopped out of the cgroup, so that the cgroup as a whole can be.
    fn spare(&mut self, cgroups: Option<&Cgroups>, members: &Members) {
        for process in &members.spared {
            let told = format!("{} (pid {}) was started by hand and holds logins", process.name, process.pid);
            if is_monitor(process.pid) && !self.left.contains(&told) {
                self.left.push(told);
            }
        }
        let pids: Vec<u32> = members.spared.iter().map(|process| process.pid).collect();
        if let (Some(cgroups), false) = (cgroups, pids.is_empty())
            && let Err(why) = cgroups.leave(&pids)
        {
            self.notices.push(why);
        }
    }

    /// Whether a package manager at work still holds everything up. The rest of the session waits, frozen, so that
    /// nobody works on with it.
    fn stays(&mut self, cgroups: Option<&Cgroups>, members: &Members, now: &Now) -> bool {
        if matches!(self.step, Step::Sweep | Step::Again) {
            return false;
        }
        let doomed: BTreeSet<u32> = members.doomed.iter().map(|process| process.pid).collect();
        let at_work: Vec<u32> = processes::package_managers().into_iter().filter(|pid| doomed.contains(pid)).collect();
        if at_work.is_empty() {
            if self.stay_until.take().is_some() {
                self.notices.push("the package manager has finished; the session was ended then".into());
            }
            return false;
        }
        let until = match self.stay_until {
            Some(until) => until,
            None => {
                let names: Vec<String> = at_work.iter().map(|pid| processes::program(*pid)).collect();
                self.notices.push(format!(
                    "{} is at work; it may finish, for {} at most",
                    names.join(", "),
                    STAY_MAX.told()
                ));
                let line = "Writ: your time is up. The package manager may finish; then this session ends.";
                terminals::tell(&members.doomed, &[line.into()]);
                now.boot + STAY_MAX
            }
        };
        self.stay_until = Some(until);
        if now.boot >= until {
            self.notices.push("the package manager did not finish in time; it was stopped".into());
            return false;
        }
        if let Some(cgroups) = cgroups {
            let all = processes::all();
            let mut goes_on: BTreeSet<u32> = at_work.iter().copied().collect();
            goes_on.extend(processes::descendants(&all, &at_work));
            // sudo itself carries the package manager's terminal.
            goes_on.extend(doomed.iter().copied().filter(|pid| processes::program(*pid) == "sudo"));
            let rest: Vec<u32> = doomed.difference(&goes_on).copied().collect();
            if let Err(why) = cgroups.hold(&self.whose.cgroup, &rest) {
                self.notices.push(why);
            }
        }
        self.next = now.boot + STAY_STEP;
        true
    }

    fn thaw(&self, cgroups: Option<&Cgroups>) {
        if let Some(cgroups) = cgroups {
            cgroups.thaw(&self.whose.cgroup);
        }
    }

    /// Everything that is still there, at once.
    fn sweep(&mut self, cgroups: Option<&Cgroups>, members: &Members) {
        if let Some(Err(why)) = cgroups.map(|cgroups| cgroups.kill(&self.whose.cgroup)) {
            self.notices.push(why);
        }
        // Those outside the cgroup, and everybody where there are no cgroups.
        send(&members.doomed, Signal::KILL);
    }
}

fn send(processes: &[Process], signal: Signal) {
    for process in processes {
        // A process that is gone has done what it was asked.
        let _ = processes::signal(process, signal);
    }
}
