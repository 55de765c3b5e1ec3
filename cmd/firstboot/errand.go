package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ringboot/firstboot/errand"
	"ringboot/firstboot/host"
)

// told is what the unit of an errand says: to the journal, and to whoever follows.
func told(t *terminal, f host.Files, k errand.Kind) func(string) {
	return func(text string) {
		line := time.Now().Format("15:04:05 ") + text
		fmt.Fprintln(t.Stdout, line)
		_ = f.Append(k.Log, []byte(line+"\n"), 0o600) // the journal has it
	}
}

// follow shows what the unit of an errand says until it is over, or has stopped,
// which is an error. Whoever leaves does not stop it.
func follow(ctx context.Context, t *terminal, f host.Files, log string, state func() (over bool, err error)) error {
	shown := 0
	for {
		over, stopped := state() // before the log, which then has all of it
		text, err := host.ReadOptional(f, log)
		if err != nil {
			return err
		}
		if at := strings.LastIndexByte(string(text), '\n') + 1; at > shown {
			fmt.Fprint(t.Stdout, string(text[shown:at]))
			shown = at
		}
		if over || stopped != nil {
			return stopped
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
