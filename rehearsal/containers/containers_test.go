package containers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/base"
	"ringboot/rehearsal/containers"
	"ringboot/rehearsal/need"
)

func TestTwoSystemsTalkOverACable(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "nsenter:util-linux", "ip:iproute2", "xorriso", "unsquashfs:squashfs-tools")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
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
	t.Run("a start that hangs says what it waits for", func(t *testing.T) { neverStarts(t, dir, root) })
	var systems []*containers.System
	for _, name := range []string{"frege", "russell"} {
		s, err := containers.Start(ctx, dir, root, name, nil, map[string]containers.File{"/etc/hostname": {Content: name + "\n"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		systems = append(systems, s)
	}
	a, b := systems[0], systems[1]
	if err := containers.Cable(ctx, a, "en05", b, "en06"); err != nil {
		t.Fatal(err)
	}
	for i, s := range systems {
		port := []string{"en05", "en06"}[i]
		if _, err := s.Run(ctx, "ip", "address", "add", []string{"192.0.2.1/30", "192.0.2.2/30"}[i], "dev", port); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Run(ctx, "ping", "-c", "1", "-W", "10", "192.0.2.2"); err != nil {
		t.Error(err)
	}
	name, err := b.Run(ctx, "hostname")
	if err != nil || strings.TrimSpace(string(name)) != "russell" {
		t.Errorf("the second system is called %q: %v", name, err)
	}
	// What one writes the other does not see.
	if _, err := a.Run(ctx, "touch", "/etc/only-here"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Run(ctx, "test", "!", "-e", "/etc/only-here"); err != nil {
		t.Error(err)
	}
}

func neverStarts(t *testing.T, dir, root string) {
	unit := "[Unit]\nBefore=multi-user.target\n[Service]\nType=oneshot\nExecStart=sleep infinity\n"
	_, err := containers.StartWithin(t.Context(), dir, root, "zeno", nil, map[string]containers.File{
		"/etc/systemd/system/tortoise.service":                         {Content: unit},
		"/etc/systemd/system/multi-user.target.wants/tortoise.service": {Link: "../tortoise.service"},
	}, 20*time.Second)
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"system zeno did not start: it takes longer than 20s: it waits for [", `"tortoise.service"`, "], and behind them are [", `"multi-user.target"`, "zeno/console.log"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s: %v", want, err)
		}
	}
}
