package main

import (
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
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// cluster is what is known of the cluster before anything is heard.
type cluster struct {
	name      string
	id        *trust.Identity     // nil: no keyring
	nodes     []string            // in the profile's order, or sorted
	added     []string            // of them, as the profile says
	book      *bindings.Book      // which key each node is bound to; nil: no keyring
	addresses map[string][]string // host:port
	lan       map[string]string   // addresses as the profile has them
	port      int
	admin     string   // who of the profile may become root with a key and no password, "" if nobody
	further   []string // addresses of the profile that may be any node's
}

// open gathers what profile and keyring say. Neither needs to be there.
func open(w wishes, getenv func(string) string) (*cluster, error) {
	c := &cluster{name: w.cluster, addresses: map[string][]string{}, lan: map[string]string{}, port: profiles.Default().Agent.Port}
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
		return nil, fault.Precondition.Wrap(fmt.Errorf("keyring %s: %w", dir, err))
	}
	return c, nil
}

func (c *cluster) readProfile(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fault.Precondition.Wrap(err)
	}
	p, err := profiles.Load(file, text)
	if err != nil {
		return fault.Profile.Wrap(err)
	}
	if c.name != "" && c.name != p.Cluster.Name {
		return fault.Usage.Errorf("--cluster is %s and %s is for %s", c.name, file, p.Cluster.Name)
	}
	c.name, c.port, c.further, c.added = p.Cluster.Name, p.Agent.Port, p.Agent.Peers, p.Added()
	for _, u := range p.Users {
		if c.admin == "" && u.Sudo == "nopasswd" && len(u.Keys)+len(u.KeyFiles) > 0 {
			c.admin = u.Name
		}
	}
	for _, n := range p.Nodes {
		c.nodes = append(c.nodes, n.Name)
		c.lan[n.Name] = n.Address.String()
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
	names, err := clusters(base)
	if err != nil {
		return "", err
	}
	switch {
	case name != "" && slices.Contains(names, name):
		return filepath.Join(base, name), nil
	case name != "" || len(names) == 0:
		return "", nil
	case len(names) > 1:
		return "", fault.Usage.Errorf("there are keyrings of several clusters (%s): choose with --cluster", strings.Join(names, ", "))
	}
	return filepath.Join(base, names[0]), nil
}

// clusters are the names of the clusters whose keyrings lie in a directory.
func clusters(base string) (names []string, err error) {
	all, err := filepath.Glob(filepath.Join(base, "*", "operator.crt"))
	for _, file := range all {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names, err
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
	return c.judged()
}

// readNode takes a node's name, and its addresses where the profile gives none.
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
