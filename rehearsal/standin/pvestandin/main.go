// Command pvestandin answers to the names of the Proxmox tools in rehearsals:
// the name it is called by decides which tool it is.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "pvestandin: no such stand-in:", os.Args[0])
	os.Exit(127)
}
