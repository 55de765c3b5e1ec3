package base

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// The marks around the lines of a shared file that belong to Ringboot.
const (
	blockBegin = "# BEGIN ringboot (lines between these marks are written by the agent)"
	blockEnd   = "# END ringboot"
)

// wantHosts is the text that /etc/hosts should have: foreign lines as they
// are, but without the names of our nodes, and all nodes in one block at the
// end. The installer's own line for the node goes: it may carry an old address.
func wantHosts(have []byte, p *profiles.Profile) string {
	names := map[string]bool{}
	for _, n := range p.Nodes {
		names[strings.ToLower(n.Name)] = true
		names[strings.ToLower(n.Name+"."+p.Cluster.Domain)] = true
	}
	var out strings.Builder
	inside := false
	for line := range strings.Lines(string(have)) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "# BEGIN ringboot"):
			inside = true
			continue
		case inside:
			inside = !strings.HasPrefix(line, blockEnd)
			continue
		}
		if line, keep := without(line, names); keep {
			out.WriteString(line + "\n")
		}
	}
	body := strings.TrimRight(out.String(), "\n")
	if body == "" {
		body = "127.0.0.1 localhost"
	}
	var block strings.Builder
	for _, n := range p.Nodes {
		fqdn := n.Name
		if p.Cluster.Domain != "" {
			fqdn = n.Name + "." + p.Cluster.Domain + " " + n.Name
		}
		fmt.Fprintf(&block, "%s %s\n", n.Address, fqdn)
	}
	return body + "\n\n" + blockBegin + "\n" + block.String() + blockEnd + "\n"
}

// without takes names out of one line of a hosts file. A line that has no
// name left goes; one that names none of ours stays byte for byte.
func without(line string, names map[string]bool) (string, bool) {
	text, comment, _ := strings.Cut(line, "#")
	fields := strings.Fields(text)
	if len(fields) < 2 || !slices.ContainsFunc(fields[1:], func(n string) bool { return names[strings.ToLower(n)] }) {
		return line, true
	}
	rest := slices.DeleteFunc(slices.Clone(fields[1:]), func(n string) bool { return names[strings.ToLower(n)] })
	// pvelocalhost is the installer's second name of the node itself.
	if len(rest) == 0 || len(rest) == 1 && rest[0] == "pvelocalhost" {
		return "", false
	}
	line = fields[0] + " " + strings.Join(rest, " ")
	if comment != "" {
		line += " #" + comment
	}
	return line, true
}

func writeHosts(f host.Files, p *profiles.Profile) error {
	have, err := host.ReadOptional(f, hostsFile)
	if err != nil {
		return err
	}
	return f.WriteFile(hostsFile, []byte(wantHosts(have, p)), 0o644)
}

// sameNames reports whether two hosts files say the same of our nodes, wherever
// their lines stand: other lines are their owner's.
func sameNames(a, b string, p *profiles.Profile) bool {
	said := func(text string) (out []string) {
		for _, n := range p.Nodes {
			for _, name := range []string{n.Name, n.Name + "." + p.Cluster.Domain} {
				for line := range strings.Lines(text) {
					line, _, _ = strings.Cut(line, "#")
					if f := strings.Fields(line); len(f) > 1 && slices.ContainsFunc(f[1:], func(w string) bool { return strings.EqualFold(w, name) }) {
						out = append(out, name+" "+f[0])
					}
				}
			}
		}
		return out
	}
	return slices.Equal(said(a), said(b))
}
