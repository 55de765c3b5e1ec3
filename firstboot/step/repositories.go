package step

import (
	"context"
	"fmt"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

const (
	sourcesDir     = "/etc/apt/sources.list.d"
	proxmoxSources = sourcesDir + "/proxmox.sources"
	cephSources    = sourcesDir + "/ceph.sources"
	enterpriseHost = "enterprise.proxmox.com"
	archiveKeyring = "/usr/share/keyrings/proxmox-archive-keyring.gpg"
	// suite is Debian's name of the release that Proxmox VE 9 is built on.
	suite = "trixie"
)

// sourceFiles are the deb822 files that the profile decides on, with their
// wanted content. A file that the profile has no word for is not among them.
func sourceFiles(p *profiles.Profile) map[string]string {
	want := map[string]string{}
	if p.Proxmox.Repository == "no-subscription" {
		want[proxmoxSources] = stanza("http://download.proxmox.com/debian/pve", "pve-no-subscription")
	}
	if p.Ceph.Enabled {
		switch p.Ceph.Repository {
		case "no-subscription":
			want[cephSources] = stanza("http://download.proxmox.com/debian/ceph-"+p.Ceph.Version, "no-subscription")
		case "enterprise":
			want[cephSources] = stanza("https://"+enterpriseHost+"/debian/ceph-"+p.Ceph.Version, "enterprise")
		}
	}
	return want
}

// stanza is one source in deb822 form, as sources.list(5) has it.
func stanza(uri, component string) string {
	return fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n", uri, suite, component, archiveKeyring)
}

func repositoriesItem(h host.Host, p *profiles.Profile) item {
	edits := func() (map[string]string, []string, error) { return sourceEdits(h.Files, p) }
	return item{"repositories", func(context.Context) (Verdict, error) {
		_, paths, err := edits()
		if err != nil || len(paths) == 0 {
			return IsDone(""), err
		}
		v := Do("package sources differ from the profile")
		for _, path := range paths {
			v.Changes = append(v.Changes, Change{Object: path, Want: "sources as the profile says"})
		}
		return v, nil
	}, func(context.Context) error {
		want, paths, err := edits()
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := h.Files.WriteFile(path, []byte(want[path]), 0o644); err != nil {
				return err
			}
		}
		return nil
	}}
}

// sourceEdits returns the new content of every source file that has to
// change, and their paths in order. Enterprise sources that the profile does
// not ask for are switched off in place: their file is a conffile, and one that
// is removed would come back with the next upgrade.
func sourceEdits(f host.Files, p *profiles.Profile) (map[string]string, []string, error) {
	want := sourceFiles(p)
	entries, err := f.ReadDir(sourcesDir)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: this is no Debian system", err)
	}
	paths := []string{proxmoxSources, cephSources}
	for _, e := range entries {
		path := sourcesDir + "/" + e.Name()
		if !strings.HasSuffix(path, ".sources") || want[path] != "" {
			continue
		}
		text, err := f.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		want[path] = switchEnterprise(string(text), p)
		if path != proxmoxSources && path != cephSources {
			paths = append(paths, path)
		}
	}
	var changed []string
	for _, path := range paths {
		have, err := readOptional(f, path)
		if err != nil {
			return nil, nil, err
		}
		if text, ok := want[path]; ok && text != string(have) {
			changed = append(changed, path)
		}
	}
	return want, changed, nil
}

// switchEnterprise sets Enabled in the stanzas of a deb822 file that point to
// the enterprise repository; all other text stays as it is.
func switchEnterprise(text string, p *profiles.Profile) string {
	stanzas := strings.Split(text, "\n\n")
	for i, s := range stanzas {
		if !strings.Contains(s, enterpriseHost) {
			continue
		}
		on := p.Proxmox.Repository == "enterprise"
		if strings.Contains(s, "/ceph-") {
			on = p.Ceph.Enabled && p.Ceph.Repository == "enterprise"
		}
		stanzas[i] = enabled(s, on)
	}
	return strings.Join(stanzas, "\n\n")
}

// enabled sets the field Enabled of one stanza. Without the field a source is on.
func enabled(stanza string, on bool) string {
	value := map[bool]string{true: "yes", false: "no"}[on]
	lines := strings.Split(stanza, "\n")
	for i, line := range lines {
		if name, old, ok := strings.Cut(line, ":"); ok && strings.EqualFold(name, "Enabled") {
			if isOn := !strings.EqualFold(strings.TrimSpace(old), "no"); isOn != on {
				lines[i] = "Enabled: " + value
			}
			return strings.Join(lines, "\n")
		}
	}
	if on {
		return stanza
	}
	for i, line := range lines { // before the first field, after comments
		if line != "" && !strings.HasPrefix(line, "#") {
			return strings.Join(append(append(lines[:i:i], "Enabled: no"), lines[i:]...), "\n")
		}
	}
	return stanza
}
