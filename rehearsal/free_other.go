//go:build !linux

package rehearsal

// free is not known here.
func free(string) (mib int, bytes int64) { return 0, 0 }
