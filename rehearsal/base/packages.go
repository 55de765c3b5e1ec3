package base

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// suite is the Debian release that the media are made of: the one that Proxmox
// VE 9 is made of.
const suite = "trixie"

// keyring is what Debian's package lists are signed with.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// mirrorVariable lets a user choose where Debian's packages come from.
const mirrorVariable = "RINGBOOT_DEBIAN_MIRROR"

// mirror returns where this machine gets Debian's packages from.
func mirror(ctx context.Context) (string, error) {
	if m := os.Getenv(mirrorVariable); m != "" {
		return m, nil
	}
	out, err := tool(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)")
	if err != nil {
		return "", err
	}
	for uri := range strings.Lines(string(out)) {
		if uri = strings.TrimRight(strings.TrimSpace(uri), "/"); strings.HasSuffix(uri, "/debian") {
			return uri, nil
		}
	}
	return "", fmt.Errorf("no Debian mirror in this machine's apt sources: set %s", mirrorVariable)
}

// apt is a private set of package lists, so that neither the machine's release
// nor its lists matter, and no root is needed.
type apt struct{ dir string }

func newApt(ctx context.Context, dir string) (*apt, error) {
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("%w: apt install debian-archive-keyring", err)
	}
	uri, err := mirror(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"etc/apt/apt.conf.d", "etc/apt/preferences.d", "state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	source := fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, uri, suite)
	for name, text := range map[string]string{"etc/apt/sources.list": source, "status": ""} {
		if err := put(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	a := &apt{dir}
	_, err = a.get(ctx, "update")
	return a, err
}

func (a *apt) options() []string {
	return []string{
		"-q",
		"-o", "Dir::Etc=" + a.dir + "/etc/apt",
		"-o", "Dir::State=" + a.dir + "/state",
		"-o", "Dir::State::status=" + a.dir + "/status",
		"-o", "Dir::Cache=" + a.dir + "/cache",
		"-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64",
		"-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none",
		"-o", "Acquire::Retries=3",
		"-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
		"-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
	}
}

func (a *apt) get(ctx context.Context, args ...string) ([]byte, error) {
	return tool(ctx, append(append([]string{"apt-get"}, a.options()...), args...)...)
}

// depends returns the packages that a package names in its Depends.
func (a *apt) depends(ctx context.Context, pkg string) ([]string, error) {
	out, err := tool(ctx, append(append([]string{"apt-cache"}, a.options()...), "show", "--no-all-versions", pkg)...)
	if err != nil {
		return nil, err
	}
	return parseDepends(string(out)), nil
}

// parseDepends reads the Depends field of a package's paragraph: names only,
// the first of alternatives.
func parseDepends(paragraph string) []string {
	var names []string
	for line := range strings.Lines(paragraph) {
		list, found := strings.CutPrefix(line, "Depends: ")
		if !found {
			continue
		}
		for item := range strings.SplitSeq(list, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(item), " ")
			names = append(names, name)
		}
	}
	return names
}

// fetch downloads packages and returns their files, in the order of names.
func (a *apt) fetch(ctx context.Context, names ...string) ([]string, error) {
	archives := filepath.Join(a.dir, "debs")
	if err := os.MkdirAll(archives, 0o755); err != nil {
		return nil, err
	}
	argv := append(append([]string{"apt-get"}, a.options()...), "download")
	script := `cd "$1"; shift; exec "$@"` // apt-get download writes into its working directory
	if _, err := tool(ctx, append(append([]string{"sh", "-c", script, "sh", archives}, argv...), names...)...); err != nil {
		return nil, err
	}
	var files []string
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(archives, name+"_*.deb"))
		if err != nil {
			return nil, err
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("package %s of Debian %s: %d files were downloaded, not one", name, suite, len(found))
		}
		files = append(files, found[0])
	}
	return files, nil
}

func unique(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}
