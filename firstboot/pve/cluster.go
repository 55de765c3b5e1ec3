package pve

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
)

// Sum identifies the bytes of a configuration.
func Sum(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Key reads the corosync key and checks its size: a power cut may have shortened it.
func (n Local) Key() ([]byte, error) {
	key, err := n.Host.Files.ReadFile(KeyFile)
	if err != nil {
		return nil, err
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("%s has %d bytes instead of %d", KeyFile, len(key), KeySize)
	}
	return key, nil
}

// UpdateCerts makes the node's certificate, keys and links, and proves that
// the certificate verifies against the cluster's CA.
func (n Local) UpdateCerts(ctx context.Context) error {
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

const (
	rootKeyFile = "/root/.ssh/id_rsa.pub"
	rootKeys    = Dir + "/priv/authorized_keys"
)

// DropLostKeys takes root's keys of earlier machines of this node's name out of
// those that let in on every member. The tool adds this machine's, and leaves theirs.
func (n Local) DropLostKeys() error {
	own, err := n.Host.Files.ReadFile(rootKeyFile)
	if isMissing(err) {
		return nil // which of them is this machine's, nobody can tell
	}
	if err != nil {
		return err
	}
	all, err := n.Host.Files.ReadFile(rootKeys)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	kept := ""
	for line := range strings.Lines(string(all)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "root@"+n.Name && !strings.Contains(string(own), f[1]) {
			continue
		}
		kept += line
	}
	if kept == string(all) {
		return nil
	}
	return n.Host.Files.WriteDirect(rootKeys, []byte(kept))
}

// CertificateFile is where the certificate of a node's web interface lies.
func CertificateFile(node string) string { return path.Join(Dir, "nodes", node, "pve-ssl.pem") }

// Certificates lists those of the nodes that have a certificate.
func (n Local) Certificates(nodes []string) []string {
	var have []string
	for _, name := range nodes {
		if _, err := n.Host.Files.Lstat(CertificateFile(name)); err == nil {
			have = append(have, name)
		}
	}
	return have
}

// CertificateSum identifies the bytes of this node's certificate and its CA.
func (n Local) CertificateSum() string {
	ca, _ := n.Host.Files.ReadFile(RootCA)
	own, _ := n.Host.Files.ReadFile(CertificateFile(n.Name))
	return Sum(ca) + Sum(own)
}

// Authority reports whether the cluster has a CA with its key. misfit says that
// both are there and belong to different CAs: two nodes began one each, and a
// power cut took the half of one. The tool never looks, and issues nothing then.
func (n Local) Authority() (whole, misfit bool) {
	cert, err := n.Host.Files.ReadFile(RootCA)
	if err != nil {
		return false, false
	}
	key, err := n.Host.Files.ReadFile(rootCAKey)
	if err != nil {
		return false, false
	}
	_, err = tls.X509KeyPair(cert, key)
	return err == nil, err != nil
}

// DropAuthority takes both halves of a CA away that do not fit, so that the tool
// makes another one.
func (n Local) DropAuthority() error {
	for _, file := range []string{rootCAKey, RootCA} {
		if err := n.Host.Files.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// Certified checks that a node has a certificate of the cluster's CA.
func (n Local) Certified(node string) error {
	ca, err := n.Host.Files.ReadFile(RootCA)
	if err != nil {
		return err
	}
	file := CertificateFile(node)
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

// KnownToOthers checks that the others find this node's SSH host key where they
// look for it.
func (n Local) KnownToOthers() error {
	_, err := n.Host.Files.Lstat(Dir + "/nodes/" + n.Name + "/ssh_known_hosts")
	return err
}

// Quorum asks corosync. running is false when none runs.
func (n Local) Quorum(ctx context.Context) (q Quorum, running bool, err error) {
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
func (n Local) Neighbours(ctx context.Context) ([]Neighbour, error) {
	res, err := n.run(ctx, short, true, "corosync-cfgtool", "-n")
	if err != nil {
		return nil, err
	}
	if res.Code != 0 {
		return nil, Failure([]string{"corosync-cfgtool", "-n"}, res)
	}
	return ParseNeighbours(res.Stdout)
}

// SetAside backs the database of pmxcfs up and removes it, so that the next
// start takes the configuration of the host. pve-cluster must be stopped.
func (n Local) SetAside(ctx context.Context) error {
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
		return fmt.Errorf("the dump of %s is not whole, so it is not removed: %s", Database, telling(res))
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
func (n Local) thin() {
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
