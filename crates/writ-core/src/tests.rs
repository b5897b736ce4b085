//! Stories about the rules, and the laws over random histories.

mod activation;
mod approval;
mod climbs;
mod commands;
mod costs;
mod hosts;
mod laws;
mod prolonging;
mod proofs;
mod tenant;
mod ways_round;
