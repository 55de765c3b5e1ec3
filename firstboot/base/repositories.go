package base

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	sourcesDir     = "/etc/apt/sources.list.d"
	sourcesList    = "/etc/apt/sources.list"
	proxmoxSources = sourcesDir + "/proxmox.sources"
	cephSources    = sourcesDir + "/ceph.sources"
	enterpriseHost = "enterprise.proxmox.com"
	downloadHost   = "download.proxmox.com"
)

// wantedSources are the sources that the profile asks for, by the file that they
// belong to. A subject that the profile has no word for is not among them.
func wantedSources(p *profiles.Profile) map[string]string {
	want := map[string]string{}
	r := p.Release()
	from := cmp.Or(p.Proxmox.Mirror, "http://"+downloadHost+"/debian")
	if p.Proxmox.Repository == "no-subscription" {
		want[proxmoxSources] = stanza(r, from+"/pve", "pve-no-subscription")
	}
	if p.Ceph.Enabled {
		switch p.Ceph.Repository {
		case "no-subscription":
			want[cephSources] = stanza(r, from+"/ceph-"+p.Ceph.Version, "no-subscription")
		case "enterprise":
			want[cephSources] = stanza(r, "https://"+enterpriseHost+"/debian/ceph-"+p.Ceph.Version, "enterprise")
		}
	}
	return want
}

// stanza is one source in deb822 form, as sources.list(5) has it.
func stanza(r profiles.Release, uri, component string) string {
	return fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n", uri, r.Suite, component, r.Keyring)
}

func repositoriesItem(h host.Host, p *profiles.Profile) item {
	return item{"repositories", func(context.Context) (step.Verdict, error) {
		now, err := readSources(h.Files)
		if err != nil {
			return step.Verdict{}, err
		}
		want := now.edit(p)
		v := step.IsDone("")
		if changed := now.changed(want); len(changed) > 0 {
			v = step.Do("package sources differ from the profile")
			for _, path := range changed {
				v.Changes = append(v.Changes, step.Change{Object: path, Want: "sources as the profile says"})
			}
		}
		v.Risks = want.risks(p)
		return v, nil
	}, func(context.Context) error {
		now, err := readSources(h.Files)
		if err != nil {
			return err
		}
		want := now.edit(p)
		for _, path := range now.changed(want) {
			if err := h.Files.WriteFile(path, []byte(want[path]), 0o644); err != nil {
				return err
			}
		}
		return nil
	}}
}

// files are all files of package sources, by path.
type files map[string]string

// readSources reads the sources of both forms.
func readSources(f host.Files) (files, error) {
	entries, err := f.ReadDir(sourcesDir)
	if err != nil {
		return nil, fmt.Errorf("%w: this is no Debian system", err)
	}
	out := files{}
	paths := []string{sourcesList, proxmoxSources, cephSources}
	for _, e := range entries {
		if path := sourcesDir + "/" + e.Name(); sourceForm(path) != "" && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		text, err := host.ReadOptional(f, path)
		if err != nil {
			return nil, err
		}
		if len(text) > 0 {
			out[path] = string(text)
		}
	}
	return out, nil
}

// sourceForm is what apt reads of a file by its name: .sources, .list or nothing.
func sourceForm(path string) string {
	for _, form := range []string{".sources", ".list"} {
		if strings.HasSuffix(path, form) {
			return form
		}
	}
	return ""
}

// edit returns the files as the profile wants them. What is Proxmox's own follows
// the profile: a source that it does not ask for is switched off in place, because
// a file that is removed would come back with the next upgrade. What is not
// Proxmox's stays as it is, in the same file, too.
func (now files) edit(p *profiles.Profile) files {
	want := files{}
	wanted := wantedSources(p)
	for path, text := range now {
		if sourceForm(path) == ".list" {
			want[path] = editLines(text, p)
			continue
		}
		own, isOurs := wanted[path]
		var kept []string
		had := false // what we want stands here already
		for _, s := range strings.Split(text, "\n\n") {
			src, ok := parseStanza(s)
			switch {
			case ok && src.proxmox(p) && isOurs:
				if ours, _ := parseStanza(own); !had && src.gives(ours) {
					kept, had = append(kept, s), true
				}
			case ok && src.proxmox(p):
				kept = append(kept, switched(s, src, p))
			default:
				kept = append(kept, s)
			}
		}
		want[path] = strings.Join(kept, "\n\n")
		if isOurs && !had {
			want[path] = appended(want[path], own)
		}
	}
	for path, own := range wanted {
		if ours, _ := parseStanza(own); now[path] == "" && !want.give(ours) {
			want[path] = own
		}
	}
	return want
}

// appended puts a stanza behind a file that may have others.
func appended(text, stanza string) string {
	if strings.TrimSpace(text) == "" {
		return stanza
	}
	return strings.TrimRight(text, "\n") + "\n\n" + stanza
}

// asked reports whether the profile asks for a source of Proxmox's; decided is false
// where it leaves that to the owner.
func asked(src source, p *profiles.Profile) (on, decided bool) {
	enterprise := slices.ContainsFunc(src.uris, func(u string) bool { return hostOf(u) == enterpriseHost })
	if src.ceph() {
		if !p.Ceph.Enabled || p.Ceph.Repository == "manual" {
			return false, enterprise // without a subscription it breaks every update
		}
		ours, _ := parseStanza(wantedSources(p)[cephSources])
		return src.gives(ours), true
	}
	if p.Proxmox.Repository == "none" {
		return false, false
	}
	return p.Proxmox.Repository == "enterprise", enterprise
}

// switched sets a stanza on or off as the profile asks for.
func switched(text string, src source, p *profiles.Profile) string {
	on, decided := asked(source{src.uris, src.suites, src.components, true}, p)
	if !decided || on == src.on {
		return text
	}
	return enabled(text, on)
}

// editLines comments out what the profile does not ask for in a file of the older form.
func editLines(text string, p *profiles.Profile) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		src, ok := parseLine(line)
		if !ok || !src.proxmox(p) {
			continue
		}
		if on, decided := asked(src, p); decided && !on {
			lines[i] = "# " + line
		}
	}
	return strings.Join(lines, "\n")
}

// each calls visit for every source of the files, in the order of their names.
func (now files) each(visit func(path string, s source)) {
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if sourceForm(path) == ".list" {
			for line := range strings.Lines(now[path]) {
				if s, ok := parseLine(line); ok {
					visit(path, s)
				}
			}
			continue
		}
		for _, text := range strings.Split(now[path], "\n\n") {
			if s, ok := parseStanza(text); ok {
				visit(path, s)
			}
		}
	}
}

// give reports whether one of the sources gives what another one would.
func (now files) give(want source) bool {
	found := false
	now.each(func(_ string, s source) { found = found || s.gives(want) })
	return found
}

// changed are the paths whose content has to change, in order.
func (now files) changed(want files) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if want[path] != now[path] {
			out = append(out, path)
		}
	}
	return out
}

// risks names the sources that are kept though they are foreign.
func (now files) risks(p *profiles.Profile) []string {
	r := p.Release()
	var out []string
	now.each(func(path string, s source) {
		if !s.on {
			return
		}
		other := slices.IndexFunc(s.suites, func(suite string) bool {
			return suite != r.Suite && !strings.HasPrefix(suite, r.Suite+"-") && suite != "/" && suite != "./"
		})
		switch {
		case other >= 0 && (s.proxmox(p) || s.debian()):
			out = append(out, fmt.Sprintf("%s has packages of %s, and this is %s: take it out, or an update mixes two systems", path, s.suites[other], r.Suite))
		case !s.proxmox(p) && !s.debian():
			out = append(out, fmt.Sprintf("%s has packages of others (%s), which are kept and not known to Ringboot", path, hostOf(s.uris[0])))
		}
	})
	return out
}

// enabled sets the field Enabled of one stanza. Without the field a source is on.
func enabled(stanza string, on bool) string {
	value := "no"
	if on {
		value = "yes"
	}
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
