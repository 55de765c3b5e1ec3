package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/pve/corosync"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// keyRequest is what a node says of itself when it asks for the key.
type keyRequest struct {
	Have string `json:"have,omitempty"` // sum of the key that it has
}

// keyAnswer is the key with the configuration, or why not. The key equals root
// on every node: it travels only over the agents' channel, to a node of the
// plan that has none, and once.
type keyAnswer struct {
	Key     []byte `json:"key,omitempty"` // only for who has none
	Conf    []byte `json:"conf,omitempty"`
	Wait    string `json:"wait,omitempty"`    // ask again: this goes by
	Refused string `json:"refused,omitempty"` // a person must look
}

// Register adds the step's methods to what this agent answers.
func (s *Cluster) Register(r trust.Registry) {
	r.Handle(methodView, func(context.Context, string, json.RawMessage) (any, error) {
		v := s.look()
		v.Stopped, _ = s.stop.Load().(string)
		return v, nil
	})
	r.Handle(methodKick, func(context.Context, string, json.RawMessage) (any, error) {
		if s.o.Kick != nil {
			s.o.Kick()
		}
		if len(s.o.Profile.Added()) > 0 { // the configuration may be another one: no power cut takes it back
			return nil, s.node.Sync()
		}
		return nil, nil
	})
	r.Handle(methodKey, func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
		var req keyRequest
		if err := json.Unmarshal(in, &req); err != nil {
			return nil, err
		}
		return s.handOver(ctx, peer, req)
	})
}

// handOver answers a node that asks for the key. Until it has shown that it
// has it, it may ask again: a power cut can take an answer. From then on it
// hears "you have it", and nobody gets the key under its name any more, unless
// root on this node admits the machine that takes its place. Nodes beside the
// founder hand it over in that case alone.
func (s *Cluster) handOver(ctx context.Context, peer string, req keyRequest) (keyAnswer, error) {
	name := s.o.Profile.Cluster.Name
	n, ok := s.o.Profile.Node(peer)
	if !ok || peer == s.o.Node {
		return keyAnswer{Refused: fmt.Sprintf("%s is no node of %s", peer, name)}, nil
	}
	v := s.look()
	if v.Name != name || v.Key == "" || v.Contrary != "" {
		return keyAnswer{Wait: fmt.Sprintf("%s has not founded %s yet", s.o.Node, name)}, nil
	}
	if req.Have != "" && req.Have != v.Key {
		return keyAnswer{Refused: otherKey(peer, s.o.Node)}, nil
	}
	if req.Have == "" {
		if no, err := s.permit(ctx, n, v); err != nil || no.Wait+no.Refused != "" {
			return no, err
		}
	}
	_, conf, err := s.node.ReadConf(pve.ConfFile)
	if err != nil {
		return keyAnswer{}, err
	}
	if req.Have != "" {
		return keyAnswer{Conf: conf}, s.keyed(peer, v.Key)
	}
	key, err := s.node.Key()
	if err != nil {
		return keyAnswer{}, err
	}
	if err := s.hand(peer); err != nil {
		return keyAnswer{}, err
	}
	// No power cut may take back what the other node builds on.
	return keyAnswer{Key: key, Conf: conf}, s.node.Sync()
}

// permit says why a node that has no key does not get it, nothing where it does.
// The configuration has grown by one that is added, then.
func (s *Cluster) permit(ctx context.Context, n profiles.Node, v view) (no keyAnswer, err error) {
	peer, name := n.Name, s.o.Profile.Cluster.Name
	if slices.Contains(v.Synced, peer) {
		return keyAnswer{Wait: fmt.Sprintf("%s still sees the old %s: two machines of one name must not run", s.o.Node, peer)}, nil
	}
	if n.Added {
		if !s.o.Admission.Admits(peer, s.fingerprint(peer)) {
			return keyAnswer{Refused: notAdmitted(s.o.Node, name, peer)}, nil
		}
		if why, err := s.grow(ctx, peer); why != "" || err != nil {
			return keyAnswer{Wait: why}, err
		}
	}
	had, err := host.ReadOptional(s.o.Host.Files, keyedFile(peer))
	if err != nil {
		return keyAnswer{}, err
	}
	first := s.o.Node == s.o.Profile.Nodes[0].Name && string(had) != v.Key && !slices.Contains(v.Known, peer)
	if !first && !s.o.Admission.Admits(peer, s.fingerprint(peer)) {
		return keyAnswer{Refused: secondMachine(s.o.Node, name, peer)}, nil
	}
	return keyAnswer{}, nil
}

// fingerprint is that of the key to which a node is bound. The channel lets
// nobody speak for a node but who holds it.
func (s *Cluster) fingerprint(node string) string {
	if s.o.Bound == nil {
		return ""
	}
	return s.o.Bound(node)
}

// keyedFile remembers the sum of the key that a node has shown.
func keyedFile(node string) string { return "/var/lib/ringboot/keyed/" + node }

// keyed remembers that a node has the key. An admission is used up with it.
func (s *Cluster) keyed(node, sum string) error {
	had, err := host.ReadOptional(s.o.Host.Files, keyedFile(node))
	if err != nil {
		return err
	}
	if string(had) != sum {
		if err := s.o.Host.Files.WriteFile(keyedFile(node), []byte(sum), 0o600); err != nil {
			return err
		}
	}
	return s.dismiss(node)
}

// obtain asks a node for key and configuration. The key is nil where this node
// has it already.
func (s *Cluster) obtain(ctx context.Context, source string) (key, conf []byte, err error) {
	var got keyAnswer
	if err := s.call(ctx, keyTime, source, methodKey, keyRequest{Have: s.look().Key}, &got); err != nil {
		return nil, nil, fmt.Errorf("ask %s for the key of %s: %w", source, s.o.Profile.Cluster.Name, err)
	}
	if why := got.Wait + got.Refused; why != "" {
		return nil, nil, &step.NotYet{Reason: why}
	}
	if n := len(got.Key); n != 0 && n != pve.KeySize {
		return nil, nil, fmt.Errorf("the corosync key that was handed over has %d bytes instead of %d", n, pve.KeySize)
	}
	// In a cluster that was made by hand, or by an earlier edition, the bytes
	// are others than the plan's.
	c, err := corosync.Parse(got.Conf)
	if err != nil {
		return nil, nil, fmt.Errorf("the configuration that was handed over: %w", err)
	}
	return got.Key, got.Conf, contradicts(s.o.Profile, &c)
}

// confirm shows that this node has the key. Not to be heard costs nothing: the
// certificate that it gets in the end says the same.
func (s *Cluster) confirm(ctx context.Context, source string, key []byte) {
	var got keyAnswer
	_ = s.call(ctx, keyTime, source, methodKey, keyRequest{Have: pve.Sum(key)}, &got)
}

// Admission says whom root on this node has admitted: a new machine that may
// have the key under the name of a node that had it before.
type Admission interface {
	// Admits reports whether the machine with this fingerprint may: "" where the
	// nodes are not bound yet.
	Admits(node, fingerprint string) bool
}

// admitTime is how long an admission holds.
const admitTime = 30 * time.Minute

// admitFile holds the one admission.
const admitFile = "/var/lib/ringboot/admit.json"

// admission is the content of admitFile.
type admission struct {
	Node        string    `json:"node"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the machine that root meant; "": whichever is bound
	Until       time.Time `json:"until"`
	Handed      bool      `json:"handed,omitempty"` // the key went out: whoever has it now is the machine that was meant
}

// Admitted is the admission that lies on this node: one node, half an hour.
type Admitted struct{ Host host.Host }

// Admits implements Admission.
func (a Admitted) Admits(node, fingerprint string) bool {
	got, err := a.read()
	return err == nil && got.Node == node && a.Open() && (got.Fingerprint == "" || got.Fingerprint == fingerprint)
}

// Open reports whether somebody is admitted at present.
func (a Admitted) Open() bool {
	got, err := a.read()
	return err == nil && a.Host.Clock.Now().Before(got.Until)
}

func (a Admitted) read() (admission, error) {
	var got admission
	text, err := a.Host.Files.ReadFile(admitFile)
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal(text, &got)
}

// Admit lets this node hand the key to a new machine in the place of a lost
// node, for half an hour, on the word of root; with a fingerprint, to the
// machine of that key alone.
func (s *Cluster) Admit(ctx context.Context, node, fingerprint string) error {
	if v := s.look(); v.Name != s.o.Profile.Cluster.Name {
		return errors.New(v.unsettled(s.o.Profile.Cluster.Name) + ": admit " + node + " on a member")
	}
	if err := s.admit(admission{Node: node, Fingerprint: fingerprint, Until: s.o.Host.Clock.Now().Add(admitTime).UTC()}); err != nil {
		return err
	}
	_ = s.call(ctx, askTime, node, methodKick, nil, nil) // it may not run yet
	return nil
}

func (s *Cluster) admit(a admission) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return s.o.Host.Files.WriteFile(admitFile, text, 0o600)
}

// hand notes in the admission of a node that the key goes out.
func (s *Cluster) hand(node string) error {
	got, err := (Admitted{s.o.Host}).read()
	if err != nil || got.Node != node || got.Handed {
		return nil
	}
	got.Handed = true
	return s.admit(got)
}

// arrived ends the admission of a node that answers with the key that was
// handed to it: a power cut may have taken the word with which it said so.
func (s *Cluster) arrived(key string, peers map[string]answer) error {
	got, err := (Admitted{s.o.Host}).read()
	if err != nil || !got.Handed || key == "" {
		return nil
	}
	if a, ok := peers[got.Node]; !ok || a.err != nil || a.view.Key != key {
		return nil
	}
	return s.keyed(got.Node, key)
}

// dismiss ends the admission of a node, and no power cut opens it again.
func (s *Cluster) dismiss(node string) error {
	if got, err := (Admitted{s.o.Host}).read(); err != nil || got.Node != node {
		return nil
	}
	if err := s.o.Host.Files.Remove(admitFile); err != nil {
		return err
	}
	return s.node.Sync()
}
