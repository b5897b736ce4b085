//! Microsoft's own Graph SDK and sign-in libraries against a running demo: what their clients need is what we answer.
//! It never talks to anything but the demo it started, on loopback.
//!
//! Always: the demo is told to end, by its own process id, whatever the story did.

use crate::program;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(20);

/// The scripts, each with what it needs besides what the demo says.
const SCRIPTS: &[(&str, &[(&str, &str)])] = &[
    ("conformance/graph_sdk_story.py", &[]),
    ("conformance/graph_sdk_conformance.py", &[("ONLY", "dir,misc")]),
    // Makes what a demo lacks, and fails if a collection is empty: an empty list would prove nothing below.
    ("conformance/seed.py", &[("ENDPOINTS", "conformance/endpoints-directory.txt:conformance/endpoints-more.txt")]),
    ("conformance/schema_conformance.py", &[("ENDPOINTS", "conformance/endpoints-directory.txt")]),
    ("conformance/schema_conformance.py", &[("ENDPOINTS", "conformance/endpoints-more.txt")]),
    ("conformance/paths_conformance.py", &[]),
];

/// The same story where nothing is removed in its first five minutes, as in Entra: the script waits them out.
const AS_ENTRA: &[(&str, &[(&str, &str)])] =
    &[("conformance/graph_sdk_conformance.py", &[("ONLY", "dir,misc"), ("MIN_ACTIVE_WAIT_S", "310")])];

/// Microsoft's clients sign in over https alone, so this demo has a certificate, made for the run.
const SIGN_IN: &str = "conformance/sign_in_conformance.py";
const CERTIFICATE: (&str, &str) = ("target/conformance/cert.pem", "target/conformance/key.pem");

/// Runs the scripts, handing each of their lines to `line`. Says whether all of it held.
pub(crate) fn run(writ: &Path, mut line: impl FnMut(&str)) -> Result<bool, String> {
    let place = program::root().join("target/conformance");
    std::fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let python = installed(&place)?;
    let (cert, key) = CERTIFICATE;
    program::run(&python.to_string_lossy(), &["conformance/certificate.py", cert, key], &[])?;
    let writ_itself = writ.to_string_lossy();
    let sign_in: &[(&str, &[(&str, &str)])] = &[(SIGN_IN, &[("TLS_CA", cert), ("WRIT", &writ_itself)])];
    // The second and the third demo mostly wait, so they go beside the first.
    let beside = |name, settings: &[&str], scripts_of: &[(&str, &[(&str, &str)])]| {
        let mut said = Vec::new();
        let held = scripts(writ, settings, &place.join(name), &python, scripts_of, |line| said.push(line.to_owned()));
        (held, said)
    };
    let (held, others) = std::thread::scope(|scope| {
        let others = [
            scope.spawn(|| beside("as-entra.env", &["--age-min", "5m"], AS_ENTRA)),
            scope.spawn(|| beside("sign-in.env", &["--tls-cert", cert, "--tls-key", key], sign_in)),
        ];
        let held = scripts(writ, &[], &place.join("demo.env"), &python, SCRIPTS, &mut line);
        let broke = || (Err("what ran beside the first demo ended in a mistake".to_owned()), Vec::new());
        (held, others.map(|other| other.join().unwrap_or_else(|_| broke())))
    });
    others.iter().flat_map(|(_, said)| said).for_each(|said| line(said));
    others.into_iter().try_fold(held?, |all, (held, _)| held.map(|held| all && held))
}

/// Runs these scripts against a demo of their own.
fn scripts(
    writ: &Path,
    settings: &[&str],
    environment: &Path,
    python: &Path,
    scripts: &[(&str, &[(&str, &str)])],
    mut line: impl FnMut(&str),
) -> Result<bool, String> {
    let _ = std::fs::remove_file(environment);
    let mut demo = Demo::start(writ, settings, environment)?;
    let told = demo.environment(environment)?;
    let names: Vec<(&str, &str)> = told.lines().filter_map(|line| line.split_once('=')).collect();
    let mut held = true;
    for (script, more) in scripts {
        let names: Vec<(&str, &str)> = names.iter().chain(*more).copied().collect();
        held &= program::watch(&python.to_string_lossy(), &[script], &names, &mut line)?;
    }
    Ok(held)
}

/// A Python with the pinned SDKs, kept between runs; made anew when the pins change.
fn installed(place: &Path) -> Result<PathBuf, String> {
    let pins = program::root().join("conformance/requirements.txt");
    let wanted = std::fs::read_to_string(&pins).map_err(|error| format!("{}: {error}", pins.display()))?;
    let (made, venv) = (place.join("made-with.txt"), place.join("venv"));
    let python = venv.join("bin/python");
    if std::fs::read_to_string(&made).is_ok_and(|with| with == wanted) && python.is_file() {
        return Ok(python);
    }
    let (venv, inside, pins) = (venv.to_string_lossy(), python.to_string_lossy(), pins.to_string_lossy());
    let by_hand = "apt-get install python3-venv";
    program::run("python3", &["-m", "venv", "--clear", &venv], &[]).map_err(|why| format!("{why}; {by_hand}"))?;
    let quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", &pins];
    program::run(&inside, &quietly, &[])?;
    std::fs::write(&made, wanted).map_err(|error| format!("{}: {error}", made.display()))?;
    Ok(python)
}

/// The demo, serving quietly on a free port of loopback.
struct Demo {
    child: Child,
}

impl Demo {
    fn start(writ: &Path, settings: &[&str], environment: &Path) -> Result<Demo, String> {
        let child = Command::new(writ)
            .args(["demo", "--quiet", "--listen", "127.0.0.1:0", "--env-file"])
            .arg(environment)
            .args(settings)
            .current_dir(program::root())
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("the demo could not be started: {error}"))?;
        Ok(Demo { child })
    }

    /// What the demo wrote for scripts; it is written when the demo is ready.
    fn environment(&mut self, file: &Path) -> Result<String, String> {
        let begun = Instant::now();
        while begun.elapsed() < START_MAX {
            if let Ok(told) = std::fs::read_to_string(file)
                && told.contains("ROLE_ID=")
            {
                return Ok(told);
            }
            if let Ok(Some(ended)) = self.child.try_wait() {
                return Err(format!("the demo ended before it was ready: {ended}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("the demo was not ready after {} s", START_MAX.as_secs()))
    }
}

impl Drop for Demo {
    /// Asks first, so that the demo takes its sandbox down.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let begun = Instant::now();
        while begun.elapsed() < STOP_MAX {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("the demo did not end when told to; it is killed");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
