package answer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// mutants are answers of which one or two places are not as they were meant:
// another kind of value, another case, a key too much, too few, twice or in
// another table, options that exclude each other.
func mutants(n int) []string {
	r := rand.New(rand.NewPCG(20261127, 17))
	out := make([]string, n)
	for i := range out {
		text := randomAnswer(r)
		for bad := true; bad; bad, _ = refusedBy(V90, text) {
			text = randomAnswer(r)
		}
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		for range 1 + r.IntN(8)/6 {
			lines = mutate(r, lines)
		}
		out[i] = strings.Join(lines, "\n") + "\n"
	}
	return out
}

var (
	otherValues = []string{`1`, `-1`, `0`, `1.5`, `99999999999`, `true`, `"x"`, `""`, `" "`, `[]`, `["a"]`, `["a", 1]`, `{}`, `{ a = "b" }`, `{ a = 1 }`, `'''x'''`, `nan`}
	otherKeys   = []string{"comment", "keyboard", "fqdn", "cidr", "filter", "filesystem", "disk-list", "disk_list", "url", "source", "raid", "hdsize", "enabled", "lvm", "zfs", "domain", "cert-fingerprint", "cert_fingerprint", "root-password", "reboot_on_error", "subscription_key", "auth_token", "Keyboard", "interface_name_pinning"}
	otherTables = []string{"[disk-setup.lvm]\nhdsize = 64", "[disk-setup.lvm]\nswapsize = 40\nhdsize = 64", "[disk-setup.zfs]\nraid = \"raid0\"", "[disk-setup.btrfs]\nraid = \"raid1\"", "[disk-setup.btrfs]", "[disk_setup]\nfilesystem = \"ext4\"",
		"[network.filter]\nID_PATH = \"x\"", "[first-boot]", "[first_boot]\nsource = \"from-iso\"", "[first-boot]\nsource = \"from-iso\"\ncert_fingerprint = \"a\"", "[post-installation-webhook]", "[post-installation-webhook]\nurl = \"http://x\"\ncert_fingerprint = \"a\"",
		"[network.interface-name-pinning]\nenabled = true", "[network.interface_name_pinning]\nenabled = true", "[network.interface-name-pinning]\nenabled = true\nmapping = {}\nmore = 1", "[network.interface-name-pinning.mapping]\n\"02:00:00:00:00:A1\" = \"nic0\"", "[other]"}
)

// mutate changes one place of an answer, line by line.
func mutate(r *rand.Rand, lines []string) []string {
	pick := func(words []string) string { return words[r.IntN(len(words))] }
	at := r.IntN(len(lines))
	key, value, isKey := strings.Cut(lines[at], " = ")
	lines = slices.Clone(lines)
	switch what := r.IntN(13); {
	case what == 0:
		return append(lines, pick(otherTables))
	case what == 1:
		return slices.Insert(lines, at+1, pick(otherKeys)+" = "+pick(otherValues))
	case !isKey:
		lines[at] = strings.NewReplacer("[", "[x", "-", "_").Replace(lines[at])
	case what == 2:
		return slices.Delete(lines, at, at+1)
	case what == 3:
		other := strings.NewReplacer("-", "_", "_", "-").Replace(key)
		if other == key { // the same key twice is no TOML, which is not the question here
			break
		}
		return slices.Insert(lines, at, other+" = "+value)
	case what == 4:
		to := r.IntN(len(lines))
		moved := lines[at]
		return slices.Insert(slices.Delete(lines, at, at+1), min(to, len(lines)-1), moved)
	case what == 5:
		lines[at] = key + " = " + pick([]string{strings.ToUpper(value), strings.ToLower(value), strings.Replace(value, `"`, `" `, 1), strings.Replace(value, "-", "_", 1), strings.Replace(value, "1", "01", 1)})
	case what == 6:
		lines[at] = fmt.Sprintf("%q = %s", key, value)
	case what <= 9 && len(value) > 1: // another letter in it, one too much, or one too few
		letter := pick([]string{"-", ".", "_", "@", " ", "0", "9", "a", "Z", "/", ":", "%", "+", "é", "1", "25", "::", "--", ".."})
		i := 1 + r.IntN(len(value)-1)
		lines[at] = key + " = " + value[:i] + []string{letter + value[i:], value[min(i+1, len(value)-1):], letter + value[min(i+1, len(value)-1):]}[r.IntN(3)]
	default:
		lines[at] = key + " = " + pick(otherValues)
	}
	return lines
}
