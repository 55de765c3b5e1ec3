package ceph

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

const rbdBlock = 4096

// rbd knows import, export, ls and rm.
func rbd(c *sim.Call) int {
	c.Work(300 * time.Millisecond)
	words, opt := shell.Options(c.Argv[1:], "no-progress")
	k, ok := judgeWithin(c, 5*time.Second)
	if !ok || k.up < 2 {
		return c.Exit(1, "rbd: couldn't connect to the cluster!")
	}
	s := k.store
	if len(words) > 1 && (words[0] == "export" || words[0] == "rm") && !has(s.Objects, words[1]) {
		return c.Exit(2, "rbd: error opening image %s: (2) No such file or directory", words[1])
	}
	switch {
	case len(words) == 3 && words[0] == "import":
		name := opt["dest-pool"] + "/" + words[2]
		raw, err := c.ReadFile(words[1])
		switch {
		case err != nil:
			return c.Exit(2, "rbd: error opening %s", words[1])
		case s.pool(opt["dest-pool"]) == nil:
			return c.Exit(2, "rbd: error opening pool '%s': (2) No such file or directory", opt["dest-pool"])
		case has(s.Objects, name):
			return c.Exit(17, "rbd: image creation failed\nrbd: import failed: (17) File exists")
		}
		img := image{Bytes: int64(len(raw)), Blocks: map[int64][]byte{}}
		zero := make([]byte, rbdBlock)
		for at := 0; at < len(raw); at += rbdBlock {
			if b := raw[at:min(at+rbdBlock, len(raw))]; !bytes.Equal(b, zero[:len(b)]) {
				img.Blocks[int64(at)] = b
			}
		}
		c.Work(500 * time.Millisecond)
		Amend(c, func(s *Store) { s.Objects[name] = img })
		return 0
	case len(words) == 3 && words[0] == "export":
		raw := make([]byte, s.Objects[words[1]].Bytes)
		for at, b := range s.Objects[words[1]].Blocks {
			copy(raw[at:], b)
		}
		if err := c.WriteDirect(words[2], raw); err != nil {
			return c.Exit(1, "rbd: error writing to destination file: %v", err)
		}
		return 0
	case len(words) == 2 && words[0] == "ls":
		names := []string{}
		for _, n := range slices.Sorted(maps.Keys(s.Objects)) {
			if rest, ok := strings.CutPrefix(n, words[1]+"/"); ok {
				names = append(names, rest)
			}
		}
		return c.JSON(names)
	case len(words) == 2 && words[0] == "rm":
		Amend(c, func(s *Store) { delete(s.Objects, words[1]) })
		return 0
	}
	return c.Unknown(22, "rbd", words...)
}

// rados knows bench write, bench seq and cleanup.
func rados(c *sim.Call) int {
	words, opt := shell.Options(c.Argv[1:], "no-cleanup")
	k, ok := judgeWithin(c, 5*time.Second)
	if !ok || k.up < 2 {
		return c.Exit(1, "couldn't connect to cluster: (110) Connection timed out")
	}
	s := k.store
	mark := opt["p"] + "/bench_" + opt["run-name"]
	switch {
	case len(words) == 3 && words[0] == "bench":
		if words[2] == "seq" && !has(s.Objects, mark) {
			return c.Exit(1, "Must write data before running a read benchmark!\nerror during benchmark: (2) No such file or directory")
		}
		seconds := shell.Number(words[1], 10)
		if words[2] == "write" {
			Amend(c, func(s *Store) { s.Objects[mark] = image{Bytes: 4 << 20} })
		}
		c.Sleep(time.Duration(seconds) * time.Second)
		rate := map[string]float64{"write": 1234.56, "seq": 1680.25}[words[2]]
		c.Outf("hints = 1\nMaintaining 16 concurrent writes of 4194304 bytes to objects of size 4194304 for up to %d seconds or 0 objects\n", seconds)
		c.Outf("Total time run:         %d.0312\nTotal writes made:      %d\nWrite size:             4194304\nObject size:            4194304\nBandwidth (MB/sec):     %g\nStddev Bandwidth:       42.1\nAverage IOPS:           %d\n",
			seconds, int(rate)*seconds/4, rate, int(rate)/4)
		return 0
	case len(words) == 1 && words[0] == "cleanup":
		Amend(c, func(s *Store) { delete(s.Objects, mark) })
		c.Outf("Removed 1 objects\n")
		return 0
	}
	return c.Exit(1, "rados: you must give an action. Try --help")
}

func has(m map[string]image, k string) bool { _, ok := m[k]; return ok }

// Leftovers names what an acceptance must not leave behind: images and
// benchmark objects in the pools, by name.
func Leftovers(m sim.Machine) []string {
	s, _, ok := OpenStore(m)
	if !ok {
		return []string{"no storage to look at"}
	}
	var out []string
	for _, n := range slices.Sorted(maps.Keys(s.Objects)) {
		out = append(out, "object "+n)
	}
	return out
}

// Unhealthy says what is wrong with the storage of a cluster that should have
// so many OSDs, "" if nothing is.
func Unhealthy(m sim.Machine, osds int) string {
	k, ok := judge(m)
	switch {
	case !ok:
		return "no monitor quorum"
	case k.severity != "HEALTH_OK":
		return fmt.Sprint(k.severity, " ", k.checks)
	case len(k.store.OSDs) != osds || k.up != osds || k.in != osds:
		return fmt.Sprintf("%d OSDs, %d up, %d in", len(k.store.OSDs), k.up, k.in)
	case len(k.quorum) != len(k.all):
		return fmt.Sprintf("monitors %v of %v", k.quorum, k.all)
	case len(k.standby)+1 != len(k.all):
		return fmt.Sprintf("managers %s and %v", k.active, k.standby)
	}
	return ""
}
