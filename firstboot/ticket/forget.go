package ticket

import (
	"bytes"
	"errors"
	"fmt"

	"ringboot/profiles/medium"
)

// wipe overwrites places of a medium. It tells whether anything was in them.
func wipe(on medium.Device, places ...medium.Place) (done bool, err error) {
	for _, place := range places {
		if place.Len == 0 {
			continue
		}
		empty, err := place.Wiped(on)
		if err == nil && !empty {
			done, err = true, place.Wipe(on)
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Forget burns the ticket of a node that is bound to a key of its own, and
// overwrites what the medium has of it: its answer with root's password, and its
// seed with the voucher's key. It tells whether there was anything. A medium of
// another node or cluster, or one without places that are written, is left alone.
func Forget(on medium.Device, who Who) (done bool, err error) {
	t, err := medium.FindTable(on)
	if errors.Is(err, medium.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	at, ok := t.Ticket[who.Node]
	if !ok {
		return false, nil
	}
	block, err := at.Read(on)
	if err != nil {
		return false, err
	}
	if is, err := medium.ParseTicket(block); err != nil || is.Node != who.Node || is.ClusterID != who.ClusterID {
		return false, nil // not this node's: nothing of it is touched
	}
	if _, err := Burn(on, who); err != nil {
		return false, err
	}
	pair := t.Store[who.Node]
	if done, err = wipe(on, t.Seed, pair.Seed, pair.Answer); err != nil || t.Answer.Len == 0 {
		return done, err
	}
	answer, err := t.Answer.Read(on)
	if err != nil || string(bytes.TrimRight(answer, "\n"))+"\n" == medium.NoAnswer {
		return done, err
	}
	if err := t.Answer.Fill(on, []byte(medium.NoAnswer)); err != nil {
		return done, fmt.Errorf("overwrite the answer: %w", err)
	}
	return true, nil
}
