package answer

import (
	"strings"

	"ringboot/profiles/spelling"
)

// oldNames are what people write for a key: names of other installers, of other
// tools, and of drafts. A name without a table means one in any table.
func oldNames() map[string]string {
	return map[string]string{
		"general": "global", "system": "global", "common": "global",
		"storage": "disk-setup", "disk": "disk-setup", "disks": "disk-setup", "disk_setup": "disk-setup", "disksetup": "disk-setup", "partitioning": "disk-setup",
		"net": "network", "networking": "network",
		"first_boot": "first-boot", "firstboot": "first-boot", "first-boot-hook": "first-boot",
		"webhook": "post-installation-webhook", "post_installation_webhook": "post-installation-webhook", "post-install-webhook": "post-installation-webhook", "post-installation": "post-installation-webhook",

		"global.hostname": "global.fqdn", "global.host": "global.fqdn", "global.name": "global.fqdn", "global.domain": "global.fqdn.domain",
		"global.password": "global.root-password", "global.root_pass": "global.root-password", "global.rootpassword": "global.root-password",
		"global.password-hash": "global.root-password-hashed", "global.hashed-password": "global.root-password-hashed", "global.root-password-hash": "global.root-password-hashed",
		"global.mail": "global.mailto", "global.email": "global.mailto", "global.e-mail": "global.mailto",
		"global.tz": "global.timezone", "global.time-zone": "global.timezone", "global.time_zone": "global.timezone",
		"global.keymap": "global.keyboard", "global.layout": "global.keyboard", "global.keyboard-layout": "global.keyboard", "global.keyboard_layout": "global.keyboard",
		"global.ssh-keys": "global.root-ssh-keys", "global.ssh_keys": "global.root-ssh-keys", "global.sshkeys": "global.root-ssh-keys", "global.authorized-keys": "global.root-ssh-keys", "global.root-ssh-key": "global.root-ssh-keys",
		"global.reboot": "global.reboot-mode", "global.poweroff": "global.reboot-mode", "global.power-off": "global.reboot-mode",

		"network.nameserver": "network.dns", "network.nameservers": "network.dns", "network.dns-server": "network.dns", "network.dns_server": "network.dns", "network.dns-servers": "network.dns", "network.dns_servers": "network.dns",
		"network.interface": "network.filter", "network.iface": "network.filter", "network.nic": "network.filter", "network.device": "network.filter", "network.mac": "network.filter",
		"network.ip": "network.cidr", "network.address": "network.cidr", "network.ip-address": "network.cidr", "network.netmask": "network.cidr", "network.prefix": "network.cidr",
		"network.gw": "network.gateway", "network.router": "network.gateway",
		"network.mode": "network.source", "network.type": "network.source", "network.method": "network.source", "network.dhcp": "network.source",
		"network.hostname": "global.fqdn", "network.fqdn": "global.fqdn", "network.domain": "global.fqdn.domain",
		"network.interface_name_pinning": "network.interface-name-pinning", "network.pinning": "network.interface-name-pinning",

		"disk-setup.target": "disk-setup.disk-list", "disk-setup.disk": "disk-setup.disk-list", "disk-setup.disks": "disk-setup.disk-list", "disk-setup.device": "disk-setup.disk-list", "disk-setup.devices": "disk-setup.disk-list", "disk-setup.target-disk": "disk-setup.disk-list", "disk-setup.target_disk": "disk-setup.disk-list", "disk-setup.disk_selection": "disk-setup.disk-list", "disk-setup.disk-selection": "disk-setup.disk-list",
		"disk-setup.fs": "disk-setup.filesystem", "disk-setup.fstype": "disk-setup.filesystem", "disk-setup.type": "disk-setup.filesystem", "disk-setup.file-system": "disk-setup.filesystem",
		"disk-setup.filters": "disk-setup.filter", "disk-setup.match": "disk-setup.filter-match",
		"disk-setup.swapsize": "disk-setup.lvm.swapsize", "disk-setup.maxroot": "disk-setup.lvm.maxroot", "disk-setup.maxvz": "disk-setup.lvm.maxvz", "disk-setup.minfree": "disk-setup.lvm.minfree",
		"disk-setup.ashift": "disk-setup.zfs.ashift", "disk-setup.arc-max": "disk-setup.zfs.arc-max", "disk-setup.copies": "disk-setup.zfs.copies", "disk-setup.checksum": "disk-setup.zfs.checksum",
		"disk-setup.zfs.compression": "disk-setup.zfs.compress", "disk-setup.btrfs.compression": "disk-setup.btrfs.compress",
		"first-boot.script": "first-boot.source", "first-boot.order": "first-boot.ordering",
	}
}

// hint is the key that an unknown one most likely means, or "": one that people
// are known to write, one of the same table that is a slip away, or the same
// name in another table.
func hint(path string, spellings []string) string {
	if known := oldNames()[path]; known != "" {
		return known
	}
	table, name := split(path)
	var here []string
	for _, s := range spellings {
		for t := s; t != ""; t, _ = split(t) { // keys, and the tables that hold them
			if parent, last := split(t); parent == table {
				here = append(here, last)
			}
		}
	}
	if near := spelling.Nearest(name, here); near != "" {
		return join(table, near)
	}
	var same []string
	for _, s := range spellings {
		if _, last := split(s); last == name || strings.ReplaceAll(last, "-", "_") == name {
			same = append(same, s)
		}
	}
	if len(same) == 1 {
		return same[0]
	}
	return ""
}

func split(path string) (table, name string) {
	cut := strings.LastIndexByte(path, '.')
	if cut < 0 {
		return "", path
	}
	return path[:cut], path[cut+1:]
}
