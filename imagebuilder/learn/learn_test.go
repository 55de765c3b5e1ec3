package learn

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/draft"
	"ringboot/profiles/medium"
)

// inventory is that of an MS-01, as preflight keeps it.
func inventory(n int, used string) []byte {
	return fmt.Appendf(nil, `{"version":1,"machine":{"vendor":"Micro Computer","product":"Venus","serial":"MH6%[1]d","uuid":"03000200-0400-0500-0006-00070008000%[1]d"},
"disks":[
 {"path":"/dev/nvme0n1","model":"Samsung SSD 990 PRO 2TB","serial":"D%[1]d","bytes":2000398934016,"transport":"nvme","used_by":[],"properties":{"ID_SERIAL":"Samsung_SSD_990_PRO_2TB_D%[1]d_1","ID_SERIAL_SHORT":"D%[1]d"}},
 {"path":"/dev/nvme1n1","model":"Samsung SSD 980 500GB","serial":"S%[1]d","bytes":500107862016,"transport":"nvme","used_by":[%[2]s],"properties":{"ID_SERIAL":"Samsung_SSD_980_500GB_S%[1]d_1","ID_SERIAL_SHORT":"S%[1]d"}},
 {"path":"/dev/sda","model":"Ultra","serial":"U1","bytes":32000000000,"transport":"usb","removable":true,"used_by":["iso9660"],"properties":{"ID_FS_TYPE":"iso9660"}}],
"nics":[{"name":"eth0","mac":"58:47:CA:00:00:0%[1]d","driver":"igc"},{"name":"eth1","mac":"58:47:ca:00:00:1%[1]d","driver":"igc"},{"name":"eth2","mac":"58:47:ca:00:00:2%[1]d","driver":"i40e"}]}`, n, used)
}

func seen(t *testing.T, texts ...[]byte) []Seen {
	t.Helper()
	var out []Seen
	for _, text := range texts {
		s, err := Parse("seen.json", text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// drafted is the profile that mkimage init writes of machines.
func drafted(t *testing.T, machines []Seen) (*profiles.Profile, string) {
	t.Helper()
	nodes := []string{"frege", "russell", "wittgenstein"}
	d := draft.Known{Name: "philosophers", Nodes: nodes}
	notes := Into(&d, machines)
	d.Prefix.Value = netip.MustParsePrefix("10.20.0.0/24")
	text, err := d.Text("p.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	p, err := profiles.Load("p.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return p, strings.Join(notes, "\n")
}

func TestAProfileOfWhatWasSeen(t *testing.T) {
	p, notes := drafted(t, seen(t, inventory(1, ""), inventory(2, `"ntfs (Windows)"`)))
	frege, russell, wittgenstein := p.Nodes[0], p.Nodes[1], p.Nodes[2]
	if frege.RootDisk.Serial != "S1" || frege.Machine.Serial != "MH61" || frege.Machine.UUID != "03000200-0400-0500-0006-000700080001" || len(frege.Ports) != 2 || frege.Ports[0].MAC != "58:47:ca:00:00:01" {
		t.Errorf("frege is %+v", frege)
	}
	if russell.RootDisk.Serial != "S2" || !wittgenstein.RootDisk.IsZero() || wittgenstein.Ports[0].Driver != "igc" {
		t.Errorf("russell is %+v, wittgenstein %+v", russell, wittgenstein)
	}
	for _, want := range []string{
		"frege: is Micro Computer Venus, serial MH61, in the order in which machines were seen",
		"russell: its smallest disk, nvme1n1 (Samsung SSD 980 500GB, serial S2), is NOT EMPTY (ntfs (Windows)), and a disk that is named is erased without a question",
		"wittgenstein: no machine was seen for it, so nothing is known of it",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("nothing says %q:\n%s", want, notes)
		}
	}
}

// The ring's ports are where the machines have them: one place for all, and an
// own line for the machine that differs.
func TestTheRingIsWhereItWasSeen(t *testing.T) {
	with := func(n int, more string) []byte {
		return []byte(strings.Replace(string(inventory(n, "")), `"disks":`, more+`"disks":`, 1))
	}
	usb4 := func(a, b string) string {
		return fmt.Sprintf(`"thunderbolt":[{"domain":"","pci":"0000:%s"},{"domain":"","pci":"0000:%s"}],`, a, b)
	}
	p, notes := drafted(t, seen(t, with(1, usb4("00:0d.3", "00:0d.2")), with(2, usb4("25:00.0", "81:00.0")), with(3, "")))
	if p.Ring.Transport != profiles.TransportThunderbolt || p.Ring.Ports[0].Path != "pci-0000:00:0d.2" || len(p.Nodes[0].RingPorts) != 0 || len(p.Nodes[2].RingPorts) != 0 {
		t.Errorf("the ring is %+v, frege's %+v", p.Ring, p.Nodes[0].RingPorts)
	}
	if own := p.Nodes[1].RingPorts; len(own) != 2 || own[0].Path != "pci-0000:25:00.0" || own[1].Name != "en06" || own[1].Path != "pci-0000:81:00.0" {
		t.Errorf("russell's own ports are %+v", own)
	}
	if !strings.Contains(notes, "wittgenstein: no two ports for a ring were seen") {
		t.Errorf("the notes are\n%s", notes)
	}

	sfp := func(n int) []byte {
		return []byte(strings.Replace(string(inventory(n, "")), `"driver":"i40e"}`, fmt.Sprintf(`"driver":"i40e","pci":"0000:0%d:00.0"},{"name":"eth3","mac":"58:47:ca:00:00:3%[1]d","driver":"i40e","pci":"0000:0%[1]d:00.1"}`, n), 1))
	}
	p, notes = drafted(t, seen(t, sfp(1), sfp(2), sfp(3)))
	if p.Ring.Transport != profiles.TransportEthernet || p.Ring.MTU != 9000 || p.Ring.Ports[1].Path != "pci-0000:01:00.1" || p.Ring.Ports[1].Driver != "" || p.Nodes[2].RingPorts[0].Path != "pci-0000:03:00.0" {
		t.Errorf("the ring is %+v, wittgenstein's %+v", p.Ring, p.Nodes[2].RingPorts)
	}
	if !strings.Contains(notes, "no machine has two Thunderbolt controllers") {
		t.Errorf("the notes are\n%s", notes)
	}
	// One machine without them is enough to leave the ring as it is.
	if p, _ = drafted(t, seen(t, sfp(1), inventory(2, ""))); p.Ring.Transport != profiles.TransportThunderbolt || len(p.Nodes[0].RingPorts) != 0 {
		t.Errorf("the ring is %+v", p.Ring)
	}
}

func TestWhatAProfileMeansOnMachines(t *testing.T) {
	p, _ := drafted(t, seen(t, inventory(1, ""), inventory(2, "")))
	all := []string{"frege", "russell", "wittgenstein"}
	got, err := Prove(p, all, seen(t, inventory(2, ""), inventory(1, "")))
	if err != nil || len(got) != 2 || got[0].Node != "russell" || got[1].Erases != "nvme1n1 (Samsung SSD 980 500GB, serial S1)" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = Prove(p, all, seen(t, inventory(3, ""))); err == nil || !strings.Contains(got[0].Error, "serial MH63 is the machine of no node") {
		t.Errorf("%+v, %v", got, err)
	}
	twins := []byte(strings.ReplaceAll(string(inventory(1, "")), `"D1"`, `"S1"`))
	if got, err = Prove(p, all, seen(t, twins)); err == nil || !strings.Contains(got[0].Error, "root_disk fits nvme0n1 (Samsung SSD 990 PRO 2TB, serial S1) and nvme1n1") {
		t.Errorf("%+v, %v", got, err)
	}
	d := profiles.Default()
	if got, err = Prove(d, []string{"frege"}, seen(t, inventory(1, ""))); err != nil || got[0].Erases != "nvme1n1 (Samsung SSD 980 500GB, serial S1)" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = Prove(d, []string{"frege"}, seen(t, inventory(1, `"ext4"`))); err != nil || got[0].Erases != "nvme0n1 (Samsung SSD 990 PRO 2TB, serial D1)" {
		t.Errorf("%+v, %v", got, err)
	}
}

// memory is a medium in memory.
type memory []byte

func (m memory) ReadAt(b []byte, at int64) (int, error)  { return copy(b, m[at:]), nil }
func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }
func (m memory) Sync() error                             { return nil }

func TestWhatIsNoMediumSaysSo(t *testing.T) {
	if _, err := OnMedium("/dev/sdb", make(memory, 1<<20)); err == nil || err.Error() != "/dev/sdb: "+medium.ErrNone.Error() {
		t.Errorf("%v", err)
	}
	if _, err := Parse("x.json", []byte("{}")); err == nil || !strings.Contains(err.Error(), "neither disks nor ports") {
		t.Errorf("%v", err)
	}
}

func FuzzSeen(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = Parse("a file", text) })
}

// Of a mirror both disks are told, and which of them is wrong.
func TestWhatAMirrorMeans(t *testing.T) {
	p, _ := drafted(t, seen(t, inventory(1, "")))
	p.Install.Filesystem = "zfs (raid1)"
	for mirror, want := range map[profiles.DiskName]string{
		{Serial: "D1"}:      "nvme1n1 (Samsung SSD 980 500GB, serial S1) and nvme0n1 (Samsung SSD 990 PRO 2TB, serial D1)",
		{Kernel: "nvme0n1"}: "nvme1n1 (Samsung SSD 980 500GB, serial S1) and nvme0n1 (Samsung SSD 990 PRO 2TB, serial D1)",
		{Serial: "D9"}:      "mirror_disk is no disk of this machine: name one that it has",
	} {
		p.Nodes[0].MirrorDisk = mirror
		got, err := Prove(p, []string{"frege"}, seen(t, inventory(1, "")))
		if len(got) != 1 || got[0].Erases+got[0].Error != want || (err != nil) != (got[0].Error != "") {
			t.Errorf("%+v: %+v, %v; want %s", mirror, got, err, want)
		}
	}
}
