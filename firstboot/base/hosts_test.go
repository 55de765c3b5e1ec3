package base

import (
	"net/netip"
	"strings"
	"testing"

	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/nodetest"
)

// Lines that name none of our nodes stay byte for byte; of the others only the
// names of our nodes go, wherever they stand.
func TestTheNamesOfAllNodes(t *testing.T) {
	p := &profiles.Profile{Cluster: profiles.Cluster{Domain: "lan"}}
	for i, name := range []string{"Frege", "russell"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: name, Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)})})
	}
	const block = "\n# BEGIN ringboot (lines between these marks are written by the agent)\n10.203.3.11 Frege.lan Frege\n10.203.3.12 russell.lan russell\n# END ringboot\n"
	for name, c := range map[string]struct{ have, want string }{
		"nothing":            {"", "127.0.0.1 localhost\n"},
		"ours alone":         {"10.203.3.99 frege.lan frege\n", "127.0.0.1 localhost\n"},
		"foreign":            {"127.0.0.1  localhost\t# the loopback\n\n192.0.2.9 printer\n", "127.0.0.1  localhost\t# the loopback\n\n192.0.2.9 printer\n"},
		"of another system":  {"127.0.0.1 localhost\r\n192.0.2.9 printer\r\n", "127.0.0.1 localhost\n192.0.2.9 printer\n"},
		"the installer's":    {"127.0.0.1 localhost\n10.203.3.99 frege.lan frege pvelocalhost\n", "127.0.0.1 localhost\n"},
		"among others":       {"127.0.0.1 localhost\n10.203.3.99 mail FREGE www # mine\n", "127.0.0.1 localhost\n10.203.3.99 mail www # mine\n"},
		"without a comment":  {"10.203.3.99 mail russell.lan\n", "10.203.3.99 mail\n"},
		"in a comment":       {"# 10.203.3.99 frege\n192.0.2.9 printer # of frege\n", "# 10.203.3.99 frege\n192.0.2.9 printer # of frege\n"},
		"an address alone":   {"frege\n192.0.2.9 printer\n", "frege\n192.0.2.9 printer\n"},
		"the block is there": {"192.0.2.9 printer\n" + block, "192.0.2.9 printer\n"},
		"an older block":     {"192.0.2.9 printer\n\n# BEGIN ringboot\n10.203.3.98 carnap\n# END ringboot\n192.0.2.10 scanner\n", "192.0.2.9 printer\n\n192.0.2.10 scanner\n"},
		"a block cut off":    {"192.0.2.9 printer\n# BEGIN ringboot\n10.203.3.98 carnap\n", "192.0.2.9 printer\n"},
	} {
		got := wantHosts([]byte(c.have), p)
		if got != c.want+block {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want+block)
		}
		if again := wantHosts([]byte(got), p); again != got {
			t.Errorf("%s a second time:\n%s", name, again)
		}
	}
	p.Cluster.Domain = ""
	if got := wantHosts(nil, p); !strings.Contains(got, "\n10.203.3.11 Frege\n10.203.3.12 russell\n") {
		t.Errorf("without a domain:\n%s", got)
	}
}

// The owner's lines may stand wherever he likes; what counts is what each of our
// names resolves to.
func TestWhichNamesAreMissing(t *testing.T) {
	const all = "10.203.3.11 frege.principia.lan frege\n10.203.3.12 russell.principia.lan russell\n10.203.3.13 wittgenstein.principia.lan wittgenstein\n"
	for name, c := range map[string]struct {
		hosts string
		state step.State
	}{
		"all":                {"127.0.0.1 localhost\n" + all, step.Done},
		"and others":         {all + "192.0.2.9 printer # frege\n", step.Done},
		"in other letters":   {strings.ToUpper(all), step.Done},
		"one is another":     {strings.Replace(all, "3.12", "3.99", 1), step.Todo},
		"one twice":          {all + "10.203.3.99 frege\n", step.Todo},
		"one without domain": {strings.Replace(all, " frege\n", "\n", 1), step.Todo},
		"one domain alone":   {strings.Replace(all, "frege.principia.lan ", "", 1), step.Todo},
		"none":               {"127.0.0.1 localhost\n", step.Todo},
	} {
		b := newBench(t, nil)
		b.put(t, hostsFile, c.hosts)
		s := b.part(t, "names")
		v, err := s.Check(t.Context())
		if err != nil || v.State != c.state || v.State == step.Todo && v.Reason != "/etc/hosts does not list all nodes" {
			t.Errorf("%s: %s %s, %v", name, v.State, v.Reason, err)
		}
		if _, v := converge(t, s); v.State != step.Done {
			t.Errorf("%s: afterwards %s", name, v.Reason)
		}
	}
}

// Sources in either form, and what apt makes of them.
func TestHowSourcesAreRead(t *testing.T) {
	join := func(s source) string {
		return strings.Join(s.uris, ",") + " " + strings.Join(s.suites, ",") + " " + strings.Join(s.components, ",") + map[bool]string{true: " on", false: " off"}[s.on]
	}
	for text, want := range map[string]string{
		debianSources: "http://mirror.example.org/debian/ trixie,trixie-updates main on",
		"# ours\n\nURIs: a\n b\n\tc\nSuites: s\nComponents: m\n": "a,b,c s m on",
		"uris: a\nsuites: s\n":        "a s  on",
		"Enabled: no\nURIs: a\n":      "a   off",
		"Enabled: FALSE\nURIs: a\n":   "a   off",
		"Enabled: 0\nURIs: a\n":       "a   off",
		"Enabled: yes\nURIs: a\n":     "a   on",
		"Enabled:\nURIs: a\n":         "a   on",
		"Enabled: maybe\nURIs: a\n":   "a   on",
		"URIs: a\nnonsense\n":         "none",
		"Types: deb\nSuites: s\n":     "none",
		"# a comment alone\n":         "none",
		"URIs: a\n# in between\n b\n": "a,b   on",
		"URIs: http://a/debian\nSigned-By:\n -----BEGIN\n .\n x: y\n": "http://a/debian   on",
	} {
		got := "none"
		if s, ok := parseStanza(text); ok {
			got = join(s)
		}
		if got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
	for line, want := range map[string]string{
		"deb http://a/debian trixie main contrib # mine": "http://a/debian trixie main,contrib on",
		"  deb\t[ arch=amd64 signed-by=/k ] a s m":       "a s m on",
		"deb a ./":                     "a ./  on",
		"deb-src a s m":                "none",
		"# deb a s m":                  "none",
		"deb [arch=amd64 a s m":        "none",
		"deb a":                        "none",
		"deb a # s":                    "none",
		"debian a s m":                 "none",
		"deb [arch=amd64] a s m # [x]": "a s m on",
	} {
		got := "none"
		if s, ok := parseLine(line); ok {
			got = join(s)
		}
		if got != want {
			t.Errorf("%q is read as %q, want %q", line, got, want)
		}
	}
	for path, want := range map[string]string{"a.sources": ".sources", "a.list": ".list", "a.sources.bak": "", "a.list~": ""} {
		if got := sourceForm(path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// Whose packages a source has.
func TestWhoseASourceIs(t *testing.T) {
	p := &profiles.Profile{}
	p.Proxmox.Mirror = "http://10.0.3.5/debian/"
	for uris, want := range map[string]string{
		"http://download.proxmox.com/debian/pve":                                     "proxmox",
		"https://enterprise.proxmox.com/debian/ceph-squid":                           "proxmox ceph",
		"http://10.0.3.5/debian/pve":                                                 "proxmox",
		"https://10.0.3.5/debian/ceph-squid/":                                        "proxmox ceph",
		"http://10.0.3.5/debian":                                                     "debian",
		"http://some.debian.org/x":                                                   "debian",
		"http://debian.org/x":                                                        "debian",
		"http://mirror.example.org/debian-security/":                                 "debian",
		"http://notdebian.org/x":                                                     "",
		"https://apt.example.org/docker":                                             "",
		"http://download.proxmox.com/debian/pve https://apt.example.org/docker":      "",
		"http://mirror.example.org/debian https://apt.example.org/docker":            "",
		"http://download.proxmox.com/debian/pve http://download.proxmox.com/ceph-x/": "proxmox ceph",
	} {
		s := source{uris: strings.Fields(uris), on: true}
		var got []string
		for name, is := range map[string]bool{"ceph": s.ceph()} {
			if is {
				got = append(got, name)
			}
		}
		if s.debian() {
			got = append([]string{"debian"}, got...)
		}
		if s.proxmox(p) {
			got = append([]string{"proxmox"}, got...)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s is %q, want %q", uris, got, want)
		}
	}
	if (source{}).proxmox(p) || (source{uris: []string{"http:///pve"}}).proxmox(&profiles.Profile{}) {
		t.Error("a source of nobody's is Proxmox's")
	}
	have := source{uris: []string{"http://a/x/", "b"}, suites: []string{"s", "t"}, components: []string{"m"}, on: true}
	for name, c := range map[string]struct {
		want source
		is   bool
	}{
		"the same":          {source{uris: []string{"https://a/x"}, suites: []string{"s"}, components: []string{"m"}}, true},
		"another place":     {source{uris: []string{"https://a/y"}, suites: []string{"s"}, components: []string{"m"}}, false},
		"another suite":     {source{uris: []string{"b"}, suites: []string{"u"}, components: []string{"m"}}, false},
		"another component": {source{uris: []string{"b"}, suites: []string{"t"}, components: []string{"n"}}, false},
	} {
		if have.gives(c.want) != c.is {
			t.Errorf("%s: %v", name, !c.is)
		}
		off := have
		off.on = false
		if off.gives(c.want) {
			t.Errorf("%s: one that is off gives it", name)
		}
	}
}

// Switching a stanza on or off touches its field alone, or puts one before the first.
func TestAStanzaIsSwitched(t *testing.T) {
	for _, c := range []struct {
		have string
		on   bool
		want string
	}{
		{"URIs: a\n", false, "Enabled: no\nURIs: a\n"},
		{"# mine\n\nURIs: a\n", false, "# mine\n\nEnabled: no\nURIs: a\n"},
		{"URIs: a\n", true, "URIs: a\n"},
		{"URIs: a\nenabled: no\n", true, "URIs: a\nEnabled: yes\n"},
		{"Enabled: yes\nURIs: a\n", false, "Enabled: no\nURIs: a\n"},
		{"Enabled: NO\nURIs: a\n", false, "Enabled: NO\nURIs: a\n"},
		{"Enabled: yes\nURIs: a\n", true, "Enabled: yes\nURIs: a\n"},
		{"# nothing\n", false, "# nothing\n"},
	} {
		if got := enabled(c.have, c.on); got != c.want {
			t.Errorf("%q, %v: %q", c.have, c.on, got)
		}
	}
}

// Which sources are foreign, and said to be.
func TestForeignSourcesAreRisks(t *testing.T) {
	b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Proxmox.Mirror = "" })
	suite := b.profile.Release().Suite
	for text, want := range map[string]string{
		"deb http://mirror.example.org/debian " + suite + "-backports main\n": "",
		"deb http://mirror.example.org/debian sid main\n":                     "/x.list has packages of sid, and this is " + suite + ": take it out, or an update mixes two systems",
		"deb http://download.proxmox.com/debian/pbs bookworm x\n":             "/x.list has packages of bookworm, and this is " + suite + ": take it out, or an update mixes two systems",
		"deb https://apt.example.org/docker bookworm stable\n":                "/x.list has packages of others (apt.example.org), which are kept and not known to Ringboot",
		"deb http://mirror.example.org/debian ./\n":                           "",
		"deb http://mirror.example.org/debian /\n":                            "",
		"# deb http://mirror.example.org/debian sid main\n":                   "",
		"deb-src http://mirror.example.org/debian sid main\n":                 "",
		"deb http://mirror.example.org/debian " + suite + "x main\n":          "/x.list has packages of " + suite + "x, and this is " + suite + ": take it out, or an update mixes two systems",
	} {
		if got := strings.Join(files{"/x.list": text}.risks(b.profile), "; "); got != want {
			t.Errorf("%s%q, want %q", text, got, want)
		}
	}
	if got := (files{"/x.sources": "Enabled: no\n" + mirror}).risks(b.profile); len(got) > 0 {
		t.Errorf("one that is off: %q", got)
	}
	b.RemoveAll(sourcesDir)
	if _, err := b.part(t, "repositories").Check(t.Context()); err == nil || !strings.HasSuffix(err.Error(), ": this is no Debian system") {
		t.Errorf("%v", err)
	}
}
