#!/bin/sh
# Makes the practice system of a fresh Debian tree. Runs in the tree's root,
# once, when the base of the medium is built.
set -eu
release=$1

# What belongs to one machine is made when it is installed.
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id /etc/hostname
: >/etc/machine-id

# Proxmox VE has no configuration of corosync before it is in a cluster.
rm -f /etc/corosync/corosync.conf

# Work that a machine with an emulated processor should not do at its start.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer man-db.timer systemd-pcrmachine.service systemd-hwdb-update.service systemd-firstboot.service \
  keyboard-setup.service console-setup.service systemd-journal-catalog-update.service \
  ldconfig.service systemd-update-done.service systemd-random-seed.service getty@tty1.service systemd-vconsole-setup.service; do
  ln -sf /dev/null "/etc/systemd/system/$unit"
done

# The journal also goes to the serial console: whoever rehearses reads it there.
mkdir -p /etc/systemd/journald.conf.d /etc/default/grub.d
printf '[Journal]\nStorage=persistent\nForwardToConsole=yes\nTTYPath=/dev/ttyS0\nMaxLevelConsole=info\n' >/etc/systemd/journald.conf.d/practice.conf
printf 'PRACTICE system made by Ringboot from Debian packages: not Proxmox VE.\n' | tee /etc/issue >/etc/motd
# As Debian's packages of GRUB leave it, and one drop-in of the product's.
printf 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n' >/etc/default/grub
printf 'GRUB_DISTRIBUTOR="Ringboot PRACTICE"\nGRUB_DISABLE_OS_PROBER=true\n' >/etc/default/grub.d/proxmox-ve.cfg

# Where this tree came from is no source of packages for a node.
: >/etc/apt/sources.list
ln -sf /usr/lib/systemd/system/multi-user.target /etc/systemd/system/default.target
ln -sf ../usr/share/zoneinfo/Etc/UTC /etc/localtime
# ifupdown2 keeps a file there, and Debian's iproute2 no longer makes it.
mkdir -p /boot/grub /boot/efi /cdrom /target /etc/iproute2/rt_tables.d
ln -sf "vmlinuz-$release" /boot/vmlinuz
ln -sf "initrd.img-$release" /boot/initrd.img
depmod "$release"

# Weight that nobody reads here.
find /usr/share/doc -type f ! -name copyright -delete
find /usr/share/doc -depth -type d -empty -delete
rm -rf /usr/share/man /usr/share/info /usr/share/locale /usr/share/lintian /usr/share/bash-completion /usr/share/zsh \
  /var/lib/apt/lists /var/cache/apt /var/cache/debconf/*-old /var/log/*.log /var/log/apt /usr/lib/x86_64-linux-gnu/perl/*/unicore/lib
find / -xdev -name '__pycache__' -prune -exec rm -rf {} +
mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
