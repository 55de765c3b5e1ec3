package answer

import (
	"fmt"
	"regexp"
	"strings"

	"ringboot/profiles/sshkey"
)

const (
	minPasswordBytes = 8 // enforced by the installer since 8.4
	maxPasswordBytes = 64
)

// A hash of crypt(5): its method, parameters, salt and sum. The sizes of the sums
// are those of the methods that Debian's chpasswd and login know.
var cryptForms = []struct {
	form *regexp.Regexp
	sum  int // letters of the last part; 0: not known
}{
	{regexp.MustCompile(`^\$g?y\$[./A-Za-z0-9]+\$[./A-Za-z0-9]*\$[./A-Za-z0-9]+$`), 43},
	{regexp.MustCompile(`^\$7\$[./A-Za-z0-9]+\$[./A-Za-z0-9]+$`), 43},
	{regexp.MustCompile(`^\$6\$(rounds=[0-9]+\$)?[^$:\n\s{}<>]*\$[./A-Za-z0-9]+$`), 86},
	{regexp.MustCompile(`^\$5\$(rounds=[0-9]+\$)?[^$:\n\s{}<>]*\$[./A-Za-z0-9]+$`), 43},
	{regexp.MustCompile(`^\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`), 53},
	{regexp.MustCompile(`^\$1\$[^$:\n\s{}<>]*\$[./A-Za-z0-9]+$`), 22},
	{regexp.MustCompile(`^\$sha1\$[0-9]+\$[./A-Za-z0-9]+\$[./A-Za-z0-9]+$`), 28},
}

// hashProblem says what is wrong with a hash, and whether it is certain that
// nobody could log in with any password.
func hashProblem(s string) (text string, certain bool) {
	for _, f := range cryptForms {
		if !f.form.MatchString(s) {
			continue
		}
		last := len(s) - strings.LastIndexByte(s, '$') - 1
		if last != f.sum {
			return fmt.Sprintf("its last part has %d letters where the method has %d; if letters were lost, nobody can log in", last, f.sum), false
		}
		return "", false
	}
	if !strings.HasPrefix(s, "$") {
		return "is no crypt(3) hash, which begins with $; the installer would not notice, and nobody could log in", true
	}
	return "has not the form of a crypt(3) hash; the installer would not notice, and nobody could log in: write what mkpasswd -m yescrypt prints", true
}

func (l *linter) secrets() {
	plain, hashed := l.doc.get("global.root-password"), l.doc.get("global.root-password-hashed")
	at := l.doc.written("global.root-password")
	switch {
	case plain == nil && hashed == nil:
		l.add(Wrong, "global", "has neither root-password nor root-password-hashed; write the hash")
	case plain != nil && hashed != nil:
		l.add(Wrong, at, "and root-password-hashed exclude each other; keep the hash")
	case plain != nil:
		l.plain(at, l.doc.text("global.root-password"))
	default:
		s, isText := hashed.(string)
		if !isText {
			break
		}
		if text, certain := hashProblem(s); certain {
			l.later(l.doc.written("global.root-password-hashed"), "%s", text)
		} else if text != "" {
			l.add(Risky, l.doc.written("global.root-password-hashed"), "%s", text)
		}
	}
	for i, key := range l.doc.list("global.root-ssh-keys") {
		if strings.TrimSpace(key) == "" || !sshkey.Public(strings.TrimSpace(key)) {
			l.add(Risky, l.doc.written("global.root-ssh-keys"), "key %d is no OpenSSH public key, and nobody logs in with it; copy the whole line of a .pub file", i+1)
		}
	}
}

// plain checks a password in clear.
func (l *linter) plain(at, s string) {
	if l.v >= V84 && len(s) < minPasswordBytes {
		l.add(Wrong, at, "has %d bytes; version %s wants at least %d", len(s), l.v, minPasswordBytes)
	}
	if len(s) > maxPasswordBytes {
		l.later(at, "has %d bytes; %d is the limit of the interface", len(s), maxPasswordBytes)
	}
	for _, f := range cryptForms {
		if f.form.MatchString(s) {
			l.later(at, "is a hash, and would become the password itself, so that nobody can log in with the one that was meant; write root-password-hashed")
			return
		}
	}
	if l.v >= V83 {
		l.add(Risky, at, "the password stands here in clear, and every package of the ISO can read it; write root-password-hashed (mkpasswd -m yescrypt)")
	}
}
