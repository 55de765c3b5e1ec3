package containers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/containers"
)

// trip is three systems on one kernel, cabled as a ring, each with what the
// image of its node brings.
type trip struct {
	t       *testing.T
	ctx     context.Context
	dir     string
	lan     *containers.Switch
	profile *profiles.Profile
	systems map[string]*containers.System
}

func newTrip(t *testing.T) *trip {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
	t.Cleanup(cancel)
	l := &trip{t: t, ctx: ctx, dir: t.TempDir(), systems: map[string]*containers.System{}}
	file := filepath.Join(l.dir, "trip.yaml")
	l.must(os.WriteFile(file, tripProfile(), 0o644))
	var err error
	l.profile, err = profiles.Load(file, tripProfile())
	l.must(err)
	for _, program := range []string{"mkimage", "peers"} {
		l.host("go", "build", "-o", filepath.Join(l.dir, program), "ringboot/cmd/"+program)
	}
	iso, err := base.Practice(ctx, nil)
	l.must(err)
	l.host(filepath.Join(l.dir, "mkimage"), "--all", "--profile", file, "--iso", iso, "--out", l.dir)
	root, err := containers.Unpack(ctx, iso, l.dir)
	l.must(err)
	l.lan, err = containers.NewSwitch(ctx, l.profile.Management.Gateway.String()+"/24")
	l.must(err)
	t.Cleanup(l.lan.Stop)
	for _, n := range l.profile.Nodes {
		l.start(root, n)
	}
	for i, n := range l.profile.Nodes {
		next := l.profile.Nodes[(i+1)%len(l.profile.Nodes)].Name
		l.must(containers.Cable(ctx, l.systems[n.Name], "en05", l.systems[next], "en06"))
	}
	return l
}

// tripProfile is the built-in profile with the cards of a container.
func tripProfile() []byte {
	return []byte(strings.NewReplacer(
		"repository: no-subscription # no-subscription | enterprise | none", "repository: none",
		"allow_single_port: false", "allow_single_port: true\n  keep: true",
		"transport: thunderbolt ", "transport: ethernet ", "mtu: 65520", "mtu: 9000",
		`{name: en05, path: "pci-0000:00:0d.2", driver: thunderbolt-net}`, "{name: en05, interface: en05}",
		`{name: en06, path: "pci-0000:00:0d.3", driver: thunderbolt-net}`, "{name: en06, interface: en06}",
		"driver: igc}", "interface: eno1}",
		"seconds: 10 ", "seconds: 1 ",
	).Replace(string(profiles.DefaultText())))
}

// start starts a system as its image leaves it: installed, with an address,
// two disks, and the packages of agent and seed.
func (l *trip) start(root string, n profiles.Node) {
	l.t.Helper()
	disks := fmt.Sprintf(`[{"Name":"nvme0n1","Serial":"SYSTEM-%[1]s","Model":"Practice system","Bytes":512110190592,"Type":"nvme","Used":"partitions","OSD":-1},
{"Name":"nvme1n1","Serial":"DATA-%[1]s","Model":"Practice data","Bytes":1000204886016,"Type":"nvme","OSD":-1}]`, strings.ToUpper(n.Name))
	s, err := containers.Start(l.ctx, l.dir, root, n.Name, map[string]containers.File{
		"/etc/hostname": {Content: n.Name + "\n"},
		"/etc/hosts":    {Content: fmt.Sprintf("127.0.0.1 localhost\n%s %s.home.arpa %s\n", n.Address, n.Name, n.Name)},
		// One kernel has one clock: chrony may look at it and not turn it.
		"/etc/default/chrony":            {Content: "DAEMON_OPTS=\"-x -F 0\"\n"},
		"/var/lib/pvestandin/disks.json": {Content: disks},
		"/etc/ringboot-practice.speed":   {Content: "0.1\n"},
	})
	l.must(err)
	l.t.Cleanup(s.Stop)
	l.systems[n.Name] = s
	l.must(l.lan.Plug(l.ctx, s, "eno1"))
	l.in(n.Name, "ip", "address", "add", n.Address.String()+"/24", "dev", "eno1")
	l.in(n.Name, "ip", "route", "add", "default", "via", l.profile.Management.Gateway.String())
	l.in(n.Name, "sh", "-c", "ssh-keygen -A >/dev/null; systemctl reset-failed ssh; systemctl restart ssh")
	pool := filepath.Join(l.dir, "pool-"+n.Name)
	l.host("xorriso", "-osirrox", "on", "-indev", filepath.Join(l.dir, l.profile.Cluster.Name+"-"+n.Name+".iso"), "-extract", "/proxmox/packages", pool)
	packages, err := filepath.Glob(filepath.Join(pool, "ringboot*.deb"))
	l.must(err)
	if len(packages) != 2 {
		l.t.Fatalf("the image of %s brings the packages %v, not agent and seed", n.Name, packages)
	}
	for _, p := range packages {
		content, err := os.ReadFile(p)
		l.must(err)
		_, err = s.Feed(l.ctx, content, "sh", "-c", "cat >/tmp/"+filepath.Base(p))
		l.must(err)
	}
	l.in(n.Name, "sh", "-c", "dpkg -i /tmp/ringboot*.deb && rm /tmp/ringboot*.deb")
}

func (l *trip) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// host runs a program of this machine.
func (l *trip) host(argv ...string) string {
	l.t.Helper()
	return l.output(exec.CommandContext(l.ctx, argv[0], argv[1:]...))
}

func (l *trip) output(cmd *exec.Cmd) string {
	l.t.Helper()
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(l.dir, "keyring"))
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, errs.String())
	}
	return string(out)
}

// in runs a program in a system.
func (l *trip) in(node string, argv ...string) string {
	l.t.Helper()
	out, err := l.systems[node].Run(l.ctx, argv...)
	l.must(err)
	return string(out)
}

// state is what firstboot status says of a node.
type state struct {
	Phase   string `json:"phase"`
	Waiting string `json:"waiting"`
	Stopped bool   `json:"stopped"`
}

// await waits until every node is through all of its steps, and more holds.
func (l *trip) await(more func() bool) {
	l.t.Helper()
	said := map[string]state{}
	for {
		formed := 0
		for _, n := range l.profile.Nodes {
			var now state
			out, err := l.systems[n.Name].Run(l.ctx, "firstboot", "status", "--json")
			if err != nil || json.Unmarshal(out, &now) != nil {
				continue // it does not answer yet
			}
			if now != said[n.Name] {
				said[n.Name] = now
				l.t.Logf("%s %s is in %s: %s", time.Now().Format(time.TimeOnly), n.Name, now.Phase, now.Waiting)
			}
			if now.Phase == "formed" {
				formed++
			}
		}
		if formed == len(l.profile.Nodes) && more() {
			return
		}
		select {
		case <-l.ctx.Done():
			l.explain()
			l.t.Fatalf("the trip did not end: %v", l.ctx.Err())
		case <-time.After(2 * time.Second):
		}
	}
}

// explain shows what the nodes say when a trip went wrong.
func (l *trip) explain() {
	for name, s := range l.systems {
		for _, argv := range [][]string{{"firstboot", "status"}, {"journalctl", "-u", "ringboot", "--no-pager", "-n", "30"}} {
			out, _ := s.Run(context.WithoutCancel(l.ctx), argv...)
			l.t.Logf("%s: %s:\n%s", name, strings.Join(argv, " "), out)
		}
	}
}
