// Package lab is systems side by side on one kernel, cabled as a ring or on a
// switch: machines on which the practice system is installed and which have an address.
// What makes nodes of them is the test's: the packages of their images, or a
// playbook. It is imported by tests only, and needs root.
package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/containers"
	"ringboot/rehearsal/machine"
	"ringboot/rehearsal/need"
)

// Lab is the systems, their network, and a directory with what makes nodes of
// them: the profile, its keyring, mkimage and peers.
type Lab struct {
	T       testing.TB
	Ctx     context.Context
	Dir     string
	LAN     *containers.Switch
	Profile *profiles.Profile
	File    string // of the profile
	Systems map[string]*containers.System
	Guests  *Guests // nil: what the tools call a guest is a row

	root, world string
}

// longest bounds a lab's life.
const longest = 40 * time.Minute

// New starts the systems of a profile. key is a public key that root takes; "" for none.
func New(t testing.TB, profile []byte, key string) *Lab {
	t.Helper()
	l := prepare(t, profile)
	l.begin(l.Dir, key)
	return l
}

// prepare is all but the systems.
func prepare(t testing.TB, profile []byte) *Lab {
	t.Helper()
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "nsenter:util-linux", "ip:iproute2", "xorriso", "unsquashfs:squashfs-tools", "curl")
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	t.Cleanup(cancel)
	l := &Lab{T: t, Ctx: ctx, Dir: t.TempDir()}
	l.File = filepath.Join(l.Dir, "lab.yaml")
	l.Must(os.WriteFile(l.File, profile, 0o644))
	var err error
	l.Profile, err = profiles.Load(l.File, profile)
	l.Must(err)
	for _, program := range []string{"mkimage", "peers"} {
		l.build(program)
	}
	l.root, err = containers.Unpack(ctx, l.iso(), l.Dir)
	l.Must(err)
	return l
}

// Again is a second set of systems with the same profile and the same keys, on
// a network of its own.
func (l *Lab) Again(t testing.TB, key string) *Lab {
	t.Helper()
	other := l.For(t)
	other.begin(filepath.Join(l.Dir, "again"), key)
	return other
}

// For is the lab within another test, which its errors end.
func (l *Lab) For(t testing.TB) *Lab {
	other := *l
	other.T = t
	return &other
}

func (l *Lab) iso() string {
	l.T.Helper()
	iso, err := base.Practice(l.Ctx, nil)
	l.Must(err)
	return iso
}

func (l *Lab) begin(dir, key string) {
	l.T.Helper()
	l.Must(os.MkdirAll(dir, 0o755))
	var err error
	l.LAN, err = containers.NewSwitch(l.Ctx, fmt.Sprintf("%s/%d", l.Profile.Management.Gateway, l.Profile.Management.Prefix.Bits()))
	l.Must(err)
	l.T.Cleanup(l.LAN.Stop)
	l.world = filepath.Join(dir, "world")
	world, err := machine.Listen(l.Ctx, l.world, l.Guests.real())
	l.Must(err)
	l.T.Cleanup(world.Close)
	l.Systems = map[string]*containers.System{}
	for _, n := range l.Profile.Nodes {
		l.start(dir, n, key)
	}
	if l.Profile.Transport().Shape == profiles.ShapeSwitch {
		l.plug()
		return
	}
	for i, n := range l.Profile.Nodes {
		next := l.Profile.Nodes[(i+1)%len(l.Profile.Nodes)].Name
		l.Must(containers.Cable(l.Ctx, l.Systems[n.Name], "en05", l.Systems[next], "en06"))
	}
}

// plug joins the ring's ports by a switch of their own.
func (l *Lab) plug() {
	l.T.Helper()
	far := l.Profile.Ring.Prefix.Masked().Addr().Next()
	sw, err := containers.NewSwitch(l.Ctx, fmt.Sprintf("%s/%d", far, l.Profile.Ring.Prefix.Bits()))
	l.Must(err)
	l.T.Cleanup(sw.Stop)
	for _, n := range l.Profile.Nodes {
		l.Must(sw.Plug(l.Ctx, l.Systems[n.Name], l.Profile.PortsOf(n)[0].Name))
	}
}

// OnASwitch is that profile for four systems with one port each on a switch.
func OnASwitch() []byte {
	text := string(Profile("seconds: 10 ", "seconds: 1 "))
	text = strings.NewReplacer("transport: ethernet ", "transport: switch ", "mtu: 9000", "mtu: 1500",
		"{name: en05, interface: en05}", "{name: sfp0, interface: sfp0}", "    - {name: en06, interface: en06}\n", "",
		"\n# Accounts log in", "  - name: carnap\n    address: 10.203.3.14\n    ring: 10.203.4.14\n    ports: [{interface: eno1}]\n\n# Accounts log in").Replace(text)
	return []byte(text)
}

// Profile is the built-in profile with the cards of a container, and with the
// network that it has. Packages are there already: a lab has no way out.
// changes are further pairs of old and new text.
func Profile(changes ...string) []byte {
	return []byte(strings.NewReplacer(append([]string{
		"repository: no-subscription # no-subscription | enterprise | none", "repository: none\n  update: installed",
		"allow_single_port: false", "allow_single_port: true\n  keep: true",
		"transport: thunderbolt ", "transport: ethernet ", "mtu: 65520", "mtu: 9000",
		`{name: en05, path: "pci-0000:00:0d.2", driver: thunderbolt-net}`, "{name: en05, interface: en05}",
		`{name: en06, path: "pci-0000:00:0d.3", driver: thunderbolt-net}`, "{name: en06, interface: en06}",
		"driver: igc}", "interface: eno1}",
		"power_cut: ask  ", "power_cut: false", // a container has no power of its own
	}, changes...)...).Replace(string(profiles.DefaultText())))
}

// start starts a system as an installation leaves it, with an address and two disks.
func (l *Lab) start(dir string, n profiles.Node, key string) {
	l.T.Helper()
	disks := fmt.Sprintf(`[{"Name":"nvme0n1","Serial":"SYSTEM-%[1]s","Model":"Practice system","Bytes":512110190592,"Type":"nvme","Used":"partitions","OSD":-1},
{"Name":"nvme1n1","Serial":"DATA-%[1]s","Model":"Practice data","Bytes":1000204886016,"Type":"nvme","OSD":-1}]`, strings.ToUpper(n.Name))
	files := map[string]containers.File{
		"/etc/hostname": {Content: n.Name + "\n"},
		"/etc/hosts":    {Content: fmt.Sprintf("127.0.0.1 localhost\n%s %s.home.arpa %s\n", n.Address, n.Name, n.Name)},
		// As Debian's installer leaves it: what the steps lay beside it counts.
		"/etc/network/interfaces": {Content: "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n"},
		// One kernel has one clock: chrony may look at it and not turn it.
		"/etc/default/chrony":            {Content: "DAEMON_OPTS=\"-x -F 0\"\n"},
		"/var/lib/pvestandin/disks.json": {Content: disks},
		"/etc/ringboot-practice.speed":   {Content: "0.1\n"},
	}
	if key != "" {
		files["/root/.ssh/authorized_keys"] = containers.File{Content: key, Mode: 0o600}
	}
	s, err := containers.Start(l.Ctx, dir, l.root, n.Name, map[string]string{machine.Socket: l.world}, files)
	l.Must(err)
	l.T.Cleanup(s.Stop)
	l.Systems[n.Name] = s
	l.Must(l.LAN.Plug(l.Ctx, s, "eno1"))
	l.In(n.Name, "ip", "address", "add", fmt.Sprintf("%s/%d", n.Address, l.Profile.Management.Prefix.Bits()), "dev", "eno1")
	l.In(n.Name, "ip", "route", "add", "default", "via", l.Profile.Management.Gateway.String())
	l.In(n.Name, "sh", "-c", "ssh-keygen -A >/dev/null; systemctl reset-failed ssh; systemctl restart ssh")
}

// InstallImages makes the images of all nodes, gives each system the two
// packages that its image brings, and starts the agents.
func (l *Lab) InstallImages() {
	l.T.Helper()
	out := l.T.TempDir()
	l.Host(l.Tool("mkimage"), "--all", "--profile", l.File, "--iso", l.iso(), "--out", out)
	for _, n := range l.Profile.Nodes {
		pool := filepath.Join(out, "pool-"+n.Name)
		l.Host("xorriso", "-osirrox", "on", "-indev", filepath.Join(out, l.Profile.Cluster.Name+"-"+n.Name+".iso"), "-extract", "/proxmox/packages", pool)
		packages, err := filepath.Glob(filepath.Join(pool, "ringboot*.deb"))
		l.Must(err)
		if len(packages) != 2 {
			l.T.Fatalf("the image of %s brings the packages %v, not agent and seed", n.Name, packages)
		}
		for _, p := range packages {
			content, err := os.ReadFile(p)
			l.Must(err)
			_, err = l.Systems[n.Name].Feed(l.Ctx, content, "sh", "-c", "cat >/tmp/"+filepath.Base(p))
			l.Must(err)
		}
		l.In(n.Name, "sh", "-c", "dpkg -i /tmp/ringboot*.deb && rm /tmp/ringboot*.deb")
	}
	for name := range l.Systems {
		l.In(name, "systemctl", "daemon-reload")
		l.In(name, "systemctl", "start", "ringboot")
	}
}

// Tool is the path of mkimage or peers.
func (l *Lab) Tool(name string) string { return filepath.Join(l.Dir, name) }

// build makes mkimage or peers.
func (l *Lab) build(program string) {
	l.T.Helper()
	if out, err := exec.CommandContext(l.Ctx, "go", "build", "-o", l.Tool(program), "ringboot/cmd/"+program).CombinedOutput(); err != nil {
		l.T.Fatalf("go build %s: %v\n%s", program, err, out)
	}
}

// Must ends the test at an error.
func (l *Lab) Must(err error) {
	l.T.Helper()
	if err != nil {
		l.T.Fatal(err)
	}
}

// Host runs a program of this machine, with the lab's keyring.
func (l *Lab) Host(argv ...string) string {
	l.T.Helper()
	return l.Output(exec.CommandContext(l.Ctx, argv[0], argv[1:]...))
}

// Output runs a command with the lab's keyring, and with a home of its own,
// without keys, and returns what it prints.
func (l *Lab) Output(cmd *exec.Cmd) string {
	l.T.Helper()
	cmd.Env = append(os.Environ(), "HOME="+l.Dir, "XDG_DATA_HOME="+filepath.Join(l.Dir, "keyring"))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		l.T.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, errs.String())
	}
	return string(out)
}

// In runs a program in a system.
func (l *Lab) In(node string, argv ...string) string {
	l.T.Helper()
	out, err := l.Systems[node].Run(l.Ctx, argv...)
	l.Must(err)
	return string(out)
}

// state is what firstboot status says of a node.
type state struct {
	Phase   string `json:"phase"`
	Waiting string `json:"waiting"`
	Stopped bool   `json:"stopped"`
}

// Await waits until every node is through all of its steps, and more holds;
// more may be nil.
func (l *Lab) Await(more func() bool) {
	l.T.Helper()
	said := map[string]state{}
	for {
		formed := 0
		for _, n := range l.Profile.Nodes {
			var now state
			out, err := l.Systems[n.Name].Run(l.Ctx, "firstboot", "status", "--json")
			if err != nil || json.Unmarshal(out, &now) != nil {
				continue // it does not answer yet
			}
			if now != said[n.Name] {
				said[n.Name] = now
				l.T.Logf("%s %s is in %s: %s", time.Now().Format(time.TimeOnly), n.Name, now.Phase, now.Waiting)
			}
			if now.Phase == "formed" {
				formed++
			}
		}
		if formed == len(l.Profile.Nodes) && (more == nil || more()) {
			return
		}
		select {
		case <-l.Ctx.Done():
			l.Explain()
			l.T.Fatalf("the trip did not end: %v", l.Ctx.Err())
		case <-time.After(2 * time.Second):
		}
	}
}

// AwaitKeepers waits until the builder has left every node, and its keeper runs.
func (l *Lab) AwaitKeepers() {
	l.T.Helper()
	ctx, cancel := context.WithTimeout(l.Ctx, leaveLimit)
	defer cancel()
	for _, n := range l.Profile.Nodes {
		for {
			out, _ := l.Systems[n.Name].Run(ctx, "systemctl", "is-active", "ringboot", "ringboot-keeper") // fails where one is not
			states := strings.Fields(string(out))
			if slices.Equal(states, []string{"inactive", "active"}) {
				break
			}
			select {
			case <-ctx.Done():
				l.Explain()
				l.T.Fatalf("builder and keeper of %s are %q, not inactive and active: %v", n.Name, states, ctx.Err())
			case <-time.After(time.Second):
			}
		}
	}
}

// leaveLimit is how long the builders may take to leave once all is done.
const leaveLimit = 5 * time.Minute

// Explain shows what the nodes say when a trip went wrong.
func (l *Lab) Explain() {
	for name, s := range l.Systems {
		for _, argv := range [][]string{{"firstboot", "status"}, {"journalctl", "-u", "ringboot", "-u", "ringboot-keeper", "--no-pager", "-n", "40"}} {
			out, _ := s.Run(context.WithoutCancel(l.Ctx), argv...)
			l.T.Logf("%s: %s:\n%s", name, strings.Join(argv, " "), out)
		}
	}
}
