package matrix_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/firstboot/ring/layout"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// plugTrial has the real udev name two cards that come and go ROUNDS times each, in
// both orders, by the files that the ring keeps, and looks after each round: the
// shell itself, since a new process takes long here.
const plugTrial = `export SYSTEMD_IGNORE_CHROOT=1
cd /trial
for file in *.link; do cp $file /etc/systemd/network/; done
cp ring.rules /etc/udev/rules.d/90-ringboot-ring.rules
modprobe -a virtio_net || exit 1
mkdir -p /run/udev
/usr/lib/systemd/systemd-udevd --daemon || exit 1
udevadm trigger --action=add --subsystem-match=net
udevadm settle
for path in 0000:00:05.0 0000:00:06.0; do
  for card in /sys/bus/pci/devices/$path/virtio*; do all="$all ${card##*/}"; done
done
set -- $all
echo "= cards $*"
round=0 wrong=0
look() {
  for at in "0000:00:05.0 en05" "0000:00:06.0 en06"; do
    mtu=none
    for net in /sys/bus/pci/devices/${at% *}/virtio*/net/${at#* }; do [ ! -e $net/mtu ] || read mtu <$net/mtu; done
    [ "$mtu" = 9000 ] && continue
    wrong=$((wrong + 1))
    [ $wrong -gt 3 ] || { echo "= round $round: $at has the MTU $mtu"; ls /sys/class/net; }
  done
}
cd /sys/bus/virtio/drivers/virtio_net
look
while [ $round -lt ROUNDS ]; do
  first=$1 second=$2
  [ $((round % 2)) = 0 ] || { first=$2; second=$1; }
  echo $1 >unbind
  echo $2 >unbind
  echo $first >bind
  echo $second >bind
  udevadm settle --timeout=60 || echo "= udev does not settle"
  round=$((round + 1))
  look
done
echo "= rounds $round wrong $wrong"
`

// TestPortsKeepTheirNames: udev of Debian, on a kernel of its own, gives the ports
// their names and MTU by the files that the ring writes, however often and in
// whatever order they are plugged.
func TestPortsKeepTheirNames(t *testing.T) {
	need.Slow(t)
	p, err := profiles.Load("profile", profiles.DefaultText())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := layout.ConfigOf(p, p.Nodes[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MTU = 9000
	cfg.Ports = []profiles.RingPort{
		{Name: "en05", Path: "pci-0000:00:05.0", Driver: "virtio_net"},
		{Name: "en06", Path: "pci-0000:00:06.0", Driver: "virtio_net"},
	}
	rounds := 20
	if os.Getenv("RINGBOOT_MATRIX") == "all" {
		rounds = 250
	}
	files := map[string]string{"run": strings.ReplaceAll(plugTrial, "ROUNDS", fmt.Sprint(rounds))}
	for _, f := range layout.Floor(cfg, nil) {
		switch {
		case strings.HasSuffix(f.Path, ".link"):
			files[filepath.Base(f.Path)] = f.Content
		case f.Path == layout.UdevFile:
			files["ring.rules"] = f.Content
		}
	}
	text := try(t, files)
	if !strings.Contains(text, fmt.Sprintf("= rounds %d wrong 0\n", rounds)) {
		t.Errorf("udev gave the ports other names:\n%s", text)
	}
	need.Figure("udev.real_plugs", 2*rounds, "count")
}
