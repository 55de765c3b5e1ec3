package lab_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/containers/lab"
	"ringboot/rehearsal/need"
)

// trip is a lab whose systems come to the report.
type trip struct{ *lab.Lab }

// verdict is what this test reads of a report.
type verdict struct {
	Run     string `json:"run"`
	Verdict struct {
		Outcome  string `json:"outcome"`
		Sentence string `json:"sentence"`
	} `json:"verdict"`
	Ceph struct {
		OSDs []json.RawMessage `json:"osds"`
	} `json:"ceph"`
	HA struct {
		Drills []struct {
			Name     string `json:"name"`
			Outcome  string `json:"outcome"`
			Sentence string `json:"sentence"`
		} `json:"drills"`
	} `json:"ha"`
}

func (l trip) report(text string) (v verdict) {
	l.T.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		l.T.Fatalf("report: %v:\n%s", err, text)
	}
	return v
}

func TestThreeSystemsComeToTheReport(t *testing.T) {
	need.Slow(t)
	need.File(t, "/sys/class/watchdog", "a kernel that knows watchdogs")
	l := trip{lab.NewWithGuests(t, lab.Profile("seconds: 10 ", "seconds: 1 "), "")}
	began := time.Now()
	l.InstallImages()
	l.Await(nil)
	need.Figure("rehearsal.report_s", time.Since(began).Seconds(), "s")
	first := l.checkReports()
	l.AwaitKeepers()
	l.acceptedWithGuests()
	for _, part := range []struct {
		name string
		do   func(trip)
	}{
		{"provisioning has ended", trip.provisioningEnded},
		{"the report is handed out", trip.reportHandedOut},
		{"the acceptance runs again", func(l trip) { l.acceptedAgain(first) }},
		{"a dead disk is replaced by a unit", trip.deadDisk},
		{"who is off the ring is out of the storage", trip.offTheRing},
		{"a guest of a node without power runs elsewhere", trip.deadNode},
	} {
		t.Run(part.name, func(t *testing.T) { part.do(trip{l.For(t)}) })
	}
}

// acceptedWithGuests: what the acceptance moved was a guest that ran and wrote.
func (l trip) acceptedWithGuests() {
	downtime := 0.0
	for _, m := range l.Guests.Moves {
		downtime = max(downtime, m.Downtime)
	}
	// Round three nodes, and out of one that is in maintenance and back.
	if n := len(l.Guests.Moves); n < 5 {
		l.T.Errorf("the acceptance moved its guest %d times, not 5 times", n)
	}
	need.Figure("guest.acceptance_downtime_ms", downtime, "ms")
}

// acceptedAgain runs another acceptance on the settled cluster: the builders of
// all nodes are called back for it by the one command and leave again, and the
// keepers hand out the new report.
func (l trip) acceptedAgain(first verdict) {
	if _, err := l.Systems["frege"].Run(l.Ctx, "firstboot", "accept"); err != nil {
		why, _ := l.Systems["russell"].Run(l.Ctx, "journalctl", "--no-pager", "-n", "40", "-u", "ringboot-order.path", "-u", "ringboot-order", "-u", "ringboot-keeper", "-u", "ringboot")
		l.T.Fatalf("%v; russell says:\n%s", err, why)
	}
	l.Await(func() bool { return l.report(l.In("wittgenstein", "cat", reportFile)).Run != first.Run })
	again := l.checkReports()
	if again.Run == first.Run {
		l.T.Errorf("the report is still that of run %s", first.Run)
	}
	for _, n := range l.Profile.Nodes {
		l.In(n.Name, "firstboot", "resume", "--end")
	}
	l.AwaitKeepers()
	l.reportHandedOut()
}

const reportFile = "/var/lib/ringboot/report.json"

// checkReports looks at the report of each node: the same one, with every
// drill that the profile consents to.
func (l trip) checkReports() verdict {
	l.T.Helper()
	text := l.In("frege", "cat", reportFile)
	for _, n := range l.Profile.Nodes[1:] {
		node := n.Name
		if other := l.In(node, "cat", reportFile); l.report(other).Run != l.report(text).Run {
			l.T.Errorf("%s has another report than frege:\n%s", node, other)
		}
	}
	v := l.report(text)
	l.T.Logf("%s: %s", v.Verdict.Outcome, v.Verdict.Sentence)
	if want := len(l.Profile.Nodes); len(v.Ceph.OSDs) != want {
		l.T.Errorf("the report knows %d OSDs, not %d", len(v.Ceph.OSDs), want)
	}
	verdicts, tried := []string{"passed", "warnings"}, 0
	for _, d := range v.HA.Drills {
		want := []string{"passed"}
		switch d.Name {
		case "bandwidth": // says how busy this machine is: its cables are memory
			want = []string{"passed", "warnings", "failed"}
			if d.Outcome == "failed" {
				verdicts = append(verdicts, "failed")
			}
		case "power-cut":
			want = []string{"untried"} // the profile does not consent
		}
		if !slices.Contains(want, d.Outcome) {
			l.T.Errorf("drill %s: %s: %s", d.Name, d.Outcome, d.Sentence)
		}
		tried++
	}
	if !slices.Contains(verdicts, v.Verdict.Outcome) {
		l.T.Errorf("the verdict is %s: %s", v.Verdict.Outcome, v.Verdict.Sentence)
	}
	if tried != 7 {
		l.T.Errorf("the report tells of %d drills, not of 7", tried)
	}
	return v
}

// provisioningEnded: no node hands out keys any more, and none keeps a copy of
// what a joiner needs.
func (l trip) provisioningEnded() {
	for _, n := range l.Profile.Nodes {
		copies := l.In(n.Name, "find", "/etc", "/home", "/root", "/var", "-xdev", "-type", "f", "-size", "256c", "-exec", "cmp", "-s", "{}", "/etc/corosync/authkey", ";", "-print")
		if got := strings.Fields(copies); !slices.Equal(got, []string{"/etc/corosync/authkey"}) {
			l.T.Errorf("%s has the cluster's key in %v", n.Name, got)
		}
		for _, left := range []string{"join", "replace", "apt.conf"} {
			if out, err := l.Systems[n.Name].Run(l.Ctx, "ls", "/var/lib/ringboot/"+left); err == nil {
				l.T.Errorf("%s still has %s: %s", n.Name, left, out)
			}
		}
		if guests := l.In(n.Name, "qm", "list"); guests != "" {
			l.T.Errorf("the acceptance left guests on %s:\n%s", n.Name, guests)
		}
	}
	if ha := l.In("russell", "ha-manager", "config"); ha != "" {
		l.T.Errorf("the acceptance left resources:\n%s", ha)
	}
}

// reportHandedOut: on a node, from the LAN with the keyring, and in a browser.
func (l trip) reportHandedOut() {
	picture := l.In("russell", "firstboot", "peers", "--plain")
	for _, n := range l.Profile.Nodes {
		if !strings.Contains(picture, n.Name) {
			l.T.Errorf("russell's picture lacks %s:\n%s", n.Name, picture)
		}
	}
	want := l.In("frege", "cat", reportFile)
	got := l.Output(l.LAN.Command(l.Ctx, l.Tool("peers"), "report", "--format", "json", "--profile", l.File))
	if got != want {
		l.T.Errorf("peers report hands out\n%s\nnot\n%s", got, want)
	}
	cookies, page := filepath.Join(l.T.TempDir(), "cookies"), "https://"+l.Profile.Nodes[2].Address.String()+":8644"
	curl := func(at string) string {
		return l.Output(l.LAN.Command(l.Ctx, "curl", "--silent", "--show-error", "--fail", "--insecure", "--location", "--cookie", cookies, "--cookie-jar", cookies, at))
	}
	if seen := curl(page + "/status.json"); !strings.Contains(seen, "philosophers") || strings.Contains(seen, "address") {
		l.T.Errorf("a stranger sees on the status page:\n%s", seen)
	}
	curl(strings.TrimSpace(l.Output(l.LAN.Command(l.Ctx, l.Tool("peers"), "open", "wittgenstein", "--profile", l.File))))
	if got := l.report(curl(page + "/report.json")); got.Run != l.report(want).Run {
		l.T.Errorf("the status page of wittgenstein has the report of run %s", got.Run)
	}
	if shown := curl(page + "/report"); !strings.Contains(shown, "<html") || !strings.Contains(shown, "philosophers") {
		l.T.Errorf("the status page shows no report:\n%s", shown)
	}
}

// deadDisk ends an OSD and puts a blank disk in its place: the command has systemd
// work at it, and ends with it.
func (l trip) deadDisk() {
	const disks = "/var/lib/pvestandin/disks.json"
	var has []map[string]any
	if err := json.Unmarshal([]byte(l.In("russell", "cat", disks)), &has); err != nil {
		l.T.Fatal(err)
	}
	osd := ""
	for i, d := range has {
		if n, _ := d["OSD"].(float64); d["Serial"] == "DATA-RUSSELL" {
			osd = fmt.Sprint(n)
			has[i] = map[string]any{"Name": d["Name"], "Serial": "SPARE-RUSSELL", "Model": d["Model"], "Bytes": d["Bytes"], "Type": d["Type"], "OSD": -1}
		}
	}
	text, err := json.Marshal(has)
	l.Must(err)
	l.In("russell", "systemctl", "disable", "--now", "ceph-osd@"+osd)
	_, err = l.Systems["russell"].Feed(l.Ctx, text, "sh", "-c", "cat >"+disks)
	l.Must(err)
	said := l.In("russell", "firstboot", "replace-disk", "osd."+osd, "SPARE-RUSSELL")
	l.T.Logf("replace-disk says:\n%s", said)
	if !strings.Contains(said, "\nreplaced osd."+osd+" of russell (") {
		l.T.Errorf("it does not end with the new disk:\n%s", said)
	}
	ran := l.In("russell", "journalctl", "--no-pager", "-o", "cat", "-u", "ringboot-replace-disk")
	if state, _ := l.Systems["russell"].Run(l.Ctx, "systemctl", "is-active", "ringboot-replace-disk"); !strings.HasPrefix(string(state), "inactive") || !strings.Contains(ran, "osd."+osd) {
		l.T.Errorf("the unit is %s, and says:\n%s", state, ran)
	}
	if health := l.In("frege", "ceph", "-s"); !strings.Contains(health, "3 osds: 3 up") {
		l.T.Errorf("Ceph says:\n%s", health)
	}
}

// offTheRing takes both ring ports of a node down, as a test of the stand-ins:
// monitors are those that the public network reaches. The keeper mends the ring.
func (l trip) offTheRing() {
	members := func(node string) string {
		out, err := l.Systems[node].Run(l.Ctx, "ceph", "--connect-timeout", "1", "-s", "-f", "json")
		if err != nil {
			return "none"
		}
		var s struct {
			Quorum []string `json:"quorum_names"`
			Health struct {
				Status string `json:"status"`
			} `json:"health"`
		}
		if err := json.Unmarshal(out, &s); err != nil {
			l.T.Fatal(err)
		}
		return strings.Join(s.Quorum, " ") + " " + s.Health.Status
	}
	until := func(node, want string) {
		l.T.Helper()
		for last := ""; last != want; last = members(node) {
			select {
			case <-l.Ctx.Done():
				l.T.Fatalf("the monitors are %q on %s, not %q", last, node, want)
			case <-time.After(time.Second):
			}
		}
	}
	l.In("wittgenstein", "systemctl", "stop", "ringboot-keeper") // it would mend the ring at once
	for _, port := range []string{"en05", "en06"} {
		l.In("wittgenstein", "ip", "link", "set", port, "down")
	}
	until("wittgenstein", "none")
	until("frege", "frege russell HEALTH_WARN")
	l.In("wittgenstein", "systemctl", "start", "ringboot-keeper")
	until("wittgenstein", "frege russell wittgenstein HEALTH_OK")
	until("frege", "frege russell wittgenstein HEALTH_OK")
}

// deadNode ends a system in an instant, as a power cut does: the others fence
// it and take its guest over.
func (l trip) deadNode() {
	guest := func(node string, want ...string) {
		l.T.Helper()
		status := ""
		for !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(status, w) }) {
			select {
			case <-l.Ctx.Done():
				l.T.Fatalf("the status of HA lacks %q:\n%s", want, status)
			case <-time.After(time.Second):
			}
			out, _ := l.Systems[node].Run(l.Ctx, "ha-manager", "status")
			status = string(out)
		}
	}
	l.In("wittgenstein", "qm", "create", "100", "--name", "probe", "--memory", "128")
	l.In("wittgenstein", "ha-manager", "add", "vm:100", "--state", "started")
	guest("russell", "service vm:100 (wittgenstein, started)")
	l.Guests.Await(l.T, "100", 20)
	l.PowerOff("wittgenstein")
	began := time.Now()
	guest("russell", "service vm:100 (wittgenstein, fence)")
	guest("russell", "service vm:100 (frege, started)", "service vm:100 (russell, started)")
	l.Guests.Await(l.T, "100", 20)
	l.T.Logf("the guest wrote again after %s", time.Since(began).Round(time.Second))
	l.Guests.Written("100")
}
