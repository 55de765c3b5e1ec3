package main

import (
	"strings"
	"testing"

	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/manifest"
)

// An image that somebody else made neither ends the program nor steers the
// terminal of who looks at it.
func TestAnImageOfAStrangerIsDescribed(t *testing.T) {
	var out strings.Builder
	describeImage(&out, inspect.Description{LongName: "Proxmox\x1b[2J", Label: "PVE\u202e", Manifest: &manifest.Manifest{
		Plan: "p", Node: "frege\x1b]0;owned\x07\nnode:     russell", Cluster: "principia\r", Builder: "\x9b31m",
		Files: []manifest.File{{Path: "/answer.toml\x1b[31m"}},
	}})
	text := out.String()
	if strings.ContainsAny(text, "\x1b\x07\r\u009b\u202e") || strings.Contains(text, "\nnode:     russell") {
		t.Errorf("raw: %q", text)
	}
	if !strings.Contains(text, "plan:     p of the cluster,  of the node\n") {
		t.Errorf("the plan is not shown:\n%s", text)
	}
}
