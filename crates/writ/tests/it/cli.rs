//! Stories told by the real `writ` program against a real server: what people see, what programs get, and the status
//! it ends with.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const WRIT: &str = env!("CARGO_BIN_EXE_writ");

/// A server of the demo's, ended by its own process id when the test is over.
pub(crate) struct Demo {
    child: Child,
    pub(crate) dir: TempDir,
    pub(crate) url: String,
}

impl Demo {
    fn start() -> Demo {
        Demo::start_in(tempfile::tempdir().unwrap(), &[])
    }

    /// With further flags, beside what an earlier one left in a directory.
    pub(crate) fn start_in(dir: TempDir, flags: &[&str]) -> Demo {
        let env = dir.path().join("demo.env");
        let child = Command::new(WRIT)
            .args(["demo", "--quiet", "--listen", "127.0.0.1:0", "--env-file"])
            .arg(&env)
            .args(flags)
            .env("XDG_STATE_HOME", dir.path().join("demo"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let told = wait_for(|| fs::read_to_string(&env).ok());
        let url = told.lines().find_map(|line| line.strip_prefix("BASE_URL=")).unwrap().to_owned();
        Demo { child, dir, url }
    }

    /// Ends it as Ctrl-C does, and begins another one on the data that it kept.
    pub(crate) fn again(mut self, data: &str, meanwhile: impl FnOnce()) -> Demo {
        assert_eq!(end(&mut self.child), Some(0));
        meanwhile();
        let address = self.url.trim_start_matches("http://");
        self.child = Command::new(WRIT)
            .args(["demo", "--quiet", "--listen", address, "--data", data])
            .env("XDG_STATE_HOME", self.dir.path().join("demo"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let served = wait_for(|| {
            let said = self.code_of("ben");
            (said.status == 0).then(|| said.json()["server"].clone())
        });
        assert_eq!(served, self.url);
        self
    }

    /// What `writ demo code` says.
    fn code_of(&self, word: &str) -> Said {
        let mut command = Command::new(WRIT);
        command.env("XDG_STATE_HOME", self.dir.path().join("demo")).args(["demo", "code", word, "--json"]);
        Said::of(&command.output().unwrap())
    }

    /// Somebody at a command line of their own.
    pub(crate) fn person(&self, word: &'static str) -> Person<'_> {
        Person { demo: self, word }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a process in order, as a service manager does.
fn end(child: &mut Child) -> Option<i32> {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    child.wait().ok().and_then(|status| status.code())
}

fn wait_for<T>(mut get: impl FnMut() -> Option<T>) -> T {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    for _ in 0..300 {
        if let Some(got) = get() {
            return got;
        }
        let _ = never.recv_timeout(Duration::from_millis(100));
    }
    panic!("it did not come in 30 s");
}

pub(crate) struct Person<'a> {
    demo: &'a Demo,
    word: &'static str,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { status: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Person<'_> {
    pub(crate) fn state(&self) -> PathBuf {
        self.demo.dir.path().join(self.word)
    }
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(WRIT);
        command.env_clear().env("XDG_STATE_HOME", self.state()).env("TZ", "Europe/Berlin").stdin(Stdio::null());
        command
    }
    pub(crate) fn says(&self, words: &[&str]) -> Said {
        Said::of(&self.command().args(words).output().unwrap())
    }
    fn code(&self) -> (String, String) {
        let said = self.demo.code_of(self.word).json();
        (said["password"].as_str().unwrap().to_owned(), said["code"].as_str().unwrap().to_owned())
    }
    pub(crate) fn signs_in(&self) -> Said {
        let (password, code) = self.code();
        let mut command = self.command();
        command.env("WRIT_PASSWORD", password).env("WRIT_OTP", code);
        let said = Said::of(&command.args(["login", self.word, "--server", &self.demo.url]).output().unwrap());
        assert_eq!(said.status, 0, "{said:?}");
        said
    }
}

#[test]
fn somebody_signs_in_stands_somewhere_asks_and_gives_back() {
    let demo = Demo::start();
    let ana = demo.person("ana");
    assert_eq!(ana.says(&["status"]).status, 5, "nobody is signed in yet");
    assert!(ana.signs_in().out.contains("✓ signed in      Ana Silva to Northwind"));

    let file = ana.state().join("writ/session.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let status = ana.says(&["status"]);
    assert!(status.out.starts_with("ELIGIBLE\n  Device Administrators"), "{status:?}");
    let status = ana.says(&["status", "--json"]).json();
    assert_eq!(status["who"]["name"], "Ana Silva");
    assert_eq!(status["eligible"].as_array().unwrap().len(), 2);

    let unclear = ana.says(&["activate", "ga"]);
    assert_eq!(unclear.status, 2);
    assert_eq!(unclear.err, "\"ga\" could be Global Administrator or Groups Administrator.\n");

    let not_yet = ana.says(&["activate", "Device Administrators", "--for", "4h"]);
    assert_eq!(not_yet.status, 3, "{not_yet:?}");
    insta::assert_snapshot!(not_yet.out, @r#"
    Not yet. Three things are missing:
      duration  4 h asked; this role allows 2 h at most  --for 2h
      reason    say why                                  --because "…"
      ticket    name the ticket                          --ticket NUMBER
    Nothing was asked. Approval will be needed as well: by Ben Okafor or Carla Ruiz.
    "#);
    let not_yet = ana.says(&["activate", "Device Administrators", "--json"]);
    assert_eq!((not_yet.status, not_yet.json()["can"].as_bool()), (3, Some(false)));

    let active = ana.says(&["activate", "reports reader", "--for", "1h", "--because", "monthly figures"]);
    assert_eq!(active.status, 0, "{active:?}");
    assert!(active.out.contains("Reports Reader in Writ") && active.out.contains("(1 h)"), "{active:?}");
    let longer = ana.says(&["extend", "reports reader", "--for", "30m", "--because", "more figures"]);
    assert!(longer.status == 0 && longer.out.contains("(1 h 30 min)"), "{longer:?}");
    let too_long = ana.says(&["extend", "reports reader", "--for", "9h"]);
    assert_eq!(too_long.status, 3, "{too_long:?}");
    assert!(too_long.err.contains("10 h 30 min asked, 8 h at most") && too_long.err.contains("reason"), "{too_long:?}");
    assert_eq!(ana.says(&["extend", "device administrators", "--for", "1h"]).status, 2, "it is not switched on");
    let again = ana.says(&["activate", "reports reader", "--for", "1h", "--because", "again"]);
    assert_eq!(again.status, 3);
    assert!(again.out.contains("already active") && again.out.contains("writ deactivate"), "{again:?}");
    let audit = ana.says(&["audit", "--since", "1h"]);
    assert!(audit.out.contains("Ana Silva activated Reports Reader"), "the role lets her read the record: {audit:?}");
    assert!(ana.says(&["deactivate"]).out.contains("✓ given back     Reports Reader"));
    let audit = ana.says(&["audit"]);
    assert!(audit.status == 3 && audit.err.contains("read the audit log"), "and not without it: {audit:?}");
}

#[test]
fn an_ask_is_followed_to_its_approval_and_back() {
    let demo = Demo::start();
    let (ana, ben) = (demo.person("ana"), demo.person("ben"));
    ana.signs_in();
    ben.signs_in();
    let mut waiting = ana.command();
    waiting.args([
        "activate",
        "Device Administrators",
        "--for",
        "1h",
        "--because",
        "disk",
        "--ticket",
        "CHG-417",
        "--wait",
    ]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let seen = wait_for(|| {
        let status = ben.says(&["status", "--json"]).json();
        let one = status["deciding"].as_array()?.first()?.clone();
        Some(one)
    });
    assert_eq!((seen["who"]["name"].as_str(), seen["ticket"].as_str()), (Some("Ana Silva"), Some("CHG-417")));
    let own = ana.says(&["approve", seen["request"].as_str().unwrap(), "--because", "me"]);
    assert_eq!(own.status, 3, "nobody approves their own: {own:?}");
    let silent = ben.says(&["approve"]);
    assert_eq!(silent.status, 2);
    assert!(silent.err.contains("--because"), "{silent:?}");
    let approved = ben.says(&["approve", "--because", "seen the alert"]);
    assert_eq!(approved.status, 0, "{approved:?}");
    assert!(approved.out.contains("Ana Silva: Device Administrators for 1 h, \"disk\" (CHG-417)"), "{approved:?}");
    let followed = Said::of(&waiting.wait_with_output().unwrap());
    assert_eq!(followed.status, 0, "{followed:?}");
    for line in [
        "✓ asked          needs approval by Ben Okafor or Carla Ruiz",
        "✓ approved       Ben Okafor, after",
        "\"seen the alert\"",
    ] {
        assert!(followed.out.contains(line), "{line}: {followed:?}");
    }
    let twice = ben.says(&["deny", seen["request"].as_str().unwrap(), "--because", "late"]);
    assert_ne!(twice.status, 0, "it is decided: {twice:?}");
    assert_eq!(ana.says(&["deactivate", "Device Administrators"]).status, 0);
}

#[test]
fn without_a_terminal_the_missing_variable_is_named_and_a_doubtful_session_is_not_used() {
    let demo = Demo::start();
    let ana = demo.person("ana");
    let said = ana.says(&["login", "ana", "--server", &demo.url]);
    assert_eq!(said.status, 2);
    assert!(said.err.contains("WRIT_PASSWORD"), "{said:?}");
    let mut wrong = ana.command();
    wrong.env("WRIT_PASSWORD", "no").env("WRIT_OTP", "000000").args(["login", "ana", "--server", &demo.url]);
    let wrong = Said::of(&wrong.output().unwrap());
    assert_eq!(wrong.status, 3, "{wrong:?}");
    ana.signs_in();
    let file = ana.state().join("writ/session.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let said = ana.says(&["status"]);
    assert_eq!(said.status, 4);
    assert!(said.err.contains("0644") && said.err.contains("writ login"), "{said:?}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(ana.says(&["logout"]).status, 0);
    assert_eq!(ana.says(&["status", "--json"]).json()["error"]["kind"], "signed_out");
}

#[test]
fn an_administrator_adds_somebody_makes_them_eligible_and_takes_it_away() {
    let demo = Demo::start();
    let dana = demo.person("dana");
    dana.signs_in();
    let added = dana.says(&["user", "add", "Eve Stranger", "eve@northwind.example", "--json"]);
    assert_eq!(added.status, 0, "{added:?}");
    assert!(added.json()["code"]["code"].as_str().unwrap().len() >= 20);
    let eligible = dana.says(&["assign", "eve", "Reports Reader", "--for", "30d", "--because", "joins the team"]);
    assert_eq!(eligible.status, 0, "{eligible:?}");
    assert!(eligible.out.contains("✓ eligible       Eve Stranger: Reports Reader for 30 days"), "{eligible:?}");
    let twice = dana.says(&["assign", "eve", "Reports Reader", "--for", "30d", "--because", "again"]);
    assert_eq!(twice.status, 3);
    assert!(twice.err.contains("change or remove it instead") && !twice.err.contains("2026-12-21T"), "{twice:?}");
    let removed = dana.says(&["remove", "eve", "Reports Reader", "--because", "moved on"]);
    assert_eq!(removed.status, 0, "{removed:?}");
    let told = dana.says(&["audit", "--who", "eve", "-n", "5"]);
    assert!(told.out.contains("Dana Weiss") && told.out.contains("Eve Stranger"), "{told:?}");
    let code = dana.says(&["host", "enrol", "--unit", "Finance"]);
    assert!(code.out.contains("writ agent enrol") && code.out.contains("writ-host-"), "{code:?}");
    let ana = demo.person("ana");
    ana.signs_in();
    assert_eq!(ana.says(&["user", "add", "X", "x@northwind.example"]).status, 3, "not hers to do");
}

#[test]
fn a_tenant_is_founded_served_and_entered_with_an_emergency_secret() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let run = |words: &[&str], env: &[(&str, &str)]| {
        let mut command = Command::new(WRIT);
        command.env_clear().env("XDG_STATE_HOME", dir.path().join("state")).stdin(Stdio::null());
        command.envs(env.iter().copied()).args(words).args(["--data"]).arg(&data);
        Said::of(&command.output().unwrap())
    };
    let missing = run(&["init", "--name", "Contoso"], &[]);
    assert_eq!(missing.status, 2);
    assert!(missing.err.contains("--admin"), "{missing:?}");
    let founded =
        run(&["init", "--json", "--name", "Contoso", "--admin", "Dana", "--account", "dana@contoso.example"], &[]);
    assert_eq!(founded.status, 0, "{founded:?}");
    let founded = founded.json();
    assert_eq!(founded["emergency"].as_array().unwrap().len(), 2);
    // 160 bits in an alphabet of 32 letters, in groups of four.
    let secret = founded["emergency"][0]["secret"].as_str().unwrap();
    assert_eq!(secret.replace('-', "").len(), 32);
    assert_eq!(run(&["init", "--name", "Contoso"], &[]).status, 2, "a second founding is refused");

    let mut server = Command::new(WRIT);
    server.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&data).env_remove("WRIT_LOG");
    let out = dir.path().join("serve.out");
    let mut server = server.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null()).spawn().unwrap();
    let told: Value = wait_for(|| serde_json::from_str(&fs::read_to_string(&out).ok()?).ok());
    let url = told["url"].as_str().unwrap();
    let state = dir.path().join("state");
    let enter = Command::new(WRIT)
        .args(["login", "--emergency", "emergency1@contoso.example", "--server", url])
        .env("XDG_STATE_HOME", &state)
        .env("WRIT_PASSWORD", secret)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(Said::of(&enter).status, 0, "{enter:?}");
    let status = Command::new(WRIT).args(["status", "--json"]).env("XDG_STATE_HOME", &state).output().unwrap();
    assert_eq!(Said::of(&status).json()["active"][0]["role"]["name"], "Global Administrator");
    let taken = run(&["serve", "--listen", "127.0.0.1:0"], &[]);
    assert!(taken.status == 4 && taken.err.contains("already served"), "{taken:?}");
    assert_eq!(end(&mut server), Some(0), "told to end, it ends in order");
    let refused = run(&["serve", "--listen", "0.0.0.0:0"], &[]);
    assert!(refused.status == 2 && refused.err.contains("--tls-cert"), "{refused:?}");
}

#[test]
fn a_token_is_handed_to_a_script_and_dies_with_the_sign_in() {
    let demo = Demo::start();
    let ana = demo.person("ana");
    assert_eq!(ana.says(&["token"]).status, 5, "nobody is signed in yet");
    ana.signs_in();
    let printed = ana.says(&["token"]);
    let token = printed.out.trim_end();
    assert!(printed.status == 0 && token.matches('.').count() == 2 && !token.contains('\n'), "{printed:?}");
    let told = ana.says(&["token", "--json"]).json();
    assert_eq!((told["accessToken"].as_str(), told["server"].as_str()), (Some(token), Some(&*demo.url)));
    assert!(told.get("refreshToken").is_none() && told["expiresOn"].as_str().is_some(), "{told}");

    // A script elsewhere, with nothing but the token.
    let script = demo.person("script");
    let status = |token: &str| {
        let mut command = script.command();
        command.env("WRIT_TOKEN", token).args(["--server", &demo.url, "status", "--json"]);
        Said::of(&command.output().unwrap())
    };
    assert_eq!(status(token).json()["who"]["name"], "Ana Silva");
    assert_eq!(ana.says(&["logout"]).status, 0);
    assert_eq!(status(token).status, 5, "the token ended with the session it came from");
}

#[test]
fn a_demo_that_was_kept_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("northwind").to_str().unwrap().to_owned();
    let demo = Demo::start_in(dir, &["--data", &data]);
    let told = fs::read_to_string(demo.dir.path().join("demo.env")).unwrap();
    let dana = told.lines().find_map(|line| line.strip_prefix("ADMIN_TOKEN=")).unwrap();
    let assign = ["assign", "carla", "Reports Reader", "--for", "30d", "--because", "monthly figures", "--json"];
    let mut command = Command::new(WRIT);
    command.env("WRIT_TOKEN", dana).env("WRIT_SERVER", &demo.url).args(assign);
    let assigned = Said::of(&command.output().unwrap());
    assert_eq!(assigned.status, 0, "{assigned:?}");
    let before = demo.person("carla").code().0;

    let demo = demo.again(&data, || {});
    let carla = demo.person("carla");
    assert_eq!(carla.code().0, before, "the same password");
    carla.signs_in();
    let status = carla.says(&["status", "--json"]).json();
    let eligible: Vec<_> = status["eligible"].as_array().unwrap().iter().map(|e| &e["role"]["name"]).collect();
    assert_eq!(eligible, ["Reports Reader", "User Administrator"], "nothing was lost, nothing made twice");

    // The codes of a demo that has ended are there as long as its data are.
    let mut demo = demo;
    end(&mut demo.child);
    let none = demo.code_of("dana");
    assert!(none.status == 2 && none.out.contains("No demo of yours runs here"), "{none:?}");
    let kept = Command::new(WRIT).args(["demo", "code", "dana", "--json", "--data", &data]).output().unwrap();
    assert_eq!(Said::of(&kept).json()["name"], "Dana Weiss");
}

#[test]
fn a_demo_leaves_a_tenant_that_it_did_not_make_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let init = |words: &[&str]| Said::of(&Command::new(WRIT).args(words).stdin(Stdio::null()).output().unwrap());
    let made = init(&[
        "init",
        "--data",
        data,
        "--name",
        "Contoso",
        "--admin",
        "Kim",
        "--account",
        "kim@contoso.example",
        "--json",
    ]);
    assert_eq!(made.status, 0, "{made:?}");
    let said = init(&["demo", "--quiet", "--data", data, "--listen", "127.0.0.1:0"]);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.err.contains("no demo made") && said.err.contains("writ serve --data"), "{said:?}");
}
