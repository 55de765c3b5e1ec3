package firstboot

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	draw "ringboot/firstboot/trust/view"
)

// The page's own certificate. It is not the node's: that one has an Ed25519
// key, which browsers do not take.
const (
	pageCertFile = "/var/lib/ringboot/page.crt"
	pageKeyFile  = "/var/lib/ringboot/page.key"
)

// Limits of the page. It is read by people, and by anybody.
const (
	pageConns      = 64
	pageConnsPerIP = 12
	pageTimeout    = 10 * time.Second
	pageKeeps      = time.Second // one picture serves all who ask within it
)

// page serves the picture of the cluster, read only.
type page struct {
	picture func(context.Context) draw.Picture
	files   host.Files // for the report; nil: there is none

	mu   sync.Mutex
	at   time.Time
	html []byte
	json []byte
}

// pageService serves the page on the management address.
func pageService(p *Parts, picture func(context.Context) draw.Picture) Service {
	return Service{Name: "status page", Run: func(ctx context.Context) error {
		cert, err := pageCertificate(p.Host, p.Node.Name, p.Node.Address.AsSlice())
		if err != nil {
			return err
		}
		at := net.JoinHostPort(p.Node.Address.String(), strconv.Itoa(p.Profile.Agent.StatusPort))
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
		if err != nil {
			return fmt.Errorf("%w: the address comes with step management; else choose another agent.status_port in the profile", err)
		}
		return servePage(ctx, listener, cert, &page{picture: picture, files: p.Host.Files})
	}}
}

// servePage answers browsers until the context ends.
func servePage(ctx context.Context, listener net.Listener, cert tls.Certificate, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: pageTimeout, ReadTimeout: pageTimeout, WriteTimeout: pageTimeout, IdleTimeout: 30 * time.Second,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig:    &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // readers lose nothing
	defer stop()
	err := server.ServeTLS(trust.LimitListener(listener, pageConns, pageConnsPerIP), "", "")
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// ServeHTTP answers /, /status.json and the report, and nothing else.
func (g *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this page is read only", http.StatusMethodNotAllowed)
		return
	}
	if g.report(w, r) {
		return
	}
	if r.URL.Path != "/" && r.URL.Path != "/status.json" {
		http.NotFound(w, r)
		return
	}
	page, data, err := g.render(r.Context())
	if err != nil {
		http.Error(w, "the page cannot be drawn: see journalctl -u ringboot", http.StatusInternalServerError)
		return
	}
	if r.URL.Path == "/" {
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page) // a reader that went away is no matter
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(data) // a reader that went away is no matter
}

// render makes one picture a second at most, for all readers.
func (g *page) render(ctx context.Context) (html, text []byte, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.html != nil && time.Since(g.at) < pageKeeps {
		return g.html, g.json, nil
	}
	p := g.picture(ctx)
	if g.html, err = p.Page(); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err = e.Encode(p); err != nil {
		return nil, nil, err
	}
	g.json, g.at = b.Bytes(), time.Now()
	return g.html, g.json, nil
}

// pageCertificate reads the page's certificate, or makes one that signs
// itself. It stays the same, so that a browser's exception for it does.
func pageCertificate(h host.Host, node string, address net.IP) (tls.Certificate, error) {
	cert, errCert := h.Files.ReadFile(pageCertFile)
	key, errKey := h.Files.ReadFile(pageKeyFile)
	if errCert == nil && errKey == nil {
		if pair, err := tls.X509KeyPair(cert, key); err == nil {
			if leaf, err := x509.ParseCertificate(pair.Certificate[0]); err == nil && leaf.VerifyHostname(node) == nil && leaf.VerifyHostname(address.String()) == nil {
				return pair, nil
			}
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	// The clock may not be set yet: the dates are fixed.
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: node}, DNSNames: []string{node}, IPAddresses: []net.IP{address},
		NotBefore: from, NotAfter: from.AddDate(20, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if err := h.Files.WriteFile(pageKeyFile, key, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	if err := h.Files.WriteFile(pageCertFile, cert, 0o644); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// report serves the acceptance report, once it is written.
func (g *page) report(w http.ResponseWriter, r *http.Request) bool {
	served := map[string]struct{ file, kind string }{
		"/report":      {step.ReportHTML, "text/html; charset=utf-8"},
		"/report.html": {step.ReportHTML, "text/html; charset=utf-8"},
		"/report.md":   {step.ReportMarkdown, "text/markdown; charset=utf-8"},
		"/report.json": {step.ReportJSON, "application/json"},
	}
	s, ok := served[r.URL.Path]
	if !ok || g.files == nil {
		return false
	}
	text, err := g.files.ReadFile(s.file)
	if err != nil {
		http.Error(w, "there is no report yet: it comes with the last step", http.StatusNotFound)
		return true
	}
	w.Header().Set("Content-Type", s.kind)
	_, _ = w.Write(text) // a reader that went away is no matter
	return true
}
