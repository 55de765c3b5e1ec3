package lab_test

import (
	"testing"
	"time"

	"ringboot/rehearsal/containers/lab"
	"ringboot/rehearsal/need"
)

// TestFourSystemsOnASwitchComeToTheReport joins four systems by a switch in place
// of a ring.
func TestFourSystemsOnASwitchComeToTheReport(t *testing.T) {
	need.Slow(t)
	// The trip of three is in every run; this one is in one CI run of four.
	if !need.Turn(t, 4) {
		return
	}
	need.File(t, "/sys/class/watchdog", "a kernel that knows watchdogs")
	l := trip{lab.New(t, lab.OnASwitch(), "")}
	began := time.Now()
	l.InstallImages()
	l.Await(nil)
	need.Figure("rehearsal.report_switch_of_4_s", time.Since(began).Seconds(), "s")
	l.checkReports()
}
