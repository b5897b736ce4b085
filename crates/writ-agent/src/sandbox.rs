//! A throwaway Linux host on this machine: its own processes, files, accounts, host name and cgroups, with real sudo
//! and real PAM, for the demo and the tests. It needs root. It changes nothing outside itself: the file system is
//! copied on write into memory.
//!
//! Always: when the `Sandbox` is dropped, or the process that made it dies, everything inside is killed and gone.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const SCRIPT: &str = include_str!("sandbox.sh");

/// Where the agent's program is inside.
pub const AGENT_INSIDE: &str = "/usr/local/sbin/writ-agent";

/// What nobody inside may do, root or not, because it would reach the machine around it.
const CAPABILITIES: &str = "-sys_module,-sys_boot,-sys_rawio,-sys_time,-sys_admin,-mknod,-syslog,-net_admin,-mac_admin,-mac_override,-wake_alarm";

/// How long the host may take to come up; installing sudo over a slow network is the long case.
const START_MAX: Duration = Duration::from_secs(180);

/// What runs as the agent: this binary, called with these words first.
#[derive(Clone, Debug)]
pub struct Program {
    /// The binary on this machine; it is copied into the sandbox.
    pub binary: PathBuf,
    /// `["agent"]` for the `writ` binary, nothing for `writ-agent` itself.
    pub words: Vec<String>,
}

/// Somebody with an account, without a password.
#[derive(Clone, Debug)]
pub struct Inhabitant {
    /// The account's name.
    pub name: String,
    /// Its uid.
    pub uid: u32,
    /// The person's name.
    pub full_name: String,
}

impl Inhabitant {
    /// An account.
    pub fn new(name: &str, uid: u32, full_name: &str) -> Self {
        Self { name: name.into(), uid, full_name: full_name.into() }
    }
}

/// A running sandbox.
pub struct Sandbox {
    unshare: Child,
    // Held open: the first process inside ends when it closes.
    _life: ChildStdin,
    base: PathBuf,
    init: u32,
    program: Program,
}

/// Why there is no sandbox on this machine.
pub fn impossible() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("a sandbox host needs root: run the same command with sudo to see it for real".into());
    }
    let missing =
        |tool: &&str| !["/usr/bin", "/bin", "/usr/sbin", "/sbin"].iter().any(|dir| Path::new(dir).join(tool).exists());
    let tools = ["unshare", "nsenter", "setpriv", "script", "mount", "pivot_root", "awk", "timeout"];
    let lacking: Vec<&str> = tools.iter().filter(|tool| missing(tool)).copied().collect();
    (!lacking.is_empty()).then(|| format!("a sandbox host needs {} (util-linux)", lacking.join(", ")))
}

impl Sandbox {
    /// Starts a host of this name with these accounts. The error is a sentence for whoever asked.
    pub fn start(name: &str, inhabitants: &[Inhabitant], program: Program) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if let Some(why) = impossible() {
            return Err(why);
        }
        clear_stale();
        let base =
            PathBuf::from(format!("/tmp/{NAME}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::DirBuilder::new().mode(0o700).create(&base).map_err(|e| format!("cannot make {}: {e}", base.display()))?;
        // From a file: given as an argument, the whole script would stand in every process list.
        let script = base.join("start");
        fs::write(&script, SCRIPT).map_err(|e| format!("cannot write {}: {e}", script.display()))?;
        let accounts: Vec<String> =
            inhabitants.iter().map(|i| format!("{}:{}:{}", i.name, i.uid, i.full_name)).collect();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--pid", "--uts", "--ipc", "--propagation", "private", "--fork", "--kill-child"])
            .arg("sh")
            .arg(&script)
            .arg(&base)
            .arg(name)
            .arg(&program.binary)
            .arg(accounts.join(";"))
            .arg(AGENT_INSIDE)
            .args(&program.words)
            .arg("sandbox-init")
            .env_clear()
            .env("PATH", PATH)
            .env("WRIT_SANDBOX_CAPABILITIES", CAPABILITIES)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut unshare = command.spawn().map_err(|e| format!("cannot run unshare: {e}"))?;
        let (Some(life), Some(out), Some(err)) = (unshare.stdin.take(), unshare.stdout.take(), unshare.stderr.take())
        else {
            return Err("the sandbox has no pipes".into());
        };
        let started = Shown::reading(out);
        let complaints = Shown::reading(err);
        let mut sandbox = Self { unshare, _life: life, base, init: 0, program };
        if !started.wait_for("ready\n", START_MAX) {
            let why = complaints.text();
            return Err(format!("the sandbox host did not start: {}", why.trim().replace('\n', "; ")));
        }
        sandbox.init = child_of(sandbox.unshare.id()).ok_or("the sandbox's first process cannot be found")?;
        Ok(sandbox)
    }

    /// The sandbox's folder on this machine; its cgroup has the same name. Both are gone with it.
    pub fn folder(&self) -> &Path {
        &self.base
    }

    /// A command inside, run by root in a login's cgroup, like a service that a person started.
    pub fn as_root(&self) -> Command {
        self.enter("root", "/root", &["--bounding-set", CAPABILITIES])
    }

    /// A command inside, run by an account as after logging in.
    pub fn as_user(&self, name: &str) -> Command {
        let who = [format!("--reuid={name}"), format!("--regid={name}")];
        let home = format!("/home/{name}");
        self.enter(name, &home, &[&who[0], &who[1], "--init-groups", "--bounding-set", CAPABILITIES])
    }

    fn enter(&self, name: &str, home: &str, become_who: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string(), "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--"])
            .args(["sh", "-c", "cd \"$0\" && echo $$ > /sys/fs/cgroup/logins/cgroup.procs && exec \"$@\"", home])
            .arg("setpriv")
            .args(become_who)
            .arg("--")
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", home)
            .env("USER", name)
            .env("LOGNAME", name)
            .env("SHELL", "/bin/bash")
            .env("TERM", "xterm")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    /// Runs something as an account and waits for its end.
    pub fn run(&self, name: &str, words: &[&str]) -> Result<Output, String> {
        let mut command = if name == "root" { self.as_root() } else { self.as_user(name) };
        command.args(words).output().map_err(|e| format!("cannot run {words:?} in the sandbox: {e}"))
    }

    /// As [`Sandbox::run`]; what it wrote, without the last line end, or what it complained of.
    pub fn said(&self, name: &str, words: &[&str]) -> Result<String, String> {
        let output = self.run(name, words)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Whether the account can become root with sudo, tried for real.
    pub fn sudo_works(&self, name: &str) -> Result<bool, String> {
        Ok(self.said(name, &["sudo", "-n", "id", "-u"]).is_ok_and(|uid| uid == "0"))
    }

    /// The agent, with these words; not started yet. It stays in the cgroup of services, not in a login's.
    pub fn agent(&self, words: &[&str]) -> Command {
        let mut command = self.as_root();
        command.arg(AGENT_INSIDE).args(&self.program.words).args(words);
        command
    }

    /// Enrols the host: the code goes in by standard input, since a process list is no place for it.
    pub fn enrol(&self, server: &str, code: &str) -> Result<(), String> {
        let mut command = self.agent(&["enrol", server]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("cannot start the agent: {e}"))?;
        if let Some(mut pipe) = child.stdin.take() {
            writeln!(pipe, "{code}").map_err(|e| format!("cannot hand the code over: {e}"))?;
        }
        let output = child.wait_with_output().map_err(|e| format!("cannot wait for the agent: {e}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Starts the agent's loop.
    pub fn start_agent(&self) -> Result<Agent, String> {
        let mut command = self.agent(&["run"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("cannot start the agent: {e}"))?;
        let log = child.stderr.take().map(Shown::reading).unwrap_or_default();
        Ok(Agent { child, log })
    }

    /// Opens a terminal as an account and runs this line in it, with a real pseudo-terminal.
    pub fn terminal(&self, name: &str, line: &str) -> Result<Terminal, String> {
        let mut command = if name == "root" { self.as_root() } else { self.as_user(name) };
        command.args(["script", "-qfec", line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|e| format!("cannot open a terminal: {e}"))?;
        let (Some(keys), Some(out)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the terminal has no pipes".into());
        };
        Ok(Terminal { child, keys, shown: Shown::reading(out) })
    }

    /// How many processes inside have this text in their command line.
    pub fn running(&self, text: &str) -> usize {
        let count = "n=0; for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < $f 2>/dev/null | grep -qF -- \"$1\" && \
                     case $f in /proc/$$/*|/proc/self/*) ;; *) n=$((n+1));; esac; done; echo $n";
        // The text reaches the shell as an argument, so the shell itself is left out of the count.
        let said = self.said("root", &["sh", "-c", count, "sh", text]).unwrap_or_default();
        said.parse().unwrap_or(0)
    }

    /// Reads a file inside.
    pub fn read(&self, path: &str) -> Result<String, String> {
        self.said("root", &["cat", path])
    }

    /// Writes a file inside, as root.
    pub fn write(&self, path: &str, text: &str, mode: &str) -> Result<(), String> {
        let line = "mkdir -p \"$(dirname \"$1\")\" && printf %s \"$2\" > \"$1\" && chmod \"$3\" \"$1\"";
        self.said("root", &["sh", "-c", line, "sh", path, text, mode]).map(drop)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The first process inside dies with unshare (--kill-child), and with it everything in its PID namespace.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        clear(&self.base);
    }
}

/// Removes a sandbox's cgroup, with whatever is left in it, and its folder.
fn clear(base: &Path) {
    let name = base.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let sweep = "mount -t cgroup2 cgroup2 \"$0\" && cd \"$0/$1\" && \
                 { echo 1 > cgroup.kill; n=0; while [ $n -lt 100 ] && grep -q 'populated 1' cgroup.events; do \
                 sleep 0.02; n=$((n+1)); done; find . -depth -type d -exec rmdir {} + ; cd /; rmdir \"$0/$1\"; }";
    let _ = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", sweep])
        .arg(base)
        .arg(name)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let _ = fs::remove_dir_all(base);
}

/// Clears what sandboxes left whose makers were killed before they could. Their processes ended with them.
fn clear_stale() {
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let maker = name.strip_prefix(NAME).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        // Only folders that root made: anybody can make one of that name.
        let ours = fs::symlink_metadata(entry.path()).is_ok_and(|facts| facts.is_dir() && facts.uid() == 0);
        if ours && maker.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            clear(&entry.path());
        }
    }
}

/// What a sandbox's folder and cgroup are called, before the maker's process id.
const NAME: &str = "writ-sandbox-";

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The agent's loop inside a sandbox.
pub struct Agent {
    child: Child,
    log: Shown,
}

impl Agent {
    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until its log holds this text.
    pub fn logs(&self, text: &str, within: Duration) -> bool {
        self.log.wait_for(text, within)
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        // nsenter forks: the agent is its child.
        if let Some(inner) = child_of(self.child.id()).and_then(|pid| i32::try_from(pid).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(inner)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Somebody's terminal inside a sandbox.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Shown,
}

impl Terminal {
    /// Types a line.
    pub fn types(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.keys, "{line}").and_then(|()| self.keys.flush()).map_err(|e| format!("the terminal is gone: {e}"))
    }

    /// Everything shown so far.
    pub fn screen(&self) -> String {
        self.shown.text()
    }

    /// Waits until this text was shown.
    pub fn shows(&self, text: &str, within: Duration) -> bool {
        self.shown.wait_for(text, within)
    }

    /// Waits until the terminal's program is gone.
    pub fn is_gone(&mut self, within: Duration) -> bool {
        self.shown.wait_end(within) && self.child.wait().is_ok()
    }

    /// How the program ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program has written so far, growing as it writes.
#[derive(Clone, Default)]
struct Shown(Arc<(Mutex<Text>, Condvar)>);

#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    ended: bool,
}

/// The most that is kept of what a program wrote.
const SHOWN_MAX: usize = 4 << 20;

impl Shown {
    fn reading(mut pipe: impl Read + Send + 'static) -> Self {
        let shown = Self::default();
        let ours = shown.clone();
        std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            loop {
                let got = pipe.read(&mut buffer).unwrap_or(0);
                let mut text = ours.lock();
                match buffer.get(..got) {
                    Some(bytes) if got > 0 && text.bytes.len() < SHOWN_MAX => text.bytes.extend_from_slice(bytes),
                    _ => text.ended = got == 0,
                }
                ours.0.1.notify_all();
                if text.ended {
                    return;
                }
            }
        });
        shown
    }

    fn lock(&self) -> MutexGuard<'_, Text> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    fn wait(&self, within: Duration, done: impl Fn(&Text) -> bool) -> bool {
        let waiting = self.0.1.wait_timeout_while(self.lock(), within, |text| !done(text) && !text.ended);
        let (text, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        done(&text)
    }

    fn wait_for(&self, wanted: &str, within: Duration) -> bool {
        self.wait(within, |text| text.bytes.windows(wanted.len().max(1)).any(|part| part == wanted.as_bytes()))
    }

    fn wait_end(&self, within: Duration) -> bool {
        self.wait(within, |text| text.ended)
    }
}

/// The one child of a process.
fn child_of(parent: u32) -> Option<u32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let after_name = stat.rsplit_once(')')?.1;
        (after_name.split_whitespace().nth(1)?.parse() == Ok(parent)).then_some(pid)
    })
}

/// The first process inside: says that the host is up, takes in the processes whose parents have died, and ends when
/// its standard input closes, which is when whoever made the sandbox is gone.
pub fn init() -> ! {
    println!("ready");
    std::thread::spawn(|| {
        let mut line = String::new();
        while BufReader::new(std::io::stdin()).read_line(&mut line).is_ok_and(|n| n > 0) {
            line.clear();
        }
        std::process::exit(0);
    });
    loop {
        // Waiting returns at once where there are no children, so one is always there.
        if Command::new("sleep").arg("infinity").stdin(Stdio::null()).spawn().is_err() {
            std::process::exit(1);
        }
        while matches!(
            rustix::process::wait(rustix::process::WaitOptions::empty()),
            Ok(_) | Err(rustix::io::Errno::INTR)
        ) {}
    }
}
