package cluster

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/pve/corosync"
	"ringboot/firstboot/settled"
	"ringboot/profiles"
)

// view is how one node sees the cluster, as it travels to its peers. It is
// read from files only, so that asking costs nothing.
type view struct {
	Node     string   `json:"node"`
	Mounted  bool     `json:"mounted"`  // pmxcfs answers
	Name     string   `json:"name"`     // of /etc/pve/corosync.conf, "" where there is none
	Version  int      `json:"version"`  // its config_version, for people
	Sum      string   `json:"sum"`      // of its bytes
	Contrary string   `json:"contrary"` // how it contradicts the plan
	HostName string   `json:"host_name"`
	HostSum  string   `json:"host_sum"` // of /etc/corosync/corosync.conf
	Key      string   `json:"key"`      // sum of the corosync key, "" where it is absent or not whole
	Running  string   `json:"running"`  // cluster that pmxcfs takes part in, from .members
	Quorate  bool     `json:"quorate"`
	Synced   []string `json:"synced"` // nodes whose pmxcfs is here and has synced
	Writable bool     `json:"writable"`
	Homeless bool     `json:"homeless"`    // its directory in /etc/pve is missing: the founder's content was lost
	Entering bool     `json:"entering"`    // on its way in
	Foreign  []string `json:"foreign"`     // what /etc/pve of a node in no cluster holds of its own
	CA       bool     `json:"ca"`          // the cluster's CA is there, with its key
	Misfit   bool     `json:"misfit"`      // CA and key are there, and of different CAs
	Cert     string   `json:"certificate"` // why the node's certificate does not verify, "" if it does
	Known    []string `json:"known"`       // nodes that have a certificate: they were members once
	Wrong    string   `json:"wrong"`       // what could not be read
	Stopped  string   `json:"stopped"`     // why the node itself needs a person
	Settled  bool     `json:"settled"`     // the builder had left it once: the cluster is its owner's
	Admits   string   `json:"admits"`      // node whose place root has opened to a new machine here
	Listed   []string `json:"listed"`      // nodes of /etc/pve/corosync.conf
	Votes    int      `json:"votes"`       // of this node, in it
	Runs     int      `json:"runs"`        // config_version that corosync runs with
	Comes    bool     `json:"comes"`       // this machine is new in a cluster that was there before
}

// look reads the view of this node.
func (s *Cluster) look() view {
	v := view{Node: s.o.Node}
	n := s.node
	note := func(err error) {
		if err != nil && v.Wrong == "" {
			v.Wrong = err.Error()
		}
	}
	if c, raw, err := n.ReadConf(pve.ConfFile); err != nil {
		note(err)
	} else if c != nil {
		own, _ := c.Node(s.o.Node)
		v.Name, v.Version, v.Sum, v.Listed, v.Votes = c.Name, c.Version, pve.Sum(raw), confNames(c), own.Votes
		if err := contradicts(s.o.Profile, c); err != nil && c.Name == s.o.Profile.Cluster.Name {
			v.Contrary = err.Error()
		}
	}
	// A torn configuration of the host is as good as none: it is replaced.
	if c, raw, err := n.ReadConf(pve.HostConf); err == nil && c != nil {
		v.HostName, v.HostSum = c.Name, pve.Sum(raw)
	}
	if key, err := n.Key(); err == nil {
		v.Key = pve.Sum(key)
	}
	if m, err := n.Membership(); err == nil {
		v.Mounted = true
		v.Running, v.Quorate, v.Runs = m.Cluster.Name, m.Cluster.Quorate == 1, m.Cluster.Version
		for name := range m.Nodes {
			if m.Synced(name) {
				v.Synced = append(v.Synced, name)
			}
		}
		slices.Sort(v.Synced)
	}
	v.Writable, v.Homeless = n.Writable(), v.Mounted && n.Homeless()
	_, err := s.o.Host.Files.Lstat(enteringFile)
	v.Entering, v.Comes = err == nil, Taken(s.o.Host.Files) != ""
	mark, err := settled.Read(s.o.Host.Files)
	v.Settled = err != nil || mark != nil || Heir(s.o.Host.Files) // when in doubt it is
	if v.Name == "" {
		v.Foreign, err = n.Foreign(names(s.o.Profile))
		note(err)
	}
	v.Known = n.Certificates(names(s.o.Profile))
	for _, other := range s.o.Profile.Others(s.o.Node) {
		if s.o.Admission.Admits(other.Name, s.fingerprint(other.Name)) {
			v.Admits = other.Name
		}
	}
	v.CA, v.Misfit = n.Authority()
	v.Cert = s.certificate()
	return v
}

// needsCertificate reports whether the node's certificate and keys can be made
// now, and are to be.
func (v view) needsCertificate() bool {
	return v.Quorate && slices.Contains(v.Synced, v.Node) && (v.Homeless || v.Writable && (v.Cert != "" || v.Entering))
}

// certified remembers a verified certificate: a view is read several times a
// second while a node joins, and the same bytes verify the same.
type certified struct {
	sum  string
	hour int64
}

// certificate is why the node's certificate does not verify, "" if it does. The
// tool writes the node's key for the others after it, and a power cut can come
// between the two.
func (s *Cluster) certificate() string {
	if err := s.node.KnownToOthers(); err != nil {
		return err.Error()
	}
	now := certified{s.node.CertificateSum(), s.o.Host.Clock.Now().Unix() / 3600}
	if last, ok := s.cert.Load().(certified); ok && last == now {
		return ""
	}
	if err := s.node.Certified(s.o.Node); err != nil {
		return err.Error()
	}
	s.cert.Store(now)
	return ""
}

// unsettled is why the node is not yet a proven member, "" if it is one.
func (v view) unsettled(cluster string) string {
	switch {
	case !v.Mounted:
		return fmt.Sprintf("pve-cluster of %s does not run", v.Node)
	case v.Name == "" && v.HostName != "":
		return fmt.Sprintf("%s has the configuration of %s and has not joined yet", v.Node, v.HostName)
	case v.Name == "":
		return fmt.Sprintf("%s is in no cluster yet", v.Node)
	case v.Name != cluster:
		return fmt.Sprintf("%s is in the cluster %s", v.Node, v.Name)
	case v.Contrary != "":
		return v.Contrary
	case v.Key == "":
		return fmt.Sprintf("the corosync key of %s is not whole", v.Node)
	case v.Running == "":
		return fmt.Sprintf("corosync of %s does not run yet", v.Node)
	case !v.Quorate:
		return fmt.Sprintf("%s has no quorum", v.Node)
	case !slices.Contains(v.Synced, v.Node) || !v.Writable:
		return fmt.Sprintf("/etc/pve of %s has not synchronised yet", v.Node)
	case v.Cert != "" || v.Entering:
		return fmt.Sprintf("%s has no certificate of the cluster yet", v.Node)
	}
	return ""
}

// answer is a peer's view, or why it could not be had.
type answer struct {
	view view
	err  error
}

// priorities of corosync's links: higher wins (corosync.conf(5)). The
// management network has steady latency; the ring carries Ceph.
var priorities = [...]int{20, 10}

// planned is the configuration as the plan wants it, the same on every node. Its
// version is what adding one node after the other would have come to; one that
// was added to the formed cluster took two, its entry and its vote.
func planned(p *profiles.Profile) corosync.Conf {
	c := corosync.Conf{Name: p.Cluster.Name, Version: len(p.Nodes) + len(p.Added()), Links: map[int]int{}}
	for i, n := range p.Nodes {
		node := entry(p, i)
		for link := range p.Links(n) {
			c.Links[link] = priorities[link]
		}
		c.Nodes = append(c.Nodes, node)
	}
	return c
}

// entry is the one of the i-th node of the profile.
func entry(p *profiles.Profile, i int) corosync.Node {
	n := corosync.Node{Name: p.Nodes[i].Name, ID: i + 1, Votes: 1, Addr: map[int]string{}}
	for link, addr := range p.Links(p.Nodes[i]) {
		n.Addr[link] = addr.String()
	}
	return n
}

// contradicts says how a configuration differs from the plan in meaning: its
// name, its nodes, their ids and addresses, and that it is encrypted. Its
// version, the order of its keys, priorities and what else a hand has set do
// not matter.
func contradicts(p *profiles.Profile, c *corosync.Conf) error {
	if c.Name != p.Cluster.Name {
		return fmt.Errorf("the configuration is of the cluster %s, not %s", c.Name, p.Cluster.Name)
	}
	want := planned(p)
	for _, n := range c.Nodes {
		w, ok := want.Node(n.Name)
		if !ok {
			return fmt.Errorf("the cluster %s has grown beyond the profile by %s: nothing is done there any more; add the node to the profile, or leave this cluster to itself", c.Name, n.Name)
		}
		if n.ID != w.ID || n.Addr[0] != w.Addr[0] || n.Addr[1] != w.Addr[1] {
			return fmt.Errorf("the cluster %s lists %s with id %d, %s, the profile with id %d, %s: correct the profile or the cluster",
				c.Name, n.Name, n.ID, addresses(n), w.ID, addresses(w))
		}
	}
	for i, n := range want.Nodes {
		if _, ok := c.Node(n.Name); !ok && !p.Nodes[i].Added { // one that is added is not in it before it comes
			return fmt.Errorf("the cluster %s does not list %s: it was made by hand, so let %s join by hand with pvecm add, or found the cluster anew", c.Name, n.Name, n.Name)
		}
	}
	if c.Open {
		return fmt.Errorf("corosync of the cluster %s is not encrypted: set secauth: on in /etc/pve/corosync.conf, by Proxmox's rules for editing it", c.Name)
	}
	return nil
}

func names(p *profiles.Profile) []string {
	var all []string
	for _, n := range p.Nodes {
		all = append(all, n.Name)
	}
	return all
}

// list joins names for a sentence: a, b and c.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
