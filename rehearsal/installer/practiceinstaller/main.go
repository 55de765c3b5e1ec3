// Command practiceinstaller is the installer on the practice medium. Started
// by the medium's first program, it tells by its exit status how the machine
// goes on; see package installer.
package main

import (
	"context"
	"os"

	"ringboot/rehearsal/installer"
)

func main() { os.Exit(installer.Run(context.Background(), os.Stdout)) }
