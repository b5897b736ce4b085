# Builds a throwaway Linux host in namespaces of its own and becomes its first process. Run by sandbox.rs through
# `unshare --mount --pid --uts --ipc --propagation private --fork`; everything here is gone when that process ends.
# Arguments: folder for the mounts, host name, the agent's binary, accounts (name:uid:full name; …), then the words
# that start the first process.
set -eu
base=$1 host=$2 binary=$3 accounts=$4
shift 4

say() { echo "sandbox: $*" >&2; }

# The whole file system, copied on write into memory.
mount -t tmpfs -o mode=755 writ-sandbox "$base"
layer() { # layer LOWER NAME MOUNTPOINT
    mkdir -p "$base/up/$2" "$base/work/$2"
    mount -t overlay -o "lowerdir=$1,upperdir=$base/up/$2,workdir=$base/work/$2" overlay "$3"
}
mkdir "$base/root"
layer / top "$base/root"
root=$base/root
for dir in /usr /etc /var /opt; do
    if awk -v d="$dir" '$5 == d { found = 1 } END { exit !found }' /proc/self/mountinfo; then
        layer "$dir" "${dir#/}" "$root$dir"
    fi
done
mkdir -p "$root/usr/local/sbin"
cp "$binary" "$root/usr/local/sbin/writ-agent"
chmod 755 "$root/usr/local/sbin/writ-agent"
resolver=$(cat /etc/resolv.conf 2>/dev/null || true)

# Devices: only harmless ones, and terminals of its own.
mount -t tmpfs -o mode=755,nosuid dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

# A cgroup of its own, so that the host's others stay out of sight.
mkdir "$base/cgroup"
mount -t cgroup2 cgroup2 "$base/cgroup"
mkdir -p "$base/cgroup/$(basename "$base")"
echo $$ > "$base/cgroup/$(basename "$base")/cgroup.procs"
umount "$base/cgroup"

mount -t proc proc "$root/proc"
mkdir "$root/.before"
cd "$root"
pivot_root . .before
cd /
umount -l /.before
rmdir /.before

# sudo, if the machine has none: installed in here only.
missing=
for tool in sudo visudo cvtsudoers; do command -v "$tool" > /dev/null || missing=1; done
if [ -n "$missing" ]; then
    command -v apt-get > /dev/null || { say "sudo is not installed, and there is no apt-get to install it with"; exit 3; }
    say "installing sudo inside the sandbox (the machine itself is not changed)"
    rm -f /etc/resolv.conf
    echo "$resolver" > /etc/resolv.conf
    export DEBIAN_FRONTEND=noninteractive
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends sudo; } > /tmp/apt.log 2>&1 ||
        { say "apt-get could not install sudo: $(tail -n 3 /tmp/apt.log | tr '\n' ' ')"; exit 3; }
fi

for dir in run tmp home root var/log; do mount -t tmpfs -o mode=755 "$dir" "/$dir"; done
chmod 1777 /tmp
mkdir -p /run/sudo /run/lock /run/sshd
for dir in /etc/writ /var/lib/writ-agent; do rm -rf "$dir"; done

# Who is here: the machine's system accounts, and these people.
people() { awk -F: '$3 < 1000 || $3 == 65534' "$1" > /run/kept; cat /run/kept > "$1"; }
people /etc/passwd
people /etc/group
: > /etc/shadow.new
chmod 640 /etc/shadow.new
while IFS=: read -r name rest; do
    case $name in root) echo "root:*:19000:0:99999:7:::" ;; *) echo "$name:*:19000:0:99999:7:::" ;; esac
done < /etc/passwd >> /etc/shadow.new
IFS=';'
for account in $accounts; do
    name=${account%%:*} rest=${account#*:}
    uid=${rest%%:*} full=${rest#*:}
    echo "$name:x:$uid:$uid:$full:/home/$name:/bin/bash" >> /etc/passwd
    echo "$name:x:$uid:" >> /etc/group
    echo "$name:*:19000:0:99999:7:::" >> /etc/shadow.new
    mkdir "/home/$name"
    chown "$uid:$uid" "/home/$name"
done
unset IFS
mv /etc/shadow.new /etc/shadow
rm -f /etc/subuid /etc/subgid

# sudo as a distribution ships it, with nothing that this machine's owner added.
find /etc/sudoers.d -mindepth 1 -exec rm -rf {} + 2> /dev/null || mkdir -p /etc/sudoers.d
cat > /etc/sudoers <<'SUDOERS'
Defaults	env_reset
Defaults	secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults	use_pty
root	ALL=(ALL:ALL) ALL
%sudo	ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
SUDOERS
chmod 440 /etc/sudoers
chmod 750 /etc/sudoers.d

echo "$host" > /etc/hostname
echo "$host" > /proc/sys/kernel/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$host" > /etc/hosts

# What a root shell in here could otherwise reach of the machine around it.
for path in /proc/sys /proc/sysrq-trigger; do
    if [ -e "$path" ]; then
        mount --bind "$path" "$path"
        mount -o remount,bind,ro "$path"
    fi
done
mount -t sysfs -o ro sysfs /sys
exec unshare --cgroup sh -euc '
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir /sys/fs/cgroup/init /sys/fs/cgroup/logins
    echo $$ > /sys/fs/cgroup/init/cgroup.procs
    exec setpriv --bounding-set="$0" -- "$@"' "$WRIT_SANDBOX_CAPABILITIES" "$@"
