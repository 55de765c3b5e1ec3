package storage

import (
	"cmp"
	"context"
	"strings"
	"time"

	"ringboot/firstboot/blockdb"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// cephView is everything that decideCeph goes by, read from the system.
type cephView struct {
	profile *profiles.Profile
	node    profiles.Node
	founder bool
	settled bool   // the peers' builders have left
	heir    bool   // the cluster had been finished before this machine came
	public  string // networks that the profile wants
	cluster string

	replaces bool // this machine took the place of a lost one

	install pve.Installation
	manager string // version of pve-manager, as long as Ceph is not installed
	meant   bool   // the intent is there
	made    string
	conf    pve.Config
	hasConf bool
	linked  bool
	admin   bool // ceph.conf comes with the admin's key

	mon, mgr, mds pve.Daemon
	answers       bool // the monitors answer
	health        pve.Health
	managers      pve.Managers
	tree          []pve.TreeOSD
	disks         osdPlan
	volumes       []pve.Volume
	memory, aims  int64 // that each OSD of this node is to aim at, and what the monitors have of it; 0: as Ceph has it
	asked         bool  // the profile has the number
	pools         []pve.PoolState
	filesystems   []string
	storages      map[string]string

	peers map[string]cephLocal // by name; the founder asks
	mute  map[string]error     // peers that did not answer
}

func (v cephView) pool(name string) (pve.PoolState, bool) {
	for _, p := range v.pools {
		if p.Name == name {
			return p, true
		}
	}
	return pve.PoolState{}, false
}

// upOn counts the OSDs of a host that are up and have weight.
func (v cephView) upOn(host string) int {
	n := 0
	for _, o := range v.tree {
		if o.Host == host && o.Up && o.Weight > 0 {
			n++
		}
	}
	return n
}

// allOSDs is how many OSDs the cluster should have, as far as this node knows.
func (v cephView) allOSDs() int {
	n := v.disks.expected()
	for _, p := range v.peers {
		n += p.Expected
	}
	return n
}

// look reads the whole state once.
func (s *Ceph) look(ctx context.Context) (cephView, error) {
	v := cephView{profile: s.o.Profile, founder: s.o.Node == s.o.Profile.Founder().Name, settled: s.o.Settled, peers: map[string]cephLocal{}, mute: map[string]error{}}
	v.node, _ = s.o.Profile.Node(s.o.Node)
	public, cluster := s.o.Profile.CephNetworks()
	v.public, v.cluster = s.o.Profile.Prefix(public).String(), s.o.Profile.Prefix(cluster).String()
	v.replaces = s.o.Place != nil && s.o.Place() != ""
	v.heir = s.o.heir()
	var err error
	if v.install, err = s.ceph.Installation(ctx); err != nil {
		return v, err
	}
	i, meant, err := s.intent()
	if err != nil {
		return v, err
	}
	v.meant, v.made = meant, i.FSID
	if v.conf, v.hasConf, err = s.ceph.Config(); err != nil {
		return v, err
	}
	v.linked = s.ceph.Linked()
	if _, err := s.o.Host.Files.Lstat(pve.AdminKeyring); err == nil {
		v.admin = true
	}
	if v.founder {
		s.askPeers(ctx, &v)
	}
	if !v.install.Whole() {
		all, err := s.ceph.Versions(ctx)
		v.manager = all["pve-manager"]
		return v, err
	}
	if !v.hasConf {
		return v, nil
	}
	if v.storages, err = s.ceph.Storages(); err != nil {
		return v, err
	}
	return v, s.lookDaemons(ctx, &v)
}

func (s *Ceph) lookDaemons(ctx context.Context, v *cephView) error {
	for _, of := range []struct {
		kind string
		into *pve.Daemon
	}{{"mon", &v.mon}, {"mgr", &v.mgr}, {"mds", &v.mds}} {
		d, err := s.ceph.Daemon(ctx, of.kind)
		if err != nil {
			return err
		}
		*of.into = d
	}
	if v.linked && len(v.conf.MonHost) > 0 {
		h, err := s.ceph.Health(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v.answers, v.health = err == nil, h
	}
	if !v.answers {
		return nil
	}
	var err error
	if v.managers, err = s.ceph.Managers(ctx); err != nil {
		return err
	}
	if v.tree, err = s.ceph.Tree(ctx); err != nil {
		return err
	}
	if v.pools, err = s.ceph.Pools(ctx); err != nil {
		return err
	}
	if s.o.Profile.Ceph.CephFS {
		if v.filesystems, err = s.ceph.FileSystems(ctx); err != nil {
			return err
		}
	}
	if err := s.lookDisks(ctx, v); err != nil {
		return err
	}
	return s.lookMemory(ctx, v)
}

func (s *Ceph) lookDisks(ctx context.Context, v *cephView) error {
	disks, err := s.ceph.Disks(ctx)
	if err != nil {
		return err
	}
	if v.volumes, err = s.ceph.Volumes(ctx); err != nil {
		return err
	}
	content := func(d pve.ListedDisk) string {
		c, err := s.ceph.Content(ctx, d.Device)
		if err != nil {
			return d.Used
		}
		return strings.TrimSpace(c.String())
	}
	v.disks = judgeDisks(v.node, s.o.Profile.Ceph.MinOSDs, v.conf.FSID, disks, v.volumes, s.ceph.Is, content)
	if v.node.WantsRest() && v.disks.stop == "" {
		root, why := rootDisk(v.node, disks, s.ceph.Is)
		if why != "" {
			v.disks.stop = why
			return nil
		}
		left, err := s.restOf(ctx, root)
		if err != nil {
			return err
		}
		v.disks.addRest(v.node, left, v.conf.FSID, v.volumes)
	}
	return s.lookBeside(ctx, v, disks, content)
}

// lookBeside judges the disks that take parts of the OSDs.
func (s *Ceph) lookBeside(ctx context.Context, v *cephView, disks []pve.ListedDisk, content func(pve.ListedDisk) string) (err error) {
	if v.disks.stop != "" {
		return nil
	}
	sight := blockdb.Sight{Node: v.node, Ceph: s.o.Profile.Ceph, FSID: v.conf.FSID, Disks: disks, Volumes: v.volumes, Is: s.ceph.Is, Content: content}
	if sight.Groups, err = blockdb.Groups(ctx, s.ceph, v.node, disks); err != nil {
		return err
	}
	for _, d := range v.disks.disks {
		sight.Data = append(sight.Data, d.disk)
		if d.osd < 0 {
			sight.New = append(sight.New, d.disk.Bytes)
		}
	}
	v.disks.beside, v.disks.stop, v.disks.noBeside = blockdb.Judge(sight)
	v.disks.wait = cmp.Or(v.disks.wait, v.disks.noBeside) // for peers
	return nil
}

// askPeers asks how far the others are.
func (s *Ceph) askPeers(ctx context.Context, v *cephView) {
	if s.o.Peers == nil || s.o.Settled {
		return
	}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		one, cancel := context.WithTimeout(ctx, 40*time.Second)
		var l cephLocal
		err := s.o.Peers.Call(one, n.Name, methodCephLocal, nil, &l)
		cancel()
		if err != nil {
			v.mute[n.Name] = err
			continue
		}
		v.peers[n.Name] = l
	}
}

// local answers a peer.
func (s *Ceph) local(ctx context.Context) (cephLocal, error) {
	l := cephLocal{Node: s.o.Node}
	i, err := s.ceph.Installation(ctx)
	if err != nil {
		return l, err
	}
	l.Installed, l.Release = i.Whole(), i.Release
	conf, ok, err := s.ceph.Config()
	if err != nil || !ok || !i.Whole() {
		return l, err
	}
	l.FSID = conf.FSID
	v := cephView{profile: s.o.Profile, conf: conf, hasConf: true}
	v.node, _ = s.o.Profile.Node(s.o.Node)
	if err := s.lookDisks(ctx, &v); err != nil {
		return l, err
	}
	l.Expected, l.Trouble = v.disks.expected(), v.disks.stop+v.disks.wait
	if s.ceph.Linked() && len(conf.MonHost) > 0 {
		if v.tree, err = s.ceph.Tree(ctx); err == nil {
			l.Done = v.upOn(s.o.Node)
		}
	}
	return l, nil
}
