package keyring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/go-crypt/crypt/algorithm/scrypt"
	"golang.org/x/crypto/ssh"

	"ringboot/profiles"
)

const (
	passwordsFile = "passwords.json"
	// passwordAlphabet has no letter that is taken for another.
	passwordAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"
	passwordLength   = 20 // 100 bits
	passwordGroup    = 5  // letters between two dashes

	// What Debian's passwd uses: N = 4096, r = 32, 16 MiB ("$y$j9T$").
	yescryptCost  = 12
	yescryptBlock = 32

	sshKeyFile = "id_ed25519"
)

// Password is one that mkimage invented.
type Password struct {
	Clear string `json:"password"`
	Hash  string `json:"hash"` // with its salt, so that it stays the same
}

// secrets is the content of passwordsFile.
type secrets struct {
	Version int                 `json:"version"` // 1
	Root    map[string]Password `json:"root"`    // by node
	Users   map[string]Password `json:"users"`   // by name
}

// passwords reads the passwords and invents the missing ones: root's of each
// node, and those of users who must type one for sudo and brought no hash.
func (k *Keyring) passwords(p *profiles.Profile) (secrets, error) {
	s := secrets{Version: 1, Root: map[string]Password{}, Users: map[string]Password{}}
	text, err := k.read(passwordsFile)
	if err != nil {
		return s, err
	}
	if text != nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil || s.Version != 1 {
			return s, fmt.Errorf("%s is damaged or of a newer mkimage (%w): restore it from a backup", passwordsFile, err)
		}
	}
	changed := false
	for _, n := range p.Nodes {
		if _, there := s.Root[n.Name]; !there {
			if s.Root[n.Name], err = invent(); err != nil {
				return s, err
			}
			k.Made = append(k.Made, "password of root on "+n.Name)
			changed = true
		}
	}
	for _, u := range p.Users {
		if _, there := s.Users[u.Name]; !there && u.Sudo == "password" && u.PasswordHash == "" {
			if s.Users[u.Name], err = invent(); err != nil {
				return s, err
			}
			k.Made = append(k.Made, "password of "+u.Name+" for sudo")
			changed = true
		}
	}
	if !changed {
		return s, nil
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return s, err
	}
	return s, k.write(passwordsFile, append(out, '\n'))
}

func invent() (Password, error) {
	random := make([]byte, passwordLength)
	if _, err := rand.Read(random); err != nil {
		return Password{}, err
	}
	var clear strings.Builder
	for i, b := range random {
		if i > 0 && i%passwordGroup == 0 {
			clear.WriteByte('-')
		}
		clear.WriteByte(passwordAlphabet[int(b)%len(passwordAlphabet)]) // 256 is a multiple of 32
	}
	hash, err := Hash(clear.String())
	return Password{Clear: clear.String(), Hash: hash}, err
}

// Hash makes a yescrypt hash that Debian's crypt(3) takes. Parallelism 1 is
// the only one that libxcrypt reads.
func Hash(password string) (string, error) {
	hasher, err := scrypt.NewYescrypt(scrypt.WithLN(yescryptCost), scrypt.WithR(yescryptBlock), scrypt.WithP(1))
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	digest, err := hasher.Hash(password)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return digest.Encode(), nil
}

// ssh finds the pair that mkimage made, and makes one where it is wanted.
func (k *Keyring) ssh(want Want) error {
	public, err := k.read(sshKeyFile + ".pub")
	if err != nil {
		return err
	}
	if public != nil || !want.SSH {
		k.SSHPublic = strings.TrimSpace(string(public))
		return nil
	}
	comment := "ringboot-" + want.Profile.Cluster.Name
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return fmt.Errorf("%s: %w", sshKeyFile, err)
	}
	sshPub, err := ssh.NewPublicKey(pub)
	if err != nil {
		return fmt.Errorf("%s: %w", sshKeyFile, err)
	}
	k.SSHPublic = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPub))) + " " + comment
	if err := k.write(sshKeyFile, pem.EncodeToMemory(block)); err != nil {
		return err
	}
	k.Made = append(k.Made, "pair of SSH keys, because neither the profile nor ~/.ssh has one")
	return k.write(sshKeyFile+".pub", []byte(k.SSHPublic+"\n"))
}
