package main

import (
	"encoding/json"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// Another disk in the profile of a node that was installed from a stick: the
// new seed has the new plan, and what only the builder knew is still in it.
func TestANewSeedKeepsWhatTheBuilderKnew(t *testing.T) {
	root := room(t, keys(t), "frege")
	files := host.New(root).Files
	read := func() (s profiles.Seed) {
		t.Helper()
		text, err := files.ReadFile(profiles.SeedFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	write := func(name string, text []byte) {
		t.Helper()
		if err := files.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	was := read()
	was.Peers, was.Issues, was.Driven = map[string]string{"russell": "key"}, map[string]int{"russell": 2}, true
	text, err := json.Marshal(was)
	if err != nil {
		t.Fatal(err)
	}
	write(profiles.SeedFile, text)
	write(profiles.ProfileFile, []byte(strings.Replace(residentProfile, "{serial: S0}, ", "{serial: S0}, osd_disks: [{serial: S9}], ", 1)))

	seed := func(want string) {
		t.Helper()
		if code, out, said := call(t, "seed", "--node", "frege", "--root", root); code != 0 || !strings.HasPrefix(out, want) {
			t.Fatalf("exit %d, %q %q, want %q", code, out, said, want)
		}
	}
	seed("seed of frege: changed")
	now := read()
	if now.Plan.Node == was.Plan.Node || now.Plan.Cluster != was.Plan.Cluster {
		t.Errorf("plan %+v, was %+v: the node's part alone is another", now.Plan, was.Plan)
	}
	if now.Peers["russell"] != "key" || now.Issues["russell"] != 2 || !now.Driven {
		t.Errorf("the new seed lost something: %+v", now)
	}
	seed("seed of frege: ok")

	// Of another cluster nothing is taken over.
	was.ClusterID = "0123456789abcdef"
	if text, err = json.Marshal(was); err != nil {
		t.Fatal(err)
	}
	write(profiles.SeedFile, text)
	seed("seed of frege: changed")
	if now := read(); now.Peers != nil || now.Issues != nil || now.Driven {
		t.Errorf("taken over from another cluster's seed: %+v", now)
	}
}
