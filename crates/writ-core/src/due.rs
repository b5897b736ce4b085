//! What time alone makes happen.
//! Nothing waits for it: a window that has passed is not in force, whether or not its end has been recorded.
//!
//! Always: each command it yields is for a moment that has come, oldest first.

use crate::command::Command;
use crate::state::{REQUEST_KEPT, State, Timer};
use crate::time::{Span, Time};
use alloc::vec::Vec;

/// How often requests that ended long ago are forgotten, at most.
const FORGET_STEP: Span = Span::from_hours(1);

/// What is to be done now because its time has come; at most `max` commands.
pub fn due(state: &State, now: Time, max: usize) -> Vec<Command> {
    let mut commands: Vec<Command> = state
        .timers
        .iter()
        .take_while(|(at, _)| *at <= now)
        .take(max)
        .map(|(_, timer)| match *timer {
            Timer::Begin(request) => Command::BeginActivation { request },
            Timer::Expire(request) => Command::ExpireRequest { request },
            Timer::EndAssignment(assignment) => Command::EndAssignment { assignment },
            Timer::EndEligibility(eligibility) => Command::EndEligibility { eligibility },
        })
        .collect();
    if let Some((oldest, _)) = state.closed.get_min()
        && *oldest + REQUEST_KEPT + FORGET_STEP <= now
        && commands.len() < max
    {
        commands.push(Command::ForgetRequests { before: now.before(REQUEST_KEPT) });
    }
    commands
}

/// When something is next due, or a plan next changes by itself; `None` when nothing waits for time.
pub fn next(state: &State, now: Time) -> Option<Time> {
    let timer = state.timers.get_min().map(|(at, _)| *at);
    let opens = state
        .starts
        .range((now + Span::from_millis(1), crate::ids::AssignmentId::from_u128(0))..)
        .next()
        .map(|(at, _)| *at);
    let forget = state.closed.get_min().map(|(at, _)| *at + REQUEST_KEPT + FORGET_STEP);
    [timer, opens, forget].into_iter().flatten().min()
}
