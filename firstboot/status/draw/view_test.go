package draw

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"ringboot/discovery"
	"ringboot/firstboot/status"
)

// updateEnv makes the tests write the golden files instead of comparing.
const updateEnv = "UPDATE_GOLDEN"

var (
	now   = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	names = []string{"frege", "russell", "wittgenstein"}
	yesS  = status.State{OK: true}
)

// working is a cluster in the middle of its forming, in which all is well.
func working() Sources {
	s := Sources{Cluster: "principia", Nodes: names, Keyring: true, Now: now, Heard: map[string]discovery.Peer{}, Asked: map[string]status.Status{}, States: map[string]status.PeerStatus{}}
	for i, name := range names {
		next, last := names[(i+1)%3], names[(i+2)%3]
		addr := netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)})
		s.Heard[name] = discovery.Peer{Alive: true, Verified: true, Last: now, Record: discovery.Record{
			Node: name, Phase: "cluster", Step: 6, Steps: 11, Plan: "8f14e45fceea167a", Addresses: []netip.Addr{addr},
			Neighbours: []discovery.Neighbour{{Port: "en05", Node: next, State: "up", Mbit: 20000}, {Port: "en06", Node: last, State: "up", Mbit: 20000}},
		}}
		s.Asked[name] = status.Status{
			Node: name, Phase: "cluster", Step: 6, Steps: 11, Since: now.Add(-95 * time.Second), Plan: "8f14e45fceea167a5a36dedd4bea2543",
			Ring: status.RingView{Whole: true, Ports: []status.RingPort{
				{Name: "en05", Present: true, Up: true, Carrier: true, Alive: true, Proven: true, Peer: next, PeerPort: "en06", SpeedMbit: 20000},
				{Name: "en06", Present: true, Up: true, Carrier: true, Alive: true, Proven: true, Peer: last, PeerPort: "en05", SpeedMbit: 20000},
			}},
			Peers:  []status.PeerStatus{{Node: next, Member: status.State{Why: "not in the cluster yet"}}, {Node: last, Member: status.State{Why: "not in the cluster yet"}}},
			Events: []status.Event{{Time: now.Add(-time.Duration(i+1) * time.Minute), Text: "ring done: ring whole"}},
		}
		s.States[name] = status.PeerStatus{Node: name, Address: addr.String() + ":8643", Reachable: yesS, Trusted: yesS}
	}
	return s
}

// lose makes wittgenstein answer nobody.
func lose(s Sources, seen bool, reachable, trusted status.State) Sources {
	delete(s.Asked, "wittgenstein")
	if !seen {
		delete(s.Heard, "wittgenstein")
	}
	s.States["wittgenstein"] = status.PeerStatus{Node: "wittgenstein", Address: "10.203.3.13:8643", Reachable: reachable, Trusted: trusted}
	return s
}

func each(s Sources, change func(*status.Status)) Sources {
	for name, status := range s.Asked {
		change(&status)
		s.Asked[name] = status
	}
	return s
}

// cutCable takes the cable between frege and wittgenstein away at both ends.
func cutCable(s Sources) Sources {
	why := "no cable between frege and wittgenstein: en06 has no carrier; plug it in, or start wittgenstein"
	f, w := s.Asked["frege"], s.Asked["wittgenstein"]
	f.Ring.Ports[1].Alive, f.Ring.Ports[1].Proven, f.Ring.Ports[1].Verdict = false, false, why
	w.Ring.Ports[0].Alive, w.Ring.Ports[0].Proven, w.Ring.Ports[0].Verdict = false, false, why
	f.Waiting = "the ring is not proven: frege: " + why
	f.Phase, f.Step = "peers", 5
	s.Asked["frege"], s.Asked["wittgenstein"] = f, w
	return s
}

// inAChain takes that cable out by consent: frege has a port that stays free, and
// wittgenstein has one port.
func inAChain(s Sources) Sources {
	s = each(s, func(st *status.Status) {
		st.Ring.Chain = "russell"
		switch st.Node {
		case "frege":
			st.Ring.Ports[1] = status.RingPort{Name: "en06", Free: true}
		case "wittgenstein":
			st.Ring.Ports = st.Ring.Ports[1:]
		}
	})
	for i, name := range []string{"frege", "wittgenstein"} {
		p := s.Heard[name]
		p.Record.Neighbours = p.Record.Neighbours[i : i+1]
		s.Heard[name] = p
	}
	return s
}

// pictures are all the states that a person may come to see.
func pictures() map[string]Sources {
	unverified := working()
	unverified.Keyring, unverified.Nodes, unverified.Asked, unverified.States = false, nil, nil, nil
	for name, p := range unverified.Heard {
		p.Verified, p.Why = false, "its key is not known here yet"
		p.Record.Waiting = "have 2/3, missing frege"
		unverified.Heard[name] = p
	}
	unverified.Cluster = "0123456789abcdef"

	stopped := working()
	r := stopped.Asked["russell"]
	r.Stopped, r.Waiting = true, "russell holds 2 guests, and a join would hide them: move them away, or install it anew"
	stopped.Asked["russell"] = r

	clash := working()
	p := clash.Heard["russell"]
	p.Clash = "two machines answer as russell: 10.203.3.12 and 10.203.3.66"
	clash.Heard["russell"] = p
	clash.Notes = []string{"3 records were not signed with their node's key: somebody on this network plays a node"}

	unproven := working()
	w := unproven.Asked["wittgenstein"]
	w.Ring.Ports[1].Proven, w.Ring.Ports[1].Verdict = false, "packets of 65520 bytes do not pass between wittgenstein and russell, short ones do: check the MTU at both ends of en06, or use another cable"
	unproven.Asked["wittgenstein"] = w

	formed := each(working(), func(s *status.Status) {
		s.Phase, s.Step, s.Verdict = status.PhaseFormed, 11, "all 11 steps are done"
		for i := range s.Peers {
			s.Peers[i].Member = yesS
		}
	})
	risky := each(working(), func(s *status.Status) {
		s.Phase, s.Step = status.PhaseFormed, 11
		for i := range s.Peers {
			s.Peers[i].Member = yesS
		}
	})
	f := risky.Asked["frege"]
	f.Risks = []string{"the management bond has one port only: a pulled cable takes the node off the network"}
	risky.Asked["frege"] = f

	ended := func(outcome string, reasons ...string) Sources {
		return each(working(), func(s *status.Status) {
			s.Phase, s.Step = status.PhaseFormed, 11
			for i := range s.Peers {
				s.Peers[i].Member = yesS
			}
			s.Acceptance = accepted(outcome, reasons...)
		})
	}
	building := each(working(), func(s *status.Status) {
		s.Phase, s.Step, s.Waiting = "ceph", 8, "Ceph is not installed yet"
		s.Plans = nil
		for i, name := range []string{"identity", "base", "management", "ring", "peers", "cluster", "proof", "ceph", "ha", "accept", "report"} {
			p := status.StepStatus{Name: name, State: "pending"}
			switch {
			case i < 7:
				p.State, p.Since = "done", s.Since.Add(time.Duration(i-7)*20*time.Second)
			case i == 7:
				p.State = "todo"
			}
			s.Plans = append(s.Plans, p)
		}
	})
	building.Page = 8644

	hostile := working()
	h := hostile.Asked["russell"]
	h.Waiting = "\x1b[2J\x1b]0;owned\x07 <script>alert(1)</script> \u202egnp.exe"
	hostile.Asked["russell"] = h

	gone := lose(working(), true, status.State{Why: "10.203.3.13:8643 timed out"}, status.State{Why: "not reachable"})
	late := gone.Heard["wittgenstein"]
	late.Alive, late.Last = false, now.Add(-72*time.Second)
	gone.Heard["wittgenstein"] = late

	two := working()
	two.Nodes = names[:2]

	return map[string]Sources{
		"empty":         {Cluster: "principia", Keyring: true, Now: now},
		"silent":        {Nodes: names, Now: now, Silence: "no interface is up, has an address and can multicast"},
		"working":       working(),
		"unverified":    unverified,
		"not-reachable": lose(working(), true, status.State{Why: "10.203.3.13:8643 refused"}, status.State{Why: "not reachable"}),
		"not-seen":      lose(working(), false, status.State{Why: "10.203.3.13:8643 no route to host"}, status.State{Why: "not reachable"}),
		"not-trusted":   lose(working(), true, yesS, status.State{Why: "certificate comes from another ca: wittgenstein was installed from another cluster's image"}),
		"gone":          gone,
		"cable":         cutCable(working()),
		"chain":         inAChain(working()),
		"unproven":      unproven,
		"stopped":       stopped,
		"clash":         clash,
		"formed":        formed,
		"risk":          risky,
		"hostile":       hostile,
		"building":      building,
		"accepted":      ended(status.OutcomePassed),
		"warnings":      ended(status.OutcomeWarnings, "ring, frege to russell: 13.2 Gbit/s of the 18 that a sound link reaches"),
		"not-accepted":  ended("failed", "ring, frege to russell: 4.6 Gbit/s, below 5: reseat the cable", "power-cut: the guest ran again after 341 s, later than 300 s"),
		"two-nodes":     two,
	}
}

func TestPicturesOfEveryState(t *testing.T) {
	for name, s := range pictures() {
		p := New(s)
		for form, text := range map[string]string{"80": p.Text(Style{Width: 80}), "200": p.Text(Style{Width: 200}), "plain": p.Plain()} {
			golden(t, name+"."+form+".txt", text)
			if strings.ContainsAny(text, "\x1b\x07") {
				t.Errorf("%s.%s: control characters without colour", name, form)
			}
		}
		for i, line := range strings.Split(p.Text(Style{Width: 80}), "\n") {
			if n := utf8.RuneCountInString(line); n > 80 && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%s: line %d has %d columns: %s", name, i+1, n, line)
			}
		}
		text, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", string(text)+"\n")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv(updateEnv) != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (set %s=1 to write it anew):\n%s", name, updateEnv, diff)
	}
}

func TestVerdicts(t *testing.T) {
	all := pictures()
	for name, want := range map[string][2]string{
		"empty":         {status.StateEmpty, "nothing heard: are the nodes switched on, and in this network?"},
		"silent":        {status.StateEmpty, "nothing heard: no interface is up, has an address and can multicast"},
		"working":       {status.StateForming, "forming: have 3/3, step 6 of 11, cluster: frege makes the cluster"},
		"building":      {status.StateForming, "forming: have 3/3, step 8 of 11, ceph: frege installs Ceph and makes the storage (Ceph is not installed yet)"},
		"unverified":    {status.StateWaiting, "waiting, unverified: have 3/3, step 6 of 11, cluster at frege: have 2/3, missing frege"},
		"accepted":      {status.StateAccepted, "formed and accepted: 3 of 3 nodes, no known risk"},
		"warnings":      {status.StateWarnings, "formed with warnings: 3 of 3 nodes; ring, frege to russell: 13.2 Gbit/s of the 18 that a sound link reaches"},
		"not-accepted":  {status.StateNotAccepted, "formed and not accepted: 3 of 3 nodes; ring, frege to russell: 4.6 Gbit/s, below 5: reseat the cable, and 1 reason more"},
		"not-reachable": {status.StateWaiting, "waiting: have 2/3, missing wittgenstein (seen, not reachable: 10.203.3.13:8643 refused)"},
		"not-seen":      {status.StateWaiting, "waiting: have 2/3, missing wittgenstein (not seen, not reachable: 10.203.3.13:8643 no route to host)"},
		"stopped":       {status.StateStopped, "stopped: russell needs a person: russell holds 2 guests, and a join would hide them: move them away, or install it anew"},
		"formed":        {status.StateFormed, "formed: 3 of 3 nodes, no known risk"},
		"risk":          {status.StateFormed, "formed: 3 of 3 nodes, 1 risk"},
	} {
		p := New(all[name])
		if p.State != want[0] || p.Verdict != want[1] {
			t.Errorf("%s: got %s %q, want %s %q", name, p.State, p.Verdict, want[0], want[1])
		}
	}
}

func TestLinksTakeTheWorseEnd(t *testing.T) {
	states := func(p Picture) string {
		var out []string
		for _, l := range p.Links {
			out = append(out, l.A+"-"+l.B+" "+l.State)
		}
		return strings.Join(out, ", ")
	}
	all := pictures()
	heard := inAChain(working())
	heard.Keyring, heard.Nodes, heard.Asked, heard.States = false, nil, nil, nil
	all["chain, heard alone"] = heard
	dark := inAChain(working())
	delete(dark.Asked, "russell")
	delete(dark.Heard, "russell")
	all["chain, without its middle"] = dark
	early := inAChain(working())
	f := early.Asked["frege"]
	f.Ring.Ports = []status.RingPort{{Name: "en05"}, {Name: "en06"}}
	early.Asked["frege"] = f
	all["chain, an end that heard nobody"] = early
	for name, want := range map[string]string{
		"chain":                           "frege-russell up, russell-wittgenstein up",
		"chain, heard alone":              "frege-russell up, russell-wittgenstein up",
		"chain, without its middle":       "frege-russell unproven, wittgenstein-russell unproven",
		"chain, an end that heard nobody": "russell-wittgenstein up, russell-frege unproven",
		"working":                         "frege-russell up, frege-wittgenstein up, russell-wittgenstein up",
		"unverified":                      "frege-russell up, frege-wittgenstein up, russell-wittgenstein up",
		"cable":                           "frege-russell up, frege-wittgenstein down, russell-wittgenstein up",
		"unproven":                        "frege-russell up, frege-wittgenstein up, russell-wittgenstein unproven",
		"not-seen":                        "frege-russell up, frege-wittgenstein unproven, russell-wittgenstein unproven",
		"not-reachable":                   "frege-russell up, frege-wittgenstein up, russell-wittgenstein up", // its record tells of its end
	} {
		if got := states(New(all[name])); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestColourIsNeverAlone(t *testing.T) {
	escapes := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	for name, s := range pictures() {
		p := New(s)
		colored := p.Text(Style{Width: 80, Color: true})
		if !escapes.MatchString(colored) {
			t.Errorf("%s has no colour", name)
		}
		if got := escapes.ReplaceAllString(colored, ""); got != p.Text(Style{Width: 80}) {
			t.Errorf("%s says something by colour alone, or colour moves it", name)
		}
	}
}

// ownLinks are the links and addresses that a page may hold: those of the nodes.
var ownLinks = regexp.MustCompile(`(?:<a href="https://10\.203\.3\.1[123]:(?:8006|8644)/(?:report)?">)?https://10\.203\.3\.1[123]:(?:8006|8644)/(?:report)?|<a href="https://10\.203\.3\.1[123]:(?:8006|8644)/">`)

func TestThePageIsWholeAndHarmless(t *testing.T) {
	for name, s := range pictures() {
		p := New(s)
		text, err := p.Page()
		if err != nil {
			t.Fatal(err)
		}
		page := string(text)
		page = ownLinks.ReplaceAllString(page, "")
		for _, bad := range []string{"<script", "src=", "http://", "https://", "@import", "url(", "PRIVATE", "\x1b"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: the page holds %q", name, bad)
			}
		}
		for _, n := range p.Nodes {
			if !strings.Contains(page, `class="name">`+n.Name) {
				t.Errorf("%s: %s is not in the drawing", name, n.Name)
			}
		}
		if !strings.Contains(page, "prefers-color-scheme:dark") || !strings.Contains(page, `name="viewport"`) {
			t.Errorf("%s: not made for dark or small screens", name)
		}
		golden(t, name+".html", string(text))
	}
}

func TestCardOfAConsole(t *testing.T) {
	s := status.Status{
		Node: "frege", Plan: "8f14e45fceea167a", Phase: "peers", Step: 5, Steps: 11,
		Waiting: "have 2/3, missing wittgenstein: seen, not reachable (10.203.3.13:8643 refused)",
		Peers:   []status.PeerStatus{{Node: "russell", Trusted: yesS}, {Node: "wittgenstein"}},
		Ring:    status.RingView{Verdict: "no cable between frege and wittgenstein: en06 has no carrier; plug it in, or start wittgenstein"},
		Risks:   []string{"the management bond has one port only"},
	}
	golden(t, "card.waiting.txt", Card(s, "10.203.3.11", 80))
	s.Stopped, s.Waiting = true, "the plans differ: übel"
	golden(t, "card.stopped.txt", Card(s, "10.203.3.11", 60))
	t.Setenv("TZ", "UTC")
	s = status.Status{Node: "frege", Plan: "8f14e45f", Phase: status.PhaseFormed, Step: 11, Steps: 11}
	golden(t, "card.formed.txt", Card(s, "10.203.3.11", 80))
	for _, name := range []string{"building", "accepted", "warnings", "not-accepted"} {
		golden(t, "card."+name+".txt", Card(pictures()[name].Asked["frege"], "10.203.3.11", 80))
	}
	golden(t, "card.bare.txt", Card(status.Status{}, "", 10))
}
