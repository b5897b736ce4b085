//! The text of a sudoers drop-in for one uid. It never touches a file and never contains a name.
//!
//! Always: the rule names `#uid`, and both ends of its window carry a `Z`: without it sudo reads them in a time zone
//! that the user picks.

use std::fmt::Write as _;
use writ_core::ids::AssignmentId;
use writ_core::time::Time;

/// What may be run as root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commands {
    /// Everything, a shell too.
    All,
    /// These, as sudoers takes them; read from the host's file and checked there.
    Only(Vec<String>),
}

/// One uid's right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whose.
    pub uid: u32,
    /// The activation whose id the log carries: where several overlap, the one that ends last.
    pub activation: AssignmentId,
    /// From when.
    pub not_before: Time,
    /// Until when.
    pub not_after: Time,
    /// What.
    pub commands: Commands,
    /// Whether sudo asks for the account's own password each time.
    pub password: bool,
}

/// Where sudo writes what is done under an activation.
pub fn log_file(activation: AssignmentId) -> String {
    format!("{}/{activation}.json", crate::places::LOG_DIR)
}

impl Rule {
    /// The drop-in's text.
    pub fn render(&self) -> String {
        let Self { uid, activation, .. } = self;
        let mut text =
            String::from("# Made by Writ's host agent, which replaces it. See writ-agent(8): status, uninstall.\n");
        let _ = writeln!(
            text,
            "Defaults:#{uid} timestamp_timeout=0, log_format=json, log_exit_status, logfile={}",
            log_file(*activation)
        );
        let tag = if self.password { "PASSWD" } else { "NOPASSWD" };
        let commands = match &self.commands {
            Commands::All => "ALL".to_owned(),
            Commands::Only(commands) => commands.join(", "),
        };
        let (from, until) = (self.not_before.sudoers(), self.not_after.sudoers());
        let _ = writeln!(text, "#{uid} ALL=(root) NOTBEFORE={from} NOTAFTER={until} {tag}: {commands}");
        text
    }
}

/// Whether a command from the host's file can stand in a rule as it is: an absolute path and plain arguments, without
/// wildcards (`ls /opt/*` allows `ls /opt/ /root`) or anything that sudoers reads as more than text.
pub fn is_plain_command(command: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '@' | ' ');
    command.starts_with('/')
        && command.chars().all(plain)
        && command == command.trim()
        && !command.contains("  ")
        && !command.split(' ').next().unwrap_or_default().ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(uid: u32, from: i64, until: i64) -> Rule {
        Rule {
            uid,
            activation: AssignmentId::from_u128(0x7f3a),
            not_before: Time::from_millis(from),
            not_after: Time::from_millis(until),
            commands: Commands::All,
            password: true,
        }
    }

    #[test]
    fn a_rule_reads_as_sudo_takes_it() {
        let text = rule(1001, 1_795_269_705_999, 1_795_273_305_000).render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "Defaults:#1001 timestamp_timeout=0, log_format=json, log_exit_status, \
             logfile=/var/log/writ-agent/00000000-0000-0000-0000-000000007f3a.json"
        );
        assert_eq!(lines[2], "#1001 ALL=(root) NOTBEFORE=20261121140145Z NOTAFTER=20261121150145Z PASSWD: ALL");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn commands_that_sudoers_could_read_as_more_are_refused() {
        for wrong in [
            "",
            "ls",
            "/bin/ls *",
            "/bin/ls, /bin/sh",
            "!/bin/ls",
            "/bin/ls:x",
            "/bin/ls=x",
            "/bin/ls\\,",
            "/bin/ls\nroot",
            "/bin/",
            "ALL",
            "/bin/ls \"x\"",
            " /bin/ls",
            "/bin/ls ^x$",
            "sudoedit /etc/x",
            "/bin/ls  -l",
        ] {
            assert!(!is_plain_command(wrong), "{wrong:?}");
        }
        assert!(is_plain_command("/usr/bin/systemctl restart nginx.service"));
    }

    proptest! {
        #[test]
        fn every_window_carries_its_zone_and_every_rule_one_uid(
            uid in 1000u32..60_000, from in 0i64..4_000_000_000_000, span in 0i64..1_000_000_000,
        ) {
            let text = rule(uid, from, from + span).render();
            for word in text.split_whitespace() {
                for name in ["NOTBEFORE=", "NOTAFTER="] {
                    if let Some(time) = word.strip_prefix(name) {
                        prop_assert!(time.len() == 15 && time.ends_with('Z'));
                        prop_assert!(time[..14].bytes().all(|c| c.is_ascii_digit()));
                    }
                }
            }
            prop_assert_eq!(text.matches(&format!("#{uid} ALL=(root) NOTBEFORE=")).count(), 1);
            prop_assert_eq!(text.matches("NOTAFTER=").count(), 1);
        }
    }
}
