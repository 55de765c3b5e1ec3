// Package sshkey reads OpenSSH's public keys, as far as telling which line is one.
package sshkey

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Public reports whether a line is one public key as OpenSSH's .pub and
// authorized_keys files hold it (sshd(8), AUTHORIZED_KEYS FILE FORMAT): perhaps
// options, then its type, the key, and perhaps a comment. The key must be whole
// and of its type, or nobody could log in with it. DSA is not taken, as OpenSSH
// does not.
func Public(line string) bool {
	for rest := line; rest != ""; rest = afterOptions(rest) {
		kind, more, _ := strings.Cut(rest, " ")
		encoded, _, _ := strings.Cut(strings.TrimLeft(more, " \t"), " ")
		if blob, err := base64.StdEncoding.DecodeString(encoded); err == nil && ofKind(kind, blob) {
			return true
		}
		if rest != line {
			break // options stand once
		}
	}
	return false
}

// afterOptions drops the first word of a line; white space in quotes does not end it.
func afterOptions(line string) string {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return strings.TrimLeft(line[i:], " \t")
		}
	}
	return ""
}

// Sizes in bytes: of an Ed25519 key (RFC 8709 4), and of the least RSA modulus
// that OpenSSH takes.
const (
	ed25519Size = 32
	leastRSA    = 1024 / 8
)

// split takes a blob apart; nil where it is not whole.
func split(blob []byte) (parts [][]byte) {
	for len(blob) > 0 {
		if len(blob) < 4 {
			return nil
		}
		n := binary.BigEndian.Uint32(blob)
		if blob = blob[4:]; uint64(n) > uint64(len(blob)) {
			return nil
		}
		parts, blob = append(parts, blob[:n]), blob[n:]
	}
	return parts
}

// ofKind reports whether a blob is a public key of the kind: strings, each with
// its length before it (RFC 4251 5), of which the first repeats the kind.
func ofKind(kind string, blob []byte) bool {
	parts := split(blob)
	if len(parts) < 2 || string(parts[0]) != kind {
		return false
	}
	parts = parts[1:]
	// A key in hardware names the application that it is for.
	if base, found := strings.CutSuffix(kind, "@openssh.com"); found && strings.HasPrefix(base, "sk-") {
		kind = strings.TrimPrefix(base, "sk-")
		parts = parts[:len(parts)-1]
	}
	curves := map[string]ecdh.Curve{"nistp256": ecdh.P256(), "nistp384": ecdh.P384(), "nistp521": ecdh.P521()}
	switch kind {
	case "ssh-ed25519":
		return len(parts) == 1 && len(parts[0]) == ed25519Size
	case "ssh-rsa": // RFC 4253 6.6: exponent and modulus
		return len(parts) == 2 && len(bytes.Trim(parts[0], "\x00")) > 0 && len(bytes.TrimLeft(parts[1], "\x00")) >= leastRSA
	}
	name := strings.TrimPrefix(kind, "ecdsa-sha2-")
	curve, ok := curves[name]
	if !ok || kind == name || len(parts) != 2 || !slices.Equal(parts[0], []byte(name)) {
		return false // RFC 5656 3.1: the curve's name and a point on it
	}
	_, err := curve.NewPublicKey(parts[1])
	return err == nil
}

// All splits a text into OpenSSH public keys.
func All(text string) ([]string, error) {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Contains(line, "PRIVATE KEY") {
			return nil, errors.New("this is a private key; give the public one, which ends in .pub")
		}
		if !Public(line) {
			return nil, fmt.Errorf("%q is no OpenSSH public key; copy the whole line of a .pub file", shorten(line))
		}
		out = append(out, line)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no public key in it; copy the line of a .pub file")
	}
	return out, nil
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
