package matrix_test

import (
	"strings"
	"testing"

	"ringboot/firstboot/base"
	"ringboot/firstboot/drift"
	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// A node gets its IPv6 address beside the other, keeps it over a restart, and
// tells where it is gone.
func TestANodeHasAnIPv6Address(t *testing.T) {
	text := strings.Replace(nodeProfile, "dns: [10.203.3.1]", "dns: [10.203.3.1], prefix6: 2001:db8::/64, gateway6: fe80::1", 1)
	for number, name := range map[string]string{"1": "frege", "2": "russell", "3": "wittgenstein"} {
		text = strings.Replace(text, "{name: "+name+",", "{name: "+name+", address6: '2001:db8::1"+number+"',", 1)
	}
	m, steps := nodeOf(t, text)
	formSteps(t, m, steps)
	const file, stanza = "/etc/network/interfaces", "iface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n\tgateway fe80::1\n"
	if got := read(t, m, file); !strings.Contains(got, stanza) {
		t.Errorf("the file is\n%s", got)
	}
	m.Reboot()
	if found, blind := drift.Look(t.Context(), steps, nil, m.Clock.Now()); len(found)+len(blind) > 0 {
		t.Errorf("nothing was done and it says %s %q", texts(found), blind)
	}
	rewrite(t, m, file, strings.Replace(read(t, m, file), stanza, "", 1))
	m.Reboot()
	found, _ := drift.Look(t.Context(), steps, nil, m.Clock.Now())
	if told := texts(found); !strings.Contains(told, "vmbr0 address is missing, the plan says 2001:db8::11/64") {
		t.Errorf("an address taken away: %s", told)
	}
	formSteps(t, m, steps)
	if got := read(t, m, file); !strings.Contains(got, stanza) || len(m.Failures) > 0 {
		t.Errorf("after another pass: %q\n%s", m.Failures, got)
	}
}

// A node goes out by the ways of its profile: apt through the proxy and from the
// mirror, mail through the smarthost, its key entered. It keeps them over a
// restart, tells what somebody changed, and gives the proxy up with the profile.
func TestANodeGoesOutByTheWaysOfItsProfile(t *testing.T) {
	const (
		proxy, sources, mail = "/etc/apt/apt.conf.d/95ringboot-proxy", "/etc/apt/sources.list.d/proxmox.sources", "/etc/postfix/main.cf"
		key                  = "pve2c-0123456789"
	)
	text := strings.Replace(nodeProfile, "mail: root@principia.lan}", "mail: root@principia.lan, smarthost: 'mail.principia.lan:587'}\nproxmox: {proxy: 'http://10.203.3.5:3142', mirror: 'http://10.203.3.5/proxmox'}", 1)
	text = strings.Replace(text, "{name: frege,", "{name: frege, subscription: "+key+",", 1)
	m, steps := nodeOf(t, text)
	formSteps(t, m, steps)
	for path, want := range map[string]string{
		proxy: `Acquire::https::Proxy "http://10.203.3.5:3142";`, sources: "URIs: http://10.203.3.5/proxmox/pve\n", mail: "relayhost = [mail.principia.lan]:587",
		"/etc/apt/sources.list.d/ceph.sources": "URIs: http://10.203.3.5/proxmox/ceph-tentacle\n", "/etc/subscription": key + " active",
	} {
		if got := read(t, m, path); !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", path, want, got)
		}
	}
	if running := m.Running(); !strings.Contains(running, "relayhost = [mail.principia.lan]:587") {
		t.Errorf("Postfix did not read it:\n%s", running)
	}
	m.Reboot()
	if found, blind := drift.Look(t.Context(), steps, nil, m.Clock.Now()); len(found)+len(blind) > 0 {
		t.Errorf("nothing was done and it says %s %q", texts(found), blind)
	}
	rewrite(t, m, mail, strings.Replace(read(t, m, mail), "[mail.principia.lan]:587", "[other.principia.lan]", 1))
	rewrite(t, m, "/etc/subscription", "pve2c-aaaaaaaaaa active\n")
	found, _ := drift.Look(t.Context(), steps, nil, m.Clock.Now())
	told := texts(found)
	for _, want := range []string{"relayhost of Postfix is [other.principia.lan], the plan says [mail.principia.lan]:587", "subscription is another key, the plan says the key of the profile"} {
		if !strings.Contains(told, want) {
			t.Errorf("lacks %q: %s", want, told)
		}
	}
	if strings.Contains(told, key) || strings.Contains(told, "aaaaaaaaaa") {
		t.Errorf("a key is told: %s", told)
	}
	h := m.Host()
	p, err := profiles.Load("profile.yaml", []byte(nodeProfile))
	if err != nil {
		t.Fatal(err)
	}
	formSteps(t, m, []step.Step{base.NewBase(h, p, p.Founder())})
	// A source that the profile does not know is its owner's by then: it stays.
	if got := read(t, m, sources); host.Exists(h.Files, proxy) || !strings.Contains(got, "download.proxmox.com") || !strings.Contains(got, "10.203.3.5") || len(m.Failures) > 0 {
		t.Errorf("a profile without them: proxy still there %v, failures %q\n%s", host.Exists(h.Files, proxy), m.Failures, got)
	}
}

// A key that the shop does not take, or cannot be asked about, is a risk and
// holds nothing back.
func TestASubscriptionHoldsNothingBack(t *testing.T) {
	for name, c := range map[string]struct {
		key     string
		offline bool
		says    string
	}{
		"too small": {"pve0c-0123456789", false, "the subscription key of frege was not taken (wrong number of sockets (0 < 1))"},
		"offline":   {"pve2c-0123456789", true, "the subscription key of frege is entered and not active (new)"},
	} {
		m, steps := nodeOf(t, strings.Replace(nodeProfile, "{name: frege,", "{name: frege, subscription: "+c.key+",", 1))
		key, ok := steps[0].(*base.Base).Part("subscription")
		if !ok {
			t.Fatal("there is no such part")
		}
		m.Offline(c.offline)
		for range 2 {
			if err := key.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		v, err := key.Check(t.Context())
		if risks := strings.Join(v.Risks, " "); err != nil || v.State != step.Done || !strings.Contains(risks, c.says) {
			t.Errorf("%s: %v %s, risks %q, %v", name, v.State, v.Reason, risks, err)
		}
	}
}
