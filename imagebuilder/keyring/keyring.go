// Package keyring keeps a cluster's secrets on the builder's disk: its CA, one
// certificate and key per node, an operator's certificate, and the passwords
// and SSH keys that mkimage had to invent.
//
// What was made once stays as it is, so that the same inputs give the same
// image. The directory is the user's alone (0700). No password leaves it in
// clear: images carry yescrypt hashes.
package keyring

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Dir is where the keyring of a cluster lies: below $XDG_DATA_HOME on Linux,
// ~/Library/Application Support on macOS, %AppData% on Windows.
func Dir(cluster string, getenv func(string) string) (string, error) {
	if data := getenv("XDG_DATA_HOME"); filepath.IsAbs(data) {
		return filepath.Join(data, "ringboot", cluster), nil
	}
	if runtime.GOOS == "windows" {
		if data := getenv("AppData"); data != "" {
			return filepath.Join(data, "ringboot", cluster), nil
		}
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("no place for the keyring: neither HOME nor XDG_DATA_HOME is set")
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "ringboot", cluster), nil
	}
	return filepath.Join(home, ".local", "share", "ringboot", cluster), nil
}

// Entry is what the keyring holds for one node.
type Entry struct {
	Cert, Key    []byte // PEM: the voucher on its stick, good for one enrolment
	Issue        int    // of the voucher, from 1: a node takes the newest
	RootPassword string // clear: shown by mkimage secrets and nowhere else
	RootHash     string // crypt(3), yescrypt
}

// Keyring is all of a cluster's secrets.
type Keyring struct {
	Dir          string
	CA           []byte // certificate, PEM
	CADER        []byte
	Nodes        map[string]Entry
	OperatorCert []byte
	OperatorKey  []byte
	Passwords    map[string]Password // of users who have sudo with a password and brought no hash
	SSHPublic    string              // public key that mkimage made because nobody brought one; or empty
	Made         []string            // what was made just now, in words

	ca ed25519.PrivateKey
}

// SignGrown gives the CA's word for the plan of a seed, if nodes were added in it.
func (k *Keyring) SignGrown(s *profiles.Seed, p *profiles.Profile) { s.SignGrown(p, k.ca) }

// Want says what a keyring must hold besides the CA.
type Want struct {
	Profile *profiles.Profile
	SSH     bool // make a pair of SSH keys if there is none
}

// Open makes what is missing and returns everything. Runs of mkimage wait for each other.
func Open(ctx context.Context, dir string, want Want) (*Keyring, error) {
	if err := ownDirectory(dir); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w", dir, err)
	}
	defer unlock()
	k := &Keyring{Dir: dir, Nodes: map[string]Entry{}}
	if err := k.open(want); err != nil {
		return nil, fmt.Errorf("keyring %s: %w", dir, err)
	}
	return k, nil
}

func (k *Keyring) open(want Want) error {
	ca, err := k.authority(want.Profile.Cluster.Name)
	if err != nil {
		return err
	}
	k.ca = ca.key
	secrets, err := k.passwords(want.Profile)
	if err != nil {
		return err
	}
	for _, n := range want.Profile.Nodes {
		node := Entry{RootPassword: secrets.Root[n.Name].Clear, RootHash: secrets.Root[n.Name].Hash}
		if node.Issue, err = k.issue(n.Name); err != nil {
			return err
		}
		node.Cert, node.Key, err = k.certificate(ca, "node-"+n.Name, nodeCertificate(want.Profile, n, node.Issue))
		if err != nil {
			return err
		}
		k.Nodes[n.Name] = node
	}
	k.Passwords = secrets.Users
	k.OperatorCert, k.OperatorKey, err = k.certificate(ca, "operator", operatorCertificate())
	if err != nil {
		return err
	}
	return k.ssh(want)
}

// Exists reports whether the cluster has a keyring here.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "ca.key"))
	return err == nil
}

func ownDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	// Whose directory it is can exchange what lies in it at any time.
	if who, ok := foreign(dir); ok {
		return fault.Refused.Errorf("keyring: %s belongs to %s: run mkimage as that user, or make the directory your own with chown -R", dir, who)
	}
	// A directory that came from a backup may be open to others.
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}

// read returns nil for a file that is not there.
func (k *Keyring) read(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(k.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// write replaces a file as a whole: whoever reads it sees the old or the new.
func (k *Keyring) write(name string, content []byte) (err error) {
	f, err := os.CreateTemp(k.Dir, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(k.Dir, name)); err != nil {
		return err
	}
	if d, err := os.Open(k.Dir); err == nil {
		_ = d.Sync() // not every system can sync a directory
		d.Close()
	}
	return nil
}
