package crash

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files is all files below root but those that a reboot clears.
func Files(t testing.TB, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, root)
		// A torn temporary file may stay behind; it has another name.
		if err != nil || d.IsDir() || strings.HasPrefix(name, "/run/") || strings.HasPrefix(filepath.Base(name), ".") {
			return err
		}
		text, err := os.ReadFile(path)
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
