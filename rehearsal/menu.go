package rehearsal

import (
	"regexp"
	"time"
)

// countdown is the last thing on a screen on which GRUB's menu waits to act by
// itself. At 0s it acts.
var countdown = regexp.MustCompile(`will be executed automatically in [1-9]\d*s\.\s*$`)

// menuPatience is how long a menu of ten seconds may count down.
const menuPatience = 20 * time.Second

// menu watches the boot menu of an emulated machine. GRUB measures the
// processor's clock once, in some milliseconds; when the host takes the
// processor away in them, GRUB's seconds last ten times as long, or more.
type menu struct{ since time.Time }

// slow is told all that the console said, and tells whether a menu has counted
// down for too long. It says so once for each wait.
func (m *menu) slow(text string, now time.Time) bool {
	const enough = 200
	if !countdown.MatchString(text[max(0, len(text)-enough):]) {
		m.since = time.Time{}
		return false
	}
	if m.since.IsZero() {
		m.since = now
	}
	if now.Sub(m.since) < menuPatience {
		return false
	}
	m.since = now
	return true
}
