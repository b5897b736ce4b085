# Runs inside the container, once at each start, under systemd. Each line that begins with `ok` or `not ok` is one check.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
cd /var/lib/probe

holds() { # holds CLAIM COMMAND…
    local claim=$1
    shift
    if "$@" > /dev/null 2>&1; then echo "ok $claim"; else echo "not ok $claim"; fi
}
not() { ! "$@"; }
until_true() { # until_true SECONDS COMMAND…
    local left=$(($1 * 4))
    shift
    while [ "$left" -gt 0 ]; do
        "$@" > /dev/null 2>&1 && return 0
        sleep 0.25
        left=$((left - 1))
    done
    return 1
}
alive() { kill -0 "$(cat "$1")"; }
ana_is_root() { runuser -u ana -- sudo -n true; }
etc() { (cd /etc && find . -type f -exec sha256sum {} + | sort -k 2); }
in_our_cgroup() { grep -q '^0::/writ/.*/session-' "$1"; }

active_again() { [ "$(systemctl is-active writ-agent)" = active ]; }

if [ -e second ]; then
    holds "the agent is started after a reboot" until_true 20 active_again
    holds "what was in force before the reboot is in force after it" until_true 20 ana_is_root
    systemctl disable --now writ-agent
    rm /etc/systemd/system/writ-agent.service
    systemctl daemon-reload
    holds "uninstall ends well" writ agent uninstall
    holds "and sudo refuses" not ana_is_root
    etc > etc.after
    holds "and /etc is as it was before" cmp etc.before etc.after
    holds "and nothing else of the agent is left" not sh -c 'ls -d /var/lib/writ-agent /run/writ-agent /sys/fs/cgroup/writ'
    diff etc.before etc.after
    echo "done"
    exit 0
fi

ip link set lo up
ssh-keygen -q -t ed25519 -N '' -f key
install -d -m 700 -o ana -g ana /home/ana/.ssh
install -m 600 -o ana -g ana key.pub /home/ana/.ssh/authorized_keys
for unit in steady demo; do
    printf '[Service]\nEnvironment=HOME=/root\nExecStart=%s\n[Install]\nWantedBy=multi-user.target\n' "$(
        case $unit in
            steady) echo /bin/sleep infinity ;;
            demo) echo /usr/local/bin/writ demo --quiet --listen 127.0.0.1:8443 --env-file /var/lib/probe/env --data /var/lib/northwind ;;
        esac
    )" > "/etc/systemd/system/$unit.service"
done
systemctl daemon-reload
systemctl enable -q demo
systemctl start demo steady
until_true 60 test -s env
. ./env
export WRIT_SERVER=$BASE_URL
etc > etc.before

code=$(WRIT_TOKEN=$ADMIN_TOKEN writ host enrol --json | sed -n 's/.*"code": *"\([^"]*\)".*/\1/p')
echo "$code" | writ agent enrol "$BASE_URL"
cp writ-agent.service /etc/systemd/system/
systemctl daemon-reload
systemctl enable -q --now writ-agent
holds "the unit of the manual starts the agent" until_true 10 active_again

activated() { # activated SPAN
    WRIT_TOKEN=$USER_TOKEN writ activate "Device Administrators" --for "$1" --because "probe" --ticket T-1 > asked
    request=$(WRIT_TOKEN=$APPROVER_TOKEN writ status --json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["deciding"][0]["request"])')
    WRIT_TOKEN=$APPROVER_TOKEN writ approve "$request" --because "go ahead"
    until_true 20 ana_is_root
}
holds "nothing is in force before it is asked for" not ana_is_root
activated 30s
holds "an approved activation makes root" ana_is_root

login="ssh -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR ana@127.0.0.1"
$login 'echo $$ > /tmp/plain.pid; exec sleep 600' < /dev/null > /dev/null 2>&1 &
seen() { echo "echo \$\$ > /tmp/$1.pid; cat /proc/self/cgroup > /tmp/$1.cgroup; setsid -f sleep 77$2"; }
python3 terminal.py /tmp/shell.screen "$login -tt" 'sudo -n -s' "$(seen shell 01); systemctl restart steady; sleep 7711" &
python3 terminal.py /tmp/login.screen "$login -tt" 'sudo -n -i' "$(seen login 02); sleep 7712" &
python3 terminal.py /tmp/su.screen "$login -tt" 'sudo -n su -' "$(seen su 03); sleep 7713" &
for one in shell login su; do
    until_true 12 test -s "/tmp/$one.cgroup"
done
holds "sudo -s is in its activation's cgroup" in_our_cgroup /tmp/shell.cgroup
holds "so is sudo -i, with logind" in_our_cgroup /tmp/login.cgroup
holds "so is sudo su -, with logind" in_our_cgroup /tmp/su.cgroup
until_true 5 pgrep -f '^sleep 7711'
steady=$(systemctl show --property MainPID --value steady)
systemctl restart writ-agent
holds "a restart of the agent leaves the elevated session alone" alive /tmp/shell.pid

until_true 40 not ana_is_root
holds "at the end sudo refuses" not ana_is_root
gone() { until_true 15 not alive "/tmp/$1.pid"; }
holds "and the root shell is gone" gone shell
holds "and the one of sudo -i" gone login
holds "and the one of sudo su -" gone su
holds "and what they left running by themselves" until_true 10 not pgrep -f '^sleep 77'
holds "a plain login of the same person goes on" alive /tmp/plain.pid
holds "the logins that the root shells were in go on" sh -c '[ "$(loginctl --no-legend | grep -c " ana ")" -ge 4 ]'
holds "a service that was restarted through systemd goes on" kill -0 "$steady"
holds "and is the one that was started then" test "$(systemctl show --property MainPID --value steady)" = "$steady"
pgrep -af '^sleep 77'
tail -n 3 /tmp/*.screen

systemctl kill --signal KILL writ-agent
sleep 2
holds "an agent that was killed is started again" until_true 10 active_again
activated 20m
touch second
echo "done"
