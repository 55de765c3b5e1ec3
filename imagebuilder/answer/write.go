package answer

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"ringboot/profiles"
	"ringboot/profiles/diskname"
	"ringboot/profiles/pick"
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
	disk, err := diskSetup(r.Profile, n)
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
	LVM         *options          `toml:"lvm,omitempty"`
	ZFS         *options          `toml:"zfs,omitempty"`
	Btrfs       *options          `toml:"btrfs,omitempty"`
}

// options are those of one file system.
type options struct {
	Raid   string `toml:"raid,omitempty"`
	HDSize int    `toml:"hdsize,omitempty"` // GiB
}

// table is where the options of a file system stand.
func (d *disk) table(fs profiles.FileSystem) (**options, error) {
	table, ok := map[string]**options{"zfs": &d.ZFS, "btrfs": &d.Btrfs, "lvm": &d.LVM}[fs.Options]
	if !ok {
		return nil, fmt.Errorf("file system %q has no table of options in an answer", fs.Name)
	}
	return table, nil
}

func diskSetup(p *profiles.Profile, n profiles.Node) (disk, error) {
	l, ok := profiles.LayoutOf(p.Install.Filesystem)
	if !ok {
		return disk{}, fmt.Errorf("file system %q is not known", p.Install.Filesystem)
	}
	out := disk{Filesystem: l.FileSystem.Name}
	if o := (options{l.Level.Name, p.Install.Size}); o != (options{}) {
		table, err := out.table(l.FileSystem)
		if err != nil {
			return disk{}, err
		}
		*table = &o
	}
	var err error
	out.DiskList, out.Filter, err = naming(l.FileSystem, n.SystemDisks(), l.Mirror())
	if len(out.DiskList) == 0 {
		out.FilterMatch = "any"
	}
	return out, err
}

// naming is how an answer names the disks to erase: by the kernel's names, or by
// properties. A table has each property once, so two disks of one property cannot
// be named; preflight names the disks that it proved, and whoever starts
// the installer without it finds none that fits.
func naming(fs profiles.FileSystem, disks []profiles.DiskName, mirror bool) (list []string, filter map[string]string, err error) {
	unchosen := map[string]string{"ID_SERIAL": Unchosen}
	filter = map[string]string{}
	for i, d := range disks {
		one := map[string]string{}
		switch {
		case d.Kernel != "":
			list = append(list, d.Kernel)
		case d.Serial != "":
			one = bySerial(fs, d.Serial)
		case d.ByID != "":
			props, err := diskname.Properties(d.ByID)
			if err != nil {
				return nil, nil, fmt.Errorf("%s.by_id %w", []string{"root_disk", "mirror_disk"}[i], err)
			}
			// One property, and the form that udev of this release gives it: a second
			// line could fit a second disk.
			one[props[0].Name] = pick.Escape(props[0].Value)
		}
		for k, v := range one {
			if filter[k] != "" {
				return nil, unchosen, nil
			}
			filter[k] = v
		}
	}
	switch {
	case len(disks) == 0, len(list) > 0 && len(filter) > 0, mirror && len(disks) < 2:
		return nil, unchosen, nil
	case len(list) > 0:
		return list, nil, nil
	}
	return nil, filter, nil
}

// Unchosen stands in an answer where preflight has yet to name the disk.
const Unchosen = "ringboot: no disk was chosen"

// Choice is what an answer says of the disks to erase.
type Choice struct {
	Filter map[string]string // patterns by property; nil: none, or none was chosen yet
	List   []string
	Match  string
	Single bool // the first disk that fits is taken, not all
}

// Chosen reports whether the answer names disks by itself, so that it may lie on
// a medium that cannot be written to.
func (c Choice) Chosen() bool { return c.Filter != nil || c.List != nil }

// ChoiceOf is the choice that the answer for a node makes.
func ChoiceOf(p *profiles.Profile, n profiles.Node) (Choice, error) {
	setup, err := diskSetup(p, n)
	if err != nil {
		return Choice{}, err
	}
	l, _ := profiles.LayoutOf(p.Install.Filesystem)
	c := Choice{Filter: setup.Filter, List: setup.DiskList, Match: setup.FilterMatch, Single: l.Single}
	if setup.Filter["ID_SERIAL"] == Unchosen {
		c.Filter = nil
	}
	return c, nil
}

// bySerial names a disk by its serial number. Which property holds the bare serial
// depends on the bus: NVMe and SATA have it in the short one, virtio only in the
// long one. A file system of one disk takes the first that fits, so both are
// written; another erases every disk that fits, so it gets one line: the long
// one for a serial with the model before it, the short one else.
func bySerial(fs profiles.FileSystem, serial string) map[string]string {
	const long, short = "ID_SERIAL", "ID_SERIAL_SHORT"
	switch {
	case fs.Single:
		return map[string]string{long: pick.Escape(serial), short: pick.Escape(serial)}
	case strings.Contains(serial, "_"):
		return map[string]string{long: pick.Escape(serial)}
	}
	return map[string]string{short: pick.Escape(serial)}
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
		return map[string]string{"ID_PATH": pick.Escape(p.Path)}, nil
	case p.Interface != "":
		return map[string]string{"INTERFACE": pick.Escape(p.Interface)}, nil
	case p.Driver != "":
		return map[string]string{"ID_NET_DRIVER": pick.Escape(p.Driver)}, nil
	}
	return nil, fmt.Errorf("%s: ports[0] is not named", n.Name)
}
