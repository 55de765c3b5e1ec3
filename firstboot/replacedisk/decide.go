package replacedisk

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/blockdb"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// act is what comes next.
type act int

const (
	actWait act = iota
	actStop
	actOut
	actMake
	actStart
	actPurge
	actDone
)

// How long each thing is waited for, without any change, before it is a doubt.
const (
	soundTime = 10 * time.Minute
	comeTime  = 30 * time.Second // then its daemon is started
	startTime = 30 * time.Minute
	cleanTime = 2 * time.Hour
)

// mostTries is how often an OSD is made before that is a doubt.
const mostTries = 3

// leastBytes is the smallest disk that Ceph gets, as in the profile.
const leastBytes = 100e9

// decision is an act with its reason; limit bounds a wait, and after is what
// comes then. Without it, it is a doubt.
type decision struct {
	act    act
	reason string
	limit  time.Duration
	after  act
	disk   pve.ListedDisk // to be made an OSD
	beside []blockdb.Disk
	osd    int // to be started
}

// sight is Ceph and the node's disks at one moment.
type sight struct {
	node    profiles.Node
	ceph    profiles.Ceph
	is      func(pve.ListedDisk, profiles.DiskName) bool
	groups  map[string]pve.Group // of the disks that take parts of OSDs
	blind   string               // why Ceph or the disks could not be looked at
	health  pve.Health
	tree    []pve.TreeOSD
	disks   []pve.ListedDisk
	volumes []pve.Volume
	unsafe  string // why Ceph does not call the dead one safe to destroy; "": it does
}

// decide says what comes next. It is pure: every moment at which the power can
// go is one of its cases.
func decide(o *Order, s sight) decision {
	say := func(a act, limit time.Duration, format string, args ...any) decision {
		return decision{act: a, limit: limit, reason: fmt.Sprintf(format, args...)}
	}
	if s.blind != "" {
		return say(actWait, soundTime, "%s", s.blind)
	}
	dead, there := s.osd(o.OSD)
	fresh := s.fresh(o.Serial)
	switch {
	case there && dead.Up:
		return say(actStop, 0, "osd.%d runs again: its disk is not dead. Nothing was removed; ceph osd in %d takes it back, --forget gives this up", o.OSD, o.OSD)
	case there && dead.In:
		return say(actOut, 0, "osd.%d gets no more data", o.OSD)
	case fresh < 0:
		return s.make(o, say)
	}
	if n, ok := s.osd(fresh); !ok || !n.Up || !n.In {
		come := say(actWait, startTime, "osd.%d on the disk %s is to come up", fresh, o.Serial)
		if o.Starts < mostTries {
			come.limit, come.after, come.osd = comeTime, actStart, fresh
		}
		return come
	}
	switch {
	case s.health.Clean < s.health.PGs:
		return say(actWait, cleanTime, "%d of %d placement groups are clean", s.health.Clean, s.health.PGs)
	case !there:
		return say(actDone, 0, "osd.%d on the disk %s is in the place of osd.%d, and all %d placement groups are clean%s", fresh, o.Serial, o.OSD, s.health.PGs, s.left(o.OSD))
	case s.unsafe != "":
		return say(actWait, soundTime, "osd.%d is to be safe to destroy: %s", o.OSD, s.unsafe)
	}
	return say(actPurge, 0, "osd.%d is safe to destroy", o.OSD)
}

// make says whether the new disk gets an OSD now.
func (s sight) make(o *Order, say func(act, time.Duration, string, ...any) decision) decision {
	d, err := s.disk(o.Serial, o.Node)
	switch {
	case err != nil && o.Tries > 0:
		return say(actStop, 0, "an OSD on the disk %s was made by half (%v): look at it with ceph-volume lvm list, erase it with ceph-volume lvm zap --destroy %s, then go on", o.Serial, err, d.Device)
	case err != nil:
		return say(actStop, 0, "%v", err)
	case o.Tries >= mostTries:
		return say(actStop, 0, "the disk %s got no OSD in %d tries: pveceph osd create %s says why", o.Serial, o.Tries, d.Device)
	}
	beside, why := s.beside(d)
	if why != "" {
		return say(actStop, 0, "%s", why)
	}
	made := say(actMake, 0, "the disk %s (%s, %s, %d GB) gets an OSD", o.Serial, path.Base(d.Device), d.Model, d.Bytes/1e9)
	made.disk, made.beside = d, beside
	return made
}

// beside are the disks that take parts of the new OSD, or why it gets none.
func (s sight) beside(fresh pve.ListedDisk) ([]blockdb.Disk, string) {
	in := blockdb.Sight{Node: s.node, Ceph: s.ceph, FSID: s.health.FSID, Disks: s.disks, Volumes: s.volumes, Groups: s.groups, Is: s.is,
		Content: func(d pve.ListedDisk) string { return orBlank(d.Used) }, Data: []pve.ListedDisk{fresh}, New: []int64{fresh.Bytes}}
	for _, d := range s.disks {
		if d.OSD >= 0 {
			in.Data = append(in.Data, d)
		}
	}
	out, stop, wait := blockdb.Judge(in)
	for _, b := range out {
		if b.Wipe {
			stop = fmt.Sprintf("the disk %s, on which the profile wants a part of the new OSD, holds %s, and a replacement erases nothing: erase it with ceph-volume lvm zap --destroy %s", b.Disk.Serial, b.Disk.Used, b.Disk.Device)
		}
	}
	return out, stop + wait
}

// left says what the dead OSD still has on other disks; its number may be given
// to another one, so it is named by its path.
func (s sight) left(osd int) string {
	for _, v := range s.volumes {
		for _, p := range v.Parts {
			if v.OSD == osd && len(v.Devices) == 0 && p.FSID == s.health.FSID {
				return fmt.Sprintf("; its %s still has room on another disk, which ceph-volume lvm zap --destroy %s frees", p.Kind, p.Path)
			}
		}
	}
	return ""
}

func (s sight) osd(id int) (pve.TreeOSD, bool) {
	i := slices.IndexFunc(s.tree, func(o pve.TreeOSD) bool { return o.ID == id })
	if i < 0 {
		return pve.TreeOSD{}, false
	}
	return s.tree[i], true
}

// fresh is the OSD of this cluster on the disk of that serial, -1 for none.
func (s sight) fresh(serial string) int {
	for _, d := range s.disks {
		if d.Serial != serial {
			continue
		}
		for _, v := range s.volumes {
			if v.FSID == s.health.FSID && slices.Contains(v.Devices, d.Device) {
				return v.OSD
			}
		}
	}
	return -1
}

// disk finds the one blank disk of that serial.
func (s sight) disk(serial, node string) (pve.ListedDisk, error) {
	var found []pve.ListedDisk
	var all []string
	for _, d := range s.disks {
		if d.Serial == serial && serial != "" {
			found = append(found, d)
		}
		all = append(all, fmt.Sprintf("%s %s (%s)", path.Base(d.Device), orUnknown(d.Serial), orBlank(d.Used)))
	}
	switch {
	case len(found) == 0:
		return pve.ListedDisk{}, fault.Precondition.Errorf("%s has no disk with the serial %s: put it in, or name one of %s", node, serial, strings.Join(all, ", "))
	case len(found) > 1:
		return found[0], fault.Refused.Errorf("%d disks of %s have the serial %s: which is meant nobody can tell, take the others out", len(found), node, serial)
	}
	d := found[0]
	owner := slices.IndexFunc(s.volumes, func(v pve.Volume) bool { return slices.Contains(v.Devices, d.Device) })
	switch {
	case owner >= 0:
		return d, fault.Refused.Errorf("the disk %s carries osd.%d of the cluster %s: it is not blank, and nothing is erased", serial, s.volumes[owner].OSD, s.volumes[owner].FSID)
	case !d.Blank():
		return d, fault.Refused.Errorf("the disk %s (%s) is not blank, it holds %s: nothing is erased; take another one, or erase it by hand", serial, path.Base(d.Device), d.Used)
	case d.Bytes < leastBytes:
		return d, fault.Refused.Errorf("the disk %s has %d GB, an OSD wants 100 at least", serial, d.Bytes/1e9)
	}
	return d, nil
}

// refused says why a replacement is not begun.
func refused(o *Order, s sight) error {
	dead, there := s.osd(o.OSD)
	var here []string
	for _, t := range s.tree {
		if t.Host == o.Node {
			here = append(here, fmt.Sprintf("osd.%d", t.ID))
		}
	}
	switch {
	case !there:
		return fault.Usage.Errorf("osd.%d is no OSD of this cluster; those of %s: %s", o.OSD, o.Node, orNone(here))
	case dead.Host != o.Node:
		return fault.Refused.Errorf("osd.%d is on %s and this is %s: type it there", o.OSD, orUnknown(dead.Host), o.Node)
	case dead.Up:
		return fault.Refused.Errorf("osd.%d runs, so its disk is not dead: if you mean it, stop it first with systemctl stop ceph-osd@%d", o.OSD, o.OSD)
	case s.health.NoOut():
		return fault.Refused.New("somebody is at work (noout is set): end that first")
	}
	if err := alone(o, s); err != nil {
		return err
	}
	d, err := s.disk(o.Serial, o.Node)
	if err != nil {
		return err
	}
	if _, why := s.beside(d); why != "" {
		return fault.Refused.New(why)
	}
	return nil
}

// alone refuses to begin while something else is wrong with Ceph.
func alone(o *Order, s sight) error {
	for _, t := range s.tree {
		if t.ID != o.OSD && !t.Up && t.In {
			return fault.Refused.Errorf("osd.%d of %s is down as well, and what it and osd.%d had in common may be on no other disk: bring it back first", t.ID, orUnknown(t.Host), o.OSD)
		}
	}
	for _, c := range s.health.Checks {
		if c.Code == "PG_AVAILABILITY" || c.Severity == "HEALTH_ERR" {
			return fault.Refused.Errorf("Ceph says %s (%s): data may be on no other disk, mend that first; nothing was changed", c.Message, c.Code)
		}
	}
	return nil
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func orBlank(used string) string {
	if used == "" {
		return "blank"
	}
	return used
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
