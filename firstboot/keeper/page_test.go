package keeper

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
	"ringboot/rehearsal/need"
)

// examplePicture is a cluster in which one node is missing and one cable is out.
func examplePicture() draw.Picture {
	yes := status.State{OK: true}
	now := time.Now()
	port := func(name, peer, far string, ok bool, why string) status.RingPort {
		return status.RingPort{Name: name, Present: true, Up: true, Carrier: ok, Alive: ok, Proven: ok, Peer: peer, PeerPort: far, SpeedMbit: 20000, Verdict: why}
	}
	says := func(node string, ports ...status.RingPort) status.Status {
		return status.Status{Node: node, Phase: "peers", Step: 5, Steps: 11, Since: now.Add(-3 * time.Minute), Plan: "8f14e45fceea167a",
			Waiting: "have 2/3, missing wittgenstein: seen, not reachable (10.203.3.13:8643 refused)",
			Ring:    status.RingView{Ports: ports}, Risks: []string{"the management bond has one port only: a pulled cable takes the node off the network"},
			Events: []status.Event{{Time: now.Add(-2 * time.Minute), Text: "ring done: ring whole"}, {Time: now.Add(-time.Minute), Text: "wittgenstein is lost: 10.203.3.13:8643 timed out"}}}
	}
	no := "no cable between frege and wittgenstein: en06 has no carrier; plug it in, or start wittgenstein"
	return draw.New(draw.Sources{
		Cluster: "principia", Nodes: []string{"frege", "russell", "wittgenstein"}, Keyring: true, Now: now,
		Asked: map[string]status.Status{
			"frege":   says("frege", port("en05", "russell", "en06", true, ""), port("en06", "wittgenstein", "en05", false, no)),
			"russell": says("russell", port("en05", "wittgenstein", "en06", true, ""), port("en06", "frege", "en05", true, "")),
		},
		States: map[string]status.PeerStatus{
			"frege":        {Node: "frege", Address: "10.203.3.11", Seen: yes, Reachable: yes, Trusted: yes},
			"russell":      {Node: "russell", Address: "10.203.3.12:8643", Seen: yes, Reachable: yes, Trusted: yes},
			"wittgenstein": {Node: "wittgenstein", Address: "10.203.3.13:8643", Seen: yes, Reachable: status.State{Why: "10.203.3.13:8643 refused"}, Trusted: status.State{Why: "not reachable"}},
		},
	})
}

// startPage serves the page on loopback and returns its address and certificate.
func startPage(t *testing.T, root string, in *logins) (string, tls.Certificate) {
	t.Helper()
	cert, err := pageCertificate(host.New(root).Files, "/", "frege", net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	if err := in.keyed(cert); err != nil {
		t.Fatal(err)
	}
	files := host.New(root).Files
	if err := files.WriteFile("/report.html", []byte("<html>the report"), 0o644); err != nil {
		t.Fatal(err)
	}
	served := map[string]Served{"/report": {File: "/report.html", Kind: "text/html; charset=utf-8"}}
	go func() {
		done <- servePage(ctx, listener, cert, &page{picture: examplePicture, files: files, reports: served, logins: in})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), cert
}

// browser is one that keeps its cookies.
type browser struct {
	t      *testing.T
	at     string
	client *http.Client
}

func newBrowser(t *testing.T, at string, cert tls.Certificate) browser {
	t.Helper()
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(client.CloseIdleConnections)
	return browser{t, at, client}
}

func (b browser) get(method, path string, cookies ...*http.Cookie) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequest(method, "https://"+b.at+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(text)
}

// follow makes a link and follows it.
func (b browser) follow(in *logins) (*http.Response, string) {
	b.t.Helper()
	word, _, err := in.give()
	if err != nil {
		b.t.Fatal(err)
	}
	return b.get("GET", loginPath+"?"+loginKey+"="+word)
}

// inside is what only those see who were let in.
var inside = []string{"10.203.3", "en05", "the management bond has one port only", "timed out", "8f14e45fceea167a"}

func TestStatusPage(t *testing.T) {
	root, in := t.TempDir(), newLogins()
	at, cert := startPage(t, root, in)
	b := newBrowser(t, at, cert)
	get := b.get
	if resp, text := b.follow(in); resp.StatusCode != 200 || resp.Request.URL.Path != "/" || !strings.Contains(text, "the management bond has one port only") {
		t.Errorf("the link leads to %s %s\n%.300s", resp.Request.URL, resp.Status, text)
	}
	resp, text := get("GET", "/")
	if resp.StatusCode != 200 || !strings.Contains(text, "have 2/3, missing wittgenstein") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: %s %v\n%.300s", resp.Status, resp.Header, text)
	}
	_, text = get("GET", "/status.json")
	var p draw.Picture
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Version != 2 || len(p.Nodes) != 3 || len(p.Risks) == 0 || p.Nodes[0].Address == "" {
		t.Errorf("the JSON: %v %.200s", err, text)
	}
	if resp, text := get("GET", "/report"); resp.StatusCode != 200 || text != "<html>the report" {
		t.Errorf("the report: %s %s", resp.Status, text)
	}
	for path, want := range map[string]int{"/../etc/passwd": 404, "/v1/call/hello": 404, "/status.json/": 404} {
		if resp, _ := get("GET", path); resp.StatusCode != want {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if resp, _ := get(method, "/"); resp.StatusCode != 405 {
			t.Errorf("%s /: %s", method, resp.Status)
		}
	}
	again, err := pageCertificate(host.New(root).Files, "/", "frege", net.IPv4(127, 0, 0, 1))
	if err != nil || string(again.Certificate[0]) != string(cert.Certificate[0]) {
		t.Errorf("the certificate changed: %v", err)
	}
	other, err := pageCertificate(host.New(root).Files, "/", "frege", net.IPv4(127, 0, 0, 2))
	if err != nil || string(other.Certificate[0]) == string(cert.Certificate[0]) {
		t.Errorf("the certificate did not follow the address: %v", err)
	}
	if info, err := os.Stat(filepath.Join(root, pageKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

// TestStatusPageInABrowser loads the page in a real browser and looks at the
// document that it made of it.
func TestStatusPageInABrowser(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "chromium")
	in := newLogins()
	at, _ := startPage(t, t.TempDir(), in)
	out := os.Getenv("RINGBOOT_SCREENSHOTS") // a directory: keep pictures to look at
	flags := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--ignore-certificate-errors", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"}
	browse := func(more ...string) string {
		word, _, err := in.give()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		args := append(append(append([]string{}, flags...), "--user-data-dir="+t.TempDir()), more...)
		text, err := exec.CommandContext(ctx, "chromium", append(args, "https://"+at+loginPath+"?"+loginKey+"="+word)...).Output()
		if err != nil {
			t.Fatalf("chromium %v: %v", more, err)
		}
		return string(text)
	}
	dom := browse("--dump-dom")
	for _, want := range []string{"<svg", `class="down"`, "DOWN", "wittgenstein", "not reachable: 10.203.3.13:8643 refused", "the management bond has one port only"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the browser's document does not hold %q", want)
		}
	}
	if out == "" {
		return
	}
	browse("--screenshot="+filepath.Join(out, "page.png"), "--window-size=1000,1100")
	browse("--screenshot="+filepath.Join(out, "phone-dark.png"), "--window-size=500,1100", "--blink-settings=preferredColorScheme=0")
}

// Who asks for the page and goes away takes the picture from nobody, and one that
// cannot be drawn is an error and no end.
func TestAPictureIsForAllReaders(t *testing.T) {
	begun, finish, drawn := make(chan struct{}), make(chan struct{}), 0
	g := &page{picture: func() draw.Picture {
		if drawn++; drawn == 1 {
			close(begun)
			<-finish
			return examplePicture()
		}
		panic("a peer's words")
	}}
	gone, goes := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := g.render(gone, true); first <- err }()
	<-begun
	go func() { _, err := g.render(t.Context(), false); second <- err }()
	goes()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who went away got %v", err)
	}
	close(finish)
	if err := <-second; err != nil || drawn != 1 {
		t.Errorf("who stayed got %v after %d pictures", err, drawn)
	}
	g.at = g.at.Add(-pageKeeps)
	if _, err := g.render(t.Context(), true); err == nil {
		t.Error("what cannot be drawn was shown")
	}
	g.drawers.Wait()
}
