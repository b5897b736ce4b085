#!/bin/bash
# Boots this machine's Debian with systemd as its first process, in a container over a copy-on-write copy of the file system,
# and checks there what Writ promises of hosts: probe.sh. Needs root, systemd-nspawn, and apt for what the copy lacks.
# Argument: the writ binary. The machine itself is not changed; the last line is "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
writ=$1
base=$(mktemp -d /tmp/writ-systemd-XXXXXX)
clean() {
    for mount in root/proc root/dev root .; do
        mountpoint -q "$base/$mount" && umount -l "$base/$mount"
    done
    rmdir "$base"
    # nspawn leaves its empty cgroups behind where no service manager owns them.
    find /sys/fs/cgroup -depth \( -path '*/payload*' -o -path '*/supervisor*' \) -type d -exec rmdir {} + 2> /dev/null || true
}
trap clean EXIT

mount -t tmpfs -o mode=755 writ-systemd "$base"
mkdir "$base/up" "$base/work" "$base/root"
mount -t overlay writ-systemd -o "lowerdir=/,upperdir=$base/up,workdir=$base/work" "$base/root"
root=$base/root
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
cp -L /etc/resolv.conf "$base/resolv" 2> /dev/null && rm -f "$root/etc/resolv.conf" && mv "$base/resolv" "$root/etc/resolv.conf"
chroot "$root" env DEBIAN_FRONTEND=noninteractive sh -c '
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends systemd-sysv libpam-systemd dbus cron openssh-server sudo iproute2 procps python3-minimal
' > "$base/apt.log" 2>&1 || { tail -n 5 "$base/apt.log" >&2; exit 1; }
umount -l "$root/dev" "$root/proc"

# Only what the probe needs is started, and nothing of the machine's own.
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/machine-id"
tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
rm -rf "$root"/etc/systemd/system/*.wants "$root/etc/writ" "$root/var/lib/writ-agent" "$root"/etc/sudoers.d/writ-*
wants=$root/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants" "$root/var/lib/probe"
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
for unit in ssh cron; do ln -s "/lib/systemd/system/$unit.service" "$wants/$unit.service"; done
for unit in systemd-networkd systemd-resolved systemd-timesyncd networking; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
install -m 755 "$writ" "$root/usr/local/bin/writ"
install -m 755 "$here/probe.sh" "$here/terminal.py" "$root/var/lib/probe"
# The very unit that the manual shows.
sed -n '/^# \/etc\/systemd\/system\/writ-agent.service/,/^```/p' "$here/../../docs/operate/hosts.md" | sed '/^```/d' \
    > "$root/var/lib/probe/writ-agent.service"
cat > "$root/etc/systemd/system/probe.service" <<'UNIT'
[Unit]
After=multi-user.target ssh.service systemd-logind.service

[Service]
Type=oneshot
ExecStart=/bin/bash /var/lib/probe/probe.sh
StandardOutput=file:/var/lib/probe/out
StandardError=file:/var/lib/probe/err
ExecStopPost=/bin/systemctl --no-block poweroff
TimeoutStartSec=240
UNIT
ln -s /etc/systemd/system/probe.service "$wants/probe.service"
chroot "$root" sh -c 'useradd -m -s /bin/bash -u 4801 ana && usermod -p "*" ana'

# Twice: the second start is the reboot after which everything must be as it was left.
for start in 1 2; do
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout 300 systemd-nspawn --quiet --register=no --keep-unit --private-network \
        --link-journal=no --console=pipe --machine=writ-probe --directory="$root" --boot < /dev/null > "$base/console" 2>&1 ||
        { echo "start $start failed:" >&2; tail -n 20 "$base/console" >&2; exit 1; }
    mv "$root/var/lib/probe/out" "$base/out.$start"
    mv "$root/var/lib/probe/err" "$base/err.$start"
done
grep -hE '^(ok|not ok) ' "$base/out.1" "$base/out.2"
count() { cat "$base/out.1" "$base/out.2" | grep -cE "^$1 " || true; }
passed=$(count ok)
failed=$(count "not ok")
if ! grep -q '^done' "$base/out.1" || ! grep -q '^done' "$base/out.2"; then
    echo "not ok the probe came to its end"
    failed=$((failed + 1))
fi
if [ "$failed" != 0 ]; then tail -n 40 "$base/out.1" "$base/err.1" "$base/out.2" "$base/err.2" >&2; fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
