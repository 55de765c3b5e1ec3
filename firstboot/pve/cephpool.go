package pve

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// CreatePool makes a replicated pool for guests and its storage entry. The
// exit code of pveceph says nothing: ask Pools.
func (c Ceph) CreatePool(ctx context.Context, name string, pgs int, ratio float64) error {
	return c.createPool(ctx, name, pgs, "rbd", append(ratioArgs(ratio), "--add_storages", "1")...)
}

func ratioArgs(ratio float64) []string {
	if ratio == 0 {
		return nil
	}
	return []string{"--target_size_ratio", strconv.FormatFloat(ratio, 'f', -1, 64)}
}

// createPool goes on with a pool that is there already.
func (c Ceph) createPool(ctx context.Context, name string, pgs int, application string, args ...string) error {
	r, err := c.change(ctx, 5*time.Minute, append([]string{"pveceph", "pool", "create", name, "--size", "3", "--min_size", "2",
		"--pg_num", fmt.Sprint(pgs), "--pg_autoscale_mode", "on", "--application", application}, args...)...)
	if err != nil {
		return err
	}
	if said := strings.TrimSpace(string(r.Stderr)); said != "" && !strings.Contains(said, "already defined") {
		return &Refused{Argv: []string{"pveceph", "pool", "create"}, Said: telling(r)}
	}
	return nil
}

// SetPool gives a pool that was made by half the properties that it should have.
func (c Ceph) SetPool(ctx context.Context, name string, ratio float64) error {
	_, err := c.change(ctx, 2*time.Minute, append([]string{"pveceph", "pool", "set", name, "--size", "3", "--min_size", "2", "--pg_autoscale_mode", "on", "--application", "rbd"}, ratioArgs(ratio)...)...)
	return err
}

// SetNoOut has OSDs that are down stay in, or not.
func (c Ceph) SetNoOut(ctx context.Context, on bool) error {
	word := "unset"
	if on {
		word = "set"
	}
	return c.cephChange(ctx, "osd", word, "noout")
}

// memoryOption is how much memory an OSD aims at.
const memoryOption = "osd_memory_target"

// OSDMemory is what the monitors have of it for the OSDs of this node, in bytes;
// 0: nothing of its own.
func (c Ceph) OSDMemory(ctx context.Context) (int64, error) {
	var all []struct {
		Section string `json:"section"`
		Mask    string `json:"mask"`
		Name    string `json:"name"`
		Value   string `json:"value"`
	}
	if err := c.ceph(ctx, &all, "config", "dump"); err != nil {
		return 0, err
	}
	for _, o := range all {
		if o.Section == "osd" && o.Mask == "host:"+c.Node && o.Name == memoryOption {
			return strconv.ParseInt(o.Value, 10, 64)
		}
	}
	return 0, nil
}

// SetOSDMemory has the OSDs of this node aim at so many bytes each.
func (c Ceph) SetOSDMemory(ctx context.Context, bytes int64) error {
	return c.cephChange(ctx, "config", "set", "osd/host:"+c.Node, memoryOption, strconv.FormatInt(bytes, 10))
}
