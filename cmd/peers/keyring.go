package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// cluster is what is known of the cluster before anything is heard.
type cluster struct {
	name      string
	id        *trust.Identity              // nil: no keyring
	nodes     []string                     // in the profile's order, or sorted
	keys      map[string]ed25519.PublicKey // from the keyring's certificates
	addresses map[string][]string          // host:port
	port      int
	further   []string // addresses of the profile that may be any node's
}

// open gathers what profile and keyring say. Neither needs to be there.
func open(w wishes, getenv func(string) string) (*cluster, error) {
	c := &cluster{name: w.cluster, keys: map[string]ed25519.PublicKey{}, addresses: map[string][]string{}, port: profiles.Default().Agent.Port}
	if w.profile != "" {
		if err := c.readProfile(w.profile); err != nil {
			return nil, err
		}
	}
	dir := w.keyring
	if dir == "" {
		found, err := find(base(getenv), c.name)
		if err != nil || found == "" {
			return c, err
		}
		dir = found
	}
	if err := c.readKeyring(dir); err != nil {
		return nil, &exit{exitPrecondition, fmt.Errorf("keyring %s: %w", dir, err)}
	}
	return c, nil
}

func (c *cluster) readProfile(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return &exit{exitPrecondition, err}
	}
	p, err := profiles.Load(file, text)
	if err != nil {
		return &exit{exitProfile, err}
	}
	if c.name != "" && c.name != p.Cluster.Name {
		return &exit{exitUsage, fmt.Errorf("--cluster is %s and %s is for %s", c.name, file, p.Cluster.Name)}
	}
	c.name, c.port, c.further = p.Cluster.Name, p.Agent.Port, p.Agent.Peers
	for _, n := range p.Nodes {
		c.nodes = append(c.nodes, n.Name)
		c.addresses[n.Name] = []string{net.JoinHostPort(n.Address.String(), strconv.Itoa(c.port))}
	}
	return nil
}

// base is where mkimage keeps the keyrings of this user, one directory for each cluster.
func base(getenv func(string) string) string {
	if dir := getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ringboot")
	}
	if dir := getenv("AppData"); runtime.GOOS == "windows" && dir != "" {
		return filepath.Join(dir, "ringboot")
	}
	home := getenv("HOME")
	switch {
	case home == "":
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", "ringboot")
	}
	return filepath.Join(home, ".local", "share", "ringboot")
}

// find returns the directory of the named cluster's keyring, or of the only one.
func find(base, name string) (string, error) {
	if base == "" {
		return "", nil
	}
	all, err := filepath.Glob(filepath.Join(base, "*", "operator.crt"))
	if err != nil {
		return "", err
	}
	var names []string
	for _, file := range all {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	switch {
	case name != "" && slices.Contains(names, name):
		return filepath.Join(base, name), nil
	case name != "" || len(names) == 0:
		return "", nil
	case len(names) > 1:
		return "", &exit{exitUsage, fmt.Errorf("there are keyrings of several clusters (%s): choose with --cluster", strings.Join(names, ", "))}
	}
	return filepath.Join(base, names[0]), nil
}

// readKeyring reads the CA, the operator's certificate and the nodes' certificates.
func (c *cluster) readKeyring(dir string) error {
	var texts [3][]byte
	for i, name := range []string{"ca.crt", "operator.crt", "operator.key"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		texts[i] = text
	}
	id, err := trust.ParseIdentity(texts[0], texts[1], texts[2])
	if err != nil {
		return err
	}
	if !id.Operator {
		return errors.New("operator.crt is no operator's certificate")
	}
	c.id = id
	if c.name == "" {
		c.name = filepath.Base(dir)
	}
	certs, err := filepath.Glob(filepath.Join(dir, "node-*.crt"))
	if err != nil {
		return err
	}
	ofProfile := len(c.nodes) > 0
	for _, file := range certs {
		if err := c.readNode(file, ofProfile); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// readNode takes a node's key, and its addresses where the profile gives none.
func (c *cluster) readNode(file string, ofProfile bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	cert, err := trust.ParseCertificate(text)
	if err != nil {
		return err
	}
	if err := cert.CheckSignatureFrom(c.id.CA); err != nil {
		return fmt.Errorf("not from this keyring's ca: %w", err)
	}
	node := cert.Subject.CommonName
	if key, ok := cert.PublicKey.(ed25519.PublicKey); ok {
		c.keys[node] = key
	}
	if !ofProfile {
		c.nodes = append(c.nodes, node)
	}
	if len(c.addresses[node]) == 0 {
		for _, ip := range cert.IPAddresses {
			c.addresses[node] = append(c.addresses[node], net.JoinHostPort(ip.String(), strconv.Itoa(c.port)))
		}
	}
	return nil
}
