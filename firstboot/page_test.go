package firstboot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
	draw "ringboot/firstboot/trust/view"
	"ringboot/rehearsal/need"
)

// examplePicture is a cluster in which one node is missing and one cable is out.
func examplePicture(context.Context) draw.Picture {
	yes := trust.State{OK: true}
	now := time.Now()
	port := func(name, peer, far string, ok bool, why string) trust.RingPort {
		return trust.RingPort{Name: name, Present: true, Up: true, Carrier: ok, Alive: ok, Proven: ok, Peer: peer, PeerPort: far, SpeedMbit: 20000, Verdict: why}
	}
	status := func(node string, ports ...trust.RingPort) trust.Status {
		return trust.Status{Node: node, Phase: "peers", Step: 5, Steps: 11, Since: now.Add(-3 * time.Minute), Plan: "8f14e45fceea167a",
			Waiting: "have 2/3, missing wittgenstein: seen, not reachable (10.203.3.13:8643 refused)",
			Ring:    trust.RingView{Ports: ports}, Risks: []string{"the management bond has one port only: a pulled cable takes the node off the network"},
			Events: []trust.Event{{Time: now.Add(-2 * time.Minute), Text: "ring done: ring whole"}, {Time: now.Add(-time.Minute), Text: "wittgenstein is lost: 10.203.3.13:8643 timed out"}}}
	}
	no := "no cable between frege and wittgenstein: en06 has no carrier; plug it in, or start wittgenstein"
	return draw.New(draw.Sources{
		Cluster: "principia", Nodes: []string{"frege", "russell", "wittgenstein"}, Keyring: true, Now: now,
		Asked: map[string]trust.Status{
			"frege":   status("frege", port("en05", "russell", "en06", true, ""), port("en06", "wittgenstein", "en05", false, no)),
			"russell": status("russell", port("en05", "wittgenstein", "en06", true, ""), port("en06", "frege", "en05", true, "")),
		},
		States: map[string]trust.PeerStatus{
			"frege":        {Node: "frege", Address: "10.203.3.11", Seen: yes, Reachable: yes, Trusted: yes},
			"russell":      {Node: "russell", Address: "10.203.3.12:8643", Seen: yes, Reachable: yes, Trusted: yes},
			"wittgenstein": {Node: "wittgenstein", Address: "10.203.3.13:8643", Seen: yes, Reachable: trust.State{Why: "10.203.3.13:8643 refused"}, Trusted: trust.State{Why: "not reachable"}},
		},
	})
}

// startPage serves the page on loopback and returns its address and certificate.
func startPage(t *testing.T, root string) (string, tls.Certificate) {
	t.Helper()
	cert, err := pageCertificate(host.New(root), "frege", net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- servePage(ctx, listener, cert, &page{picture: examplePicture}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), cert
}

func TestStatusPage(t *testing.T) {
	root := t.TempDir()
	at, cert := startPage(t, root)
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	get := func(method, path string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequest(method, "https://"+at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}
	resp, text := get("GET", "/")
	if resp.StatusCode != 200 || !strings.Contains(text, "have 2/3, missing wittgenstein") || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the page: %s %v\n%.300s", resp.Status, resp.Header, text)
	}
	_, text = get("GET", "/status.json")
	var p draw.Picture
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Version != 1 || len(p.Nodes) != 3 {
		t.Errorf("the JSON: %v %.200s", err, text)
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
	again, err := pageCertificate(host.New(root), "frege", net.IPv4(127, 0, 0, 1))
	if err != nil || string(again.Certificate[0]) != string(cert.Certificate[0]) {
		t.Errorf("the certificate changed: %v", err)
	}
	other, err := pageCertificate(host.New(root), "frege", net.IPv4(127, 0, 0, 2))
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
	at, _ := startPage(t, t.TempDir())
	out := os.Getenv("RINGBOOT_SCREENSHOTS") // a directory: keep pictures to look at
	flags := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--ignore-certificate-errors", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"}
	browse := func(more ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		args := append(append(append([]string{}, flags...), "--user-data-dir="+t.TempDir()), more...)
		text, err := exec.CommandContext(ctx, "chromium", append(args, "https://"+at+"/")...).Output()
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

func TestTheConsoleIsLeftToWhoWorksThere(t *testing.T) {
	stat := func(name string, tty string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("12 (" + name + ") S 1 12 12 " + tty + " 12 4194560 0 0")}
	}
	for name, c := range map[string]struct {
		proc fstest.MapFS
		want bool
	}{
		"waiting for a name": {fstest.MapFS{"12/stat": stat("agetty", "1025"), "99/stat": stat("bash", "34816")}, false},
		"somebody logs in":   {fstest.MapFS{"12/stat": stat("login", "1025")}, true},
		"somebody works":     {fstest.MapFS{"12/stat": stat("agetty) R", "0"), "13/stat": stat("ba) (sh", "1025")}, true},
		"nobody":             {fstest.MapFS{"12/stat": stat("systemd", "0"), "13/stat": &fstest.MapFile{Data: []byte("garbage")}}, false},
	} {
		if got := occupied(c.proc); got != c.want {
			t.Errorf("%s: occupied is %v", name, got)
		}
	}
}

func TestMembershipIsReadFromPmxcfs(t *testing.T) {
	got := parseMembers([]byte(`{"nodename":"frege","version":5,"cluster":{"name":"principia","version":3,"nodes":3,"quorate":1},
"nodelist":{"frege":{"id":1,"online":1,"ip":"10.203.3.11"},"russell":{"id":2,"online":1},"wittgenstein":{"id":3,"online":0}}}`))
	for node, want := range map[string]trust.State{
		"frege":        {OK: true},
		"russell":      {Why: "in cluster principia, its /etc/pve is not in step yet"},
		"wittgenstein": {Why: "in cluster principia, not online"},
	} {
		if got[node] != want {
			t.Errorf("%s: got %+v, want %+v", node, got[node], want)
		}
	}
	for _, text := range []string{"", "{", `{"nodename":"frege","version":1}`} {
		if got := parseMembers([]byte(text)); len(got) != 0 {
			t.Errorf("%q gave %v", text, got)
		}
	}
}
