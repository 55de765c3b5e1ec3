package early

import (
	"slices"
	"testing"
	"testing/fstest"
)

const (
	nvmePCI = "pci:v0000144Dd0000A80Asv0000144Dsd0000A801bc01sc08i02"
	igcPCI  = "pci:v00008086d0000125Csv00008086sd00000000bc02sc00i00"
	gpuPCI  = "pci:v00008086d0000A7A0sv00008086sd00002212bc03sc00i00"
)

// TestDriversAsDepmodListsThem reads the lists of a kernel's release.
func TestDriversAsDepmodListsThem(t *testing.T) {
	d := ReadDrivers(fstest.MapFS{
		"lib/modules/6.14.8-2-pve/modules.dep": {Data: []byte(
			"kernel/drivers/nvme/host/nvme.ko: kernel/drivers/nvme/host/nvme-core.ko kernel/drivers/nvme/common/nvme-auth.ko.zst\n" +
				"kernel/drivers/nvme/host/nvme-core.ko: kernel/drivers/nvme/common/nvme-auth.ko.zst\n" +
				"kernel/drivers/nvme/common/nvme-auth.ko.zst:\n")},
		"lib/modules/6.14.8-2-pve/modules.alias": {Data: []byte(
			"# Aliases extracted from modules themselves.\nalias pci:v*d*sv*sd*bc01sc08i02* nvme\nalias pci:v00008086d0000125Csv*sd*bc*sc*i* igc\n")},
	}, "6.14.8-2-pve")
	if got := d.For(nvmePCI); !slices.Equal(got, []string{"nvme_auth", "nvme_core", "nvme"}) {
		t.Errorf("an NVMe disk wants %q", got)
	}
	if d.files["nvme_auth"] != "lib/modules/6.14.8-2-pve/kernel/drivers/nvme/common/nvme-auth.ko.zst" {
		t.Errorf("a driver lies at %q", d.files["nvme_auth"])
	}
	if got := d.For(igcPCI); len(got) != 0 {
		t.Errorf("a driver that is not there is loaded: %q", got)
	}
}

// TestAFileThatIsNoModuleIsPassedOver finds modules anywhere where there are no lists.
func TestAFileThatIsNoModuleIsPassedOver(t *testing.T) {
	d := ReadDrivers(fstest.MapFS{"modules/broken.ko": {Data: []byte("\x7fELF")}, "proc/1/x.ko": {Data: []byte("x")}}, "6.12")
	if len(d.files) != 0 || len(d.For(nvmePCI)) != 0 {
		t.Errorf("%+v", d)
	}
}

func TestOnlyDisksPortsAndKeyboardsAreWanted(t *testing.T) {
	for modalias, want := range map[string]bool{
		nvmePCI: true, igcPCI: true, gpuPCI: false, "scsi:t-0x00": true, "usb:v0781p5583d0100dc00dsc00dp00ic08isc06ip50in00": true,
		"acpi:PNP0A08:PNP0A03:": false, "pci:v00008086d0000A71Esv00000000sd00000000bc0Csc03i30": true, "virtio:d00000002v00001AF4": true,
	} {
		if wanted(modalias) != want {
			t.Errorf("%s is wanted: %v", modalias, !want)
		}
	}
}
