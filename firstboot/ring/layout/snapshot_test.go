package layout

import (
	"testing"

	"ringboot/profiles"
)

func TestFindPort(t *testing.T) {
	links := []Link{
		{Index: 1, Name: "lo"},
		{Index: 2, Name: "wwan0", Path: "pci-0000:00:0d.2", Driver: "other"},
		{Index: 3, Name: "thunderbolt1", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"},
		{Index: 4, Name: "bond0", MAC: "58:47:ca:00:00:01"},
		{Index: 5, Name: "enp2s0f0np0", MAC: "58:47:ca:00:00:01", PermMAC: "58:47:ca:00:00:02", Driver: "i40e"},
		{Index: 6, Name: "ens19"},
		{Index: 7, Name: "thunderbolt2", Path: "pci-0000:05:00.0", Driver: "thunderbolt-net", Port: 1},
		{Index: 8, Name: "thunderbolt3", Path: "pci-0000:05:00.0", Driver: "thunderbolt-net", Port: 3},
	}
	for _, row := range []struct {
		name string
		port profiles.RingPort
		want int
	}{
		{"path and driver", profiles.RingPort{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"}, 3},
		{"permanent address, in capitals", profiles.RingPort{Name: "en05", MAC: "58:47:CA:00:00:02"}, 5},
		{"address of the bond, not the port", profiles.RingPort{Name: "en05", MAC: "58:47:ca:00:00:01", Driver: "i40e"}, 4},
		{"kernel name", profiles.RingPort{Name: "en05", Interface: "ens19"}, 6},
		{"first of a controller's two", profiles.RingPort{Name: "en05", Path: "pci-0000:05:00.0", Driver: "thunderbolt-net", Port: 1}, 7},
		{"second of a controller's two", profiles.RingPort{Name: "en06", Path: "pci-0000:05:00.0", Driver: "thunderbolt-net", Port: 3}, 8},
		{"no such path", profiles.RingPort{Name: "en06", Path: "pci-0000:00:0d.3"}, 0},
	} {
		got, ok := FindPort(row.port, links)
		if got.Index != row.want || ok != (row.want != 0) {
			t.Errorf("%s: device %d (%v), want %d", row.name, got.Index, ok, row.want)
		}
	}
}
