//! Writ's rules: facts in, facts out.
//!
//! This crate cannot do I/O, read a clock, make random numbers or be async; time and fresh ids are arguments.
//! Everything that decides who may do what is in here, and nothing that decides it is anywhere else.
#![no_std]
extern crate alloc;

pub mod command;
pub mod decide;
pub mod directory;
pub mod due;
pub mod event;
pub mod explain;
pub mod holds;
pub mod ids;
pub mod log;
pub mod may;
pub mod order;
pub mod permission;
pub mod personal;
pub mod plan;
pub mod refusal;
pub mod role;
pub mod rules;
pub mod scope;
pub mod state;
pub mod time;
pub mod told;

#[cfg(test)]
mod story;
#[cfg(test)]
mod tests;
