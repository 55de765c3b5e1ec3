package pve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"ringboot/profiles"
)

// recordedStorage is the standard output of a recorded run of a real tool.
func recordedStorage(t *testing.T, name string) string {
	t.Helper()
	files, _ := filepath.Glob("../../rehearsal/tools/testdata/storage/" + name + "*.json")
	if len(files) != 1 {
		t.Fatalf("%s names %d recordings", name, len(files))
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Stdout string }
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	return r.Stdout
}

func TestParseHAStatus(t *testing.T) {
	s := ParseHAStatus("quorum OK\nmaster russell (active, Mon Nov 23 01:11:33 2026)\nfencing armed (CRM watchdog active)\n" +
		"lrm frege (old timestamp - dead?, watchdog standby, Mon Nov 23 01:09:05 2026)\nlrm wittgenstein (maintenance, watchdog active, Mon Nov 23 01:11:33 2026)\nservice vm:100 (russell, started)\n")
	if !s.Quorate || !s.Armed || s.Master != "russell" || s.LRM["frege"] != "old timestamp - dead?" || s.Watchdog["wittgenstein"] != "active" || s.Services["vm:100"] != (Service{Node: "russell", State: "started"}) {
		t.Errorf("%+v", s)
	}
	if s := ParseHAStatus(recordedStorage(t, "09-ha/001")); !s.Quorate || s.Armed || len(s.Services) != 0 {
		t.Errorf("without resources: %+v", s)
	}
	if s := ParseHAStatus("quorum No quorum on node 'frege'!\n"); s.Quorate {
		t.Error("no quorum is taken for quorum")
	}
}

// Before pve-ha-manager 5.1.3, on 9.0 and 9.1, nothing is said of watchdogs and of
// fencing; derived from the public source of 5.0.4 and 5.0.8.
func TestGuardedInEveryDialect(t *testing.T) {
	for release, text := range map[string]string{
		"9.2": "quorum OK\nmaster russell (active, Mon Nov 23 01:05:32 2026)\nfencing armed (CRM watchdog active)\n" +
			"lrm frege (active, watchdog active, Mon Nov 23 01:05:36 2026)\nlrm russell (maintenance mode, watchdog active, Mon Nov  3 01:05:37 2026)\n" +
			"lrm wittgenstein (old timestamp - dead?, watchdog standby, Mon Nov 23 01:05:38 2026)\nservice vm:100 (frege, started)\n",
		"9.1": "quorum OK\nmaster russell (active, Mon Nov 23 01:05:32 2026)\n" +
			"lrm frege (active, Mon Nov 23 01:05:36 2026)\nlrm russell (maintenance mode, Mon Nov  3 01:05:37 2026)\n" +
			"lrm wittgenstein (old timestamp - dead?, Mon Nov 23 01:05:38 2026)\nservice vm:100 (frege, started)\n",
	} {
		s := ParseHAStatus(text)
		if !s.Guarded("frege") || s.Guarded("wittgenstein") || s.Guarded("goedel") || !s.Quorate || s.Master != "russell" || s.Armed != (release == "9.2") {
			t.Errorf("%s: %+v", release, s)
		}
		if s.LRM["frege"] != "active" || s.LRM["russell"] != "maintenance mode" || s.LRM["wittgenstein"] != "old timestamp - dead?" || s.Services["vm:100"].Node != "frege" {
			t.Errorf("%s: %+v", release, s)
		}
	}
	if s := ParseHAStatus("quorum OK\nlrm frege (active, watchdog standby, Mon Nov 23 01:05:36 2026)\n"); s.Guarded("frege") {
		t.Error("a watchdog that is said to stand by guards nothing")
	}
	if s := ParseHAStatus("quorum OK\nlrm frege (unable to read lrm status)\n"); s.Guarded("frege") {
		t.Error("a manager that says nothing guards nothing")
	}
}

func TestParseMoveAndBench(t *testing.T) {
	m, ok := ParseMove("2026-11-23 01:00:00 average migration speed: 256.0 MiB/s - downtime 45 ms\n2026-11-23 01:00:05 migration finished successfully (duration 00:01:05)\n")
	if !ok || m.Downtime != 45 || m.Seconds != 65 || m.Speed != "256.0 MiB/s" {
		t.Errorf("%+v %v", m, ok)
	}
	if _, ok := ParseMove("ERROR: migration finished with problems (duration 00:00:03)\n"); ok {
		t.Error("a failed migration is taken for a good one")
	}
	if rate, ok := ParseBench("Total time run:         10.0\nBandwidth (MB/sec):     1000\nStddev Bandwidth:       1\n"); !ok || rate != 1048.576 {
		t.Errorf("%v %v", rate, ok)
	}
}

func TestParseDisksOfTheRealTool(t *testing.T) {
	disks, err := ParseDisks([]byte(`[{"devpath":"/dev/vda","gpt":0,"mounted":1,"osdid":-1,"osdid-list":null,"serial":"unknown","size":274877906944,"type":"unknown","used":"mounted"},
		{"devpath":"/dev/nvme1n1","osdid":"2","serial":"S5GX","model":"Samsung","size":2000398934016,"used":"LVM","by_id_link":"/dev/disk/by-id/nvme-Samsung_S5GX"},
		{"devpath":"/dev/nvme2n1","osdid":-1,"serial":"S6","size":2000398934016}]`))
	if err != nil || len(disks) != 3 {
		t.Fatalf("%v %v", disks, err)
	}
	if d := disks[0]; d.OSD != 2 || d.Blank() || d.Serial != "S5GX" {
		t.Errorf("%+v", d)
	}
	if d := disks[1]; !d.Blank() || d.OSD != -1 {
		t.Errorf("%+v", d)
	}
	if d := disks[2]; d.Serial != "" || d.Blank() {
		t.Errorf("%+v", d)
	}
	var c Ceph
	if !c.Is(disks[0], profiles.DiskName{ByID: "nvme-Samsung_S5GX_1"}) {
		t.Error("an NVMe disk is not known by the name with its namespace")
	}
	for want, yes := range map[profiles.DiskName]bool{{Serial: "S5GX"}: true, {Serial: "Samsung_SSD_S5GX"}: true, {Serial: "Samsung_SSD_S5GX_1"}: true, {Serial: "Samsung_SSD_S5GX_2"}: false, {Serial: "5GX"}: false, {ByID: "nvme-Samsung_S5GX"}: true, {Kernel: "nvme1n1"}: true, {Kernel: "nvme1"}: false, {}: false} {
		if want.ByID != "" || c.Is(disks[0], want) == yes {
			continue
		}
		t.Errorf("%+v is %v", want, !yes)
	}
}

func TestParseConfigAndContent(t *testing.T) {
	c := ParseConfig("[global]\n\tcluster_network = 10.203.4.0/24\n\tfsid = e35b06ce\n\tmon_host = 10.203.3.11 10.203.3.12\n\tpublic network = 10.203.3.0/24\n\n[client]\n\tfsid = not this\n\n[mon.frege]\n\tpublic_addr = 10.203.3.11\n")
	if c.FSID != "e35b06ce" || c.PublicNetwork != "10.203.3.0/24" || len(c.MonHost) != 2 || !c.Has("mon.frege") || c.Has("mon.russell") {
		t.Errorf("%+v", c)
	}
	content, err := ParseContent([]byte(`{"blockdevices":[{"name":"sda","type":"disk","fstype":null,"label":null,"mountpoints":[null],"children":[{"name":"sda1","type":"part","fstype":"ext4","label":"photos","mountpoints":["/srv"]},{"name":"sda2","type":"part","fstype":null,"label":null,"mountpoints":[null]}]}]}`))
	if err != nil || content.String() != `ext4 "photos" on sda1, a partition sda2` || len(content.Mounted) != 1 {
		t.Errorf("%v %v", content, err)
	}
}

func TestParseOptionsAndStorages(t *testing.T) {
	o := ParseOptions("#note%0A\nha: shutdown_policy=migrate\nkeyboard: de\nmigration: network=10.203.4.0/24,type=secure\n")
	if !o.MigrationIs("type=secure,network=10.203.4.0/24") || !o.HAIs("shutdown_policy=migrate") || o.MigrationIs("type=insecure") {
		t.Errorf("%+v", o)
	}
	s := ParseStorages("rbd: vm\n\tcontent images,rootdir\n\tpool vm\n\ndir: local\n\tpath /var/lib/vz\n")
	if len(s) != 2 || s["vm"] != "rbd" || s["local"] != "dir" {
		t.Errorf("%v", s)
	}
}

// A pool to which one copy can write loses what that copy alone has.
func TestAPoolThatIsSound(t *testing.T) {
	sound := PoolState{Name: "vm", Size: 3, MinSize: 2, Autoscale: "on", Apps: []string{"rbd"}}
	if !sound.Sound(0) {
		t.Errorf("%+v is not sound", sound)
	}
	for what, change := range map[string]func(*PoolState){
		"two copies":         func(p *PoolState) { p.Size = 2 },
		"four copies":        func(p *PoolState) { p.Size = 4 },
		"one copy can write": func(p *PoolState) { p.MinSize = 1 },
		"all have to write":  func(p *PoolState) { p.MinSize = 3 },
		"no autoscaling":     func(p *PoolState) { p.Autoscale = "warn" },
		"no application":     func(p *PoolState) { p.Apps = nil },
	} {
		p := sound
		if change(&p); p.Sound(0) {
			t.Errorf("%s: %+v is taken for sound", what, p)
		}
	}
}

// A cluster scrubs at all hours; nothing waits for that to end.
func TestWhichGroupsAreClean(t *testing.T) {
	for state, want := range map[string]bool{
		"active+clean": true, "active+clean+scrubbing": true, "active+clean+scrubbing+deep": true, "active+clean+snaptrim_wait": true,
		"active+clean+remapped": true, "active+clean+inconsistent": false, "active+clean+inconsistent+failed_repair": false,
		"active+undersized+degraded": false, "active+recovering+degraded": false, "active+remapped+backfilling": false,
		"peering": false, "unknown": false, "stale+active+clean": false, "down": false,
	} {
		if got := clean(state); got != want {
			t.Errorf("a group that is %s counts as clean: %v, want %v", state, got, want)
		}
	}
}
