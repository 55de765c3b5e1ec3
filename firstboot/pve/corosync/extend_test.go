package corosync

import (
	"strings"
	"testing"
)

func threeConf() Conf {
	c := Conf{Name: "principia", Version: 3, Links: map[int]int{0: 20, 1: 10}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		c.Nodes = append(c.Nodes, Node{Name: n, ID: i + 1, Votes: 1, Addr: map[int]string{0: "10.203.3.1" + string(rune('1'+i)), 1: "10.203.4.1" + string(rune('1'+i))}})
	}
	return c
}

// A node more and its vote are what writing the whole file anew would give.
func TestExtendedAsProxmoxWritesIt(t *testing.T) {
	for _, name := range []string{"anselm", "hume", "zeno"} {
		c := threeConf()
		n := Node{Name: name, ID: 4, Votes: 0, Addr: map[int]string{0: "10.203.3.14", 1: "10.203.4.14"}}
		got, err := Extended(c.Text(), n)
		if err != nil {
			t.Fatal(err)
		}
		c.Nodes, c.Version = append(c.Nodes, n), 4
		if string(got) != string(c.Text()) {
			t.Errorf("%s:\n%s", name, got)
		}
		got, err = WithVotes(got, name, 1)
		if err != nil {
			t.Fatal(err)
		}
		c.Nodes[3].Votes, c.Version = 1, 5
		if string(got) != string(c.Text()) {
			t.Errorf("%s votes:\n%s", name, got)
		}
	}
}

// What a hand has set stays, and a file that is written otherwise is left alone.
func TestExtendedLeavesWhatAHandHasSet(t *testing.T) {
	n := Node{Name: "hume", ID: 4, Addr: map[int]string{0: "10.203.3.14", 1: "10.203.4.14"}}
	own := strings.Replace(string(threeConf().Text()), "  version: 2\n", "  token: 5000 # mine\n  version: 2\n", 1)
	got, err := Extended([]byte(own), n)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(strings.Replace(string(got), Conf{Nodes: []Node{n}}.nodes(), "", 1), "config_version: 4", "config_version: 3", 1)
	if without != own {
		t.Errorf("more was changed:\n%s", got)
	}
	for what, text := range map[string]string{
		"the node is there": strings.Replace(own, "russell", "hume", 1),
		"its id is there":   strings.Replace(own, "nodeid: 3", "nodeid: 4", 1),
		"no version":        strings.Replace(own, "config_version: 3", "config_version: x", 1),
		"a torn file":       own[:len(own)/2],
	} {
		if got, err := Extended([]byte(text), n); err == nil {
			t.Errorf("%s:\n%s", what, got)
		}
	}
	if got, err := WithVotes([]byte(strings.ReplaceAll(own, "    quorum_votes: 1\n", "")), "frege", 0); err == nil {
		t.Errorf("no line says the votes:\n%s", got)
	}
}

func TestAnOpenConfIsKnown(t *testing.T) {
	const conf = "totem {\n cluster_name: x\n config_version: 1\n%\n}\nnodelist {\n node {\n name: frege\n nodeid: 1\n }\n}\n"
	for keys, open := range map[string]bool{
		"": false, "secauth: on": false, "secauth: off": true, "secauth: on\ncrypto_cipher: none": true, "crypto_hash: none": true,
		"secauth: off\ncrypto_cipher: aes256\ncrypto_hash: sha256": false, "crypto_cipher: aes128\ncrypto_hash: sha1": false,
	} {
		c, err := Parse([]byte(strings.Replace(conf, "%", keys, 1)))
		if err != nil || c.Open != open {
			t.Errorf("%q: open %v (%v), want %v", keys, c.Open, err, open)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("totem {\n  cluster_name: x\n  config_version: 1\n}\nnodelist {\n  node {\n    name: a\n    ring0_addr: 1\n  }\n}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err == nil && (c.Name == "" || c.Version == 0 || len(c.Nodes) == 0) {
			t.Errorf("taken without a name, a version or nodes: %+v", c)
		}
	})
}
