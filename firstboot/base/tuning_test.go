package base

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
	"ringboot/rehearsal/need"
)

// bootTools are the boot loaders' programs, as far as they leave traces.
type bootTools struct {
	*disk.Disk
	ran []string
}

func (c *bootTools) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	c.ran = append(c.ran, strings.Join(cmd.Argv, " "))
	read := func(name string) string {
		text, _ := c.ReadFile(name)
		return string(text)
	}
	switch cmd.Argv[0] {
	case "update-grub":
		_, words, _ := strings.Cut(read(grubDropIn), "$GRUB_CMDLINE_LINUX ")
		words, _, _ = strings.Cut(words, "\"")
		c.Program(grubConfig, "linux /vmlinuz root=/dev/sda1 ro "+words+"\n")
	case "proxmox-boot-tool":
		c.Program("/boot/efi/loader.conf", "options "+read(bootCmdline))
	default:
		return host.Result{Code: 127, Stderr: []byte(cmd.Argv[0] + ": not found")}, nil
	}
	return host.Result{}, nil
}

// RunPartly leaves half of a configuration.
func (c *bootTools) RunPartly(_ context.Context, cmd host.Cmd) {
	switch cmd.Argv[0] {
	case "update-grub":
		c.Program(grubConfig, "linux /vm")
	case "proxmox-boot-tool":
		c.Program("/boot/efi/loader.conf", "opt")
	}
}

// Reboot changes nothing here: the running kernel's files are the test's.
func (c *bootTools) Reboot() {}

const (
	ownIRQ   = " 150:  12  0   IR-PCI-MSI-0000:00:0d.2   0-edge      thunderbolt\n"
	otherIRQ = " 151:   3  9   IR-PCI-MSI-0000:57:00.0   1-edge      enp87s0\n"
	farIRQ   = " 160:   0  7   IR-PCI-MSI-0000:00:0d.3   2-edge      thunderbolt\n"
)

// tuned is a machine with both boot loaders and a hybrid processor.
func tuned() (tools *bootTools, m *crash.Machine) {
	clock := crash.NewClock(time.Now())
	tools = &bootTools{Disk: disk.New(clock.Now)}
	for name, text := range map[string]string{
		"/etc/default/grub": "GRUB_TIMEOUT=5\n", grubConfig: "linux /vmlinuz root=/dev/sda1 ro\n",
		bootCmdline: "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n", bootToolIDs: "AB12-CD34\n",
		"/proc/cmdline": "root=/dev/sda1 ro\n", fastCores: "0-11\n",
		"/proc/interrupts":                "      CPU0 CPU1\n" + ownIRQ + otherIRQ + farIRQ + " NMI:  0  0  Non-maskable interrupts\n",
		"/proc/irq/150/smp_affinity_list": "0-19\n", "/proc/irq/151/smp_affinity_list": "0-19\n", "/proc/irq/160/smp_affinity_list": "12-19\n",
	} {
		tools.Program(name, text)
	}
	return tools, crash.New(tools.Disk, tools, clock)
}

var allTuning = profiles.Tuning{KernelCmdline: []string{"intel_iommu=on", "iommu=pt"}, IRQAffinity: true}

// tune looks and makes until nothing is left to do.
func tune(t *testing.T, s *tuning) (step.Verdict, error) {
	t.Helper()
	for range 3 {
		v, err := s.look(t.Context())
		if err != nil || v.State == step.Done {
			return v, err
		}
		if err := s.make(t.Context()); err != nil {
			return v, err
		}
	}
	t.Fatal("what was made does not satisfy who looks")
	return step.Verdict{}, nil
}

func TestTuningIsOffUnlessNamed(t *testing.T) {
	tools, m := tuned()
	before := crash.Files(m.Disk)
	v, err := tune(t, &tuning{host: m.Host()})
	if err != nil || v.State != step.Done || len(v.Changes)+len(v.Risks) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if d := cmp.Diff(before, crash.Files(m.Disk)); d != "" || len(tools.ran) > 0 {
		t.Errorf("ran %q, changed %s", tools.ran, d)
	}
}

func TestTuningThatTheProfileNames(t *testing.T) {
	tools, m := tuned()
	s := &tuning{host: m.Host(), want: allTuning}
	before := crash.Files(m.Disk)
	v, err := s.look(t.Context())
	if err != nil || v.State != step.Todo || v.Reason != "tuning that the profile asks for is not in place" {
		t.Fatalf("%+v, %v", v, err)
	}
	var objects []string
	for _, c := range v.Changes {
		objects = append(objects, c.Object)
	}
	want := []string{grubDropIn, grubConfig, bootCmdline, "/proc/irq/150/smp_affinity_list", "/proc/irq/160/smp_affinity_list"}
	if d := cmp.Diff(want, objects); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(before, crash.Files(m.Disk)); d != "" {
		t.Errorf("looking changed the machine: %s", d)
	}
	if v, err = tune(t, s); err != nil {
		t.Fatal(err)
	}
	const risk = `kernel command line "intel_iommu=on iommu=pt" takes effect at the next restart`
	if len(v.Risks) != 1 || v.Risks[0] != risk {
		t.Errorf("risks %q", v.Risks)
	}
	got := crash.Files(m.Disk)
	for path, want := range map[string]string{
		grubDropIn:                        "# Written by ringboot from the profile of the cluster.\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX intel_iommu=on iommu=pt\"\n",
		grubConfig:                        "linux /vmlinuz root=/dev/sda1 ro intel_iommu=on iommu=pt\n",
		bootCmdline:                       "root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt\n",
		"/boot/efi/loader.conf":           "options root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt\n",
		"/proc/irq/150/smp_affinity_list": "0-11", "/proc/irq/151/smp_affinity_list": "0-19\n", "/proc/irq/160/smp_affinity_list": "0-11",
	} {
		if d := cmp.Diff(want, got[path]); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
	if d := cmp.Diff([]string{"update-grub", "proxmox-boot-tool refresh"}, tools.ran); d != "" {
		t.Error(d)
	}
	// After the restart nothing is left, neither to do nor to say.
	tools.Program("/proc/cmdline", "root=/dev/sda1 ro intel_iommu=on iommu=pt\n")
	tools.ran = nil
	if v, err := tune(t, s); err != nil || len(v.Risks) > 0 || len(tools.ran) > 0 {
		t.Errorf("after the restart: %+v, %v, ran %q", v, err, tools.ran)
	}
}

func TestTuningWhereThereIsNothingToTune(t *testing.T) {
	tools, m := tuned()
	for _, gone := range []string{"/etc/default/grub", bootToolIDs, fastCores} {
		if err := m.Disk.Remove(gone); err != nil {
			t.Fatal(err)
		}
	}
	before := crash.Files(m.Disk)
	v, err := tune(t, &tuning{host: m.Host(), want: allTuning})
	if err != nil || len(tools.ran) > 0 {
		t.Errorf("%+v, %v, ran %q", v, err, tools.ran)
	}
	if d := cmp.Diff(before, crash.Files(m.Disk)); d != "" {
		t.Error(d)
	}
}

func TestTuningSurvivesPowerCuts(t *testing.T) {
	cuts, diverged := 0, 0
	// Without interrupts nothing else is left to do that would bring the boot loader along.
	for _, wanted := range []profiles.Tuning{allTuning, {KernelCmdline: allTuning.KernelCmdline}} {
		_, m := tuned()
		m.Arm(crash.Cut{})
		if _, err := tune(t, &tuning{host: m.Host(), want: wanted}); err != nil {
			t.Fatal(err)
		}
		want := crash.Files(m.Disk)
		for p := 1; p <= m.Points(); p++ {
			for _, cut := range crash.Cuts(p) {
				cuts++
				_, m := tuned()
				m.Arm(cut)
				s := &tuning{host: m.Host(), want: wanted}
				if _, err := tune(t, s); !errors.Is(err, crash.ErrPowerCut) {
					t.Fatalf("%s: %v", cut, err)
				}
				m.Reboot()
				if _, err := tune(t, s); err != nil {
					t.Fatalf("%s: %v", cut, err)
				}
				if d := cmp.Diff(want, crash.Files(m.Disk)); d != "" {
					diverged++
					t.Errorf("%s: %s", cut, d)
				}
			}
		}
	}
	need.Figure("node.power_cuts.tuning", cuts, "count")
	need.Figure("node.power_cuts_diverged.tuning", diverged, "count")
}
