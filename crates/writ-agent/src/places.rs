//! Every path on the host that the agent reads or writes, in one place.
//! It never holds a path of somebody else's file that the agent would change, except PAM's services for sudo and su.

/// Where sudo reads drop-ins.
pub const SUDOERS_DIR: &str = "/etc/sudoers.d";
/// Sudo's own file, the root of its rules.
pub const SUDOERS: &str = "/etc/sudoers";
/// The host's own limits.
pub const AGENT_TOML: &str = "/etc/writ/agent.toml";
/// What must survive a restart: the device key, the order, the pins. Readable by root only.
pub const STATE_DIR: &str = "/var/lib/writ-agent";
/// What is true until the next boot: which uid's sessions go into which cgroup.
pub const RUN_DIR: &str = "/run/writ-agent";
/// Where sudo writes what was done under each activation.
pub const LOG_DIR: &str = "/var/log/writ-agent";
/// PAM's services that sudo uses; the second only on some distributions.
pub const PAM_SUDO: [&str; 2] = ["/etc/pam.d/sudo", "/etc/pam.d/sudo-i"];
/// PAM's services for becoming somebody else out of an elevated session; the second only on some distributions.
pub const PAM_SU: [&str; 2] = ["/etc/pam.d/su", "/etc/pam.d/su-l"];
/// Local accounts.
pub const PASSWD: &str = "/etc/passwd";
/// Local groups.
pub const GROUP: &str = "/etc/group";
/// Whether accounts have a password; the agent looks at the form of the field and keeps none of it.
pub const SHADOW: &str = "/etc/shadow";

/// What our drop-ins are called, before the uid. No dot: sudo ignores names with one.
pub const DROP_IN: &str = "writ-";
