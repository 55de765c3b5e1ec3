package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// sighted is what a node of a whole cluster of three can prove.
func sighted(p *profiles.Profile, node string) proofView {
	v := proofView{View: proven(node), Members: names(p), Quorate: true, Links: map[string][]linkUse{}}
	own, _ := p.Node(node)
	for _, o := range p.Others(node) {
		for i, near := range p.Links(own) {
			v.Links[o.Name] = append(v.Links[o.Name], linkUse{Number: i, From: near.String(), To: p.Links(o)[i].String(), Connected: true})
		}
	}
	return v
}

// What keeps a cluster from being proven, in the words that all nodes say.
func TestWhatProvesACluster(t *testing.T) {
	for want, spoil := range map[string]func(all map[string]*proofView){
		"":                                    func(map[string]*proofView) {},
		"corosync of russell does not answer": func(all map[string]*proofView) { all["russell"].Wrong = "corosync of russell does not answer" },
		"wittgenstein has no quorum":          func(all map[string]*proofView) { all["wittgenstein"].View.Quorate = false },
		"corosync of russell sees frege and russell only, of frege, russell and wittgenstein":             func(all map[string]*proofView) { all["russell"].Members = []string{"frege", "russell"} },
		"corosync of frege sees frege, russell and wittgenstein only, of frege, russell and wittgenstein": func(all map[string]*proofView) { all["frege"].Quorate = false },
		"/etc/pve of frege is synchronised with frege only, of frege, russell and wittgenstein":           func(all map[string]*proofView) { all["frege"].View.Synced = []string{"frege"} },
		"the corosync.conf of frege and russell differ: restart pve-cluster on the one with the lower config_version": func(all map[string]*proofView) {
			all["russell"].View.Sum, all["russell"].View.HostSum = "other", "conf"
		},
		"the corosync.conf of frege and wittgenstein differ: restart pve-cluster on the one with the lower config_version":            func(all map[string]*proofView) { all["wittgenstein"].View.HostSum = "other" },
		"the corosync keys of frege and russell differ":                                                                               func(all map[string]*proofView) { all["russell"].View.Key = "other" },
		"corosync link 1 from frege (10.203.4.11) to russell (10.203.4.12) does not carry: check the ring's cables and the step ring": func(all map[string]*proofView) { all["frege"].Links["russell"][1].Connected = false },
		"corosync link 0 from russell (10.203.3.12) to wittgenstein (10.203.3.13) does not carry: check the management network between them": func(all map[string]*proofView) {
			all["russell"].Links["wittgenstein"][0].To = "10.203.3.99"
		},
		"corosync link 0 from wittgenstein (10.203.3.13) to frege (10.203.3.11) does not carry: check the management network between them": func(all map[string]*proofView) {
			all["wittgenstein"].Links["frege"][0].From = "10.203.3.99"
		},
		"corosync link 1 from wittgenstein (10.203.4.13) to russell (10.203.4.12) does not carry: check the ring's cables and the step ring": func(all map[string]*proofView) {
			all["wittgenstein"].Links["russell"][1].Number = 0
		},
	} {
		p, all, views := plan3(), map[string]*proofView{}, map[string]proofView{}
		for _, n := range names(p) {
			v := sighted(p, n)
			all[n] = &v
		}
		spoil(all)
		for n, v := range all {
			views[n] = *v
		}
		if got := unproven(p, views); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// Each reason for which a node is no proven member yet, the first one first.
func TestWhatANodeLacks(t *testing.T) {
	for want, spoil := range map[string]func(*view){
		"":                                  func(*view) {},
		"pve-cluster of frege does not run": func(v *view) { v.Mounted, v.Name = false, "" },
		"frege has the configuration of principia and has not joined yet": func(v *view) { v.Name, v.Key = "", "" },
		"frege is in no cluster yet":                                      func(v *view) { v.Name, v.HostName, v.Key = "", "", "" },
		"frege is in the cluster homelab":                                 func(v *view) { v.Name, v.Contrary = "homelab", "it contradicts" },
		"it contradicts":                                                  func(v *view) { v.Contrary, v.Key = "it contradicts", "" },
		"the corosync key of frege is not whole":                          func(v *view) { v.Key, v.Running = "", "" },
		"corosync of frege does not run yet":                              func(v *view) { v.Running, v.Quorate = "", false },
		"frege has no quorum":                                             func(v *view) { v.Quorate, v.Writable = false, false },
		"/etc/pve of frege has not synchronised yet":                      func(v *view) { v.Writable, v.Cert = false, "none" },
		"frege has no certificate of the cluster yet":                     func(v *view) { v.Cert = "none" },
	} {
		if got := with(proven("frege"), spoil).unsettled("principia"); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	for _, spoil := range []func(*view){func(v *view) { v.Synced = []string{"russell"} }, func(v *view) { v.Entering = true }} {
		if with(proven("frege"), spoil).unsettled("principia") == "" {
			t.Error("what is not synchronised, or on its way in, is a member")
		}
	}
	// Its certificate is made once it is in, and not before.
	for name, c := range map[string]struct {
		spoil func(*view)
		want  bool
	}{
		"nothing is missing":           {func(*view) {}, false},
		"no certificate":               {func(v *view) { v.Cert = "none" }, true},
		"on its way in":                {func(v *view) { v.Entering = true }, true},
		"no directory":                 {func(v *view) { v.Homeless, v.Writable = true, false }, true},
		"no quorum":                    {func(v *view) { v.Cert, v.Quorate = "none", false }, false},
		"not synchronised":             {func(v *view) { v.Cert, v.Synced = "none", []string{"russell"} }, false},
		"/etc/pve takes nothing":       {func(v *view) { v.Cert, v.Writable = "none", false }, false},
		"nothing is missing, no write": {func(v *view) { v.Writable = false }, false},
	} {
		if got := with(proven("frege"), c.spoil).needsCertificate(); got != c.want {
			t.Errorf("%s: the certificate is made: %v", name, got)
		}
	}
}

// told are differences, a line each.
func told(changes []step.Change, err error) string {
	var out []string
	for _, c := range changes {
		line := fmt.Sprintf("%s: %s, not %s", c.Object, c.Have, c.Want)
		if c.Beyond {
			line += ", beyond the plan"
		}
		out = append(out, line)
	}
	if err != nil {
		out = append(out, err.Error())
	}
	return strings.Join(out, "\n")
}

// What a hand has changed in a formed cluster is told once, and never undone.
func TestWhatDiffersFromThePlanIsTold(t *testing.T) {
	p := whole3()
	p.Proxmox.Proxy = "http://10.203.3.1:3128"
	c := formed(t, p)
	observed := func(node string) string {
		return told(c.clusters[node].Observe(t.Context())) + "\n" + told(c.proofs[node].Observe(t.Context()))
	}
	if got := observed("frege") + observed("russell"); got != "\n\n" {
		t.Errorf("nothing was changed, and it says: %s", got)
	}
	for _, line := range []string{"pvesh set /cluster/options --keyboard fr --description mine --email_from eve@example.net", "pveum user add carol@pam"} {
		if _, err := c.Type("russell", line); err != nil {
			t.Fatal(err)
		}
	}
	files := c.World.Node("frege").Files()
	rules, err := files.ReadFile(firewallFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := files.WriteDirect(firewallFile, []byte(strings.Replace(string(rules), "GROUP ringboot", "", 1))); err != nil {
		t.Fatal(err)
	}
	grown := *p
	grown.Users = append(slices.Clone(p.Users), profiles.User{Name: "dave", ProxmoxRole: "Auditor"})
	c.proofs["frege"].o.Profile = &grown
	want := `
user dave@pam: missing, not present
acl / dave@pam: missing, not Auditor
firewall group ringboot: without GROUP ringboot, not whole
keyboard: fr, not de
email_from: eve@example.net, not root@example.net
users of Proxmox VE: also carol@pam, not those of the profile, beyond the plan`
	if got := observed("frege"); got != want {
		t.Errorf("frege says: %s", got)
	}
	if got := observed("russell"); got != "\n" {
		t.Errorf("russell says it once more: %s", got)
	}
}

// Another configuration than the plan's is told by the first node; by another
// one only that it is no member, or was off when the cluster grew.
func TestAnotherConfigurationIsTold(t *testing.T) {
	p := plan3()
	p.Nodes[2].Added = true
	c := try(t, p)
	c.Start()
	for _, n := range c.World.Names() {
		c.Machine(n).End()
	}
	text := string(planned(p).Text())
	lone := text[strings.Index(text, "  node {\n    name: wittgenstein"):strings.Index(text, "}\n\nquorum")]
	second := text[strings.Index(text, "  node {\n    name: russell"):strings.Index(text, "  node {\n    name: wittgenstein")]
	for name, k := range map[string]struct {
		node, conf, want string
	}{
		"none":              {"frege", "", "cluster principia: not on frege, not frege a member"},
		"the plan's":        {"frege", text, ""},
		"another name":      {"russell", strings.Replace(text, "cluster_name: principia", "cluster_name: homelab", 1), "name of the cluster: homelab, not principia"},
		"another node":      {"frege", strings.Replace(text, lone, lone+strings.NewReplacer("wittgenstein", "goedel", "nodeid: 3", "nodeid: 4").Replace(lone), 1), "members: frege, goedel, russell and wittgenstein, not frege, russell and wittgenstein, beyond the plan"},
		"one less":          {"frege", strings.Replace(text, second, "", 1), "members: without russell, not frege, russell and wittgenstein"},
		"not added yet":     {"frege", strings.Replace(text, lone, "", 1), "corosync.conf of frege: without wittgenstein, not as the others have it"},
		"the same, russell": {"russell", strings.Replace(text, lone, "", 1), "corosync.conf of russell: without wittgenstein, not as the others have it"},
		"another address":   {"frege", strings.Replace(text, "10.203.4.12", "10.203.4.99", 1), "corosync's entry of russell: 2 at 10.203.3.12 and 10.203.4.99, not 2 at 10.203.3.12 and 10.203.4.12"},
		"another id":        {"frege", strings.Replace(text, "nodeid: 2", "nodeid: 7", 1), "corosync's entry of russell: 7 at 10.203.3.12 and 10.203.4.12, not 2 at 10.203.3.12 and 10.203.4.12"},
		"not the founder's": {"russell", strings.Replace(text, "10.203.4.12", "10.203.4.99", 1), ""},
	} {
		files := c.World.Node(k.node).Files()
		if err := files.Remove(pve.ConfFile); err != nil {
			t.Fatal(err)
		}
		if k.conf != "" {
			if err := files.WriteDirect(pve.ConfFile, []byte(k.conf)); err != nil {
				t.Fatal(err)
			}
		}
		if got := told(c.clusters[k.node].Observe(t.Context())); got != k.want {
			t.Errorf("%s: %s\nnot: %s", name, got, k.want)
		}
	}
}
