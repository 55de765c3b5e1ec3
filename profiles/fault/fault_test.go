package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestOutermostKindCounts(t *testing.T) {
	sentinel := Unverified.New("the sum differs")
	for _, c := range []struct {
		err  error
		want Kind
		text string
	}{
		{nil, Done, ""},
		{errors.New("something nobody thought of"), Unexpected, "something nobody thought of"},
		{sentinel, Unverified, "the sum differs"},
		{fmt.Errorf("x.iso: %w", sentinel), Unverified, "x.iso: the sum differs"},
		{Partial.Errorf("1 of 3: %w", sentinel), Partial, "1 of 3: the sum differs"},
		{Precondition.Wrap(context.DeadlineExceeded), Precondition, "context deadline exceeded"},
		{errors.Join(errors.New("first"), sentinel), Unverified, "first\nthe sum differs"},
		{Refused.Silent(), Refused, ""},
		{fmt.Errorf("ask: %w", context.DeadlineExceeded), Timeout, "ask: context deadline exceeded"},
		{context.Canceled, Interrupted, "context canceled"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, Precondition, "open x: read-only file system"},
	} {
		if got := Of(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
		if c.err != nil && c.err.Error() != c.text {
			t.Errorf("text %q, want %q", c.err, c.text)
		}
	}
	if !errors.Is(Partial.Errorf("x: %w", sentinel), sentinel) {
		t.Error("the cause cannot be found in what wraps it")
	}
	if Usage.Wrap(nil) != nil {
		t.Error("no error became one")
	}
}

func TestTheSystemsErrorsGetARemedyOnce(t *testing.T) {
	_, err := os.Open("/no/such/file")
	if got := Remedy(fmt.Errorf("profile: %w", err)); got != "check the name" {
		t.Errorf("remedy %q", got)
	}
	if got := Remedy(fmt.Errorf("x: %w", Precondition.Wrap(err))); got != "check the name" {
		t.Errorf("a kind alone is no remedy, and one was wanted, not %q", got)
	}
	if got := Remedy(Usage.Wrap(Precondition.Errorf("no ISO: %w", err))); got != "" {
		t.Errorf("a remedy was there already, and %q was added", got)
	}
	if got := Remedy(Precondition.Errorf("no ISO: %w", err)); got != "" {
		t.Errorf("an error with a kind has its own remedy, not %q", got)
	}
	if got := Remedy(errors.New("odd")); got != "" {
		t.Errorf("remedy %q for what nobody knows", got)
	}
}

func TestEveryKindHasOneRow(t *testing.T) {
	last := Kind(-1)
	for _, row := range Kinds() {
		if row.Kind <= last || row.Says == "" {
			t.Errorf("row %d (%q) follows %d", row.Kind, row.Says, last)
		}
		last = row.Kind
	}
}
