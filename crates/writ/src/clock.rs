//! The only reader of clocks: an anchor taken from the wall clock, plus the time that has passed since.
//! It never decides anything, and never follows the wall clock back or through a jump that it cannot explain.
//!
//! Always: `now` never runs backwards and is never earlier than the last entry, until somebody recovers the clock
//! on record. While the clock is in doubt, time still passes, so power still ends; new power is refused.
//!
//! What is in doubt (the attack in mind is an extra hour of power by setting the clock back, or a log pinned to
//! next year by setting it forward):
//! - the wall clock is more than [`BEHIND_MAX`] behind Writ's time. Smaller lags are caught up with by running one
//!   tenth slower, so nobody gains a minute by them;
//! - the wall clock is more than [`AHEAD_MAX`] ahead of it while running. Time that the machine sleeps does not
//!   count as a jump, since `CLOCK_BOOTTIME` counts it;
//! - at start, the last entry is more than [`DOWN_MAX`] old. A shorter gap is ordinary downtime. A longer one is a
//!   restored back-up, a long rest or a wrong clock, and only an operator can tell which.

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use writ_core::time::{Span, Time};

/// How far the wall clock may lag behind before new power is refused. The same bound as for a host's clock.
pub const BEHIND_MAX: Span = Span::from_seconds(30);

/// How far the wall clock may jump forward while the server runs before new power is refused.
pub const AHEAD_MAX: Span = Span::from_minutes(10);

/// How old the last entry may be at start before new power is refused.
pub const DOWN_MAX: Span = Span::from_days(31);

/// Whether new power may be given on this clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockHealth {
    /// Yes.
    Good,
    /// The wall clock is behind the log.
    Behind {
        /// By how much.
        by: Span,
    },
    /// The wall clock jumped forward.
    Ahead {
        /// By how much.
        by: Span,
    },
    /// The last entry is very old.
    Unconfirmed {
        /// How old it was at start.
        gap: Span,
    },
}

impl ClockHealth {
    /// Whether new power may be given.
    pub fn is_good(self) -> bool {
        self == ClockHealth::Good
    }

    /// What is in doubt, in a few words; none when nothing is.
    pub fn doubt(self) -> Option<&'static str> {
        match self {
            ClockHealth::Good => None,
            ClockHealth::Behind { .. } => Some("it is behind the log"),
            ClockHealth::Ahead { .. } => Some("it jumped ahead"),
            ClockHealth::Unconfirmed { .. } => Some("the last entry was made more than a month before this start"),
        }
    }
}

impl fmt::Display for ClockHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, by) = match self {
            ClockHealth::Good => return f.write_str("the clock is good"),
            ClockHealth::Behind { by } => ("the server's clock is behind the log by", by),
            ClockHealth::Ahead { by } => ("the server's clock jumped ahead by", by),
            ClockHealth::Unconfirmed { gap } => ("the last entry was made long before this start:", gap),
        };
        write!(
            f,
            "{what} {}; set the clock right, or, if it is right, run `writ recover clock` on the server",
            by.told()
        )
    }
}

/// Writ's time. Clones share it.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    source: Source,
    reckoning: Mutex<Reckoning>,
    moved: watch::Sender<()>,
}

enum Source {
    System,
    Hand(Mutex<Sighting>),
}

/// What the two hands of a clock showed at one moment, both in milliseconds.
#[derive(Clone, Copy)]
struct Sighting {
    /// The wall clock, which anybody with root can set.
    wall: Time,
    /// Time since some fixed moment, which only passes.
    elapsed: i64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock::of(Source::System)
    }

    /// A clock that stands still until it is moved; for tests and simulations.
    pub fn by_hand(now: Time) -> Clock {
        Clock::of(Source::Hand(Mutex::new(Sighting { wall: now, elapsed: 0 })))
    }

    fn of(source: Source) -> Clock {
        let reckoning = Mutex::new(Reckoning::begin(source.sighting(), None));
        Clock(Arc::new(Inner { source, reckoning, moved: watch::Sender::new(()) }))
    }

    /// Now: milliseconds in UTC, never earlier than what was given before.
    pub fn now(&self) -> Time {
        // Seen under the lock, so that two callers cannot pass each other between seeing and reckoning.
        let mut reckoning = self.0.reckoning.lock();
        reckoning.now(self.0.source.sighting())
    }

    /// Whether new power may be given.
    pub fn health(&self) -> ClockHealth {
        self.look().1
    }

    /// Now, and whether new power may be given: one look at the clock.
    pub fn look(&self) -> (Time, ClockHealth) {
        let mut reckoning = self.0.reckoning.lock();
        let now = reckoning.now(self.0.source.sighting());
        (now, reckoning.health)
    }

    /// Starts over after the log was read: time goes on from the last entry when the wall clock is behind it.
    pub fn begin_after(&self, last_entry: Option<Time>) {
        *self.0.reckoning.lock() = Reckoning::begin(self.0.source.sighting(), last_entry);
        self.0.moved.send_replace(());
    }

    /// Takes the wall clock as right, even if that means going back. The caller puts this on record first.
    pub fn recover(&self) {
        self.begin_after(None);
    }

    /// What [`Clock::now`] would be right after [`Clock::recover`].
    pub fn wall(&self) -> Time {
        self.0.source.sighting().wall
    }

    /// Waits until `at`, but not longer than `bound`. A clock moved by hand wakes its sleepers.
    pub async fn sleep_until(&self, at: Time, bound: Duration) {
        match self.0.source {
            Source::System => {
                let left = Duration::from_millis(at.since(self.now()).millis().unsigned_abs());
                tokio::time::sleep(left.min(bound)).await;
            }
            Source::Hand(_) => {
                let mut moved = self.0.moved.subscribe();
                let arrives = async { while self.now() < at && moved.changed().await.is_ok() {} };
                // Whether it arrived or the bound passed, the caller looks at the clock again.
                let _ = tokio::time::timeout(bound, arrives).await;
            }
        }
    }

    /// Lets time pass, on both hands.
    ///
    /// # Panics
    /// On the machine's clock, which nobody but the machine may move.
    pub fn advance(&self, by: Span) {
        self.by_hand_only(|hand| {
            hand.wall = hand.wall + by;
            hand.elapsed += by.millis();
        });
    }

    /// Lets time pass until `at`; an earlier moment sets the wall clock back, as [`Clock::jump`] does.
    ///
    /// # Panics
    /// On the machine's clock.
    pub fn set(&self, at: Time) {
        self.by_hand_only(|hand| {
            hand.elapsed += at.since(hand.wall).millis();
            hand.wall = at;
        });
    }

    /// Sets the wall clock without time having passed, as somebody with root could.
    ///
    /// # Panics
    /// On the machine's clock.
    pub fn jump(&self, wall: Time) {
        self.by_hand_only(|hand| hand.wall = wall);
    }

    fn by_hand_only(&self, change: impl FnOnce(&mut Sighting)) {
        match &self.0.source {
            Source::Hand(hand) => change(&mut hand.lock()),
            Source::System => panic!("only a clock made by hand can be moved by hand"),
        }
        self.0.moved.send_replace(());
    }
}

impl Source {
    fn sighting(&self) -> Sighting {
        match self {
            Source::System => {
                Sighting { wall: Time::from_millis(millis(ClockId::Realtime)), elapsed: millis(ClockId::Boottime) }
            }
            Source::Hand(hand) => *hand.lock(),
        }
    }
}

fn millis(id: ClockId) -> i64 {
    let t = clock_gettime(id);
    t.tv_sec.saturating_mul(1000).saturating_add(t.tv_nsec / 1_000_000)
}

/// How Writ's time follows from what was seen; pure, so that years of bad clocks are tested in microseconds.
struct Reckoning {
    /// Writ's time when `elapsed` was seen.
    anchor: Time,
    elapsed: i64,
    /// The last moment that was given out.
    given: Time,
    /// The gap before this start, while it is too long to be believed.
    gap: Option<Span>,
    health: ClockHealth,
}

impl Reckoning {
    fn begin(seen: Sighting, last_entry: Option<Time>) -> Self {
        let anchor = last_entry.map_or(seen.wall, |last| last.max(seen.wall));
        let gap = last_entry.map(|last| seen.wall.since(last)).filter(|gap| *gap > DOWN_MAX);
        let mut this = Self { anchor, elapsed: seen.elapsed, given: anchor, gap, health: ClockHealth::Good };
        this.now(seen);
        this
    }

    fn now(&mut self, seen: Sighting) -> Time {
        let passed = (seen.elapsed - self.elapsed).max(0);
        let reckoned = self.anchor + Span::from_millis(passed);
        let (ahead, behind) = (seen.wall.since(reckoned), reckoned.since(seen.wall));
        self.health = if ahead > AHEAD_MAX {
            ClockHealth::Ahead { by: ahead }
        } else if behind > BEHIND_MAX {
            ClockHealth::Behind { by: behind }
        } else {
            // The wall clock is believed: follow it forward at once, and wait for it at nine tenths of the pace.
            let kept = Span::from_millis(behind.millis().min(passed / 10));
            if ahead > Span::ZERO {
                (self.anchor, self.elapsed) = (seen.wall, seen.elapsed);
            } else if kept > Span::ZERO {
                (self.anchor, self.elapsed) = (reckoned.before(kept), seen.elapsed);
            }
            self.gap.map_or(ClockHealth::Good, |gap| ClockHealth::Unconfirmed { gap })
        };
        let now = self.anchor + Span::from_millis((seen.elapsed - self.elapsed).max(0));
        self.given = self.given.max(now);
        self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Time = Time::from_millis(1_000_000_000_000);

    fn minutes(n: u32) -> Span {
        Span::from_minutes(n)
    }

    #[test]
    fn time_passes_as_the_machine_counts_it() {
        let clock = Clock::by_hand(START);
        clock.advance(minutes(3));
        assert_eq!(clock.now(), START + minutes(3));
        assert!(clock.health().is_good());
    }

    #[test]
    fn a_clock_set_back_two_hours_gives_no_extra_minute() {
        let clock = Clock::by_hand(START);
        clock.jump(START.before(minutes(120)));
        assert_eq!(clock.now(), START);
        assert_eq!(clock.health(), ClockHealth::Behind { by: minutes(120) });
        clock.advance(minutes(60));
        assert_eq!(clock.now(), START + minutes(60), "what lasts an hour is over after an hour");
        clock.jump(START + minutes(60));
        assert!(clock.health().is_good(), "a clock that was set right again is believed again");
    }

    #[test]
    fn a_small_lag_is_caught_up_with_slowly_and_never_by_going_back() {
        let clock = Clock::by_hand(START);
        clock.jump(START.before(Span::from_seconds(20)));
        let mut last = clock.now();
        for _ in 0..400 {
            clock.advance(Span::from_seconds(1));
            let now = clock.now();
            assert!(now >= last && now.since(last) >= Span::from_millis(900));
            last = now;
        }
        assert_eq!(last, clock.wall());
    }

    #[test]
    fn a_jump_forward_is_not_followed_and_refuses_new_power() {
        let clock = Clock::by_hand(START);
        clock.jump(START + Span::from_days(365));
        assert_eq!(clock.now(), START);
        assert_eq!(clock.health(), ClockHealth::Ahead { by: Span::from_days(365) });
        clock.jump(START + minutes(9));
        assert_eq!(clock.now(), START + minutes(9), "an ordinary correction is followed");
        assert!(clock.health().is_good());
    }

    #[test]
    fn after_a_start_time_goes_on_from_the_last_entry() {
        let clock = Clock::by_hand(START);
        clock.begin_after(Some(START + minutes(120)));
        assert_eq!(clock.now(), START + minutes(120));
        assert_eq!(clock.health(), ClockHealth::Behind { by: minutes(120) });
        clock.begin_after(Some(START.before(Span::from_days(30))));
        assert!(clock.health().is_good(), "a month of downtime is ordinary");
        clock.begin_after(Some(START.before(Span::from_days(32))));
        assert_eq!(clock.now(), START);
        assert_eq!(clock.health(), ClockHealth::Unconfirmed { gap: Span::from_days(32) });
    }

    #[test]
    fn a_recovered_clock_takes_the_wall_clock_as_right() {
        let clock = Clock::by_hand(START);
        clock.begin_after(Some(START + Span::from_days(3650)));
        assert!(!clock.health().is_good());
        clock.recover();
        assert_eq!((clock.now(), clock.health()), (START, ClockHealth::Good));
        clock.begin_after(Some(START.before(Span::from_days(400))));
        clock.recover();
        assert!(clock.health().is_good());
    }

    #[test]
    fn every_doubt_says_what_ends_it() {
        for health in [
            ClockHealth::Behind { by: minutes(1) },
            ClockHealth::Ahead { by: minutes(1) },
            ClockHealth::Unconfirmed { gap: minutes(1) },
        ] {
            assert!(health.to_string().contains("writ recover clock"), "{health}");
        }
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_hands_reach_its_moment() {
        let clock = Clock::by_hand(START);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(START + minutes(5), Duration::from_secs(60)).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.advance(minutes(2));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(minutes(3));
        assert_eq!(sleeper.await.unwrap(), START + minutes(5));
    }

    #[test]
    fn the_machines_clock_agrees_with_itself() {
        let clock = Clock::system();
        assert!(clock.now().since(clock.wall()) < Span::from_seconds(1));
        assert!(clock.health().is_good());
    }

    proptest! {
        /// Whatever is done to the wall clock, time does not run back, and never slower than nine tenths.
        #[test]
        fn no_play_with_the_wall_clock_buys_time(
            moves in prop::collection::vec((0i64..600_000, -10_000_000i64..10_000_000, any::<bool>()), 1..60)
        ) {
            let clock = Clock::by_hand(START);
            let (mut last, mut passed) = (clock.now(), 0);
            for (advance, jump, jumps) in moves {
                clock.advance(Span::from_millis(advance));
                passed += advance;
                if jumps {
                    clock.jump(Time::from_millis(clock.wall().millis() + jump));
                }
                let now = clock.now();
                prop_assert!(now >= last);
                prop_assert!(now.since(START).millis() >= passed - passed / 10 - 1);
                last = now;
            }
        }
    }
}
