//! What should be, grant by grant: the order's word, the clock's, and the host's own, which is the last.

use super::Host;
use crate::accounts::{Local, Passwd};
use crate::clock::Now;
use crate::places::PASSWD;
use crate::state::Given;
use crate::window::Taken;
use std::fs;
use writ_core::order::Order;
use writ_core::time::Span;

/// What should become of one grant now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// In force, for this account.
    On(Local),
    /// Not yet.
    Wait,
    /// Not on this host; why, and what would make it right.
    Refuse(String),
    /// Over.
    Off(&'static str),
}

impl Host {
    /// The order this host obeys, read anew and judged anew.
    pub(super) fn wanted(&self) -> Option<Order> {
        self.state.wanted(&self.limits.seconds).ok().flatten()
    }

    /// Brings the list of grants up to the order, and judges each. One verdict for each entry of `state.given`.
    pub(super) fn judge_all(&mut self, now: &Now) -> Vec<Verdict> {
        let wanted = match self.state.wanted(&self.limits.seconds) {
            Ok(order) => order,
            Err(why) => {
                self.notice("order_refused", why.to_string());
                None
            }
        };
        let grants = wanted.map(|order| order.grants).unwrap_or_default();
        let server = self.offset.is_some().then(|| self.server_now(now));
        for grant in &grants {
            let taken = || Taken::new(grant, server, &self.state.floor, now);
            match self.state.given.iter_mut().find(|given| given.grant.key() == grant.key()) {
                None => self.state.given.push(Given::new(grant.clone(), taken())),
                Some(given) if given.grant == *grant => {}
                Some(given) if given.taken.fits(grant) => given.grant = grant.clone(),
                Some(given) => {
                    given.taken = Taken::new(grant, server, &self.state.floor, now);
                    given.grant = grant.clone();
                    if given.is_over() && !given.ending {
                        *given = Given::new(grant.clone(), given.taken.clone());
                    }
                    self.warned.remove(&grant.key());
                }
            }
        }
        let passwd = Passwd::parse(&fs::read_to_string(PASSWD).unwrap_or_default());
        let mut verdicts = Vec::with_capacity(self.state.given.len());
        for index in 0..self.state.given.len() {
            let Some(given) = self.state.given.get(index).cloned() else { break };
            let is_wanted = grants.iter().any(|grant| grant.key() == given.grant.key());
            let verdict = self.judge(&given, is_wanted, &passwd, now);
            if let Verdict::On(local) = &verdict {
                self.state.pins.pin(given.grant.person, local);
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    fn judge(&self, given: &Given, is_wanted: bool, passwd: &Passwd, now: &Now) -> Verdict {
        let grant = &given.grant;
        if !is_wanted {
            return Verdict::Off("taken back");
        }
        if given.is_over() || given.taken.left(&self.state.floor, now) == Span::ZERO {
            return Verdict::Off("its time is up");
        }
        if !given.in_force() {
            if let Some(why) = &self.limits_wrong {
                return Verdict::Refuse(format!("this host takes no new power: {why}"));
            }
            if let Some(skew) = self.skew() {
                let by = skew.told();
                return Verdict::Refuse(format!("this host's clock is {by} off; set it right, and the right begins"));
            }
        }
        let window = grant.not_after.since(grant.not_before);
        if window > self.limits.window_max {
            return Verdict::Refuse(format!(
                "{} is longer than this host allows; its file says {} at most",
                window.told(),
                self.limits.window_max.told()
            ));
        }
        if self.limits.never.contains(&grant.account) {
            return Verdict::Refuse(crate::accounts::NoLocal::Never(grant.account.clone()).to_string());
        }
        let local = passwd.resolve(&grant.account);
        match local.and_then(|local| self.state.pins.judge(grant.person, &local).map(|()| local)) {
            Err(why) => Verdict::Refuse(why.to_string()),
            // Its sessions of before are still being ended; new ones would be taken for them.
            Ok(_) if given.ending => Verdict::Wait,
            Ok(_) if grant.not_before > self.server_now(now).max(self.state.floor.wall(now)) => Verdict::Wait,
            Ok(local) => Verdict::On(local),
        }
    }
}
