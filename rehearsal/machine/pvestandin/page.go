package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
)

// page answers on port 8006 with the node's certificate, as pveproxy does, and
// says what it is.
func page(ctx context.Context) error {
	node, err := os.Hostname()
	if err != nil {
		return err
	}
	node, _, _ = strings.Cut(node, ".")
	load := func() (*tls.Certificate, error) {
		dir := sim.EtcPVE + "/nodes/" + node
		c, err := tls.LoadX509KeyPair(dir+"/pve-ssl.pem", dir+"/pve-ssl.key")
		return &c, err
	}
	srv := &http.Server{Addr: ":8006", ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load() }},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "PRACTICE: this is not Proxmox VE. Node %s.\n", node)
		})}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.ListenAndServeTLS("", ""); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
