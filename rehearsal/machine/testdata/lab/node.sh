#!/bin/bash
# A machine of the test: own mounts, host name and processes. node.sh LAB NAME NUMBER
set -eu
lab=$1 name=$2 number=$3
hostname "$name"
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /mnt
# What the tools write stays in this machine: root's home and /var too.
for dir in etc root var; do
	mkdir -p "/mnt/$dir" "/mnt/$dir.work"
	mount -t overlay overlay -o "lowerdir=/$dir,upperdir=/mnt/$dir,workdir=/mnt/$dir.work" "/$dir"
done
for dir in /run /dev/shm /var/lib/corosync /var/log; do mount -t tmpfs tmpfs "$dir"; done
mkdir -p /run/corosync /run/lock /var/log/corosync /var/lib/pve-cluster
mount -t tmpfs tmpfs /var/lib/pve-cluster
rm -rf /etc/corosync
mkdir -p /etc/corosync /etc/pve
echo 0 >/etc/ringboot-practice.speed
echo "10.203.3.1$number $name" >>/etc/hosts
export PATH=$lab/bin:$PATH LC_ALL=C
mkdir -p /run/ringboot-practice
ln -s "$lab/world" /run/ringboot-practice/world
setsid practice-link </dev/null >>/var/log/practice-link 2>&1 &
systemctl start pve-cluster
touch "$lab/$name.up"
# The first process must reap what ends, and sleep alone does not.
while :; do sleep 1; done
