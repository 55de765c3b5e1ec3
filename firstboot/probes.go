package firstboot

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"ringboot/firstboot/throughput"
)

// webTimeout is how long a management interface may take to answer.
const webTimeout = 10 * time.Second

// links is the throughput tester on the machine's own network.
type links struct{}

// Serve opens the passive end; it ends with ctx.
func (links) Serve(ctx context.Context, local, from netip.Addr, token throughput.Token) (netip.AddrPort, error) {
	s, err := throughput.Listen(local, from, token)
	if err != nil {
		return netip.AddrPort{}, err
	}
	go func() { _ = s.Serve(ctx) }() // what goes wrong there, the measuring end reports
	return s.Addr(), nil
}

// Measure runs the active end.
func (links) Measure(ctx context.Context, t throughput.Target) (throughput.Result, error) {
	return throughput.Measure(ctx, t)
}

// askWeb asks a management interface for its first page and returns the
// fingerprint of its certificate. The certificate is only looked at: Proxmox
// VE signs its own, and a person compares the fingerprint.
func askWeb(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, webTimeout)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec // see above
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return "", fmt.Errorf("%s answers with %s: see systemctl status pveproxy", address, resp.Status)
	}
	sum := sha256.Sum256(resp.TLS.PeerCertificates[0].Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":"), nil
}
