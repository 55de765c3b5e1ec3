package acceptance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/firstboot/throughput"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

func passed(format string, args ...any) report.Drill {
	return report.Drill{Outcome: report.Passed, Sentence: fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) report.Drill {
	return report.Drill{Outcome: report.Failed, Sentence: fmt.Sprintf(format, args...)}
}

// management asks every node's interface from every node.
func (s *Accept) management(ctx context.Context, r *Record) (report.Drill, error) {
	var silent []string
	answered := map[string]int{}
	shown := map[string]string{}
	for _, n := range s.o.Profile.Nodes {
		views, err := ask[[]webView](ctx, s, time.Minute, n.Name, methodAcceptWeb, nil, func() (any, error) { return s.ownWeb(ctx), nil })
		if err != nil {
			return report.Drill{}, err
		}
		for _, v := range views {
			switch {
			case v.Why != "":
				silent = append(silent, fmt.Sprintf("%s from %s: %s", v.Node, n.Name, v.Why))
			case shown[v.Node] != "" && shown[v.Node] != v.Fingerprint:
				silent = append(silent, fmt.Sprintf("%s shows %s another certificate: two machines may have its address", v.Node, n.Name))
			default:
				answered[v.Node]++
				shown[v.Node] = v.Fingerprint
			}
		}
	}
	r.Access = nil
	for _, n := range s.o.Profile.Nodes {
		a := report.Access{Node: n.Name, URL: "https://" + n.Address.String() + ":8006/", Fingerprint: shown[n.Name], Answered: answered[n.Name] == len(s.o.Profile.Nodes)}
		if !a.Answered {
			a.Note = fmt.Sprintf("reached from %d of %d nodes", answered[n.Name], len(s.o.Profile.Nodes))
		}
		r.Access = append(r.Access, a)
	}
	if len(silent) > 0 {
		return failed("no answer: %s", strings.Join(silent, "; ")), nil
	}
	return passed("the interface of every node answered every node"), nil
}

// corosync compares the configuration and looks at each link from both ends.
func (s *Accept) corosync(ctx context.Context, r *Record) (report.Drill, error) {
	r.Corosync, r.ConfSame = nil, true
	sum := ""
	var dead []string
	for _, n := range s.o.Profile.Nodes {
		v, err := ask[linkView](ctx, s, time.Minute, n.Name, methodAcceptLinks, nil, func() (any, error) { return s.ownLinks(ctx) })
		if err != nil {
			return report.Drill{}, err
		}
		if sum == "" {
			sum = v.Sum
		}
		r.ConfSame = r.ConfSame && v.Sum == sum
		r.ConfVersion = v.Version
		r.Corosync = append(r.Corosync, v.Links...)
		for _, l := range v.Links {
			if !l.Connected {
				dead = append(dead, fmt.Sprintf("link %d from %s to %s", l.Link, l.Node, l.Peer))
			}
		}
	}
	switch {
	case !r.ConfSame:
		return failed("corosync.conf is not the same on every node"), nil
	case len(dead) > 0:
		return failed("not connected: %s", strings.Join(dead, ", ")), nil
	}
	many := "two links"
	if len(s.o.Profile.Links(s.o.Profile.Founder())) == 1 {
		many = "one link, that of the management network,"
	}
	return passed("%s between every pair of nodes, all connected", many), nil
}

// bandwidth measures each cable in both directions, one after the other,
// because two at once would share the processor that carries them.
func (s *Accept) bandwidth(ctx context.Context, r *Record) (report.Drill, error) {
	views, err := s.rings(ctx)
	if err != nil {
		return report.Drill{}, err
	}
	r.Links = nil
	limits := s.o.Profile.Transport().Limits
	grade := throughput.Good
	var said []string
	for _, pair := range s.o.Profile.Cables() {
		l, err := s.cable(ctx, pair[0].Name, pair[1].Name, views, limits)
		if err != nil {
			return report.Drill{}, err
		}
		r.Links = append(r.Links, l)
		grade = throughput.Worse(grade, l.Grade)
		if l.Grade != throughput.Good {
			said = append(said, l.Verdict)
		}
	}
	switch grade {
	case throughput.Bad:
		return failed("%s", strings.Join(said, "; ")), nil
	case throughput.Slow:
		return report.Drill{Outcome: report.Warnings, Sentence: strings.Join(said, "; ")}, nil
	}
	return passed("%d links measured in both directions", len(r.Links)), nil
}

// rings are the views of all nodes, once every cable is alive or has had the
// time to become so.
func (s *Accept) rings(ctx context.Context) (map[string]status.RingView, error) {
	for end := s.o.Host.Clock.Now().Add(upWait); ; {
		views := map[string]status.RingView{}
		for _, n := range s.o.Profile.Nodes {
			v, err := ask[status.RingView](ctx, s, 20*time.Second, n.Name, trust.MethodRing, nil, func() (any, error) { return s.o.RingView(), nil })
			if err != nil {
				return nil, err
			}
			views[n.Name] = v
		}
		dead := slices.ContainsFunc(s.o.Profile.Cables(), func(pair [2]profiles.Node) bool {
			_, there := portTo(views[pair[0].Name], pair[1].Name)
			_, back := portTo(views[pair[1].Name], pair[0].Name)
			return !there || !back
		})
		if !dead || s.o.Host.Clock.Now().After(end) {
			return views, nil
		}
		if err := s.o.Host.Clock.Sleep(ctx, acceptPoll); err != nil {
			return nil, err
		}
	}
}

// portTo is the port with the cable to a peer, and whether it carries traffic.
func portTo(v status.RingView, peer string) (p status.RingPort, alive bool) {
	at := slices.IndexFunc(v.Ports, func(p status.RingPort) bool { return p.Peer == peer })
	if at < 0 {
		return status.RingPort{}, false
	}
	return v.Ports[at], v.Ports[at].Alive
}

// cable measures the cable between two nodes.
func (s *Accept) cable(ctx context.Context, a, b string, views map[string]status.RingView, limits profiles.Limits) (report.Link, error) {
	pa, oka := portTo(views[a], b)
	pb, okb := portTo(views[b], a)
	l := report.Link{A: a, APort: pa.Name, B: b, BPort: pb.Name}
	if !oka || !okb {
		l.Grade = throughput.Bad
		l.Verdict = fmt.Sprintf("no live cable between %s and %s: plug one in, or reseat it", a, b)
		for _, p := range []status.RingPort{pa, pb} {
			if p.Verdict != "" {
				l.Verdict += " (" + p.Verdict + ")"
			}
		}
		return l, nil
	}
	there, err := s.direction(ctx, a, b, pa.Name)
	if err != nil {
		return l, err
	}
	back, err := s.direction(ctx, b, a, pb.Name)
	if err != nil {
		return l, err
	}
	l.There, l.Back = &there, &back
	g1, w1 := throughput.Judge(there, limits)
	g2, w2 := throughput.Judge(back, limits)
	l.Grade = throughput.Worse(g1, g2)
	l.Verdict = fmt.Sprintf("%s to %s: %s", a, b, w1)
	if throughput.Worse(g1, g2) == g2 && (g2 != g1 || back.Gbit < there.Gbit) {
		l.Verdict = fmt.Sprintf("%s to %s: %s", b, a, w2)
	}
	return l, nil
}

// direction measures from one node to another through a named port.
func (s *Accept) direction(ctx context.Context, from, to, port string) (throughput.Result, error) {
	seconds := max(1, s.o.Profile.Acceptance.Seconds)
	token := newToken()
	sender, _ := s.o.Profile.Node(from)
	limit := time.Duration(seconds)*time.Second + 90*time.Second
	order := listenOrder{From: sender.Ring.String(), Token: token, Seconds: seconds}
	addr, err := ask[string](ctx, s, limit, to, methodAcceptListen, order, func() (any, error) { return s.listen(ctx, order) })
	if err != nil {
		return throughput.Result{}, fmt.Errorf("open a test on %s: %w", to, err)
	}
	m := measureOrder{To: addr, Device: port, Token: token, Seconds: seconds, MTU: s.o.Profile.Ring.MTU}
	r, err := ask[throughput.Result](ctx, s, limit, from, methodAcceptMeasure, m, func() (any, error) { return s.measure(ctx, m) })
	if err != nil {
		return r, fmt.Errorf("measure from %s to %s: %w", from, to, err)
	}
	return r, nil
}

// The marker: a few blocks that only this run can have written.
const (
	markerBytes = 8 << 20
	markerEvery = 1 << 20
	markerBlock = 4096
	markerFile  = "/var/lib/ringboot/acceptance.raw"
	returnFile  = "/var/lib/ringboot/acceptance.back"
)

// marker is the image of a run: mostly zero, with blocks that follow from the run's id.
func marker(run string) []byte {
	raw := make([]byte, markerBytes)
	for at := 0; at < markerBytes; at += markerEvery {
		sum := sha256.Sum256([]byte(fmt.Sprintf("%s %d", run, at)))
		copy(raw[at:at+markerBlock], bytes.Repeat(sum[:], markerBlock/len(sum)))
	}
	return raw
}

// sameMarker compares what came back, and tells where it differs.
func sameMarker(run string, back []byte) string {
	want := marker(run)
	if len(back) != len(want) {
		return fmt.Sprintf("%d bytes were written and %d came back", len(want), len(back))
	}
	for at := range want {
		if want[at] != back[at] {
			return fmt.Sprintf("byte %d came back different", at)
		}
	}
	return ""
}

// storage writes and reads the pool: a marker that is compared, and a benchmark.
func (s *Accept) storage(ctx context.Context, r *Record) (report.Drill, error) {
	pool := s.o.Profile.Ceph.Pool
	active, err := s.ceph.StorageActive(ctx, pool)
	if err != nil {
		return report.Drill{}, err
	}
	if !active {
		return failed("the storage %s is not active on %s: see pvesm status", pool, s.o.Node), nil
	}
	r.Touched = true
	if err := s.save(r); err != nil {
		return report.Drill{}, err
	}
	if err := s.o.Host.Files.WriteFile(markerFile, marker(r.Run), 0o600); err != nil {
		return report.Drill{}, err
	}
	if err := s.guests.Import(ctx, pool, markerFile, acceptName); err != nil {
		return report.Drill{}, err
	}
	if err := s.guests.Export(ctx, pool, acceptName, returnFile); err != nil {
		return report.Drill{}, err
	}
	back, err := s.o.Host.Files.ReadFile(returnFile)
	if err != nil {
		return report.Drill{}, err
	}
	if wrong := sameMarker(r.Run, back); wrong != "" {
		return failed("Ceph returned other data than was written: %s", wrong), nil
	}
	if r.Bench, err = s.guests.Bench(ctx, pool, acceptName, max(1, s.o.Profile.Acceptance.Seconds)); err != nil {
		return report.Drill{}, err
	}
	if err := s.cleanPool(ctx, r); err != nil {
		return report.Drill{}, err
	}
	d := passed("8 MiB written and read back equal")
	d.Figures = []report.Figure{{Name: "write", Value: r.Bench.Write, Unit: "MB/s"}, {Name: "read", Value: r.Bench.Read, Unit: "MB/s"}}
	return d, nil
}
