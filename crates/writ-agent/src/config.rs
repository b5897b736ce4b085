//! The host's own limits, from `/etc/writ/agent.toml`, and the few things PAM says in the environment.
//! The file has the last word: no order exceeds it. The agent never writes it.
//!
//! Always: a file that anybody but root could have written allows nothing at all.

use crate::places::AGENT_TOML;
use crate::sudoers::{Commands, is_plain_command};
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use writ_core::order::Hex;
use writ_core::time::Span;

/// The longest window where the host's file says nothing: the longest of the shipped tiers of rules.
pub const WINDOW_MAX: Span = Span::from_hours(8);

const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    window_max: Option<Span>,
    #[serde(default)]
    never: Vec<String>,
    commands: Option<Vec<String>>,
    nopasswd: Option<WrittenNoPassword>,
    #[serde(default)]
    second_signature_keys: Vec<Hex<32>>,
    certificate_authority: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenNoPassword {
    accounts: Vec<String>,
    reason: String,
}

/// What no order exceeds on this host.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest window of one grant.
    pub window_max: Span,
    /// Accounts that are never elevated.
    pub never: Vec<String>,
    /// What may be run as root.
    pub commands: Commands,
    /// Accounts with a password that sudo does not ask for, and why.
    pub nopasswd: Vec<String>,
    /// Keys of which one must have signed an order too; empty where one signature is enough.
    pub seconds: Vec<VerifyingKey>,
    /// Certificates that the server's TLS certificate may come from, instead of the public ones.
    pub certificate_authority: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window_max: WINDOW_MAX,
            never: Vec::new(),
            commands: Commands::All,
            nopasswd: Vec::new(),
            seconds: Vec::new(),
            certificate_authority: None,
        }
    }
}

impl Limits {
    /// Reads the host's file; without one, the shipped limits hold. The error is a sentence for the operator, and
    /// means that nothing may be given.
    pub fn read() -> Result<Self, String> {
        Self::read_at(Path::new(AGENT_TOML), 0)
    }

    fn read_at(path: &Path, owner: u32) -> Result<Self, String> {
        let shown = path.display();
        // Whoever can write to the folder can put another file in this one's place, or take it away.
        if let Some(facts) = path.parent().and_then(|folder| folder.metadata().ok())
            && (facts.uid() != owner || facts.mode() & 0o022 != 0)
        {
            let folder = path.parent().unwrap_or(path).display();
            return Err(format!(
                "{folder} could be changed by others than root; run `chown root: {folder}; chmod 755 {folder}`"
            ));
        }
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(format!("cannot read {shown}: {e}")),
        };
        let facts = file.metadata().map_err(|e| format!("cannot read {shown}: {e}"))?;
        if facts.uid() != owner || facts.mode() & 0o022 != 0 || !facts.is_file() {
            return Err(format!(
                "{shown} could be changed by others than root; run `chown root: {shown}; chmod 644 {shown}`"
            ));
        }
        let mut text = String::new();
        (&mut file)
            .take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|e| format!("cannot read {shown}: {e}"))?;
        // Half of the file would be fewer limits.
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("{shown} is longer than {} KiB; make it shorter", FILE_BYTES_MAX / 1024));
        }
        Self::parse(&text).map_err(|why| format!("{shown}: {why}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|e| e.to_string())?;
        let commands = match written.commands {
            None => Commands::All,
            Some(list) if list == ["ALL"] => Commands::All,
            Some(list) if list.is_empty() => return Err("commands is empty; leave it out, or name commands".into()),
            Some(list) => match list.iter().find(|command| !is_plain_command(command)) {
                Some(wrong) => {
                    return Err(format!(
                        "commands: “{wrong}” must be an absolute path with plain arguments, without wildcards"
                    ));
                }
                None => Commands::Only(list),
            },
        };
        let nopasswd = match written.nopasswd {
            Some(none) if none.reason.trim().is_empty() => return Err("nopasswd: say the reason".into()),
            Some(none) => none.accounts,
            None => Vec::new(),
        };
        let key = |hex: &Hex<32>| {
            VerifyingKey::from_bytes(&hex.0).map_err(|_| format!("second_signature_keys: {hex} is not a public key"))
        };
        Ok(Self {
            window_max: written.window_max.unwrap_or(WINDOW_MAX),
            never: written.never,
            commands,
            nopasswd,
            seconds: written.second_signature_keys.iter().map(key).collect::<Result<_, _>>()?,
            certificate_authority: written.certificate_authority,
        })
    }
}

/// What PAM tells its hook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PamSession {
    /// `open_session` or `close_session`.
    pub kind: String,
    /// Which of PAM's services it is: `sudo`, `sudo-i`, `su`, …
    pub service: String,
    /// The account that asked for the session.
    pub by: String,
}

/// Reads what PAM put into the environment.
#[expect(clippy::disallowed_methods, reason = "this file is where the environment is read")]
pub fn pam_session() -> PamSession {
    let read = |name| std::env::var(name).unwrap_or_default();
    PamSession { kind: read("PAM_TYPE"), service: read("PAM_SERVICE"), by: read("PAM_RUSER") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn every_limit_can_be_set() {
        let limits = Limits::parse(
            "window_max = \"PT1H\"\nnever = [\"deploy\"]\ncommands = [\"/usr/bin/systemctl restart nginx\"]\n\
             second_signature_keys = [\"3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29\"]\n\
             certificate_authority = \"/etc/writ/ca.pem\"\n\
             [nopasswd]\naccounts = [\"robot\"]\nreason = \"no keyboard at the kiosk\"\n",
        )
        .unwrap();
        assert_eq!(limits.window_max, Span::from_hours(1));
        assert_eq!(limits.never, ["deploy"]);
        assert_eq!(limits.commands, Commands::Only(vec!["/usr/bin/systemctl restart nginx".into()]));
        assert_eq!((limits.nopasswd, limits.seconds.len()), (vec!["robot".to_owned()], 1));
        assert_eq!(Limits::parse("").unwrap().window_max, WINDOW_MAX);
    }

    #[test]
    fn a_slip_in_the_file_is_an_error_and_not_a_wider_limit() {
        for wrong in [
            "windowmax = \"PT1H\"",
            "window_max = \"1h\"",
            "commands = []",
            "commands = [\"/bin/ls *\"]",
            "second_signature_keys = [\"ab\"]",
            "[nopasswd]\naccounts = [\"ana\"]",
            "[nopasswd]\naccounts = [\"ana\"]\nreason = \" \"",
        ] {
            assert!(Limits::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_others_can_write_allows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        let me = std::fs::metadata(dir.path()).unwrap().uid();
        assert!(Limits::read_at(&path, me).is_ok(), "no file: the shipped limits");
        std::fs::write(&path, "").unwrap();
        for (mode, good) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Limits::read_at(&path, me).is_ok(), good, "{mode:o}");
        }
        assert!(Limits::read_at(&path, me + 1).is_err(), "somebody else's file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, "#".repeat(70_000)).unwrap();
        assert!(Limits::read_at(&path, me).unwrap_err().contains("longer"), "no half of a file is believed");
        std::fs::remove_file(&path).unwrap();
        for (mode, good) in [(0o755, true), (0o775, false), (0o777, false)] {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Limits::read_at(&path, me).is_ok(), good, "a folder in which others can replace it: {mode:o}");
        }
    }
}
