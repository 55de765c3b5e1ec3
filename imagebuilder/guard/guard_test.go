package guard

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/rehearsal/need"
)

var update = flag.Bool("update", false, "write the golden files anew")

func options() Options {
	return Options{
		Node: "frege", Erases: "disk nvme0n1", AfterInstall: "power-off",
		TicketFile: "/ringboot.env", MarkFile: "/EFI/ringboot/installed.env", Seconds: 10,
	}
}

func stock(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/stock.cfg")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEditGolden(t *testing.T) {
	for name, serial := range map[string]bool{"guarded.cfg": false, "guarded-serial.cfg": true} {
		o := options()
		o.Serial, o.Rider, o.Again = serial, "/ringboot.img", "proxmox-ringboot-again"
		got, err := Edit(stock(t), o)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got), -update writes it anew:\n%s", name, diff)
		}
	}
}

func TestWordsReachEveryKernel(t *testing.T) {
	o := options()
	o.Serial, o.Words = true, "no_timer_check"
	got, err := Edit(stock(t), o)
	if err != nil {
		t.Fatal(err)
	}
	kernels := strings.Count(got, " console=tty0 ")
	if n := strings.Count(got, " no_timer_check"); n == 0 || n != kernels {
		t.Errorf("%d of %d kernels are told", n, kernels)
	}
	o.Words = "x; reboot\n"
	if _, err := Edit(stock(t), o); err == nil {
		t.Error("a line break in the words was taken")
	}
}

func TestGrubAcceptsTheMenu(t *testing.T) {
	need.Tools(t, "grub-script-check:grub-common")
	o := options()
	o.Serial = true
	got, err := Edit(stock(t), o)
	if err != nil {
		t.Fatal(err)
	}
	check := exec.Command("grub-script-check", "-v")
	check.Stdin = strings.NewReader(got)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("grub-script-check: %v\n%s", err, out)
	}
}

func TestTheGuardHasTheLastWord(t *testing.T) {
	got, err := Edit(stock(t)+"set default=0\nset timeout=1\n", options())
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"set default=", "set timeout="} {
		last := strings.LastIndex(got, variable)
		if end := strings.LastIndex(got, beginLine); last < end {
			t.Errorf("%q is last set by the stock menu", variable)
		}
	}
}

// GRUB's menu on a console of 80 columns shows 74 letters of a title.
func TestTheLongestTitleIsShown(t *testing.T) {
	const columns = 74
	title := "Guard: ticket spent 2026-11-23; disk wittgenstein 2026-11-23; power-off"
	if len(title) > columns {
		t.Errorf("%d letters", len(title))
	}
	got, err := Edit(stock(t), options())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got, `menuentry "Guard: ${ringboot_says}; ${ringboot_whose}; power-off"`) {
		t.Error("the guard's entry has another title than the one that was measured")
	}
}

func TestAnIdOfTheStockMenuGivesWay(t *testing.T) {
	for _, heading := range []string{
		`menuentry --id auto 'Automated' {`,
		`menuentry 'Automated' --id=auto --class os {`,
		`menuentry 'Automated' $menuentry_id_option 'auto' {`,
		`menuentry 'Automated' ${menuentry_id_option} auto {`,
	} {
		got, err := Edit(heading+"\n linux /k proxmox-start-auto-installer\n}\n", options())
		if err != nil {
			t.Errorf("%s: %v", heading, err)
			continue
		}
		if strings.Contains(got, "auto'") || strings.Contains(got, "id auto") || strings.Contains(got, "=auto") {
			t.Errorf("%s: the stock id is still there:\n%s", heading, got)
		}
		if n := strings.Count(got, "--id "+EntryInstall); n != 1 {
			t.Errorf("%s: the guard's id is there %d times", heading, n)
		}
	}
}

func TestEditRefuses(t *testing.T) {
	good := stock(t)
	tests := []struct {
		name, config string
		change       func(*Options)
		want         string
	}{
		{"no automated entry", "menuentry 'Install' {\n linux /k\n}\n", nil, ErrNoAutomatic.Error()},
		{"automated only in a submenu", "submenu 'More' {\n menuentry 'A' {\n linux /k proxmox-start-auto-installer\n }\n}\n", nil, ErrNoAutomatic.Error()},
		{"only in a comment", "menuentry 'Install' {\n linux /k # proxmox-start-auto-installer\n}\n", nil, ErrNoAutomatic.Error()},
		{"an open quote", "set x=1\nmenuentry 'Install {\n", nil, "boot menu of the ISO, line 2: a quote or brace is never closed"},
		{"an open brace", "menuentry 'Install' {\n linux /k\n", nil, "boot menu of the ISO: 1 braces are never closed"},
		{"a brace too many", "}\n", nil, "boot menu of the ISO, line 1: a brace is closed that was never opened"},
		{"no title", "menuentry {\n}\n", nil, "boot menu of the ISO, line 1: an entry has no title"},
		{"no body", "menuentry 'x'\n", nil, `boot menu of the ISO: entry "x" has no body`},
		{"a name that breaks out", good, func(o *Options) { o.Node = `x"; reboot` }, `boot menu: node "x\"; reboot" holds a character that GRUB would not take as text`},
		{"nothing said about the disk", good, func(o *Options) { o.Erases = "" }, "boot menu: erases is empty"},
		{"no time to choose", good, func(o *Options) { o.Seconds = 0 }, "boot menu: a wait of 0 seconds leaves nobody time to choose"},
	}
	for _, test := range tests {
		o := options()
		if test.change != nil {
			test.change(&o)
		}
		if _, err := Edit(test.config, o); err == nil || err.Error() != test.want {
			t.Errorf("%s:\n got %v\nwant %s", test.name, err, test.want)
		}
	}
	once, err := Edit(good, options())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Edit(once, options()); !errors.Is(err, ErrTwice) {
		t.Errorf("a second edit: %v, want %v", err, ErrTwice)
	}
}

func FuzzGuard(f *testing.F) {
	text, err := os.ReadFile("testdata/stock.cfg")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("menuentry 'a' {\n linux /k proxmox-start-auto-installer }\n")
	f.Fuzz(func(t *testing.T, config string) {
		got, err := Edit(config, options())
		if err != nil {
			return
		}
		if strings.Count(got, "--id "+EntryInstall) != 1+strings.Count(config, "--id "+EntryInstall) {
			// A stock id of the same name gives way, so the count may also stay.
			if strings.Count(config, EntryInstall) == 0 {
				t.Errorf("the guard's entry is not there exactly once:\n%s", got)
			}
		}
	})
}

// TestAMediumForAllSaysWhoIsNext reads one ticket for each node.
func TestAMediumForAllSaysWhoIsNext(t *testing.T) {
	o := options()
	o.Node, o.Rider = "one node after the other", "/ringboot.img"
	o.Tickets = []NodeTicket{{"frege", "/ringboot-frege.env"}, {"russell", "/ringboot-russell.env"}}
	got, err := Edit(stock(t), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`load_env -f "(${root})/ringboot-frege.env" ringboot_ticket`, `load_env -f "(${root})/ringboot-russell.env" ringboot_ticket`,
		`set ringboot_says="installed:${ringboot_done}; next: ${ringboot_next}"`, "initrd /boot/initrd.img /ringboot.img",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the menu lacks %s", want)
		}
	}
	o.Tickets[0].Node = "fre ge"
	if _, err := Edit(stock(t), o); err == nil {
		t.Error("a node of two words was taken")
	}
}
