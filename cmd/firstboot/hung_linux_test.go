package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/rehearsal/hangfs"
	"ringboot/rehearsal/need"
)

// hang makes what pmxcfs would answer for block whoever reads it, until the
// function that it returns is called.
func hang(t *testing.T, root string) (back func()) {
	t.Helper()
	at := filepath.Join(root, "etc/pve/.members")
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at, 0o644); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.WriteFile(at+".new", []byte("{}"), 0o644); err != nil {
			t.Fatal(err)
		}
		w, err := os.OpenFile(at, os.O_WRONLY|syscall.O_NONBLOCK, 0) // whoever waits reads the end of the file
		if err == nil {
			w.Close()
		}
		if err := os.Rename(at+".new", at); err != nil {
			t.Fatal(err)
		}
	}
}

// hangLimit is how late a hang may be told, and how long a stop may take.
const hangLimit = 10 * time.Second

// The cluster's file system hangs: the node says so within ten seconds, answers
// meanwhile, says when it is back, and stops within ten seconds in between.
func TestAnEtcPveThatHangs(t *testing.T) {
	need.Slow(t)
	root := room(t, keys(t), "frege")
	back := hang(t, root)
	start := func() (stop func() time.Duration) {
		agent, err := firstboot.Build(firstboot.Options{Version: "test", Root: root, Works: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- agent.Run(ctx, host.Notifier{}) }()
		return func() time.Duration {
			at := time.Now()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			return time.Since(at)
		}
	}
	tells := func(want bool) time.Duration {
		t.Helper()
		began := time.Now()
		for time.Since(began) < 3*hangLimit {
			var s status.Status
			asked := time.Now()
			err := firstboot.Ask(t.Context(), root, trust.MethodStatus, nil, &s)
			if took := time.Since(asked); took > time.Second {
				t.Errorf("the status took %s", took)
			}
			if err == nil && want == slices.ContainsFunc(s.Risks, func(r string) bool {
				return strings.HasPrefix(r, "/etc/pve/.members has not answered since ") && strings.HasSuffix(r, ": look at systemctl status pve-cluster and journalctl -u pve-cluster")
			}) {
				return time.Since(began)
			}
			time.Sleep(20 * time.Millisecond) // somebody asks now and then
		}
		t.Fatalf("it is not told: %v", want)
		return 0
	}
	stop := start()
	told := tells(true)
	back()
	tells(false)
	stopped := stop()
	hang2 := filepath.Join(root, "etc/pve/.members")
	if err := os.Remove(hang2); err != nil {
		t.Fatal(err)
	}
	back = hang(t, root)
	stop = start()
	tells(true)
	if took := stop(); took > stopped {
		stopped = took
	}
	back()
	if told > hangLimit || stopped > hangLimit {
		t.Errorf("told after %s, stopped after %s", told, stopped)
	}
	need.Figure("pve.hang_told_s", told.Seconds(), "s")
	need.Figure("pve.hang_stop_s", stopped.Seconds(), "s")
}

// The look for drift of a settled node does not wait for ever, and tells the
// keeper what it could not see.
func TestALookAtAnEtcPveThatHangs(t *testing.T) {
	need.Slow(t)
	root := room(t, keys(t), "frege")
	settleNode(t, root)
	back := hang(t, root)
	defer back()
	began := time.Now()
	_, stdout, stderr := call(t, "--root", root, "drift")
	if took := time.Since(began); took > hangLimit || !strings.Contains(stdout+stderr, "/etc/pve/.members has not answered since") {
		t.Errorf("after %s: %s%s", took, stdout, stderr)
	}
}

// A settled node starts while the cluster's file system hangs: its keeper does not
// wait for that, makes the ring, tells what the look of root's found within ten
// seconds, and stops within ten.
func TestTheKeeperStartsWhileEtcPveHangs(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "setpriv:util-linux", "ip:iproute2", "go")
	root := room(t, keys(t), "frege")
	build(t, root)
	settleNode(t, root)
	back := hang(t, root)
	defer back()
	cmd := keepAlone(t, root)
	whole := func(s status.Status) bool { return len(s.Ring.Ports) == 2 && s.Ring.Ports[0].Up && s.Ring.Ports[1].Up }
	says(t, root, whole)
	began := time.Now()
	call(t, "--root", root, "drift", "--silent")
	says(t, root, func(s status.Status) bool {
		return whole(s) && slices.ContainsFunc(s.Risks, func(r string) bool { return strings.HasPrefix(r, "/etc/pve/.members has not answered since ") })
	})
	told := time.Since(began)
	began = time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if stopped := time.Since(began); told > hangLimit || stopped > hangLimit {
		t.Errorf("told after %s, stopped after %s", told, stopped)
	}
}

// feelAlone starts what feels for the keeper, as a user of no rights at all.
func feelAlone(tb testing.TB, root string) *exec.Cmd {
	tb.Helper()
	const nobody = 65533
	dir := filepath.Join(root, filepath.Dir(keeper.FeltFile))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chown(dir, nobody, nobody); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("setpriv", "--reuid", "65533", "--regid", "65533", "--clear-groups", "--no-new-privs", "--bounding-set", "-all", "--inh-caps", "-all", filepath.Join(root, "firstboot"), "--root", root, "feel")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// The cluster's file system of a settled node stops answering: the keeper, which
// cannot see it, says so within ten seconds, keeps the ring, stops and starts
// meanwhile, and says when it is back. One look waits and no more.
func TestAHangOnASettledNode(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "setpriv:util-linux", "mount", "ip:iproute2", "go")
	need.File(t, "/dev/fuse", "a kernel that knows FUSE, as modprobe fuse loads it")
	root := room(t, keys(t), "frege")
	build(t, root)
	settleNode(t, root)
	at := filepath.Join(root, "etc/pve")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	fs := hangfs.Mount(t, 0, at)
	cmd := keepAlone(t, root)
	feelAlone(t, root)
	whole := func(s status.Status) bool { return len(s.Ring.Ports) == 2 && s.Ring.Ports[0].Up && s.Ring.Ports[1].Up }
	hangs := func(s status.Status) bool {
		return len(s.Risks) > 0 && strings.HasPrefix(s.Risks[0], "/etc/pve has not answered since ")
	}
	if s := says(t, root, whole); hangs(s) {
		t.Errorf("it hangs before it does: %q", s.Risks)
	}
	began := time.Now()
	fs.Hang()
	says(t, root, func(s status.Status) bool { return whole(s) && hangs(s) })
	told := time.Since(began)
	began = time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	stopped := time.Since(began)
	keepAlone(t, root)
	says(t, root, func(s status.Status) bool { return whole(s) && hangs(s) })
	began = time.Now()
	if n := fs.Back(); n != 1 {
		t.Errorf("%d looks waited", n)
	}
	says(t, root, func(s status.Status) bool {
		return !hangs(s) && slices.ContainsFunc(s.Events, func(e status.Event) bool { return e.Text == "/etc/pve answers again" })
	})
	back := time.Since(began)
	if max(told, stopped, back) > hangLimit {
		t.Errorf("told after %s, stopped after %s, back after %s", told, stopped, back)
	}
	need.Figure("pve.settled_hang_told_s", told.Seconds(), "s")
	need.Figure("pve.settled_hang_stop_s", stopped.Seconds(), "s")
}
