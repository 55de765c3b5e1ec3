package deb

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"
)

// The files of the agent's package besides the agent itself. The grub.d file
// and the unit call subcommands of firstboot; they change together with it.
var (
	//go:embed files/ringboot.service
	agentUnit []byte
	//go:embed files/ringboot-keeper.service
	keeperUnit []byte
	//go:embed files/ringboot-feel.service
	feelUnit []byte
	//go:embed files/ringboot-drift.service
	driftUnit []byte
	//go:embed files/ringboot-drift.timer
	driftTimer []byte
	//go:embed files/ringboot-tell.service
	tellUnit []byte
	//go:embed files/ringboot-tell.path
	tellPath []byte
	//go:embed files/ringboot-order.service
	orderUnit []byte
	//go:embed files/ringboot-order.path
	orderPath []byte
	//go:embed files/ringboot-upgrade.service
	upgradeUnit []byte
	//go:embed files/ringboot-replace-disk.service
	replaceUnit []byte
	//go:embed files/45_ringboot
	grubScript []byte
	//go:embed files/update/preinst
	preinst []byte
	//go:embed files/update/postinst
	postinst []byte
	//go:embed files/update/prerm
	prerm []byte
	//go:embed files/update/postrm
	postrm []byte
)

// Where the agent's package puts things on the node.
const (
	AgentPath    = "/usr/lib/ringboot/firstboot"
	AgentUnit    = "ringboot.service"
	KeeperUnit   = "ringboot-keeper.service"
	FeelUnit     = "ringboot-feel.service"
	DriftUnit    = "ringboot-drift.service"
	DriftTimer   = "ringboot-drift.timer"
	UpgradeUnit  = "ringboot-upgrade.service"
	ReplaceUnit  = "ringboot-replace-disk.service"
	TellUnit     = "ringboot-tell.service"
	TellPath     = "ringboot-tell.path"
	OrderUnit    = "ringboot-order.service"
	OrderPath    = "ringboot-order.path"
	unitDir      = "/usr/lib/systemd/system/"
	wantsDir     = "/etc/systemd/system/multi-user.target.wants/"
	timersDir    = "/etc/systemd/system/timers.target.wants/"
	grubScriptAt = "/etc/grub.d/45_ringboot"
)

// Agent is the package with the agent, equal on every node. The links are what
// "systemctl enable" would make: no systemd runs while packages are installed.
// Its files are stored: compressing the binary would take longer than all else
// that an image needs, and saves half a percent of the image.
func Agent(version string, binary *io.SectionReader, at time.Time) Package {
	return Package{
		Name: "ringboot", Version: Version(version), Architecture: "amd64", Section: "admin", Time: at, Stored: true,
		Summary:     "agent that makes a cluster of freshly installed nodes",
		Description: "firstboot brings up the ring, finds its peers, and once all nodes are\npresent and sound forms the cluster, Ceph and HA, and keeps the ring.",
		Entries: []Entry{
			{Path: AgentPath, Mode: 0o755, From: binary},
			{Path: "/usr/sbin/firstboot", Target: AgentPath},
			{Path: unitDir + AgentUnit, Mode: 0o644, Content: agentUnit},
			{Path: wantsDir + AgentUnit, Target: unitDir + AgentUnit},
			{Path: unitDir + KeeperUnit, Mode: 0o644, Content: keeperUnit},
			{Path: wantsDir + KeeperUnit, Target: unitDir + KeeperUnit},
			{Path: unitDir + FeelUnit, Mode: 0o644, Content: feelUnit},
			{Path: unitDir + DriftUnit, Mode: 0o644, Content: driftUnit},
			{Path: unitDir + DriftTimer, Mode: 0o644, Content: driftTimer},
			{Path: unitDir + UpgradeUnit, Mode: 0o644, Content: upgradeUnit},
			{Path: wantsDir + UpgradeUnit, Target: unitDir + UpgradeUnit},
			{Path: unitDir + ReplaceUnit, Mode: 0o644, Content: replaceUnit},
			{Path: wantsDir + ReplaceUnit, Target: unitDir + ReplaceUnit},
			{Path: unitDir + TellUnit, Mode: 0o644, Content: tellUnit},
			{Path: unitDir + TellPath, Mode: 0o644, Content: tellPath},
			{Path: wantsDir + TellPath, Target: unitDir + TellPath},
			{Path: unitDir + OrderUnit, Mode: 0o644, Content: orderUnit},
			{Path: unitDir + OrderPath, Mode: 0o644, Content: orderPath},
			{Path: wantsDir + OrderPath, Target: unitDir + OrderPath},
			{Path: timersDir + DriftTimer, Target: unitDir + DriftTimer},
			{Path: grubScriptAt, Mode: 0o755, Content: grubScript},
		},
	}
}

// Update is the agent's package for nodes that run: the same files, and scripts
// that start anew what runs, start nothing that does not, and clean up behind it.
func Update(version string, binary *io.SectionReader, at time.Time) Package {
	p := Agent(version, binary, at)
	p.Stored = false
	p.Scripts = map[string][]byte{"preinst": preinst, "postinst": postinst, "prerm": prerm, "postrm": postrm}
	return p
}

// Seed is the package of one node: files that are nobody else's business, by
// absolute path, all below dir. plan is the hash of the cluster's part of the plan.
func Seed(dir, node, plan string, files map[string][]byte, at time.Time) (Package, error) {
	if len(plan) < 12 {
		return Package{}, fmt.Errorf("plan hash %q is too short to tell plans apart", plan)
	}
	p := Package{
		Name: "ringboot-seed", Version: "1+" + strings.ToLower(plan[:12]) + "." + node, Architecture: "all", Section: "admin", Time: at,
		Summary: "what makes this node " + node,
		Entries: []Entry{{Path: dir, Dir: true, Mode: 0o700}},
	}
	for path, content := range files {
		if !strings.HasPrefix(path, dir+"/") {
			return Package{}, fmt.Errorf("seed of %s: %s is not below %s", node, path, dir)
		}
		p.Entries = append(p.Entries, Entry{Path: path, Mode: 0o600, Content: content})
	}
	return p, nil
}

// Version makes a version that dpkg and the installer's shell take from what
// git describes: "v1.2-3-gabc" becomes "1.2-3-gabc", "dev" becomes "0~dev".
func Version(described string) string {
	v := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.+~-", r) {
			return r
		}
		return '.'
	}, strings.TrimPrefix(strings.ToLower(described), "v"))
	if v == "" || v[0] < '0' || v[0] > '9' {
		v = "0~" + v
	}
	return v
}
