package diskname

import (
	"fmt"
	"testing"
)

func TestProperties(t *testing.T) {
	for name, want := range map[string]string{
		"nvme-Samsung_SSD_990_PRO_2TB_S7EX0001":          "[{ID_SERIAL Samsung_SSD_990_PRO_2TB_S7EX0001_1} {ID_SERIAL Samsung_SSD_990_PRO_2TB_S7EX0001}]",
		"nvme-Samsung_SSD_990_PRO_2TB_S7EX0001_1":        "[{ID_SERIAL Samsung_SSD_990_PRO_2TB_S7EX0001_1} {ID_SERIAL Samsung_SSD_990_PRO_2TB_S7EX0001} {ID_SERIAL Samsung_SSD_990_PRO_2TB_S7EX0001_1_1}]",
		"nvme-eui.0025385b01234567":                      "[{ID_WWN eui.0025385b01234567}]",
		"nvme-nvme.1344-3232-4d54-00000001":              "[{ID_WWN nvme.1344-3232-4d54-00000001}]",
		"nvme-uuid.6c1d0a5e-0000-4000-8000-000000000001": "[{ID_WWN uuid.6c1d0a5e-0000-4000-8000-000000000001}]",
		"wwn-0x5000c500a1b2c3d4":                         "[{ID_WWN_WITH_EXTENSION 0x5000c500a1b2c3d4}]",
		"ata-Samsung_SSD_870_EVO_1TB_S6PT0001":           "[{ID_SERIAL Samsung_SSD_870_EVO_1TB_S6PT0001}]",
		"usb-Samsung_Flash_Drive_0370-0:0":               "[{ID_USB_SERIAL Samsung_Flash_Drive_0370-0:0} {ID_SERIAL Samsung_Flash_Drive_0370-0:0}]",
		"scsi-0QEMU_QEMU_HARDDISK_one":                   "[{ID_SERIAL 0QEMU_QEMU_HARDDISK_one}]",
		"cciss-3600508b1001c1234":                        "[{ID_SERIAL 3600508b1001c1234}]",
		"virtio-frege-root":                              "[{ID_SERIAL frege-root}]",
		"mmc-DV4064_0x11223344":                          `"mmc-DV4064_0x11223344" is an eMMC or a card, whose partitions the installer cannot name: take an NVMe or SATA disk`,
		"dm-uuid-LVM-abc":                                `"dm-uuid-LVM-abc" is no disk, but made of disks: name the disk itself`,
		"ata-Samsung_S6PT0001-part3":                     `"ata-Samsung_S6PT0001-part3" names a partition: name the whole disk`,
		"ieee1394-0":                                     `"ieee1394-0" is of no known bus (wwn, nvme, ata, usb, scsi, cciss, virtio): name the disk by its serial`,
		"nvme-":                                          `"nvme-" is of no known bus (wwn, nvme, ata, usb, scsi, cciss, virtio): name the disk by its serial`,
	} {
		props, err := Properties(name)
		got := fmt.Sprint(props)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestSameDisk(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"nvme-M_S1", "nvme-M_S1_1", true}, {"nvme-M_S1_1", "nvme-M_S1", true}, {"nvme-M_S1", "nvme-M_S1_2", false},
		{"ata-M_S1", "ata-M_S1_1", false}, {"", "", true}, {"nvme-M_S1", "", false},
	} {
		if got := SameByID(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
	for _, c := range []struct {
		want, long, short string
		same              bool
	}{
		{"S1", "M_S1_1", "S1", true}, {"M_S1", "M_S1_1", "S1", true}, {"M_S1_1", "M_S1_1", "S1", true}, {"M_S1_1", "M_S1", "S1", true},
		{"S1", "S1", "", true}, {"S2", "M_S1_1", "S1", false}, {"", "", "", false},
	} {
		if got := SameSerial(c.want, c.long, c.short); got != c.same {
			t.Errorf("%q against %q and %q: %v", c.want, c.long, c.short, got)
		}
	}
}
