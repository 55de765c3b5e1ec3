package isotest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Hostile is an image that no reader should take, and why.
type Hostile struct {
	Name  string
	Bytes []byte
	Want  string // the sentence that it gets
}

// Damaged are images that are no images, or not sound ones.
func Damaged() []Hostile {
	var out []Hostile
	for _, c := range damages() {
		out = append(out, Hostile{c.name, c.damage(Build(Stock(), Options{})), c.want})
	}
	return append(out, loopingNames())
}

type damage struct {
	name   string
	damage func(b []byte) []byte
	want   string
}

func damages() []damage {
	return slices.Concat(damagedDescriptors(), damagedDirectories(), damagedEntries())
}

func damagedDescriptors() []damage {
	return []damage{
		{"nothing", func([]byte) []byte { return nil }, "not an ISO 9660 image: it is empty"},
		{"a few bytes", func(b []byte) []byte { return b[:1000] }, "not an ISO 9660 image: 1000 bytes are less than its system area"},
		{"zeros", func([]byte) []byte { return make([]byte, 1<<20) }, "not an ISO 9660 image: there is no primary volume descriptor at block 16"},
		{"truncated", func(b []byte) []byte { return b[:30*block] },
			"the image is truncated: its primary volume descriptor promises 77824 bytes, there are 61440: download or copy it again"},
		{"UDF only", func(b []byte) []byte {
			for i, id := range []string{"BEA01", "NSR03", "TEA01"} {
				copy(b[(16+i)*block:], "\x00"+id+"\x01")
			}
			return b
		}, "a UDF image without an ISO 9660 tree, which is not supported"},
		{"descriptors without end", func(b []byte) []byte {
			b = append(b, make([]byte, 100*block)...)
			for i := 17; i < 100; i++ {
				copy(b[i*block:], "\x03CD001\x01")
			}
			return b
		}, "not an ISO 9660 image: more than 64 volume descriptors and no end of them"},
		{"small blocks", func(b []byte) []byte { b[16*block+128], b[16*block+129] = 0, 2; return b },
			"not an ISO 9660 image that is supported: its logical blocks have 512 bytes instead of 2048"},
		{"no root", func(b []byte) []byte { b[16*block+156] = 0; return b }, "the primary volume descriptor has no root directory"},
		{"huge path table", func(b []byte) []byte { copy(b[16*block+132:], both(1<<30)); return b },
			"the primary volume descriptor promises a path table of 1073741824 bytes, more than the 4194304 that are believed"},
		{"boot catalog behind the end", func(b []byte) []byte { binary.LittleEndian.PutUint32(b[17*block+71:], 1<<20); return b },
			"the boot catalog at block 1048576 lies behind the end of the image"},
		{"boot catalog that is none", func(b []byte) []byte { b[int(binary.LittleEndian.Uint32(b[17*block+71:]))*block] = 9; return b },
			"the boot catalog at block 19 has no validation entry"},
	}
}

func damagedDirectories() []damage {
	return []damage{
		{"directory loop", func(b []byte) []byte {
			copy(RecordOf(b, "packages")[2:], both(rootExtent(b)))
			return b
		}, "directory /proxmox/packages: it lies where / lies, so the directories loop"},
		{"directories that share blocks", func(b []byte) []byte {
			copy(RecordOf(b, "packages")[2:], RecordOf(b, "grub")[2:10])
			return b
		}, "directory /proxmox/packages: it lies where /boot/grub lies, so the directories loop"},
		{"empty directory", func(b []byte) []byte { copy(RecordOf(b, "proxmox")[10:], both(0)); return b },
			"directory /proxmox: its length is zero"},
		{"huge directory", func(b []byte) []byte { copy(RecordOf(b, "proxmox")[10:], both(0xfffff800)); return b },
			"directory /proxmox: it ends at byte 4295020544, behind the end of the image at 77824"},
		{"directory that is none", func(b []byte) []byte { dotOf(b, RecordOf(b, "proxmox"))[33] = 7; return b },
			`directory /proxmox: its records do not begin with "." and ".."`},
		{"record that is too short", func(b []byte) []byte { RecordOf(b, "packages")[0] = 20; return b },
			"directory /proxmox: the record at byte 164 says that it has 20 bytes where between 34 and 1884 fit"},
		{"name longer than its record", func(b []byte) []byte { RecordOf(b, "packages")[32] = 250; return b },
			"directory /proxmox: the record at byte 164 has a name of 250 bytes in 102"},
		{"same name twice", func(b []byte) []byte {
			r := RecordOf(b, ".installer")
			at := bytes.Index(r, []byte("NM"))
			r[at+2] = byte(5 + len(".cd-info"))
			copy(r[at+5:], ".cd-info\x00\x00")
			return b
		}, "directory /: two entries are named .cd-info"},
	}
}

func damagedEntries() []damage {
	return []damage{
		{"name with a slash", func(b []byte) []byte {
			r := RecordOf(b, "packages")
			r[bytes.Index(r, []byte("packages"))+3] = '/'
			return b
		},
			"directory /proxmox: entry D000000: its name pac/ages cannot be the name of a file"},
		{"name that is a step up", func(b []byte) []byte {
			r := RecordOf(b, "boot")
			at := bytes.Index(r, []byte("NM"))
			r[at+2] = 7
			copy(r[at+5:], "..\x00\x00")
			return b
		}, "directory /: entry D000005: its name .. cannot be the name of a file"},
		{"file behind the end", func(b []byte) []byte { copy(RecordOf(b, "grub.cfg")[2:], both(5000)); return b },
			"directory /boot/grub: entry F000000.;1: its content ends at byte 10242400, behind the end of the image at 77824"},
		{"file larger than the image", func(b []byte) []byte { copy(RecordOf(b, "grub.cfg")[10:], both(0xffffffff)); return b },
			"directory /boot/grub: entry F000000.;1: its content ends at byte 4295036927, behind the end of the image at 77824"},
		{"multi-extent file without end", func(b []byte) []byte { RecordOf(b, "grub.cfg")[25] = 0x80; return b },
			"directory /boot/grub: the multi-extent file grub.cfg ends without its last record"},
		{"interleaved file", func(b []byte) []byte { RecordOf(b, "grub.cfg")[26] = 1; return b },
			"directory /boot/grub: entry F000000.;1: it has extended attributes or is interleaved, which is not supported"},
		{"Rock Ridge entry without end", func(b []byte) []byte {
			r := RecordOf(b, "grub.cfg")
			r[bytes.Index(r, []byte("NM"))+2] = 200
			return b
		},
			"directory /boot/grub: entry F000000.;1: a Rock Ridge entry says that it has 200 bytes where 14 are left"},
		{"Rock Ridge entry of no length", func(b []byte) []byte {
			r := RecordOf(b, "grub.cfg")
			r[bytes.Index(r, []byte("PX"))+2] = 0
			return b
		},
			"directory /boot/grub: entry F000000.;1: a Rock Ridge entry says that it has 0 bytes where 62 are left"},
		{"short PX", func(b []byte) []byte {
			r := RecordOf(b, "grub.cfg")
			r[bytes.Index(r, []byte("PX"))+2] = 8
			return b
		},
			"directory /boot/grub: entry F000000.;1: a Rock Ridge PX entry has 8 bytes instead of 36 or 44"},
	}
}

// loopingNames has a Rock Ridge continuation area that leads to itself.
func loopingNames() Hostile {
	b := Build(Stock(), Options{})
	r := RecordOf(b, "grub.cfg")
	px := bytes.Index(b, r) + bytes.Index(r, []byte("PX"))
	copy(b[px:], slices.Concat([]byte("CE\x24\x01"), both(uint32(px/block)), both(uint32(px%block)), both(36)))
	return Hostile{"continuation areas that loop", b, "directory /boot/grub: entry F000000.;1: its Rock Ridge continuation areas loop, or are more than 32"}
}

// RecordOf finds the directory record whose Rock Ridge name is name.
func RecordOf(b []byte, name string) []byte {
	nm := append([]byte{'N', 'M', byte(5 + len(name)), 1, 0}, name...)
	at := bytes.Index(b, nm)
	if at < 0 {
		panic(fmt.Sprintf("no record for %s", name))
	}
	id := max(bytes.LastIndex(b[:at], []byte("F0000")), bytes.LastIndex(b[:at], []byte("D0000")))
	start := id - 33
	return b[start : start+int(b[start])]
}

func dotOf(b, record []byte) []byte { return b[int(binary.LittleEndian.Uint32(record[2:]))*block:] }

// rootExtent is where the primary volume descriptor puts the root directory.
func rootExtent(image []byte) uint32 {
	return binary.LittleEndian.Uint32(image[16*block+156+2:])
}
