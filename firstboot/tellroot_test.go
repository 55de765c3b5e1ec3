package firstboot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/firstboot/keeper"
)

// What the keeper notices goes to root's mail once, cleaned and bounded.
func TestTellRoot(t *testing.T) {
	root := t.TempDir()
	mails := filepath.Join(root, "mails")
	bin := filepath.Join(root, "bin")
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(bin, "sendmail"), "#!/bin/sh\n/bin/cat >>"+mails+"\n")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	notices := filepath.Join(root, keeper.NoticeFile)
	tell := func() string {
		t.Helper()
		_ = os.Remove(mails) // there may be none yet
		if err := TellRoot(t.Context(), Options{Root: root}); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(mails) // none: nothing was sent
		return string(text)
	}
	if got := tell(); got != "" {
		t.Errorf("nothing happened: %s", got)
	}
	put(notices, `[{"number":1,"at":"2026-11-26T10:00:00Z","text":"the cable is dead\u001b[2J\nBcc: all"}]`)
	got := tell()
	if !strings.HasPrefix(got, "To: root\nSubject: Ringboot: the cable is dead.[2J.Bcc: all\n") || strings.Contains(got, "\x1b") || strings.Count(got, "\n\n") != 1 {
		t.Errorf("the mail: %q", got)
	}
	if got := tell(); got != "" {
		t.Errorf("told twice: %s", got)
	}
	put(notices, `[{"number":1,"text":"old"},{"number":2,"text":"new"}]`)
	if got := tell(); !strings.Contains(got, "new") || strings.Contains(got, "old") {
		t.Errorf("only what is new: %s", got)
	}
}
