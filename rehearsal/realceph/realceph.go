// Package realceph runs the Ceph that Debian ships, for tests: monitors,
// managers and OSDs as processes of the test, each with its data in one
// directory and its address on a machine of the test. What the stand-in says and
// what the product understands is held against it, and what a cable that is
// pulled costs those who write.
//
// It is Ceph without Proxmox: nothing of pveceph, systemd or ceph-volume is in it,
// and an OSD lies on a file.
package realceph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Tools are the programs with their packages, as need.Tools takes them.
var Tools = []string{"ceph:ceph-common", "rbd:ceph-common", "rados:ceph-common", "ceph-mon", "ceph-mgr", "ceph-osd", "monmaptool:ceph-common", "ceph-authtool:ceph-common"}

// Place is where a monitor, a manager and an OSD run.
type Place struct {
	Name string
	Addr netip.Addr
	// Port is the monitor's; 0: those of Ceph.
	Port uint16
	// Under is a program that becomes another in the network of the machine, with
	// its words; none: beside the test.
	Under []string
}

// Cluster is a Ceph of one monitor, manager and OSD on each machine.
type Cluster struct {
	FSID     string
	dir      string
	machines []Place
	daemons  []daemon
}

type daemon struct {
	program, id string
	cmd         *exec.Cmd
	stdin       io.Closer
}

func (d daemon) end() {
	d.stdin.Close()
	_ = d.cmd.Wait() // it was killed, and says so
}

// osdBytes is the size of an OSD's file, which is sparse.
const osdBytes = 4 << 30

// Start makes a cluster below dir and waits for its monitors, managers and OSDs.
// The caller closes it.
func Start(ctx context.Context, dir string, machines []Place) (*Cluster, error) {
	c := &Cluster{FSID: "5f5c1f0e-2a5e-4c52-9f0e-7c0f6d3d8e11", dir: dir, machines: machines}
	for _, step := range []func(context.Context) error{c.write, c.monitors, c.managers, c.osds} {
		if err := step(ctx); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Close ends the daemons, at once: their data is the test's.
func (c *Cluster) Close() {
	for _, d := range c.daemons {
		d.end()
	}
	c.daemons = nil
}

// Stop kills one daemon.
func (c *Cluster) Stop(program, id string) error {
	i := slices.IndexFunc(c.daemons, func(d daemon) bool { return d.program == program && d.id == id })
	if i < 0 {
		return fmt.Errorf("no %s %s runs", program, id)
	}
	c.daemons[i].end()
	c.daemons = slices.Delete(c.daemons, i, i+1)
	return nil
}

// Conf is the path of ceph.conf, which names the key of client.admin too.
func (c *Cluster) Conf() string { return c.path("ceph.conf") }

func (c *Cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

func (c *Cluster) write(ctx context.Context) error {
	var b strings.Builder
	var names, addrs []string
	for _, m := range c.machines {
		names = append(names, m.Name)
		addrs = append(addrs, monitorAddr(m))
	}
	fmt.Fprintf(&b, "[global]\nfsid = %s\nmon initial members = %s\nmon host = %s\n", c.FSID, strings.Join(names, ","), strings.Join(addrs, ","))
	b.WriteString("auth cluster required = cephx\nauth service required = cephx\nauth client required = cephx\nauth allow insecure global id reclaim = false\n")
	b.WriteString("osd pool default size = 3\nosd pool default min size = 2\nosd pool default pg num = 8\nosd crush update on start = true\n")
	b.WriteString("ms bind port min = 7000\n")                          // below listen the stand-ins
	b.WriteString("mon data avail warn = 1\nmon data avail crit = 1\n") // the disk below is not theirs to judge
	for _, key := range []string{"run dir = run", "crash dir = crash", "log file = log/$name.log", "mon cluster log file = log/cluster.log"} {
		name, value, _ := strings.Cut(key, " = ")
		fmt.Fprintf(&b, "%s = %s\n", name, c.path(value))
	}
	fmt.Fprintf(&b, "[client.admin]\nkeyring = %s\n", c.path("admin.keyring"))
	for _, kind := range []string{"mon", "mgr", "osd"} {
		fmt.Fprintf(&b, "[%s]\n%s data = %s\nkeyring = %s\nadmin socket = %s\n", kind, kind, c.path(kind+".$id"), c.path(kind+".$id", "keyring"), c.path("run", "$name.asok"))
	}
	fmt.Fprintf(&b, "bluestore block size = %d\nosd memory target = %d\n", osdBytes, 1<<30)
	for i, m := range c.machines {
		fmt.Fprintf(&b, "[mon.%s]\npublic addr = %s\n[mgr.%s]\npublic addr = %s\n", m.Name, m.Addr, m.Name, m.Addr)
		fmt.Fprintf(&b, "[osd.%d]\npublic addr = %s\ncluster addr = %s\ncrush location = root=default host=%s\n", i, m.Addr, m.Addr, m.Name)
	}
	for _, d := range []string{"run", "crash", "log"} {
		if err := os.MkdirAll(c.path(d), 0o700); err != nil {
			return err
		}
	}
	return os.WriteFile(c.Conf(), []byte(b.String()), 0o600)
}

func monitorAddr(m Place) string {
	if m.Port != 0 {
		return fmt.Sprintf("[v2:%s:%d]", m.Addr, m.Port)
	}
	return fmt.Sprintf("[v2:%s:3300,v1:%s:6789]", m.Addr, m.Addr)
}

func (c *Cluster) monitors(ctx context.Context) error {
	ring, boot, monmap := c.path("admin.keyring"), c.path("mon.keyring"), c.path("monmap")
	list := []string{"monmaptool", "--create", "--fsid", c.FSID}
	for _, m := range c.machines {
		list = append(list, "--addv", m.Name, monitorAddr(m))
	}
	steps := [][]string{
		{"ceph-authtool", "--create-keyring", ring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mds", "allow *", "--cap", "mgr", "allow *"},
		{"ceph-authtool", "--create-keyring", boot, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"},
		{"ceph-authtool", boot, "--import-keyring", ring},
		append(list, monmap),
	}
	for _, m := range c.machines {
		steps = append(steps, []string{"ceph-mon", "--mkfs", "-i", m.Name, "--monmap", monmap, "--keyring", boot})
	}
	for _, argv := range steps {
		if _, err := c.Run(ctx, argv...); err != nil {
			return err
		}
	}
	for _, m := range c.machines {
		if err := c.daemon(m, "ceph-mon", m.Name); err != nil {
			return err
		}
	}
	return c.Await(ctx, "monitors in quorum", func(ctx context.Context) (bool, error) {
		var q struct {
			Names []string `json:"quorum_names"`
		}
		out, err := c.Ceph(ctx, "quorum_status", "-f", "json")
		if err != nil {
			return false, err
		}
		err = json.Unmarshal([]byte(out), &q)
		return len(q.Names) == len(c.machines), err
	})
}

func (c *Cluster) managers(ctx context.Context) error {
	for _, m := range c.machines {
		if err := c.keyring(ctx, "mgr."+m.Name, "mon", "allow profile mgr", "osd", "allow *", "mds", "allow *"); err != nil {
			return err
		}
		if err := c.daemon(m, "ceph-mgr", m.Name); err != nil {
			return err
		}
	}
	return c.Await(ctx, "an active manager", func(ctx context.Context) (bool, error) {
		out, err := c.Ceph(ctx, "mgr", "dump", "-f", "json")
		return strings.Contains(out, `"available":true`), err
	})
}

func (c *Cluster) osds(ctx context.Context) error {
	for i, m := range c.machines {
		id := fmt.Sprint(i)
		uuid := fmt.Sprintf("%s%02d", c.FSID[:len(c.FSID)-2], i)
		out, err := c.Ceph(ctx, "osd", "new", uuid)
		if err != nil {
			return err
		}
		if strings.TrimSpace(out) != id {
			return fmt.Errorf("osd new on %s gives %q, not %s", m.Name, strings.TrimSpace(out), id)
		}
		if err := c.keyring(ctx, "osd."+id, "mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"); err != nil {
			return err
		}
		if _, err := c.Run(ctx, "ceph-osd", "-i", id, "--mkfs", "--osd-uuid", uuid); err != nil {
			return err
		}
		if err := c.daemon(m, "ceph-osd", id); err != nil {
			return err
		}
	}
	return c.Await(ctx, "OSDs up", func(ctx context.Context) (bool, error) {
		out, err := c.Ceph(ctx, "osd", "stat", "-f", "json")
		return strings.Contains(out, fmt.Sprintf(`"num_up_osds":%d`, len(c.machines))), err
	})
}

// keyring makes the directory of a daemon with its key.
func (c *Cluster) keyring(ctx context.Context, name string, caps ...string) error {
	dir := c.path(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	_, err := c.Ceph(ctx, append([]string{"auth", "get-or-create", name, "-o", filepath.Join(dir, "keyring")}, caps...)...)
	return err
}

// daemon starts a daemon. It ends when its standard input does, so that none
// outlives the test.
func (c *Cluster) daemon(m Place, program, id string) error {
	argv := slices.Concat(m.Under, []string{"sh", "-c", `"$@" & cat >/dev/null; kill -KILL $!`, program, program, "-f", "-i", id, "-c", c.Conf()})
	cmd := exec.Command(argv[0], argv[1:]...)
	out, err := os.Create(c.path("log", program+"."+id+".out"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s of %s: %w", program, m.Name, err)
	}
	c.daemons = append(c.daemons, daemon{program, id, cmd, stdin})
	return nil
}

// Run runs a program of Ceph's on the first machine.
func (c *Cluster) Run(ctx context.Context, argv ...string) (string, error) {
	r, err := c.Exec(ctx, c.machines[0], argv, nil)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("code %d: %s", r.Code, bytes.TrimSpace(r.Stderr))
	}
	if err != nil {
		return string(r.Stdout), fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
	}
	return string(r.Stdout), nil
}

// Ceph runs the program ceph with these words.
func (c *Cluster) Ceph(ctx context.Context, words ...string) (string, error) {
	return c.Run(ctx, append([]string{"ceph", "--connect-timeout", "20"}, words...)...)
}

// Pool makes a pool of 32 groups for images, and waits until they are clean.
func (c *Cluster) Pool(ctx context.Context, name string) error {
	for _, words := range [][]string{
		{"osd", "pool", "create", name, "32"}, {"osd", "pool", "set", name, "pg_autoscale_mode", "on"}, {"osd", "pool", "application", "enable", name, "rbd"},
	} {
		if _, err := c.Ceph(ctx, words...); err != nil {
			return err
		}
	}
	return c.Await(ctx, "the pool "+name+" clean", func(ctx context.Context) (bool, error) {
		var s struct {
			Health struct{ Status string }
			PGMap  struct {
				All    int `json:"num_pgs"`
				States []struct {
					Name  string `json:"state_name"`
					Count int
				} `json:"pgs_by_state"`
			}
		}
		out, err := c.Ceph(ctx, "-s", "-f", "json")
		if err != nil {
			return false, err
		}
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			return false, err
		}
		clean := len(s.PGMap.States) == 1 && s.PGMap.States[0].Name == "active+clean" && s.PGMap.All >= 32
		if !clean || s.Health.Status != "HEALTH_OK" {
			return false, fmt.Errorf("%s, groups %v", s.Health.Status, s.PGMap.States)
		}
		return true, nil
	})
}

// Await asks until what holds, for as long as ctx lasts.
func (c *Cluster) Await(ctx context.Context, what string, holds func(context.Context) (bool, error)) error {
	for {
		ok, err := holds(ctx)
		if ok && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: not in time", what), err)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// Result is what a program left behind.
type Result struct {
	Stdout, Stderr []byte
	Code           int
}

// Exec runs a program of Ceph's on a machine. It fails only where the program
// could not be run to its end.
func (c *Cluster) Exec(ctx context.Context, m Place, argv []string, stdin []byte) (Result, error) {
	argv = slices.Concat(m.Under, argv)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "CEPH_CONF="+c.Conf())
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	if cmd.ProcessState == nil {
		return Result{}, err
	}
	return Result{out.Bytes(), said.Bytes(), cmd.ProcessState.ExitCode()}, err
}
