package management

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/nodetest"
)

const profileText = `version: 1
cluster: {name: principia, domain: principia.lan, mail: root@principia.lan}
management:
  prefix: 10.203.3.0/24
  gateway: 10.203.3.1
  prefix6: 2001:db8::/64
  gateway6: 2001:db8::1
  dns: [10.203.3.1]
ring: {prefix: 10.203.4.0/24}
nodes:
  - {name: frege, address: 10.203.3.11, address6: '2001:db8::11', root_disk: {serial: S0}, ports: [{driver: igc}]}
  - {name: russell, address: 10.203.3.12, address6: '2001:db8::12', root_disk: {serial: S1}, ports: [{driver: igc}]}
  - {name: wittgenstein, address: 10.203.3.13, address6: '2001:db8::13', root_disk: {serial: S2}, ports: [{driver: igc}]}
users: [{name: kellen, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kellen"]}]
`

// planned is the profile as it was read, once for all.
var planned = sync.OnceValues(func() (*profiles.Profile, error) { return profiles.Load("profile.yaml", []byte(profileText)) })

// bench is frege as the installer leaves it, and what the profile says of it.
type bench struct {
	*nodetest.Machine
	profile *profiles.Profile
	node    profiles.Node
	step    *Management // the agent that runs
}

// port is one for management with a cable in it.
func port(name, mac, pci string) nodetest.NIC {
	return nodetest.NIC{Name: name, MAC: mac, PCI: pci, Driver: "igc", Carrier: true, Wired: true}
}

// newBench makes the machine; change is what is another than usual.
func newBench(t *testing.T, change func(o *nodetest.Options, p *profiles.Profile, n *profiles.Node)) *bench {
	t.Helper()
	o := nodetest.Options{Uplink: "enp87s0", Address: "10.203.3.11/24", Gateway: "10.203.3.1", Peers: []string{"10.203.3.12"}, NICs: []nodetest.NIC{
		port("enp87s0", "58:47:ca:00:00:01", "0000:57:00.0"), port("enp90s0", "58:47:ca:00:00:02", "0000:5a:00.0"),
		{Name: "en05", MAC: "02:47:ca:00:00:03", PCI: "0000:00:0d.2", Driver: "thunderbolt-net", Carrier: true}}}
	read, err := planned()
	if err != nil {
		t.Fatal(err)
	}
	p := *read
	node, _ := p.Node("frege")
	if change != nil {
		change(&o, &p, &node)
	}
	m, err := nodetest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	m.OnTimer(func(ctx context.Context) error {
		_, err := RestoreNetwork(ctx, m.Host(), true)
		return err
	})
	b := &bench{Machine: m, profile: &p, node: node}
	b.start(m.Host())
	return b
}

// start is a fresh agent on a host: what the last one had in memory is gone.
func (b *bench) start(h host.Host) { b.step = New(h, b.profile, b.node) }

func (b *bench) check(t *testing.T) step.Verdict {
	t.Helper()
	v, err := b.step.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// run looks and makes once, as the engine does, and looks again.
func (b *bench) run(t *testing.T) step.Verdict {
	t.Helper()
	v := b.check(t)
	if v.State != step.Todo {
		return v
	}
	if err := b.step.Apply(t.Context()); err != nil && !step.IsNotYet(err) {
		t.Fatal(err)
	}
	return b.check(t)
}

func (b *bench) text(path string) string {
	text, _ := b.ReadFile(path)
	return string(text)
}

func (b *bench) put(t *testing.T, path, text string) {
	t.Helper()
	if err := b.Host().Files.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// objects are what would be changed, in order.
func objects(v step.Verdict) (out []string) {
	for _, c := range v.Changes {
		out = append(out, fmt.Sprintf("%s: %s -> %s", c.Object, c.Have, c.Want))
	}
	return out
}
