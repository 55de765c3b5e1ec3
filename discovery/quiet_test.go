package discovery

import (
	"testing"
	"time"
)

func TestRoundsAreFarApartWhileNobodyWaits(t *testing.T) {
	quiet := false
	d := &Discovery{opts: Options{Quiet: func() bool { return quiet }}, table: newTable(Record{}, nil, time.Now, nil, nil)}
	for _, row := range []struct {
		name         string
		quick, quiet bool
		mean         time.Duration
	}{
		{"at the start", true, false, quickRound},
		{"after half a minute", false, false, slowRound},
		{"while nothing happens", false, true, quietRound},
		{"a link came", true, true, quickRound},
	} {
		quiet = row.quiet
		for range 50 {
			if p := d.pause(row.quick); p < row.mean*3/4 || p > row.mean*5/4 {
				t.Errorf("%s: %s to the next round, want about %s", row.name, p, row.mean)
			}
		}
	}
}
