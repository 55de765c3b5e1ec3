package storage

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// Which Ceph a node installs, and when it does not begin.
func TestWhenThePackagesOfCephAreInstalled(t *testing.T) {
	release, _, _ := profiles.ReleaseOf("9.2")
	ceph := release.Ceph[0]
	p := &profiles.Profile{Proxmox: profiles.Proxmox{Version: "9.2"}, Ceph: profiles.Ceph{Version: ceph.Name}}
	for name, c := range map[string]struct {
		install pve.Installation
		manager string
		state   step.State
		say     string
	}{
		"nothing is there":          {pve.Installation{}, ceph.Since, step.Todo, "Ceph is not installed yet"},
		"the version is not known":  {pve.Installation{}, "", step.Todo, "Ceph is not installed yet"},
		"half a package":            {pve.Installation{Programs: true, Half: true}, ceph.Since, step.Todo, "was interrupted and goes on"},
		"the installation goes on":  {pve.Installation{Programs: true, Flag: true}, ceph.Since, step.Todo, "was interrupted and goes on"},
		"a manager that is too old": {pve.Installation{}, "1.0.0", step.Stopped, "run apt full-upgrade on all nodes, or choose another ceph.version"},
		"a manager that is newer":   {pve.Installation{}, "99.0.0", step.Todo, "Ceph is not installed yet"},
	} {
		d, more := cephPackages(cephView{profile: p, node: profiles.Node{Name: "frege"}, install: c.install, manager: c.manager})
		if more || d.verdict.State != c.state || !strings.Contains(d.verdict.Reason, c.say) || (d.act == cephInstall) != (c.state == step.Todo) {
			t.Errorf("%s: %v %v %q", name, d.act, d.verdict.State, d.verdict.Reason)
		}
	}
	if _, more := cephPackages(cephView{profile: p, install: pve.Installation{Programs: true}}); !more {
		t.Error("what is whole is installed again")
	}
}

// The versions that the others have, of each package the newest; who comes to a
// cluster with Ceph waits until a member has told.
func TestAMachineIsHeldToTheCephOfTheOthers(t *testing.T) {
	const waits = "Ceph is installed once a member says which versions it has: no answer of frege (ask frege: connection refused), wittgenstein (ask wittgenstein: connection refused)"
	older, newer := map[string]string{"ceph": "20.2.0-pve9", "ceph-mds": "20.2.0-pve9"}, map[string]string{"ceph": "20.2.0-pve10"}
	for name, c := range map[string]struct {
		has  map[string]map[string]string
		late bool
		want string
		err  string
	}{
		"all begin":             {map[string]map[string]string{"frege": nil, "wittgenstein": nil}, false, "", ""},
		"two versions":          {map[string]map[string]string{"frege": older, "wittgenstein": newer}, true, "Package: ceph\nPin: version 20.2.0-pve10\nPin-Priority: 1001\n\nPackage: ceph-mds\nPin: version 20.2.0-pve9\nPin-Priority: 1001\n\nits owner's", ""},
		"one is silent":         {map[string]map[string]string{"wittgenstein": newer}, true, "Package: ceph\nPin: version 20.2.0-pve10\nPin-Priority: 1001\n\nits owner's", ""},
		"both are silent":       {nil, true, "", waits},
		"both while it is made": {nil, false, "", ""},
	} {
		mem, h := trust.NewMemory(), host.New(t.TempDir())
		if err := h.Files.WriteFile("/etc/apt/preferences", []byte("its owner's"), 0o644); err != nil {
			t.Fatal(err)
		}
		for node, has := range c.has {
			mem.Node(node).Handle(methodCephLocal, func(_ context.Context, _ string, in json.RawMessage) (any, error) {
				if string(in) != `{"packages":true}` {
					t.Errorf("%s was asked %s", node, in)
				}
				return cephLocal{Packages: has}, nil
			})
		}
		s := NewCeph(Options{Host: h, Profile: profiles.Default(), Node: "russell", Peers: mem.Node("russell")})
		got, err := s.pins(t.Context(), cephView{replaces: c.late})
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Whose Ceph it is: what somebody else made is a reason to stop, and nobody
// begins before all can be asked.
func TestWhoseCephItIs(t *testing.T) {
	const ours, foreign = "ours", "foreign"
	whole := pve.Config{FSID: ours, PublicNetwork: "192.0.2.0/24", ClusterNetwork: "198.51.100.0/24"}
	for name, c := range map[string]struct {
		change func(v *cephView)
		act    cephAct
		say    string
	}{
		"all is there":            {func(*cephView) {}, cephNothing, ""},
		"made by somebody else":   {func(v *cephView) { v.meant, v.made = false, "" }, cephNothing, "that this agent did not make"},
		"another one in its file": {func(v *cephView) { v.conf.FSID = foreign }, cephNothing, "put the right file back"},
		"taken out by its owner":  {func(v *cephView) { v.hasConf, v.heir = false, true }, cephNothing, "is gone from the finished cluster"},
		"other networks":          {func(v *cephView) { v.conf.PublicNetwork = "203.0.113.0/24" }, cephNothing, "set ceph.public_network and ceph.cluster_network as they are"},
		"another ring":            {func(v *cephView) { v.conf.ClusterNetwork = "203.0.113.0/24" }, cephNothing, "set ceph.public_network and ceph.cluster_network as they are"},
		"not linked":              {func(v *cephView) { v.linked = false }, cephLinkConf, "is missing"},
		"not written down":        {func(v *cephView) { v.made = "" }, cephRecord, "is to be written down"},
		"written down by another": {func(v *cephView) { v.made, v.founder = "", false }, cephNothing, ""},
		"nothing yet":             {func(v *cephView) { v.hasConf, v.made, v.meant = false, "", false }, cephIntend, "is about to be initialised"},
		"meant":                   {func(v *cephView) { v.hasConf, v.made = false, "" }, cephInit, "is to be initialised"},
		"no key beside the file":  {func(v *cephView) { v.admin = false }, cephInit, "is to be initialised"},
		"half a file":             {func(v *cephView) { v.conf.FSID, v.made = "", "" }, cephInit, "is to be initialised"},
		"not the founder":         {func(v *cephView) { v.hasConf, v.founder = false, false }, cephNothing, "waits for frege to initialise Ceph"},
		"one is silent":           {func(v *cephView) { v.hasConf, v.mute = false, map[string]error{"russell": errors.New("no route")} }, cephNothing, "russell does not answer (no route)"},
		"one is not so far":       {func(v *cephView) { v.hasConf, v.peers["russell"] = false, cephLocal{} }, cephNothing, "waits until Ceph is installed on russell"},
		"one has another release": {func(v *cephView) {
			v.hasConf, v.peers["russell"] = false, cephLocal{Installed: true, Release: "19.2"}
		}, cephNothing, "russell has Ceph 19.2, frege has 20.2"},
	} {
		p := &profiles.Profile{Nodes: []profiles.Node{{Name: "frege"}, {Name: "russell"}}}
		v := cephView{profile: p, node: p.Nodes[0], founder: true, public: whole.PublicNetwork, cluster: whole.ClusterNetwork, hasConf: true, conf: whole, made: ours, meant: true, admin: true, linked: true,
			install: pve.Installation{Programs: true, Release: "20.2"}, peers: map[string]cephLocal{"russell": {Installed: true, Release: "20.2"}}}
		c.change(&v)
		d, more := cephConfig(v)
		if more != (c.say == "") || d.act != c.act || !strings.Contains(d.verdict.Reason, c.say) {
			t.Errorf("%s: act %d, %q", name, d.act, d.verdict.Reason)
		}
	}
}

// Monitors come one after the other, and each with its manager.
func TestAMonitorAtATime(t *testing.T) {
	for name, c := range map[string]struct {
		node   string
		change func(v *cephView)
		act    cephAct
		say    string
	}{
		"the first":    {"frege", func(*cephView) {}, cephMakeMon, "frege gets its monitor"},
		"made by half": {"frege", func(v *cephView) { v.mon.Dir = true }, cephCleanMon, "was made by half"},
		"does not run": {"frege", func(v *cephView) {
			v.conf.Sections, v.mon = []string{"mon.frege"}, pve.Daemon{Dir: true, Keyring: true}
		}, cephStartMon, "does not run"},
		"alone":                        {"frege", func(v *cephView) { v.conf.Sections, v.mon = []string{"mon.frege"}, running }, cephNothing, "TCP ports 3300 and 6789"},
		"the second, before the first": {"russell", func(*cephView) {}, cephNothing, "the monitor of frege is not in quorum yet"},
		"before the first's manager":   {"russell", func(v *cephView) { v.answers, v.health.Quorum = true, []string{"frege"} }, cephNothing, "the manager of frege is not there yet"},
		"the second's turn": {"russell", func(v *cephView) {
			v.answers, v.health.Quorum, v.managers.Active = true, []string{"frege"}, "frege"
		}, cephMakeMon, "russell gets its monitor"},
		"in quorum": {"russell", func(v *cephView) {
			v.answers, v.health.Quorum, v.mon = true, []string{"frege", "russell"}, running
		}, cephNothing, ""},
	} {
		p := &profiles.Profile{Nodes: []profiles.Node{{Name: "frege"}, {Name: "russell"}, {Name: "wittgenstein"}}}
		n, _ := p.Node(c.node)
		v := cephView{profile: p, node: n}
		c.change(&v)
		d, more := cephMonitor(v)
		if more != (c.say == "") || d.act != c.act || !strings.Contains(d.verdict.Reason, c.say) {
			t.Errorf("%s: act %d, %q", name, d.act, d.verdict.Reason)
		}
	}
}

var running = pve.Daemon{Dir: true, Keyring: true, Active: true}
