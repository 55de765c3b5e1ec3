package main

import (
	"os"
	"path/filepath"
	"strings"

	"ringboot/profiles/sshkey"
)

// sshKeys are the public SSH keys of whoever builds, those of ~/.ssh/*.pub.
type sshKeys struct {
	files, broken []string // as a profile names them; broken ones hold no key
	lines         []string // as authorized_keys takes them
}

// ownKeys reads them. A certificate is of no use in authorized_keys.
func ownKeys() (own sshKeys) {
	home, err := os.UserHomeDir()
	if err != nil {
		return own
	}
	files, err := filepath.Glob(filepath.Join(home, ".ssh", "*.pub")) // in order
	if err != nil {
		return own
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		name, keys, broken := "~/.ssh/"+filepath.Base(f), 0, false
		for line := range strings.Lines(string(text)) {
			switch line = strings.TrimSpace(line); {
			case line == "" || strings.HasPrefix(line, "#") || certificate(line):
			case sshkey.Public(line):
				own.lines = append(own.lines, line)
				keys++
			default:
				broken = true
			}
		}
		switch {
		case broken:
			own.broken = append(own.broken, name)
		case keys > 0:
			own.files = append(own.files, name)
		}
	}
	return own
}

func certificate(line string) bool {
	kind, _, _ := strings.Cut(line, " ")
	return strings.Contains(kind, "-cert-")
}
