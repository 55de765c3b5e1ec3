package deb

import (
	"embed"
	"io"
	"time"
)

//go:embed files/ringkeeper
var ringkeeper embed.FS

// Where the package of the keeper alone puts things.
const (
	RingkeeperPath = "/usr/sbin/ringkeeper"
	RingkeeperUnit = "ringkeeper.service"
)

// Ringkeeper is the package of the keeper that stands alone, for machines that
// Ringboot did not install. A Ringboot node has a keeper already, and the same
// files of the ring's floor: the two do not go together.
func Ringkeeper(version string, binary *io.SectionReader, at time.Time) (Package, error) {
	p := Package{
		Name: "ringboot-keeper", Version: Version(version), Architecture: "amd64", Section: "admin", Time: at,
		Depends: "iproute2, kmod, nftables, udev, ifupdown2 | ifupdown", Conflicts: "ringboot",
		Summary:     "keeps a ring of three machines with Thunderbolt cables",
		Description: "ringkeeper pairs three machines over the cables between them, gives the\nports their names, addresses and routes, probes the links, and sends\ntraffic over the third machine when one dies.",
		Entries:     []Entry{{Path: RingkeeperPath, Mode: 0o755, From: binary}},
		Scripts:     map[string][]byte{},
	}
	unit, err := ringkeeper.ReadFile("files/ringkeeper/" + RingkeeperUnit)
	if err != nil {
		return p, err
	}
	p.Entries = append(p.Entries, Entry{Path: unitDir + RingkeeperUnit, Mode: 0o644, Content: unit})
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		if p.Scripts[name], err = ringkeeper.ReadFile("files/ringkeeper/" + name); err != nil {
			return p, err
		}
	}
	return p, nil
}
