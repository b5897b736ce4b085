//! Which orders a host obeys, and what it holds on to without its server.

use super::*;
use writ_core::order::{Bytes, SignedOrder};

fn refuses(scene: &Scene, why: &str) {
    scene.hears(|report| report.notices.iter().any(|n| n.kind == "order_refused" && n.told.contains(why)));
}

#[test]
fn replayed_altered_forked_and_foreign_orders_change_nothing() {
    let scene = Scene::running("fin-11");
    let (ana, ben) = (grant(1, "ana", 120), grant(2, "ben", 120));
    let old = scene.server.sign(1, 1, std::slice::from_ref(&ben));
    scene.server.order(2, std::slice::from_ref(&ana));
    scene.in_force(&ana);
    scene.server.give_out(old, (1, 1));
    refuses(&scene, "older than 1.2");
    scene.server.give_out(scene.server.sign(1, 2, &[]), (9, 9));
    refuses(&scene, "differs from the order with the same number");
    let mut altered = scene.server.sign(1, 3, std::slice::from_ref(&ben));
    altered.body = Bytes(String::from_utf8(altered.body.0).unwrap().replace("\"ben\"", "\"bob\"").into_bytes());
    scene.server.give_out(altered, (1, 3));
    refuses(&scene, "not signed by the key");
    let foreign = |order: &dyn Fn(&mut writ_core::order::Order)| {
        let signed = scene.server.sign(1, 3, std::slice::from_ref(&ben));
        let mut inner: writ_core::order::Order = serde_json::from_slice(&signed.body.0).unwrap();
        order(&mut inner);
        SignedOrder::sign(&inner, &scene.server.key).unwrap()
    };
    scene.server.give_out(foreign(&|o| o.host = writ_core::ids::DeviceId::from_u128(6)), (1, 3));
    refuses(&scene, "for another host");
    scene.server.give_out(foreign(&|o| o.tenant = writ_core::ids::TenantId::from_u128(6)), (1, 3));
    refuses(&scene, "for another tenant");
    assert!(scene.sudo_works("ana") && !scene.sudo_works("ben"), "the order in hand stands");
    // After a restore the epoch is raised, and numbers begin anew.
    scene.server.give_out(scene.server.sign(2, 1, std::slice::from_ref(&ben)), (2, 1));
    scene.in_force(&ben);
    assert!(!scene.sudo_works("ana") && scene.sudo_works("ben"));
    assert_eq!(scene.server.bad_requests(), 0);
}

#[test]
fn a_wrong_code_or_a_strange_server_enrols_nobody() {
    let (sandbox, server) = (host("fin-12"), Server::start());
    let mut wrong = server.code();
    wrong.secret.0[0] ^= 1;
    assert!(sandbox.enrol(&server.address, &wrong.reveal()).unwrap_err().contains("no such code"));
    let mut strange = server.code();
    strange.order_key.0[0] ^= 1;
    assert!(sandbox.enrol(&server.address, &strange.reveal()).unwrap_err().contains("order key is not the one"));
    assert!(sandbox.enrol(&server.address, "writ-host-00").unwrap_err().contains("not a whole enrolment code"));
    sandbox.enrol(&server.address, &server.code().reveal()).unwrap();
    assert!(sandbox.enrol(&server.address, &server.code().reveal()).unwrap_err().contains("is enrolled with"));
}

#[test]
fn without_its_server_a_host_keeps_what_it_was_told_and_ends_it_on_time() {
    let mut scene = Scene::running("fin-13");
    let grant = grant(1, "ana", 8);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.server.silent(true);
    scene.kill_agent();
    // A reboot: what lives in /run is gone, what is written down is not.
    scene.sh("rm -rf /run/writ-agent");
    scene.start();
    assert!(scene.sudo_works("ana"), "{}", scene.log());
    let mut shell = scene.sandbox.terminal("ana", "sudo -n -i").unwrap();
    shell.types("echo root is $(id -u)").unwrap();
    assert!(shell.shows("root is 0", SOON), "{}", shell.screen());
    assert!(shell.is_gone(SOON), "the end comes without the server");
    assert!(!scene.sudo_works("ana"));
    scene.server.silent(false);
    scene.ended(&grant);
}

#[test]
fn a_state_file_that_somebody_altered_gives_nothing() {
    let mut scene = Scene::running("fin-14");
    let grant = grant(1, "ana", 120);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.kill_agent();
    scene.server.silent(true);
    // The order's first byte in base64, changed.
    scene.sh("sed -i 's/\"body\": \"e/\"body\": \"f/' /var/lib/writ-agent/state.json");
    scene.start();
    until("an altered order is none", SOON, || !scene.sudo_works("ana"));
}

#[test]
fn an_order_that_somebody_rewrote_in_the_state_file_is_none() {
    let mut scene = Scene::running("fin-17");
    let grant = grant(1, "ana", 120);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.kill_agent();
    scene.server.silent(true);
    // A good order in every way but the signature: for Ben instead, with everything that the agent noted about it.
    let path = "/var/lib/writ-agent/state.json";
    let mut state: serde_json::Value = serde_json::from_str(&scene.sandbox.read(path).unwrap()).unwrap();
    let body: Bytes = serde_json::from_value(state["order"]["body"].clone()).unwrap();
    let rewritten = String::from_utf8(body.0).unwrap().replace("\"ana\"", "\"ben\"").into_bytes();
    let mut signed: SignedOrder = serde_json::from_value(state["order"].clone()).unwrap();
    signed.body = Bytes(rewritten);
    state["held"]["digest"] = signed.digest().to_string().into();
    state["order"] = serde_json::to_value(&signed).unwrap();
    state["pins"] = serde_json::json!({});
    state["given"] = serde_json::json!([]);
    scene.sandbox.write(path, &state.to_string(), "600").unwrap();
    scene.start();
    until("nobody has anything", SOON, || !scene.sudo_works("ana"));
    assert!(!scene.sudo_works("ben"), "{}", scene.log());
    assert!(scene.log().contains("not signed by the key"), "{}", scene.log());
}

#[test]
fn taking_a_grant_back_ends_it_at_once() {
    let scene = Scene::running("fin-15");
    let grant = grant(1, "ana", 600);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = scene.sandbox.terminal("ana", "sudo -n -i").unwrap();
    shell.types("echo root is $(id -u)").unwrap();
    assert!(shell.shows("root is 0", SOON));
    scene.server.order(2, &[]);
    assert!(shell.is_gone(SOON));
    scene.ended(&grant);
    assert!(!scene.sudo_works("ana"));
}

#[test]
fn a_grant_waits_for_its_beginning() {
    let scene = Scene::running("fin-16");
    let now = clock::now().wall;
    let later = OrderGrant {
        not_before: now + Span::from_seconds(3),
        not_after: now + Span::from_seconds(60),
        ..grant(1, "ana", 0)
    };
    scene.server.order(1, std::slice::from_ref(&later));
    scene.hears(|report| standing(report, &later) == Some(Standing::Waiting));
    assert!(!scene.sudo_works("ana"));
    scene.in_force(&later);
    assert!(clock::now().wall >= later.not_before);
}
