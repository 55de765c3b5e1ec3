package sshkey

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// wire writes strings as a key's blob has them.
func wire(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// TestPublicKeysAreThoseOfOpenSSH holds the parser against that of
// golang.org/x/crypto/ssh, which the agent need not carry.
func TestPublicKeysAreThoseOfOpenSSH(t *testing.T) {
	var good []string
	add := func(key any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		public, err := ssh.NewPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		good = append(good, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))))
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	add(ed, err)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		add(&private.PublicKey, err)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	add(&private.PublicKey, err)
	good = append(good, "sk-ssh-ed25519@openssh.com "+wire("sk-ssh-ed25519@openssh.com", string(ed), "ssh:"))
	lines := append([]string{}, good...)
	for _, key := range good {
		lines = append(lines, key+" kellen at home", `from="10.0.0.0/8, fd00::/8",no-pty `+key, `command="say \"hi there\"" `+key+" c", "no-pty  "+key)
		kind, blob, _ := strings.Cut(key, " ")
		lines = append(lines, kind, blob, kind+" "+blob[:len(blob)-8], kind+"x "+blob, "no-pty cert-authority x "+kind, strings.ToUpper(kind)+" "+blob)
	}
	lines = append(lines, "", "hello", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 "+wire("ssh-rsa", string(ed)), "ssh-ed25519 "+wire("ssh-ed25519", "short"),
		"ecdsa-sha2-nistp256 "+wire("ecdsa-sha2-nistp256", "nistp256", "\x04"+strings.Repeat("\x01", 64)),
		"ecdsa-sha2-nistp256 "+wire("ecdsa-sha2-nistp256", "nistp384", "\x04"+strings.Repeat("\x01", 64)), "nistp256 "+wire("nistp256", "nistp256", "x"))
	taken := 0
	for _, line := range lines {
		_, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if got := Public(line); got != (err == nil) {
			t.Errorf("%q is taken: %v; ssh says %v", line, got, err)
		} else if got {
			taken++
		}
	}
	if want := 5 * len(good); taken != want {
		t.Errorf("%d lines were taken, want %d", taken, want)
	}
	for name, line := range map[string]string{
		"dsa":                 "ssh-dss " + wire("ssh-dss", "p", "q", "g", "y"),
		"a modulus too short": "ssh-rsa " + wire("ssh-rsa", "\x01\x00\x01", strings.Repeat("\x7f", 64)),
		"sk without its key":  "sk-ssh-ed25519@openssh.com " + wire("sk-ssh-ed25519@openssh.com", "ssh:"),
	} {
		if Public(line) {
			t.Errorf("%s is taken", name)
		}
	}
}
