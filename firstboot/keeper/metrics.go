package keeper

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"ringboot/firstboot/status"
)

// sample is one value of one metric.
type sample struct {
	labels []string // name, value, name, value
	value  float64
}

// family is one metric in the text form of Prometheus.
type family struct {
	name, kind, help string
	samples          []sample
}

// families are all that a node measures of itself. Names and units follow
// Prometheus' own advice: base units, and _total for what only grows.
func families(s status.Status, t Told) []family {
	const gauge, counter = "gauge", "counter"
	one := func(v float64) []sample { return []sample{{nil, v}} }
	port := func(value func(status.RingPort) float64) (out []sample) {
		for _, p := range s.Ring.Ports {
			if p.Free {
				continue // nobody wants to be called for it
			}
			out = append(out, sample{[]string{"port", p.Name, "peer", p.Peer}, value(p)})
		}
		return out
	}
	peer := func(value func(status.PeerStatus) bool) (out []sample) {
		for _, p := range s.Peers {
			out = append(out, sample{[]string{"peer", p.Node}, truth(value(p))})
		}
		return out
	}
	var versions []sample
	for name, version := range t.Facts.Versions {
		versions = append(versions, sample{[]string{"component", name, "version", version}, 1})
	}
	slices.SortFunc(versions, func(a, b sample) int { return slices.Compare(a.labels, b.labels) })
	var wear []sample
	for _, w := range t.Wear {
		wear = append(wear, sample{[]string{"disk", w.Disk, "serial", w.Serial}, w.Used / 100})
	}
	all := []family{
		{"ringboot_info", gauge, "The agent that says this.", []sample{{[]string{"node", s.Node, "version", s.Agent, "plan", s.Plan}, 1}}},
		{"ringboot_ring_whole", gauge, "Whether both links of this node carry traffic.", one(truth(s.Ring.Whole))},
		{"ringboot_ring_link_up", gauge, "Whether the probes of a link are answered.", port(func(p status.RingPort) float64 { return truth(p.Alive) })},
		{"ringboot_ring_link_proven", gauge, "Whether a packet of full size went both ways.", port(func(p status.RingPort) float64 { return truth(p.Proven) })},
		{"ringboot_ring_probes_sent_total", counter, "Probes sent over a link.", port(func(p status.RingPort) float64 { return float64(p.Sent) })},
		{"ringboot_ring_probes_lost_total", counter, "Probes that nobody answered.", port(func(p status.RingPort) float64 { return float64(p.Lost) })},
		{"ringboot_ring_round_trip_seconds", gauge, "Round trip of the last probes.", port(func(p status.RingPort) float64 { return p.RTT / 1000 })},
		{"ringboot_ring_link_changes_total", counter, "Times that a link went or came.", port(func(p status.RingPort) float64 { return float64(p.Changes) })},
		{"ringboot_ring_link_mtu_bytes", gauge, "Largest packet of a link.", port(func(p status.RingPort) float64 { return float64(p.MTU) })},
		{"ringboot_ring_link_bits_per_second", gauge, "Speed of a link as its driver says it.", port(func(p status.RingPort) float64 { return float64(p.SpeedMbit) * 1e6 })},
		{"ringboot_peer_seen", gauge, "Whether records of a peer are heard.", peer(func(p status.PeerStatus) bool { return p.Seen.OK })},
		{"ringboot_peer_reachable", gauge, "Whether a peer takes connections.", peer(func(p status.PeerStatus) bool { return p.Reachable.OK })},
		{"ringboot_peer_trusted", gauge, "Whether a peer has proved itself.", peer(func(p status.PeerStatus) bool { return p.Trusted.OK })},
		{"ringboot_peer_member", gauge, "Whether a peer is a member of the cluster, as it was last looked at.", peer(func(p status.PeerStatus) bool { return p.Member.OK })},
		{"ringboot_drift", gauge, "Things that differ from the plan and were not taken over.", one(float64(len(s.Drift)))},
		{"ringboot_clock_synchronised", gauge, "Whether the clock follows a time server.", one(truth(t.Facts.Synced))},
		{"ringboot_version", gauge, "Versions of what runs on the node.", versions},
		{"ringboot_disk_wear_ratio", gauge, "Share of a disk's life that is used up, as the disk says it.", wear},
	}
	if !s.Looked.IsZero() {
		all = append(all, family{"ringboot_looked_timestamp_seconds", gauge, "When the node was last compared with the plan.", one(float64(s.Looked.UnixMilli()) / 1000)})
	}
	return all
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// escapes are those of a label's value in the text form.
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// exposition is the text form, version 0.0.4.
func exposition(all []family) string {
	var b strings.Builder
	for _, f := range all {
		if len(f.samples) == 0 {
			continue
		}
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		for _, s := range f.samples {
			var labels []string
			for i := 0; i+1 < len(s.labels); i += 2 {
				labels = append(labels, s.labels[i]+`="`+escapes.Replace(s.labels[i+1])+`"`)
			}
			name := f.name
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, ",") + "}"
			}
			fmt.Fprintf(&b, "%s %g\n", name, s.value)
		}
	}
	return b.String()
}

// metrics serves them on the page's port, where the profile asks for them.
func (g *page) metrics(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/metrics" || g.measure == nil {
		return false
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(exposition(g.measure()))) // a reader that went away is no matter
	return true
}

// Wear is how far a disk is used up, as it says itself.
type Wear struct {
	Disk   string  `json:"disk"`
	Serial string  `json:"serial"`
	Used   float64 `json:"used"` // percent
}
