package inventory

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"

	"ringboot/profiles"
)

var update = flag.Bool("update", false, "write the generated files")

var same = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func TestGeneratedFiles(t *testing.T) {
	files, err := Files(profiles.Default())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		name = filepath.Join("../../ansible", name)
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say: go generate ./profiles", name)
		}
	}
}

// What Ansible puts together again from its variables must be the profile.
func TestAnsibleVariablesAreTheProfile(t *testing.T) {
	p := profiles.Default()
	files, err := Files(p)
	if err != nil {
		t.Fatal(err)
	}
	var group struct{ Profile map[string]any }
	if err := yaml.Unmarshal(files["inventory/group_vars/ringboot.yml"], &group); err != nil {
		t.Fatal(err)
	}
	var nodes []any
	for _, n := range p.Nodes {
		var host struct{ Node map[string]any }
		if err := yaml.Unmarshal(files["inventory/host_vars/"+n.Name+".yml"], &host); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, host.Node)
	}
	group.Profile["nodes"] = nodes
	text, err := yaml.Marshal(group.Profile)
	if err != nil {
		t.Fatal(err)
	}
	again, err := profiles.Load("ansible", text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again, same); diff != "" {
		t.Error(diff)
	}
	for _, n := range p.Nodes {
		a, _ := p.PlanHashes(n.Name)
		if b, _ := again.PlanHashes(n.Name); a != b {
			t.Errorf("%s: the plan of the playbook differs from that of the image", n.Name)
		}
	}
}
