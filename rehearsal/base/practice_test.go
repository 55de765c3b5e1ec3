package base_test

import (
	"testing"

	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
)

func TestPracticeISO(t *testing.T) {
	needMedium(t)
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "debootstrap", "mksquashfs:squashfs-tools", "apt-get:apt", "depmod:kmod")
	iso, err := base.Practice(t.Context(), func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	t.Log(iso)
}
