package reporting

import (
	"context"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/profiles"
)

// nodeReport is what a node contributes.
type nodeReport struct {
	Node    report.NodeRow  `json:"node"`
	Risks   []string        `json:"risks"`
	Issues  []report.Issue  `json:"issues"`
	Timings []report.Timing `json:"timings"`
	Began   time.Time       `json:"began,omitzero"` // when its first step was done
}

// own collects this node's part.
func (s *Report) own(ctx context.Context) (nodeReport, error) {
	p, _ := s.o.Profile.Node(s.o.Node)
	n := report.NodeRow{Name: s.o.Node, Address: p.Address.String(), Ring: p.Ring.String(), NodeID: s.o.Profile.NodeID(s.o.Node), Online: true,
		Plan: s.o.Seed.Plan.Node, Watchdog: s.ha.Watchdog(), Versions: map[string]string{"ringboot": s.o.Agent}, Disks: []report.DiskRow{}}
	n.Maker, n.Model = s.dmi("sys_vendor"), s.dmi("product_name")
	n.Serial, n.BIOS = s.dmi("product_serial"), s.dmi("bios_version")
	n.CPU, n.MemoryMB = s.processor()
	if text, err := s.o.Host.Files.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		n.Versions["kernel"] = strings.TrimSpace(string(text))
	}
	if all, err := s.ceph.Versions(ctx); err == nil {
		for _, name := range []string{"proxmox-ve", "pve-manager", "corosync", "pve-ha-manager", "qemu-server", "ceph"} {
			if v, ok := all[name]; ok {
				n.Versions[name] = v
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

func (s *Report) disks(node string, disks []pve.ListedDisk) []report.DiskRow {
	p, _ := s.o.Profile.Node(node)
	var out []report.DiskRow
	for _, d := range disks {
		system := slices.ContainsFunc(p.SystemDisks(), func(by profiles.DiskName) bool { return s.ceph.Is(d, by) }) || strings.Contains(d.Used, "mounted")
		r := report.DiskRow{Device: path.Base(d.Device), Serial: d.Serial, Model: d.Model, Bytes: d.Bytes, Role: "kept as it is"}
		switch {
		case d.OSD >= 0:
			r.Role = fmt.Sprintf("osd.%d", d.OSD)
			if system {
				r.Role = "root and " + r.Role
			}
			if !storage.Protected(d.Model) {
				r.Note = "no known power-loss protection"
			}
		case system:
			r.Role = "root"
		case slices.ContainsFunc(p.BesideDisks(), func(by profiles.DiskName) bool { return s.ceph.Is(d, by) }) && d.Used == "LVM":
			r.Role = "parts of OSDs"
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
	out.Node.Key, out.Node.Bindings = st.Key, st.Bindings
	out.Risks = append(out.Risks, st.Risks...)
	for _, e := range st.Events {
		if strings.Contains(e.Text, "stopped: ") {
			out.Issues = append(out.Issues, report.Issue{Severity: report.Note, Node: s.o.Node, Time: e.Time, Text: "was stopped for a while: " + e.Text})
		}
	}
	var before time.Time
	if len(st.Plans) > 0 {
		out.Began = st.Plans[0].Since
	}
	for _, p := range st.Plans {
		if !before.IsZero() && p.State == step.Done.String() && p.Since.After(before) {
			out.Timings = append(out.Timings, report.Timing{Node: s.o.Node, Step: p.Name, Seconds: p.Since.Sub(before).Round(time.Second).Seconds()})
		}
		if p.State == step.Done.String() && p.Since.After(before) {
			before = p.Since
		}
	}
}

// compose makes the report from the record and from what the nodes say.
func (s *Report) compose(ctx context.Context, rec *acceptance.Record) (*report.Report, error) {
	p := s.o.Profile
	r := &report.Report{Version: report.Version, Made: s.o.Host.Clock.Now().UTC().Truncate(time.Second), MadeBy: s.o.Node, Agent: s.o.Agent, Run: rec.Run,
		Issues: append([]report.Issue{}, rec.Issues...), Risks: []report.Risk{}, Untested: []report.Untested{}, Timings: []report.Timing{},
		Ring: report.Ring{Transport: p.Ring.Transport, MTU: p.Ring.MTU, Limits: p.Transport().Limits, Links: rec.Links}}
	r.Cluster = report.Cluster{Name: p.Cluster.Name, ID: s.o.Seed.ClusterID, Plan: s.o.Seed.Plan.Cluster, Founder: p.Founder().Name,
		ConfigVersion: rec.ConfVersion, ConfigSame: rec.ConfSame, Links: rec.Corosync}
	var began time.Time
	for _, n := range p.Nodes {
		part, err := s.part(ctx, n.Name)
		if err != nil {
			return nil, fmt.Errorf("the report needs the facts of %s: %w", n.Name, err)
		}
		r.Cluster.Nodes = append(r.Cluster.Nodes, part.Node)
		r.Issues = append(r.Issues, part.Issues...)
		r.Timings = append(r.Timings, part.Timings...)
		if began.IsZero() || !part.Began.IsZero() && part.Began.Before(began) {
			began = part.Began
		}
		for _, risk := range part.Risks {
			r.Risks = append(r.Risks, report.Risk{Node: n.Name, Text: risk})
		}
	}
	for _, risk := range p.RingRisks() {
		r.Risks = append(r.Risks, report.Risk{Text: risk})
	}
	if !began.IsZero() && r.Made.After(began) {
		r.Seconds = r.Made.Sub(began).Round(time.Second).Seconds()
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
	r.Access, r.Login = rec.Access, loginOf(p)
	for i, n := range p.Nodes {
		if p.Agent.StatusPage && i < len(r.Access) {
			r.Access[i].Status = fmt.Sprintf("https://%s/", netip.AddrPortFrom(n.Address, uint16(p.Agent.StatusPort)))
		}
	}
	r.HA = report.HA{Enabled: p.HA.Enabled, Migration: options.Migration, Policy: storage.PolicyWords(p.HA.ShutdownPolicy), Drills: rec.Drills, TimeLine: rec.TimeLine}
	if p.Ceph.Enabled {
		if r.Ceph, err = s.storage(ctx, rec); err != nil {
			return nil, err
		}
	}
	r.Untested = untested(rec, s.o.Profile)
	r.Conclude()
	r.NextSteps = nextSteps(r)
	if len(rec.Links) == 0 { // not measured: the drawing still shows the ring
		r.Ring.Links = s.unmeasured()
	}
	return r, nil
}

// loginOf is who may log in to the management interface with a password.
func loginOf(p *profiles.Profile) report.Login {
	l := report.Login{Realm: "Linux PAM standard authentication"}
	for _, u := range p.Users {
		if u.ProxmoxRole != "" && u.PasswordHash != "" {
			l.Users = append(l.Users, u.Name)
		}
	}
	l.Users = append(l.Users, "root")
	return l
}

func (s *Report) part(ctx context.Context, node string) (nodeReport, error) {
	if node == s.o.Node {
		return s.own(ctx)
	}
	var out nodeReport
	return out, s.call(ctx, time.Minute, node, methodReportNode, nil, &out)
}

// unmeasured is the ring without numbers.
func (s *Report) unmeasured() []report.Link {
	var out []report.Link
	view := s.o.RingView()
	for _, pair := range s.o.Profile.Cables() {
		a, b := pair[0], pair[1]
		l := report.Link{A: a.Name, B: b.Name, Verdict: fmt.Sprintf("%s to %s: not measured", a.Name, b.Name)}
		for own, far := range map[string]string{a.Name: b.Name, b.Name: a.Name} {
			if own != s.o.Node {
				continue
			}
			if at := slices.IndexFunc(view.Ports, func(p status.RingPort) bool { return p.Peer == far }); at >= 0 {
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
func (s *Report) storage(ctx context.Context, rec *acceptance.Record) (report.Ceph, error) {
	c := report.Ceph{Enabled: true, WriteMBs: rec.Bench.Write, ReadMBs: rec.Bench.Read}
	h, err := s.ceph.Health(ctx)
	if err != nil {
		return c, err
	}
	c.Health, c.FSID, c.Monitors = h.Status, h.FSID, h.Quorum
	for _, check := range h.Checks {
		if why, passes := storage.Passes(check.Code); passes && !check.Muted {
			c.Allowed = append(c.Allowed, report.Allowed{Code: check.Code, Message: check.Message, Why: why})
		}
	}
	if c.Allowed != nil {
		if now := storage.JudgeHealth(h, h.OSDs); now.Wait+now.Stop != "" {
			c.Health = "HEALTH_WARN: " + now.Wait + now.Stop
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

// tooMany is the least number of nodes without which the others are no majority.
func tooMany(nodes int) int { return nodes - nodes/2 }

// untested says what nobody has seen to work, and why.
func untested(rec *acceptance.Record, p *profiles.Profile) []report.Untested {
	out, nodes := []report.Untested{}, len(p.Nodes)
	for _, d := range rec.Drills {
		if d.Outcome == report.Untried {
			out = append(out, report.Untested{What: d.Name, Why: d.Sentence})
		}
	}
	if rec.Cut != nil && !slices.ContainsFunc(rec.TimeLine, func(m report.Moment) bool { return strings.HasPrefix(m.Text, acceptance.TextRecovered) }) {
		out = append(out, report.Untested{What: "recovery of a guest on another node", Why: rec.Cut.Victim + " was back before the cluster gave it up; leave a node switched off for three minutes to see it"})
	}
	if middle := p.Ring.Chain; middle != "" {
		out = append(out, report.Untested{What: "a cable or a middle that fails", Why: fmt.Sprintf("the nodes are joined in a chain through %s, by the profile's consent, and it knows no way round: who is cut off stands still until it is back", middle)})
	}
	return append(out,
		report.Untested{What: fmt.Sprintf("%d nodes lost at once", tooMany(nodes)), Why: fmt.Sprintf("a cluster of %d stops by design; docs/recovery.md says what to do", nodes)},
		report.Untested{What: "a disk that dies", Why: "it would have to be pulled; docs/recovery.md says what to do"},
		report.Untested{What: "a cable that is pulled under load", Why: "it needs a hand; peers shows the ring while you try it"},
		report.Untested{What: "backups", Why: "the profile has no place for them"})
}

// nextSteps are in the order of their weight.
func nextSteps(r *report.Report) []string {
	var out []string
	again := false
	for _, i := range r.Issues {
		switch {
		case i.Severity == report.Error:
			out, again = append(out, "Mend this: "+i.Text+"."), true
		case i.Severity == report.Warning:
			out = append(out, "Look at this: "+i.Text+".")
		case i.Concluded:
			out = append(out, "Try the fail-over. "+i.Remedy)
		}
	}
	if again {
		out = append(out, "Then run firstboot accept on "+r.MadeBy+".")
	}
	web := ""
	if at := slices.IndexFunc(r.Access, func(a report.Access) bool { return a.Answered }); at >= 0 {
		web = " at " + r.Access[at].URL
	}
	return append(out,
		"Take the installation sticks out of the machines and keep them: each can install its node again.",
		"Set up backups to a place outside this cluster: Datacenter, Backup"+web+".",
		"Keep the builder's key directory safe: it holds the cluster's authority and the root passwords.",
		"Read once, before it is needed, what to do when a node, a disk or a cable dies: docs/recovery.md in the archive of Ringboot.",
		"Repeat the drills after every change of hardware: firstboot accept.")
}
