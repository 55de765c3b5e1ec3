package usb4

import (
	"fmt"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"ringboot/profiles"
)

// tree builds a /sys with Thunderbolt controllers, as the kernel lays it out.
type tree struct{ fstest.MapFS }

func (t tree) file(path, text string) {
	t.MapFS[path] = &fstest.MapFile{Data: []byte(text + "\n")}
}

func (t tree) link(path, target string) {
	t.MapFS[path] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink}
}

// controller adds one host controller. domain is the number that the order of
// probing gave it; below 0 the driver is not bound.
func (t tree) controller(pci string, domain int, uuid string) {
	real := "devices/pci0000:00/" + pci
	t.link("bus/pci/devices/"+pci, "../../../"+real)
	t.file(real+"/class", nhiClass)
	t.file(real+"/vendor", "0x8086")
	t.file(real+"/device", "0xa73e")
	if domain < 0 {
		return
	}
	t.link(real+"/driver", "../../../bus/pci/drivers/thunderbolt")
	t.thunderbolt(real, fmt.Sprintf("domain%d", domain), map[string]string{"security": "user", "iommu_dma_protection": "1"})
	t.thunderbolt(fmt.Sprintf("%s/domain%d", real, domain), fmt.Sprintf("%d-0", domain),
		map[string]string{"unique_id": uuid, "generation": "4", "authorized": "1"})
}

func (t tree) thunderbolt(parent, name string, attrs map[string]string) string {
	real := parent + "/" + name
	t.link("bus/thunderbolt/devices/"+name, "../../../"+real)
	for k, v := range attrs {
		t.file(real+"/"+k, v)
	}
	return real
}

// peer adds a machine at the other end, and with a netdev its network service.
func (t tree) peer(pci string, domain int, uuid, name, lanes, netdev string) {
	host := fmt.Sprintf("devices/pci0000:00/%s/domain%d/%d-0", pci, domain, domain)
	x := t.thunderbolt(host, fmt.Sprintf("%d-1", domain), map[string]string{"unique_id": uuid, "device_name": name, "vendor_name": "Linux",
		"maxhopid": "15", "rx_lanes": lanes, "tx_lanes": lanes, "rx_speed": "20.0 Gb/s", "tx_speed": "20.0 Gb/s", "uevent": "DEVTYPE=thunderbolt_xdomain"})
	if netdev == "" {
		return
	}
	s := t.thunderbolt(x, fmt.Sprintf("%d-1.0", domain), map[string]string{"key": "network", "prtcid": "1"})
	t.link(s+"/driver", "../../../../../../../bus/thunderbolt/drivers/thunderbolt-net")
	t.file(s+"/net/"+netdev+"/mtu", "1500")
	t.link("class/net/"+netdev, "../../"+s+"/net/"+netdev)
}

func newTree() tree { return tree{fstest.MapFS{}} }

func TestThunderboltTrees(t *testing.T) {
	const one, two = "0000:00:0d.2", "0000:00:0d.3"
	good := Port{Controller: true, Driver: true, Cable: true, Service: true, LaneGbit: 20, Lanes: 2, Name: "russell"}
	for _, row := range []struct {
		name  string
		build func(tree)
		want  []Port
	}{
		{"two peers", func(s tree) {
			s.controller(one, 0, "own-a")
			s.controller(two, 1, "own-b")
			s.peer(one, 0, "r-1", "russell", "2", "thunderbolt0")
			s.peer(two, 1, "w-1", "wittgenstein", "2", "thunderbolt1")
		}, []Port{good, {Controller: true, Driver: true, Cable: true, Service: true, LaneGbit: 20, Lanes: 2, Name: "wittgenstein"}}},
		{"domains in the other order", func(s tree) {
			s.controller(one, 1, "own-a")
			s.controller(two, 0, "own-b")
			s.peer(one, 1, "r-2", "russell", "2", "thunderbolt1")
		}, []Port{good, {Controller: true, Driver: true}}},
		{"no peers", func(s tree) { s.controller(one, 0, "own-a"); s.controller(two, 1, "own-b") },
			[]Port{{Controller: true, Driver: true}, {Controller: true, Driver: true}}},
		{"off in the BIOS", func(s tree) { s.file("devices/pci0000:00/0000:00:02.0/class", "0x030000") }, make([]Port, 2)},
		{"one controller missing", func(s tree) { s.controller(one, 0, "own-a") }, []Port{{Controller: true, Driver: true}, {}}},
		{"module not loaded", func(s tree) { s.controller(one, -1, ""); s.controller(two, -1, "") },
			[]Port{{Controller: true}, {Controller: true}}},
		{"one lane", func(s tree) { s.controller(one, 0, "own-a"); s.peer(one, 0, "r-1", "russell", "1", "thunderbolt0") },
			[]Port{{Controller: true, Driver: true, Cable: true, Service: true, LaneGbit: 20, Lanes: 1, Name: "russell"}, {}}},
		{"no module at the peer, stale name", func(s tree) { s.controller(one, 0, "own-a"); s.peer(one, 0, "r-1", "proxmox", "2", "") },
			[]Port{{Controller: true, Driver: true, Cable: true, LaneGbit: 20, Lanes: 2, Name: "proxmox"}, {}}},
		{"cable to itself", func(s tree) {
			s.controller(one, 0, "own-a")
			s.controller(two, 1, "own-b")
			s.peer(one, 0, "own-b", "frege", "2", "")
			s.peer(two, 1, "own-a", "frege", "2", "")
		}, []Port{{Controller: true, Driver: true, Cable: true, LaneGbit: 20, Lanes: 2, Name: "frege", Loop: true},
			{Controller: true, Driver: true, Cable: true, LaneGbit: 20, Lanes: 2, Name: "frege", Loop: true}}},
		// One machine has two controllers and so two ids: they do not tell machines apart.
		{"the same machine twice", func(s tree) {
			s.controller(one, 0, "own-a")
			s.controller(two, 1, "own-b")
			s.peer(one, 0, "r-1", "russell", "2", "thunderbolt0")
			s.peer(two, 1, "r-2", "russell", "2", "thunderbolt1")
		}, []Port{good, good}},
		{"a dock, no machine", func(s tree) {
			s.controller(one, 0, "own-a")
			s.thunderbolt("devices/pci0000:00/"+one+"/domain0/0-0", "0-1", map[string]string{"unique_id": "dock", "device_name": "dock"})
		}, []Port{{Controller: true, Driver: true}, {}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newTree()
			row.build(s)
			all, err := Read(s)
			if err != nil {
				t.Fatal(err)
			}
			var got []Port
			for _, p := range []profiles.RingPort{{Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}, {Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"}} {
				got = append(got, PortAt(all, p))
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNewIdsAtEachBootChangeNothing(t *testing.T) {
	build := func(suffix string) []Port {
		s := newTree()
		s.controller("0000:00:0d.2", 0, "own"+suffix)
		s.peer("0000:00:0d.2", 0, "russell"+suffix, "russell", "2", "thunderbolt0")
		all, err := Read(s)
		if err != nil {
			t.Fatal(err)
		}
		return []Port{PortAt(all, profiles.RingPort{Path: "pci-0000:00:0d.2"})}
	}
	if d := cmp.Diff(build("-1"), build("-2")); d != "" {
		t.Error(d)
	}
}

func TestDeviceOf(t *testing.T) {
	s := newTree()
	s.controller("0000:00:0d.3", 1, "own")
	s.peer("0000:00:0d.3", 1, "w", "wittgenstein", "2", "thunderbolt0")
	s.link("class/net/ens18", "../../devices/pci0000:00/0000:00:12.0/virtio2/net/ens18")
	s.link("devices/pci0000:00/0000:00:12.0/virtio2/driver", "../../../../bus/virtio/drivers/virtio_net")
	s.file("devices/pci0000:00/0000:00:12.0/virtio2/net/ens18/speed", "-1")
	s.link("class/net/lo", "../../devices/virtual/net/lo")
	for _, row := range []struct {
		name, path, driver string
		port               int
	}{
		{"thunderbolt0", "pci-0000:00:0d.3", "thunderbolt-net", 1},
		{"ens18", "pci-0000:00:12.0", "virtio_net", 0},
		{"lo", "", "", 0},
		{"absent", "", "", 0},
	} {
		path, driver, speed, port := DeviceOf(s, row.name)
		if path != row.path || driver != row.driver || speed != 0 || port != row.port {
			t.Errorf("%s: path %q driver %q speed %d port %d, want %q %q 0 %d", row.name, path, driver, speed, port, row.path, row.driver, row.port)
		}
	}
}

// TestControllersThatAreNoUSB4 has a Titan Ridge: an older class, one controller
// with two ports, and one of the cables at half its speed.
func TestControllersThatAreNoUSB4(t *testing.T) {
	const nhi = "0000:05:00.0"
	s := newTree()
	s.controller(nhi, 0, "own")
	s.file("devices/pci0000:00/"+nhi+"/class", "0x088000")
	s.file("devices/pci0000:00/"+nhi+"/device", "0x15eb")
	s.file("devices/pci0000:00/"+nhi+"/domain0/0-0/generation", "3")
	s.file("devices/pci0000:00/0000:00:08.0/class", "0x088000") // another system peripheral
	s.file("devices/pci0000:00/0000:00:08.0/vendor", "0x8086")
	s.file("devices/pci0000:00/0000:00:08.0/device", "0x1911")
	s.link("bus/pci/devices/0000:00:08.0", "../../../devices/pci0000:00/0000:00:08.0")
	s.peer(nhi, 0, "r", "russell", "2", "thunderbolt0")
	host := "devices/pci0000:00/" + nhi + "/domain0/0-0"
	x := s.thunderbolt(host, "0-3", map[string]string{"unique_id": "w", "device_name": "wittgenstein", "maxhopid": "15",
		"rx_lanes": "2", "tx_lanes": "2", "rx_speed": "10.0 Gb/s", "tx_speed": "10.0 Gb/s", "uevent": "DEVTYPE=thunderbolt_xdomain"})
	service := s.thunderbolt(x, "0-3.0", map[string]string{"key": "network"})
	s.link(service+"/driver", "../../../../../../../bus/thunderbolt/drivers/thunderbolt-net")
	s.link("class/net/thunderbolt1", "../../"+service+"/net/thunderbolt1")
	s.file(service+"/net/thunderbolt1/mtu", "1500")
	all, err := Read(s)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d controllers, %v; want 1", len(all), err)
	}
	first := profiles.RingPort{Name: "en05", Path: "pci-" + nhi, Driver: "thunderbolt-net", Port: 1}
	second := profiles.RingPort{Name: "en06", Path: "pci-" + nhi, Driver: "thunderbolt-net", Port: 3}
	want := Port{Controller: true, Driver: true, Cable: true, Service: true, LaneGbit: 20, Lanes: 2, Name: "russell"}
	if d := cmp.Diff(want, PortAt(all, first)); d != "" {
		t.Error(d)
	}
	want.Name, want.LaneGbit = "wittgenstein", 10
	if d := cmp.Diff(want, PortAt(all, second)); d != "" {
		t.Error(d)
	}
	for name, want := range map[string]profiles.RingPort{"thunderbolt0": first, "thunderbolt1": second} {
		path, driver, _, port := DeviceOf(s, name)
		if got := (profiles.RingPort{Name: want.Name, Path: path, Driver: driver, Port: port}); got != want {
			t.Errorf("%s is found as %+v, want %+v", name, got, want)
		}
	}
	// Without its driver it is known by what it is.
	delete(s.MapFS, "devices/pci0000:00/"+nhi+"/driver")
	if all, err = Read(s); err != nil || len(all) != 1 || all[0].Driver != "" {
		t.Errorf("without its driver: %+v, %v", all, err)
	}
}
