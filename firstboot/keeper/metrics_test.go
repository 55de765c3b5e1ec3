package keeper

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
)

func said() status.Status {
	yes := status.State{OK: true}
	return status.Status{Node: "frege", Agent: "1.0", Plan: "8f14", Looked: time.Unix(1790000000, 0),
		Ring:  status.RingView{Whole: true, Ports: []status.RingPort{{Name: "en05", Peer: "russell", Alive: true, Proven: true, Sent: 900, Lost: 3, RTT: 0.25, MTU: 65520, SpeedMbit: 20000}, {Name: "en06"}}},
		Peers: []status.PeerStatus{{Node: "russell", Seen: yes, Reachable: yes, Trusted: yes, Member: yes}, {Node: "witt\"gen\nstein"}},
		Drift: []status.Drift{{Text: "differs"}}}
}

// Every line is one that Prometheus reads, whatever a peer is called.
func TestMetrics(t *testing.T) {
	g := &page{measure: func() []family {
		return families(said(), Told{Facts: status.Facts{Synced: true, Versions: map[string]string{"ceph": "20.2.4"}}, Wear: []Wear{{Disk: "/dev/nvme1n1", Serial: "A", Used: 7}}})
	}}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text := w.Body.String()
	line := regexp.MustCompile(`^(# (HELP|TYPE) ringboot_[a-z_]+ .+|ringboot_[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)+\})? [0-9.e+]+)$`)
	for l := range strings.Lines(text) {
		if !line.MatchString(strings.TrimRight(l, "\n")) {
			t.Errorf("no line of the text form: %q", l)
		}
	}
	for _, want := range []string{
		`ringboot_ring_probes_lost_total{port="en05",peer="russell"} 3`, `ringboot_ring_round_trip_seconds{port="en05",peer="russell"} 0.00025`, `ringboot_ring_link_up{port="en06",peer=""} 0`,
		`ringboot_peer_trusted{peer="russell"} 1`, `ringboot_peer_trusted{peer="witt\"gen\nstein"} 0`, "ringboot_drift 1", "ringboot_clock_synchronised 1",
		`ringboot_disk_wear_ratio{disk="/dev/nvme1n1",serial="A"} 0.07`, `ringboot_version{component="ceph",version="20.2.4"} 1`, "ringboot_looked_timestamp_seconds 1.79e+09",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	off := httptest.NewRecorder()
	(&page{}).ServeHTTP(off, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if off.Code != http.StatusNotFound {
		t.Errorf("metrics that nobody asked for: %d", off.Code)
	}
}

// Each thing is told once, when it has lasted; what was so from the start is no news.
func TestNotices(t *testing.T) {
	w, now := newWatch(), time.Unix(1790000000, 0)
	s := said()
	look := func(d time.Duration) string {
		now = now.Add(d)
		return strings.Join(w.look(s, now), "; ")
	}
	if got := look(0) + look(time.Minute); got != "" {
		t.Errorf("at the start: %s", got)
	}
	s.Ring.Ports[0].Alive, s.Ring.Ports[0].Verdict = false, "en05 has no carrier"
	if got := look(time.Second) + look(20*time.Second); got != "" {
		t.Errorf("a moment is no news: %s", got)
	}
	if got := look(20 * time.Second); got != "the cable of frege at en05 carries nothing: en05 has no carrier" {
		t.Errorf("a dead cable: %s", got)
	}
	s.Ring.Ports[0].Alive = true
	if got := look(time.Second) + look(time.Minute) + look(time.Minute); got != "the cable of frege to russell is back (en05)" {
		t.Errorf("a cable that is back: %s", got)
	}
	s.Peers[0].Trusted, s.Peers[0].Reachable = status.State{}, status.State{Why: "10.203.3.12:8643 refused"}
	if got := look(time.Second) + look(4*time.Minute); strings.Contains(got, "russell") {
		t.Errorf("four minutes: %s", got)
	}
	if got := look(2 * time.Minute); !strings.Contains(got, "russell does not answer frege any more: 10.203.3.12:8643 refused") || look(time.Hour) != "" {
		t.Errorf("a peer that is gone: %s", got)
	}
	s.Peers[0].Trusted = status.State{OK: true}
	if got := look(time.Second); got != "russell answers frege again" {
		t.Errorf("a peer that is back: %s", got)
	}
	s.Drift = append(s.Drift, status.Drift{Text: "differs from the plan: x"})
	if got := look(time.Second); got != "frege differs from the plan: x" || look(time.Second) != "" {
		t.Errorf("drift: %s", got)
	}
}
