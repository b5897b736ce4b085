//! The demo's host: a sandbox on this machine with its own accounts, real sudo, and the agent of this build.
//!
//! Always: it is gone when the demo ends, however it ends.

use crate::cli::client::Client;
use crate::cli::stop::Stop;
use crate::http::api::shape::{Code, HostTold};
use serde_json::json;
use std::time::Duration;
use writ_agent::sandbox::{Agent, Inhabitant, Program, Sandbox, Terminal, impossible};
use writ_core::ids::DeviceId;

/// The host's name.
pub(super) const NAME: &str = "fin-01";

/// A running host with its agent.
pub(super) struct Host {
    // Dropped in this order: the agent before the machine it runs on.
    _agent: Agent,
    sandbox: Sandbox,
    /// What the server calls it.
    pub(super) id: Option<DeviceId>,
}

/// Why there can be no host here, if there can be none.
pub(super) fn cannot() -> Option<String> {
    impossible()
}

impl Host {
    /// Starts the host and enrols it with a code that an administrator asked the server for.
    ///
    /// # Errors
    /// When the sandbox does not start or the server does not take it.
    pub(super) fn start(administrator: &mut Client, unit: &str, ca: Option<&std::path::Path>) -> Result<Self, Stop> {
        let binary = std::env::current_exe().map_err(|e| Stop::Fault(format!("this program cannot be found: {e}")))?;
        let people = [Inhabitant::new("ana", 1001, "Ana Silva"), Inhabitant::new("ben", 1002, "Ben Okafor")];
        let program = Program { binary, words: vec!["agent".to_owned()] };
        let failed = |what: &str| {
            let what = what.to_owned();
            move |why: String| Stop::Fault(format!("{what}: {why}"))
        };
        let sandbox = Sandbox::start(NAME, &people, program).map_err(failed("the host could not be started"))?;
        if let Some(ca) = ca {
            let pem = std::fs::read_to_string(ca).map_err(|e| Stop::Fault(format!("{}: {e}", ca.display())))?;
            let words = "certificate_authority = \"/etc/writ/ca.pem\"\n";
            for (path, text) in [("/etc/writ/ca.pem", pem.as_str()), ("/etc/writ/agent.toml", words)] {
                sandbox.write(path, text, "644").map_err(failed("the host could not be set up"))?;
            }
        }
        let code: Code = administrator.post("/writ/v1/hosts/codes", &json!({"unit": unit}))?;
        sandbox.enrol(administrator.server(), &code.code).map_err(failed("the host could not be enrolled"))?;
        let agent = sandbox.start_agent().map_err(failed("the host's agent could not be started"))?;
        let mut host = Self { _agent: agent, sandbox, id: None };
        host.id = host.has_reported(administrator)?;
        Ok(host)
    }

    /// Waits until the server has heard from the host.
    fn has_reported(&self, administrator: &mut Client) -> Result<Option<DeviceId>, Stop> {
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        for _ in 0..100 {
            let hosts: Vec<HostTold> = administrator.get("/writ/v1/hosts")?;
            if let Some(told) = hosts.iter().find(|host| host.host.name == NAME && host.reported.is_some()) {
                return Ok(told.host.id.parse().ok());
            }
            let _ = never.recv_timeout(Duration::from_millis(200));
        }
        Err(Stop::Fault(format!(
            "the host's agent has not reported within 20 s; it said: {}",
            self._agent.log().trim()
        )))
    }

    /// What sudo answers to somebody, tried for real: what it wrote, or its complaint.
    ///
    /// # Errors
    /// When the host cannot run anything.
    pub(super) fn sudo(&self, who: &str, words: &[&str]) -> Result<Result<String, String>, Stop> {
        let line: Vec<&str> = ["sudo", "-n"].iter().chain(words).copied().collect();
        let output = self.sandbox.run(who, &line).map_err(Stop::Fault)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().trim().to_owned();
        Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
    }

    /// A root shell in a terminal of somebody's, seen to be root.
    ///
    /// # Errors
    /// When it does not open, or is not root's.
    pub(super) fn root_shell(&self, who: &str) -> Result<Terminal, Stop> {
        let mut shell = self.sandbox.terminal(who, "sudo -n -s").map_err(Stop::Fault)?;
        shell.types("echo uid-$(id -u)-$((40+2))").map_err(Stop::Fault)?;
        if shell.shows("uid-0-42", Duration::from_secs(10)) {
            Ok(shell)
        } else {
            Err(super::untrue(&format!("a root shell opens (the terminal shows: {})", shell.screen().trim())))
        }
    }
}
