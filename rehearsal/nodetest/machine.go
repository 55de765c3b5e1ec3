// Package nodetest is a single machine for tests of the steps that a node does
// alone: a freshly installed Debian on a disk in memory, with stand-ins of the
// programs that change it.
//
// The stand-ins refuse what the real programs refuse (a second useradd, an apt
// after a cut-off dpkg, a systemd unit of a name that exists), and can be cut
// off half way. What a service runs with is what it last read, not what lies on
// disk. It is imported by tests only.
package nodetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
)

// NIC is one port of the machine.
type NIC struct {
	Name, MAC, PCI, Driver string
	Carrier                bool // a cable with a far end
	Wired                  bool // the far end is the management network
	Answers                bool // the gateway answers there when asked alone, and never again
	Master                 string
}

// Options describe the machine that is installed.
type Options struct {
	NICs     []NIC
	Uplink   string   // port that the installer put under vmbr0
	Address  string   // its address, with prefix length
	Gateway  string   // who answers there
	Peers    []string // other addresses that answer
	Packages []string // installed ones
	Online   bool     // package sources can be reached
	Synced   bool     // chrony gets the time
	Broken   bool     // ifreload brings up what it can and fails
	Grumbles bool     // ifreload brings all of it up and fails all the same
}

// Machine is the node and its stand-in programs.
type Machine struct {
	*disk.Disk
	Clock *crash.Clock

	mu       sync.Mutex
	o        Options
	running  map[string]string // by service: the configuration that it read
	timers   map[string]time.Time
	onTimer  func(ctx context.Context) error
	Failures []string // what a stand-in was asked and should never have been
	Calls    []string // commands that change something, in order
}

// New installs a machine.
func New(o Options) (*Machine, error) {
	clock := crash.NewClock(time.Now().UTC().Truncate(time.Second))
	m := &Machine{Disk: disk.New(clock.Now), Clock: clock, o: o,
		running: map[string]string{}, timers: map[string]time.Time{}}
	files := map[string]string{
		"/etc/hostname": "frege\n",
		"/etc/hosts":    "127.0.0.1 localhost.localdomain localhost\n192.168.1.7 frege.principia.lan frege\n\n# printers\n192.168.1.9 printer\n",
		"/etc/passwd":   "root:x:0:0:root:/root:/bin/bash\n",
		"/etc/shadow":   "root:$y$j9T$x:20000:0:99999:7:::\n",
		"/etc/group":    "root:x:0:\nsudo:x:27:\n",
		"/etc/apt/sources.list.d/pve-enterprise.sources": "Types: deb\nURIs: https://enterprise.proxmox.com/debian/pve\nSuites: trixie\nComponents: pve-enterprise\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n",
		"/etc/apt/sources.list.d/ceph.sources":           "Types: deb\nURIs: https://enterprise.proxmox.com/debian/ceph-squid\nSuites: trixie\nComponents: enterprise\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n",
		"/etc/apt/sources.list.d/debian.sources":         "Types: deb\nURIs: http://deb.example.org/debian/\nSuites: trixie trixie-updates\nComponents: main contrib non-free-firmware\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
		"/etc/ssh/sshd_config":                           "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\n",
		"/etc/network/interfaces":                        "auto lo\niface lo inet loopback\n\niface " + o.Uplink + " inet manual\n\nauto vmbr0\niface vmbr0 inet static\n\taddress " + o.Address + "\n\tgateway " + o.Gateway + "\n\tbridge-ports " + o.Uplink + "\n\tbridge-stp off\n\tbridge-fd 0\n\niface thunderbolt0 inet manual\n\nsource /etc/network/interfaces.d/*\n",
		"/proc/sys/kernel/hostname":                      "frege\n",
		mailConf:                                         "myhostname=frege.principia.lan\nrelayhost = \n",
		"/proc/sys/kernel/random/boot_id":                "1\n",
		"/etc/machine-id":                                "0\n",
	}
	for _, p := range o.Packages {
		files["/var/lib/dpkg/status"] += p + " installed\n"
	}
	for path, text := range files {
		m.put(path, text)
	}
	for _, dir := range []string{"/run/sshd", "/etc/ssh/sshd_config.d", "/etc/sudoers.d", "/etc/network/interfaces.d", "/etc/systemd/system/multi-user.target.wants", "/home", "/tmp"} {
		m.need(m.MkdirAll(dir, 0o755))
	}
	m.boot()
	if len(m.Failures) > 0 {
		return nil, fmt.Errorf("installation: %q", m.Failures)
	}
	return m, nil
}

// put writes a file as a program does.
func (m *Machine) put(path, text string) { m.need(m.Program(path, text)) }

// need remembers what the disk should never refuse.
func (m *Machine) need(err error) {
	if err != nil {
		m.fail(err.Error())
	}
}

func (m *Machine) read(path string) string {
	text, _ := m.ReadFile(path)
	return string(text)
}

// Host is the machine as an agent sees it.
func (m *Machine) Host() host.Host {
	return host.Host{Files: m.Disk, Commands: m, Clock: m.Clock}
}

// OnTimer says what the program does that a timer starts.
func (m *Machine) OnTimer(f func(ctx context.Context) error) { m.onTimer = f }

// Elapse lets time pass without an agent, and fires the timers that are due.
func (m *Machine) Elapse(ctx context.Context, d time.Duration) error {
	m.Clock.Advance(d)
	m.mu.Lock()
	due := false
	for name, at := range m.timers {
		if !m.Clock.Now().Before(at) {
			due = true
			delete(m.timers, name)
		}
	}
	m.mu.Unlock()
	if due && m.onTimer != nil {
		return m.onTimer(ctx)
	}
	return nil
}

// Reboot is what a power cut and the boot after it do to what is not on disk.
func (m *Machine) Reboot() {
	m.mu.Lock()
	m.timers = map[string]time.Time{}
	m.running = map[string]string{}
	m.mu.Unlock()
	restore := m.onTimer != nil && m.there("/etc/systemd/system/multi-user.target.wants/ringboot-restore-network.service") &&
		m.there("/etc/systemd/system/ringboot-restore-network.service") && m.there("/var/lib/ringboot/network/on-trial")
	if restore {
		if err := m.onTimer(context.Background()); err != nil {
			m.fail("restore at boot: " + err.Error())
		}
	}
	m.boot()
}

func (m *Machine) there(path string) bool { return host.Exists(m.Disk, path) }

func (m *Machine) fail(text string) { m.Failures = append(m.Failures, text) }

// boot starts what is enabled and brings the network up.
func (m *Machine) boot() {
	m.need(m.MkdirAll("/run/sshd", 0o755))
	m.RemoveAll("/sys/class/net")
	for _, n := range m.o.NICs {
		m.plug(n)
	}
	m.startService("ssh")
	m.startService("postfix")
	if m.there(chronyWanted) {
		m.startService("chrony")
	}
	m.bringUp(1)
}

const chronyWanted = "/etc/systemd/system/multi-user.target.wants/chrony.service"

// Running is everything that is not on disk, for comparing outcomes.
func (m *Machine) Running() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m.running)) {
		fmt.Fprintf(&out, "%s runs with %q\n", name, m.running[name])
	}
	for _, name := range slices.Sorted(maps.Keys(m.timers)) {
		fmt.Fprintf(&out, "timer %s\n", name)
	}
	return out.String()
}

// Snapshot remembers what is not on disk and returns what brings it back.
func (m *Machine) Snapshot() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	running, timers := maps.Clone(m.running), maps.Clone(m.timers)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.running, m.timers = running, timers
	}
}

// startService makes a service read its configuration.
func (m *Machine) startService(unit string) {
	text := ""
	for _, pattern := range map[string][]string{
		"ssh":    {"/etc/ssh/sshd_config.d/*.conf", "/etc/ssh/sshd_config"},
		"chrony": {"/etc/chrony/conf.d/*.conf", "/etc/chrony/sources.d/*.sources"}, "postfix": {mailConf},
	}[unit] {
		for _, name := range m.Glob(pattern) {
			text += m.read(name)
		}
	}
	m.mu.Lock()
	m.running[unit] = text
	m.mu.Unlock()
}
