//! What the server says and hears over HTTP: a request becomes a command or a query, an answer or a refusal becomes
//! a response. No access rule is written here: writing is judged by the core's `decide`, reading by its `may`.

pub mod agent;
pub mod api;
mod arriving;
mod cors;
pub mod graph;
mod oauth;
pub mod pages;
pub mod problem;
pub mod refused;
pub mod router;
pub mod session;
