package ceph

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// Partitions of the system's disk: what the installer makes, and what sgdisk
// adds behind it.

const (
	mib = 1 << 20
	// installed is how many partitions the installer makes.
	installed = 3
)

// partsOf are the partitions that were added to a disk.
func partsOf(list []BlockDevice, disk string) (out []BlockDevice) {
	for _, d := range list {
		if d.Parent == disk {
			out = append(out, d)
		}
	}
	return out
}

// children are a disk's partitions as lsblk shows them: those that the kernel knows.
func children(list []BlockDevice, d BlockDevice, mounts []any) (out []any) {
	out = append(out, shell.Object{"name": d.Name + "p1", "type": "part", "fstype": "ext4", "label": d.Label, "mountpoints": mounts})
	for _, p := range partsOf(list, d.Name) {
		if !p.Unread {
			out = append(out, shell.Object{"name": p.Name, "type": "part", "fstype": nil, "label": nil, "mountpoints": []any{nil}})
		}
	}
	return out
}

// printTable is what sgdisk -p prints: it reads the disk, whatever the kernel knows.
func printTable(c *sim.Call, list []BlockDevice, d BlockDevice) int {
	const sector = 512
	if d.Used == "" || d.System == 0 && len(partsOf(list, d.Name)) == 0 {
		c.Outf("Creating new GPT entries in memory.\n")
	}
	c.Outf("Disk /dev/%s: %d sectors, %d GiB\nSector size (logical/physical): %d/%[4]d bytes\nFirst usable sector is 34, last usable sector is %d\n\nNumber  Start (sector)    End (sector)  Size       Code  Name\n",
		d.Name, d.Bytes/sector, d.Bytes>>30, sector, d.Bytes/sector-34)
	row := func(number int, start, bytes int64, code, name string) {
		c.Outf("%4d%16d%16d%10.1f GiB   %s  %s\n", number, start/sector, (start+bytes)/sector-1, float64(bytes)/(1<<30), code, name)
	}
	system := d.System
	if system == 0 {
		system = d.Bytes - mib
	}
	row(1, 34*sector, 2014*sector, "EF02", "")
	row(2, mib, 1024*mib, "EF00", "")
	row(3, 1025*mib, system-1025*mib, "8E00", "")
	for i, p := range partsOf(list, d.Name) {
		row(installed+1+i, p.Start, p.Bytes, "8300", p.Label)
	}
	return 0
}

// sgdisk knows -p, -a, -n 0:0:0, -t and -c. The kernel reads the table of a disk
// that is in use only when it is told to.
func sgdisk(c *sim.Call) int {
	list, d := findDisk(c, c.Argv[len(c.Argv)-1])
	if d == nil || d.Parent != "" {
		return c.Exit(2, "Problem opening %s for reading! Error is 2.\nThe specified file does not exist!", c.Argv[len(c.Argv)-1])
	}
	c.Work(200 * time.Millisecond)
	if c.Argv[1] == "-p" {
		return printTable(c, list, *d)
	}
	made := ""
	for i := 1; i+1 < len(c.Argv)-1; i += 2 {
		number, value, _ := strings.Cut(c.Argv[i+1], ":")
		switch c.Argv[i] {
		case "-n":
			start := (d.System + mib - 1) / mib * mib
			for _, p := range partsOf(list, d.Name) {
				start = max(start, p.Start+p.Bytes)
			}
			if size := d.Bytes - mib - start; start > 0 && size > mib {
				name := fmt.Sprintf("%sp%d", d.Name, installed+1+len(partsOf(list, d.Name)))
				list = append(list, BlockDevice{Name: name, Parent: d.Name, Serial: d.Serial + " rest", Model: d.Model, Type: d.Type, Start: start, Bytes: size, Used: d.Beneath, OSD: -1, Unread: true})
				made = name
				continue
			}
			return c.Exit(4, "Could not create partition %d from 0 to 0\nUnable to set partition 4's name to '%s'!\nError encountered; not saving changes.", installed+1, value)
		case "-t", "-a":
		case "-c":
			name := made
			if number != "0" {
				name = d.Name + "p" + number
			}
			at := slices.IndexFunc(list, func(p BlockDevice) bool { return p.Name == name && p.Parent != "" })
			if at < 0 {
				return c.Exit(4, "Unable to set partition %s's name to '%s'!\nError encountered; not saving changes.", number, value)
			}
			list[at].Label = value
		default:
			return c.Exit(1, "Usage: sgdisk [OPTION...] <device>")
		}
	}
	SetDisks(c, list...)
	c.Outf("Warning: The kernel is still using the old partition table.\nThe new table will be used at the next reboot or after you\nrun partprobe(8) or kpartx(8)\nThe operation has completed successfully.\n")
	return 0
}

// partx knows -u of a disk.
func partx(c *sim.Call) int {
	list, d := findDisk(c, c.Argv[len(c.Argv)-1])
	if d == nil || len(c.Argv) != 3 || c.Argv[1] != "-u" {
		return c.Exit(1, "partx: stat of %s failed: No such file or directory", c.Argv[len(c.Argv)-1])
	}
	for i := range list {
		if list[i].Parent == d.Name {
			list[i].Unread = false
			_ = c.WriteDirect("/sys/class/block/"+list[i].Name+"/partition", nil)
		}
	}
	SetDisks(c, list...)
	return 0
}

// wipefs lists what lies on a device, and with -a erases it.
func wipefs(c *sim.Call) int {
	device := c.Argv[len(c.Argv)-1]
	list, d := findDisk(c, device)
	i, j := findVolume(list, device)
	switch {
	case i >= 0:
		if list[i].Volumes[j].OSD >= 0 {
			c.Outf("ceph_bluestore\n")
		}
		return 0
	case d == nil || d.Unread:
		return c.Exit(1, "wipefs: error: %s: probing initialization failed: No such file or directory", device)
	case c.Argv[1] != "-a":
		if d.Used != "" {
			c.Outf("%s\n", strings.Replace(d.Used, "LVM", "LVM2_member", 1))
		}
		return 0
	case d.Mount != "" || d.OSD >= 0 || d.Parent == "" && len(partsOf(list, d.Name)) > 0:
		return c.Exit(1, "wipefs: error: %s: probing initialization failed: Device or resource busy", device)
	}
	if d.Used != "" {
		c.Note("erased", c.Name()+" "+d.Serial)
		c.Outf("%s: 2 bytes were erased at offset 0x00000438 (%s): 53 ef\n", device, d.Used)
	}
	d.Used = ""
	SetDisks(c, list...)
	return 0
}

// lsblk knows -J of one device.
func lsblk(c *sim.Call) int {
	device := c.Argv[len(c.Argv)-1]
	list, d := findDisk(c, device)
	if d == nil || d.Unread {
		return c.Exit(32, "lsblk: %s: not a block device", device)
	}
	mounts := []any{nil}
	if d.Mount != "" {
		mounts = []any{d.Mount}
	}
	node := shell.Object{"name": path.Base(d.Name), "type": "disk", "fstype": nil, "label": nil, "mountpoints": []any{nil}}
	switch d.Used {
	case "":
	case "partitions", "mounted":
		node["children"] = children(list, *d, mounts)
	case "LVM":
		node["fstype"] = "LVM2_member"
	default:
		node["fstype"], node["label"], node["mountpoints"] = d.Used, d.Label, mounts
	}
	return c.JSON(shell.Object{"blockdevices": []any{node}})
}

// onParts is the OSD that a partition of a disk carries, -1 for none.
func onParts(list []BlockDevice, disk string) int {
	for _, p := range partsOf(list, disk) {
		if p.OSD >= 0 {
			return p.OSD
		}
	}
	return -1
}
