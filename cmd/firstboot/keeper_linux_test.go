package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// settleNode hands a node over to its keeper, as the builder does at its end.
func settleNode(tb testing.TB, root string) {
	tb.Helper()
	agent, err := firstboot.Build(firstboot.Options{Version: "bench", Root: root})
	if err != nil {
		tb.Fatal(err)
	}
	if agent.Settled() {
		tb.Fatal("settled before it was")
	}
	if err := agent.Settle(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// What is handed over to the keeper holds no secret but its own, and the mark
// lets the builder end where it is started all the same.
func TestSettling(t *testing.T) {
	root := room(t, keys(t), "frege")
	settleNode(t, root)
	again, err := firstboot.Build(firstboot.Options{Version: "bench", Root: root})
	if err != nil || !again.Settled() {
		t.Fatalf("not settled: %v", err)
	}
	key, err := os.ReadFile(filepath.Join(root, profiles.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(string(key), "\n")[1]
	for _, file := range []string{keeper.HandoverFile, keeper.ChargeFile, keeper.ToldFile, settled.File} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret) {
			t.Errorf("%s holds the node's key", file)
		}
		if file != keeper.HandoverFile && strings.Contains(string(text), "ssh-ed25519") {
			t.Errorf("%s may be read by anybody and holds accounts", file)
		}
	}
	if info, err := os.Stat(filepath.Join(root, keeper.HandoverFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keeper's keys: %v %v", info.Mode(), err)
	}
	err = firstboot.Ask(t.Context(), root, firstboot.MethodApply, nil, nil)
	if err == nil || err.Error() != "this node is settled and its builder has left: firstboot resume runs it for a while" {
		t.Error(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"--root", root, "run"}, strings.NewReader(""), io.Discard, &out); err != nil || !strings.Contains(out.String(), "settled and left alone") {
		t.Errorf("the builder on a settled node: %v %s", err, out.String())
	}
}

// keepAlone starts the keeper as a user of no rights but the two of its unit,
// alone in a network of its own.
func keepAlone(tb testing.TB, root string) *exec.Cmd {
	tb.Helper()
	script := `set -e
mount -t sysfs sysfs /sys
ip link set lo up
ip link add rba type veth peer name far-a
ip link add rbb type veth peer name far-b
ip link add lan0 type veth peer name far-lan
for l in far-a far-b far-lan lan0; do ip link set $l up; done
ip addr add 10.203.3.11/24 dev lan0
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --bounding-set -all,+net_admin,+net_raw --inh-caps -all,+net_admin,+net_raw --ambient-caps -all,+net_admin,+net_raw "$1/firstboot" --root "$1" keep`
	credentials := tb.TempDir()
	text, err := os.ReadFile(filepath.Join(root, keeper.HandoverFile))
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(credentials, keeper.Credential), text, 0o644); err != nil {
		tb.Fatal(err)
	}
	for _, dir := range []string{keeper.StateDir, filepath.Dir(keeper.Socket)} {
		at := filepath.Join(root, dir)
		if err := os.MkdirAll(at, 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.Chown(at, 65534, 65534); err != nil {
			tb.Fatal(err)
		}
	}
	for at := credentials; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		_ = os.Chmod(at, 0o755)
	}
	for at := root; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		_ = os.Chmod(at, 0o755)
	}
	cmd := exec.Command("unshare", "--net", "--mount", "sh", "-c", script, "sh", root)
	cmd.Env = append(os.Environ(), "CREDENTIALS_DIRECTORY="+credentials)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
	})
	return cmd
}

// says asks the keeper until it answers as wanted.
func says(tb testing.TB, root string, want func(status.Status) bool) status.Status {
	tb.Helper()
	var s status.Status
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		s = status.Status{} // what is left out was not said
		if err = keeper.Ask(tb.Context(), filepath.Join(root, keeper.Socket), trust.MethodStatus, nil, &s); err == nil && want(s) {
			return s
		}
	}
	tb.Fatalf("the keeper: %v %+v", err, s)
	return s
}

// The keeper keeps the ring as nobody: addresses, names and the settings of its
// two ports, with two capabilities and nothing else.
func TestTheKeeperKeepsTheRingAsNobody(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "setpriv:util-linux", "nsenter:util-linux", "ip:iproute2", "go")
	root := room(t, keys(t), "frege")
	build(t, root)
	settleNode(t, root)
	cmd := keepAlone(t, root)
	s := says(t, root, func(s status.Status) bool { return len(s.Ring.Ports) == 2 && s.Ring.Ports[0].Up && s.Ring.Ports[1].Up })
	if s.Node != "frege" || s.Settled.IsZero() || s.Phase != "formed" || len(s.Peers) != 2 {
		t.Errorf("%+v", s)
	}
	inside := func(args ...string) string {
		out, err := exec.Command("nsenter", append([]string{"--net", "--target", strconv.Itoa(cmd.Process.Pid)}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v %s", args, err, out)
		}
		return string(out)
	}
	if got := inside("ip", "-4", "addr", "show", "dev", "rba"); !strings.Contains(got, "10.203.4.11/32") {
		t.Errorf("the ring's address: %s", got)
	}
	var p map[string]any
	if err := keeper.Ask(t.Context(), filepath.Join(root, keeper.Socket), firstboot.MethodPicture, nil, &p); err != nil || p["version"] == nil {
		t.Errorf("the picture: %v", err)
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/status")
	if err != nil || !strings.Contains(string(text), "CapEff:\t0000000000003000") || !strings.Contains(string(text), "Uid:\t65534") {
		t.Errorf("the keeper's rights: %v\n%s", err, text)
	}
	var charge keeper.Charge
	raw, err := os.ReadFile(filepath.Join(root, keeper.ChargeFile))
	if err != nil || json.Unmarshal(raw, &charge) != nil || charge.Profile.Users != nil {
		t.Errorf("the charge: %v %+v", err, charge.Profile)
	}
}

// BenchmarkKeeper measures what a settled node's keeper costs when nothing happens.
func BenchmarkKeeper(b *testing.B) {
	need.Root(b)
	need.Tools(b, "unshare:util-linux", "setpriv:util-linux", "ip:iproute2", "go")
	const calm, span = 15 * time.Second, 60 * time.Second
	for b.Loop() {
		root := room(b, keys(b), "frege")
		build(b, root)
		settleNode(b, root)
		cmd := keepAlone(b, root)
		says(b, root, func(s status.Status) bool { return len(s.Ring.Ports) == 2 })
		feels := feelAlone(b, root).Process.Pid
		time.Sleep(calm) // a rate needs its time
		before, felt := cpu(b, cmd.Process.Pid), cpu(b, feels)
		time.Sleep(span)
		need.Figure("keeper.cpu_percent", float64(cpu(b, cmd.Process.Pid)-before)/float64(span)*100, "%")
		need.Figure("keeper.rss_mib", rss(b, cmd.Process.Pid), "MiB")
		need.Figure("keeper.feel_cpu_percent", float64(cpu(b, feels)-felt)/float64(span)*100, "%")
		need.Figure("keeper.feel_rss_mib", rss(b, feels), "MiB")
	}
}
