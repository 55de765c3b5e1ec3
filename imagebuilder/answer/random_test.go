package answer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// randomAnswers is how many answers are held against the recorded verdicts.
const randomAnswers = 1500

// randomAnswer makes an answer that is mostly right: every value is now and then
// one that the installer stops at, a near miss, or of another kind.
func randomAnswer(r *rand.Rand) string {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	rare := func(good string, bad ...string) string {
		if r.IntN(50) == 0 {
			return pick(bad...)
		}
		return good
	}
	var b strings.Builder
	line := func(key, value string) {
		if r.IntN(400) == 0 {
			key = pick(key+"x", strings.ReplaceAll(key, "-", "_"), strings.ToUpper(key))
		}
		if r.IntN(500) != 0 { // now and then a key is missing
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	b.WriteString("[global]\n")
	line("keyboard", rare(pick(`"de"`, `"en-us"`, `"fr-ch"`, `"jp"`, `"pt-br"`), `"us"`, `"DE"`, `"da"`, `""`, `1`))
	line("country", rare(pick(`"de"`, `"at"`, `"gb"`, `"aq"`, `"sv"`), `"uk"`, `"DE"`, `"xx"`, `""`, `"deu"`))
	line("timezone", rare(pick(`"Europe/Berlin"`, `"UTC"`, `"America/Argentina/Ushuaia"`, `"Asia/Kolkata"`), `"Etc/UTC"`, `"US/Pacific"`, `"Europe/Kiev"`, `"utc"`, `"Europe/Berln"`, `""`))
	line("mailto", rare(pick(`"a@example.org"`, `"root@localhost"`, `"a.b+c@x-y.lan"`, `"o'neil@example.org"`), `"root"`, `""`, `"a b@c.d"`, `"ä@example.org"`, `"a@my_host.lan"`, `"mail@example.invalid"`, `"a@b."`, `"a@-b.c"`))
	line("fqdn", rare(pick(`"frege.home.arpa"`, `"a.b"`, `"1a.example.org"`, `"X-1.Example.ORG"`, `{ source = "from-dhcp", domain = "lan" }`, `{ domain = "" }`), `"frege"`, `"123.lan"`, `"-a.b"`, `"a..b"`, `"a_b.c"`, `"a.b."`, `{ source = "dhcp" }`, `{ domian = "x" }`, `7`))
	switch r.IntN(12) {
	case 0:
		line("root-password", rare(`"longer than eight"`, `"short"`, `""`, `12345678`, `"äöüß"`))
	case 1:
		if r.IntN(4) == 0 {
			line("root-password", `"longer than eight"`)
		}
		line("root-password-hashed", `"`+hash+`"`)
	case 2:
		line("root_password_hashed", `"`+hash+`"`)
	default:
		line("root-password-hashed", `"`+hash+`"`)
	}
	if r.IntN(3) == 0 {
		line(pick("root-ssh-keys", "root_ssh_keys"), rare(`["`+sshKey+`"]`, `"`+sshKey+`"`, `[1]`, `[]`))
	}
	if r.IntN(3) == 0 {
		line("reboot-mode", rare(pick(`"reboot"`, `"power-off"`), `"poweroff"`, `"Reboot"`, `true`))
	}
	if r.IntN(4) == 0 {
		line("reboot-on-error", rare(pick("true", "false"), `"true"`, `1`))
	}
	if r.IntN(10) == 0 {
		line("subscription-key", rare(`"pve2c-0123456789"`, `1`))
	}
	randomNetwork(r, &b, line, rare, pick)
	randomDisks(r, &b, line, rare, pick)
	if r.IntN(6) == 0 {
		b.WriteString("[first-boot]\n")
		line("source", rare(pick(`"from-iso"`, `"from-url"`), `"iso"`, `""`))
		if r.IntN(8) != 0 {
			line("url", `"https://boot.example.org/x"`)
		}
		if r.IntN(3) == 0 {
			line("ordering", rare(pick(`"before-network"`, `"network-online"`, `"fully-up"`), `"multi-user"`))
		}
	}
	if r.IntN(8) == 0 {
		b.WriteString("[post-installation-webhook]\n")
		line("url", rare(`"https://hook.example.org/"`, `1`))
		if r.IntN(3) == 0 {
			line(pick("auth-token", "auth_token"), `"t"`)
		}
	}
	if r.IntN(60) == 0 {
		b.WriteString(pick("[extra]\na = 1\n", "[[global]]\n", "x = { a = 1,\n b = 2 }\n", "x = \"\\e\"\n", "y = {a = 1,}\n", "[post-installation-webhook]\nurl = \"\\x31\"\n"))
	}
	return rare("", "\ufeff", "# \x01\n", "\xff") + b.String()
}

type lineOf func(key, value string)
type rareOf func(good string, bad ...string) string
type pickOf func(words ...string) string

func randomNetwork(r *rand.Rand, b *strings.Builder, line lineOf, rare rareOf, pick pickOf) {
	b.WriteString("[network]\n")
	if r.IntN(3) == 0 {
		line("source", rare(`"from-dhcp"`, `"dhcp"`, `""`))
		if r.IntN(40) == 0 {
			line(pick("cidr", "dns", "gateway"), `"192.0.2.1"`)
		}
		if r.IntN(60) == 0 {
			line("filter", "{}")
		}
	} else {
		line("source", rare(`"from-answer"`, `"static"`))
		line("cidr", rare(pick(`"192.0.2.10/24"`, `"2001:db8::1/64"`, `"192.0.2.10"`, `"192.0.2.10/32"`), `"192.0.2.10/33"`, `"192.0.2/24"`, `"192.0.2.010/24"`, `"2001:db8::1/129"`, `"fe80::1%eth0/64"`, `"192.0.2.10/"`, `"192.0.2.10/+24"`, `"192.0.2.10/024"`, `"192.0.2.10/-1"`, `24`, `""`))
		line("dns", rare(pick(`"192.0.2.1"`, `"::1"`), `""`, `"resolver.lan"`, `"192.0.2.1,192.0.2.2"`, `["192.0.2.1"]`, `"fe80::1%eth0"`))
		line("gateway", rare(pick(`"192.0.2.1"`, `"10.0.0.1"`, `"::ffff:192.0.2.1"`), `"192.0.2.1/24"`, `"fe80::1%2"`, `""`))
		line(pick("filter.ID_NET_NAME_MAC", "filter.INTERFACE", `filter."ID_PATH"`), rare(pick(`"*0200000000a1"`, `"enx0200000000a1"`), `1`, `"[a"`, `"a**b"`, `{ a = "b" }`))
	}
	if r.IntN(8) == 0 {
		line("interface-name-pinning.enabled", rare(pick("true", "true", "false"), `"yes"`))
		if r.IntN(4) != 0 {
			line(`interface-name-pinning.mapping."02:00:00:00:00:a1"`, rare(`"lan0"`, `"0lan"`, `"x"`, `"a-b"`, `"seventeen_letters"`, `"lan0.5"`, `"LAN0"`, `""`, `1`, `"lan:1"`, `"lan_"`))
			line(`interface-name-pinning.mapping."02:00:00:00:00:A2"`, rare(`"lan1"`, `"lan0"`))
		}
	}
}

func randomDisks(r *rand.Rand, b *strings.Builder, line lineOf, rare rareOf, pick pickOf) {
	b.WriteString("[disk-setup]\n")
	fs := pick("ext4", "xfs", "zfs", "btrfs")
	line("filesystem", rare(`"`+fs+`"`, `"EXT4"`, `"ntfs"`, `"ext3"`))
	switch r.IntN(4) {
	case 0:
		line(pick("disk-list", "disk_list"), rare(pick(`["sda"]`, `["/dev/sda"]`, `["sda", "sdb", "sdc", "sdd"]`, `["nvme0n1", "nvme1n1", "nvme2n1"]`), `[]`, `["sda", "sda"]`, `"sda"`, `[1]`))
	case 1:
		line("filter.ID_SERIAL_SHORT", rare(`"S1"`, `1`, `"S[1"`))
		line("disk-list", rare(`[]`, `["sda"]`))
	case 2:
		line("filter", rare(`{ ID_SERIAL = "A_1", ID_WWN = "eui.1" }`, `{}`, `""`))
	default:
		line("filter.ID_SERIAL_SHORT", `"S1"`)
	}
	if r.IntN(4) == 0 {
		line(pick("filter-match", "filter_match"), rare(pick(`"any"`, `"all"`), `"ANY"`, `"one"`))
	}
	if r.IntN(30) == 0 {
		fs = pick("ext4", "zfs", "btrfs") // options of another file system
	}
	switch fs {
	case "zfs":
		line("zfs.raid", rare(pick(`"raid0"`, `"raid1"`, `"RAID1"`, `"raidz-1"`, `"RAIDZ-2"`, `"raid10"`), `"raidz"`, `"Raid1"`, `"single"`, `"mirror"`))
		if r.IntN(3) == 0 {
			line("zfs.ashift", rare(`12`, `12.0`, `"12"`, `-1`, `4294967296`))
		}
		if r.IntN(4) == 0 {
			line(pick("zfs.arc-max", "zfs.arc_max"), rare(`4096`, `4096.5`))
		}
		if r.IntN(4) == 0 {
			line("zfs.compress", rare(pick(`"on"`, `"lz4"`, `"zstd"`), `"ZSTD"`, `"lzo"`, `true`))
		}
		if r.IntN(4) == 0 {
			line("zfs.checksum", rare(pick(`"on"`, `"sha256"`), `"sha512"`, `"off"`))
		}
	case "btrfs":
		line("btrfs.raid", rare(pick(`"raid0"`, `"raid1"`, `"RAID10"`), `"raidz-1"`, `"dup"`))
		if r.IntN(3) == 0 {
			line("btrfs.compress", rare(pick(`"off"`, `"lzo"`), `"lz4"`, `"none"`))
		}
	default:
		if r.IntN(3) == 0 {
			line("lvm.hdsize", pick("64", "64.5", "20", `"64"`))
			line("lvm.swapsize", pick("8", "32.25", "0", "32", "10.5"))
		}
	}
	if (fs == "zfs" || fs == "btrfs") && r.IntN(6) == 0 {
		line(fs+".hdsize", rare("100", `"100"`))
	}
}

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPhANJhy+zEE9KoXePu7b4+1i//uvCPa5lDCoYg7YlC tests"

func answers(n int) []string {
	r := rand.New(rand.NewPCG(20261126, 17))
	out := make([]string, n)
	for i := range out {
		out[i] = randomAnswer(r)
	}
	return out
}

// refusedBy reports whether lint says that the installer of a release does not
// take the file.
func refusedBy(v Version, text string) (bool, []string) {
	var why []string
	for _, f := range Lint("a.toml", []byte(text), v, nil).Findings {
		if f.Severity == Wrong && !f.Later {
			why = append(why, f.String())
		}
	}
	return len(why) > 0, why
}

// TestVerdictsOfTheOfficialInstaller holds lint against what the installer's own
// checks of 9.0.7, 9.1.1 and 9.2.7 said of the same answers. testdata holds one
// letter for each answer: t taken, r refused. ANSWERS=DIR writes the answers, to
// be judged again.
func TestVerdictsOfTheOfficialInstaller(t *testing.T) {
	cases, wrong := 0, 0
	for kind, texts := range map[string][]string{"verdicts": answers(randomAnswers), "mutants": mutants(1000)} {
		if dir := os.Getenv("ANSWERS"); dir != "" {
			for i, text := range texts {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%04d.toml", kind, i)), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, v := range []Version{V90, V91, V92} {
			verdicts, err := os.ReadFile("testdata/" + kind + "-" + v.String())
			if err != nil {
				t.Fatal(err)
			}
			verdicts = bytes.ReplaceAll(verdicts, []byte("\n"), nil)
			if len(verdicts) != len(texts) {
				t.Fatalf("%s of %s: %d verdicts of %d answers", kind, v, len(verdicts), len(texts))
			}
			for i, text := range texts {
				cases++
				got, why := refusedBy(v, text)
				if got != (verdicts[i] == 'r') {
					wrong++
					t.Errorf("%s %d: official %s %c, lint says %v:\n%s", kind, i, v, verdicts[i], why, text)
				}
			}
			if taken := bytes.Count(verdicts, []byte("t")); taken < len(texts)/6 || taken > len(texts)*4/5 {
				t.Errorf("%s of %s: %d of %d answers are taken: the mixture proves little", kind, v, taken, len(texts))
			}
		}
	}
	fmt.Printf("figure lint.cases %d answers\nfigure lint.wrong %d answers\n", cases, wrong)
}
