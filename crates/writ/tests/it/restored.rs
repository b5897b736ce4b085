//! A server whose data were set back to an older copy: whoever has seen more of its log notices, people at their command
//! lines and hosts, until the restore is on record.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use crate::cli::{Demo, Person, Said, WRIT};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use writ::clock::Clock;
use writ::connectors::hosts::Hosts;
use writ::connectors::reconcile;
use writ::engine::fresh_id;
use writ::server::tenant::{self, Tenant};
use writ_core::command::{Caller, Expiration, NewUser, Proof, Sort, Terms, Via};
use writ_core::ids::{DeviceId, PersonId, PrincipalId, TenantId};
use writ_core::order::{EnrolAsk, Held, Hex, NotObeyed, Order, SignedOrder};
use writ_core::role::DEVICE_ADMINISTRATOR;
use writ_core::rules::RuleChoice;
use writ_core::scope::{Scope, Target};
use writ_core::time::Span;

/// A copy of a data directory, as a back-up makes one of a server that is stopped.
fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copied(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// As if the last look at the server's log was long ago.
fn looked_long_ago(person: &Person<'_>) {
    let dir = person.state().join("writ/checkpoints");
    for file in fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let mut memory: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        memory["looked"] = Value::Null;
        fs::write(&path, memory.to_string()).unwrap();
    }
}

#[test]
fn a_command_line_notices_a_server_that_was_set_back_until_that_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("northwind"), dir.path().join("copy"));
    let named = data.to_str().unwrap().to_owned();
    let demo = Demo::start_in(dir, &["--data", &named]);
    let told = fs::read_to_string(demo.dir.path().join("demo.env")).unwrap();
    let dana = told.lines().find_map(|line| line.strip_prefix("ADMIN_TOKEN=")).unwrap().to_owned();
    demo.person("carla").signs_in();

    // The copy is made, life goes on, and Carla sees it going on.
    let demo = demo.again(&named, || copied(&data, &copy));
    let assign = ["assign", "ana", "Directory Readers", "--for", "30d", "--because", "looks around"];
    let mut command = demo.person("dana").command();
    let assigned =
        Said::of(&command.env("WRIT_TOKEN", dana).env("WRIT_SERVER", &demo.url).args(assign).output().unwrap());
    assert_eq!(assigned.status, 0, "{assigned:?}");
    looked_long_ago(&demo.person("carla"));
    assert_eq!(demo.person("carla").says(&["status"]).status, 0);

    // Somebody puts the copy in its place.
    let demo = demo.again(&named, || {
        fs::remove_dir_all(&data).unwrap();
        copied(&copy, &data);
    });
    let carla = demo.person("carla");
    assert_eq!(carla.says(&["status"]).status, 0, "a look is good for a minute");
    looked_long_ago(&carla);
    let noticed = carla.says(&["status"]);
    assert_eq!((noticed.status, noticed.out.as_str()), (7, ""), "{noticed:?}");
    for part in ["went back: it has ", ", and you have seen ", "writ recover epoch", "writ log accept"] {
        assert!(noticed.err.contains(part), "{noticed:?}");
    }
    let refused = carla.says(&["log", "accept"]);
    assert_eq!(refused.status, 3, "nobody has put it on record: {refused:?}");
    assert_eq!(carla.says(&["status"]).status, 7, "and nothing was accepted");

    // Root at the server's console puts the restore on record; what Carla had seen stays as evidence.
    let demo = demo.again(&named, || {
        let raised = Said::of(&Command::new(WRIT).args(["recover", "epoch", "--data", &named]).output().unwrap());
        assert_eq!(raised.status, 0, "{raised:?}");
    });
    let carla = demo.person("carla");
    assert_eq!(carla.says(&["status"]).status, 7, "a record is not yet an acceptance");
    let accepted = carla.says(&["log", "accept", "--json"]);
    assert_eq!((accepted.status, &accepted.json()["accepted"]), (0, &Value::Bool(true)), "{accepted:?}");
    let aside = accepted.json()["aside"][0].as_str().unwrap().to_owned();
    assert!(fs::metadata(aside).unwrap().len() > 0);
    assert_eq!(carla.says(&["status"]).status, 0);
    let again = carla.says(&["log", "accept"]);
    assert!(again.status == 0 && again.out.contains("nothing to accept"), "{again:?}");
}

const TENANT: TenantId = TenantId::from_u128(0x7e);
const DANA: PrincipalId = PrincipalId::from_u128(1);

fn user(n: u128) -> NewUser {
    let (id, person) = (PrincipalId::from_u128(n), PersonId::from_u128(n));
    NewUser { id, person, name: format!("Person {n}"), upn: format!("person{n}@northwind.example") }
}

/// A tenant with its hosts, as a server has them open.
struct Server {
    tenant: Tenant,
    hosts: Hosts,
    turning: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn open(data: &Path) -> Server {
        let mut opened = tenant::open(data, TENANT, Clock::system(), true).await;
        // What the server before spawned lets go of the folder when it notices that it is over.
        for _ in 0..200 {
            if opened.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            opened = tenant::open(data, TENANT, Clock::system(), true).await;
        }
        let tenant = opened.unwrap();
        let hosts = Hosts::start(tenant.engine.clone(), tenant.vault.clone()).await.unwrap();
        let turning = reconcile::spawn(tenant.engine.clone(), vec![Arc::new(hosts.clone())]);
        Server { tenant, hosts, turning }
    }

    async fn stop(self) {
        self.turning.abort();
        self.tenant.engine.stop().await;
    }

    fn dana(&self) -> Caller {
        let now = self.tenant.engine.now();
        let proof = Proof { signed_in: Some(now), mfa: Some(now), ..Proof::default() };
        Caller::signed_in(fresh_id(), DANA, Via::Api, proof)
    }

    async fn does(&self, command: writ_core::command::Command) {
        self.tenant.engine.submit(command, self.dana()).await.unwrap();
    }

    async fn creates(&self, users: std::ops::Range<u128>) {
        for n in users {
            self.does(writ_core::command::Command::CreateUser(user(n))).await;
        }
    }

    /// Root on every host for somebody; the order that says so.
    async fn assigns(&self, n: u128, host: DeviceId) -> (SignedOrder, (u64, u64)) {
        let before = self.hosts.newest(host).map(|(_, number)| number);
        self.does(writ_core::command::Command::Assign {
            sort: Sort::Assignment,
            terms: Terms {
                reason: Some("rebuild".into()),
                ..Terms::of(
                    PrincipalId::from_u128(n),
                    Target::role(DEVICE_ADMINISTRATOR, Scope::Tenant),
                    Expiration::For(Span::from_hours(2)),
                )
            },
        })
        .await;
        self.order_after(host, before).await
    }

    async fn order_after(&self, host: DeviceId, before: Option<(u64, u64)>) -> (SignedOrder, (u64, u64)) {
        for _ in 0..400 {
            if let Some(newest) = self.hosts.newest(host).filter(|(_, number)| Some(*number) != before) {
                return newest;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no new order came");
    }

    fn obeyed(&self, host: DeviceId, signed: &SignedOrder, held: Option<&Held>) -> Result<Order, NotObeyed> {
        signed.accept(&self.hosts.order_key(), &[], TENANT, host, held)
    }
}

fn held(signed: &SignedOrder, order: &Order) -> Held {
    Held { epoch: order.epoch, seq: order.seq, digest: signed.digest(), log: order.log }
}

#[tokio::test]
async fn a_host_obeys_no_server_that_was_set_back_until_that_is_on_record() {
    use writ_core::command::Command;
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    fs::create_dir(&data).unwrap();
    let server = Server::open(&data).await;
    let found = Command::Found {
        name: "Northwind".into(),
        rules: RuleChoice::Tiers,
        span_min: Span::from_minutes(5),
        administrator: user(1),
        setup: Span::from_hours(8),
        emergency: vec![user(90), user(91)],
    };
    server.tenant.engine.submit(found, Caller::console(fresh_id())).await.unwrap();
    server.creates(2..6).await;
    let issued = server.hosts.issue_code(None, server.dana()).await.unwrap();
    let device = SigningKey::from_bytes(&[9; 32]);
    let ask = EnrolAsk {
        secret: issued.code.secret,
        device_key: Hex(device.verifying_key().to_bytes()),
        name: "fin-01".into(),
        system: "Debian".into(),
    };
    let enrolled = server.hosts.enrol(&ask).await.unwrap();
    let host = enrolled.open(&issued.code, &device.verifying_key()).unwrap().host;
    server.order_after(host, None).await;
    server.stop().await;
    copied(&data, &copy);

    // After the copy much happens, and the host takes one order.
    let server = Server::open(&data).await;
    server.order_after(host, None).await;
    server.creates(10..20).await;
    let (signed, number) = server.assigns(2, host).await;
    assert_eq!(number, (1, 2));
    let taken = server.obeyed(host, &signed, None).unwrap();
    let held = held(&signed, &taken);
    server.stop().await;

    // The copy takes its place: whatever it orders, under numbers old, equal or new, is not obeyed.
    let server = Server::open(&copy).await;
    let (older, number) = server.order_after(host, None).await;
    assert_eq!(number, (1, 1));
    assert!(matches!(server.obeyed(host, &older, Some(&held)), Err(NotObeyed::Older { .. })));
    let (equal, _) = server.assigns(3, host).await;
    assert!(matches!(server.obeyed(host, &equal, Some(&held)), Err(NotObeyed::Forked { .. })));
    let (newer, number) = server.assigns(4, host).await;
    assert_eq!(number, (1, 3));
    let refused = server.obeyed(host, &newer, Some(&held)).unwrap_err();
    assert!(matches!(refused, NotObeyed::LogWentBack { .. }) && refused.to_string().contains("raise its epoch"));

    // On record, it is obeyed again.
    server.tenant.engine.submit(Command::RaiseEpoch, Caller::console(fresh_id())).await.unwrap();
    let (recovered, number) = server.order_after(host, Some(number)).await;
    assert_eq!(number, (2, 1));
    assert_eq!(server.obeyed(host, &recovered, Some(&held)).unwrap().grants.len(), 2);
    server.stop().await;
}
