package step

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/throughput"
	"ringboot/firstboot/trust"
)

// nodeReport is what a node contributes.
type nodeReport struct {
	Node    report.Node     `json:"node"`
	Risks   []string        `json:"risks"`
	Issues  []report.Issue  `json:"issues"`
	Timings []report.Timing `json:"timings"`
}

// own collects this node's part.
func (s *Report) own(ctx context.Context) (nodeReport, error) {
	p, _ := s.o.Profile.Node(s.o.Node)
	n := report.Node{Name: s.o.Node, Address: p.Address.String(), Ring: p.Ring.String(), NodeID: s.o.Profile.NodeID(s.o.Node), Online: true,
		Plan: s.o.Seed.Plan.Node, Watchdog: s.ha.Watchdog(), Versions: map[string]string{"ringboot": s.o.Agent}, Disks: []report.Disk{}}
	n.Maker, n.Model = s.dmi("sys_vendor"), s.dmi("product_name")
	n.Serial, n.BIOS = s.dmi("product_serial"), s.dmi("bios_version")
	n.CPU, n.MemoryMB = s.processor()
	if text, err := s.o.Host.Files.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		n.Versions["kernel"] = strings.TrimSpace(string(text))
	}
	if r, err := s.ceph.Read(ctx, "pveversion", "-v"); err == nil {
		for line := range strings.Lines(string(r.Stdout)) {
			name, rest, ok := strings.Cut(line, ": ")
			if f := strings.Fields(rest); ok && len(f) > 0 && contains([]string{"proxmox-ve", "pve-manager", "corosync", "pve-ha-manager", "qemu-server", "ceph"}, name) {
				n.Versions[name] = f[0]
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nodeReport{}, err
	}
	if disks, err := s.ceph.Disks(ctx); err == nil {
		n.Disks = s.disks(p.Name, disks)
	}
	out := nodeReport{Node: n, Risks: []string{}, Issues: []report.Issue{}}
	if s.status != nil {
		s.history(&out)
	}
	return out, nil
}

func (s *Report) disks(node string, disks []pve.Disk) []report.Disk {
	p, _ := s.o.Profile.Node(node)
	var out []report.Disk
	for _, d := range disks {
		r := report.Disk{Device: path.Base(d.Device), Serial: d.Serial, Model: d.Model, Bytes: d.Bytes, Role: "kept as it is"}
		switch {
		case d.OSD >= 0:
			r.Role = fmt.Sprintf("osd.%d", d.OSD)
			if !protected(d.Model) {
				r.Note = "no known power-loss protection"
			}
		case s.ceph.Is(d, p.RootDisk) || strings.Contains(d.Used, "mounted"):
			r.Role = "root"
		case d.Blank():
			r.Role = "blank"
		}
		out = append(out, r)
	}
	return out
}

func (s *Report) dmi(name string) string {
	text, _ := s.o.Host.Files.ReadFile("/sys/class/dmi/id/" + name)
	return strings.TrimSpace(string(text))
}

func (s *Report) processor() (name string, megabytes int) {
	text, _ := s.o.Host.Files.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			name = strings.TrimSpace(v)
			break
		}
	}
	text, _ = s.o.Host.Files.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
			kib, _ := strconv.Atoi(f[1])
			megabytes = kib / 1024
		}
	}
	return name, megabytes
}

// history takes risks, stops and times from the agent's own status.
func (s *Report) history(out *nodeReport) {
	st := s.status()
	out.Risks = append(out.Risks, st.Risks...)
	for _, e := range st.Events {
		if strings.Contains(e.Text, "stopped: ") {
			out.Issues = append(out.Issues, report.Issue{Severity: report.Note, Node: s.o.Node, Time: e.Time, Text: "was stopped for a while: " + e.Text})
		}
	}
	var before time.Time
	for _, p := range st.Plans {
		if !before.IsZero() && p.State == Done.String() && p.Since.After(before) {
			out.Timings = append(out.Timings, report.Timing{Node: s.o.Node, Step: p.Name, Seconds: p.Since.Sub(before).Round(time.Second).Seconds()})
		}
		if p.State == Done.String() && p.Since.After(before) {
			before = p.Since
		}
	}
}

// compose makes the report from the record and from what the nodes say.
func (s *Report) compose(ctx context.Context, rec *acceptRecord) (*report.Report, error) {
	p := s.o.Profile
	r := &report.Report{Version: report.Version, Made: s.o.Host.Clock.Now().UTC().Truncate(time.Second), MadeBy: s.o.Node, Agent: s.o.Agent, Run: rec.Run,
		Issues: append([]report.Issue{}, rec.Issues...), Risks: []report.Risk{}, Untested: []report.Untested{}, Timings: []report.Timing{},
		Ring: report.Ring{Transport: p.Ring.Transport, MTU: p.Ring.MTU, Limits: throughput.LimitsOf(p.Ring.Transport), Links: rec.Links}}
	r.Cluster = report.Cluster{Name: p.Cluster.Name, ID: s.o.Seed.ClusterID, Plan: s.o.Seed.Plan.Cluster, Founder: p.Founder().Name,
		ConfigVersion: rec.ConfVersion, ConfigSame: rec.ConfSame, Links: rec.Corosync}
	for _, n := range p.Nodes {
		part, err := s.part(ctx, n.Name)
		if err != nil {
			return nil, fmt.Errorf("the report needs the facts of %s: %w", n.Name, err)
		}
		r.Cluster.Nodes = append(r.Cluster.Nodes, part.Node)
		r.Issues = append(r.Issues, part.Issues...)
		r.Timings = append(r.Timings, part.Timings...)
		for _, risk := range part.Risks {
			r.Risks = append(r.Risks, report.Risk{Node: n.Name, Text: risk})
		}
	}
	state, err := s.ha.State(ctx)
	if err != nil {
		return nil, err
	}
	r.Cluster.Quorate = state.Quorate
	options, err := s.ha.Options()
	if err != nil {
		return nil, err
	}
	r.Access = rec.Access
	r.HA = report.HA{Enabled: p.HA.Enabled, Migration: options.Migration, Policy: policyWords(p.HA.ShutdownPolicy), Drills: rec.Drills, TimeLine: rec.TimeLine}
	if p.Ceph.Enabled {
		if r.Ceph, err = s.storage(ctx, rec); err != nil {
			return nil, err
		}
	}
	r.Untested = untested(rec)
	r.Conclude()
	r.NextSteps = nextSteps(r)
	if len(rec.Links) == 0 { // not measured: the drawing still shows the ring
		r.Ring.Links = s.unmeasured()
	}
	return r, nil
}

func (s *Report) part(ctx context.Context, node string) (nodeReport, error) {
	if node == s.o.Node {
		return s.own(ctx)
	}
	var out nodeReport
	return out, s.accept.call(ctx, time.Minute, node, methodReportNode, nil, &out)
}

// unmeasured is the ring without numbers.
func (s *Report) unmeasured() []report.Link {
	var out []report.Link
	nodes := s.o.Profile.Nodes
	view := s.o.ringView()
	for i, a := range nodes {
		b := nodes[(i+1)%len(nodes)]
		l := report.Link{A: a.Name, B: b.Name, Verdict: fmt.Sprintf("%s to %s: not measured", a.Name, b.Name)}
		for own, far := range map[string]string{a.Name: b.Name, b.Name: a.Name} {
			if own != s.o.Node {
				continue
			}
			if at := slices.IndexFunc(view.Ports, func(p trust.RingPort) bool { return p.Peer == far }); at >= 0 {
				if own == a.Name {
					l.APort, l.BPort = view.Ports[at].Name, view.Ports[at].PeerPort
				} else {
					l.BPort, l.APort = view.Ports[at].Name, view.Ports[at].PeerPort
				}
			}
		}
		out = append(out, l)
	}
	return out
}

// storage describes Ceph.
func (s *Report) storage(ctx context.Context, rec *acceptRecord) (report.Ceph, error) {
	c := report.Ceph{Enabled: true, WriteMBs: rec.Bench.Write, ReadMBs: rec.Bench.Read}
	h, err := s.ceph.Health(ctx)
	if err != nil {
		return c, err
	}
	c.Health, c.FSID, c.Monitors = h.Status, h.FSID, h.Quorum
	for _, check := range h.Checks {
		if why, ok := tolerated[check.Code]; ok && !check.Muted {
			c.Allowed = append(c.Allowed, report.Allowed{Code: check.Code, Message: check.Message, Why: why})
		}
	}
	if c.Allowed != nil {
		if wait, stop, _ := healthVerdict(h, h.OSDs); wait+stop != "" {
			c.Health = "HEALTH_WARN: " + wait + stop
		}
	}
	i, err := s.ceph.Installation(ctx)
	if err != nil {
		return c, err
	}
	c.Release = "Ceph " + i.Release
	if conf, ok, err := s.ceph.Config(); err == nil && ok {
		c.Network = conf.PublicNetwork
		if conf.ClusterNetwork != conf.PublicNetwork {
			c.Network += " and " + conf.ClusterNetwork
		}
	}
	m, err := s.ceph.Managers(ctx)
	if err != nil {
		return c, err
	}
	c.Active, c.Standby = m.Active, m.Standby
	return c, s.holdings(ctx, &c)
}

// holdings adds OSDs, pools and capacity.
func (s *Report) holdings(ctx context.Context, c *report.Ceph) error {
	tree, err := s.ceph.Tree(ctx)
	if err != nil {
		return err
	}
	const tebibyte = 1 << 40 // the unit of a CRUSH weight
	for _, o := range tree {
		c.OSDs = append(c.OSDs, report.OSD{ID: o.ID, Node: o.Host, Class: o.Class, Bytes: int64(o.Weight * tebibyte), Up: o.Up, In: o.In})
	}
	for i := range c.OSDs {
		if disks, err := (pve.Ceph{Shell: pve.Shell{Host: s.o.Host, Node: c.OSDs[i].Node}}).Disks(ctx); err == nil {
			for _, d := range disks {
				if d.OSD == c.OSDs[i].ID {
					c.OSDs[i].Serial, c.OSDs[i].Bytes = d.Serial, d.Bytes
				}
			}
		}
	}
	pools, err := s.ceph.Pools(ctx)
	if err != nil {
		return err
	}
	for _, p := range pools {
		c.Pools = append(c.Pools, report.Pool{Name: p.Name, Size: p.Size, MinSize: p.MinSize, PGs: p.PGs, Autoscale: p.Autoscale})
	}
	room, err := s.ceph.Capacity(ctx)
	if err != nil {
		return err
	}
	c.Raw, c.Used, c.Usable = room.Raw, room.Used, room.Usable[s.o.Profile.Ceph.Pool]
	return nil
}

// untested says what nobody has seen to work, and why.
func untested(rec *acceptRecord) []report.Untested {
	out := []report.Untested{}
	for _, d := range rec.Drills {
		if d.Outcome == report.Untried {
			out = append(out, report.Untested{What: d.Name, Why: d.Sentence})
		}
	}
	if rec.Cut != nil && !slices.ContainsFunc(rec.TimeLine, func(m report.Moment) bool { return strings.HasPrefix(m.Text, textRecovered) }) {
		out = append(out, report.Untested{What: "recovery of a guest on another node", Why: rec.Cut.Victim + " was back before the cluster gave it up; leave a node switched off for three minutes to see it"})
	}
	return append(out,
		report.Untested{What: "two nodes lost at once", Why: "a cluster of three stops by design; docs/recovery.md says what to do"},
		report.Untested{What: "a disk that dies", Why: "it would have to be pulled; docs/recovery.md says what to do"},
		report.Untested{What: "a cable that is pulled under load", Why: "it needs a hand; peers shows the ring while you try it"},
		report.Untested{What: "backups", Why: "the profile has no place for them"})
}

// nextSteps are in the order of their weight.
func nextSteps(r *report.Report) []string {
	var out []string
	if r.Verdict.Outcome == report.Failed {
		out = append(out, "Mend what the verdict names, then run firstboot accept on "+r.MadeBy+".")
	}
	return append(out,
		"Take the installation sticks out of the machines and keep them: each can install its node again.",
		"Set up backups to a place outside this cluster: Datacenter, Backup.",
		"Keep the builder's key directory safe: it holds the cluster's authority and the root passwords.",
		"Read docs/recovery.md once before it is needed.",
		"Repeat the drills after every change of hardware: firstboot accept.")
}
