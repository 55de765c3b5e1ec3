package matrix_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/replacedisk"
	"ringboot/profiles"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/debian"
)

// lifeAct is something that happens to a cluster, and how often beside the others.
type lifeAct struct {
	name  string
	often int
	do    func(*life)
}

func lifeActs() []lifeAct {
	return []lifeAct{
		{"an update", 3, func(l *life) { l.update(false) }},
		{"an update with a power cut", 3, func(l *life) { l.update(true) }},
		{"a power cut of one node", 4, func(l *life) { l.dark(l.any()) }},
		{"a power cut of two nodes", 1, func(l *life) { l.dark(l.others(l.any())...) }},
		{"a power cut of all nodes", 2, func(l *life) { l.dark(l.w.Names()...) }},
		{"a restart by hand", 3, (*life).restart},
		{"a cable", 4, (*life).cable},
		{"a new machine", 2, (*life).replace},
		{"a dead disk", 2, (*life).deadDisk},
		{"a drill on demand", 2, (*life).drill},
		{"something of the owner's", 6, (*life).owner},
		{"a look of the timer", 3, (*life).look},
	}
}

// update has somebody ask a node for the newest packages, on all nodes.
func (l *life) update(cut bool) {
	l.release++
	l.before, l.after = l.after, l.packages()
	offered := fmt.Sprintf("corosync 3.1.%d-pve1 3.1.%[2]d-pve1\nlibpve-storage-perl 9.1.%[3]d 9.1.%[4]d\npve-manager 9.2.%[5]d 9.2.%[6]d\n",
		8+l.release, 9+l.release, 6+l.release, 7+l.release, 10+l.release, 11+l.release)
	l.at, l.home, l.cutAt = l.any(), l.guestAt(), 0
	if cut {
		l.cutAt, l.victim, l.rolling.mode = 1+l.rnd.Intn(130), l.any(), l.fate()
	}
	for _, name := range l.w.Names() {
		f := l.w.Node(name).Files()
		if err := f.WriteFile(debian.SourcesFile, []byte(offered), 0o644); err != nil {
			l.t.Fatal(err)
		}
		_ = f.Remove("/var/lib/ringboot/upgrade.json") // of an earlier one that ended
		if err := f.Sync(); err != nil {
			l.t.Fatal(err)
		}
	}
	l.start()
	if err := l.end(); err != nil {
		l.wrong("upgrade led by %s, cut %v of %s at %d: %v", l.at, l.cut, l.victim, l.cutAt, err)
	}
	l.agents[l.at].end()
	l.cutAt = 0
}

// dark takes the power of nodes away, for minutes or for days.
func (l *life) dark(nodes ...string) {
	for _, n := range nodes {
		l.w.PowerCut(n, l.fate())
	}
	l.runUntil(time.Duration(1+l.rnd.Intn(20))*time.Minute, func() bool { return false })
	for _, n := range nodes {
		l.power(n)
		l.runUntil(time.Duration(l.rnd.Intn(90))*time.Second, func() bool { return false })
	}
}

// restart is one that a person types.
func (l *life) restart() {
	node := l.any()
	l.typed(node, "systemctl", "reboot")
	l.runUntil(10*time.Minute, func() bool { return !l.w.Node(node).Powered() })
}

// cable takes a cable of the ring or of the management network out for a while.
func (l *life) cable() {
	node := l.any()
	far, link := l.others(node)[l.rnd.Intn(2)], l.rnd.Intn(2)
	l.w.SetLink(node, far, link, false)
	l.runUntil(time.Duration(1+l.rnd.Intn(60))*time.Minute, func() bool { return false })
	l.w.SetLink(node, far, link, true)
}

// replace loses a machine for good. Another one takes its place, after one
// admission, with builders that the owner has called back.
func (l *life) replace() { l.replaceBy(l.any(), l.rnd.Intn(2) == 0) }

// replaceBy is replace of a node, whose disk for Ceph moves along or does not.
func (l *life) replaceBy(node string, moved bool) {
	first := l.newest()
	l.w.PowerCut(node, l.fate())
	l.runUntil(time.Duration(5+l.rnd.Intn(30))*time.Minute, func() bool { return false })
	for _, n := range l.others(node) {
		l.away[n] = false
		l.agents[n].start()
	}
	l.newMachine(node, moved)
	l.has(node, l.after)
	l.runUntil(3*time.Minute, func() bool { return false })
	l.admit(giver(node), node)
	if !l.runUntil(4*time.Hour, l.again(first)) {
		l.wrong("the new machine of %s (disk moved along: %v) is not whole: %v", node, moved, l.agents)
		return
	}
	if !l.runUntil(time.Hour, func() bool { return l.sound() == "" }) {
		l.wrong("with the new machine of %s: %s", node, l.sound())
	}
	for _, bad := range l.replacing(node) {
		l.wrong("the new machine of %s: %s", node, bad)
	}
	l.settle()
}

// deadDisk replaces the disk of an OSD that has died, and has the profile name
// the new one.
func (l *life) deadDisk() {
	node := l.any()
	m, a := l.w.Node(node).Machine(), l.agents[node]
	disks := ceph.Disks(m)
	at := slices.IndexFunc(disks, func(d ceph.BlockDevice) bool { return d.OSD >= 0 })
	dead := disks[at].OSD
	_ = m.Unit("stop", fmt.Sprintf("ceph-osd@%d", dead))
	_ = m.Unit("disable", fmt.Sprintf("ceph-osd@%d", dead))
	l.machines++
	l.osd[node] = fmt.Sprintf("NEW%d-%s", l.machines, node)
	disks[at] = ceph.BlockDevice{Name: disks[at].Name, Serial: l.osd[node], Model: "Samsung SSD 990 PRO 2TB", Bytes: 2000398934016, Type: "nvme", OSD: -1}
	ceph.SetDisks(m, disks...)
	l.runUntil(10*time.Minute, func() bool { return false }) // until somebody looks
	a.life++
	a.alive = true
	h, _ := a.host(a.life)
	r := replacedisk.New(replacedisk.Options{Host: h, Node: l.planOf(node), Log: func(text string) { l.logf("replace-disk: %s", text) }})
	var err error
	done := false
	l.w.Sim().Go("owner", func() {
		defer func() { done = true }()
		var o *replacedisk.Order
		if o, err = r.Begin(context.Background(), dead, l.osd[node]); err != nil {
			return
		}
		if err = o.Write(h.Files); err == nil {
			err = r.Run(context.Background(), o)
		}
		if err == nil && o.Stopped != "" {
			err = errors.New(o.Stopped)
		}
	})
	if !l.runUntil(8*time.Hour, func() bool { return done }) || err != nil {
		l.wrong("the dead disk of %s is not replaced: %v", node, err)
	}
	a.end()
	l.names(node)
}

// names has the profile of a node name its disk for Ceph.
func (l *life) names(node string) {
	p := *l.agents[node].profile
	p.Nodes = slices.Clone(p.Nodes)
	for i := range p.Nodes {
		if p.Nodes[i].Name == node {
			p.Nodes[i].OSDDisks = []profiles.DiskName{{Serial: l.osd[node]}}
		}
	}
	l.agents[node].profile = &p
}

// drill has the builders called back for one drill that takes nothing from
// anybody, and leave again.
func (l *life) drill() {
	first := l.newest()
	for _, n := range l.w.Names() {
		l.away[n] = false
		l.agents[n].start()
	}
	l.runUntil(time.Minute, func() bool { return false })
	if err := l.bench.asked(acceptance.Again{Drills: []string{"corosync"}}); err != nil {
		l.wrong("a drill on demand: %v", err)
	} else if !l.runUntil(2*time.Hour, l.again(first)) {
		l.wrong("a drill on demand does not come to a report: %v", l.agents)
	}
	l.settle()
}

// owner makes the cluster his own in one more thing.
func (l *life) owner() {
	all := ownWays()
	all[l.rnd.Intn(len(all))](l, fmt.Sprintf("own%d", len(l.own)+1))
}

// ownWays are the ways in which he does: what the plan says nothing of, and what
// it says otherwise. Each has a name to use, which is new.
func ownWays() []func(l *life, name string) {
	option := func(key string, values ...string) func(*life, string) {
		return func(l *life, name string) {
			value := name
			if len(values) > 0 {
				value = values[l.rnd.Intn(len(values))]
			}
			l.typed(l.any(), "pvesh", "set", "/cluster/options", "--"+key, value)
			if key == "description" {
				l.replaced(key, "#"+value)
			} else {
				l.replaced(key, key+": "+value)
			}
		}
	}
	return []func(*life, string){
		option("description"),
		option("console", "html5", "xtermjs", "vv"),
		option("keyboard", "fr", "it", "es"),
		option("email_from", "it@example.org", "ops@example.org"),
		option("ha", "shutdown_policy=freeze", "shutdown_policy=failover"),
		option("migration", "insecure,network=10.203.4.0/24", "secure,network=10.203.3.0/24"),
		func(l *life, name string) {
			l.typed(l.any(), "pveum", "user", "add", name+"@pam")
			l.own = append(l.own, setting{file: "/etc/pve/user.cfg", holds: "user:" + name + "@pam:"})
		},
		func(l *life, name string) {
			add("/etc/pve/storage.cfg", "\nnfs: "+name+"\n\texport /srv\n\tpath /mnt/pve/"+name+"\n\tserver 10.203.3.9\n\tcontent backup\n")(&settledBench{bench: l.bench})
			l.own = append(l.own, setting{file: "/etc/pve/storage.cfg", holds: "nfs: " + name})
		},
		func(l *life, _ string) {
			gone := setting{file: "/etc/pve/user.cfg", lacks: "user:bob@pam:"}
			if !slices.Contains(l.own, gone) {
				edit(gone.file, gone.lacks, "user:robert@pam:")(&settledBench{bench: l.bench})
				l.own = append(l.own, gone)
			}
		},
	}
}

// TestANewFounderUndoesNothing: the first node writes users, options and storage
// while a cluster is formed. Its new machine finds them as the owner has made
// them since, and leaves them so.
func TestANewFounderUndoesNothing(t *testing.T) {
	l := newLife(t, 1)
	defer l.close()
	for i, way := range ownWays() {
		way(l, fmt.Sprintf("own%d", i))
		l.judge("the owner's")
	}
	l.replaceBy("frege", false)
	l.judge("a new machine of the founder")
	for _, bad := range l.bad {
		t.Error(bad)
	}
}

// replaced notes an option of the datacenter: its last value counts.
func (l *life) replaced(option, holds string) {
	for i := range l.own {
		if l.own[i].option == option {
			l.own[i].holds = holds
			return
		}
	}
	l.own = append(l.own, setting{file: "/etc/pve/datacenter.cfg", option: option, holds: holds})
}

// look is the hourly one on a node: it changes nothing.
func (l *life) look() {
	d := &settledBench{bench: l.bench}
	node := l.any()
	looks := d.begin(node)
	d.operate(func() { looks.look(l.t.Context()) })
	if did := looks.changed(); len(did) > 0 {
		l.wrong("the look on %s changed something: %q", node, did)
	}
	l.agents[node].end()
}
