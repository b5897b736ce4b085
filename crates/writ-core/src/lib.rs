//! Writ's rules: facts in, facts out.
//!
//! This crate cannot do I/O, read a clock, make random numbers or be async; time and fresh ids are arguments.
//! Everything that decides who may do what is in here, and nothing that decides it is anywhere else.
#![no_std]
extern crate alloc;

pub mod ids;
pub mod log;
pub mod personal;
pub mod time;
