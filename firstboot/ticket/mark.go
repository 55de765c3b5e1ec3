package ticket

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ringboot/profiles/medium"
)

// writeMark leaves the mark below the root of a mounted EFI system partition.
// A mark of this node stays as it is, with the day of its installation.
func writeMark(dir string, who Who) error {
	path := filepath.Join(dir, medium.MarkFile)
	if old, err := os.ReadFile(path); err == nil {
		if t, err := medium.ParseTicket(old); err == nil && t.Node == who.Node && t.ClusterID == who.ClusterID {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(who.spent().Encode())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path + ".new")
		return fmt.Errorf("write mark: %w", err)
	}
	return os.Rename(path+".new", path)
}
