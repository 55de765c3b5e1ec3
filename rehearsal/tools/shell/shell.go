package shell

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
)

func Exists(m sim.Machine, p string) bool { _, err := m.Lstat(p); return err == nil }

func Remote(m sim.Machine, name string) sim.Machine {
	if name == m.Name() {
		return m
	}
	return m.Remote(name)
}

// Options are the command line after the verb: --name value or --name=value.
func Options(args []string, flags ...string) (positional []string, opt map[string]string) {
	opt = map[string]string{}
	for i := 0; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok {
			if name, ok = strings.CutPrefix(args[i], "-"); !ok {
				positional = append(positional, args[i])
				continue
			}
		}
		if k, v, ok := strings.Cut(name, "="); ok {
			opt[k] = v
			continue
		}
		if next := i + 1; next < len(args) && (!slices.Contains(flags, name) || args[next] == "0" || args[next] == "1") {
			opt[name] = args[next]
			i++
		} else {
			opt[name] = "1"
		}
	}
	return positional, opt
}

// Writable looks at the write bits, of the link and of the directory that it
// leads to: a plain directory in place of pmxcfs has no bits on links.
func Writable(m sim.Machine) bool {
	link, err := m.Lstat(sim.EtcPVE + "/local")
	if err != nil || link.Mode()&0o200 == 0 {
		return false
	}
	own, err := m.Lstat(sim.EtcPVE + "/nodes/" + m.Name())
	if err != nil { // a joiner that has not synced, or a new database of a single node
		_, err = m.Lstat(sim.EtcPVE + "/corosync.conf")
		return err != nil
	}
	return own.Mode()&0o200 != 0
}

func Number(s string, or int) int {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return or
}

type Object = map[string]any

// Shuffled puts a list in the random order that the real API answers in.
func Shuffled(c *sim.Call, list []any) []any {
	for i := len(list) - 1; i > 0; i-- {
		j := c.Random(i + 1)
		list[i], list[j] = list[j], list[i]
	}
	if list == nil {
		list = []any{}
	}
	return list
}

// WithLock does a cluster-wide write under the lock of cfs: ten seconds of
// trying, then the words and the code of the real tools.
func WithLock(c *sim.Call, name string, write func() error) int {
	for range 9 {
		if Writable(c) {
			if err := write(); err != nil {
				return c.Die("%v", err)
			}
			return 0
		}
		c.Errf("trying to acquire cfs lock '%s' ...\n", name)
		c.Sleep(1100 * time.Millisecond)
	}
	return c.Exit(13, "cfs-lock '%s' error: no quorum!", name)
}
