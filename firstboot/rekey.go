package firstboot

import (
	"context"
	"fmt"
	"time"

	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Admitted is the answer to MethodAdmit.
type Admitted struct {
	Waits string    `json:"waits,omitempty"` // fingerprint of a machine that asked for the place already
	Until time.Time `json:"until"`
	// Missing has a sentence for each node whose builder does not come to answer the machine.
	Missing []string `json:"missing,omitempty"`
}

// admit opens the place of one node to one machine for half an hour. While the
// cluster is being formed nobody is bound, and nobody needs to be admitted.
func (p *Parts) admit(node, fingerprint string) (Admitted, error) {
	if p.book == nil || !p.book.Agreed() {
		return Admitted{}, nil
	}
	a, waits, err := p.book.Admit(node, fingerprint)
	if err != nil {
		return Admitted{}, fault.Refused.Wrap(err)
	}
	return Admitted{Waits: waits, Until: a.Until}, nil
}

// bound is the fingerprint of the key to which a node is bound, "" if to none.
func (p *Parts) bound(node string) string {
	if p.book == nil {
		return ""
	}
	key, ok := p.book.Bound(node)
	if !ok {
		return ""
	}
	return bindings.Fingerprint(key)
}

// takeEvery is how often a builder looks whether an admitted machine has come.
const takeEvery = time.Second

// admissions binds machines that root admitted on this node, as they come.
func (p *Parts) admissions(ctx context.Context) error {
	tick := time.NewTicker(takeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, node := range p.book.Pending() {
			switch fingerprint, err := p.book.Take(node, p.identity.Key); {
			case err != nil:
				p.Log("the machine that was admitted as " + node + " is not bound: " + err.Error())
			case fingerprint != "":
				text := fmt.Sprintf("%s is another machine from now on, with the key %s: root on %s admitted it", node, fingerprint, p.Node.Name)
				p.Log(text)
				_ = p.Journal.Note("", text) // the log has it
			}
		}
	}
}

// rekeyed is called when another key counts for a node: steps look again, and
// the peers hear of it at once.
func (p *Parts) rekeyed() {
	p.Kick()
	if r := p.resident.Load(); r != nil {
		r.Relearn()
	}
}

// revoke takes the key of a node away, by its name or its fingerprint.
func (p *Parts) revoke(which string) (string, error) {
	if p.book == nil {
		return "", errNotEnrolled
	}
	node, err := p.book.Revoke(which, p.identity.Key)
	if err != nil {
		return "", fault.Refused.Wrap(err)
	}
	return node, nil
}

// renew makes another own key. It lies on the disk before the old one gives its
// word for it, and takes the old one's place afterwards: a power cut in between
// leaves the old key bound, or the new one with its file beside.
func (p *Parts) renew() (fingerprint string, err error) {
	if p.book == nil {
		return "", errNotEnrolled
	}
	own, place, err := ownOf(p)
	if err != nil {
		return "", err
	}
	next, public, err := own.Renewed()
	if err != nil {
		return "", err
	}
	k := keep(p, next)
	if k.Sealed == nil && place == sealedHere {
		return "", fault.Precondition.Errorf("the node's key is sealed to the TPM, which does not seal another one (%s): the old key still counts; power the machine off and on, and run firstboot renew again", k.Bare)
	}
	if err := k.write(p, nextOwnFile); err != nil {
		return "", err
	}
	if err := p.book.Renew(public, p.identity.Key); err != nil {
		return "", err
	}
	if err := p.finishRenewal(); err != nil {
		return "", err
	}
	if p.again != nil {
		p.again()
	}
	return bindings.Fingerprint(public), nil
}

// nextOwnFile holds a key that is about to take the place of the node's own.
const nextOwnFile = profiles.OwnFile + ".next"

// finishRenewal puts the next key into its place if it is the one that counts.
// That is seen by its certificate, so that no TPM has to open it for that.
func (p *Parts) finishRenewal() error {
	text, err := p.Host.Files.ReadFile(nextOwnFile)
	if err != nil {
		return nil // no renewal is under way
	}
	next, err := parseKept(p, nextOwnFile, text)
	if next.Version > keptVersion {
		return err // a newer agent's: it may be the key that counts
	}
	if err == nil && p.book != nil {
		cert, err := trust.ParseCertificate(next.Chain)
		if key, ok := p.book.Bound(p.Node.Name); err == nil && ok && key.Equal(cert.PublicKey) {
			if err := next.write(p, profiles.OwnFile); err != nil {
				return err
			}
		}
	}
	return p.Host.Files.Remove(nextOwnFile)
}
