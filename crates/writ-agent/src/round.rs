//! One round: makes the host as the order, the clock and the host's own file say, and notes what came of it.
//! It takes everything that should be and does what is missing; it remembers no change, so a restart, a lost message
//! and a normal day take the same path.
//!
//! Always: power is taken away before any is given; nothing is called in force that a probe has not seen.

mod judge;
mod warn;

use crate::accounts::{Local, has_no_password};
use crate::cgroups::Cgroups;
use crate::clock::Now;
use crate::config::Limits;
use crate::ending::{Ending, Whose};
use crate::places::SHADOW;
use crate::probe::probe;
use crate::state::{Began, Given, NotTaken, State};
use crate::sudoers::Rule;
use crate::traces::Traces;
use crate::window::{Floor, SKEW_MAX};
use crate::{drift, files, install, sessions};
use judge::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use writ_core::directory::Drift;
use writ_core::order::{Containment, End, GrantKey, GrantReport, Notice, Report, SignedOrder, Standing, told_max};
use writ_core::time::{Span, Time};

/// How often the host is looked over when nothing happens.
const LOOK_OVER: Span = Span::from_seconds(60);
/// The longest time between two rounds.
const ROUND_MAX: Span = Span::from_seconds(10);
/// The grace for sessions of a grant that nobody knows any more.
const GRACE_OF_STRANGERS: Span = Span::from_seconds(30);
/// The most notices that are kept.
const NOTICES_MAX: usize = 50;

/// The host and what the agent knows about it.
pub struct Host {
    /// What is written down.
    pub state: State,
    cgroups: Option<Cgroups>,
    limits: Limits,
    limits_wrong: Option<String>,
    /// The server's clock less ours, at its last answer, in milliseconds.
    offset: Option<i64>,
    endings: Vec<(Option<GrantKey>, Ending)>,
    /// The rules that a probe has seen in force, by uid.
    probed: BTreeMap<u32, Rule>,
    /// The shortest warning given so far.
    warned: BTreeMap<GrantKey, Span>,
    drift: Vec<Drift>,
    looked: Option<Span>,
    /// The places where a way back in could be hidden, as they were when the first right in force began.
    traces: Option<Traces>,
    notices: Vec<Notice>,
}

impl Host {
    /// A host as the state file left it.
    pub fn new(state: State) -> Self {
        Self {
            state,
            cgroups: Cgroups::find(),
            limits: Limits::default(),
            limits_wrong: Some("not read yet".into()),
            offset: None,
            endings: Vec::new(),
            probed: BTreeMap::new(),
            warned: BTreeMap::new(),
            drift: Vec::new(),
            looked: None,
            traces: Traces::load(),
            notices: Vec::new(),
        }
    }

    /// Notes what time it is at the server.
    pub fn heard(&mut self, server_time: Option<Time>, now: &Now) {
        let Some(server) = server_time else { return };
        self.offset = Some(server.millis() - now.wall.millis());
        // A clock that once jumped ahead by mistake must not end every later grant at once.
        let ahead = self.state.floor.wall(now).since(now.wall);
        if self.skew().is_none() && ahead > SKEW_MAX {
            self.state.floor = Floor::at(now);
            self.notice("clock_recovered", format!("this host's clock had been {} ahead", ahead.told()));
        }
    }

    /// Takes an order, if this host obeys it. Returns whether it did.
    pub fn take(&mut self, signed: &SignedOrder) -> bool {
        self.read_limits();
        match self.state.take(signed, &self.limits.seconds) {
            Ok(_) => true,
            Err(why) => {
                let kind = if matches!(why, NotTaken::Fault(_)) { "fault" } else { "order_refused" };
                self.notice(kind, why.to_string());
                false
            }
        }
    }

    /// Notes that the server has taken a report in which these were over.
    pub fn acknowledged(&mut self, over: &[GrantKey]) {
        for given in self.state.given.iter_mut().filter(|given| given.is_over() && !given.ending) {
            given.acknowledged |= over.contains(&given.grant.key());
        }
    }

    /// Makes everything as it should be now.
    pub fn round(&mut self, now: &Now) {
        let before = (self.state.given.clone(), self.state.pins.clone());
        let due = self.looked.is_none_or(|at| now.boot.millis() - at.millis() >= LOOK_OVER.millis());
        self.state.floor.rise(now);
        self.read_limits();
        let verdicts = self.judge_all(now);
        let rules = self.rules(&verdicts, now);
        self.take_away(&verdicts, &rules, now);
        // Before anything is given: the programs that check a rule take time, and an end does not wait for them.
        self.advance_endings(now);
        self.look_for_traces(&rules);
        self.give(&verdicts, &rules, due, now);
        self.warn(&verdicts, now);
        if due {
            self.looked = Some(now.boot);
            let ours: Vec<u32> = rules.keys().copied().collect();
            self.drift = drift::drift(&ours);
        }
        self.forget();
        if (due || before != (self.state.given.clone(), self.state.pins.clone()))
            && let Err(why) = self.state.save()
        {
            self.notice("fault", why);
        }
    }

    fn read_limits(&mut self) {
        match Limits::read() {
            Ok(limits) => {
                self.limits = limits;
                self.limits_wrong = None;
            }
            // What is in force stays under the limits that were read last; nothing new begins.
            Err(why) => {
                if self.limits_wrong.as_ref() != Some(&why) {
                    self.notice("file_refused", why.clone());
                }
                self.limits_wrong = Some(why);
            }
        }
    }

    /// One rule for each account that has anything in force: from the first beginning to the last end.
    fn rules(&self, verdicts: &[Verdict], now: &Now) -> BTreeMap<u32, (Rule, Local)> {
        let shadow = fs::read_to_string(SHADOW).unwrap_or_default();
        let mut rules: BTreeMap<u32, (Rule, Local)> = BTreeMap::new();
        for (given, verdict) in self.state.given.iter().zip(verdicts) {
            let Verdict::On(local) = verdict else { continue };
            // Where this clock is a little behind the server's, sudo would wait for a beginning that has come.
            let from = given.began.as_ref().map_or(now.wall, |began| began.wall).min(given.grant.not_before);
            let free = has_no_password(&shadow, &local.name) || self.limits.nopasswd.contains(&local.name);
            let rule = Rule {
                uid: local.uid,
                activation: given.grant.activation,
                not_before: from,
                not_after: given.grant.not_after,
                commands: self.limits.commands.clone(),
                password: !free,
            };
            rules
                .entry(local.uid)
                .and_modify(|(known, _)| {
                    known.not_before = known.not_before.min(rule.not_before);
                    if rule.not_after > known.not_after {
                        known.not_after = rule.not_after;
                        known.activation = rule.activation;
                    }
                })
                .or_insert((rule, local.clone()));
        }
        rules
    }

    /// Everything that should not be there goes: files first, then sessions.
    fn take_away(&mut self, verdicts: &[Verdict], rules: &BTreeMap<u32, (Rule, Local)>, now: &Now) {
        match install::present() {
            Ok((uids, leftovers)) => {
                for uid in uids.into_iter().filter(|uid| !rules.contains_key(uid)) {
                    let gone = install::take(uid).map(drop).and_then(|()| sessions::direct(uid, None));
                    self.note(gone);
                    self.probed.remove(&uid);
                }
                for path in leftovers {
                    let gone = files::remove(&path).map(drop);
                    self.note(gone);
                }
            }
            Err(why) => self.notice("fault", why),
        }
        let at = self.state.floor.wall(now);
        for index in 0..self.state.given.len() {
            let (Some(given), Some(verdict)) = (self.state.given.get(index).cloned(), verdicts.get(index)) else {
                continue;
            };
            let (standing, told) = match verdict {
                Verdict::On(_) => continue,
                Verdict::Wait => (Standing::Waiting, "its time has not come".to_owned()),
                Verdict::Refuse(why) => (Standing::Refused, why.clone()),
                Verdict::Off(_) if given.is_over() => continue,
                Verdict::Off(why) => (Standing::Ended { at, stopped: 0, left: 0 }, (*why).to_owned()),
            };
            let ends_sessions = given.in_force() && self.end_sessions(&given, rules, now);
            if let Some(given) = self.state.given.get_mut(index) {
                given.standing = standing;
                given.told = told_max(&told);
                given.ending |= ends_sessions;
            }
        }
        self.end_strangers(now);
    }

    /// Ends what still runs under a grant that is over, unless it may go on. Returns whether an end is under way.
    fn end_sessions(&mut self, given: &Given, rules: &BTreeMap<u32, (Rule, Local)>, now: &Now) -> bool {
        let (Some(name), Some(local)) = (given.cgroup(), given.account()) else { return false };
        if let (Some((rule, _)), Some(cgroups)) = (rules.get(&local.uid), &self.cgroups) {
            // The account has another right in force: what runs belongs to that one from now on.
            let heir = format!("{}.{}", rule.activation, rule.uid);
            let adopted = if heir == name { Ok(()) } else { cgroups.adopt(&name, &heir) };
            self.note(adopted);
            return false;
        }
        if given.grant.end == End::RefuseNew {
            warn::tell_refused_new(self.cgroups.as_ref(), given, &local);
            return false;
        }
        let began = given.began.as_ref().filter(|began| began.boot_id == now.boot_id).map_or(Span::ZERO, |b| b.boot);
        let whose = Whose { cgroup: name, uid: local.uid, began, ended: now.boot, grace: given.grant.grace };
        self.endings.push((Some(given.grant.key()), Ending::begin(whose, now)));
        true
    }

    /// Sessions in cgroups of grants that are not in force: an end that a restart cut short.
    fn end_strangers(&mut self, now: &Now) {
        let Some(cgroups) = &self.cgroups else { return };
        let known: BTreeSet<String> =
            self.state.given.iter().filter(|given| given.in_force()).filter_map(Given::cgroup).collect();
        for name in cgroups.names() {
            let under_way = self.endings.iter().any(|(_, ending)| ending.cgroup() == name);
            if known.contains(&name) || under_way || (cgroups.placed(&name).is_empty() && cgroups.remove(&name)) {
                continue;
            }
            let given = self.state.given.iter_mut().find(|given| given.cgroup().as_deref() == Some(&name));
            let (key, grace) = match given {
                Some(given) if given.grant.end == End::RefuseNew => continue,
                Some(given) => {
                    given.ending = true;
                    (Some(given.grant.key()), given.grant.grace)
                }
                None => (None, GRACE_OF_STRANGERS),
            };
            let uid = name.rsplit('.').next().and_then(|uid| uid.parse().ok()).unwrap_or(u32::MAX);
            let whose = Whose { cgroup: name, uid, began: now.boot, ended: now.boot, grace };
            self.endings.push((key, Ending::begin(whose, now)));
        }
    }

    /// Everything that is missing is put in place, and tried.
    fn give(&mut self, verdicts: &[Verdict], rules: &BTreeMap<u32, (Rule, Local)>, due: bool, now: &Now) {
        for (uid, (rule, local)) in rules {
            let known = self.probed.get(uid) == Some(rule);
            let placed = self.place(rule);
            if let (Ok(true), true) = (&placed, known) {
                self.notice(
                    "put_back",
                    format!("the rule for {} had been changed by hand; it was put back", local.name),
                );
            }
            if known && !due && matches!(placed, Ok(false)) {
                continue;
            }
            let seen = placed.and_then(|_| probe(rule, local));
            if seen.is_ok() {
                self.probed.insert(*uid, rule.clone());
            } else {
                self.probed.remove(uid);
            }
            let at = self.state.floor.wall(now);
            for (given, verdict) in self.state.given.iter_mut().zip(verdicts) {
                if !matches!(verdict, Verdict::On(local) if local.uid == *uid) {
                    continue;
                }
                let began = || Began { wall: now.wall, boot: now.boot, boot_id: now.boot_id.clone() };
                given.local = Some((local.name.clone(), local.uid, local.gid));
                given.began.get_or_insert_with(began);
                (given.standing, given.told) = match (&seen, given.standing) {
                    (Ok(how), Standing::InForce { since }) => (Standing::InForce { since }, how.clone()),
                    (Ok(how), _) => (Standing::InForce { since: at }, how.clone()),
                    (Err(why), _) => (Standing::Failed, told_max(why)),
                };
            }
        }
    }

    /// Says where the sessions go, then lets them begin.
    fn place(&self, rule: &Rule) -> Result<bool, String> {
        if let Some(cgroups) = &self.cgroups {
            let place = cgroups.open(&format!("{}.{}", rule.activation, rule.uid))?;
            sessions::direct(rule.uid, Some(&place))?;
        }
        install::put(rule.uid, &rule.render())
    }

    /// Remembers what the host looked like before anybody was administrator, and says what is different after.
    fn look_for_traces(&mut self, rules: &BTreeMap<u32, (Rule, Local)>) {
        match (&self.traces, rules.is_empty() && self.endings.is_empty()) {
            (None, false) => {
                let before = Traces::look();
                let kept = before.save();
                self.note(kept);
                self.traces = Some(before);
            }
            (Some(before), true) => {
                let changes = before.changes(&Traces::look());
                if !changes.is_empty() {
                    self.notice("left_behind", format!("while somebody was administrator: {}", changes.join(", ")));
                }
                self.traces = None;
                self.note(Traces::forget());
            }
            _ => {}
        }
    }

    fn advance_endings(&mut self, now: &Now) {
        let mut endings = std::mem::take(&mut self.endings);
        for (key, ending) in &mut endings {
            ending.advance(self.cgroups.as_ref(), now);
            for told in std::mem::take(&mut ending.notices) {
                self.notice("ending", told);
            }
            let given = self.state.given.iter_mut().find(|given| Some(given.grant.key()) == *key);
            if let (Some(given), true) = (given, ending.is_quiet()) {
                given.ending = false;
                let left = u32::try_from(ending.left.len()).unwrap_or(u32::MAX);
                if let Standing::Ended { at, .. } = given.standing {
                    given.standing = Standing::Ended { at, stopped: ending.stopped, left };
                }
            }
            if ending.is_done() {
                for told in std::mem::take(&mut ending.left) {
                    self.notice("left_running", format!("{told}; it was left running"));
                }
            }
        }
        endings.retain(|(_, ending)| !ending.is_done());
        self.endings = endings;
    }

    /// What is over, reported, and in no order any more is forgotten.
    fn forget(&mut self) {
        let wanted: BTreeSet<GrantKey> =
            self.wanted().into_iter().flat_map(|order| order.grants).map(|grant| grant.key()).collect();
        self.state.given.retain(|g| !g.is_over() || g.ending || !g.acknowledged || wanted.contains(&g.grant.key()));
    }

    fn note(&mut self, done: Result<(), String>) {
        if let Err(why) = done {
            self.notice("fault", why);
        }
    }

    /// Notes something that an operator should know, once.
    pub fn notice(&mut self, kind: &str, told: String) {
        let notice = Notice { kind: kind.into(), told: told_max(&told) };
        if self.notices.contains(&notice) {
            return;
        }
        crate::agent::log(&format!("{kind}: {}", notice.told));
        self.notices.push(notice);
        if self.notices.len() > NOTICES_MAX {
            self.notices.remove(0);
        }
    }

    /// The difference between this host's clock and the server's, where it is too much.
    fn skew(&self) -> Option<Span> {
        let skew = Span::from_millis(self.offset?.saturating_abs());
        (skew > SKEW_MAX).then_some(skew)
    }

    /// Everything the host knows, for the server.
    pub fn report(&self, now: &Now) -> Report {
        let mut notices = self.notices.clone();
        if let Some(skew) = self.skew() {
            let told =
                format!("this host's clock is {} off; it takes no new power until that is set right", skew.told());
            notices.push(Notice { kind: "clock_skew".into(), told });
        }
        let passwd = fs::read_to_string(crate::places::PASSWD).unwrap_or_default();
        let held = self.state.held.as_ref();
        Report {
            at: now.wall,
            epoch: held.map_or(0, |held| held.epoch),
            seq: held.map_or(0, |held| held.seq),
            agent: format!("writ-agent {}", env!("CARGO_PKG_VERSION")),
            containment: if self.cgroups.is_some() && sessions::is_installed() {
                Containment::Cgroup
            } else {
                Containment::ProcessTree
            },
            grants: self
                .state
                .given
                .iter()
                .filter(|given| !given.ending)
                .map(|given| GrantReport {
                    grant: given.grant.key(),
                    standing: given.standing,
                    told: given.told.clone(),
                })
                .collect(),
            accounts: crate::accounts::Passwd::parse(&passwd).of_people(),
            drift: self.drift.clone(),
            notices,
        }
    }

    /// How long nothing needs to be done.
    pub fn rest(&self, now: &Now) -> Span {
        let floor = &self.state.floor;
        let mut rest = ROUND_MAX;
        for (_, ending) in &self.endings {
            rest = rest.min(Span::from_millis(ending.next.millis() - now.boot.millis()));
        }
        for given in &self.state.given {
            match given.standing {
                Standing::InForce { .. } | Standing::Failed => {
                    let left = given.taken.left(floor, now);
                    rest = rest.min(left);
                    for before in warn::BEFORE {
                        if left > before {
                            rest = rest.min(Span::from_millis(left.millis() - before.millis()));
                        }
                    }
                }
                Standing::Waiting => {
                    let server = self.server_now(now);
                    rest = rest.min(given.grant.not_before.since(server.max(floor.wall(now))));
                }
                Standing::Refused | Standing::Ended { .. } => {}
            }
        }
        rest.max(Span::from_millis(2))
    }

    /// What time it is at the server, as far as known.
    fn server_now(&self, now: &Now) -> Time {
        Time::from_millis(now.wall.millis().saturating_add(self.offset.unwrap_or(0)))
    }
}
