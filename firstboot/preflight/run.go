package preflight

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ringboot/profiles/medium"
)

// Next is what the caller does when Run is done.
type Next string

// What follows a run.
const (
	GoOn     Next = "go on"     // start the installer
	Reboot   Next = "reboot"    // the menu of the medium knows now what to start
	Wait     Next = "wait"      // nothing starts; the sentence was shown
	PowerOff Next = "power off" // a medium that only looks has looked
)

// Console is where a person may be.
type Console interface {
	io.Writer
	Key(ctx context.Context) (byte, error)
	Line(ctx context.Context) (string, error)
	Forget()
}

// Stick is the medium that was started from, where it takes writes.
type Stick struct {
	medium.Device
	medium.Table
}

// Close closes its device.
func (s *Stick) Close() error {
	if c, ok := s.Device.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Session is one start of one machine.
type Session struct {
	Plan      medium.Plan
	Facts     Facts
	Stick     *Stick // nil: it takes no writes, or was not found
	Console   Console
	Inventory []byte // JSON, for the log
	Now       func() time.Time
	Countdown time.Duration
	Columns   int
}

// Run decides, asks whom it must, and leaves the medium as the installer is to
// find it. It never writes to anything else. Whatever it is cut off at, the next
// run finds out what is true.
func (s *Session) Run(ctx context.Context) (Next, error) {
	s.Facts.Writable = s.Stick != nil
	if err := s.remember(); err != nil {
		return Wait, err
	}
	if s.Plan.Kind == medium.KindProbe {
		return PowerOff, nil
	}
	v := Decide(s.Plan, s.Facts)
	// Before the question, and not after it: who answers at once is to be heard.
	s.Console.Forget()
	fmt.Fprint(s.Console, Screen(s.Plan, s.Facts, v, s.Columns))
	switch v.Outcome {
	case Installed:
		return s.installed(v)
	case Asks:
		if err := s.agreed(ctx, v); err != nil {
			return Wait, err
		}
	case Installs:
		if err := s.countdown(ctx, v); err != nil {
			return Wait, err
		}
	default:
		return Wait, nil
	}
	return GoOn, s.prepare(v)
}

// remember reads the log and adds what was seen, unless the last entry of this
// machine says the same. What is left of nodes that are installed is overwritten.
func (s *Session) remember() error {
	if s.Stick == nil {
		return nil
	}
	var err error
	if s.Facts.Log, err = s.Stick.ReadLog(s.Stick); err != nil {
		return err
	}
	if s.Facts.Spent, err = s.Stick.spent(); err != nil {
		return err
	}
	if s.Plan.Kind == medium.KindAll {
		if err := s.Stick.clear(); err != nil {
			return err
		}
	}
	for node := range s.Facts.Spent {
		if err := s.Stick.forget(node); err != nil {
			return err
		}
	}
	var last *medium.Entry
	for i, e := range s.Facts.Log {
		if e.What == medium.Seen && e.Machine.Same(s.Facts.Machine) {
			last = &s.Facts.Log[i]
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, s.Inventory); err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	if last != nil && bytes.Equal(last.Inventory, compact.Bytes()) {
		return nil
	}
	return s.Stick.Append(s.Stick, medium.Entry{
		What: medium.Seen, At: s.at(), Machine: s.Facts.Machine, Inventory: compact.Bytes(),
	})
}

func (s *Session) at() string { return s.Now().UTC().Format(time.RFC3339) }

// spent are the nodes whose tickets are spent. A ticket that cannot be read is
// not armed, but nothing of its node is overwritten for that.
func (s *Stick) spent() (map[string]bool, error) {
	out := map[string]bool{}
	for node, place := range s.Ticket {
		block, err := place.Read(s)
		if err != nil {
			return nil, err
		}
		if t, err := medium.ParseTicket(block); err == nil && t.State == medium.TicketSpent && t.Node == node {
			out[node] = true
		}
	}
	return out, nil
}

// clear empties what the installer reads from a medium for all nodes: it may be
// that of a node that is installed by now, and every start writes it anew.
func (s *Stick) clear() error {
	if err := wipe(s, s.Seed); err != nil {
		return err
	}
	current, err := s.Answer.Read(s)
	if err != nil || string(bytes.TrimRight(current, "\n"))+"\n" == medium.NoAnswer {
		return err
	}
	return s.Answer.Fill(s, []byte(medium.NoAnswer))
}

// forget overwrites the seed and the answer of a node that is installed.
func (s *Stick) forget(node string) error {
	pair, ok := s.Store[node]
	if !ok {
		return nil
	}
	return errors.Join(wipe(s, pair.Answer), wipe(s, pair.Seed))
}

// wipe overwrites a place that is not empty.
func wipe(s *Stick, at medium.Place) error {
	if empty, err := at.Wiped(s); err != nil || empty {
		return err
	}
	return at.Wipe(s)
}

// installed tells the boot menu, by the ticket, that this machine is done: it
// starts the installed system, or gives the machine back to the firmware, which
// knows the disk. To start the system from here (kexec) would want its kernel out
// of LVM or ZFS, and be refused under Secure Boot.
func (s *Session) installed(v Verdict) (Next, error) {
	place, ok := medium.Place{}, false
	if s.Stick != nil {
		place, ok = s.Stick.Ticket[v.Node]
	}
	if !ok {
		fmt.Fprint(s.Console, "This medium cannot be written to: take it out, and the machine starts its own system.\n")
		return Wait, nil
	}
	if !s.Facts.Spent[v.Node] {
		t := medium.Ticket{State: medium.TicketSpent, Node: v.Node, ClusterID: s.Plan.ClusterID, Date: v.Disks[0].Mark.Date, By: "preflight"}
		if err := place.Fill(s.Stick, t.Encode()); err != nil {
			return Wait, err
		}
	}
	return Reboot, nil
}

// agreed waits until the owner has typed what the screen asks for.
func (s *Session) agreed(ctx context.Context, v Verdict) error {
	for {
		fmt.Fprint(s.Console, "> ")
		line, err := s.Console.Line(ctx)
		if err != nil {
			return err
		}
		if strings.EqualFold(strings.Join(strings.Fields(line), " "), v.Word) {
			return nil
		}
		fmt.Fprintf(s.Console, "That is not %s: nothing was erased.\n", v.Word)
	}
}

// countdown gives a person the time to stop what would happen by itself.
func (s *Session) countdown(ctx context.Context, v Verdict) error {
	for left := s.Countdown; left > 0; left -= time.Second {
		fmt.Fprintf(s.Console, "\rErases %s in %2d s. Any key stops. ", names(v.Disks), left/time.Second)
		wait, cancel := context.WithTimeout(ctx, time.Second)
		_, err := s.Console.Key(wait)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			continue
		}
		s.Console.Forget()
		fmt.Fprintf(s.Console, "\nStopped, nothing was erased. Type yes to erase %s all the same, or switch off.\n", names(v.Disks))
		v.Word = "yes"
		return s.agreed(ctx, v)
	}
	fmt.Fprint(s.Console, "\n")
	return nil
}

// prepare turns the medium into that of the node and of the proven disk. First
// the log, so that a cut from here on is known to be ours; last what the
// installer reads, which every start writes anew.
func (s *Session) prepare(v Verdict) error {
	if s.Stick == nil {
		return nil
	}
	entry := medium.Entry{What: medium.Began, At: s.at(), Node: v.Node, Machine: s.Facts.Machine, Disk: v.Disks[0].Record()}
	if len(v.Disks) > 1 {
		entry.Mirror = v.Disks[1].Record()
	}
	if err := s.Stick.Append(s.Stick, entry); err != nil {
		return err
	}
	from := s.Stick.Answer
	if s.Plan.Kind == medium.KindAll {
		from = s.Stick.Store[v.Node].Answer
	}
	answer, err := from.Read(s.Stick)
	if err != nil {
		return err
	}
	var aimed []string
	for _, d := range v.Disks {
		aimed = append(aimed, d.Name)
	}
	if answer, err = Aim(answer, aimed...); err != nil {
		return fmt.Errorf("the answer of %s: %w", v.Node, err)
	}
	if s.Plan.Kind == medium.KindAll {
		seed, err := s.Stick.Store[v.Node].Seed.Read(s.Stick)
		if err != nil {
			return err
		}
		if err := s.Stick.Seed.Fill(s.Stick, seed); err != nil {
			return err
		}
	}
	return s.Stick.Answer.Fill(s.Stick, answer)
}
