#!/bin/sh
# Becomes the first process of a system in namespaces of its own.
# Arguments: working directory, directory with the system, host name, and
# sockets as HOST-PATH:PATH. Called a second time by itself, inside the
# namespaces, with INSIDE set.
set -eu
dir=$1 lower=$2 name=$3
shift 3

if [ -z "${INSIDE:-}" ]; then
  # A control group of its own, so that systemd sees an empty tree. The mount
  # is in this process's private mount namespace and goes with it.
  mkdir -p "$dir/cgroup"
  mount -t cgroup2 cgroup2 "$dir/cgroup"
  mkdir -p "$dir/cgroup/ringboot-$name-$$"
  echo $$ >"$dir/cgroup/ringboot-$name-$$/cgroup.procs"
  exec unshare --cgroup --uts --ipc --net --pid --mount --fork --kill-child=SIGKILL \
    env INSIDE=yes sh "$0" "$dir" "$lower" "$name" "$@"
fi

root=$dir/root
mkdir -p "$dir/upper" "$dir/work" "$root"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 console:1:3 kmsg:1:3; do
  IFS=: read -r node major minor <<DEVICE
$device
DEVICE
  mknod -m 666 "dev/$node" c "$major" "$minor"
done
ln -s /proc/self/fd dev/fd
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
for socket in "$@"; do
  path=${socket#*:}
  mkdir -p ".${path%/*}"
  : >".$path"
  mount --bind "${socket%%:*}" ".$path"
done
# What is the kernel's and not this system's: each start has a number of its
# own, an order to reset goes nowhere (the kernel would reset us all), and the
# watchdog is one to look at, which bites nobody and says so.
cat proc/sys/kernel/random/uuid >dev/.boot-id
mount --bind dev/.boot-id proc/sys/kernel/random/boot_id
if [ -e proc/sysrq-trigger ]; then
  : >dev/.sysrq
  mount --bind dev/.sysrq proc/sysrq-trigger
fi
if [ -d sys/class/watchdog ]; then
  mount -t tmpfs -o mode=755 tmpfs sys/class/watchdog
  mkdir sys/class/watchdog/watchdog0
  echo "Practice watchdog of a container, which resets nothing" >sys/class/watchdog/watchdog0/identity
fi
hostname "$name"
ip link set lo up
mkdir -p .old
pivot_root . .old
umount -l /.old
# In a container systemd leaves this to whoever made it, and without it what is
# mounted for one unit, such as its credentials, is seen by none.
mount --make-rshared /
exec env -i container=ringboot PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=linux /sbin/init
