package imagebuilder

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ringboot/imagebuilder/deb"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
	"ringboot/profiles/inventory"
)

// PlaybookFile is one file beside the playbook.
type PlaybookFile struct {
	Path    string // below the directory of the playbook
	Content []byte
	Mode    fs.FileMode
}

// Playbook works out what the playbook needs of one cluster: inventory and
// variables in the profile's own words, one file of secrets per node that
// ansible-vault can encrypt, and the agent's package.
func Playbook(p *profiles.Profile, k *keyring.Keyring, agent *io.SectionReader, builder string) ([]PlaybookFile, error) {
	files, err := inventory.Files(p)
	if err != nil {
		return nil, err
	}
	var out []PlaybookFile
	for path, content := range files {
		out = append(out, PlaybookFile{path, content, 0o644})
	}
	peers, err := peerKeys(k)
	if err != nil {
		return nil, err
	}
	for _, n := range p.Nodes {
		own, ok := k.Nodes[n.Name]
		if !ok {
			return nil, fmt.Errorf("the keyring has nothing for node %s", n.Name)
		}
		out = append(out, PlaybookFile{"secrets/" + n.Name + ".yml", nodeSecrets(n.Name, k.CA, own, peers), 0o600})
	}
	pkg := deb.Agent(builder, agent, time.Unix(0, 0).UTC())
	packed, err := pkg.Build()
	if err != nil {
		return nil, err
	}
	says := fmt.Sprintf("---\n# Which agent ringboot.deb has: what the nodes have is compared with it.\n# Written by mkimage ansible.\nringboot_agent_version: %q\n", pkg.Version)
	out = append(out, PlaybookFile{"ringboot.deb", packed, 0o644}, PlaybookFile{"inventory/group_vars/all.yml", []byte(says), 0o644})
	slices.SortFunc(out, func(a, b PlaybookFile) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// nodeSecrets is YAML that needs no writer: blocks of PEM and base64 words.
func nodeSecrets(node string, ca []byte, own keyring.Entry, peers map[string]string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "---\n# What makes a machine the node %s. Encrypt it: ansible-vault encrypt secrets/*.yml\n# Written by mkimage ansible.\n", node)
	for _, v := range []struct {
		name string
		pem  []byte
	}{{"ringboot_ca", ca}, {"ringboot_certificate", own.Cert}, {"ringboot_key", own.Key}} {
		fmt.Fprintf(&out, "%s: |\n", v.name)
		for line := range strings.Lines(strings.TrimSpace(string(v.pem))) {
			fmt.Fprintf(&out, "  %s\n", strings.TrimSpace(line))
		}
	}
	fmt.Fprintln(&out, "ringboot_peers:")
	names := make([]string, 0, len(peers))
	for name := range peers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&out, "  %s: %q\n", name, peers[name])
	}
	return out.Bytes()
}
