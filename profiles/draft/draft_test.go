package draft

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/form"
	"ringboot/profiles/spelling"
)

func TestADraftOfNothingIsTheBuiltInCluster(t *testing.T) {
	text, err := Known{}.Text("p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Load("p.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	want := profiles.Default()
	if p.Cluster != want.Cluster || p.Management.Prefix != want.Management.Prefix || p.Nodes[2].Address != want.Nodes[2].Address || p.Nodes[2].Ring != want.Nodes[2].Ring {
		t.Errorf("cluster %+v, management %+v, nodes %+v", p.Cluster, p.Management, p.Nodes)
	}
}

func TestADraftTakesWhatIsKnownAndMarksWhatIsGuessed(t *testing.T) {
	guess := "this computer's"
	text, err := Known{
		Name: "lab", Nodes: []string{"anna", "bert", "carl"},
		Prefix:  Guess[netip.Prefix]{netip.MustParsePrefix("192.168.7.44/24"), guess},
		Gateway: Guess[netip.Addr]{netip.MustParseAddr("192.168.7.12"), guess},
		DNS:     Guess[[]netip.Addr]{[]netip.Addr{netip.MustParseAddr("192.168.7.1")}, guess},
		Taken:   []netip.Addr{netip.MustParseAddr("192.168.7.11")},
		Zone:    Guess[string]{"Europe/Berlin", guess}, Keyboard: Guess[string]{"de", ""},
		KeyFiles: Guess[[]string]{[]string{"~/.ssh/id_ed25519.pub"}, guess},
	}.Text("p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Load("p.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	if p.Cluster.Name != "lab" || p.Cluster.Timezone != "Europe/Berlin" || p.Cluster.Country != "de" || p.Cluster.Keyboard != "de" || p.Cluster.Mail != "root@lab.home.arpa" {
		t.Errorf("cluster %+v", p.Cluster)
	}
	if p.Management.Prefix.String() != "192.168.7.0/24" || p.Management.Gateway.String() != "192.168.7.12" || p.Ring.Prefix.String() != "10.203.4.0/24" {
		t.Errorf("management %+v, ring %s", p.Management, p.Ring.Prefix)
	}
	// .11 is taken and .12 is the gateway.
	for i, want := range []string{"anna 192.168.7.13 10.203.4.11", "bert 192.168.7.14 10.203.4.12", "carl 192.168.7.15 10.203.4.13"} {
		if got := p.Nodes[i].Name + " " + p.Nodes[i].Address.String() + " " + p.Nodes[i].Ring.String(); got != want {
			t.Errorf("node %s, want %s", got, want)
		}
	}
	for _, u := range p.Users {
		if !slices.Equal(u.KeyFiles, []string{"~/.ssh/id_ed25519.pub"}) {
			t.Errorf("keys of %s: %v", u.Name, u.KeyFiles)
		}
	}
	lines := strings.Split(string(text), "\n")
	for _, n := range Looks(text) {
		if !strings.Contains(lines[n-1], "# LOOK: ") {
			t.Errorf("line %d is not marked: %s", n, lines[n-1])
		}
	}
	// Zone, country, prefix, gateway, DNS, three addresses, three disks, two users' keys.
	if n := len(Looks(text)); n != 13 {
		t.Errorf("%d lines are marked:\n%s", n, text)
	}
	if strings.Contains(string(text), "keyboard: de                # LOOK") {
		t.Error("what a person said is marked as a guess")
	}
}

func TestADraftThatDoesNotFitSaysWhy(t *testing.T) {
	for name, d := range map[string]Known{
		"no room for 3 nodes":      {Prefix: Guess[netip.Prefix]{Value: netip.MustParsePrefix("10.0.0.0/30")}},
		"nodes: has 4 entries":     {Nodes: []string{"a1", "b1", "c1", "d1"}},
		"nodes[0].name":            {Nodes: []string{"a.b", "b1", "c1"}},
		"cluster.name":             {Name: "with a blank"},
		"is not among the install": {Zone: Guess[string]{Value: "Europe/Berln"}},
	} {
		_, err := d.Text("p.yaml")
		var problems form.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), name) {
			t.Errorf("want a problem with %q, have %v", name, err)
		}
	}
}

func TestTheRingGetsANetworkOfItsOwn(t *testing.T) {
	for lan, want := range map[string]string{"10.203.3.0/24": "10.203.4.0/24", "10.0.0.0/8": "172.31.204.0/24", "10.203.4.0/24": "172.31.204.0/24"} {
		if got := ringPrefix(netip.MustParsePrefix("10.203.4.0/24"), netip.MustParsePrefix(lan)); got.String() != want {
			t.Errorf("%s: %s, want %s", lan, got, want)
		}
	}
}

func TestKeyboardsOfOtherSystems(t *testing.T) {
	for name, want := range map[string]string{"us": "en-us", "gb": "en-gb", "de_CH": "de-ch", "de_AT": "de", "en_GB": "en-gb", "pt_BR": "pt-br", "xx": "", "": ""} {
		if got := spelling.Shipped().KeyboardOf(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
