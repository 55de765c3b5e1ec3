package firstboot

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"ringboot/firstboot/step"
	"ringboot/firstboot/throughput"
)

// MethodAccept runs the acceptance again, or with "skip" goes on without what
// is left of it. Root asks on the coordinator.
const MethodAccept = "accept"

// webTimeout is how long a management interface may take to answer.
const webTimeout = 10 * time.Second

// proving is the steps ceph, ha, accept and report, with what peers and root
// may ask of them.
func proving(p *Parts, proof step.Step) []step.Step {
	o := step.StorageOptions{Host: p.Host, Profile: p.Profile, Node: p.Node.Name, Seed: p.Seed, Agent: p.Version, Peers: p.Caller, Ring: p.Ring, Proof: proof, Doubt: p.Doubt}
	ceph, ha := step.NewCeph(o), step.NewHA(o)
	accept := step.NewAccept(o, links{}, askWeb, ceph, ha)
	report := step.NewReport(o, accept, p.Status)
	ceph.Register(p.Methods)
	accept.Register(p.Methods)
	report.Register(p.Methods)
	p.Local.Handle(MethodAccept, func(ctx context.Context, _ string, in json.RawMessage) (any, error) {
		var how string
		if len(in) > 0 {
			if err := json.Unmarshal(in, &how); err != nil {
				return nil, err
			}
		}
		if how == "skip" {
			defer p.Kick()
			return nil, accept.Skip(ctx)
		}
		return nil, accept.Repeat(ctx)
	})
	return []step.Step{ceph, ha, accept, report}
}

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
