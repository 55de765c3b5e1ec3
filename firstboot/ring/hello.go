package ring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"ringboot/firstboot/ring/verdict"
)

// The hello is a UDP datagram on one port of the ring, never routed (TTL 1):
//
//	4  magic "RBRH"
//	1  version of the protocol
//	1  kind: announce or probe
//	2  length of the body, big-endian
//	n  body, JSON
//
// An announce goes on with 2 bytes length and the DER certificate of the
// sender, then the 64 bytes of an Ed25519 signature over all that comes before.
// A probe goes on with 32 bytes of HMAC-SHA256 over all that comes before, then
// zeros up to the size that is to be tried.
const (
	helloMagic   = "RBRH"
	helloVersion = 1
	helloHeader  = 8
	certLength   = 2 // bytes of the length before the certificate

	kindAnnounce = 1
	kindProbe    = 2
)

// UDPPort is where keepers listen, bound to a port of the ring each.
const UDPPort = verdict.UDPPort

// headers are the bytes of IPv4 and UDP before the content.
const headers = 20 + 8 // RFC 791 3.1 without options, RFC 768

// Announce says who is at this end of a cable. It goes to the broadcast
// address, since nothing is known of the other end yet.
type Announce struct {
	Cluster  string `json:"cluster"`
	Node     string `json:"node"`
	Port     string `json:"port"`
	Instance string `json:"instance"`
	BootID   string `json:"boot"`
	MTU      int    `json:"mtu"`
	Public   []byte `json:"public"`          // X25519
	Own      []byte `json:"own,omitempty"`   // of the voucher for the node's own key
	Grant    []byte `json:"grant,omitempty"` // of the node for its keeper's key
}

// Probe goes to the peer's own address over the port, as traffic does: it
// fails when the neighbour entry, the cable or the far end does.
type Probe struct {
	From  string `json:"from"` // instance of the sender
	To    string `json:"to"`   // instance of the receiver
	Port  string `json:"port"` // port of the sender
	Seq   uint64 `json:"seq"`
	Reply bool   `json:"reply,omitempty"` // answers Ack at once; is not answered itself
	Ack   uint64 `json:"ack,omitempty"`   // newest Seq heard on this link
	// Big is the size of the largest IP packet heard on this link since it came up.
	Big   int       `json:"big,omitempty"`
	MTU   int       `json:"mtu"`
	Links []Reached `json:"links"` // what the sender says of its own two links
}

// Reached is one link in the eyes of one end: how the third node learns of it.
type Reached struct {
	Peer  string `json:"peer"`
	Alive bool   `json:"alive"`
	// Lost are the nodes that this peer itself says it has no living link to: so
	// the far end of a dead cable learns of it by way of the third node.
	Lost []string `json:"lost,omitempty"`
}

// signed is an announce as it came: what was signed, by which certificate.
type signed struct {
	content, cert, signature []byte
}

var errNotHello = errors.New("is no hello of a ring")

// errVersion is a hello that another version of the agent sent.
type errVersion byte

func (v errVersion) Error() string {
	return fmt.Sprintf("speaks version %d of the ring's hello, this agent version %d: install the same version on all nodes", byte(v), helloVersion)
}

func header(kind byte, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("hello: %w", err)
	}
	out := make([]byte, helloHeader, helloHeader+len(text)+sha256.Size)
	copy(out, helloMagic)
	out[4], out[5] = helloVersion, kind
	binary.BigEndian.PutUint16(out[6:], uint16(len(text)))
	return append(out, text...), nil
}

func sealAnnounce(a Announce, cert []byte, key ed25519.PrivateKey) ([]byte, error) {
	out, err := header(kindAnnounce, a)
	if err != nil {
		return nil, err
	}
	out = binary.BigEndian.AppendUint16(out, uint16(len(cert)))
	out = append(out, cert...)
	return append(out, ed25519.Sign(key, out)...), nil
}

// sealProbe makes a probe whose IP packet is size bytes long, or as short as
// it can be for size 0.
func sealProbe(p Probe, key []byte, size int) ([]byte, error) {
	out, err := header(kindProbe, p)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(out)
	out = mac.Sum(out)
	if pad := size - headers - len(out); pad > 0 {
		out = append(out, make([]byte, pad)...)
	}
	return out, nil
}

// open splits a datagram into its kind, its body and what follows.
func open(datagram []byte) (kind byte, body, rest []byte, err error) {
	if len(datagram) < helloHeader || string(datagram[:4]) != helloMagic {
		return 0, nil, nil, errNotHello
	}
	if datagram[4] != helloVersion {
		return 0, nil, nil, errVersion(datagram[4])
	}
	n := int(binary.BigEndian.Uint16(datagram[6:]))
	if len(datagram) < helloHeader+n {
		return 0, nil, nil, errNotHello
	}
	return datagram[5], datagram[helloHeader : helloHeader+n], datagram[helloHeader+n:], nil
}

// parseAnnounce reads an announce. Nothing in it is believed yet.
func parseAnnounce(datagram []byte) (Announce, signed, error) {
	kind, body, rest, err := open(datagram)
	if err != nil {
		return Announce{}, signed{}, err
	}
	if kind != kindAnnounce || len(rest) < certLength {
		return Announce{}, signed{}, errNotHello
	}
	n := int(binary.BigEndian.Uint16(rest))
	if len(rest) != certLength+n+ed25519.SignatureSize {
		return Announce{}, signed{}, errNotHello
	}
	var a Announce
	if err := json.Unmarshal(body, &a); err != nil {
		return Announce{}, signed{}, errNotHello
	}
	at := len(datagram) - ed25519.SignatureSize
	return a, signed{content: datagram[:at], cert: rest[certLength : certLength+n], signature: datagram[at:]}, nil
}

// sender is the run that a probe says it is from, unbelieved.
func sender(datagram []byte) string {
	_, body, _, err := open(datagram)
	var p struct {
		From string `json:"from"`
	}
	if err != nil || json.Unmarshal(body, &p) != nil {
		return ""
	}
	return p.From
}

// parseProbe reads a probe and checks it with the key that keyOf knows for its
// sender. It returns nothing of a probe that it does not believe.
func parseProbe(datagram []byte, keyOf func(instance string) []byte) (Probe, error) {
	kind, body, rest, err := open(datagram)
	if err != nil {
		return Probe{}, err
	}
	if kind != kindProbe || len(rest) < sha256.Size {
		return Probe{}, errNotHello
	}
	var p Probe
	if err := json.Unmarshal(body, &p); err != nil {
		return Probe{}, errNotHello
	}
	key := keyOf(p.From)
	if key == nil {
		return Probe{}, verdict.ErrUntrusted
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(datagram[:helloHeader+len(body)])
	if !hmac.Equal(mac.Sum(nil), rest[:sha256.Size]) {
		return Probe{}, verdict.ErrUntrusted
	}
	if len(bytes.TrimLeft(rest[sha256.Size:], "\x00")) != 0 {
		return Probe{}, errNotHello
	}
	return p, nil
}
