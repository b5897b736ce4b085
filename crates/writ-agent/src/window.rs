//! Whether a grant is in force at a moment, and when it ends. It reads no clock.
//!
//! Always: a grant ends at the earlier of its end by the wall clock and the time that was left when the order came,
//! so a clock that is set back gives nobody an extra minute, and time never runs backwards across a restart.

use crate::clock::Now;
use serde::{Deserialize, Serialize};
use writ_core::order::OrderGrant;
use writ_core::time::{Span, Time};

/// How far the host's clock may be from the server's before the host takes no new power.
pub const SKEW_MAX: Span = Span::from_seconds(30);

/// The latest moment the agent has seen. Written down, so that a reboot into the past is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    wall: Time,
    boot: Span,
    boot_id: String,
}

impl Floor {
    /// Nothing is earlier than this moment.
    pub fn at(now: &Now) -> Self {
        Self { wall: now.wall, boot: now.boot, boot_id: now.boot_id.clone() }
    }

    /// What time it is at least: the wall clock, or the latest moment seen and the time that has passed since. After
    /// a reboot, what has passed is at least the time since this system's first process was started: the machine
    /// itself may have been running for days when a container on it starts anew.
    pub fn wall(&self, now: &Now) -> Time {
        let passed = if now.boot_id == self.boot_id {
            Span::from_millis(now.boot.millis() - self.boot.millis())
        } else {
            now.up
        };
        now.wall.max(self.wall + passed)
    }

    /// Moves up to `now`.
    pub fn rise(&mut self, now: &Now) {
        let wall = self.wall(now);
        *self = Self { wall, boot: now.boot, boot_id: now.boot_id.clone() };
    }
}

/// What was left of a grant when its order came, held against the clock that nobody can set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    not_after: Time,
    /// `boot` at the end.
    deadline: Span,
    boot_id: String,
}

impl Taken {
    /// A grant that has just come; `server` is the server's clock as its answer carried it.
    pub fn new(grant: &OrderGrant, server: Option<Time>, floor: &Floor, now: &Now) -> Self {
        let left = grant.not_after.since(server.unwrap_or(now.wall).max(floor.wall(now).min(grant.not_after)));
        Self { not_after: grant.not_after, deadline: now.boot + left, boot_id: now.boot_id.clone() }
    }

    /// Whether this is still about the grant as the order now has it.
    pub fn fits(&self, grant: &OrderGrant) -> bool {
        self.not_after == grant.not_after
    }

    /// How long the grant still lasts; nothing if it is over.
    pub fn left(&self, floor: &Floor, now: &Now) -> Span {
        let by_wall = self.not_after.since(floor.wall(now));
        if now.boot_id != self.boot_id {
            return by_wall;
        }
        by_wall.min(Span::from_millis(self.deadline.millis() - now.boot.millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use writ_core::ids::{AssignmentId, PersonId, PrincipalId};
    use writ_core::order::End;

    fn now(wall: i64, boot: i64, id: &str) -> Now {
        let boot = Span::from_millis(boot);
        Now { wall: Time::from_millis(wall), boot, up: boot, boot_id: id.into() }
    }

    fn grant(not_after: i64) -> OrderGrant {
        OrderGrant {
            activation: AssignmentId::from_u128(1),
            principal: PrincipalId::from_u128(1),
            person: PersonId::from_u128(1),
            account: "ana".into(),
            not_before: Time::from_millis(0),
            not_after: Time::from_millis(not_after),
            end: End::Kill,
            grace: Span::ZERO,
            extend: String::new(),
        }
    }

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_clock_set_back_two_hours_gives_no_extra_minute() {
        let start = now(10 * HOUR, HOUR, "a");
        let floor = Floor::at(&start);
        let taken = Taken::new(&grant(11 * HOUR), None, &floor, &start);
        assert_eq!(taken.left(&floor, &now(8 * HOUR + HOUR / 2, HOUR + HOUR / 2, "a")).millis(), HOUR / 2);
        assert_eq!(taken.left(&floor, &now(9 * HOUR, 2 * HOUR, "a")), Span::ZERO);
    }

    #[test]
    fn a_reboot_into_the_past_is_noticed() {
        let floor = Floor::at(&now(10 * HOUR, HOUR, "a"));
        let taken = Taken::new(&grant(11 * HOUR), None, &floor, &now(10 * HOUR, HOUR, "a"));
        // The machine comes up believing it is 1970, and half an hour passes.
        assert_eq!(taken.left(&floor, &now(HOUR / 2, HOUR / 2, "b")).millis(), HOUR / 2);
        assert_eq!(taken.left(&floor, &now(HOUR, HOUR, "b")), Span::ZERO);
    }

    #[test]
    fn a_container_that_starts_anew_on_an_old_machine_does_not_leap_ahead() {
        let floor = Floor::at(&now(10 * HOUR, 500 * HOUR, "a"));
        let again = Now { up: Span::from_seconds(5), ..now(10 * HOUR + 9_000, 500 * HOUR + 9_000, "b") };
        assert_eq!(floor.wall(&again), again.wall);
    }

    #[test]
    fn a_host_whose_clock_is_slow_counts_with_the_servers_time() {
        let start = now(10 * HOUR - 20_000, HOUR, "a");
        let floor = Floor::at(&start);
        let taken = Taken::new(&grant(11 * HOUR), Some(Time::from_millis(10 * HOUR)), &floor, &start);
        assert_eq!(taken.left(&floor, &start).millis(), HOUR);
    }

    proptest! {
        /// However the wall clock jumps, within one boot and across reboots, a grant is over once its length has
        /// passed by the clock that nobody can set, and never comes back.
        #[test]
        fn time_only_runs_out(jumps in prop::collection::vec((-5 * HOUR..5 * HOUR, 1..HOUR, any::<bool>()), 1..20)) {
            let (mut wall, mut boot, mut starts) = (100 * HOUR, HOUR, 0u32);
            let first = now(wall, boot, "0");
            let mut floor = Floor::at(&first);
            let length = 3 * HOUR;
            let taken = Taken::new(&grant(wall + length), None, &floor, &first);
            let (mut passed, mut last) = (0, length);
            for (jump, step, reboot) in jumps {
                if reboot {
                    starts += 1;
                    boot = 0;
                }
                boot += step;
                passed += step;
                wall += step + jump;
                let moment = now(wall, boot, &starts.to_string());
                let left = taken.left(&floor, &moment).millis();
                prop_assert!(left <= (length - passed).max(0), "left {left} after {passed}");
                prop_assert!(left <= last);
                last = left;
                floor.rise(&moment);
            }
        }
    }
}
