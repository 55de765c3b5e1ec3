package acceptance

import (
	"context"
	"encoding/json"
	"time"

	"ringboot/firstboot/acceptance/consent"
	"ringboot/firstboot/report"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// ErrOver is what who says no is told once nothing is reset by what the profile says.
var ErrOver = fault.Precondition.New("the acceptance is over: there is no power cut to say no to; a later one wants firstboot accept --consent on the node that is cut")

// Consent lets this machine be reset, once, by the drill power-cut.
func (s *Accept) Consent() (until time.Time, err error) { return s.word.Give() }

// No says no to the power cut that the profile proposes, for all nodes, and says
// where it was heard.
func (s *Accept) No(ctx context.Context, by string) (consent.Heard, error) {
	if err := s.no(by + " at " + s.o.Host.Clock.Now().UTC().Format("2006-01-02 15:04 UTC")); err != nil {
		return consent.Heard{}, err
	}
	return s.word.Spread(ctx)
}

// no keeps a no on this node.
func (s *Accept) no(by string) error {
	r, err := s.Record()
	switch {
	case err != nil:
		return err
	case r != nil && r.Done:
		return trust.Final(ErrOver)
	case r != nil && r.watching():
		return trust.Final(fault.Refused.Errorf("it is too late: %s was reset at %s", r.Cut.Victim, r.Cut.At.UTC().Format("15:04:05 UTC")))
	}
	return s.word.Keep(by)
}

// askedOfCuts adds what is asked about a power cut. An operator's no is handed on, a
// node's was handed on by it.
func (s *Accept) askedOfCuts(r trust.Registry) {
	r.Handle(consent.MethodAnswer, func(context.Context, string, json.RawMessage) (any, error) { return s.word.Answer(), nil })
	r.Handle(trust.MethodNo, func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
		if _, isNode := s.o.Profile.Node(peer); !isNode {
			return s.No(ctx, "the administrator with peers")
		}
		return decoded(func(_ context.Context, by string) (any, error) { return nil, s.no(by) })(ctx, in)
	})
}

// notTried is a drill that ends before it began.
func notTried(why string) *report.Drill {
	return &report.Drill{Outcome: report.Untried, Sentence: why}
}
