package pairing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles/fault"
)

const at = "/etc/ringkeeper/paired.json"

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// paired is the book of the machine a, that was paired with these.
func paired(t *testing.T, cards ...Card) (*Book, Card) {
	t.Helper()
	b, err := Open(host.New(t.TempDir()).Files, at)
	if err != nil {
		t.Fatal(err)
	}
	me := b.Card("a", card(0).Ring, 9000)
	for i, c := range cards {
		if err := take(b, me, c, []string{"en05", "en06"}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	return b, b.Card("a", card(0).Ring, 9000)
}

func take(b *Book, me, c Card, port string) error {
	if err := b.Wait(Pending{Card: c, Port: port, Code: "123456", At: noon}); err != nil {
		return err
	}
	_, err := b.Confirm(me, port, "123 456", noon.Add(time.Minute))
	return err
}

func TestNothingIsTakenBeforeItsCodeIsTyped(t *testing.T) {
	b, me := paired(t)
	for _, c := range []struct {
		name, port, typed string
		after             time.Duration
	}{
		{"another code", "en05", "123457", time.Minute},
		{"no", "en05", "no", time.Minute},
		{"nothing", "en05", "", time.Minute},
		{"another port's", "en06", "123456", time.Minute},
		{"too late", "", "123456", 16 * time.Minute},
		{"before it was shown", "", "123456", -time.Minute},
	} {
		if err := b.Wait(Pending{Card: card(1), Port: "en05", Code: "123456", At: noon}); err != nil {
			t.Fatal(err)
		}
		_, err := b.Confirm(me, c.port, c.typed, noon.Add(c.after))
		if fault.Of(err) != fault.Refused || len(b.Peers) != 0 {
			t.Errorf("%s: %v, %v", c.name, err, b.Peers)
		}
		if c.port != "en06" && len(b.Pending) != 0 {
			t.Errorf("%s: there is another guess", c.name)
		}
	}
	if err := take(b, me, card(1), "en05"); err != nil {
		t.Fatal(err)
	}
	back, err := Read(b.files, at)
	if err != nil || len(back.Peers) != 1 || !back.Key.Equal(b.Key) || back.Peers[0].Port != "en05" || len(back.Pending) != 0 {
		t.Errorf("%+v %v", back, err)
	}
	if key, agreed := back.Counts("b"); !agreed || !key.Equal(card(1).Key) {
		t.Error("its key does not count")
	}
	if key, agreed := back.Counts("c"); !agreed || key != nil {
		t.Error("a stranger's key counts")
	}
}

// A pairing that still runs, and a command beside it, write one file: neither
// takes back what the other one wrote.
func TestTwoCommandsWriteOneBook(t *testing.T) {
	b, me := paired(t)
	if err := b.Wait(Pending{Card: card(1), Port: "en05", Code: "123456", At: noon}); err != nil {
		t.Fatal(err)
	}
	other, err := Read(b.files, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Confirm(me, "", "123456", noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := b.Wait(Pending{Card: card(2), Port: "en06", Code: "654321", At: noon}); err != nil {
		t.Fatal(err)
	}
	now, err := Read(b.files, at)
	if err != nil || len(now.Peers) != 1 || len(now.Pending) != 1 {
		t.Fatalf("after a code was confirmed beside a pairing: %+v %v", now, err)
	}
	if err := now.Forget(card(1).Node); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Confirm(me, "en06", "654321", noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if now, err := Read(b.files, at); err != nil || len(now.Peers) != 1 || now.Peers[0].Node != card(2).Node {
		t.Errorf("a machine that was forgotten is back: %+v %v", now, err)
	}
	if err := b.Wait(Pending{Card: card(1), Port: "en05", Code: "123456", At: noon}); err != nil {
		t.Fatal(err)
	}
	if err := b.Begin(); err != nil {
		t.Fatal(err)
	}
	if now, err := Read(b.files, at); err != nil || len(now.Pending) != 0 {
		t.Errorf("codes that are on no screen wait: %+v %v", now, err)
	}
}

func TestPairingTwiceChangesNothing(t *testing.T) {
	b, me := paired(t, card(1), card(2))
	before, err := b.files.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if news, err := b.Judge(me, card(1)); news || err != nil {
		t.Errorf("news %v, %v", news, err)
	}
	if err := take(b, me, card(1), "en05"); err != nil {
		t.Fatal(err)
	}
	if after, err := b.files.ReadFile(at); err != nil || string(after) != string(before) {
		t.Errorf("%v\n%s\n%s", err, before, after)
	}
}

// The third machine's key comes from a neighbour as well, and must be the same.
func TestANeighbourVouchesForTheThird(t *testing.T) {
	b, me := paired(t)
	c := card(1)
	c.Knows = []Peer{{Node: "a", Ring: me.Ring, Key: me.Key}, {Node: "c", Ring: card(2).Ring, Key: card(2).Key}}
	if news, err := b.Judge(me, c); !news || err != nil {
		t.Fatalf("%v %v", news, err)
	}
	if err := take(b, me, c, "en05"); err != nil {
		t.Fatal(err)
	}
	third, _ := b.Peer("c")
	if !b.Whole() || third.By != "b" || third.Port != "" || !third.Key.Equal(card(2).Key) {
		t.Errorf("%+v", b.Peers)
	}
	if err := take(b, me, card(2), "en06"); err != nil {
		t.Fatal(err)
	}
	if third, _ = b.Peer("c"); third.By != "" || third.Port != "en06" {
		t.Errorf("after its own cable: %+v", third)
	}
}

func TestWhatContradictsIsRefusedAndSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *Card)
		want   string
	}{
		"another key of a paired machine": {func(c *Card) { c.Key = card(9).Key }, "b shows another key than the one it was paired with: if it was installed anew, type ringkeeper forget b here and pair again; else somebody stands in its place"},
		"another key of the third":        {func(c *Card) { c.Knows = []Peer{{Node: "c", Ring: card(2).Ring, Key: card(9).Key}} }, "c shows another key than the one it was paired with, as b says"},
		"another key of ours":             {func(c *Card) { c.Knows = []Peer{{Node: "a", Ring: card(0).Ring, Key: card(9).Key}} }, "b was paired with another key or address of a: type ringkeeper forget a there"},
		"a fourth machine":                {func(c *Card) { *c = card(3) }, "d would be the fourth machine, and a ring has three (b and c here)"},
		"our address":                     {func(c *Card) { c.Ring = card(0).Ring }, "as this machine: give each its own"},
		"the third's address":             {func(c *Card) { *c = card(3); c.Ring = card(2).Ring }, "has the ring address or the key of c"},
		"a new name with an old key":      {func(c *Card) { c.Node = "x" }, "type ringkeeper forget b if that was its old name"},
		"another MTU":                     {func(c *Card) { c.MTU = 1500 }, "b has mtu 1500 in its file and this machine 9000: write the same"},
	} {
		b, me := paired(t, card(1), card(2))
		before := len(b.Peers)
		x := card(1)
		c.change(&x)
		_, err := b.Judge(me, x)
		if fault.Of(err) != fault.Refused || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := take(b, me, x, "en05"); err == nil || len(b.Peers) != before {
			t.Errorf("%s is taken: %v", name, err)
		}
	}
	b, me := paired(t, card(1), card(2))
	x := card(1)
	x.Key = card(9).Key
	if err := errors.Join(b.Forget("b"), take(b, me, x, "en05")); err != nil {
		t.Errorf("a machine that was installed anew, after forget: %v", err)
	}
	if err := b.Forget("nobody"); fault.Of(err) != fault.Precondition {
		t.Errorf("forget nobody: %v", err)
	}
}

func TestWhatIsNoBookIsRefused(t *testing.T) {
	files := host.New(t.TempDir()).Files
	for text, want := range map[string]string{
		`{`:              "cannot be understood",
		`{"version": 1}`: "is damaged",
		`{"version": 9}`: "has version 9 and this agent reads up to 1",
	} {
		if err := files.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(files, at); fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		if left, err := files.ReadFile(at); err != nil || string(left) != text {
			t.Errorf("%s became %s, %v", text, left, err)
		}
	}
}

var errCut = errors.New("the power is gone")

// cutOff are files of a machine that loses power before or after one of its
// writes, each of which replaces a whole file.
type cutOff struct {
	host.Files
	writes, at int // 0: never
	after      bool
}

func (c *cutOff) WriteFile(path string, content []byte, mode fs.FileMode) error {
	c.writes++
	switch {
	case c.at > 0 && c.writes > c.at, c.writes == c.at && !c.after:
		return errCut
	case c.writes == c.at:
		return errors.Join(c.Files.WriteFile(path, content, mode), errCut)
	}
	return c.Files.WriteFile(path, content, mode)
}

// A power cut at any write leaves a key that stays and peers that were confirmed,
// and the pairing goes on.
func TestPowerCutAtEveryWriteOfAPairing(t *testing.T) {
	pair := func(files host.Files) error {
		b, err := Open(files, at)
		if err != nil {
			return err
		}
		me := b.Card("a", card(0).Ring, 9000)
		if err := take(b, me, card(1), "en05"); err != nil {
			return err
		}
		return take(b, me, card(2), "en06")
	}
	whole := &cutOff{Files: host.New(t.TempDir()).Files}
	if err := pair(whole); err != nil || whole.writes < 5 {
		t.Fatalf("%d writes, %v", whole.writes, err)
	}
	for point := 1; point <= whole.writes; point++ {
		for _, after := range []bool{false, true} {
			root := t.TempDir()
			files := host.New(root).Files
			if err := pair(&cutOff{Files: files, at: point, after: after}); !errors.Is(err, errCut) {
				t.Fatalf("cut at %d, after it %v: %v", point, after, err)
			}
			before, err := Read(files, at)
			if err != nil && !errors.Is(err, ErrNone) {
				t.Fatalf("cut at %d, after it %v: %v", point, after, err)
			}
			if err := pair(files); err != nil {
				t.Fatalf("cut at %d, after it %v: %v", point, after, err)
			}
			again, err := Read(files, at)
			if err != nil || !again.Whole() || before != nil && !before.Key.Equal(again.Key) {
				t.Errorf("cut at %d, after it %v: %+v, %v", point, after, again, err)
			}
			if info, err := os.Stat(filepath.Join(root, at)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("cut at %d, after it %v: %v %v", point, after, info, err)
			}
		}
	}
}
