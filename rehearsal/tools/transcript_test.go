package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/sim"
)

// transcript is one command as the real program answered it.
type transcript struct {
	Node   string   `json:"node"`
	Cmd    []string `json:"cmd"`
	Stdin  *string  `json:"stdin"`
	Code   int      `json:"rc"`
	Stdout string   `json:"stdout"`
	Stderr string   `json:"stderr"`
}

// varying is what differs between two runs of the real programs, too.
var varying = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`(?m)^Date: .*$`), "Date: D"},
	{regexp.MustCompile(`(?m)^Ring ID: .*$`), "Ring ID: R"},
	{regexp.MustCompile(`UPID:(\w+):[0-9A-F]{8}:[0-9A-F]{8}:[0-9A-F]{8}:`), "UPID:$1:"},
	{regexp.MustCompile(`([0-9A-F]{2}:){31}[0-9A-F]{2}`), "FP"},
	{regexp.MustCompile(`config-\d+\.sql\.gz`), "config-T.sql.gz"},
	{regexp.MustCompile(`(?m)^"version": [1-9]\d*,$`), `"version": V,`},
	{regexp.MustCompile(`"config_digest":"[0-9a-f]{40}"`), `"config_digest":"S"`},
	{regexp.MustCompile(`"repoid":"\w+"`), `"repoid":"R"`},
	{regexp.MustCompile(`\.\.$`), ``},
}

// shape takes out what varies. Lists of JSON come in random order.
func shape(text string) string {
	text = strings.TrimRight(text, "\n")
	for _, v := range varying {
		text = v.find.ReplaceAllString(text, v.put)
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "{") || strings.HasPrefix(l, "[") {
			var doc any
			if json.Unmarshal([]byte(l), &doc) == nil {
				raw, _ := json.Marshal(ordered2(doc))
				lines[i] = string(raw)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// ordered2 sorts lists of objects by their text, and leaves out loads and sizes.
func ordered2(doc any) any {
	switch d := doc.(type) {
	case []any:
		for i := range d {
			d[i] = ordered2(d[i])
		}
		sort.Slice(d, func(i, j int) bool { return fmt.Sprint(d[i]) < fmt.Sprint(d[j]) })
	case map[string]any:
		for _, k := range []string{"cpu", "disk", "maxcpu", "maxdisk", "mem", "maxmem", "uptime"} {
			delete(d, k)
		}
		for k := range d {
			d[k] = ordered2(d[k])
		}
	}
	return doc
}

// stage is a world on which transcripts are played.
type stage struct {
	t               *testing.T
	w               *sim.World
	release         profiles.Release
	matched, failed int
	used            map[string]bool
}

func newStage(t *testing.T, links int, release profiles.Release) *stage {
	var specs []sim.NodeSpec
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		specs = append(specs, sim.NodeSpec{Name: n, Addresses: []string{fmt.Sprintf("10.203.3.1%d", i+1), fmt.Sprintf("10.203.4.1%d", i+1)}[:links]})
	}
	w := NewWorld(7, specs...)
	if err := Speak(w, release.Name); err != nil {
		t.Fatal(err)
	}
	return &stage{t: t, w: w, release: release, used: map[string]bool{}}
}

// play runs the command of a transcript and compares output and code.
func (s *stage) play(files ...string) {
	s.t.Helper()
	for _, name := range files {
		matches, _ := filepath.Glob("testdata/transcripts/" + name + "*.json")
		if len(matches) != 1 {
			s.t.Fatalf("%s names %d transcripts", name, len(matches))
		}
		raw, err := os.ReadFile(matches[0])
		if err != nil {
			s.t.Fatal(err)
		}
		var tr transcript
		if err := json.Unmarshal(raw, &tr); err != nil {
			s.t.Fatal(err)
		}
		s.used[matches[0]] = true
		got := s.run(tr)
		want := sim.Result{Stdout: []byte(derived(s.release, tr.Stdout)), Stderr: []byte(tr.Stderr), Code: tr.Code}
		bad := ""
		if got.Code != want.Code {
			bad += fmt.Sprintf("code %d, real %d\n", got.Code, want.Code)
		}
		if a, b := shape(string(got.Stdout)), shape(string(want.Stdout)); a != b {
			bad += fmt.Sprintf("stdout:\n%s\nreal:\n%s\n", a, b)
		}
		if a, b := shape(string(got.Stderr)), shape(string(want.Stderr)); a != b {
			bad += fmt.Sprintf("stderr:\n%s\nreal:\n%s\n", a, b)
		}
		if bad != "" {
			s.failed++
			s.t.Errorf("%s (%s on %s)\n%s", filepath.Base(matches[0]), strings.Join(tr.Cmd, " "), tr.Node, bad)
			continue
		}
		s.matched++
	}
}

// run runs one command; cat and a shell's echo are this test's own.
func (s *stage) run(tr transcript) sim.Result {
	argv := append([]string(nil), tr.Cmd...)
	fp := fingerprint(s.w.Node("frege").Machine(), "frege")
	for i, a := range argv {
		if strings.HasPrefix(a, "73:0B:F4:35") {
			argv[i] = fp
		}
	}
	if argv[0] == "cat" {
		raw, err := s.w.Node(tr.Node).Files().ReadFile(argv[1])
		if err != nil {
			return sim.Result{Code: 1, Stderr: []byte(err.Error())}
		}
		return sim.Result{Stdout: raw}
	}
	var in []byte
	if tr.Stdin != nil {
		in = []byte(*tr.Stdin)
	}
	limit := 5 * time.Minute
	if tr.Code == -9 {
		limit = 45 * time.Second
	}
	res, err := s.w.Exec(context.Background(), tr.Node, argv, in, nil, limit)
	if err != nil {
		res.Code = -9
	}
	return res
}

func (s *stage) wait(d time.Duration) { s.w.Sim().RunFor(d) }

func (s *stage) ok(node, line string) {
	s.t.Helper()
	if res := do(s.t, s.w, node, line); res.Code != 0 {
		s.t.Fatalf("%s: %d %s", line, res.Code, res.Stderr)
	}
}

// down shuts a node down in an orderly way; up starts it again.
func (s *stage) down(node string) {
	_ = s.w.Node(node).Files().Sync()
	s.w.PowerCut(node, sim.Kept)
	s.wait(8 * time.Second)
}

func (s *stage) up(node string) {
	s.w.Boot(node, nil)
	s.wait(15 * time.Second)
}

func newest() profiles.Release {
	rows := profiles.Releases()
	return rows[len(rows)-1]
}

// The stand-ins answer as the real programs did: same command in the same
// situation, same output shape, same code.
func TestTranscripts(t *testing.T) {
	matched, failed := clusterTranscripts(t, newest())
	need.Figure("cluster.transcripts_matched", matched, "count")
	need.Figure("cluster.transcripts_failed", failed, "count")
}

func clusterTranscripts(t *testing.T, release profiles.Release) (matched, failed int) {
	var all []*stage
	scene := func(name string, links int, f func(*stage)) {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, links, release)
			f(s)
			all = append(all, s)
		})
	}
	scene("standalone", 1, func(s *stage) {
		s.play("01-standalone/001", "01-standalone/002", "01-standalone/003", "01-standalone/006", "01-standalone/007", "01-standalone/008",
			"01-standalone/009", "01-standalone/010", "01-standalone/011", "01-standalone/016", "01-standalone/017", "01-standalone/018", "01-standalone/019")
	})
	scene("cluster", 1, func(s *stage) {
		s.play("02-cluster-ssh/001", "02-cluster-ssh/002", "02-cluster-ssh/003", "02-cluster-ssh/004", "02-cluster-ssh/005", "02-cluster-ssh/006")
		s.play("02-cluster-ssh/007", "02-cluster-ssh/008", "02-cluster-ssh/013")
		s.wait(3 * time.Second)
		s.play("02-cluster-ssh/014", "02-cluster-ssh/015", "02-cluster-ssh/016", "02-cluster-ssh/017", "02-cluster-ssh/018")
		s.play("02-cluster-ssh/019", "02-cluster-ssh/020", "02-cluster-ssh/021", "02-cluster-ssh/022", "02-cluster-ssh/023", "02-cluster-ssh/024", "02-cluster-ssh/025", "02-cluster-ssh/026")
		s.play("03-pvesh-cluster3/001", "03-pvesh-cluster3/003", "03-pvesh-cluster3/005", "03-pvesh-cluster3/006", "03-pvesh-cluster3/007", "03-pvesh-cluster3/008",
			"03-pvesh-cluster3/051", "03-pvesh-cluster3/052", "03-pvesh-cluster3/057", "03-pvesh-cluster3/059")
		s.down("wittgenstein")
		s.play("04-quorum/001", "04-quorum/002", "04-quorum/003", "04-quorum/004", "04-quorum/005")
		s.down("russell")
		s.play("04-quorum/006", "04-quorum/007", "04-quorum/008", "04-quorum/012", "04-quorum/013", "04-quorum/015", "04-quorum/017", "04-quorum/018", "04-quorum/019")
		s.up("russell")
		s.play("04-quorum/021")
		s.up("wittgenstein")
		s.play("04-quorum/023")
		s.play("05-delnode/001", "05-delnode/002", "05-delnode/003", "05-delnode/004", "05-delnode/005", "05-delnode/006", "05-delnode/007", "05-delnode/009", "05-delnode/010",
			"05-delnode/013", "05-delnode/014")
		s.wait(3 * time.Second)
		s.play("05-delnode/016")
	})
	scene("join over the API", 1, func(s *stage) {
		s.play("06-join-api/001", "06-join-api/002", "06-join-api/003")
		s.wait(4 * time.Second)
		s.play("06-join-api/004", "06-join-api/005", "06-join-api/006", "06-join-api/007", "06-join-api/008", "06-join-api/009", "06-join-api/010", "06-join-api/011", "06-join-api/012", "06-join-api/013")
		s.ok("frege", "systemctl stop pveproxy")
		s.play("06-join-api/014")
		s.ok("frege", "systemctl start pveproxy")
		s.play("06-join-api/016", "06-join-api/018", "06-join-api/020")
	})
	scene("refusals", 1, func(s *stage) {
		s.play("08-more-failures/001", "08-more-failures/002", "08-more-failures/003", "08-more-failures/004", "08-more-failures/006", "08-more-failures/007")
	})
	scene("joins that fail", 1, func(s *stage) {
		s.ok("frege", "pvecm create hilbert --link0 10.203.3.11")
		s.wait(5 * time.Second)
		_ = s.w.Node("russell").Files().WriteFile(sim.KeyFile, []byte("left over"), 0o400)
		s.play("08-more-failures/008")
		_ = s.w.Node("russell").Files().Remove(sim.KeyFile)
		_ = s.w.Node("russell").Files().WriteFile(sim.HostConf, []byte("left over"), 0o644)
		s.play("08-more-failures/009")
		s.w.Node("wittgenstein").AddGuest("100")
		s.play("08-more-failures/011")
		_ = s.w.Node("wittgenstein").Files().Remove(sim.EtcPVE + "/nodes/wittgenstein/qemu-server/100.conf")
		s.play("08-more-failures/015", "08-more-failures/016", "08-more-failures/013", "08-more-failures/014")
	})
	scene("UDP is blocked", 1, func(s *stage) {
		s.ok("frege", "pvecm create hilbert --link0 10.203.3.11")
		s.wait(5 * time.Second)
		s.w.BlockUDP("russell", true)
		s.play("08-more-failures/024", "08-more-failures/026")
		s.w.BlockUDP("russell", false)
		s.wait(12 * time.Second)
		s.play("08-more-failures/028")
		s.down("russell")
		s.play("08-more-failures/029", "08-more-failures/030")
	})
	scene("two links", 2, func(s *stage) {
		s.play("12-links-ring/004")
		s.wait(4 * time.Second)
		s.play("12-links-ring/005", "12-links-ring/006", "12-links-ring/007", "12-links-ring/008", "12-links-ring/009", "12-links-ring/010", "12-links-ring/011")
		for _, o := range []string{"russell", "wittgenstein"} {
			s.w.SetLink("frege", o, 0, false)
		}
		s.wait(4 * time.Second)
		s.play("12-links-ring/014", "12-links-ring/015")
		for _, o := range []string{"russell", "wittgenstein"} {
			s.w.SetLink("frege", o, 0, true)
		}
		s.wait(4 * time.Second)
		s.play("12-links-ring/016")
	})
	used := map[string]bool{}
	for _, s := range all {
		matched, failed = matched+s.matched, failed+s.failed
		for f := range s.used {
			used[f] = true
		}
	}
	kept, _ := filepath.Glob("testdata/transcripts/*/*.json")
	for _, f := range kept {
		if !used[f] {
			t.Errorf("%s is played by nobody", f)
		}
	}
	return matched, failed
}
