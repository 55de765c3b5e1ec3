package keeper

import (
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
	"ringboot/firstboot/status/draw"
	"ringboot/firstboot/trust"
)

// The page's own certificate. It is not the node's: that one has an Ed25519
// key, which browsers do not take.
const (
	pageCertFile = "page.crt"
	pageKeyFile  = "page.key"
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
	picture func() draw.Picture
	files   host.Files // for the reports
	reports map[string]Served
	measure func() []family // nil: metrics are not served
	logins  *logins         // nil: nobody is let in

	mu      sync.Mutex
	at      time.Time
	last    pictures
	drawing chan struct{} // closed when the picture is there that is being drawn; nil: none is
	drawers sync.WaitGroup
}

// pictures are one picture as it is shown.
type pictures struct {
	whole    drawn // to those who are let in
	stranger drawn // to anybody
	err      error
}

// drawn is a picture in its two forms.
type drawn struct{ html, json []byte }

// pageService serves the page on the management address.
func (c *Resident) pageService() Service {
	return Service{Name: "status page", Run: func(ctx context.Context) error {
		cert, err := pageCertificate(c.o.Files, c.o.State, c.o.Node.Name, c.o.Node.Address.AsSlice())
		if err != nil {
			return err
		}
		if err := c.logins.keyed(cert); err != nil {
			return err
		}
		at := net.JoinHostPort(c.o.Node.Address.String(), strconv.Itoa(c.o.Profile.Agent.StatusPort))
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
		if err != nil {
			return fmt.Errorf("%w: the address comes with step management; else choose another agent.status_port in the profile", err)
		}
		g := &page{picture: func() draw.Picture { return c.Picture(ctx) }, files: c.o.Files, reports: c.o.Reports, measure: c.measure(), logins: c.logins}
		defer g.drawers.Wait()
		return servePage(ctx, listener, cert, g)
	}}
}

// measure is what the metrics are made of, where the profile asks for them.
func (c *Resident) measure() func() []family {
	if !c.o.Profile.Agent.Metrics {
		return nil
	}
	return func() []family {
		var t Told
		if c.o.Told != nil {
			t = c.o.Told()
		}
		return families(c.o.Status(), t)
	}
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

// ServeHTTP answers /, /status.json and the report, and nothing else. Who was
// not let in sees how far the cluster is, and no more.
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
	in := g.logins != nil && g.logins.in(r)
	if g.login(w, r) || g.report(w, r, in) || g.metrics(w, r) {
		return
	}
	if r.URL.Path != "/" && r.URL.Path != "/status.json" {
		http.NotFound(w, r)
		return
	}
	d, err := g.render(r.Context(), in)
	if err != nil {
		http.Error(w, "the page cannot be drawn: see journalctl -u ringboot -u ringboot-keeper", http.StatusInternalServerError)
		return
	}
	if r.URL.Path == "/" {
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(d.html) // a reader that went away is no matter
		return
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(d.json) // a reader that went away is no matter
}

// render makes one picture a second at most, for all readers. It is drawn for all
// of them, outside the lock, and nobody who goes away takes it from the others.
func (g *page) render(ctx context.Context, in bool) (drawn, error) {
	g.mu.Lock()
	old := g.at.IsZero() || time.Since(g.at) >= pageKeeps
	if old && g.drawing == nil {
		g.drawing = make(chan struct{})
		g.drawers.Go(g.draw)
	}
	drawing := g.drawing
	g.mu.Unlock()
	if old {
		select {
		case <-drawing:
		case <-ctx.Done():
			return drawn{}, ctx.Err()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if in {
		return g.last.whole, g.last.err
	}
	return g.last.stranger, g.last.err
}

// draw makes the next picture. A panic in it must not end what keeps the ring.
func (g *page) draw() {
	var next pictures
	defer func() {
		if p := recover(); p != nil {
			next.err = fmt.Errorf("drawing panicked: %v", p)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		close(g.drawing)
		g.last, g.at, g.drawing = next, time.Now(), nil
	}()
	p := g.picture()
	if next.whole, next.err = draws(p); next.err == nil {
		next.stranger, next.err = draws(p.Stranger())
	}
}

// draws makes both forms.
func draws(p interface{ Page() ([]byte, error) }) (d drawn, err error) {
	if d.html, err = p.Page(); err != nil {
		return d, err
	}
	d.json, err = json.MarshalIndent(p, "", "  ")
	return drawn{d.html, append(d.json, '\n')}, err
}

// pageCertificate reads the page's certificate, or makes one that signs
// itself. It stays the same, so that a browser's exception for it does.
func pageCertificate(f host.Files, dir, node string, address net.IP) (tls.Certificate, error) {
	cert, errCert := f.ReadFile(dir + "/" + pageCertFile)
	key, errKey := f.ReadFile(dir + "/" + pageKeyFile)
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
	if err := f.WriteFile(dir+"/"+pageKeyFile, key, 0o600); err != nil {
		return tls.Certificate{}, err
	}
	if err := f.WriteFile(dir+"/"+pageCertFile, cert, 0o644); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// report serves the acceptance report, once it is written.
func (g *page) report(w http.ResponseWriter, r *http.Request, in bool) bool {
	s, ok := g.reports[r.URL.Path]
	if !ok {
		return false
	}
	if !in {
		http.Error(w, errStranger.Error(), http.StatusForbidden)
		return true
	}
	text, err := g.files.ReadFile(s.File)
	if err != nil {
		http.Error(w, "there is no report yet: it comes with the last step", http.StatusNotFound)
		return true
	}
	w.Header().Set("Content-Type", s.Kind)
	_, _ = w.Write(text) // a reader that went away is no matter
	return true
}
