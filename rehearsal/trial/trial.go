// Package trial runs the steps of a room on machines of the one world, so that a
// room's own tests see what its steps ask of Proxmox VE, what they say meanwhile
// and what they make of each failure.
//
// It drives a step as the engine does and keeps nothing of the engine's: no
// journal, no cadence, no crash. Those are the matrix's. It is imported by tests only.
package trial

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools"
)

// pause is how long an agent waits until it looks again.
const pause = 20 * time.Second

// Trial is the nodes of a profile, each with an agent.
type Trial struct {
	World    *sim.World
	Profile  *profiles.Profile
	Peers    *trust.Memory
	Trouble  *Trouble            // what fails; nil: nothing
	machines map[string]*Machine // by name
	limits   map[string]time.Duration
}

// New makes the nodes of a profile as the installer leaves them. steps are those
// of an agent that starts.
func New(p *profiles.Profile, steps func(m *Machine) []step.Step) *Trial {
	var specs []sim.NodeSpec
	for _, n := range p.Nodes {
		var at []string
		for _, a := range p.Links(n) {
			at = append(at, a.String())
		}
		specs = append(specs, sim.NodeSpec{Name: n.Name, Addresses: at})
	}
	t := &Trial{World: tools.NewWorld(1, specs...), Profile: p, Peers: trust.NewMemory(), machines: map[string]*Machine{}, limits: map[string]time.Duration{}}
	for _, n := range p.Nodes {
		t.machines[n.Name] = &Machine{Name: n.Name, trial: t, steps: steps, said: map[string]string{}, verdicts: map[string]step.Verdict{}}
	}
	return t
}

// moment is a time in the name of a file.
var moment = regexp.MustCompile(`-[0-9]{10}\b`)

// Story is what nodes did and said, each for itself.
func (t *Trial) Story(nodes ...string) string {
	var b strings.Builder
	for _, name := range nodes {
		b.WriteString("== " + name + "\n")
		for _, line := range t.machines[name].Log {
			line = moment.ReplaceAllString(strings.ReplaceAll(line, "\n\n", "\n"), "-TIME")
			b.WriteString(strings.ReplaceAll(line, "\n", "\n  ") + "\n")
		}
	}
	return b.String()
}

// Told holds a story against the file in which it is written down. With update
// it is written down anew.
func Told(file, story string, update bool) error {
	if update {
		return os.WriteFile(file, []byte(story), 0o644)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	got, want := strings.Split(story, "\n"), strings.Split(string(text), "\n")
	for i := range max(len(got), len(want)) {
		is, was := "the end", "the end"
		if i < len(got) {
			is = got[i]
		}
		if i < len(want) {
			was = want[i]
		}
		if is != was {
			return fmt.Errorf("%s:%d: %s\nin the place of: %s\n(go test -update writes it anew)", file, i+1, is, was)
		}
	}
	return nil
}

// Machine is a node.
func (t *Trial) Machine(name string) *Machine { return t.machines[name] }

// Start starts the agents of all nodes.
func (t *Trial) Start() {
	for _, name := range t.World.Names() {
		t.machines[name].Start()
	}
}

// Halt ends the agents of all nodes, as a crash does, and forgets what they said.
func (t *Trial) Halt() {
	for _, m := range t.machines {
		m.End()
	}
	t.Until(time.Minute, func() bool { return t.World.Sim().Living() == 0 })
	for _, m := range t.machines {
		m.Log = nil
	}
}

// Until lets time pass until something holds. It reports whether it came to hold.
func (t *Trial) Until(limit time.Duration, holds func() bool) bool {
	return t.World.Sim().RunUntil(t.World.Sim().Now().Add(limit), holds)
}

// Done lets time pass until every agent is done with its steps.
func (t *Trial) Done(limit time.Duration) bool {
	return t.Until(limit, func() bool {
		for _, m := range t.machines {
			if !m.done {
				return false
			}
		}
		return true
	})
}

// Do runs what a person does, to its end.
func (t *Trial) Do(do func() error) (err error) {
	over := false
	t.World.Sim().Go("person", func() {
		err = do()
		over = true
	})
	if !t.Until(6*time.Hour, func() bool { return over }) {
		return fmt.Errorf("it does not come to an end")
	}
	return err
}

// Type types a line on a node, as its owner would.
func (t *Trial) Type(node, line string) (out string, err error) {
	err = t.Do(func() error {
		r, err := t.World.Exec(context.Background(), node, strings.Fields(line), nil, nil, 5*time.Minute)
		if err == nil && r.Code != 0 {
			err = fmt.Errorf("%s on %s: %s", line, node, r.Stderr)
		}
		out = string(r.Stdout)
		return err
	})
	return out, err
}

// Replace puts another machine into the place of a node, as the installer leaves
// it, and starts its agent.
func (t *Trial) Replace(name string) {
	t.machines[name].End()
	t.World.PowerCut(name, sim.Lost)
	t.World.Reinstall(name)
	t.machines[name].Start()
}

// Close ends all agents.
func (t *Trial) Close() error {
	for _, m := range t.machines {
		m.End()
	}
	t.Until(time.Hour, func() bool { return t.World.Sim().Living() == 0 })
	if n := t.World.Sim().Living(); n > 0 {
		return fmt.Errorf("%d agents do not end", n)
	}
	return nil
}

// told reports whether any node ever said something.
func (t *Trial) told(text string) bool {
	for _, m := range t.machines {
		if strings.Contains(strings.Join(m.Log, "\n"), text) {
			return true
		}
	}
	return false
}

// Limits are how long the agents wait for an answer, by method.
func (t *Trial) Limits() map[string]time.Duration { return t.limits }

// conf is the configuration that all nodes share.
func (t *Trial) conf() []byte {
	conf := sim.Conf{Name: t.Profile.Cluster.Name, Version: len(t.Profile.Nodes)}
	for i, n := range t.Profile.Nodes {
		node := sim.ConfNode{Name: n.Name, ID: i + 1, Votes: 1}
		for _, a := range t.Profile.Links(n) {
			node.Addr = append(node.Addr, a.String())
		}
		conf.Nodes = append(conf.Nodes, node)
	}
	for link := range conf.Nodes[0].Addr {
		conf.Links = append(conf.Links, sim.ConfLink{Number: link, Priority: 20 - 10*link})
	}
	return conf.Text()
}

// Cluster makes one cluster of all nodes, as a hand does it that knows how.
func (t *Trial) Cluster() error {
	names := t.World.Names()
	first := t.World.Node(names[0]).Files() // what it has in /etc/pve becomes the cluster's
	if err := first.WriteDirect(sim.EtcPVE+"/corosync.conf", t.conf()); err != nil {
		return err
	}
	return t.enter(names[0], names...)
}

// Return puts another machine into the place of a member, as Replace does, and
// makes it a member. Its agent does not run yet.
func (t *Trial) Return(name string) error {
	t.machines[name].End()
	t.World.PowerCut(name, sim.Lost)
	t.World.Reinstall(name)
	return t.enter("", name)
}

// enter starts nodes with the cluster's configuration and key, in place of the
// /etc/pve that they have; keeps keeps its own.
func (t *Trial) enter(keeps string, names ...string) error {
	for _, name := range names {
		if _, err := t.Type(name, "systemctl stop pve-cluster"); err != nil {
			return err
		}
		files := t.World.Node(name).Files()
		for path, text := range map[string][]byte{sim.HostConf: t.conf(), sim.KeyFile: make([]byte, 256)} {
			if err := files.WriteFile(path, text, 0o400); err != nil {
				return err
			}
		}
		if name == keeps {
			continue
		}
		if err := files.Remove(sim.Database); err != nil {
			return err
		}
	}
	for _, name := range names {
		if _, err := t.Type(name, "systemctl start corosync pve-cluster"); err != nil {
			return err
		}
	}
	if !t.Until(5*time.Minute, t.together) {
		return fmt.Errorf("the nodes do not become a cluster")
	}
	for _, name := range names {
		if err := t.World.Node(name).Files().MkdirAll(sim.EtcPVE+"/nodes/"+name, 0o755); err != nil {
			return err
		}
		if _, err := t.Type(name, "pvecm updatecerts --force"); err != nil {
			return err
		}
	}
	return nil
}

// together reports whether all nodes share an /etc/pve that takes writes.
func (t *Trial) together() bool {
	for _, name := range t.World.Names() {
		files := t.World.Node(name).Files()
		members, err := files.ReadFile(sim.EtcPVE + "/.members")
		if err != nil || strings.Count(string(members), `"ip"`) != len(t.machines) {
			return false
		}
		if dir, err := files.Stat(sim.EtcPVE + "/nodes"); err != nil || dir.Mode()&0o200 == 0 {
			return false
		}
	}
	return true
}
