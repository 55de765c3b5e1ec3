package report

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/throughput"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

func result(gbit float64) *throughput.Result {
	return &throughput.Result{Bytes: uint64(gbit * 1.25e9), Elapsed: 10 * time.Second, Gbit: gbit, Retransmits: 412, Segment: 65468,
		Latency: throughput.Latency{Median: 0.612, Worst: 0.94, Trips: 500}, MTU: 65520, FullSize: throughput.FullSize{Sent: 8, Returned: 8}}
}

// good is a report of a sound cluster.
func good() *Report {
	made := time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)
	r := &Report{Version: Version, Made: made, MadeBy: "frege", Agent: "1.0.0", Run: "20261123T015500Z",
		Cluster: Cluster{Name: "principia", ID: "0123456789abcdef", Plan: strings.Repeat("ab", 32), Founder: "frege", Quorate: true, ConfigVersion: 3, ConfigSame: true},
		Ring:    Ring{Transport: "thunderbolt", MTU: 65520, Limits: (&profiles.Profile{Ring: profiles.Ring{Transport: "thunderbolt"}}).Transport().Limits},
		Ceph: Ceph{Enabled: true, Health: "HEALTH_OK", FSID: "e35b06ce-917c-4e3c-9c7c-02bf5b2646ad", Release: "20.2.0 tentacle", Network: "10.203.4.0/24",
			Monitors: []string{"frege", "russell", "wittgenstein"}, Active: "frege", Standby: []string{"russell", "wittgenstein"},
			Pools: []Pool{{".mgr", 3, 2, 1, "on"}, {"vm", 3, 2, 32, "on"}}, Raw: 6001175126016, Used: 1932735283, Usable: 1899956092108, WriteMBs: 1187, ReadMBs: 1743},
		HA: HA{Enabled: true, Migration: "type=secure,network=10.203.4.0/24", Policy: "migrate",
			Drills: []Drill{
				{Name: "management", Title: "Management path", Outcome: Passed, Sentence: "every node's interface answered every other node"},
				{Name: "corosync", Title: "Corosync links", Outcome: Passed, Sentence: "two links between every pair, all connected"},
				{Name: "bandwidth", Title: "Ring bandwidth", ByLinks: true, Outcome: Passed, Sentence: "three cables measured in both directions"},
				{Name: "storage", Title: "Ceph write and read", Outcome: Passed, Sentence: "256 MiB written and read back equal"},
				{Name: "migration", Title: "Live migration", Outcome: Passed, Sentence: "moved frege → russell → wittgenstein → frege, marker unharmed", Figures: []Figure{{"longest downtime", 74, "ms"}}},
				{Name: "maintenance", Title: "Planned maintenance", Outcome: Passed, Sentence: "the guest left frege and came back", Figures: []Figure{{"moved after", 31, "s"}}},
				{Name: "power-cut", Title: "Power cut", Outcome: Passed, Sentence: "wittgenstein was reset while the guest ran on it; the guest ran again on frege", Figures: []Figure{{"outage", 138, "s"}}},
			},
			TimeLine: []Moment{{made, 0, "wittgenstein is reset"}, {made, 68, "the cluster fences wittgenstein"}, {made, 128, "the guest is recovered on frege"},
				{made, 138, "the guest runs again"}, {made, 171, "wittgenstein is back"}, {made, 204, "Ceph is healthy again"}}},
		Issues:   []Issue{{Severity: Note, Node: "russell", Text: "the ring port en06 came up on the second try"}},
		Risks:    []Risk{{Node: "frege", Text: "nvme1n1 (S5GXNX0T) is a consumer disk without power-loss protection: a power cut may lose writes that Ceph was told were safe"}},
		Untested: []Untested{{"two nodes lost at once", "a cluster of three stops by design"}},
		NextSteps: []string{"Take the sticks out of the machines and keep them.", "Set up backups: Datacenter, Backup at https://10.203.3.11:8006/.",
			"Read docs/recovery.md once before it is needed."},
		Timings: []Timing{{"frege", "cluster", 41}, {"frege", "ceph", 213}},
		Seconds: 1284, Login: Login{Users: []string{"kellen", "root"}, Realm: "Linux PAM standard authentication"},
	}
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		r.Cluster.Nodes = append(r.Cluster.Nodes, NodeRow{Name: name, Address: fmt.Sprintf("10.203.3.%d", 11+i), Ring: fmt.Sprintf("10.203.4.%d", 11+i), NodeID: i + 1, Online: true,
			Plan: strings.Repeat("cd", 32), Maker: "Micro Computer (HK)", Model: "Venus Series MS-01", Serial: fmt.Sprintf("MF19%05d", i), BIOS: "1.27", CPU: "13th Gen Intel Core i9-13900H",
			MemoryMB: 98304, Watchdog: "softdog", Versions: map[string]string{"pve-manager": "9.2.11", "corosync": "3.1.10-pve3", "kernel": "6.17.2-1-pve"},
			Disks: []DiskRow{{"nvme0n1", "S4EWNX0R", "Samsung SSD 980 500GB", 500107862016, "root", ""}, {"nvme1n1", "S5GXNX0T", "Samsung SSD 990 PRO 2TB", 2000398934016, fmt.Sprintf("osd.%d", i), "no power-loss protection"}}})
		r.Ceph.OSDs = append(r.Ceph.OSDs, OSD{i, name, "S5GXNX0T", "nvme", 2000398934016, true, true})
		r.Access = append(r.Access, Access{Node: name, URL: fmt.Sprintf("https://10.203.3.%d:8006/", 11+i), Status: fmt.Sprintf("https://10.203.3.%d:8644/", 11+i), Fingerprint: strings.TrimSuffix(strings.Repeat("5A:", 32), ":"), Answered: true})
		for _, peer := range []string{"frege", "russell", "wittgenstein"} {
			if peer != name {
				r.Cluster.Links = append(r.Cluster.Links, Corosync{name, peer, 0, true, 1397}, Corosync{name, peer, 1, true, 65413})
			}
		}
	}
	r.Ring.Links = []Link{
		{"frege", "en05", "russell", "en06", result(22.4), result(23.1), throughput.Good, "frege to russell: 22.4 Gbit/s"},
		{"russell", "en05", "wittgenstein", "en06", result(21.9), result(22.0), throughput.Good, "russell to wittgenstein: 21.9 Gbit/s"},
		{"wittgenstein", "en05", "frege", "en06", result(24.6), result(22.7), throughput.Good, "wittgenstein to frege: 22.7 Gbit/s"},
	}
	r.Conclude()
	return r
}

// bad is one where a good deal went wrong.
func bad() *Report {
	r := good()
	r.Ring.Links[0].Grade, r.Ring.Links[0].There, r.Ring.Links[0].Back = throughput.Slow, result(13.2), result(13.4)
	r.Ring.Links[0].Verdict = "frege to russell: 13.2 Gbit/s of the 18 that a sound link reaches: one lane only, or interrupts on an efficiency core; check rx_lanes, reseat the cable"
	r.Ring.Links[2] = Link{A: "wittgenstein", APort: "en05", B: "frege", BPort: "en06", Grade: throughput.Bad, Verdict: "no cable between wittgenstein and frege: plug one in"}
	r.HA.Drills[6] = Drill{Name: "power-cut", Title: "Power cut", Outcome: Failed, Sentence: "the guest ran again after 341 s, later than 300 s", Figures: []Figure{{"outage", 341, "s"}}}
	r.HA.TimeLine[3].After, r.HA.TimeLine[4].After, r.HA.TimeLine[5].After = 341, 352, 391
	r.HA.Drills[5] = Drill{Name: "maintenance", Title: "Planned maintenance", Outcome: Untried, Sentence: "the profile does not consent"}
	r.Ceph.Health, r.Ceph.Allowed = "HEALTH_WARN", []Allowed{{"MON_CLOCK_SKEW", "clock skew detected on mon.russell", "It is measured every five minutes and goes by itself once chrony has settled."}}
	r.Ceph.OSDs[2].Up = false
	r.Cluster.Links[7].Connected = false
	r.Issues = append(r.Issues, Issue{Severity: Error, Node: "wittgenstein", Text: "no cable between wittgenstein and frege", Remedy: "Plug one in; the ring comes back by itself."})
	r.Conclude()
	return r
}

func TestConclude(t *testing.T) {
	if v := good().Verdict; v.Outcome != Passed || v.Sentence != "The cluster principia of 3 nodes passed everything that was tried." || len(v.Reasons) != 0 {
		t.Errorf("good: %+v", v)
	}
	v := bad().Verdict
	if v.Outcome != Failed || !strings.HasPrefix(v.Sentence, "The cluster principia of 3 nodes did not pass: corosync link 1 from russell to wittgenstein is not connected. Not tried: maintenance.") {
		t.Errorf("bad: %+v", v)
	}
	want := []string{
		"corosync link 1 from russell to wittgenstein is not connected",
		"ring, no cable between wittgenstein and frege: plug one in",
		"power-cut: the guest ran again after 341 s, later than 300 s",
		"wittgenstein: no cable between wittgenstein and frege",
		"ring, frege to russell: 13.2 Gbit/s of the 18",
		"Ceph warns: clock skew detected on mon.russell",
	}
	if len(v.Reasons) != len(want) {
		t.Fatalf("%d reasons, want %d: %q", len(v.Reasons), len(want), v.Reasons)
	}
	for i := range want {
		if !strings.HasPrefix(v.Reasons[i], want[i]) {
			t.Errorf("reason %d is %q, want %q", i, v.Reasons[i], want[i])
		}
	}
	slow := good()
	slow.Ring.Links[1].Grade = throughput.Slow
	slow.Conclude()
	if slow.Verdict.Outcome != Warnings || slow.Verdict.Sentence != "The cluster principia of 3 nodes works, with 1 thing to look at." {
		t.Errorf("slow: %+v", slow.Verdict)
	}
	for name, spoil := range map[string]func(*Report){
		"quorum":      func(r *Report) { r.Cluster.Quorate = false },
		"config":      func(r *Report) { r.Cluster.ConfigSame = false },
		"node":        func(r *Report) { r.Cluster.Nodes[1].Online = false },
		"ceph":        func(r *Report) { r.Ceph.Health = "HEALTH_ERR" },
		"unexplained": func(r *Report) { r.Ceph.Health = "HEALTH_WARN" },
		"interface":   func(r *Report) { r.Access[0].Answered = false },
		"drill":       func(r *Report) { r.HA.Drills[4].Outcome = Failed },
		"issue":       func(r *Report) { r.Issues[0].Severity = Error },
	} {
		r := good()
		spoil(r)
		r.Conclude()
		if r.Verdict.Outcome != Failed {
			t.Errorf("%s: the verdict is %s", name, r.Verdict.Outcome)
		}
	}
}

// dataTag is how the page marks a number.
var dataTag = regexp.MustCompile(`<data value="([^"]+)" data-path="([^"]+)">([^<]+)</data>`)

// lookup walks the JSON form on its own, apart from the page's code.
func lookup(t *testing.T, tree any, path string) float64 {
	t.Helper()
	for _, step := range strings.Split(path, ".") {
		if list, ok := tree.([]any); ok {
			i, err := strconv.Atoi(step)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			tree = list[i]
			continue
		}
		tree = tree.(map[string]any)[step]
	}
	if tree == nil {
		return 0
	}
	return tree.(float64)
}

func TestThePagesNumbersAreThoseOfTheJSON(t *testing.T) {
	units := map[string]float64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}
	for name, r := range map[string]*Report{"good": good(), "bad": bad()} {
		text, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatal(err)
		}
		page, err := r.HTML()
		if err != nil {
			t.Fatal(err)
		}
		found := dataTag.FindAllStringSubmatch(string(page), -1)
		if len(found) < 60 {
			t.Errorf("%s: only %d numbers on the page", name, len(found))
		}
		for _, m := range found {
			want := lookup(t, tree, m[2])
			if raw, err := strconv.ParseFloat(m[1], 64); err != nil || raw != want {
				t.Errorf("%s: %s is %s on the page, %v in the JSON", name, m[2], m[1], want)
			}
			shown, unit, _ := strings.Cut(m[3], noBreak)
			n, err := strconv.ParseFloat(shown, 64)
			if err != nil {
				t.Errorf("%s: %s shows %q", name, m[2], m[3])
				continue
			}
			if strings.HasSuffix(m[2], "bytes") {
				n *= units[unit]
			}
			_, decimals, _ := strings.Cut(shown, ".")
			step := math.Pow(10, -float64(len(decimals)))
			if strings.HasSuffix(m[2], "bytes") {
				step *= units[unit]
			}
			if math.Abs(n-want) > step/2+1e-9*math.Abs(want) {
				t.Errorf("%s: %s shows %q for %v", name, m[2], m[3], want)
			}
		}
		// The drawing shows the rates too.
		for _, l := range r.Ring.Links {
			if l.There != nil && !strings.Contains(string(page), fmt.Sprintf("%.1f Gbit/s</text>", l.There.Gbit)) {
				t.Errorf("%s: the drawing lacks %.1f", name, l.There.Gbit)
			}
		}
	}
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	page, err := bad().HTML()
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"src=", "<link", "@import", "url(", "<script", "<iframe"} {
		if strings.Contains(string(page), never) {
			t.Errorf("the page has %q", never)
		}
	}
}

func TestTextFromOutsideStaysText(t *testing.T) {
	r := good()
	r.Cluster.Nodes[0].Model = `<script>alert(1)</script>`
	r.Ring.Links[0].APort = `"><b>x`
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(page), "<script>") || strings.Contains(string(page), "<b>x") {
		t.Error("a disk's model or a port's name became markup")
	}
}

func TestMarkdownSaysTheSame(t *testing.T) {
	r := bad()
	text, err := r.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		r.Verdict.Sentence, "## 1 Cluster status", "## 2 Ring bandwidth", "## 3 Ceph status and capacity", "## 4 Management interface",
		"## 5 High availability", "## 6 Issues met", "## 7 Next steps", "| 13.2 |", "341" + noBreak + "s", "MON_CLOCK_SKEW", "S5GXNX0T",
		"no cable between wittgenstein and frege: plug one in", "1.90" + noBreak + "TB usable",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Markdown lacks %q", want)
		}
	}
}

func TestParseReadsWhatJSONWrites(t *testing.T) {
	text, err := bad().JSON()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(text) {
		t.Error("a report read and written again is another one")
	}
	if _, err := Parse([]byte(`{"version":2,"agent":"2.0"}`)); err == nil || err.Error() != "the report has version 2, this program reads 1: use the peers of the agent 2.0" {
		t.Errorf("a newer report: %v", err)
	}
}

func TestByteText(t *testing.T) {
	for n, want := range map[float64]string{0: "0 B", 999: "999 B", 1000: "1.00 kB", 500107862016: "500 GB", 2000398934016: "2.00 TB", 1899956092108: "1.90 TB", 24e12: "24.0 TB"} {
		if got := byteText(n); got != strings.ReplaceAll(want, " ", noBreak) {
			t.Errorf("%v is %q, want %q", n, got, want)
		}
	}
}

// TestScreenshots draws the page in a real browser, wide and narrow, light
// and dark, good and bad. It asserts that the browser drew a page of that
// width without a horizontal scroll bar; the pictures are for people and stay
// in RINGBOOT_SCREENSHOTS, where that is set.
func TestScreenshots(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "chromium")
	dir := t.TempDir()
	if keep := os.Getenv("RINGBOOT_SCREENSHOTS"); keep != "" {
		dir = keep
	}
	for name, r := range map[string]*Report{"good": good(), "bad": bad()} {
		page, err := r.HTML()
		if err != nil {
			t.Fatal(err)
		}
		for _, width := range []int{1200, 390} {
			// The page is put into a frame of that width that reports how wide its content is.
			probe := strings.Replace(string(page), "</body>", fmt.Sprintf(
				`<script>document.title=document.documentElement.scrollWidth<=%d?"fits":"too wide: "+document.documentElement.scrollWidth</script></body>`, width), 1)
			probe = strings.Replace(probe, "default-src 'none'; style-src 'unsafe-inline'", "script-src 'unsafe-inline'; style-src 'unsafe-inline'", 1)
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.html", name, width))
			if err := os.WriteFile(file, []byte(probe), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, scheme := range []string{"light", "dark"} {
				if width == 390 && scheme == "dark" && name == "good" {
					continue
				}
				browse(t, dir, file, fmt.Sprintf("%s-%d-%s.png", name, width, scheme), width, scheme)
			}
		}
	}
}

func browse(t *testing.T, dir, file, picture string, width int, scheme string) {
	t.Helper()
	// Headless Chromium's window is never narrower than 500 pixels; a frame is.
	frame := filepath.Join(dir, "frame-"+picture+".html")
	html := fmt.Sprintf(`<!DOCTYPE html><meta name="color-scheme" content="%s"><body style="margin:0;overflow:hidden"><iframe id="f" src="%s" style="border:0;width:%dpx;height:5200px"></iframe>`,
		scheme, filepath.Base(file), width)
	if err := os.WriteFile(frame, []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
	argv := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir=" + filepath.Join(t.TempDir(), "profile"), "--allow-file-access-from-files",
		"--hide-scrollbars", fmt.Sprintf("--window-size=%d,5200", max(width, 500)), "--screenshot=" + filepath.Join(dir, picture)}
	if scheme == "dark" {
		argv = append(argv, "--blink-settings=preferredColorScheme=0")
	} else {
		argv = append(argv, "--blink-settings=preferredColorScheme=1")
	}
	out, err := exec.Command("chromium", append(argv, "file://"+frame)...).CombinedOutput()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, out)
	}
	if info, err := os.Stat(filepath.Join(dir, picture)); err != nil || info.Size() < 20000 {
		t.Errorf("no picture %s: %v %v", picture, info, err)
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse(text) })
}
