//! The end of a grant for what still runs: what is stopped, what is not, and how soon.

use super::*;
use writ_agent::sandbox::Terminal;

fn root_shell(scene: &Scene, name: &str) -> Terminal {
    let mut shell = scene.sandbox.terminal(name, "sudo -n -i").unwrap();
    shell.types("echo root is $(id -u)").unwrap();
    assert!(shell.shows("root is 0", SOON), "{}", shell.screen());
    shell
}

#[test]
fn the_root_shell_and_whatever_it_started_are_gone_within_a_second() {
    let scene = Scene::running("fin-21");
    let grant = grant(1, "ana", 5);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = root_shell(&scene, "ana");
    for line in [
        "trap '' HUP TERM INT",
        "setsid -f sleep 7001",
        "nohup sleep 7002 > /dev/null 2>&1 &",
        "setsid sh -c 'trap \"\" HUP TERM; (sleep 7003 &) ; exec sleep 7004' > /dev/null 2>&1 &",
        "(setsid sh -c 'while :; do sleep 7005; done' > /dev/null 2>&1 &)",
        "echo all is started",
    ] {
        shell.types(line).unwrap();
    }
    assert!(shell.shows("all is started", SOON), "{}", shell.screen());
    until("they run", SOON, || (1..=5).all(|n| scene.sandbox.running(&format!("sleep 700{n}")) > 0));
    let left = grant.not_after.since(clock::now().wall);
    assert!(left > Span::ZERO, "the test is too slow to begin");
    assert!(shell.is_gone(Duration::from_millis(left.millis().unsigned_abs() + 1000)), "{}", shell.screen());
    let late = clock::now().wall.since(grant.not_after);
    println!("the root shell was gone {} ms after the end", late.millis());
    until("nothing is left", Duration::from_secs(1), || scene.sandbox.running("sleep 700") == 0);
    scene.ended(&grant);
    assert!(scene.sh("ls /sys/fs/cgroup/writ").lines().all(|name| !name.contains("1001") || name.contains('.')));
}

#[test]
fn a_login_another_person_and_other_services_survive() {
    let scene = Scene::running("fin-22");
    let (ana, ben) = (grant(1, "ana", 6), grant(2, "ben", 60));
    scene.server.order(1, &[ana.clone(), ben.clone()]);
    scene.in_force(&ana);
    scene.in_force(&ben);
    let mut login = scene.sandbox.terminal("ana", "bash").unwrap();
    login.types("sleep 7101 &").unwrap();
    let mut shell = root_shell(&scene, "ana");
    let mut bens = root_shell(&scene, "ben");
    bens.types("sleep 7102 &").unwrap();
    // A service manager, as systemd is one: it was there before, starts what it is asked for by anybody, in a cgroup
    // of the service's own.
    let manager = "mkfifo /run/manager; mkdir -p /sys/fs/cgroup/services; \
         setsid sh -c 'echo $$ > /sys/fs/cgroup/services/cgroup.procs; while read line < /run/manager; do setsid sh -c \"$line\" & done' \
         > /dev/null 2>&1 < /dev/null &";
    scene.sh(manager);
    shell.types("echo 'exec sleep 7103' > /run/manager; setsid -f sleep 7104; echo asked").unwrap();
    assert!(shell.shows("asked", SOON));
    until("they run", SOON, || (1..=4).all(|n| scene.sandbox.running(&format!("sleep 710{n}")) > 0));
    assert!(shell.is_gone(SOON));
    scene.ended(&ana);
    until("the daemon started by hand is gone", SOON, || scene.sandbox.running("sleep 7104") == 0);
    for (sleep, what) in [(7101, "the plain login"), (7102, "another person's session"), (7103, "a service")] {
        assert!(scene.sandbox.running(&format!("sleep {sleep}")) > 0, "{what} must survive");
    }
    login.types("echo still $(id -un)").unwrap();
    assert!(login.shows("still ana", SOON));
    bens.types("echo still uid $(id -u)").unwrap();
    assert!(bens.shows("still uid 0", SOON));
}

#[test]
fn a_second_activation_of_the_same_account_keeps_what_runs() {
    let scene = Scene::running("fin-23");
    let first = grant(1, "ana", 5);
    scene.server.order(1, std::slice::from_ref(&first));
    scene.in_force(&first);
    let mut shell = root_shell(&scene, "ana");
    shell.types("setsid -f sleep 7201").unwrap();
    let second = grant(2, "ana", 10);
    scene.server.order(2, &[first.clone(), second.clone()]);
    scene.in_force(&second);
    scene.ended(&first);
    shell.types("echo still uid $(id -u)").unwrap();
    assert!(shell.shows("still uid 0", SOON), "the second one is in force");
    assert!(scene.sudo_works("ana"));
    assert!(shell.is_gone(SOON), "and its end ends everything");
    until("the daemon too", SOON, || scene.sandbox.running("sleep 7201") == 0);
    scene.ended(&second);
}

#[test]
fn with_a_grace_programs_may_end_by_themselves() {
    let scene = Scene::running("fin-24");
    let grant = OrderGrant { grace: Span::from_seconds(3), ..grant(1, "ana", 4) };
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = root_shell(&scene, "ana");
    shell.types("cat > /root/work.sh <<'E'\ntrap 'echo saved > /root/saved; exit' TERM\ntrap '' HUP\nwhile :; do sleep 0.1; done\nE").unwrap();
    shell
        .types(
            "setsid -f sh /root/work.sh; setsid -f sh -c 'trap \"\" HUP TERM; while :; do sleep 0.7301; done'; echo ok$((1+1))",
        )
        .unwrap();
    assert!(shell.shows("ok2", SOON), "{}", shell.screen());
    scene.ended(&grant);
    assert_eq!(scene.sandbox.read("/root/saved").as_deref(), Ok("saved"));
    until("the deaf one is stopped after the grace", SOON, || scene.sandbox.running("sleep 0.7301") == 0);
    assert!(clock::now().wall >= grant.not_after + grant.grace);
}

#[test]
fn where_only_new_sessions_are_refused_what_runs_goes_on() {
    let scene = Scene::running("fin-25");
    let grant = OrderGrant { end: End::RefuseNew, ..grant(1, "ana", 5) };
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = root_shell(&scene, "ana");
    scene.ended(&grant);
    assert!(!scene.sudo_works("ana"));
    assert!(shell.shows("What runs goes on", SOON), "{}", shell.screen());
    shell.types("echo still uid $(id -u)").unwrap();
    assert!(shell.shows("still uid 0", SOON));
}

#[test]
fn people_are_warned_with_what_asks_for_more_and_what_ends_too() {
    let scene = Scene::running("fin-26");
    let grant = grant(1, "ana", 63);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = root_shell(&scene, "ana");
    shell.types("setsid -f sleep 7401").unwrap();
    assert!(shell.shows("ends in 1 min", SOON), "{}", shell.screen());
    assert!(
        shell.shows("--extend", SOON) && shell.shows("Started by hand and ends then too: sleep", SOON),
        "{}",
        shell.screen()
    );
    assert_eq!(shell.screen().matches("ends in 1 min").count(), 1, "said once: {}", shell.screen());
}

#[test]
fn sshd_started_by_hand_and_the_logins_it_holds_are_left_alone() {
    let scene = Scene::running("fin-27");
    let grant = grant(1, "ana", 10);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    scene.sh("test -x /usr/sbin/sshd || { echo install openssh-server >&2; exit 1; }");
    scene.sh("ssh-keygen -q -t ed25519 -N '' -f /home/ben/key && mkdir -p /run/sshd && cp /home/ben/key.pub /etc/keys && chown ben /home/ben/key");
    scene.sh("ssh-keygen -q -t ed25519 -N '' -f /etc/hostkey");
    let mut shell = root_shell(&scene, "ana");
    shell
        .types("/usr/sbin/sshd -o Port=2299 -o ListenAddress=127.0.0.1 -o HostKey=/etc/hostkey -o AuthorizedKeysFile=/etc/keys -o PidFile=/run/s.pid -o UsePAM=yes -o StrictModes=no -f /dev/null; setsid -f sleep 7501; echo up$((1+1)) $?")
        .unwrap();
    assert!(shell.shows("up2 0", SOON), "{}", shell.screen());
    let ssh =
        "ssh -tt -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -i /home/ben/key -p 2299 ben@127.0.0.1";
    let mut login = scene.sandbox.terminal("ben", ssh).unwrap();
    login.types("sleep 7502 & echo I am $(id -un)").unwrap();
    assert!(login.shows("I am ben", SOON), "{}", login.screen());
    assert!(shell.is_gone(SOON));
    let report = scene.hears(|report| report.notices.iter().any(|n| n.kind == "left_running"));
    assert!(report.notices.iter().any(|n| n.told.contains("sshd")), "{report:#?}");
    until("the rest is gone", SOON, || scene.sandbox.running("sleep 7501") == 0);
    assert!(scene.sandbox.running("sleep 7502") > 0);
    login.types("echo still $(id -un)").unwrap();
    assert!(login.shows("still ben", SOON));
}

#[test]
fn a_package_manager_at_work_may_finish() {
    let scene = Scene::running("fin-28");
    let grant = grant(1, "ana", 5);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = root_shell(&scene, "ana");
    // Holds dpkg's lock as dpkg does, by fcntl, for seven seconds, then says that it finished.
    let dpkg = "python3 -c 'import fcntl,time; f=open(\"/var/lib/dpkg/lock\",\"w\"); fcntl.lockf(f,fcntl.LOCK_EX); print(\"at\",\"work\",flush=True); time.sleep(7); open(\"/root/done\",\"w\").write(\"done\")'";
    shell.types(&format!("{dpkg}; touch /root/after; sleep 7601")).unwrap();
    assert!(shell.shows("at work", SOON), "{}", shell.screen());
    assert!(shell.shows("may finish", SOON), "{}", shell.screen());
    assert!(!scene.sudo_works("ana"), "nothing new begins");
    assert!(shell.is_gone(SOON), "then the session ends");
    assert_eq!(scene.sandbox.read("/root/done").as_deref(), Ok("done"));
    assert!(scene.sandbox.read("/root/after").is_err(), "nobody works on meanwhile");
    let report = scene.ended(&grant);
    assert!(report.notices.iter().any(|n| n.told.contains("may finish")), "{report:#?}");
}

#[test]
fn an_end_that_a_crash_cut_short_is_finished_later() {
    let mut scene = Scene::running("fin-29");
    let grant = grant(1, "ana", 4);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    let mut shell = root_shell(&scene, "ana");
    shell.types("trap '' HUP TERM; setsid -f sleep 7701").unwrap();
    until("it runs", SOON, || scene.sandbox.running("sleep 7701") > 0);
    scene.kill_agent();
    until("the rule expires", SOON, || !scene.sudo_works("ana"));
    assert!(scene.sandbox.running("sleep 7701") > 0, "with the agent dead, what runs goes on");
    scene.start();
    assert!(shell.is_gone(SOON));
    until("all of it", SOON, || scene.sandbox.running("sleep 7701") == 0);
    scene.ended(&grant);
}

#[test]
fn a_session_that_the_hook_missed_is_ended_too() {
    let scene = Scene::running("fin-30");
    let grant = grant(1, "ana", 6);
    scene.server.order(1, std::slice::from_ref(&grant));
    scene.in_force(&grant);
    // Without the hook the session is in no cgroup of ours.
    scene.sh("cp /etc/pam.d/sudo /run/kept; sed -i '/pam-hook/d' /etc/pam.d/sudo /etc/pam.d/sudo-i");
    let mut shell = root_shell(&scene, "ana");
    shell.types("sleep 7801").unwrap();
    until("it runs", SOON, || scene.sandbox.running("sleep 7801") > 0);
    assert!(shell.is_gone(SOON), "{}", shell.screen());
    until("all of it", SOON, || scene.sandbox.running("sleep 7801") == 0);
}
