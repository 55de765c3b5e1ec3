package isotest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/imagebuilder/iso9660/isotest"
	"ringboot/rehearsal/need"
)

// The images would prove little if only our own reader could read them.
func TestOtherReadersReadTheImages(t *testing.T) {
	need.Tools(t, "xorriso", "isoinfo:genisoimage", "bsdtar:libarchive-tools")
	for name, o := range map[string]isotest.Options{"rock ridge": {}, "joliet": {Joliet: true}, "rrip 1.12": {RRIP12: true}} {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "x.iso")
			if err := os.WriteFile(image, isotest.Build(isotest.Stock(), o), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, argv := range [][]string{
				{"isoinfo", "-R", "-f", "-i", image}, {"bsdtar", "-tf", image}, {"xorriso", "-indev", image, "-find", "/"},
			} {
				out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
				if err != nil {
					t.Errorf("%v: %v\n%s", argv, err, out)
				}
				if !strings.Contains(string(out), "proxmox/packages/proxmox-first-boot_9.2.7_amd64.deb") {
					t.Errorf("%v does not show all files:\n%s", argv, out)
				}
			}
		})
	}
}
