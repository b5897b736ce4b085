//! Tells people at their terminals what is about to happen. It only writes; it never reads a terminal, and never waits
//! for one.

use crate::processes::{self, Process};
use rustix::fs::OFlags;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

/// Writes lines to every terminal that these processes have. Returns how many terminals there were.
pub fn tell(processes: &[Process], lines: &[String]) -> usize {
    // sudo itself sits on the person's own terminal and shows what is written to the one it made for the session;
    // writing to both would say everything twice.
    let inner: BTreeSet<String> =
        processes.iter().filter(|p| processes::program(p.pid) != "sudo").filter_map(|p| device(p.terminal)).collect();
    let outer = || processes.iter().filter_map(|p| device(p.terminal)).collect();
    let devices: BTreeSet<String> = if inner.is_empty() { outer() } else { inner };
    let text: String = lines.iter().map(|line| format!("\r\n{}", plain(line))).collect::<String>() + "\r\n";
    devices.iter().filter(|device| write(device, &text).is_ok()).count()
}

/// The device file of a terminal's number (source: Linux's admin-guide/devices: 4 is the console's, 136 to 143 are
/// pseudo-terminals).
fn device(number: u32) -> Option<String> {
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00));
    match major {
        4 if minor < 64 => Some(format!("/dev/tty{minor}")),
        136..=143 => Some(format!("/dev/pts/{}", (major - 136) * 256 + minor)),
        _ => None,
    }
}

fn write(device: &str, text: &str) -> std::io::Result<()> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW).bits();
    let mut file = OpenOptions::new().write(true).custom_flags(flags.cast_signed()).open(device)?;
    if !file.metadata()?.file_type().is_char_device() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    file.write_all(text.as_bytes())
}

/// Nothing that a terminal would take as an instruction.
fn plain(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(400).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_found_by_number() {
        assert_eq!(device(34_817).as_deref(), Some("/dev/pts/1"));
        assert_eq!(device((136 << 8) | (1 << 20) | 4).as_deref(), Some("/dev/pts/260"));
        assert_eq!(device(4 << 8 | 2).as_deref(), Some("/dev/tty2"));
        assert_eq!(device(0), None);
    }

    #[test]
    fn a_hint_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}]0;x\u{7}b\r\nc\u{9b}2J"), "a]0;xbc2J");
    }
}
