package main

import "strings"

// isUsage recognises the errors that cobra returns for a wrong command line;
// it has no type for them.
func isUsage(err error) bool {
	text := err.Error()
	for _, prefix := range []string{"unknown command", "unknown flag", "unknown shorthand", "accepts ", "requires ", "flag needs", "invalid argument", "required flag"} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
