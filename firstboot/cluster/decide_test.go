package cluster

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"ringboot/firstboot/pve/corosync"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

func plan3() *profiles.Profile {
	p := &profiles.Profile{Cluster: profiles.Cluster{Name: "principia"}}
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: name, Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)}), Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)})})
	}
	return p
}

// blank is a node as the installer leaves it.
func blank(node string) view { return view{Node: node, Mounted: true, Writable: true} }

// founded is the founder with key and configuration that has not started yet.
func founded(node string) view {
	v := blank(node)
	v.Name, v.Version, v.Sum, v.HostName, v.HostSum, v.Key = "principia", 3, "conf", "principia", "conf", "key"
	return v
}

// proven is a member of a whole cluster.
func proven(node string) view {
	v := founded(node)
	v.Running, v.Quorate, v.CA, v.Synced, v.Known = "principia", true, true, names(plan3()), names(plan3())
	return v
}

// withoutCA is a member of a quorum that began without the founder.
func withoutCA(v *view) {
	v.Synced, v.CA, v.Cert, v.Entering = []string{"russell", "wittgenstein"}, false, "none", true
}

// halves is a member of a cluster whose CA and key belong to different CAs.
func halves(node string) view {
	return with(proven(node), func(v *view) { v.CA, v.Misfit, v.Cert, v.Writable = false, true, "none", true })
}

func with(v view, change func(*view)) view { change(&v); return v }

func TestDecisions(t *testing.T) {
	off := errors.New("no route to host")
	all := func(of func(string) view) [3]view { return [3]view{of("frege"), of("russell"), of("wittgenstein")} }
	for name, c := range map[string]struct {
		me    string
		views [3]view
		off   string // nodes that do not answer
		done  string // nodes whose builder has left
		act   action
		from  string
		state step.State
		says  string
	}{
		"the founder founds":                         {me: "frege", views: all(blank), act: doFound, says: "founds the cluster principia on frege"},
		"never before all answer":                    {me: "frege", views: all(blank), off: "russell", state: step.Waiting, says: "no cluster is founded before all nodes answer: russell does not answer at 10.203.3.12"},
		"a joiner waits":                             {me: "russell", views: all(blank), state: step.Waiting, says: "waits for frege to found the cluster principia"},
		"a joiner waits for one that is off":         {me: "russell", views: all(blank), off: "frege", state: step.Waiting, says: "waits for frege to found the cluster principia: frege does not answer"},
		"a joiner waits for one that stopped":        {me: "russell", views: [3]view{with(blank("frege"), func(v *view) { v.Stopped = "frege has a guest" }), blank("russell"), blank("wittgenstein")}, state: step.Waiting, says: "principia: frege has a guest"},
		"a joiner enters":                            {me: "russell", views: [3]view{founded("frege"), blank("russell"), blank("wittgenstein")}, act: doEnter, from: "frege", says: "enters the cluster principia"},
		"only the founder gives unasked":             {me: "wittgenstein", views: [3]view{blank("frege"), founded("russell"), blank("wittgenstein")}, state: step.Waiting, says: "waits for frege to found"},
		"what it was given is enough":                {me: "russell", views: [3]view{blank("frege"), with(blank("russell"), func(v *view) { v.Key, v.Entering = "key", true }), blank("wittgenstein")}, off: "frege", act: doEnter, says: "enters the cluster principia"},
		"a stray key is not":                         {me: "russell", views: [3]view{blank("frege"), with(blank("russell"), func(v *view) { v.Key = "key" }), blank("wittgenstein")}, state: step.Waiting, says: "waits for frege to found"},
		"the founder goes on":                        {me: "frege", views: [3]view{with(blank("frege"), func(v *view) { v.Key = "key" }), blank("russell"), blank("wittgenstein")}, act: doFound, says: "founds"},
		"the founder starts":                         {me: "frege", views: [3]view{founded("frege"), blank("russell"), blank("wittgenstein")}, act: doStart, says: "starts corosync and pve-cluster on frege"},
		"a founder that lost all":                    {me: "frege", views: [3]view{blank("frege"), with(blank("russell"), func(v *view) { v.Key, v.HostName = "key", "principia" }), blank("wittgenstein")}, state: step.Stopped, says: "russell has a key of principia that frege has lost: run firstboot leave on russell"},
		"a founder that comes back":                  {me: "frege", views: [3]view{blank("frege"), with(proven("russell"), func(v *view) { v.Admits = "frege" }), proven("wittgenstein")}, act: doEnter, from: "russell", says: "enters"},
		"a new machine says so":                      {me: "wittgenstein", views: [3]view{proven("frege"), proven("russell"), blank("wittgenstein")}, state: step.Waiting, says: "run firstboot admit wittgenstein on frege"},
		"a new machine that is admitted":             {me: "wittgenstein", views: [3]view{with(proven("frege"), func(v *view) { v.Admits = "wittgenstein" }), proven("russell"), blank("wittgenstein")}, act: doEnter, from: "frege", says: "enters"},
		"a new machine of a finished cluster":        {me: "russell", views: all(blank), done: "frege wittgenstein", state: step.Waiting, says: "it is settled): if russell takes the place of a lost machine, run firstboot admit russell on frege"},
		"a new founder of a finished cluster":        {me: "frege", views: all(blank), done: "russell wittgenstein", state: step.Waiting, says: "if frege takes the place of a lost machine, run firstboot admit frege on russell"},
		"another key is not given up":                {me: "russell", views: [3]view{founded("frege"), with(blank("russell"), func(v *view) { v.Key = "other" }), blank("wittgenstein")}, state: step.Stopped, says: "russell has another corosync key than frege, and gives up none by itself"},
		"nor by a member":                            {me: "russell", views: [3]view{proven("frege"), with(proven("russell"), func(v *view) { v.Key = "other" }), proven("wittgenstein")}, state: step.Stopped, says: "russell has another corosync key than frege"},
		"another cluster":                            {me: "russell", views: [3]view{blank("frege"), with(founded("russell"), func(v *view) { v.Name = "homelab" }), blank("wittgenstein")}, state: step.Stopped, says: "russell is in the cluster homelab, not in principia"},
		"another cluster elsewhere":                  {me: "frege", views: [3]view{blank("frege"), with(blank("russell"), func(v *view) { v.HostName = "homelab" }), blank("wittgenstein")}, state: step.Waiting, says: "russell is in the cluster homelab: see its own status"},
		"what is not an installation's":              {me: "russell", views: [3]view{founded("frege"), with(blank("russell"), func(v *view) { v.Foreign = []string{"storage nas"} }), blank("wittgenstein")}, state: step.Stopped, says: "/etc/pve of russell holds storage nas, which a new cluster must not lose"},
		"the same elsewhere":                         {me: "frege", views: [3]view{blank("frege"), blank("russell"), with(blank("wittgenstein"), func(v *view) { v.Foreign = []string{"guest lxc/100", "storage nas"} })}, state: step.Waiting, says: "/etc/pve of wittgenstein holds guest lxc/100 and storage nas: move it away"},
		"pve-cluster is down":                        {me: "russell", views: [3]view{blank("frege"), {Node: "russell"}, blank("wittgenstein")}, act: doStart, says: "starts pve-cluster, which does not run on russell"},
		"a file cannot be read":                      {me: "russell", views: [3]view{blank("frege"), with(blank("russell"), func(v *view) { v.Wrong = "input/output error" }), blank("wittgenstein")}, state: step.Stopped, says: "russell cannot be read: input/output error"},
		"a contradiction":                            {me: "frege", views: [3]view{with(proven("frege"), func(v *view) { v.Contrary = "the cluster lists goedel" }), proven("russell"), proven("wittgenstein")}, state: step.Stopped, says: "the cluster lists goedel"},
		"certificates":                               {me: "russell", views: [3]view{proven("frege"), with(proven("russell"), func(v *view) { v.Cert = "none" }), proven("wittgenstein")}, act: doCerts, says: "makes the certificate of russell"},
		"certificates of a new machine":              {me: "russell", views: [3]view{proven("frege"), with(proven("russell"), func(v *view) { v.Entering = true }), proven("wittgenstein")}, act: doCerts, says: "makes the certificate of russell"},
		"the first without the founder makes the CA": {me: "russell", views: [3]view{blank("frege"), with(proven("russell"), withoutCA), with(proven("wittgenstein"), withoutCA)}, off: "frege", act: doCerts, says: "makes the certificate of russell"},
		"the second waits for it":                    {me: "wittgenstein", views: [3]view{blank("frege"), with(proven("russell"), withoutCA), with(proven("wittgenstein"), withoutCA)}, off: "frege", state: step.Waiting, says: "waits for russell to make the CA of the cluster principia"},
		"two halves of a CA":                         {me: "frege", views: all(halves), act: doRemake, says: "makes the CA of principia anew, whose halves do not fit each other"},
		"two halves, and another makes it":           {me: "russell", views: all(halves), state: step.Waiting, says: "waits for frege to make the CA of the cluster principia"},
		"two halves, and one does not answer":        {me: "frege", views: all(halves), off: "russell", state: step.Waiting, says: "the CA of principia and its key do not fit each other; it is made anew once all nodes answer: russell does not answer at 10.203.3.12"},
		"two halves in a finished cluster":           {me: "frege", views: [3]view{halves("frege"), with(halves("russell"), func(v *view) { v.Settled = true }), halves("wittgenstein")}, state: step.Stopped, says: "the CA of principia and its key do not fit each other, so it gives no certificate: put the right key back into /etc/pve/priv (russell has been finished)"},
		"no directory of its own":                    {me: "russell", views: [3]view{proven("frege"), with(proven("russell"), func(v *view) { v.Cert, v.Homeless, v.Writable = "none", true, false }), proven("wittgenstein")}, act: doCerts, says: "makes the certificate of russell"},
		"no quorum: one is off":                      {me: "frege", views: [3]view{with(proven("frege"), func(v *view) { v.Quorate, v.Writable, v.Synced = false, false, []string{"frege"} }), proven("russell"), proven("wittgenstein")}, off: "russell", state: step.Waiting, says: "frege waits for quorum: russell does not answer"},
		"no quorum: they do not meet": {me: "frege", views: [3]view{with(proven("frege"), func(v *view) { v.Quorate, v.Writable, v.Synced = false, false, []string{"frege"} }), proven("russell"), proven("wittgenstein")}, state: step.Waiting,
			says: "frege waits for quorum: corosync of frege and russell do not meet although their agents do: allow UDP 5405 between 10.203.3.11 and 10.203.3.12 and UDP 5406 between 10.203.4.11 and 10.203.4.12"},
		"one without quorum": {me: "frege", views: [3]view{with(proven("frege"), func(v *view) { v.Synced = []string{"frege", "wittgenstein"} }), with(proven("russell"), func(v *view) { v.Quorate, v.Synced = false, nil }), proven("wittgenstein")}, state: step.Waiting,
			says: "principia has 2 of 3 nodes: corosync of frege and russell do not meet"},
		"not synchronised":    {me: "frege", views: [3]view{with(proven("frege"), func(v *view) { v.Synced = []string{"russell"} }), proven("russell"), proven("wittgenstein")}, state: step.Waiting, says: "frege waits for /etc/pve to synchronise"},
		"another edited file": {me: "frege", views: [3]view{proven("frege"), with(proven("russell"), func(v *view) { v.Sum, v.Version = "other", 4 }), proven("wittgenstein")}, state: step.Waiting, says: "the configurations of russell (version 4) and frege (version 3) differ"},
		"whole":               {me: "wittgenstein", views: all(proven), state: step.Done, says: "principia is whole: wittgenstein, frege and russell"},
	} {
		t.Run(name, func(t *testing.T) {
			d := decider{p: plan3(), peers: map[string]answer{}}
			for _, v := range c.views {
				switch {
				case v.Node == c.me:
					d.me = v
				case strings.Contains(c.done, v.Node):
					d.peers[v.Node] = answer{err: fmt.Errorf("ask: %w", &trust.RemoteError{Node: v.Node, Method: methodView, Text: "it is settled"})}
				case strings.Contains(c.off, v.Node):
					d.peers[v.Node] = answer{err: off}
				default:
					d.peers[v.Node] = answer{view: v}
				}
			}
			got := d.decide()
			if got.act != c.act || got.source != c.from || got.verdict.State != c.state || !strings.Contains(got.verdict.Reason, c.says) {
				t.Errorf("act %d from %q, %v: %s; want act %d from %q, %v: %s", got.act, got.source, got.verdict.State, got.verdict.Reason, c.act, c.from, c.state, c.says)
			}
		})
	}
}

// A node that is asked too often is not finished with its cluster.
func TestBusyIsNotFinished(t *testing.T) {
	for code, want := range map[string]bool{"busy": false, "unknown-method": true, "": true} {
		if got := answered(fmt.Errorf("ask: %w", &trust.RemoteError{Node: "frege", Method: methodView, Code: code})); got != want {
			t.Errorf("%q: %t, want %t", code, got, want)
		}
	}
}

// Bytes, version, order and priorities may differ; what a cluster is may not.
func TestConfigurationsAreComparedByMeaning(t *testing.T) {
	p := plan3()
	text := string(planned(p).Text())
	for name, c := range map[string]struct {
		change [2]string
		says   string
	}{
		"ours":             {},
		"a later version":  {change: [2]string{"config_version: 3", "config_version: 17"}},
		"other priorities": {change: [2]string{"knet_link_priority: 20", "knet_link_priority: 255"}},
		"a further key":    {change: [2]string{"secauth: on", "secauth: on\n  token: 10000\n  crypto_cipher: aes256"}},
		"another name":     {change: [2]string{"cluster_name: principia", "cluster_name: homelab"}, says: "the configuration is of the cluster homelab, not principia"},
		"another address":  {change: [2]string{"10.203.4.12", "10.203.4.99"}, says: "lists russell with id 2, 10.203.3.12 and 10.203.4.99"},
		"no crypto":        {change: [2]string{"secauth: on", "secauth: on\n  crypto_cipher: none"}, says: "is not encrypted"},
		"another node":     {change: [2]string{"name: russell", "name: goedel"}, says: "has grown beyond the profile by goedel"},
		"one node less":    {change: [2]string{text[strings.Index(text, "  node {\n    name: wittgenstein"):strings.Index(text, "}\n\nquorum")], ""}, says: "the cluster principia does not list wittgenstein"},
	} {
		conf, err := corosync.Parse([]byte(strings.Replace(text, c.change[0], c.change[1], 1)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := fmt.Sprint(contradicts(p, &conf))
		if c.says == "" && got != "<nil>" || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
	}
}
