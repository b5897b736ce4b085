//! What sudo does with the rules: who gets in, who does not, and for how long.

use super::*;

#[test]
fn a_grant_works_for_its_holder_and_nobody_else_and_ends_with_the_agent_dead() {
    let mut scene = Scene::running("fin-01");
    assert!(!scene.sudo_works("ana"));
    let grant = grant(1, "ana", 6);
    scene.server.order(1, std::slice::from_ref(&grant));
    let report = scene.in_force(&grant);
    assert!(report.grants[0].told.contains("tried and works"), "{}", report.grants[0].told);
    assert!(scene.sudo_works("ana"));
    assert!(!scene.sudo_works("ben") && !scene.sudo_works("carol"));
    // The oracle: exactly one rule more than the distribution's two, for exactly this uid.
    let specs = scene.sh("cvtsudoers -f json /etc/sudoers");
    let specs: serde_json::Value = serde_json::from_str(&specs).unwrap();
    let users: Vec<String> =
        specs["User_Specs"].as_array().unwrap().iter().map(|spec| spec["User_List"].to_string()).collect();
    assert_eq!(users, [r#"[{"username":"root"}]"#, r#"[{"usergroup":"sudo"}]"#, r#"[{"userid":1001}]"#]);
    let log = scene.sh("cat /var/log/writ-agent/00000000-0000-0000-0000-000000000001.json");
    assert!(log.contains("\"submituser\": \"ana\"") && log.contains("/usr/bin/id"), "{log}");

    scene.kill_agent();
    scene.server.silent(true);
    assert!(scene.sudo_works("ana"), "the right outlives the agent");
    until("the rule expires by itself", SOON, || !scene.sudo_works("ana"));
    for zone in ["UTC+14", "UTC-14", "America/Los_Angeles", ":/etc/localtime"] {
        let zoned = ["env", &format!("TZ={zone}"), "sudo", "-n", "id", "-u"].map(str::to_owned);
        let words: Vec<&str> = zoned.iter().map(String::as_str).collect();
        assert!(scene.sandbox.said("ana", &words).is_err(), "a user's own time zone gives no time: {zone}");
    }
    assert!(scene.sh("ls /etc/sudoers.d").contains("writ-1001"), "and that was the rule, not the agent");
    scene.server.silent(false);
    scene.start();
    scene.ended(&grant);
    assert!(!scene.sh("ls /etc/sudoers.d").contains("writ-"));
}

#[test]
fn hostile_and_foreign_account_names_give_nobody_anything() {
    let scene = Scene::running("fin-02");
    scene.sh("echo 'Carol:x:1013:1013::/home/carol:/bin/bash' >> /etc/passwd");
    scene.sh("echo 'eve:x:1014:1014::/home/eve:/bin/bash' >> /etc/passwd");
    scene.sh("echo 'eva:x:1014:1014::/home/eve:/bin/bash' >> /etc/passwd");
    let before = scene.sh("cat /etc/sudoers.d/* | cksum");
    let hostile = [
        "ALL",
        "ALL@contoso.com",
        "#1002",
        "%sudo",
        "%#27",
        "!ana",
        "+net",
        "ana.silva",
        "ana ALL=(ALL) ALL",
        "ana\nben",
        "carol",
        "eve",
        "daemon",
        "root",
        "nobody",
        "sshd",
        "zoe",
        "Ana",
        "",
    ];
    let grants: Vec<OrderGrant> = hostile
        .iter()
        .zip(1..)
        .map(|(name, number)| OrderGrant { account: (*name).into(), ..grant(number, "x", 60) })
        .collect();
    scene.server.order(1, &grants);
    for grant in &grants {
        let told = scene.refused(grant);
        assert!(!told.is_empty(), "{:?}", grant.account);
    }
    for name in ["ana", "ben", "carol", "nobody"] {
        assert!(
            scene
                .sandbox
                .said("root", &["setpriv", &format!("--reuid={name}"), "--clear-groups", "sudo", "-n", "true"])
                .is_err()
        );
    }
    assert_eq!(scene.sh("cat /etc/sudoers.d/* | cksum"), before, "no file was written for any of them");
}

#[test]
fn an_account_belongs_to_one_person() {
    let scene = Scene::running("fin-03");
    let first = grant(1, "ana", 60);
    scene.server.order(1, std::slice::from_ref(&first));
    scene.in_force(&first);
    let thief = OrderGrant { person: PersonId::from_u128(66), ..grant(2, "ana", 60) };
    scene.server.order(2, &[first.clone(), thief.clone()]);
    assert!(scene.refused(&thief).contains("another person"));
    assert!(scene.sudo_works("ana"));
    let elsewhere = OrderGrant { account: "ben".into(), ..grant(3, "ana", 60) };
    scene.server.order(3, &[first, elsewhere.clone()]);
    assert!(scene.refused(&elsewhere).contains("used ana"));
    assert!(!scene.sudo_works("ben"));
}

#[test]
fn sudo_asks_for_the_password_of_an_account_that_has_one() {
    let scene = Scene::running("fin-04");
    scene.sh("echo 'ben:correct horse' | chpasswd");
    let grant = grant(1, "ben", 60);
    scene.server.order(1, std::slice::from_ref(&grant));
    let report = scene.in_force(&grant);
    assert!(report.grants[0].told.contains("password"), "{}", report.grants[0].told);
    assert!(!scene.sudo_works("ben"), "not without the password");
    let with = |password: &str| {
        scene.sandbox.said("ben", &["sh", "-c", &format!("echo '{password}' | sudo -S id -u 2>/dev/null")])
    };
    assert_eq!(with("correct horse").unwrap(), "0");
    assert!(with("wrong").is_err());
    assert!(!scene.sudo_works("ben"), "and asks again each time");
}

#[test]
fn the_hosts_own_file_has_the_last_word() {
    let scene = Scene::running("fin-05");
    let toml = |text: &str, mode: &str| scene.sandbox.write("/etc/writ/agent.toml", text, mode).unwrap();
    toml("window_max = \"PT1M\"\nnever = [\"carol\"]\n", "644");
    let (short, long, never) = (grant(1, "ana", 50), grant(2, "ben", 3600), grant(3, "carol", 50));
    scene.server.order(1, &[short.clone(), long.clone(), never.clone()]);
    scene.in_force(&short);
    assert!(scene.refused(&long).contains("1 h is longer than this host allows"));
    assert!(scene.refused(&never).contains("never elevated"));
    assert!(!scene.sudo_works("ben") && !scene.sudo_works("carol"));

    toml("commands = [\"/usr/bin/id -u\"]\n", "644");
    scene.server.order(2, std::slice::from_ref(&short));
    scene.hears(|report| report.seq == 2 && report.grants.len() == 1 && report.grants[0].told.contains("commands"));
    assert!(scene.sudo_works("ana"), "id -u may be run");
    assert!(scene.sandbox.said("ana", &["sudo", "-n", "id"]).is_err(), "id without arguments may not");
    assert!(scene.sandbox.said("ana", &["sudo", "-n", "bash", "-c", "id"]).is_err());

    // A file that somebody else could have written takes no new power, and says so.
    toml("", "666");
    let later = grant(4, "ben", 50);
    scene.server.order(3, &[short, later.clone()]);
    assert!(scene.refused(&later).contains("could be changed by others"));
    assert!(!scene.sudo_works("ben"));
}

#[test]
fn a_host_that_wants_two_signatures_obeys_no_single_one() {
    let scene = Scene::enrolled("fin-06");
    let second = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    let hex: String = second.verifying_key().to_bytes().iter().map(|b| format!("{b:02x}")).collect();
    scene.sandbox.write("/etc/writ/agent.toml", &format!("second_signature_keys = [\"{hex}\"]\n"), "644").unwrap();
    let mut scene = scene;
    scene.start();
    let grant = grant(1, "ana", 60);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.hears(|report| {
        report.notices.iter().any(|n| n.kind == "order_refused" && n.told.contains("second signature"))
    });
    assert!(!scene.sudo_works("ana"));
    let mut signed = scene.server.sign(1, 1, std::slice::from_ref(&grant));
    signed.sign_second(&second);
    scene.server.give_out(signed, (1, 1));
    scene.in_force(&grant);
    assert!(scene.sudo_works("ana"));
}

#[test]
fn a_host_whose_clock_is_wrong_takes_no_new_power() {
    let scene = Scene::enrolled("fin-07");
    scene.server.ahead(45_000);
    let mut scene = scene;
    scene.start();
    let grant = grant(1, "ana", 60);
    scene.server.order(1, std::slice::from_ref(&grant));
    assert!(scene.refused(&grant).contains("clock"));
    scene.hears(|report| report.notices.iter().any(|n| n.kind == "clock_skew"));
    scene.server.ahead(0);
    scene.in_force(&grant);
}
