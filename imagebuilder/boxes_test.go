package imagebuilder_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"ringboot/imagebuilder"
	"ringboot/profiles"
	"ringboot/profiles/medium"
	"ringboot/rehearsal/base"
)

// planOn is the plan that rides on an image, for preflight.
func planOn(t *testing.T, files map[string]string) medium.Plan {
	t.Helper()
	ride := files[imagebuilder.RidePath]
	from := strings.Index(ride, `{"version":1,"kind":"one"`)
	if from < 0 {
		t.Fatalf("no plan in the %d bytes of %s", len(ride), imagebuilder.RidePath)
	}
	var raw json.RawMessage
	if err := json.NewDecoder(strings.NewReader(ride[from:])).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	p, err := medium.ParsePlan(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What a profile says of disks reaches the image: the installer's answer, and what
// preflight proves.
func TestImagesOfOtherBoxes(t *testing.T) {
	b := openBase(t, skeleton(t, base.SkeletonOptions{}))
	keys := t.TempDir()
	serial := func(s string) profiles.DiskName { return profiles.DiskName{Serial: s} }
	for name, c := range map[string]struct {
		change  func(p *profiles.Profile, n *profiles.Node)
		answer  []string
		mirror  profiles.DiskName
		atLeast int64
		bare    bool // an image without preflight is refused
	}{
		"a mirror": {func(p *profiles.Profile, n *profiles.Node) {
			p.Install.Filesystem, n.RootDisk, n.MirrorDisk = "zfs (raid1)", serial("S1"), serial("S2")
		}, []string{"filesystem = 'zfs'", "raid = 'raid1'", "ID_SERIAL = 'ringboot: no disk was chosen'"}, serial("S2"), 0, true},
		"a mirror by two kinds of numbers": {func(p *profiles.Profile, n *profiles.Node) {
			p.Install.Filesystem, n.RootDisk, n.MirrorDisk = "btrfs (raid1)", serial("S1"), profiles.DiskName{ByID: "nvme-eui.2"}
		}, []string{"filesystem = 'btrfs'", "raid = 'raid1'", "ID_SERIAL_SHORT = 'S1'", "ID_WWN = 'eui.2'"}, profiles.DiskName{ByID: "nvme-eui.2"}, 0, false},
		"one disk for system and OSD": {func(p *profiles.Profile, n *profiles.Node) {
			p.Install.Size, n.RootDisk, n.OSDDisks = 96, serial("S1"), profiles.DiskList{{Rest: true}}
		}, []string{"filesystem = 'ext4'", "hdsize = 96"}, profiles.DiskName{}, 96<<30 + 100e9 + 16<<20, false},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			r := request(t, b, "frege", keys)
			for i := range r.Profile.Nodes {
				n := &r.Profile.Nodes[i]
				c.change(r.Profile, n)
				for _, d := range []*profiles.DiskName{&n.RootDisk, &n.MirrorDisk} {
					if d.Serial != "" && i > 0 {
						d.Serial += fmt.Sprint("-", i)
					}
				}
			}
			files := read(t, build(t, r))
			for _, want := range c.answer {
				if !strings.Contains(files[imagebuilder.AnswerPath], want) {
					t.Errorf("the answer lacks %q:\n%s", want, files[imagebuilder.AnswerPath])
				}
			}
			n, _ := planOn(t, files).Find("frege")
			if n.Root != serial("S1") || n.Mirror != c.mirror || n.AtLeast != c.atLeast {
				t.Errorf("the plan has %+v", n)
			}
			r.Preflight = nil
			if _, err := imagebuilder.Build(r); (err != nil) != c.bare || c.bare && !strings.Contains(err.Error(), "make the image with preflight") {
				t.Errorf("without preflight: %v", err)
			}
		})
	}
}
