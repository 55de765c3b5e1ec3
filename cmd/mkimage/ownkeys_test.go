package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A file that only begins as a key does once made an image whose node could
// not read its own profile.
func TestOnlyKeysThatASystemTakesAreOwn(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.Mkdir(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0zNEv3YJ0n3sE0nZbVxZc0bS0R0S3kKZxk8Xm0mYbT me@here"
	for name, text := range map[string]string{
		"id_ed25519.pub":      key + "\n",
		"id_ed25519-cert.pub": "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t me@here\n",
		"broken.pub":          "no key\n",
		"cut.pub":             "ssh-rsa AAAAB3NzaC1yc2E17957744234493028 root@here\n",
		"id_rsa":              "secret",
	} {
		if err := os.WriteFile(filepath.Join(home, ".ssh", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := ownKeys()
	if !slices.Equal(own.files, []string{"~/.ssh/id_ed25519.pub"}) {
		t.Errorf("files %v", own.files)
	}
	if !slices.Equal(own.lines, []string{key}) {
		t.Errorf("keys %q", own.lines)
	}
	if !slices.Equal(own.broken, []string{"~/.ssh/broken.pub", "~/.ssh/cut.pub"}) {
		t.Errorf("broken %v", own.broken)
	}
}
