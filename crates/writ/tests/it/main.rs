//! Stories over HTTP: a whole server in this process, on the memory store and a clock set by hand; and the real program at a
//! command line.

mod accounts;
mod actions;
mod additions;
mod approvals;
mod attacks;
mod batch;
mod bodies;
mod callers;
mod cli;
mod clients;
mod cors;
mod delta;
mod directory;
mod elevation;
mod errors;
mod house;
mod lists;
mod long_lists;
mod modified;
mod noise;
mod people;
mod permissions;
mod plainly;
mod policies;
mod policy_texts;
mod programs;
mod prolonging;
mod records;
mod restored;
mod rules;
mod throttling;
