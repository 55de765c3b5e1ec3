// Package fault says of an error how the program that meets it ends. Where an
// error is born is where that is known, so that is where it gets its kind; no
// command keeps a list of other packages' errors. It never prints and never exits.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Kind is the kind of an end. Its number is the exit code of all our commands.
type Kind int

// The kinds of an end.
const (
	Done         Kind = 0
	Unexpected   Kind = 1
	Usage        Kind = 2
	Profile      Kind = 3
	Precondition Kind = 4
	Unverified   Kind = 5
	Refused      Kind = 6
	Timeout      Kind = 7
	Partial      Kind = 8
	Interrupted  Kind = 130 // as a shell says of a program that control and C ended
)

// Row is what is known of a kind.
type Row struct {
	Kind Kind
	Says string
}

// Kinds is the table of all kinds, by exit code.
func Kinds() []Row {
	return []Row{
		{Done, "done"},
		{Unexpected, "unexpected"},
		{Usage, "usage"},
		{Profile, "profile invalid"},
		{Precondition, "precondition missing"},
		{Unverified, "verification failed"},
		{Refused, "refused for safety"},
		{Timeout, "time-out"},
		{Partial, "partial"},
		{Interrupted, "interrupted"},
	}
}

// fault is an error with its kind. Without a cause nothing is to be said.
type fault struct {
	kind  Kind
	cause error
	bare  bool // it has the words of its cause and none of its own
}

func (f *fault) Error() string {
	if f.cause == nil {
		return ""
	}
	return f.cause.Error()
}

func (f *fault) Unwrap() error { return f.cause }

// Fault is the kind of this error.
func (f *fault) Fault() Kind { return f.kind }

// New is a sentinel of this kind.
func (k Kind) New(text string) error { return &fault{kind: k, cause: errors.New(text)} }

// Errorf is fmt.Errorf with this kind, whatever kinds the arguments are of.
func (k Kind) Errorf(format string, args ...any) error {
	return &fault{kind: k, cause: fmt.Errorf(format, args...)}
}

// Wrap gives an error this kind, and leaves no error none.
func (k Kind) Wrap(err error) error {
	if err == nil {
		return nil
	}
	return &fault{kind: k, cause: err, bare: true}
}

// Silent ends a program with this kind when all was said already.
func (k Kind) Silent() error { return &fault{kind: k} }

// Of is the kind of an error: the outermost that one of its layers has; else
// what the system's own errors mean.
func Of(err error) Kind {
	if err == nil {
		return Done
	}
	var known interface{ Fault() Kind }
	if errors.As(err, &known) {
		return known.Fault()
	}
	for _, row := range system() {
		if errors.Is(err, row.is) {
			return row.kind
		}
	}
	return Unexpected
}

// foreign is an error of the system's, which says neither a kind nor a remedy.
type foreign struct {
	is     error
	kind   Kind
	remedy string
}

// system is the table of the system's errors that users meet.
func system() []foreign {
	return []foreign{
		{context.Canceled, Interrupted, ""},
		{context.DeadlineExceeded, Timeout, ""},
		{fs.ErrExist, Refused, "move it away, or name another place"},
		{fs.ErrNotExist, Precondition, "check the name"},
		{fs.ErrPermission, Precondition, "use sudo, or name a place that is yours"},
		{syscall.EROFS, Precondition, "name a place that can be written to"},
		{syscall.ENOSPC, Precondition, "make room, or name another place"},
		{syscall.EISDIR, Precondition, "name a file"},
		{syscall.ENOTDIR, Precondition, "check the name"},
	}
}

// Remedy is what to do about an error of the system's that nobody gave words of
// his own, and so no remedy either; empty if there is nothing to add.
func Remedy(err error) string {
	var known interface{ Fault() Kind }
	if errors.As(err, &known) {
		if f, ok := known.(*fault); ok && f.bare {
			return Remedy(f.cause)
		}
		return ""
	}
	for _, row := range system() {
		if errors.Is(err, row.is) {
			return row.remedy
		}
	}
	return ""
}
