package trust

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"ringboot/firstboot/trust/testpki"
)

func deputyOf(t *testing.T, id *Identity) *Identity {
	t.Helper()
	d, err := id.Appoint()
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ask has one identity ask another for hello over real TLS.
func ask(t *testing.T, from, to *Identity, node string) (Hello, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	heard := ""
	server := NewServer(ServerOptions{Identity: to, Nodes: []string{"frege", "russell"}, Heard: func(node, _ string) { heard = node }})
	go func() { ended <- server.Serve(ctx, listener) }()
	client := NewClient(ClientOptions{Identity: from, Addresses: func(string) []string { return []string{listener.Addr().String()} }})
	defer func() {
		client.Close()
		cancel()
		<-ended
	}()
	var h Hello
	err = client.Call(ctx, node, MethodHello, nil, &h)
	if err == nil && heard != from.Name {
		t.Errorf("the server took %s for %s", from.Name, heard)
	}
	return h, err
}

// A keeper stands for its node at both ends of the channel, without its key.
func TestAKeeperStandsForItsNode(t *testing.T) {
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	frege, russell := identity(t, pki, "frege"), identity(t, pki, "russell")
	keeper := deputyOf(t, russell)
	if keeper.Key.Equal(russell.Key) || keeper.Fingerprint() != russell.Fingerprint() {
		t.Fatal("a keeper has a key of its own and its node's fingerprint")
	}
	for _, c := range []struct{ from, to *Identity }{{frege, keeper}, {keeper, frege}, {deputyOf(t, frege), keeper}} {
		if h, err := ask(t, c.from, c.to, c.to.Name); err != nil || h.Node != c.to.Name {
			t.Errorf("%+v %v", h, err)
		}
	}
}

// Nobody becomes another node's keeper: not another node, not another cluster,
// not a keeper's keeper.
func TestNobodyAppointsForAnother(t *testing.T) {
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	strangers, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	frege, russell := identity(t, pki, "frege"), identity(t, pki, "russell")
	posing := *frege
	posing.Name = "russell"
	for name, bad := range map[string]*Identity{
		"another node":     deputyOf(t, &posing),
		"another cluster":  deputyOf(t, identity(t, strangers, "russell")),
		"a node's own key": frege,
	} {
		bad.Name = "russell"
		if h, err := ask(t, frege, bad, "russell"); err == nil {
			t.Errorf("%s answered as russell: %+v", name, h)
		}
		if name == "a node's own key" {
			continue
		}
		if _, err := ask(t, bad, russell, "russell"); err == nil {
			t.Errorf("%s was heard as russell", name)
		}
	}
	second := *deputyOf(t, russell)
	if _, err := deputyOf(t, &second).rests(deputyChain(t, &second), "russell", x509.ExtKeyUsageServerAuth, second.NodeCert().NotBefore); err == nil {
		t.Error("a keeper appointed a keeper")
	}
}

// deputyChain is what a keeper's keeper would show.
func deputyChain(t *testing.T, id *Identity) (out []*x509.Certificate) {
	t.Helper()
	d, err := id.Appoint()
	if err != nil {
		t.Fatal(err)
	}
	first, err := ParseCertificate(d.Chain)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{first, id.Cert.Leaf}
}

// What is handed over holds no key but the keeper's.
func TestTheNodesKeyIsNotHandedOver(t *testing.T) {
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	id := identity(t, pki, "frege")
	d, err := id.Appoint()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(d.Key), "PRIVATE KEY") != 2 || strings.Contains(string(text), string(id.Key.Seed())) {
		t.Error("the hand-over holds more than the keeper's key")
	}
	back, err := d.Identity()
	if err != nil || back.Key.Equal(id.Key) {
		t.Errorf("the keeper's key is the node's (%v)", err)
	}
}
