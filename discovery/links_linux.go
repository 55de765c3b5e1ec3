package discovery

import "os"

// enslaved tells whether the interface belongs to a bridge or bond.
func enslaved(name string) bool {
	_, err := os.Lstat("/sys/class/net/" + name + "/master")
	return err == nil
}
