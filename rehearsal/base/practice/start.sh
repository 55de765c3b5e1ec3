#!/bin/sh
# Process 1 of the live system: runs the installer and does as its exit status says.
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=linux
[ -e /dev/ttyS0 ] && exec >/dev/ttyS0 2>&1 </dev/ttyS0
/usr/sbin/practice-installer
status=$?
sync
case $status in
  0) sleep 3; reboot -ff ;;
  10) sleep 3; poweroff -ff ;;
  *) echo "installer: a shell follows; leave it to reboot"; sh; reboot -ff ;;
esac
