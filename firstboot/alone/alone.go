// Package alone keeps the ring of three machines that Ringboot did not install:
// who this machine is comes from a small file, whose keys count from a pairing
// over the cables, and from there on it is the ring's own keeper.
//
// It forms nothing, speaks over no other network, and knows no Proxmox.
package alone

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pairing"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ring/usb4"
	"ringboot/firstboot/status"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Where a keeper that stands alone has what it goes by. PairedFile holds its
// key: systemd hands it over as a credential.
const (
	Dir        = "/etc/ringkeeper"
	ConfigFile = Dir + "/config.yaml"
	PairedFile = Dir + "/paired.json"
	StateDir   = "/var/lib/ringkeeper"
	StateFile  = StateDir + "/ring.json"
	Socket     = "/run/ringkeeper/status.sock"
	Unit       = "ringkeeper.service"

	// ringID stands in the hellos where a cluster has the number of its CA.
	ringID = "ringkeeper"
)

// Machine is where a keeper runs.
type Machine struct {
	Version string
	Root    string // directory that stands for /
	Host    host.Host
	Sys     fs.FS
	Log     func(text string)
}

// On is the machine below a root.
func On(root, version string, log func(string)) Machine {
	return Machine{version, root, host.New(root), os.DirFS(filepath.Join("/", root, "sys")), log}
}

// self is what the file says of this machine: a part of a profile.
type self struct {
	Node      string
	Ring      netip.Addr
	Transport string
	MTU       int
	Ports     []profiles.RingPort
}

// config reads what the file says of this machine.
func (m Machine) config() (*self, error) {
	text, err := m.Host.Files.ReadFile(ConfigFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Precondition.Errorf("this machine has no %s: ringkeeper pair --ring ADDRESS writes it, with an address that only this machine has on the ring", ConfigFile)
	} else if err != nil {
		return nil, err
	}
	p, err := profiles.LoadRing(ConfigFile, text)
	if err != nil {
		return nil, err
	}
	n := p.Nodes[0]
	return &self{n.Name, n.Ring, p.Ring.Transport, p.Ring.MTU, p.PortsOf(n)}, nil
}

func (m Machine) hostName() (string, error) {
	text, err := m.Host.Files.ReadFile("/proc/sys/kernel/hostname")
	name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(string(text))), ".")
	return name, err
}

// Begin writes the file of a machine that has none: its address on the ring, its
// name, and the two ports of its Thunderbolt controllers.
func (m Machine) Begin(addr netip.Addr) error {
	if host.Exists(m.Host.Files, ConfigFile) {
		if a, err := m.config(); err != nil || a.Ring == addr {
			return err
		}
		return fault.Refused.Errorf("%s says another address of this machine: change it there, and pair again", ConfigFile)
	}
	name, err := m.hostName()
	if err != nil {
		return err
	}
	ports, err := m.ports()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("# This machine on the ring: docs/keeper.md. Written by ringkeeper pair; yours to change.\nring:\n  transport: %s\n  ports:\n", profiles.TransportThunderbolt)
	for _, p := range ports {
		text += fmt.Sprintf("    - {name: %s, path: %q, driver: %s", p.Name, p.Path, p.Driver)
		if p.Port != 0 {
			text += fmt.Sprintf(", port: %d", p.Port)
		}
		text += "}\n"
	}
	text += fmt.Sprintf("nodes:\n  - {name: %s, ring: %s}\n", name, addr)
	if _, err := profiles.LoadRing(ConfigFile, []byte(text)); err != nil {
		return err
	}
	return m.Host.Files.WriteFile(ConfigFile, []byte(text), 0o644)
}

// ports are those of the controllers: of one that has two, or of two.
func (m Machine) ports() ([]profiles.RingPort, error) {
	all, err := usb4.Read(m.Sys)
	if err != nil {
		return nil, err
	}
	row, _ := profiles.TransportOf(profiles.TransportThunderbolt)
	first := profiles.RingPort{Name: "en05", Driver: row.Driver}
	second := profiles.RingPort{Name: "en06", Driver: row.Driver}
	switch len(all) {
	case 1:
		first.Path, first.Port, second.Path, second.Port = all[0].Path, 1, all[0].Path, 3
	case 2:
		first.Path, second.Path = all[0].Path, all[1].Path
	default:
		return nil, fault.Precondition.Errorf("this machine has %d Thunderbolt controllers, and a ring needs one with two ports, or two: switch USB4/Thunderbolt on in the BIOS, or write the two ports into %s (docs/keeper.md)", len(all), ConfigFile)
	}
	return []profiles.RingPort{first, second}, nil
}

// profile is the ring as the other rooms know one: of this machine and of those
// that it is paired with.
func profile(a *self, peers []pairing.Peer) *profiles.Profile {
	p := &profiles.Profile{Ring: profiles.Ring{Transport: a.Transport, MTU: a.MTU, Routing: "static", Ports: a.Ports}, Nodes: []profiles.Node{{Name: a.Node, Ring: a.Ring}}}
	for _, x := range peers {
		p.Nodes = append(p.Nodes, profiles.Node{Name: x.Node, Ring: x.Ring})
	}
	// All machines go by one order: who mends a cable first follows from it.
	slices.SortFunc(p.Nodes, func(x, y profiles.Node) int { return strings.Compare(x.Name, y.Name) })
	return p
}

// book is what this machine was paired with, of which the unit is handed a copy.
func (m Machine) book() (*pairing.Book, error) {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		return pairing.Read(host.New("").Files, filepath.Join(dir, filepath.Base(PairedFile)))
	}
	return pairing.Read(m.Host.Files, PairedFile)
}

// Known is the ring as far as this machine knows it, for a report; nil and "" where
// it knows nothing.
func (m Machine) Known() (*profiles.Profile, string) {
	a, err := m.config()
	if err != nil {
		return nil, ""
	}
	var peers []pairing.Peer
	if b, err := m.book(); err == nil {
		peers = b.Peers
	}
	return profile(a, peers), a.Node
}

// keeper makes what keeps the ring, and what it goes by.
func (m Machine) keeper() (*ring.Keeper, layout.Config, *pairing.Book, error) {
	a, err := m.config()
	if err != nil {
		return nil, layout.Config{}, nil, err
	}
	b, err := m.book()
	if err != nil {
		return nil, layout.Config{}, nil, err
	}
	if !b.Whole() {
		return nil, layout.Config{}, nil, fault.Precondition.Errorf("a ring has three machines, and this one is paired with %d: type ringkeeper pair here and on the one that is missing", len(b.Peers))
	}
	cfg, err := layout.ConfigOf(profile(a, b.Peers), a.Node)
	if err != nil {
		return nil, cfg, nil, err
	}
	leaf, err := certificate(a.Node, b.Key)
	if err != nil {
		return nil, cfg, nil, err
	}
	k, err := ring.New(ring.Options{
		Config: cfg, Wires: ring.Sockets{}, Sys: m.Sys, Files: m.Host.Files, State: StateFile,
		Identity: ring.Identity{Node: a.Node, ClusterID: ringID, Leaf: leaf, Key: b.Key, Bound: b.Counts},
		Kernel:   func() (ring.Kernel, error) { return ring.NewKernel(cfg, m.Sys) },
		Remark:   func(e status.Event) { m.Log("ring: " + words(e.Text)) },
	})
	return k, cfg, b, err
}

// certificate puts the machine's own key into the form in which a hello shows it.
func certificate(node string, key ed25519.PrivateKey) (*x509.Certificate, error) {
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: node}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("certificate of this machine's own key: %w", err)
	}
	return x509.ParseCertificate(der)
}

// others are words of the ring's sentences that name a cluster's programs, and
// those that stand for them here.
var others = []string{
	": install it from an image of this cluster", "",
	"start ringboot on", "start ringkeeper on",
	"nobody of this cluster", "nobody of this ring",
	"give all nodes the same profile", "write the same mtu on all machines",
	"in the profile", "in " + ConfigFile,
}

func words(text string) string { return strings.NewReplacer(others...).Replace(text) }

// retell puts the words of a view that are for a cluster into this keeper's own.
func retell(v status.RingView) status.RingView {
	v.Verdict = words(v.Verdict)
	for i := range v.Ports {
		v.Ports[i].Verdict = words(v.Ports[i].Verdict)
	}
	return v
}

// run runs a command of the system.
func (m Machine) run(ctx context.Context, argv ...string) error {
	_, err := host.Run(ctx, m.Host.Commands, host.Cmd{Argv: argv})
	return err
}
