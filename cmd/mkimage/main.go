// Command mkimage is written by its issue; until then it only says its version.
package main

import (
	"fmt"
	"os"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	fmt.Fprintln(os.Stdout, "mkimage", version)
}
