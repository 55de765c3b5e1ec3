//go:build !unix

package output

import "os"

// lock has nothing to do: an open file cannot be removed here.
func lock(*os.File) error { return nil }

// syncDir has nothing to do: directories cannot be synced here.
func syncDir(string) error { return nil }
