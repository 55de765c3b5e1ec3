package main

import (
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/replacedisk"
)

// What is asked of replace-disk is judged before Ceph is asked.
func TestReplaceDisk(t *testing.T) {
	root := room(t, keys(t), "frege")
	is := func(code int, want string, args ...string) {
		t.Helper()
		got, stdout, stderr := call(t, append([]string{"replace-disk", "--root", root}, args...)...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("%v: exit %d, %s%s", args, got, stdout, stderr)
		}
	}
	is(2, "two words are needed: the dead OSD, and the serial number of the new disk")
	is(2, "two words are needed", "osd.2")
	is(2, `"nvme1n1" is no OSD: write its number`, "nvme1n1", "NEW")
	is(4, "this node is being formed, and its builder makes the OSDs", "osd.2", "NEW")
	marked(t, root)
	is(4, "nobody knows what the dead disk alone has, so nothing is begun", "osd.2", "NEW") // there is no Ceph
	is(4, "no replacement is under way on this node", "--forget")
	f := host.New(root).Files
	o := replacedisk.Order{Version: 1, Node: "frege", OSD: 2, Old: "Maker_Model_OLD", Serial: "NEW", Stopped: "a doubt"}
	if err := o.Write(f); err != nil {
		t.Fatal(err)
	}
	is(6, "another replacement is under way, of osd.2 of frege (Maker_Model_OLD) by the disk NEW", "osd.3", "NEW")
	is(0, "would replace osd.2 of frege (Maker_Model_OLD) by the disk NEW", "2", "NEW", "--dry-run")
	is(0, "given up: osd.2 of frege (Maker_Model_OLD) by the disk NEW. What is done stays", "--forget")
	if host.Exists(f, replacedisk.OrderFile) {
		t.Error("the order is still there")
	}
}
