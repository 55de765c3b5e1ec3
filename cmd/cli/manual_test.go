package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func trip(t *testing.T, out *bytes.Buffer) *cobra.Command {
	t.Helper()
	root := &cobra.Command{Use: "trip", Short: "Travel", Version: "1", Long: "Travel far.\n\n.dotted line - with a dash"}
	sub := &cobra.Command{Use: "pack THING", Short: "Pack a thing", Run: func(*cobra.Command, []string) {}}
	sub.Flags().StringP("bag", "b", "", "the `bag` to use")
	sub.Flags().Bool("secret", false, "not for people")
	if err := sub.Flags().MarkHidden("secret"); err != nil {
		t.Fatal(err)
	}
	root.AddCommand(sub)
	if err := Dress(root, NewTerminal(nil, out, out), "1"); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestPageOnStdout(t *testing.T) {
	var out bytes.Buffer
	c := trip(t, &out)
	c.SetArgs([]string{"man"})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH TRIP 1", "trip \\- Travel", "\n.PP\n\\&.dotted line \\- with a dash", ".B pack\nPack a thing"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, out.String())
		}
	}
}

func TestOnePageForEachCommand(t *testing.T) {
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "man1")
	c := trip(t, &out)
	c.SetArgs([]string{"man", dir})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "trip-pack.1"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), ".B \\-b, \\-\\-bag bag\nthe bag to use") || strings.Contains(string(text), "secret") {
		t.Errorf("options of pack:\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(dir, "trip-help.1")); err == nil {
		t.Error("help has a page of its own")
	}
	if !strings.Contains(out.String(), "trip-pack.1\n") {
		t.Errorf("the names of the pages are not printed: %q", out.String())
	}
}
