//! The agent on a real Linux host: a throwaway one, in namespaces on this machine, with real sudo, PAM and cgroups.
//! These tests need root. They never skip themselves: without what they need, they fail and say what it is.

mod sandbox;

use writ_agent::sandbox::{Inhabitant, Program, Sandbox};

/// A host with three people: ana, ben and carol.
fn host(name: &str) -> Sandbox {
    let people = [
        Inhabitant::new("ana", 1001, "Ana Silva"),
        Inhabitant::new("ben", 1002, "Ben Okafor"),
        Inhabitant::new("carol", 1003, "Carol Diaz"),
    ];
    let program = Program { binary: env!("CARGO_BIN_EXE_writ-agent").into(), words: vec![] };
    Sandbox::start(name, &people, program).unwrap_or_else(|why| panic!("{why}"))
}
