package firstboot

import (
	"context"
	"encoding/json"
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
	own, err := ownOf(p)
	if err != nil {
		return "", err
	}
	next, public, err := own.Renewed()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return "", err
	}
	if err := p.Host.Files.WriteFile(nextOwnFile, append(text, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("keep the node's next key: %w", err)
	}
	if err := p.Host.Files.Sync(); err != nil {
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
func (p *Parts) finishRenewal() error {
	text, err := p.Host.Files.ReadFile(nextOwnFile)
	if err != nil {
		return nil // no renewal is under way
	}
	var next trust.Own
	if json.Unmarshal(text, &next) == nil {
		if id, err := next.Identity(); err == nil && p.book != nil {
			if key, ok := p.book.Bound(p.Node.Name); ok && key.Equal(id.Key.Public()) {
				if err := writeOwn(p, next); err != nil {
					return err
				}
			}
		}
	}
	return p.Host.Files.Remove(nextOwnFile)
}
