//! Stories over HTTP: a whole server in this process, on the memory store and a clock set by hand.

mod attacks;
mod callers;
mod elevation;
mod house;
mod noise;
