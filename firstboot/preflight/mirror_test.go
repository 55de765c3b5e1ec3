package preflight

import (
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/medium"
)

// mirror has frege's plan name two disks for the system.
func mirror(a, b profiles.DiskName) func(p *medium.Plan) {
	return func(p *medium.Plan) {
		p.Nodes[0].Root, p.Nodes[0].Mirror, p.Nodes[0].Single = a, b, false
	}
}

func TestBothDisksOfAMirrorAreProven(t *testing.T) {
	byNumber := mirror(profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "S2"})
	byKernel := mirror(profiles.DiskName{Kernel: "nvme0n1"}, profiles.DiskName{Kernel: "nvme1n1"})
	one, two := nvme("nvme0n1", "S1"), nvme("nvme1n1", "S649NX0R123456")
	two.Properties["ID_SERIAL_SHORT"] = "S2"
	cd := func(f *Facts) { f.Writable = false }
	for name, c := range map[string]struct {
		plan    medium.Plan
		facts   Facts
		outcome Outcome
		disks   string
		says    string
	}{
		"both are there":                {plan(byNumber), facts(one, two, nvme("nvme2n1", "S3")), Installs, "nvme0n1 and nvme1n1", "nvme0n1 and nvme1n1 are erased (500 GB, Samsung SSD 980, serial S1; 500 GB, Samsung SSD 980, serial S2): named in the profile"},
		"used, by number":               {plan(byNumber), facts(nvme("nvme0n1", "S1", "ext4"), two), Installs, "nvme0n1 and nvme1n1", ""},
		"the second is missing":         {plan(byNumber), facts(one, nvme("nvme2n1", "S3")), Stopped, "", "no disk of this machine is serial S2, which the plan of frege names: put it in, or correct mirror_disk"},
		"the second has a twin":         {plan(byNumber), facts(one, two, nvme("nvme2n1", "S2")), Stopped, "", "nvme1n1 and nvme2n1 both are serial S2: disks that share a number cannot be told apart; take one out, or name one by another number (mirror_disk.by_id)"},
		"one disk, two names":           {plan(mirror(profiles.DiskName{Serial: "S1"}, profiles.DiskName{Kernel: "nvme0n1"})), facts(one, two), Stopped, "", "root_disk and mirror_disk both mean nvme0n1"},
		"a tenth smaller":               {plan(byNumber), facts(one, sized(two, 460e9)), Installs, "nvme0n1 and nvme1n1", ""},
		"half as large":                 {plan(byNumber), facts(one, sized(two, 250e9)), Stopped, "", "nvme0n1 has 500 GB and nvme1n1 has 250 GB, and the disks of a mirror may differ by a tenth"},
		"the second is broken":          {plan(byNumber), facts(one, with2(two)), Stopped, "", "nvme1n1 cannot be read"},
		"one is used, by name":          {plan(byKernel), facts(one, nvme("nvme1n1", "S649NX0R123456", "ext4")), Asks, "nvme0n1 and nvme1n1", "nvme1n1 is not empty (ext4), and the profile names it only as the kernel counts: type S1 3456, the ends of both serial numbers, to erase nvme0n1 and nvme1n1"},
		"once more":                     {plan(byNumber), with(facts(marked(one, "frege", "c0ffee"), two), func(f *Facts) { f.Again = true }), Asks, "nvme0n1 and nvme1n1", "nvme0n1 is not empty (the system of frege): type S1 S2"},
		"installed, seen on the second": {plan(byNumber), facts(one, marked(two, "frege", "c0ffee")), Installed, "nvme1n1", ""},
		"the disk of another's mirror":  {plan(func(p *medium.Plan) { p.Nodes[1].Mirror = profiles.DiskName{Serial: "S2"} }), facts(one, two), Stopped, "", "this is the machine of russell by its disk nvme1n1"},
		"cd":                            {plan(byNumber), with(facts(one, two), cd), Stopped, "", "this medium cannot be written to, so the answer on it cannot name nvme0n1 and nvme1n1"},
		"cd, and the answer means both": {plan(func(p *medium.Plan) {
			byNumber(p)
			p.Nodes[0].Filter, p.Nodes[0].Match = map[string]string{"ID_SERIAL_SHORT": "S1", "ID_WWN": "eui.00S649NX0R123456"}, "any"
		}), with(facts(one, two), cd), Installs, "nvme0n1 and nvme1n1", ""},
		"cd, and the answer means a third": {plan(func(p *medium.Plan) {
			byNumber(p)
			p.Nodes[0].Filter, p.Nodes[0].Match = map[string]string{"ID_SERIAL_SHORT": "S?"}, "any"
		}), with(facts(one, two, nvme("nvme2n1", "S3")), cd), Stopped, "", "the installer would take nvme0n1 and nvme1n1 and nvme2n1 by the answer on this medium, and the plan of frege means nvme0n1 and nvme1n1"},
		"begun, and the power went": {plan(byKernel), with(facts(nvme("nvme0n1", "S1", "partition table gpt"), nvme("nvme1n1", "S2", "partition table gpt")), func(f *Facts) {
			e := began("frege", ms01, one)
			e.Mirror = nvme("nvme1n1", "S2").Record()
			f.Log = []medium.Entry{e}
		}), Installs, "nvme0n1 and nvme1n1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := Decide(c.plan, c.facts)
			got := ""
			if len(v.Disks) > 0 {
				got = names(v.Disks)
			}
			if v.Outcome != c.outcome || got != c.disks || !strings.Contains(v.Says, c.says) {
				t.Errorf("%s of %q: %s\nwant %s of %q: %s", v.Outcome, got, v.Says, c.outcome, c.disks, c.says)
			}
		})
	}
}

// A mirror's answer names two disks, the log remembers both, and the owner
// agrees by both numbers, however he parts them.
func TestAMirrorIsNamedInTheAnswer(t *testing.T) {
	p := plan(mirror(profiles.DiskName{Kernel: "nvme0n1"}, profiles.DiskName{Kernel: "nvme1n1"}))
	d, table := stickFor(p)
	c := &person{lines: []string{"AAAA", " aaaa   BBBB "}}
	next, err := session(p, facts(nvme("nvme0n1", "S000AAAA", "ntfs"), nvme("nvme1n1", "S000BBBB")), d, table, c).Run(t.Context())
	if next != GoOn || err != nil {
		t.Fatalf("%s, %v\n%s", next, err, c)
	}
	if got := text(t, d, table.Answer); !strings.Contains(got, "disk-list = [\"nvme0n1\", \"nvme1n1\"]\n") || strings.Contains(got, "filter") {
		t.Errorf("the answer is\n%s", got)
	}
	if !strings.Contains(c.String(), "That is not AAAA BBBB: nothing was erased.") || strings.Count(c.String(), "\n* nvme") != 2 {
		t.Errorf("the screen says\n%s", c)
	}
	log, err := table.ReadLog(d)
	if err != nil || len(log) != 2 || log[1].Disk.Serial != "S000AAAA" || log[1].Mirror == nil || log[1].Mirror.Serial != "S000BBBB" {
		t.Errorf("the log is %+v, %v", log, err)
	}
}

// A plan that wants room beside the system refuses a disk without it, before
// anything is erased.
func TestADiskMustHoldWhatThePlanWants(t *testing.T) {
	for _, c := range []struct {
		bytes   int64
		named   bool
		outcome Outcome
	}{{500e9, true, Installs}, {199e9, true, Stopped}, {200e9, false, Installs}, {199e9, false, Stopped}} {
		p := plan(func(p *medium.Plan) {
			if c.named {
				serial("S1")(p)
			}
			p.Nodes[0].AtLeast = 200e9
		})
		v := Decide(p, facts(sized(nvme("nvme0n1", "S1"), c.bytes)))
		if v.Outcome != c.outcome || c.outcome == Stopped && !strings.Contains(v.Says, "at least 200 GB") {
			t.Errorf("%d, named %v: %s: %s", c.bytes, c.named, v.Outcome, v.Says)
		}
	}
}
