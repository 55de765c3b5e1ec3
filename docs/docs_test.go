// Package docs_test holds what the documents say against the programs.
package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"ringboot/profiles"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
)

// A fenced block of a document. What its info string says is what the test does:
//
//	yaml         a profile, or a part of one that is laid over the built-in one
//	sh           is run, in one directory for each document, block after block
//	sh hardware  needs machines, a network or root: its commands are parsed by
//	             the real command lines, and not run
//	console      lines "node# command": those of the Proxmox tools are run against
//	             the stand-ins by package rehearsal/tools, ours are parsed here
//	text         is shown, not tried
type block struct {
	file string
	line int
	info string
	text string
}

func (b block) at() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

var infos = []string{"yaml", "sh", "sh hardware", "console", "text"}

// blocks returns the fenced blocks of a document.
func blocks(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case open != nil && strings.TrimSpace(line) == "```":
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			open = &block{file: file, line: i + 1, info: strings.TrimPrefix(strings.TrimSpace(line), "```")}
			if !slices.Contains(infos, open.info) {
				t.Errorf("%s:%d: a block is one of %q, not %q", file, i+1, infos, open.info)
			}
		}
	}
	if open != nil {
		t.Errorf("%s: the block is never closed", open.at())
	}
	return all
}

// documents are all that a reader is given.
func documents(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("*.md")
	if err != nil || len(all) < 3 {
		t.Fatalf("documents: %v (%v)", all, err)
	}
	return append([]string{"../README.md", "../CHANGELOG.md", "../SECURITY.md", "../CONTRIBUTING.md"}, all...)
}

func TestProfilesOfTheDocuments(t *testing.T) {
	n := 0
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.info != "yaml" {
				continue
			}
			n++
			if err := loadBlock(b); err != nil {
				t.Errorf("%s: %v", b.at(), err)
			}
		}
	}
	if n == 0 {
		t.Error("no document has a profile")
	}
}

// loadBlock reads a profile. One without a version is laid over the built-in one.
func loadBlock(b block) error {
	var part map[string]any
	if err := yaml.Unmarshal([]byte(b.text), &part); err != nil {
		return err
	}
	text := []byte(b.text)
	if _, whole := part["version"]; !whole {
		var full map[string]any
		if err := yaml.Unmarshal(profiles.DefaultText(), &full); err != nil {
			return err
		}
		merged, err := yaml.Marshal(lay(full, part))
		if err != nil {
			return err
		}
		text = merged
	}
	_, err := profiles.Load(b.at(), text)
	return err
}

// lay puts a part over a whole: keys of maps one by one, nodes by their names,
// everything else as it is.
func lay(whole, part any) any {
	switch p := part.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		if !ok {
			return part
		}
		for k, v := range p {
			if k == "root_disk" { // one of several ways to name it
				w[k] = v
				continue
			}
			w[k] = lay(w[k], v)
		}
		return w
	case []any:
		w, ok := whole.([]any)
		if !ok {
			return part
		}
		out := slices.Clone(w)
		for _, v := range p {
			i := slices.IndexFunc(w, func(x any) bool { return name(x) != "" && name(x) == name(v) })
			if i < 0 || name(v) == "" {
				return part
			}
			out[i] = lay(w[i], v)
		}
		return out
	}
	return part
}

func name(v any) string {
	m, _ := v.(map[string]any)
	s, _ := m["name"].(string)
	return s
}

func TestPartsAreLaidOverTheBuiltInProfile(t *testing.T) {
	for text, want := range map[string]string{
		"nodes:\n  - name: frege\n    address: 10.203.3.300\n": "10.203.3.300",
		"nodes:\n  - name: plato\n":                            "nodes",
		"ring: {mtu: 70000}\n":                                 "70000",
		"colour: red\n":                                        "colour",
	} {
		if err := loadBlock(block{file: "x.md", text: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want a complaint with %q", text, err, want)
		}
	}
}

// tools of others that a block for hardware may call. They are not tried.
var foreign = []string{"apt", "apt-get", "ansible-playbook", "ansible-vault", "brew", "cd", "ceph", "cp", "corosync-cfgtool", "corosync-quorumtool",
	"curl", "export", "git", "go", "ha-manager", "ip", "journalctl", "lsblk", "lscpu", "make", "man", "mkdir", "modprobe", "pvecm", "pveceph", "pvesm",
	"qm", "qmrestore", "rm", "scp", "sha256sum", "ssh", "systemctl", "vzdump"}

// TestCommandsOfTheDocuments runs every block that can be run here, and has the
// real command lines parse the others.
func TestCommandsOfTheDocuments(t *testing.T) {
	need.Slow(t)
	bin := products(t)
	run, failed := 0, 0
	for _, file := range documents(t) {
		var dir string
		for _, b := range blocks(t, file) {
			err := error(nil)
			switch b.info {
			case "yaml":
				err = loadBlock(b)
			case "sh hardware", "console":
				err = parses(t.Context(), bin, b)
			case "sh":
				if dir == "" {
					dir = desk(t)
				}
				err = runs(t.Context(), bin, dir, b)
			default:
				continue
			}
			run++
			if err != nil {
				failed++
				t.Errorf("%s: %v", b.at(), err)
			}
		}
	}
	need.Figure("docs.blocks_run", run, "count")
	need.Figure("docs.blocks_failed", failed, "count")
}

// products returns the directory of what make bin built.
func products(t *testing.T) string {
	t.Helper()
	bin, err := filepath.Abs("../build/bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			if need.InCI() {
				t.Fatalf("CI skips nothing: %v: run make bin first", err)
			}
			t.Skipf("%v: run make bin first", err)
		}
	}
	return bin
}

// desk makes a user's directory: with a home, and with an ISO laid out like the
// one of Proxmox VE under that one's name.
func desk(t *testing.T) string {
	t.Helper()
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	dir := t.TempDir()
	iso, err := base.Skeleton(t.Context(), dir, base.SkeletonOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(iso, filepath.Join(dir, "proxmox-ve_9.2-1.iso")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"home", "data", "cache", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "mkimage"), []byte(forced), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// forced is mkimage where the ISO of the real name is not the published one,
// which is refused: only images are made, so only they need the force.
const forced = `#!/bin/sh
case "$1" in
--help) exec "$RINGBOOT_BIN/mkimage" "$@" ;;
--*) exec "$RINGBOOT_BIN/mkimage" "$@" --force ;;
esac
exec "$RINGBOOT_BIN/mkimage" "$@"
`

// environment is a user's, with nothing of who runs the test.
func environment(bin, dir string) []string {
	return []string{"RINGBOOT_BIN=" + bin, "PATH=" + filepath.Join(dir, "bin") + ":" + bin + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(dir, "home"),
		"XDG_DATA_HOME=" + filepath.Join(dir, "data"), "XDG_CACHE_HOME=" + filepath.Join(dir, "cache"), "TERM=dumb", "LC_ALL=C"}
}

// runs executes a block; its first failing command fails it.
func runs(ctx context.Context, bin, dir string, b block) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", b.text)
	cmd.Dir, cmd.Env = dir, environment(bin, dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// comment is what follows a command.
var comment = regexp.MustCompile(`\s+#.*$`)

// prompt names the machine on which a line is typed.
var prompt = regexp.MustCompile(`^[a-z]+# `)

// parses has the command line of each of our commands accept its words.
func parses(ctx context.Context, bin string, b block) error {
	text := strings.ReplaceAll(b.text, "\\\n", " ")
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(comment.ReplaceAllString(" "+prompt.ReplaceAllString(line, ""), ""))
		if line == "" {
			continue
		}
		for _, simple := range regexp.MustCompile(`\s*(?:&&|\|\||\||;)\s*`).Split(line, -1) {
			words := strings.Fields(strings.NewReplacer(`"`, "", `'`, "").Replace(simple))
			for len(words) > 1 && (words[0] == "sudo" || variable.MatchString(words[0])) {
				words = words[1:]
			}
			if len(words) > 2 && words[0] == "ssh" { // ssh HOST COMMAND
				words = words[2:]
			}
			if err := accepts(ctx, bin, words); err != nil {
				return fmt.Errorf("%s: %w", simple, err)
			}
		}
	}
	return nil
}

// variable is one that is set for a command alone.
var variable = regexp.MustCompile(`^[A-Z_]+=`)

func accepts(ctx context.Context, bin string, words []string) error {
	program := filepath.Base(words[0])
	if !slices.Contains(programs, program) {
		if slices.Contains(foreign, words[0]) {
			return nil
		}
		return fmt.Errorf("nobody knows the program %s", words[0])
	}
	args := words[1:]
	if i := slices.IndexFunc(args, func(s string) bool { return strings.HasPrefix(s, ">") || strings.HasPrefix(s, "<") }); i >= 0 {
		args = args[:i]
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), append(slices.Clone(args), "--help")...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(out.String()))
	}
	want := program
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		want += " " + args[0]
	}
	want = strings.TrimPrefix(want, "mkimage rehearse") // which starts the program of that name
	if want == "" {
		want = "rehearse"
	}
	if !strings.Contains(out.String(), "\n  "+want) {
		return fmt.Errorf("there is no command %q", want)
	}
	return nil
}

// inline is a command of ours within a sentence.
var inline = regexp.MustCompile("`((?:mkimage|rehearse|peers|firstboot|ringkeeper)(?: [^`]*)?)`")

// TestCommandsWithinSentences has the real command lines parse those, too.
func TestCommandsWithinSentences(t *testing.T) {
	need.Slow(t)
	bin := products(t)
	seen := map[string]bool{}
	for _, file := range documents(t) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(content), "\n") {
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				if seen[m[1]] || strings.Contains(m[1], "…") {
					continue
				}
				seen[m[1]] = true
				if err := parses(t.Context(), bin, block{text: m[1]}); err != nil {
					t.Errorf("%s:%d: %v", file, i+1, err)
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d commands were found: %v", len(seen), seen)
	}
}

func TestWrongCommandsAreFound(t *testing.T) {
	need.Slow(t)
	bin := products(t)
	for text, want := range map[string]string{
		"mkimage --node frege --sitck /dev/sdb": "unknown flag: --sitck",
		"firstboot aply":                        "aply",
		"peers --wiat formed":                   "unknown flag",
		"frobnicate now":                        "nobody knows the program frobnicate",
	} {
		err := parses(t.Context(), bin, block{file: "x.md", text: text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, want a complaint with %q", text, err, want)
		}
	}
	if err := parses(t.Context(), bin, block{text: "sudo mkimage --node frege --stick /dev/sdb   # a stick\nssh root@frege firstboot apply --only ring\n"}); err != nil {
		t.Error(err)
	}
}
