//! The host's clocks. The only place in the agent that reads them.
//! It never decides anything.
//!
//! Always: `boot` counts on while the machine sleeps, and nobody can set it.

use crate::processes;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::fs;
use std::sync::OnceLock;
use writ_core::time::{Span, Time};

/// One moment, by both clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, which an administrator or a time server can set.
    pub wall: Time,
    /// Since the machine was started, sleep included.
    pub boot: Span,
    /// Since this system's first process was started. On a machine of its own nearly `boot`; in a container less, since
    /// that begins anew while the machine under it goes on.
    pub up: Span,
    /// Which start of the machine that was; `boot` of different starts cannot be compared.
    pub boot_id: String,
}

/// Reads both clocks.
pub fn now() -> Now {
    let wall = Time::from_millis(millis(clock_gettime(ClockId::Realtime)));
    let boot = Span::from_millis(millis(clock_gettime(ClockId::Boottime)));
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let up = Span::from_millis((boot.millis() - first_process_began(boot).millis()).max(0));
    Now { wall, boot, up, boot_id: boot_id.trim().to_owned() }
}

/// When this system's first process was started, on the clock of `boot`; the start of the machine where that is hidden.
fn first_process_began(boot: Span) -> Span {
    static BEGAN: OnceLock<Span> = OnceLock::new();
    *BEGAN.get_or_init(|| processes::read(1).map(|first| first.began).filter(|at| *at <= boot).unwrap_or(Span::ZERO))
}

fn millis(t: Timespec) -> i64 {
    t.tv_sec.saturating_mul(1000).saturating_add(t.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_system_is_up_for_no_longer_than_the_machine() {
        let now = now();
        assert!(now.up <= now.boot && now.up > Span::ZERO);
    }
}
