package answer

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"ringboot/profiles"
)

// Request is what an answer file is made from.
type Request struct {
	Profile          *profiles.Profile
	Node             string
	Version          Version
	RootPasswordHash string   // crypt(3)
	RootKeys         []string // OpenSSH public keys
}

// ModeFile is the content of /auto-installer-mode.toml: the answer lies on the
// medium. Nothing else is written, because 8.2 refuses every other key.
const ModeFile = "mode = \"iso\"\n"

// Write returns the answer file of one node. Only 8.4 and later are written:
// earlier installers cannot take a power-off and read other spellings.
func Write(r Request) ([]byte, error) {
	if r.Version < V84 {
		return nil, fmt.Errorf("proxmox ve %s is older than 8.4: take a newer ISO", r.Version)
	}
	n, ok := r.Profile.Node(r.Node)
	if !ok {
		return nil, fmt.Errorf("node %q is not in the profile", r.Node)
	}
	if r.RootPasswordHash == "" {
		return nil, errors.New("no hash of root's password was given")
	}
	nic, err := nicFilter(n)
	if err != nil {
		return nil, err
	}
	disk, err := diskSetup(r.Profile.Install.Filesystem, n.RootDisk)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	p := r.Profile
	f := file{
		Global: global{
			Keyboard: p.Cluster.Keyboard, Country: p.Cluster.Country, Timezone: p.Cluster.Timezone,
			Mailto: p.Cluster.Mail, FQDN: n.Name + "." + p.Cluster.Domain,
			RootPasswordHashed: r.RootPasswordHash, RootSSHKeys: r.RootKeys,
			RebootMode: p.Install.AfterInstall,
		},
		Network: network{
			Source: "from-answer", CIDR: netip.PrefixFrom(n.Address, p.Management.Prefix.Bits()).String(),
			DNS: p.Management.DNS[0].String(), Gateway: p.Management.Gateway.String(), Filter: nic,
		},
		Disk: disk,
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Ringboot: %s of %s, for the installer of Proxmox VE %s\n\n", n.Name, p.Cluster.Name, r.Version)
	enc := toml.NewEncoder(&out)
	enc.SetTablesInline(false)
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("write answer file of %s: %w", n.Name, err)
	}
	return out.Bytes(), nil
}

type file struct {
	Global  global  `toml:"global"`
	Network network `toml:"network"`
	Disk    disk    `toml:"disk-setup"`
}

type global struct {
	Keyboard           string   `toml:"keyboard"`
	Country            string   `toml:"country"`
	Timezone           string   `toml:"timezone"`
	Mailto             string   `toml:"mailto"`
	FQDN               string   `toml:"fqdn"`
	RootPasswordHashed string   `toml:"root-password-hashed"`
	RootSSHKeys        []string `toml:"root-ssh-keys,omitempty,multiline"`
	RebootMode         string   `toml:"reboot-mode"`
}

type network struct {
	Source  string            `toml:"source"`
	CIDR    string            `toml:"cidr"`
	DNS     string            `toml:"dns"`
	Gateway string            `toml:"gateway"`
	Filter  map[string]string `toml:"filter"`
}

type disk struct {
	Filesystem  string            `toml:"filesystem"`
	DiskList    []string          `toml:"disk-list,omitempty"`
	FilterMatch string            `toml:"filter-match,omitempty"`
	Filter      map[string]string `toml:"filter,omitempty"`
	ZFS         *raid             `toml:"zfs,omitempty"`
	Btrfs       *raid             `toml:"btrfs,omitempty"`
}

type raid struct {
	Raid string `toml:"raid"`
}

func diskSetup(filesystem string, d profiles.Disk) (disk, error) {
	out := disk{Filesystem: filesystem}
	switch filesystem {
	case "zfs":
		out.ZFS = &raid{"raid0"}
	case "btrfs":
		out.Btrfs = &raid{"raid0"}
	}
	switch {
	case d.Kernel != "":
		out.DiskList = []string{d.Kernel}
		return out, nil
	case d.Serial != "":
		// Which of the two holds the bare serial depends on the bus: NVMe and
		// SATA have it in the short one, virtio only in the long one.
		out.Filter = map[string]string{"ID_SERIAL": EscapeGlob(d.Serial), "ID_SERIAL_SHORT": EscapeGlob(d.Serial)}
	case d.ByID != "":
		filter, err := byID(d.ByID)
		if err != nil {
			return disk{}, err
		}
		out.Filter = filter
	default:
		return disk{}, errors.New("root_disk is not named: write its serial into the profile")
	}
	out.FilterMatch = "any"
	return out, nil
}

// byID turns a name below /dev/disk/by-id into the property that udev made it from.
func byID(name string) (map[string]string, error) {
	for _, prefix := range []string{"wwn-", "nvme-eui.", "nvme-nvme."} {
		if strings.HasPrefix(name, prefix) {
			wwn := strings.TrimPrefix(strings.TrimPrefix(name, "wwn-"), "nvme-")
			return map[string]string{"ID_WWN": EscapeGlob(wwn), "ID_WWN_WITH_EXTENSION": EscapeGlob(wwn)}, nil
		}
	}
	for _, bus := range []string{"nvme-", "ata-", "usb-", "scsi-", "virtio-", "mmc-"} {
		if serial, ok := strings.CutPrefix(name, bus); ok && serial != "" {
			return map[string]string{"ID_SERIAL": EscapeGlob(serial)}, nil
		}
	}
	return nil, fmt.Errorf("root_disk.by_id %q is of no known bus (wwn, nvme, ata, usb, scsi, virtio, mmc): name the disk by its serial", name)
}

func nicFilter(n profiles.Node) (map[string]string, error) {
	if len(n.Ports) == 0 {
		return nil, fmt.Errorf("%s: no management port is named", n.Name)
	}
	p := n.Ports[0]
	switch {
	case p.MAC != "":
		return map[string]string{"ID_NET_NAME_MAC": "enx" + strings.ToLower(strings.ReplaceAll(p.MAC, ":", ""))}, nil
	case p.Path != "":
		return map[string]string{"ID_PATH": EscapeGlob(p.Path)}, nil
	case p.Interface != "":
		return map[string]string{"INTERFACE": EscapeGlob(p.Interface)}, nil
	case p.Driver != "":
		return map[string]string{"ID_NET_DRIVER": EscapeGlob(p.Driver)}, nil
	}
	return nil, fmt.Errorf("%s: ports[0] is not named", n.Name)
}
