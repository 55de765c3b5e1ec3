package lab_test

import (
	"encoding/json"
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
	l := trip{lab.New(t, lab.Profile("seconds: 10 ", "seconds: 1 "), "")}
	began := time.Now()
	l.InstallImages()
	l.Await(nil)
	need.Figure("rehearsal.report_s", time.Since(began).Seconds(), "s")
	first := l.checkReports()
	t.Run("provisioning has ended", l.provisioningEnded)
	t.Run("the report is handed out", l.reportHandedOut)
	t.Run("the acceptance runs again", func(t *testing.T) {
		l.In("frege", "firstboot", "accept")
		l.Await(func() bool { return l.report(l.In("wittgenstein", "cat", reportFile)).Run != first.Run })
		if again := l.checkReports(); again.Run == first.Run {
			t.Errorf("the report is still that of run %s", first.Run)
		}
	})
	t.Run("who is off the ring is out of the storage", l.offTheRing)
	t.Run("a guest of a node without power runs elsewhere", l.deadNode)
}

const reportFile = "/var/lib/ringboot/report.json"

// checkReports looks at the report of each node: the same one, with every
// drill that the profile consents to.
func (l trip) checkReports() verdict {
	l.T.Helper()
	text := l.In("frege", "cat", reportFile)
	for _, node := range []string{"russell", "wittgenstein"} {
		if other := l.In(node, "cat", reportFile); l.report(other).Run != l.report(text).Run {
			l.T.Errorf("%s has another report than frege:\n%s", node, other)
		}
	}
	v := l.report(text)
	l.T.Logf("%s: %s", v.Verdict.Outcome, v.Verdict.Sentence)
	if len(v.Ceph.OSDs) != 3 {
		l.T.Errorf("the report knows %d OSDs, not 3", len(v.Ceph.OSDs))
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
func (l trip) provisioningEnded(t *testing.T) {
	for _, n := range l.Profile.Nodes {
		l.In(n.Name, "test", "-s", "/var/lib/ringboot/window-closed")
		copies := l.In(n.Name, "find", "/etc", "/home", "/root", "/var", "-xdev", "-type", "f", "-size", "256c", "-exec", "cmp", "-s", "{}", "/etc/corosync/authkey", ";", "-print")
		if got := strings.Fields(copies); !slices.Equal(got, []string{"/etc/corosync/authkey"}) {
			t.Errorf("%s has the cluster's key in %v", n.Name, got)
		}
		for _, left := range []string{"join", "replace", "apt.conf"} {
			if out, err := l.Systems[n.Name].Run(l.Ctx, "ls", "/var/lib/ringboot/"+left); err == nil {
				t.Errorf("%s still has %s: %s", n.Name, left, out)
			}
		}
		if guests := l.In(n.Name, "qm", "list"); guests != "" {
			t.Errorf("the acceptance left guests on %s:\n%s", n.Name, guests)
		}
	}
	if ha := l.In("russell", "ha-manager", "config"); ha != "" {
		t.Errorf("the acceptance left resources:\n%s", ha)
	}
}

// reportHandedOut: on a node, from the LAN with the keyring, and in a browser.
func (l trip) reportHandedOut(t *testing.T) {
	picture := l.In("russell", "firstboot", "peers", "--plain")
	for _, n := range l.Profile.Nodes {
		if !strings.Contains(picture, n.Name) {
			t.Errorf("russell's picture lacks %s:\n%s", n.Name, picture)
		}
	}
	want := l.In("frege", "cat", reportFile)
	got := l.Output(l.LAN.Command(l.Ctx, l.Tool("peers"), "report", "--format", "json", "--profile", l.File))
	if got != want {
		t.Errorf("peers report hands out\n%s\nnot\n%s", got, want)
	}
	curl := func(path string) string {
		return l.Output(l.LAN.Command(l.Ctx, "curl", "--silent", "--show-error", "--fail", "--insecure", "https://"+l.Profile.Nodes[2].Address.String()+":8644"+path))
	}
	if got := l.report(curl("/report.json")); got.Run != l.report(want).Run {
		t.Errorf("the status page of wittgenstein has the report of run %s", got.Run)
	}
	if page := curl("/report"); !strings.Contains(page, "<html") || !strings.Contains(page, "philosophers") {
		t.Errorf("the status page shows no report:\n%s", page)
	}
}

// offTheRing takes both ring ports of a node down, as a test of the stand-ins:
// monitors are those that the public network reaches. The agent mends the ring.
func (l trip) offTheRing(t *testing.T) {
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
			t.Fatal(err)
		}
		return strings.Join(s.Quorum, " ") + " " + s.Health.Status
	}
	until := func(node, want string) {
		t.Helper()
		for last := ""; last != want; last = members(node) {
			select {
			case <-l.Ctx.Done():
				t.Fatalf("the monitors are %q on %s, not %q", last, node, want)
			case <-time.After(time.Second):
			}
		}
	}
	l.In("wittgenstein", "systemctl", "stop", "ringboot") // it would mend the ring at once
	for _, port := range []string{"en05", "en06"} {
		l.In("wittgenstein", "ip", "link", "set", port, "down")
	}
	until("wittgenstein", "none")
	until("frege", "frege russell HEALTH_WARN")
	l.In("wittgenstein", "systemctl", "start", "ringboot")
	until("wittgenstein", "frege russell wittgenstein HEALTH_OK")
	until("frege", "frege russell wittgenstein HEALTH_OK")
}

// deadNode ends a system in an instant, as a power cut does: the others fence
// it and take its guest over.
func (l trip) deadNode(t *testing.T) {
	guest := func(node string, want ...string) {
		t.Helper()
		status := ""
		for !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(status, w) }) {
			select {
			case <-l.Ctx.Done():
				t.Fatalf("the status of HA lacks %q:\n%s", want, status)
			case <-time.After(time.Second):
			}
			out, _ := l.Systems[node].Run(l.Ctx, "ha-manager", "status")
			status = string(out)
		}
	}
	l.In("wittgenstein", "qm", "create", "100", "--name", "probe", "--memory", "128")
	l.In("wittgenstein", "ha-manager", "add", "vm:100", "--state", "started")
	guest("russell", "service vm:100 (wittgenstein, started)")
	l.Systems["wittgenstein"].Stop()
	began := time.Now()
	guest("russell", "service vm:100 (wittgenstein, fence)")
	guest("russell", "service vm:100 (frege, started)", "service vm:100 (russell, started)")
	t.Logf("the guest ran again after %s", time.Since(began).Round(time.Second))
}
