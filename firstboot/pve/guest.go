package pve

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Guests are the guests as the tools of one node see them.
type Guests struct{ Shell }

// Guest is one guest of the cluster.
type Guest struct {
	ID   int
	Kind string // qemu, lxc
	Node string
	Name string
	Tags []string
}

// All lists the guests of the whole cluster from their configuration files,
// which are right even where a node is away.
func (g Guests) All() ([]Guest, error) {
	nodes, err := g.Host.Files.ReadDir("/etc/pve/nodes")
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the guests: %w", err)
	}
	var out []Guest
	for _, node := range nodes {
		for _, of := range []struct{ dir, kind string }{{"qemu-server", "qemu"}, {"lxc", "lxc"}} {
			at := "/etc/pve/nodes/" + node.Name() + "/" + of.dir
			list, err := g.Host.Files.ReadDir(at)
			if isMissing(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("list the guests: %w", err)
			}
			for _, f := range list {
				id, err := strconv.Atoi(strings.TrimSuffix(f.Name(), ".conf"))
				if err != nil || !strings.HasSuffix(f.Name(), ".conf") {
					continue
				}
				text, err := g.Host.Files.ReadFile(at + "/" + f.Name())
				if isMissing(err) {
					continue // it moved while we looked
				}
				if err != nil {
					return nil, fmt.Errorf("read guest %d: %w", id, err)
				}
				guest := ParseGuest(string(text))
				guest.ID, guest.Kind, guest.Node = id, of.kind, node.Name()
				out = append(out, guest)
			}
		}
	}
	slices.SortFunc(out, func(a, b Guest) int { return a.ID - b.ID })
	return out, nil
}

// ParseGuest reads name and tags of a guest's configuration.
func ParseGuest(text string) Guest {
	var g Guest
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			break // snapshots follow
		}
		switch key, value, _ := strings.Cut(line, ": "); key {
		case "name", "hostname":
			g.Name = value
		case "tags":
			g.Tags = strings.FieldsFunc(value, func(r rune) bool { return r == ';' || r == ',' || r == ' ' })
		}
	}
	return g
}

// NextID asks for a free id.
func (g Guests) NextID(ctx context.Context) (int, error) {
	var raw json.RawMessage
	if err := g.readJSON(ctx, &raw, "pvesh", "get", "/cluster/nextid", "--output-format", "json"); err != nil {
		return 0, err
	}
	id, err := strconv.Atoi(strings.Trim(strings.TrimSpace(string(raw)), `"`))
	if err != nil {
		return 0, fmt.Errorf("the next free guest id is %s: %w", raw, err)
	}
	return id, nil
}

// Create makes a small guest without a disk, marked from its first moment by
// its tag.
func (g Guests) Create(ctx context.Context, id int, name, tag string) error {
	_, err := g.change(ctx, 2*time.Minute, "qm", "create", strconv.Itoa(id), "--name", name, "--tags", tag, "--memory", "128", "--cores", "1",
		"--ostype", "l26", "--onboot", "0", "--scsihw", "virtio-scsi-single", "--serial0", "socket")
	return err
}

// Import makes an image of a pool from a file.
func (g Guests) Import(ctx context.Context, pool, file, image string) error {
	_, err := g.change(ctx, 2*time.Minute, "rbd", "import", "--no-progress", "--dest-pool", pool, file, image)
	return err
}

// ImportDisk makes a guest's first image from a file and gives it to the guest.
func (g Guests) ImportDisk(ctx context.Context, id int, pool, file string) error {
	if err := g.Import(ctx, pool, file, DiskImage(id)); err != nil {
		return err
	}
	_, err := g.change(ctx, time.Minute, "qm", "set", strconv.Itoa(id), "--scsi0", pool+":"+DiskImage(id))
	return err
}

// DiskImage is the name of a guest's first image.
func DiskImage(id int) string { return fmt.Sprintf("vm-%d-disk-0", id) }

// Export reads an image of a pool back into a file.
func (g Guests) Export(ctx context.Context, pool, image, file string) error {
	// rbd does not overwrite.
	if err := g.Host.Files.Remove(file); err != nil {
		return err
	}
	_, err := g.change(ctx, 2*time.Minute, "rbd", "export", "--no-progress", pool+"/"+image, file)
	return err
}

// Images lists the images of a pool.
func (g Guests) Images(ctx context.Context, pool string) ([]string, error) {
	var out []string
	return out, g.readJSON(ctx, &out, "rbd", "ls", pool, "--format", "json")
}

// RemoveImage removes an image that belongs to no guest.
func (g Guests) RemoveImage(ctx context.Context, pool, image string) error {
	_, err := g.change(ctx, 2*time.Minute, "rbd", "rm", "--no-progress", pool+"/"+image)
	return err
}

// Running reports whether a guest runs on this node.
func (g Guests) Running(ctx context.Context, id int) (bool, error) {
	r, err := g.read(ctx, "qm", "status", strconv.Itoa(id))
	if err != nil {
		return false, err
	}
	return strings.TrimSpace(string(r.Stdout)) == "status: running", nil
}

// Runs reports whether a guest of either kind runs on this node.
func (g Guests) Runs(ctx context.Context, of Guest) (bool, error) {
	if of.Kind != "lxc" {
		return g.Running(ctx, of.ID)
	}
	r, err := g.read(ctx, "pct", "status", strconv.Itoa(of.ID))
	return err == nil && strings.TrimSpace(string(r.Stdout)) == "status: running", err
}

// Start starts a guest on this node.
func (g Guests) Start(ctx context.Context, id int) error {
	_, err := g.change(ctx, 2*time.Minute, "qm", "start", strconv.Itoa(id))
	return err
}

// Stop stops a guest on this node at once.
func (g Guests) Stop(ctx context.Context, id int) error {
	_, err := g.change(ctx, 2*time.Minute, "qm", "stop", strconv.Itoa(id))
	return err
}

// Destroy removes a guest of this node with its disks.
func (g Guests) Destroy(ctx context.Context, id int) error {
	_, err := g.change(ctx, 3*time.Minute, "qm", "destroy", strconv.Itoa(id), "--purge", "1", "--destroy-unreferenced-disks", "1")
	return err
}

// Move is what the log of a live migration says.
type Move struct {
	Downtime float64 `json:"downtime_ms"`
	Speed    string  `json:"speed,omitempty"` // as logged: 256.0 MiB/s
	Seconds  float64 `json:"seconds"`
}

var (
	downtimeWords = regexp.MustCompile(`average migration speed: (.+?) - downtime (\d+) ms`)
	durationWords = regexp.MustCompile(`migration finished successfully \(duration (\d+):(\d+):(\d+)\)`)
)

// ParseMove reads the log of a live migration. ok is false where it did not
// finish successfully or names no downtime.
func ParseMove(log string) (m Move, ok bool) {
	down := downtimeWords.FindStringSubmatch(log)
	took := durationWords.FindStringSubmatch(log)
	if down == nil || took == nil {
		return Move{}, false
	}
	m.Speed = down[1]
	m.Downtime, _ = strconv.ParseFloat(down[2], 64)
	for _, part := range took[1:] {
		n, _ := strconv.Atoi(part)
		m.Seconds = m.Seconds*60 + float64(n)
	}
	return m, true
}

// Migrate moves a running guest from this node to another and returns what the
// log says.
func (g Guests) Migrate(ctx context.Context, id int, target string) (Move, error) {
	r, err := g.change(ctx, 10*time.Minute, "qm", "migrate", strconv.Itoa(id), target, "--online", "1")
	if err != nil {
		return Move{}, err
	}
	move, ok := ParseMove(string(r.Stdout) + string(r.Stderr))
	if !ok {
		return Move{}, &Refused{Argv: []string{"qm", "migrate", strconv.Itoa(id)}, Said: telling(r)}
	}
	return move, nil
}

// Bench is what rados bench measured, in 1e6 bytes per second.
type Bench struct{ Write, Read float64 }

var benchWords = regexp.MustCompile(`(?m)^Bandwidth \(MB/sec\):\s+([0-9.]+)`)

// ParseBench reads the bandwidth that rados bench prints; its megabyte has 2^20 bytes.
func ParseBench(text string) (float64, bool) {
	m := benchWords.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	mib, err := strconv.ParseFloat(m[1], 64)
	return mib * (1 << 20) / 1e6, err == nil
}

// Bench writes and reads a pool for some seconds each, under a name of its
// own; CleanBench removes what it wrote.
func (g Guests) Bench(ctx context.Context, pool, run string, seconds int) (Bench, error) {
	var b Bench
	for _, part := range []struct {
		mode string
		into *float64
		more []string
	}{{"write", &b.Write, []string{"--no-cleanup"}}, {"seq", &b.Read, nil}} {
		argv := append([]string{"rados", "bench", "-p", pool, strconv.Itoa(seconds), part.mode, "-t", "16", "--run-name", run}, part.more...)
		r, err := g.change(ctx, time.Duration(seconds)*time.Second+2*time.Minute, argv...)
		if err != nil {
			return b, err
		}
		rate, ok := ParseBench(string(r.Stdout))
		if !ok {
			return b, &Refused{Argv: argv, Said: telling(r)}
		}
		*part.into = rate
	}
	return b, nil
}

// CleanBench removes what a benchmark of that name left in a pool.
func (g Guests) CleanBench(ctx context.Context, pool, run string) error {
	_, err := g.change(ctx, 5*time.Minute, "rados", "-p", pool, "cleanup", "--run-name", run)
	return err
}
