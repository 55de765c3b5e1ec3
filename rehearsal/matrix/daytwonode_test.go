package matrix_test

import (
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/base"
	"ringboot/firstboot/drift"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/management"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/nodetest"
)

// nodeAct is one thing that an owner does on one node's own system or network.
type nodeAct struct {
	name     string
	file     string
	from, to string // "" as from: the text is added at the end; as to: the file goes
	told     string
}

const nodeProfile = `version: 1
cluster: {name: principia, domain: principia.lan, mail: root@principia.lan}
management: {prefix: 10.203.3.0/24, gateway: 10.203.3.1, dns: [10.203.3.1]}
ring: {prefix: 10.203.4.0/24}
nodes:
  - {name: frege, address: 10.203.3.11, root_disk: {serial: S0}, ports: [{driver: igc}]}
  - {name: russell, address: 10.203.3.12, root_disk: {serial: S1}, ports: [{driver: igc}]}
  - {name: wittgenstein, address: 10.203.3.13, root_disk: {serial: S2}, ports: [{driver: igc}]}
users:
  - {name: kellen, full_name: Administrator, sudo: password, password_hash: $y$j9T$abcdefghijkl$0123456789012345678901234567890123456789012, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kellen"]}
  - {name: ansible, sudo: nopasswd, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB ansible"]}
`

// nodeActs are the acts on a node that was made by the steps base and management.
func nodeActs() []nodeAct {
	const net = "/etc/network/interfaces"
	const bridge = "\tbridge-fd 0\n"
	return []nodeAct{
		{"VLAN aware", net, bridge, bridge + "\tbridge-vlan-aware yes\n\tbridge-vids 2-4094\n", ""},
		{"an MTU", net, bridge, bridge + "\tmtu 9000\n", ""},
		{"a comment", net, bridge, bridge + "#LAN\n", ""},
		{"a second address", net, "\tgateway 10.203.3.1\n", "\tgateway 10.203.3.1\n\taddress 10.203.3.99/24\n", ""},
		{"IPv6 on the bridge", net, "\nsource", "\niface vmbr0 inet6 static\n\taddress 2001:db8::11/64\n\nsource", ""},
		{"a route", net, bridge, bridge + "\tpost-up ip route add 198.51.100.0/24 via 10.203.3.254\n", ""},
		{"another bridge", net, "\nsource", "\nauto vmbr1\niface vmbr1 inet manual\n\tbridge-ports none\n\nsource", ""},
		{"another bond", net, "\nsource", "\nauto bond1\niface bond1 inet manual\n\tbond-slaves enp2s0f0np0\n\tbond-mode 802.3ad\n\nsource", ""},
		{"the ports in another order", net, "enp87s0 enp90s0", "enp90s0 enp87s0", ""},
		{"the other port preferred", net, "bond-primary enp87s0", "bond-primary enp90s0", ""},
		{"another mode of the bond", net, "bond-mode active-backup", "bond-mode balance-alb", "lines of somebody's hand that contradict the profile: bond0: \"bond-mode balance-alb\""},
		{"another gateway", net, "gateway 10.203.3.1\n", "gateway 10.203.3.254\n", "vmbr0: \"gateway 10.203.3.254\", the profile says \"gateway 10.203.3.1\""},
		{"one port out of the bond", net, "bond-slaves enp87s0 enp90s0", "bond-slaves enp87s0", "bond0 bond-slaves is enp87s0, the plan says enp87s0 enp90s0"},
		{"a user deleted", "/etc/passwd", "\nansible:", "\ngone:", "ansible"},
		{"a key revoked", "/home/kellen/.ssh/authorized_keys", "ssh-ed25519 AAAAC3", "# ssh-ed25519 AAAAC3", "kellen"},
		{"a key of his own", "/home/kellen/.ssh/authorized_keys", "", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f other\n", ""},
		{"sudo narrowed", "/etc/sudoers.d/ringboot", "kellen ALL=(ALL:ALL) ALL", "kellen ALL=(ALL:ALL) /usr/bin/apt", "/etc/sudoers.d/ringboot"},
		{"passwords for ssh", "/etc/ssh/sshd_config.d/10-ringboot.conf", "PasswordAuthentication no", "PasswordAuthentication yes", "10-ringboot.conf"},
		{"the paid repository", "/etc/apt/sources.list.d/pve-enterprise.sources", "Enabled: no", "Enabled: yes", "pve-enterprise"},
		{"the free repository off", "/etc/apt/sources.list.d/proxmox.sources", "Types: deb", "Enabled: no\nTypes: deb", "proxmox.sources"},
		{"a mirror of Debian", "/etc/apt/sources.list.d/debian.sources", "deb.example.org", "mirror.example.net", ""},
		{"a name taken away", "/etc/hosts", "10.203.3.12 russell", "#10.203.3.12 russell", "/etc/hosts"},
		{"a name of his own", "/etc/hosts", "", "10.203.3.9 nas\n", ""},
	}
}

// nodeBench is a node whose own steps are done.
func nodeBench(t *testing.T) (*nodetest.Machine, []step.Step) {
	t.Helper()
	m, steps := nodeInstalled(t)
	formSteps(t, m, steps)
	return m, steps
}

// nodeInstalled is a node as the installer leaves it.
func nodeInstalled(t *testing.T) (*nodetest.Machine, []step.Step) {
	t.Helper()
	return nodeOf(t, nodeProfile)
}

// nodeOf is one of a profile of its own.
func nodeOf(t *testing.T, text string) (*nodetest.Machine, []step.Step) {
	t.Helper()
	m, err := nodetest.New(nodetest.Options{Uplink: "enp87s0", Address: "10.203.3.11/24", Gateway: "10.203.3.1", Online: true, Synced: true, Packages: []string{"openssh-server", "ifupdown2"},
		NICs: []nodetest.NIC{
			{Name: "enp87s0", MAC: "58:47:ca:00:00:01", PCI: "0000:57:00.0", Driver: "igc", Carrier: true, Wired: true},
			{Name: "enp90s0", MAC: "58:47:ca:00:00:02", PCI: "0000:5a:00.0", Driver: "igc", Carrier: true, Wired: true},
		}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Load("profile.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	h := m.Host()
	return m, []step.Step{base.NewBase(h, p, p.Founder()), management.New(h, p, p.Founder())}
}

// formSteps passes over the steps until they are done.
func formSteps(t *testing.T, m *nodetest.Machine, steps []step.Step) {
	t.Helper()
	h := m.Host()
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(steps, h, j)
	var out []engine.Outcome
	for range 4 {
		if out, err = e.Pass(t.Context(), engine.PassOptions{}); err != nil {
			t.Fatal(err)
		}
		m.Clock.Advance(30 * time.Second)
	}
	for _, o := range out {
		if !o.Reached() {
			t.Fatalf("step %s is %s: %s", o.Step, o.Result, o.Reason)
		}
	}
}

// TestDayTwoOnANode does everything that an owner does to a node's own system
// and network, each on a node fresh from the steps, and looks twice.
func TestDayTwoOnANode(t *testing.T) {
	for _, act := range nodeActs() {
		t.Run(strings.ReplaceAll(act.name, " ", "_"), func(t *testing.T) {
			m, steps := nodeBench(t)
			if found, blind := drift.Look(t.Context(), steps, nil, m.Clock.Now()); len(found)+len(blind) > 0 {
				t.Fatalf("nothing was done and it says %s %q", texts(found), blind)
			}
			text, err := m.ReadFile(act.file)
			if err != nil || act.from != "" && !strings.Contains(string(text), act.from) {
				t.Fatalf("%s has no %q (%v):\n%s", act.file, act.from, err, text)
			}
			made := string(text) + act.to
			if act.from != "" {
				made = strings.Replace(string(text), act.from, act.to, 1)
			}
			if err := m.WriteDirect(act.file, []byte(made)); err != nil {
				t.Fatal(err)
			}
			calls := len(m.Calls)
			for range 2 {
				found, blind := drift.Look(t.Context(), steps, nil, m.Clock.Now())
				if len(blind) > 0 {
					t.Errorf("blind: %q", blind)
				}
				if said := texts(found); act.told == "" && said != "" || !strings.Contains(said, act.told) {
					t.Errorf("told is %q, not %q", said, act.told)
				}
				m.Clock.Advance(time.Hour)
			}
			if now, err := m.ReadFile(act.file); err != nil || string(now) != made {
				t.Errorf("%s was changed (%v):\n%s", act.file, err, now)
			}
			if len(m.Calls) != calls || len(m.Failures) > 0 {
				t.Errorf("something was run: %q %q", m.Calls[calls:], m.Failures)
			}
		})
	}
}
