//! The host's clocks. The only place in the agent that reads them.
//! It never decides anything.
//!
//! Always: `boot` counts on while the machine sleeps, and nobody can set it.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::fs;
use writ_core::time::{Span, Time};

/// One moment, by both clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock, which an administrator or a time server can set.
    pub wall: Time,
    /// Since the machine was started, sleep included.
    pub boot: Span,
    /// Which start of the machine that was; `boot` of different starts cannot be compared.
    pub boot_id: String,
}

/// Reads both clocks.
pub fn now() -> Now {
    let wall = Time::from_millis(millis(clock_gettime(ClockId::Realtime)));
    let boot = Span::from_millis(millis(clock_gettime(ClockId::Boottime)));
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Now { wall, boot, boot_id: boot_id.trim().to_owned() }
}

fn millis(t: Timespec) -> i64 {
    t.tv_sec.saturating_mul(1000).saturating_add(t.tv_nsec / 1_000_000)
}
