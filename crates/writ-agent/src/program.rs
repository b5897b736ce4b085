//! Runs the few programs of the host that the agent needs, with a bound and a clean environment.
//! It never runs a shell, and never passes a secret.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

/// The longest output that is read.
const OUTPUT_MAX: u64 = 16 << 20;

/// Where the host's own programs are; nothing else is ever run.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// Whether it ended well.
    pub fn well(&self) -> bool {
        self.status.success()
    }

    /// What it complained of, in one line.
    pub fn complaint(&self) -> String {
        writ_core::order::told_max(self.err.trim())
    }
}

/// How long a program may take, and how long after that until it is killed; for timeout(1).
const BOUND: [&str; 3] = ["-k", "1", "30"];

/// A program with a clean environment and a bound: after 30 seconds it is stopped.
pub fn program(name: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(BOUND).arg(name);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
    command
}

/// As [`program`], run as somebody else, with no further groups.
pub fn program_as(name: &str, uid: u32, gid: u32) -> Command {
    let mut command = program(name);
    command.uid(uid).gid(gid);
    command
}

/// Runs it to its end.
pub fn run<S: AsRef<OsStr>>(mut command: Command, args: &[S], input: Option<&str>) -> Result<Said, String> {
    let name = command.get_args().nth(BOUND.len()).unwrap_or_default().to_string_lossy().into_owned();
    command.args(args);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("cannot run {name}: {e}"))?;
    let feed = child.stdin.take().zip(input.map(str::to_owned));
    let writer = feed.map(|(mut pipe, text)| std::thread::spawn(move || pipe.write_all(text.as_bytes())));
    let errors = child.stderr.take().map(|pipe| std::thread::spawn(move || read(pipe)));
    let out = child.stdout.take().map(read).unwrap_or_default();
    let err = errors.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if let Some(thread) = writer {
        // The program may have ended without reading everything; its status says whether that was right.
        let _ = thread.join();
    }
    let status = child.wait().map_err(|e| format!("cannot wait for {name}: {e}"))?;
    Ok(Said { status, out, err })
}

fn read(pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.take(OUTPUT_MAX).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
