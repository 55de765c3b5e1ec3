package rehearsal

import (
	"regexp"
	"time"

	"ringboot/rehearsal/qemu"
)

// countdown is the last thing on a screen on which GRUB's menu waits to act by
// itself.
var countdown = regexp.MustCompile(`will be executed automatically in \d+s\.\s*$`)

// menuPatience is how long a menu of ten seconds may count down.
const menuPatience = 20 * time.Second

// menu hurries the boot menu of an emulated machine on. GRUB measures the
// processor's clock once, in some milliseconds; when the host takes the
// processor away in them, GRUB's seconds last ten times as long, or more. What
// the countdown would choose is chosen then, and nothing else.
type menu struct{ since time.Time }

// look is told the end of what the console said.
func (m *menu) look(vm *qemu.VM, text string, now time.Time) (hurried bool) {
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
	m.since = time.Time{}
	return vm.Console.Send("\r") == nil
}
