package base

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	grubDropIn  = "/etc/default/grub.d/ringboot.cfg"
	grubConfig  = "/boot/grub/grub.cfg"
	bootCmdline = "/etc/kernel/cmdline" // of systemd-boot, where Proxmox uses it
	bootToolIDs = "/etc/kernel/proxmox-boot-uuids"
	bootMark    = "/etc/kernel/ringboot-refresh" // set while proxmox-boot-tool has to run
	irqDir      = "/proc/irq"
	fastCores   = "/sys/devices/cpu_core/cpus" // performance cores of a hybrid processor
)

// tuning is what the profile asks for beyond the defaults: off unless named.
type tuning struct {
	host host.Host
	want profiles.Tuning
}

func (s *tuning) look(ctx context.Context) (step.Verdict, error) {
	v := step.IsDone("")
	if len(s.want.KernelCmdline) > 0 {
		boot, err := s.bootChanges()
		if err != nil {
			return step.Verdict{}, err
		}
		v.Changes = append(v.Changes, boot...)
		running, err := host.ReadOptional(s.host.Files, "/proc/cmdline")
		if err != nil {
			return step.Verdict{}, err
		}
		if absent := missingWords(string(running), s.want.KernelCmdline); len(absent) > 0 && len(boot) == 0 {
			v.Risks = append(v.Risks, fmt.Sprintf("kernel command line %q takes effect at the next restart", strings.Join(absent, " ")))
		}
	}
	if s.want.IRQAffinity {
		irqs, cores, err := s.strayIRQs()
		if err != nil {
			return step.Verdict{}, err
		}
		for _, path := range irqs {
			v.Changes = append(v.Changes, step.Change{Object: path, Want: cores})
		}
	}
	if len(v.Changes) > 0 {
		v.State, v.Reason = step.Todo, "tuning that the profile asks for is not in place"
	}
	return v, nil
}

func missingWords(have string, want []string) []string {
	words := strings.Fields(have)
	return slices.DeleteFunc(slices.Clone(want), func(w string) bool { return slices.Contains(words, w) })
}

func (s *tuning) grubText() string {
	return "# Written by ringboot from the profile of the cluster.\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX " + strings.Join(s.want.KernelCmdline, " ") + "\"\n"
}

// bootChanges lists what the boot loaders lack.
func (s *tuning) bootChanges() ([]step.Change, error) {
	var out []step.Change
	f := s.host.Files
	if host.Exists(f, "/etc/default/grub") {
		v, err := step.WantFile(f, grubDropIn, s.grubText())
		if err != nil {
			return nil, err
		}
		out = append(out, v.Changes...)
		text, err := host.ReadOptional(f, grubConfig)
		if err != nil {
			return nil, err
		}
		if len(missingWords(string(text), s.want.KernelCmdline)) > 0 {
			out = append(out, step.Change{Object: grubConfig, Want: "written by update-grub"})
		}
	}
	if host.Exists(f, bootCmdline) && host.Exists(f, bootToolIDs) {
		text, err := f.ReadFile(bootCmdline)
		if err != nil {
			return nil, err
		}
		if absent := missingWords(string(text), s.want.KernelCmdline); len(absent) > 0 || host.Exists(f, bootMark) {
			out = append(out, step.Change{Object: bootCmdline, Want: strings.Join(s.want.KernelCmdline, " ")})
		}
	}
	return out, nil
}

func (s *tuning) make(ctx context.Context) error {
	if len(s.want.KernelCmdline) > 0 {
		if err := s.makeBoot(ctx); err != nil {
			return err
		}
	}
	if !s.want.IRQAffinity {
		return nil
	}
	irqs, cores, err := s.strayIRQs()
	if err != nil {
		return err
	}
	for _, path := range irqs {
		if err := s.host.Files.WriteDirect(path, []byte(cores)); err != nil {
			return err
		}
	}
	return nil
}

func (s *tuning) makeBoot(ctx context.Context) error {
	f := s.host.Files
	if host.Exists(f, "/etc/default/grub") {
		if err := f.WriteFile(grubDropIn, []byte(s.grubText()), 0o644); err != nil {
			return err
		}
		if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"update-grub"}}); err != nil {
			return err
		}
	}
	if !host.Exists(f, bootCmdline) || !host.Exists(f, bootToolIDs) {
		return nil
	}
	text, err := f.ReadFile(bootCmdline)
	if err != nil {
		return err
	}
	if absent := missingWords(string(text), s.want.KernelCmdline); len(absent) > 0 {
		if err := f.WriteFile(bootMark, nil, 0o600); err != nil {
			return err
		}
		line := strings.TrimSpace(string(text)) + " " + strings.Join(absent, " ") + "\n"
		if err := f.WriteFile(bootCmdline, []byte(line), 0o644); err != nil {
			return err
		}
	}
	if !host.Exists(f, bootMark) {
		return nil
	}
	if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"proxmox-boot-tool", "refresh"}}); err != nil {
		return err
	}
	return f.Remove(bootMark)
}

// ringInterrupt reports whether a line of /proc/interrupts names a controller of a ring.
func ringInterrupt(line string) bool {
	return slices.ContainsFunc(profiles.Transports(), func(t profiles.Transport) bool {
		return t.Interrupts != "" && strings.Contains(line, t.Interrupts)
	})
}

// strayIRQs lists the affinity files of Thunderbolt and ring interrupts that
// are not bound to the performance cores, and those cores.
func (s *tuning) strayIRQs() ([]string, string, error) {
	text, err := host.ReadOptional(s.host.Files, fastCores)
	cores := strings.TrimSpace(string(text))
	if err != nil || cores == "" {
		return nil, "", err // no hybrid processor: all cores are fast
	}
	table, err := host.ReadOptional(s.host.Files, "/proc/interrupts")
	if err != nil {
		return nil, "", err
	}
	var out []string
	for l := range strings.Lines(string(table)) {
		number, rest, ok := strings.Cut(strings.TrimSpace(l), ":")
		if !ok || !ringInterrupt(rest) {
			continue
		}
		path := irqDir + "/" + number + "/smp_affinity_list"
		have, err := host.ReadOptional(s.host.Files, path)
		if err != nil {
			return nil, "", err
		}
		if have != nil && strings.TrimSpace(string(have)) != cores {
			out = append(out, path)
		}
	}
	return out, cores, nil
}
