// Package installer is the unattended installer of the practice medium. It
// treats answer files, disks, packages and the reboot as the one of Proxmox VE
// does, its dangers included, and installs a small Debian system.
//
// It erases a disk of the machine that it runs on: it belongs on the practice
// medium, and refuses to run where that medium is not.
package installer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Exit statuses, which the medium's first program acts on.
const (
	ExitReboot   = 0
	ExitPowerOff = 10
	ExitFailed   = 20 // a shell on the console
)

// Where things are in the live system.
const (
	cdrom  = "/cdrom"
	target = "/target"
)

// Run installs and returns the exit status.
func Run(ctx context.Context, stdout io.Writer) int {
	s := &session{out: stdout, start: time.Now()}
	err := s.install(ctx)
	if err != nil {
		s.say("installation failed: %v", err)
		if s.answer.RebootOnError {
			return s.leave()
		}
		return ExitFailed
	}
	s.say("installation finished")
	return s.leave()
}

// leave says how the machine goes on. As in the real installer a failed
// installation with reboot-on-error leaves the same way as a good one.
func (s *session) leave() int {
	if s.answer.PowerOff {
		s.say("powering off - please remove the ISO boot media")
		return ExitPowerOff
	}
	s.say("rebooting - please remove the ISO boot media")
	return ExitReboot
}

// session is one installation.
type session struct {
	out      io.Writer
	start    time.Time
	answer   Answer
	disks    []Device
	nic      Device
	allNICs  []Device
	platform platform
	boot     []bootDisk
	root     string // block device of the root file system
	swap     string // block device, or ""
	loader   []error
}

// say prints one line with the time since the start.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.out, "installer: %6.1f %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

// install runs the stages in order; any failure ends it.
func (s *session) install(ctx context.Context) error {
	for _, stage := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"read the answers", s.readAnswers},
		{"look at the devices", s.lookAtDevices},
		{"partition the disk", s.partition},
		{"unpack the base system", s.unpackBase},
		{"configure the base system", s.configureBase},
		{"install packages", s.installPackages},
		{"make the system bootable", s.installBootLoader},
		{"set passwords and keys", s.configureAccess},
		{"finish", s.finish},
	} {
		s.say("%s", stage.name)
		if err := stage.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", stage.name, err)
		}
	}
	return nil
}

func (s *session) readAnswers(context.Context) error {
	if _, err := os.Stat(filepath.Join(cdrom, ".pve-cd-id.txt")); err != nil {
		return fmt.Errorf("this is no installation medium: %w", err)
	}
	content, err := os.ReadFile(filepath.Join(cdrom, "auto-installer-mode.toml"))
	if err != nil {
		return fmt.Errorf("the medium has no answers: %w: make an image with mkimage", err)
	}
	mode, err := ParseMode(content)
	if err != nil {
		return err
	}
	if mode != "iso" {
		return fmt.Errorf("mode %q: the practice installer takes answers from the medium only", mode)
	}
	if content, err = os.ReadFile(filepath.Join(cdrom, "answer.toml")); err != nil {
		return err
	}
	known, err := readLocales("/usr/share/zoneinfo")
	if err != nil {
		return err
	}
	s.answer, err = ParseAnswer(content, known)
	if err != nil {
		return err
	}
	s.say("installing %s", s.answer.FQDN)
	// Every package script can read it, as in the real installer.
	return os.WriteFile("/run/automatic-installer-answers", content, 0o600)
}

func (s *session) lookAtDevices(ctx context.Context) error {
	if err := s.startUdev(ctx); err != nil {
		return err
	}
	export, err := s.run(ctx, nil, "udevadm", "info", "--export-db")
	if err != nil {
		return err
	}
	properties := parseUdev(string(export))
	candidates := disks(properties)
	for _, d := range candidates {
		s.say("disk %s serial %s", d.Name, d.Properties["ID_SERIAL_SHORT"])
	}
	s.allNICs = nics(properties)
	for _, n := range s.allNICs {
		s.say("network card %s path %s mac %s", n.Name, n.Properties["ID_PATH"], n.Properties["ID_NET_NAME_MAC"])
	}
	if s.disks, err = systemDisks(candidates, s.answer); err != nil {
		return err
	}
	if s.answer.FromDHCP {
		return errors.New("from-dhcp: the practice installer takes addresses from the answer only")
	}
	var found bool
	if s.nic, found = pickFiltered(s.allNICs, s.answer.NICFilter); !found {
		return fmt.Errorf("no network card matches filter %v", s.answer.NICFilter)
	}
	_, err = os.Stat("/sys/firmware/efi")
	s.platform.efi = err == nil
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err
	}
	s.platform.intel, s.platform.amd = bytes.Contains(cpu, []byte("GenuineIntel")), bytes.Contains(cpu, []byte("AuthenticAMD"))
	for _, d := range s.disks {
		s.say("erasing %s serial %s", d.Name, d.Properties["ID_SERIAL_SHORT"])
	}
	return nil
}

func (s *session) startUdev(ctx context.Context) error {
	return s.all(ctx,
		[]string{"/usr/lib/systemd/systemd-udevd", "--daemon"},
		// Buses first, whose events load drivers, then what the drivers found.
		[]string{"udevadm", "trigger", "--action=add", "--subsystem-match=pci", "--subsystem-match=virtio", "--subsystem-match=usb"},
		[]string{"udevadm", "settle", "--timeout=120"},
		[]string{"udevadm", "trigger", "--action=add", "--subsystem-match=block", "--subsystem-match=net"},
		[]string{"udevadm", "settle", "--timeout=120"},
	)
}
