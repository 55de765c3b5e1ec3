package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ringboot/imagebuilder/deb"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/containers"
	"ringboot/rehearsal/need"
)

// The package as dpkg installs it, under a real systemd: three systems are
// paired, the unit keeps their ring in its sandbox, and after a purge the floor
// and the traffic are still there.
func TestThePackageKeepsARingUnderSystemd(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "nsenter:util-linux", "ip:iproute2", "xorriso", "unsquashfs:squashfs-tools")
	if !need.Turn(t, 4) {
		return // one run of CI in four tries it: it takes three systems and most of a minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	iso, err := base.Practice(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := containers.Unpack(ctx, iso, dir)
	if err != nil {
		t.Fatal(err)
	}
	pkg := keeperPackage(t)
	var all []*containers.System
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		s, err := containers.Start(ctx, dir, root, name, nil, map[string]containers.File{
			"/etc/hostname": {Content: name + "\n"}, "/root/keeper.deb": {Content: pkg},
			"/etc/ringkeeper/config.yaml": {Content: fmt.Sprintf("ring: {transport: ethernet, mtu: 9000, ports: [{name: en05, interface: en05}, {name: en06, interface: en06}]}\nnodes: [{name: %s, ring: 10.203.4.%d}]\n", name, 11+i)},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		all = append(all, s)
	}
	does := func(s *containers.System, line string) string {
		t.Helper()
		out, err := s.Run(ctx, "sh", "-c", line)
		if err != nil {
			journal, _ := s.Run(ctx, "journalctl", "-u", "ringkeeper", "--no-pager", "-n", "40")
			t.Fatalf("%s: %s: %v\n%s\n%s", s.Name, line, err, out, journal)
		}
		return string(out)
	}
	for i, s := range all {
		if err := containers.Cable(ctx, s, "en05", all[(i+1)%3], "en06"); err != nil {
			t.Fatal(err)
		}
		does(s, "dpkg --install /root/keeper.deb 2>&1")
	}
	screens := make([]string, 3)
	var group sync.WaitGroup
	for i, s := range all {
		group.Go(func() { screens[i] = does(s, "ringkeeper pair --wait 2m </dev/null 2>&1; test $? = 8") })
	}
	group.Wait()
	for i, s := range all {
		line := "ringkeeper pair"
		for _, code := range codes(screens[i]) {
			line += " --yes-code '" + code + "'"
		}
		does(s, line+" 2>&1")
	}
	for _, s := range all {
		does(s, "timeout 60 sh -c 'until ringkeeper status; do sleep 1; done' 2>&1")
		does(s, "systemctl is-enabled ringkeeper && systemctl is-active ringkeeper")
		if who := strings.TrimSpace(does(s, "ps -o uid= -C ringkeeper")); who == "0" || who == "" {
			t.Errorf("%s: the keeper runs as user %q", s.Name, who)
		}
	}
	frege := all[0]
	does(frege, "ip link set en05 down; ping -c 10 -i 0.2 10.203.4.12")
	before := does(frege, "timeout 60 sh -c 'until ringkeeper status; do sleep 1; done' >/dev/null 2>&1; ip route show proto static")
	does(frege, "dpkg --purge ringboot-keeper 2>&1")
	if after := does(frege, "ip route show proto static"); after != before || strings.Count(before, "10.203.4.") < 4 {
		t.Errorf("routes before the purge\n%s and after it\n%s", before, after)
	}
	does(frege, "test -e /etc/network/interfaces.d/ringboot-ring && ping -c 10 -i 0.2 10.203.4.13")
}

// keeperPackage is the package with this commit's program.
func keeperPackage(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ringkeeper")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p, err := deb.Ringkeeper("1.0", io.NewSectionReader(f, 0, info.Size()), time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	content, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
