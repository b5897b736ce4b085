//! Connectors: what makes planned rights real in systems outside.
//! They read plans, never commands or pages, and report back as commands; they decide nothing.
//!
//! Always: a connector is told everything that should exist now, never what changed, and takes away only what Writ
//! gave. A restart, a lost message and a normal day take the same path.

pub mod hosts;
pub mod reconcile;

use crate::store::Fault;
use std::pin::Pin;
use writ_core::plan::Grant;
use writ_core::time::Span;

/// What a connector answers later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a kind of system promises about the end of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Whether the system ends a right by itself at its time, with Writ unreachable.
    pub ends_by_itself: bool,
    /// How long after its time a right may still be used there, with everything reachable.
    pub overrun_max: Span,
}

/// A kind of system where rights are given and taken.
pub trait Connector: Send + Sync {
    /// Its name in logs.
    fn name(&self) -> &'static str;

    /// What it promises about the end.
    fn promise(&self) -> Promise;

    /// Makes exactly these rights exist, of those that Writ gives here. May be called at any time, and again with
    /// the same set.
    fn set<'a>(&'a self, wanted: &'a [Grant]) -> Answer<'a, Result<(), Fault>>;
}
