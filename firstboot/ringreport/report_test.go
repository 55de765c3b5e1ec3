package ringreport

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
	"ringboot/profiles"
)

// kernel answers journalctl.
type kernel struct {
	log  string
	code int
}

func (k kernel) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	if cmd.Argv[0] != "journalctl" || !cmd.ReadOnly {
		return host.Result{}, fmt.Errorf("%v: only the log is read", cmd.Argv)
	}
	asked := strings.Split(cmd.Argv[len(cmd.Argv)-1], "|")
	for _, transport := range profiles.Transports() {
		for _, module := range transport.Modules {
			if !slices.Contains(asked, module) {
				return host.Result{}, fmt.Errorf("%s: nothing of the module %s is asked for", transport.Name, module)
			}
		}
	}
	return host.Result{Stdout: []byte(k.log), Code: k.code}, nil
}

// secrets is everything by which this machine, its people and its network could
// be found.
var secrets = []string{
	"MF19XYZ123456", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "S649NX0R123456", "Samsung_SSD_980_S649NX0R123456", "eui.0025385b11b2f3aa",
	"58:47:ca:71:00:01", "02:aa:bb:cc:dd:ee", "10.203.3.11", "10.203.4.12", "2001:db8::11", "fe80::5a47:caff:fe71:1",
	"d9438780-00aa-b5b0-ffff-ffffffffffff", "kant", "hume", "locke", "old-laptop", "criticism", "lab.example.net", "alice", "Alice Liddell", "root@lab.example.net",
}

func machine(t *testing.T) (host.Host, fs.FS) {
	t.Helper()
	root := t.TempDir()
	put := func(path, text string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(path, target string) {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		"proc/sys/kernel/osrelease": "6.17.4-1-pve", "proc/sys/kernel/hostname": "kant", "proc/cpuinfo": "processor\t: 0\nmodel name\t: 13th Gen Intel Core i9-13900H",
		"proc/cmdline":                "BOOT_IMAGE=/vmlinuz root=UUID=3f2504e0-4f89-11d3-9a0c-0305e82c3301 intel_iommu=on thunderbolt.host_reset=0 quiet",
		"sys/class/dmi/id/sys_vendor": "Micro Computer (HK)", "sys/class/dmi/id/product_name": "Venus Series", "sys/class/dmi/id/product_serial": "MF19XYZ123456",
		"sys/class/dmi/id/product_uuid": "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "sys/class/dmi/id/bios_version": "1.27",
		"sys/block/nvme0n1/size": "976773168", "sys/block/nvme0n1/dev": "259:0", "run/udev/data/b259:0": "E:ID_SERIAL=Samsung_SSD_980_S649NX0R123456\nE:ID_SERIAL_SHORT=S649NX0R123456\nE:ID_WWN=eui.0025385b11b2f3aa",
		"sys/devices/pci0/0000:00:0d.2/class": "0x0c0340", "sys/devices/pci0/0000:00:0d.2/vendor": "0x8086", "sys/devices/pci0/0000:00:0d.2/device": "0xa73e",
		"sys/devices/pci0/0000:00:0d.2/domain0/security": "none", "sys/devices/pci0/0000:00:0d.2/domain0/0-0/unique_id": "d9438780-00aa-b5b0-ffff-ffffffffffff", "sys/devices/pci0/0000:00:0d.2/domain0/0-0/generation": "4",
		"sys/devices/pci0/0000:00:0d.2/domain0/0-0/0-1/maxhopid": "15", "sys/devices/pci0/0000:00:0d.2/domain0/0-0/0-1/device_name": "old-laptop", "sys/devices/pci0/0000:00:0d.2/domain0/0-0/0-1/rx_speed": "20.0 Gb/s",
		"sys/devices/pci0/0000:00:0d.2/domain0/0-0/0-1/rx_lanes": "2", "sys/devices/pci0/0000:00:0d.2/domain0/0-0/0-1/unique_id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
		"sys/class/net/en05/statistics/rx_packets": "123456", "sys/class/net/en05/statistics/rx_errors": "7",
	} {
		put(path, text)
	}
	const pci = "../../../devices/pci0/0000:00:0d.2"
	link("sys/bus/pci/devices/0000:00:0d.2", pci)
	link("sys/bus/thunderbolt/devices/domain0", pci+"/domain0")
	link("sys/bus/thunderbolt/devices/0-0", pci+"/domain0/0-0")
	link("sys/bus/thunderbolt/devices/0-1", pci+"/domain0/0-0/0-1")
	h := host.New(root)
	h.Commands = kernel{log: "[    4.21] thunderbolt 0-1: new host found, vendor=0x8086 device=0x1\n[    4.22] thunderbolt 0-1: Intel Corp. hume\n" +
		"[    9.11] thunderbolt-net 0-1.0 en05: renamed from thunderbolt0, 02:aa:bb:cc:dd:ee at 0000:00:0d.2\n[   12:30:11] usb4 S649NX0R123456 fe80::5a47:caff:fe71:1 10.203.4.12"}
	return h, os.DirFS(filepath.Join(root, "sys"))
}

const plan = `version: 1
cluster: {name: criticism, domain: lab.example.net, mail: root@lab.example.net}
management: {prefix: 10.203.3.0/24, gateway: 10.203.3.1, dns: [10.203.3.1]}
ring: {prefix: 10.203.4.0/24}
nodes:
  - {name: kant, address: 10.203.3.11, ports: [{driver: igc}]}
  - {name: hume, address: 10.203.3.12, ports: [{driver: igc}]}
  - {name: locke, address: 10.203.3.13, ports: [{mac: '58:47:ca:71:00:01'}, {mac: '58:47:ca:71:00:02'}]}
users: [{name: alice, full_name: Alice Liddell}]
`

func request(t *testing.T) Request {
	t.Helper()
	p, err := profiles.Load("profile.yaml", []byte(plan))
	if err != nil {
		t.Fatal(err)
	}
	h, sys := machine(t)
	return Request{Agent: "1.0.0", Host: h, Sys: sys, Profile: p, Node: "kant",
		Ring:   &status.RingView{Transport: "thunderbolt", Verdict: "en05 to hume runs on one lane", Ports: []status.RingPort{{Name: "en05", Peer: "hume", PeerPort: "en06", Lanes: 1, Lost: 3, Sent: 4000, RTT: 0.08, Verdict: "hume (10.203.4.12) was silent; 2001:db8::11 too"}}},
		Status: status.Status{Node: "kant", Events: []status.Event{{Time: time.Date(2026, 11, 27, 12, 30, 11, 0, time.UTC), Text: "ring: the cable to locke is dead, alice@locke, Alice Liddell, " + strings.Join(secrets, " ")}}},
	}
}

// What is sent of a machine says how its ring is, and not whose it is.
func TestAReportGivesNobodyAway(t *testing.T) {
	r := Make(t.Context(), request(t))
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, s := range secrets {
		if strings.Contains(strings.ToLower(text), strings.ToLower(s)) {
			t.Errorf("%q is in it:\n%s", s, text)
		}
	}
	for _, want := range []string{
		`"kernel": "6.17.4-1-pve"`, `"thunderbolt.host_reset=0"`, `"product": "Venus Series"`, `"bios_version": "1.27"`, `"pci": "0000:00:0d.2"`, `"device": "8086:a73e"`, `"rx_speed": "20.0 Gb/s"`,
		`"rx_packets": "123456"`, `"lost": 3`, `"peer": "nodeB"`, "en05 to nodeB runs on one lane", "the cable to nodeC is dead", "thunderbolt 0-1: Intel Corp. nodeB", "renamed from thunderbolt0, mac-", "at 0000:00:0d.2", "12:30:11",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if len(r.Missing) > 0 || len(r.Log) != 4 || len(r.Controllers) != 1 {
		t.Errorf("missing is %q, the log has %d lines, the controllers %+v", r.Missing, len(r.Log), r.Controllers)
	}
}

// The same thing has the same word, so that a reader sees what belongs together.
func TestTheSameThingHasTheSameWord(t *testing.T) {
	r := Make(t.Context(), request(t))
	if r.Ports[0].Verdict != "nodeB (address-1) was silent; address-2 too" {
		t.Errorf("the verdict is %q", r.Ports[0].Verdict)
	}
	if !strings.HasSuffix(r.Log[3], " address-1") || !strings.Contains(r.Log[3], "serial-") {
		t.Errorf("the last line of the log is %q", r.Log[3])
	}
}

// A machine that is in no cluster, without an agent and without a log, is
// described as far as it goes, and what is missing is named.
func TestABareMachineHasAReport(t *testing.T) {
	h, sys := machine(t)
	h.Commands = kernel{code: 1, log: ""}
	r := Make(t.Context(), Request{Host: h, Sys: sys})
	missing := strings.Join(r.Missing, "\n")
	if r.Kernel == "" || len(r.Controllers) != 1 || r.Controllers[0].Peers[0].DeviceName != "a-machine" {
		t.Errorf("the report is %+v", r)
	}
	for _, want := range []string{"profile: this machine has none", "the keeper's view: no agent answers", "kernel log: "} {
		if !strings.Contains(missing, want) {
			t.Errorf("missing is %q", missing)
		}
	}
}

// Whatever a text holds, its addresses do not come through.
func FuzzClean(f *testing.F) {
	f.Add("10.203.3.11 58:47:ca:71:00:01 fe80::1 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "kant")
	f.Add("[fe80::1]:80,10.203.3.11/24", "a")
	f.Add("x10.203.3.11x", "ß")
	f.Fuzz(func(t *testing.T, text, name string) {
		c := cleaner{names: map[string]string{name: "a-machine"}, serials: []string{"S649NX0R123456"}, given: map[string]string{}, count: map[string]int{}}
		got := c.text(text + " 10.203.3.11 58:47:ca:71:00:01 S649NX0R123456")
		for _, secret := range []string{" 10.203.3.11", "58:47:ca:71:00:01", "S649NX0R123456"} {
			if strings.Contains(got, secret) {
				t.Errorf("%q is left in %q", secret, got)
			}
		}
	})
}
