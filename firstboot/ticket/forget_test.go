package ticket

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ringboot/profiles/medium"
	"ringboot/rehearsal/need"
)

// stick is a medium with places: ticket, seed, answer, the store of a node, and
// the table that names them.
func stick(t *testing.T, node, cluster string) (*memory, medium.Table) {
	t.Helper()
	at := func(i int) int64 { return int64(19+i) * blockSize }
	secret := func(text string) []byte { return []byte(strings.Repeat(text, blockSize/len(text))) }
	files := [][]byte{armed(node, cluster), secret("the seed "), secret("the answer "), secret("seed kept "), secret("answer kept "), make([]byte, medium.TableSize), nil, nil, nil}
	place := func(i int) medium.Place { return medium.Place{Off: at(i), Len: int64(len(files[i]))} }
	table := medium.Table{Image: "x", Seed: place(1), Answer: place(2), Ticket: map[string]medium.Place{node: place(0)}, Log: medium.Place{Off: at(5) + medium.TableSize},
		Store: map[string]medium.Pair{node: {Seed: place(3), Answer: place(4)}}}
	text, err := table.Encode()
	if err != nil {
		t.Fatal(err)
	}
	files[5] = text
	return laidOut(files...), table
}

// A stick that is still in when its node is bound holds nothing of it afterwards.
func TestABoundNodeIsForgottenByItsStick(t *testing.T) {
	m, table := stick(t, "frege", "c0ffee")
	done, err := Forget(m, frege)
	if err != nil || !done {
		t.Fatalf("%v %v", done, err)
	}
	for _, secret := range []string{"seed", "the answer", "kept"} {
		if bytes.Contains(bytes.ReplaceAll(m.bytes, []byte(`"seed"`), nil), []byte(secret)) {
			t.Errorf("%q is still there", secret)
		}
	}
	if answer, err := table.Answer.Read(m); err != nil || !strings.HasPrefix(string(answer), medium.NoAnswer) {
		t.Errorf("the answer: %.40q %v", answer, err)
	}
	if found, err := Find(m, frege); err != nil || found.Ticket.State != "spent" {
		t.Errorf("%+v %v", found, err)
	}
	if done, err := Forget(m, frege); err != nil || done {
		t.Errorf("a second time: %v %v", done, err)
	}
}

func TestOnlyTheOwnStickForgets(t *testing.T) {
	for name, m := range map[string]*memory{
		"another node":    func() *memory { m, _ := stick(t, "russell", "c0ffee"); return m }(),
		"another cluster": func() *memory { m, _ := stick(t, "frege", "decaf"); return m }(),
		"no places":       laidOut(armed("frege", "c0ffee")),
		"a blank disk":    {bytes: make([]byte, 1<<16)},
	} {
		before := bytes.Clone(m.bytes)
		if done, err := Forget(m, frege); done || err != nil || !bytes.Equal(m.bytes, before) {
			t.Errorf("%s: %v %v", name, done, err)
		}
	}
	worn, _ := stick(t, "frege", "c0ffee")
	worn.loses = true
	if _, err := Forget(worn, frege); err == nil {
		t.Error("a stick that loses writes is believed")
	}
}

const sector = 512

// failing is a medium that loses power after a number of sectors: of what was
// not synced, any sector may be there.
type failing struct {
	*memory
	cached map[int64][]byte // by sector
	left   int
	writes int
}

var errCut = errors.New("the power is cut")

func (f *failing) ReadAt(b []byte, at int64) (int, error) {
	n, err := f.memory.ReadAt(b, at)
	for s, content := range f.cached {
		for i, c := range content {
			if p := s*sector + int64(i) - at; p >= 0 && p < int64(n) {
				b[p] = c
			}
		}
	}
	return n, err
}

func (f *failing) WriteAt(b []byte, at int64) (int, error) {
	if at%sector != 0 {
		return 0, fmt.Errorf("a write at %d does not begin with a sector", at)
	}
	for i := 0; i < len(b); i += sector {
		if f.left == 0 {
			return i, f.cut()
		}
		f.left--
		f.writes++
		f.cached[(at+int64(i))/sector] = bytes.Clone(b[i:min(i+sector, len(b))])
	}
	return len(b), nil
}

func (f *failing) Sync() error {
	if f.left == 0 {
		return f.cut()
	}
	f.keep(func() bool { return true })
	return nil
}

func (f *failing) cut() error {
	f.keep(func() bool { return rand.IntN(2) == 0 })
	return errCut
}

func (f *failing) keep(which func() bool) {
	for s, content := range f.cached {
		if which() {
			copy(f.bytes[s*sector:], content)
		}
	}
	clear(f.cached)
}

// TestForgettingCutAtEveryWrite takes the power away at every sector that the
// agent writes to its stick. Nothing of an armed stick is gone, a spent one stays
// spent, and the agent's next start finishes what was begun.
func TestForgettingCutAtEveryWrite(t *testing.T) {
	whole, _ := stick(t, "frege", "c0ffee")
	never := &failing{memory: whole, cached: map[int64][]byte{}, left: -1}
	if _, err := Forget(never, frege); err != nil {
		t.Fatal(err)
	}
	cuts, wrong := 0, 0
	for i := range 3 * never.writes {
		at := i % never.writes // another part of what was not synced is there each time
		m, _ := stick(t, "frege", "c0ffee")
		fresh := bytes.Clone(m.bytes)
		_, err := Forget(&failing{memory: m, cached: map[int64][]byte{}, left: at}, frege)
		problem := ""
		found, findErr := Find(m, frege)
		switch {
		case !errors.Is(err, errCut):
			problem = fmt.Sprintf("it says %v", err)
		case findErr != nil:
			problem = fmt.Sprintf("the ticket is gone: %v", findErr)
		case found.Ticket.State != medium.TicketSpent && !bytes.Equal(m.bytes, fresh):
			problem = "the ticket is armed, and something else is overwritten"
		}
		if _, err := Forget(m, frege); err != nil && problem == "" {
			problem = fmt.Sprintf("the next start says %v", err)
		}
		if !bytes.Equal(m.bytes, whole.bytes) && problem == "" {
			problem = "the next start leaves something"
		}
		cuts++
		if problem != "" {
			wrong++
			t.Errorf("cut at sector %d: %s", at, problem)
		}
	}
	need.Figure("onestick.agent_cuts", cuts, "count")
	need.Figure("onestick.agent_wrong", wrong, "count")
}
