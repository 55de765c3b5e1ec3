package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"ringboot/cmd/cli"
	"ringboot/firstboot/status"
	"ringboot/profiles/fault"
)

// remote is how a node's own firstboot is run from here: over ssh, with the key
// that its owner logs in with, and sudo. What a node does as root is asked for
// with root's rights on it and no others, so its table of requests has no row
// for this.
type remote struct {
	t     *cli.Terminal
	user  string // "": whom ssh itself takes
	at    map[string]string
	keys  map[string][]string // of sshd, as each node said over the trusted channel
	known string              // directory of the known_hosts made of them
}

// asRoot runs firstboot as root, and tells apart why it cannot.
const asRoot = `PATH=$PATH:/usr/sbin; f=$(command -v firstboot) || exit 91
[ "$(id -u)" -eq 0 ] && exec "$f" "$@"
command -v sudo >/dev/null || exit 92
sudo -n -l "$f" >/dev/null 2>&1 || exit 93
exec sudo -n "$f" "$@"`

// What asRoot ends with, and ssh itself.
const (
	noFirstboot = 91
	noSudo      = 92
	sudoRefuses = 93
	sshFailed   = 255
)

// hostKey is a public key as known_hosts has it. What is no such line does not
// get into the file.
var hostKey = regexp.MustCompile(`^[a-z0-9@.-]{1,64} [A-Za-z0-9+/=]{16,}$`)

// errLost says that the connection is not there, or broke.
type errLost struct{ error }

func (e errLost) Unwrap() error { return e.error }

// errSaid is an end of firstboot's own on the node.
type errSaid struct {
	error
	kind fault.Kind
}

func (e errSaid) Fault() fault.Kind { return e.kind }

// newRemote learns where the nodes are and by which keys their sshd is known:
// with the keyring from the nodes themselves.
func newRemote(ctx context.Context, w wishes, user string, t *cli.Terminal) (*remote, []string, error) {
	c, err := open(w, os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	if len(c.nodes) == 0 {
		return nil, nil, fault.Precondition.New("which nodes there are is not known: run this where the images were made, or name the cluster's --profile or --keyring")
	}
	r := &remote{t: t, user: user, at: map[string]string{}, keys: map[string][]string{}}
	if r.user == "" {
		r.user = c.admin
	}
	for _, n := range c.nodes {
		if all := c.addresses[n]; len(all) > 0 {
			r.at[n], _, _ = net.SplitHostPort(all[0])
		}
	}
	if c.id == nil {
		return r, c.nodes, nil
	}
	if err := r.learn(ctx, c, w); err != nil {
		return nil, nil, err
	}
	return r, c.nodes, nil
}

// learn asks the nodes, at most for the time of listening.
func (r *remote) learn(ctx context.Context, c *cluster, w wishes) error {
	g, stop, err := gather(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	heard := r.t.Passing(fmt.Sprintf("listening for the nodes, at most %s", w.listen))
	defer heard()
	deadline := time.After(w.listen)
	for end := false; !end && !g.answered(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			end = true
		case <-g.changed:
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, said := range g.asked {
		r.keys[n] = said.HostKeys
		if host, _, err := net.SplitHostPort(g.client.Address(n)); err == nil {
			r.at[n] = host
		}
	}
	return nil
}

// answered tells that every node has said its status.
func (g *gatherer) answered() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.asked) == len(g.c.nodes)
}

// close removes what was made for ssh.
func (r *remote) close() {
	if r.known != "" {
		_ = os.RemoveAll(r.known) // public keys, in the directory for what passes
	}
}

// options are what ssh is told of a node. Whose key is known by the nodes' own
// word is asked for that one; else the user's own known_hosts counts.
func (r *remote) options(node string) ([]string, error) {
	out := []string{"-e", "none", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5"}
	var lines strings.Builder
	for _, k := range r.keys[node] {
		if hostKey.MatchString(k) {
			fmt.Fprintf(&lines, "%s %s\n", node, k)
		}
	}
	if lines.Len() == 0 {
		return out, nil
	}
	if r.known == "" {
		dir, err := os.MkdirTemp("", "ringboot-ssh-")
		if err != nil {
			return nil, err
		}
		r.known = dir
	}
	file := filepath.Join(r.known, node)
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		return nil, err
	}
	return append(out, "-o", "StrictHostKeyChecking=yes", "-o", "HostKeyAlias="+node, "-o", `UserKnownHostsFile="`+filepath.ToSlash(file)+`"`, "-o", "GlobalKnownHostsFile=none"), nil
}

// run runs firstboot with these words on a node. Its messages go on to errs, but
// for the last of an error, which is what is returned, with its exit code.
func (r *remote) run(ctx context.Context, node string, stdin io.Reader, stdout, errs io.Writer, words ...string) error {
	if r.at[node] == "" {
		return errLost{fault.Precondition.Errorf("where %s is, is not known: name the cluster's --profile", node)}
	}
	argv, err := r.options(node)
	if err != nil {
		return err
	}
	if r.user != "" {
		argv = append(argv, "-l", r.user)
	}
	line := []string{"sh", "-c", quoted(asRoot), "firstboot"}
	for _, w := range words {
		line = append(line, quoted(w))
	}
	cmd := exec.CommandContext(ctx, "ssh", append(argv, r.at[node], "--", strings.Join(line, " "))...)
	cmd.WaitDelay = time.Second
	said := newMessages(errs)
	out := &cleaned{to: stdout}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, said
	err = cmd.Run()
	if err := errors.Join(out.flush(), said.flush()); err != nil {
		return err
	}
	var ended *exec.ExitError
	switch {
	case err == nil:
		for _, line := range said.last {
			fmt.Fprintln(errs, line)
		}
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &ended):
		return fault.Precondition.Errorf("ssh cannot be run (%w): install OpenSSH's client", err)
	}
	return r.why(node, ended.ExitCode(), said)
}

// why puts how ssh ended in a sentence.
func (r *remote) why(node string, code int, said *messages) error {
	who := node
	if r.user != "" {
		who = r.user + "@" + node
	}
	switch code {
	case noFirstboot:
		return fault.Precondition.Errorf("%s has no firstboot: install the agent there with apt, mkimage package writes it", node)
	case noSudo:
		return fault.Precondition.Errorf("%s is not root and has no sudo: log in as root with --user root, or install sudo there", who)
	case sudoRefuses:
		return fault.Precondition.Errorf("sudo wants a password of %s, or has no rule for that account: name one with sudo: nopasswd in the profile with --user, or --user root", who)
	case sshFailed:
		return r.lost(node, who, said.text.String())
	}
	if len(said.last) == 0 {
		return errSaid{fmt.Errorf("%s: firstboot ended with %d", node, code), fault.Kind(code)}
	}
	return errSaid{fmt.Errorf("%s: %s", node, strings.Join(said.last, "\n")), fault.Kind(code)}
}

// lost says why there is no connection. ssh's own words are OpenSSH's
// (sshconnect.c, sshconnect2.c), which have been the same for twenty years.
func (r *remote) lost(node, who, text string) error {
	at := r.at[node]
	switch {
	case strings.Contains(text, "REMOTE HOST IDENTIFICATION HAS CHANGED"):
		from := "known_hosts has; if the machine was installed anew, ssh-keygen -R " + at + " forgets the old one"
		if len(r.keys[node]) > 0 {
			from = "its agent says: somebody is between here and there, or sshd was not restarted after new keys were made"
		}
		return fault.Refused.Errorf("what answers at %s is not %s: it shows another host key than %s", at, node, from)
	case strings.Contains(text, "Host key verification failed"):
		return fault.Refused.Errorf("the host key of %s (%s) is not known here: run this where the images were made, or log in once with ssh %s and compare what it shows", node, at, at)
	case strings.Contains(text, "Permission denied"):
		return fault.Precondition.Errorf("%s takes no key of this computer (%s): name whom the profile has keys of with --user, and let ssh-add have the key if it has a passphrase", node, who)
	}
	last := strings.TrimSpace(text)
	last = status.Clean(last[strings.LastIndexByte(last, '\n')+1:])
	return errLost{fault.Precondition.Errorf("%s cannot be reached with ssh at %s (%s): peers shows whether it is there", node, at, last)}
}

// quoted is a word as the shell of the other end takes it whole.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// cleaned passes whole lines on: as a node may say anything, what steers a
// terminal is not repeated.
type cleaned struct {
	to   io.Writer
	rest []byte
	skip func(line string) bool
}

func (c *cleaned) Write(text []byte) (int, error) {
	c.rest = append(c.rest, text...)
	for {
		at := bytes.IndexByte(c.rest, '\n')
		if at < 0 {
			return len(text), nil
		}
		line := string(c.rest[:at])
		c.rest = c.rest[at+1:]
		if c.skip != nil && c.skip(line) {
			continue
		}
		if _, err := fmt.Fprintln(c.to, status.Clean(line)); err != nil {
			return len(text), err
		}
	}
}

func (c *cleaned) flush() error {
	if len(c.rest) == 0 {
		return nil
	}
	_, err := c.Write([]byte("\n"))
	return err
}

// messages are what the other end says on its standard error.
type messages struct {
	cleaned
	text strings.Builder
	last []string // the error of firstboot, which is not passed on
}

func newMessages(to io.Writer) *messages {
	m := &messages{}
	m.cleaned = cleaned{to: to, skip: func(line string) bool {
		m.text.WriteString(line + "\n")
		text, is := strings.CutPrefix(line, "firstboot: ")
		if is = is || len(m.last) > 0; is { // an error may have several lines
			m.last = append(m.last, status.Clean(text))
		}
		return is
	}}
	return m
}
