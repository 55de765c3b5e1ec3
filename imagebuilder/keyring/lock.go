package keyring

import (
	"context"
	"fmt"
	"os"
	"time"
)

// lockPoll is how often a waiting run looks again. A run holds the lock for
// the time of a few small writes.
const lockPoll = 50 * time.Millisecond

// lock waits until no other run holds the keyring.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		held, err := tryLock(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock: %w", err)
		}
		if held {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("another mkimage holds it: %w", context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}
