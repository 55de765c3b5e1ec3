package main

import (
	"strings"
	"testing"

	"ringboot/firstboot/look"
	"ringboot/firstboot/preflight"
	"ringboot/profiles/medium"
)

// TestThePictureFitsAScreen draws the numbers of an MS-01 with four disks.
func TestThePictureFitsAScreen(t *testing.T) {
	var seen look.Seen
	seen.Facts.Machine = medium.Identity{Vendor: "Micro Computer (HK) Tech Limited", Product: "Venus Series", Serial: "MH640123456"}
	for _, n := range []string{"nvme0n1", "nvme1n1", "nvme2n1", "sda"} {
		seen.Disks = append(seen.Disks, preflight.Sighting{Name: n, Bytes: 2e12, Medium: n == "sda", Properties: map[string]string{"ID_SERIAL_SHORT": "S6Z2NJ0T" + n}})
	}
	seen.MACs = []string{"58:47:ca:00:00:01", "58:47:ca:00:00:02", "58:47:ca:00:00:03", "58:47:ca:00:00:04"}
	text := numbers(seen)
	if strings.Contains(text, "sda") || !strings.Contains(text, "nvme1n1 S6Z2NJ0Tnvme1n1 2.00 TB") {
		t.Errorf("the numbers are\n%s", text)
	}
	drawn := picture(text)
	lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
	if len(lines) < 15 || len(lines) > 40 {
		t.Errorf("the picture has %d lines:\n%s", len(lines), drawn)
	}
	for _, l := range lines {
		if n := len([]rune(l)); n > columns || n != len([]rune(lines[0])) {
			t.Errorf("a line has %d columns", n)
		}
	}
	if picture(strings.Repeat("x", 5000)) != "" {
		t.Error("a text that is too long has a picture")
	}
}
