package installer

import (
	"slices"
	"strings"
)

// platform is what decides which packages of the pool are left out.
type platform struct {
	efi        bool
	secureBoot bool
	firstBoot  bool // the answer has a first-boot hook
	intel, amd bool
}

// poolOrder returns the packages of the pool that are installed, in the
// order in which the installer does it: by name without regard to case.
func poolOrder(names []string, p platform) []string {
	var out []string
	for _, name := range names {
		if strings.HasSuffix(name, ".deb") && !p.skips(name) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return out
}

func (p platform) skips(name string) bool {
	switch {
	case strings.Contains(name, "grub-pc_"):
		return p.efi
	case strings.Contains(name, "grub-efi-amd64_"):
		return !p.efi
	case strings.Contains(name, "grub-efi-arm64_"):
		return true
	case strings.HasPrefix(name, "proxmox-grub"):
		return !p.efi
	case strings.HasPrefix(name, "proxmox-secure-boot-support_"):
		return !p.secureBoot
	case strings.HasPrefix(name, "proxmox-first-boot"):
		return !p.firstBoot
	case strings.HasPrefix(name, "amd64-microcode_"):
		return !p.amd
	case strings.HasPrefix(name, "intel-microcode_"):
		return !p.intel
	}
	return false
}
