package tools

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/tools/ceph"
)

var (
	uuids  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	hashes = regexp.MustCompile(`[0-9a-f]{40}`)
)

// storageShape leaves out what differs from run to run.
func storageShape(text string) string {
	return strings.TrimSpace(hashes.ReplaceAllString(uuids.ReplaceAllString(text, "UUID"), "HASH"))
}

// TestStorageTranscripts holds Ceph, HA and qm against recordings of the real
// tools: the same commands in the same order.
func TestStorageTranscripts(t *testing.T) {
	matched, failed := storageTranscripts(t, newest())
	need.Figure("proof.transcripts_matched", matched, "count")
	need.Figure("proof.transcripts_failed", failed, "count")
}

func storageTranscripts(t *testing.T, release profiles.Release) (matched, failed int) {
	w := formed(t, 9)
	if err := Speak(w, release.Name); err != nil {
		t.Fatal(err)
	}
	for _, n := range w.Names() {
		ceph.InstallPrograms(w.Node(n).Machine())
	}
	played := map[string]bool{}
	play := func(name string) {
		t.Helper()
		file, _ := filepath.Glob("testdata/storage/" + name + "*.json")
		if len(file) != 1 {
			t.Fatalf("%s names %d recordings", name, len(file))
		}
		raw, err := os.ReadFile(file[0])
		if err != nil {
			t.Fatal(err)
		}
		var tr transcript
		if err := json.Unmarshal(raw, &tr); err != nil {
			t.Fatal(err)
		}
		played[file[0]] = true
		got, err := w.Exec(t.Context(), tr.Node, tr.Cmd, nil, nil, 5*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		// The code of a Perl die follows errno; only whether it is 0 means something.
		if (got.Code == 0) != (tr.Code == 0) || storageShape(string(got.Stdout)) != storageShape(derived(release, tr.Stdout)) || storageShape(string(got.Stderr)) != storageShape(tr.Stderr) {
			failed++
			t.Errorf("%s (%s)\ncode %d, real %d\nstdout:\n%s\nreal:\n%s\nstderr:\n%s\nreal:\n%s", filepath.Base(file[0]), strings.Join(tr.Cmd, " "), got.Code, tr.Code, got.Stdout, tr.Stdout, got.Stderr, tr.Stderr)
			return
		}
		matched++
	}
	play("10-ceph/002")
	play("10-ceph/004")
	play("10-ceph/005")
	for _, n := range w.Names() {
		must(t, w, n, "pveceph mon create")
		if n == "frege" {
			play("10-ceph/009")
			play("10-ceph/012")
		}
	}
	disks := ceph.Disks(w.Node("frege").Machine())
	ceph.SetDisks(w.Node("frege").Machine(), disks[0]) // the recording names a disk that is not there
	play("10-ceph/015")
	ceph.SetDisks(w.Node("frege").Machine(), disks...)
	for _, n := range w.Names() {
		must(t, w, n, "pveceph osd create /dev/nvme1n1")
	}
	for _, name := range []string{"035", "036", "041", "042", "043", "064"} {
		if name == "042" {
			must(t, w, "russell", "pveceph mds create")
			continue
		}
		play("10-ceph/" + name)
	}
	play("09-ha/001")
	must(t, w, "frege", "qm create 100 --name t100 --memory 128")
	must(t, w, "russell", "qm create 101 --name t101 --memory 128")
	play("09-ha/006")
	play("09-ha/008")
	play("09-ha/011")
	must(t, w, "frege", "ha-manager add vm:101 --state started")
	must(t, w, "frege", "ha-manager rules add node-affinity pin100 --resources vm:100 --nodes frege:2,russell:1")
	play("09-ha/015")
	play("09-ha/018")
	play("09-ha/019")
	play("09-ha/026")
	must(t, w, "frege", "ha-manager rules remove pin100")
	play("09-ha/030")
	play("09-ha/031")
	play("09-ha/032")
	kept, _ := filepath.Glob("testdata/storage/*/*.json")
	for _, f := range kept {
		if !played[f] {
			t.Errorf("%s is played by nobody", f)
		}
	}
	return matched, failed
}
