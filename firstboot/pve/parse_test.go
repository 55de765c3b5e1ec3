package pve

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ringboot/firstboot/pve/corosync"
)

// recorded is the standard output of a real program.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	matches, _ := filepath.Glob("../../rehearsal/tools/testdata/transcripts/" + name + "*.json")
	if len(matches) != 1 {
		t.Fatalf("%s names %d transcripts", name, len(matches))
	}
	raw, err := os.ReadFile(matches[0])
	if err != nil {
		t.Fatal(err)
	}
	var tr struct {
		Stdout string `json:"stdout"`
	}
	if err := json.Unmarshal(raw, &tr); err != nil {
		t.Fatal(err)
	}
	return []byte(tr.Stdout)
}

func TestParseMembers(t *testing.T) {
	m, err := ParseMembers(recorded(t, "04-quorum/004"))
	if err != nil || m.Cluster.Name != "hilbert" || m.Cluster.Version != 3 || m.Cluster.Quorate != 1 || len(m.Nodes) != 3 {
		t.Fatalf("%v %+v", err, m)
	}
	if !m.Synced("russell") || m.Synced("wittgenstein") || m.Synced("goedel") {
		t.Errorf("one is down: %+v", m.Nodes)
	}
	bare, err := ParseMembers(recorded(t, "01-standalone/019"))
	if err != nil || bare.Cluster.Name != "" || bare.Node != "frege" {
		t.Errorf("bare: %v %+v", err, bare)
	}
	// A joiner that waits: online, but of the others it has not heard.
	half, err := ParseMembers([]byte(`{"nodename":"frege","version":9,"cluster":{"name":"p","version":2,"nodes":2,"quorate":0},"nodelist":{"frege":{"id":1,"online":1,"ip":"10.203.3.11"},"russell":{"id":2,"online":1}}}`))
	if err != nil || half.Synced("russell") {
		t.Errorf("online without an address counts as synced: %v %+v", err, half)
	}
	if _, err := ParseMembers([]byte(`{"nodename": "fre`)); err == nil {
		t.Error("half a file is taken")
	}
}

func TestParseQuorum(t *testing.T) {
	for _, c := range []struct {
		file    string
		quorate bool
		total   int
		ids     []int
	}{
		{"02-cluster-ssh/008", true, 1, []int{1}},
		{"02-cluster-ssh/020", true, 3, []int{1, 2, 3}}, // pvecm status: hexadecimal
		{"02-cluster-ssh/026", true, 3, []int{1, 2, 3}},
		{"04-quorum/008", false, 1, []int{1}},
		{"04-quorum/001", true, 2, []int{1, 2}},
	} {
		q, err := ParseQuorum(recorded(t, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		var ids []int
		for _, m := range q.Members {
			ids = append(ids, m.ID)
		}
		if q.Quorate != c.quorate || q.Total != c.total || !reflect.DeepEqual(ids, c.ids) {
			t.Errorf("%s: %+v", c.file, q)
		}
	}
	if _, err := ParseQuorum(nil); err == nil {
		t.Error("silence is taken for an answer")
	}
}

func TestParseNeighbours(t *testing.T) {
	got, err := ParseNeighbours(recorded(t, "12-links-ring/014"))
	if err != nil || len(got) != 2 {
		t.Fatalf("%v %+v", err, got)
	}
	want := []NeighbourLink{
		{Number: 0, From: "10.203.3.11", To: "10.203.3.12", Connected: false, MTU: 1397},
		{Number: 1, From: "10.203.4.11", To: "10.203.4.12", Connected: true, MTU: 65413}}
	if !got[0].Reachable || !reflect.DeepEqual(got[0].Links, want) {
		t.Errorf("%+v", got[0])
	}
	one, err := ParseNeighbours(recorded(t, "04-quorum/003"))
	if err != nil || len(one) != 1 || one[0].ID != 2 {
		t.Errorf("a dead node is not listed at all: %v %+v", err, one)
	}
}

func TestParseConf(t *testing.T) {
	text := recorded(t, "12-links-ring/010")
	c, err := corosync.Parse(text)
	if err != nil || c.Name != "hilbert" || c.Version != 3 || len(c.Nodes) != 3 || !reflect.DeepEqual(c.Links, map[int]int{0: 20, 1: 10}) {
		t.Fatalf("%v %+v", err, c)
	}
	if n, ok := c.Node("wittgenstein"); !ok || n.ID != 3 || n.Addr[0] != "10.203.3.13" || n.Addr[1] != "10.203.4.13" {
		t.Errorf("%+v", n)
	}
	// A power cut can leave any part of the file.
	whole := strings.TrimRight(string(text), "\n")
	for i := range len(whole) - 1 {
		if _, err := corosync.Parse([]byte(whole[:i])); err == nil {
			t.Errorf("the first %d bytes of the file are taken for a whole one", i)
		}
	}
	if _, err := corosync.Parse(append(make([]byte, 10), text...)); err == nil {
		t.Error("zero bytes are taken")
	}
}

func FuzzParseNeighbours(f *testing.F) {
	f.Add([]byte("nodeid: 2 reachable\n   LINK: 0 udp (a->b) enabled connected mtu: 1397\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = ParseNeighbours(text)
		_, _ = ParseQuorum(text)
		_, _ = ParseMembers(text)
	})
}

// What the tools print is read without a doubt that it is theirs.
func FuzzToolTexts(f *testing.F) {
	f.Add("")
	f.Add("ceph version 19.2.1 (abc) squid (stable)\nproxmox-ve: 9.0 (running kernel: 6.14)\n")
	f.Add("dir: local\n\tpath /var/lib/vz\n\n[global]\n\tfsid = x\n")
	f.Add("quorum OK\nmaster frege (active, Mon Nov 24 2026)\nlrm russell (idle)\nservice vm:100 (frege, started)\n")
	f.Add("name: x\nscsi0: local:1/vm-1.raw,size=1G\n[snapshot]\n")
	f.Add("migration finished successfully (duration 00:00:12)\naverage downtime 42 ms\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = ParseSubscription([]byte(text))
		_ = ParseGuest(text)
		_, _ = ParseMove(text)
		_, _ = ParseBench(text)
		_ = ParseConfig(text)
		_ = ParseCephVersion(text)
		_ = ParseStorages(text)
		_ = ParseHAStatus(text)
		_ = ParseOptions(text)
		_ = ParseVersions(text)
	})
}

func FuzzToolJSON(f *testing.F) {
	f.Add([]byte(`[{"devpath":"/dev/sda","size":1,"used":"LVM"}]`))
	f.Add([]byte(`{"pools":[{"name":"x","stats":{"objects":1}}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = ParseDisks(text)
		_, _ = ParseContent(text)
		_, _ = ParseVolumes(text)
	})
}
