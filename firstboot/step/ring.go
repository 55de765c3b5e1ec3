package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/trust"
)

// RingKeeper is the resident part of the ring.
type RingKeeper interface {
	View() trust.RingView
	// Peers are the nodes taken to be at the two ports.
	Peers() [ring.Ports]string
	// Ready tells whether it runs and has looked at the ring.
	Ready() bool
	// Kick makes it look and mend now.
	Kick()
}

// Ring brings the ring up and waits until both links of this node are proven.
// The keeper does the work that must never end; the step writes what stays
// when the agent does not run.
type Ring struct {
	host   host.Host
	cfg    ring.Config
	keeper RingKeeper
}

// NewRing returns the step ring.
func NewRing(h host.Host, cfg ring.Config, keeper RingKeeper) *Ring {
	return &Ring{host: h, cfg: cfg, keeper: keeper}
}

// Name returns "ring".
func (s *Ring) Name() string { return "ring" }

// The commands' results are remembered by what they were run for: a power cut
// between a file and its command must not lose the command.
const (
	ringInitrdMark = "/var/lib/ringboot/ring.initramfs"
	ringUdevMark   = "/run/ringboot/ring.udev"
	ringFRRMark    = "/run/ringboot/ring.frr"

	initrdTimeout = 10 * time.Minute
)

// job is one thing that the step keeps so: a file, a module, or a command that
// must run once for each content of files.
type job struct {
	change Change
	needed bool
	do     func(ctx context.Context) error
}

// Check compares the files, then asks the keeper.
func (s *Ring) Check(ctx context.Context) (Verdict, error) {
	if s.cfg.Routing == ring.RoutingOpenFabric && !s.exists(ring.FRRDaemonsFile) {
		return Wait("routing is openfabric, but FRR is not installed: apt install frr frr-pythontools, or set ring.routing to static"), nil
	}
	jobs, err := s.jobs()
	if err != nil {
		return Verdict{}, err
	}
	var changes []Change
	for _, j := range jobs {
		if j.needed {
			changes = append(changes, j.change)
		}
	}
	if len(changes) > 0 {
		return Do("the ring's configuration is not written yet", changes...), nil
	}
	return s.judge(), nil
}

// judge turns the keeper's view into a verdict.
func (s *Ring) judge() Verdict {
	if !s.keeper.Ready() {
		return Wait("the ring is kept by the running agent: systemctl start ringboot")
	}
	v := s.keeper.View()
	var risks []string
	peers := map[string]bool{}
	for _, p := range v.Ports {
		if p.Alive && p.Lanes == 1 {
			risks = append(risks, p.Verdict)
		}
		if p.Proven && p.Peer != "" {
			peers[p.Peer] = true
		}
	}
	if v.Whole && len(peers) == len(s.cfg.Peers) {
		done := IsDone(v.Verdict)
		done.Risks = risks
		return done
	}
	reason := v.Verdict
	if v.Whole && len(risks) == 0 && strings.HasPrefix(reason, "ring whole") {
		reason = fmt.Sprintf("both links are alive; a packet of %d bytes is being tried both ways", s.cfg.MTU)
	}
	return Wait(reason)
}

// Apply writes what differs and wakes the keeper.
func (s *Ring) Apply(ctx context.Context) error {
	jobs, err := s.jobs()
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if !j.needed {
			continue
		}
		if err := j.do(ctx); err != nil {
			return err
		}
	}
	s.keeper.Kick()
	return nil
}

func (s *Ring) exists(path string) bool {
	_, err := s.host.Files.Stat(path)
	return err == nil
}

// jobs lists everything in the order in which it is done.
func (s *Ring) jobs() ([]job, error) {
	files := ring.Floor(s.cfg, s.keeper.Peers())
	var out []job
	for _, f := range files {
		j, err := s.file(f)
		if err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	for _, m := range ring.Modules(s.cfg) {
		out = append(out, job{
			change: Change{Object: "module " + m, Want: "loaded"},
			needed: !s.exists("/sys/module/" + m),
			do:     func(ctx context.Context) error { return s.run(ctx, time.Minute, "modprobe", m) },
		})
	}
	var links, rules strings.Builder
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Path, ".link"), f.Path == ring.ModulesFile:
			links.WriteString(f.Content)
		case f.Path == ring.UdevFile || f.Path == ring.FloorUnitFile:
			rules.WriteString(f.Content)
		}
	}
	out = append(out,
		s.once(ringUdevMark, rules.String()+links.String(), "udev and systemd", "reloaded", func(ctx context.Context) error {
			return errors.Join(s.run(ctx, time.Minute, "udevadm", "control", "--reload"), s.run(ctx, time.Minute, "systemctl", "daemon-reload"))
		}))
	if links.Len() > 0 {
		// Names are given in the initramfs already, by a copy of the .link files.
		out = append(out, s.once(ringInitrdMark, links.String(), "initramfs", "holds the names of the ports", func(ctx context.Context) error {
			return s.run(ctx, initrdTimeout, "update-initramfs", "-u", "-k", "all")
		}))
	}
	if s.cfg.Routing == ring.RoutingOpenFabric {
		return s.fabric(out)
	}
	return out, nil
}

// fabric adds FRR's part.
func (s *Ring) fabric(out []job) ([]job, error) {
	daemons, err := s.host.Files.ReadFile(ring.FRRDaemonsFile)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ring.FRRDaemonsFile, err)
	}
	conf := ring.FabricConfig(s.cfg)
	all := ""
	for _, f := range []ring.File{
		{Path: ring.FRRDaemonsFile, Content: ring.FabricDaemons(string(daemons))},
		{Path: ring.FRRFile, Content: conf}, {Path: ring.FRRLocalFile, Content: conf},
	} {
		j, err := s.file(f)
		if err != nil {
			return nil, err
		}
		// SDN owns the main file once it was applied, and merges the local one.
		if f.Path == ring.FRRFile && j.needed && s.exists("/etc/pve/sdn/.running-config") {
			j.needed = false
		}
		out = append(out, j)
		all += f.Content
	}
	return append(out, s.once(ringFRRMark, all, "frr", "enabled and restarted", func(ctx context.Context) error {
		return errors.Join(s.run(ctx, time.Minute, "systemctl", "enable", "frr"), s.run(ctx, 2*time.Minute, "systemctl", "restart", "frr"))
	})), nil
}

func (s *Ring) file(f ring.File) (job, error) {
	have, err := s.host.Files.ReadFile(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return job{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	state := "other content"
	if err != nil {
		state = "absent"
	}
	return job{
		change: Change{Object: f.Path, Have: state, Want: "written"},
		needed: err != nil || string(have) != f.Content,
		do:     func(context.Context) error { return s.host.Files.WriteFile(f.Path, []byte(f.Content), 0o644) },
	}, nil
}

// once is a command that runs once for each content: the mark holds the sum of
// what it was last run for.
func (s *Ring) once(mark, content, object, want string, command func(context.Context) error) job {
	sum := sha256.Sum256([]byte(content))
	text := hex.EncodeToString(sum[:]) + "\n"
	have, err := s.host.Files.ReadFile(mark)
	return job{
		change: Change{Object: object, Want: want},
		needed: err != nil || string(have) != text,
		do: func(ctx context.Context) error {
			if err := command(ctx); err != nil {
				return err
			}
			// The mark must not outlive what the command wrote.
			if err := s.host.Files.Sync(); err != nil {
				return fmt.Errorf("flush what %s wrote: %w", object, err)
			}
			return s.host.Files.WriteFile(mark, []byte(text), 0o644)
		},
	}
}

func (s *Ring) run(ctx context.Context, timeout time.Duration, argv ...string) error {
	res, err := s.host.Commands.Run(ctx, host.Cmd{Argv: argv, Timeout: timeout})
	if err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	if res.Code != 0 {
		return fmt.Errorf("%s ended with %d: %s", strings.Join(argv, " "), res.Code, strings.TrimSpace(string(res.Stderr)))
	}
	return nil
}
