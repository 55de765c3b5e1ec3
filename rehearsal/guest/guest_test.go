package guest

import (
	"encoding/binary"
	"testing"
)

func TestWhatIsLostIsSeen(t *testing.T) {
	disk := func(numbers ...uint32) []byte {
		d := make([]byte, sector*(1+len(numbers)))
		for i, n := range numbers {
			binary.LittleEndian.PutUint32(d[(i+1)*sector:], n)
		}
		return d
	}
	for _, row := range []struct {
		name string
		said []string
		disk []byte
		n    int
		want string
	}{
		{"all of it", []string{"Booting\nAAAAAAAB\nAAAAAAAC\nAAAAAAAD\n"}, disk(1, 2, 3), 3, ""},
		{"power cut before a write", []string{"AAAAAAAB\nAAAA", "AAAAAAAC\n"}, disk(1, 2), 2, ""},
		{"power cut before its word", []string{"AAAAAAAB\n", "AAAAAAAD\n"}, disk(1, 2, 3), 3, ""},
		{"power cut, and its write is not there", []string{"AAAAAAAB\n", "AAAAAAAD\n"}, disk(1, 0, 3), 0, "sector 2 holds 0, not its number"},
		{"one write more than was said", []string{"AAAAAAAB\n"}, disk(1, 2), 1, ""},
		{"a write that is not there", []string{"AAAAAAAB\nAAAAAAAC\n"}, disk(1, 0), 0, "sector 2 holds 0, not its number"},
		{"a write that was done twice", []string{"AAAAAAAB\nAAAAAAAC\n", "AAAAAAAC\n"}, disk(1, 2), 0, "the guest says 2 after 2"},
		{"one that was left out", []string{"AAAAAAAB\nAAAAAAAD\n"}, disk(1, 2, 3), 0, "the guest says 3 after 1"},
		{"a write that failed", []string{"AAAAAAAB\n!"}, disk(1), 0, "a write or read of the guest failed after 1"},
	} {
		got := ""
		n, err := whole(row.said, row.disk)
		if err != nil {
			got = err.Error()
		}
		if n != row.n || got != row.want {
			t.Errorf("%s: %d, %q, not %d, %q", row.name, n, got, row.n, row.want)
		}
	}
}
