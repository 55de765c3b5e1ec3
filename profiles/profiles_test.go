package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles/form"

	"net/netip"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the generated files")

var compare = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func TestDefaultIsTheClusterOfThePhilosophers(t *testing.T) {
	p := Default()
	want := map[string]string{"frege": "10.203.3.11", "russell": "10.203.3.12", "wittgenstein": "10.203.3.13"}
	for _, n := range p.Nodes {
		if want[n.Name] != n.Address.String() {
			t.Errorf("%s has %s, want %s", n.Name, n.Address, want[n.Name])
		}
	}
	if p.Founder().Name != "frege" || p.NodeID("wittgenstein") != 3 || p.NodeID("goedel") != 0 {
		t.Errorf("founder %s, id of wittgenstein %d", p.Founder().Name, p.NodeID("wittgenstein"))
	}
	if len(p.Users) != 2 || p.Users[0].Name != "kellen" || p.Users[0].Sudo != "password" || p.Users[1].Sudo != "nopasswd" {
		t.Errorf("users %+v", p.Users)
	}
	if len(p.Risks("frege")) != 3 {
		t.Errorf("a system disk that is not named, no named disk for Ceph and ports by driver are three risks, got %q", p.Risks("frege"))
	}
}

// The text that init writes must be what a profile without those lines means.
func TestDefaultTextAgreesWithDefaults(t *testing.T) {
	p, d := Default(), base()
	d.derive(func(string) bool { return false })
	for _, pair := range [][2]any{{p.Proxmox, d.Proxmox}, {p.Install, d.Install}, {p.Ceph, d.Ceph}, {p.HA, d.HA}, {p.Acceptance, d.Acceptance}, {p.Agent, d.Agent}, {p.Ring.Ports, d.Ring.Ports}, {p.Ring.MTU, d.Ring.MTU}, {p.Cluster.Keyboard, d.Cluster.Keyboard}} {
		if diff := cmp.Diff(pair[1], pair[0], compare); diff != "" {
			t.Errorf("philosophers.yaml differs from the defaults:\n%s", diff)
		}
	}
}

func TestEveryKeyHasARowAndEveryRowAKey(t *testing.T) {
	inTypes := map[string]bool{}
	var walk func(rt reflect.Type, path string)
	walk = func(rt reflect.Type, path string) {
		for _, f := range form.Fields(rt) {
			at := form.Join(path, form.Name(f))
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != form.Name(f) {
				t.Errorf("%s: json and yaml names differ", at)
			}
			ft := f.Type
			leaf := true
			if ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct && ft.Elem().PkgPath() == rt.PkgPath() {
				inTypes[at] = true
				walk(ft.Elem(), at+"[]")
				continue
			}
			if ft.Kind() == reflect.Struct && ft.PkgPath() == rt.PkgPath() {
				walk(ft, at)
				leaf = path != "" // a nested table such as root_disk has a row; a section has none
			}
			if leaf {
				inTypes[at] = true
			}
		}
	}
	walk(reflect.TypeFor[Profile](), "")
	for _, k := range keys() {
		if !inTypes[k.Path] {
			t.Errorf("row %s has no key in the types", k.Path)
		}
		delete(inTypes, k.Path)
	}
	for path := range inTypes {
		t.Errorf("key %s has no row in the table", path)
	}
}

func TestGeneratedFiles(t *testing.T) {
	files := map[string][]byte{
		"schema.json":                          Schema(),
		filepath.Join("../docs", "profile.md"): reference(),
	}
	for name, want := range files {
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

// edit replaces one text of the default profile.
func edit(t *testing.T, old, text string) string {
	t.Helper()
	s := string(DefaultText())
	if !strings.Contains(s, old) {
		t.Fatalf("the default profile has no %q", old)
	}
	return strings.Replace(s, old, text, 1)
}

func TestMistakes(t *testing.T) {
	cases := []struct{ name, old, text, want string }{
		{"unknown key", "  mtu: 65520", "  mtuu: 65520", `p.yaml:32:3: ring.mtuu: unknown key; did you mean mtu?`},
		{"twice", "  pool: vm", "  pool: vm\n  pool: vm", "p.yaml:81:3: ceph.pool: stands here for the second time, first in line 80; keep one"},
		{"octal", "  mtu: 65520", "  mtu: 01500", `p.yaml:32:8: ring.mtu: "01500" is not a whole number; write digits without a leading zero`},
		{"range", "  mtu: 65520", "  mtu: 100", `p.yaml:32:8: ring.mtu: 100 is not allowed; write 1280 to 65520`},
		{"enum", "routing: static ", "routing: statik ", `p.yaml:33:12: ring.routing: "statik" is not known; allowed: static, openfabric; did you mean static?`},
		{"address form", "address: 10.203.3.12", "address: 10.203.3.256", `p.yaml:54:14: nodes[1].address: "10.203.3.256" is not allowed; write an IPv4 address such as 10.203.3.11`},
		{"address outside", "address: 10.203.3.12", "address: 10.99.3.12", `p.yaml:54:14: nodes[1].address: 10.99.3.12 is not in management.prefix 10.203.3.0/24`},
		{"address twice", "address: 10.203.3.12", "address: 10.203.3.11", `p.yaml:54:14: nodes[1].address: address "10.203.3.11" stands at nodes[0].address too; each needs its own`},
		{"broadcast", "address: 10.203.3.12", "address: 10.203.3.255", `p.yaml:54:14: nodes[1].address: 10.203.3.255 is the network's own or its broadcast address; take one between`},
		{"gateway taken", "gateway: 10.203.3.1", "gateway: 10.203.3.11", `p.yaml:49:14: nodes[0].address: address "10.203.3.11" stands at management.gateway too; each needs its own`},
		{"name twice", "name: russell", "name: frege", `p.yaml:53:11: nodes[1].name: name "frege" stands at nodes[0].name too; each needs its own`},
		{"two disks", "# root_disk: {serial: S649NX0R123456}", "root_disk: {kernel: nvme0n1, serial: S1}", `p.yaml:51:16: nodes[0].root_disk: has 2 of the keys serial, by_id, kernel; write exactly one`},
		{"overlap", "prefix: 10.203.4.0/24", "prefix: 10.203.3.0/25", `p.yaml:31:11: ring.prefix: 10.203.3.0/25 overlaps management.prefix 10.203.3.0/24; the ring is a network of its own`},
		{"one controller", "path: \"pci-0000:00:0d.3\"", "path: \"pci-0000:00:0d.2\", port: 3", `p.yaml:36:7: ring.ports[1]: is a port of the same controller as ring.ports[0]; write port: for both, 1 and 3`},
		{"keep_host", "transport: thunderbolt ", "keep_host: true\n  transport: ethernet ", `p.yaml:30:14: ring.keep_host: is for Thunderbolt controllers, and ring.transport is ethernet; take it out`},
		{"single port", "    ports: [{driver: igc}]\n  - name: russell", "    ports: [{mac: \"58:47:ca:00:00:01\"}]\n  - name: russell", `p.yaml:52:12: nodes[0].ports: has one port, so the management network is not redundant; add a second, or consent with management.allow_single_port: true`},
		{"key text", "    sudo: nopasswd", "    sudo: nopasswd\n    keys: [hello]", `p.yaml:74:12: users[1].keys[0]: "hello" is no OpenSSH public key; copy the whole line of a .pub file`},
		{"bool", "cephfs: false", "cephfs: yes", `p.yaml:82:11: ceph.cephfs: "yes" is not allowed; write true or false`},
		{"power of two", "pg_num: 32", "pg_num: 33", `p.yaml:81:11: ceph.pg_num: 33 is not a power of two; write 32`},
		{"name server of one port", "dns: [10.203.3.1]", "dns: ['fe80::1%eth0']", `p.yaml:26:9: management.dns[0]: fe80::1%eth0 belongs to one port (eth0), and the installer takes no such address; write one that is valid on the whole network`},
		{"list", "dns: [10.203.3.1]", "dns: {a: b}", `p.yaml:26:8: management.dns: a list is expected here, not keys and values`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load("p.yaml", []byte(edit(t, c.old, c.text)))
			if err == nil {
				t.Fatalf("accepted")
			}
			if !slices.Contains(strings.Split(err.Error(), "\n"), c.want) {
				t.Errorf("got:\n%v\nwant a line:\n%s", err, c.want)
			}
		})
	}
}

func TestAllMistakesAtOnceInTheOrderOfTheText(t *testing.T) {
	text := strings.NewReplacer("mtu: 65520", "mtu: 1", "name: russell", "name: Russell", "pool: vm", "pool: 9").Replace(string(DefaultText()))
	_, err := Load("p.yaml", []byte(text))
	var ps form.Problems
	if !errors.As(err, &ps) || len(ps) != 3 {
		t.Fatalf("got %v", err)
	}
	for i, path := range []string{"ring.mtu", "nodes[1].name", "ceph.pool"} {
		if ps[i].Path != path {
			t.Errorf("problem %d is at %s, want %s", i, ps[i].Path, path)
		}
	}
}

func TestNotAProfile(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "p.yaml: is empty; write one with mkimage init",
		"a: [":                  "p.yaml:1:1: this is not YAML: did not find expected node content",
		"- a":                   "p.yaml:1:1: keys and values are expected here, not a list",
		"version: 1\n---\na: 1": "p.yaml:2:1: a second document begins here; a profile is one document",
	} {
		_, err := Load("p.yaml", []byte(text))
		if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), want) {
			t.Errorf("%q: got\n%v\nwant\n%s", text, err, want)
		}
	}
}

func TestAliasBombIsBounded(t *testing.T) {
	text := "users:\n- name: a\n  keys: &k [x,x,x,x,x,x,x,x,x,x]\n" + strings.Repeat("- {name: b, keys: *k}\n", 31)
	if _, err := Load("p.yaml", []byte(text)); err == nil {
		t.Error("accepted")
	}
}

func TestMarshalRoundTrip(t *testing.T) {
	p := Default()
	text, err := Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Load("seed", text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, again, compare); diff != "" {
		t.Error(diff)
	}
}

func TestPlanHashes(t *testing.T) {
	a, b := Default(), Default()
	b.Nodes[1].RootDisk = DiskName{Serial: "S1"}
	for _, node := range []string{"frege", "russell"} {
		ha, err := a.PlanHashes(node)
		if err != nil {
			t.Fatal(err)
		}
		hb, _ := b.PlanHashes(node)
		if ha.Cluster != hb.Cluster {
			t.Errorf("%s: another disk changed the cluster's part of the plan", node)
		}
		if (ha.Node != hb.Node) != (node == "russell") {
			t.Errorf("%s: node parts %s and %s", node, ha.Node, hb.Node)
		}
	}
	b.Ring.MTU = 9000
	ha, _ := a.PlanHashes("frege")
	if hb, _ := b.PlanHashes("frege"); ha.Cluster == hb.Cluster {
		t.Error("another MTU left the cluster's part of the plan as it was")
	}
	if _, err := a.PlanHashes("goedel"); err == nil {
		t.Error("a stranger has a plan")
	}
}

func TestResolve(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPhANJhy+zEE9KoXePu7b4+1i//uvCPa5lDCoYg7YlC tests"
	p := Default()
	p.Users[0].KeyFiles = []string{"good", "good", "missing", "private"}
	err := p.Resolve(func(name string) ([]byte, error) {
		switch name {
		case "good":
			return []byte("# mine\n" + key + "\n"), nil
		case "private":
			return []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"), nil
		}
		return nil, os.ErrNotExist
	})
	if err == nil || !strings.Contains(err.Error(), "users[0].key_files[2]: file does not exist") ||
		!strings.Contains(err.Error(), "users[0].key_files[3]: private: this is a private key; give the public one, which ends in .pub") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{key}, p.Users[0].Keys); diff != "" {
		t.Error(diff)
	}
}

// schemaAccepts runs the shipped schema over a profile's text.
func schemaAccepts(t *testing.T, text string) bool {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return false
	}
	asJSON, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value) == nil
}

func TestSchemaAndCodeAgreeOnSingleValues(t *testing.T) {
	if !schemaAccepts(t, string(DefaultText())) {
		t.Error("the schema refuses the default profile")
	}
	for _, c := range []struct{ old, text string }{
		{"  mtu: 65520", "  mtuu: 65520"}, {"  mtu: 65520", "  mtu: 100"}, {"routing: static ", "routing: statik "},
		{"cephfs: false", "cephfs: 3"}, {"name: russell", "name: Russell"}, {"name: philosophers ", "name: a-name-that-is-too-long "},
		{"version: 9.2-1 ", "version: 7.4-1 "}, {"keyboard: en-us", "keyboard: klingon"}, {"country: us", "country: USA"},
		{"seconds: 10", "seconds: 0"}, {"port: 8643", "port: 22"}, {"pool: vm", "pool: \"9 9\""}, {"sudo: nopasswd", "sudo: always"},
		{"version: 1\n", ""}, {"  gateway: 10.203.3.1\n", ""}, {"dns: [10.203.3.1]", "dns: []"},
		{"# root_disk: {serial: S649NX0R123456}", "root_disk: {kernel: nvme0n1p3}"}, {"ports: [{driver: igc}]", "ports: []"}, {"ports: [{driver: igc}]", "ports: [{mac: \"58:47\"}]"},
	} {
		text := edit(t, c.old, c.text)
		_, err := Load("p.yaml", []byte(text))
		if err == nil || schemaAccepts(t, text) {
			t.Errorf("%q: code refuses: %v, schema refuses: %v; both should", c.text, err != nil, !schemaAccepts(t, text))
		}
	}
	for _, c := range []struct{ old, text string }{
		{"routing: static ", "routing: openfabric "}, {"timezone: UTC", "timezone: Europe/Berlin"}, {"# root_disk: {serial: S649NX0R123456}", "root_disk: {serial: \"S649 NX\"}"},
		{"full_name: Administrator", "full_name:"}, {"    ring: 10.203.4.12\n", ""},
	} {
		text := edit(t, c.old, c.text)
		if _, err := Load("p.yaml", []byte(text)); err != nil || !schemaAccepts(t, text) {
			t.Errorf("%q: code says %v, schema accepts: %v; both should accept", c.text, err, schemaAccepts(t, text))
		}
	}
}

func TestRingAddressFollowsTheOther(t *testing.T) {
	p, err := Load("p.yaml", []byte(edit(t, "    ring: 10.203.4.12\n", "")))
	if err != nil {
		t.Fatal(err)
	}
	if p.Nodes[1].Ring.String() != "10.203.4.12" {
		t.Errorf("got %s", p.Nodes[1].Ring)
	}
}

func FuzzProfile(f *testing.F) {
	f.Add(DefaultText())
	f.Add([]byte("version: 1\nnodes: [{name: a}, *a]"))
	f.Add([]byte("users: &u\n- keys: [*u]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Load("f", text)
		if err != nil {
			return
		}
		again, err := Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Load("g", again)
		if err != nil {
			t.Fatalf("accepted once, refused after writing it out: %v\n%s", err, again)
		}
		if diff := cmp.Diff(p, q, compare); diff != "" {
			t.Fatal(diff)
		}
	})
}
