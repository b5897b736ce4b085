//! The agent on a real Linux host: a throwaway one, in namespaces on this machine, with real sudo, PAM and cgroups.
//! These tests need root. They never skip themselves: without what they need, they fail and say what it is.
#![allow(clippy::unwrap_used, reason = "a test's own scenery may panic like the test")]

mod ending;
mod orders;
mod rules;
mod sandbox;
mod server;
mod tidy;

use server::Server;
use std::time::Duration;
use writ_agent::clock;
use writ_agent::sandbox::{Agent, Inhabitant, Program, Sandbox};
use writ_core::ids::{AssignmentId, PersonId, PrincipalId};
use writ_core::order::{End, GrantKey, OrderGrant, Report, Standing};
use writ_core::time::Span;

/// Longer than anything takes on a busy machine.
const SOON: Duration = Duration::from_secs(20);

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

/// An enrolled host, its server, and its agent.
struct Scene {
    agent: Option<Agent>,
    sandbox: Sandbox,
    server: Server,
}

impl Scene {
    /// Enrolled; the agent does not run yet.
    fn enrolled(name: &str) -> Self {
        let (sandbox, server) = (host(name), Server::start());
        sandbox.enrol(&server.address, &server.code().reveal()).unwrap_or_else(|why| panic!("{why}"));
        Self { agent: None, sandbox, server }
    }

    /// Enrolled, the agent running.
    fn running(name: &str) -> Self {
        let mut scene = Self::enrolled(name);
        scene.start();
        scene
    }

    fn start(&mut self) {
        self.agent = Some(self.sandbox.start_agent().unwrap_or_else(|why| panic!("{why}")));
    }

    fn kill_agent(&mut self) {
        self.agent = None;
    }

    fn log(&self) -> String {
        self.agent.as_ref().map(Agent::log).unwrap_or_default()
    }

    /// Waits for a report.
    fn hears(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        self.server.hears(SOON, wanted).unwrap_or_else(|last| {
            panic!("this never came; the last report: {last:#?}; the agent's log: {}", self.log())
        })
    }

    fn in_force(&self, grant: &OrderGrant) -> Report {
        self.hears(|report| matches!(standing(report, grant), Some(Standing::InForce { .. })))
    }

    fn ended(&self, grant: &OrderGrant) -> Report {
        self.hears(|report| matches!(standing(report, grant), Some(Standing::Ended { .. })))
    }

    fn refused(&self, grant: &OrderGrant) -> String {
        let report = self.hears(|report| standing(report, grant) == Some(Standing::Refused));
        report.grants.iter().find(|g| g.grant == grant.key()).map(|g| g.told.clone()).unwrap_or_default()
    }

    fn sudo_works(&self, name: &str) -> bool {
        self.sandbox.sudo_works(name).unwrap_or_else(|why| panic!("{why}"))
    }

    /// A shell as root in the sandbox.
    fn sh(&self, line: &str) -> String {
        self.sandbox.said("root", &["sh", "-c", line]).unwrap_or_else(|why| panic!("{line}: {why}"))
    }
}

fn standing(report: &Report, grant: &OrderGrant) -> Option<Standing> {
    report.grants.iter().find(|g| g.grant == grant.key()).map(|g| g.standing)
}

/// A grant for this account, from now for this long; numbered.
fn grant(number: u128, account: &str, seconds: u32) -> OrderGrant {
    let now = clock::now().wall;
    let person = account.bytes().fold(0u128, |sum, byte| sum * 257 + u128::from(byte));
    OrderGrant {
        activation: AssignmentId::from_u128(number),
        principal: PrincipalId::from_u128(person),
        person: PersonId::from_u128(person),
        account: account.into(),
        not_before: now,
        not_after: now + Span::from_seconds(seconds),
        end: End::Kill,
        grace: Span::ZERO,
        extend: "writ activate \"Device Administrators\" --extend".into(),
    }
}

fn key(grant: &OrderGrant) -> GrantKey {
    grant.key()
}

/// Waits until something is so, looking every 20 ms; says how long it took.
fn until(what: &str, within: Duration, so: impl Fn() -> bool) -> Duration {
    let start = clock::now().boot;
    loop {
        let passed = Duration::from_millis((clock::now().boot.millis() - start.millis()).unsigned_abs());
        if so() {
            return passed;
        }
        assert!(passed < within, "{what}: not so after {passed:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
