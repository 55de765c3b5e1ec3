package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// A power cut wants a consent that lies on the machine which goes down; what
// its peers say of one counts for nothing. Each is for one cut.
const (
	// consentFile says until when this node may be reset: root typed it here.
	consentFile = "/var/lib/ringboot/power-cut-consent"
	// spentFile says for which run the profile's consent was used up.
	spentFile = "/var/lib/ringboot/power-cut-spent"
	// consentTime is how long a typed consent holds.
	consentTime = time.Hour
)

// consent is the content of consentFile.
type consent struct {
	Node  string    `json:"node"` // a copy of the file on another machine consents to nothing
	Until time.Time `json:"until"`
}

// Consent lets this machine be reset, once, by the drill power-cut.
func (s *Accept) Consent() (until time.Time, err error) {
	until = s.o.Host.Clock.Now().Add(consentTime).UTC().Truncate(time.Second)
	text, err := json.Marshal(consent{s.o.Node, until})
	if err != nil {
		return until, err
	}
	return until, s.o.Host.Files.WriteFile(consentFile, text, 0o600)
}

// refuses says why this machine may not be reset now, "" if it may. The
// profile speaks for the first acceptance alone: until there is a report, where
// no machine was replaced, and for the node that it names.
func (s *Accept) refuses() string {
	var c consent
	text, err := s.o.Host.Files.ReadFile(consentFile)
	if err == nil && json.Unmarshal(text, &c) == nil && c.Node == s.o.Node {
		// A clock that was set back makes no consent last longer.
		if left := c.Until.Sub(s.o.Host.Clock.Now()); 0 < left && left <= consentTime {
			return ""
		}
	}
	switch {
	case !s.o.Profile.Acceptance.PowerCut || victimOf(s.o.Profile) != s.o.Node:
		return fmt.Sprintf("the profile of %s does not consent to a power cut, nor does root on it", s.o.Node)
	case s.place() != "" || host.Exists(s.o.Host.Files, ReportJSON) || host.Exists(s.o.Host.Files, spentFile):
		return fmt.Sprintf("the profile of %s consented to the power cut of the first acceptance, and root on it to no other one", s.o.Node)
	}
	return ""
}

// useUp takes the consent away, in a way that the cut does not bring it back.
func (s *Accept) useUp(run string) error {
	f := s.o.Host.Files
	if err := f.WriteFile(spentFile, []byte(run+"\n"), 0o600); err != nil {
		return err
	}
	if err := f.Remove(consentFile); err != nil {
		return err
	}
	return f.Sync() // a name that is gone comes back where nobody flushed that
}

// cut resets this machine, once for each run of the acceptance, and only if
// this node itself consents and has been told beforehand that it is the victim.
func (s *Accept) cut(_ context.Context, run string) (any, error) {
	rec, err := s.Record()
	if err != nil {
		return nil, err
	}
	if rec == nil || rec.Run != run || rec.Done || rec.Cut == nil || rec.Cut.Victim != s.o.Node {
		return nil, fmt.Errorf("%s was not told beforehand that its power is cut, and goes on", s.o.Node)
	}
	if done, err := s.o.Host.Files.ReadFile(cutFile); err == nil && strings.TrimSpace(string(done)) == run {
		return nil, fmt.Errorf("%s has reset itself for this acceptance already", s.o.Node)
	}
	if rec.Cut.Boot != s.bootID() {
		return nil, fmt.Errorf("%s has started anew since the power cut was announced: it is not cut again", s.o.Node)
	}
	if why := s.refuses(); why != "" {
		return nil, errors.New(why)
	}
	if err := s.o.Host.Files.WriteFile(cutFile, []byte(run+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := s.useUp(run); err != nil {
		return nil, fmt.Errorf("%s is not reset, because its consent could not be used up: %w", s.o.Node, err)
	}
	return nil, s.o.Host.Files.WriteDirect(sysrqTrigger, []byte("b"))
}
