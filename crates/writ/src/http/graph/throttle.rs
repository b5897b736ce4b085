//! How much one caller may ask, of Graph's routes and Writ's own: token buckets in Graph's resource units, as generous as Graph's own.
//! It keeps one program from slowing the others down. It judges no right and never looks at what an answer holds.
//!
//! Known attacks and the defence: spending the budget of somebody in need (budgets belong to one caller each; taking
//! power away has a reserve that nothing else can spend); filling the memory with callers (two generations of a fixed
//! size, the older forgotten; only somebody who is signed in has a budget at all).
//!
//! Always: an emergency account is never told to wait; what a caller asked for before never delays their giving up or
//! taking away.

use super::route::{Route, Verb};
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::collections::HashMap;
use writ_core::ids::PrincipalId;
use writ_core::time::Time;

/// How many callers are remembered, at most twice this many for a moment.
const CALLERS_MAX: usize = 16_384;
/// From this share of a budget on, answers tell how much of it is spent.
const TELL_FROM: u64 = 80;

/// A budget: so many units, refilled evenly within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Units.
    pub units: u64,
    /// In which an empty bucket fills, in milliseconds.
    pub fills_in: u64,
}

/// What one caller may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// On everything.
    pub units: Budget,
    /// On changes, beside it.
    pub writes: Budget,
}

impl Limits {
    /// Graph's limits per program and tenant, by how many principals the tenant has.
    pub const fn graph(principals: usize) -> Self {
        let units = match principals {
            0..50 => 3_500,
            50..=500 => 5_000,
            _ => 8_000,
        };
        Self { units: Budget { units, fills_in: 10_000 }, writes: Budget { units: 3_000, fills_in: 150_000 } }
    }
}

/// What a request is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looking.
    Read,
    /// Changing.
    Write,
    /// Giving up and taking away, and the cover of a batch that may hold such requests.
    Relief,
}

/// What a request costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Resource units.
    pub units: u64,
    /// Changes, if it changes something.
    pub changes: u64,
}

/// A bucket's level, in units times the milliseconds in which it fills, so that nothing is rounded.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    spent: u64,
    at: Time,
}

#[derive(Clone, Copy, Debug)]
struct Caller {
    units: Bucket,
    writes: Bucket,
    relief: Bucket,
}

#[derive(Default)]
struct Callers {
    newer: HashMap<PrincipalId, Caller>,
    older: HashMap<PrincipalId, Caller>,
}

/// What became of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The resource units it costs.
    pub units: u64,
    /// How much of the tightest budget is spent, in hundredths.
    pub spent: u64,
    /// When it is over budget: how long to wait, in seconds, and what is used up.
    pub wait: Option<(u32, Limit)>,
}

/// Which budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Resource units.
    Units,
    /// Changes.
    Writes,
}

impl Limit {
    /// Graph's word in `x-ms-throttle-information`.
    pub const fn name(self) -> &'static str {
        match self {
            Limit::Units => "ResourceUnitLimitExceeded",
            Limit::Writes => "WriteLimitExceeded",
        }
    }
}

impl Charge {
    /// How much is spent as Graph writes it (`0.80` to `1.80`), once it is worth telling.
    pub fn told(&self) -> Option<String> {
        (self.spent >= TELL_FROM).then(|| format!("{}.{:02}", self.spent.min(180) / 100, self.spent.min(180) % 100))
    }
}

/// Every caller's budgets.
pub struct Throttle {
    callers: Mutex<Callers>,
    on: bool,
}

impl Throttle {
    /// With Graph's budgets.
    pub fn new() -> Self {
        Self { callers: Mutex::default(), on: true }
    }

    /// Without any: for measuring.
    pub fn off() -> Self {
        Self { callers: Mutex::default(), on: false }
    }

    /// Charges a request, unless it is over budget. `free` is for callers who are never told to wait.
    pub fn charge(&self, caller: PrincipalId, kind: Kind, cost: Cost, limits: Limits, free: bool, now: Time) -> Charge {
        let Cost { units, changes } = cost;
        if !self.on || free {
            return Charge { units, spent: 0, wait: None };
        }
        let mut callers = self.callers.lock();
        let Callers { newer, older } = &mut *callers;
        let full = Bucket { spent: 0, at: now };
        let before = newer.get(&caller).or_else(|| older.get(&caller)).copied();
        let mut budgets = before.unwrap_or(Caller { units: full, writes: full, relief: full });
        let charged: &mut [(&mut Bucket, Budget, u64, Limit)] = match kind {
            Kind::Read => &mut [(&mut budgets.units, limits.units, units, Limit::Units)],
            Kind::Write => &mut [
                (&mut budgets.units, limits.units, units, Limit::Units),
                (&mut budgets.writes, limits.writes, changes, Limit::Writes),
            ],
            Kind::Relief => &mut [(&mut budgets.relief, limits.units, units, Limit::Units)],
        };
        let (mut spent, mut wait) = (0, None);
        for (bucket, budget, cost, limit) in charged.iter_mut() {
            bucket.fill(*budget, now);
            if let Some(seconds) = bucket.lacks(*budget, *cost)
                && wait.is_none_or(|(longest, _)| longest < seconds)
            {
                wait = Some((seconds, *limit));
            }
        }
        for (bucket, budget, cost, _) in charged {
            // What is refused costs nothing, so waiting as told is always enough.
            if wait.is_none() {
                bucket.spent += *cost * budget.fills_in;
            }
            spent = spent.max(bucket.share(*budget));
        }
        newer.insert(caller, budgets);
        if newer.len() >= CALLERS_MAX {
            *older = std::mem::take(newer);
        }
        Charge { units, spent: if wait.is_some() { spent.max(100) } else { spent }, wait }
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

impl Bucket {
    fn fill(&mut self, budget: Budget, now: Time) {
        // A clock that went back fills nothing, and the next moment counts from there.
        let passed = u64::try_from(now.millis() - self.at.millis()).unwrap_or(0);
        self.spent = self.spent.saturating_sub(passed.saturating_mul(budget.units));
        self.at = now;
    }

    /// How many seconds until this cost fits, if it does not now.
    fn lacks(&self, budget: Budget, cost: u64) -> Option<u32> {
        let full = budget.units * budget.fills_in;
        let over = (self.spent + cost * budget.fills_in).saturating_sub(full);
        // Something that costs more than a whole bucket waits for a full one.
        let over = over.min(self.spent);
        (over > 0).then(|| u32::try_from(over.div_ceil(budget.units).div_ceil(1000)).unwrap_or(u32::MAX).max(1))
    }

    fn share(&self, budget: Budget) -> u64 {
        self.spent * 100 / (budget.units * budget.fills_in)
    }
}

/// What a request to this route costs, by Graph's table: one unit, one less for `$select` and for a short page, one
/// more for `$expand`, and never less than one.
pub fn cost(raw: &str) -> u64 {
    let mut units: i64 = 1;
    for pair in raw.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.strip_prefix("%24").or_else(|| name.strip_prefix('$')).unwrap_or(name);
        match name.to_ascii_lowercase().as_str() {
            "select" => units -= 1,
            "expand" => units += 1,
            "top" if value.parse::<u32>().is_ok_and(|n| n < 20) => units -= 1,
            _ => {}
        }
    }
    u64::try_from(units.max(1)).unwrap_or(1)
}

/// What a request is charged to: whatever gives up or takes away power has a reserve of its own.
pub fn kind(route: &Route, body: &[u8]) -> Kind {
    let relieves = match route.verb {
        Verb::Get => return Kind::Read,
        Verb::Delete => true,
        Verb::Patch => false,
        Verb::Post => route.path == "$batch" || route.path.ends_with("/cancel") || takes_away(route, body),
    };
    if relieves { Kind::Relief } else { Kind::Write }
}

/// How many requests this is: what is asked together counts one by one.
pub fn times(route: &Route, body: &[u8]) -> u64 {
    if !route.path.ends_with(TOGETHER) {
        return 1;
    }
    let count = super::body::parse(body).ok().and_then(|body| requests(&body).map(Vec::len));
    // More than are taken at once are refused without being looked at.
    u64::try_from(count.unwrap_or(1).clamp(1, super::together::REQUESTS_MAX)).unwrap_or(1)
}

const TOGETHER: &str = "ScheduleRequests/writ.together";

fn named<'a>(body: &'a Json, name: &str) -> Option<&'a Json> {
    body.as_object()?.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn requests(body: &Json) -> Option<&Vec<Json>> {
    named(body, "requests")?.as_array()
}

fn takes_away(route: &Route, body: &[u8]) -> bool {
    let takes = |body: &Json| {
        let action = named(body, "action").and_then(Json::as_str).unwrap_or_default();
        action.eq_ignore_ascii_case("selfDeactivate") || action.eq_ignore_ascii_case("adminRemove")
    };
    let read = || super::body::parse(body).unwrap_or_default();
    match route.path {
        path if path.ends_with("ScheduleRequests") => takes(&read()),
        path if path.ends_with(TOGETHER) => requests(&read()).is_some_and(|all| all.iter().all(takes)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: PrincipalId = PrincipalId::from_u128(1);
    const BEN: PrincipalId = PrincipalId::from_u128(2);

    fn at(millis: i64) -> Time {
        Time::from_millis(1_795_251_600_000 + millis)
    }

    fn tight() -> Limits {
        Limits { units: Budget { units: 10, fills_in: 10_000 }, writes: Budget { units: 2, fills_in: 10_000 } }
    }

    fn cost(units: u64) -> Cost {
        Cost { units, changes: 1 }
    }

    #[test]
    fn a_budget_is_spent_refused_and_filled_again_and_waiting_as_told_is_enough() {
        let throttle = Throttle::new();
        let ask = |millis| throttle.charge(ANA, Kind::Read, cost(1), tight(), false, at(millis));
        for n in 1..=10 {
            assert_eq!(ask(0), Charge { units: 1, spent: n * 10, wait: None });
        }
        let refused = ask(0);
        assert_eq!(refused.wait, Some((1, Limit::Units)));
        assert_eq!(refused.told().as_deref(), Some("1.00"));
        for _ in 0..1000 {
            assert!(ask(10).wait.is_some(), "what is refused does not push the end away");
        }
        assert_eq!(ask(1000).wait, None);
        assert!(ask(1000).wait.is_some(), "one second fills one unit");
        let later = ask(60_000);
        assert_eq!((later.wait, later.spent), (None, 10), "never more than full");
    }

    #[test]
    fn changes_have_a_budget_beside_and_relief_has_its_own() {
        let throttle = Throttle::new();
        let ask = |kind| throttle.charge(ANA, kind, cost(1), tight(), false, at(0)).wait;
        assert_eq!((ask(Kind::Write), ask(Kind::Write)), (None, None));
        assert_eq!(ask(Kind::Write), Some((5, Limit::Writes)));
        while ask(Kind::Read).is_none() {}
        assert_eq!(ask(Kind::Relief), None, "nothing that was asked before delays giving up");
        assert_eq!(
            throttle.charge(BEN, Kind::Write, cost(1), tight(), false, at(0)).wait,
            None,
            "another caller's own"
        );
        assert_eq!(
            throttle.charge(ANA, Kind::Write, cost(1), tight(), true, at(0)).wait,
            None,
            "never an emergency account"
        );
    }

    #[test]
    fn changes_that_are_asked_together_count_one_by_one() {
        let throttle = Throttle::new();
        let ask =
            |changes| throttle.charge(ANA, Kind::Write, Cost { units: changes, changes }, tight(), false, at(0)).wait;
        assert_eq!(ask(2), None);
        assert_eq!(ask(1), Some((5, Limit::Writes)));
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away_and_takes_nothing() {
        let throttle = Throttle::new();
        let ask = |millis| throttle.charge(ANA, Kind::Read, cost(10), tight(), false, at(millis)).wait;
        assert_eq!(ask(0), None);
        assert_eq!(ask(-60_000), Some((10, Limit::Units)));
        assert_eq!(ask(-50_000), None);
    }

    #[test]
    fn what_costs_more_than_a_bucket_waits_for_a_full_one_and_no_longer() {
        let throttle = Throttle::new();
        let ask = |units, millis| throttle.charge(ANA, Kind::Read, cost(units), tight(), false, at(millis)).wait;
        assert_eq!(ask(1, 0), None);
        assert_eq!(ask(99, 0), Some((1, Limit::Units)));
        assert_eq!(ask(99, 1000), None);
    }

    #[test]
    fn the_memory_is_bounded_however_many_callers_there_are() {
        let throttle = Throttle::new();
        for n in 0..100_000_u128 {
            let _ = throttle.charge(PrincipalId::from_u128(n), Kind::Read, cost(1), tight(), false, at(0));
        }
        let callers = throttle.callers.lock();
        assert!(callers.newer.len() + callers.older.len() <= 2 * CALLERS_MAX);
    }

    #[test]
    fn costs_are_graphs() {
        for (raw, units) in [
            ("", 1),
            ("$select=id", 1),
            ("$expand=principal", 2),
            ("$expand=principal&$select=id", 1),
            ("%24expand=principal&%24top=5", 1),
            ("$expand=principal&$top=100", 2),
            ("$filter=a%26b", 1),
        ] {
            assert_eq!(super::cost(raw), units, "{raw}");
        }
    }
}
