//! Runs other programs from the repository's root, in the open: each command line is shown before it runs.
//! It never hides what a program printed.
//!
//! Always: no standard input, so a program that would ask a question fails instead of waiting.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's root: the folder above this crate's.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The cargo that started us, so that the pinned toolchain stays the same all the way down.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Whether a program of this name is on the PATH or in the folders that only root has on its PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A token is as good as a password; nothing prints one.
fn shown(name: &str, value: &str) -> String {
    if name.ends_with("TOKEN") { format!("{name}=…") } else { format!("{name}='{value}'") }
}

fn command(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let shown: Vec<String> = environment.iter().map(|(name, value)| shown(name, value)).collect();
    let words = shown.iter().map(String::as_str).chain([program]).chain(arguments.iter().copied());
    println!("\n\x1b[1m$ {}\x1b[0m", words.collect::<Vec<_>>().join(" "));
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().copied()).current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs to the end. Errors: could not be started, or did not exit with 0.
pub(crate) fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let status = command(program, arguments, environment)
        .status()
        .map_err(|error| format!("{program} could not be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} failed: {status}", arguments.join(" "))) }
}

/// Runs to the end, showing each line of standard output and handing it to `line`. Says whether the exit was 0.
pub(crate) fn watch(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
    mut line: impl FnMut(&str),
) -> Result<bool, String> {
    let mut child = command(program, arguments, environment)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} could not be started: {error}"))?;
    let output = child.stdout.take().ok_or("no standard output")?;
    for read in BufReader::new(output).split(b'\n') {
        let bytes = read.map_err(|error| format!("{program}: its output could not be read: {error}"))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").map_err(|error| error.to_string())?;
        line(&text);
    }
    let status = child.wait().map_err(|error| format!("{program}: {error}"))?;
    Ok(status.success())
}
