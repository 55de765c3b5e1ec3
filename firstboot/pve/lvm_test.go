package pve

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/host"
)

const pvsText = `  {"report": [{"pvseg": [
 {"vg_name":"ceph-0a0a0a0a-0000-4000-a000-000000000000", "pv_free":"4194304", "lv_name":"osd-db-0b0b0b0b-0000-4000-a000-000000000000", "lv_tags":"ceph.osd_id=3,ceph.type=db", "lv_size":"64424509440"},
 {"vg_name":"ceph-0a0a0a0a-0000-4000-a000-000000000000", "pv_free":"4194304", "lv_name":"osd-db-0c0c0c0c-0000-4000-a000-000000000000", "lv_tags":"", "lv_size":"1073741824"},
 {"vg_name":"ceph-0a0a0a0a-0000-4000-a000-000000000000", "pv_free":"4194304", "lv_name":"osd-db-0c0c0c0c-0000-4000-a000-000000000000", "lv_tags":"", "lv_size":"1073741824"},
 {"vg_name":"ceph-0a0a0a0a-0000-4000-a000-000000000000", "pv_free":"4194304", "lv_name":"", "lv_tags":"", "lv_size":""}]}]}`

// A volume without an owner is one that pveceph made for an OSD, and in a group
// of Ceph's alone.
func TestUnusedVolumes(t *testing.T) {
	g, err := ParseGroup([]byte(pvsText))
	if err != nil || g.Free != 4<<20 || len(g.Volumes) != 2 {
		t.Fatalf("%+v %v", g, err)
	}
	if unused, ours := g.Unused(); !ours || len(unused) != 1 || unused[0].Bytes != 1<<30 {
		t.Errorf("%+v %v", unused, ours)
	}
	for what, text := range map[string]string{
		"somebody's volume": strings.ReplaceAll(pvsText, "osd-db-0c0c", "photos-0c0c"),
		"another group":     strings.ReplaceAll(pvsText, "ceph-0a0a", "pve-0a0a"),
	} {
		g, err := ParseGroup([]byte(text))
		if unused, ours := g.Unused(); err != nil || ours {
			t.Errorf("%s: %+v %v", what, unused, err)
		}
	}
}

func FuzzParseGroup(f *testing.F) {
	f.Add([]byte(pvsText))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := ParseGroup(text)
		if unused, ours := g.Unused(); err == nil && ours && len(unused) > len(g.Volumes) {
			t.Errorf("%+v", g)
		}
	})
}

// Two clusters number their OSDs alike, and which comes first goes by the names
// of volume groups: the disk of one is never taken for the other's.
func TestOSDsOfTwoClustersHaveOneNumber(t *testing.T) {
	ours := `{"devices":["/dev/sdx"],"type":"block","tags":{"ceph.cluster_fsid":"ours"}}`
	old := `{"devices":["/dev/sdy"],"type":"block","tags":{"ceph.cluster_fsid":"old","ceph.db_uuid":"x"}},{"devices":["/dev/sdz"],"type":"db","lv_uuid":"x","tags":{"ceph.cluster_fsid":"old","ceph.db_uuid":"x"}}`
	for _, text := range []string{ours + "," + old, old + "," + ours} {
		volumes, err := ParseVolumes([]byte(`{"1":[` + text + `]}`))
		if err != nil || len(volumes) != 2 {
			t.Fatalf("%+v %v", volumes, err)
		}
		for _, v := range volumes {
			if want := map[string]string{"ours": "/dev/sdx", "old": "/dev/sdy"}[v.FSID]; v.OSD != 1 || !slices.Equal(v.Devices, []string{want}) || len(v.Parts) != map[string]int{"old": 1}[v.FSID] {
				t.Errorf("%+v", v)
			}
		}
	}
}

// What an OSD was made with and is not there is lost, and what is there without
// its OSD is no OSD.
func TestPartsOfOSDs(t *testing.T) {
	volumes, err := ParseVolumes([]byte(`{"3":[{"devices":["/dev/sda"],"type":"block","tags":{"ceph.cluster_fsid":"a","ceph.db_uuid":"x"}},{"devices":["/dev/sdc"],"type":"db","lv_uuid":"x","path":"/dev/ceph-1/osd-db-1","tags":{"ceph.cluster_fsid":"a","ceph.db_uuid":"x"}}],
		"4":[{"devices":["/dev/sdb"],"type":"block","tags":{"ceph.cluster_fsid":"a","ceph.db_uuid":"y"}}],
		"5":[{"devices":["/dev/sdc"],"type":"db","lv_uuid":"z","path":"/dev/ceph-1/osd-db-2","tags":{"ceph.cluster_fsid":"a","ceph.db_uuid":"z"}}]}`))
	if err != nil || len(volumes) != 3 {
		t.Fatalf("%+v %v", volumes, err)
	}
	if v := volumes[0]; v.FSID != "a" || !slices.Equal(v.Devices, []string{"/dev/sda"}) || len(v.Parts) != 1 || len(v.Lost) != 0 {
		t.Errorf("whole: %+v", v)
	}
	if v := volumes[1]; !slices.Equal(v.Lost, []string{"db"}) {
		t.Errorf("without its database: %+v", v)
	}
	if v := volumes[2]; v.FSID != "" || v.Devices != nil || v.Parts[0].Path != "/dev/ceph-1/osd-db-2" {
		t.Errorf("a database alone: %+v", v)
	}
}

// A number is given again: what an earlier OSD of it left on another disk is not
// the part of the present one, whose own is gone.
func TestALeftoverIsNobodysPart(t *testing.T) {
	block := func(db string) string {
		return `{"devices":["/dev/sda"],"type":"block","lv_uuid":"b","tags":{"ceph.cluster_fsid":"a","ceph.osd_fsid":"new","ceph.db_uuid":"` + db + `","ceph.wal_uuid":"w","ceph.wal_device":"/dev/nvme0n1p4"}}`
	}
	const (
		leftover = `{"devices":["/dev/sdc"],"type":"db","lv_uuid":"old","path":"/dev/ceph-1/osd-db-1","tags":{"ceph.cluster_fsid":"a","ceph.osd_fsid":"gone","ceph.db_uuid":"old"}}`
		own      = `{"devices":["/dev/sdc"],"type":"db","lv_uuid":"x","path":"/dev/ceph-1/osd-db-2","tags":{"ceph.cluster_fsid":"a","ceph.osd_fsid":"new","ceph.db_uuid":"x","ceph.wal_uuid":"w"}}`
		copied   = `{"devices":["/dev/sdd"],"type":"db","lv_uuid":"y","path":"/dev/ceph-2/osd-db-2","tags":{"ceph.cluster_fsid":"a","ceph.osd_fsid":"new","ceph.db_uuid":"x"}}`
		log      = `{"path":"/dev/nvme0n1p4","tags":{"PARTUUID":"w"},"type":"wal"}` // a partition, as the tool tells of one
	)
	for name, c := range map[string]struct {
		rows  []string
		parts int
		lost  string
		alone string
	}{
		"all is there":                   {[]string{block("x"), own, log}, 2, "", ""},
		"and a leftover beside it":       {[]string{leftover, block("x"), own, log}, 2, "", "/dev/ceph-1/osd-db-1"},
		"the leftover alone":             {[]string{block("x"), leftover, log}, 1, "db", "/dev/ceph-1/osd-db-1"},
		"neither":                        {[]string{block("x")}, 1, "db", ""},
		"an id of the other kind":        {[]string{block("w"), log}, 1, "db", ""},
		"a row that two partitions lost": {[]string{block("x"), own}, 2, "", ""},
		"moved by hand, with its tags":   {[]string{block("x"), copied, log}, 2, "", ""},
		"the present one has none then":  {[]string{strings.Replace(strings.Replace(block(""), `"w"`, `""`, 1), "new", "newer", 1), leftover}, 0, "", "/dev/ceph-1/osd-db-1"},
	} {
		volumes, err := ParseVolumes([]byte(`{"3":[` + strings.Join(c.rows, ",") + `]}`))
		if err != nil || len(volumes) == 0 {
			t.Fatalf("%s: %+v %v", name, volumes, err)
		}
		alone := ""
		for _, v := range volumes {
			if v.Devices == nil {
				alone = v.Parts[0].Path
				continue
			}
			if len(v.Parts) != c.parts || strings.Join(v.Lost, " ") != c.lost {
				t.Errorf("%s: %d parts, lost are %q: %+v", name, len(v.Parts), v.Lost, v)
			}
		}
		if alone != c.alone {
			t.Errorf("%s: alone is %q, not %q", name, alone, c.alone)
		}
	}
}

// A partition that bears a part is there while udev finds it by its id.
func TestAPartitionThatIsGone(t *testing.T) {
	const list = `{"3":[{"devices":["/dev/sda"],"type":"block","tags":{"ceph.cluster_fsid":"a","ceph.osd_fsid":"o","ceph.db_uuid":"d","ceph.db_device":"/dev/sdb2","ceph.wal_uuid":"w","ceph.wal_device":"/dev/nvme0n1p4"}}]}`
	root := t.TempDir()
	if err := os.MkdirAll(root+"/dev/disk/by-partuuid/d", 0o755); err != nil {
		t.Fatal(err)
	}
	tool := &said{answers: map[string]json.RawMessage{"ceph-volume lvm list --format json": json.RawMessage(list)}}
	c := Ceph{Shell{Host: host.Host{Files: host.New(root).Files, Commands: tool}, Node: "frege"}}
	all, err := c.Volumes(t.Context())
	if err != nil || len(all) != 1 || len(all[0].Parts) != 1 || !slices.Equal(all[0].Parts[0].Devices, []string{"/dev/sdb"}) || !slices.Equal(all[0].Lost, []string{"wal"}) {
		t.Errorf("%+v %v", all, err)
	}
}
