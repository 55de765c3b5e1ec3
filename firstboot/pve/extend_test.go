package pve

import (
	"strings"
	"testing"
)

func threeConf() Conf {
	c := Conf{Name: "principia", Version: 3, Links: map[int]int{0: 20, 1: 10}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		c.Nodes = append(c.Nodes, ConfNode{Name: n, ID: i + 1, Votes: 1, Addr: map[int]string{0: "10.203.3.1" + string(rune('1'+i)), 1: "10.203.4.1" + string(rune('1'+i))}})
	}
	return c
}

// A node more and its vote are what writing the whole file anew would give.
func TestExtendedAsProxmoxWritesIt(t *testing.T) {
	for _, name := range []string{"anselm", "hume", "zeno"} {
		c := threeConf()
		n := ConfNode{Name: name, ID: 4, Votes: 0, Addr: map[int]string{0: "10.203.3.14", 1: "10.203.4.14"}}
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
	n := ConfNode{Name: "hume", ID: 4, Addr: map[int]string{0: "10.203.3.14", 1: "10.203.4.14"}}
	own := strings.Replace(string(threeConf().Text()), "  version: 2\n", "  token: 5000 # mine\n  version: 2\n", 1)
	got, err := Extended([]byte(own), n)
	if err != nil {
		t.Fatal(err)
	}
	without := strings.Replace(strings.Replace(string(got), Conf{Nodes: []ConfNode{n}}.nodes(), "", 1), "config_version: 4", "config_version: 3", 1)
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
