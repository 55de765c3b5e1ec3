package trial

import (
	"testing"
	"time"
)

// A machine that is busy between the setting of a limit and its reading shortens
// no limit.
func TestALimitIsReadInWholeSeconds(t *testing.T) {
	for left, want := range map[time.Duration]time.Duration{
		30 * time.Second:                  30 * time.Second,
		30*time.Second - time.Nanosecond:  30 * time.Second,
		29*time.Second + time.Millisecond: 30 * time.Second,
		29 * time.Second:                  29 * time.Second,
	} {
		if got := wholeSeconds(left); got != want {
			t.Errorf("%v: %v, not %v", left, got, want)
		}
	}
}
