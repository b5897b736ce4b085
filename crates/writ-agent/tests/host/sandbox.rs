//! The sandbox itself: a real host inside, an unchanged machine outside.

use super::host;
use std::time::Duration;

#[test]
fn a_sandbox_is_a_host_of_its_own_and_leaves_nothing() {
    let before = std::fs::read_to_string("/etc/passwd").unwrap();
    // What somebody left whose process was killed; no process has such a number.
    let stale = std::path::Path::new("/tmp/writ-sandbox-4294967295-0");
    std::fs::create_dir_all(stale.join("up")).unwrap();
    let sandbox = host("fin-01");
    assert!(!stale.exists());
    assert_eq!(sandbox.said("ana", &["id", "-un"]).unwrap(), "ana");
    assert_eq!(sandbox.said("ana", &["cat", "/proc/sys/kernel/hostname"]).unwrap(), "fin-01");
    assert_eq!(sandbox.said("root", &["sudo", "-n", "id", "-u"]).unwrap(), "0");
    assert!(!sandbox.sudo_works("ana").unwrap());
    sandbox.write("/etc/sudoers.d/hand", "ana ALL=(root) NOPASSWD: ALL\n", "440").unwrap();
    assert!(sandbox.sudo_works("ana").unwrap(), "sudo in here is real");
    let mut terminal = sandbox.terminal("ana", "sudo -n -i").unwrap();
    terminal.types("echo I am $(id -un) on $(tty)").unwrap();
    assert!(terminal.shows("I am root on /dev/pts/", Duration::from_secs(5)), "{}", terminal.screen());
    assert!(sandbox.said("root", &["mount", "-t", "tmpfs", "x", "/mnt"]).is_err(), "root in here reaches no further");
    assert!(sandbox.said("root", &["sh", "-c", "echo b > /proc/sysrq-trigger"]).is_err());
    let folder = sandbox.folder().to_owned();
    drop(sandbox);
    assert!(terminal.is_gone(Duration::from_secs(5)), "whoever was inside is gone");
    assert_eq!(std::fs::read_to_string("/etc/passwd").unwrap(), before);
    assert!(!std::path::Path::new("/etc/sudoers.d/hand").exists());
    assert!(!folder.exists());
    assert!(!std::path::Path::new("/sys/fs/cgroup/unified").join(folder.file_name().unwrap()).exists());
}
