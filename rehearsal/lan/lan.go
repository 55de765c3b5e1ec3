// Package lan makes local networks out of network namespaces, for tests of
// whatever speaks on one: namespaces as machines, bridges as switches, veth
// pairs as cables. It needs root and iproute2, and takes away what it made. It
// sends nothing beyond its own namespaces.
package lan

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
)

// Net is a set of machines and switches that no other test sees.
type Net struct {
	tag      string
	machines []*Namespace
	switches int
	cables   int
	hub      *Namespace // holds the bridges
}

// Namespace is one namespace.
type Namespace struct {
	Name string
	NS   string // name of the namespace for ip netns exec
	net  *Net
	nics int
}

// New makes an empty network. The caller closes it. n tells networks of one
// process apart.
func New(n *atomic.Int64) (*Net, error) {
	l := &Net{tag: fmt.Sprintf("rl%d-%d", os.Getpid(), n.Add(1))}
	hub, err := l.add("hub")
	if err != nil {
		return nil, err
	}
	l.hub = hub
	return l, nil
}

// Close takes all namespaces away, and with them what was in them. Programs
// that run there must have ended.
func (l *Net) Close() error {
	var errs []error
	for _, m := range l.machines {
		errs = append(errs, ip("netns", "del", m.NS))
	}
	l.machines = nil
	return errors.Join(errs...)
}

func (l *Net) add(name string) (*Namespace, error) {
	m := &Namespace{Name: name, NS: l.tag + "-" + name, net: l}
	if err := ip("netns", "add", m.NS); err != nil {
		return nil, err
	}
	l.machines = append(l.machines, m)
	return m, m.IP("link", "set", "lo", "up")
}

// Machine adds a machine without network cards.
func (l *Net) Machine(name string) (*Namespace, error) { return l.add(name) }

// Switch adds a switch and returns its name for Plug.
func (l *Net) Switch() (string, error) {
	l.switches++
	name := "br" + strconv.Itoa(l.switches)
	err := l.hub.IP("link", "add", name, "type", "bridge", "mcast_snooping", "0")
	return name, errors.Join(err, l.hub.IP("link", "set", name, "up"))
}

// Plug connects a new network card of the machine to a switch, gives it the
// addresses (CIDR) and returns its name: eth0, eth1, ...
func (m *Namespace) Plug(sw string, addrs ...string) (string, error) {
	nic := "eth" + strconv.Itoa(m.nics)
	m.nics++
	m.net.cables++
	far := "p" + strconv.Itoa(m.net.cables)
	if err := ip("link", "add", far, "netns", m.net.hub.NS, "type", "veth", "peer", "name", nic, "netns", m.NS); err != nil {
		return "", err
	}
	errs := []error{
		m.net.hub.IP("link", "set", far, "master", sw, "up"),
		m.IP("link", "set", nic, "up"),
	}
	for _, a := range addrs {
		args := []string{"addr", "add", a, "dev", nic}
		if strings.Contains(a, ":") {
			args = append(args, "nodad")
		}
		errs = append(errs, m.IP(args...))
	}
	return nic, errors.Join(errs...)
}

// IP runs ip(8) on the machine.
func (m *Namespace) IP(args ...string) error { return ip(append([]string{"-n", m.NS}, args...)...) }

// Command prepares a program that runs on the machine, with its own /sys.
func (m *Namespace) Command(argv ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", m.NS}, argv...)...)
}

// Run runs a program on the machine.
func (m *Namespace) Run(argv ...string) error { return run(m.Command(argv...)) }

// Bytes returns what the card has received and sent.
func (m *Namespace) Bytes(nic string) (received, sent uint64, err error) {
	read := func(name string) (uint64, error) {
		out, err := m.Command("cat", "/sys/class/net/"+nic+"/statistics/"+name).Output()
		if err != nil {
			return 0, fmt.Errorf("%s of %s on %s: %w", name, nic, m.Name, err)
		}
		return strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64)
	}
	if received, err = read("rx_bytes"); err != nil {
		return 0, 0, err
	}
	sent, err = read("tx_bytes")
	return received, sent, err
}

func ip(args ...string) error { return run(exec.Command("ip", args...)) }

func run(cmd *exec.Cmd) error {
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(text.String()))
	}
	return nil
}
