package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGatewaysAreRead(t *testing.T) {
	const table = "Iface\tDestination\tGateway \tFlags\neth0\t0003CB0A\t00000000\t0001\neth0\t00000000\t0103CB0A\t0003\n"
	if got := gatewayOfTable(table); got.String() != "10.203.3.1" {
		t.Errorf("Linux: %s", got)
	}
	if got := gatewayOfRoute("   route to: default\n    gateway: 192.168.1.1\n  interface: en0\n"); got.String() != "192.168.1.1" {
		t.Errorf("macOS: %s", got)
	}
	for _, text := range []string{"", "x y z\n", "eth0 00000000 zz\n"} {
		if got := gatewayOfTable(text); got.IsValid() {
			t.Errorf("%q gives %s", text, got)
		}
	}
}

func TestFilesOfThisComputerAreRead(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := put("resolv.conf", "# by hand\nsearch lan\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver fe80::1\nnameserver 10.0.0.2\n")
	if got := nameservers(conf); len(got) != 2 || got[0].String() != "10.0.0.1" || got[1].String() != "10.0.0.2" {
		t.Errorf("name servers: %v", got)
	}
	if got := setting(put("keyboard", "# x\nXKBMODEL=\"pc105\"\nXKBLAYOUT=\"de,us\"\n"), "XKBLAYOUT"); got != "de" {
		t.Errorf("layout %q", got)
	}
	if got := setting(filepath.Join(dir, "none"), "KEYMAP"); got != "" {
		t.Errorf("no file gives %q", got)
	}
	link := filepath.Join(dir, "localtime")
	if err := os.Symlink("/usr/share/zoneinfo/Europe/Berlin", link); err != nil {
		t.Fatal(err)
	}
	if got := linkedZone(link); got != "Europe/Berlin" {
		t.Errorf("zone %q", got)
	}
	for locale, want := range map[string]string{"de_DE.UTF-8": "de_DE", "C.UTF-8": "", "": ""} {
		if got := language(locale); got != want {
			t.Errorf("%q: %q", locale, got)
		}
	}
}

func TestNumbersAreDrawnTogether(t *testing.T) {
	if got := numbers([]int{3, 5, 6, 7, 9, 10}); got != "3, 5 to 7, 9, 10" {
		t.Error(got)
	}
}
