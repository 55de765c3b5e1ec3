package keyring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// issueFile holds the number of a node's newest voucher, where it is not the first.
func issueFile(node string) string { return "node-" + node + ".issue" }

// issue is the number of a node's newest voucher.
func (k *Keyring) issue(node string) (int, error) {
	text, err := k.read(issueFile(node))
	if err != nil || text == nil {
		return 1, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s holds %q, which is no number: restore it from a backup", issueFile(node), strings.TrimSpace(string(text)))
	}
	return n, nil
}

// Reissue makes the vouchers of a node that there are worth less than the next
// one, and returns its number. The old key goes first: a run that is cut off
// leaves another key under the old number, never the old key under the new one.
func Reissue(ctx context.Context, dir, node string) (int, error) {
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return 0, fmt.Errorf("keyring %s: %w", dir, err)
	}
	defer unlock()
	k := &Keyring{Dir: dir}
	n, err := k.issue(node)
	if err != nil {
		return 0, fmt.Errorf("keyring %s: %w", dir, err)
	}
	if err := os.Remove(filepath.Join(dir, "node-"+node+".key")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("keyring: %w", err)
	}
	if err := k.write(issueFile(node), []byte(strconv.Itoa(n+1)+"\n")); err != nil {
		return 0, fmt.Errorf("keyring %s: %w", dir, err)
	}
	return n + 1, nil
}
