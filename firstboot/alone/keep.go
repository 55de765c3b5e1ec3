package alone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/ringup"
	"ringboot/firstboot/status"
	"ringboot/profiles/fault"
)

// Status is what a running keeper says of itself.
type Status struct {
	Version int             `json:"version"` // 1
	Keeper  string          `json:"keeper"`  // version of the program
	Node    string          `json:"node"`
	Peers   []string        `json:"peers"` // paired with
	Ring    status.RingView `json:"ring"`
	Fault   string          `json:"fault,omitempty"` // why the kernel refused the last change
	Events  []status.Event  `json:"events,omitempty"`
}

// Keep keeps the ring and answers at the socket until the context ends. Routes
// and addresses stay.
func (m Machine) Keep(ctx context.Context, n host.Notifier) error {
	k, cfg, _, err := m.keeper()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	say := func() Status {
		s := Status{Version: 1, Keeper: m.Version, Node: cfg.Node, Ring: retell(k.View()), Fault: k.Fault(), Events: k.Events()}
		for _, p := range cfg.Peers {
			s.Peers = append(s.Peers, p.Node)
		}
		return s
	}
	listener, err := host.Socket(filepath.Join("/", m.Root, Socket))
	if errors.Is(err, host.ErrAnswers) {
		return fault.Refused.Errorf("another keeper runs on this machine: see systemctl status ringkeeper")
	} else if err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	all.Go(func() { answer(ctx, listener, say) })
	all.Go(func() { n.Beat(ctx, func() string { return say().Ring.Verdict }) })
	return k.Run(ctx)
}

// patience is how long whoever asks may take to read the answer.
const patience = 5 * time.Second

// answer says how the ring is to whoever connects.
func answer(ctx context.Context, l net.Listener, say func() Status) {
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		_ = conn.SetWriteDeadline(time.Now().Add(patience))
		_ = json.NewEncoder(conn).Encode(say()) // whoever is gone does not read it
		conn.Close()
	}
}

// Ask asks the running keeper.
func (m Machine) Ask(ctx context.Context) (s Status, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join("/", m.Root, Socket))
	switch {
	case errors.Is(err, os.ErrPermission):
		return s, fault.Precondition.New("only root may ask the keeper: use sudo")
	case err != nil:
		return s, fault.Precondition.New("no keeper runs on this machine: systemctl start ringkeeper")
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if err := json.NewDecoder(conn).Decode(&s); err != nil {
		return s, fmt.Errorf("the keeper ended while it was asked: %w", err)
	}
	return s, nil
}

// floored is the keeper as the step that writes the floor asks it. Before it has
// run, the pairing knows which port leads where.
type floored struct {
	*ring.Keeper
	peers []string
}

func (f floored) Peers() []string { return f.peers }

// Floor writes what keeps the ring while no keeper runs: names of the ports,
// addresses, static routes, settings, and the filter that keeps others off it.
func (m Machine) Floor(ctx context.Context) error {
	k, cfg, b, err := m.keeper()
	if err != nil {
		return err
	}
	f := floored{k, k.Peers()}
	for _, p := range b.Peers {
		for i, port := range cfg.Ports {
			if port.Name == p.Port && !host.Exists(m.Host.Files, StateFile) {
				f.peers[i], f.peers[1-i] = p.Node, cfg.Rest(p.Node)[0]
			}
		}
	}
	step := ringup.New(m.Host, cfg, f)
	v, err := step.Check(ctx)
	if err != nil {
		return err
	}
	for _, c := range v.Changes {
		m.Log(c.Object + ": " + c.Want)
	}
	return step.Apply(ctx)
}

// Left are the files of this machine's part of the ring: what Leave takes away.
func (m Machine) Left() (paths []string) {
	if a, err := m.config(); err == nil {
		for _, p := range a.Ports {
			paths = append(paths, layout.LinkFile(p.Name))
		}
	}
	paths = append(paths, layout.StanzaFile, layout.FloorUnitFile, layout.UdevFile, layout.SysctlFile, layout.ModulesFile, layout.FilterFile, PairedFile, ConfigFile, StateFile)
	var out []string
	for _, p := range paths {
		if host.Exists(m.Host.Files, p) {
			out = append(out, p)
		}
	}
	return out
}

// Leave stops the keeper and takes its files away. Addresses and routes stay in
// the kernel until the machine starts again, so that no traffic breaks off now.
func (m Machine) Leave(ctx context.Context) error {
	errs := []error{}
	if host.Exists(m.Host.Files, "/run/systemd/system") {
		errs = append(errs, m.run(ctx, "systemctl", "disable", "--now", Unit))
	}
	for _, p := range append(m.Left(), ringup.Marks()...) {
		errs = append(errs, m.Host.Files.Remove(p))
	}
	for _, argv := range [][]string{{"systemctl", "daemon-reload"}, {"udevadm", "control", "--reload"}, {"nft", "delete", "table", "ip", layout.FilterTable}, {"update-initramfs", "-u", "-k", "all"}} {
		if err := m.run(ctx, argv...); err != nil {
			m.Log("left as it is: " + err.Error())
		}
	}
	return errors.Join(errs...)
}
