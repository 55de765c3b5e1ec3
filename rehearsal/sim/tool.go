package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Machine is the node that a tool runs on. World gives one on virtual time,
// pvestandin one that is the real machine.
type Machine interface {
	Name() string
	Now() time.Time
	// Work is time that the tool needs: on a real machine it follows its speed.
	Work(d time.Duration)
	// Sleep waits; it does not return when the command is killed.
	Sleep(d time.Duration)
	// Random returns a number in [0,n).
	Random(n int) int

	ReadFile(path string) ([]byte, error)
	// WriteDirect writes in place and syncs nothing, as most tools do.
	WriteDirect(path string, content []byte) error
	Remove(path string) error
	Rename(from, to string) error
	Symlink(target, path string) error
	MkdirAll(path string, mode fs.FileMode) error
	Chmod(path string, mode fs.FileMode) error
	Lstat(path string) (fs.FileInfo, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Sync() error

	// Addresses are the IP addresses of the node, the management one first.
	Addresses() []string
	// Unit does start, stop, restart, reload, reset-failed, enable or disable.
	// The error text is systemctl's.
	Unit(verb, unit string) error
	// UnitState is active, inactive or failed.
	UnitState(unit string) string
	// Corosync is what the running corosync says, false if none runs.
	Corosync() (Corosync, bool)
	// Kill ends the corosync of another member, as corosync-cfgtool -k; false if it is none.
	Kill(nodeID int) bool
	// Lock takes a lock that goes with the process, false if another holds it.
	Lock(path string) (unlock func(), ok bool)
	// Synced reports whether a node has ever been synchronised with another.
	Synced(node string) bool
	// Expect is pvecm expected.
	Expect(votes int)
	// Remote is another machine by name or address, nil if it cannot be reached.
	Remote(host string) Machine
	// Reaches reports whether something answers at an address and port.
	Reaches(address string, port int) bool
	// Alone does something while no other tool of the world does such a thing.
	Alone(do func())
	// Note records a behaviour that a test asserts never happened.
	Note(kind, text string)
}

// Guester is a machine whose guests may be more than rows.
type Guester interface {
	Guests() Guests // nil: they are rows
}

// Guests are what runs the guests of a node.
type Guests interface {
	// Start starts a guest with an image, POOL/IMAGE or "", as its disk.
	Start(id, image string) (pid int, err error)
	// Move moves one that runs to another node.
	Move(id, to string) (pid int, downtime time.Duration, err error)
	End(id string)
}

// Corosync is the view of one running corosync.
type Corosync struct {
	NodeID   int
	Conf     Conf // the running configuration
	Members  []int
	Quorate  bool
	Expected int
	Quorum   int
	RingID   string
	Links    []Link // to the other nodes of Members
}

// Link is one link to one other node.
type Link struct {
	Number, NodeID int
	From, To       string
	Connected      bool
	MTU            int
}

// Call is one run of a tool.
type Call struct {
	Machine
	Argv           []string
	Stdin          []byte // nil: /dev/null
	Env            []string
	Stdout, Stderr bytes.Buffer
}

// Outf prints to standard output.
func (c *Call) Outf(format string, args ...any) { fmt.Fprintf(&c.Stdout, format, args...) }

// Errf prints to standard error.
func (c *Call) Errf(format string, args ...any) { fmt.Fprintf(&c.Stderr, format, args...) }

// Exit prints a line to standard error and returns the code.
func (c *Call) Exit(code int, format string, args ...any) int {
	c.Errf(format+"\n", args...)
	return code
}

// Die is Exit with a code as that of Perl's die: it follows errno, which depends
// on what happened to fail before.
func (c *Call) Die(format string, args ...any) int {
	return c.Exit([]int{2, 255, 2, 17}[c.Random(4)], format, args...)
}

// Done is the code of a tool whose last act ended so.
func (c *Call) Done(err error) int {
	if err != nil {
		return c.Die("%v", err)
	}
	return 0
}

// JSON prints a value on one line, and returns 0.
func (c *Call) JSON(value any) int {
	raw, err := json.Marshal(value)
	if err == nil {
		c.Outf("%s\n", raw)
	}
	return c.Done(err)
}

// Usage prints a refused parameter and returns 255.
func (c *Call) Usage(param, reason, usage string) int {
	return c.Exit(255, "400 Parameter verification failed.\n%s: %s\n%s", param, reason, usage)
}

// Unknown ends a command that the stand-in lacks. It is never in the real tool's
// words: that may well have the command.
func (c *Call) Unknown(code int, tool string, words ...string) int {
	return c.Exit(code, "ERROR: the stand-in does not know '%s'", strings.Join(append([]string{tool}, words...), " "))
}

// Tool is one program. It returns its exit code.
type Tool func(c *Call) int
