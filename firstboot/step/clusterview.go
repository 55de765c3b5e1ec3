package step

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// clusterView is how one node sees the cluster, as it travels to its peers.
// It is read from files only, so that asking costs nothing.
type clusterView struct {
	Node     string   `json:"node"`
	Mounted  bool     `json:"mounted"` // pmxcfs answers
	Name     string   `json:"name"`    // of /etc/pve/corosync.conf, "" where there is none
	Version  int      `json:"version"`
	Sum      string   `json:"sum"`
	Listed   []string `json:"listed"`
	HostName string   `json:"host_name"` // of /etc/corosync/corosync.conf
	HostVer  int      `json:"host_version"`
	HostSum  string   `json:"host_sum"`
	HostList []string `json:"host_listed"`
	Key      string   `json:"key"`     // sum of the corosync key, "" where it is absent or not whole
	Running  string   `json:"running"` // cluster that pmxcfs takes part in, from .members
	RunVer   int      `json:"running_version"`
	Quorate  bool     `json:"quorate"`
	Synced   []string `json:"synced"` // nodes whose pmxcfs is here and has synced
	Writable bool     `json:"writable"`
	Guests   []string `json:"guests"`
	Cert     string   `json:"certificate"` // why the node's certificate does not verify, "" if it does
	Known    []string `json:"known"`       // nodes that have a certificate: they were members once
	Wrong    string   `json:"wrong"`       // what could not be read
	Stopped  string   `json:"stopped"`     // why the node itself needs a person
}

// look reads the view of this node.
func (s *Cluster) look() clusterView {
	v := clusterView{Node: s.o.Node}
	n := s.node
	note := func(err error) {
		if err != nil && v.Wrong == "" {
			v.Wrong = err.Error()
		}
	}
	if c, raw, err := n.ReadConf(pve.ConfFile); err != nil {
		note(err)
	} else if c != nil {
		v.Name, v.Version, v.Sum, v.Listed = c.Name, c.Version, pve.Sum(raw), confNames(c)
	}
	// A torn configuration of the host is as good as none: it is replaced.
	if c, raw, err := n.ReadConf(pve.HostConf); err == nil && c != nil {
		v.HostName, v.HostVer, v.HostSum, v.HostList = c.Name, c.Version, pve.Sum(raw), confNames(c)
	}
	if key, err := n.Key(); err == nil {
		v.Key = pve.Sum(key)
	}
	if m, err := n.Membership(); err == nil {
		v.Mounted = true
		v.Running, v.RunVer, v.Quorate = m.Cluster.Name, m.Cluster.Version, m.Cluster.Quorate == 1
		for name := range m.Nodes {
			if m.Synced(name) {
				v.Synced = append(v.Synced, name)
			}
		}
		slices.Sort(v.Synced)
	}
	v.Writable = n.Writable()
	guests, err := n.Guests()
	note(err)
	v.Guests = guests
	for _, node := range s.o.Profile.Nodes {
		if _, err := s.o.Host.Files.Lstat(pve.Dir + "/nodes/" + node.Name + "/pve-ssl.pem"); err == nil {
			v.Known = append(v.Known, node.Name)
		}
	}
	v.Cert = s.certificate()
	return v
}

// certified remembers a verified certificate: a view is read several times a
// second while a node joins, and the same bytes verify the same.
type certified struct {
	sum  string
	hour int64
}

// certificate is why the node's certificate does not verify, "" if it does.
func (s *Cluster) certificate() string {
	ca, _ := s.o.Host.Files.ReadFile(pve.RootCA)
	own, _ := s.o.Host.Files.ReadFile(pve.Dir + "/nodes/" + s.o.Node + "/pve-ssl.pem")
	now := certified{pve.Sum(ca) + pve.Sum(own), s.o.Host.Clock.Now().Unix() / 3600}
	if last, ok := s.cert.Load().(certified); ok && last == now {
		return ""
	}
	if err := s.node.Certified(s.o.Node); err != nil {
		return err.Error()
	}
	s.cert.Store(now)
	return ""
}

func confNames(c *pve.Conf) []string {
	var list []string
	for _, n := range c.Nodes {
		list = append(list, n.Name)
	}
	slices.Sort(list)
	return list
}

// unsettled is why the node is not yet a proven member, "" if it is one. This
// is the gate before the next node may be added.
func (v clusterView) unsettled(cluster string) string {
	switch {
	case !v.Mounted:
		return fmt.Sprintf("pve-cluster of %s does not run", v.Node)
	case v.Name == "" && v.HostName != "":
		return fmt.Sprintf("%s has the configuration of %s and has not joined yet", v.Node, v.HostName)
	case v.Name == "":
		return fmt.Sprintf("%s is in no cluster yet", v.Node)
	case v.Name != cluster:
		return fmt.Sprintf("%s is in the cluster %s", v.Node, v.Name)
	case v.Key == "":
		return fmt.Sprintf("the corosync key of %s is not whole", v.Node)
	case v.Running == "":
		return fmt.Sprintf("corosync of %s does not run yet", v.Node)
	case !v.Quorate:
		return fmt.Sprintf("%s has no quorum", v.Node)
	case v.RunVer != v.Version || v.HostSum != v.Sum:
		return fmt.Sprintf("corosync of %s runs with configuration %d instead of %d", v.Node, v.RunVer, v.Version)
	case !slices.Contains(v.Synced, v.Node) || !v.Writable:
		return fmt.Sprintf("/etc/pve of %s has not synchronised yet", v.Node)
	case v.Cert != "":
		return fmt.Sprintf("%s has no certificate of the cluster yet", v.Node)
	}
	return ""
}

// answer is a peer's view, or why it could not be had.
type answer struct {
	view clusterView
	err  error
}

// lists tells whether a node's configuration, in /etc/pve, lists another.
func (v clusterView) lists(cluster, node string) bool {
	return v.Name == cluster && slices.Contains(v.Listed, node)
}

// checkConf proves that a configuration is the one of this profile: its name,
// and of each node that it lists name, id and both addresses.
func checkConf(p *profiles.Profile, c *pve.Conf) error {
	if c.Name != p.Cluster.Name {
		return fmt.Errorf("the configuration is of the cluster %s, not %s", c.Name, p.Cluster.Name)
	}
	for _, n := range c.Nodes {
		i := slices.IndexFunc(p.Nodes, func(want profiles.Node) bool { return want.Name == n.Name })
		if i < 0 {
			return fmt.Errorf("the cluster %s has a node %s, which the profile does not know: take it out with pvecm delnode", c.Name, n.Name)
		}
		want := p.Nodes[i]
		if n.ID != i+1 || n.Addr[0] != want.Address.String() || n.Addr[1] != want.Ring.String() {
			return fmt.Errorf("the cluster %s lists %s with id %d, %s and %s, the profile with id %d, %s and %s: correct the profile or the cluster",
				c.Name, n.Name, n.ID, n.Addr[0], n.Addr[1], i+1, want.Address, want.Ring)
		}
	}
	return nil
}

// Priorities of the two corosync links: higher wins (corosync.conf(5)). The
// management network has steady latency; the ring carries Ceph.
const (
	priorityManagement = 20
	priorityRing       = 10
)

// linksOf are the corosync links of a node.
func linksOf(n profiles.Node) []pve.Link {
	return []pve.Link{{Address: n.Address.String(), Priority: priorityManagement}, {Address: n.Ring.String(), Priority: priorityRing}}
}

func idOf(p *profiles.Profile, name string) int {
	return slices.IndexFunc(p.Nodes, func(n profiles.Node) bool { return n.Name == name }) + 1
}

// list joins names for a sentence: a, b and c.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
