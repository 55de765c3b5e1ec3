package ceph

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// disksFile holds the disks of a machine and what lies on them. Without it
// the disks of the real machine are listed once, as blank ones.
const disksFile = "/var/lib/pvestandin/disks.json"

// BlockDevice is a disk of a node.
type BlockDevice struct {
	Name   string // nvme1n1
	Serial string
	Model  string
	Bytes  int64
	Type   string // nvme, ssd, hdd
	// Used is what Proxmox VE calls it: "" for a blank disk, else partitions,
	// LVM, mounted, ext4 and the like.
	Used  string
	Label string
	Mount string
	// OSD on it: the id, or -1, the cluster's fsid and the OSD's own.
	OSD     int
	FSID    string
	OSDUUID string
	// Encrypted: the OSD lies on dm-crypt.
	Encrypted bool

	// Beside are the volumes on other disks in which the OSD has a part of itself.
	Beside []string `json:",omitempty"`
	// Group is the volume group of a disk that OSDs share, with what lies in it.
	Group   string          `json:",omitempty"`
	Volumes []LogicalVolume `json:",omitempty"`

	// System is how much of the disk the system has, in bytes; 0: all of it.
	System int64
	// Beneath is what an earlier life left where the system has nothing.
	Beneath string
	// Parent is the disk that this is a partition of, "" for a whole disk; Start
	// is where it begins. Unread: the kernel does not know it yet.
	Parent string
	Start  int64
	Unread bool
}

// Disks are the disks of a node as they are now.
func Disks(m sim.Machine) []BlockDevice {
	var out []BlockDevice
	raw, err := m.ReadFile(disksFile)
	if err == nil && json.Unmarshal(raw, &out) == nil {
		return out
	}
	list, _ := m.ReadDir("/sys/block")
	for _, e := range list {
		n := e.Name()
		if !strings.HasPrefix(n, "vd") && !strings.HasPrefix(n, "sd") && !strings.HasPrefix(n, "nvme") {
			continue
		}
		read := func(f string) string {
			text, _ := m.ReadFile("/sys/block/" + n + "/" + f)
			return strings.TrimSpace(string(text))
		}
		sectors, _ := strconv.ParseInt(read("size"), 10, 64)
		d := BlockDevice{Name: n, Serial: read("serial"), Model: read("device/model"), Bytes: sectors * 512, Type: "ssd", OSD: -1}
		if d.Serial == "" {
			d.Serial = read("device/serial")
		}
		parts, _ := m.ReadDir("/sys/block/" + n)
		for _, p := range parts {
			if strings.HasPrefix(p.Name(), n) {
				d.Used = "partitions"
			}
		}
		out = append(out, d)
	}
	return out
}

// SetDisks puts disks into a node.
func SetDisks(m sim.Machine, disks ...BlockDevice) {
	raw, _ := json.Marshal(disks)
	_ = m.WriteDirect(disksFile, raw)
}

func findDisk(m sim.Machine, device string) (list []BlockDevice, d *BlockDevice) {
	list = Disks(m)
	for i := range list {
		if byID(list[i]) == device || list[i].Name == path.Base(device) {
			return list, &list[i]
		}
	}
	return list, nil
}

func byID(d BlockDevice) string {
	kind := "ata"
	if d.Type == "nvme" || strings.HasPrefix(d.Name, "nvme") {
		kind = "nvme"
	}
	if strings.HasPrefix(d.Name, "vd") {
		return "/dev/disk/by-id/virtio-" + d.Serial
	}
	return "/dev/disk/by-id/" + kind + "-" + strings.ReplaceAll(d.Model, " ", "_") + "_" + d.Serial
}

// GetDisks is GET /nodes/<node>/disks/list.
func GetDisks(c *sim.Call, where string, _ map[string]string) (any, int) {
	m := shell.Remote(c.Machine, strings.Split(where, "/")[2])
	if m == nil {
		return nil, c.Exit(255, "proxy handler failed: ssh: connect to host: No route to host")
	}
	var out []any
	list := Disks(m)
	for _, d := range list {
		if d.Parent != "" {
			continue
		}
		o := shell.Object{"devpath": "/dev/" + d.Name, "gpt": 0, "health": "PASSED", "model": d.Model, "serial": d.Serial, "size": d.Bytes,
			"type": d.Type, "vendor": "unknown", "wearout": 100, "wwn": "unknown", "rpm": -1, "osdid": -1, "osdid-list": nil}
		if d.Serial == "" {
			o["serial"] = "unknown"
		} else {
			o["by_id_link"] = byID(d)
		}
		if d.Used != "" {
			o["used"] = d.Used
		}
		if d.Mount != "" {
			o["mounted"] = 1
		}
		if d.OSD >= 0 {
			o["used"] = "LVM"
		}
		if osd := max(d.OSD, onParts(list, d.Name)); osd >= 0 {
			o["osdid"], o["osdid-list"] = strconv.Itoa(osd), []any{osd}
		}
		out = append(out, o)
	}
	return shell.Shuffled(c, out), 0
}

func deviceClass(d BlockDevice) string {
	if d.Type == "nvme" || d.Type == "hdd" {
		return d.Type
	}
	return "ssd"
}

func osdCreate(c *sim.Call, words []string, opt map[string]string) int {
	if len(words) < 3 {
		return c.Exit(255, "400 not enough arguments\npveceph osd create <dev> [OPTIONS]")
	}
	list, d := findDisk(c, words[2])
	if d == nil || d.Unread {
		return c.Exit(2, "not a valid block device")
	}
	if !slices.ContainsFunc([]string{"sd", "vd", "xvd", "hd", "nvme"}, func(kind string) bool { return strings.HasPrefix(d.Name, kind) }) {
		return c.Exit(2, "unable to get device info for '/dev/%s'", d.Name)
	}
	if d.Used != "" || d.OSD >= 0 {
		return c.Die("device '/dev/%s' is already in use", d.Name)
	}
	parts, code := besides(c, list, *d, opt)
	conf, _ := ini(c)
	if network := conf["global"]["cluster_network"]; code == 0 && network != "" {
		if _, none := addressIn(&sim.Call{Machine: c.Machine}, network); none != 0 {
			code = c.Die("No address from ceph cluster network (%s) found on node '%s'. Check your network config.", network, c.Name())
		}
	}
	if code == 0 && !HeardWithin(c, 10*time.Second) {
		code = c.Die("got timeout")
	}
	if code == 0 {
		code = makeParts(c, list, *d, parts)
	}
	if code != 0 {
		return code
	}
	c.Note("wiped", c.Name()+" "+d.Serial)
	c.Work(700 * time.Millisecond)
	c.Outf("200+0 records in\n200+0 records out\n")
	// ceph osd new: the number exists before anything is on the disk.
	id, uuid := 0, randomUUID(c)
	ok := Amend(c, func(s *Store) {
		for slices.ContainsFunc(s.OSDs, func(o osd) bool { return o.ID == id }) {
			id++
		}
		s.OSDs = append(s.OSDs, osd{ID: id, Bytes: d.Bytes, UUID: uuid, Class: deviceClass(*d), Out: true})
	})
	if !ok {
		return c.Die("got timeout")
	}
	c.Work(500 * time.Millisecond)
	// The logical volume gets its tags.
	d.OSD, d.FSID, d.OSDUUID, d.Used = id, conf["global"]["fsid"], uuid, "LVM"
	d.Encrypted, d.Beside = slices.Contains(c.Argv, "--encrypted"), nil
	tag(list, parts, d)
	SetDisks(c, list...)
	c.Outf("got monmap epoch 3\n")
	c.Work(1500 * time.Millisecond)
	startOSD(c, *d)
	c.Work(800 * time.Millisecond)
	c.Outf("--> ceph-volume lvm create successful for: /dev/%s\n", d.Name)
	return 0
}

func startOSD(c *sim.Call, d BlockDevice) {
	id := fmt.Sprint(d.OSD)
	makeDir(c, daemonDir("osd", id))
	_ = c.WriteDirect(daemonDir("osd", id)+"/fsid", []byte(d.OSDUUID+"\n"))
	c.Outf("Running command: systemctl enable --now ceph-osd@%s\n", id)
	enable(c, "osd", id)
	Amend(c, func(s *Store) {
		for i := range s.OSDs {
			if s.OSDs[i].ID == d.OSD && s.OSDs[i].UUID == d.OSDUUID {
				s.OSDs[i].Host, s.OSDs[i].Out = c.Name(), false
				s.OSDs[i].Device = d.Name + "=" + strings.ReplaceAll(d.Model, " ", "_") + "_" + d.Serial
			}
		}
		if s.pool(".mgr") == nil && len(s.OSDs) >= 3 {
			s.Pools = append(s.Pools, pool{ID: 1, Name: ".mgr", Size: 3, MinSize: 2, PGs: 1, Autoscale: "on", Apps: []string{"mgr"}})
		}
	})
}

func osdDestroy(c *sim.Call, words []string, _ map[string]string) int {
	s, _, ok := OpenStore(c)
	if !ok {
		return c.Die("got timeout")
	}
	id := osdNumber(words[2])
	for _, o := range s.OSDs {
		switch {
		case o.ID != id:
		case !o.Out:
			return c.Exit(255, "osd is in use (in == 1)")
		case osdUp(c, o):
			return c.Exit(255, "osd is still running (up == 1)")
		}
	}
	_, code := cephPurge(c, &condition{store: s}, []string{"osd", "purge", fmt.Sprint(id)})
	return code
}

// listVolumes is ceph-volume lvm list.
func listVolumes(c *sim.Call) int {
	out := shell.Object{}
	disks := Disks(c)
	sort.Slice(disks, func(i, j int) bool { return disks[i].OSD < disks[j].OSD })
	for _, d := range disks {
		if d.OSD >= 0 {
			tags := shell.Object{"ceph.cluster_fsid": d.FSID, "ceph.osd_id": fmt.Sprint(d.OSD), "ceph.osd_fsid": d.OSDUUID, "ceph.encrypted": fmt.Sprint(sim.Digit(d.Encrypted))}
			for _, name := range d.Beside {
				tags["ceph."+strings.Split(name, "-")[1]+"_uuid"] = name
			}
			out[fmt.Sprint(d.OSD)] = []any{shell.Object{"devices": []any{"/dev/" + d.Name}, "type": "block", "tags": tags}}
		}
	}
	partRows(out, disks)
	return c.JSON(out)
}

// cephVolume knows lvm list, activate --all and zap --destroy.
func cephVolume(c *sim.Call) int {
	c.Work(500 * time.Millisecond)
	line := strings.Join(c.Argv[1:], " ")
	switch {
	case strings.HasPrefix(line, "lvm list"):
		return listVolumes(c)
	case strings.HasPrefix(line, "lvm activate --all"):
		conf, _ := ini(c)
		list := Disks(c)
		for _, d := range list {
			if d.OSD >= 0 && d.FSID == conf["global"]["fsid"] {
				if !whole(list, d) {
					return c.Exit(1, "-->  RuntimeError: could not find db with uuid %s", strings.Join(d.Beside, " "))
				}
				c.Work(time.Second)
				startOSD(c, d)
			}
		}
		return 0
	case strings.HasPrefix(line, "lvm zap --destroy"):
		if list := Disks(c); strings.Count(c.Argv[len(c.Argv)-1], "/") > 2 {
			if i, _ := findVolume(list, c.Argv[len(c.Argv)-1]); i >= 0 {
				return lvremove(c)
			}
		}
		list, d := findDisk(c, c.Argv[len(c.Argv)-1])
		if d == nil {
			return c.Exit(2, "ceph-volume lvm zap: error: argument DEVICES: invalid <ceph_volume.util.arg_validators.ValidZapDevice object>: '%s'", c.Argv[len(c.Argv)-1])
		}
		if d.Mount != "" {
			return c.Exit(1, "-->  RuntimeError: Device /dev/%s is mounted", d.Name)
		}
		c.Note("wiped", c.Name()+" "+d.Serial)
		if d.Used != "" || d.OSD >= 0 {
			c.Note("erased", c.Name()+" "+d.Serial)
		}
		c.Work(time.Second)
		d.Used, d.Label, d.OSD, d.FSID, d.OSDUUID, d.Beside, d.Group, d.Volumes = "", "", -1, "", "", nil, "", nil
		SetDisks(c, list...)
		return c.Exit(0, "--> Zapping successful for: <Raw Device: /dev/%s>", d.Name)
	}
	return c.Exit(2, "usage: ceph-volume [-h] [--cluster CLUSTER]")
}

// cephMetadata is what an OSD said of itself when it started last; monitors keep
// it for as long as it exists.
func cephMetadata(c *sim.Call, k *condition, words []string) (any, int) {
	id := osdNumber(words[2])
	for _, o := range k.store.OSDs {
		switch {
		case o.ID != id:
			continue
		case o.Device == "":
			return shell.Object{"id": id}, 0
		}
		name, _, _ := strings.Cut(o.Device, "=")
		return shell.Object{"id": id, "hostname": o.Host, "devices": name, "device_ids": o.Device}, 0
	}
	return nil, c.Exit(2, "Error ENOENT: osd.%d does not exist", id)
}
