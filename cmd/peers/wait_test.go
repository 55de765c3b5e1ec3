package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
	"ringboot/profiles/fault"
)

func TestWaitEndsWhenFormedOrInTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.start(i)
		s.say(names[i], waiting())
	}
	out, errs, code := s.peers(nil, "--keyring", s.keyring, "--wait", "formed", "--timeout", "5s", "--plain")
	if code != int(fault.Timeout) || !strings.Contains(errs, "peers: not formed within 5s: waiting: have 3/3") || !strings.Contains(out, "state=waiting") {
		t.Errorf("time-out: exit %d\n%s\n%s", code, errs, out)
	}
	cmd := s.command(nil, "--keyring", s.keyring, "--wait", "formed", "--timeout", "60s")
	var text bytes.Buffer
	cmd.Stdout = &text
	said, err := cmd.StderrPipe()
	check(t, err)
	check(t, cmd.Start())
	lines := bufio.NewScanner(said)
	for lines.Scan() { // it says what it waits for before it is told
		if strings.Contains(lines.Text(), "the ring is not proven") {
			break
		}
	}
	for _, name := range names {
		s.say(name, status.Status{Phase: "formed", Step: 11, Steps: 11})
	}
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(text.String(), "formed: 3 of 3 nodes, no known risk\n") {
		t.Errorf("formed: %v\n%s", err, text.String())
	}
}

// TestAWaitEndsAsTheAcceptanceDid has three nodes that are formed, and an
// acceptance that is not there yet, fails, and passes.
func TestAWaitEndsAsTheAcceptanceDid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.start(i)
		s.say(names[i], status.Status{Phase: "formed", Step: 11, Steps: 11})
	}
	wait := func(state string) (string, string, int) {
		return s.peers(nil, "--keyring", s.keyring, "--wait", state, "--timeout", "8s", "--width", "80")
	}
	if _, errs, code := wait("accepted"); code != int(fault.Timeout) || !strings.Contains(errs, "peers: not accepted within 8s: formed: 3 of 3 nodes") {
		t.Errorf("no report: exit %d\n%s", code, errs)
	}
	end := func(outcome, next string, reasons ...string) {
		a := status.Acceptance{Made: time.Now(), By: "frege", Outcome: outcome, Reasons: reasons, Web: []string{"https://10.203.3.11:8006/"},
			Login: status.Login{Users: []string{"kellen", "root"}, Realm: "Linux PAM standard authentication"}, Next: next}
		for _, name := range names {
			s.say(name, status.Status{Phase: "formed", Step: 11, Steps: 11, Acceptance: &a})
		}
	}
	end("failed", "Mend it.", "ring 4.6 Gbit/s, below 5")
	const failed = "formed and not accepted: 3 of 3 nodes; ring 4.6 Gbit/s, below 5"
	for _, args := range [][]string{{"--wait", "formed"}, {"--wait", "accepted"}, {"--listen", "20s"}} {
		out, errs, code := s.peers(nil, append([]string{"--keyring", s.keyring, "--timeout", "20s", "--width", "100"}, args...)...)
		if code != int(fault.Unverified) || !strings.Contains(errs, "peers: "+failed+": read peers report") || !strings.Contains(out, failed+"\ndo this: mend it, then run firstboot accept on frege") {
			t.Errorf("failed, %v: exit %d\n%s\n%s", args, code, out, errs)
		}
	}
	out, _, code := s.peers(nil, "--keyring", s.keyring, "--json", "--listen", "20s")
	var p draw.Picture
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != int(fault.Unverified) || p.State != status.StateNotAccepted || p.Acceptance == nil {
		t.Errorf("failed, as JSON: exit %d, %v, %s", code, err, out)
	}
	end("passed", "Install a guest.")
	for _, args := range [][]string{{"--wait", "accepted"}, {"--listen", "20s"}} {
		out, errs, code := s.peers(nil, append([]string{"--keyring", s.keyring, "--timeout", "20s", "--width", "100"}, args...)...)
		if code != 0 || !strings.Contains(out, "\nformed and accepted: 3 of 3 nodes, no known risk\nopen:    https://10.203.3.11:8006/\nlog in:  as kellen or root, realm Linux PAM") || !strings.Contains(out, "next:    Install a guest.") {
			t.Errorf("passed, %v: exit %d\n%s\n%s", args, code, out, errs)
		}
	}
}
