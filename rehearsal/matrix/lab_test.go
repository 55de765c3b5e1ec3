package matrix_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringboot/firstboot/cluster"
	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/machine"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/tools"
)

// lab is three machines made of namespaces, with the real corosync and the
// stand-ins of Proxmox VE that rehearsals use.
type lab struct {
	t    *testing.T
	dir  string
	pids map[string]int
}

const labScripts = "../../rehearsal/machine/testdata/lab"

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), pids: map[string]int{}}
	bin := filepath.Join(l.dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "pvestandin"), "ringboot/rehearsal/machine/pvestandin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range append(tools.Links(), "practice-link") {
		if err := os.Symlink("pvestandin", filepath.Join(bin, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	script, err := os.ReadFile(filepath.Join(labScripts, "systemctl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	world, err := machine.Listen(t.Context(), filepath.Join(l.dir, "world"), machine.Real{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.Close)
	l.network()
	return l
}

var labs atomic.Int64

// network makes the machines: one network for management, one for the ring.
func (l *lab) network() {
	net, err := lan.New(&labs)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := net.Close(); err != nil {
			l.t.Error(err)
		}
	})
	management, err1 := net.Switch()
	ring, err2 := net.Switch()
	if err := errors.Join(err1, err2); err != nil {
		l.t.Fatal(err)
	}
	for i, n := range testProfile().Nodes {
		m, err := net.Machine(n.Name)
		if err != nil {
			l.t.Fatal(err)
		}
		if _, err := m.Plug(management, n.Address.String()+"/24"); err != nil {
			l.t.Fatal(err)
		}
		if _, err := m.Plug(ring, n.Ring.String()+"/24"); err != nil {
			l.t.Fatal(err)
		}
		l.boot(m, n.Name, i+1)
	}
}

// boot starts a machine and waits for its pmxcfs.
func (l *lab) boot(m *lan.Namespace, name string, number int) {
	cmd := m.Command("unshare", "-m", "-u", "-i", "-p", "-f", "--kill-child", "/bin/bash", labScripts+"/node.sh", l.dir, name, strconv.Itoa(number))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill() // and with it all that runs in the machine
		_ = cmd.Wait()
	})
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(l.dir, name+".up")); err == nil {
			l.pids[name] = l.child(cmd.Process.Pid)
			return
		}
	}
	l.t.Fatalf("%s does not come up: %s", name, out.String())
}

// child is the first process of the machine.
func (l *lab) child(pid int) int {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		l.t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.Fields(string(raw) + " 0")[0])
	if err != nil || child == 0 {
		l.t.Fatalf("process %d has no child", pid)
	}
	return child
}

// labCommands runs programs on a machine.
type labCommands struct {
	l   *lab
	pid int
}

func (c labCommands) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	limit := cmd.Timeout
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	argv := append([]string{"-t", strconv.Itoa(c.pid), "-m", "-u", "-i", "-n", "-p", "env", "LC_ALL=C", "PATH=" + c.l.dir + "/bin:" + os.Getenv("PATH")}, cmd.Argv...)
	run := exec.CommandContext(ctx, "nsenter", argv...)
	run.Stdin = bytes.NewReader(cmd.Stdin)
	run.WaitDelay = time.Second // a daemon that it started may hold the pipe
	var out, errs bytes.Buffer
	run.Stdout, run.Stderr = &out, &errs
	err := run.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return host.Result{Stdout: out.Bytes(), Stderr: errs.Bytes(), Code: exit.ExitCode()}, nil
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return host.Result{Stdout: out.Bytes(), Stderr: errs.Bytes()}, err
}

// Three agents found a cluster of real corosyncs, all at once and in real
// time, over /etc/pve of the stand-in that rehearsals use.
func TestRealCorosync(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "corosync", "nsenter:util-linux", "unshare:util-linux", "ip:iproute2", "pgrep:procps")
	l := newLab(t)
	p := testProfile()
	mem := trust.NewMemory()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	says, formed := map[string]string{}, map[string]time.Time{}
	start := time.Now()
	for _, n := range p.Nodes {
		h := l.host(n.Name)
		kick := make(chan struct{}, 1)
		o := cluster.Options{Host: h, Profile: p, Node: n.Name, Plan: "0123456789abcdef", Peers: mem.Node(n.Name), Kick: func() {
			select {
			case kick <- struct{}{}:
			default:
			}
		}}
		cluster, proof := cluster.New(o), cluster.NewProof(o)
		cluster.Register(mem.Node(n.Name))
		proof.Register(mem.Node(n.Name))
		all.Go(func() {
			for _, s := range []step.Step{cluster, proof} {
				for ctx.Err() == nil {
					v, err := s.Check(ctx)
					if err == nil && v.State == step.Todo {
						err = s.Apply(ctx)
					}
					mu.Lock()
					if _, ok := formed[n.Name]; !ok && v.State == step.Done {
						formed[n.Name] = time.Now()
					}
					says[n.Name] = fmt.Sprintf("%s %v: %s (%v)", s.Name(), v.State, v.Reason, err)
					mu.Unlock()
					if v.State == step.Done {
						break
					}
					select {
					case <-kick:
					case <-time.After(time.Second):
					case <-ctx.Done():
					}
				}
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		t.Fatalf("not formed: %v\n%s", says, l.logs())
	}
	need.Figure("cluster.real_corosync_seconds", time.Since(start).Seconds(), "s")
	ours := slices.MaxFunc(slices.Collect(maps.Values(formed)), time.Time.Compare).Sub(start)
	var conf string
	for _, n := range p.Nodes {
		q, err := labCommands{l, l.pids[n.Name]}.Run(context.Background(), host.Cmd{Argv: []string{"corosync-quorumtool", "-s"}})
		if err != nil || q.Code != 0 || !strings.Contains(string(q.Stdout), "Total votes:      3") {
			t.Errorf("%s: %v %d %s%s", n.Name, err, q.Code, q.Stdout, q.Stderr)
		}
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/pve/corosync.conf", l.pids[n.Name]))
		if conf == "" {
			conf = string(raw)
		}
		if err != nil || string(raw) != conf {
			t.Errorf("%s: %v, its configuration differs", n.Name, err)
		}
	}
	l.losesQuorum()
	bare := newLab(t).typed()
	t.Logf("ours %v, bare recipe %v", ours, bare)
	need.Figure("cluster.vs_bare_recipe_real_corosync", ours.Seconds()/bare.Seconds(), "ratio")
}

// host is a machine of the lab.
func (l *lab) host(node string) host.Host {
	h := host.New(fmt.Sprintf("/proc/%d/root", l.pids[node]))
	h.Commands = labCommands{l, l.pids[node]}
	return h
}

// typed is the bare recipe on these machines.
func (l *lab) typed() time.Duration {
	return bareRecipe(hands{t: l.t, now: time.Now, pause: func() { time.Sleep(100 * time.Millisecond) },
		files: func(node string) host.Files { return l.host(node).Files },
		run: func(node, line string) {
			res, err := l.host(node).Commands.Run(context.Background(), host.Cmd{Argv: strings.Fields(line), Timeout: time.Minute})
			if err != nil || res.Code != 0 {
				l.t.Fatalf("%s on %s: %v %d %s\n%s", line, node, err, res.Code, res.Stderr, l.logs())
			}
		}})
}

// losesQuorum stops two corosyncs and sees /etc/pve of the third refuse writes.
func (l *lab) losesQuorum() {
	for _, n := range []string{"russell", "wittgenstein"} {
		if _, err := (labCommands{l, l.pids[n]}).Run(context.Background(), host.Cmd{Argv: []string{"systemctl", "stop", "corosync"}}); err != nil {
			l.t.Fatal(err)
		}
	}
	probe := fmt.Sprintf("/proc/%d/root/etc/pve/probe", l.pids["frege"])
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if err := os.WriteFile(probe, []byte("x"), 0o600); err != nil {
			return
		}
	}
	l.t.Error("/etc/pve of frege takes writes without quorum")
}

// logs are the last words of the machines' daemons.
func (l *lab) logs() string {
	var b strings.Builder
	for name, pid := range l.pids {
		for _, f := range []string{"pmxcfs", "corosync.out", "corosync/corosync.log"} {
			raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/root/var/log/%s", pid, f))
			fmt.Fprintf(&b, "== %s %s\n%s\n", name, f, raw[max(0, len(raw)-1500):])
		}
	}
	return b.String()
}
