package tools

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/shell"
)

// formed is a cluster of three with two disks in each node.
func formed(t *testing.T, seed int64) *sim.World {
	t.Helper()
	w := three(seed)
	do(t, w, "frege", "pvecm create principia --link0 10.203.3.11,priority=20 --link1 10.203.4.11,priority=10")
	w.Sim().RunFor(10 * time.Second)
	for i, n := range []string{"russell", "wittgenstein"} {
		node := w.Node(n)
		join(t, w, n, node)
		_ = i
	}
	for _, n := range w.Names() {
		ceph.SetDisks(w.Node(n).Machine(), ceph.BlockDevice{Name: "nvme0n1", Serial: "ROOT-" + n, Model: "Root 500", Bytes: 500e9, Type: "nvme", Used: "mounted", Mount: "/", OSD: -1},
			ceph.BlockDevice{Name: "nvme1n1", Serial: "OSD-" + n, Model: "Data 2000", Bytes: 2000e9, Type: "nvme", OSD: -1})
	}
	return w
}

func join(t *testing.T, w *sim.World, n string, node *sim.Node) {
	t.Helper()
	fp := fingerprint(w.Node("frege").Machine(), "frege")
	res, err := w.Exec(t.Context(), n, []string{"pvecm", "add", "10.203.3.11", "--fingerprint", fp, "--link0", node.Machine().Addresses()[0], "--link1", node.Machine().Addresses()[1]}, []byte("secret\n"), nil, time.Minute)
	if err != nil || !strings.Contains(string(res.Stdout), "successfully added") {
		t.Fatalf("%v\n%s%s", err, res.Stdout, res.Stderr)
	}
}

func must(t *testing.T, w *sim.World, node, line string) string {
	t.Helper()
	r := do(t, w, node, line)
	if r.Code != 0 {
		t.Fatalf("%s on %s: %d %s", line, node, r.Code, r.Stderr)
	}
	return string(r.Stdout)
}

// stored is a formed cluster with healthy Ceph.
func stored(t *testing.T, seed int64) *sim.World {
	t.Helper()
	w := formed(t, seed)
	for _, n := range w.Names() {
		m := w.Node(n).Machine()
		ceph.InstallPrograms(m)
	}
	store(t, w)
	return w
}

// store makes Ceph of installed programs.
func store(t *testing.T, w *sim.World) {
	t.Helper()
	must(t, w, "frege", "pveceph init --network 10.203.4.0/24")
	for _, n := range w.Names() {
		must(t, w, n, "pveceph mon create")
		if n != "frege" {
			must(t, w, n, "pveceph mgr create")
		}
	}
	for _, n := range w.Names() {
		must(t, w, n, "pveceph osd create /dev/nvme1n1")
		_ = w.Node(n).Files().Sync()
	}
	must(t, w, "frege", "pveceph pool create vm --size 3 --min_size 2 --pg_num 32 --pg_autoscale_mode on --application rbd --add_storages 1")
}

func TestStorageComesUpAndSurvivesANode(t *testing.T) {
	w := stored(t, 1)
	if out := must(t, w, "russell", "pveceph status"); !strings.Contains(out, "health: HEALTH_OK") || !strings.Contains(out, "3 daemons, quorum frege,russell,wittgenstein") || !strings.Contains(out, "33 active+clean") {
		t.Errorf("status:\n%s", out)
	}
	w.PowerCut("wittgenstein", sim.Lost)
	w.Sim().RunFor(10 * time.Second)
	out := must(t, w, "frege", "pveceph status")
	for _, want := range []string{"HEALTH_WARN", "1 osds down", "1/3 mons down", "undersized"} {
		if !strings.Contains(out, want) {
			t.Errorf("without a node the status lacks %q:\n%s", want, out)
		}
	}
	w.Boot("wittgenstein", nil)
	w.Sim().RunFor(20 * time.Second)
	must(t, w, "frege", "pveceph status")
	w.Sim().RunFor(40 * time.Second)
	if out := must(t, w, "frege", "pveceph status"); !strings.Contains(out, "HEALTH_OK") {
		t.Errorf("after its return:\n%s", out)
	}
}

func TestUsedDiskAndSecondMonitorAreRefused(t *testing.T) {
	w := stored(t, 2)
	for line, want := range map[string]string{
		"pveceph osd create /dev/nvme1n1": "device '/dev/nvme1n1' is already in use",
		"pveceph osd create /dev/nvme0n1": "device '/dev/nvme0n1' is already in use",
		"pveceph osd create /dev/nvme9n1": "not a valid block device",
		"pveceph mon create":              "monitor address '10.203.4.11' already in use",
		"pveceph osd destroy 0":           "osd is in use (in == 1)",
	} {
		r := do(t, w, "frege", line)
		if r.Code == 0 || strings.TrimSpace(string(r.Stderr)) != want {
			t.Errorf("%s: %d %q, want %q", line, r.Code, r.Stderr, want)
		}
	}
	if n := len(w.Notes("erased")); n != 0 {
		t.Errorf("%d disks erased", n)
	}
}

// The times of the facts: a guest of a node that lost power runs again after
// 138 to 150 seconds, after about 180 where the node was the master.
func TestFailoverTakesItsTime(t *testing.T) {
	for _, c := range []struct {
		master   bool
		from, to time.Duration
	}{{false, 120 * time.Second, 165 * time.Second}, {true, 165 * time.Second, 215 * time.Second}} {
		w := stored(t, 3)
		must(t, w, "frege", "qm create 100 --name acceptance --memory 128 --tags x")
		must(t, w, "frege", "ha-manager add vm:100 --state started")
		w.Sim().RunFor(60 * time.Second)
		ms := readManager(w.Node("frege").Machine())
		if ms.Services["vm:100"].State != "started" || !shell.Exists(w.Node("frege").Machine(), runMark("100")) {
			t.Fatalf("not started: %+v", ms)
		}
		victim := "frege"
		if (ms.Master == "frege") != c.master { // move the guest to, or away from, the master
			victim = map[bool]string{true: ms.Master, false: "russell"}[c.master]
			must(t, w, "frege", "ha-manager migrate vm:100 "+victim)
			w.Sim().RunFor(60 * time.Second)
		}
		start := w.Sim().Now()
		w.PowerCut(victim, sim.Lost)
		again := func() bool {
			for _, n := range w.Names() {
				if w.Node(n).Powered() && shell.Exists(w.Node(n).Machine(), runMark("100")) {
					return true
				}
			}
			return false
		}
		if !w.Sim().RunUntil(start.Add(10*time.Minute), again) {
			t.Fatalf("the guest never ran again")
		}
		if d := w.Sim().Now().Sub(start); d < c.from || d > c.to {
			t.Errorf("master %v: the guest ran again after %v, want %v to %v", c.master, d, c.from, c.to)
		}
	}
}

func TestMaintenanceMovesOutAndBack(t *testing.T) {
	w := stored(t, 4)
	must(t, w, "russell", "qm create 100 --name acceptance --memory 128")
	must(t, w, "frege", "ha-manager add vm:100 --state started")
	w.Sim().RunFor(60 * time.Second)
	must(t, w, "frege", "ha-manager crm-command node-maintenance enable russell")
	w.Sim().RunFor(60 * time.Second)
	if at := guestAt(w.Node("frege").Machine(), "100"); at == "russell" {
		t.Errorf("the guest stayed on %s", at)
	}
	out := must(t, w, "frege", "ha-manager status")
	if !strings.Contains(out, "lrm russell (maintenance, watchdog active") {
		t.Errorf("status:\n%s", out)
	}
	must(t, w, "frege", "ha-manager crm-command node-maintenance disable russell")
	w.Sim().RunFor(60 * time.Second)
	if at := guestAt(w.Node("frege").Machine(), "100"); at != "russell" {
		t.Errorf("the guest is on %s and did not come back", at)
	}
}

// keysOf lists the paths of a JSON value; the elements of a list count as one.
func keysOf(v any, at string, into map[string]bool) {
	switch x := v.(type) {
	case map[string]any:
		for k, sub := range x {
			into[at+"/"+k] = true
			keysOf(sub, at+"/"+k, into)
		}
	case []any:
		for _, sub := range x {
			keysOf(sub, at+"[]", into)
		}
	}
}

// cephAnswers holds what the stand-in for ceph prints against what a release of
// Ceph prints: the same keys, and no number where there is none.
func cephAnswers(t *testing.T, release profiles.Release, name string) (good, bad int) {
	raw, err := os.ReadFile("ceph/dialect/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var dialect struct{ Answers, Samples map[string]any }
	if err := json.Unmarshal(raw, &dialect); err != nil {
		t.Fatal(err)
	}
	w := formed(t, 11)
	if err := Speak(w, release.Name); err != nil {
		t.Fatal(err)
	}
	for _, n := range w.Names() {
		_ = w.Node(n).Files().WriteFile("/tmp/apt.conf", []byte(`APT::Get::Assume-Yes "true";`), 0o600)
		res, err := w.Exec(t.Context(), n, strings.Fields("pveceph install --repository no-subscription --version "+name), nil, []string{"APT_CONFIG=/tmp/apt.conf"}, 5*time.Minute)
		if err != nil || res.Code != 0 {
			t.Fatalf("%v: %s", err, res.Stderr)
		}
	}
	store(t, w)
	must(t, w, "frege", "pveceph mds create")
	must(t, w, "frege", "pveceph fs create --name cephfs --pg_num 32")
	must(t, w, "frege", "ceph osd set noout")
	dialect.Answers["osd tree"] = dialect.Samples["osd tree"]
	for command, want := range dialect.Answers {
		text := must(t, w, "frege", "ceph --connect-timeout 10 "+command+" -f json")
		var got any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(text, ":inf", ":0")), &got); err != nil {
			t.Errorf("%s: %v:\n%s", command, err, text)
			bad++
			continue
		}
		have, all := map[string]bool{}, map[string]bool{}
		keysOf(got, "", have)
		keysOf(want, "", all)
		var differ []string
		for k := range all {
			if !have[k] && !strings.Contains(k, "/checks/") && !strings.Contains(k, "/application_metadata/") && command != "crash ls-new" { // there was none
				differ = append(differ, "lacks "+k)
			}
		}
		for k := range have {
			if !all[k] && !strings.Contains(k, "/checks/") && !strings.Contains(k, "/application_metadata/") {
				differ = append(differ, "has "+k)
			}
		}
		if len(differ) > 0 {
			slices.Sort(differ)
			t.Errorf("ceph %s of %s: %s\n%s", command, name, strings.Join(differ, ", "), text)
			bad++
			continue
		}
		good++
	}
	if out := must(t, w, "frege", "ceph health detail -f json"); !strings.Contains(out, `"OSDMAP_FLAGS":{"detail":[`) {
		t.Errorf("health detail: %s", out)
	}
	return good, bad
}
