//! Enrols this host: one code, handed over on standard input, so that no process list shows it.

use crate::clock;
use crate::config::Limits;
use crate::state::{Enrolment, State, device_key, first};
use crate::transport::Transport;
use std::fs;
use std::io::BufRead;
use writ_core::order::Code;

/// Enrols with the code on standard input.
pub fn enrol(server: &str) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("enrolling a host needs root on it".into());
    }
    if let Some(state) = State::load()? {
        let Enrolment { server, host, .. } = state.enrolment;
        return Err(format!("this host is enrolled with {server} as {host}; run `writ-agent uninstall` first"));
    }
    let limits = Limits::read()?;
    if rustix::termios::isatty(std::io::stdin()) {
        eprint!("Enrolment code: ");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| format!("cannot read the code: {e}"))?;
    let code: Code = line.parse().map_err(|e: writ_core::order::NotACode| e.to_string())?;
    let transport = Transport::new(server, limits.certificate_authority.as_deref(), device_key()?)?;
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let answer = transport.enrol(&code, name.trim(), &system())?;
    let enrolment = Enrolment {
        server: server.trim_end_matches('/').into(),
        tenant: answer.tenant,
        host: answer.host,
        order_key: answer.order_key,
    };
    first(enrolment, &clock::now()).save()?;
    println!("enrolled as {} in tenant {}", answer.host, answer.tenant);
    Ok(())
}

fn system() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}
