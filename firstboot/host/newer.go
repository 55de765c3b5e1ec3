package host

import "fmt"

// Newer refuses a file that a newer agent wrote: what it means is not guessed,
// and it is not written over. Nil where the file can be read.
func Newer(path string, have, reads int) error {
	if have <= reads {
		return nil
	}
	return fmt.Errorf("%s has version %d and this agent reads up to %d: a newer agent wrote it, install that one again", path, have, reads)
}
