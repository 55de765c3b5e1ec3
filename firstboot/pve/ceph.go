package pve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// Files of Ceph as Proxmox VE lays them out.
const (
	CephConf     = "/etc/pve/ceph.conf"
	CephLink     = "/etc/ceph/ceph.conf"
	AdminKeyring = "/etc/pve/priv/ceph.client.admin.keyring"
	installFlag  = "/run/pve-ceph-install-flag"
	daemonDir    = "/var/lib/ceph"
	MonitorDir   = daemonDir + "/mon"
)

// cephPrograms must all be there before Ceph counts as installed.
var cephPrograms = []string{"/usr/bin/ceph", "/usr/bin/ceph-mon", "/usr/bin/ceph-mgr", "/usr/bin/ceph-mds", "/usr/bin/ceph-osd", "/usr/sbin/ceph-volume"}

// Ceph is the storage as the tools of one node see it.
type Ceph struct{ Shell }

// Installation is how far the packages are.
type Installation struct {
	Programs bool   // every program is there
	Half     bool   // dpkg was interrupted
	Flag     bool   // pveceph's own mark of an installation under way
	Release  string // "19.2.3 squid"
}

// Whole reports whether nothing is left to install.
func (i Installation) Whole() bool { return i.Programs && !i.Half && !i.Flag }

// Installation looks for the packages of Ceph.
func (c Ceph) Installation(ctx context.Context) (Installation, error) {
	i := Installation{Programs: true, Flag: c.exists(installFlag)}
	for _, p := range cephPrograms {
		if !c.exists(p) {
			i.Programs = false
		}
	}
	r, err := c.read(ctx, "dpkg", "--audit")
	if err != nil {
		return i, err
	}
	i.Half = strings.TrimSpace(string(r.Stdout)) != ""
	if i.Programs {
		r, err := c.read(ctx, "ceph", "--version")
		if err != nil {
			return i, err
		}
		i.Release = ParseCephVersion(string(r.Stdout))
	}
	return i, nil
}

// ParseCephVersion makes "18.2.7 reef" of what ceph --version prints.
func ParseCephVersion(text string) string {
	words := strings.Fields(text) // ceph version 18.2.7 (hash) reef (stable)
	if len(words) < 5 || words[0] != "ceph" {
		return ""
	}
	return words[2] + " " + words[4]
}

// aptAnswers makes apt ask nothing: pveceph install calls it without -y and
// dies where nobody can answer.
const aptAnswers = `APT::Get::Assume-Yes "true";
Dpkg::Options { "--force-confnew"; };
DPkg::Lock::Timeout "300";
`

// aptAnswersFile is where they lie while the installation runs, and cephPinsFile
// which versions it takes.
const (
	aptAnswersFile = "/var/lib/ringboot/apt.conf"
	cephPinsFile   = "/var/lib/ringboot/ceph.pins"
)

// aptPins has apt take cephPinsFile in place of /etc/apt/preferences. What the
// system has of Ceph without us may be newer.
const aptPins = `Dir::Etc::preferences "` + cephPinsFile + `";
APT::Get::allow-downgrades "true";
`

// Packages are the versions of all that is installed of Ceph, by package.
func (c Ceph) Packages(ctx context.Context) (map[string]string, error) {
	r, err := c.read(ctx, "dpkg-query", "-W", "-f", "${Package} ${db:Status-Status} ${Version} ${source:Package}\n")
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(r.Stdout)) {
		if f := strings.Fields(line); len(f) == 4 && f[1] == "installed" && f[3] == "ceph" {
			out[f[0]] = f[2]
		}
	}
	return out, nil
}

// Install installs the packages of a release from a repository of pveceph; pins,
// where there are any, is the file of apt_preferences(5) that counts meanwhile.
// Whatever pveceph says, only Installation proves that it worked.
func (c Ceph) Install(ctx context.Context, version, repository, pins string) error {
	if i, err := c.Installation(ctx); err != nil {
		return err
	} else if i.Half || i.Flag {
		// An installation was cut off: let dpkg finish what it has begun first.
		if _, err := c.run(ctx, host.Cmd{Argv: []string{"dpkg", "--configure", "-a", "--force-confnew"}, Timeout: 20 * time.Minute, Env: []string{"DEBIAN_FRONTEND=noninteractive"}}); err != nil {
			return offline(err)
		}
		if err := c.Host.Files.Remove(installFlag); err != nil {
			return fmt.Errorf("remove %s: %w", installFlag, err)
		}
	}
	answers := aptAnswers
	if pins != "" {
		answers += aptPins
		if err := c.Host.Files.WriteFile(cephPinsFile, []byte(pins), 0o644); err != nil {
			return fmt.Errorf("write which versions of Ceph are taken: %w", err)
		}
	}
	if err := c.Host.Files.WriteFile(aptAnswersFile, []byte(answers), 0o600); err != nil {
		return fmt.Errorf("write apt's answers: %w", err)
	}
	r, err := c.run(ctx, host.Cmd{
		Argv:    []string{"pveceph", "install", "--version", version, "--repository", repository},
		Env:     []string{"APT_CONFIG=" + aptAnswersFile, "DEBIAN_FRONTEND=noninteractive"},
		Timeout: 60 * time.Minute,
	})
	if err != nil {
		return offline(err)
	}
	if i, err := c.Installation(ctx); err != nil {
		return err
	} else if !i.Whole() {
		return offline(&Refused{Argv: []string{"pveceph", "install"}, Said: telling(r)})
	}
	return errors.Join(c.Host.Files.Remove(aptAnswersFile), c.Host.Files.Remove(cephPinsFile))
}

// offline explains the words of apt on a machine that reaches no repository.
func offline(err error) error {
	said := err.Error()
	for _, sign := range []string{"Temporary failure resolving", "Could not resolve", "Could not connect", "Unable to locate package", "Failed to fetch", "Connection timed out", "Network is unreachable", "has no installation candidate"} {
		if strings.Contains(said, sign) {
			return fmt.Errorf("this node reaches no package repository: connect it to the Internet, or set up a mirror and ceph.repository: manual (%w)", err)
		}
	}
	if strings.Contains(said, "401") {
		return fmt.Errorf("the enterprise repository wants a subscription: enter its key, or set ceph.repository: no-subscription (%w)", err)
	}
	return err
}

// Init makes ceph.conf and the admin's key. It is honest about failure.
func (c Ceph) Init(ctx context.Context, public, cluster string) error {
	argv := []string{"pveceph", "init", "--network", public}
	if cluster != "" && cluster != public {
		argv = append(argv, "--cluster-network", cluster)
	}
	_, err := c.change(ctx, 2*time.Minute, argv...)
	return err
}

// Link makes /etc/ceph/ceph.conf lead to the cluster's file, as pveceph does
// on the node where it ran init.
func (c Ceph) Link() error {
	if target, err := c.Host.Files.Readlink(CephLink); err == nil && target == CephConf {
		return nil
	}
	if c.exists(CephLink) {
		return fmt.Errorf("%s is a file of its own and not the link to %s: look what it is for, and move it away", CephLink, CephConf)
	}
	if err := c.Host.Files.MkdirAll(path.Dir(CephLink), 0o755); err != nil {
		return fmt.Errorf("make %s: %w", path.Dir(CephLink), err)
	}
	if err := c.Host.Files.Symlink(CephConf, CephLink); err != nil {
		return fmt.Errorf("link %s: %w", CephLink, err)
	}
	return nil
}

// Linked reports whether /etc/ceph/ceph.conf is the cluster's.
func (c Ceph) Linked() bool {
	target, err := c.Host.Files.Readlink(CephLink)
	return err == nil && target == CephConf
}

// Daemon is the state of a daemon of this node on disk.
type Daemon struct {
	Dir     bool // its directory is there
	Keyring bool // with a key: an empty file is what a power cut leaves
	Active  bool // systemd runs it
}

// Whole reports whether the daemon's data is on this machine.
func (d Daemon) Whole() bool { return d.Dir && d.Keyring }

// Daemon looks at a monitor ("mon"), manager ("mgr") or metadata server
// ("mds") of this node.
func (c Ceph) Daemon(ctx context.Context, kind string) (Daemon, error) {
	dir := c.daemonPath(kind)
	d := Daemon{Dir: c.exists(dir)}
	if key, err := c.Host.Files.Lstat(dir + "/keyring"); err == nil {
		d.Keyring = key.Size() > 0
	}
	r, err := c.Host.Commands.Run(ctx, host.Cmd{Argv: []string{"systemctl", "is-active", c.unit(kind)}, ReadOnly: true})
	if err != nil {
		return d, fmt.Errorf("ask for %s: %w", c.unit(kind), err)
	}
	d.Active = strings.TrimSpace(string(r.Stdout)) == "active"
	return d, nil
}

func (c Ceph) daemonPath(kind string) string { return daemonDir + "/" + kind + "/ceph-" + c.Node }
func (c Ceph) unit(kind string) string       { return "ceph-" + kind + "@" + c.Node + ".service" }

// ceph asks the monitors and decodes the answer.
func (c Ceph) ceph(ctx context.Context, out any, words ...string) error {
	argv := append([]string{"ceph", "--connect-timeout", "10"}, words...)
	return c.readJSON(ctx, out, append(argv, "-f", "json")...)
}

// cephChange runs a ceph command that changes something.
func (c Ceph) cephChange(ctx context.Context, words ...string) error {
	_, err := c.change(ctx, time.Minute, append([]string{"ceph", "--connect-timeout", "10"}, words...)...)
	return err
}

// AddStorage makes the storage entry of a pool.
func (c Ceph) AddStorage(ctx context.Context, pool string) error {
	_, err := c.change(ctx, 2*time.Minute, "pvesm", "add", "rbd", pool, "--pool", pool, "--content", "images,rootdir", "--krbd", "0")
	return err
}

// fsGroups are the placement groups of a CephFS: its metadata gets a quarter,
// as pveceph gives it.
const fsGroups = 32

// CreateFS makes a CephFS and its storage entry. The exit code says nothing.
func (c Ceph) CreateFS(ctx context.Context, name string) error {
	r, err := c.change(ctx, 5*time.Minute, "pveceph", "fs", "create", "--name", name, "--pg_num", fmt.Sprint(fsGroups), "--add-storage", "1")
	if err != nil {
		return err
	}
	if said := strings.TrimSpace(string(r.Stderr)); said != "" {
		return &Refused{Argv: []string{"pveceph", "fs", "create"}, Said: telling(r)}
	}
	return nil
}

// FinishFS makes the file system on the pools that an interrupted creation
// left, and what is missing of them. Ceph itself refuses one that holds anything.
func (c Ceph) FinishFS(ctx context.Context, name string) error {
	if err := c.createPool(ctx, name+"_data", fsGroups, "cephfs"); err != nil {
		return err
	}
	if err := c.createPool(ctx, name+"_metadata", fsGroups/4, "cephfs"); err != nil {
		return err
	}
	return c.cephChange(ctx, "fs", "new", name, name+"_metadata", name+"_data")
}

// AddFSStorage makes the storage entry of a CephFS.
func (c Ceph) AddFSStorage(ctx context.Context, name string) error {
	_, err := c.change(ctx, 2*time.Minute, "pvesm", "add", "cephfs", name, "--fs-name", name, "--content", "iso,vztmpl,backup,snippets")
	return err
}

// Storages lists the entries of storage.cfg as type by id.
func (c Ceph) Storages() (map[string]string, error) {
	text, err := c.Host.Files.ReadFile("/etc/pve/storage.cfg")
	if isMissing(err) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the storages: %w", err)
	}
	return ParseStorages(string(text)), nil
}

// ParseStorages reads a storage.cfg: a line "type: id" begins each entry.
func ParseStorages(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		kind, id, ok := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		if ok && !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "#") {
			out[strings.TrimSpace(id)] = kind
		}
	}
	return out
}

// StorageActive reports whether pvesm calls a storage active on this node.
func (c Ceph) StorageActive(ctx context.Context, id string) (bool, error) {
	r, err := c.read(ctx, "pvesm", "status")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(r.Stdout)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == id {
			return f[2] == "active", nil
		}
	}
	return false, nil
}

// ArchiveCrashes archives the crash reports of one host after a time, and
// leaves all others to people.
func (c Ceph) ArchiveCrashes(ctx context.Context, hostname string, after time.Time) error {
	var list []struct {
		ID       string `json:"crash_id"`
		Host     string `json:"utsname_hostname"`
		Time     string `json:"timestamp"`
		Archived string `json:"archived"`
	}
	if err := c.ceph(ctx, &list, "crash", "ls-new"); err != nil {
		return err
	}
	for _, crash := range list {
		at, err := parseCrashTime(crash.Time)
		if err != nil || crash.Host != hostname || at.Before(after) {
			continue
		}
		if err := c.cephChange(ctx, "crash", "archive", crash.ID); err != nil {
			return err
		}
	}
	return nil
}

func parseCrashTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999Z", "2006-01-02T15:04:05.999999Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("crash time %q", text)
}

func (s Shell) exists(p string) bool {
	_, err := s.Host.Files.Lstat(p)
	return err == nil
}

// decode is json.Unmarshal for parsers that are tested on texts.
func decode[T any](text []byte) (v T, err error) { err = json.Unmarshal(text, &v); return v, err }
