// Package ringup holds the step ring: the persistent floor below the ring
// (modules, names, addresses, sysctls) and the verdict on its links.
//
// The resident that keeps routes and probes links is in ring.
package ringup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// RingKeeper is the resident part of the ring.
type RingKeeper interface {
	View() status.RingView
	// Peers are the nodes taken to be at the two ports.
	Peers() []string
	// Ready reports whether it runs and has looked at the ring.
	Ready() bool
	// Kick makes it look and mend now.
	Kick()
}

// Ring brings the ring up and waits until both links of this node are proven.
// The keeper does the work that must never end; the step writes what stays
// when the agent does not run.
type Ring struct {
	host   host.Host
	cfg    layout.Config
	keeper RingKeeper
}

// New returns the step ring.
func New(h host.Host, cfg layout.Config, keeper RingKeeper) *Ring {
	return &Ring{host: h, cfg: cfg, keeper: keeper}
}

// Name returns "ring".
func (s *Ring) Name() string { return profiles.StepRing }

// The commands' results are remembered by what they were run for: a power cut
// between a file and its command must not lose the command.
const (
	ringInitrdMark  = "/var/lib/ringboot/ring.initramfs"
	ringUdevMark    = "/run/ringboot/ring.udev"
	ringFilterMark  = "/run/ringboot/ring.nft"
	ringSegmentMark = "/run/ringboot/ring.segment"
	ringFRRMark     = "/run/ringboot/ring.frr"

	initrdTimeout = 10 * time.Minute
)

// Marks are the files by which what the floor's commands made is remembered:
// whoever takes the floor away takes them, too.
func Marks() []string {
	return []string{ringInitrdMark, ringUdevMark, ringFilterMark, ringSegmentMark, ringFRRMark}
}

// job is one thing that the step keeps so: a file, a module, or a command that
// must run once for each content of files.
type job struct {
	change step.Change
	needed bool
	do     func(ctx context.Context) error
}

// Check compares the files, then asks the keeper.
func (s *Ring) Check(ctx context.Context) (step.Verdict, error) {
	if s.cfg.Routing == layout.RoutingOpenFabric && !s.exists(layout.FRRDaemonsFile) {
		return step.Wait("routing is openfabric, but FRR is not installed: apt install frr frr-pythontools, or set ring.routing to static"), nil
	}
	jobs, err := s.jobs(ctx)
	if err != nil {
		return step.Verdict{}, err
	}
	var changes []step.Change
	for _, j := range jobs {
		if j.needed {
			changes = append(changes, j.change)
		}
	}
	if len(changes) > 0 {
		return step.Do("the ring's configuration is not written yet", changes...), nil
	}
	return s.judge(), nil
}

// judge turns the keeper's view into a verdict.
func (s *Ring) judge() step.Verdict {
	if !s.keeper.Ready() {
		return step.Wait("the ring is kept by the running agent: systemctl start ringboot")
	}
	v := s.keeper.View()
	var risks []string
	peers := map[string]bool{}
	for _, p := range v.Ports {
		if p.Alive && p.Slow {
			risks = append(risks, p.Verdict)
		}
		if p.Proven && p.Peer != "" {
			peers[p.Peer] = true
		}
	}
	if v.Whole && !slices.ContainsFunc(s.cfg.Neighbours(), func(p layout.Peer) bool { return !peers[p.Node] }) {
		done := step.IsDone(v.Verdict)
		done.Risks = risks
		return done
	}
	reason := v.Verdict
	if v.Whole && len(risks) == 0 && (s.cfg.Segment != nil || strings.HasPrefix(reason, "ring whole") || strings.HasPrefix(reason, "chain whole")) {
		reason = fmt.Sprintf("all links are alive; a packet of %d bytes is being tried both ways", s.cfg.MTU)
	}
	return step.Wait(reason)
}

// Apply writes what differs and wakes the keeper.
func (s *Ring) Apply(ctx context.Context) error {
	jobs, err := s.jobs(ctx)
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
func (s *Ring) jobs(ctx context.Context) ([]job, error) {
	if seg := s.cfg.Segment; seg != nil && seg.Lent {
		return nil, nil // there is nothing of the ring's own
	}
	files := layout.Floor(s.cfg, s.keeper.Peers())
	var out []job
	for _, f := range files {
		j, err := s.file(f)
		if err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	for _, m := range layout.Modules(s.cfg) {
		out = append(out, job{
			change: step.Change{Object: "module " + m, Want: "loaded"},
			needed: !s.exists("/sys/module/" + m),
			do:     func(ctx context.Context) error { return s.run(ctx, time.Minute, "modprobe", m) },
		})
	}
	var links, rules strings.Builder
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Path, ".link"), f.Path == layout.ModulesFile, f.Path == layout.ModuleFile:
			links.WriteString(f.Content)
		case f.Path == layout.UdevFile || f.Path == layout.FloorUnitFile:
			rules.WriteString(f.Content)
		}
	}
	out = append(out,
		s.once(ringUdevMark, rules.String()+links.String(), "udev and systemd", "reloaded", func(ctx context.Context) error {
			errs := []error{s.run(ctx, time.Minute, "udevadm", "control", "--reload"), s.run(ctx, time.Minute, "systemctl", "daemon-reload")}
			for _, argv := range layout.Triggers(s.cfg) {
				errs = append(errs, s.run(ctx, time.Minute, argv...))
			}
			return errors.Join(errs...)
		}))
	out = append(out, s.filter(ctx, files))
	if seg := s.cfg.Segment; seg != nil {
		out = append(out, s.segment(seg, files))
	}
	if links.Len() > 0 {
		// Names are given in the initramfs already, by a copy of the .link files.
		out = append(out, s.once(ringInitrdMark, links.String(), "initramfs", "holds the names of the ports", func(ctx context.Context) error {
			return s.run(ctx, initrdTimeout, "update-initramfs", "-u", "-k", "all")
		}))
	}
	if s.cfg.Routing == layout.RoutingOpenFabric {
		return s.fabric(out)
	}
	return out, nil
}

// filter loads the table that keeps the ring apart, unless the kernel has it. It
// is looked for each time: whoever flushes all tables flushes this one, too.
func (s *Ring) filter(ctx context.Context, files []layout.File) job {
	text := ""
	for _, f := range files {
		if f.Path == layout.FilterFile {
			text = f.Content
		}
	}
	j := s.once(ringFilterMark, text, "the ring's own filter", "loaded", func(ctx context.Context) error {
		return s.run(ctx, time.Minute, "nft", "-f", layout.FilterFile)
	})
	if !j.needed {
		res, err := s.host.Commands.Run(ctx, host.Cmd{Argv: []string{"nft", "list", "table", "ip", layout.FilterTable}, ReadOnly: true, Timeout: time.Minute})
		j.needed = err != nil || res.Code != 0
	}
	return j
}

// segment brings up what the stanzas make of the ports on the switch. With cables
// the keeper does it: there is nothing to be made there.
func (s *Ring) segment(seg *layout.Segment, files []layout.File) job {
	text := ""
	for _, f := range files {
		if f.Path == layout.StanzaFile {
			text = f.Content
		}
	}
	j := s.once(ringSegmentMark, text, "network "+seg.Device, "up", func(ctx context.Context) error {
		return s.run(ctx, time.Minute, append([]string{"ifup", "--force"}, seg.Devices()...)...)
	})
	j.needed = j.needed || !s.exists("/sys/class/net/"+seg.Device)
	return j
}

// fabric adds FRR's part.
func (s *Ring) fabric(out []job) ([]job, error) {
	daemons, err := s.host.Files.ReadFile(layout.FRRDaemonsFile)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", layout.FRRDaemonsFile, err)
	}
	conf := layout.FabricConfig(s.cfg)
	all := ""
	for _, f := range []layout.File{
		{Path: layout.FRRDaemonsFile, Content: layout.FabricDaemons(string(daemons))},
		{Path: layout.FRRFile, Content: conf}, {Path: layout.FRRLocalFile, Content: conf},
	} {
		j, err := s.file(f)
		if err != nil {
			return nil, err
		}
		// SDN owns the main file once it was applied, and merges the local one.
		if f.Path == layout.FRRFile && j.needed && s.exists(pve.SDNConf) {
			j.needed = false
		}
		out = append(out, j)
		all += f.Content
	}
	return append(out, s.once(ringFRRMark, all, "frr", "enabled and restarted", func(ctx context.Context) error {
		return errors.Join(s.run(ctx, time.Minute, "systemctl", "enable", "frr"), s.run(ctx, 2*time.Minute, "systemctl", "restart", "frr"))
	})), nil
}

func (s *Ring) file(f layout.File) (job, error) {
	have, err := s.host.Files.ReadFile(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return job{}, fmt.Errorf("read %s: %w", f.Path, err)
	}
	state := "other content"
	if err != nil {
		state = "absent"
	}
	return job{
		change: step.Change{Object: f.Path, Have: state, Want: "written"},
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
		change: step.Change{Object: object, Want: want},
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
