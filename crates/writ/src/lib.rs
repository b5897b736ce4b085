//! Writ's server, sign-in, API and command line: everything around the pure rules of `writ-core`.
//! No access rule is written in this crate; it carries questions to the rules and answers back.

pub mod cli;
pub mod clock;
pub mod config;
pub mod connectors;
pub mod demo;
pub mod engine;
pub mod export;
pub mod history;
pub mod http;
pub mod identity;
pub mod names;
pub mod server;
pub mod store;
pub mod vault;
pub mod when;
