package ticket

import (
	"bytes"
	"strings"
	"testing"

	"ringboot/profiles/medium"
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
