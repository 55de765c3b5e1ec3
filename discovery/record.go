package discovery

import (
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"ringboot/discovery/grant"
)

// Limits of a record. A TXT string holds 255 bytes (RFC 1035 3.3); the
// datagram stays below 1000 bytes so that it never needs a fragment, also on
// links with tunnels in between.
const (
	formatVersion = 1
	maxString     = 255
	maxTexts      = 32
	maxText       = 720 // all strings with their length bytes; the rest of the datagram is names and SRV
	maxAddresses  = 6
	maxNeighbours = 3 // the cables of a mesh; of a switch the first ones
	maxWaiting    = 160
)

// signPrefix keeps a signature over a record from being one over anything else.
const signPrefix = "ringboot discovery record 1\x00"

// Record is what a node tells everyone on its links. It proves nothing that
// is acted on; its signature says only which node's key made it.
type Record struct {
	ClusterID   string
	Node        string
	Boot        string // first 8 digits of the kernel's boot id
	Run         string // 8 random hexadecimal digits of this start of the agent
	Sequence    uint64 // rises with each signature; begins at the clock, in Unix milliseconds
	Phase       string // name of the step that is not done, or "formed"
	Step, Steps int
	Addresses   []netip.Addr
	Port        int
	Fingerprint string // of the node's certificate: SHA-256, unpadded URL-safe base64
	Plan        string // hash of the cluster's part of the plan, its first 16 digits
	Neighbours  []Neighbour
	Waiting     string // why the node waits, cut to fit
	// Grant is the node's word for the key that signs, where it is not its own:
	// that key and the node's signature over it.
	Grant []byte
}

// Neighbour is one ring port and who is behind it.
type Neighbour struct {
	Port  string // en05
	Node  string // empty: nobody
	State string // up | down | absent | unproven
	Mbit  int    // 0: not known
}

var (
	reHex   = regexp.MustCompile(`^[0-9a-f]{1,32}$`)
	reLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	reWord  = regexp.MustCompile(`^[a-zA-Z0-9._-]{0,32}$`)
)

// Sign returns the record as the strings of a TXT record, the signature last.
// What is too long is cut: first Waiting, then the last addresses.
func (r Record) Sign(key ed25519.PrivateKey) ([]string, error) {
	r.Waiting = clip(r.Waiting, maxWaiting)
	r.Plan = r.Plan[:min(16, len(r.Plan))]
	r.Addresses = r.Addresses[:min(maxAddresses, len(r.Addresses))]
	r.Neighbours = r.Neighbours[:min(maxNeighbours, len(r.Neighbours))]
	for {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("discovery record: %w", err)
		}
		texts := r.texts()
		sig := ed25519.Sign(key, signed(texts))
		texts = append(texts, "g="+base64.RawURLEncoding.EncodeToString(sig))
		long := size(texts) - maxText
		switch {
		case long <= 0:
			return texts, nil
		case r.Waiting != "":
			r.Waiting = clip(r.Waiting, max(0, len(r.Waiting)-long-2))
		case len(r.Addresses) > 1:
			r.Addresses = r.Addresses[:len(r.Addresses)-1]
		default:
			return nil, fmt.Errorf("discovery record of %s is %d bytes too long", r.Node, long)
		}
	}
}

// texts are the strings before the signature, in a fixed order.
func (r Record) texts() []string {
	addresses := make([]string, len(r.Addresses))
	for i, a := range r.Addresses {
		addresses[i] = a.String()
	}
	out := []string{
		"v=" + strconv.Itoa(formatVersion),
		"c=" + r.ClusterID,
		"n=" + r.Node,
		"b=" + r.Boot + "." + r.Run,
		"q=" + strconv.FormatUint(r.Sequence, 10),
		"p=" + r.Phase,
		fmt.Sprintf("s=%d/%d", r.Step, r.Steps),
		"a=" + strings.Join(addresses, ","),
		"o=" + strconv.Itoa(r.Port),
		"f=" + r.Fingerprint,
		"h=" + r.Plan,
	}
	for _, n := range r.Neighbours {
		out = append(out, fmt.Sprintf("r=%s,%s,%s,%d", n.Port, n.Node, n.State, n.Mbit))
	}
	if len(r.Grant) > 0 {
		out = append(out, "d="+base64.RawURLEncoding.EncodeToString(r.Grant))
	}
	if r.Waiting != "" {
		out = append(out, "w="+r.Waiting)
	}
	return out
}

// check holds for what is sent and for what is received.
func (r Record) check() error {
	switch {
	case !reHex.MatchString(r.ClusterID):
		return fmt.Errorf("cluster id %q is not hexadecimal", clip(r.ClusterID, 40))
	case !reLabel.MatchString(r.Node):
		return fmt.Errorf("node %q is not a host name", clip(r.Node, 70))
	case !reHex.MatchString(r.Boot) || !reHex.MatchString(r.Run) || len(r.Run) > 8 || len(r.Boot) > 8:
		return fmt.Errorf("boot id %q is not hexadecimal", clip(r.Boot+"."+r.Run, 40))
	case !reWord.MatchString(r.Phase) || !reWord.MatchString(r.Plan):
		return errors.New("phase or plan is not a word")
	}
	if err := r.bounds(); err != nil {
		return err
	}
	for _, n := range r.Neighbours {
		if n.malformed() {
			return fmt.Errorf("neighbour %q is malformed", clip(n.Port+" "+n.Node, 40))
		}
	}
	return nil
}

// bounds are those of numbers and lengths.
func (r Record) bounds() error {
	switch {
	case r.Step < 0 || r.Steps < 0 || r.Step > 99 || r.Steps > 99:
		return fmt.Errorf("step %d/%d is out of range", r.Step, r.Steps)
	case r.Port < 1 || r.Port > 65535:
		return fmt.Errorf("port %d is out of range", r.Port)
	case len(r.Fingerprint) != 43:
		return errors.New("fingerprint is not a SHA-256 sum")
	case len(r.Addresses) > maxAddresses || len(r.Neighbours) > maxNeighbours:
		return errors.New("too many addresses or neighbours")
	}
	if sum, err := base64.RawURLEncoding.Strict().DecodeString(r.Fingerprint); err != nil || len(sum) != 32 {
		return errors.New("fingerprint is not a SHA-256 sum")
	}
	return nil
}

func (n Neighbour) malformed() bool {
	return !reWord.MatchString(n.Port) || !reWord.MatchString(n.State) || n.Node != "" && !reLabel.MatchString(n.Node) || n.Mbit < 0 || n.Mbit > 1e6
}

// Message is a received record with what is needed to check its signature.
type Message struct {
	Record    Record
	signed    []byte
	signature []byte
}

// Verify reports whether the node with this key made the record, or the keeper
// for which it gave its word.
func (m *Message) Verify(key ed25519.PublicKey) bool {
	if len(m.Record.Grant) > 0 {
		var ok bool
		if key, ok = grant.Open(key, grant.Record, m.Record.Node, m.Record.Grant); !ok {
			return false
		}
	}
	return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, m.signed, m.signature)
}

// Parse reads the strings of a TXT record. It is strict: each key once, in any
// order, the signature last; keys that it does not know are covered by the
// signature and ignored.
func Parse(texts []string) (*Message, error) {
	if len(texts) < 2 || len(texts) > maxTexts || size(texts) > maxText {
		return nil, fmt.Errorf("record of %d strings and %d bytes", len(texts), size(texts))
	}
	last := len(texts) - 1
	signature, err := signatureOf(texts[last])
	if err != nil {
		return nil, err
	}
	m := &Message{signed: signed(texts[:last]), signature: signature}
	seen := map[string]bool{}
	for _, text := range texts[:last] {
		key, value, ok := strings.Cut(text, "=")
		if !ok || len(text) > maxString || !utf8.ValidString(text) {
			return nil, errors.New("record holds a string that is no key=value")
		}
		if seen[key] && key != "r" {
			return nil, fmt.Errorf("record holds %s= twice", clip(key, 10))
		}
		seen[key] = true
		if err := m.Record.set(key, value); err != nil {
			return nil, err
		}
	}
	for _, key := range []string{"v", "n", "c", "b", "q"} {
		if !seen[key] {
			return nil, errors.New("record is incomplete")
		}
	}
	return m, m.Record.check()
}

func signatureOf(text string) ([]byte, error) {
	sig, ok := strings.CutPrefix(text, "g=")
	signature, err := base64.RawURLEncoding.Strict().DecodeString(sig)
	if !ok || err != nil || len(signature) != ed25519.SignatureSize {
		return nil, errors.New("record is not signed")
	}
	return signature, nil
}

func grantOf(text string) ([]byte, error) {
	made, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil && len(made) != grant.Size {
		err = errors.New("record holds a grant of the wrong length")
	}
	return made, err
}

// word is where a key's text is kept as it is, nil for any other key.
func (r *Record) word(key string) *string {
	switch key {
	case "c":
		return &r.ClusterID
	case "n":
		return &r.Node
	case "p":
		return &r.Phase
	case "f":
		return &r.Fingerprint
	case "h":
		return &r.Plan
	}
	return nil
}

func (r *Record) addresses(value string) error {
	for _, text := range strings.Split(value, ",") {
		if text == "" {
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" || len(r.Addresses) >= maxAddresses {
			return fmt.Errorf("record holds a bad address %q", clip(text, 50))
		}
		r.Addresses = append(r.Addresses, a)
	}
	return nil
}

func (r *Record) set(key, value string) (err error) {
	if text := r.word(key); text != nil {
		*text = value
		return nil
	}
	switch key {
	case "v":
		if value != strconv.Itoa(formatVersion) {
			return fmt.Errorf("record has format %q, here %d: install one version on all nodes", clip(value, 10), formatVersion)
		}
	case "d":
		r.Grant, err = grantOf(value)
	case "b":
		r.Boot, r.Run, _ = strings.Cut(value, ".")
	case "q":
		r.Sequence, err = strconv.ParseUint(value, 10, 63)
	case "s":
		step, steps, _ := strings.Cut(value, "/")
		var other error
		r.Step, err = strconv.Atoi(step)
		r.Steps, other = strconv.Atoi(steps)
		err = cmp.Or(err, other)
	case "a":
		return r.addresses(value)
	case "o":
		r.Port, err = strconv.Atoi(value)
	case "r":
		parts := strings.Split(value, ",")
		if len(parts) != 4 {
			return fmt.Errorf("record holds a bad neighbour %q", clip(value, 50))
		}
		n := Neighbour{Port: parts[0], Node: parts[1], State: parts[2]}
		n.Mbit, err = strconv.Atoi(parts[3])
		r.Neighbours = append(r.Neighbours, n)
	case "w":
		if r.Waiting = clip(value, maxWaiting); r.Waiting != value {
			return errors.New("record holds a text that is too long or not printable")
		}
	}
	if err != nil {
		return fmt.Errorf("record holds a bad number %s=%q", key, clip(value, 30))
	}
	return nil
}

// signed is what the signature covers: each string with its length, so that
// no two lists of strings give the same bytes.
func signed(texts []string) []byte {
	out := []byte(signPrefix)
	for _, text := range texts {
		out = append(out, byte(len(text)>>8), byte(len(text)))
		out = append(out, text...)
	}
	return out
}

func size(texts []string) int {
	n := 0
	for _, text := range texts {
		n += 1 + len(text)
	}
	return n
}

// clip makes a text printable and at most n bytes long.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
	if len(s) <= n {
		return s
	}
	const mark = ".."
	if n < len(mark) {
		return ""
	}
	cut := n - len(mark)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}
