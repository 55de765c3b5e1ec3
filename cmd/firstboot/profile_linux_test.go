package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot"
	"ringboot/firstboot/base"
	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/settled"
	"ringboot/profiles"
	"ringboot/profiles/change"
)

// another writes the file of another profile for the node below a root.
func another(t *testing.T, root, node string, replace ...string) string {
	t.Helper()
	own, err := base.LoadSeed(host.New(root).Files)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Load("other.yaml", []byte(strings.NewReplacer(replace...).Replace(residentProfile)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := change.NewFile(p, profiles.Seed{Version: profiles.SeedVersion, Node: node, ClusterID: own.Seed.ClusterID})
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), node+".ringboot-seed")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func marked(t *testing.T, root string) {
	t.Helper()
	if err := settled.Write(host.New(root).Files, settled.Mark{At: time.Unix(1, 0), Node: "frege", Steps: map[string]string{}}); err != nil {
		t.Fatal(err)
	}
}

const newKeys = `keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB hume"]`

// A profile that may change is shown, with what the steps would do, and put in
// place; nothing else of the node is touched.
func TestAnotherProfile(t *testing.T) {
	root := room(t, keys(t), "frege")
	marked(t, root)
	file := another(t, root, "frege", "users:\n", "users:\n  - {name: hume, sudo: nopasswd, "+newKeys+"}\n", "dns: [10.203.3.1]", "dns: [10.203.3.1]\n  , ntp: [192.0.2.1]")
	for path, text := range map[string]string{"/etc/apt/sources.list.d/none.list": "", "/usr/bin/dpkg-query": "#!/bin/sh\nexit 1\n", "/usr/bin/chronyc": "#!/bin/sh\n", "/usr/bin/systemctl": "#!/bin/sh\n", "/usr/sbin/sshd": "#!/bin/sh\n"} {
		if err := host.New(root).Files.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	before := written(t, root)
	code, stdout, stderr := call(t, "profile", file, "--dry-run", "--root", root)
	for _, want := range []string{"users: left out -> hume\n            a new account is made; one that is named no more stays until you remove it, without sudo\n", "management.ntp: left out -> 192.0.2.1\n            the time servers follow\n", "firstboot apply would then do:\nbase  ", "user hume: no account -> account with 1 keys\n", "ringboot.sources: a new file\n",
		"user kellen: no account -> account with 1 keys (as by the present profile)\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not shown:\n%s%s", want, stdout, stderr)
		}
	}
	if now := written(t, root); code != 0 || now != before || stderr != "" {
		t.Errorf("exit %d, %q; a dry run changed\n%s\ninto\n%s", code, stderr, before, now)
	}
	code, _, stderr = call(t, "profile", file, "--root", root)
	own, err := base.LoadSeed(host.New(root).Files)
	if code != 0 || err != nil || len(own.Profile.Users) != 2 || !strings.Contains(stderr, "nothing of it is applied: firstboot settle && systemctl restart ringboot-keeper") {
		t.Errorf("exit %d, %v, %s", code, err, stderr)
	}
	if text, _ := os.ReadFile(filepath.Join(root, "etc/passwd")); len(text) > 0 {
		t.Errorf("an account was made: %s", text)
	}
	if code, stdout, _ := call(t, "profile", file, "--root", root); code != 0 || stdout != "frege has this profile already\n" {
		t.Errorf("the second time: exit %d, %q", code, stdout)
	}
}

// written is every file of the node that a profile could touch.
func written(t *testing.T, root string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.Walk(filepath.Join(root, "etc"), func(path string, is os.FileInfo, err error) error {
		if err == nil && is.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			out.WriteString(path + "\n" + string(text))
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// What may not change is refused, all of it at once, and what is for another
// node or cluster whole.
func TestAProfileIsRefused(t *testing.T) {
	root := room(t, keys(t), "frege")
	forming := another(t, root, "frege", "mtu: 1500", "mtu: 9000")
	never := another(t, root, "frege", "mtu: 1500", "mtu: 9000", "name: principia", "name: ethics", "10.203.3.13", "10.203.3.14")
	russell := another(t, root, "russell", "mtu: 1500", "mtu: 9000")
	foreign := another(t, room(t, keys(t), "frege"), "frege", "mtu: 1500", "mtu: 9000")
	const mtu = "  ring.mtu is 1500, asked for is 9000: only while forming, because nodes with one value and nodes with another do not hear each other, and they cannot all change at once\n"
	const others = "  cluster.name is principia, asked for is ethics: never, because corosync, the certificates and the keyring have it for life\n" +
		"  nodes[wittgenstein].address is 10.203.3.13, asked for is 10.203.3.14: never, because members, certificates and Ceph have it for life\n"
	before := written(t, root)
	if code, stdout, stderr := call(t, "profile", forming, "--dry-run", "--root", root); code != 0 || !strings.Contains(stdout, "ring.mtu: 1500 -> 9000") {
		t.Errorf("while forming: exit %d, %s%s", code, stdout, stderr)
	}
	refused := func(file string, wants ...string) {
		t.Helper()
		code, stdout, stderr := call(t, "profile", file, "--root", root)
		for _, want := range wants {
			if code != 6 || stdout != "" || !strings.Contains(stderr, want) {
				t.Errorf("exit %d, %q, not %q:\n%s", code, stdout, want, stderr)
			}
		}
		if now := written(t, root); now != before {
			t.Errorf("a refusal changed\n%s\ninto\n%s", before, now)
		}
	}
	refused(never, others, "asks for what may not change, and nothing was changed; this node is being formed:\n  cluster.name")
	marked(t, root)
	refused(forming, "this node is settled:\n"+mtu)
	refused(never, strings.TrimSpace(mtu), "  cluster.name is principia", "nodes[wittgenstein].ring is 10.203.4.13, asked for is 10.203.4.14: never")
	refused(russell, "is for russell and this node is frege: mkimage seed --node frege writes the one for it")
	refused(foreign, "write it with the keyring of this cluster")
}

func TestTheProposalAsJSON(t *testing.T) {
	root := room(t, keys(t), "frege")
	file := another(t, root, "frege", "mtu: 1500", "mtu: 9000")
	code, stdout, _ := call(t, "profile", file, "--json", "--root", root)
	var p firstboot.Proposal
	if err := json.Unmarshal([]byte(stdout), &p); err != nil || code != 0 || p.Version != 1 || !p.Placed || p.Settled || len(p.Keys) != 1 || p.Keys[0].Key != "ring.mtu" || p.Keys[0].When != "only while forming" {
		t.Errorf("exit %d, %v: %s", code, err, stdout)
	}
}

// A playbook puts the profile on the node by itself, and asks for its seed: what
// may not change is refused there as well.
func TestASeedOfAnotherProfileIsRefused(t *testing.T) {
	root := room(t, keys(t), "frege")
	h := host.New(root)
	own, err := base.LoadSeed(h.Files)
	if err != nil {
		t.Fatal(err)
	}
	known := *own.Profile
	known.Users = nil
	charge, err := json.Marshal(keeper.Charge{Version: keeper.ChargeVersion, Profile: &known, Seed: own.Seed})
	if err != nil {
		t.Fatal(err)
	}
	put := func(replace ...string) {
		t.Helper()
		if err := h.Files.WriteFile(profiles.ProfileFile, []byte(strings.NewReplacer(replace...).Replace(residentProfile)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seed := func(code int, want string) {
		t.Helper()
		got, stdout, stderr := call(t, "seed", "--node", "frege", "--root", root)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Errorf("exit %d, %s%s", got, stdout, stderr)
		}
	}
	put("mtu: 1500", "mtu: 9000")
	seed(0, "seed of frege: changed") // while it is being formed
	put()
	seed(0, "seed of frege: changed")
	marked(t, root)
	if err := h.Files.WriteFile(keeper.ChargeFile, charge, 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := h.Files.ReadFile(profiles.SeedFile)
	if err != nil {
		t.Fatal(err)
	}
	put("mtu: 1500", "mtu: 9000")
	seed(6, "profile.yaml asks for what may not change, and nothing was changed; this node is settled:\n  ring.mtu is 1500, asked for is 9000")
	if now, err := h.Files.ReadFile(profiles.SeedFile); err != nil || string(now) != string(before) {
		t.Errorf("the seed is now %s, %v", now, err)
	}
	put("dns: [10.203.3.1]", "dns: [10.203.3.1], ntp: [192.0.2.1]", "sudo: nopasswd", "sudo: none")
	seed(0, "seed of frege: changed")
}

// A profile with a node more needs the word of the cluster's keyring and root's
// consent by the node's name, and a ring of three takes neither.
func TestAProfileThatGrows(t *testing.T) {
	pki := keys(t)
	onSwitch := strings.NewReplacer("transport: ethernet", "transport: switch", ", {name: rbb, interface: rbb}", "").Replace(residentProfile)
	more := strings.Replace(onSwitch, "users:\n", "  - {name: hume, address: 10.203.3.14, added: true, root_disk: {serial: S3}, ports: [{driver: igc}]}\nusers:\n", 1)
	root := room(t, pki, "frege")
	h := host.New(root)
	own, err := base.LoadSeed(h.Files)
	if err != nil {
		t.Fatal(err)
	}
	file := func(text string, sign bool) string {
		p, err := profiles.Load("grown.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		f, err := change.NewFile(p, profiles.Seed{Version: profiles.SeedVersion, Node: "frege", ClusterID: own.Seed.ClusterID})
		if err != nil {
			t.Fatal(err)
		}
		if sign {
			f.Seed.SignGrown(p, pki.Key())
		}
		out, err := f.Encode()
		name := filepath.Join(t.TempDir(), "frege.ringboot-seed")
		if err != nil || os.WriteFile(name, out, 0o600) != nil {
			t.Fatal(err)
		}
		return name
	}
	if code, _, stderr := call(t, "profile", file(onSwitch, false), "--root", root); code != 0 { // while it is formed
		t.Fatalf("%d %s", code, stderr)
	}
	if code, _, _ := call(t, "profile", file(more, true), "--grow", "hume", "--root", root); code != 6 {
		t.Errorf("a node that is being formed grows: %d", code)
	}
	marked(t, root)
	before := written(t, root)
	for name, c := range map[string]struct {
		file string
		grow string
		code int
		want string
	}{
		"without the keyring's word": {file(more, false), "hume", 6, "the word of the cluster's keyring for them is missing"},
		"without root's consent":     {file(more, true), "", 6, "adds hume to the cluster, and nothing was changed: say --grow hume"},
		"another node's name":        {file(more, true), "kant", 2, "adds hume: nothing was changed"},
		"before the others":          {file(strings.Replace(more, "name: russell", "name: rousseau", 1), true), "hume", 6, "because one is added behind the others"},
	} {
		args := []string{"profile", c.file, "--root", root}
		if c.grow != "" {
			args = append(args, "--grow", c.grow)
		}
		if code, _, stderr := call(t, args...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit %d, %s", name, code, stderr)
		}
	}
	if now := written(t, root); now != before {
		t.Error("a refused profile changed the node")
	}
	code, stdout, stderr := call(t, "profile", file(more, true), "--grow", "hume", "--root", root)
	if code != 0 || !strings.Contains(stdout, "nodes: left out -> hume\n") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if own, err := base.LoadSeed(h.Files); err != nil || len(own.Profile.Nodes) != 4 || len(own.Seed.Grown) == 0 {
		t.Errorf("%v %+v", err, own.Seed)
	}
}
