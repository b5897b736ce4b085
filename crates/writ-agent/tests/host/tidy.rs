//! What Writ leaves alone, what it puts back, and that it leaves no trace.

use super::*;

/// Everything in /etc, with modes, owners and contents.
fn etc(scene: &Scene) -> String {
    scene.sh("cd /etc && find . -printf '%p %m %U %G %y %l\\n' | sort && find . -type f -exec cksum {} + | sort -k3")
}

#[test]
fn uninstall_leaves_the_host_as_it_was() {
    let scene = Scene::enrolled("fin-41");
    let before = etc(&scene);
    let mut scene = scene;
    scene.start();
    let grant = grant(1, "ana", 120);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    assert_ne!(etc(&scene), before);
    let refused = scene.sandbox.agent(&["uninstall"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop it first"), "{refused:?}");
    let mut shell = scene.sandbox.terminal("ana", "sudo -n -i").unwrap();
    shell.types("setsid -f sleep 7901; echo root is $(id -u)").unwrap();
    assert!(shell.shows("root is 0", SOON));
    scene.kill_agent();
    let done = scene.sandbox.agent(&["uninstall"]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(etc(&scene), before);
    assert!(shell.is_gone(SOON));
    assert_eq!(scene.sandbox.running("sleep 7901"), 0);
    for gone in ["/var/lib/writ-agent", "/run/writ-agent", "/sys/fs/cgroup/writ"] {
        assert_eq!(scene.sh(&format!("ls -d {gone} 2>/dev/null | wc -l")), "0", "{gone}");
    }
    assert!(!scene.sudo_works("ana"));
}

#[test]
fn removing_the_program_with_rm_leaves_sudo_and_login_working() {
    let mut scene = Scene::running("fin-42");
    let grant = grant(1, "ana", 120);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.kill_agent();
    scene.sh("rm /usr/local/sbin/writ-agent");
    assert!(scene.sudo_works("ana"));
    assert_eq!(scene.sandbox.said("root", &["sudo", "-n", "id", "-u"]).unwrap(), "0", "root's own sudo");
    scene.sh("echo 'ben ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/own && chmod 440 /etc/sudoers.d/own");
    assert!(scene.sudo_works("ben"), "somebody else's sudo");
    assert_eq!(scene.sandbox.said("root", &["su", "-", "carol", "-c", "id -un"]).unwrap(), "carol", "a login");
}

#[test]
fn rights_given_by_hand_are_reported_and_stay() {
    let scene = Scene::enrolled("fin-43");
    let own = "carol ALL=(root) NOPASSWD: /usr/bin/id\nben ALL=(root) NOTAFTER=20301121100000 ALL\n";
    scene.sandbox.write("/etc/sudoers.d/own", own, "440").unwrap();
    scene.sandbox.write("/etc/sudoers.d/ignored.conf", "ana ALL=(root) ALL\n", "440").unwrap();
    let mut scene = scene;
    scene.start();
    let grant = grant(1, "ana", 60);
    scene.server.order(1, std::slice::from_ref(&grant));
    let report = scene.in_force(&grant);
    let told: Vec<String> = report.drift.iter().map(|d| format!("{} {}", d.place, d.text)).collect();
    assert_eq!(
        told,
        [
            "/etc/sudoers.d/own ben: ALL",
            "/etc/sudoers.d/own carol: NOPASSWD: /usr/bin/id",
            "/etc/sudoers.d/own:2 NOTAFTER=20301121100000 has no Z: it is local time, and the user picks the zone",
        ]
    );
    assert_eq!(scene.sandbox.read("/etc/sudoers.d/own").unwrap(), own.trim_end());
    assert!(scene.sandbox.said("carol", &["sudo", "-n", "id"]).is_ok(), "and works as before");
}

/// Full root may leave a rule behind under a name that looks like ours, or with a byte in it that is no text.
#[test]
fn no_name_and_no_byte_hides_a_rule_made_by_hand() {
    let mut scene = Scene::enrolled("fin-49");
    let rule = "ben ALL=(root) NOPASSWD: ALL";
    for (name, text) in
        [("writ-01002", rule.to_owned()), ("writ-+1003", rule.to_owned()), ("latin", format!("# caf\\351\\n{rule}"))]
    {
        scene.sh(&format!("printf '{text}\\n' > '/etc/sudoers.d/{name}'; chmod 440 '/etc/sudoers.d/{name}'"));
    }
    assert!(scene.sudo_works("ben"), "sudo reads them all");
    scene.start();
    let report = scene.hears(|report| !report.drift.is_empty());
    let places: Vec<&str> = report.drift.iter().map(|d| d.place.as_str()).collect();
    assert_eq!(places, ["/etc/sudoers.d/latin", "/etc/sudoers.d/writ-+1003", "/etc/sudoers.d/writ-01002"]);
    assert!(report.drift.iter().all(|d| d.text == "ben: NOPASSWD: ALL"), "{:?}", report.drift);
    // And what appears while somebody is administrator is named when they no longer are.
    let grant = grant(1, "ana", 600);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.sh("printf 'ben ALL=(root) ALL\\n' > /etc/sudoers.d/writ-01001; chmod 440 /etc/sudoers.d/writ-01001");
    scene.server.order(2, &[]);
    let left = |report: &Report| {
        report.notices.iter().any(|n| n.kind == "left_behind" && n.told.contains("/etc/sudoers.d/writ-01001 is new"))
    };
    scene.hears(left);
}

#[test]
fn a_host_where_anybody_is_root_already_says_so_and_calls_nothing_in_force() {
    let scene = Scene::enrolled("fin-50");
    scene.sandbox.write("/etc/sudoers.d/own", "%nogroup ALL=(root) NOPASSWD: ALL\n", "440").unwrap();
    let mut scene = scene;
    scene.start();
    let grant = grant(1, "ana", 60);
    scene.server.order(1, std::slice::from_ref(&grant));
    let report = scene.hears(|report| standing(report, &grant) == Some(Standing::Failed));
    assert!(report.grants[0].told.contains("no right may use sudo as well"), "{}", report.grants[0].told);
}

#[test]
fn a_session_from_before_the_grant_is_nobodys_to_end() {
    let scene = Scene::running("fin-51");
    scene.sandbox.write("/etc/sudoers.d/own", "ben ALL=(root) NOPASSWD: ALL\n", "440").unwrap();
    let mut shell = scene.sandbox.terminal("ben", "sudo -n -i").unwrap();
    shell.types("echo root is $(id -u)").unwrap();
    assert!(shell.shows("root is 0", SOON), "{}", shell.screen());
    let grant = grant(1, "ben", 600);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.server.order(2, &[]);
    scene.ended(&grant);
    shell.types("echo still $((40 + 2))").unwrap();
    assert!(shell.shows("still 42", SOON), "it came from another rule, before this grant: {}", shell.screen());
}

#[test]
fn a_rule_that_somebody_changed_is_put_back() {
    let scene = Scene::running("fin-44");
    let grant = grant(1, "ana", 120);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.sh("sed -i 's/NOTAFTER=[0-9]*Z/NOTAFTER=20991231000000Z/' /etc/sudoers.d/writ-1001");
    scene.hears(|report| report.notices.iter().any(|n| n.kind == "put_back"));
    assert!(!scene.sh("cat /etc/sudoers.d/writ-1001").contains("2099"));
    scene.sh(
        "printf '#1002 ALL=(root) NOPASSWD: ALL\\n' > /etc/sudoers.d/writ-1002; chmod 440 /etc/sudoers.d/writ-1002",
    );
    until("a file in our name that no order wants is taken out", SOON, || !scene.sudo_works("ben"));
}

#[test]
fn a_later_rule_that_takes_it_away_is_found_out() {
    let scene = Scene::enrolled("fin-45");
    scene.sandbox.write("/etc/sudoers.d/zz-deny", "ana ALL=(ALL) !ALL\n", "440").unwrap();
    let mut scene = scene;
    scene.start();
    let grant = grant(1, "ana", 60);
    scene.server.order(1, std::slice::from_ref(&grant));
    let report = scene.hears(|report| standing(report, &grant) == Some(Standing::Failed));
    assert!(report.grants[0].told.contains("takes it away"), "{}", report.grants[0].told);
    scene.sh("rm /etc/sudoers.d/zz-deny");
    scene.in_force(&grant);
    assert_eq!(report.grants[0].grant, key(&grant));
}

#[test]
fn a_broken_file_of_somebody_else_does_not_stop_us_and_we_do_not_touch_it() {
    let scene = Scene::enrolled("fin-46");
    scene.sandbox.write("/etc/sudoers.d/broken", "this is not a rule\n", "440").unwrap();
    let mut scene = scene;
    scene.start();
    let grant = grant(1, "ana", 60);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.hears(|report| standing(report, &grant).is_some_and(|s| !matches!(s, Standing::Waiting)));
    assert!(scene.sudo_works("ana"), "sudo leaves the broken file out and goes on: {}", scene.log());
    assert_eq!(scene.sandbox.read("/etc/sudoers.d/broken").unwrap(), "this is not a rule");
}

#[test]
fn what_an_administrator_left_behind_is_named() {
    let scene = Scene::running("fin-47");
    let grant = grant(1, "ana", 5);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let key = "mkdir -p /root/.ssh && echo 'ssh-ed25519 AAAA' >> /root/.ssh/authorized_keys && echo '* * * * * root id' > /etc/cron.d/x";
    scene.sandbox.said("ana", &["sudo", "-n", "sh", "-c", key]).unwrap();
    let report = scene.hears(|report| report.notices.iter().any(|n| n.kind == "left_behind"));
    let told = report.notices.iter().find(|n| n.kind == "left_behind").map(|n| n.told.clone()).unwrap();
    assert!(told.contains("/root/.ssh/authorized_keys is new") && told.contains("/etc/cron.d/x is new"), "{told}");
    assert!(!told.contains("writ-1001"), "our own file is no trace: {told}");
}

#[test]
fn a_state_that_cannot_be_read_gives_nothing_to_anybody() {
    let mut scene = Scene::running("fin-48");
    let grant = grant(1, "ana", 120);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = scene.sandbox.terminal("ana", "sudo -n -i").unwrap();
    shell.types("echo root is $(id -u)").unwrap();
    assert!(shell.shows("root is 0", SOON));
    scene.kill_agent();
    scene.sh("echo nonsense > /var/lib/writ-agent/state.json");
    let done = scene.sandbox.agent(&["run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("was taken back"), "{done:?}");
    assert!(!scene.sudo_works("ana"));
    assert!(shell.is_gone(SOON));
}
