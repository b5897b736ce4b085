//! Where a tenant's log lives: SQLite in a file, or memory for tests and simulations.
//! It never decides, and never changes an entry; erasing drops private parts only.
//!
//! Always: entries are durable once `append` returns Ok, and an append succeeds only on the head that is newest.

pub mod place;

use std::fmt;

/// The world failed: a disk, a file, another process. One sentence for the operator; holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl Fault {
    /// A fault with its sentence.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self(format!("SQLite: {error}"))
    }
}
