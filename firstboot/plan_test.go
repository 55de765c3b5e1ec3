package firstboot

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
)

// assembled is an agent of the default profile below a root, with its plan.
func assembled(t *testing.T) (*Parts, []string) {
	t.Helper()
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	return assembledOf(t, pki)
}

// assembledOf is an agent of a cluster's first node.
func assembledOf(t *testing.T, pki *testpki.PKI) (*Parts, []string) {
	t.Helper()
	root := t.TempDir()
	p := profiles.Default()
	cert, key, err := pki.Issue(p.Founder().Name)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{profiles.CAFile: pki.CA, profiles.CertFile: cert, profiles.KeyFile: key} {
		at := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca, err := trust.ParseCertificate(pki.CA)
	if err != nil {
		t.Fatal(err)
	}
	h := host.New(root)
	j, err := journal.Open(h.Files, h.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	parts := &Parts{Version: "test", Host: h, Journal: j, Seed: profiles.Seed{Node: p.Founder().Name, ClusterID: profiles.ClusterID(ca.Raw)}, Profile: p, Node: p.Founder(), root: root, enrol: true,
		Local: &keeper.Local{}, Methods: &trust.Methods{}, Caller: noChannel{}, Kick: func() {}, Doubt: func(...string) {}, Log: func(string) {},
		Status: func() status.Status { return status.Status{} }}
	if _, err := services(parts); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range plan(parts) {
		names = append(names, s.Name())
	}
	return parts, names
}

func TestThePlanIsTheOneThatProfilesNames(t *testing.T) {
	if _, names := assembled(t); !slices.Equal(names, profiles.Steps()) {
		t.Errorf("the plan is %v, profiles name %v", names, profiles.Steps())
	}
}

// Every request has a row, and every row somebody who answers it.
func TestEveryRequestHasItsHandler(t *testing.T) {
	parts, _ := assembled(t)
	a := &Agent{Parts: parts}
	a.localMethods()
	server := trust.NewServer(trust.ServerOptions{Methods: parts.Methods})
	for _, r := range trust.Requests() {
		if root := slices.Contains(r.By, trust.Root); root != slices.Contains(parts.Local.Names(), r.Method) {
			t.Errorf("%s: the table says that root may ask: %v, the socket answers: %v", r.Method, root, !root)
		}
		if peers := r.By[0] != trust.Root; peers != slices.Contains(server.Names(), r.Method) {
			t.Errorf("%s: the table says that peers may ask: %v, the channel answers: %v", r.Method, peers, !peers)
		}
	}
	for _, name := range append(server.Names(), parts.Local.Names()...) {
		if !slices.ContainsFunc(trust.Requests(), func(r trust.Request) bool { return r.Method == name }) {
			t.Errorf("%s has a handler and no row", name)
		}
	}
}

// The key of the stick does not stay on a node that is bound to its own.
func TestTheSticksKeyIsSpent(t *testing.T) {
	parts, _ := assembled(t)
	at := filepath.Join(parts.root, profiles.KeyFile)
	old, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for range 2 {
		if err := spendKey(parts.Host.Files); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(at); !os.IsNotExist(err) {
			t.Error(err)
		}
	}
	if left, err := io.ReadAll(old); err != nil || strings.Trim(string(left), "\x00") != "" {
		t.Errorf("what was overwritten reads %q, %v", left, err)
	}
	parts.book, parts.identity = nil, nil
	if _, _, err := identityOf(parts); err != nil {
		t.Errorf("without the stick's key the node does not know who it is: %v", err)
	}
}
