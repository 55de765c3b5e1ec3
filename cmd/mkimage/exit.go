package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/fetch"
	"ringboot/imagebuilder/guard"
	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/output"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles"
	"ringboot/rehearsal/base"
	standins "ringboot/rehearsal/base/embedded"
)

// Exit codes, the same in all commands of Ringboot.
const (
	exitUnexpected   = 1
	exitUsage        = 2
	exitProfile      = 3
	exitPrecondition = 4
	exitUnverified   = 5
	exitRefused      = 6
	exitTimeout      = 7
	exitPartial      = 8
)

// exit is an error with its exit code. Without a cause nothing more is said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// codes orders the errors of the packages below. The first that fits counts.
var codes = []struct {
	is   error
	code int
}{
	{fetch.ErrSum, exitUnverified},
	{stick.ErrDiffers, exitUnverified},
	{stick.ErrRefused, exitRefused},
	{agent.ErrMissing, exitPrecondition},
	{standins.ErrMissing, exitPrecondition},
	{base.ErrTools, exitPrecondition},
	{base.ErrRoot, exitPrecondition},
	{fetch.ErrOffline, exitPrecondition},
	{imagebuilder.ErrUnsuitable, exitPrecondition},
	{imagebuilder.ErrWrongRelease, exitPrecondition},
	{guard.ErrNoAutomatic, exitPrecondition},
	{guard.ErrTwice, exitPrecondition},
	{inspect.ErrNotPrepared, exitPrecondition},
	{iso9660.ErrNotISO, exitPrecondition},
	{iso9660.ErrUDFOnly, exitPrecondition},
	{iso9660.ErrTruncated, exitPrecondition},
	{iso9660.ErrPrepared, exitPrecondition},
	{iso9660.ErrDamaged, exitPrecondition},
	{iso9660.ErrUneditable, exitPrecondition},
	{output.ErrNoRoom, exitPrecondition},
	{fs.ErrExist, exitRefused},
	{fs.ErrNotExist, exitPrecondition},
	{context.DeadlineExceeded, exitTimeout},
}

// report says what went wrong and returns the exit code.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	var problems profiles.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(stderr, problems.Error())
		return exitProfile
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "mkimage: "+text)
	}
	var e *exit
	if errors.As(err, &e) {
		return e.code
	}
	for _, c := range codes {
		if errors.Is(err, c.is) {
			return c.code
		}
	}
	return exitUnexpected
}

// usage is an error of the command line.
func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// isUsage recognises the errors that cobra returns for a wrong command line;
// it has no type for them.
func isUsage(err error) bool {
	var e *exit
	if errors.As(err, &e) {
		return false
	}
	text := err.Error()
	for _, prefix := range []string{"unknown command", "unknown flag", "unknown shorthand", "accepts ", "requires ", "flag needs", "invalid argument", "required flag"} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
