package preflight

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/profiles/medium"
)

var errCut = errors.New("the power is cut")

// device is a stick in memory that loses power: after a number of sectors
// nothing reaches it, and what was not synced may be there or not, sector by sector.
type device struct {
	durable []byte
	cached  map[int64][]byte // by sector
	left    int              // sectors until the cut; negative: never
	chance  *rand.Rand
	writes  int
}

const sectorSize = 512

func (d *device) ReadAt(b []byte, at int64) (int, error) {
	if at+int64(len(b)) > int64(len(d.durable)) {
		return 0, errors.New("beyond the end")
	}
	copy(b, d.durable[at:])
	for s, content := range d.cached {
		off := s * sectorSize
		for i := range content {
			if p := off + int64(i) - at; p >= 0 && p < int64(len(b)) {
				b[p] = content[i]
			}
		}
	}
	return len(b), nil
}

func (d *device) WriteAt(b []byte, at int64) (int, error) {
	if at%sectorSize != 0 || len(b)%sectorSize != 0 {
		return 0, fmt.Errorf("a write of %d bytes at %d is not of whole sectors", len(b), at)
	}
	for i := 0; i < len(b); i += sectorSize {
		if d.left == 0 {
			d.cut()
			return i, errCut
		}
		d.left--
		d.writes++
		d.cached[(at+int64(i))/sectorSize] = bytes.Clone(b[i : i+sectorSize])
	}
	return len(b), nil
}

func (d *device) Sync() error {
	if d.left == 0 {
		d.cut()
		return errCut
	}
	for s, content := range d.cached {
		copy(d.durable[s*sectorSize:], content)
	}
	clear(d.cached)
	return nil
}

// cut keeps any part of what was not synced.
func (d *device) cut() {
	for s, content := range d.cached {
		if d.chance.IntN(2) == 0 {
			copy(d.durable[s*sectorSize:], content)
		}
	}
	clear(d.cached)
	d.left = 0
}

// start gives the stick back as a machine finds it at its next start.
func (d *device) start(left int) *device {
	return &device{durable: bytes.Clone(d.durable), cached: map[int64][]byte{}, left: left, chance: d.chance}
}

const answerOf = "# Ringboot: %[1]s\n\n[global]\nfqdn = '%[1]s.home.arpa'\n\n[disk-setup]\nfilesystem = 'ext4'\nfilter-match = 'any'\n\n[disk-setup.filter]\nID_SERIAL = 'ringboot: no disk was chosen'\n"

// stickFor makes a medium in memory as mkimage leaves it.
func stickFor(p medium.Plan) (*device, medium.Table) {
	const place, seedLen = 4096, 8192
	t := medium.Table{Image: p.Image, Log: medium.Place{Off: 0, Len: medium.LogSize}, Ticket: map[string]medium.Place{}}
	next := t.Log.Len
	take := func(n int64) medium.Place {
		at := medium.Place{Off: next, Len: n}
		next += n
		return at
	}
	t.Answer, t.Seed = take(place), take(seedLen)
	for _, n := range p.Nodes {
		t.Ticket[n.Name] = take(medium.TicketSize)
	}
	if p.Kind == medium.KindAll {
		t.Store = map[string]medium.Pair{}
		for _, n := range p.Nodes {
			t.Store[n.Name] = medium.Pair{Answer: take(place), Seed: take(seedLen)}
		}
	}
	d := &device{durable: make([]byte, next), cached: map[int64][]byte{}, left: -1, chance: rand.New(rand.NewPCG(1, 2))}
	put := func(at medium.Place, text string) {
		copy(d.durable[at.Off:at.Off+at.Len], text+strings.Repeat("\n", int(at.Len)-len(text)))
	}
	put(t.Answer, medium.NoAnswer)
	if p.Kind == medium.KindOne {
		put(t.Answer, fmt.Sprintf(answerOf, p.Node))
	}
	for _, n := range p.Nodes {
		put(t.Ticket[n.Name], string(medium.Ticket{State: medium.TicketArmed, Node: n.Name, ClusterID: p.ClusterID}.Encode()))
		if p.Kind == medium.KindAll {
			put(t.Store[n.Name].Answer, fmt.Sprintf(answerOf, n.Name))
			put(t.Store[n.Name].Seed, "seed of "+n.Name)
		}
	}
	return d, t
}

// burn spends a ticket, as the installer does.
func burn(d *device, t medium.Table, p medium.Plan, node string) error {
	return t.Ticket[node].Fill(d, medium.Ticket{State: medium.TicketSpent, Node: node, ClusterID: p.ClusterID, Date: "2026-11-26", By: "installer"}.Encode())
}

// person is who sits at the machine: nobody, or somebody who types.
type person struct {
	bytes.Buffer
	lines []string
	key   bool
	deaf  []string // what was on the screen when its keys were dropped
}

func (c *person) Key(ctx context.Context) (byte, error) {
	if c.key {
		c.key = false
		return ' ', nil
	}
	return 0, context.DeadlineExceeded
}

func (c *person) Line(context.Context) (string, error) {
	if len(c.lines) == 0 {
		return "", errors.New("nobody types")
	}
	line := c.lines[0]
	c.lines = c.lines[1:]
	return line, nil
}

func (c *person) Forget() { c.deaf = append(c.deaf, c.String()) }

func session(p medium.Plan, f Facts, d *device, t medium.Table, c Console) *Session {
	s := &Session{Plan: p, Facts: f, Console: c, Inventory: []byte(`{"version":1,"disks":[]}`), Countdown: 10 * time.Second, Columns: 80,
		Now: func() time.Time { return time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC) }}
	if d != nil {
		s.Stick = &Stick{d, t}
	}
	return s
}

func text(t *testing.T, d *device, at medium.Place) string {
	t.Helper()
	b, err := at.Read(d)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(string(b), "\n\x00")
}

func TestABlankDiskIsNamedInTheAnswer(t *testing.T) {
	p := plan(nil)
	d, table := stickFor(p)
	c := &person{}
	next, err := session(p, facts(nvme("nvme0n1", "S1")), d, table, c).Run(t.Context())
	if next != GoOn || err != nil {
		t.Fatalf("%s, %v", next, err)
	}
	want := "# Ringboot: frege\n\n[global]\nfqdn = 'frege.home.arpa'\n\n[disk-setup]\ndisk-list = [\"nvme0n1\"]\nfilesystem = 'ext4'"
	if got := text(t, d, table.Answer); got != want {
		t.Errorf("the answer is\n%s", got)
	}
	if !strings.Contains(c.String(), "INSTALLS frege AND ERASES nvme0n1") || !strings.Contains(c.String(), "Erases nvme0n1 in 10 s. Any key stops.") {
		t.Errorf("the screen says\n%s", c)
	}
	log, err := table.ReadLog(d)
	if err != nil || len(log) != 2 || log[0].What != medium.Seen || log[1].What != medium.Began || log[1].Node != "frege" || log[1].Disk.Serial != "S1" || log[1].At != "2026-11-26T20:00:00Z" {
		t.Errorf("the log is %+v, %v", log, err)
	}
	// The same machine once more adds no second inventory, and goes on where it was.
	used := nvme("nvme0n1", "S1", "partition table gpt")
	if next, err := session(p, facts(used), d, table, c).Run(t.Context()); next != GoOn || err != nil {
		t.Errorf("after a power cut: %s, %v", next, err)
	}
	if log, err = table.ReadLog(d); err != nil || len(log) != 3 {
		t.Errorf("the log has %d entries, %v", len(log), err)
	}
}

func TestAKeyStopsTheCountdown(t *testing.T) {
	p := plan(nil)
	for answer, want := range map[string]Next{"yes": GoOn, "no": Wait} {
		d, table := stickFor(p)
		c := &person{key: true, lines: []string{answer}}
		if next, _ := session(p, facts(nvme("nvme0n1", "S1")), d, table, c).Run(t.Context()); next != want {
			t.Errorf("%q: %s, want %s", answer, next, want)
		}
		if !strings.Contains(c.String(), "Stopped, nothing was erased. Type yes to erase nvme0n1 all the same") {
			t.Errorf("the screen says\n%s", c)
		}
	}
}

// Keys that were pressed before a question are no answer to it; those pressed
// as soon as it is there are.
func TestKeysAreDroppedBeforeTheQuestionOnly(t *testing.T) {
	p := plan(nil)
	for name, f := range map[string]Facts{"countdown": facts(nvme("nvme0n1", "S1")), "a used disk": facts(nvme("nvme0n1", "S649NX0R123456", "ntfs (Windows)"))} {
		d, table := stickFor(p)
		c := &person{key: true, lines: []string{"yes", "3456"}}
		if _, err := session(p, f, d, table, c).Run(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		asked := func(shown string) bool { return strings.HasSuffix(shown, "> ") || strings.Contains(shown, "Type yes") }
		if len(c.deaf) == 0 || c.deaf[0] != "" || slices.ContainsFunc(c.deaf, asked) {
			t.Errorf("%s: keys are not dropped before the question, or after it: %q", name, c.deaf)
		}
	}
}

func TestTheOwnerAgreesByTheSerial(t *testing.T) {
	p := plan(nil)
	used := nvme("nvme0n1", "S649NX0R123456", "ntfs (Windows)")
	d, table := stickFor(p)
	c := &person{lines: []string{"yes", "S649", "3456"}}
	if next, err := session(p, facts(used), d, table, c).Run(t.Context()); next != GoOn || err != nil {
		t.Errorf("%s, %v", next, err)
	}
	if got := strings.Count(c.String(), "That is not 3456: nothing was erased."); got != 2 {
		t.Errorf("two wrong words were refused %d times", got)
	}
	d, table = stickFor(p)
	if next, _ := session(p, facts(used), d, table, &person{}).Run(t.Context()); next != Wait || !strings.Contains(text(t, d, table.Answer), "no disk was chosen") {
		t.Errorf("nobody typed, and it is %s", next)
	}
}

func TestAMarkedMachineStartsItsOwnSystem(t *testing.T) {
	p := plan(nil)
	d, table := stickFor(p)
	f := facts(marked(nvme("nvme0n1", "S1"), "frege", "c0ffee"))
	if next, err := session(p, f, d, table, &person{}).Run(t.Context()); next != Reboot || err != nil {
		t.Errorf("%s, %v", next, err)
	}
	ticket, err := medium.ParseTicket([]byte(text(t, d, table.Ticket["frege"]))[:medium.TicketSize])
	if err != nil || ticket.State != medium.TicketSpent || ticket.Date != "2026-11-23" || ticket.By != "preflight" {
		t.Errorf("the ticket is %+v, %v", ticket, err)
	}
	c := &person{}
	if next, err := session(p, f, nil, medium.Table{}, c).Run(t.Context()); next != Wait || err != nil || !strings.Contains(c.String(), "take it out, and the machine starts its own system") {
		t.Errorf("a CD: %s, %v\n%s", next, err, c)
	}
}

// machines are three, each with one blank disk.
func machines() []Facts {
	var out []Facts
	for i := range 3 {
		f := facts(nvme("nvme0n1", fmt.Sprintf("S%d", i)))
		f.Machine = medium.Identity{Vendor: "Micro Computer", Product: "Venus", Serial: fmt.Sprintf("MH%d", i), MAC: fmt.Sprintf("58:47:ca:00:00:0%d", i)}
		f.MACs = []string{f.Machine.MAC}
		out = append(out, f)
	}
	return out
}

// TestOneStickThroughThreeMachinesCutAtEveryWrite takes one stick through three
// machines, and cuts the power at every sector that is written to it, by
// preflight and by the installer: the next start knows what is true. No machine
// ever becomes two nodes, no node is on two machines, answer and seed are of one
// node, and nothing is left on the stick of those that are done.
func TestOneStickThroughThreeMachinesCutAtEveryWrite(t *testing.T) {
	p := plan(all)
	fresh, table := stickFor(p)
	whole := fresh.start(-1)
	if node := trip(t, p, table, whole, nil); node != "" {
		t.Fatal(node)
	}
	cuts, wrong := 0, 0
	for at := 0; at < whole.writes; at++ {
		if testing.Short() && at%7 > 0 {
			continue
		}
		d := fresh.start(at)
		cuts++
		if problem := trip(t, p, table, d, fresh); problem != "" {
			wrong++
			t.Errorf("cut at sector %d: %s", at, problem)
		}
	}
	fmt.Fprintf(os.Stdout, "figure onestick.cuts %d count\nfigure onestick.wrong %d count\n", cuts, wrong)
}

// trip starts each machine until it is installed, and says what is wrong.
func trip(t *testing.T, p medium.Plan, table medium.Table, d, _ *device) string {
	t.Helper()
	became := map[string]int{}
	for i, f := range machines() {
		for start := 0; ; start++ {
			if start > 4 {
				return fmt.Sprintf("machine %d is not installed after five starts", i)
			}
			next, err := session(p, f, d, table, &person{}).Run(t.Context())
			if errors.Is(err, errCut) {
				d.left = -1 // power is back
				continue
			}
			if next != GoOn || err != nil {
				return fmt.Sprintf("machine %d: %s, %v", i, next, err)
			}
			answer, seed := text(t, d, table.Answer), text(t, d, table.Seed)
			node := strings.TrimPrefix(seed, "seed of ")
			if !strings.Contains(answer, "fqdn = '"+node+".home.arpa'") || !strings.Contains(answer, `disk-list = ["nvme0n1"]`) {
				return fmt.Sprintf("machine %d has the seed %q and the answer\n%s", i, seed, answer)
			}
			if on, taken := became[node]; taken && on != i {
				return fmt.Sprintf("%s is on machines %d and %d", node, on, i)
			}
			became[node] = i
			f.Disks[0].Holds = []string{"partition table gpt"} // the installer has begun
			if err := burn(d, table, p, node); errors.Is(err, errCut) {
				d.left = -1
				if s := (&Stick{d, table}); true {
					spent, err := s.spent()
					if err != nil {
						return err.Error()
					}
					if spent[node] {
						break // it was burnt, and the disk has its mark
					}
				}
				continue // installed once more, over what was begun
			}
			break
		}
	}
	if len(became) != 3 {
		return fmt.Sprintf("three machines became %v", became)
	}
	// A fourth machine is refused, and finds nothing on the stick.
	f := facts(nvme("nvme0n1", "S9"))
	f.Machine, f.MACs = medium.Identity{Serial: "MH9"}, nil
	var err error
	for range 2 { // the cut may come here
		var next Next
		if next, err = session(p, f, d, table, &person{}).Run(t.Context()); err == nil && next != Wait {
			return fmt.Sprintf("a fourth machine: %s", next)
		}
		if err == nil {
			break
		}
		d.left = -1
	}
	if err != nil {
		return err.Error()
	}
	if strings.Contains(string(d.durable[table.Log.Len:]), "seed of") || strings.Contains(string(d.durable[table.Log.Len:]), "fqdn") {
		return "a seed or an answer is left on the stick"
	}
	return ""
}

func TestAimRefusesWhatItDoesNotKnow(t *testing.T) {
	for answer, disk := range map[string]string{
		"[global]\nx = 1\n":                     "sda",
		"[disk-setup]\n[disk-setup]\n":          "sda",
		"[disk-setup]\nfilesystem = \"ext4\"\n": "sda\"]\n[global",
	} {
		if got, err := Aim([]byte(answer), disk); err == nil {
			t.Errorf("%q for %q: %s", answer, disk, got)
		}
	}
	got, err := Aim([]byte("[disk-setup]\nfilesystem = 'zfs'\ndisk-list = ['sdb']\n\n[disk-setup.zfs]\nraid = 'raid0'\n"), "sda")
	if want := "[disk-setup]\ndisk-list = [\"sda\"]\nfilesystem = 'zfs'\n\n[disk-setup.zfs]\nraid = 'raid0'\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
}
