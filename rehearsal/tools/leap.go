package tools

import (
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// Leap lets a time pass in which nothing happens to a cluster: what lay in the
// kernel's memory has been written, the rounds of high availability went on, and
// the daily service made another certificate where one was about to end.
func Leap(w *sim.World, d time.Duration) {
	w.Sim().Leap(d)
	for _, name := range w.Names() {
		if !w.Node(name).Powered() {
			continue
		}
		m := w.Node(name).Machine()
		_ = w.Node(name).Files().Sync()
		HATick(m)
		if shell.Writable(m) && endsSoon(m) {
			issueCertificate(m, true)
		}
	}
}

// endsSoon reports whether a node's certificate has less than two weeks left,
// as pveupdate asks.
func endsSoon(m sim.Machine) bool {
	cert, err := certificate(m, sim.EtcPVE+"/nodes/"+m.Name()+"/pve-ssl.pem")
	return err == nil && m.Now().AddDate(0, 0, 14).After(cert.NotAfter)
}
