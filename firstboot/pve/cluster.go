package pve

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"time"
)

// Link is one corosync link of the node that is added.
type Link struct {
	Address  string
	Priority int // higher wins, corosync.conf(5); only given at create
}

// Create founds a cluster with this node alone and proves it: the
// configuration is right in both places, the key is whole, corosync is
// quorate and /etc/pve writable. The exit code of pvecm create is 0 whatever
// happens.
func (n Node) Create(ctx context.Context, name string, id int, links []Link) error {
	argv := []string{"pvecm", "create", name, "--nodeid", strconv.Itoa(id)}
	for i, l := range links {
		argv = append(argv, fmt.Sprintf("--link%d", i), fmt.Sprintf("%s,priority=%d", l.Address, l.Priority))
	}
	res, err := n.run(ctx, medium, false, argv...)
	if err != nil {
		return err
	}
	// Writable about three seconds after the command returns.
	proven := n.wait(ctx, medium, func() bool {
		m, err := n.Membership()
		return err == nil && m.Cluster.Name == name && m.Synced(n.Name) && n.Writable()
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !proven {
		return fmt.Errorf("pvecm create %s: the cluster did not come up within %v: %s", name, medium, lastWords(res))
	}
	return n.sameConf()
}

// sameConf proves that the configuration is in both places and the key whole.
func (n Node) sameConf() error {
	_, own, err := n.ReadConf(ConfFile)
	if err != nil {
		return err
	}
	_, host, err := n.ReadConf(HostConf)
	if err != nil {
		return err
	}
	if !bytes.Equal(own, host) {
		return fmt.Errorf("%s and %s differ", ConfFile, HostConf)
	}
	_, err = n.Key()
	return err
}

// Key reads the corosync key and checks its size: create keeps a broken one.
func (n Node) Key() ([]byte, error) {
	key, err := n.Host.Files.ReadFile(KeyFile)
	if err != nil {
		return nil, err
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("%s has %d bytes instead of %d", KeyFile, len(key), KeySize)
	}
	return key, nil
}

// AddNode lists a node in the configuration and proves it. Its exit code is
// honest. force renews the entry of a node that is listed already.
func (n Node) AddNode(ctx context.Context, name string, id int, links []Link, force bool) error {
	argv := []string{"pvecm", "addnode", name, "--nodeid", strconv.Itoa(id)}
	for i, l := range links {
		argv = append(argv, fmt.Sprintf("--link%d", i), l.Address)
	}
	argv = append(argv, "--apiversion", APIVersion)
	if force {
		argv = append(argv, "--force", "1")
	}
	if err := n.honest(ctx, medium, argv...); err != nil {
		return err
	}
	c, _, err := n.ReadConf(ConfFile)
	if err != nil {
		return err
	}
	if c == nil {
		return fmt.Errorf("pvecm addnode %s: %s is gone", name, ConfFile)
	}
	e, ok := c.Node(name)
	if !ok || e.ID != id || e.Addr[0] != links[0].Address || e.Addr[1] != links[1].Address {
		return fmt.Errorf("pvecm addnode %s: the configuration does not list it with id %d and its addresses", name, id)
	}
	return nil
}

// DelNode takes a node out of the configuration and proves it: the tool
// returns 0 also when it could not reach the node.
func (n Node) DelNode(ctx context.Context, name string) error {
	argv := []string{"pvecm", "delnode", name}
	res, err := n.run(ctx, medium, false, argv...)
	if err != nil {
		return err
	}
	c, _, err := n.ReadConf(ConfFile)
	if err != nil {
		return err
	}
	if c == nil {
		return fmt.Errorf("pvecm delnode %s: %s is gone", name, ConfFile)
	}
	if _, still := c.Node(name); still {
		return Failure(argv, res)
	}
	return nil
}

// UpdateCerts makes the node's certificate, keys and links, and proves that
// the certificate verifies against the cluster's CA.
func (n Node) UpdateCerts(ctx context.Context) error {
	res, err := n.run(ctx, long, false, "pvecm", "updatecerts", "--force")
	if err != nil {
		return err
	}
	if err := n.Certified(n.Name); err != nil {
		if res.Code != 0 {
			return Failure([]string{"pvecm", "updatecerts"}, res)
		}
		return err
	}
	return n.Unit(ctx, "reload-or-restart", "pvedaemon", "pveproxy")
}

// Certified checks that a node has a certificate of the cluster's CA.
func (n Node) Certified(node string) error {
	ca, err := n.Host.Files.ReadFile(RootCA)
	if err != nil {
		return err
	}
	file := path.Join(Dir, "nodes", node, "pve-ssl.pem")
	own, err := n.Host.Files.ReadFile(file)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(own)
	if block == nil {
		return fmt.Errorf("%s holds no certificate", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("%s holds no certificate", RootCA)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: n.Host.Clock.Now(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return fmt.Errorf("%s is not of this cluster's CA: %w", file, err)
	}
	return nil
}

// Quorum asks corosync. running is false when none runs.
func (n Node) Quorum(ctx context.Context) (q Quorum, running bool, err error) {
	res, err := n.run(ctx, short, true, "corosync-quorumtool", "-s")
	if err != nil {
		return Quorum{}, false, err
	}
	if res.Code == 1 {
		return Quorum{}, false, nil
	}
	q, err = ParseQuorum(res.Stdout)
	return q, err == nil, err
}

// Neighbours asks corosync for the links to the other nodes.
func (n Node) Neighbours(ctx context.Context) ([]Neighbour, error) {
	res, err := n.run(ctx, short, true, "corosync-cfgtool", "-n")
	if err != nil {
		return nil, err
	}
	if res.Code != 0 {
		return nil, Failure([]string{"corosync-cfgtool", "-n"}, res)
	}
	return ParseNeighbours(res.Stdout)
}

// Install puts key and configuration of the cluster on this node, durably.
// The key is written 0400: the official join leaves it readable.
func (n Node) Install(key, conf []byte) error {
	if err := n.Host.Files.WriteFile(KeyFile, key, 0o400); err != nil {
		return err
	}
	if err := n.Host.Files.WriteFile(HostConf, conf, 0o644); err != nil {
		return err
	}
	return n.Sync()
}

// SetAside backs the database of pmxcfs up and removes it, so that the next
// start takes the configuration of the host. pve-cluster must be stopped.
func (n Node) SetAside(ctx context.Context) error {
	if _, err := n.Host.Files.Lstat(Database); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	res, err := n.run(ctx, medium, true, "sqlite3", Database, ".dump")
	if err != nil {
		return err
	}
	if res.Code != 0 || !bytes.HasSuffix(bytes.TrimSpace(res.Stdout), []byte("COMMIT;")) {
		return fmt.Errorf("the dump of %s is not whole, so it is not removed: %s", Database, lastWords(res))
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(res.Stdout); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	backup := fmt.Sprintf("%s/config-%d.sql.gz", BackupDir, n.Host.Clock.Now().Unix())
	if err := n.Host.Files.WriteFile(backup, packed.Bytes(), 0o600); err != nil {
		return fmt.Errorf("back up %s: %w", Database, err)
	}
	n.thin()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := n.Host.Files.Remove(Database + suffix); err != nil {
			return err
		}
	}
	return n.Sync()
}

// keepBackups is how many copies of a set-aside database are kept: the oldest
// one, which is the node before it joined, and the newest ones.
const keepBackups = 8

// thin removes backups between the oldest and the newest ones.
func (n Node) thin() {
	list, err := n.Host.Files.ReadDir(BackupDir)
	if err != nil || len(list) <= keepBackups {
		return
	}
	var names []string
	for _, e := range list {
		if ok, _ := path.Match("config-*.sql.gz", e.Name()); ok {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	for i := 1; i+keepBackups <= len(names); i++ {
		_ = n.Host.Files.Remove(path.Join(BackupDir, names[i]))
	}
}

// WaitJoined waits until pmxcfs of this node has joined and synced.
func (n Node) WaitJoined(ctx context.Context, cluster string, limit time.Duration) bool {
	return n.wait(ctx, limit, func() bool {
		m, err := n.Membership()
		if err != nil || m.Cluster.Name != cluster || !m.Synced(n.Name) || m.Cluster.Quorate != 1 || !n.Writable() {
			return false
		}
		_, err = n.Host.Files.Lstat(ConfFile)
		return err == nil
	})
}
