package keeper

import (
	"testing"
	"time"
)

// Twenty minutes of junk from the network are a few lines of the history.
func TestStrangersGetALittleOfTheHistory(t *testing.T) {
	logged := 0
	c := &Resident{o: Options{Log: func(string) { logged++ }}, notes: make(chan string, maxNotes)}
	for range 400 {
		c.noise("a record from 10.203.3.66 is not ours: record is not signed")
	}
	if logged != 400 || len(c.notes) != strangeNotes {
		t.Errorf("%d lines in the journal, %d in the history", logged, len(c.notes))
	}
	var r ration
	now, got := time.Now(), 0
	for range 24 * 60 {
		now = now.Add(time.Minute)
		if r.take(now) {
			got++
		}
	}
	if got > 25*strangeNotes {
		t.Errorf("%d lines of a day", got)
	}
}
