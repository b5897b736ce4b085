//! Writ's own routes under `/writ/v1`: what Graph has no word for. One file per subject.
//! No access rule is written here: every answer is judged by the core's `may` or `decide`.

pub mod audit;
pub mod changes;
pub mod explain;
pub mod hosts;
pub mod log;
pub mod names;
pub mod people;
pub mod progress;
pub mod roles;
pub mod routes;
pub mod settings;
pub mod shape;
pub mod status;

#[cfg(test)]
mod tests;
