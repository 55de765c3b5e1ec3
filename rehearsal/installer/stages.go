package installer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// pool is where the packages are seen in the target.
const pool = "/tmp/pkg"

// quiet are programs that do nothing while packages are configured, and what
// stands in their place.
var quiet = []struct{ path, instead string }{
	{"/sbin/start-stop-daemon", "/sbin/fake-start-stop-daemon"},
	{"/usr/sbin/update-grub", "/bin/true"},
	{"/usr/sbin/update-initramfs", "/bin/true"},
}

// mountForPackages mounts what package scripts see. /dev is not there yet, and
// /run is the live system's.
func (s *session) mountForPackages(ctx context.Context) error {
	steps := [][]string{
		{"mkdir", "-p", "/run/network"}, // ifup's
		{"mount", "-n", "-t", "tmpfs", "tmpfs", target + "/tmp"},
		{"mkdir", target + pool},
		{"mount", "-n", "--bind", filepath.Join(cdrom, "proxmox/packages"), target + pool},
		{"mount", "-n", "-t", "proc", "proc", target + "/proc"},
		{"mount", "-n", "-t", "sysfs", "sysfs", target + "/sys"},
	}
	if s.platform.efi {
		steps = append(steps, []string{"mount", "-n", "-t", "efivarfs", "efivarfs", target + efiVariables})
	}
	return s.all(ctx, append(steps, []string{"chroot", target, "mount", "--bind", "/mnt/hostrun", "/run"})...)
}

const efiVariables = "/sys/firmware/efi/efivars"

// installPackages unpacks every package of the pool, one by one, and
// configures them together: Depends are forced at the first and not at the second.
func (s *session) installPackages(ctx context.Context) error {
	if err := s.hush(ctx); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(cdrom, "proxmox/packages"))
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	dpkg := []string{"dpkg"}
	if s.answer.Filesystem == "btrfs" {
		dpkg = append(dpkg, "--force-unsafe-io")
	}
	for _, name := range poolOrder(names, s.platform) {
		s.say("unpack %s", name)
		argv := append(dpkg[:len(dpkg):len(dpkg)], "--force-depends", "--no-triggers", "--unpack", filepath.Join(pool, name))
		if _, err := s.inTarget(ctx, nil, argv...); err != nil {
			return fmt.Errorf("installation of package %s failed: %w", name, err)
		}
	}
	s.say("configure packages")
	if _, err := s.inTarget(ctx, nil, "ifup", "lo"); err != nil {
		s.say("ifup lo: %v", err) // it is no reason to stop
	}
	if _, err := s.inTarget(ctx, nil, append(dpkg, "--force-confold", "--configure", "-a")...); err != nil {
		return err
	}
	return s.configureTarget(ctx)
}

// hush keeps package scripts from starting services and from making boot files
// for each package anew.
func (s *session) hush(ctx context.Context) error {
	for name, f := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"usr/sbin/policy-rc.d":              {"#!/bin/sh\nexit 101\n", 0o755},
		"usr/sbin/fake-start-stop-daemon":   {"#!/bin/sh\nexit 0\n", 0o755},
		"proxmox_install_mode":              {"", 0o644},
		"tmp/debconf.txt":                   {"locales locales/default_environment_locale select en_US.UTF-8\ngrub-pc grub-pc/install_devices select " + s.boot[0].name + "\n", 0o600},
		"var/lib/apt/extended_states":       {"", 0o644},
		"etc/default/keyboard":              {keyboard(s.answer.Keyboard), 0o644},
		"usr/share/doc/practice/README.txt": {"This system was installed for practice. It is not Proxmox VE.\n", 0o644},
	} {
		if err := put(name, f.content, f.mode); err != nil {
			return err
		}
	}
	if _, err := s.inTarget(ctx, nil, "debconf-set-selections", "/tmp/debconf.txt"); err != nil {
		return err
	}
	var steps [][]string
	for _, q := range quiet {
		steps = append(steps, []string{"chroot", target, "dpkg-divert", "--package", "proxmox", "--add", "--rename", q.path}, []string{"ln", "-sf", q.instead, target + q.path})
	}
	return s.all(ctx, steps...)
}

// restore gives back a program that hush has diverted.
func (s *session) restore(ctx context.Context, path string) error {
	if err := os.Rename(target+path+".distrib", target+path); err != nil {
		return err
	}
	_, err := s.inTarget(ctx, nil, "dpkg-divert", "--remove", path)
	return err
}

// loud lets services start again.
func (s *session) loud(ctx context.Context) error {
	if err := os.Remove(filepath.Join(target, "usr/sbin/policy-rc.d")); err != nil {
		return err
	}
	return s.restore(ctx, quiet[0].path)
}

func keyboard(layout string) string {
	return "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"" + layout[:2] + "\"\nXKBVARIANT=\"\"\nXKBOPTIONS=\"\"\n"
}

// finish unmounts everything. The verdict on the boot loader comes after it: a
// system that may not start is installed whole, mark and ticket included.
func (s *session) finish(ctx context.Context) error {
	places := []string{"/run", "/mnt/hostrun", pool, "/tmp", "/proc"}
	if s.platform.efi {
		places = append(places, efiVariables)
	}
	for _, place := range append(places, "/sys") {
		if _, err := s.run(ctx, nil, "umount", target+place); err != nil {
			s.say("umount: %v", err)
		}
	}
	if err := os.Remove(target + "/mnt/hostrun"); err != nil {
		s.say("%v", err)
	}
	if err := s.all(ctx, []string{"sync"}, []string{"umount", "-d", target}); err != nil {
		return err
	}
	return s.loaderVerdict()
}
