package host

import (
	"context"
	"math/rand/v2"
	"time"
)

// New returns the machine that the program runs on. With a root other than ""
// or "/", every path is taken below root, and programs are looked up below it
// too: an agent in a root cannot touch the machine that it runs on.
func New(root string) Host {
	if root == "/" {
		root = ""
	}
	return Host{Files: &osFiles{root: root}, Commands: &osCommands{root: root}, Clock: osClock{}}
}

// osClock is the machine's own clock.
type osClock struct{}

func (osClock) Now() time.Time { return time.Now() }

func (osClock) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Jitter returns d changed by up to a quarter either way, so that three nodes
// that were switched on together do not ask all at once.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/4 + rand.N(d/2+1)
}
