package rehearsal

import (
	"regexp"
	"strings"
	"time"
)

// countdown is what a screen says last on which GRUB's menu waits to act by
// itself: the sentence, and perhaps the beginning of the next one, which a busy
// machine draws slowly. At 0s it acts.
const countdown = "The highlighted entry will be executed automatically in "

var counting = regexp.MustCompile(countdown + `([1-9]\d*)s\.`)

// menuPatience is how long a menu of ten seconds may count down.
const menuPatience = 20 * time.Second

// menu watches the boot menu of an emulated machine. GRUB measures the
// processor's clock once, in some milliseconds; when the host takes the
// processor away in them, GRUB's seconds last ten times as long, or more.
type menu struct{ since time.Time }

// slow is told all that the console said, and tells whether a menu has counted
// down for too long. It says so once for each wait.
func (m *menu) slow(text string, now time.Time) bool {
	if !counts(text) {
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

// counts reports whether the last thing said is a countdown.
func counts(text string) bool {
	const enough = 500 // two lines of a console and more
	text = text[max(0, len(text)-enough):]
	all := counting.FindAllStringIndex(text, -1)
	if len(all) == 0 {
		return false
	}
	rest := strings.TrimSpace(text[all[len(all)-1][1]:])
	return strings.HasPrefix(countdown, rest)
}
