package host

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells systemd about the agent's own unit. Without a notify socket
// every call does nothing.
type Notifier struct{}

// Ready says that the unit has started.
func (Notifier) Ready() { daemon.SdNotify(false, daemon.SdNotifyReady) }

// Stopping says that the unit is on its way out.
func (Notifier) Stopping() { daemon.SdNotify(false, daemon.SdNotifyStopping) }

// Status sets the line that systemctl status shows.
func (Notifier) Status(line string) {
	daemon.SdNotify(false, "STATUS="+strings.ReplaceAll(line, "\n", " "))
}

// Extend asks for more time before the unit's start or stop times out.
func (Notifier) Extend(d time.Duration) {
	daemon.SdNotify(false, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// How Patience asks: so often, for three times as long, and no longer in all
// than a command of the agent may take to come to its end.
const (
	patienceEvery = 2 * time.Second
	patienceLimit = 10 * time.Minute
)

// Patience asks for more time again and again while the start or the stop of
// the unit takes long, until the function that it returns is called. Something
// that hangs for good is not waited for for ever.
func (n Notifier) Patience() (done func()) { return n.patience(patienceEvery, patienceLimit) }

func (n Notifier) patience(every, limit time.Duration) (done func()) {
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for asked := time.Duration(0); asked < limit; asked += every {
			select {
			case <-ended:
				return
			case <-tick.C:
				n.Extend(3 * every)
			}
		}
	}()
	return func() { close(ended); <-stopped }
}

// Alive is the ping that the watchdog waits for.
func (Notifier) Alive() { daemon.SdNotify(false, daemon.SdNotifyWatchdog) }

// Watchdog returns how often Alive must be called, or 0 where no watchdog is on.
func (Notifier) Watchdog() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d / 2
}

// Beat says that the unit has started, and then how it is as often as the
// watchdog wants to hear of it, until the context ends.
func (n Notifier) Beat(ctx context.Context, is func() string) {
	n.Ready()
	every := n.Watchdog()
	if every == 0 {
		every = time.Minute
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		n.Status(is())
		n.Alive()
		select {
		case <-ctx.Done():
			n.Stopping()
			return
		case <-tick.C:
		}
	}
}
