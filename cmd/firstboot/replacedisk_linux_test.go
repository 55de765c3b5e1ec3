package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	// The unit works at it alone, and stops with its order.
	is(0, "", "--go-on")
	o.Stopped = ""
	if err := o.Write(f); err != nil {
		t.Fatal(err)
	}
	is(4, "the replacement is at work: systemctl stop ringboot-replace-disk.service first", "--forget")
	is(6, "goes on with it", "osd.3", "NEW")
	o.Stopped = "a doubt"
	if err := o.Write(f); err != nil {
		t.Fatal(err)
	}
	is(0, "given up: osd.2 of frege (Maker_Model_OLD) by the disk NEW. What is done stays", "--forget")
	if host.Exists(f, replacedisk.OrderFile) {
		t.Error("the order is still there")
	}
}

// The command writes the order, has the unit work at it, and shows what that
// says to the end. The unit is a stand-in of systemctl.
func TestReplaceDiskIsShownToItsEnd(t *testing.T) {
	root := room(t, keys(t), "frege")
	marked(t, root)
	f := host.New(root).Files
	for stopped, want := range map[string]struct {
		code int
		text string
	}{
		"":              {0, "replaces osd.2 of frege (Maker_Model_OLD) by the disk NEW\n03:04:05 osd.7 is up\nreplaced osd.2 of frege"},
		"another doubt": {8, "the replacement stopped: another doubt; firstboot replace-disk osd.2 NEW goes on"},
	} {
		o := replacedisk.Order{Version: 1, Node: "frege", OSD: 2, Old: "Maker_Model_OLD", Serial: "NEW", Asked: time.Unix(1, 0).UTC(), Stopped: "a doubt"}
		if err := o.Write(f); err != nil {
			t.Fatal(err)
		}
		end := `s/"asked"/"ended": "2026-01-02T03:04:05Z", "asked"/`
		if stopped != "" {
			end = `s/"asked"/"stopped": "` + stopped + `", "asked"/`
		}
		bin := filepath.Join(root, "usr/bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		script := "#!/bin/sh\nPATH=/usr/bin:/bin\n[ \"$*\" = 'start --no-block ringboot-replace-disk.service' ] || exit 1\ngrep -q stopped " + root + replacedisk.OrderFile + " && exit 1\n" +
			"echo '03:04:05 osd.7 is up' >" + root + replacedisk.LogFile + "\nsed -i '" + end + "' " + root + replacedisk.OrderFile + "\n"
		if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := call(t, "replace-disk", "--root", root, "osd.2", "NEW")
		if code != want.code || !strings.Contains(stdout+stderr, want.text) {
			t.Errorf("exit %d, %s%s", code, stdout, stderr)
		}
	}
}
