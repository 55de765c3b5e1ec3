package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/rehearsal/trial"
)

// Each part hands on whatever fails in it, but for what is listed.
func TestEachPartHandsOnWhatFails(t *testing.T) {
	c := formed(t, whole3())
	for _, n := range c.World.Names() {
		c.Machine(n).End()
	}
	c.rest(time.Minute)
	c.idle = true
	c.Start()
	s, proof, ctx := c.clusters["russell"], c.proofs["frege"], t.Context()
	files := c.World.Node("russell").Files()
	conf, err := files.ReadFile(pve.HostConf)
	if err != nil {
		t.Fatal(err)
	}
	// What a look cannot read is in the view, and a node that does not answer is in the decision.
	look, err := c.Sweep(func() error {
		for _, n := range c.World.Names() {
			c.clusters[n].look()
		}
		return nil
	})
	var b strings.Builder
	fmt.Fprintf(&b, "== look: %v\n%s", err, look)
	for _, k := range []struct {
		name string
		do   func() error
	}{
		{"apply", func() error { return s.Apply(ctx) }},
		{"observe", func() error { _, err := s.Observe(ctx); return err }},
		{"admit", func() error { return s.Admit(ctx, "frege", "") }},
		{"ask for the key", func() error { _, _, err := s.obtain(ctx, "frege"); return err }},
		{"end an admission", func() error {
			if err := files.WriteFile(admitFile, []byte(`{"node": "frege", "handed": true}`), 0o600); err != nil {
				return err
			}
			return s.arrived("key", map[string]answer{"frege": {view: view{Key: "key"}}})
		}},
		{"certificates", func() error { return s.act(ctx, decision{act: doCerts}) }},
		{"a CA", func() error { return s.act(ctx, decision{act: doRemake}) }},
		{"take a place", func() error {
			if err := errors.Join(files.Remove(PlaceFile), files.Remove(HeirFile)); err != nil {
				return err
			}
			return s.takePlace(true)
		}},
		{"start", func() error { return s.act(ctx, decision{act: doStart}) }},
		{"enter", func() error { return s.act(ctx, decision{act: doEnter, source: "frege"}) }},
		{"found", func() error { return c.clusters["frege"].act(ctx, decision{act: doFound}) }},
		{"what is missing", func() error { _, err := proof.Check(ctx); return err }},
		{"observe users and options", func() error { _, err := proof.Observe(ctx); return err }},
		{"users and options", func() error {
			if err := c.World.Node("frege").Files().Remove(firewallFile); err != nil {
				return err
			}
			if _, err := c.World.Exec(ctx, "frege", strings.Fields("pvesh set /cluster/options --keyboard fr"), nil, nil, time.Minute); err != nil {
				return err
			}
			return proof.Apply(ctx)
		}},
		{"leave", func() error {
			if err := files.WriteFile(pve.HostConf, conf, 0o644); err != nil {
				return err
			}
			return s.Leave(ctx)
		}},
	} {
		quiet, err := c.Sweep(k.do)
		fmt.Fprintf(&b, "== %s: %v\n%s", k.name, err, trial.Less(quiet, look))
	}
	if err := trial.Told("testdata/sweep.txt", b.String(), *update); err != nil {
		t.Error(err)
	}
}

// A configuration that contradicts the plan, and a certificate that is another
// one by now, are seen at the next look.
func TestWhatChangedIsSeenAtTheNextLook(t *testing.T) {
	c := formed(t, whole3())
	files := c.World.Node("frege").Files()
	change := func(file, from, to string) {
		t.Helper()
		text, err := files.ReadFile(file)
		if err == nil {
			err = files.WriteDirect(file, []byte(strings.Replace(string(text), from, to, 1)))
		}
		if err != nil {
			t.Fatal(err)
		}
		c.rest(time.Minute)
	}
	change(pve.CertificateFile("frege"), "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA")
	if !strings.Contains(c.Story("frege"), "$ pvecm updatecerts --force") || c.clusters["frege"].look().Cert != "" {
		t.Errorf("a broken certificate stays: %+v", c.clusters["frege"].look())
	}
	change(pve.ConfFile, "name: russell", "name: goedel")
	want := "the cluster principia has grown beyond the profile by goedel: nothing is done there any more; add the node to the profile, or leave this cluster to itself"
	c.says("frege", "cluster", want)
	if v := c.Machine("frege").Verdict("cluster"); v.State != step.Stopped {
		t.Errorf("%+v", v)
	}
	var v view
	if err := c.Machine("russell").Call(t.Context(), "frege", methodView, nil, &v); err != nil || v.Stopped != want {
		t.Errorf("russell is told %q, %v", v.Stopped, err)
	}
}

// One thing that is missing is enough for the first node to write it.
func TestOneThingThatIsMissing(t *testing.T) {
	c := formed(t, whole3())
	for _, line := range []string{"pvesh set /cluster/options --email_from eve@example.net", "pveum user modify alice@pam --comment Alice"} {
		_, _ = c.Type("frege", line)
		v, err := c.proofs["frege"].Check(t.Context())
		if strings.Contains(line, "email") && (err != nil || v.State != step.Todo || v.Reason != "writes users and options of principia" || len(v.Changes) != 1 || v.Changes[0] != step.Change{Object: "email_from", Have: "eve@example.net", Want: "root@example.net"}) {
			t.Errorf("%s: %+v %v", line, v, err)
		}
	}
	if v, err := c.proofs["russell"].Check(t.Context()); err != nil || v.State != step.Done {
		t.Errorf("%+v %v", v, err)
	}
	c.proofs["russell"].o.Plan = "another plan"
	if v, err := c.proofs["russell"].Check(t.Context()); err != nil || v.State != step.Waiting || v.Reason != "waits for frege to write users and options of principia" {
		t.Errorf("%+v %v", v, err)
	}
	// Of a settled cluster the members alone are asked for.
	c.settle("frege", "russell")
	for _, n := range []string{"frege", "russell"} {
		if v, err := (Standing{c.proofs[n]}).Check(t.Context()); err != nil || v.State != step.Done {
			t.Errorf("%s: %+v %v", n, v, err)
		}
	}
	if v, err := (Standing{c.proofs["wittgenstein"]}).Check(t.Context()); err != nil || v.State != step.Done {
		t.Errorf("%+v %v", v, err)
	}
	// Without a ring there is one link.
	p := *c.profile
	p.Nodes = nil
	for _, n := range c.profile.Nodes {
		n.Ring = n.Address
		p.Nodes = append(p.Nodes, n)
	}
	one := Proof{o: Options{Profile: c.profile}}
	if got := one.proven(); got != "3 nodes see each other over both links, /etc/pve is the same on all" {
		t.Error(got)
	}
}

// Nodes that are added to a plan come when the others have formed their cluster.
func TestDecisionsOfAGrownPlan(t *testing.T) {
	two := func(node string) view {
		return with(proven(node), func(v *view) {
			v.Synced, v.Known, v.Listed, v.Version = []string{"frege", "russell"}, []string{"frege", "russell"}, []string{"frege", "russell"}, 2
		})
	}
	for name, k := range map[string]struct {
		me    string
		views [3]view
		act   action
		takes bool
		heir  bool
		state step.State
		says  string
	}{
		"not founded any more": {"frege", [3]view{blank("frege"), blank("russell"), blank("wittgenstein")}, doNothing, false, false, step.Stopped,
			"wittgenstein was added to a cluster principia that no node has any more: take added out of the profile, and make the images of all nodes again"},
		"not admitted": {"wittgenstein", [3]view{two("frege"), two("russell"), blank("wittgenstein")}, doNothing, false, false, step.Waiting,
			"frege hands the key of principia to no added wittgenstein that root has not admitted: run firstboot admit wittgenstein on frege"},
		"admitted": {"wittgenstein", [3]view{with(two("frege"), func(v *view) { v.Admits, v.Settled = "wittgenstein", true }), two("russell"), blank("wittgenstein")}, doEnter, true, true, step.Todo, "enters the cluster principia"},
		"a stray key and no source": {"wittgenstein", [3]view{blank("frege"), blank("russell"), with(blank("wittgenstein"), func(v *view) { v.Key, v.Entering = "key", true })}, doNothing, false, false, step.Waiting,
			"waits for frege to found the cluster principia"},
		"whole, without a vote": {"wittgenstein", [3]view{proven("frege"), proven("russell"), with(proven("wittgenstein"), func(v *view) { v.Comes = true })}, doVote, false, false, step.Todo, "wittgenstein is whole and gets its vote"},
		"it has its vote":       {"wittgenstein", [3]view{proven("frege"), proven("russell"), with(proven("wittgenstein"), func(v *view) { v.Comes, v.Votes = true, 1 })}, doNothing, false, false, step.Done, "principia is whole: wittgenstein, frege and russell"},
		"its owner's doing":     {"wittgenstein", [3]view{proven("frege"), proven("russell"), proven("wittgenstein")}, doNothing, false, false, step.Done, "principia is whole: wittgenstein, frege and russell"},
		"another node":          {"russell", [3]view{proven("frege"), with(proven("russell"), func(v *view) { v.Comes = true }), proven("wittgenstein")}, doNothing, false, false, step.Done, "principia is whole: russell, frege and wittgenstein"},
		"it was off meanwhile": {"russell", [3]view{with(proven("frege"), func(v *view) { v.Version = 4 }), with(two("russell"), func(v *view) { v.Quorate = false }), proven("wittgenstein")}, doEnter, false, false, step.Todo,
			"takes the configuration from frege that russell missed, because it was off when the cluster grew"},
		"the same version": {"russell", [3]view{with(proven("frege"), func(v *view) { v.Version = 2 }), with(two("russell"), func(v *view) { v.Quorate = false }), proven("wittgenstein")}, doNothing, false, false, step.Waiting,
			"russell waits for quorum: corosync of russell and wittgenstein do not meet"},
		"it has quorum": {"russell", [3]view{with(proven("frege"), func(v *view) { v.Version = 4 }), two("russell"), proven("wittgenstein")}, doNothing, false, false, step.Waiting, "principia has 2 of 3 nodes: /etc/pve of russell and wittgenstein has not synchronised yet"},
		"the other has none": {"russell", [3]view{with(proven("frege"), func(v *view) { v.Version, v.Quorate = 4, false }), with(two("russell"), func(v *view) { v.Quorate = false }), proven("wittgenstein")}, doNothing, false, false, step.Waiting,
			"russell waits for quorum: frege has no quorum"},
	} {
		p := plan3()
		p.Nodes[2].Added = true
		d := decider{p: p, peers: map[string]answer{}}
		for _, v := range k.views {
			if v.Node == k.me {
				d.me = v
			} else {
				d.peers[v.Node] = answer{view: v}
			}
		}
		got := d.decide()
		if got.act != k.act || got.takes != k.takes || got.heir != k.heir || got.verdict.State != k.state || !strings.HasPrefix(got.verdict.Reason, k.says) {
			t.Errorf("%s: act %d, takes %v, heir %v, %v: %s", name, got.act, got.takes, got.heir, got.verdict.State, got.verdict.Reason)
		}
	}
}
