//! Stories of copies: made from a real database, verified, tampered with, and the forgetting of somebody.

use super::*;
use crate::cli::table::Look;
use crate::clock::Clock;
use crate::config::Environment;
use crate::engine::fresh_id;
use crate::identity::Identity;
use crate::identity::founding::Founding;
use crate::server::tenant::Tenant;
use writ_core::command::{Caller, Command, NewUser, Proof};
use writ_core::ids::{PersonId, PrincipalId};
use writ_core::log::Via;
use writ_core::rules::RuleChoice;
use writ_core::time::Span;

const TENANT: TenantId = TenantId::from_u128(0x7e);
const ZOE: PrincipalId = PrincipalId::from_u128(0x20e);

/// A data directory with a founded tenant, and somewhere to put copies and to remember checkpoints.
struct House {
    dir: tempfile::TempDir,
    administrator: PrincipalId,
}

impl House {
    fn founded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let mut house = House { dir, administrator: ZOE };
        let founding = Founding {
            name: "Northwind".into(),
            rules: RuleChoice::Tiers,
            span_min: Span::from_minutes(5),
            setup: Span::from_hours(8),
            administrator: ("Dana Weiss".into(), "dana@northwind.example".into()),
            emergency: ["e1", "e2"].map(|n| (n.into(), format!("{n}@northwind.example"))),
            code_span: Span::from_hours(1),
        };
        house.administrator = wait_for(async {
            let tenant = tenant::open(&house.data(), TENANT, Clock::system(), true).await.unwrap();
            let url = "http://127.0.0.1:1";
            let identity = Identity::open(tenant.engine.clone(), tenant.vault.clone(), url, &[]).await.unwrap();
            let founded = identity.found(founding).await.unwrap();
            tenant.engine.stop().await;
            Ok(founded.administrator)
        })
        .unwrap();
        house
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens the tenant as a server does, and gives commands as its administrator.
    fn does(&self, commands: Vec<Command>) {
        wait_for(async {
            let tenant = tenant::open(&self.data(), TENANT, Clock::system(), false).await.unwrap();
            self.commands(&tenant, commands).await;
            tenant.engine.stop().await;
            Ok(())
        })
        .unwrap();
    }

    async fn commands(&self, tenant: &Tenant, commands: Vec<Command>) {
        for command in commands {
            let now = Some(tenant.engine.now());
            let proof = Proof { signed_in: now, mfa: now, ..Proof::default() };
            let caller = Caller::signed_in(fresh_id(), self.administrator, Via::Cli, proof);
            tenant.engine.submit(command, caller).await.unwrap();
        }
    }

    fn zoe_joins(&self) {
        let user =
            NewUser { id: ZOE, person: PersonId(fresh_id()), name: "Zoe Quill".into(), upn: "zoe@x.example".into() };
        self.does(vec![Command::CreateUser(user)]);
    }

    /// Somebody at a terminal; who remembers checkpoints under this name.
    fn run(&self, who: &str, line: &[&str]) -> Result<(), Stop> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let env = Environment::of(&[("XDG_STATE_HOME", self.path(who).to_str().unwrap())]);
        let terminal = Terminal::bare(Look::PLAIN, env, Clock::system());
        let words = std::iter::once("log").chain(line.iter().copied());
        super::run(&Common::default(), <Line as clap::Parser>::try_parse_from(words).unwrap().args, &terminal)
    }

    fn export(&self, name: &str, more: &[&str]) -> String {
        let (data, out) = (self.data(), self.path(name).to_str().unwrap().to_owned());
        let mut line = vec!["export", "--data", data.to_str().unwrap(), "--out", &out];
        line.extend(more);
        self.run("exporter", &line).unwrap();
        out
    }
}

fn found_by(result: Result<(), Stop>) -> String {
    match result {
        Err(stop @ Stop::NotWhole(_)) => stop.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_copy_of_the_log_is_whole_and_a_flipped_byte_is_named() {
    let house = House::founded();
    let copy = house.export("copy.jsonl", &[]);
    assert!(house.run("auditor", &["verify", &copy]).is_ok());
    let key = house.data().join(TENANT.to_string()).join("log.pub");
    assert!(house.run("auditor", &["verify", &copy, "--key", key.to_str().unwrap()]).is_ok());
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(house.run("auditor", &["verify", &copy, "--key", text.trim()]).is_ok());

    let mut lines: Vec<String> = std::fs::read_to_string(&copy).unwrap().lines().map(str::to_owned).collect();
    lines[3] = lines[3].replacen("\"seq\":3", "\"seq\":2", 1);
    std::fs::write(&copy, lines.join("\n") + "\n").unwrap();
    let found = found_by(house.run("auditor", &["verify", &copy]));
    assert!(found.contains("entry 3 (line 4)") && found.contains("not whole"), "{found}");
}

#[test]
fn only_the_owner_can_read_a_copy_and_a_failed_one_leaves_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::founded();
    let copy = house.export("copy.jsonl", &[]);
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    // Its place is taken by a directory.
    std::fs::create_dir(house.path("taken")).unwrap();
    let (data, taken) = (house.data(), house.path("taken"));
    let line = ["export", "--data", data.to_str().unwrap(), "--out", taken.to_str().unwrap()];
    assert!(matches!(house.run("exporter", &line), Err(Stop::Fault(_))));
    let left = std::fs::read_dir(house.dir.path())
        .unwrap()
        .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_copy_can_be_made_beside_a_running_server() {
    let house = House::founded();
    wait_for(async {
        let tenant = tenant::open(&house.data(), TENANT, Clock::system(), false).await.unwrap();
        let before = tenant.engine.head().size;
        let user = NewUser { id: ZOE, person: PersonId(fresh_id()), name: "Zoe".into(), upn: "zoe@x.example".into() };
        house.commands(&tenant, vec![Command::CreateUser(user)]).await;
        // On a thread of its own, as another process would be.
        std::thread::scope(|scope| {
            let copy = scope.spawn(|| house.export("copy.jsonl", &[])).join().unwrap();
            let lines = std::fs::read_to_string(copy).unwrap().lines().count() as u64;
            assert!(lines > before + 2, "{lines} lines for more than {before} entries");
        });
        tenant.engine.stop().await;
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_older_copy_is_noticed_by_whoever_saw_a_newer_one() {
    let house = House::founded();
    let older = house.export("older.jsonl", &[]);
    house.zoe_joins();
    let newer = house.export("newer.jsonl", &[]);
    assert!(house.run("auditor", &["verify", &older]).is_ok());
    assert!(house.run("auditor", &["verify", &newer]).is_ok());
    let found = found_by(house.run("auditor", &["verify", &older]));
    assert!(found.contains("older copy") && found.contains("--seen"), "{found}");
    assert!(house.run("somebody-else", &["verify", &older]).is_ok(), "who never saw the newer one cannot tell");

    // With a checkpoint that was kept by hand, on purpose.
    let last = std::fs::read_to_string(&older).unwrap().lines().last().unwrap().to_owned();
    let note: serde_json::Value = serde_json::from_str(&last).unwrap();
    let kept = house.path("kept.checkpoint");
    std::fs::write(&kept, note["checkpoint"].as_str().unwrap()).unwrap();
    let seen = ["verify", &older, "--seen", kept.to_str().unwrap()];
    assert!(house.run("auditor", &seen).is_ok());
    assert!(house.run("auditor", &["verify", &newer, "--seen", kept.to_str().unwrap()]).is_ok());
}

#[test]
fn another_servers_log_does_not_pass_for_one_seen_before() {
    let (house, forged) = (House::founded(), House::founded());
    let (real, forged) = (house.export("real.jsonl", &[]), forged.export("forged.jsonl", &[]));
    assert!(house.run("auditor", &["verify", &real]).is_ok());
    let found = found_by(house.run("auditor", &["verify", &forged]));
    assert!(found.contains("another key") && found.contains("--key"), "{found}");
    let key = house.data().join(TENANT.to_string()).join("log.pub");
    let found = found_by(house.run("auditor", &["verify", &forged, "--key", key.to_str().unwrap()]));
    assert!(found.contains("another key"), "{found}");
}

#[test]
fn a_redacted_copy_holds_no_names_and_verifies() {
    let house = House::founded();
    house.zoe_joins();
    let copy = house.export("redacted.jsonl", &["--redacted"]);
    let text = std::fs::read_to_string(&copy).unwrap();
    // With a blank or an @: short words alone turn up in base64 by chance.
    for name in ["Dana Weiss", "dana@", "Zoe Quill", "zoe@"] {
        assert!(!text.contains(name), "{name} is in the redacted copy");
    }
    let whole = std::fs::read_to_string(house.export("whole.jsonl", &[])).unwrap();
    assert!(whole.contains("Dana Weiss") && whole.contains("zoe@"), "a whole copy has them");
    assert!(house.run("auditor", &["verify", &copy]).is_ok());
}

#[test]
fn somebody_who_is_forgotten_leaves_a_log_that_verifies() {
    let house = House::founded();
    house.zoe_joins();
    let before = house.export("before.jsonl", &[]);
    assert!(house.run("auditor", &["verify", &before]).is_ok());
    let data = house.data();
    let erase = |who: &str, more: &[&str]| {
        let mut line = vec!["erase", who, "--data", data.to_str().unwrap()];
        line.extend(more);
        house.run("operator", &line)
    };
    let refused = erase("zoe@x.example", &["--yes"]).unwrap_err().to_string();
    assert!(refused.contains("Disable or delete"), "{refused}");
    house.does(vec![Command::DeletePrincipal { principal: ZOE }]);
    let unasked = erase(&ZOE.to_string(), &[]).unwrap_err().to_string();
    assert!(unasked.contains("--yes"), "{unasked}");
    assert!(std::fs::read_to_string(house.export("still.jsonl", &[])).unwrap().contains("Zoe Quill"));

    erase(&ZOE.to_string(), &["--yes"]).unwrap();
    let after = house.export("after.jsonl", &[]);
    assert!(!std::fs::read_to_string(&after).unwrap().contains("Zoe"));
    assert!(house.run("auditor", &["verify", &after]).is_ok(), "it continues what was seen before the erasure");
    let nobody = erase("nobody@x.example", &["--yes"]).unwrap_err().to_string();
    assert!(nobody.contains("no user"), "{nobody}");
}

#[test]
fn what_is_not_there_is_said_with_the_way_to_it() {
    let house = House::founded();
    let told = |line: &[&str]| house.run("auditor", line).unwrap_err().to_string();
    let empty = house.path("empty");
    assert!(told(&["key", "--data", empty.to_str().unwrap()]).contains("--data DIR"));
    let data = house.data();
    let other = TenantId::from_u128(9).to_string();
    assert!(told(&["checkpoint", "--data", data.to_str().unwrap(), "--tenant", &other]).contains(&TENANT.to_string()));
    assert!(told(&["verify", "nowhere.jsonl"]).contains("nowhere.jsonl"));
    assert!(house.run("auditor", &["key", "--data", data.to_str().unwrap()]).is_ok());
    assert!(house.run("auditor", &["checkpoint", "--data", data.to_str().unwrap()]).is_ok());
}

#[test]
fn large_numbers_can_be_read() {
    let told = [0, 7, 999, 1000, 48_112, 1_234_567].map(grouped);
    assert_eq!(told, ["0", "7", "999", "1,000", "48,112", "1,234,567"]);
    assert_eq!(entries(1), "1 entry");
}
