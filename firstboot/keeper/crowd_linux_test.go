package keeper

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// Twelve hosts that hold all connections of the status page and say nothing
// keep no reader out.
func TestACrowdDoesNotCloseThePage(t *testing.T) {
	at, cert := startPage(t, t.TempDir(), newLogins())
	const hosts = 12
	gone := make(chan struct{}, hosts*pageConnsPerIP)
	for i := range hosts * pageConnsPerIP {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(fmt.Sprintf("127.0.1.%d", 1+i%hosts))}}
		conn, err := d.DialContext(t.Context(), "tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		go func() {
			_, _ = io.Copy(io.Discard, conn) // until it is closed
			gone <- struct{}{}
		}()
	}
	for range hosts*pageConnsPerIP - pageConns { // then all places are taken
		<-gone
	}
	if resp, text := newBrowser(t, at, cert).get("GET", "/"); resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", resp.Status, text)
	}
}
