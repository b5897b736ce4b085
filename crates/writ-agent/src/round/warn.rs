//! Warns people at their terminals before their time is up, with the command that asks for more.

use super::Host;
use super::judge::Verdict;
use crate::accounts::Local;
use crate::cgroups::Cgroups;
use crate::clock::Now;
use crate::ending::{Members, Whose};
use crate::state::Given;
use crate::terminals;
use writ_core::order::End;
use writ_core::time::Span;

/// How long before the end people are warned.
pub(super) const BEFORE: [Span; 3] = [Span::from_minutes(15), Span::from_minutes(5), Span::from_minutes(1)];

impl Host {
    /// Gives each warning that has come due, once.
    pub(super) fn warn(&mut self, verdicts: &[Verdict], now: &Now) {
        for (given, verdict) in self.state.given.iter().zip(verdicts) {
            let (Verdict::On(local), true) = (verdict, given.in_force()) else { continue };
            let left = given.taken.left(&self.state.floor, now);
            let length = given.grant.not_after.since(given.grant.not_before);
            let key = given.grant.key();
            // After an extension there is more time than at the last warning, and all of them are due again.
            let told = self.warned.get(&key).copied().filter(|told| left <= *told).unwrap_or(length);
            // After a pause only the nearest warning is still true.
            let Some(due) = BEFORE.into_iter().filter(|before| left <= *before && *before < told).min() else {
                continue;
            };
            self.warned.insert(key, due);
            let others = verdicts.iter().filter(|other| matches!(other, Verdict::On(o) if o.uid == local.uid)).count();
            if others > 1 {
                continue; // The account has another right in force, so nothing ends for it yet.
            }
            let members = members(self.cgroups.as_ref(), given, local);
            let mut lines = vec![format!(
                "Writ: your administrator right on this host ends in {}, at {} UTC.",
                // Whole minutes; the round may come a moment late.
                Span::from_minutes(u32::try_from((left.seconds() + 30) / 60).unwrap_or(0).max(1)).told(),
                clock_face(given.grant.not_after.seconds()),
            )];
            if !given.grant.extend.is_empty() {
                lines.push(format!("To ask for more time: {}", given.grant.extend));
            }
            let daemons = members.daemons();
            if given.grant.end == End::Kill && !daemons.is_empty() {
                lines.push(format!("Started by hand and ends then too: {}", daemons.join(", ")));
            }
            terminals::tell(&members.doomed, &lines);
        }
    }
}

/// Tells people that no new session begins, and that what runs may go on.
pub(super) fn tell_refused_new(cgroups: Option<&Cgroups>, given: &Given, local: &Local) {
    let line = "Writ: your administrator right on this host has ended. What runs goes on; sudo begins nothing new.";
    terminals::tell(&members(cgroups, given, local).doomed, &[line.into()]);
}

fn members(cgroups: Option<&Cgroups>, given: &Given, local: &Local) -> Members {
    let whose = Whose {
        cgroup: given.cgroup().unwrap_or_default(),
        uid: local.uid,
        began: given.began.as_ref().map_or(Span::ZERO, |began| began.boot),
        ended: Span::from_millis(i64::MAX),
        grace: given.grant.grace,
    };
    Members::of(cgroups, &whose)
}

/// The time of day, hours and minutes.
fn clock_face(seconds: i64) -> String {
    let of_day = seconds.rem_euclid(86_400);
    format!("{:02}:{:02}", of_day / 3600, of_day % 3600 / 60)
}
